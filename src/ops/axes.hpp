// Shapes and axes as users write them: axes count from the end when they are negative, and a list
// of them may be left out.
#pragma once
#include <optional>

#include "trace/trace.hpp"

namespace jv {

using Axes = std::optional<Ints>;  // none: all, or what the operation says

// The axis of such an array, 0 <= axis < ndim; or of a result that has some axes more.
int64_t axis_of(const char* name, int64_t axis, Aval array, size_t added = 0);
// The same for each; none: 0 ... ndim - 1. In the order given.
Ints each_axis_of(const char* name, const Axes& axes, Aval array, size_t added = 0);
// ... each at most once, ascending.
Ints axes_of(const char* name, const Axes& axes, Aval array, size_t added = 0);

// Where an axis is added to a list of axes or taken from it.
Ints joined(std::span<const int64_t> first, std::span<const int64_t> second);
Ints range(size_t first, size_t end);
int64_t product(std::span<const int64_t> sizes);

}  // namespace jv
