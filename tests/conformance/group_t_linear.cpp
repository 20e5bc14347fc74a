// T. Solvers: the derivative is that of the equation. Linear ones.
#include <array>

#include "solvers.hpp"

using namespace conformance;

namespace {

const std::vector<double> matrix_numbers = {4, 1, -1, 2, 5, 0.5, -0.5, 1, 3};
jaxvjp_value* matrix(jaxvjp_context* cx) { return array(cx, {3, 3}, matrix_numbers); }
jaxvjp_value* right(jaxvjp_context* cx) { return vec(cx, {1, -2, 0.5}); }

Scalar product_with(jaxvjp_value* a) {
  return [a](auto cx, auto x) { return jaxvjp_matmul(cx, a, x); };
}
// k times what it should be.
Solver scaled(double k) {
  return [k](auto cx, auto f, auto b) { return times(cx, k, dense(cx, f, b)); };
}

// (A, b) -> x, with solves that need not be right.
jaxvjp_function* solution(jaxvjp_context* cx, Solver solve, Solver transpose_solve) {
  return function(cx, "solution", [=](auto cx, auto args) {
    return linear_solve(cx, {product_with(args[0]), solve, transpose_solve}, args[1]);
  });
}
// (A, b) -> sum w x^k.
jaxvjp_function* weighted(jaxvjp_context* cx, jaxvjp_function* x_of, int k) {
  return function(cx, "weighted", [=](auto cx, auto args) {
    jaxvjp_value* x = call(cx, x_of, args);
    return sum(cx, jaxvjp_mul(cx, vec(cx, {1, 2, 3}), k == 2 ? jaxvjp_square(cx, x) : x));
  });
}
// f as a function of argument i alone, the others at A and b.
jaxvjp_function* of_argument(jaxvjp_context* cx, jaxvjp_function* f, size_t i) {
  return scalar_function(cx, [f, i](auto cx, auto v) {
    return call(cx, f, {i == 0 ? v : matrix(cx), i == 1 ? v : right(cx)});
  });
}

}  // namespace

// Numbers of JAX 0.10.2.
TEST(ConformanceT, T3_orders_in_both_modes) {
  const std::vector<double> by_matrix = {-0.5076876658299351, 0.6283263190964543,
                                         -0.4523949497494471, 0.537847329146565,
                                         -0.6656526350823824, 0.47926989725931524,
                                         -0.7678147619358671, 0.950265794475083,
                                         -0.6841913720220597},
                            by_b = {0.9500293944738389, -1.006466784244562, 1.4368018812463255},
                            second_by_b = {0.31275720164609055, -0.23515579071134624,
                                           0.3339212228101116,  -0.23515579071134624,
                                           0.3057025279247501,  -0.31981187536743083,
                                           0.33392122281011166, -0.3198118753674309,
                                           0.9265138154027042},
                            of_sine = {
                                0.35857323958470155, -0.29067344322987,   0.34889479875079515,
                                -0.1672328640108721, 0.04477068225439491, -0.18013846944005443,
                                0.6059887343449447,  -0.5184332116041721, 0.5844146373328539};
  Context cx;
  auto* x = solution(cx, dense, dense);
  auto* loss = weighted(cx, x, 2);
  auto *of_a = of_argument(cx, loss, 0), *of_b = of_argument(cx, loss, 1);
  EXPECT_TRUE(near(cx, call(cx, x, {matrix(cx), right(cx)}),
                   {0.534391534391534, -0.661375661375661, 0.476190476190476}));
  for (auto derivative : {jaxvjp_grad, jaxvjp_jacfwd}) {
    for (auto [g, how] : eager_and_jit(cx, derivative(cx, of_a, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, matrix(cx)), {3, 3}, by_matrix));
    }
    for (auto [g, how] : eager_and_jit(cx, derivative(cx, of_b, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, right(cx)), {3}, by_b));
    }
  }
  for (auto outer : {jaxvjp_jacrev, jaxvjp_jacfwd})
    for (auto inner : {jaxvjp_grad, jaxvjp_jacfwd}) {
      auto* hessian = outer(cx, inner(cx, of_b, nullptr), nullptr);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, hessian, right(cx)), {3, 3}, second_by_b));
      auto* sine = scalar_function(cx, [=, slope = inner(cx, of_a, nullptr)](auto cx, auto a) {
        return sum(cx, jaxvjp_sin(cx, jaxvjp_call1(cx, slope, a)));
      });
      for (auto [g, how] : eager_and_jit(cx, outer(cx, sine, nullptr))) {
        SCOPED_TRACE(how);
        EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, matrix(cx)), {3, 3}, of_sine));
      }
    }
}

