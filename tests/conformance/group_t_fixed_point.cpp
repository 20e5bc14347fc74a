// J5, with the library's fixed_point: the derivative of a loop by that of the equation it solves.
#include "solvers.hpp"

using namespace conformance;

namespace {

using Map = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value* p, jaxvjp_value* x)>;

jaxvjp_function* map_function(jaxvjp_context* cx, const char* name, Map f,
                              Counts* counts = nullptr) {
  return function(
      cx, name, [f](auto cx, auto args) { return f(cx, args[0], args[1]); }, counts);
}
jaxvjp_value* fixed_point(jaxvjp_context* cx, Map f, jaxvjp_value* p, jaxvjp_value* guess,
                          jaxvjp_fixed_point_options options = {}) {
  options.struct_size = sizeof options;
  return jaxvjp_fixed_point(cx, map_function(cx, "f", f), p, guess, &options);
}

const Map newton_step = [](auto cx, auto a, auto x) {
  return times(cx, 0.5, jaxvjp_add(cx, x, jaxvjp_div(cx, a, x)));
};

// x = tanh(W x + p), a layer at its equilibrium.
const std::vector<double> weights = {0.3, -0.2, 0.1, 0.4, 0.2, -0.3, -0.1, 0.25, 0.35};
const Map layer = [](auto cx, auto p, auto x) {
  jaxvjp_value* w = jaxvjp_lookup(cx, p, "w");
  jaxvjp_value* bias = jaxvjp_lookup(cx, p, "b");
  return jaxvjp_tanh(cx, jaxvjp_add(cx, jaxvjp_matmul(cx, w, x), bias));
};
jaxvjp_value* layer_params(jaxvjp_context* cx, const std::vector<double>& bias = {0.5, -1, 2}) {
  const char* const keys[] = {"b", "w"};
  jaxvjp_value* items[] = {vec(cx, bias), array(cx, {3, 3}, weights)};
  return jaxvjp_dict(cx, keys, items, 2);
}
jaxvjp_value* weighted_squares(jaxvjp_context* cx, jaxvjp_value* x) {
  return sum(cx, jaxvjp_mul(cx, vec(cx, {1, 2, 3}), jaxvjp_square(cx, x)));
}
// p -> a loss at the equilibrium.
jaxvjp_function* equilibrium_loss(jaxvjp_context* cx) {
  return scalar_function(cx, [](auto cx, auto p) {
    return weighted_squares(cx, fixed_point(cx, layer, p, vec(cx, {0, 0, 0})));
  });
}
// The same by 150 steps that are differentiated one by one.
jaxvjp_function* unrolled_loss(jaxvjp_context* cx) {
  return scalar_function(cx, [](auto cx, auto p) {
    const Body step = [p](auto cx, auto x, auto) -> Step {
      return {layer(cx, p, x), jaxvjp_none(cx)};
    };
    jaxvjp_value* r = scan(cx, step, vec(cx, {0, 0, 0}), jaxvjp_none(cx), 150);
    return weighted_squares(cx, jaxvjp_get(cx, r, 0));
  });
}

void expect_equal(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_function* twin, jaxvjp_value* x,
                  double tolerance = 1e-9) {
  jaxvjp_value* expected = jaxvjp_call1(cx, twin, x);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), expected, tolerance));
  }
}

}  // namespace

TEST(ConformanceJ, J5_fixed_point) {
  Context cx;
  auto* f = scalar_function(cx, [](auto cx, auto a) { return fixed_point(cx, newton_step, a, a); });
  const double root = std::sqrt(2.0);
  expect_at(cx, f, 2, root, 1e-12);
  for (auto* first : {grad(cx, f), jacfwd(cx, f)}) {
    expect_at(cx, first, 2, 1 / (2 * root));
    for (auto* second : {grad(cx, first), jacfwd(cx, first)})
      expect_at(cx, second, 2, -1 / (8 * root));
  }
  auto* many = vmap(cx, jit(cx, f), {});
  jaxvjp_value* a = vec(cx, {1, 2, 3, 4});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, many, a), {1, root, std::sqrt(3.0), 2}));
  auto* slopes = grad(cx, sum_of(cx, many));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slopes, a), {0.5, 0.5 / root, 0.5 / std::sqrt(3.0), 0.25}));
}

