#include "transforms/transpose.hpp"

#include <algorithm>

#include "primitives/ops.hpp"
#include "transforms/jvp.hpp"
#include "transforms/marks.hpp"

namespace jv {
namespace {

bool transposable(const Primitive& p) { return p.transpose || p.transpose_all; }

// Which variables depend on a linear input.
Marks find_linear(const Jaxpr& j, const Marks& input) {
  Marks linear(j.vars.size());
  for (size_t i = 0; i < j.invars.size(); ++i) linear[j.invars[i]] = input[i];
  for (const Eqn& e : j.eqns) {
    bool any = false;
    for (Atom a : j.operands(e)) any |= !a.is_literal() && linear[a.index()];
    for (Var v = e.first_result; any && v < e.first_result + e.n_results; ++v) linear[v] = true;
  }
  return linear;
}

bool is_linear(const Jaxpr& j, const Eqn& e, const Marks& linear) {
  if (e.n_results) return linear[e.first_result];
  auto in = j.operands(e);
  return std::any_of(in.begin(), in.end(),
                     [&](Atom a) { return !a.is_literal() && linear[a.index()]; });
}

Trace& innermost_home(Context& cx, Operands known, Operands cts) {
  Trace &a = home_of(cx, known), &b = home_of(cx, cts);
  return a.depth > b.depth ? a : b;
}

// " of f", where the equation belongs to a rule of that name.
std::string owner(const Eqn& e) {
  if (!e.primitive->unlinked || e.primitive->sig.find("name") == e.primitive->sig.n_params)
    return "";
  return " of " + e.params->word("name");
}

void check_eqn(const Jaxpr& j, const Eqn& e, const Marks& linear) {
  const Primitive& p = *e.primitive;
  auto known_atom = [&](Atom a) { return a.is_literal() || !linear[a.index()]; };
  auto operands = j.operands(e);
  size_t n_linear = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (known_atom(operands[i])) continue;
    ++n_linear;
    if (p.no_transpose) fail(Code::no_transpose, p.name, owner(e), ": ", p.no_transpose);
    if (!transposable(p) || (p.transpose && !p.sig.operand(i).linear))
      fail(Code::no_transpose, p.name, ": is not linear in ", p.sig.operand(i).name,
           ", so it has no transpose");
  }
  if (n_linear > 1 && p.transpose && p.linearity == Linearity::bilinear)
    fail(Code::no_transpose, p.name, ": a product of two linear values has no transpose");
  if (e.params->plain()) return;
  Flags known;
  for (Atom a : operands) known.push_back(known_atom(a));
  if (p.check_transpose) return p.check_transpose(*e.params, known);
  for_sub_jaxprs(*e.params, [&](const Jaxpr& sub) { check_transposable(sub, known); });
}

// Of the equations that an output needs.
void check_live(const Jaxpr& j, const Marks& linear) {
  Marks used(j.vars.size());
  auto use = [&](Atom a) {
    if (!a.is_literal()) used[a.index()] = true;
  };
  for (Atom a : j.outs) use(a);
  for (size_t k = j.eqns.size(); k-- > 0;) {
    const Eqn& e = j.eqns[k];
    if (!is_linear(j, e, linear)) continue;
    bool needed = has_effects(j, e);
    for (Var v = e.first_result; v < e.first_result + e.n_results; ++v) needed |= used[v];
    if (!needed) continue;
    try {
      check_eqn(j, e, linear);
    } catch (Error& error) {
      note_equation(error, j, k);
      throw;
    }
    for (Atom a : j.operands(e)) use(a);
  }
}

class Transposer {
 public:
  Transposer(Context& cx, const Jaxpr& j, Operands known, Operands cts)
      : cx_(cx),
        j_(j),
        home_(innermost_home(cx, known, cts)),
        known_(j.vars.size()),
        ct_(j.vars.size()) {
    Marks input;
    for (size_t i = 0; i < known.size(); ++i) {
      input.push_back(!known[i]);
      known_[j.invars[i]] = known[i];
    }
    for (size_t i = 0; i < j.consts.size(); ++i) known_[j.constvars[i]] = cx.tracer(j.consts[i]);
    linear_ = find_linear(j, input);
  }

