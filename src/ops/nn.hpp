// Functions of neural networks, under JAX's names. Exported to C as numpy.hpp says.
#pragma once
#include "ops/axes.hpp"
#include "primitives/ops.hpp"

namespace jv::nn {

// x where it is positive, 0 elsewhere. Its derivative at 0 is 0.
// C: operation
Tracer relu(const Tracer& x);

// 1 / (1 + exp(-x)) of each element.
// C: operation
Tracer sigmoid(const Tracer& x);

// log(1 + exp(x)) of each element, without overflow; right in every derivative.
// C: operation
Tracer softplus(const Tracer& x);

// log(sum(exp(x))) over axes; none: all. Without overflow; -inf where all elements are.
// C: operation
Tracer logsumexp(const Tracer& x, const Axes& axes);

// exp(x) / sum(exp(x)) along an axis, without overflow.
// C: operation
Tracer softmax(const Tracer& x, int64_t axis);

// log(softmax(x)) along an axis, without overflow.
// C: operation
Tracer log_softmax(const Tracer& x, int64_t axis);

}  // namespace jv::nn
