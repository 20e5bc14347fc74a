#include "api/check_differences.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace jv {
namespace {

using Vector = std::vector<double>;

// Differences over steps h, h/4, h/16 ... and what rounding may have added to each.
struct Slopes {
  Vector step;
  std::vector<Vector> slope, noise;  // [step][element]
};

Vector moved(const Vector& x, const Vector& direction, double h) {
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] + h * direction[i];
  return y;
}

// A pair of points around x, about h along the direction each way.
struct Pair {
  Vector up, down;
  double distance = 0;  // in units of the direction
  double stray = 0;     // the part of the way that leads elsewhere, since points are rounded

  Pair(const VectorFunction& round, const Vector& x, const Vector& direction, double h)
      : up(round(moved(x, direction, h))), down(round(moved(x, direction, -h))) {
    double square = 0, length = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      distance += (up[i] - down[i]) * direction[i];
      square += direction[i] * direction[i];
      length += std::fabs(direction[i]);
    }
    distance /= square;
    for (size_t i = 0; i < x.size(); ++i)
      stray += std::fabs(up[i] - down[i] - distance * direction[i]) / (distance * length);
  }
};

Slopes slopes_of(const VectorFunction& f, const VectorFunction& round, const Vector& x,
                 const Vector& direction, const Precision& p) {
  Slopes s;
  double h = p.first_step;
  for (int k = 0; k < p.steps; ++k, h /= 4) {
    Pair at(round, x, direction, h);
    Vector plus = f(at.up), minus = f(at.down);
    Vector slope(plus.size()), noise(plus.size());
    for (size_t i = 0; i < plus.size(); ++i) {
      slope[i] = (plus[i] - minus[i]) / at.distance;
      // Values inside of f are taken to be about 1, or of the size of its result.
      double inside = std::max({1.0, std::fabs(plus[i]), std::fabs(minus[i])});
      noise[i] = p.epsilon * inside / h + at.stray * std::fabs(slope[i]);
    }
    s.step.push_back(h);
    s.slope.push_back(std::move(slope));
    s.noise.push_back(std::move(noise));
  }
  return s;
}

// Where f is noisier inside, its last slopes show it: by then they have converged, if any have.
void add_seen_noise(Slopes& s, size_t element) {
  double least = std::numeric_limits<double>::infinity();
  size_t n = s.step.size();
  for (size_t k = n - std::min<size_t>(n - 1, 3); k < n; ++k) {
    double seen = std::fabs(s.slope[k][element] - s.slope[k - 1][element]);
    bool known = seen <= 4 * s.noise[k][element];  // or f is a staircase, and shows no noise here
    if (!known) least = std::min(least, seen * s.step[k]);
  }
  if (!std::isfinite(least)) return;
  for (size_t k = 0; k < n; ++k)
    s.noise[k][element] = std::max(s.noise[k][element], 4 * least / s.step[k]);
}

// Richardson's extrapolation to h = 0: table[k][j] is made of j + 1 slopes, the last with step k.
std::vector<Vector> extrapolated(const Slopes& s, size_t element) {
  std::vector<Vector> table;
  for (size_t k = 0; k < s.step.size(); ++k) {
    Vector row{s.slope[k][element]};
    double weight = 1;
    for (size_t j = 1; j <= k; ++j) {
      weight *= 16;
      row.push_back(row[j - 1] + (row[j - 1] - table[k - 1][j - 1]) / (weight - 1));
    }
    table.push_back(std::move(row));
  }
  return table;
}

// How far an entry is from its neighbours (Ridders, Advances in Engineering Software 4, 1982), and
// from what smaller steps give, beyond their noise: large steps may agree by chance.
double doubt(const std::vector<Vector>& table, const Slopes& s, size_t element, size_t k,
             size_t j) {
  double t = table[k][j];
  double apart = std::max(std::fabs(t - table[k][j - 1]), std::fabs(t - table[k - 1][j - 1]));
  for (size_t m = k + 1; m < table.size(); ++m)
    apart = std::max(apart, std::fabs(t - table[m][j]) - 2 * s.noise[m][element]);
  return 4 * apart + s.noise[k][element];
}

void choose(Slopes& s, size_t element, double& value, double& error) {
  add_seen_noise(s, element);
  std::vector<Vector> table = extrapolated(s, element);
  value = std::numeric_limits<double>::quiet_NaN();
  error = std::numeric_limits<double>::infinity();
  for (size_t k = 1; k < table.size(); ++k)
    for (size_t j = 1; j <= k; ++j)
      if (double now = doubt(table, s, element, k, j); now < error)
        value = table[k][j], error = now;
}

}  // namespace

Precision precision_of(DType dtype) {
  switch (dtype) {
    case DType::bf16: return {0x1p-8, 1e-1, 3, 0.5};
    case DType::f16: return {0x1p-11, 1e-1, 4, 0.5};
    case DType::f32: return {0x1p-24, 2e-3, 6};
    default: return {0x1p-53, 1e-6, 11};
  }
}

Differences central_differences(const VectorFunction& f, const VectorFunction& round,
                                const Vector& x, const Vector& direction,
                                const Precision& precision) {
  Slopes s = slopes_of(f, round, x, direction, precision);
  size_t n = s.slope[0].size();
  Differences d{Vector(n), Vector(n)};
  for (size_t i = 0; i < n; ++i) choose(s, i, d.value[i], d.error[i]);
  return d;
}

}  // namespace jv
