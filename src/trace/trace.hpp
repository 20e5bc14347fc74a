// Trace and Tracer: the one mechanism behind every transformation. A trace has one verb,
// bind(primitive, operands, params) -> results; a tracer is a value of a trace. An operation goes
// to the innermost trace among its operands: the one made last.
#pragma once
#include "core/error.hpp"
#include "core/jaxpr.hpp"
#include "core/pytree.hpp"

namespace jv {

class Trace;

// A value: numbers (of the eval trace), or the index-th value of a live trace. The null tracer
// stands for a symbolic zero among tangents and cotangents, for "not known" among operands of a
// transpose rule.
class Tracer {
 public:
  Tracer() = default;
  Tracer(Trace& trace, uint32_t index) : trace_(&trace), index_(index) {}
  Tracer(Trace& eval, Array array) : trace_(&eval), array_(std::move(array)) {}

  explicit operator bool() const { return trace_ != nullptr; }
  Trace& trace() const { return *trace_; }
  uint32_t index() const { return index_; }
  bool is_concrete() const { return bool(array_); }
  const Array& array() const { return array_; }
  inline Aval aval() const;
  DType dtype() const { return aval()->dtype; }
  const Shape& shape() const { return aval()->shape; }
  inline Session& session() const;
  bool same(const Tracer& o) const {
    return trace_ == o.trace_ && index_ == o.index_ && array_ == o.array_;
  }

 private:
  Trace* trace_ = nullptr;
  uint32_t index_ = 0;
  Array array_;
};

// An operand of a batch rule.
struct Mapped {
  Tracer value;
  bool mapped = false;  // along axis 0
};

// Results and their tangents, null where zero.
struct Dual {
  Tracers y, dy;
};

class Trace : public RefCounted {
 public:
  explicit Trace(Context& cx) : cx(cx) {}
  virtual void bind(const Primitive& p, Operands operands, const ParamsRef& params,
                    Tracers& out) = 0;
  virtual Aval aval(uint32_t index) const = 0;
  // Where constants of this trace's operations are made: the nearest trace that records or runs.
  virtual Trace& home() = 0;
  // The value one level down: its number-bearing part, if it has one that may be seen.
  virtual Tracer primal(const Tracer& t) const { return t; }
  // Does this trace differentiate with respect to the value?
  virtual bool perturbed(const Tracer&) const { return false; }
  // Session::location where the value was made; 0 is unknown.
  virtual uint32_t origin(const Tracer&) const { return 0; }
  // What this trace does, for messages: "grad", "vmap", "jit".
  virtual const char* verb() const = 0;
  bool alive() const { return depth > 0; }

  Context& cx;
  int depth = 0;     // place on the context's stack of live traces; 0 when finished
  Ref<Trace> below;  // the live trace under this one when it was made
  bool inside(const Trace& other) const;  // is it this one, or was it made while that one lived?

 protected:
  friend class Context;
  virtual void finish() {}  // frees what only a live trace needs
};

inline Aval Tracer::aval() const { return array_ ? array_.aval() : trace_->aval(index_); }

// Runs primitives now; the only trace that touches numbers.
class EvalTrace final : public Trace {
 public:
  using Trace::Trace;
  void bind(const Primitive& p, Operands operands, const ParamsRef& params, Tracers& out) override;
  Aval aval(uint32_t) const override { return nullptr; }
  Trace& home() override { return *this; }
  const char* verb() const override { return "eval"; }
};

// A rule's function that runs now. What it computes with the tangents of traces at these depths
// would pass the rule by.
struct RuleCall {
  std::string_view rule;
  const char* function;
  int first, last;
  const RuleCall* outer = nullptr;
};

// What one thread works with: a session, its stack of live traces, and the user's place in the
// source.
class Context {
 public:
  explicit Context(Session& session);
  virtual ~Context() = default;
  Context(const Context&) = delete;

