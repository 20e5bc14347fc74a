// while: a body that runs as long as a condition holds.
#pragma once
#include "control/flow.hpp"

namespace jv {

// Both take the carry; the condition gives a bool, the body the next carry.
Tracers while_loop(Context& cx, Trace& at, const StageTrace::Closed& condition,
                   const StageTrace::Closed& body, Operands init);

}  // namespace jv