// A solve that gives twice the solution, and a transpose_solve that gives three times: the numbers
// of JAX 0.10.2 tell which was asked.
TEST(ConformanceT, T3_each_mode_asks_its_own_solve) {
  Context cx;
  auto* loss = weighted(cx, solution(cx, scaled(2), scaled(3)), 1);
  auto *of_a = of_argument(cx, loss, 0), *of_b = of_argument(cx, loss, 1);
  const std::vector<double> by_matrix = {
      -1.0518182581674647, 1.3017552700092383,  -0.9372637944066515,
      -0.3732258335432938, 0.46191316032585866, -0.3325774754346182,
      -3.494750986814479,  4.325186864869405,   -3.1141345427059712};
  jaxvjp_value *tangent = nullptr, *ones = array(cx, {3, 3}, std::vector<double>(9, 1));
  for (bool jitted : {false, true}) {
    SCOPED_TRACE(jitted);
    auto mode = [&](jaxvjp_function* f) { return jitted ? jit(cx, f) : f; };
    EXPECT_TRUE(
        near_shaped(cx, jaxvjp_call1(cx, mode(grad(cx, of_a)), matrix(cx)), {3, 3}, by_matrix));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, mode(grad(cx, of_b)), right(cx)),
                     {0.9841269841269842, 0.34920634920634913, 3.2698412698412698}));
    jvp(cx, mode(of_b), {right(cx)}, {vec(cx, {1, 1, 1})}, &tangent);
    EXPECT_TRUE(near(cx, tangent, 3.068783068783069));
    jvp(cx, mode(of_a), {matrix(cx)}, {ones}, &tangent);
    EXPECT_TRUE(near(cx, tangent, -2.1432770639119845));
  }
}

TEST(ConformanceT, T3_mapped) {
  Context cx;
  auto *x = solution(cx, dense, dense), *loss = weighted(cx, x, 2);
  auto* twin = weighted(
      cx,
      function(cx, "twin", [](auto cx, auto args) { return jaxvjp_solve(cx, args[0], args[1]); }),
      2);
  jaxvjp_value *one = matrix(cx), *columns = array(cx, {3, 2}, {1, 4, -2, 0.5, 0.5, 3}),
               *two = jaxvjp_stack(cx, std::array{one, jaxvjp_mul(cx, one, one)}.data(), 2, 0);
  const int64_t none = JAXVJP_AXIS_NONE;
  const struct {
    std::initializer_list<int64_t> axes;
    jaxvjp_value *a, *b;
  } rows[] = {{{none, 1}, one, columns}, {{0, none}, two, right(cx)}, {{0, 1}, two, columns}};
  for (const auto& row : rows) {
    SCOPED_TRACE(testing::PrintToString(std::vector<int64_t>(row.axes)));
    auto check = [&](jaxvjp_function* f, jaxvjp_function* expected) {
      jaxvjp_value* want = call(cx, expected, {row.a, row.b});
      for (auto [g, how] : eager_and_jit(cx, f)) {
        SCOPED_TRACE(how);
        EXPECT_TRUE(same(cx, call(cx, g, {row.a, row.b}), want, 1e-11));
      }
    };
    check(vmap(cx, loss, row.axes), vmap(cx, twin, row.axes));
    for (auto derivative : {jaxvjp_grad, jaxvjp_jacfwd}) {
      auto of = [&](jaxvjp_function* f) { return with(derivative, cx, f, {0, 1}); };
      check(vmap(cx, of(loss), row.axes), vmap(cx, of(twin), row.axes));
      check(of(sum_of(cx, vmap(cx, loss, row.axes))), of(sum_of(cx, vmap(cx, twin, row.axes))));
      auto* second = with(jaxvjp_jacrev, cx, of(loss), {0});
      check(vmap(cx, second, row.axes), vmap(cx, with(jaxvjp_jacrev, cx, of(twin), {0}), row.axes));
    }
  }
}

