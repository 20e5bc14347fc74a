// Reduction of large angles modulo pi / 2, exactly, after Payne and Hanek: scalar, in integers.
//
// An angle is M 2^E with an integer M of 53 bits. Of the product with 2 / pi, only what is below 4
// matters, so bits of 2 / pi whose weight times M is a multiple of 4 are skipped; the next 192
// leave at least 137 bits after the binary point. The closest that a double comes to a multiple of
// pi / 2 is about 2^-62 (J.-M. Muller, Elementary Functions, 9.4), so that 64 significant bits
// remain.
#pragma once
#include "kernels/coefficients.hpp"
#include "kernels/scalar.hpp"

namespace jv::kernels::JV_ISA {

__extension__ using UInt128 = unsigned __int128;

// x = r + quadrant pi / 2 modulo 2 pi, |r| <= pi / 4
struct ReducedAngle {
  double r;
  int quadrant;
};

inline uint64_t two_over_pi_from(int bit) {
  int word = bit / 64, shift = bit % 64;
  uint64_t high = two_over_pi[word] << shift;
  return shift == 0 ? high : high | two_over_pi[word + 1] >> (64 - shift);
}

// pi / 2 times fraction 2^-128, a signed number in two's complement.
inline double times_half_pi(UInt128 fraction) {
  bool negative = fraction >> 127;
  UInt128 magnitude = negative ? -fraction : fraction;
  if (magnitude == 0) return 0;
  uint64_t top = uint64_t(magnitude >> 64);
  int zeros = top != 0 ? __builtin_clzll(top) : 64 + __builtin_clzll(uint64_t(magnitude));
  uint64_t leading = uint64_t(magnitude << zeros >> 64);
  double high = double(leading >> 11), low = double(leading & 0x7ff) * 0x1p-11;
  const double* half_pi = Coefficients<double>::half_pi;
  double product = high * half_pi[0];
  double rest = fma(high, half_pi[0], -product) + (high * half_pi[1] + low * half_pi[0]);
  double unit = from_bits<double>(uint64_t(1023 - 53 - zeros) << 52);
  return (negative ? -(product + rest) : product + rest) * unit;
}

// For finite x of at least 1.
inline ReducedAngle reduce_large_angle(double x) {
  uint64_t bits = bits_of(x), mantissa = (bits & 0xfffffffffffff) | 0x10000000000000;
  int first = int(bits >> 52) - 1023 - 52 + 62;  // the bit with weight 2 / M, word 0 being zeros
  uint64_t w0 = two_over_pi_from(first), w1 = two_over_pi_from(first + 64);
  uint64_t w2 = two_over_pi_from(first + 128);
  UInt128 low = UInt128(mantissa) * w2, middle = UInt128(mantissa) * w1 + (low >> 64);
  uint64_t high = mantissa * w0 + uint64_t(middle >> 64);
  // 192 bits: two of quadrant, then the fraction, of which 128 are kept.
  UInt128 fraction = (UInt128(high) << 64 | uint64_t(middle)) << 2 | uint64_t(low) >> 62;
  int quadrant = int(high >> 62) + int(fraction >> 127);  // to the nearest: the fraction is signed
  return {times_half_pi(fraction), quadrant & 3};
}

}  // namespace jv::kernels::JV_ISA
