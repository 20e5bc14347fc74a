// call: an equation that holds a jaxpr; what jit records.
#pragma once
#include "trace/stage.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"

namespace jv {

// The rules of any primitive that holds one jaxpr and runs it as it is.
void call_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out);
Tracers call_expand(Context& cx, const Primitive& p, Operands operands, const Params& params);
Dual call_jvp(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params);
void call_transpose(Context& cx, const Primitive& p, Operands ct, Operands x,
                    std::span<const Aval> in, const Params& params, Tracers& back);
Batched call_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params);
Pruned call_dce(Simplifier& s, const Params& params, std::span<const bool> used);
// The same equation around another jaxpr.
Tracers call_again(Context& cx, const Primitive& p, const Params& params,
                   const StageTrace::Closed& f, Operands args);

// Operands of other number or types than the inputs of the jaxpr that an equation holds, or than
// these: an Error.
void check_call(const char* name, const Jaxpr& j, std::span<const Aval> in);
void check_call(const char* name, std::span<const Aval> wanted, std::span<const Aval> in);
Avals avals_of(Operands t);

}  // namespace jv
