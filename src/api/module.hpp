// Programs with their rules, out of the process and back; and rules that are given as programs.
#pragma once
#include "api/function.hpp"

namespace jv {

std::string save(View& cx, const TypedJaxpr& jaxpr, bool rules, bool text);
// Bytes or text. `functions` stand in for the rules of their names.
Ref<TypedJaxpr> load(View& cx, std::string_view bytes, std::span<const FunctionRef> functions);

// Text alone. A rule that it calls without saying it stays unlinked.
Ref<TypedJaxpr> parse(View& cx, std::string_view text);

// A function with a rule of three jaxprs: (args) -> outs; (args) -> outs, residuals; (residuals,
// cotangents of outs) -> cotangents of args.
FunctionRef custom_vjp_from_jaxprs(View& cx, std::string name, Ref<TypedJaxpr> primal,
                                   const JaxprRef& fwd, const JaxprRef& bwd);

}  // namespace jv
