// Is a result what JAX got, within the case's tolerance?
#pragma once
#include <string>

#include "golden_file.hpp"

namespace golden {

// "" if so; else a line that names the worst element and both numbers. NaN equals any NaN,
// infinities themselves. The sign of a zero counts where the tolerance is exact or in ulps.
std::string difference(const Array& got, const Array& want, const Tolerance& tolerance);

}  // namespace golden