TEST(ConformanceJ, J5_an_equilibrium_like_its_steps) {
  Context cx;
  auto *loss = equilibrium_loss(cx), *twin = unrolled_loss(cx);
  jaxvjp_value* p = layer_params(cx);
  expect_equal(cx, loss, twin, p);
  for (auto derivative : {jaxvjp_grad, jaxvjp_jacfwd}) {
    expect_equal(cx, derivative(cx, loss, nullptr), grad(cx, twin), p);
    auto* along = [&](jaxvjp_function* slope) {
      return scalar_function(cx, [slope](auto cx, auto p) {
        jaxvjp_value* g = jaxvjp_call1(cx, slope, p);
        jaxvjp_value* first = sum(cx, jaxvjp_sin(cx, jaxvjp_lookup(cx, g, "w")));
        return jaxvjp_add(cx, first, sum(cx, jaxvjp_square(cx, jaxvjp_lookup(cx, g, "b"))));
      });
    }(derivative(cx, loss, nullptr));
    auto* twin_along = scalar_function(cx, [slope = grad(cx, twin)](auto cx, auto p) {
      jaxvjp_value* g = jaxvjp_call1(cx, slope, p);
      jaxvjp_value* first = sum(cx, jaxvjp_sin(cx, jaxvjp_lookup(cx, g, "w")));
      return jaxvjp_add(cx, first, sum(cx, jaxvjp_square(cx, jaxvjp_lookup(cx, g, "b"))));
    });
    for (auto outer : {jaxvjp_grad, jaxvjp_jacfwd})
      expect_equal(cx, outer(cx, along, nullptr), grad(cx, twin_along), p);
  }
}

// Mapped over the parameters; over a value that f closes over; and in a scan.
TEST(ConformanceJ, J5_mapped_and_closed_over) {
  Context cx;
  auto by_bias = [&](bool steps) {
    return scalar_function(cx, [steps](auto cx, auto bias) {
      const Map f = [bias](auto cx, auto w, auto x) {
        return jaxvjp_tanh(cx, jaxvjp_add(cx, jaxvjp_matmul(cx, w, x), bias));
      };
      jaxvjp_value *w = array(cx, {3, 3}, weights), *start = vec(cx, {0, 0, 0});
      if (!steps) return weighted_squares(cx, fixed_point(cx, f, w, start));
      const Body step = [=](auto cx, auto x, auto) -> Step {
        return {f(cx, w, x), jaxvjp_none(cx)};
      };
      jaxvjp_value* r = scan(cx, step, start, jaxvjp_none(cx), 150);
      return weighted_squares(cx, jaxvjp_get(cx, r, 0));
    });
  };
  auto *loss = by_bias(false), *twin = by_bias(true);
  jaxvjp_value* biases = array(cx, {2, 3}, {0.5, -1, 2, -0.2, 0.1, 0.7});
  expect_equal(cx, vmap(cx, loss, {}), vmap(cx, twin, {}), biases);
  for (auto derivative : {jaxvjp_grad, jaxvjp_jacfwd, jaxvjp_hessian})
    expect_equal(cx, vmap(cx, derivative(cx, loss, nullptr), {}),
                 vmap(cx, derivative(cx, twin, nullptr), {}), biases);
  expect_equal(cx, grad(cx, sum_of(cx, vmap(cx, loss, {}))),
               grad(cx, sum_of(cx, vmap(cx, twin, {}))), biases);
  auto in_scan = [&](jaxvjp_function* f) {
    return scalar_function(cx, [f](auto cx, auto rows) {
      const Body add = [f](auto cx, auto c, auto x) -> Step {
        return {jaxvjp_add(cx, c, jaxvjp_call1(cx, f, x)), jaxvjp_none(cx)};
      };
      return jaxvjp_get(cx, scan(cx, add, num(cx, 0), rows), 0);
    });
  };
  expect_equal(cx, grad(cx, in_scan(loss)), grad(cx, in_scan(twin)), biases);
}

