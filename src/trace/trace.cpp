#include "trace/trace.hpp"

#include <algorithm>

namespace jv {

Context::Context(Session& session)
    : session_(&session), eval_(make_ref<EvalTrace>(*this)), top_(eval_.get()) {
  eval_->depth = 1;
}

bool Trace::inside(const Trace& other) const {
  const Trace* t = this;
  while (t && t != &other) t = t->below.get();
  return t;
}

void Context::push(Trace& trace) {
  constexpr int traces_a_level = 4;  // linearize opens two, and what it calls opens others
  if (top_->depth >= traces_a_level * int(max_depth))
    fail(Code::invalid_argument, "transformations are nested deeper than ", max_depth, " levels");
  trace.below = Ref<Trace>(top_);
  trace.depth = top_->depth + 1;
  top_ = &trace;
}

void Context::pop(Trace& trace) {
  trace.depth = 0;
  top_ = trace.below.get();
  trace.finish();
}

std::string made_at(Session& session, uint32_t location) {
  Location place = session.location(location);
  return place.file.empty() ? "" : str(" made at ", place.file, ":", place.line);
}

Trace& Context::effect_home() {
  Trace* t = top_;
  while (&t->home() != t) t = t->below.get();
  return *t;
}

Trace& bind_place(Trace& at, const Primitive& p, Operands operands, const Params& params) {
  Trace* t = &at;
  for (const Tracer& o : operands)
    if (o.trace().depth > t->depth) t = &o.trace();
  if (effects_of(p, params) == Effects::none) return *t;
  Trace& home = t->cx.effect_home();
  return home.depth > t->depth ? home : *t;
}

Tracers bind_at(Trace& at, const Primitive& p, Operands operands, const ParamsRef& params) {
  Tracers out;
  bind_place(at, p, operands, *params).bind(p, operands, params, out);
  return out;
}

Tracers bind(const Primitive& p, Operands operands, const ParamsRef& params) {
  return bind_at(operands[0].trace(), p, operands, params);
}

Tracer bind1(const Primitive& p, Operands operands, const ParamsRef& params) {
  return std::move(bind(p, operands, params)[0]);
}

Trace& home_of(Context& cx, Operands operands) {
  Trace* t = &cx.eval();
  for (const Tracer& o : operands)
    if (o && o.trace().depth > t->depth) t = &o.trace();
  return t->home();
}

void fail_operands(const Primitive& p, size_t n) {
  fail(Code::invalid_argument, p.name, ": takes ", p.sig.n_operands,
       p.sig.variadic() ? " or more" : "", " operands, got ", n);
}

void evaluate(const Primitive& p, const EvalArgs& args) {
  p.eval(args);
  for (const Array& result : args.out) {
    if (result.aval()->dtype != DType::opaque || result->is_view()) continue;
    bool copied = std::find(args.in.begin(), args.in.end(), result) == args.in.end();
    if (copied) retain_elements(result, 0, result.aval()->size);
  }
}

void EvalTrace::bind(const Primitive& p, Operands operands, const ParamsRef& params, Tracers& out) {
  if (p.expand) return void(out = p.expand(cx, p, operands, *params));
  Avals avals, out_avals;
  Arrays in;
  for (const Tracer& t : operands) in.push_back(t.array()), avals.push_back(t.array().aval());
  check_operands(p, avals.size());
  p.abstract_eval(cx.session(), avals, *params, out_avals);
  Arrays results(out_avals.size());
  evaluate(p, {cx.session(), in, *params, out_avals, {results.data(), results.size()}});
  if (cx.check_nans) jv::check_nans(p, in, results);
  for (Array& a : results) out.push_back(Tracer(*this, std::move(a)));
}

void fail_closure(const Tracer& used, std::string_view rule, const char* function) {
  fail(Code::closure_diff, rule, ": its ", function, " uses a value ", to_string(used.aval()),
       made_at(used.session(), used.trace().origin(used)),
       " that is being differentiated; pass it as an argument");
}

void check_rule_calls(const Context& cx, const Tracer& used) {
  int depth = used.trace().depth;
  for (const RuleCall* c = cx.rule_call; c; c = c->outer)
    if (c->first <= depth && depth <= c->last && used.trace().perturbed(used))
      fail_closure(used, c->rule, c->function);
}

void note_equation(Error& e, const Jaxpr& j, size_t equation) {
  e.notes.push_back(str("in equation ", equation, ", ", j.eqns[equation].primitive->name));
  Location place = j.session->location(j.locations[equation]);
  if (e.file.empty()) e.file = place.file, e.line = place.line;
}

Tracers eval_jaxpr(Context& cx, const Jaxpr& j, Operands args) {
  std::vector<Tracer> env(j.vars.size());
  for (size_t i = 0; i < j.consts.size(); ++i) env[j.constvars[i]] = cx.tracer(j.consts[i]);
  for (size_t i = 0; i < args.size(); ++i) env[j.invars[i]] = args[i];
  auto read = [&](Atom a) {
    return a.is_literal() ? cx.tracer(j.literals[a.index()]) : env[a.index()];
  };
  Trace& home = home_of(cx, args);
  KeepLocation keep(cx);
  for (size_t k = 0; k < j.eqns.size(); ++k) {
    const Eqn& e = j.eqns[k];
    Tracers in;
    for (Atom a : j.operands(e)) in.push_back(read(a));
    if (j.locations[k]) cx.location = j.locations[k];
    Tracers out;
    try {
      out = bind_at(home, *e.primitive, in, ParamsRef(e.params));
    } catch (Error& error) {
      note_equation(error, j, k);
      throw;
    }
    for (size_t i = 0; i < out.size(); ++i) env[e.first_result + i] = std::move(out[i]);
  }
  Tracers out;
  for (Atom a : j.outs) out.push_back(read(a));
  return out;
}

}  // namespace jv
