#include "transforms/batch.hpp"

#include "primitives/define.hpp"
#include "transforms/jvp.hpp"

namespace jv {

Tracer BatchTrace::put(Mapped m) {
  Aval aval = m.value.aval();
  if (m.mapped)
    aval = cx.session().aval(aval->dtype, std::span<const int64_t>(aval->shape).subspan(1));
  values_.push_back({std::move(m), aval});
  return Tracer(*this, uint32_t(values_.size() - 1));
}

Tracer swap_leading(const Tracer& x) {
  Ints order{1, 0};
  for (size_t i = 2; i < x.shape().size(); ++i) order.push_back(int64_t(i));
  return transpose(x, order);
}

Tracer BatchTrace::put_inside(Mapped m) {
  Trace& inner = m.value.trace();
  if (&inner == this)
    fail(Code::stale_tracer, "a rule that ", verb(), " maps closes over a value ",
         to_string(m.value.aval()), " of that ", verb(), "; pass it as an argument");
  if (inner.depth <= depth) return put(std::move(m));
  if (!m.mapped) return m.value;
  if (auto* batch = dynamic_cast<BatchTrace*>(&inner)) {
    Tracer both = materialise(batch->get(m.value), batch->size);
    return batch->put({put_inside({swap_leading(both), true}), true});
  }
  if (auto* jvp = dynamic_cast<JvpTrace*>(&inner)) {
    Tracer x = put_inside({jvp->x(m.value), true}), dx = jvp->dx(m.value);
    return jvp->put(x, dx ? put_inside({dx, true}) : Tracer());
  }
  fail(Code::stale_tracer, "a rule that ", verb(), " maps uses a value ", to_string(m.value.aval()),
       " of a ", inner.verb(), " inside; pass it as an argument");
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
    for (Mapped& m : p.batch_all(*this, p, in, *params)) out.push_back(put_inside(std::move(m)));
  } else {
    out.push_back(put({p.batch(p, in, size, *params), true}));
  }
}

}  // namespace jv
