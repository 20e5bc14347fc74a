// Functions of two numbers, each pair of elements. Shapes are equal: broadcasting is an equation.
#include "primitives/family.hpp"

namespace jv {

constexpr Primitive add_p = binary<add_p, Takes::numbers>({
    .name = "add",
    .signature = "x', y'",
    .doc = "x + y, each element. Integers wrap.",
    .linearity = Linearity::linear,
    .eval = map2<BinaryOp::add>,
    .jvp = [](auto, auto, auto& dx, auto, auto&) { return dx; },
    .transpose = [](auto& ct, auto, auto, auto, auto&) { return ct; },
    .fold = [](auto& a) { return fold_neutral<true>(a, a.out->is_float() ? -0.0 : 0.0); },
});

constexpr Primitive sub_p = binary<sub_p, Takes::numbers>({
    .name = "sub",
    .signature = "x', y'",
    .doc = "x - y, each element. Integers wrap.",
    .linearity = Linearity::linear,
    .eval = map2<BinaryOp::sub>,
    .jvp = [](auto, auto which, auto& dx, auto, auto&) { return which == 0 ? dx : -dx; },
    .transpose = [](auto& ct, auto, auto which, auto, auto&) { return which == 0 ? ct : -ct; },
    .fold = [](auto& a) { return fold_neutral<false>(a, 0); },
});

constexpr Primitive mul_p = binary<mul_p, Takes::numbers>({
    .name = "mul",
    .signature = "x', y'",
    .doc = "x * y, each element. Integers wrap.",
    .linearity = Linearity::bilinear,
    .eval = map2<BinaryOp::mul>,
    .transpose = [](auto& ct, auto x, auto which, auto, auto&) { return ct * x[1 - which]; },
    .fold = [](auto& a) { return fold_neutral<true>(a, 1); },
});

constexpr Primitive div_p = binary<div_p, Takes::numbers>({
    .name = "div",
    .signature = "x', y",
    .doc = "x / y, each element. Integers truncate; x / 0 has all bits set.",
    .linearity = Linearity::bilinear,
    .eval = map2<BinaryOp::div>,
    .jvp = [](auto x, auto, auto& dy, auto z, auto&) { return dy * -(z[0] / x[1]); },
    .transpose = [](auto& ct, auto x, auto, auto, auto&) { return ct / x[1]; },
    .fold = [](auto& a) { return fold_neutral<false>(a, 1); },
});

// The derivative of the larger (smaller) of two: 1 where it is x[which], 0 where it is the other,
// and half where they tie.
template <Tracer (*wins)(const Tracer&, const Tracer&)>
Tracer choice_jvp(Operands x, size_t which, const Tracer& dx, Operands, const Params&) {
  const Tracer &mine = x[which], &other = x[1 - which];
  Tracer won = wins(mine, other), tie = eq(mine, other);
  Tracer one = full_like(mine, 1), zero = full_like(mine, 0);
  Tracer share = select(won, one, zero), half = full_like(mine, 0.5);
  return dx * select(tie, half, share);
}

constexpr Primitive max_p = binary<max_p, Takes::scalars>({
    .name = "max",
    .doc = "The larger of x and y, each element; NaN if either is. A tie has half the derivative "
           "of each.",
    .eval = map2<BinaryOp::max>,
    .jvp = choice_jvp<gt>,
});

constexpr Primitive min_p = binary<min_p, Takes::scalars>({
    .name = "min",
    .doc = "The smaller of x and y, each element; NaN if either is. A tie has half the derivative "
           "of each.",
    .eval = map2<BinaryOp::min>,
    .jvp = choice_jvp<lt>,
});

// d(x^y) = y x^(y - 1) dx + log(x) x^y dy; the first is 0 where y is, also for x = 0, and the
// logarithm counts as 0 there.
static Tracer pow_jvp(Operands x, size_t which, const Tracer& dx, Operands z, const Params&) {
  Tracer zero = full_like(x[0], 0);
  if (which == 0) {
    Tracer slope = x[1] * pow(x[0], x[1] - 1);
    return dx * select(eq(x[1], zero), zero, slope);
  }
  Tracer one = full_like(x[0], 1), base = select(eq(x[0], zero), one, x[0]);
  return dx * (log(base) * z[0]);
}

constexpr Primitive pow_p = binary<pow_p, Takes::numbers>({
    .name = "pow",
    .doc = "x to the power of y, each element. Integers wrap, and negative exponents give 0 unless "
           "the base is 1 or -1.",
    .eval = map2<BinaryOp::pow>,
    .jvp = pow_jvp,
});

}  // namespace jv
