// Small programs with a closed form in plain loops: what functions_wrappers_test.cpp runs under
// every wrapper. Argument 0 is a pytree of f64 leaves, the one that is differentiated; a second
// argument, where there is one, is of integers. Rules here are the true derivatives.
#pragma once

#include "../conformance/higher_order.hpp"

namespace programs {

using namespace conformance;
using Numbers = std::vector<double>;

struct Program {
  const char* name;
  Numbers at;  // the leaves of argument 0, one after the other
  jaxvjp_value* (*pack)(jaxvjp_context*, const Numbers&);
  jaxvjp_function* (*make)(jaxvjp_context*);
  Numbers (*reference)(const Numbers&);  // the leaves of the output
  bool integers = false;                 // a second argument, i64[3] = (1, 2, 3)
};

// ---------------------------------------------------------------------------------------- packing

inline jaxvjp_value* scalar(jaxvjp_context* cx, const Numbers& x) { return jaxvjp_f64(cx, x[0]); }
inline jaxvjp_value* vector(jaxvjp_context* cx, const Numbers& x) { return vec(cx, x); }
template <int64_t rows, int64_t columns>
jaxvjp_value* matrix(jaxvjp_context* cx, const Numbers& x) {
  return array(cx, {rows, columns}, x);
}
inline jaxvjp_value* pair(jaxvjp_context* cx, const Numbers& x) {
  return tuple(cx, {jaxvjp_f64(cx, x[0]), vec(cx, {x[1], x[2]})});
}
inline jaxvjp_value* params(jaxvjp_context* cx, const Numbers& x) {  // b, then w: the order of keys
  return dict(cx,
              {{"w", array(cx, {2, 2}, {x[2], x[3], x[4], x[5]})}, {"b", vec(cx, {x[0], x[1]})}});
}

// ---------------------------------------------------------------------------------------- programs

template <class F>
Numbers each(const Numbers& x, F f) {
  Numbers y;
  for (double value : x) y.push_back(f(value));
  return y;
}
inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// y = sin x; y^2 + y + x y
inline jaxvjp_function* fan_out(jaxvjp_context* cx) {
  return function(cx, "fan_out", [](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_sin(cx, args[0]);
    jaxvjp_value* xy = jaxvjp_mul(cx, args[0], y);
    return jaxvjp_add(cx, jaxvjp_add(cx, jaxvjp_mul(cx, y, y), y), xy);
  });
}
inline Numbers fan_out_reference(const Numbers& x) {
  return each(x,
              [](double x) { return std::sin(x) * std::sin(x) + std::sin(x) + x * std::sin(x); });
}

inline jaxvjp_function* closed_over(jaxvjp_context* cx) {
  jaxvjp_value* c = vec(cx, {2, -3, 5});
  return function(cx, "closed_over", [c](auto cx, auto args) {
    return jaxvjp_mul(cx, jaxvjp_cos(cx, args[0]), jaxvjp_mul(cx, c, args[0]));
  });
}
inline Numbers closed_over_reference(const Numbers& x) {
  const double c[] = {2, -3, 5};
  Numbers y;
  for (size_t i = 0; i < 3; i++) y.push_back(std::cos(x[i]) * c[i] * x[i]);
  return y;
}

// of (a, b): exp a
inline jaxvjp_function* unused_input(jaxvjp_context* cx) {
  return function(cx, "unused_input",
                  [](auto cx, auto args) { return jaxvjp_exp(cx, jaxvjp_get(cx, args[0], 0)); });
}
inline Numbers unused_input_reference(const Numbers& x) { return {std::exp(x[0])}; }

// (y, y, x, y)
inline jaxvjp_function* repeated_output(jaxvjp_context* cx) {
  return function(cx, "repeated_output", [](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_tanh(cx, args[0]);
    return tuple(cx, {y, y, args[0], y});
  });
}
inline Numbers repeated_output_reference(const Numbers& x) {
  const double y = std::tanh(x[0]);
  return {y, y, x[0], y};
}

// inner(x) inner(2 x), inner compiled
inline jaxvjp_function* nested_call(jaxvjp_context* cx) {
  auto* inner = jit(cx, function(cx, "inner", [](auto cx, auto args) {
                      return jaxvjp_mul(cx, args[0], jaxvjp_exp(cx, jaxvjp_neg(cx, args[0])));
                    }));
  return function(cx, "nested_call", [inner](auto cx, auto args) {
    jaxvjp_value* first = jaxvjp_call1(cx, inner, args[0]);
    return jaxvjp_mul(cx, first, jaxvjp_call1(cx, inner, times(cx, 2, args[0])));
  });
}
inline Numbers nested_call_reference(const Numbers& x) {
  return each(x, [](double x) { return x * std::exp(-x) * 2 * x * std::exp(-2 * x); });
}

inline jaxvjp_function* custom_reverse(jaxvjp_context* cx) {
  Rule rule;
  rule.primal = [](auto cx, auto args) { return jaxvjp_softplus(cx, args[0]); };
  rule.fwd = self_fwd;
  rule.bwd = [](auto cx, auto x, auto ct, auto slots) {
    slots[0] = jaxvjp_mul(cx, ct, jaxvjp_logistic(cx, x));
  };
  rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
  auto* f = custom_vjp(cx, "softplus_rule", std::move(rule));
  return function(cx, "custom_reverse", [f](auto cx, auto args) {
    return jaxvjp_mul(cx, args[0], jaxvjp_call1(cx, f, args[0]));
  });
}
inline jaxvjp_function* custom_forward(jaxvjp_context* cx) {
  auto* f = custom_jvp(
      cx, "softplus_rule", [](auto cx, auto args) { return jaxvjp_softplus(cx, args[0]); },
      [](auto cx, auto p, auto t) -> Jvp {
        jaxvjp_value* slope = jaxvjp_logistic(cx, p[0]);
        return {jaxvjp_call1(cx, jaxvjp_self(cx), p[0]), jaxvjp_mul(cx, slope, t[0])};
      });
  return function(cx, "custom_forward", [f](auto cx, auto args) {
    return jaxvjp_mul(cx, args[0], jaxvjp_call1(cx, f, args[0]));
  });
}
inline Numbers softplus_reference(const Numbers& x) {
  return each(x, [](double x) { return x * std::log1p(std::exp(x)); });
}

// {w, b} -> {mean: scalar, rows: [w[0] b, w[1] + b]}
inline jaxvjp_function* pytrees(jaxvjp_context* cx) {
  return function(cx, "pytrees", [](auto cx, auto args) {
    jaxvjp_value *w = jaxvjp_lookup(cx, args[0], "w"), *b = jaxvjp_lookup(cx, args[0], "b");
    jaxvjp_value* product = jaxvjp_mul(cx, w, b);
    jaxvjp_value* rows = list(cx, {product, jaxvjp_add(cx, w, jaxvjp_sin(cx, b))});
    return dict(cx, {{"rows", rows}, {"mean", jaxvjp_mean(cx, product, nullptr, 0)}});
  });
}
inline Numbers pytrees_reference(const Numbers& x) {
  Numbers y(9);
  for (size_t i = 0; i < 4; i++) {
    const double w = x[2 + i], b = x[i % 2];
    y[0] += w * b / 4;
    y[1 + i] = w * b;
    y[5 + i] = w + std::sin(b);
  }
  return y;
}

// (sin(i x), i) with an integer i
inline jaxvjp_function* integer_input(jaxvjp_context* cx) {
  return function(cx, "integer_input", [](auto cx, auto args) {
    jaxvjp_value* i = jaxvjp_convert(cx, args[1], JAXVJP_F64);
    return jaxvjp_sin(cx, jaxvjp_mul(cx, i, args[0]));
  });
}
inline Numbers integer_input_reference(const Numbers& x) {
  return {std::sin(x[0]), std::sin(2 * x[1]), std::sin(3 * x[2])};
}

// x x' of a 2 x 3 matrix, through the sine
inline jaxvjp_function* matmul(jaxvjp_context* cx) {
  return function(cx, "matmul", [](auto cx, auto args) {
    jaxvjp_value* transposed = jaxvjp_matrix_transpose(cx, args[0]);
    return jaxvjp_matmul(cx, jaxvjp_sin(cx, args[0]), transposed);
  });
}
inline Numbers matmul_reference(const Numbers& x) {
  Numbers y(4);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      for (int k = 0; k < 3; k++) y[2 * i + j] += std::sin(x[3 * i + k]) * x[3 * j + k];
  return y;
}

// of a 2 x 3 matrix: column sums of squares, row means, the largest, the least
inline jaxvjp_function* reductions(jaxvjp_context* cx) {
  return function(cx, "reductions", [](auto cx, auto args) {
    const int64_t rows = 0, columns = -1;
    jaxvjp_value* x = args[0];
    jaxvjp_value* sums = jaxvjp_sum(cx, jaxvjp_square(cx, x), &rows, 1);
    jaxvjp_value* means = jaxvjp_mean(cx, x, &columns, 1);
    jaxvjp_value* largest = jaxvjp_max(cx, jaxvjp_square(cx, x), nullptr, 0);
    return tuple(cx, {sums, means, largest, jaxvjp_min(cx, x, &columns, 1)});
  });
}
inline Numbers reductions_reference(const Numbers& x) {
  Numbers y(8);
  for (int j = 0; j < 3; j++) y[j] = x[j] * x[j] + x[3 + j] * x[3 + j];
  for (int i = 0; i < 2; i++) y[3 + i] = (x[3 * i] + x[3 * i + 1] + x[3 * i + 2]) / 3;
  for (double value : x) y[5] = std::max(y[5], value * value);
  for (int i = 0; i < 2; i++) y[6 + i] = std::min({x[3 * i], x[3 * i + 1], x[3 * i + 2]});
  return y;
}

// ([7, 8], x^2, 4)
inline jaxvjp_function* constant_output(jaxvjp_context* cx) {
  return function(cx, "constant_output", [](auto cx, auto args) {
    return tuple(cx, {vec(cx, {7, 8}), jaxvjp_square(cx, args[0]), jaxvjp_f64(cx, 4)});
  });
}
inline Numbers constant_output_reference(const Numbers& x) { return {7, 8, x[0] * x[0], 4}; }

// x times the gradient of sum sin(y^2) at x: a derivative inside the program
inline jaxvjp_function* gradient_inside(jaxvjp_context* cx) {
  auto* inner = sum_of(cx, function(cx, "inner", [](auto cx, auto args) {
                         return jaxvjp_sin(cx, jaxvjp_square(cx, args[0]));
                       }));
  auto* slope = grad(cx, inner);
  return function(cx, "gradient_inside", [slope](auto cx, auto args) {
    return jaxvjp_mul(cx, args[0], jaxvjp_call1(cx, slope, args[0]));
  });
}
inline Numbers gradient_inside_reference(const Numbers& x) {
  return each(x, [](double x) { return 2 * x * x * std::cos(x * x); });
}

// vmap of y -> sum(exp(y x)) over y = x, where x comes from the enclosing trace
inline jaxvjp_function* vmap_inside(jaxvjp_context* cx) {
  return function(cx, "vmap_inside", [](auto cx, auto args) {
    jaxvjp_value* x = args[0];
    auto* row = function(cx, "row", [x](auto cx, auto args) {
      return sum(cx, jaxvjp_exp(cx, jaxvjp_mul(cx, args[0], x)));
    });
    return jaxvjp_call1(cx, vmap(cx, row, {}), x);
  });
}
inline Numbers vmap_inside_reference(const Numbers& x) {
  Numbers y(x.size());
  for (size_t i = 0; i < x.size(); i++)
    for (double other : x) y[i] += std::exp(x[i] * other);
  return y;
}

// where(x > 0.5, x^3, -x), and the larger of x and 0.7
inline jaxvjp_function* selects(jaxvjp_context* cx) {
  return function(cx, "selects", [](auto cx, auto args) {
    jaxvjp_value* x = args[0];
    jaxvjp_value* large = jaxvjp_gt(cx, x, jaxvjp_number(cx, 0.5));
    jaxvjp_value* cube = jaxvjp_mul(cx, x, jaxvjp_square(cx, x));
    jaxvjp_value* either = jaxvjp_where(cx, large, cube, jaxvjp_neg(cx, x));
    return jaxvjp_add(cx, either, jaxvjp_maximum(cx, x, jaxvjp_number(cx, 0.7)));
  });
}
inline Numbers selects_reference(const Numbers& x) {
  return each(x, [](double x) { return (x > 0.5 ? x * x * x : -x) + std::max(x, 0.7); });
}

// A z = (1, 2), A a 2 x 2 matrix
inline jaxvjp_function* linear_system(jaxvjp_context* cx) {
  return function(cx, "linear_system", [](auto cx, auto args) {
    return jaxvjp_solve(cx, args[0], vec(cx, {1, 2}));
  });
}
inline Numbers linear_system_reference(const Numbers& a) {
  const double det = a[0] * a[3] - a[1] * a[2];
  return {(a[3] - 2 * a[1]) / det, (2 * a[0] - a[2]) / det};
}

// of (a, b): a b broadcast over a 2 x 2 of constants, divided by the scalar
inline jaxvjp_function* broadcasts(jaxvjp_context* cx) {
  return function(cx, "broadcasts", [](auto cx, auto args) {
    jaxvjp_value *a = jaxvjp_get(cx, args[0], 0), *b = jaxvjp_get(cx, args[0], 1);
    jaxvjp_value* m = array(cx, {2, 2}, {1, 2, 3, 4});
    return jaxvjp_div(cx, jaxvjp_mul(cx, m, b), a);
  });
}
inline Numbers broadcasts_reference(const Numbers& x) {
  return {x[1] / x[0], 2 * x[2] / x[0], 3 * x[1] / x[0], 4 * x[2] / x[0]};
}

inline const Program all[] = {
    {"fan_out", {.3, 1.1, -2}, vector, fan_out, fan_out_reference},
    {"closed_over", {.3, 1.1, -2}, vector, closed_over, closed_over_reference},
    {"unused_input", {.3, 1.1, -2}, pair, unused_input, unused_input_reference},
    {"repeated_output", {.3}, scalar, repeated_output, repeated_output_reference},
    {"nested_call", {.3, 1.1, -.5}, vector, nested_call, nested_call_reference},
    {"custom_vjp", {.3, 1.1, -2}, vector, custom_reverse, softplus_reference},
    {"custom_jvp", {.3, 1.1, -2}, vector, custom_forward, softplus_reference},
    {"pytrees", {.3, 1.1, -2, .7, .9, -.4}, params, pytrees, pytrees_reference},
    {"integer_input", {.3, 1.1, -2}, vector, integer_input, integer_input_reference, true},
    {"matmul", {.3, 1.1, -2, .7, .9, -.4}, matrix<2, 3>, matmul, matmul_reference},
    {"reductions", {.3, 1.1, -2, .7, .9, -.4}, matrix<2, 3>, reductions, reductions_reference},
    {"constant_output", {.3}, scalar, constant_output, constant_output_reference},
    {"gradient_inside", {.3, 1.1, -.5}, vector, gradient_inside, gradient_inside_reference},
    {"vmap_inside", {.3, 1.1, -.5}, vector, vmap_inside, vmap_inside_reference},
    {"selects", {.3, 1.1, -2}, vector, selects, selects_reference},
    {"linear_system", {3, 1.1, -2, 4}, matrix<2, 2>, linear_system, linear_system_reference},
    {"broadcasts", {.3, 1.1, -2}, pair, broadcasts, broadcasts_reference},
};

}  // namespace programs
