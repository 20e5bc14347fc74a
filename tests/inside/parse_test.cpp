// The parser: texts of ours come back as they were, JAX's are understood, and what is neither is
// an error with its place.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "support.hpp"

namespace inside {
namespace {

using jv::Code;
using jv::Error;

std::string printed(jv::Session& session, std::string_view text) {
  return to_string(*parse(session, text));
}

std::string repeated(std::string_view text, size_t n) {
  std::string all;
  for (size_t i = 0; i < n; ++i) all += text;
  return all;
}

// ---- our own texts

const char* const ours[] = {
    "{ lambda ;. let\n  in () }",
    "{ lambda ; a:f32[]. let\n  in (a,) }",
    R"({ lambda ; a:f32[3] b:f32[]. let
    c:f32[3] = sin a
    d:f32[3] = broadcast_in_dim[broadcast_dimensions=() shape=(3,)] b
    e:f32[3] = mul c d
    f:f32[] = reduce_sum[axes=(0,)] e
  in (f, f, a) })",
    R"({ lambda ; a:f64[2,3] b:f64[3,4]. let
    c:f64[2,4] = dot_general[dimension_numbers=(([1], [0]), ([], [])) precision=None preferred_element_type=None] a b
    d:f64[4,2] = transpose[permutation=(1, 0)] c
    e:f64[8] = reshape[new_sizes=(8,)] d
    f:f64[4] = slice[limit_indices=(8,) start_indices=(0,) strides=(2,)] e
    g:f64[3] = slice[limit_indices=(4,) start_indices=(1,) strides=None] f
    h:f64[6] = pad[padding_config=((-1, 2, 1),)] g 0.0:f64[]
    i:f64[14] = concatenate[dimension=0] h e
    j:f32[14] = convert_element_type[new_dtype=float32] i
    k:u32[14] = bitcast_convert_type[new_dtype=uint32] j
    l:u32[1,14] = broadcast_in_dim[broadcast_dimensions=(1,) shape=(1, 14)] k
    m:u32[14] = squeeze[dimensions=(0,)] l
  in (m,) })",
    R"({ lambda ; a:f16[2]. let
    b:i32[2] = iota[dimension=0 dtype=int32 shape=(2,)]
    c:f16[2] = integer_pow[y=-3] a
    d:bool[2] = is_finite c
    e:bool[2] = not d
    f:f16[2] = select_n e a c
  in (f, b) })",
    R"({ lambda ; a:f32[2,2]. let
    b:f32[2,2] _:i32[2] c:i32[2] = lu a
    d:f32[2,2] = triangular_solve[conjugate_a=False left_side=True lower=True transpose_a=False unit_diagonal=True] b a
  in (d, c) })",
    R"({ lambda ; a:u32[2]. let
    b:u32[3] = random_bits[bit_width=32 shape=(3,)] a
  in (b,) })",
    R"({ lambda ; a:f32[]. let
    b:f32[] _:f32[] = jit[
      jaxpr={ lambda ; a:f32[] b:f32[]. let
          c:f32[] = jit[
            jaxpr={ lambda ; a:f32[]. let
                b:f32[] = sin a
              in (b,) }
            name=inner
          ] b
        in (c, a) }
      name=a name <with> blanks[0]
    ] a 2.0:f32[]
     = jit[
      jaxpr={ lambda ; a:f32[]. let
        in () }
      name=nothing
    ] b
  in (b,) })",
    R"({ lambda ;. let
  in (1.0:f64[], -0.0:f64[], 0.1:f64[], 5e-324:f64[], 1.7976931348623157e+308:f64[], inf:f64[], -inf:f64[], nan:f64[]) })",
    R"({ lambda ;. let
  in (0.1:f32[], 1e-45:f32[], 3.4028235e+38:f32[], -inf:f32[], nan:f32[], 0.099975586:f16[], 65504.0:f16[], inf:f16[], 0.100097656:bf16[]) })",
    R"({ lambda ;. let
  in (True:bool[], False:bool[], -128:i8[], 127:i8[], 255:u8[], -32768:i16[], 65535:u16[]) })",
    R"({ lambda ;. let
  in (-2147483648:i32[], 4294967295:u32[], -9223372036854775808:i64[], 9223372036854775807:i64[], 18446744073709551615:u64[], 0.0:float0[]) })",
};

