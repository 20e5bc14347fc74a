// T. Solvers: the derivative is that of the equation. Roots.
#include "solvers.hpp"

using namespace conformance;

namespace {

// y with y^2 = x^3; x is a value that f closes over.
jaxvjp_value* power(jaxvjp_context* cx, jaxvjp_value* x, Solver tangent_solve) {
  return root(cx,
              {.f = [x](auto cx, auto y) -> jaxvjp_value* {
                 jaxvjp_value* cube = jaxvjp_mul(cx, x, jaxvjp_square(cx, x));
                 return jaxvjp_sub(cx, cube, jaxvjp_square(cx, y));
               },
               .solve = newton,
               .tangent_solve = tangent_solve},
              num(cx, 1));
}
jaxvjp_function* power_function(jaxvjp_context* cx, Solver tangent_solve = divided) {
  return scalar_function(cx, [=](auto cx, auto x) { return power(cx, x, tangent_solve); });
}

}  // namespace

TEST(ConformanceT, T1_orders_in_both_modes) {
  Context cx;
  auto* f = power_function(cx);
  const double first = 1.5 * std::sqrt(5), second = 0.75 / std::sqrt(5),
               third = -0.375 / std::pow(5, 1.5);
  expect_at(cx, f, 5, 11.180339887498949);
  expect_at(cx, grad(cx, f), 5, first);
  expect_at(cx, jacfwd(cx, f), 5, first);
  expect_at(cx, grad(cx, grad(cx, f)), 5, second);
  expect_at(cx, jacfwd(cx, grad(cx, f)), 5, second);
  expect_at(cx, grad(cx, jacfwd(cx, f)), 5, second);
  expect_at(cx, jacfwd(cx, jacfwd(cx, f)), 5, second);
  expect_at(cx, grad(cx, grad(cx, grad(cx, f))), 5, third);
  expect_at(cx, jacfwd(cx, grad(cx, jacfwd(cx, f))), 5, third);
}

TEST(ConformanceT, T1_the_tangent_solve_is_asked) {
  Context cx;
  auto* f =
      power_function(cx, [](auto cx, auto g, auto y) { return times(cx, 0.5, divided(cx, g, y)); });
  expect_at(cx, f, 5, std::pow(5, 1.5));
  expect_at(cx, grad(cx, f), 5, 0.75 * std::sqrt(5));
  expect_at(cx, jacfwd(cx, f), 5, 0.75 * std::sqrt(5));
}

TEST(ConformanceT, T1_mapped) {
  Context cx;
  auto* f = power_function(cx);
  jaxvjp_value* x = vec(cx, {4, 5});
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, f, {}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {8, 11.180339887498949}, 1e-10));
    EXPECT_TRUE(
        near(cx, jaxvjp_call1(cx, grad(cx, sum_of(cx, g)), x), {3, 1.5 * std::sqrt(5)}, 1e-10));
  }
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, grad(cx, grad(cx, f)), {}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {0.375, 0.75 / std::sqrt(5)}, 1e-10));
  }
}

// ---- T2

namespace {

jaxvjp_value* element(jaxvjp_context* cx, jaxvjp_value* x, int64_t i) {
  const int64_t end = i + 1, one = 1;
  return jaxvjp_reshape(cx, jaxvjp_slice(cx, x, &i, 1, &end, 1, &one, 1), nullptr, 0);
}

// x with x0^2 + p0 x1 = 3 and x0 x1 + exp(p1 x1) = 2, by 30 of Newton's steps; their number is aux.
jaxvjp_value* curves(jaxvjp_context* cx, jaxvjp_value* p, jaxvjp_value* guess) {
  const Scalar f = [p](auto cx, auto x) {
    jaxvjp_value *x0 = element(cx, x, 0), *x1 = element(cx, x, 1);
    jaxvjp_value* product = jaxvjp_mul(cx, element(cx, p, 0), x1);
    jaxvjp_value* first = jaxvjp_add(cx, jaxvjp_square(cx, x0), product);
    jaxvjp_value* power = jaxvjp_exp(cx, jaxvjp_mul(cx, element(cx, p, 1), x1));
    jaxvjp_value* second = jaxvjp_add(cx, jaxvjp_mul(cx, x0, x1), power);
    jaxvjp_value* both[] = {jaxvjp_sub(cx, first, num(cx, 3)), jaxvjp_sub(cx, second, num(cx, 2))};
    return jaxvjp_stack(cx, both, 2, 0);
  };
  const Solver solve = [](auto cx, auto f, auto guess) {
    const Body step = [f](auto cx, auto x, auto) -> Step {
      jaxvjp_value* jacobian = jaxvjp_call1(cx, jacfwd(cx, f), x);
      jaxvjp_value* change = jaxvjp_solve(cx, jacobian, jaxvjp_call1(cx, f, x));
      return {jaxvjp_sub(cx, x, change), jaxvjp_none(cx)};
    };
    jaxvjp_value* r = scan(cx, step, guess, jaxvjp_none(cx), 30);
    return tuple(cx, {jaxvjp_get(cx, r, 0), jaxvjp_i64(cx, 30)});
  };
  return root(cx, {f, solve, dense, JAXVJP_HAS_AUX}, guess);
}

}  // namespace

