// What arithmetic on integers and booleans means, with StableHLO's corner cases.
#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/isa.hpp"

namespace jv::kernels::JV_ISA {

template <class T>
concept Boolean = std::same_as<T, bool>;
template <class T>
concept Integer = std::integral<T> && !Boolean<T>;

// Unsigned, so that it wraps, and not narrower than int, so that it is not promoted to it.
template <class T>
using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <Integer T>
inline constexpr int width = 8 * sizeof(T);

// clang-format off
template <Integer T> T add(T x, T y) { return T(Wrapping<T>(x) + Wrapping<T>(y)); }
template <Integer T> T sub(T x, T y) { return T(Wrapping<T>(x) - Wrapping<T>(y)); }
template <Integer T> T mul(T x, T y) { return T(Wrapping<T>(x) * Wrapping<T>(y)); }
template <Integer T> T neg(T x) { return sub(T(0), x); }
template <Integer T> T abs(T x) { return x < T(0) ? neg(x) : x; }
template <Integer T> T sign(T x) { return T((x > T(0)) - (x < T(0))); }
template <Integer T> T square(T x) { return mul(x, x); }
template <std::integral T> T maximum(T x, T y) { return x > y ? x : y; }
template <std::integral T> T minimum(T x, T y) { return x < y ? x : y; }
template <Integer T> T bitwise_not(T x) { return T(~x); }
template <Boolean T> T bitwise_not(T x) { return !x; }
// clang-format on

// By zero: all bits set; the least integer by -1: itself.
template <Integer T>
T div(T x, T y) {
  if (y == T(0)) return T(-1);
  if constexpr (std::is_signed_v<T>)
    if (y == T(-1)) return neg(x);
  return T(x / y);
}

template <Integer T>
T shift_left(T x, T y) {
  using U = std::make_unsigned_t<T>;
  return U(y) < width<T> ? T(Wrapping<T>(x) << U(y)) : T(0);
}
template <Integer T>
T shift_right_logical(T x, T y) {
  using U = std::make_unsigned_t<T>;
  return U(y) < width<T> ? T(U(x) >> U(y)) : T(0);
}

// By squaring, wrapping. A negative exponent gives the truncated reciprocal, and 0 for 0.
template <Integer T, Integer E>
T integer_power(T x, E exponent) {
  if (exponent < 0) {
    if constexpr (std::is_signed_v<T>)
      if (x == T(-1)) return exponent & 1 ? T(-1) : T(1);
    return x == T(1) ? T(1) : T(0);
  }
  T y = 1;
  for (; exponent != 0; exponent = E(exponent / 2)) {
    if (exponent & 1) y = mul(y, x);
    x = mul(x, x);
  }
  return y;
}

}  // namespace jv::kernels::JV_ISA
