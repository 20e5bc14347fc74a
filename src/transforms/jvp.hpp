// Forward differentiation. A value is a pair: primal and tangent. In forward mode tangents are
// values like any other; in linearize they live in a staging trace over the same context, so that
// what is linear is recorded and what is not runs below.
#pragma once
#include "trace/stage.hpp"

namespace jv {

class JvpTrace final : public Trace {
 public:
  // `home`: that of what is differentiated, for constants. Deeper traces may be open, and end
  // before what it computes does.
  JvpTrace(Context& cx, StageTrace* linear, Trace& home, const char* verb = "jvp")
      : Trace(cx), linear_(linear), home_(home), verb_(verb) {}
  void bind(const Primitive& p, Operands operands, const ParamsRef& params, Tracers& out) override;
  Aval aval(uint32_t index) const override { return pairs_[index].x.aval(); }
  Trace& home() override { return home_; }
  Tracer primal(const Tracer& t) const override { return pairs_[t.index()].x; }
  const char* verb() const override { return verb_; }

  // A null dx is the symbolic zero, and so is the tangent of anything but floats. `location`: where
  // x was made, if not here.
  Tracer put(Tracer x, Tracer dx, uint32_t location = 0);
  // The same for results that a rule computed with values of a trace inside this one: they are that
  // trace's.
  Tracer put_inside(Tracer x, Tracer dx);
  // Primal and tangent of any tracer: values of outer traces are constants here.
  const Tracer& x(const Tracer& t) const { return &t.trace() == this ? pairs_[t.index()].x : t; }
  Tracer dx(const Tracer& t) const { return &t.trace() == this ? pairs_[t.index()].dx : Tracer(); }
  bool perturbed(const Tracer& t) const override {
    const Pair& p = pairs_[t.index()];
    return p.dx || p.x.trace().perturbed(p.x);
  }
  uint32_t origin(const Tracer& t) const override {
    return &t.trace() == this ? pairs_[t.index()].location : 0;
  }
  // Those of the equation whose `linearize` runs.
  Operands operands() const { return operands_; }
  std::vector<uint32_t> origins() const;  // where they were made
  bool has_tangent(const Tracer& t) const { return bool(dx(t)); }
  // CLOSURE_DIFF when a rule's function gave one that has a tangent here, or where the jaxpr that
  // holds the rule is interpreted.
  void check_closures(Operands used, std::string_view rule, const char* function) const;
  bool linearizing() const { return linear_; }

 private:
  struct Pair {
    Tracer x, dx;
    uint32_t location;
  };
  class CurrentOperands;
  void finish() override { pairs_.clear(); }
  StageTrace* linear_;
  Trace& home_;
  Operands operands_;
  const char* verb_;
  std::vector<Pair> pairs_;
};

// While it lives, a rule's function runs that must not use what traces at these depths
// differentiate: those since the outermost that interprets a jaxpr now, for a rule in its body.
class RunningRule {
 public:
  RunningRule(Context& cx, std::string_view rule, const char* function, int first, int last)
      : cx_(cx), call_{rule, function, first, last, cx.rule_call}, retracing_(cx.retracing) {
    if (retracing_) call_.first = std::min(first, retracing_);
    cx.rule_call = &call_;
    cx.retracing = 0;
  }
  ~RunningRule() {
    cx_.rule_call = call_.outer;
    cx_.retracing = retracing_;
  }
  RunningRule(const RunningRule&) = delete;

 private:
  Context& cx_;
  RuleCall call_;
  int retracing_;
};

// While it lives, a rule of the trace `t` interprets the jaxpr that an equation holds.
class Retracing {
 public:
  explicit Retracing(const JvpTrace& t) : cx_(t.cx), before_(t.cx.retracing) {
    if (!before_) cx_.retracing = t.depth;
  }
  ~Retracing() { cx_.retracing = before_; }
  Retracing(const Retracing&) = delete;

 private:
  Context& cx_;
  int before_;
};

Flags nonzero(Operands t);

struct Linearized {
  Tracers out;
  JaxprRef
      linear;  // (residuals, tangents of perturbed inputs) -> tangents of the outputs that have one
  Tracers residuals;
  Flags has_tangent;  // one an output
};

// f(operands) -> results at x, with the inputs that `perturbed` marks. `origins`: where they were
// made.
template <class F>
Linearized linearize(Context& cx, F&& f, Operands x, std::span<const bool> perturbed,
                     const char* verb = "linearize", std::span<const uint32_t> origins = {}) {
  Trace& home = home_of(cx, x);
  Live<StageTrace> linear(cx, verb, &home);
  Live<JvpTrace> jvp(cx, &*linear, home, verb);
  Tracers args, tangents;
  for (size_t i = 0; i < x.size(); ++i) {
    uint32_t origin = origins.empty() ? 0 : origins[i];
    args.push_back(perturbed[i] ? jvp->put(x[i], linear->input(x[i].aval()), origin) : x[i]);
  }
  Linearized r;
  for (const Tracer& t : f(Operands(args))) {
    r.out.push_back(jvp->x(t));
    r.has_tangent.push_back(jvp->has_tangent(t));
    if (r.has_tangent.back()) tangents.push_back(jvp->dx(t));
  }
  auto [jaxpr, captured] = linear->close(tangents);
  r.linear = jaxpr;
  r.residuals = std::move(captured);
  return r;
}

// f at x along dx (null: zero), by this trace. `origins`: where x were made.
template <class F>
Dual push(JvpTrace& trace, F&& f, Operands x, Operands dx, std::span<const uint32_t> origins = {}) {
  Tracers args;
  for (size_t i = 0; i < x.size(); ++i) {
    uint32_t origin = origins.empty() ? 0 : origins[i];
    args.push_back(dx[i] ? trace.put(x[i], dx[i], origin) : x[i]);
  }
  Dual d;
  for (const Tracer& t : f(Operands(args))) d.y.push_back(trace.x(t)), d.dy.push_back(trace.dx(t));
  return d;
}

// The same in forward mode, by a trace of its own.
template <class F>
Dual jvp(Context& cx, F&& f, Operands x, Operands dx, const char* verb = "jvp") {
  Live<JvpTrace> trace(cx, nullptr, home_of(cx, x), verb);
  return push(*trace, f, x, dx);
}

}  // namespace jv
