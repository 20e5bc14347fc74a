// The inverse of the error function over any value type with the vocabulary of scalar.hpp.
//
// erf_inv(x) = x p(w) with w = -log(1 - x^2), as M. Giles does it (Approximating the erfinv
// function, 2011): p is smooth in w near 0 and in sqrt(w) further out. Polynomials are ours.
#pragma once
#include "kernels/exp_log.hpp"

namespace jv::kernels::JV_ISA {

// The polynomial c at v, its range mapped onto [-1, 1].
template <class B, size_t N>
B polynomial_over(const double (&range)[2], B v, const double (&c)[N]) {
  double slope = 2 / (range[1] - range[0]), offset = -(range[0] + range[1]) / 2 * slope;
  return polynomial(fma(v, constant(v, slope), constant(v, offset)), c);
}

template <class B>
B erf_inv_ratio(B w) {
  using C = CoefficientsOf<B>;
  B root = sqrt(w);
  B center = polynomial_over(C::erf_inv_center_range, w, C::erf_inv_center);
  B tail = polynomial_over(C::erf_inv_tail_range, root, C::erf_inv_tail);
  if constexpr (std::same_as<element_t<B>, double>) {
    B far_tail = polynomial_over(C::erf_inv_far_tail_range, root, C::erf_inv_far_tail);
    tail = select(less(constant(w, C::erf_inv_far_tail_range[0]), root), far_tail, tail);
  }
  return select(less(w, constant(w, C::erf_inv_center_range[1])), center, tail);
}

template <class B>
B erf_inv(B x) {
  B one = constant(x, 1), y = x * erf_inv_ratio(neg(log((one - x) * (one + x))));
  return select(equal(abs(x), one), copy_sign(constant(x, infinity), x), y);
}

}  // namespace jv::kernels::JV_ISA