// f = x / 2 + sin(p) / 2 with the slope 2 cos for sin: dx/dp = 2 cos p. Its rule has no forward
// mode.
TEST(ConformanceJ, J5_a_rule_inside_f) {
  Context cx;
  Rule rule = doubled_sine();
  auto with_rule = [&] {
    auto* s = custom_vjp(cx, "s", rule);
    return scalar_function(cx, [s](auto cx, auto p) {
      // x = (x + s(p)) / 2 + s(x) / 8 - s(s(p)) / 8, whose solution is s(p)
      const Map f = [s](auto cx, auto p, auto x) {
        jaxvjp_value* sp = jaxvjp_call1(cx, s, p);
        jaxvjp_value* half = times(cx, 0.5, jaxvjp_add(cx, x, sp));
        jaxvjp_value* more = jaxvjp_sub(cx, jaxvjp_call1(cx, s, x), jaxvjp_call1(cx, s, sp));
        return jaxvjp_add(cx, half, times(cx, 0.125, more));
      };
      return fixed_point(cx, f, p, num(cx, 0));
    });
  };
  auto* x = with_rule();
  const double p = 0.6;
  expect_at(cx, x, p, std::sin(p));
  expect_at(cx, grad(cx, x), p, 2 * std::cos(p));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jacfwd(cx, x), num(cx, p)), JAXVJP_FWD_MODE, {"s"}));
  rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
  x = with_rule();
  for (auto* first : {grad(cx, x), jacfwd(cx, x)}) {
    expect_at(cx, first, p, 2 * std::cos(p));
    for (auto* second : {grad(cx, first), jacfwd(cx, first)})
      expect_at(cx, second, p, -2 * std::sin(p));
  }
}

// What is differentiated is recorded once; a loop in f leaves forward mode.
TEST(ConformanceJ, J5_f_runs_once_and_may_loop) {
  Counts counts;
  Context cx;
  auto* step = map_function(
      cx, "step",
      [](auto cx, auto p, auto x) {
        const Scalar below = [](auto cx, auto c) { return jaxvjp_lt(cx, c, num(cx, 1)); };
        const Scalar doubled = [](auto cx, auto c) { return times(cx, 2, c); };
        jaxvjp_value* large = while_loop(cx, below, doubled, p);
        return jaxvjp_add(cx, times(cx, 0.5, x), large);
      },
      &counts);
  auto* x = scalar_function(
      cx, [step](auto cx, auto p) { return jaxvjp_fixed_point(cx, step, p, num(cx, 0), nullptr); });
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, x, num(cx, 0.3)), 2.4, 1e-10));
  EXPECT_EQ(counts.primal, 1);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jacfwd(cx, x), num(cx, 0.3)), 8, 1e-10));
  EXPECT_EQ(counts.primal, 2);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, grad(cx, x), num(cx, 0.3)), JAXVJP_NO_TRANSPOSE));
}

// ---- convergence

TEST(ConformanceJ, J5_without_convergence_it_is_nan) {
  Context cx;
  const Map halved = [](auto cx, auto p, auto x) { return jaxvjp_add(cx, times(cx, 0.5, x), p); };
  const Map doubled = [](auto cx, auto p, auto x) { return jaxvjp_add(cx, times(cx, 2, x), p); };
  const double nan = NAN;
  const struct {
    Map f;
    jaxvjp_fixed_point_options options;
    double value, slope;
  } rows[] = {{halved, {}, 2, 2},
              {halved, {0, 0, 0, 10, 0}, nan, nan},
              {halved, {0, 0, 0, 10, JAXVJP_KEEP_LAST}, 2 - 1.0 / 512, 2 - 1.0 / 1024},
              {halved, {0, 0.01, 0, 0, 0}, 2 - 1.0 / 64, 2 - 1.0 / 64},
              {halved, {0, 0, 0.01, 0, 0}, 2 - 1.0 / 128, 2},
              {doubled, {}, nan, nan},
              {doubled, {0, 0, 0, 3, JAXVJP_KEEP_LAST}, 7, 15}};
  for (const auto& row : rows) {
    auto* x = scalar_function(
        cx, [&](auto cx, auto p) { return fixed_point(cx, row.f, p, num(cx, 0), row.options); });
    SCOPED_TRACE(&row - rows);
    expect_at(cx, x, 1, row.value);
    expect_at(cx, grad(cx, x), 1, row.slope);
    expect_at(cx, jacfwd(cx, x), 1, row.slope);
  }
}

