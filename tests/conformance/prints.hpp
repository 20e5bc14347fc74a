// What a program prints, and what its probes see: eagerly and under jit, each time it is called.
#pragma once

#include "written_out.hpp"

namespace conformance {

// sin, which says what it is given.
inline jaxvjp_value* loud_sine(jaxvjp_context* cx, jaxvjp_value* x) {
  print(cx, "x {}", {x});
  return jaxvjp_sin(cx, x);
}

// x² with the rule 10 x ct, each of whose functions says what it is given.
inline jaxvjp_function* loud_rule(jaxvjp_context* cx, Counts* counts = nullptr) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       print(cx, "fwd {}", {args[0]});
                       return {jaxvjp_mul(cx, args[0], args[0]), args[0]};
                     },
                     .bwd =
                         [](auto cx, auto x, auto ct, auto slots) {
                           print(cx, "bwd {} {}", {x, ct});
                           slots[0] = times(cx, 10, mul(cx, x, ct));
                         },
                     .primal =
                         [](auto cx, auto args) {
                           print(cx, "primal {}", {args[0]});
                           return jaxvjp_mul(cx, args[0], args[0]);
                         },
                     .counts = counts});
}

using Make = std::function<jaxvjp_function*(jaxvjp_context*)>;
using Argument = std::function<jaxvjp_value*(jaxvjp_context*)>;

// What a call of `make` prints, eagerly and twice under jit.
inline void expect_prints(const char* what, Make make, Argument x, const Lines& expected) {
  SCOPED_TRACE(what);
  Lines lines;
  Context cx(lines);
  for (auto [f, how] : eager_and_jit(cx, make(cx)))
    for (int again = 0; again < 2; ++again) {
      SCOPED_TRACE(how);
      lines.clear();
      jaxvjp_call1(cx, f, x(cx));
      EXPECT_TRUE(no_error(cx));
      EXPECT_EQ(lines, expected);
    }
}

inline jaxvjp_value* two(jaxvjp_context* cx) { return num(cx, 2); }
inline jaxvjp_value* one_and_two(jaxvjp_context* cx) { return vec(cx, {1, 2}); }
inline jaxvjp_function* each(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_vmap(cx, f, nullptr);
}

}  // namespace conformance
