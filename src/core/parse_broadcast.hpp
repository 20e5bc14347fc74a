// In JAX an operation without parameters takes numbers, and axes of size 1, among arrays; ours take
// equal shapes. The parser gives such operands a broadcast_in_dim of their own.
#pragma once
#include <span>

#include "core/jaxpr.hpp"

namespace jv {

// Adds the equations that bring the operands to the shape `to`. False, and nothing is changed, when
// all have it or one of them has neither rank 0 nor axes that stretch.
bool broadcast_operands(Jaxpr& j, const Primitive& broadcast_in_dim, std::span<Atom> operands,
                        const Shape& to);

}  // namespace jv
