// Every golden case by its id: what the library computes is what JAX computed, and prints what it
// parsed.
#include <gtest/gtest.h>

#include <memory>

#include "golden_compare.hpp"
#include "golden_function.hpp"

namespace golden {
namespace {

struct FreeContext {
  void operator()(jaxvjp_context* cx) const { jaxvjp_context_free(cx); }
};
using Context = std::unique_ptr<jaxvjp_context, FreeContext>;

// All cases, or none where a file cannot be read: the reader's own test says why, and
// Golden.has_cases fails.
const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = [] {
    try {
      return read_directory(TESTS_DIR "/golden/values");
    } catch (const std::exception&) {
      return std::vector<Case>();
    }
  }();
  return cases;
}

std::vector<const Case*> cases(bool (*wanted)(const Case&)) {
  std::vector<const Case*> list;
  for (const Case& c : all_cases())
    if (wanted(c)) list.push_back(&c);
  return list;
}

std::string id_of(const testing::TestParamInfo<const Case*>& info) { return info.param->id; }

jaxvjp_value* to_value(jaxvjp_context* cx, const Array& a) {
  return jaxvjp_array(cx, static_cast<int32_t>(a.dtype), a.shape.data(), a.shape.size(),
                      a.data.data());
}

Array to_array(jaxvjp_context* cx, jaxvjp_value* v) {
  Array a{static_cast<jv::DType>(jaxvjp_dtype(v)), {}, {}};
  a.shape.assign(jaxvjp_shape(v), jaxvjp_shape(v) + jaxvjp_ndim(v));
  if (a.dtype == jv::DType::float0 || !jv::is_valid(a.dtype)) return a;
  a.data.resize(a.size() * jv::size_of(a.dtype));
  jaxvjp_read(cx, v, a.data.data(), a.data.size());
  return a;
}

class Golden : public testing::TestWithParam<const Case*> {
 protected:
  void SetUp() override {
    cx_.reset(jaxvjp_context_new(nullptr));
    ASSERT_TRUE(cx_);
  }
  void TearDown() override {
    EXPECT_EQ(jaxvjp_failed(cx()), 0) << jaxvjp_error_text(cx()) << "\n" << where();
  }
  jaxvjp_context* cx() { return cx_.get(); }
  std::string where() const {
    const Case& c = *GetParam();
    return c.file + ":" + std::to_string(c.line) + "\n" + c.jaxpr;
  }

 private:
  Context cx_;
};

TEST_P(Golden, matches_jax) {
  const Case& c = *GetParam();
  jaxvjp_function* f = function_of_case(cx(), c);
  std::vector<jaxvjp_value*> args;
  for (const Array& input : c.inputs) args.push_back(to_value(cx(), input));
  jaxvjp_value* result = jaxvjp_call(cx(), f, args.data(), args.size());
  ASSERT_EQ(jaxvjp_failed(cx()), 0);
  ASSERT_EQ(jaxvjp_leaf_count(result), c.outputs.size()) << where();
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    const Array got = to_array(cx(), jaxvjp_leaf(cx(), result, i));
    EXPECT_EQ(difference(got, c.outputs[i], c.tolerance), "") << "leaf " << i << ", " << where();
  }
}

class GoldenText : public Golden {};

TEST_P(GoldenText, prints_what_it_parsed) {
  const char* printed = jaxvjp_jaxpr_text(cx(), jaxvjp_parse(cx(), GetParam()->jaxpr.c_str()));
  ASSERT_EQ(jaxvjp_failed(cx()), 0);
  const char* again = jaxvjp_jaxpr_text(cx(), jaxvjp_parse(cx(), printed));
  ASSERT_EQ(jaxvjp_failed(cx()), 0) << printed;
  EXPECT_STREQ(printed, again);
}

INSTANTIATE_TEST_SUITE_P(, Golden, testing::ValuesIn(cases([](const Case&) { return true; })),
                         id_of);
INSTANTIATE_TEST_SUITE_P(, GoldenText, testing::ValuesIn(cases([](const Case& c) {
                           return !c.jaxpr.empty() && c.spec.is_f();
                         })),
                         id_of);

TEST(GoldenCases, are_there) { EXPECT_GE(all_cases().size(), 220u); }

}  // namespace
}  // namespace golden
