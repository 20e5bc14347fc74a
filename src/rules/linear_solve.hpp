// custom_linear_solve: x with A x = b, found by jaxprs of the user's; its derivative is that of the
// equation, not of what the solver did.
#pragma once
#include "control/flow.hpp"

namespace jv {

// Jaxprs of the unknowns (b in the two solves, x in the two products), with what they captured.
struct LinearSolve {
  StageTrace::Closed matvec;           // A x
  StageTrace::Closed vecmat;           // A^T x; null where there is no transpose_solve
  StageTrace::Closed solve;            // (x, auxiliary results)
  StageTrace::Closed transpose_solve;  // the same for A^T, or null
};
Tracers linear_solve(Context& cx, Trace& at, const LinearSolve& s, Operands b);

}  // namespace jv
