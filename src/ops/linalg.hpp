// Linear algebra under NumPy's names. Exported to C as numpy.hpp says.
#pragma once
#include "primitives/ops.hpp"

namespace jv::linalg {

// z with x z = y, by LU factorisation with partial pivoting. x: matrices [..., n, n]; y: a vector
// [n] or matrices [..., n, k]; leading axes broadcast. A singular x gives inf or NaN. f32, f64.
// C: operation
Tracer solve(const Tracer& x, const Tracer& y);

// x [..., m, n] with zeros above (below) the k-th diagonal.
Tracer tril(const Tracer& x, int64_t k);
Tracer triu(const Tracer& x, int64_t k);
// The product of matrices, leading axes equal.
Tracer matmul(const Tracer& x, const Tracer& y);
// Rows in another order, row i being x's row permutation[..., i]: a product with a matrix of zeros
// and ones.
Tracer permute_rows(const Tracer& x, const Tracer& permutation);

}  // namespace jv::linalg
