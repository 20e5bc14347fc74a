#include "transforms/batch.hpp"

#include "primitives/ops.hpp"

namespace jv {

Tracer BatchTrace::put(Mapped m) {
  Aval aval = m.value.aval();
  if (m.mapped)
    aval = cx.session().aval(aval->dtype, std::span<const int64_t>(aval->shape).subspan(1));
  values_.push_back({std::move(m), aval});
  return Tracer(*this, uint32_t(values_.size() - 1));
}

void BatchTrace::bind(const Primitive& p, Operands operands, const ParamsRef& params,
                      Tracers& out) {
  Small<Mapped, 4> in;
  Tracers plain;
  bool any = false;
  for (const Tracer& t : operands) {
    in.push_back(get(t));
    plain.push_back(in.back().value);
    any |= in.back().mapped;
  }
  if (!any) {
    for (Tracer& t : jv::bind(p, plain, params)) out.push_back(put({std::move(t), false}));
  } else if (p.batch_all) {
    Small<Mapped, 2> results;
    p.batch_all(*this, p, in, *params, results);
    for (Mapped& m : results) out.push_back(put(std::move(m)));
  } else {
    out.push_back(put({p.batch(p, in, size, *params), true}));
  }
}

}  // namespace jv
