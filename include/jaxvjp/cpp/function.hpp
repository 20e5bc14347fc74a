// Functions and their transformations. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_FUNCTION_HPP
#define JAXVJP_CPP_FUNCTION_HPP

#include <jaxvjp/cpp/callbacks.hpp>

namespace jaxvjp {

// Anything that can be called and transformed.
class Function {
 public:
  Function() = default;
  // A base function; `name` is for messages and printing.
  Function(const ContextRef &cx, const char *name, CallFn call) : Function(cx, make(cx.c(), name, std::move(call))) {}

  Function(const Function &other) : cx_(other.cx_), f_(jaxvjp_function_retain(other.f_)) {}
  Function(Function &&other) noexcept : cx_(std::move(other.cx_)), f_(std::exchange(other.f_, nullptr)) {}
  Function &operator=(Function other) noexcept {
    std::swap(cx_, other.cx_);
    std::swap(f_, other.f_);
    return *this;
  }
  ~Function() { jaxvjp_function_release(f_); }

  // The handle of a C call that has just returned; NULL throws what the context failed with.
  static Function take(const ContextRef &cx, jaxvjp_function *f) { return Function(cx, f); }
  jaxvjp_function *c() const { return f_; }
  const ContextRef &context() const { return cx_; }
  explicit operator bool() const { return f_ != nullptr; }

  template <class... T, std::enable_if_t<(std::is_convertible_v<const T &, Operand> && ...), int> = 0>
  Value operator()(const T &...args) const {
    return call({Operand(args)...});
  }
  Value operator()(const Values &args) const { return call({args.begin(), args.end()}); }
  // As a leaf of a pytree: a residual, say.
  Value value() const { return Value::take(cx_, jaxvjp_from_function(cx_.c(), f_)); }

  // Where a call with these values happens.
  template <class Items>
  ContextRef place(const Items &items) const {
    const ContextRef cx = detail::innermost(items);
    return cx.alive() ? cx : cx_;
  }

 private:
  Function(const ContextRef &cx, jaxvjp_function *f) : cx_(cx), f_(jaxvjp_function_take(f)) {
    if (!f) detail::throw_failure(cx.c());
  }
  static jaxvjp_function *make(jaxvjp_context *cx, const char *name, CallFn call) {
    auto *callbacks = new detail::Callbacks{std::move(call), {}, {}, {}};
    return jaxvjp_function_new(cx, name, detail::Callbacks::call_primal, callbacks, detail::Callbacks::destroy);
  }
  Value call(const std::vector<Operand> &args) const {
    const ContextRef cx = place(args);
    const detail::Handles handles(cx, args);
    return Value::take(cx, jaxvjp_call(cx.c(), f_, handles.data(), handles.size()));
  }
  ContextRef cx_;
  jaxvjp_function *f_ = nullptr;
};

inline Function ContextRef::self() const { return Function::take(*this, jaxvjp_self(c())); }
inline Function Value::as_function() const { return Function::take(cx_, jaxvjp_as_function(cx_.c(), v_)); }

struct GradOptions {
  Ints argnums = {};       // empty: argument 0, whose gradient comes bare; else a tuple
  bool has_aux = false;    // f returns (loss, aux)
  bool allow_int = false;  // leaves of integers have gradients of dtype FLOAT0
};
struct VmapOptions {
  Ints in_axes = {};           // one an argument, or JAXVJP_AXIS_NONE; empty: 0 for each
  std::int64_t out_axis = 0;   // of every output leaf
  std::int64_t axis_size = 0;  // 0: that of the mapped arguments
};

namespace detail {
using Derivative = jaxvjp_function *(*)(jaxvjp_context *, jaxvjp_function *, const jaxvjp_grad_options *);
inline Function derivative(Derivative make, const Function &f, const GradOptions &options) {
  jaxvjp_grad_options o{};
  o.struct_size = sizeof o;
  o.argnums = options.argnums.empty() ? nullptr : options.argnums.data();
  o.n_argnums = options.argnums.size();
  o.flags = (options.has_aux ? JAXVJP_HAS_AUX : 0) | (options.allow_int ? JAXVJP_ALLOW_INT : 0);
  return Function::take(f.context(), make(f.context().c(), f.c(), &o));
}
}  // namespace detail

// The gradient of f, whose output is one number.
inline Function grad(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_grad, f, options);
}
// The tuple (value, gradient).
inline Function value_and_grad(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_value_and_grad, f, options);
}
// The Jacobian by forward mode: for few inputs.
inline Function jacfwd(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_jacfwd, f, options);
}
// The Jacobian by reverse mode: for few outputs.
inline Function jacrev(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_jacrev, f, options);
}
// The Jacobian of the Jacobian.
inline Function hessian(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_hessian, f, options);
}
// f of one example as a function of many.
inline Function vmap(const Function &f, const VmapOptions &options = {}) {
  jaxvjp_vmap_options o{};
  o.struct_size = sizeof o;
  o.in_axes = options.in_axes.empty() ? nullptr : options.in_axes.data();
  o.n_in_axes = options.in_axes.size();
  o.out_axis = options.out_axis;
  o.axis_size = options.axis_size;
  return Function::take(f.context(), jaxvjp_vmap(f.context().c(), f.c(), &o));
}
// f, recorded once for each structure, shapes and dtypes of its arguments, and run as a program from then on. The numbers of
// static arguments become part of the program.
inline Function jit(const Function &f, const Ints &static_args = {}) {
  jaxvjp_jit_options o{};
  o.struct_size = sizeof o;
  o.static_args = static_args.empty() ? nullptr : static_args.data();
  o.n_static_args = static_args.size();
  return Function::take(f.context(), jaxvjp_jit(f.context().c(), f.c(), &o));
}

