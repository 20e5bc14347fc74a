// Custom rules are equations. Without a tangent a call stays a call; with one, linearize runs fwd
// below and records custom_lin, whose transpose is bwd. fwd and bwd are ordinary traced code, so
// that their results differentiate again.
#include <algorithm>

#include "control/flow.hpp"
#include "primitives/define.hpp"
#include "rules/custom_call.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

extern const Primitive custom_vjp_call_p, custom_jvp_call_p, custom_lin_p;

// ---- the call

namespace {

RuleRef rule_of(const Params& p) { return RuleRef(&p.object<CustomRule>("rule")); }

Tracers bind_call(const Primitive& p, const RuleRef& rule, Context& cx, Operands args, Trace& at) {
  return bind_at(at, p, args, call_params(cx, p.sig, rule, {}));
}

void custom_batch(BatchTrace& t, const Primitive& p, std::span<const Mapped> in,
                  const Params& params, Small<Mapped, 2>& out) {
  size_t n = n_consts(params);
  Flags mapped = mapped_of(in);
  Tracers operands = values_of(in);
  RuleRef rule =
      batch_rule(rule_of(params), Flags(std::span<const bool>(mapped).subspan(n)), t.size);
  Tracers results = primal_jaxpr(params)
                        ? bind_batched(t, p, rule, in, params)
                        : bind_call(p, rule, t.cx, operands, home_of(t.cx, operands));
  for (Tracer& r : results) out.push_back({std::move(r), true});
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
  return {pruned, Small<bool, 4>(j.invars.size(), true), Small<bool, 4>(used)};
}

Object unlinked(const std::string& name, size_t slot) { return unlinked_rule(name, slot); }

void run_jvp_rule(const JvpTrace& t, const CustomRule& rule, Operands x, Operands dx, Tracers& y,
                  Tracers& dy) {
  {
    RunningRule running(t.cx, rule.name(), "jvp rule", t.depth, t.depth);
    rule.jvp(t.cx, x, dx, y, dy);
  }
  below(t, y, rule.name(), "jvp rule");
  below(t, dy, rule.name(), "jvp rule");
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

void vjp_linearize(JvpTrace& t, const Primitive&, Operands operands, Operands tangents,
                   const Params& params, Tracers& y, Tracers& dy) {
  refuse_consts(t, params, tangents);
  RuleRef rule = rule_of(params);
  Operands x = operands.subspan(n_consts(params)), dx = tangents.subspan(n_consts(params));
  if (!t.linearizing()) {
    check_forward(t, *rule);
    return run_jvp_rule(t, *rule, x, dx, y, dy);
  }
  CustomRule::Residuals residuals;
  {
    RunningRule running(t.cx, rule->name(), "fwd", t.depth, t.depth);
    residuals = rule->fwd(t.cx, x, nonzero(dx), y);
  }
  below(t, y, rule->name(), "fwd");
  below(t, residuals.leaves, rule->name(), "fwd");
  dy = custom_tangents(t, rule, std::move(residuals), x, dx, y);
}

void lin_aval(Session& session, std::span<const Aval>, const Params& params, Avals& out) {
  for (Aval aval : linear_call(params).out)
    if (aval->is_float()) out.push_back(session.tangent(aval));
}

// Applied forward: the rule's own forward mode at the saved arguments.
void lin_expand(Context& cx, const Primitive&, Operands operands, const Params& params,
                Tracers& out) {
  const LinearCall& c = linear_call(params);
  if (!c.has_args)
    fail(Code::fwd_mode, c.rule->name(),
         ": a custom rule without a forward mode cannot be differentiated forward; ",
         c.rule->how_forward());
  Operands x = operands.subspan(c.n_residuals, c.in.size()),
           t = operands.subspan(c.first_tangent());
  Tracers dx, y, dy;
  size_t k = 0;
  for (bool p : c.perturbed) dx.push_back(p ? t[k++] : Tracer());
  c.rule->jvp(cx, x, dx, y, dy);
  for (size_t i = 0; i < y.size(); ++i)
    if (c.out[i]->is_float()) out.push_back(dy[i] ? dy[i] : zeros_like(y[i]));
}

// Applied forward to values that are themselves differentiated: what it does is done in their
// trace.
void lin_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params,
                   Tracers& y, Tracers& dy) {
  Tracers operands, out;
  for (size_t i = 0; i < x.size(); ++i) operands.push_back(t.put(x[i], dx[i]));
  lin_expand(t.cx, p, operands, params, out);
  for (const Tracer& o : out) y.push_back(t.x(o)), dy.push_back(t.dx(o));
}

void lin_batch(BatchTrace& t, const Primitive&, std::span<const Mapped> in, const Params& params,
               Small<Mapped, 2>& out) {
  const LinearCall& c = linear_call(params);
  auto batched = make_ref<LinearCall>(c);
  Tracers operands;
  Flags mapped;
  for (size_t i = 0; i < in.size(); ++i) {
    bool residual = i < c.n_residuals;
    operands.push_back(residual ? in[i].value : materialise(in[i], t.size));
    if (residual) mapped.push_back(in[i].mapped);
  }
  auto grow = [&](Avals& avals) {
    for (Aval& aval : avals) aval = stacked(t.cx.session(), aval, t.size);
  };
  grow(batched->in);
  grow(batched->out);
  batched->rule = batch_rule(c.rule, Flags(c.in.size(), true), t.size);
  batched->residuals.structure = batch_residuals(c.residuals.structure, mapped);
  for (Tracer& r : bind_lin(t.cx, batched, operands)) out.push_back({std::move(r), true});
}

void lin_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                   const Params& params, Tracers& back) {
  const LinearCall& c = linear_call(params);
  Tracers cts;
  size_t k = 0;
  for (Aval aval : c.out) cts.push_back(aval->is_float() ? ct[k++] : Tracer());
  CustomRule::Residuals residuals = c.residuals;
  residuals.leaves = Tracers(x.subspan(0, c.n_residuals));
  Tracers found = c.rule->bwd(cx, residuals, cts, c.out, c.perturbed);
  back = Tracers(c.first_tangent());
  for (size_t i = 0; i < c.perturbed.size(); ++i)
    if (c.perturbed[i]) back.push_back(found[i]);
}

// A bwd that runs on zeros too does so for what it does beside giving cotangents.
Effects lin_effects(const Params& params) {
  return linear_call(params).rule->run_on_zero() ? Effects::unordered : Effects::none;
}

// ---- custom_jvp

void jvp_linearize(JvpTrace& t, const Primitive&, Operands operands, Operands tangents,
                   const Params& params, Tracers& y, Tracers& dy) {
  refuse_consts(t, params, tangents);
  RuleRef rule = rule_of(params);
  size_t n = n_consts(params);
  run_jvp_rule(t, *rule, operands.subspan(n), tangents.subspan(n), y, dy);
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
  Tracers lin = bind_lin(t.cx, c, all), dy;
  size_t k = 0;
  for (const Tracer& out : y) dy.push_back(is_float(out.dtype()) ? lin[k++] : Tracer());
  return dy;
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
