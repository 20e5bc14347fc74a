#include "transforms/simplify.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "transforms/marks.hpp"

namespace jv {
namespace {

// What a backward pass finds: the equations that are needed, and those of which only a part is.
struct Liveness {
  Marks eqns, vars;
  std::unordered_map<size_t, Pruned> pruned;

  const Pruned* part(size_t eqn) const {
    if (pruned.empty()) return nullptr;
    auto found = pruned.find(eqn);
    return found == pruned.end() ? nullptr : &found->second;
  }
};

bool any_used(const Eqn& e, const Marks& vars) {
  for (uint32_t i = 0; i < e.n_results; ++i)
    if (vars[e.first_result + i]) return true;
  return false;
}

Flags used_results(const Eqn& e, const Marks& vars) {
  return Flags(vars.begin() + e.first_result, vars.begin() + e.first_result + e.n_results);
}

// `inner`: it finds what is dead inside equations that hold jaxprs too, and takes it out.
Liveness find_live(const Jaxpr& j, Simplifier* inner) {
  Liveness live{Marks(j.eqns.size()), Marks(j.vars.size()), {}};
  auto use = [&](Atom a) {
    if (!a.is_literal()) live.vars[a.index()] = true;
  };
  for (Atom a : j.outs) use(a);
  for (size_t k = j.eqns.size(); k-- > 0;) {
    const Eqn& e = j.eqns[k];
    if (!any_used(e, live.vars) && !has_effects(j, e)) continue;
    live.eqns[k] = true;
    const Pruned* pruned = nullptr;
    if (inner && e.primitive->dce)
      pruned = &(live.pruned[k] = e.primitive->dce(*inner, *e.params, used_results(e, live.vars)));
    auto operands = j.operands(e);
    for (size_t i = 0; i < e.n_operands; ++i)
      if (!pruned || pruned->operands[i]) use(operands[i]);
  }
  return live;
}

// Writes a jaxpr anew: live equations only, sharing what is equal and folding what is known.
class Rewriter {
 public:
  explicit Rewriter(const Jaxpr& old)
      : old_(old),
        fresh_(make_ref<Jaxpr>(*old.session)),
        map_(old.vars.size()),
        splat_(old.vars.size()),
        maker_(old.vars.size(), none) {
    size_t slots = 16;
    while (slots < 2 * old.eqns.size()) slots *= 2;
    seen_.assign(slots, none);
    fresh_->vars.reserve(old.vars.size());
    fresh_->eqns.reserve(old.eqns.size());
    fresh_->locations.reserve(old.eqns.size());
    fresh_->atoms.reserve(old.atoms.size());
    fresh_->consts = old.consts;
    for (Var v : old.constvars) fresh_->constvars.push_back(add_var(v));
    for (Var v : old.invars) fresh_->invars.push_back(add_var(v));
  }

  // `simplifier`: null where dead equations go, and nothing else.
  Ref<Jaxpr> run(Simplifier* simplifier) {
    Liveness live = find_live(old_, simplifier);
    for (size_t k = 0; k < old_.eqns.size(); ++k) {
      if (!live.eqns[k]) continue;
      const Pruned* part = live.part(k);
      if (part) copy_part(old_.eqns[k], old_.locations[k], *part);
      else copy(old_.eqns[k], old_.locations[k], simplifier);
    }
    for (Atom a : old_.outs) fresh_->outs.push_back(atom(a));
    return fresh_;
  }
  bool changed() const { return changed_; }

 private:
  Var add_var(Var v) {
    Var fresh = fresh_->add_var(old_.vars[v]);
    map_[v] = Atom::var(fresh);
    return fresh;
  }
  Atom atom(Atom a) { return a.is_literal() ? literal(old_.literals[a.index()]) : map_[a.index()]; }

  Atom literal(const Array& value) {
    uint64_t bits = 0;
    std::memcpy(&bits, value.data(), value.aval()->bytes());
    auto [it, fresh] = literals_.try_emplace({value.aval(), bits});
    if (fresh) it->second = fresh_->add_literal(value);
    return it->second;
  }

  void copy(const Eqn& e, uint32_t location, bool rewrite) {
    Small<Atom, 4> in;
    for (Atom a : old_.operands(e)) in.push_back(atom(a));
    std::span<const Aval> out(old_.vars.data() + e.first_result, e.n_results);
    rewrite = rewrite && !has_effects(old_, e);
    if (rewrite && reuse(e, in, out)) {
      changed_ = true;
      return;
    }
    Var first = fresh_->add_eqn(*e.primitive, in, *e.params, out, location);
    for (uint32_t i = 0; i < e.n_results; ++i) {
      map_[e.first_result + i] = Atom::var(first + i);
      maker_[first + i] = uint32_t(fresh_->eqns.size() - 1);
    }
    if (e.primitive->rearranges && e.n_operands == 1) splat_[first] = splat(in[0]);
    if (rewrite && e.params->plain() && share(e)) changed_ = true;
  }

