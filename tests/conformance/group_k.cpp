// Group K: higher order and nesting. K6 and K7 need checkpoint and wait.

#include "higher_order.hpp"

namespace conformance {
namespace {

// g after f
jaxvjp_function* compose(jaxvjp_context* cx, jaxvjp_function* g, jaxvjp_function* f) {
  return function(cx, "compose", [=](auto cx, auto args) {
    return jaxvjp_call1(cx, g, jaxvjp_call1(cx, f, args[0]));
  });
}

jaxvjp_function* nth_grad(jaxvjp_context* cx, jaxvjp_function* f, int n) {
  for (int i = 0; i < n; i++) f = grad(cx, f);
  return f;
}

TEST(ConformanceK, K1_second_order_differentiates_fwd_and_bwd) {
  Context cx;
  auto* f = sin_rule(cx);
  for (auto [g, how] : eager_and_jit(cx, nth_grad(cx, f, 2))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), -2 * std::sin(3.0)));
  }
}

// g = f(f(x)). Where fwd calls f, the inner u keeps the rule at every order.
TEST(ConformanceK, K2_fwd_that_calls_f_keeps_the_rule) {
  Context cx;
  auto* f = custom_vjp(cx, "f", doubled_sine());
  auto* g = compose(cx, f, f);
  const double u = std::sin(2.0), s = std::sin(2.0), c = std::cos(2.0);
  const double first = 4 * std::cos(u) * c;
  const double second = -8 * std::sin(u) * c * c - 4 * std::cos(u) * s;
  const double third =
      -16 * std::cos(u) * c * c * c + 24 * std::sin(u) * c * s - 4 * std::cos(u) * c;
  EXPECT_NEAR(first, -1.02255648, 1e-8);
  EXPECT_NEAR(second, -3.32752762, 1e-8);
  EXPECT_NEAR(third, -5.43516863, 1e-8);
  const double expected[] = {std::sin(u), first, second, third};
  for (int order = 0; order < 4; order++)
    for (auto [d, how] : eager_and_jit(cx, nth_grad(cx, g, order))) {
      SCOPED_TRACE(std::string(how) + ", order " + std::to_string(order));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, d, jaxvjp_f64(cx, 2)), expected[order]));
    }
}

TEST(ConformanceK, K6_gradients_of_checkpointed_gradients) {
  Context cx;
  auto* f = custom_vjp(cx, "f", doubled_sine());
  auto* plain = compose(cx, f, f);
  auto* again = plain;
  for (int order = 0; order < 4; order++) {
    SCOPED_TRACE(order);
    again = jaxvjp_checkpoint(cx, again, JAXVJP_CHECKPOINT_NOTHING);
    const double expected =
        jaxvjp_item(cx, jaxvjp_call1(cx, nth_grad(cx, plain, order), jaxvjp_f64(cx, 2)));
    for (auto [d, how] : eager_and_jit(cx, again)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, d, jaxvjp_f64(cx, 2)), expected));
    }
    again = grad(cx, again);
  }
}
TEST(ConformanceK, K2_fwd_by_operations_is_differentiated_as_it_stands) {
  Context cx;
  Rule rule = doubled_sine();
  rule.fwd = [](auto cx, auto args) -> Fwd { return {jaxvjp_sin(cx, args[0]), args[0]}; };
  auto* f = custom_vjp(cx, "f", std::move(rule));
  auto* g = compose(cx, f, f);
  const double u = std::sin(2.0), c = std::cos(2.0);
  const double second = -4 * std::sin(u) * c * c - 4 * std::cos(u) * std::sin(2.0);
  EXPECT_NEAR(second, -2.78092714, 1e-8);
  for (auto [d, how] : eager_and_jit(cx, nth_grad(cx, g, 2))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, d, jaxvjp_f64(cx, 2)), second));
  }
}

