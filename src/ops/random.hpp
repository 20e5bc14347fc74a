// Random numbers as functions of keys, with the bits that jax.random gives (Threefry-2x32,
// jax_threefry_partitionable=True). A key is u32[2]. Exported to C as numpy.hpp says.
#pragma once
#include "primitives/ops.hpp"

namespace jv::random {

// The key of a seed.
// C: creation random_key
Tracer key(Trace& at, uint64_t seed);

// n new keys, u32[n, 2], as good as independent of each other and of the old one.
// C: operation random_split
Tracer split(const Tracer& key, int64_t n);

// A new key for each number, an integer scalar: of a step or an item, say.
// C: operation random_fold_in
Tracer fold_in(const Tracer& key, const Tracer& number);

// Uniformly distributed numbers, 0 <= x < 1.
// C: operation random_uniform
Tracer uniform(const Tracer& key, DType dtype, const Ints& shape);

// Normally distributed numbers, of mean 0 and variance 1.
// C: operation random_normal
Tracer normal(const Tracer& key, DType dtype, const Ints& shape);

// Uniformly distributed numbers, low <= x < high.
Tracer uniform(const Tracer& key, DType dtype, const Ints& shape, double low, double high);

}  // namespace jv::random
