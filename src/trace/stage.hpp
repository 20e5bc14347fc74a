// The staging trace: bind records an equation. Operands of outer traces are captured as hidden
// inputs; that one rule gives closures and residuals. Numbers of rank 0 become literals.
#pragma once
#include <unordered_map>

#include "trace/trace.hpp"

namespace jv {

class StageTrace final : public Trace {
 public:
  // `linear_home`: it holds the tangent half of a linearization, and constants are made there.
  explicit StageTrace(Context& cx, const char* verb = "jit", Trace* linear_home = nullptr);
  void bind(const Primitive& p, Operands operands, const ParamsRef& params, Tracers& out) override;
  Aval aval(uint32_t bits) const override;
  Trace& home() override { return linear_home_ ? *linear_home_ : *this; }
  const char* verb() const override { return verb_; }

  bool linear() const { return linear_home_; }

  Tracer input(Aval aval) { return Tracer(*this, Atom::var(jaxpr_->add_input(aval)).bits()); }
  // A value of an outer trace as one of this trace; others are what they are.
  Tracer lift(const Tracer& t) {
    return t.trace().depth < depth ? Tracer(*this, capture(t).bits()) : t;
  }
  // The finished jaxpr takes the captured values first, in the order of their use.
  struct Closed {
    JaxprRef jaxpr;
    Tracers captured;
  };
  Closed close(Operands outs);

 private:
  struct Key {
    const void* owner;
    uint32_t index;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(Key k) const {
      return (reinterpret_cast<uintptr_t>(k.owner) >> 4) * 31 + k.index;
    }
  };
  Atom capture(const Tracer& t) {
    if (&t.trace() != this) return capture_outer(t);
    return Atom::from_bits(t.index());
  }
  Atom capture_outer(const Tracer& t);
  void bind_complete(const Primitive& p, Tracers operands, ParamsRef params, Tracers& out);
  void record(const Primitive& p, std::span<const Atom> operands, const Params& params,
              std::span<const Aval> avals, Tracers& out);
  void finish() override;

  const char* verb_;
  Trace* linear_home_;
  Ref<Jaxpr> jaxpr_;
  Tracers captured_;
  std::vector<Var> captured_vars_;
  std::unordered_map<Key, Atom, Hash> seen_;
  const Trace* near_ = nullptr;  // the trace whose values were captured first, most of them
  std::vector<Atom> near_seen_;  // its values' atoms; a literal where there is none
};

// Traces f on inputs of these types: f(operands) -> results.
template <class F>
StageTrace::Closed stage(Context& cx, std::span<const Aval> in, F&& f, const char* verb = "jit") {
  Live<StageTrace> trace(cx, verb);
  Tracers args;
  for (Aval aval : in) args.push_back(trace->input(aval));
  return trace->close(f(Operands(args)));
}

// The jaxpr with the arrays that it captured as constants; what is traced is left, as leading
// inputs.
JaxprRef with_constants(const StageTrace::Closed& closed, Tracers& traced);
// INVALID_ARGUMENT where anything is left; `who` uses it.
void refuse_captured(Operands traced, const std::string& who);
inline JaxprRef close_over(const StageTrace::Closed& closed, const std::string& who) {
  Tracers traced;
  JaxprRef j = with_constants(closed, traced);
  refuse_captured(traced, who);
  return j;
}

}  // namespace jv