// Numbers of JAX 0.10.2.
TEST(ConformanceT, T2_a_vector_root_with_auxiliary_output) {
  const std::vector<double> jacobian = {-0.16718259866895552, 0.06911257615297782,
                                        0.04342322755778942, -0.32089749877782137},
                            second = {-0.008647550696678889, -0.05488572585252561,
                                      -0.05488572585252561, 0.5635968148073855};
  Context cx;
  auto* both = scalar_function(cx, [](auto cx, auto p) {
    return curves(cx, p, vec(cx, {1.5, 0.5}));
  });
  auto* x = item_of(cx, both, 0);
  jaxvjp_value* p = vec(cx, {0.7, 0.3});
  for (auto [g, how] : eager_and_jit(cx, both)) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected =
        tuple(cx, {vec(cx, {1.6250895397624134, 0.5129771253639819}), jaxvjp_i64(cx, 30)});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, p), expected, 1e-12));
  }
  for (auto derivative : {jaxvjp_jacrev, jaxvjp_jacfwd})
    for (auto [g, how] : eager_and_jit(cx, derivative(cx, x, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, p), {2, 2}, jacobian, 1e-10));
    }
  auto* loss = scalar_function(cx, [x](auto cx, auto p) {
    return sum(cx, jaxvjp_mul(cx, vec(cx, {1, 2}), jaxvjp_call1(cx, x, p)));
  });
  auto* reverse = grad(cx, loss);
  for (auto* hessian : {jaxvjp_hessian(cx, loss, nullptr), jaxvjp_jacrev(cx, reverse, nullptr),
                        jacfwd(cx, jacfwd(cx, loss)), jaxvjp_jacrev(cx, jacfwd(cx, loss), nullptr)})
    for (auto [g, how] : eager_and_jit(cx, hessian)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, p), {2, 2}, second, 1e-10));
    }
}

// ---- what f may be made of

// p -> x with f(x) = p, where f is sin with a rule of its own.
static jaxvjp_function* inverse_of(jaxvjp_context* cx, jaxvjp_function* f, Solver tangent_solve) {
  return scalar_function(cx, [=](auto cx, auto p) {
    const Scalar residual = [=](auto cx, auto x) {
      return jaxvjp_sub(cx, jaxvjp_call1(cx, f, x), p);
    };
    return root(cx, {residual, newton, tangent_solve}, num(cx, 0.3));
  });
}

// The rule 2 cos, so that dx/dp is 1 / (2 cos x). It has no forward mode, and a gradient needs none
// where g is only transposed; that of a gradient does.
TEST(ConformanceT, T1_a_rule_for_reverse_mode_inside_f) {
  Context cx;
  const Solver by_rule = [](auto cx, auto g, auto y) {
    const Scalar product = [g](auto cx, auto v) { return jaxvjp_call1(cx, g, v); };
    return linear_solve(cx, {product, divided, divided}, y);
  };
  Rule rule = doubled_sine();
  auto* x = inverse_of(cx, custom_vjp(cx, "f", rule), by_rule);
  const double at = 0.4, slope = 2 * std::sqrt(1 - at * at);
  expect_at(cx, x, at, std::asin(at));
  expect_at(cx, grad(cx, x), at, 1 / slope);
  for (auto* f : {jacfwd(cx, x), grad(cx, grad(cx, x))})
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, num(cx, at)), JAXVJP_FWD_MODE, {"f"}));
  rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
  x = inverse_of(cx, custom_vjp(cx, "f", rule), by_rule);
  for (auto* first : {grad(cx, x), jacfwd(cx, x)}) {
    expect_at(cx, first, at, 1 / slope);
    for (auto* second : {grad(cx, first), jacfwd(cx, first)})
      expect_at(cx, second, at, 2 * at / (slope * slope * slope));
  }
}

// p is f(t) too: x = t, dx/dt = 2 cos t / (2 cos x), and nothing is left of the second derivative.
TEST(ConformanceT, T1_rules_around_and_inside) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
      [](auto cx, auto x, auto dx) -> Jvp {
        return {jaxvjp_call1(cx, jaxvjp_self(cx), x[0]),
                times(cx, 2, jaxvjp_mul(cx, jaxvjp_cos(cx, x[0]), dx[0]))};
      });
  auto* x = scalar_function(cx, [f, g = inverse_of(cx, f, divided)](auto cx, auto t) {
    return jaxvjp_call1(cx, g, jaxvjp_call1(cx, f, t));
  });
  expect_at(cx, x, 0.4, 0.4);
  for (auto* first : {grad(cx, x), jacfwd(cx, x)}) {
    expect_at(cx, first, 0.4, 1);
    for (auto* second : {grad(cx, first), jacfwd(cx, first)}) expect_at(cx, second, 0.4, 0);
  }
}

