// expect: a nonlinear primitive needs a jvp rule
#include "primitives/family.hpp"

namespace jv {

extern const Primitive half_p;
constexpr Primitive half_p = define({
    .name = "half",
    .signature = "x', y",
    .doc = "Half of each element.",
    .linearity = Linearity::bilinear,
    .abstract_eval = unary_aval<half_p, Takes::floats>,
    .eval = map1<UnaryOp::square>,
    .transpose = [](auto& ct, auto, auto, auto, auto&) { return ct * 0.5; },
    .batch = vectorized,
});

}  // namespace jv
