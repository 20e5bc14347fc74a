// The reader of golden files, and the comparison: neither needs the library.
#include "golden_file.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <sstream>

#include "golden_compare.hpp"

namespace golden {
namespace {

const char* const example = R"(# a comment

case two_outputs
tags call literal
jaxpr
| { lambda ; a:f32[2]. let
|     b:f32[2] = exp a
|   in (b, a) }
spec vmap(grad(f, argnums=(0,1)), in_axes=(0,none,-1), out_axis=1)
in f32[2] 0x1.8p+0 -inf
in i64[] -9223372036854775808
out bool[3] 0 1 1
out f64[0,2]
tolerance ulp 2.5
end
)";

std::vector<Case> read_text(const std::string& text) {
  std::istringstream in(text);
  return read_cases(in, "example.txt");
}

template <class T>
T element(const Array& a, size_t i) {
  T x;
  std::memcpy(&x, a.data.data() + i * sizeof x, sizeof x);
  return x;
}

TEST(GoldenFile, reads_a_case) {
  const auto cases = read_text(example);
  ASSERT_EQ(cases.size(), 1u);
  const Case& c = cases[0];
  EXPECT_EQ(c.id, "two_outputs");
  EXPECT_EQ(c.line, 3u);
  EXPECT_EQ(c.tags, (std::vector<std::string>{"call", "literal"}));
  EXPECT_EQ(c.jaxpr, "{ lambda ; a:f32[2]. let\n    b:f32[2] = exp a\n  in (b, a) }\n");
  ASSERT_EQ(c.inputs.size(), 2u);
  EXPECT_EQ(element<float>(c.inputs[0], 0), 1.5f);
  EXPECT_EQ(element<float>(c.inputs[0], 1), -INFINITY);
  EXPECT_EQ(element<int64_t>(c.inputs[1], 0), INT64_MIN);
  ASSERT_EQ(c.outputs.size(), 2u);
  EXPECT_EQ(c.outputs[0].shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(c.outputs[1].size(), 0u);
  EXPECT_EQ(c.tolerance.kind, Tolerance::Kind::ulp);
  EXPECT_EQ(c.tolerance.bound, 2.5);
}

TEST(GoldenFile, reads_a_spec) {
  const Spec spec = parse_spec("vmap(grad(f, argnums=(0,1)), in_axes=(0,none,-1), out_axis=1)");
  EXPECT_EQ(spec.name, "vmap");
  ASSERT_TRUE(spec.list("in_axes"));
  EXPECT_EQ(*spec.list("in_axes"), (std::vector<int64_t>{0, none, -1}));
  EXPECT_EQ(spec.integer("out_axis", 7), 1);
  EXPECT_EQ(spec.integer("axis_size", 7), 7);
  EXPECT_EQ(spec.of().name, "grad");
  EXPECT_TRUE(spec.of().of().is_f());
  EXPECT_EQ(*parse_spec("grad(f, argnums=(1,))").list("argnums"), std::vector<int64_t>{1});
}

TEST(GoldenFile, reads_an_op) {
  const Op op = parse_op("full dtype=f64 shape=(2,3) number=0.1");
  EXPECT_EQ(op.name, "full");
  EXPECT_EQ(op.text("number"), "0.1");
  EXPECT_EQ(op.list("shape"), (std::vector<int64_t>{2, 3}));
  EXPECT_THROW(op.text("axis"), SyntaxError);
}

TEST(GoldenFile, refuses_what_is_not_a_case) {
  for (const char* text : {"spec f\n", "case a\ncase b\n", "case a\nspec f\nend\n",
                           "case a\nop x\nspec f\ntolerance exact\nend\n",
                           "case a\nop x\nspec f\nout f32[2] 0x1p+0\ntolerance exact\nend\n",
                           "case a\nop x\nspec g\nout f32[] 0x1p+0\nend\n",
                           "case a\nop x\nspec f\nout f32[] 0x1p+0\ntolerance near\nend\n",
                           "case a\nwhat\n", "case a\nop x\n"})
    EXPECT_THROW(read_text(text), SyntaxError) << text;
  for (const char* text : {"f32", "f32[1] x", "f32[1] 0x1.0000001p+0", "i8[1] 200", "u8[1] -1",
                           "bool[1] 2", "c64[1] 0", "f32[2] 1", "f32[1] 1 2", "f32[-1]"})
    EXPECT_THROW(parse_array(text), SyntaxError) << text;
  for (const char* text : {"", "g", "grad()", "grad(f", "grad(f) f", "grad(f, argnums)",
                           "vmap(f, in_axes=(0 1))", "vmap(f, out_axis=1, out_axis=2)"})
    EXPECT_THROW(parse_spec(text), SyntaxError) << text;
}

TEST(GoldenFile, an_error_says_where) {
  try {
    read_text("case a\njaxpr\nspec g\n");
    FAIL();
  } catch (const SyntaxError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("example.txt:3: ", 0), 0u) << error.what();
  }
}

TEST(GoldenFile, reads_every_checked_in_file) {
  const auto cases = read_directory(TESTS_DIR "/golden/values");
  std::set<std::string> files, ids;
  for (const Case& c : cases) {
    files.insert(c.file);
    EXPECT_TRUE(ids.insert(c.id).second) << c.id << " twice";
    EXPECT_EQ(
        c.id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"),
        std::string::npos)
        << c.id;
  }
  EXPECT_EQ(files, (std::set<std::string>{"binary.txt", "comparison.txt", "composites.txt",
                                          "control_flow.txt", "dot.txt", "elementwise.txt",
                                          "gradients.txt", "linalg.txt", "models.txt", "random.txt",
                                          "reduction.txt", "shape.txt", "texts.txt", "vmaps.txt"}));
  EXPECT_GE(cases.size(), 220u);
}

struct Row {
  const char *got, *want;
  Tolerance tolerance;
  bool equal;
};
constexpr Tolerance exact{}, one_ulp{Tolerance::Kind::ulp, 1}, percent{Tolerance::Kind::rel, 0.01},
    percent_of_norm{Tolerance::Kind::norm, 0.01};

// Rows of what is and what is not equal within each kind of tolerance.
const Row rows[] = {
    {"f32[2] nan inf", "f32[2] nan inf", exact, true},
    {"f32[1] -inf", "f32[1] inf", percent, false},
    {"f32[1] nan", "f32[1] 0x1p+0", percent, false},
    {"f32[1] 0x1p+0", "f32[1] nan", percent, false},
    {"f32[1] 0x1p+0", "f64[1] 0x1p+0", exact, false},
    {"f32[1] 0x1p+0", "f32[1,1] 0x1p+0", exact, false},
    {"f32[1] -0x0p+0", "f32[1] 0x0p+0", exact, false},
    {"f32[1] -0x0p+0", "f32[1] 0x0p+0", one_ulp, false},
    {"f32[1] -0x0p+0", "f32[1] 0x0p+0", percent, true},
    {"f32[1] 0x1.000002p+0", "f32[1] 0x1p+0", exact, false},
    {"f32[1] 0x1.000002p+0", "f32[1] 0x1p+0", one_ulp, true},
    {"f32[1] 0x1.000004p+0", "f32[1] 0x1p+0", one_ulp, false},
    {"f64[1] 0x1.0000000000001p+0", "f64[1] 0x1p+0", one_ulp, true},
    {"f64[1] 0x1.0000000000002p+0", "f64[1] 0x1p+0", one_ulp, false},
    {"f16[1] 0x3c01", "f16[1] 0x3c00", one_ulp, true},
    {"f16[1] 0x3c02", "f16[1] 0x3c00", one_ulp, false},
    {"f16[1] 0x0002", "f16[1] 0x0001", one_ulp, true},
    {"f16[1] 0x0003", "f16[1] 0x0001", one_ulp, false},
    {"f16[2] 0x7c00 0x7e01", "f16[2] 0x7c00 0xfe00", exact, true},
    {"bf16[1] 0x3f81", "bf16[1] 0x3f80", one_ulp, true},
    {"bf16[1] 0x3f82", "bf16[1] 0x3f80", one_ulp, false},
    {"f64[2] 0x1p+7 0x1.02p+0", "f64[2] 0x1p+7 0x1p+0", percent, true},
    {"f64[2] 0x1p+7 0x1.08p+0", "f64[2] 0x1p+7 0x1p+0", percent, false},
    {"f64[2] 0x1p+7 0x1.08p+0", "f64[2] 0x1p+7 0x1p+0", percent_of_norm, true},
    {"f64[2] 0x1p+7 0x1.8p+1", "f64[2] 0x1p+7 0x1p+0", percent_of_norm, false},
    {"f64[1] 0x1p-90", "f64[1] 0x0p+0", percent_of_norm, false},
    {"i32[2] 1 2", "i32[2] 1 2", percent, true},
    {"i32[2] 100 1000", "i32[2] 100 1001", percent_of_norm, false},
    {"bool[1] 1", "bool[1] 0", percent, false},
    {"float0[2]", "float0[2]", exact, true},
};

TEST(GoldenCompare, rows) {
  for (const Row& row : rows) {
    const std::string text = difference(parse_array(row.got), parse_array(row.want), row.tolerance);
    EXPECT_EQ(text.empty(), row.equal) << row.got << " against " << row.want << ": " << text;
  }
}

TEST(GoldenCompare, names_the_worst_element) {
  const std::string text = difference(parse_array("f32[3] 0x1p+0 0x1.8p+1 0x1.1p+1"),
                                      parse_array("f32[3] 0x1p+0 0x1p+1 0x1p+1"), percent);
  EXPECT_NE(text.find("element 1: got 3 (0x1.8p+1), want 2 (0x1p+1): off by 0.5, allowed rel 0.01"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace golden
