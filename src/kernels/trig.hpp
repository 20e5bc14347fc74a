// sin and cos over any value type with the vocabulary of scalar.hpp.
#pragma once
#include "kernels/arithmetic.hpp"
#include "kernels/large_angle.hpp"

namespace jv::kernels::JV_ISA {

// An angle >= 0 as r + n pi / 2, |r| <= pi / 4; the low bits of `turns` are those of the integer n.
template <class B>
struct Angle {
  B r, turns;
};

// From here on the reduction by three terms runs out of bits.
inline constexpr double large_angle = 1e5;

template <class B>
Angle<B> reduce_angle(B x) {
  using C = CoefficientsOf<B>;
  B n = nearest(x * constant(x, 0.63661977236758134308));
  B r = fnma(n, constant(x, C::half_pi[1]), fnma(n, constant(x, C::half_pi[0]), x));
  return {fnma(n, constant(x, C::half_pi[2]), r), n + integer_magic(x)};
}
template <Real T>
Angle<T> reduce_any_angle(T x) {
  if (!(x < T(infinity))) return {T(not_a_number), T(0)};
  auto [r, quadrant] = reduce_large_angle(double(x));
  return {T(r), integer_magic(x) + T(quadrant)};
}

// The sine of the angle plus `quarters` quarter turns.
template <class B>
B sin_of(Angle<B> angle, int quarters) {
  using C = CoefficientsOf<B>;
  constexpr int top = sizeof(element_t<B>) * 8 - 1;
  B r = angle.r, z = r * r;
  B s = fma(r * z, polynomial(z, C::sin_tail), r);
  B c = fma(z * z, polynomial(z, C::cos_tail), constant(r, 1) - z * constant(r, 0.5));
  B turns = bits_add(angle.turns, constant_bits(r, BitsOf<B>(quarters)));
  B odd = bits_left<top>(turns), half_turns = bits_left<top - 1>(turns);
  return bit_xor(select(sign_mask(odd), c, s), sign_bit(half_turns));
}

template <Real T>
T sin_large(T x) {
  return bit_xor(sin_of(reduce_any_angle(abs(x)), 0), sign_bit(x));
}
template <Real T>
T cos_large(T x) {
  return sin_of(reduce_any_angle(abs(x)), 1);
}

template <class B>
B sin(B x) {
  B a = abs(x), y = bit_xor(sin_of(reduce_angle(a), 0), sign_bit(x));
  return redo(less(constant(x, large_angle), a), sin_large<element_t<B>>, x, y);
}
template <class B>
B cos(B x) {
  B a = abs(x), y = sin_of(reduce_angle(a), 1);
  return redo(less(constant(x, large_angle), a), cos_large<element_t<B>>, x, y);
}

}  // namespace jv::kernels::JV_ISA
