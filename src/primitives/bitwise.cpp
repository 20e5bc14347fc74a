// Operations on the bits of integers, and on booleans. They have no derivative.
#include "primitives/family.hpp"

namespace jv {

constexpr Primitive not_p = unary<not_p, Takes::bits>({
    .name = "not",
    .doc = "Each bit of each element inverted; of booleans, the logical not.",
    .eval = map1<UnaryOp::bitwise_not>,
    .involution = true,
    .differentiable = false,
});

constexpr Primitive and_p = binary<and_p, Takes::bits>({
    .name = "and",
    .doc = "Bits that are set in both, each element; of booleans, the logical and.",
    .eval = map2<BinaryOp::bitwise_and>,
    .differentiable = false,
});

constexpr Primitive or_p = binary<or_p, Takes::bits>({
    .name = "or",
    .doc = "Bits that are set in either, each element; of booleans, the logical or.",
    .eval = map2<BinaryOp::bitwise_or>,
    .fold = [](auto& a) { return fold_neutral<true>(a, 0); },
    .differentiable = false,
});

constexpr Primitive xor_p = binary<xor_p, Takes::bits>({
    .name = "xor",
    .doc = "Bits that are set in one of both, each element; of booleans, the exclusive or.",
    .eval = map2<BinaryOp::bitwise_xor>,
    .fold = [](auto& a) { return fold_neutral<true>(a, 0); },
    .differentiable = false,
});

constexpr Primitive shift_left_p = binary<shift_left_p, Takes::integers>({
    .name = "shift_left",
    .doc = "x * 2^y, each element: its bits shifted by y, which is read as unsigned; 0 from the "
           "width on.",
    .eval = map2<BinaryOp::shift_left>,
    .fold = [](auto& a) { return fold_neutral<false>(a, 0); },
    .differentiable = false,
});

constexpr Primitive shift_right_logical_p = binary<shift_right_logical_p, Takes::integers>({
    .name = "shift_right_logical",
    .doc = "x's bits shifted down by y, which is read as unsigned, zeros coming in; 0 from the "
           "width on.",
    .eval = map2<BinaryOp::shift_right_logical>,
    .fold = [](auto& a) { return fold_neutral<false>(a, 0); },
    .differentiable = false,
});

}  // namespace jv
