#include "primitives/operators.hpp"

namespace jv {

Tracer full(Trace& trace, Aval aval, double number) {
  Context& cx = trace.cx;
  Tracer x = cx.number(aval->dtype, number);
  if (aval->ndim() == 0) return x;
  ParamsRef params = params_of(cx.session(), broadcast_in_dim_p, {aval->shape, Ints()});
  return std::move(bind_at(trace.home(), broadcast_in_dim_p, Operands(&x, 1), params)[0]);
}

}  // namespace jv
