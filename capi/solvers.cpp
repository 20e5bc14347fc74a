// Solvers with derivatives of the equations that they solve.
#include "api/solvers.hpp"

#include "capi/wrap.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_value* no_value = nullptr;

static ValueRef held(View& cx, jaxvjp_value* v, const char* what) {
  return ValueRef(&value(cx, v, what));
}

jaxvjp_value* jaxvjp_custom_linear_solve(jaxvjp_context* cx, jaxvjp_function* matvec,
                                         jaxvjp_value* b, jaxvjp_function* solve,
                                         const jaxvjp_linear_solve_options* options) {
  return guard(cx, "custom_linear_solve", no_value, [&](View& view) {
    auto given = read_options(options, "jaxvjp_linear_solve_options");
    check_flags(given.flags, int32_t{JAXVJP_HAS_AUX} | JAXVJP_SYMMETRIC, "custom_linear_solve");
    LinearSolveOptions o{nullptr, (given.flags & JAXVJP_SYMMETRIC) != 0,
                         (given.flags & JAXVJP_HAS_AUX) != 0};
    if (given.transpose_solve)
      o.transpose_solve = &function(view, given.transpose_solve, "transpose_solve");
    return keep(view, custom_linear_solve(view, function(view, matvec, "matvec"),
                                          held(view, b, "b"), function(view, solve, "solve"), o));
  });
}

jaxvjp_value* jaxvjp_custom_root(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* guess,
                                 jaxvjp_function* solve, jaxvjp_function* tangent_solve,
                                 const jaxvjp_root_options* options) {
  return guard(cx, "custom_root", no_value, [&](View& view) {
    auto given = read_options(options, "jaxvjp_root_options");
    check_flags(given.flags, JAXVJP_HAS_AUX, "custom_root");
    return keep(view, custom_root(view, function(view, f, "f"), held(view, guess, "the guess"),
                                  function(view, solve, "solve"),
                                  function(view, tangent_solve, "tangent_solve"),
                                  (given.flags & JAXVJP_HAS_AUX) != 0));
  });
}

static double tolerance(double given, const char* what) {
  if (!(given >= 0) || given - given != 0)
    fail(Code::invalid_argument, "fixed_point: ", what, " is ", given, ", expected 0 or more");
  return given;
}

jaxvjp_value* jaxvjp_fixed_point(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* params,
                                 jaxvjp_value* guess, const jaxvjp_fixed_point_options* options) {
  return guard(cx, "fixed_point", no_value, [&](View& view) {
    auto given = read_options(options, "jaxvjp_fixed_point_options");
    check_flags(given.flags, JAXVJP_KEEP_LAST, "fixed_point");
    Iteration how;
    how.tolerance = tolerance(given.tolerance, "tolerance");
    how.absolute = tolerance(given.absolute_tolerance, "absolute_tolerance");
    if (given.max_iterations < 0 || given.max_iterations > int64_t{1} << 53)
      fail(Code::invalid_argument, "fixed_point: max_iterations is ", given.max_iterations);
    if (given.max_iterations) how.limit = given.max_iterations;
    how.keep_last = (given.flags & JAXVJP_KEEP_LAST) != 0;
    return keep(view, fixed_point(view, function(view, f, "f"), held(view, params, "params"),
                                  held(view, guess, "the guess"), how));
  });
}
