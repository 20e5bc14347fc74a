// Rules of one's own. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_RULES_HPP
#define JAXVJP_CPP_RULES_HPP

#include <jaxvjp/cpp/control.hpp>

namespace jaxvjp {

struct CustomVjpOptions {
  CallFn primal = {};                            // runs where nothing is differentiated; none: fwd without its residuals
  JvpFn jvp = {};                                // forward mode; none: see `forward`
  std::int32_t forward = JAXVJP_FORWARD_REFUSE;  // or JAXVJP_FORWARD_TRANSPOSE_BWD
  std::int32_t flags = 0;                        // JAXVJP_SYMBOLIC_ZEROS, JAXVJP_RUN_ON_ZERO, JAXVJP_WIDEN
  std::vector<const char *> arg_names = {};
  BatchFn batch = {};  // vmap where nothing is differentiated
};

// A function with a derivative of one's own, honoured under every mixture of transformations.
inline Function custom_vjp(const ContextRef &cx, const char *name, FwdFn fwd, BwdFn bwd, CustomVjpOptions options = {}) {
  using detail::Callbacks;
  jaxvjp_context *here = cx.c();
  jaxvjp_custom_vjp_options o{};
  o.struct_size = sizeof o;
  o.primal = options.primal ? Callbacks::call_primal : nullptr;
  o.jvp = options.jvp ? Callbacks::call_jvp : nullptr;
  o.forward = options.forward;
  o.flags = options.flags;
  o.arg_names = options.arg_names.data();
  o.n_arg_names = options.arg_names.size();
  o.batch = options.batch ? Callbacks::call_batch : nullptr;
  auto *user = new Callbacks{std::move(options.primal), std::move(fwd), std::move(bwd), std::move(options.jvp),
                             std::move(options.batch)};
  return Function::take(
      cx, jaxvjp_custom_vjp(here, name, Callbacks::call_fwd, Callbacks::call_bwd, user, Callbacks::destroy, &o));
}
// The same from a rule for forward mode, which serves reverse mode too.
inline Function custom_jvp(const ContextRef &cx, const char *name, CallFn primal, JvpFn jvp) {
  using detail::Callbacks;
  jaxvjp_context *here = cx.c();
  auto *user = new Callbacks{std::move(primal), {}, {}, std::move(jvp)};
  return Function::take(cx,
                        jaxvjp_custom_jvp(here, name, Callbacks::call_primal, Callbacks::call_jvp, user, Callbacks::destroy));
}
// A function with a rule for vmap. It has a forward mode, and no reverse mode: for both there is CustomVjpOptions::batch.
inline Function custom_vmap(const ContextRef &cx, const char *name, CallFn primal, BatchFn batch) {
  using detail::Callbacks;
  jaxvjp_context *here = cx.c();
  auto *user = new Callbacks{std::move(primal), {}, {}, {}, std::move(batch)};
  return Function::take(
      cx, jaxvjp_custom_vmap(here, name, Callbacks::call_primal, Callbacks::call_batch, user, Callbacks::destroy));
}
// f, of which a vmap does one example after the other.
inline Function sequential_vmap(const Function &f) {
  return Function::take(f.context(), jaxvjp_sequential_vmap(f.context().c(), f.c()));
}
// f(residual, linear), linear in the second, with the transpose t(residual, cotangent).
inline Value linear_call(const Function &f, const Function &t, const Value &residual, const Value &linear) {
  return detail::flow({residual, linear},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_linear_call(cx, f.c(), t.c(), v[0], v[1]); });
}
// f recorded for such arguments, with the traced values that it captured as leaves of its value(): a residual, say.
inline Function closure_convert(const Function &f, const Values &specs) {
  const ContextRef cx = f.place(specs);
  const detail::Handles x(specs);
  return Function::take(cx, jaxvjp_closure_convert(cx.c(), f.c(), x.data(), x.size()));
}
// The leaf of the arguments, counted over all, that the i-th array is which a pullback holds; -1: it was computed.
inline std::int64_t residual_source(const Function &linear, std::size_t i) {
  std::int64_t leaf = -1;
  jaxvjp_residual_source(linear.context().c(), linear.c(), i, &leaf);
  detail::check(linear.context().c());
  return leaf;
}

struct CheckOptions {
  std::int32_t order = 1;  // 2: the derivative of the derivative too
  std::uint32_t seed = 0;
  double tolerance = 0;       // relative; 0: by dtype
  bool nonlinear_ok = false;  // a bwd that is not linear is not reported
};
// Throws Error (CHECK) with a report when f's derivative at args is wrong.
inline void check_vjp(const Function &f, const Values &args, const CheckOptions &options = {}) {
  jaxvjp_check_options o{};
  o.struct_size = sizeof o;
  o.order = options.order;
  o.seed = options.seed;
  o.tolerance = options.tolerance;
  o.flags = options.nonlinear_ok ? JAXVJP_CHECK_NONLINEAR_OK : 0;
  const ContextRef cx = f.place(args);
  const detail::Handles x(args);
  if (jaxvjp_check_vjp(cx.c(), f.c(), x.data(), x.size(), &o)) detail::throw_failure(cx.c());
}

}  // namespace jaxvjp

#endif
