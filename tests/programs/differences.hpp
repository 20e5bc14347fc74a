// Differences of a closed form, and the scalar of its outputs that gradients are taken of.
#pragma once

#include <cstddef>
#include <vector>

namespace programs {

using Numbers = std::vector<double>;

using Jacobian = std::vector<Numbers>;  // a row an output

inline Numbers shifted(Numbers x, std::size_t i, double h) {
  x[i] += h;
  return x;
}
// Central differences of fourth order: good to 1e-10 here.
template <class F>
Numbers difference(F f, const Numbers& x, std::size_t i, double h) {
  const Numbers a = f(shifted(x, i, -2 * h)), b = f(shifted(x, i, -h)), c = f(shifted(x, i, h)),
                d = f(shifted(x, i, 2 * h));
  Numbers slope;
  for (std::size_t k = 0; k < a.size(); k++)
    slope.push_back((a[k] - 8 * b[k] + 8 * c[k] - d[k]) / (12 * h));
  return slope;
}
template <class F>
Jacobian jacobian(F f, const Numbers& x, double h = 1e-3) {
  Jacobian rows(f(x).size(), Numbers(x.size()));
  for (std::size_t i = 0; i < x.size(); i++) {
    const Numbers column = difference(f, x, i, h);
    for (std::size_t k = 0; k < rows.size(); k++) rows[k][i] = column[k];
  }
  return rows;
}

inline double weight(std::size_t k) { return 0.5 - 0.3 * static_cast<double>(k); }
inline double direction(std::size_t i) { return 1 + 0.25 * static_cast<double>(i); }

// sum_k weight(k) y_k + y_k^2 / 2
inline double loss_of(const Numbers& y) {
  double total = 0;
  for (std::size_t k = 0; k < y.size(); k++) total += weight(k) * y[k] + y[k] * y[k] / 2;
  return total;
}

}  // namespace programs
