// What bwd gives out beside its cotangents, on its way to who asked for it. Where a linear jaxpr is
// transposed inside another (of jit, scan, a branch, a batched rule), what is emitted there becomes
// results of that, and is emitted again outside.
#pragma once
#include "trace/trace.hpp"

namespace jv {

struct Emission {
  std::string rule, name;
  Tree tree;
  Tracers leaves;
  // Of the leaves, whose trace may end before they are asked; `add` fills them in.
  Avals types = {};
};

// What is emitted while one linear jaxpr is transposed. Context::emissions is where it goes.
struct Emissions {
  std::vector<Emission> all;
  const Trace* top = nullptr;  // bwd runs right under this one
  void add(Emission e);        // INVALID_ARGUMENT for a name that is there
};

// While it lives, what bwd emits goes there; null: it is dropped.
class Emitting {
 public:
  Emitting(Context& cx, Emissions* into) : cx_(cx), before_(cx.emissions) {
    cx.emissions = into;
    if (into) into->top = &cx.top();
  }
  ~Emitting() { cx_.emissions = before_; }
  Emitting(const Emitting&) = delete;

 private:
  Context& cx_;
  Emissions* before_;
};

// What is emitted inside a body that is being traced, if anybody outside asks for it.
class EmittedInside {
 public:
  explicit EmittedInside(Context& cx) : cx_(cx) {}
  template <class F>
  Tracers during(F&& f) {
    Emitting emitting(cx_, cx_.emissions ? &inside_ : nullptr);
    return f();
  }
  Tracers values() const;                   // further results of the body
  void pass_on(Operands values) const;      // what became of them outside
  void arrange_as(const EmittedInside& o);  // in its order; EFFECT where other values are emitted

 private:
  Context& cx_;
  Emissions inside_;
};

}  // namespace jv