// f's value, and its derivative in the direction of the tangents.
inline std::pair<Value, Value> jvp(const Function &f, const Values &primals, const Values &tangents) {
  if (primals.size() != tangents.size())
    throw Error(JAXVJP_INVALID_ARGUMENT,
                "jvp: " + std::to_string(primals.size()) + " primals, " + std::to_string(tangents.size()) + " tangents");
  const ContextRef cx = f.place(primals);
  const detail::Handles x(primals), dx(tangents);
  jaxvjp_value *tangent = nullptr;
  Value out = Value::take(cx, jaxvjp_jvp(cx.c(), f.c(), x.data(), dx.data(), x.size(), &tangent));
  return {std::move(out), Value::take(cx, tangent)};
}
// f's value, and the pullback: from a cotangent of the output to a tuple with one cotangent an argument.
inline std::pair<Value, Function> vjp(const Function &f, const Values &args) {
  const ContextRef cx = f.place(args);
  const detail::Handles x(args);
  jaxvjp_function *pullback = nullptr;
  Value out = Value::take(cx, jaxvjp_vjp(cx.c(), f.c(), x.data(), x.size(), &pullback));
  return {std::move(out), Function::take(cx, pullback)};
}
// f's value, and a linear function: from tangents of the arguments to the tangent of the output.
inline std::pair<Value, Function> linearize(const Function &f, const Values &args) {
  const ContextRef cx = f.place(args);
  const detail::Handles x(args);
  jaxvjp_function *linear = nullptr;
  Value out = Value::take(cx, jaxvjp_linearize(cx.c(), f.c(), x.data(), x.size(), &linear));
  return {std::move(out), Function::take(cx, linear)};
}
// The transpose of a linear f; the specs say what its arguments are.
inline Function linear_transpose(const Function &f, const Values &specs) {
  const ContextRef cx = f.place(specs);
  const detail::Handles x(specs);
  return Function::take(cx, jaxvjp_linear_transpose(cx.c(), f.c(), x.data(), x.size()));
}
// f(leaf of the first tree, leaf of the second, ...) for every leaf.
inline Value tree_map(const Function &f, const Values &trees) {
  const ContextRef cx = f.place(trees);
  const detail::Handles x(trees);
  return Value::take(cx, jaxvjp_tree_map(cx.c(), f.c(), x.data(), x.size()));
}

}  // namespace jaxvjp

#endif
