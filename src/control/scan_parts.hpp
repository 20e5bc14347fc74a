// What the rules of scan share.
#pragma once
#include "control/scan.hpp"

namespace jv {

// What a scan's parameters say, and how its operands divide.
struct Scan {
  explicit Scan(const Params& p)
      : body(jaxpr_param(p, "jaxpr")),
        loop{p.integer("length"), p.flag("reverse")},
        n_consts(size_t(p.integer("num_consts"))),
        n_carry(size_t(p.integer("num_carry"))) {}

  template <class T>
  std::span<const T> consts(std::span<const T> all) const {
    return all.subspan(0, n_consts);
  }
  template <class T>
  std::span<const T> carry(std::span<const T> all) const {
    return all.subspan(n_consts, n_carry);
  }
  template <class T>
  std::span<const T> xs(std::span<const T> all) const {
    return all.subspan(n_consts + n_carry);
  }
  size_t n_outs() const { return body.outs.size(); }
  Avals in_avals() const {  // of the body
    Avals avals;
    for (Var v : body.invars) avals.push_back(body.vars[v]);
    return avals;
  }

  const Jaxpr& body;
  Loop loop;
  size_t n_consts, n_carry;
};

void scan_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params,
                    Tracers& y, Tracers& dy);

}  // namespace jv
