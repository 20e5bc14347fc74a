// Control flow and solvers. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_CONTROL_HPP
#define JAXVJP_CPP_CONTROL_HPP

#include <jaxvjp/cpp/function.hpp>

namespace jaxvjp {

namespace detail {
// What a control-flow operation works with: the innermost context among its operands.
template <class Call>
Value flow(const std::vector<Operand> &operands, const Call &call) {
  const ContextRef cx = context_of(operands);
  const Handles handles(cx, operands);
  return Value::take(cx, call(cx.c(), handles.data(), handles.size()));
}
}  // namespace detail

// on_true(args...) or on_false(args...), of the same structure and types.
template <class... T>
Value cond(const Value &pred, const Function &on_true, const Function &on_false, const T &...args) {
  return detail::flow({pred, Operand(args)...}, [&](auto *cx, auto *v, std::size_t n) {
    return jaxvjp_cond(cx, v[0], on_true.c(), on_false.c(), v + 1, n - 1);
  });
}
// branches[index](args...); an index beyond the ends takes the first or the last.
template <class... T>
Value switch_case(const Value &index, const std::vector<Function> &branches, const T &...args) {
  std::vector<jaxvjp_function *> raw;
  for (const Function &f : branches) raw.push_back(f.c());
  return detail::flow({index, Operand(args)...}, [&](auto *cx, auto *v, std::size_t n) {
    return jaxvjp_switch(cx, v[0], raw.data(), raw.size(), v + 1, n - 1);
  });
}
// carry = body(carry) from init on, as long as condition(carry) is true. No reverse mode.
inline Value while_loop(const Function &condition, const Function &body, const Value &init) {
  return detail::flow({init},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_while_loop(cx, condition.c(), body.c(), v[0]); });
}
// carry = body(i, carry) for lower <= i < upper; with a reverse mode where both are known.
inline Value fori_loop(const Operand &lower, const Operand &upper, const Function &body, const Value &init) {
  return detail::flow({lower, upper, init},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_fori_loop(cx, v[0], v[1], body.c(), v[2]); });
}
struct ScanOptions {
  std::int64_t length = -1;  // -1: that of xs
  bool reverse = false;      // from the last row to the first
};
// body(carry, x) -> (carry, y) for each row of xs; the pair (last carry, stacked ys).
inline std::pair<Value, Value> scan(const Function &body, const Value &init, const Value &xs,
                                    const ScanOptions &options = {}) {
  const Value both = detail::flow({init, xs}, [&](auto *cx, auto *v, std::size_t) {
    return jaxvjp_scan(cx, body.c(), v[0], v[1], options.length, options.reverse);
  });
  return {both[0], both[1]};
}
// f of each row of xs, stacked; batch_size: so many rows at a time, as by vmap.
inline Value map(const Function &f, const Value &xs, std::int64_t batch_size = 0) {
  return detail::flow({xs}, [&](auto *cx, auto *v, std::size_t) { return jaxvjp_map(cx, f.c(), v[0], batch_size); });
}

// ------------------------------------------------------------------------------------------- solvers

struct LinearSolveOptions {
  std::optional<Function> transpose_solve = {};  // reverse mode needs it, unless symmetric
  bool symmetric = false;                        // matvec is its own transpose
  bool has_aux = false;                          // the solves give (x, aux), and so does the call
};
// x with matvec(x) = b, as solve(matvec, b) finds it; its first argument is a Value that holds a function.
inline Value custom_linear_solve(const Function &matvec, const Value &b, const Function &solve,
                                 const LinearSolveOptions &options = {}) {
  jaxvjp_linear_solve_options o{};
  o.struct_size = sizeof o;
  if (options.transpose_solve) o.transpose_solve = options.transpose_solve->c();
  if (options.symmetric) o.flags |= JAXVJP_SYMMETRIC;
  if (options.has_aux) o.flags |= JAXVJP_HAS_AUX;
  return detail::flow(
      {b}, [&](auto *cx, auto *v, std::size_t) { return jaxvjp_custom_linear_solve(cx, matvec.c(), v[0], solve.c(), &o); });
}
// x with f(x) = 0, as solve(f, guess) finds it; tangent_solve(g, y) solves g(v) = y for f linearized at the root.
inline Value custom_root(const Function &f, const Value &guess, const Function &solve, const Function &tangent_solve,
                         bool has_aux = false) {
  jaxvjp_root_options o{};
  o.struct_size = sizeof o;
  if (has_aux) o.flags = JAXVJP_HAS_AUX;
  return detail::flow({guess}, [&](auto *cx, auto *v, std::size_t) {
    return jaxvjp_custom_root(cx, f.c(), v[0], solve.c(), tangent_solve.c(), &o);
  });
}

struct FixedPointOptions {
  double tolerance = 0;             // relative; 0: by dtype
  double absolute_tolerance = 0;    // beside it
  std::int64_t max_iterations = 0;  // 0: 10,000
  bool keep_last = false;           // the last iterate where that was not enough, instead of NaN
};
// x with x = f(params, x), by iteration from the guess on.
inline Value fixed_point(const Function &f, const Value &params, const Value &guess, const FixedPointOptions &options = {}) {
  jaxvjp_fixed_point_options o{};
  o.struct_size = sizeof o;
  o.tolerance = options.tolerance;
  o.absolute_tolerance = options.absolute_tolerance;
  o.max_iterations = options.max_iterations;
  if (options.keep_last) o.flags = JAXVJP_KEEP_LAST;
  return detail::flow({params, guess},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_fixed_point(cx, f.c(), v[0], v[1], &o); });
}

}  // namespace jaxvjp

#endif