  Session& session() const { return *session_; }
  Trace& eval() { return *eval_; }
  Trace& top() { return *top_; }
  // Where effects happen: the innermost live trace that runs or records.
  Trace& effect_home();
  Tracer tracer(Array array) { return Tracer(*eval_, std::move(array)); }
  Tracer number(DType dtype, double number) { return tracer(scalar(session(), dtype, number)); }

  uint32_t location = 0;  // Session::location of what the user does now
  const RuleCall* rule_call = nullptr;
  bool check_nans = false;                // Root::flags say so
  struct Emissions* emissions = nullptr;  // where what bwd emits now is collected; null: nowhere
  int retracing = 0;  // the depth of the outermost trace whose rule interprets a jaxpr now; 0: none

 private:
  template <class T>
  friend class Live;
  void push(Trace& trace);
  void pop(Trace& trace);
  Ref<Session> session_;
  Ref<EvalTrace> eval_;
  Trace* top_;
};

// Restores the user's place at the end of the scope, also when an error leaves it.
class KeepLocation {
 public:
  explicit KeepLocation(Context& cx) : cx_(cx), location_(cx.location) {}
  ~KeepLocation() { cx_.location = location_; }
  KeepLocation(const KeepLocation&) = delete;

 private:
  Context& cx_;
  uint32_t location_;
};

inline Session& Tracer::session() const { return trace_->cx.session(); }

// A trace while it lives: made on top of its context's stack, finished at the end of the scope.
// Handles to its tracers may stay; they answer STALE_TRACER.
template <class T>
class Live {
 public:
  template <class... Args>
  explicit Live(Context& cx, Args&&... args)
      : trace_(make_ref<T>(cx, std::forward<Args>(args)...)) {
    cx.push(*trace_);
  }
  ~Live() { trace_->cx.pop(*trace_); }
  Live(const Live&) = delete;
  T* operator->() const { return trace_.get(); }
  T& operator*() const { return *trace_; }

 private:
  Ref<T> trace_;
};

// " made at model.c:12", or nothing.
std::string made_at(Session& session, uint32_t location);

// Where an equation is bound: in the innermost trace among `at` and its operands'; with an effect
// not outside of where effects happen, so that nothing takes it out of a loop.
Trace& bind_place(Trace& at, const Primitive& p, Operands operands, const Params& params);
// `at`: for operations without operands, and for constants.
Tracers bind_at(Trace& at, const Primitive& p, Operands operands, const ParamsRef& params);
Tracers bind(const Primitive& p, Operands operands, const ParamsRef& params);
Tracer bind1(const Primitive& p, Operands operands, const ParamsRef& params);

// Where constants among these operands are made: the home of the innermost one's trace, or the eval
// trace.
Trace& home_of(Context& cx, Operands operands);
// Binds every equation of the jaxpr again: interpretation is all there is to a transformation of a
// jaxpr. Equations without traced operands are bound where the arguments are.
Tracers eval_jaxpr(Context& cx, const Jaxpr& j, Operands args);
// A jaxpr as a function of its inputs: what transformations are applied to.
struct Interpret {
  Context& cx;
  const Jaxpr& jaxpr;
  Tracers operator()(Operands args) const { return eval_jaxpr(cx, jaxpr, args); }
};

// CLOSURE_DIFF when a rule's function that runs now uses a value whose tangent it would lose.
void check_rule_calls(const Context& cx, const Tracer& used);
[[noreturn]] void fail_closure(const Tracer& used, std::string_view rule, const char* function);

// Adds the equation to an error that passes it, and the user's place where it has none.
void note_equation(Error& e, const Jaxpr& j, size_t equation);

// Runs a primitive's evaluation; references that it copied are counted.
void evaluate(const Primitive& p, const EvalArgs& args);
// CHECK where an equation made a NaN from operands without one.
void check_nans(const Primitive& p, std::span<const Array> in, std::span<const Array> out);

// A number of operands that a primitive cannot take is an Error that names it.
[[noreturn]] void fail_operands(const Primitive& p, size_t n);
inline void check_operands(const Primitive& p, size_t n) {
  if (!p.sig.accepts(n)) fail_operands(p, n);
}

}  // namespace jv
