// Solvers on pytrees: custom_linear_solve, custom_root, fixed_point.
#pragma once
#include "api/transform.hpp"
#include "rules/implicit.hpp"

namespace jv {

// x with matvec(x) = b, as solve(matvec, b) finds it.
struct LinearSolveOptions {
  Function* transpose_solve = nullptr;  // (vecmat, b) -> x
  bool symmetric = false;               // vecmat is matvec, and transpose_solve solve by default
  bool has_aux = false;                 // the solves give (x, aux)
};
ValueRef custom_linear_solve(View& cx, Function& matvec, const ValueRef& b, Function& solve,
                             const LinearSolveOptions& options);

// x with f(x) = 0, as solve(f, guess) finds it; tangent_solve(g, y) solves g(x) = y where g is f
// linearized at the root.
ValueRef custom_root(View& cx, Function& f, const ValueRef& guess, Function& solve,
                     Function& tangent_solve, bool has_aux);

// x with x = f(params, x), by iteration from the guess.
ValueRef fixed_point(View& cx, Function& f, const ValueRef& params, const ValueRef& guess,
                     const Iteration& iteration);

}  // namespace jv