namespace {

// {'a': 2 a + b, 'b': (a + 3 b,)}, scaled: symmetric unless `skew` is not 0.
Scalar coupled(jaxvjp_value* scale, double skew) {
  return [=](auto cx, auto tree) {
    const char* const keys[] = {"a", "b"};
    jaxvjp_value *a = jaxvjp_lookup(cx, tree, "a"),
                 *b = jaxvjp_get(cx, jaxvjp_lookup(cx, tree, "b"), 0);
    jaxvjp_value* first = jaxvjp_add(cx, times(cx, 2, a), times(cx, 1 + skew, b));
    jaxvjp_value* second = jaxvjp_add(cx, a, times(cx, 3, b));
    jaxvjp_value* items[] = {jaxvjp_mul(cx, scale, first),
                             tuple(cx, {jaxvjp_mul(cx, scale, second)})};
    return jaxvjp_dict(cx, keys, items, 2);
  };
}
jaxvjp_value* tree_of(jaxvjp_context* cx, jaxvjp_value* a, jaxvjp_value* b) {
  const char* const keys[] = {"a", "b"};
  jaxvjp_value* items[] = {a, tuple(cx, {b})};
  return jaxvjp_dict(cx, keys, items, 2);
}
// Conjugate gradients in as many steps as there are unknowns: exact, and for symmetric f only.
jaxvjp_value* conjugate_gradients(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* b) {
  auto leaf = [=](jaxvjp_value* v, size_t i) { return jaxvjp_leaf(cx, v, i); };
  auto dot = [=](jaxvjp_value* u, jaxvjp_value* v) {
    jaxvjp_value* first = sum(cx, jaxvjp_mul(cx, leaf(u, 0), leaf(v, 0)));
    return jaxvjp_add(cx, first, sum(cx, jaxvjp_mul(cx, leaf(u, 1), leaf(v, 1))));
  };
  auto plus = [=](jaxvjp_value* u, jaxvjp_value* k, jaxvjp_value* v) {  // u + k v
    jaxvjp_value* items[2];
    for (size_t i : {0, 1}) items[i] = jaxvjp_add(cx, leaf(u, i), jaxvjp_mul(cx, k, leaf(v, i)));
    return jaxvjp_unflatten(cx, b, items, 2);
  };
  jaxvjp_value *x = jaxvjp_zeros_like(cx, b), *r = b, *p = b;
  for (int step = 0; step < 2; ++step) {
    jaxvjp_value *ap = jaxvjp_call1(cx, f, p), *rr = dot(r, r);
    jaxvjp_value* length = jaxvjp_div(cx, rr, dot(p, ap));
    x = plus(x, length, p);
    r = plus(r, jaxvjp_neg(cx, length), ap);
    p = plus(r, jaxvjp_div(cx, dot(r, r), rr), p);
  }
  return x;
}

}  // namespace

