// Rules whose orders one and two are told apart, as descriptions that a test changes before it
// makes the function, and the words that such tests are written with.
#pragma once

#include "rules.hpp"

namespace conformance {

// f = x^2 with the rule 10 x ct: 30 at 3, where autodiff gives 6. Its fwd is written with
// operations.
inline Rule tenfold_square(Counts* counts = nullptr) {
  return {.fwd = [](auto cx, auto args) -> Fwd {
            return {jaxvjp_square(cx, args[0]), args[0]};
          },
          .bwd = [](auto cx, auto x, auto ct,
                    auto slots) { slots[0] = jaxvjp_mul(cx, times(cx, 10, x), ct); },
          .primal = [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); },
          .counts = counts};
}

// f = sin with the rule 2 cos x ct; x is the residual and fwd calls f, so the rule holds at every
// order.
inline Rule doubled_sine(Counts* counts = nullptr) {
  return {.fwd = self_fwd,
          .bwd = [](auto cx, auto x, auto ct,
                    auto slots) { slots[0] = jaxvjp_mul(cx, times(cx, 2, jaxvjp_cos(cx, x)), ct); },
          .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
          .counts = counts};
}

inline jaxvjp_function* grad(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_grad(cx, f, nullptr);
}
inline jaxvjp_function* jit(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_jit(cx, f, nullptr);
}

}  // namespace conformance
