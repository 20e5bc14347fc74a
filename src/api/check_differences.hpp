// Derivatives of a function of vectors by central differences, each with an estimate of its error.
#pragma once
#include <functional>
#include <vector>

#include "core/dtype.hpp"

namespace jv {

// What can be asked of numbers of a dtype.
struct Precision {
  double epsilon, tolerance;
  int steps;  // sizes of difference steps to try, each a quarter of the one before
  double first_step = 0.125;
};
Precision precision_of(DType dtype);

struct Differences {
  std::vector<double> value, error;  // error: infinite where there is no estimate
};

// Of f along `direction` at x; `round` gives the point that f takes for a point. Numbers that f
// gives as NaN are left out.
using VectorFunction = std::function<std::vector<double>(const std::vector<double>&)>;
Differences central_differences(const VectorFunction& f, const VectorFunction& round,
                                const std::vector<double>& x, const std::vector<double>& direction,
                                const Precision& precision);

}  // namespace jv
