// The parser: texts of ours come back as they were, JAX's are understood, and what is neither is
// an error with its place.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "parse_texts.hpp"
#include "support.hpp"

namespace inside {
namespace {

using jv::Code;
using jv::Error;

std::string printed(jv::Session& session, std::string_view text) {
  return to_string(*parse(session, text));
}

// ---- texts that are right

TEST(Parse, our_text_comes_back) {
  auto session = make_session();
  for (std::string_view text : our_texts) {
    SCOPED_TRACE(text);
    try {
      EXPECT_EQ(printed(*session, text), text);
    } catch (Error& e) {
      ADD_FAILURE() << e.message;
    }
  }
}

TEST(Parse, what_jax_prints) {
  auto session = make_session();
  for (const JaxText& row : jax_texts) {
    SCOPED_TRACE(row.jax);
    try {
      EXPECT_EQ(printed(*session, row.jax), row.ours);
    } catch (Error& e) {
      ADD_FAILURE() << e.message;
    }
  }
}

// The jaxprs of the golden files, by the ids of their cases.
std::vector<std::pair<std::string, std::string>> golden_jaxprs() {
  std::vector<std::pair<std::string, std::string>> all;
  for (auto& file : std::filesystem::directory_iterator(TESTS_DIR "/golden/values")) {
    std::ifstream in(file.path());
    std::string id;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("case ")) id = line.substr(5);
      if (line == "jaxpr") all.emplace_back(id, "");
      if (line.starts_with("| ")) all.back().second += line.substr(2) + "\n";
    }
  }
  return all;
}

TEST(Parse, the_golden_files) {
  auto session = make_session();
  auto jaxprs = golden_jaxprs();
  EXPECT_GT(jaxprs.size(), 500u);
  for (auto& [id, text] : jaxprs) {
    SCOPED_TRACE(id + "\n" + text);
    try {
      jv::JaxprRef j = parse(*session, text);
      typecheck(*j);
      EXPECT_EQ(printed(*session, to_string(*j)), to_string(*j));
    } catch (Error& e) {
      ADD_FAILURE() << e.message;
    }
  }
}

// ---- errors

