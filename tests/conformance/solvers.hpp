// Solvers with C++ lambdas.
#pragma once

#include "loops.hpp"

namespace conformance {

// What solves: of a function that it may call and differentiate, and a value.
using Solver = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_function* f, jaxvjp_value* x)>;
inline jaxvjp_function* solver(jaxvjp_context* cx, const char* name, Solver solve) {
  return function(cx, name, [solve](auto cx, auto args) {
    return solve(cx, jaxvjp_as_function(cx, args[0]), args[1]);
  });
}

struct Linear {
  Scalar matvec;
  Solver solve;
  Solver transpose_solve = nullptr;
  int32_t flags = 0;
};
inline jaxvjp_value* linear_solve(jaxvjp_context* cx, const Linear& l, jaxvjp_value* b) {
  jaxvjp_linear_solve_options options{};
  options.struct_size = sizeof options;
  if (l.transpose_solve) options.transpose_solve = solver(cx, "transpose_solve", l.transpose_solve);
  options.flags = l.flags;
  return jaxvjp_custom_linear_solve(cx, scalar_function(cx, l.matvec), b,
                                    solver(cx, "solve", l.solve), &options);
}

struct Roots {
  Scalar f;
  Solver solve, tangent_solve;
  int32_t flags = 0;
};
inline jaxvjp_value* root(jaxvjp_context* cx, const Roots& r, jaxvjp_value* guess) {
  jaxvjp_root_options options{};
  options.struct_size = sizeof options;
  options.flags = r.flags;
  return jaxvjp_custom_root(cx, scalar_function(cx, r.f), guess, solver(cx, "solve", r.solve),
                            solver(cx, "tangent_solve", r.tangent_solve), &options);
}

inline jaxvjp_function* jacfwd(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_jacfwd(cx, f, nullptr);
}

// ---- solvers that most tests use

// x with f(x) = 0 of a number, by Newton's steps.
inline jaxvjp_value* newton(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* guess) {
  return while_loop(
      cx,
      [f](auto cx, auto x) {
        return jaxvjp_gt(cx, jaxvjp_abs(cx, jaxvjp_call1(cx, f, x)), num(cx, 1e-13));
      },
      [f](auto cx, auto x) {
        jaxvjp_value *y = jaxvjp_call1(cx, f, x), *slope = jaxvjp_call1(cx, grad(cx, f), x);
        return jaxvjp_sub(cx, x, jaxvjp_div(cx, y, slope));
      },
      guess);
}
// v with g(v) = y of a number.
inline jaxvjp_value* divided(jaxvjp_context* cx, jaxvjp_function* g, jaxvjp_value* y) {
  return jaxvjp_div(cx, y, jaxvjp_call1(cx, g, num(cx, 1)));
}
// ... and of a vector.
inline jaxvjp_value* dense(jaxvjp_context* cx, jaxvjp_function* g, jaxvjp_value* y) {
  jaxvjp_value* matrix = jaxvjp_call1(cx, jaxvjp_jacfwd(cx, g, nullptr), y);
  return jaxvjp_solve(cx, matrix, y);
}

// f at a number, eagerly and under jit.
inline void expect_at(jaxvjp_context* cx, jaxvjp_function* f, double x, double expected,
                      double tolerance = 1e-10) {
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, x)), expected, tolerance));
  }
}

}  // namespace conformance
