// Looking at a running program, and programs as jaxprs, text and bytes. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_PROGRAM_HPP
#define JAXVJP_CPP_PROGRAM_HPP

#include <jaxvjp/cpp/function.hpp>

namespace jaxvjp {

// ------------------------------------------------------------------------------------------- a running program

// Prints the format with the numbers of a value in place of each {}, when the program runs. Where there is no value, the
// context says where: that of the callback.
template <class... T>
void debug_print(const ContextRef &cx, const char *format, const T &...values) {
  const std::vector<Operand> operands{Operand(values)...};
  const detail::Handles handles(cx, operands);
  if (jaxvjp_debug_print(cx.c(), format, handles.data(), handles.size())) detail::throw_failure(cx.c());
}
template <class... T>
void debug_print(const char *format, const Value &first, const T &...rest) {
  debug_print(detail::innermost(std::vector<Operand>{first, Operand(rest)...}), format, first, rest...);
}
// x itself; `callback` is called with the cotangent of x, as numbers, each time a backward pass comes by.
inline Value probe(const Value &x, std::function<void(const Value &ct)> callback) {
  using Callback = std::function<void(const Value &)>;
  const jaxvjp_probe_fn call = [](jaxvjp_context *cx, void *user, jaxvjp_value *ct) {
    return detail::Callbacks::guarded(
        cx, [&](const ContextRef &here) { (*static_cast<Callback *>(user))(Value::borrow(here, ct)); });
  };
  jaxvjp_context *cx = x.context().c();
  auto *user = new Callback(std::move(callback));
  const auto destroy = [](void *user) { delete static_cast<Callback *>(user); };
  return Value::take(x.context(), jaxvjp_probe(cx, x.c(), call, user, destroy));
}
// In a rule's bwd: gives v to who called the pullback by call_emitted.
inline void emit(const char *name, const Value &v) {
  if (jaxvjp_emit(v.context().c(), name, v.c())) detail::throw_failure(v.context().c());
}
// The pair (cotangents, {rule: {name: value}}).
inline std::pair<Value, Value> call_emitted(const Function &pullback, const Value &ct) {
  const ContextRef cx = pullback.place(Values{ct});
  const Value both = Value::take(cx, jaxvjp_call_emitted(cx.c(), pullback.c(), ct.c()));
  return {both[0], both[1]};
}

// ------------------------------------------------------------------------------------------- jaxprs

// A closed, typed program.
class Jaxpr {
 public:
  Jaxpr(const Jaxpr &other) : cx_(other.cx_), j_(jaxvjp_jaxpr_retain(other.j_)) {}
  Jaxpr(Jaxpr &&other) noexcept : cx_(std::move(other.cx_)), j_(std::exchange(other.j_, nullptr)) {}
  Jaxpr &operator=(Jaxpr other) noexcept {
    std::swap(cx_, other.cx_);
    std::swap(j_, other.j_);
    return *this;
  }
  ~Jaxpr() { jaxvjp_jaxpr_release(j_); }

  // The handle of a C call that has just returned; NULL throws what the context failed with.
  static Jaxpr take(const ContextRef &cx, jaxvjp_jaxpr *j) { return Jaxpr(cx, j); }
  jaxvjp_jaxpr *c() const { return j_; }
  // In JAX's notation.
  std::string str() const {
    jaxvjp_context *cx = cx_.c();
    const std::size_t scope = jaxvjp_scope_open(cx);
    const char *text = jaxvjp_jaxpr_text(cx, j_);
    std::string copy = text ? text : "";
    jaxvjp_scope_close(cx, scope, nullptr);
    detail::check(cx);
    return copy;
  }
  // Equations of this primitive, those of nested programs included; none given: all.
  std::size_t count(const char *primitive = nullptr) const { return jaxvjp_jaxpr_count(j_, primitive); }
  // The same program without dead, repeated and constant equations.
  Jaxpr simplified() const { return take(cx_, jaxvjp_simplify(cx_.c(), j_)); }
  Function function() const { return Function::take(cx_, jaxvjp_function_of(cx_.c(), j_)); }
  // The program with its rules (JAXVJP_SAVE_PRIMAL: without) as bytes (JAXVJP_SAVE_TEXT: as text), for load.
  std::string saved(std::int32_t flags = JAXVJP_SAVE_RULES) const {
    jaxvjp_context *cx = cx_.c();
    const std::size_t scope = jaxvjp_scope_open(cx);
    std::size_t bytes = 0;
    const void *data = jaxvjp_save(cx, j_, flags, &bytes);
    std::string copy = data ? std::string(static_cast<const char *>(data), bytes) : std::string();
    jaxvjp_scope_close(cx, scope, nullptr);
    detail::check(cx);
    return copy;
  }
  const ContextRef &context() const { return cx_; }

 private:
  Jaxpr(const ContextRef &cx, jaxvjp_jaxpr *j) : cx_(cx), j_(jaxvjp_jaxpr_take(j)) {
    if (!j) detail::throw_failure(cx.c());
  }
  ContextRef cx_;
  jaxvjp_jaxpr *j_;
};

// Records f for arguments as the specs say; arrays serve as well.
inline Jaxpr make_jaxpr(const Function &f, const Values &specs) {
  const ContextRef cx = f.place(specs);
  const detail::Handles x(specs);
  return Jaxpr::take(cx, jaxvjp_make_jaxpr(cx.c(), f.c(), x.data(), x.size()));
}
// The program that a text says. PARSE with line and column.
inline Jaxpr parse(const ContextRef &cx, const char *text) { return Jaxpr::take(cx, jaxvjp_parse(cx.c(), text)); }
// The program that Jaxpr::saved gave. `functions` stand in for the rules of their names.
inline Jaxpr load(const ContextRef &cx, const std::string &data, const std::vector<Function> &functions = {}) {
  std::vector<jaxvjp_function *> given;
  for (const Function &f : functions) given.push_back(f.c());
  return Jaxpr::take(cx, jaxvjp_load(cx.c(), data.data(), data.size(), given.data(), given.size()));
}
// The rule that three programs are: (args) -> outs; (args) -> outs, residuals; (residuals, cotangents) -> cotangents.
inline Function custom_vjp_from_jaxprs(const char *name, const Jaxpr &primal, const Jaxpr &fwd, const Jaxpr &bwd) {
  const ContextRef &cx = primal.context();
  return Function::take(cx, jaxvjp_custom_vjp_from_jaxprs(cx.c(), name, primal.c(), fwd.c(), bwd.c()));
}

}  // namespace jaxvjp

#endif
