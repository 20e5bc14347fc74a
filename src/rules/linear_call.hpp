// linear_call: a linear function together with its transpose, each a jaxpr of (known...,
// linear...).
#pragma once
#include "control/flow.hpp"

namespace jv {

// `function` takes the residuals and the linear arguments, `transpose` the residuals and cotangents
// of the results.
Tracers linear_call(Context& cx, Trace& at, const StageTrace::Closed& function,
                    const StageTrace::Closed& transpose, Operands residuals, Operands linear);

// A linear function and its transpose, of the same residuals.
struct LinearPair {
  StageTrace::Closed function;  // without a jaxpr where only the transpose is known
  StageTrace::Closed transpose;

  // Both jaxprs with what either captured among their residuals, which grow by it.
  void share_captured(Context& cx, Tracers& residuals);
};
// What a pair of jaxprs does to all elements: what is linear is mapped, on both sides; the
// residuals are as they are.
LinearPair mapped_pair(BatchTrace& t, const Jaxpr* function, const Jaxpr& transpose,
                       MappedOperands residuals);
// NO_TRANSPOSE where one of the leading `n` operands is not known.
void check_residuals(const char* name, std::span<const bool> known, size_t n);

}  // namespace jv
