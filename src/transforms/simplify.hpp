// Simplification: equations that nobody needs go, equal ones are shared, constants fold in the
// program's own dtype, and exact algebra is applied. Inputs and outputs stay as they are. Linear in
// the size of the jaxpr.
#pragma once
#include "transforms/jvp.hpp"

namespace jv {

JaxprRef simplify(const JaxprRef& j);

// Simplifies the linear half; residuals that it no longer uses are dropped.
void simplify_linear(Linearized& l);

}  // namespace jv