TEST(Parse, our_text_comes_back) {
  auto session = make_session();
  for (std::string_view text : ours) {
    SCOPED_TRACE(text);
    try {
      EXPECT_EQ(printed(*session, text), text);
    } catch (Error& e) {
      ADD_FAILURE() << e.message;
    }
  }
}

// ---- JAX's texts

struct Row {
  const char *jax, *ours;
};
const Row rows[] = {
    // parameters that change no number, or that the types say
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(0,) out_sharding=None] a in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[] = reduce_sum[axes=(0,)] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3]. let b:f32[3] = exp[accuracy=None] a in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[3] = exp a\n  in (b,) }"},
    {"{ lambda ; a:f32[]. let b:f32[2,3] = broadcast_in_dim a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[2,3] = broadcast_in_dim[broadcast_dimensions=() shape=(2, "
     "3)] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3,3]. let\n b:f32[3,3,1] = broadcast_in_dim[broadcast_dimensions=(0, "
     "np.int64(1))] a\n in (b,) }",
     "{ lambda ; a:f32[3,3]. let\n    b:f32[3,3,1] = broadcast_in_dim[broadcast_dimensions=(0, 1) "
     "shape=(3, 3, 1)] a\n  in (b,) }"},
    {"{ lambda ; a:f32[4]. let b:f32[2] = slice[limit_indices=(3,) start_indices=(1,) "
     "strides=None] a in (b,) }",
     "{ lambda ; a:f32[4]. let\n    b:f32[2] = slice[limit_indices=(3,) start_indices=(1,) "
     "strides=None] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3,2] b:f32[2,3]. let\n    c:f32[3,3] = dot_general[\n      "
     "dimension_numbers=(([1], [0]), ([], []))\n      precision=(Precision.HIGHEST, "
     "Precision.HIGHEST)\n    ] a\n      b\n  in (c,) }",
     "{ lambda ; a:f32[3,2] b:f32[2,3]. let\n    c:f32[3,3] = "
     "dot_general[dimension_numbers=(([1], [0]), ([], [])) precision=None "
     "preferred_element_type=None] a b\n  in (c,) }"},
    // numbers and axes of size 1 among arrays
    {"{ lambda ; a:f32[3]. let b:f32[3] = mul 2.0:f32[] a in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[3] = broadcast_in_dim[broadcast_dimensions=() "
     "shape=(3,)] 2.0:f32[]\n    c:f32[3] = mul b a\n  in (c,) }"},
    {"{ lambda ; a:f32[3] b:f32[1]. let c:bool[3] = eq a b in (c,) }",
     "{ lambda ; a:f32[3] b:f32[1]. let\n    c:f32[3] = "
     "broadcast_in_dim[broadcast_dimensions=(0,) shape=(3,)] b\n    d:bool[3] = eq a c\n  in (d,) "
     "}"},
    {"{ lambda ; a:bool[] b:f32[2]. let c:f32[2] = select_n a b b in (c,) }",
     "{ lambda ; a:bool[] b:f32[2]. let\n    c:f32[2] = select_n a b b\n  in (c,) }"},
    // other names
    {"{ lambda ; a:f32[]. let b:f32[] = add_any a a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = add a a\n  in (b,) }"},
    {"{ lambda ; a:f32[]. let b:f32[] = pjit[name=f donated_invars=(False,) inline=False "
     "jaxpr={ lambda ; a:f32[]. let b:f32[] = neg a in (b,) } keep_unused=False] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = jit[\n      jaxpr={ lambda ; a:f32[]. let\n          "
     "b:f32[] = neg a\n        in (b,) }\n      name=f\n    ] a\n  in (b,) }"},
    // jaxprs printed once, before they are used or after it
    {"let g = { lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=f] a in (b,) } in\nlet f = { "
     "lambda ; a:f32[]. let b:f32[] = neg a in (b,) } in\n{ lambda ; a:f32[]. let b:f32[] = "
     "jit[name=<lambda> jaxpr=g] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = jit[\n      jaxpr={ lambda ; a:f32[]. let\n          "
     "b:f32[] = jit[\n            jaxpr={ lambda ; a:f32[]. let\n                b:f32[] = neg "
     "a\n              in (b,) }\n            name=f\n          ] a\n        in (b,) }\n      "
     "name=<lambda>\n    ] a\n  in (b,) }"},
    // results that the caller drops
    {"{ lambda ; a:f32[]. let _:f32[] _:f32[] b:f32[] = jit[name=f jaxpr={ lambda ; a:f32[]. let "
     "_:f32[] = sin a _:f32[] = cos a in (_, _, a) }] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    _:f32[] _:f32[] b:f32[] = jit[\n      jaxpr={ lambda ; "
     "a:f32[]. let\n          b:f32[] = sin a\n          c:f32[] = cos a\n        in (b, c, a) "
     "}\n      name=f\n    ] a\n  in (b,) }"},
    // equations on one line, and variables called as a keyword or a number
    {"{ lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b inf:f32[]; d:f32[] = neg c in (d,) "
     "}",
     "{ lambda ; a:f32[]. let\n    b:f32[] = sin a\n    c:f32[] = mul b inf:f32[]\n    d:f32[] = "
     "neg c\n  in (d,) }"},
    {"{lambda;in:f32[] let:f32[].let\nnan:f32[]=add in let\ninf:f32[]=neg nan\nc:f32[]=add "
     "inf\nnan:f32[]\nlambda:f32[]=add nan in in(lambda,nan,c,nan:f32[])}",
     "{ lambda ; a:f32[] b:f32[]. let\n    c:f32[] = add a b\n    d:f32[] = neg c\n    e:f32[] = "
     "add d nan:f32[]\n    f:f32[] = add c a\n  in (f, c, e, nan:f32[]) }"},
};

