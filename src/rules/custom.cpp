// Custom rules are equations. Without a tangent a call stays a call; with one, linearize runs fwd
// below and records custom_lin (custom_lin.cpp), whose transpose is bwd. fwd and bwd are ordinary
// traced code, so that their results differentiate again.
#include "control/flow.hpp"
#include "primitives/define.hpp"
#include "rules/custom_call.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

// ---- the call

namespace {

CustomRuleRef rule_of(const Params& p) { return CustomRuleRef(&p.object<CustomRule>("rule")); }

Tracers bind_call(const Primitive& p, const CustomRuleRef& rule, Context& cx, Operands args,
                  Trace& at) {
  return bind_at(at, p, args, call_params(cx, p.sig, rule, {}));
}

Batched custom_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  Flags mapped = mapped_of(in.subspan(n_captured(params)));
  BatchTrace* by = primal_jaxpr(params) ? nullptr : &t;
  CustomRuleRef rule = batch_rule(rule_of(params), mapped, t.size, by);
  if (primal_jaxpr(params)) return each_mapped(bind_batched(t, p, rule, in, params));
  Tracers operands = values_of(in);
  return each_mapped(bind_call(p, rule, t.cx, operands, home_of(t.cx, operands)));
}

// Outputs that nobody uses go, and what they alone needed; arguments stay, because bwd may need
// them.
Pruned custom_dce(Simplifier& s, const Params& params, std::span<const bool> used) {
  const Jaxpr& j = *primal_jaxpr(params);
  Flags all(j.invars.size(), true);
  JaxprRef part = s.prune(j, used, all).jaxpr;
  ParamsRef pruned = with_param(s.session, params, "call_jaxpr", Object(part));
  if (part->outs.size() < j.outs.size()) {
    CustomRuleRef rule = prune_rule(rule_of(params), Flags(used), out_avals(j));
    pruned = with_param(s.session, *pruned, "rule", Object(rule));
  }
  return {pruned, all, Flags(used)};
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

Dual vjp_linearize(JvpTrace& t, const Primitive&, Operands operands, Operands tangents,
                   const Params& params) {
  refuse_consts(t, params, tangents);
  CustomRuleRef rule = rule_of(params);
  Operands x = operands.subspan(n_captured(params)), dx = tangents.subspan(n_captured(params));
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

// ---- custom_jvp

Dual jvp_linearize(JvpTrace& t, const Primitive&, Operands operands, Operands tangents,
                   const Params& params) {
  refuse_consts(t, params, tangents);
  size_t n = n_captured(params);
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

Tracers custom_vjp_call(const CustomRuleRef& rule, Context& cx, Operands args, Trace& at) {
  return bind_call(custom_vjp_call_p, rule, cx, args, at);
}
Tracers custom_jvp_call(const CustomRuleRef& rule, Context& cx, Operands args, Trace& at) {
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

}  // namespace jv
