// A case as a function of the library: its jaxpr or op, transformed as its spec says. Public C
// interface only.
#pragma once
#include "golden_file.hpp"
#include "jaxvjp/jaxvjp.h"

namespace golden {

// In cx's innermost scope; reads `c` as long as it lives. NULL when something failed.
jaxvjp_function* function_of_case(jaxvjp_context* cx, const Case& c);

// A named function of the library at args. SyntaxError where there is none of that name.
jaxvjp_value* call_op(jaxvjp_context* cx, const Op& op, jaxvjp_value* const* args, size_t n);

}  // namespace golden