TEST(Parse, what_jax_prints) {
  auto session = make_session();
  for (const Row& row : rows) {
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
     1, 57, "no parameter out_sharding=P('x')"},
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
     Code::parse, 1, 108, "expected None, got low"},
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
    {"{ lambda ; . let\n  in (\x01) }", Code::parse, 2, 7, "a byte 1"},
    {"{ lambda ; a:f32[3]. let\n    b:f32[3] = custom_jvp_call[name=relu call_jaxpr={ lambda ; "
     "a:f32[3]. let  in (a,) } jvp=jvp symbolic_zeros=False] a",
     Code::parse, 2, 16, "custom_jvp_call holds a custom rule"},
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
    {"let f = { lambda ; . let in () } in let f = { lambda ; . let in () } in { lambda ; . let in "
     "() }",
     Code::parse, 1, 41, "'f' is defined twice"},
    {"let f = { lambda ; . let = jit[name=f jaxpr=f] in () } in { lambda ; . let in () }",
     Code::parse, 1, 9, "holds itself"},
    {"let f = { lambda ; . let in (a,) } in { lambda ; . let in () }", Code::parse, 1, 30, "'a'"},
    {"let f = { lambda ; . let in () }", Code::parse, 1, 33, "'in'"},
    {"let f = { lambda", Code::parse, 1, 9, "not closed"},
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

// ---- size and depth

// Variables have all names up to four letters: `in`, `inf`, `nan`, `let` and `jit` among them.
TEST(Parse, a_long_program) {
  constexpr size_t n = 100000;
  auto session = make_session();
  auto j = jv::make_ref<jv::Jaxpr>(*session);
  const jv::Primitive &sin = *jv::find_primitive("sin"), &add = *jv::find_primitive("add");
  jv::Aval aval = session->aval(jv::DType::f64, {});
  jv::Atom x = jv::Atom::var(j->add_input(aval));
  jv::ParamsRef none = session->params().make(sin.sig, {}),
                both = session->params().make(add.sig, {});
  for (size_t i = 0; i < n; ++i) {
    jv::Atom operands[2] = {x, i % 3 ? x : j->add_literal(jv::scalar(*session, aval->dtype, NAN))};
    x = jv::Atom::var(i % 2 ? j->add_eqn(sin, {&x, 1}, *none, {&aval, 1}, 0)
                            : j->add_eqn(add, operands, *both, {&aval, 1}, 0));
  }
  j->outs.push_back(x);
  std::string text = to_string(*j);
  for (const char* name : {" in:f64", " inf:f64", "nan:f64[] =", " let:f64", " jit:f64"})
    EXPECT_NE(text.find(name), std::string::npos) << name;
  EXPECT_EQ(printed(*session, text), text);
}

