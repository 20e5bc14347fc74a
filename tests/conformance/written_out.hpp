// Programs with loops, branches or checkpoints beside the same computation written out: both under
// every law. The rules that they use differ from the true derivative.
#pragma once

#include "loops.hpp"

namespace conformance {

using Op2 = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*, jaxvjp_value*);
inline constexpr Op2 add = jaxvjp_add, mul = jaxvjp_mul;
inline jaxvjp_value* sine(jaxvjp_context* cx, jaxvjp_value* x) { return jaxvjp_sin(cx, x); }

inline const std::vector<double> xs = {0.5, -1.2, 0.3, 0.9};

// step(carry, element, x) -> carry
using Fold = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value* c, jaxvjp_value* v,
                                         jaxvjp_value* x)>;
inline Scalar folded(Fold f, bool from_x) {  // by a scan that closes over x
  return [=](jaxvjp_context* cx, jaxvjp_value* x) {
    jaxvjp_value* init = from_x ? x : num(cx, 0.4);
    jaxvjp_value* r = scan(
        cx,
        [=](auto cx, auto c, auto v) -> Step {
          return {f(cx, c, v, x), jaxvjp_none(cx)};
        },
        init, vec(cx, xs));
    return jaxvjp_get(cx, r, 0);
  };
}
inline Scalar unrolled(Fold f, bool from_x) {
  return [=](jaxvjp_context* cx, jaxvjp_value* x) {
    jaxvjp_value* c = from_x ? x : num(cx, 0.4);
    for (double v : xs) c = f(cx, c, num(cx, v), x);
    return c;
  };
}

// The rules: 10 x ct for x^2, and for x y the pair (3 y ct, 5 x ct).
inline Scalar tenfold(jaxvjp_context* cx) {
  Rule rule = tenfold_square();
  rule.fwd = self_fwd;
  return [f = custom_vjp(cx, "tenfold", std::move(rule))](auto cx, auto x) {
    return jaxvjp_call1(cx, f, x);
  };
}
using Binary = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*, jaxvjp_value*)>;
inline Binary crooked(jaxvjp_context* cx) {
  auto* f = custom_vjp(cx, "crooked",
                       {.fwd = self_fwd,
                        .bwd =
                            [](auto cx, auto saved, auto ct, auto slots) {
                              jaxvjp_value *x = jaxvjp_get(cx, saved, 0),
                                           *y = jaxvjp_get(cx, saved, 1);
                              slots[0] = mul(cx, times(cx, 3, y), ct);
                              slots[1] = mul(cx, times(cx, 5, x), ct);
                            },
                        .primal = [](auto cx, auto args) { return mul(cx, args[0], args[1]); }});
  return [f](auto cx, auto x, auto y) { return jaxvjp_call2(cx, f, x, y); };
}

struct Case {
  std::string name;
  std::function<Scalar(jaxvjp_context*)> with, without;
  bool reverse = true, forward = true;
};

using Transformation = jaxvjp_function* (*)(jaxvjp_context*, jaxvjp_function*);
struct Law {
  const char* name;
  Transformation apply;  // of a function R -> R, to such a function
  bool reverse, forward;
};
inline jaxvjp_function* forward(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_jacfwd(cx, f, nullptr);
}
// x -> sum of f over x + (0, 1/4, -1/2)
inline jaxvjp_function* over_three(jaxvjp_context* cx, jaxvjp_function* f) {
  return function(cx, "over_three", [f](auto cx, auto args) {
    jaxvjp_value* points = add(cx, args[0], vec(cx, {0, 0.25, -0.5}));
    return sum(cx, jaxvjp_call1(cx, vmap(cx, f, {}), points));
  });
}
inline const Law laws[] = {
    {"value", [](auto, auto f) { return f; }, false, false},
    {"jit", jit, false, false},
    {"grad", grad, true, false},
    {"jit_grad", [](auto cx, auto f) { return jit(cx, grad(cx, f)); }, true, false},
    {"grad_jit", [](auto cx, auto f) { return grad(cx, jit(cx, f)); }, true, false},
    {"grad_grad", [](auto cx, auto f) { return grad(cx, grad(cx, f)); }, true, false},
    {"grad_jit_grad", [](auto cx, auto f) { return grad(cx, jit(cx, grad(cx, f))); }, true, false},
    {"forward", forward, false, true},
    {"forward_forward", [](auto cx, auto f) { return forward(cx, forward(cx, f)); }, false, true},
    {"forward_grad", [](auto cx, auto f) { return forward(cx, grad(cx, f)); }, true, true},
    {"grad_forward", [](auto cx, auto f) { return grad(cx, forward(cx, f)); }, true, true},
    {"vmap", over_three, false, false},
    {"jit_vmap", [](auto cx, auto f) { return jit(cx, over_three(cx, f)); }, false, false},
    {"vmap_grad", [](auto cx, auto f) { return over_three(cx, grad(cx, f)); }, true, false},
    {"grad_vmap", [](auto cx, auto f) { return grad(cx, over_three(cx, f)); }, true, false},
    {"vmap_forward", [](auto cx, auto f) { return over_three(cx, forward(cx, f)); }, false, true},
    {"jit_vmap_grad_jit",
     [](auto cx, auto f) { return jit(cx, over_three(cx, grad(cx, jit(cx, f)))); }, true, false},
    {"grad_vmap_grad", [](auto cx, auto f) { return grad(cx, over_three(cx, grad(cx, f))); }, true,
     false},
};

inline void expect_as_written_out(const Case& c) {
  for (const Law& law : laws) {
    if ((law.reverse && !c.reverse) || (law.forward && !c.forward)) continue;
    for (double at : {0.7, -0.4}) {
      SCOPED_TRACE(std::string(law.name) + " at " + std::to_string(at));
      Context cx;
      auto* with = law.apply(cx, scalar_function(cx, c.with(cx)));
      auto* without = law.apply(cx, scalar_function(cx, c.without(cx)));
      jaxvjp_value* expected = jaxvjp_call1(cx, without, num(cx, at));
      EXPECT_TRUE(no_error(cx)) << "written out";
      const double number = jaxvjp_item(cx, expected);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, with, num(cx, at)), number));
    }
  }
}

}  // namespace conformance
