// pow over any value type with the vocabulary of scalar.hpp: exp(y log x), log x in two terms.
#pragma once
#include "kernels/exp_log.hpp"

namespace jv::kernels::JV_ISA {

// An unevaluated sum whose second term is below the rounding of the first.
template <class B>
struct Sum {
  B high, low;
};

// a + b for |a| >= |b| or a = 0 (T. J. Dekker, 1971).
template <class B>
Sum<B> fast_sum(B a, B b) {
  B sum = a + b;
  return {sum, b - (sum - a)};
}
template <class B>
Sum<B> product(Sum<B> a, Sum<B> b) {
  B high = a.high * b.high;
  return {high, fma(a.high, b.high, neg(high)) + fma(a.high, b.low, a.low * b.high)};
}

// atanh(f / (2 + f)) = log(1 + f) / 2 for f in [-0.25, 0.5]: s + s z (1/3 + z tail(z)), z = s^2,
// where all but the tail has two terms: relative error about 2^-(p + 11) for precision p.
template <class B>
Sum<B> half_log1p_sum(B f) {
  using C = CoefficientsOf<B>;
  Sum<B> divisor = fast_sum(constant(f, 2), f);
  B quotient = f / divisor.high;
  B rest = fnma(quotient, divisor.low, fnma(quotient, divisor.high, f));
  Sum<B> s = {quotient, rest / divisor.high}, z = product(s, s);
  B tail = z.high * polynomial(z.high, C::atanh_tail);
  Sum<B> factor = fast_sum(constant(f, C::third[0]), tail);
  factor.low = factor.low + constant(f, C::third[1]);
  Sum<B> correction = product(product(s, z), factor), result = fast_sum(s.high, correction.high);
  return {result.high, result.low + (s.low + correction.low)};
}

// log x for x >= 0. The low term is NaN where the high one is infinite.
template <class B>
Sum<B> log_sum_of(B x) {
  using C = CoefficientsOf<B>;
  auto [m, e] = split(x);
  auto [high, low] = half_log1p_sum(m - constant(x, 1));
  Sum<B> result = fast_sum(e * constant(x, C::ln2_split[0]), high + high);
  return {result.high, result.low + fma(e, constant(x, C::ln2_split[1]), low + low)};
}

// |x|^y, but NaN for |x| = 1 and infinite y.
template <class B>
B power_of_magnitude(B x, B y) {
  using F = FormatOf<B>;
  auto [high, low] = log_sum_of(abs(x));
  B exponent = y * high, clamped = clamp(exponent, F::exp_low, F::exp_high);
  B rounded_off = fma(y, low, fma(y, high, neg(exponent)));
  rounded_off = select(equal(exponent, clamped), rounded_off, constant(x, 0));
  auto [n, r, rest, tail] = split_exp(clamped, rounded_off);
  return scale(constant(x, 1) + (r + tail), n);
}

// C99 F.9.4.4: x^0 = 1^y = (-1)^±inf = 1, NaN operands included in the first two; an odd integer y
// keeps the sign of x; a finite negative x to a y that is no integer is NaN. Infinities are even.
template <class B>
B pow(B x, B y) {
  B magnitude = select(equal(abs(x), constant(x, 1)), constant(x, 1), power_of_magnitude(x, y));
  B half = y * constant(y, 0.5);
  B to_integer = select(equal(nearest(half), half), magnitude, bit_xor(magnitude, sign_bit(x)));
  B of_negative = select(equal(x, constant(x, -infinity)), magnitude, constant(x, not_a_number));
  B to_fraction = select(less(x, constant(x, 0)), of_negative, magnitude);
  B result = select(equal(nearest(y), y), to_integer, to_fraction);
  return select(equal(y, constant(y, 0)), constant(x, 1), result);
}

}  // namespace jv::kernels::JV_ISA
