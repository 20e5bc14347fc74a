// Custom rules are equations. Without a tangent a call stays a call; with one, linearize runs fwd
// below and records custom_lin, whose transpose is bwd. fwd and bwd are ordinary traced code, so
// that their results differentiate again.
#include "control/flow.hpp"
#include "primitives/define.hpp"
#include "rules/custom_call.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

// ---- the call

namespace {

RuleRef rule_of(const Params& p) { return RuleRef(&p.object<CustomRule>("rule")); }

Tracers bind_call(const Primitive& p, const RuleRef& rule, Context& cx, Operands args, Trace& at) {
  return bind_at(at, p, args, call_params(cx, p.sig, rule, {}));
}

Batched custom_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  RuleRef rule = batch_rule(rule_of(params), mapped_of(in.subspan(n_consts(params))), t.size);
  if (primal_jaxpr(params)) return each_mapped(bind_batched(t, p, rule, in, params));
  Tracers operands = values_of(in);
  return each_mapped(bind_call(p, rule, t.cx, operands, home_of(t.cx, operands)));
}

// Outputs that nobody uses go, and what they alone needed; arguments stay, because bwd may need
// them.
Pruned custom_dce(Session& session, const Params& params, std::span<const bool> used) {
  const Jaxpr& j = *primal_jaxpr(params);
  auto part = make_ref<Jaxpr>(j);
  part->outs.clear();
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i]) part->outs.push_back(j.outs[i]);
  ParamsRef pruned = with_param(session, params, "call_jaxpr", Object(simplify(part)));
  if (part->outs.size() < j.outs.size()) {
    RuleRef rule = prune_rule(rule_of(params), Flags(used), out_avals(j));
    pruned = with_param(session, *pruned, "rule", Object(rule));
  }
  return {pruned, Flags(j.invars.size(), true), Flags(used)};
}

Object unlinked(const std::string& name, size_t slot) { return unlinked_rule(name, slot); }

Dual run_jvp_rule(const JvpTrace& t, const CustomRule& rule, Operands x, Operands dx) {
  Dual d;
  {
    RunningRule running(t.cx, rule.name(), "jvp rule", t.depth, t.depth);
    d = rule.jvp(t.cx, x, dx);
  }
  below(t, d.y, rule.name(), "jvp rule");
  below(t, d.dy, rule.name(), "jvp rule");
  return d;
}

// ---- custom_lin: the linear half of a differentiated call

// What the equation needs besides its operands.
struct LinearCall final : RefCounted {
  RuleRef rule;
  CustomRule::Residuals residuals;  // the structure; its leaves are operands
  Avals in, out;                    // types of the call's arguments and results
  Flags perturbed;                  // arguments with a tangent
  size_t n_residuals =
      0;  // operands: residuals, arguments (where the rule has a forward mode), tangents
  bool has_args = false;
  size_t first_tangent() const { return n_residuals + (has_args ? in.size() : 0); }
};
const LinearCall& linear_call(const Params& p) { return p.object<LinearCall>("info"); }

Tracers bind_lin(Context& cx, const Ref<LinearCall>& c, Operands operands) {
  Ints zeros;
  for (bool p : c->perturbed) zeros.push_back(!p);
  ParamsRef params = cx.session().params().make(
      custom_lin_p.sig, {c->rule->name() + "_bwd", zeros, Object(c), int64_t(c->n_residuals),
                         c->rule->symbolic_zeros()});
  return bind_at(home_of(cx, operands), custom_lin_p, operands, params);
}

Dual vjp_linearize(JvpTrace& t, const Primitive&, Operands operands, Operands tangents,
                   const Params& params) {
  refuse_consts(t, params, tangents);
  RuleRef rule = rule_of(params);
  Operands x = operands.subspan(n_consts(params)), dx = tangents.subspan(n_consts(params));
  if (!t.linearizing()) {
    check_forward(t, *rule);
    return run_jvp_rule(t, *rule, x, dx);
  }
  Tracers y;
  CustomRule::Residuals residuals;
  {
    RunningRule running(t.cx, rule->name(), "fwd", t.depth, t.depth);
    residuals = rule->fwd(t.cx, x, nonzero(dx), y);
  }
  below(t, y, rule->name(), "fwd");
  below(t, residuals.leaves, rule->name(), "fwd");
  return {y, custom_tangents(t, rule, std::move(residuals), x, dx, y)};
}

void lin_aval(Session& session, std::span<const Aval>, const Params& params, Avals& out) {
  const LinearCall& c = linear_call(params);
  out = tangent_avals(session, pick(c.out, floats(c.out)));
}

// Applied forward: the rule's own forward mode at the saved arguments.
Tracers lin_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  const LinearCall& c = linear_call(params);
  if (!c.has_args)
    fail(Code::fwd_mode, c.rule->name(),
         ": a custom rule without a forward mode cannot be differentiated forward; ",
         c.rule->how_forward());
  Operands x = operands.subspan(c.n_residuals, c.in.size());
  Dual d = c.rule->jvp(cx, x, spread(c.perturbed, operands.subspan(c.first_tangent())));
  for (size_t i = 0; i < d.y.size(); ++i)
    if (!d.dy[i] && c.out[i]->is_float()) d.dy[i] = zeros_like(d.y[i]);
  return pick(d.dy, floats(c.out));
}