// bwd is itself a rule that gives no derivative for what was kept: the second derivative is 0
// because the rule says so, and check_vjp at order 2 says that it is wrong. (The first derivative
// is the true one, or the check stops there.)
TEST(ConformanceK, K3_a_hidden_residual_is_found_by_check_vjp) {
  Context cx;
  auto* hidden = custom_vjp(cx, "hidden",
                            {.fwd = [](auto cx, auto args) -> Fwd {
                               return {jaxvjp_mul(cx, args[0], args[1]), args[0]};
                             },
                             .bwd =
                                 [](auto cx, auto kept, auto ct, auto slots) {
                                   slots[0] = jaxvjp_zero(cx);
                                   slots[1] = jaxvjp_mul(cx, kept, ct);
                                 }});
  auto* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_sin(cx, args[0]), jaxvjp_cos(cx, args[0])};
                  },
                  .bwd = [hidden](auto cx, auto cos_x, auto ct,
                                  auto slots) { slots[0] = jaxvjp_call2(cx, hidden, cos_x, ct); }});
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, nth_grad(cx, f, 1), x), std::cos(3.0)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, nth_grad(cx, f, 2), x), 0.0));
  jaxvjp_check_options options{};
  options.struct_size = sizeof options;
  options.order = 2;
  EXPECT_EQ(jaxvjp_check_vjp(cx, f, &x, 1, nullptr), 0);
  EXPECT_EQ(jaxvjp_check_vjp(cx, f, &x, 1, &options), JAXVJP_CHECK);
  EXPECT_TRUE(failed_with(cx, JAXVJP_CHECK, {"f", "got 0"}));
}

// x^2 whose vjp is g x, the factor x read from a closure over fwd's argument, as in a
// custom_gradient.
TEST(ConformanceK, K4_custom_gradient_at_order_two) {
  Context cx;
  auto* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {jaxvjp_square(cx, args[0]), args[0]};
       },
       .bwd = [](auto cx, auto x, auto ct, auto slots) { slots[0] = jaxvjp_mul(cx, ct, x); }});
  const double expected[] = {9, 3, 1};
  for (int order = 0; order < 3; order++)
    for (auto [d, how] : eager_and_jit(cx, nth_grad(cx, f, order))) {
      SCOPED_TRACE(std::string(how) + ", order " + std::to_string(order));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, d, jaxvjp_f64(cx, 3)), expected[order]));
    }
}

// The residual is the pullback of an inner vjp; the rule is five times it.
TEST(ConformanceK, K5_inner_vjp_inside_fwd) {
  Context cx;
  auto* square = function(cx, "square", [](auto cx, auto a) { return jaxvjp_square(cx, a[0]); });
  auto* g = custom_vjp(cx, "g",
                       {.fwd = [square](auto cx, auto args) -> Fwd {
                          jaxvjp_function* pullback = nullptr;
                          jaxvjp_value* y = vjp(cx, square, {args[0]}, &pullback);
                          return {y, jaxvjp_from_function(cx, pullback)};
                        },
                        .bwd =
                            [](auto cx, auto residual, auto ct, auto slots) {
                              jaxvjp_function* pullback = jaxvjp_as_function(cx, residual);
                              jaxvjp_value* cts = jaxvjp_call1(cx, pullback, times(cx, 5, ct));
                              slots[0] = jaxvjp_get(cx, cts, 0);
                            }});
  jaxvjp_function* pullback = nullptr;
  EXPECT_TRUE(near(cx, vjp(cx, g, {jaxvjp_f64(cx, 1)}, &pullback), 1.0));
  EXPECT_TRUE(
      same(cx, jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1)), tuple(cx, {jaxvjp_f64(cx, 10)})));
  const double expected[] = {9, 30, 10};
  for (int order = 0; order < 3; order++)
    for (auto [d, how] : eager_and_jit(cx, nth_grad(cx, g, order))) {
      SCOPED_TRACE(std::string(how) + ", order " + std::to_string(order));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, d, jaxvjp_f64(cx, 3)), expected[order]));
    }
}

