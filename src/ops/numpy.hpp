// NumPy's functions, written with primitives. Shapes are as strict as theirs: what is elementwise
// takes equal shapes, and broadcast_to makes them so.
//
// tools/gen_ops.py reads the declarations that follow a line `// C: kind [name]` and writes a C
// function for each, documented by the comment above that line. Kinds: operation (operands as they
// are), elementwise (operands broadcast to one shape first), creation (no operands).
#pragma once
#include "ops/axes.hpp"
#include "primitives/ops.hpp"

namespace jv::np {

// --- making arrays -------------------------------------------------------------------------------

// An array of zeros.
// C: creation
Tracer zeros(Trace& at, DType dtype, const Ints& shape);

// An array of ones.
// C: creation
Tracer ones(Trace& at, DType dtype, const Ints& shape);

// An array of one number. DTYPE if the type cannot hold it: a fraction or out of range for
// integers, an overflow for floats.
// C: creation
Tracer full(Trace& at, DType dtype, const Ints& shape, double number);

// 0, 1 ... stop - 1.
// C: creation
Tracer arange(Trace& at, DType dtype, int64_t stop);

// The identity matrix of n rows.
// C: creation
Tracer eye(Trace& at, DType dtype, int64_t n);

// --- choosing ------------------------------------------------------------------------------------

// x where the condition holds (is true, or not zero), y elsewhere.
// C: elementwise
Tracer where(const Tracer& condition, const Tracer& x, const Tracer& y);

// x no smaller than low and no larger than high, each element.
// C: elementwise
Tracer clip(const Tracer& x, const Tracer& low, const Tracer& high);

// Whether both are true (not zero), each element.
// C: elementwise
Tracer logical_and(const Tracer& x, const Tracer& y);

// Whether one of both is true (not zero), each element.
// C: elementwise
Tracer logical_or(const Tracer& x, const Tracer& y);

// Whether it is false (zero), each element.
// C: operation
Tracer logical_not(const Tracer& x);

// The elements as another type. Floats to integers truncate and saturate, NaN gives 0; to
// JAXVJP_BOOL: whether it is not 0. Between floats it has a derivative.
// C: operation
Tracer convert(const Tracer& x, DType dtype);

// --- reductions ----------------------------------------------------------------------------------

// Sum over axes; none: all. Booleans are counted, as i64.
// C: operation
Tracer sum(const Tracer& x, const Axes& axes);

// Mean over axes; none: all. Floats only.
// C: operation
Tracer mean(const Tracer& x, const Axes& axes);

// Variance over axes; none: all. The mean of the squared distances from the mean. Floats only.
// C: operation
Tracer var(const Tracer& x, const Axes& axes);

// Largest element over axes; none: all. NaN if any is; SHAPE where there are no elements. Elements
// that tie share the derivative.
// C: operation
Tracer max(const Tracer& x, const Axes& axes);

// Smallest element over axes; none: all. NaN if any is; SHAPE where there are no elements. Elements
// that tie share the derivative.
// C: operation
Tracer min(const Tracer& x, const Axes& axes);

// --- shapes --------------------------------------------------------------------------------------

// The same elements under another shape; one size may be -1: what remains.
// C: operation
Tracer reshape(const Tracer& x, const Ints& shape);

// x repeated to a shape, NumPy's way: axes are compared from the last on, and those of size 1 and
// those that are missing are repeated.
// C: operation
Tracer broadcast_to(const Tracer& x, const Ints& shape);

// x with its axes in another order; none: reversed.
// C: operation
Tracer transpose(const Tracer& x, const Axes& axes);

// x with its last two axes exchanged.
// C: operation
Tracer matrix_transpose(const Tracer& x);

// x without these axes of size 1; none: without all of them.
// C: operation
Tracer squeeze(const Tracer& x, const Axes& axes);

// x with new axes of size 1, at these places of the result.
// C: operation
Tracer expand_dims(const Tracer& x, const Ints& axes);

// Arrays one after the other along an axis that they have.
// C: operation
Tracer concatenate(Operands arrays, int64_t axis);

// Arrays of one shape along a new axis.
// C: operation
Tracer stack(Operands arrays, int64_t axis);

// --- products ------------------------------------------------------------------------------------

// The product of two matrices; axes before the last two are batch axes and broadcast. A vector is a
// row on the left and a column on the right, and loses that axis again.
// C: operation
Tracer matmul(const Tracer& x, const Tracer& y);

// Sums of products over x's last axis and y's last but one (its only one, of a vector); with a
// scalar, the product.
// C: operation
Tracer dot(const Tracer& x, const Tracer& y);

// --- for other operations ------------------------------------------------------------------------

// The shape that operands of these types broadcast to.
Ints broadcast_shape(const char* name, std::span<const Aval> in);
// A reduction over these axes (ascending) repeated to the shape it was made from.
Tracer repeat(const Tracer& reduced, const Shape& shape, const Ints& axes);
// Booleans: which elements are not zero.
Tracer truth(const Tracer& x);

}  // namespace jv::np