  void copy_part(const Eqn& e, uint32_t location, const Pruned& part) {
    Small<Atom, 4> in;
    Avals out;
    for (size_t i = 0; i < e.n_operands; ++i)
      if (part.operands[i]) in.push_back(atom(old_.operands(e)[i]));
    for (size_t i = 0; i < e.n_results; ++i)
      if (part.results[i]) out.push_back(old_.vars[e.first_result + i]);
    Var next = fresh_->add_eqn(*e.primitive, in, *part.params, out, location);
    for (uint32_t i = 0; i < e.n_results; ++i)
      if (part.results[i]) map_[e.first_result + i] = Atom::var(next++);
  }

  // A result that needs no equation: an operand, or a number.
  bool reuse(const Eqn& e, std::span<const Atom> in, std::span<const Aval> out) {
    if (e.n_results != 1) return false;
    if (e.primitive->involution && undo(e, in)) return true;
    if (e.primitive->fold && fold(e, in, out[0])) return true;
    return evaluate(e, in, out);
  }

  bool undo(const Eqn& e, std::span<const Atom> in) {
    if (in[0].is_literal() || maker_[in[0].index()] == none) return false;
    const Eqn& before = fresh_->eqns[maker_[in[0].index()]];
    if (before.primitive != e.primitive || before.params != e.params) return false;
    map_[e.first_result] = fresh_->operands(before)[0];
    return true;
  }

  bool fold(const Eqn& e, std::span<const Atom> in, Aval out) {
    // Without parameters only a number among the operands makes the result one of them.
    auto number = [&](Atom a) { return a.is_literal() || splat_[a.index()]; };
    if (e.params->values.empty() && std::none_of(in.begin(), in.end(), number)) return false;
    Avals avals;
    Arrays splats;
    for (Atom a : in) avals.push_back(fresh_->aval(a)), splats.push_back(splat(a));
    int which = e.primitive->fold({avals, splats, *e.params, out});
    if (which < 0) return false;
    map_[e.first_result] = in[size_t(which)];
    return true;
  }

  bool evaluate(const Eqn& e, std::span<const Atom> in, std::span<const Aval> out) {
    auto variable = [](Atom a) { return !a.is_literal(); };
    if (in.empty() || std::any_of(in.begin(), in.end(), variable)) return false;
    if (!e.primitive->eval || out[0]->ndim() != 0 || out[0]->dtype == DType::float0) return false;
    Arrays values;
    for (Atom a : in) values.push_back(fresh_->literals[a.index()]);
    Array result;
    jv::evaluate(*e.primitive, {*old_.session, values, *e.params, out, {&result, 1}});
    // A NaN is made when the program runs, where JAXVJP_CHECK_NANS sees it.
    if (is_float(out[0]->dtype) && element(result, 0) != element(result, 0)) return false;
    map_[e.first_result] = literal(result);
    return true;
  }

  Array splat(Atom a) const {
    return a.is_literal() ? fresh_->literals[a.index()] : splat_[a.index()];
  }

  // The slot of an equation equal to k, or a free one. The first slots to try are near that of the
  // newest operand, so that a walk through the program walks through the table; then any.
  size_t find(uint32_t k) const {
    size_t mask = seen_.size() - 1, slot = 0;
    for (Atom a : fresh_->operands(fresh_->eqns[k]))
      if (!a.is_literal()) slot = std::max<size_t>(slot, a.index());
    slot = 2 * slot & mask;
    for (int near = 0; near < 4; ++near, slot = (slot + 1) & mask)
      if (seen_[slot] == none || Equal{this}(seen_[slot], k)) return slot;
    for (slot = Hash{this}(k)&mask; seen_[slot] != none && !Equal{this}(seen_[slot], k);)
      slot = (slot + 1) & mask;
    return slot;
  }

  // The equation just added, if an equal one stands before it, gives way to that.
  bool share(const Eqn& e) {
    uint32_t k = uint32_t(fresh_->eqns.size() - 1);
    size_t slot = find(k);
    if (seen_[slot] == none) {
      seen_[slot] = k;
      return false;
    }
    const Eqn& twin = fresh_->eqns[seen_[slot]];
    for (uint32_t i = 0; i < e.n_results; ++i)
      map_[e.first_result + i] = Atom::var(twin.first_result + i);
    return true;
  }

  struct Hash {
    const Rewriter* r;
    size_t operator()(uint32_t k) const {
      const Eqn& e = r->fresh_->eqns[k];
      uint64_t h = reinterpret_cast<uintptr_t>(e.primitive) ^ e.params->hash;
      for (Atom a : r->fresh_->operands(e)) h = (h ^ a.bits()) * 0x9e3779b97f4a7c15, h ^= h >> 32;
      return h;
    }
  };
  struct Equal {
    const Rewriter* r;
    bool operator()(uint32_t a, uint32_t b) const {
      const Eqn &x = r->fresh_->eqns[a], &y = r->fresh_->eqns[b];
      if (x.primitive != y.primitive || x.params != y.params || x.n_operands != y.n_operands)
        return false;
      auto p = r->fresh_->operands(x), q = r->fresh_->operands(y);
      return std::equal(p.begin(), p.end(), q.begin());
    }
  };
  struct LiteralHash {
    size_t operator()(const std::pair<Aval, uint64_t>& k) const {
      return reinterpret_cast<uintptr_t>(k.first) * 31 + k.second * 0x9e3779b97f4a7c15;
    }
  };
  static constexpr uint32_t none = UINT32_MAX;

