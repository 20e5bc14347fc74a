// The vocabulary of the elementary functions, for float and double.
//
// math.hpp is written once over a value type B: a SIMD batch (batch.hpp), float or double (here),
// later a recorder. Each B supplies these words, and each of them rounds at most once, so that
// every B gives the same bits:
//
//   + - * /   fma(a, b, c) = a b + c   fnma(a, b, c) = c - a b   sqrt   nearest (ties to even)
//   min(a, b) = a < b ? a : b   max(a, b) = a > b ? a : b       the second operand survives a NaN
//   bit_and bit_or bit_xor bit_andnot(a, b) = ~a & b   bits_add bits_sub   bits_left<n>
//   bits_right<n> less less_equal equal sign_mask(x)   select(mask, a, b) constant(x, c),
//   constant_bits(x, bits)                      a constant of x's type scale(p, n) = p 2^n, p near
//   1, rounded once split(x) = {m in [0.75, 1.5), e}: x = m 2^e, subnormals too; 0 and infinity
//   have e = ∓infinity,
//                                     below zero m is NaN
//   redo(mask, f, x, y)                                         y, but f(x) where mask; seldom
//   taken
//
// Only these words may be used there: no branch on data, no integers.
#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

#include "kernels/isa.hpp"

namespace jv::kernels::JV_ISA {

template <class B>
struct Element {
  using type = B;
};
template <class B>
using element_t = typename Element<B>::type;

template <class T>
struct Format;
template <>
struct Format<float> {
  using Bits = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr double half_range = 64;  // 2^±half_range and its inverse are normal, squared too
  static constexpr double exp_low = -104, exp_high = 89;    // exp is 0, infinite from here on
  static constexpr double expm1_low = -18, tanh_high = 10;  // expm1 is -1, tanh 1 from here on
};
template <>
struct Format<double> {
  using Bits = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double half_range = 512;
  static constexpr double exp_low = -746, exp_high = 710;
  static constexpr double expm1_low = -40, tanh_high = 22;
};
template <class B>
using FormatOf = Format<element_t<B>>;
template <class B>
using BitsOf = typename FormatOf<B>::Bits;

// x = m 2^e
template <class B>
struct Parts {
  B m, e;
};
template <class B>
B scale_by_steps(B p, B n);
template <class B>
Parts<B> split_by_bits(B x);

template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

template <Real T>
BitsOf<T> bits_of(T x) {
  return __builtin_bit_cast(BitsOf<T>, x);
}
template <Real T>
T from_bits(BitsOf<T> bits) {
  return __builtin_bit_cast(T, bits);
}

// clang-format off
template <Real T> T constant(T, double c) { return T(c); }
template <Real T> T constant_bits(T, BitsOf<T> bits) { return from_bits<T>(bits); }

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
template <Real T> T fnma(T a, T b, T c) { return fma(-a, b, c); }
inline float sqrt(float x) { return __builtin_sqrtf(x); }
inline double sqrt(double x) { return __builtin_sqrt(x); }
inline float nearest(float x) { return __builtin_rintf(x); }
inline double nearest(double x) { return __builtin_rint(x); }
template <Real T> T min(T a, T b) { return a < b ? a : b; }
template <Real T> T max(T a, T b) { return a > b ? a : b; }

template <Real T> T bit_and(T a, T b) { return from_bits<T>(bits_of(a) & bits_of(b)); }
template <Real T> T bit_or(T a, T b) { return from_bits<T>(bits_of(a) | bits_of(b)); }
template <Real T> T bit_xor(T a, T b) { return from_bits<T>(bits_of(a) ^ bits_of(b)); }
template <Real T> T bit_andnot(T a, T b) { return from_bits<T>(~bits_of(a) & bits_of(b)); }
template <Real T> T bits_add(T a, T b) { return from_bits<T>(bits_of(a) + bits_of(b)); }
template <Real T> T bits_sub(T a, T b) { return from_bits<T>(bits_of(a) - bits_of(b)); }
template <int N, Real T> T bits_left(T a) { return from_bits<T>(bits_of(a) << N); }
template <int N, Real T> T bits_right(T a) { return from_bits<T>(bits_of(a) >> N); }

template <Real T> bool less(T a, T b) { return a < b; }
template <Real T> bool less_equal(T a, T b) { return a <= b; }
template <Real T> bool equal(T a, T b) { return a == b; }
template <Real T> bool sign_mask(T a) { return bits_of(a) >> (8 * sizeof(T) - 1); }
template <Real T> T select(bool mask, T a, T b) { return mask ? a : b; }

template <Real T> T scale(T p, T n) { return scale_by_steps(p, n); }
template <Real T> Parts<T> split(T x) { return split_by_bits(x); }
template <Real T> T redo(bool mask, T (*f)(T), T x, T y) { return mask ? f(x) : y; }
// clang-format on

}  // namespace jv::kernels::JV_ISA