TEST(ConformanceT, T1_inside_loops_and_branches) {
  Context cx;
  auto* f = power_function(cx);
  const double slope = 1.5 * std::sqrt(2) * 1.5 * std::sqrt(std::pow(2, 1.5));
  auto* twice = iterated(cx, f, 2);
  expect_at(cx, twice, 2, std::pow(2, 2.25));
  expect_at(cx, grad(cx, twice), 2, slope);
  expect_at(cx, jacfwd(cx, twice), 2, slope);
  expect_at(cx, grad(cx, grad(cx, twice)), 2, 2.25 * 1.25 * std::pow(2, 0.25));
  auto* either = scalar_function(cx, [f](auto cx, auto x) {
    return cond(
        cx, jaxvjp_gt(cx, x, num(cx, 3)), [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); },
        [](auto cx, auto x) { return jaxvjp_square(cx, x); }, x);
  });
  expect_at(cx, grad(cx, either), 4, 3);
  expect_at(cx, grad(cx, either), 2, 4);
  auto* mapped = grad(cx, sum_of(cx, vmap(cx, either, {})));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, mapped, vec(cx, {4, 2})), {3, 4}, 1e-10));
}

// A root whose equation has a root in it: y^2 = x^3, z = y + y z / 2.
TEST(ConformanceT, T1_nested) {
  Context cx;
  auto* outer = scalar_function(cx, [](auto cx, auto x) {
    const Scalar residual = [x](auto cx, auto z) {
      jaxvjp_value* y = power(cx, x, divided);
      jaxvjp_value* half = times(cx, 0.5, jaxvjp_mul(cx, y, z));
      return jaxvjp_sub(cx, jaxvjp_sub(cx, z, y), half);
    };
    return root(cx, {residual, newton, divided}, num(cx, 0));
  });
  auto z = [](double y) { return y / (1 - y / 2); };
  const double y = std::pow(0.8, 1.5), dy = 1.5 * std::sqrt(0.8), d2y = 0.75 / std::sqrt(0.8);
  const double dz = 1 / ((1 - y / 2) * (1 - y / 2)), d2z = 1 / std::pow(1 - y / 2, 3);
  expect_at(cx, outer, 0.8, z(y));
  expect_at(cx, grad(cx, outer), 0.8, dz * dy);
  expect_at(cx, jacfwd(cx, outer), 0.8, dz * dy);
  expect_at(cx, grad(cx, grad(cx, outer)), 0.8, d2z * dy * dy + dz * d2y);
  expect_at(cx, jacfwd(cx, grad(cx, outer)), 0.8, d2z * dy * dy + dz * d2y);
}

// A value that only a solver uses, and the guess, have no derivative.
TEST(ConformanceT, T1_what_only_the_solver_uses) {
  Context cx;
  auto* f = scalar_function(cx, [](auto cx, auto p) {
    const Solver solve = [p](auto cx, auto f, auto guess) {
      return newton(cx, f, jaxvjp_add(cx, guess, jaxvjp_mul(cx, p, p)));
    };
    const Scalar residual = [](auto cx, auto x) {
      return jaxvjp_sub(cx, jaxvjp_square(cx, x), num(cx, 2));
    };
    return jaxvjp_add(cx, p, root(cx, {residual, solve, divided}, p));
  });
  expect_at(cx, f, 1, 1 + std::sqrt(2));
  expect_at(cx, grad(cx, f), 1, 1);
  expect_at(cx, jacfwd(cx, f), 1, 1);
}

// ---- T6

TEST(ConformanceT, T6_checkpointed) {
  Context cx;
  auto* f = jaxvjp_checkpoint(cx, power_function(cx), JAXVJP_CHECKPOINT_NOTHING);
  expect_at(cx, f, 5, std::pow(5, 1.5));
  for (auto* first : {grad(cx, f), jacfwd(cx, f)}) {
    expect_at(cx, first, 5, 1.5 * std::sqrt(5));
    expect_at(cx, grad(cx, first), 5, 0.75 / std::sqrt(5));
    expect_at(cx, jacfwd(cx, first), 5, 0.75 / std::sqrt(5));
  }
  auto* x = scalar_function(cx, [](auto cx, auto t) {
    const Scalar product = [t](auto cx, auto v) { return jaxvjp_mul(cx, jaxvjp_square(cx, t), v); };
    return linear_solve(cx, {product, divided, divided}, jaxvjp_exp(cx, t));
  });
  auto* again = jaxvjp_checkpoint(cx, x, JAXVJP_CHECKPOINT_NOTHING);
  const double e = std::exp(2.0);  // e^t / t^2 and its derivatives at 2
  expect_at(cx, again, 2, e / 4);
  expect_at(cx, grad(cx, again), 2, e * (0.25 - 0.25));
  expect_at(cx, grad(cx, grad(cx, again)), 2, e * (0.25 - 0.5 + 0.375));
  expect_at(cx, jacfwd(cx, grad(cx, again)), 2, e * (0.25 - 0.5 + 0.375));
}
