// expect: a nonlinear primitive needs a jvp rule
#include "primitives/family.hpp"

namespace jv {

extern const Primitive half_p;
constexpr Primitive half_p = unary<half_p, Takes::floats>({
    .name = "half",
    .doc = "Half of each element.",
    .eval = map1<UnaryOp::square>,
});

}  // namespace jv