  void check() const { check_live(j_, linear_); }

  Tracers run(Operands cts) {
    KeepLocation keep(cx_);
    for (size_t k = 0; k < j_.eqns.size(); ++k)
      if (!is_linear(j_.eqns[k])) at_equation(k, [&] { evaluate(j_.eqns[k]); });
    for (size_t i = 0; i < cts.size(); ++i) add_to(j_.outs[i], cts[i]);
    for (size_t k = j_.eqns.size(); k-- > 0;)
      if (is_linear(j_.eqns[k])) at_equation(k, [&] { transpose_eqn(j_.eqns[k]); });
    Tracers back;
    for (Var v : j_.invars) back.push_back(std::move(ct_[v]));
    return back;
  }

 private:
  // Does f where the equation was made.
  template <class F>
  void at_equation(size_t k, F&& f) {
    if (j_.locations[k]) cx_.location = j_.locations[k];
    try {
      f();
    } catch (Error& e) {
      note_equation(e, j_, k);
      throw;
    }
  }

  bool is_linear(Atom a) const { return !a.is_literal() && linear_[a.index()]; }
  bool is_linear(const Eqn& e) const { return jv::is_linear(j_, e, linear_); }
  Tracer known(Atom a) const {
    return a.is_literal() ? cx_.tracer(j_.literals[a.index()]) : known_[a.index()];
  }

  // An equation of known values only: it runs, or is recorded, now.
  void evaluate(const Eqn& e) {
    Tracers in;
    for (Atom a : j_.operands(e)) in.push_back(known(a));
    Tracers out = bind_at(home_, *e.primitive, in, ParamsRef(e.params));
    for (size_t i = 0; i < out.size(); ++i) known_[e.first_result + i] = out[i];
  }

  void add_to(Atom a, const Tracer& ct) {
    if (!ct || !is_linear(a)) return;
    Tracer& sum = ct_[a.index()];
    sum = sum ? add(sum, ct) : ct;
  }

  void transpose_eqn(const Eqn& e) {
    Tracers ct, x, back;
    bool any = false;
    for (Var v = e.first_result; v < e.first_result + e.n_results; ++v) {
      any |= bool(ct_[v]);
      ct.push_back(std::move(ct_[v]));
      ct_[v] = Tracer();
    }
    if (!any && !has_effects(j_, e)) return;
    Avals in;
    for (Atom a : j_.operands(e))
      x.push_back(is_linear(a) ? Tracer() : known(a)), in.push_back(j_.aval(a));
    const Primitive& p = *e.primitive;
    auto atoms = j_.operands(e);
    if (p.transpose_all) {
      p.transpose_all(cx_, p, ct, x, in, *e.params, back);
      for (size_t i = 0; i < back.size(); ++i) add_to(atoms[i], back[i]);
      return;
    }
    for (size_t i = 0; i < atoms.size(); ++i)
      if (is_linear(atoms[i])) add_to(atoms[i], p.transpose(ct[0], x, i, in, *e.params));
  }

  Context& cx_;
  const Jaxpr& j_;
  Trace& home_;
  std::vector<Tracer> known_, ct_;
  Marks linear_;
};

}  // namespace

Tracers transpose(Context& cx, const Jaxpr& j, Operands known, Operands cts) {
  return Transposer(cx, j, known, cts).run(cts);
}

Tracers checked_transpose(Context& cx, const Jaxpr& j, Operands known, Operands cts) {
  Transposer transposer(cx, j, known, cts);
  transposer.check();
  return transposer.run(cts);
}

void check_transposable(const Jaxpr& j, std::span<const bool> known) {
  Marks input;
  for (bool k : known) input.push_back(!k);
  check_live(j, find_linear(j, input));
}

void check_transposable(const Jaxpr& j, size_t n_known) {
  Marks input(j.invars.size(), true);
  std::fill_n(input.begin(), n_known, false);
  check_live(j, find_linear(j, input));
}

}  // namespace jv