std::string nested(size_t depth) {
  return repeated("{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=", depth) +
         "{ lambda ; a:f32[]. let  in (a,) }" + repeated("] a in (b,) }", depth);
}

// let f1 = { ... f0 ... } in let f2 = { ... f1 ... } in ...: `uses` of the one before in each.
std::string defined_in_order(size_t n, size_t uses, bool backwards) {
  std::string text;
  for (size_t k = 0; k < n; ++k) {
    size_t i = backwards ? n - 1 - k : k;
    std::string use = i ? jv::str("; b:f32[] = jit[name=f jaxpr=f", i - 1, "] a") : "";
    text += jv::str("let f", i, " = { lambda ; a:f32[]. let ");
    for (size_t u = 0; i && u < uses; ++u)
      text += jv::str("b", u, ":f32[] = jit[name=f jaxpr=f", i - 1, "] a\n");
    text += "in (a,) } in\n";
  }
  return text +
         jv::str("{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=f", n - 1, "] a in (b,) }");
}

std::string refusal(jv::Session& session, const std::string& text) {
  try {
    parse(session, text);
  } catch (Error& e) {
    return e.message;
  }
  return "accepted";
}

TEST(Parse, depth_and_size_are_limited) {
  auto session = make_session();
  EXPECT_EQ(refusal(*session, nested(200)), "accepted");
  EXPECT_EQ(refusal(*session, defined_in_order(200, 1, false)), "accepted");
  EXPECT_EQ(refusal(*session, defined_in_order(200, 1, true)), "accepted");
  for (const std::string& deep :
       {nested(300), nested(100000), defined_in_order(300, 1, false),
        defined_in_order(20000, 1, false), defined_in_order(20000, 1, true)})
    EXPECT_NE(refusal(*session, deep).find("deeper than 256"), std::string::npos)
        << refusal(*session, deep);
  EXPECT_NE(refusal(*session, defined_in_order(100, 2, false)).find("16777216 equations"),
            std::string::npos);
}

// ---- texts that are nearly right

// Each is accepted with a program that typechecks and prints, or refused with a message.
void try_text(jv::Session& session, const std::string& text) {
  try {
    jv::JaxprRef j = parse(session, text);
    typecheck(*j);
    EXPECT_FALSE(to_string(*j).empty());
  } catch (Error& e) {
    ASSERT_TRUE(e.is(Code::parse) || e.is(Code::not_found) || e.is(Code::shape) ||
                e.is(Code::dtype))
        << e.code << " " << e.message << "\n"
        << text;
    ASSERT_TRUE(e.message.starts_with("line ")) << e.message;
    ASSERT_LT(e.message.size(), 600u);
  }
}

std::vector<std::string> texts_to_break() {
  std::vector<std::string> texts(std::begin(ours), std::end(ours));
  for (const Row& row : rows) texts.push_back(row.jax);
  return texts;
}

TEST(Parse, truncated_texts) {
  auto session = make_session();
  for (const std::string& text : texts_to_break())
    for (size_t n = 0; n < text.size(); ++n) try_text(*session, text.substr(0, n));
}

TEST(Parse, texts_with_a_changed_byte) {
  auto session = make_session();
  for (std::string text : texts_to_break())
    for (size_t i = 0; i < text.size(); ++i) {
      char kept = text[i];
      for (char c : std::string_view("\0\x80 9a_-[](){},:=;.\n", 19)) {
        text[i] = c;
        try_text(*session, text);
      }
      text[i] = kept;
      try_text(*session, text.substr(0, i) + text.substr(i + 1));
      try_text(*session, text.substr(0, i) + kept + text.substr(i));
    }
}

}  // namespace
}  // namespace inside