  const Jaxpr& old_;
  Ref<Jaxpr> fresh_;
  std::vector<Atom> map_;        // old variable -> new atom
  std::vector<Array> splat_;     // new variable -> the number that all its elements are
  std::vector<uint32_t> maker_;  // new variable -> its equation
  std::unordered_map<std::pair<Aval, uint64_t>, Atom, LiteralHash> literals_;
  std::vector<uint32_t> seen_;  // equations by hash; a power of two, at most half full
  bool changed_ = false;
};

}  // namespace

// The variables that something uses.
static Marks find_used(const Jaxpr& j) {
  Marks used(j.vars.size());
  for (Atom a : j.atoms)
    if (!a.is_literal()) used[a.index()] = true;
  for (Atom a : j.outs)
    if (!a.is_literal()) used[a.index()] = true;
  return used;
}

// Is an equation dead? Then one is whose results nothing uses at all: the last.
static bool has_dead(const Jaxpr& j) {
  Marks used = find_used(j);
  return std::any_of(j.eqns.begin(), j.eqns.end(),
                     [&](const Eqn& e) { return !any_used(e, used) && !has_effects(j, e); });
}

// All equations of the result are live.
static Ref<Jaxpr> simplified(Simplifier& simplifier, const Jaxpr& j) {
  Rewriter rewriter(j);
  Ref<Jaxpr> r = rewriter.run(&simplifier);
  if (rewriter.changed() && has_dead(*r)) r = Rewriter(*r).run(nullptr);
  verify(*r);
  return r;
}

JaxprRef simplify(const JaxprRef& j) {
  Simplifier simplifier(*j->session);
  return simplified(simplifier, *j);
}

static Flags used_inputs(const Jaxpr& j) {
  Marks used = find_used(j);
  Flags flags;
  for (Var v : j.invars) flags.push_back(used[v]);
  return flags;
}

static void keep_inputs(Jaxpr& j, std::span<const bool> kept) {
  std::vector<Var> inputs;
  for (size_t i = 0; i < j.invars.size(); ++i)
    if (kept[i]) inputs.push_back(j.invars[i]);
  j.invars = std::move(inputs);
}

static Ref<Jaxpr> with_outputs(const Jaxpr& j, std::span<const bool> used) {
  auto part = make_ref<Jaxpr>(j);
  part->outs.clear();
  for (size_t i = 0; i < j.outs.size(); ++i)
    if (used[i]) part->outs.push_back(j.outs[i]);
  return part;
}

Simplifier::Done& Simplifier::whole(const Jaxpr& j, std::span<const bool> used) {
  for (Done& d : done_[&j])
    if (std::equal(used.begin(), used.end(), d.used.begin())) return d;
  JaxprRef whole = simplified(*this, *with_outputs(j, used));
  Flags needed = used_inputs(*whole);
  std::vector<Done>& all = done_[&j];
  all.push_back({JaxprRef(&j), Flags(used), whole, needed, {}});
  return all.back();
}

Part Simplifier::prune(const Jaxpr& j, std::span<const bool> used, std::span<const bool> keep) {
  Done& done = whole(j, used);
  Flags inputs = done.needed;
  for (size_t i = 0; i < keep.size(); ++i) inputs[i] = inputs[i] || keep[i];
  for (const Part& part : done.parts)
    if (part.inputs == inputs) return part;
  auto part = make_ref<Jaxpr>(*done.whole);
  keep_inputs(*part, inputs);
  verify(*part);
  done.parts.push_back({part, inputs});
  return done.parts.back();
}

JaxprRef silent(const Jaxpr& j) {
  if (j.effects == Effects::none) return JaxprRef(&j);
  auto quiet = make_ref<Jaxpr>(j);
  quiet->eqns.clear(), quiet->locations.clear(), quiet->effects = Effects::none;
  for (size_t k = 0; k < j.eqns.size(); ++k) {
    Eqn e = j.eqns[k];
    if (has_effects(j, e)) {
      if (e.n_results == 0) continue;
      quiet->held.push_back(map_sub_jaxprs(*j.session, *e.params, silent));
      e.params = quiet->held.back().get();
    }
    quiet->eqns.push_back(e);
    quiet->locations.push_back(j.locations[k]);
    quiet->effects = std::max(quiet->effects, effects_of(e));
  }
  return quiet;
}

void simplify_linear(Linearized& l) {
  Simplifier simplifier(*l.linear->session);
  Ref<Jaxpr> linear = simplified(simplifier, *l.linear);
  Flags kept = used_inputs(*linear);
  Tracers residuals;
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i >= l.residuals.size()) kept[i] = true;
    else if (kept[i]) residuals.push_back(l.residuals[i]);
  }
  keep_inputs(*linear, kept);
  l.linear = linear;
  l.residuals = std::move(residuals);
}

}  // namespace jv
