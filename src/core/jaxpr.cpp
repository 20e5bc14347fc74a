#include "core/jaxpr.hpp"

#include "core/error.hpp"

namespace jv {

Avals in_avals(const Jaxpr& j) {
  Avals avals;
  for (Var v : j.invars) avals.push_back(j.vars[v]);
  return avals;
}

static Avals avals_of(const Jaxpr& j, std::span<const Atom> atoms) {
  Avals avals;
  for (Atom a : atoms) avals.push_back(j.aval(a));
  return avals;
}

Avals out_avals(const Jaxpr& j) { return avals_of(j, j.outs); }
Avals operand_avals(const Jaxpr& j, const Eqn& e) { return avals_of(j, j.operands(e)); }

Avals result_avals(const Jaxpr& j, const Eqn& e) {
  return Avals(std::span<const Aval>(j.vars).subspan(e.first_result, e.n_results));
}

Effects effects_inside(const Params& params) {
  Effects all = Effects::none;
  for_sub_jaxprs(params, [&](const Jaxpr& sub) { all = std::max(all, sub.effects); });
  return all;
}

Var Jaxpr::add_eqn(const Primitive& p, std::span<const Atom> operands, const Params& params,
                   std::span<const Aval> out, uint32_t location) {
  if (vars.size() + out.size() >= (size_t{1} << 31))
    fail(Code::invalid_argument, "a program of 2^31 variables");
  Eqn e{&p,
        &params,
        uint32_t(atoms.size()),
        uint32_t(operands.size()),
        Var(vars.size()),
        uint32_t(out.size())};
  for (Atom a : operands) atoms.push_back(a);
  for (Aval aval : out) vars.push_back(aval);
  if (!params.plain()) held.push_back(ParamsRef(&params));
  effects = std::max(effects, effects_of(e));
  eqns.push_back(e);
  locations.push_back(location);
  return e.first_result;
}

size_t count_eqns(const Jaxpr& j, std::string_view primitive) {
  size_t n = 0;
  for (const Eqn& e : j.eqns) {
    n += primitive.empty() || primitive == e.primitive->name;
    for_sub_jaxprs(*e.params, [&](const Jaxpr& sub) { n += count_eqns(sub, primitive); });
  }
  return n;
}

}  // namespace jv