struct Wrong {
  const char* text;
  Code code;
  int line, column;
  const char* says;
};
const Wrong wrong[] = {
    {"", Code::parse, 1, 1, "expected '{', got the end of the text"},
    {" \n x", Code::parse, 2, 2, "expected '{', got 'x'"},
    {"{ lambda ; a:f32[]. let b:f32[ = ", Code::parse, 1, 32, "the size of an axis, got '='"},
    {"{ lambda ; a:f32[2", Code::parse, 1, 19, "expected ',' or ']'"},
    {"{ lambda ; a:f32. let", Code::parse, 1, 17, "'[' and the shape"},
    {"{ lambda ; a:f33[]. let", Code::parse, 1, 14, "no such dtype: f33"},
    {"{ lambda ; a:key<fry>[]. let", Code::parse, 1, 14, "no such dtype: key"},
    {"{ lambda ; a. let", Code::parse, 1, 13, "the variable's type"},
    {"{ lambda a:f32[]; . let", Code::parse, 1, 10, "make them inputs"},
    {"{ lambda ; a:f32[-1]. let", Code::shape, 1, 14, "negative"},
    {"{ lambda ; a:f32[9223372036854775807,9]. let", Code::shape, 1, 14, "too large"},
    {"{ lambda ; a:f32[99999999999999999999]. let", Code::parse, 1, 18, "too large"},
    {"{ lambda ; a:f32[] a:f32[]. let", Code::parse, 1, 20, "'a' is defined twice"},
    {"{ lambda ; . let\n  in () } x", Code::parse, 2, 11, "the end of the text"},
    {"{ lambda ; . let\n  in (b,) }", Code::parse, 2, 7, "'b' is not defined"},
    {"{ lambda ; . let\n  in (_,) }", Code::parse, 2, 7, "'_' is not defined"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] = sin c\n  in (b,) }", Code::parse, 2, 19, "'c'"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] = sine a\n  in (b,) }", Code::not_found, 2, 15,
     "'sine'"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] = scatter-add a\n  in (b,) }", Code::not_found, 2, 15,
     "'scatter-add'"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] sin a", Code::parse, 2, 13, "a result or '='"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] = sin", Code::parse, 2, 15,
     "sin: takes 1 operands, got 0"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] = sin a a", Code::parse, 2, 15, "got 2"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] c:f32[] = sin a", Code::parse, 2, 23,
     "number of results is 1, got 2 names"},
    {"{ lambda ; a:f32[]. let\n    b:f64[] = sin a", Code::dtype, 2, 5, "f32[]"},
    {"{ lambda ; a:f32[]. let\n    b:f32[2] = sin a", Code::shape, 2, 5, "f32[2]"},
    {"{ lambda ; a:f32[3] b:f32[4]. let\n    c:f32[3] = add a b", Code::shape, 2, 16,
     "add: shapes f32[3] and f32[4] differ"},
    {"{ lambda ; a:f32[] b:f64[]. let\n    c:f32[] = add a b", Code::dtype, 2, 15, "f64[]"},
    {"{ lambda ; a:i32[]. let\n    c:i32[] = sin a", Code::dtype, 2, 15, "sin"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(1,)] a", Code::parse, 1, 36,
     "reduce_sum"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axis=(0,)] a", Code::parse, 1, 47,
     "no parameter axis=(0,); its parameters: axes"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(0,) axes=(0,)] a", Code::parse, 1, 57,
     "given twice"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(0,) out_sharding=P('x')] a", Code::parse,
     1, 57, "reduce_sum: expected out_sharding=None, got P('x')"},
    {"{ lambda ; a:f32[]. let b:f32[] = exp[accuracy=AccuracyMode.HIGHEST] a in (b,) }",
     Code::parse, 1, 39, "exp: expected accuracy=None, got AccuracyMode.HIGHEST"},
    {"{ lambda ; a:f32[]. let b:f16[] = convert_element_type[new_dtype=float16 weak_type=x] a",
     Code::parse, 1, 74, "convert_element_type: expected weak_type=True or False, got x"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum a", Code::parse, 1, 36, "axes is missing"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=0] a", Code::parse, 1, 52, "'(' or '['"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(x,)] a", Code::parse, 1, 53,
     "an integer, got 'x'"},
    {"{ lambda ; a:f32[3]. let b:i32[3] = convert_element_type[new_dtype=int31] a", Code::parse, 1,
     68, "int31"},
    {"{ lambda ; a:f32[2] b:f32[2]. let c:f32[] = dot_general[dimension_numbers=(([0], [0]))] a b",
     Code::parse, 1, 75, "two pairs"},
    {"{ lambda ; a:f32[2] b:f32[2]. let c:f32[] = dot_general[dimension_numbers=(([0], [0]), ([], "
     "[])) precision=low] a b",
     Code::parse, 1, 108, "expected precision=None, got low"},
    {"{ lambda ; a:f32[2]. let b:f32[2] = pad[padding_config=((0, 0),)] a 0.0:f32[]", Code::parse,
     1, 57, "interior"},
    {"{ lambda ; a:f32[]. let b:f32[] = add a 2.0", Code::parse, 1, 44, "the type of the literal"},
    {"{ lambda ; a:f32[]. let b:f32[] = add a 2.0:f32[1]", Code::parse, 1, 41, "rank 0"},
    {"{ lambda ; a:f32[]. let b:f32[] = add a 2.0.0:f32[]", Code::parse, 1, 41, "no number"},
    {"{ lambda ; a:f32[]. let b:f32[] = add a 1e39:f32[]", Code::parse, 1, 41, "no number"},
    {"{ lambda ; a:f16[]. let b:f16[] = add a 65520.0:f16[]", Code::parse, 1, 41, "no number"},
    {"{ lambda ; a:u8[]. let b:u8[] = add a 256:u8[]", Code::parse, 1, 39, "u8[]"},
    {"{ lambda ; a:u8[]. let b:u8[] = add a -1:u8[]", Code::parse, 1, 39, "u8[]"},
    {"{ lambda ; a:i8[]. let b:i8[] = add a 1.0:i8[]", Code::parse, 1, 39, "i8[]"},
    {"{ lambda ; a:bool[]. let b:bool[] = and a 1:bool[]", Code::parse, 1, 43, "bool[]"},
    {"{ lambda ; a:f32[3]. let b:f32[3] = add a [...]:f32[3] in (b,) }", Code::parse, 1, 43,
     "make it an input"},
    {"{ lambda ; . let in ([...]:f32[3],) }", Code::parse, 1, 22, "make it an input"},
    {"{ lambda ; . let in ((b'',):f32[],) }", Code::parse, 1, 22, "'(b'',)' is no number of f32[]"},
    {"{ lambda ; . let\n  in (\x01) }", Code::parse, 2, 7, "a byte 1"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_lin[bwd=b] a", Code::parse, 1, 35, "custom_lin"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f] a in (b,) }", Code::parse, 1, 35,
     "jaxpr is missing"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=f] a in (b,) }", Code::parse, 1, 52,
     "no jaxpr is called 'f'"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr={ lambda ; . let in () }] a", Code::parse,
     1, 35, "operands"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr={ lambda b:f32[]; . let in () }] a",
     Code::parse, 1, 61, "make them inputs"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr={ lambda ; . let in (a,) }] in (b,) }",
     Code::parse, 1, 73, "'a' is not defined"},
    {"{ lambda ; . let b:f32[] = jit[name=f jaxpr={ lambda ; . let c:f32[] = add 1.0:f32[] "
     "1.0:f32[] in (c,) }]\n    d:f32[] = sin c in (d,) }",
     Code::parse, 2, 19, "'c' is not defined"},
    {"let f = { lambda ; c:f32[]. let in (c,) } in\n{ lambda ; . let in (c,) }", Code::parse, 2, 22,
     "'c' is not defined"},
    {"{ lambda ; . let in (b,) b:f32[] = iota[]", Code::parse, 1, 22, "'b' is not defined"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=g\nh] a", Code::parse, 1, 52,
     "no jaxpr is called 'g h'"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=] a", Code::parse, 1, 52,
     "'{' or the name of a jaxpr, got ']'"},
    {"let f = { lambda ; . let in () } in let f = { lambda ; . let in () } in { lambda ; . let in "
     "() }",
     Code::parse, 1, 41, "'f' is defined twice"},
    {"let f = { lambda ; . let = jit[name=f jaxpr=f] in () } in { lambda ; . let in () }",
     Code::parse, 1, 9, "'f' holds itself"},
    {"let f = { lambda ; . let = jit[name=g jaxpr=g] in () } in\nlet g = { lambda ; . let = "
     "jit[name=f jaxpr=f] in () } in\n{ lambda ; . let = jit[name=f jaxpr=f] in () }",
     Code::parse, 1, 9, "'f' holds itself"},
    {"let f = { lambda ; . let in (a,) } in { lambda ; . let in () }", Code::parse, 1, 30, "'a'"},
    {"let f = { lambda ; . let in () }", Code::parse, 1, 33, "'in'"},
    {"let f = { lambda", Code::parse, 1, 9, "not closed"},
    {"let f { lambda ; . let in () } in", Code::parse, 1, 7, "expected '=', got '{'"},
    {"let f = f", Code::parse, 1, 9, "expected '{', got 'f'"},
    {"let = { lambda ; . let in () } in", Code::parse, 1, 5, "the name of a jaxpr, got '='"},
    // a linear solve whose parameters do not fit
    {"{ lambda ; a:f32[]. let b:f32[] = custom_linear_solve[const_lengths=(0, 0, 0) jaxprs=()] a",
     Code::parse, 1, 35, "expected 4 lengths and 2 or 4 jaxprs, got 3 and 0"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_linear_solve[const_lengths=(0, 0, 2, 0) jaxprs=({ "
     "lambda ; . let in () } { lambda ; . let in () })] a",
     Code::parse, 1, 35, "const_lengths do not fit 1 operands"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_linear_solve[const_lengths=(0, 0, -1, 0) jaxprs=({ "
     "lambda ; . let in () } { lambda ; . let in () })] a",
     Code::parse, 1, 35, "const_lengths do not fit"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_linear_solve[const_lengths=(0, 0, 0, 0) jaxprs=({ "
     "lambda ; a:f32[]. let in (a,) } { lambda ; a:f32[]. let in () })] a",
     Code::parse, 1, 35, "the results of solve are not of b's types"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_linear_solve[const_lengths=(0, 0, 0, 0) jaxprs=({ "
     "lambda ; a:f32[]. let in (a, a) } { lambda ; a:f32[]. let in (a,) })] a",
     Code::parse, 1, 35, "the results of matvec are not of b's types"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_linear_solve[const_lengths=_LinearSolveTuple("
     "matvec=0, solve=0)] a",
     Code::parse, 1, 97, "expected 'vecmat', got 'solve'"},
    // half a derivative whose jaxprs do not fit
    {"{ lambda ; a:f32[]. let b:f32[] = custom_lin_jaxprs[jaxprs=() name=f num_res=0] a",
     Code::parse, 1, 35, "expected 1 or 2 jaxprs and no more than 1 residuals, got 0 and 0"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_lin_jaxprs[jaxprs=({ lambda ; . let in () }) name=f "
     "num_res=-1] a",
     Code::parse, 1, 35, "no more than 1 residuals, got 1 and -1"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_lin_jaxprs[jaxprs=({ lambda ; . let in () }) name=f "
     "num_res=1] a",
     Code::parse, 1, 35, "bwd has fewer inputs than residuals"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_lin_jaxprs[jaxprs=({ lambda ; a:f32[]. let in () }) "
     "name=f num_res=0] a",
     Code::parse, 1, 35, "takes 0 operands, got 1"},
    {"{ lambda ; a:f32[]. let b:f32[] = custom_lin_jaxprs[jaxprs=({ lambda ; a:f32[]. let in (a,) "
     "} { lambda ; a:f32[]. let in (a, a) }) name=f num_res=0] a",
     Code::parse, 1, 35, "takes 2 operands, got 1"},
    {"{ lambda ; a:f32[2]. let b:f32[] = custom_lin_jaxprs[jaxprs=({ lambda ; a:f32[]. let in (a,) "
     "}) name=f num_res=0] a",
     Code::shape, 1, 36, "operand 0 is f32[2], expected f32[]"},
    {"{ lambda ; a:f32[]. let b:f32[] = clamp 0.0:f32[] a 1.0:f32[]", Code::not_found, 1, 35,
     "integers alone"},
    {"{ lambda ; a:i32[]. let b:i32[] = clamp 0:i32[] a in (b,) }", Code::parse, 1, 51,
     "'in' is not defined"},
    // texts that end too early
    {"let", Code::parse, 1, 4, "the name of a jaxpr"},
    {"{ lambda ; . let", Code::parse, 1, 17, "an equation or 'in (', got the end of the text"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] = sin a", Code::parse, 2, 20, "an equation or 'in ('"},
    {"{ lambda ; a:f32[]. let\n    b:f32[] =", Code::parse, 2, 14, "the name of a primitive"},
    {"{ lambda ; . let in (", Code::parse, 1, 22, "a variable or a literal"},
    {"{ lambda ; . let in ()", Code::parse, 1, 23, "'}'"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(0,", Code::parse, 1, 55, "an integer"},
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(0,)", Code::parse, 1, 56, "']'"},
    {"{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr={ lambda ; . let in () }", Code::parse, 1,
     76, "']'"},
};

TEST(Parse, errors_say_where) {
  auto session = make_session();
  for (const Wrong& row : wrong) {
    SCOPED_TRACE(row.text);
    try {
      parse(*session, row.text);
      ADD_FAILURE() << "accepted";
    } catch (Error& e) {
      EXPECT_EQ(e.code, int32_t(row.code)) << e.message;
      EXPECT_NE(e.message.find(row.says), std::string::npos) << e.message;
      std::string place = jv::str("line ", row.line, ", column ", row.column, ": ");
      EXPECT_EQ(e.message.substr(0, place.size()), place) << e.message;
      EXPECT_EQ(e.message.find('\n'), std::string::npos) << e.message;
    }
  }
}

// ---- parameters alone, as for jaxvjp_bind

TEST(Parse, parameters) {
  auto session = make_session();
  jv::Aval a[] = {session->aval(jv::DType::f32, std::vector<int64_t>{4, 5})};
  auto parse_for = [&](const char* primitive, const char* text) {
    return parse_params(*session, *jv::find_primitive(primitive), text, a);
  };
  EXPECT_EQ(parse_for("reduce_sum", "axes=(0,)")->ints("axes"), (jv::Ints{0}));
  EXPECT_EQ(parse_for("reduce_sum", " axes = [0, 1,] ")->ints("axes"), (jv::Ints{0, 1}));
  EXPECT_EQ(parse_for("sin", "")->values.size(), 0u);
  jv::ParamsRef slice = parse_for("slice", "start_indices=(0, 1), limit_indices=(2, 3)");
  EXPECT_EQ(slice->ints("strides"), (jv::Ints{1, 1}));
  EXPECT_EQ(slice, parse_for("slice", "strides=None limit_indices=(2, 3) start_indices=(0, 1)"));
  for (auto [primitive, text] : {std::pair("reduce_sum", ""),
                                 {"reduce_sum", "axes"},
                                 {"reduce_sum", "axes=(0,)]"},
                                 {"sin", "axes=(0,)"},
                                 {"jit", "name=f jaxpr={ lambda ; . let in () }"}}) {
    SCOPED_TRACE(text);
    try {
      parse_for(primitive, text);
      ADD_FAILURE() << "accepted";
    } catch (Error& e) {
      EXPECT_TRUE(e.is(Code::parse)) << e.message;
      EXPECT_TRUE(e.message.starts_with("line 1, column ")) << e.message;
    }
  }
}

}  // namespace
}  // namespace inside
