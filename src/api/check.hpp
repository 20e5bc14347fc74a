// check_vjp: is a rule right? Laws that a derivative obeys, tried at one point.
#pragma once
#include "api/function.hpp"

namespace jv {

struct CheckOptions {
  int order = 1;  // 2: the derivative of the derivative too
  uint32_t seed = 0;
  double tolerance = 0;  // relative; 0: by dtype
  bool nonlinear_ok = false;
};

// CHECK with a report where a law is broken; what f itself fails with comes as it is. With specs
// among the arguments only structure, shapes and dtypes are checked.
void check_vjp(View& cx, Function& f, Args args, const CheckOptions& options);

}  // namespace jv
