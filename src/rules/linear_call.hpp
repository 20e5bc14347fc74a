// linear_call: a linear function together with its transpose, each a jaxpr of (known...,
// linear...).
#pragma once
#include "control/flow.hpp"

namespace jv {

// `function` takes the residuals and the linear arguments, `transpose` the residuals and cotangents
// of the results.
Tracers linear_call(Context& cx, Trace& at, const StageTrace::Closed& function,
                    const StageTrace::Closed& transpose, Operands residuals, Operands linear);

}  // namespace jv
