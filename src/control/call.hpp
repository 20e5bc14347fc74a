// call: an equation that holds a jaxpr; what jit records.
#pragma once
#include "trace/stage.hpp"

namespace jv {

extern const Primitive call_p;

// Binds `call` of a closed jaxpr: the captured values, then the arguments.
Tracers call(const StageTrace::Closed& f, Operands args, const std::string& name, Trace& at);

// Operands of other number or types than the inputs of the jaxpr that an equation holds: an Error.
void check_call(const char* name, const Jaxpr& j, std::span<const Aval> in);
Avals avals_of(Operands t);
// Types of a jaxpr's results.
Avals out_avals(const Jaxpr& j);

}  // namespace jv
