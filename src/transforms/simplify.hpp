// Simplification: equations that nobody needs go, equal ones are shared, constants fold in the
// program's own dtype, and exact algebra is applied. Inputs and outputs stay as they are. Linear in
// the size of the jaxpr.
#pragma once
#include "transforms/jvp.hpp"

namespace jv {

JaxprRef simplify(const JaxprRef& j);

// The jaxpr with only the outputs that `used` marks, simplified, and without inputs that these do
// not need. `inputs`: those kept; the ones that it marks already (if it is not empty) are.
JaxprRef prune(const Jaxpr& j, std::span<const bool> used, Flags& inputs);
// The inputs that those outputs need, effects included.
Flags needed_inputs(const Jaxpr& j, std::span<const bool> used);

// Without the equations that do nothing but have an effect, those of jaxprs inside equations too:
// for what computes values again. What is left with effects gives results that nothing else can.
JaxprRef silent(const Jaxpr& j);

// Simplifies the linear half; residuals that it no longer uses are dropped.
void simplify_linear(Linearized& l);

}  // namespace jv
