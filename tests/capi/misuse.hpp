// What the tests of misuse share: a function to misuse, and a look at whether the context still
// works.
#pragma once

#include "../conformance/higher_order.hpp"

namespace conformance {

inline jaxvjp_function* sine(jaxvjp_context* cx) {
  return function(cx, "sine", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
}

inline AssertionResult works(jaxvjp_context* cx) {
  return near(cx, jaxvjp_call1(cx, grad(cx, sine(cx)), jaxvjp_f64(cx, 0)), 1.0);
}

}  // namespace conformance
