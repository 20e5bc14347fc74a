// expect: a primitive needs a line of documentation
#include "primitives/family.hpp"

namespace jv {

extern const Primitive half_p;
constexpr Primitive half_p = define({
    .name = "half",
    .signature = "x",
    .abstract_eval = unary_aval<half_p, Takes::floats>,
    .eval = map1<UnaryOp::square>,
    .jvp = [](auto, auto, auto& dx, auto, auto&) { return dx * 0.5; },
    .batch = vectorized,
});

}  // namespace jv
