// Derivatives against differences: one random direction screens; where it fails, elements are
// compared one by one.
#include <algorithm>
#include <cmath>

#include "api/check_laws.hpp"

namespace jv {
namespace {

constexpr size_t most_elements = 64;

// A step of 1 along an element at x: differences must not drown in the rounding of x + h.
double step_of(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::isfinite(x) && std::fabs(x) > 1 ? std::ldexp(1.0, exponent - 1) : 1.0;
}

Differences differences_along(const Subject& s, const Vector& direction) {
  return central_differences([&](const Vector& x) { return s.value_at(x); }, s.in.origin(),
                             direction, s.precision);
}

// A sum of products, the sum of their sizes, and what is known of the error.
struct Inner {
  double sum = 0, size = 0, error = 0;
  void add(double term) { sum += term, size += std::fabs(term); }
};

// <u, J v> by differences, <bwd(u), v> by the rule.
struct Screen {
  Inner expected, got;
  bool passes(const Subject& s) const {
    double scale = std::max(expected.size, got.size);
    bool sharp = expected.error <= 100 * s.precision.tolerance * scale || scale == 0;
    return sharp && s.agree(got.sum, expected.sum, scale, expected.error);
  }
};

Screen screen(const Subject& s, Random& random) {
  Vector u = random.direction(s.out.size()), v = random.direction(s.in.size());
  for (size_t i = 0; i < v.size(); ++i) v[i] *= step_of(s.in.origin()[i]);
  Screen r;
  Differences d = differences_along(s, v);
  for (size_t j = 0; j < u.size(); ++j) {
    r.expected.add(u[j] * d.value[j]);
    r.expected.error += std::fabs(u[j]) * d.error[j];
  }
  Vector back = s.pull(u);
  for (size_t i = 0; i < v.size(); ++i) r.got.add(back[i] * v[i]);
  return r;
}

// The element of the Jacobian that differs most from what was expected.
struct Worst {
  size_t in = 0, out = 0, compared = 0, differ = 0;
  double got = 0, expected = 0, excess = 0;
};

void compare(const Subject& s, size_t in, size_t out, double got, double expected, double error,
             Worst& worst) {
  if (!std::isfinite(error)) return;  // no differences there: nothing is known
  ++worst.compared;
  double scale = std::max(std::fabs(got), std::fabs(expected));
  if (s.agree(got, expected, scale, error)) return;
  ++worst.differ;
  double excess = std::fabs(got - expected) / (s.precision.tolerance * scale + 4 * error);
  if (worst.differ > 1 && excess <= worst.excess) return;
  worst.in = in, worst.out = out, worst.excess = excess;
  worst.got = got, worst.expected = expected;
}

Worst compare_elements(const Subject& s, const std::vector<size_t>& ins,
                       const std::vector<size_t>& outs) {
  std::vector<Vector> rows;  // of the Jacobian, as the rule says
  for (size_t j : outs) {
    Vector unit(s.out.size(), 0);
    unit[j] = 1;
    rows.push_back(s.pull(unit));
  }
  Worst worst;
  for (size_t i : ins) {
    Vector direction(s.in.size(), 0);
    double step = direction[i] = step_of(s.in.origin()[i]);
    Differences column = differences_along(s, direction);
    for (size_t k = 0; k < outs.size(); ++k)
      compare(s, i, outs[k], rows[k][i], column.value[outs[k]] / step, column.error[outs[k]] / step,
              worst);
  }
  return worst;
}

[[noreturn]] void report(const Subject& s, const Worst& worst, const Subject* twice) {
  std::string what = "cotangent of " + s.argument(worst.in);
  std::string of = twice ? "the cotangent of " + twice->argument(worst.out) : s.output(worst.out);
  if (twice) what = "second derivative by " + s.argument(worst.in) + " of " + of;
  std::vector<std::string> notes{
      str("compared with central differences, per unit cotangent of ", of)};
  if (worst.compared > 1)
    notes.push_back(str(worst.differ, " of ", worst.compared, " elements compared differ"));
  s.report(what, worst.got, worst.expected, std::move(notes));
}

}  // namespace

void check_derivative(const Subject& s, Random random, const Subject* twice) {
  Screen screened = screen(s, random);
  if (screened.passes(s)) return;
  std::vector<size_t> ins = random.sample(s.in.size(), most_elements);
  std::vector<size_t> outs = random.sample(s.out.size(), most_elements);
  Worst worst = compare_elements(s, ins, outs);
  if (worst.differ) report(s, worst, twice);
  if (s.options.nonlinear_ok || !std::isfinite(screened.expected.error)) return;
  if (!twice) check_linear(s, random);  // right at unit cotangents: the likelier cause
  double scale = std::max(screened.expected.size, screened.got.size);
  if (s.agree(screened.got.sum, screened.expected.sum, scale, screened.expected.error)) return;
  s.report(twice ? "second derivative in a random direction" : "derivative in a random direction",
           screened.got.sum, screened.expected.sum,
           {str("none of the ", worst.compared, " elements compared differs by itself")});
}

}  // namespace jv
