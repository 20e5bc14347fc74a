// cond: one of several jaxprs, chosen when the program runs.
#pragma once
#include <functional>

#include "control/flow.hpp"

namespace jv {

// Traces branch k on values of the arguments' types. It may leave holes where it has no value for
// what another branch gives: zeros go there, and what no branch gives is null in the result.
using BranchFn = std::function<Tracers(size_t k, Operands args)>;
// index: i32[]; beyond the ends it is the first or the last branch.
Tracers cond(Context& cx, Trace& at, const Tracer& index, size_t n, Operands args,
             const BranchFn& branch);

}  // namespace jv
