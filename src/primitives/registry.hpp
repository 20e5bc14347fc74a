// All primitives, those that hold jaxprs included: what parser, tests and docs walk.
#pragma once
#include <string_view>

#include "core/primitive.hpp"

namespace jv {

// In alphabetical order of their names.
std::span<const Primitive* const> primitives();
// By printed name; null when there is none.
const Primitive* find_primitive(std::string_view name);

}  // namespace jv
