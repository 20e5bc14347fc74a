// Jaxprs and modules as text, in JAX's grammar as far as JAX has words for them; parse.hpp reads
// it.
#pragma once
#include "core/module.hpp"

namespace jv {

std::string to_string(const Jaxpr& j);
// A module with nothing to add to its program is printed as that.
std::string to_string(const Module& module);
// Of a parameter: (0, 1), float32, None.
std::string to_string(ParamKind kind, const Param& value);

}  // namespace jv
