// Group Q: effects. What is printed is what the program does, as often and in its order, whatever
// else is done with it.

#include <cstdio>

#include "prints.hpp"

namespace conformance {
namespace {

TEST(ConformanceQ, Q1_prints_of_a_function) {
  const Make f = [](auto cx) { return scalar_function(cx, loud_sine); };
  expect_prints("f", f, two, {"x 2"});
  expect_prints("grad", [=](auto cx) { return grad(cx, f(cx)); }, two, {"x 2"});
  expect_prints("grad of jit", [=](auto cx) { return grad(cx, jaxvjp_jit(cx, f(cx), nullptr)); },
                two, {"x 2"});
  expect_prints("grad of grad", [=](auto cx) { return grad(cx, grad(cx, f(cx))); }, two, {"x 2"});
  expect_prints("hessian", [=](auto cx) { return jaxvjp_hessian(cx, f(cx), nullptr); }, two,
                {"x 2"});
  expect_prints("vmap", [=](auto cx) { return each(cx, f(cx)); }, one_and_two, {"x 1", "x 2"});
  expect_prints("vmap of grad", [=](auto cx) { return each(cx, grad(cx, f(cx))); }, one_and_two,
                {"x 1", "x 2"});
  expect_prints("grad of vmap", [=](auto cx) { return grad(cx, sum_of(cx, each(cx, f(cx)))); },
                one_and_two, {"x 1", "x 2"});
  expect_prints(
      "vmap of vmap", [=](auto cx) { return each(cx, each(cx, f(cx))); },
      [](auto cx) {
        return array(cx, {2, 1}, {1, 2});
      },
      {"x 1", "x 2"});
}

TEST(ConformanceQ, Q1_prints_of_a_rule) {
  const Make f = [](auto cx) { return loud_rule(cx); };
  expect_prints("f", f, two, {"primal 2"});
  expect_prints("vmap", [=](auto cx) { return each(cx, f(cx)); }, one_and_two,
                {"primal 1", "primal 2"});
  expect_prints("grad", [=](auto cx) { return grad(cx, f(cx)); }, two, {"fwd 2", "bwd 2 1"});
  expect_prints("vmap of grad", [=](auto cx) { return each(cx, grad(cx, f(cx))); }, one_and_two,
                {"fwd 1", "fwd 2", "bwd 1 1", "bwd 2 1"});
  expect_prints("grad of vmap", [=](auto cx) { return grad(cx, sum_of(cx, each(cx, f(cx)))); },
                one_and_two, {"fwd 1", "fwd 2", "bwd 1 1", "bwd 2 1"});
  expect_prints("jacrev", [=](auto cx) { return jaxvjp_jacrev(cx, each(cx, f(cx)), nullptr); },
                one_and_two, {"fwd 1", "fwd 2", "bwd 1 1", "bwd 1 0", "bwd 2 0", "bwd 2 1"});
}

// Nobody needs them, and two of them are equal.
TEST(ConformanceQ, Q1_prints_are_neither_dropped_nor_shared) {
  const Make f = [](auto cx) {
    return scalar_function(cx, [](auto cx, auto x) {
      loud_sine(cx, x);
      jaxvjp_call1(cx, jaxvjp_jit(cx, scalar_function(cx, loud_sine), nullptr), x);
      loud_sine(cx, x);
      return num(cx, 1);
    });
  };
  expect_prints("f", f, two, {"x 2", "x 2", "x 2"});
  expect_prints("grad", [=](auto cx) { return grad(cx, f(cx)); }, two, {"x 2", "x 2", "x 2"});
  expect_prints("nothing else",
                [](auto cx) {
                  auto* f = function(cx, "f", [](auto cx, auto) {
                    print(cx, "hello");
                    print(cx, "{{}}");
                    print(cx, "hello");
                    return jaxvjp_none(cx);
                  });
                  return jaxvjp_jit(cx, f, nullptr);
                },
                two, {"hello", "{}", "hello"});
}

// Forward mode has a tangent to show; reverse mode has none.
TEST(ConformanceQ, Q1_printing_a_tangent) {
  Lines lines;
  Context cx(lines);
  auto* f = custom_jvp(
      cx, "f", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
      [](auto cx, auto x, auto dx) -> Jvp {
        print(cx, "dx {}", {dx[0]});
        return {jaxvjp_sin(cx, x[0]), times(cx, 10, dx[0])};
      });
  jaxvjp_value* dy = nullptr;
  jvp(cx, f, {num(cx, 2)}, {num(cx, 3)}, &dy);
  EXPECT_TRUE(near(cx, dy, 30.0));
  EXPECT_EQ(lines, (Lines{"dx 3"}));
  jaxvjp_function* linear = nullptr;
  linearize(cx, f, {num(cx, 2)}, &linear);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, num(cx, 4)), 40.0));
  EXPECT_EQ(lines, (Lines{"dx 3", "dx 4"}));
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        fails(cx, jaxvjp_call1(cx, g, num(cx, 2)), JAXVJP_NO_TRANSPOSE, {"debug_print", "probe"}));
  }
}

