#include "rules/custom_call.hpp"

#include "control/flow.hpp"
#include "primitives/define.hpp"

namespace jv {

static Ref<const CallRule> rule_of(const Params& p) {
  return Ref<const CallRule>(&p.object<CallRule>("rule"));
}

const Jaxpr* primal_jaxpr(const Params& p) {
  return std::holds_alternative<Object>(p["call_jaxpr"]) ? &jaxpr_param(p, "call_jaxpr") : nullptr;
}

ParamsRef call_params(Context& cx, const Signature& sig, const Ref<const CallRule>& rule,
                      const StageTrace::Closed& primal) {
  auto value = [&](std::string_view name) -> Param {
    if (name == "call_jaxpr") return primal.jaxpr ? Param(Object(primal.jaxpr)) : Param();
    if (name == "name") return rule->name();
    if (name == "num_consts") return int64_t(primal.captured.size());
    if (name == "rule") return Object(rule);
    if (name == "symbolic_zeros") return static_cast<const CustomRule&>(*rule).symbolic_zeros();
    return str(rule->name(), "_", name);  // the rule's functions
  };
  std::vector<Param> values;
  for (size_t i = 0; i < sig.n_params; ++i) values.push_back(value(sig.params[i].name));
  return cx.session().params().make(sig, std::move(values));
}

void custom_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  const Jaxpr& j = *primal_jaxpr(params);
  check_call("custom call", j, in);
  if (params.integer("num_consts") < 0 || n_captured(params) > in.size())
    fail(Code::invalid_argument, "custom call: num_consts is ", params.integer("num_consts"),
         " of ", in.size(), " operands");
  out = out_avals(j);
}

Tracers custom_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  if (const Jaxpr* j = primal_jaxpr(params)) return run_jaxpr(cx, *j, operands);
  Ref<const CallRule> rule = rule_of(params);
  RunningRule running(cx, rule->name(), "primal", 1, cx.top().depth);
  return rule->primal(cx, operands);
}

// A call that is recorded holds its primal as a jaxpr, with what the primal captures as leading
// operands.
void custom_stage(StageTrace& t, Tracers& operands, ParamsRef& params) {
  if (primal_jaxpr(*params)) return;
  Ref<const CallRule> rule = rule_of(*params);
  auto closed =
      stage(t.cx, avals_of(operands), [&](Operands args) { return rule->primal(t.cx, args); });
  params = call_params(t.cx, *params->signature, rule, closed);
  operands = join(closed.captured, operands);
}

Tracers bind_batched(BatchTrace& t, const Primitive& p, const Ref<const CallRule>& rule,
                     MappedOperands in, const Params& params) {
  Tracers operands = values_of(in);
  auto closed = mapped_jaxpr(t, *primal_jaxpr(params), mapped_of(in));
  Tracers all = join(closed.captured, operands);
  closed.captured.append(operands.subspan(0, n_captured(params)));
  return bind_at(home_of(t.cx, all), p, all, call_params(t.cx, p.sig, rule, closed));
}

void refuse_consts(const JvpTrace& t, const Params& params, Operands dx) {
  for (size_t i = 0; i < n_captured(params); ++i)
    if (dx[i]) fail_closure(t.operands()[i], params.word("name"), "primal");
}

void below(const JvpTrace& t, Tracers& values, std::string_view rule, const char* function) {
  t.check_closures(values, rule, function);
  for (Tracer& v : values)
    if (v) v = t.x(v);
}

}  // namespace jv
