// What simplification may know of an equation without running it: that its result is one of its
// operands, bit for bit. Exact algebra only: x + 0 is not x where x is -0.
#pragma once
#include <cmath>

#include "core/primitive.hpp"

namespace jv {

// Every element is this number, and of its sign.
inline bool is_all(const Array& splat, double number) {
  if (!splat) return false;
  double x = element(splat, 0);
  return x == number && std::signbit(x) == std::signbit(number);
}

// Operations that keep their operand where they keep its type.
inline int fold_same_type(const FoldArgs& a) { return a.in[0] == a.out ? 0 : -1; }

// x op `number` is x, for op a function of two elements; `either`: number op x too.
template <bool either>
int fold_neutral(const FoldArgs& a, double number) {
  if (is_all(a.splat[1], number)) return 0;
  return either && is_all(a.splat[0], number) ? 1 : -1;
}

}  // namespace jv
