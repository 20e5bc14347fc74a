// checkpoint's linear equation takes the call's operands and what was kept, and holds both the
// recomputation of the residuals and the linear part: its transpose runs the one before the other.
#include "control/checkpoint.hpp"

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {

Tracers checkpoint(Context& cx, Trace& at, const StageTrace::Closed& f, Operands args, Keep keep) {
  const char* words[] = {"None", "dots", "named"};
  ParamsRef params = cx.session().params().make(
      checkpoint_p.sig, {false, Object(f.jaxpr), std::string(words[size_t(keep)]), true});
  return bind_at(at, checkpoint_p, join(f.captured, args), params);
}

Tracer named(Trace& at, const Tracer& x, const std::string& name) {
  ParamsRef params = at.cx.session().params().make(name_p.sig, {name});
  return bind_at(at, name_p, Operands(&x, 1), params)[0];
}

namespace {

bool is_kept(const Eqn& e, const std::string& policy) {
  if (effects_of(e) != Effects::none) return true;  // it does not happen again
  if (policy == "dots") return e.primitive == &dot_general_p;
  return policy == "named" && e.primitive == &name_p;
}

std::vector<Var> kept_vars(const Jaxpr& j, const std::string& policy) {
  std::vector<Var> kept;
  for (const Eqn& e : j.eqns)
    if (is_kept(e, policy))
      for (Var v = e.first_result; v < e.first_result + e.n_results; ++v) kept.push_back(v);
  return kept;
}

// Does a rule in it give another value where it is differentiated?
bool holds_rule(const Jaxpr& j) {
  bool any = false;
  for (const Eqn& e : j.eqns) {
    any = any || e.primitive->unlinked;
    for_sub_jaxprs(*e.params, [&](const Jaxpr& sub) { any = any || holds_rule(sub); });
  }
  return any;
}

// The first n outputs, then the kept values.
JaxprRef values_and_kept(const Jaxpr& j, size_t n, const std::vector<Var>& kept) {
  auto part = make_ref<Jaxpr>(j);
  part->outs.resize(n);
  for (Var v : kept) part->outs.push_back(Atom::var(v));
  return simplify(part);
}

// The forward pass of j, given its linearization: the values are those of j, where primals of rules
// run, and not their fwds. `quiet`: the linearization without effects, where nothing runs twice.
JaxprRef forward_part(Context& cx, const Jaxpr& j, const Jaxpr& whole, const Jaxpr& quiet,
                      const std::vector<Var>& kept) {
  size_t n = j.outs.size();
  if (!holds_rule(j) || quiet.effects != Effects::none) return values_and_kept(whole, n, kept);
  JaxprRef part = values_and_kept(quiet, 0, kept);
  auto both = stage(cx, in_avals(whole), [&](Operands a) {
    Tracers values = eval_jaxpr(cx, j, a.subspan(a.size() - j.invars.size()));
    return join(values, eval_jaxpr(cx, *part, a));
  });
  return simplify(both.jaxpr);
}

void drop_effects(Jaxpr& j) {
  size_t n = 0;
  for (size_t k = 0; k < j.eqns.size(); ++k)
    if (effects_of(j.eqns[k]) == Effects::none)
      j.eqns[n] = j.eqns[k], j.locations[n++] = j.locations[k];
  j.eqns.resize(n);
  j.locations.resize(n);
  j.effects = Effects::none;
}

// What is computed again: the outputs from the n-th on; the kept values are inputs.
JaxprRef again_part(const Jaxpr& j, size_t n, const std::vector<Var>& kept) {
  auto part = make_ref<Jaxpr>(j);
  part->outs.assign(j.outs.begin() + ptrdiff_t(n), j.outs.end());
  std::vector<Atom> now(j.vars.size());
  for (Var v = 0; v < j.vars.size(); ++v) now[v] = Atom::var(v);
  for (Var v : kept) now[v] = Atom::var(part->add_input(j.vars[v]));
  auto replace = [&](Atom& a) {
    if (!a.is_literal()) a = now[a.index()];
  };
  for (Atom& a : part->atoms) replace(a);
  for (Atom& a : part->outs) replace(a);
  drop_effects(*part);
  return simplify(part);  // the other equations that made kept values are dead now
}

Dual checkpoint_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                          const Params& params) {
  Retracing retracing(t);
  Context& cx = t.cx;
  const Jaxpr& j = jaxpr_param(params, "jaxpr");
  if (!t.linearizing()) {
    Dual d = call_jvp(t, p, x, dx, params);
    JaxprRef quiet = silent(j);
    if (holds_rule(j) && quiet->effects == Effects::none)
      d.y = call_again(cx, p, params, {quiet, {}}, x);
    return d;
  }
  std::vector<uint32_t> origins = t.origins();
  Linearized l;
  auto whole = stage(cx, avals_of(x), [&](Operands a) {
    l = linearize(cx, Interpret{cx, j}, a, nonzero(dx), t.verb(), origins);
    return join(l.out, l.residuals);
  });
  size_t n = j.outs.size();
  JaxprRef quiet = silent(*whole.jaxpr);
  std::vector<Var> kept = kept_vars(*quiet, params.word("policy"));
  JaxprRef forward = forward_part(cx, j, *whole.jaxpr, *quiet, kept);
  Tracers outs = call_again(cx, p, params, {forward, whole.captured}, x);
  Tracers y(outs.subspan(0, n));
  JaxprRef again = again_part(*quiet, n, kept);
  Tracers known = join(whole.captured, x, outs.subspan(n));
  Tracers operands = join(known, present(dx));
  auto linear = stage(cx, avals_of(operands), [&](Operands a) {
    Tracers residuals = eval_jaxpr(cx, *again, a.subspan(0, known.size()));
    return eval_jaxpr(cx, *l.linear, join(residuals, a.subspan(known.size())));
  });
  if (!any(l.has_tangent)) return {y, Tracers(n)};
  return {y, spread(l.has_tangent, call_again(cx, p, params, linear, operands))};
}

}  // namespace

constexpr Primitive checkpoint_p = define({
    .name = "checkpoint",
    .signature = "operands'..., differentiated: bool, jaxpr: jaxpr, policy: word, "
                 "prevent_cse: bool",
    .doc = "Runs a jaxpr, and again for its derivative.",
    .linearity = Linearity::linear,
    .abstract_eval = call_aval,
    .expand = call_expand,
    .linearize = checkpoint_linearize,
    .transpose_all = call_transpose,
    .batch_all = call_batch,
    .dce = call_dce,
    .internal = true,
});

constexpr Primitive name_p = define({
    .name = "name",
    .signature = "x', name: word",
    .doc = "x itself, marked as worth keeping.",
    .linearity = Linearity::linear,
    .abstract_eval = [](auto&, auto in, auto&, auto& out) { out.push_back(in[0]); },
    .eval = [](const EvalArgs& a) { a.out[0] = a.in[0]; },
    .transpose = [](auto& ct, auto, auto, auto, auto&) -> Tracer { return ct; },
    .batch = [](auto& p, auto in, auto, auto& params) -> Tracer {
      return bind1(p, Operands(&in[0].value, 1), ParamsRef(&params));
    },
    .internal = true,
});

}  // namespace jv
