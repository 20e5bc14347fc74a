// Binding a primitive from C++: what the generated functions of ops.hpp are made of.
#pragma once
#include "trace/trace.hpp"

namespace jv {

inline ParamsRef params_of(Session& session, const Primitive& p, std::vector<Param> values) {
  return values.empty() ? session.params().none() : session.params().make(p.sig, std::move(values));
}

inline Tracer apply(const Primitive& p, const Tracer& x) {
  return bind1(p, Operands(&x, 1), x.session().params().none());
}
inline Tracer apply(const Primitive& p, std::initializer_list<Tracer> x) {
  return bind1(p, Operands(x.begin(), x.size()), x.begin()->session().params().none());
}
inline Tracer apply(const Primitive& p, Operands x, std::vector<Param> values) {
  if (x.empty()) fail(Code::invalid_argument, p.name, ": needs an operand");
  return bind1(p, x, params_of(x[0].session(), p, std::move(values)));
}
inline Tracer apply(const Primitive& p, std::initializer_list<Tracer> x,
                    std::vector<Param> values) {
  return apply(p, Operands(x.begin(), x.size()), std::move(values));
}
// Without operands: in the given trace.
inline Tracer apply_at(Trace& at, const Primitive& p, std::vector<Param> values) {
  return std::move(bind_at(at, p, {}, params_of(at.cx.session(), p, std::move(values)))[0]);
}
// With several results.
inline Tracers apply_all(const Primitive& p, std::initializer_list<Tracer> x,
                         std::vector<Param> values) {
  ParamsRef params = params_of(x.begin()->session(), p, std::move(values));
  return jv::bind(p, Operands(x.begin(), x.size()), params);
}
// One operand, then those of a list.
inline Tracers operands(const Tracer& first, Operands rest) {
  Tracers all{first};
  all.append(rest);
  return all;
}

}  // namespace jv
