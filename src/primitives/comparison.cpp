// Comparisons: booleans, which have no derivative.
#include "primitives/family.hpp"

namespace jv {

constexpr Primitive eq_p = comparison<eq_p>({
    .name = "eq",
    .doc = "x == y, each element; false where either is NaN.",
    .eval = map2<BinaryOp::eq>,
});

constexpr Primitive ne_p = comparison<ne_p>({
    .name = "ne",
    .doc = "x != y, each element; true where either is NaN.",
    .eval = map2<BinaryOp::ne>,
});

constexpr Primitive lt_p = comparison<lt_p>({
    .name = "lt",
    .doc = "x < y, each element; false where either is NaN.",
    .eval = map2<BinaryOp::lt>,
});

constexpr Primitive le_p = comparison<le_p>({
    .name = "le",
    .doc = "x <= y, each element; false where either is NaN.",
    .eval = map2<BinaryOp::le>,
});

constexpr Primitive gt_p = comparison<gt_p>({
    .name = "gt",
    .doc = "x > y, each element; false where either is NaN.",
    .eval = map2<BinaryOp::gt>,
});

constexpr Primitive ge_p = comparison<ge_p>({
    .name = "ge",
    .doc = "x >= y, each element; false where either is NaN.",
    .eval = map2<BinaryOp::ge>,
});

}  // namespace jv
