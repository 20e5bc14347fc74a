// Control flow with C++ lambdas.
#pragma once

#include "higher_order.hpp"

namespace conformance {

// A function of one number, in the terms of the operations.
using Scalar = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*)>;
inline jaxvjp_function* scalar_function(jaxvjp_context* cx, Scalar f) {
  return function(cx, "f", [f](auto cx, auto args) { return f(cx, args[0]); });
}

struct Step {  // what a scan's body gives
  jaxvjp_value *carry, *y;
};
using Body = std::function<Step(jaxvjp_context*, jaxvjp_value* carry, jaxvjp_value* x)>;
inline jaxvjp_value* scan(jaxvjp_context* cx, Body body, jaxvjp_value* init, jaxvjp_value* xs,
                          int64_t length = -1, bool reverse = false) {
  auto* f = function(cx, "body", [body](auto cx, auto args) {
    const Step step = body(cx, args[0], args[1]);
    return tuple(cx, {step.carry, step.y});
  });
  return jaxvjp_scan(cx, f, init, xs, length, reverse);
}

inline jaxvjp_value* cond(jaxvjp_context* cx, jaxvjp_value* pred, Scalar on_true, Scalar on_false,
                          jaxvjp_value* x) {
  return jaxvjp_cond(cx, pred, scalar_function(cx, on_true), scalar_function(cx, on_false), &x, 1);
}

inline jaxvjp_value* while_loop(jaxvjp_context* cx, Scalar condition, Scalar body,
                                jaxvjp_value* init) {
  return jaxvjp_while_loop(cx, scalar_function(cx, condition), scalar_function(cx, body), init);
}

inline jaxvjp_value* num(jaxvjp_context* cx, double x) { return jaxvjp_f64(cx, x); }

// x -> f applied `length` times, by a scan whose carry it is.
inline jaxvjp_function* iterated(jaxvjp_context* cx, jaxvjp_function* f, int64_t length) {
  return scalar_function(cx, [=](auto cx, auto x) {
    jaxvjp_value* r = scan(
        cx,
        [f](auto cx, auto c, auto) -> Step {
          return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
        },
        x, jaxvjp_none(cx), length);
    return jaxvjp_get(cx, r, 0);
  });
}

}  // namespace conformance
