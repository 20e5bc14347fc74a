// Rules that many rows use. Each differs from the true derivative, so that a test can tell whether
// the rule was asked.
#pragma once

#include "support.hpp"

namespace conformance {

inline jaxvjp_value* times(jaxvjp_context* cx, double k, jaxvjp_value* v) {
  return jaxvjp_mul(cx, jaxvjp_number(cx, k), v);
}

// sin x with the rule 2 cos(x) ct; fwd saves cos x and runs sin, not the function itself.
inline jaxvjp_function* sin_rule(jaxvjp_context* cx, Counts* counts = nullptr) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {jaxvjp_sin(cx, args[0]), jaxvjp_cos(cx, args[0])};
                     },
                     .bwd = [](auto cx, auto c, auto ct,
                               auto slots) { slots[0] = times(cx, 2, jaxvjp_mul(cx, c, ct)); },
                     .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
                     .counts = counts});
}

// A fwd that calls the function itself, and saves its arguments (a tuple when there are several).
inline Fwd self_fwd(jaxvjp_context* cx, Args args) {
  jaxvjp_value* out = call(cx, jaxvjp_self(cx), args);
  return {out, args.n == 1 ? args[0] : jaxvjp_tuple(cx, args.items, args.n)};
}

// x -> sum of f(x)'s elements.
inline jaxvjp_function* sum_of(jaxvjp_context* cx, jaxvjp_function* f) {
  return function(cx, "sum_of", [f](auto cx, auto args) { return sum(cx, call(cx, f, args)); });
}

// One item of what f returns.
inline jaxvjp_function* item_of(jaxvjp_context* cx, jaxvjp_function* f, size_t i) {
  return function(cx, "item_of",
                  [f, i](auto cx, auto args) { return jaxvjp_get(cx, call(cx, f, args), i); });
}

}  // namespace conformance
