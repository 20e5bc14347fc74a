#include "primitives/strided.hpp"

#include <algorithm>

#include "core/session.hpp"

namespace jv {

Ints row_major(std::span<const int64_t> shape) {
  Ints strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Ints other_axes(std::span<const int64_t> axes, size_t ndim) {
  Ints others;
  for (int64_t i = 0; i < int64_t(ndim); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) others.push_back(i);
  return others;
}

Ints prepend(int64_t first, std::span<const int64_t> items) {
  Ints all{first};
  all.append(items);
  return all;
}

Ints behind_batch(std::span<const int64_t> axes) { return prepend(0, shifted(axes, 1)); }

Ints shifted(std::span<const int64_t> axes, int64_t by) {
  Ints moved(axes);
  for (int64_t& axis : moved) axis += by;
  return moved;
}

bool is_identity(std::span<const int64_t> permutation) {
  for (size_t i = 0; i < permutation.size(); ++i)
    if (permutation[i] != int64_t(i)) return false;
  return true;
}

Ints inverse(std::span<const int64_t> permutation) {
  Ints places(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i) places[size_t(permutation[i])] = int64_t(i);
  return places;
}

Ints permuted(std::span<const int64_t> items, std::span<const int64_t> permutation) {
  Ints out;
  for (int64_t i : permutation) out.push_back(items[size_t(i)]);
  return out;
}

Array permuted(Session& session, const Array& x, std::span<const int64_t> permutation) {
  if (is_identity(permutation)) return x;
  const Shape& shape = x.aval()->shape;
  Ints out_shape = permuted(shape, permutation);
  Array out = Array::allocate(session, session.aval(x.aval()->dtype, out_shape));
  copy(size_of(x.aval()->dtype), out_shape, x.data(), {0, permuted(row_major(shape), permutation)},
       out.mutable_data(), {0, row_major(out_shape)});
  return out;
}

void copy(size_t itemsize, std::span<const int64_t> shape, const void* src, const Place& from,
          void* dst, const Place& to) {
  if (itemsize == 0 || std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  kernels::copy_strided(
      itemsize, shape, static_cast<const char*>(src) + from.offset * int64_t(itemsize),
      from.strides, static_cast<char*>(dst) + to.offset * int64_t(itemsize), to.strides);
}

}  // namespace jv