TEST(ConformanceQ, Q1_printed_values) {
  Lines lines;
  Context cx(lines);
  jaxvjp_value* b = jaxvjp_gt(cx, vec(cx, {1, 3}), num(cx, 2));
  jaxvjp_value* i = jaxvjp_convert(cx, vec(cx, {1, -2}), JAXVJP_I32);
  print(cx, "{} {}: {}, {}", {array(cx, {2, 2}, {1, 0.5, 3, 4}), i, b, jaxvjp_number(cx, 0.1)});
  print(cx, "}}{{}}{{{}}} \"quoted\"\n", {vec(cx, {})});
  EXPECT_EQ(lines, (Lines{"[[1 0.5] [3 4]] [1 -2]: [False True], 0.1", "}{}{[]} \"quoted\"\n"}));
}

// The equation as text, and what was read from it.
TEST(ConformanceQ, Q1_text_of_a_print) {
  Lines lines;
  Context cx(lines);
  auto* f = scalar_function(cx, [](auto cx, auto x) {
    print(cx, "x \"{}\"\n\\", {x});
    print(cx, "hello");
    return jaxvjp_sin(cx, x);
  });
  const char* text = jaxvjp_jaxpr_text(cx, make_jaxpr(cx, f, {num(cx, 2)}));
  ASSERT_TRUE(no_error(cx));
  EXPECT_STREQ(text,
               "{ lambda ; a:f64[]. let\n"
               "    debug_print[fmt=\"x \\\"{}\\\"\\n\\\\\"] a\n"
               "    debug_print[fmt=\"hello\"]\n"
               "    b:f64[] = sin a\n"
               "  in (b,) }");
  auto* again = jaxvjp_function_of(cx, jaxvjp_parse(cx, text));
  jaxvjp_call1(cx, again, num(cx, 2));
  EXPECT_TRUE(no_error(cx));
  EXPECT_EQ(lines, (Lines{"x \"2\"\n\\", "hello"}));
}

// As JAX prints it.
TEST(ConformanceQ, Q1_jax_text_of_a_print) {
  Lines lines;
  Context cx(lines);
  auto* f = jaxvjp_function_of(cx, jaxvjp_parse(cx, R"(
    { lambda ; a:f64[]. let
        b:f64[] = mul 2.0:f64[] a
        debug_print[
          fmt=x: {} y: {}
          has_placeholders=True
          in_tree=PyTreeDef(((*, *), {}))
          logging_record=None
          np_printoptions=(('edgeitems', 3), ('floatmode', 'maxprec'), ('formatter', None))
          ordered=False
          partitioned=False
          static_args=()
        ] a b
        debug_print[fmt=hello has_placeholders=False in_tree=PyTreeDef(((), {})) ordered=False]
        c:f64[] = sin b
      in (c,) })"));
  jaxvjp_call1(cx, f, num(cx, 2));
  EXPECT_TRUE(no_error(cx));
  EXPECT_EQ(lines, (Lines{"x: 2 y: 4", "hello"}));
}

// Without a hook it is standard output.
TEST(ConformanceQ, Q1_prints_to_standard_output) {
  Context cx;
  testing::internal::CaptureStdout();
  print(cx, "x {}", {num(cx, 2)});
  print(cx, "hello");
  std::fflush(stdout);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "x 2\nhello\n");
}

// The identity, whose bwd prints what passes: of x².
TEST(ConformanceQ, Q2_printing_a_cotangent) {
  const Make f = [](auto cx) {
    auto* point = custom_vjp(cx, "point",
                             {.fwd = [](auto cx, auto args) -> Fwd {
                                print(cx, "x: {}", {args[0]});
                                return {args[0], jaxvjp_none(cx)};
                              },
                              .bwd =
                                  [](auto cx, auto, auto ct, auto slots) {
                                    print(cx, "x_grad: {}", {ct});
                                    slots[0] = ct;
                                  }});
    return scalar_function(cx, [point](auto cx, auto x) {
      jaxvjp_value* y = jaxvjp_call1(cx, point, x);
      return mul(cx, y, y);
    });
  };
  expect_prints(
      "grad", [=](auto cx) { return grad(cx, f(cx)); }, [](auto cx) { return num(cx, 1); },
      {"x: 1", "x_grad: 2"});
}

}  // namespace
}  // namespace conformance
