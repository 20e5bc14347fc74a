// call: an equation that holds a jaxpr; what jit records.
#pragma once
#include "trace/stage.hpp"

namespace jv {

extern const Primitive call_p;

// Binds `call` of a closed jaxpr: the captured values, then the arguments.
Tracers call(const StageTrace::Closed& f, Operands args, const std::string& name, Trace& at);

Avals avals_of(Operands t);
// Types of a jaxpr's results.
Avals out_avals(const Jaxpr& j);

}  // namespace jv
