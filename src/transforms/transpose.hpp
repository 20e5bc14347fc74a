// Reverse mode: a linear jaxpr walked backwards. Its rules run in the trace that asks, so that
// cotangents are numbers when it has them; a variable's cotangent is dropped as soon as its
// equation has been transposed.
#pragma once
#include "trace/trace.hpp"

namespace jv {

// Cotangents of the inputs of `j` that `known` leaves null (the linear ones), from those of its
// outputs. Null is zero, in and out.
Tracers transpose(Context& cx, const Jaxpr& j, Operands known, Operands cts);
// The same, and NO_TRANSPOSE first where an equation that is needed has none.
Tracers checked_transpose(Context& cx, const Jaxpr& j, Operands known, Operands cts);

// NO_TRANSPOSE where an equation of the linear jaxpr cannot be transposed. Asked when reverse mode
// begins, not by the pullback.
void check_transposable(const Jaxpr& linear, std::span<const bool> known);
// The same where the leading inputs are known: residuals.
void check_transposable(const Jaxpr& linear, size_t n_known);

}  // namespace jv
