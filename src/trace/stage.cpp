#include "trace/stage.hpp"

#include <algorithm>

namespace jv {

StageTrace::StageTrace(Context& cx, const char* verb, Trace* linear_home)
    : Trace(cx), verb_(verb), linear_home_(linear_home), jaxpr_(make_ref<Jaxpr>(cx.session())) {
  cx.session().counters.traces.fetch_add(1, std::memory_order_relaxed);
}

void StageTrace::finish() {
  jaxpr_ = nullptr;
  captured_.clear();
  seen_.clear();
  near_seen_ = {};
}

Aval StageTrace::aval(uint32_t bits) const { return jaxpr_->aval(Atom::from_bits(bits)); }

Atom StageTrace::capture_outer(const Tracer& t) {
  Key key = t.is_concrete() ? Key{t.array().get(), 0} : Key{&t.trace(), t.index()};
  if (t.is_concrete() && t.aval()->ndim() == 0) return jaxpr_->add_literal(t.array());
  if (!t.trace().alive()) fail(Code::stale_tracer, "a value of a finished trace is used");
  if (cx.rule_call) check_rule_calls(cx, t);
  if (!near_ && !t.is_concrete()) near_ = &t.trace();
  Atom* slot;
  bool fresh;
  if (!t.is_concrete() && near_ == &t.trace() && !(t.index() >> 31)) {
    if (near_seen_.size() <= t.index())
      near_seen_.resize(std::max<size_t>(2 * near_seen_.size(), t.index() + 1), Atom::literal(0));
    slot = &near_seen_[t.index()];
    fresh = slot->is_literal();
  } else {
    auto [it, added] = seen_.try_emplace(key);
    slot = &it->second;
    fresh = added;
  }
  if (fresh) {
    *slot = Atom::var(jaxpr_->add_var(t.aval()));
    captured_.push_back(t);
    captured_vars_.push_back(slot->index());
  }
  return *slot;
}

void StageTrace::bind(const Primitive& p, Operands operands, const ParamsRef& params,
                      Tracers& out) {
  if (p.stage) return bind_complete(p, Tracers(operands), params, out);
  Small<Atom, 4> atoms;
  Avals in, avals;
  for (const Tracer& t : operands) {
    atoms.push_back(capture(t));
    in.push_back(jaxpr_->aval(atoms.back()));
  }
  check_operands(p, in.size());
  p.abstract_eval(cx.session(), in, *params, avals);
  record(p, atoms, *params, avals, out);
}

// An equation that its primitive completes first.
void StageTrace::bind_complete(const Primitive& p, Tracers operands, ParamsRef params,
                               Tracers& out) {
  p.stage(*this, operands, params);
  Avals in, avals;
  for (const Tracer& t : operands) in.push_back(t.aval());
  p.abstract_eval(cx.session(), in, *params, avals);
  // What a rule's primal captured may be of a trace inside this one, and what it does may have to
  // happen inside one: then the call is that trace's.
  Trace& inner = bind_place(*this, p, operands, *params);
  if (&inner != this) return inner.bind(p, operands, params, out);
  Small<Atom, 4> atoms;
  for (const Tracer& t : operands) atoms.push_back(capture(t));
  record(p, atoms, *params, avals, out);
}

void StageTrace::record(const Primitive& p, std::span<const Atom> operands, const Params& params,
                        std::span<const Aval> avals, Tracers& out) {
  Var first = jaxpr_->add_eqn(p, operands, params, avals, cx.location);
  for (size_t i = 0; i < avals.size(); ++i) out.push_back(Tracer(*this, first + uint32_t(i)));
}

StageTrace::Closed StageTrace::close(Operands outs) {
  for (const Tracer& t : outs) jaxpr_->outs.push_back(capture(t));
  // Captures in the order of their first use, whatever order the compiler gave to a rule's
  // expressions.
  constexpr uint32_t none = UINT32_MAX;
  std::vector<uint32_t> place(captured_.empty() ? 0 : jaxpr_->vars.size(), none);
  for (size_t i = 0; i < captured_vars_.size(); ++i) place[captured_vars_[i]] = uint32_t(i);
  std::vector<Var> hidden;
  Tracers captured;
  auto use = [&](Atom a) {
    if (a.is_literal()) return;
    uint32_t& i = place[a.index()];
    if (i == none) return;
    hidden.push_back(a.index());
    captured.push_back(captured_[i]);
    i = none;
  };
  if (!place.empty()) {
    for (const Eqn& e : jaxpr_->eqns)
      for (Atom a : jaxpr_->operands(e)) use(a);
    for (Atom a : jaxpr_->outs) use(a);
  }
  jaxpr_->invars.insert(jaxpr_->invars.begin(), hidden.begin(), hidden.end());
  verify(*jaxpr_);
  return {JaxprRef(jaxpr_), std::move(captured)};
}

JaxprRef with_constants(const StageTrace::Closed& closed, Tracers& traced) {
  if (closed.captured.empty()) return closed.jaxpr;
  auto j = make_ref<Jaxpr>(*closed.jaxpr);
  std::vector<Var> inputs;
  for (size_t i = 0; i < j->invars.size(); ++i) {
    bool constant = i < closed.captured.size() && closed.captured[i].is_concrete();
    if (i < closed.captured.size() && !constant) traced.push_back(closed.captured[i]);
    if (constant) j->consts.push_back(closed.captured[i].array());
    (constant ? j->constvars : inputs).push_back(j->invars[i]);
  }
  j->invars.assign(inputs.begin(), inputs.end());
  return j;
}

void refuse_captured(Operands traced, const std::string& who) {
  if (!traced.empty())
    fail(Code::invalid_argument, who, " uses a value ", to_string(traced[0].aval()),
         " of an enclosing ", traced[0].trace().verb());
}

}  // namespace jv
