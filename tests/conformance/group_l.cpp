// Group L: forward mode on a function whose rule has none.

#include "higher_order.hpp"

namespace conformance {
namespace {

jaxvjp_value* forward(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* x, jaxvjp_value* dx) {
  jaxvjp_value* tangent = nullptr;
  jvp(cx, f, {x}, {dx}, &tangent);
  return tangent;
}
// x -> the tangent of f at x along 1
jaxvjp_function* forward_of(jaxvjp_context* cx, jaxvjp_function* f) {
  return function(cx, "forward", [f](auto cx, auto args) {
    return forward(cx, f, args[0], jaxvjp_number(cx, 1));
  });
}

TEST(ConformanceL, L1_jvp_is_refused) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "tenfold", tenfold_square(&counts));
  jaxvjp_value* tangent = nullptr;
  jaxvjp_value* value = jvp(cx, f, {jaxvjp_f64(cx, 3)}, {jaxvjp_f64(cx, 1)}, &tangent);
  EXPECT_TRUE(fails(cx, value, JAXVJP_FWD_MODE, {"tenfold"}));
  EXPECT_EQ(tangent, nullptr);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 3)), 30.0));
}

TEST(ConformanceL, L2_jvp_is_refused_from_every_nesting) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "tenfold", tenfold_square(&counts));
  auto* outer =
      function(cx, "outer", [f](auto cx, auto args) { return jaxvjp_call1(cx, f, args[0]); });
  jaxvjp_value *one = jaxvjp_f64(cx, 3), *many = vec(cx, {1, 2, 3});
  const struct {
    const char* name;
    jaxvjp_function* f;
    jaxvjp_value* x;
  } rows[] = {
      {"vmap f", vmap(cx, f, {}), many},
      {"jit f", jit(cx, f), one},
      {"jit jit f", jit(cx, jit(cx, f)), one},
      {"outer", outer, one},
      {"vmap jit outer", vmap(cx, jit(cx, outer), {}), many},
      {"jit vmap f", jit(cx, vmap(cx, f, {})), many},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    jaxvjp_value* tangent = forward(cx, row.f, row.x, jaxvjp_zeros_like(cx, row.x));
    EXPECT_TRUE(fails(cx, tangent, JAXVJP_FWD_MODE, {"tenfold"}));
  }
  auto* jacobian = jaxvjp_jacfwd(cx, f, nullptr);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jacobian, one), JAXVJP_FWD_MODE, {"tenfold"}));
}

TEST(ConformanceL, L3_nothing_runs_before_the_refusal) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "tenfold", tenfold_square(&counts));
  EXPECT_TRUE(fails(cx, forward(cx, f, jaxvjp_f64(cx, 3), jaxvjp_f64(cx, 1)), JAXVJP_FWD_MODE));
  EXPECT_EQ(counts, Counts{});
}

TEST(ConformanceL, L4_staged_forward_mode_is_refused_alike) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "tenfold", tenfold_square(&counts));
  auto* tangent = forward_of(cx, f);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jit(cx, tangent), jaxvjp_f64(cx, 3)), JAXVJP_FWD_MODE,
                    {"tenfold"}));
  EXPECT_TRUE(fails(cx, make_jaxpr(cx, tangent, {spec(cx, {})}), JAXVJP_FWD_MODE, {"tenfold"}));
  EXPECT_EQ(counts, Counts{});
}

// A tangent that is a symbolic zero asks for no forward mode.
TEST(ConformanceL, L4_zero_tangents_are_not_refused) {
  Context cx;
  auto* f = custom_vjp(cx, "tenfold", tenfold_square());
  auto* constant = function(cx, "constant", [f](auto cx, auto args) {
    return jaxvjp_mul(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 3)), args[0]);
  });
  auto* stopped = function(cx, "stopped", [f](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_call1(cx, f, jaxvjp_stop_gradient(cx, args[0]));
    return jaxvjp_mul(cx, y, args[0]);
  });
  for (auto [g, how] : eager_and_jit(cx, forward_of(cx, constant))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), 9.0));
  }
  for (auto [g, how] : eager_and_jit(cx, forward_of(cx, stopped))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), 4.0));
  }
}

// jacfwd of jacrev, asked for by name: it works where fwd is written with operations, and meets the
// rule again, which has no forward mode, where fwd calls f.
TEST(ConformanceL, L4_jacfwd_of_jacrev) {
  Context cx;
  auto* by_operations = custom_vjp(cx, "tenfold", tenfold_square());
  auto* second = jaxvjp_jacfwd(cx, jaxvjp_jacrev(cx, by_operations, nullptr), nullptr);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, second, jaxvjp_f64(cx, 3)), 10.0));
  auto* calls_itself = custom_vjp(cx, "sine", doubled_sine());
  second = jaxvjp_jacfwd(cx, jaxvjp_jacrev(cx, calls_itself, nullptr), nullptr);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, second, jaxvjp_f64(cx, 3)), JAXVJP_FWD_MODE, {"sine"}));
}

TEST(ConformanceL, L5_symbolic_zeros_give_the_same_error) {
  Counts counts;
  Context cx;
  Rule rule = tenfold_square(&counts);
  rule.flags = JAXVJP_SYMBOLIC_ZEROS;
  auto* f = custom_vjp(cx, "tenfold", std::move(rule));
  EXPECT_TRUE(fails(cx, forward(cx, f, jaxvjp_f64(cx, 3), jaxvjp_f64(cx, 1)), JAXVJP_FWD_MODE,
                    {"tenfold"}));
  EXPECT_EQ(counts, Counts{});
}

