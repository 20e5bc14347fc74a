#include "api/check_differences.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace jv {
namespace {

using Vector = std::vector<double>;

// Differences over steps h, h/4, h/16 ... and what is lost to rounding in each.
struct Slopes {
  std::vector<Vector> slope, noise;  // [step][element]
};

Vector moved(const Vector& x, const Vector& direction, double h) {
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] + h * direction[i];
  return y;
}

// Values inside of f are taken to be about 1, or of the size of its result, or of what the slope
// carries over from x.
double noise(double plus, double minus, double slope, double h, double epsilon) {
  return epsilon * (std::max({1.0, std::fabs(plus), std::fabs(minus)}) + std::fabs(slope)) / h;
}

Slopes slopes_of(const VectorFunction& f, const Vector& x, const Vector& direction,
                 const Precision& p) {
  Slopes s;
  double h = 0.125;
  for (int k = 0; k < p.steps; ++k, h /= 4) {
    Vector plus = f(moved(x, direction, h)), minus = f(moved(x, direction, -h));
    Vector slope(plus.size()), lost(plus.size());
    for (size_t i = 0; i < plus.size(); ++i) {
      slope[i] = (plus[i] - minus[i]) / (2 * h);
      lost[i] = noise(plus[i], minus[i], slope[i], h, p.epsilon);
    }
    s.slope.push_back(std::move(slope));
    s.noise.push_back(std::move(lost));
  }
  return s;
}

// Richardson's extrapolation to h = 0, stopped where neighbours in its table differ least (Ridders,
// Advances in Engineering Software 4, 1982).
void extrapolate(const Slopes& s, size_t element, double& value, double& error) {
  value = std::numeric_limits<double>::quiet_NaN();
  error = std::numeric_limits<double>::infinity();
  Vector row;
  for (size_t k = 0; k < s.slope.size(); ++k) {
    Vector next{s.slope[k][element]};
    double weight = 1;
    for (size_t j = 1; j <= row.size(); ++j) {
      weight *= 16;
      next.push_back(next[j - 1] + (next[j - 1] - row[j - 1]) / (weight - 1));
      double apart = std::max(std::fabs(next[j] - next[j - 1]), std::fabs(next[j] - row[j - 1]));
      double now = apart + s.noise[k][element];
      if (now < error) value = next[j], error = now;
    }
    row = std::move(next);
  }
}

}  // namespace

Precision precision_of(DType dtype) {
  switch (dtype) {
    case DType::bf16: return {0x1p-8, 1e-1, 3};
    case DType::f16: return {0x1p-11, 1e-1, 4};
    case DType::f32: return {0x1p-24, 2e-3, 6};
    default: return {0x1p-53, 1e-6, 12};
  }
}

Differences central_differences(const VectorFunction& f, const Vector& x, const Vector& direction,
                                const Precision& precision) {
  Slopes s = slopes_of(f, x, direction, precision);
  size_t n = s.slope[0].size();
  Differences d{Vector(n), Vector(n)};
  for (size_t i = 0; i < n; ++i) extrapolate(s, i, d.value[i], d.error[i]);
  return d;
}

}  // namespace jv