// Each mapped element stops on its own, and one that does not converge spoils no other.
TEST(ConformanceJ, J5_elements_converge_one_by_one) {
  Context cx;
  auto* x = function(cx, "x", [](auto cx, auto args) {
    const Map f = [](auto cx, auto p, auto x) {
      return jaxvjp_add(cx, jaxvjp_mul(cx, p, x), num(cx, 1));
    };
    return fixed_point(cx, f, args[0], num(cx, 0));
  });
  jaxvjp_value* p = vec(cx, {0, 0.5, 0.9, 2});
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, x, {}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, p), {1, 2, 10, NAN}, 1e-10));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, sum_of(cx, g)), p), {1, 4, 100, NAN}, 1e-9));
  }
}

// The cotangent's size does not matter, nor that of the solution.
TEST(ConformanceJ, J5_no_scale) {
  Context cx;
  for (double scale : {1e-30, 1.0, 1e30}) {
    auto* x = scalar_function(cx, [scale](auto cx, auto p) {
      const Map f = [scale](auto cx, auto p, auto x) {
        return jaxvjp_add(cx, times(cx, 0.9, x), times(cx, scale, p));
      };
      return fixed_point(cx, f, p, num(cx, 0));
    });
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* y = vjp(cx, x, {num(cx, 1)}, &pullback);
    EXPECT_TRUE(near(cx, jaxvjp_div(cx, y, num(cx, 10 * scale)), 1, 1e-10));
    jaxvjp_value* ct = jaxvjp_get(cx, jaxvjp_call1(cx, pullback, num(cx, 1e-20)), 0);
    EXPECT_TRUE(near(cx, jaxvjp_div(cx, ct, num(cx, 1e-20 * 10 * scale)), 1, 1e-10));
  }
}

TEST(ConformanceJ, J5_every_dtype_and_shape) {
  Context cx;
  const struct {
    int32_t dtype;
    double tolerance;
  } rows[] = {{JAXVJP_F64, 1e-11}, {JAXVJP_F32, 1e-5}, {JAXVJP_F16, 0.02}, {JAXVJP_BF16, 0.1}};
  for (auto [dtype, tolerance] : rows) {
    const Map f = [](auto cx, auto p, auto x) {
      jaxvjp_value* items[] = {
          jaxvjp_add(cx, times(cx, 0.5, jaxvjp_get(cx, x, 0)), jaxvjp_get(cx, p, 0)),
          jaxvjp_get(cx, x, 1)};
      return jaxvjp_tuple(cx, items, 2);
    };
    jaxvjp_value* p = tuple(cx, {vec(cx, {1, 2}, dtype), vec(cx, {}, dtype)});
    jaxvjp_value* expected = tuple(cx, {vec(cx, {2, 4}, dtype), vec(cx, {}, dtype)});
    auto* x = scalar_function(
        cx, [=](auto cx, auto p) { return fixed_point(cx, f, p, jaxvjp_zeros_like(cx, p)); });
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, x, p), expected, tolerance));
    auto* total = sum_of(cx, item_of(cx, x, 0));
    expected = tuple(cx, {vec(cx, {2, 2}, dtype), vec(cx, {}, dtype)});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, grad(cx, total), p), expected, tolerance));
  }
  auto* nothing = map_function(cx, "f", [](auto, auto, auto x) { return x; });
  EXPECT_TRUE(same(cx, jaxvjp_fixed_point(cx, nothing, num(cx, 1), jaxvjp_none(cx), nullptr),
                   jaxvjp_none(cx)));
}
