// Row-major strides, and shapes with an axis more or less.
#pragma once
#include "core/array.hpp"
#include "kernels/kernels.hpp"

namespace jv {

// In elements: the last axis is dense.
Ints row_major(std::span<const int64_t> shape);
// Axes 0 ... ndim - 1 that are not among these.
Ints other_axes(std::span<const int64_t> axes, size_t ndim);
// (first, items...)
Ints prepend(int64_t first, std::span<const int64_t> items);
// (0, axes + 1...): where axes are once a batch axis has been put in front of them.
Ints behind_batch(std::span<const int64_t> axes);
Ints shifted(std::span<const int64_t> axes, int64_t by);
bool is_identity(std::span<const int64_t> permutation);
// Where each entry of a permutation stands.
Ints inverse(std::span<const int64_t> permutation);
Ints permuted(std::span<const int64_t> items, std::span<const int64_t> permutation);

// A dense copy whose axis i is the operand's axis permutation[i]; the operand itself where that
// is what it is.
Array permuted(Session& session, const Array& x, std::span<const int64_t> permutation);

// Copies `shape` elements between two places of arrays, offsets and strides in elements.
struct Place {
  int64_t offset = 0;
  Ints strides;
};
void copy(size_t itemsize, std::span<const int64_t> shape, const void* src, const Place& from,
          void* dst, const Place& to);

}  // namespace jv