// F(x, p) = x + x^3 - p, whose root is found by a solver that reads numbers.
jaxvjp_function* implicit_solver(jaxvjp_context* cx) {
  auto* stationarity = function(cx, "stationarity", [](auto cx, auto args) {
    jaxvjp_value* cube = jaxvjp_mul(cx, args[0], jaxvjp_square(cx, args[0]));
    return jaxvjp_sub(cx, jaxvjp_add(cx, args[0], cube), args[1]);
  });
  return custom_vjp(cx, "solve",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       jaxvjp_value* x = jaxvjp_call1(cx, jaxvjp_self(cx), args[0]);
                       return {x, dict(cx, {{"solution", x}, {"params", args[0]}})};
                     },
                     .bwd =
                         [=](auto cx, auto residuals, auto ct, auto slots) {
                           jaxvjp_value* x = jaxvjp_lookup(cx, residuals, "solution");
                           jaxvjp_value* p = jaxvjp_lookup(cx, residuals, "params");
                           jaxvjp_function* jacobian = jaxvjp_jacrev(cx, stationarity, nullptr);
                           jaxvjp_value* dfdx = jaxvjp_call2(cx, jacobian, x, p);
                           jaxvjp_function* pullback = nullptr;
                           vjp(cx, stationarity, {x, p}, &pullback);
                           dfdx = jaxvjp_matrix_transpose(cx, dfdx);
                           jaxvjp_value* w = jaxvjp_solve(cx, dfdx, ct);
                           jaxvjp_value* cts = jaxvjp_call1(cx, pullback, w);
                           slots[0] = jaxvjp_neg(cx, jaxvjp_get(cx, cts, 1));
                         },
                     .primal = [](auto cx, auto args) -> jaxvjp_value* {
                       double p[3], x[3];
                       if (jaxvjp_read(cx, args[0], p, sizeof p)) return nullptr;
                       for (int i = 0; i < 3; i++) {
                         x[i] = 0;
                         for (int step = 0; step < 50; step++)
                           x[i] -= (x[i] + x[i] * x[i] * x[i] - p[i]) / (1 + 3 * x[i] * x[i]);
                       }
                       return vec(cx, {x[0], x[1], x[2]});
                     }});
}

TEST(ConformanceK, K8_implicit_solver_with_an_opaque_primal) {
  Context cx;
  auto* solve = implicit_solver(cx);
  jaxvjp_value* p = vec(cx, {0.5, 2, 10});
  jaxvjp_value* solution = jaxvjp_call1(cx, solve, p);
  ASSERT_TRUE(near(cx, solution, {0.4238, 1, 2}, 1e-4));
  std::vector<double> gradient, hessian(9, 0.0);
  const std::vector<double> roots = numbers(cx, solution);
  for (int i = 0; i < 3; i++) {
    const double x = roots[i], slope = 1 + 3 * x * x;
    gradient.push_back(1 / slope);
    hessian[4 * i] = -6 * x / (slope * slope * slope);
  }
  EXPECT_NEAR(gradient[0], .649791, 1e-6);
  EXPECT_NEAR(hessian[0], -.697732, 1e-6);
  auto* total = sum_of(cx, solve);
  jaxvjp_value* got = jaxvjp_call1(cx, grad(cx, total), p);
  EXPECT_TRUE(near_shaped(cx, got, {3}, gradient, 1e-10));
  got = jaxvjp_call1(cx, jaxvjp_hessian(cx, total, nullptr), p);
  EXPECT_TRUE(near_shaped(cx, got, {3, 3}, hessian, 1e-10));
}

// Under jit there are no numbers to read: refused with the solver's own error, never a number.
TEST(ConformanceK, K8_opaque_primal_under_jit_is_refused) {
  Context cx;
  auto* total = sum_of(cx, implicit_solver(cx));
  jaxvjp_value* result = jaxvjp_call1(cx, jit(cx, grad(cx, total)), vec(cx, {0.5, 2, 10}));
  EXPECT_TRUE(fails(cx, result, JAXVJP_CONCRETE));
}

// Under checkpoint the primal is the value at every order. f = x^3 with a fwd that gives -1, and
// the rule 10 x ct: (f^2)' = 2 f 10 x, (f^2)'' = 2 (10 x)^2 + 2 f 10.
TEST(ConformanceK, K7_the_primal_in_place_of_fwd_at_order_2) {
  Context cx;
  auto* rule = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {jaxvjp_f64(cx, -1), args[0]};
       },
       .bwd = [](auto cx, auto x, auto ct,
                 auto slots) { slots[0] = jaxvjp_mul(cx, times(cx, 10, x), ct); },
       .primal = [](auto cx,
                    auto args) { return jaxvjp_mul(cx, jaxvjp_square(cx, args[0]), args[0]); }});
  auto* f = jaxvjp_checkpoint(cx, rule, JAXVJP_CHECKPOINT_NOTHING);
  auto* squared = function(
      cx, "squared", [f](auto cx, auto args) { return jaxvjp_square(cx, call(cx, f, args)); });
  const double x = 3, value = 27;
  jaxvjp_value* at = jaxvjp_f64(cx, x);
  auto *first = grad(cx, squared), *second = grad(cx, grad(cx, squared));
  for (auto [g, how] : eager_and_jit(cx, first)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, at), 2 * value * 10 * x));
  }
  for (auto [g, how] : eager_and_jit(cx, second)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, at), 2 * 100 * x * x + 2 * value * 10));
  }
}

}  // namespace
}  // namespace conformance
