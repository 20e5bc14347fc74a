// What simple arithmetic means, and the helpers that the elementary functions share, over any value
// type with the vocabulary of scalar.hpp.
#pragma once
#include "kernels/coefficients.hpp"
#include "kernels/scalar.hpp"

namespace jv::kernels::JV_ISA {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class B>
using CoefficientsOf = Coefficients<element_t<B>>;

// --- signs ---------------------------------------------------------------------------------------

template <class B>
B sign_bit(B x) {
  return bit_and(x, constant(x, -0.0));
}
template <class B>
B abs(B x) {
  return bit_andnot(constant(x, -0.0), x);
}
template <class B>
B neg(B x) {
  return bit_xor(x, constant(x, -0.0));
}
template <class B>
B copy_sign(B magnitude, B x) {
  return bit_or(abs(magnitude), sign_bit(x));
}
template <class B>
B sign(B x) {
  return select(less(constant(x, 0), abs(x)), copy_sign(constant(x, 1), x), x);
}

// --- the operations of IEEE 754 that are not words of the vocabulary -----------------------------

template <class B>
B square(B x) {
  return x * x;
}
template <class B>
B floor(B x) {
  B n = nearest(x);
  return select(less(x, n), n - constant(x, 1), n);
}
// Equal operands differ at most in the sign of zero: or-ing takes -0, and-ing takes +0.
template <class B>
B maximum(B x, B y) {
  return select(equal(x, y), bit_and(x, y), select(equal(x, x), max(x, y), x));
}
template <class B>
B minimum(B x, B y) {
  return select(equal(x, y), bit_or(x, y), select(equal(x, x), min(x, y), x));
}

// x to a fixed power, the bits of the exponent from the lowest.
template <class B>
B integer_pow(B x, int64_t exponent) {
  B y = constant(x, 1);
  for (uint64_t rest = exponent < 0 ? -uint64_t(exponent) : uint64_t(exponent); rest != 0;) {
    if (rest & 1) y = y * x;
    rest >>= 1;
    if (rest != 0) x = x * x;
  }
  return exponent < 0 ? constant(x, 1) / y : y;
}

// --- helpers -------------------------------------------------------------------------------------

// c[0] + c[1] x + ..., even and odd halves apart: one product more than Horner, half its latency.
template <class B, size_t N>
B polynomial(B x, const double (&c)[N]) {
  B z = x * x;
  auto half = [&](size_t i) {
    B sum = constant(x, c[i]);
    while (i >= 2) sum = fma(sum, z, constant(x, c[i -= 2]));
    return sum;
  };
  constexpr size_t last = N - 1;
  return fma(half(last % 2 ? last : last - 1), x, half(last % 2 ? last - 1 : last));
}

// 1.5 2^mantissa: added to a small integer, leaves that integer in the low bits.
template <class B>
B integer_magic(B x) {
  return constant(x, 1.5 * double(uint64_t(1) << FormatOf<B>::mantissa));
}

// 2^n for an integral n whose power is normal.
template <class B>
B pow2(B n) {
  using F = FormatOf<B>;
  return bits_left<F::mantissa>(n + (integer_magic(n) + constant(n, F::bias)));
}

// Two factors: the first product is exact, the second may round to a subnormal or overflow.
template <class B>
B scale_by_steps(B p, B n) {
  constexpr double h = FormatOf<B>::half_range;
  B first = min(constant(n, h), max(constant(n, -h), n));
  return p * pow2(first) * pow2(n - first);
}

template <class B>
Parts<B> split_by_bits(B x) {
  using F = FormatOf<B>;
  using T = element_t<B>;
  constexpr auto one = __builtin_bit_cast(BitsOf<B>, T(1));
  constexpr auto three_quarters = __builtin_bit_cast(BitsOf<B>, T(0.75));
  constexpr auto exponent_bits = BitsOf<B>(~BitsOf<B>(0)) << F::mantissa;
  constexpr double two = double(uint64_t(1) << F::mantissa);  // its low bits count from 0
  constexpr double lift = F::mantissa + 2;
  auto subnormal = less(x, constant(x, std::numeric_limits<T>::min()));
  B y = select(subnormal, x * constant(x, double(uint64_t(1) << int(lift))), x);
  B shifted = bits_add(y, constant_bits(x, BitsOf<B>(one - three_quarters)));
  B bias = select(subnormal, constant(x, two + F::bias + lift), constant(x, two + F::bias));
  B e = bit_or(bits_right<F::mantissa>(shifted), constant(x, two)) - bias;
  B m = bits_add(bits_sub(y, bit_and(shifted, constant_bits(x, exponent_bits))), constant(x, 1));
  auto infinite = equal(x, constant(x, infinity));
  e = select(equal(x, constant(x, 0)), constant(x, -infinity), select(infinite, x, e));
  m = select(less_equal(constant(x, 0), x), m, constant(x, not_a_number));
  return {select(infinite, constant(x, 1), m), e};
}

}  // namespace jv::kernels::JV_ISA