// A symmetric product is its own transpose, and what solves it serves both modes. The tree's x is
// (3a - b, 2b - a) / (5 s), so that the sum of squares is known.
TEST(ConformanceT, T3_symmetric_on_a_tree) {
  Context cx;
  auto* loss = function(cx, "loss", [](auto cx, auto args) {
    jaxvjp_value* x = linear_solve(
        cx, {coupled(args[0], 0), conjugate_gradients, nullptr, JAXVJP_SYMMETRIC}, args[1]);
    jaxvjp_value* first = jaxvjp_square(cx, jaxvjp_leaf(cx, x, 0));
    return jaxvjp_add(cx, first, jaxvjp_square(cx, jaxvjp_leaf(cx, x, 1)));
  });
  const double a = 2, b = -1, s = 0.5;
  const double x = (3 * a - b) / (5 * s), y = (2 * b - a) / (5 * s), value = x * x + y * y;
  jaxvjp_value *scale = num(cx, s), *rhs = tree_of(cx, num(cx, a), num(cx, b));
  for (auto [g, how] : eager_and_jit(cx, loss)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, call(cx, g, {scale, rhs}), value));
  }
  jaxvjp_value* by_b =
      tree_of(cx, num(cx, (6 * x - 2 * y) / (5 * s)), num(cx, (-2 * x + 4 * y) / (5 * s)));
  for (auto derivative : {jaxvjp_grad, jaxvjp_jacfwd})
    for (auto [g, how] : eager_and_jit(cx, with(derivative, cx, loss, {0, 1}))) {
      SCOPED_TRACE(how);
      jaxvjp_value* expected = tuple(cx, {num(cx, -2 * value / s), by_b});
      EXPECT_TRUE(same(cx, call(cx, g, {scale, rhs}), expected, 1e-10));
    }
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_hessian(cx, loss, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, call(cx, g, {scale, rhs}), 6 * value / (s * s), 1e-10));
  }
}

// The solves also say how large the right side was. That has no derivative, and goes where nobody
// uses it.
TEST(ConformanceT, T3_auxiliary_output) {
  Context cx;
  const Solver with_size = [](auto cx, auto f, auto b) {
    return tuple(cx, {dense(cx, f, b), jaxvjp_exp(cx, sum(cx, jaxvjp_square(cx, b)))});
  };
  auto* both = function(cx, "both", [=](auto cx, auto args) {
    return linear_solve(cx, {product_with(args[0]), with_size, with_size, JAXVJP_HAS_AUX}, args[1]);
  });
  auto* total = function(cx, "total", [=](auto cx, auto args) {
    jaxvjp_value* r = call(cx, both, args);
    return jaxvjp_add(cx, sum(cx, jaxvjp_get(cx, r, 0)), jaxvjp_get(cx, r, 1));
  });
  auto* twin = function(
      cx, "twin", [](auto cx, auto args) { return sum(cx, jaxvjp_solve(cx, args[0], args[1])); });
  jaxvjp_value *a = matrix(cx), *b = right(cx);
  const double value = std::exp(5.25) + jaxvjp_item(cx, call(cx, twin, {a, b}));
  for (auto derivative : {jaxvjp_grad, jaxvjp_jacfwd}) {
    jaxvjp_value* expected = call(cx, with(derivative, cx, twin, {0, 1}), {a, b});
    for (auto [g, how] : eager_and_jit(cx, total)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, call(cx, g, {a, b}), value));
      EXPECT_TRUE(same(cx, call(cx, with(derivative, cx, g, {0, 1}), {a, b}), expected, 1e-11));
    }
  }
  jaxvjp_value *as = jaxvjp_stack(cx, std::array{a, a}.data(), 2, 0),
               *bs = jaxvjp_stack(cx, std::array{b, b}.data(), 2, 0);
  EXPECT_TRUE(near(cx, call(cx, vmap(cx, total, {}), {as, bs}), {value, value}));
  jaxvjp_jaxpr* whole = make_jaxpr(cx, both, {a, b});
  jaxvjp_jaxpr* part = jaxvjp_simplify(cx, make_jaxpr(cx, item_of(cx, both, 0), {a, b}));
  EXPECT_EQ(jaxvjp_jaxpr_count(whole, "exp"), 2u);
  EXPECT_EQ(jaxvjp_jaxpr_count(part, "exp"), 0u) << jaxvjp_jaxpr_text(cx, part);
  EXPECT_EQ(jaxvjp_jaxpr_count(part, "custom_linear_solve"), 1u);
}

