#include "control/flow.hpp"

#include <algorithm>
#include <unordered_map>

#include "primitives/define.hpp"
#include "transforms/marks.hpp"
#include "transforms/simplify.hpp"

namespace jv {

Tracers present(Operands t) { return pick(t, nonzero(t)); }

template <class T>
static Small<T, 4> picked(std::span<const T> items, std::span<const bool> at) {
  Small<T, 4> some;
  for (size_t i = 0; i < items.size(); ++i)
    if (at[i]) some.push_back(items[i]);
  return some;
}
Tracers pick(Operands t, std::span<const bool> at) { return picked(t, at); }
Avals pick(std::span<const Aval> avals, std::span<const bool> at) { return picked(avals, at); }

Tracers spread(std::span<const bool> at, Operands some) {
  Tracers all;
  size_t k = 0;
  for (bool there : at) all.push_back(there ? some[k++] : Tracer());
  return all;
}

Tracers plug(Operands holes, Operands some) {
  Tracers all(holes);
  size_t k = 0;
  for (Tracer& t : all)
    if (!t) t = some[k++];
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

Tracers filled(Operands t, std::span<const Aval> types, Trace& home) {
  return filled(t, Flags(t.size(), true), types, home);
}

Avals tangent_avals(Session& session, std::span<const Aval> avals) {
  Avals types;
  for (Aval aval : avals) types.push_back(session.tangent(aval));
  return types;
}

Flags floats(std::span<const Aval> avals) {
  Flags flags;
  for (Aval aval : avals) flags.push_back(aval->is_float());
  return flags;
}

bool any(std::span<const bool> flags) { return count_of(flags) > 0; }

Aval stacked(Session& session, Aval element, int64_t length) {
  Shape shape = element->shape;
  shape.insert(0, length);
  return session.aval(element->dtype, shape);
}

Aval element_of(Session& session, Aval stacked) {
  return session.aval(stacked->dtype, std::span<const int64_t>(stacked->shape).subspan(1));
}

Avals stacked_where(Session& session, std::span<const Aval> avals, std::span<const bool> mapped,
                    int64_t size) {
  Avals all(avals);
  for (size_t i = 0; i < all.size(); ++i)
    if (mapped[i]) all[i] = stacked(session, all[i], size);
  return all;
}

Batched mapped_where(Operands values, std::span<const bool> mapped) {
  Batched all;
  for (size_t i = 0; i < values.size(); ++i) all.push_back({values[i], mapped[i]});
  return all;
}

Tracers values_of(MappedOperands in) {
  Tracers values;
  for (const Mapped& m : in) values.push_back(m.value);
  return values;
}

Flags mapped_of(MappedOperands in) {
  Flags mapped;
  for (const Mapped& m : in) mapped.push_back(m.mapped);
  return mapped;
}

Tracers materialised(MappedOperands in, std::span<const bool> at, int64_t size) {
  Tracers all = values_of(in);
  for (size_t i = 0; i < all.size(); ++i)
    if (at[i]) all[i] = materialise(in[i], size);
  return all;
}

Tracers materialised(MappedOperands in, int64_t size) {
  return materialised(in, Flags(in.size(), true), size);
}

Tracers eval_mapped(BatchTrace& t, const Jaxpr& j, MappedOperands args) {
  Batched outs = batch(t.cx, Interpret{t.cx, j}, args, t.size);
  return materialised(outs, t.size);
}

StageTrace::Closed mapped_jaxpr(BatchTrace& t, const Jaxpr& j, std::span<const bool> mapped) {
  Avals in = stacked_where(t.cx.session(), in_avals(j), mapped, t.size);
  return stage(t.cx, in, [&](Operands a) { return eval_mapped(t, j, mapped_where(a, mapped)); });
}

Forwarded forward_residuals(Operands residuals, const Trace& body, Tracers& list) {
  Forwarded f;
  std::unordered_map<uint32_t, size_t> places;  // in the list, of the body's values
  auto inside = [&](const Tracer& t) { return !t.is_concrete() && &t.trace() == &body; };
  for (size_t i = 0; i < list.size(); ++i)
    if (inside(list[i])) places.try_emplace(list[i].index(), i);
  for (const Tracer& r : residuals) {
    f.outer.push_back(inside(r) ? Tracer() : r);
    if (!inside(r)) continue;
    auto [place, fresh] = places.try_emplace(r.index(), list.size());
    if (fresh) list.push_back(r);
    f.places.push_back(place->second);
  }
  return f;
}

Tracers Forwarded::inside(Operands list) const {
  Tracers some;
  for (size_t i : places) some.push_back(list[i]);
  return some;
}

DualBody dual_body(JvpTrace& t, const LoopBody& s, Operands x, Operands dx, Trace& home) {
  Context& cx = t.cx;
  Avals inside = in_avals(s.body), tangents = tangent_avals(cx.session(), inside);
  std::span<const Aval> avals = inside, types = s.carry(tangents);
  Tracers dconsts = present(s.consts(dx)), dxs = present(s.xs(dx));
  size_t n_xs = s.xs(x).size();
  DualBody r;
  r.flow = settle(nonzero(dx), s.n_consts, s.n_carry, [&](const Flags& in) {
    std::span<const bool> carried = s.carry(in);
    r.carry = Avals(s.carry(avals));
    r.carry.append(pick(types, carried));
    Avals all = r.carry;
    all.append(s.xs(avals));
    for (const Tracer& d : dxs) all.push_back(element_of(cx.session(), d.aval()));
    Flags found;
    r.body = stage(cx, all, [&](Operands a) {
      Operands c = a.subspan(0, r.carry.size()), e = a.subspan(r.carry.size());
      Tracers in_x = join(s.consts(x), c.subspan(0, s.n_carry), e.subspan(0, n_xs));
      Tracers in_dx = join(dconsts, c.subspan(s.n_carry), e.subspan(n_xs));
      Dual d = jvp(cx, Interpret{cx, s.body}, in_x, spread(in, in_dx), t.verb());
      found = nonzero(d.dy);
      Operands y = d.y, dy = d.dy;
      Tracers outs =
          join(y.subspan(0, s.n_carry), filled(dy.subspan(0, s.n_carry), carried, types, home),
               y.subspan(s.n_carry));
      outs.append(present(dy.subspan(s.n_carry)));
      return outs;
    });
    return found;
  });
  std::span<const bool> carried = s.carry(r.flow.in);
  r.init = join(s.carry(x), filled(s.carry(dx), carried, types, home));
  return r;
}

namespace {

// The jaxpr with only the equations that `at` marks, or only the others.
Ref<Jaxpr> with_equations(const Jaxpr& j, const Marks& at, bool marked) {
  auto part = make_ref<Jaxpr>(j);
  part->eqns.clear(), part->locations.clear();
  for (size_t k = 0; k < j.eqns.size(); ++k) {
    if (bool(at[k]) != marked) continue;
    part->eqns.push_back(j.eqns[k]);
    part->locations.push_back(j.locations[k]);
  }
  return part;
}

}  // namespace

SplitBody split_invariants(const Jaxpr& body, size_t n_consts, size_t n_carry,
                           std::span<const bool> varying) {
  Marks same(body.vars.size()), eqns(body.eqns.size()), used(body.vars.size());
  for (size_t i = 0; i < n_consts; ++i) same[body.invars[i]] = !varying[i];
  auto is_same = [&](Atom a) { return a.is_literal() || same[a.index()]; };
  auto use = [&](Atom a) {
    if (!a.is_literal()) used[a.index()] = true;
  };
  for (size_t k = 0; k < body.eqns.size(); ++k) {
    const Eqn& e = body.eqns[k];
    auto in = body.operands(e);
    eqns[k] = !has_effects(body, e) && std::all_of(in.begin(), in.end(), is_same);
    std::fill_n(same.begin() + e.first_result, e.n_results, eqns[k]);
    if (!eqns[k]) std::for_each(in.begin(), in.end(), use);
  }
  std::for_each(body.outs.begin(), body.outs.end(), use);
  auto before = with_equations(body, eqns, true), step = with_equations(body, eqns, false);
  before->outs.clear(), before->effects = Effects::none;
  before->invars.resize(n_consts + n_carry);
  for (const Eqn& e : before->eqns)
    for (Var v = e.first_result; v < e.first_result + e.n_results; ++v)
      if (used[v]) before->outs.push_back(Atom::var(v));
  std::vector<Var> found;
  for (Atom a : before->outs) found.push_back(a.index());
  step->invars.insert(step->invars.begin() + ptrdiff_t(n_consts), found.begin(), found.end());
  return {before, step};
}

Flags needed_in_loop(Simplifier& s, const Jaxpr& body, size_t n_consts, size_t n_carry,
                     Flags& needed) {
  Flags inputs;
  for (bool grown = true; grown;) {
    inputs = s.needed_inputs(body, needed);
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

JaxprRef silent_again(std::string_view name, const char* what, const Jaxpr& j) {
  JaxprRef quiet = silent(j);
  if (quiet->effects != Effects::none)
    fail(Code::effect, name, ": linearize runs ", what, " again with tangents, and what has an ",
         "effect and results cannot run again; use jvp");
  return quiet;
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
