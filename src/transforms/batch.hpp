// Vectorization. A value is mapped along its axis 0, or the same for every element; bind runs the
// primitive's batched form below.
#pragma once
#include "trace/stage.hpp"

namespace jv {

class BatchTrace final : public Trace {
 public:
  // `home`: that of what is mapped, for constants.
  BatchTrace(Context& cx, int64_t size, Trace& home) : Trace(cx), size(size), home_(home) {}
  void bind(const Primitive& p, Operands operands, const ParamsRef& params, Tracers& out) override;
  Aval aval(uint32_t index) const override { return values_[index].aval; }
  Trace& home() override { return home_; }
  Tracer primal(const Tracer& t) const override {
    const Mapped& m = values_[t.index()].value;
    return m.mapped ? t : m.value;
  }
  bool perturbed(const Tracer& t) const override {
    const Tracer& below = values_[t.index()].value.value;
    return below.trace().perturbed(below);
  }
  const char* verb() const override { return "vmap"; }

  Tracer put(Mapped m);
  // The same for a result that a rule computed with values of a trace inside this one: it is that
  // trace's.
  Tracer put_inside(Mapped m);
  Mapped get(const Tracer& t) const {
    return &t.trace() == this ? values_[t.index()].value : Mapped{t, false};
  }

  const int64_t size;

 private:
  struct Value {
    Mapped value;
    Aval aval;  // of one element
  };
  void finish() override { values_.clear(); }
  Trace& home_;
  std::vector<Value> values_;
};

Tracer swap_leading(const Tracer& x);  // axes 0 and 1 exchanged

// f(operands) -> results, over `in`; what comes out is mapped or not.
template <class F>
Batched batch(Context& cx, F&& f, MappedOperands in, int64_t size) {
  Tracers args;
  for (const Mapped& m : in) args.push_back(m.value);
  Live<BatchTrace> trace(cx, size, home_of(cx, args));
  args.clear();
  for (const Mapped& m : in) args.push_back(m.mapped ? trace->put(m) : m.value);
  Batched out;
  for (const Tracer& t : f(Operands(args))) out.push_back(trace->get(t));
  return out;
}

}  // namespace jv
