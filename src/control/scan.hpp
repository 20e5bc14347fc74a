// scan: a body that runs once for each row of its inputs, and carries values from one to the next.
#pragma once
#include "control/flow.hpp"

namespace jv {

extern const Primitive scan_p;

struct Loop {
  int64_t length;
  bool reverse = false;  // from the last row to the first
};
// The body takes the carry and one row of xs, and gives the next carry and one row of each y. What
// it captured is the same in each step. Returns the last carry and the stacked ys.
Tracers scan(Context& cx, Trace& at, const StageTrace::Closed& body, Operands init, Operands xs,
             Loop loop);

}  // namespace jv
