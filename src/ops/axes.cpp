#include "ops/axes.hpp"

#include <algorithm>

namespace jv {

int64_t axis_of(const char* name, int64_t axis, Aval array, size_t added) {
  int64_t n = int64_t(array->ndim() + added);
  if (axis < -n || axis >= n)
    fail(Code::invalid_argument, name, ": there is no axis ", axis, " in ", to_string(array),
         added ? str(" with ", added, " more") : "");
  return axis < 0 ? axis + n : axis;
}

Ints each_axis_of(const char* name, const Axes& axes, Aval array, size_t added) {
  if (!axes) return range(0, array->ndim() + added);
  Ints places;
  for (int64_t axis : *axes) places.push_back(axis_of(name, axis, array, added));
  return places;
}

Ints axes_of(const char* name, const Axes& axes, Aval array, size_t added) {
  Ints sorted = each_axis_of(name, axes, array, added);
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    fail(Code::invalid_argument, name, ": an axis is named twice: ", to_string(*axes));
  return sorted;
}

Ints joined(std::span<const int64_t> first, std::span<const int64_t> second) {
  Ints all(first);
  all.append(second);
  return all;
}

Ints range(size_t first, size_t end) {
  Ints numbers;
  for (size_t i = first; i < end; ++i) numbers.push_back(int64_t(i));
  return numbers;
}

int64_t product(std::span<const int64_t> sizes) {
  int64_t n = 1;
  for (int64_t size : sizes) n *= size;
  return n;
}

}  // namespace jv
