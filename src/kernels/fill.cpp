// Filling, counting and choosing.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/item.hpp"
#include "kernels/kernels.hpp"

namespace jv::kernels {

void fill(size_t itemsize, const void* element, void* out, size_t n) {
  visit_item(itemsize, [&](auto* item) {
    using T = std::remove_pointer_t<decltype(item)>;
    std::fill_n(static_cast<T*>(out), n, *static_cast<const T*>(element));
  });
}

// The values along the dimension are converted a piece at a time, each is repeated `inner` times,
// and the block that makes is repeated for the dimensions outside.
void iota(DType dtype, std::span<const int64_t> shape, size_t dimension, void* out) {
  const size_t itemsize = size_of(dtype), length = size_t(shape[dimension]);
  size_t outer = 1, inner = 1;
  for (size_t i = 0; i < dimension; ++i) outer *= size_t(shape[i]);
  for (size_t i = dimension + 1; i < shape.size(); ++i) inner *= size_t(shape[i]);
  const size_t block = length * inner * itemsize;
  if (block == 0 || outer == 0) return;
  constexpr size_t piece = 128;
  int64_t counts[piece];
  unsigned char values[piece * 8];
  char* to = static_cast<char*>(out);
  for (size_t start = 0; start < length; start += piece) {
    const size_t n = std::min(piece, length - start);
    for (size_t i = 0; i < n; ++i) counts[i] = int64_t(start + i);
    convert(DType::i64, dtype, counts, values, n);
    for (size_t i = 0; i < n; ++i, to += inner * itemsize)
      fill(itemsize, values + i * itemsize, to, inner);
  }
  for (size_t i = 1; i < outer; ++i, to += block) std::memcpy(to, out, block);
}

void select(size_t itemsize, const bool* which, const void* on_false, const void* on_true,
            void* out, size_t n) {
  visit_item(itemsize, [&](auto* item) {
    using T = std::remove_pointer_t<decltype(item)>;
    auto *no = static_cast<const T*>(on_false), *yes = static_cast<const T*>(on_true);
    auto* to = static_cast<T*>(out);
    for (size_t i = 0; i < n; ++i) {
      T from_no = no[i], from_yes = yes[i];
      to[i] = which[i] ? from_yes : from_no;
    }
  });
}

void select(size_t itemsize, const int32_t* which, std::span<const void* const> cases, void* out,
            size_t n) {
  const int32_t last = int32_t(cases.size()) - 1;
  visit_item(itemsize, [&](auto* item) {
    using T = std::remove_pointer_t<decltype(item)>;
    auto* to = static_cast<T*>(out);
    for (size_t i = 0; i < n; ++i)
      to[i] = static_cast<const T*>(cases[size_t(std::clamp(which[i], 0, last))])[i];
  });
}

}  // namespace jv::kernels