// Applied forward to values that are themselves differentiated: what it does is done in their
// trace.
Dual lin_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params) {
  Tracers operands;
  Dual d;
  for (size_t i = 0; i < x.size(); ++i) operands.push_back(t.put(x[i], dx[i]));
  for (const Tracer& o : lin_expand(t.cx, p, operands, params))
    d.y.push_back(t.x(o)), d.dy.push_back(t.dx(o));
  return d;
}

Batched lin_batch(BatchTrace& t, const Primitive&, MappedOperands in, const Params& params) {
  const LinearCall& c = linear_call(params);
  auto batched = make_ref<LinearCall>(c);
  MappedOperands residuals = in.subspan(0, c.n_residuals), rest = in.subspan(c.n_residuals);
  Tracers operands =
      join(values_of(residuals), materialised(rest, Flags(rest.size(), true), t.size));
  auto grow = [&](Avals& avals) {
    for (Aval& aval : avals) aval = stacked(t.cx.session(), aval, t.size);
  };
  grow(batched->in);
  grow(batched->out);
  batched->rule = batch_rule(c.rule, Flags(c.in.size(), true), t.size);
  batched->residuals.structure = batch_residuals(c.residuals.structure, mapped_of(residuals));
  return each_mapped(bind_lin(t.cx, batched, operands));
}

void lin_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                   const Params& params, Tracers& back) {
  const LinearCall& c = linear_call(params);
  CustomRule::Residuals residuals = c.residuals;
  residuals.leaves = Tracers(x.subspan(0, c.n_residuals));
  Tracers found = c.rule->bwd(cx, residuals, spread(floats(c.out), ct), c.out, c.perturbed);
  back = join(Tracers(c.first_tangent()), pick(found, c.perturbed));
}

// A bwd that runs on zeros too does so for what it does beside giving cotangents.
Effects lin_effects(const Params& params) {
  return linear_call(params).rule->run_on_zero() ? Effects::unordered : Effects::none;
}

// ---- custom_jvp

Dual jvp_linearize(JvpTrace& t, const Primitive&, Operands operands, Operands tangents,
                   const Params& params) {
  refuse_consts(t, params, tangents);
  size_t n = n_consts(params);
  return run_jvp_rule(t, *rule_of(params), operands.subspan(n), tangents.subspan(n));
}

// A call that is linear in its arguments transposes as what it computes.
void jvp_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                   const Params& params, Tracers& back) {
  back = transpose(cx, *primal_jaxpr(params), x, ct);
}

}  // namespace

void check_forward(const JvpTrace& t, const CustomRule& rule) {
  if (t.linearizing() || rule.has_forward()) return;
  fail(Code::fwd_mode, rule.name(),
       ": a custom rule without a forward mode cannot be differentiated by ", t.verb(), "; ",
       rule.how_forward());
}

Tracers custom_tangents(JvpTrace& t, const RuleRef& rule, CustomRule::Residuals residuals,
                        Operands x, Operands dx, Operands y) {
  auto c = make_ref<LinearCall>();
  c->rule = rule;
  c->perturbed = nonzero(dx);
  c->in = avals_of(x);
  c->out = avals_of(y);
  c->has_args = rule->has_forward();
  Tracers all = std::move(residuals.leaves);
  residuals.leaves = {};
  residuals.differentiating = Ref<const Trace>(&t);
  c->residuals = std::move(residuals);
  c->n_residuals = all.size();
  if (c->has_args) all.append(x);
  all.append(present(dx));
  return spread(floats(c->out), bind_lin(t.cx, c, all));
}

Tracers custom_vjp_call(const RuleRef& rule, Context& cx, Operands args, Trace& at) {
  return bind_call(custom_vjp_call_p, rule, cx, args, at);
}
Tracers custom_jvp_call(const RuleRef& rule, Context& cx, Operands args, Trace& at) {
  return bind_call(custom_jvp_call_p, rule, cx, args, at);
}

constexpr Primitive custom_vjp_call_p = define({
    .name = "custom_vjp_call",
    .signature = "operands..., bwd: word, call_jaxpr: jaxpr, fwd: word, name: word, num_consts: "
                 "int, rule: object, "
                 "symbolic_zeros: bool",
    .doc = "A function with a derivative of the user's.",
    .abstract_eval = custom_aval,
    .expand = custom_expand,
    .stage = custom_stage,
    .linearize = vjp_linearize,
    .batch_all = custom_batch,
    .dce = custom_dce,
    .unlinked = unlinked,
    .internal = true,
});

constexpr Primitive custom_jvp_call_p = define({
    .name = "custom_jvp_call",
    .signature =
        "operands'..., call_jaxpr: jaxpr, jvp: word, name: word, num_consts: int, rule: object",
    .doc = "A function with a forward derivative of the user's.",
    .linearity = Linearity::linear,
    .abstract_eval = custom_aval,
    .expand = custom_expand,
    .stage = custom_stage,
    .linearize = jvp_linearize,
    .transpose_all = jvp_transpose,
    .batch_all = custom_batch,
    .dce = custom_dce,
    .unlinked = unlinked,
    .internal = true,
});

constexpr Primitive custom_lin_p = define({
    .name = "custom_lin",
    .signature = "operands'..., bwd: word, in_zeros: flags, info: object, num_res: int, "
                 "symbolic_zeros: bool",
    .doc = "The linear half of a differentiated custom_vjp_call; its transpose is bwd.",
    .linearity = Linearity::linear,
    .abstract_eval = lin_aval,
    .expand = lin_expand,
    .linearize = lin_linearize,
    .transpose_all = lin_transpose,
    .batch_all = lin_batch,
    .effects_of = lin_effects,
    .internal = true,
});

}  // namespace jv
