// define completes a primitive's record: it parses the signature and checks that no rule is
// missing. A forgotten one does not compile, and the message is a sentence.
#pragma once
#include "primitives/ops.hpp"

namespace jv {

consteval void check_marks(const Primitive& p) {
  if (p.linearity == Linearity::nonlinear && p.sig.any_linear())
    throw "an operand is marked as linear, but the primitive's linearity is not given";
  if (p.linearity != Linearity::nonlinear && !p.sig.any_linear())
    throw "a linear primitive marks no operand as linear";
}

consteval void check_derivatives(const Primitive& p) {
  check_marks(p);
  // Operands of a linear primitive that are not marked are integers or booleans.
  bool needs_jvp = p.linearity != Linearity::linear && p.sig.n_operands > 0 && !p.sig.all_linear();
  if (needs_jvp && !p.jvp && !p.linearize) throw "a nonlinear primitive needs a jvp rule";
  if (p.sig.any_linear() && !p.transpose && !p.transpose_all)
    throw "a linear primitive needs a transpose rule";
}

consteval Primitive define(Primitive p) {
  p.sig = parse_signature(p.signature);
  if (!p.name) throw "a primitive needs a name";
  if (!*p.doc && !p.internal) throw "a primitive needs a line of documentation";
  if (!p.abstract_eval) throw "a primitive needs an abstract evaluation rule";
  if (!p.eval && !p.expand) throw "a primitive needs an evaluation rule";
  if (p.sig.n_operands > 0 && !p.batch && !p.batch_all) throw "a primitive needs a batching rule";
  if (p.differentiable) check_derivatives(p);
  return p;
}

// The operand along the batch axis; one that is not mapped is repeated along it, at `home` or
// where it is.
inline Tracer materialise(const Mapped& m, int64_t size, Trace& home) {
  if (m.mapped) return m.value;
  Ints shape{size}, dims;
  shape.append(m.value.shape());
  for (size_t i = 1; i < shape.size(); ++i) dims.push_back(int64_t(i));
  ParamsRef params = params_of(m.value.session(), broadcast_in_dim_p, {shape, dims});
  return bind_at(home, broadcast_in_dim_p, Operands(&m.value, 1), params)[0];
}
inline Tracer materialise(const Mapped& m, int64_t size) {
  return materialise(m, size, m.value.trace());
}
// Results that are all mapped.
inline Batched each_mapped(Operands values) {
  Batched all;
  for (const Tracer& x : values) all.push_back({x, true});
  return all;
}

}  // namespace jv