// A product that uses a rule: f = sin with the slope 2 cos, as the coefficient.
TEST(ConformanceT, T3_rules_inside) {
  Context cx;
  auto* f = custom_vjp(cx, "f", doubled_sine());
  auto* x = scalar_function(cx, [f](auto cx, auto t) {
    const Scalar product = [=](auto cx, auto v) {
      return jaxvjp_mul(cx, jaxvjp_call1(cx, f, t), v);
    };
    return linear_solve(cx, {product, divided, divided}, num(cx, 3));
  });
  const double t = 0.7, s = std::sin(t), c = std::cos(t);
  expect_at(cx, x, t, 3 / s);
  expect_at(cx, grad(cx, x), t, -6 * c / (s * s));
  expect_at(cx, grad(cx, grad(cx, x)), t, 6 * s / (s * s) + 24 * c * c / (s * s * s));
  auto* looped = iterated(cx, x, 2);
  const double u = 3 / s;
  expect_at(cx, grad(cx, looped), t,
            (-6 * std::cos(u) / (std::sin(u) * std::sin(u))) * (-6 * c / (s * s)));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jacfwd(cx, x), num(cx, t)), JAXVJP_FWD_MODE, {"f"}));
}

// ---- T5

TEST(ConformanceT, T5_without_a_transpose_solve_forward_mode_only) {
  Context cx;
  auto* loss = weighted(cx, solution(cx, dense, nullptr), 2);
  auto *twin = weighted(cx, solution(cx, dense, dense), 2), *of_b = of_argument(cx, loss, 1);
  jaxvjp_value *a = matrix(cx), *b = right(cx);
  EXPECT_TRUE(same(cx, call(cx, loss, {a, b}), call(cx, twin, {a, b})));
  auto* forward = with(jaxvjp_jacfwd, cx, loss, {0, 1});
  jaxvjp_value* expected = call(cx, with(jaxvjp_grad, cx, twin, {0, 1}), {a, b});
  EXPECT_TRUE(same(cx, call(cx, forward, {a, b}), expected));
  EXPECT_TRUE(same(cx, call(cx, jit(cx, forward), {a, b}), expected));
  for (auto [g, how] : eager_and_jit(cx, of_b)) {
    SCOPED_TRACE(how);
    jaxvjp_function *linear = nullptr, *pullback = nullptr;
    EXPECT_TRUE(linearize(cx, g, {b}, &linear) != nullptr);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, vec(cx, {1, 0, 0})), 0.9500293944738389));
    EXPECT_TRUE(fails(cx, vjp(cx, g, {b}, &pullback), JAXVJP_NO_TRANSPOSE,
                      {"custom_linear_solve", "transpose_solve"}));
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, grad(cx, g), b), JAXVJP_NO_TRANSPOSE,
                      {"custom_linear_solve", "transpose_solve"}));
  }
  EXPECT_TRUE(fails(cx,
                    jaxvjp_call1(cx,
                                 grad(cx, scalar_function(cx,
                                                          [=](auto cx, auto x) {
                                                            auto* g = jit(cx, of_b);
                                                            return jaxvjp_call1(cx, g, x);
                                                          })),
                                 b),
                    JAXVJP_NO_TRANSPOSE, {"custom_linear_solve"}));
}

// It is linear in b, and not in A.
TEST(ConformanceT, T5_linear_in_b_alone) {
  Context cx;
  auto* x = solution(cx, dense, dense);
  jaxvjp_value *a = matrix(cx), *b = right(cx);
  auto* of_b = of_argument(cx, x, 1);
  auto* transposed = jaxvjp_linear_transpose(cx, of_b, &b, 1);
  jaxvjp_value* at = jaxvjp_matrix_transpose(cx, a);
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, transposed, b), tuple(cx, {jaxvjp_solve(cx, at, b)})));
  auto* of_a = of_argument(cx, x, 0);
  EXPECT_TRUE(fails(cx, jaxvjp_linear_transpose(cx, of_a, &a, 1), JAXVJP_NO_TRANSPOSE,
                    {"custom_linear_solve", "not linear"}));
}
