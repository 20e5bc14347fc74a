#include "core/parse_broadcast.hpp"

#include "core/primitive.hpp"
#include "core/session.hpp"

namespace jv {

static bool stretches(const Shape& from, const Shape& to) {
  if (from.empty()) return true;
  bool fits = from.size() == to.size();
  for (size_t i = 0; fits && i < to.size(); ++i) fits = from[i] == to[i] || from[i] == 1;
  return fits;
}

static Atom broadcast(Jaxpr& j, const Primitive& p, Atom a, const Shape& to) {
  Ints dims;
  for (size_t i = 0; i < j.aval(a)->ndim(); ++i) dims.push_back(int64_t(i));
  std::vector<Param> values(p.sig.n_params);
  values[p.sig.find("shape")] = to;
  values[p.sig.find("broadcast_dimensions")] = dims;
  ParamsRef params = j.session->params().make(p.sig, std::move(values));
  Aval aval = j.session->aval(j.aval(a)->dtype, to);
  return Atom::var(j.add_eqn(p, {&a, 1}, *params, {&aval, 1}, 0));
}

bool broadcast_operands(Jaxpr& j, const Primitive& broadcast_in_dim, std::span<Atom> operands,
                        const Shape& to) {
  bool any = false;
  for (Atom a : operands) {
    if (!stretches(j.aval(a)->shape, to)) return false;
    any |= j.aval(a)->shape != to;
  }
  for (Atom& a : operands)
    if (j.aval(a)->shape != to) a = broadcast(j, broadcast_in_dim, a, to);
  return any;
}

}  // namespace jv
