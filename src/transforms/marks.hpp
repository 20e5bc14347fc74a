// A flag for each variable or equation of a jaxpr: bytes, which are quicker than bits.
#pragma once
#include <vector>

namespace jv {

using Marks = std::vector<unsigned char>;

}  // namespace jv
