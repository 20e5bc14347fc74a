#include "control/flow.hpp"

#include <algorithm>

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {

Tracers present(Operands t) {
  Tracers some;
  for (const Tracer& x : t)
    if (x) some.push_back(x);
  return some;
}

Tracers spread(std::span<const bool> at, Operands some) {
  Tracers all;
  size_t k = 0;
  for (bool there : at) all.push_back(there ? some[k++] : Tracer());
  return all;
}

Tracers join(Operands a, Operands b, Operands c) {
  Tracers all(a);
  all.append(b);
  all.append(c);
  return all;
}

Tracers filled(Operands t, std::span<const bool> at, std::span<const Aval> types, Trace& home) {
  Tracers some;
  for (size_t i = 0; i < at.size(); ++i)
    if (at[i]) some.push_back(t[i] ? t[i] : zeros(home, types[i]));
  return some;
}

Avals tangent_avals(Session& session, std::span<const Aval> avals) {
  Avals types;
  for (Aval aval : avals) types.push_back(session.tangent(aval));
  return types;
}

Aval stacked(Session& session, Aval element, int64_t length) {
  Shape shape = element->shape;
  shape.insert(0, length);
  return session.aval(element->dtype, shape);
}

Aval element_of(Session& session, Aval stacked) {
  return session.aval(stacked->dtype, std::span<const int64_t>(stacked->shape).subspan(1));
}

Small<Mapped, 4> mapped_where(Operands values, std::span<const bool> mapped) {
  Small<Mapped, 4> all;
  for (size_t i = 0; i < values.size(); ++i) all.push_back({values[i], mapped[i]});
  return all;
}

Tracers values_of(std::span<const Mapped> in) {
  Tracers values;
  for (const Mapped& m : in) values.push_back(m.value);
  return values;
}

Flags mapped_of(std::span<const Mapped> in) {
  Flags mapped;
  for (const Mapped& m : in) mapped.push_back(m.mapped);
  return mapped;
}

Tracers eval_mapped(BatchTrace& t, const Jaxpr& j, std::span<const Mapped> args) {
  Tracers outs;
  for (const Mapped& m : batch(
           t.cx, [&](Operands a) { return eval_jaxpr(t.cx, j, a); }, args, t.size))
    outs.push_back(materialise(m, t.size));
  return outs;
}

Tracer swap_leading(const Tracer& x) {
  Ints order{1, 0};
  for (size_t i = 2; i < x.shape().size(); ++i) order.push_back(int64_t(i));
  return transpose(x, order);
}

Small<bool, 4> needed_in_loop(const Jaxpr& body, size_t n_consts, size_t n_carry, Flags& needed) {
  Small<bool, 4> inputs;
  for (bool grown = true; grown;) {
    inputs = needed_inputs(body, needed);
    grown = false;
    for (size_t i = 0; i < n_carry; ++i)
      if (inputs[n_consts + i] && !needed[i]) needed[i] = grown = true;
  }
  for (size_t i = 0; i < n_carry; ++i) inputs[n_consts + i] = needed[i];
  return inputs;
}

void refuse_to_act(Effects effects, const char* name, const char* what, const char* runs) {
  if (effects != Effects::ordered) return;
  fail(Code::effect, name, ": under vmap each element has ", what, " of its own, so ", runs,
       " would run for all; an effect in it cannot be taken back");
}

size_t count_of(std::span<const bool> flags) {
  return size_t(std::count(flags.begin(), flags.end(), true));
}

ParamsRef with_param(Session& session, const Params& params, std::string_view name, Param value) {
  std::vector<Param> values = params.values;
  values[params.signature->find(name)] = std::move(value);
  return session.params().make(*params.signature, std::move(values));
}

Tracers run_jaxpr(Context& cx, const Jaxpr& j, Operands operands) {
  Arrays in, results;
  for (const Tracer& t : operands) in.push_back(t.array());
  cx.session().executor().run(cx, j, in, results);
  Tracers out;
  for (Array& a : results) out.push_back(cx.tracer(std::move(a)));
  return out;
}

}  // namespace jv
