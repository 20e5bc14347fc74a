// exp, expm1, tanh, logistic, log and log1p over any value type with the vocabulary of scalar.hpp.
#pragma once
#include "kernels/arithmetic.hpp"

namespace jv::kernels::JV_ISA {

// x = n ln 2 + r + low with |r| <= ln 2 / 2 and low below the rounding of r; exp(r) = 1 + r + tail.
template <class B>
struct ExpParts {
  B n, r, low, tail;
};
// The same of x + more.
template <class B>
ExpParts<B> split_exp(B x, B more) {
  using C = CoefficientsOf<B>;
  B n = nearest(x * constant(x, 1.44269504088896340736));
  B high = fnma(n, constant(x, C::ln2[0]), x);  // exact
  B r = fnma(n, constant(x, C::ln2[1]), high) + more;
  B low = fnma(n, constant(x, C::ln2[1]), high - r);
  return {n, r, low, r * r * polynomial(r, C::exp_tail)};
}
template <class B>
ExpParts<B> split_exp(B x) {
  return split_exp(x, constant(x, 0));
}

template <class B>
B clamp(B x, double low, double high) {
  return min(constant(x, high), max(constant(x, low), x));
}

template <class B>
B exp(B x) {
  using F = FormatOf<B>;
  auto [n, r, low, tail] = split_exp(clamp(x, F::exp_low, F::exp_high));
  return scale(constant(x, 1) + (r + tail), n);
}

// 2^n exp(r) - 1 = 2^n (exp(r) - 1) + (2^n - 1), what the sum in exp(r) - 1 rounds off included;
// halved so that 2^n does not overflow before the result.
template <class B>
B expm1(B x) {
  using F = FormatOf<B>;
  auto [n, r, low, tail] = split_exp(clamp(x, F::expm1_low, F::exp_high));
  B sum = r + tail, lost = (tail - (sum - r)) + low;
  B half = pow2(n - constant(x, 1));
  B y = fma(half, sum, half - constant(x, 0.5)) + half * lost;
  return copy_sign(select(equal(n, constant(x, 0)), sum, y + y), x);
}

// Near 0 a polynomial, beyond it 1 - 2 z / (1 + z) with z = exp(-2 |x|).
template <class B>
B tanh(B x) {
  using C = CoefficientsOf<B>;
  B one = constant(x, 1), a = min(constant(x, FormatOf<B>::tanh_high), abs(x)), square = a * a;
  B small = fma(a * square, polynomial(square, C::tanh_tail), a);
  auto [n, r, low, tail] = split_exp(a * constant(x, -2));
  B power = pow2(n), z = fma(power, r + tail, power);
  B large = one - (z + z) / (z + one);
  return copy_sign(select(less(a, constant(x, 0.55)), small, large), x);
}

// 1 / (1 + exp(-x)), always with the exponential that is at most 1.
template <class B>
B logistic(B x) {
  B z = exp(neg(abs(x)));
  return select(less(x, constant(x, 0)), z, constant(x, 1)) / (constant(x, 1) + z);
}

// log(1 + f) + e ln 2 for f in [-0.25, 0.5]. With s = f / (2 + f), log(1 + f) = 2 atanh(s), which
// is f - (h - s (h + z tail(z))) for z = s^2 and h = f^2 / 2: f itself is exact, and leads.
template <class B>
B log_sum(B f, B e) {
  using C = CoefficientsOf<B>;
  B s = f / (f + constant(f, 2)), z = s * s, tail = z * polynomial(z, C::log_tail);
  B h = f * f * constant(f, 0.5);
  B low = fma(s, h + tail, e * constant(f, C::ln2[1]));
  return fma(e, constant(f, C::ln2[0]), f - (h - low));
}

template <class B>
B log(B x) {
  auto [m, e] = split(x);
  return log_sum(m - constant(x, 1), e);
}

// log of the rounded sum 1 + x, with what the rounding lost put back.
template <class B>
B log1p(B x) {
  B one = constant(x, 1), sum = one + x;
  B lost = min(min(one, x) - (sum - max(one, x)), one);  // the outer min drops inf - inf
  auto [m, e] = split(sum);
  B correction = lost * pow2(max(constant(x, -FormatOf<B>::half_range), neg(e)));
  B f = select(equal(e, constant(x, 0)), x, (m - one) + correction);
  return copy_sign(log_sum(f, e), x);
}

}  // namespace jv::kernels::JV_ISA
