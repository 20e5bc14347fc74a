// What the calls of rules of all kinds share: an equation whose parameters hold the rule, and, once
// it is recorded, the primal as a jaxpr. What that captured leads the operands (num_consts of
// them).
#pragma once
#include <functional>

#include "control/call.hpp"
#include "rules/rule.hpp"

namespace jv {

const Jaxpr* primal_jaxpr(const Params& p);  // null where the call is not recorded
// The parameters of a call: of a recorded one with `primal`, else with {}.
ParamsRef call_params(Context& cx, const Signature& sig, const Ref<const CallRule>& rule,
                      const StageTrace::Closed& primal);

void custom_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out);
Tracers custom_expand(Context& cx, const Primitive& p, Operands operands, const Params& params);
void custom_stage(StageTrace& t, Tracers& operands, ParamsRef& params);
// A call of `rule` in place of a recorded one whose operands are mapped: its primal is the batched
// one, and all its results are mapped.
Tracers bind_batched(BatchTrace& t, const Primitive& p, const Ref<const CallRule>& rule,
                     MappedOperands in, const Params& params);

// What a recorded primal captured are its leading operands: a rule has no derivative for them.
void refuse_consts(const JvpTrace& t, const Params& params, Operands dx);
// What a rule's function returned, as values below the trace that differentiates its call.
void below(const JvpTrace& t, Tracers& values, std::string_view rule, const char* function);

// Records one function of a rule for inputs of these types.
using RecordFunction =
    std::function<JaxprRef(std::span<const Aval> in, const std::string& rule, const char* function,
                           const std::function<Tracers(Operands)>& f)>;
// custom_lin holds what fwd kept, which no module can say: the equation becomes custom_lin_jaxprs.
void freeze_custom_lin(Context& cx, const Jaxpr& j, Eqn& e, std::vector<Param>& values,
                       const RecordFunction& record);

}  // namespace jv