TEST(ConformanceL, L6_hessian_goes_reverse_over_reverse) {
  Context cx;
  Rule calls_itself = tenfold_square();
  calls_itself.fwd = [](auto cx, auto args) -> Fwd {
    return {jaxvjp_call1(cx, jaxvjp_self(cx), args[0]), args[0]};
  };
  for (auto* f : {custom_vjp(cx, "by_operations", tenfold_square()),
                  custom_vjp(cx, "calls_itself", std::move(calls_itself))}) {
    for (auto [h, how] : eager_and_jit(cx, jaxvjp_hessian(cx, f, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, jaxvjp_f64(cx, 3)), 10.0));
    }
    auto* reverse_twice = jaxvjp_jacrev(cx, jaxvjp_jacrev(cx, f, nullptr), nullptr);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, reverse_twice, jaxvjp_f64(cx, 3)), 10.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, grad(cx, f)), jaxvjp_f64(cx, 3)), 10.0));
  }
}

TEST(ConformanceL, L6_hessian_of_a_function_that_calls_the_rule) {
  Context cx;
  auto* f = custom_vjp(cx, "sine", doubled_sine());
  auto* g = sum_of(cx, function(cx, "g", [f](auto cx, auto args) {
                     return jaxvjp_mul(cx, args[0], jaxvjp_call1(cx, f, args[0]));
                   }));
  // g = sum x f, g' = f + 2 x cos x, g'' = 2 cos x + 2 cos x - 2 x sin x
  std::vector<double> expected(4, 0.0);
  for (int i = 0; i < 2; i++) expected[3 * i] = 4 * std::cos(i + 1) - 2 * (i + 1) * std::sin(i + 1);
  for (auto [h, how] : eager_and_jit(cx, jaxvjp_hessian(cx, g, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, h, vec(cx, {1, 2})), {2, 2}, expected));
  }
}

TEST(ConformanceL, L7_forward_mode_by_transposing_bwd) {
  Counts counts;
  Context cx;
  Rule rule = tenfold_square(&counts);
  rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
  auto* f = custom_vjp(cx, "tenfold", std::move(rule));
  jaxvjp_value* tangent = nullptr;
  jaxvjp_value* value = jvp(cx, f, {jaxvjp_f64(cx, 3)}, {jaxvjp_f64(cx, 1)}, &tangent);
  EXPECT_TRUE(near(cx, value, 9.0));
  EXPECT_TRUE(near(cx, tangent, 30.0));
  for (auto [g, how] : eager_and_jit(cx, forward_of(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 30.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, g, {}), vec(cx, {1, 2})), {10.0, 20.0}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, g), jaxvjp_f64(cx, 3)), 10.0));
  }
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jacfwd(cx, f, nullptr), jaxvjp_f64(cx, 3)), 30.0));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 3)), 30.0));
}

// Two arguments, one of which bwd gives no derivative for.
TEST(ConformanceL, L7_transposed_bwd_with_two_arguments) {
  Context cx;
  auto* f = custom_vjp(cx, "product",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          return {jaxvjp_mul(cx, args[0], args[1]), args[1]};
                        },
                        .bwd =
                            [](auto cx, auto y, auto ct, auto slots) {
                              slots[0] = jaxvjp_mul(cx, times(cx, 3, y), ct);
                              slots[1] = jaxvjp_zero(cx);
                            },
                        .forward = JAXVJP_FORWARD_TRANSPOSE_BWD});
  jaxvjp_value *x = jaxvjp_f64(cx, 2), *y = jaxvjp_f64(cx, 5), *tangent = nullptr;
  EXPECT_TRUE(
      near(cx, jvp(cx, f, {x, y}, {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 100)}, &tangent), 10.0));
  EXPECT_TRUE(near(cx, tangent, 15.0));
}

TEST(ConformanceL, L7_a_bwd_that_is_not_linear_is_refused_by_name) {
  Context cx;
  Rule rule = tenfold_square();
  rule.bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = jaxvjp_square(cx, ct); };
  rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
  auto* f = custom_vjp(cx, "clipped", std::move(rule));
  EXPECT_TRUE(fails(cx, forward(cx, f, jaxvjp_f64(cx, 3), jaxvjp_f64(cx, 1)), JAXVJP_NO_TRANSPOSE,
                    {"clipped"}));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 3)), 1.0));
}

// A jvp rule of one's own is used where one is given.
TEST(ConformanceL, L1_a_rule_with_a_jvp_is_not_refused) {
  Counts counts;
  Context cx;
  Rule rule = tenfold_square(&counts);
  rule.jvp = [](auto cx, auto primals, auto tangents) -> Jvp {
    return {jaxvjp_square(cx, primals[0]), jaxvjp_mul(cx, times(cx, 7, primals[0]), tangents[0])};
  };
  auto* f = custom_vjp(cx, "tenfold", std::move(rule));
  for (auto [g, how] : eager_and_jit(cx, forward_of(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 21.0));
  }
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 3)), 30.0));
}

}  // namespace
}  // namespace conformance
