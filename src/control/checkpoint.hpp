// checkpoint: a call that keeps few residuals and computes the others again in the backward pass.
#pragma once
#include "control/flow.hpp"

namespace jv {

// What the forward pass keeps beside the call's operands.
enum class Keep { nothing, dots, named };

Tracers checkpoint(Context& cx, Trace& at, const StageTrace::Closed& f, Operands args, Keep keep);
// x itself, marked as worth keeping.
Tracer named(Trace& at, const Tracer& x, const std::string& name);

}  // namespace jv
