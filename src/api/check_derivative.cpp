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

Differences differences_along(const Subject& s, const Vector& direction, double smaller = 1) {
  Precision precision = s.precision;
  precision.first_step *= smaller;
  return central_differences([&](const Vector& x) { return s.value_at(x); },
                             [&](const Vector& x) { return s.in.rounded(x); }, s.in.origin(),
                             direction, precision);
}

Vector only(const Vector& v, size_t first, size_t last) {
  Vector part(v.size(), 0);
  std::copy(v.begin() + long(first), v.begin() + long(last), part.begin() + long(first));
  return part;
}

// ---- directions

// <u, J v> by differences, with its error, and <bwd(u), v> by the rule.
struct Directional {
  double expected = 0, got = 0, error = 0;
  double size = 0;  // of the terms: sums may cancel

  // An error in one term of many shows: sums are compared as closely as they are known.
  bool agrees(const Subject& s) const { return s.agree(got, expected, sum(), known(s)); }
  bool sharp(const Subject& s) const { return known(s) <= s.precision.tolerance * sum(); }
  // Beyond doubt, even if every term is only as good as the tolerance.
  bool differs(const Subject& s) const {
    return std::isfinite(error) && !s.agree(got, expected, size, error);
  }

 private:
  double sum() const { return std::max(std::fabs(got), std::fabs(expected)); }
  double known(const Subject& s) const { return error + 4 * s.precision.epsilon * size; }
};

Directional directional(const Subject& s, const Vector& u, const Vector& v, const Vector& back) {
  Directional r;
  double size = 0;
  Differences d = differences_along(s, v);
  for (size_t j = 0; j < u.size(); ++j) {
    r.expected += u[j] * d.value[j];
    r.error += std::fabs(u[j]) * d.error[j];
    r.size += std::fabs(u[j] * d.value[j]);
  }
  for (size_t i = 0; i < v.size(); ++i) {
    if (v[i] == 0) continue;
    r.got += back[i] * v[i];
    size += std::fabs(back[i] * v[i]);
  }
  r.size = std::max(r.size, size);
  return r;
}

struct Direction {
  Vector u, v;
  Direction(const Subject& s, Random& random)
      : u(random.direction(s.out.size())), v(random.direction(s.in.size())) {
    for (size_t i = 0; i < v.size(); ++i) v[i] *= step_of(s.in.origin()[i]);
  }
};

// ---- elements

// The elements that are compared.
struct Sample {
  std::vector<size_t> ins, outs;
  bool complete(const Subject& s) const {
    return ins.size() == s.in.size() && outs.size() == s.out.size();
  }
};

// One of n indices, by halves: `differs(first, last)` asks whether it is among these.
template <class Differs>
size_t bisect(size_t n, Differs&& differs) {
  size_t first = 0, last = n;
  while (last - first > 1) {
    size_t middle = first + (last - first) / 2;
    (differs(first, middle) ? last : first) = middle;
  }
  return first;
}

void include(std::vector<size_t>& sample, size_t i) {
  if (std::find(sample.begin(), sample.end(), i) == sample.end()) sample.push_back(i);
}

// Adds an element that makes this direction fail, to a sample that may not have it.
void add_suspect(const Subject& s, const Direction& d, Sample& sample) {
  Vector back = s.pull(d.u);
  size_t in = bisect(s.in.size(), [&](size_t first, size_t last) {
    return !directional(s, d.u, only(d.v, first, last), back).agrees(s);
  });
  Vector unit = only(d.v, in, in + 1);
  size_t out = bisect(s.out.size(), [&](size_t first, size_t last) {
    Vector u = only(d.u, first, last);
    return !directional(s, u, unit, s.pull(u)).agrees(s);
  });
  include(sample.ins, in);
  include(sample.outs, out);
}

// The element of the Jacobian that differs most from what was expected.
struct Worst {
  size_t in = 0, out = 0, compared = 0, differ = 0;
  double got = 0, expected = 0, excess = 0;
};

class Elements {
 public:
  Elements(const Subject& s, const Sample& sample) : s_(s), sample_(sample) {
    for (size_t j : sample.outs) {
      Vector unit(s.out.size(), 0);
      unit[j] = 1;
      rows_.push_back(s.pull(unit));
    }
  }

  Worst compare() {
    for (size_t i : sample_.ins) {
      Differences d = column(i, 1);
      for (size_t k = 0; k < rows_.size(); ++k) compare_one(i, k, d);
    }
    return worst_;
  }

 private:
  // d/dx_i of all outputs.
  Differences column(size_t i, double smaller) {
    double step = step_of(s_.in.origin()[i]);
    Differences d = differences_along(s_, only(Vector(s_.in.size(), step), i, i + 1), smaller);
    for (double& x : d.value) x /= step;
    for (double& x : d.error) x /= step;
    return d;
  }

  bool agrees(size_t i, size_t k, const Differences& d) const {
    size_t j = sample_.outs[k];
    double got = rows_[k][i], expected = d.value[j];
    return !std::isfinite(d.error[j]) ||  // nothing is known
           s_.agree(got, expected, std::max(std::fabs(got), std::fabs(expected)), d.error[j]);
  }

  // What differs must differ with other steps, too: differences may be wrong by chance.
  void compare_one(size_t i, size_t k, const Differences& d) {
    worst_.compared += std::isfinite(d.error[sample_.outs[k]]);
    if (agrees(i, k, d)) return;
    for (double smaller : {0.77, 0.57})
      if (agrees(i, k, column(i, smaller))) return;
    ++worst_.differ;
    size_t j = sample_.outs[k];
    double got = rows_[k][i], expected = d.value[j];
    double allowed = s_.precision.tolerance * std::max(std::fabs(got), std::fabs(expected));
    double excess = std::fabs(got - expected) / (allowed + d.error[j]);
    if (worst_.differ > 1 && excess <= worst_.excess) return;
    worst_.in = i, worst_.out = j, worst_.excess = excess;
    worst_.got = got, worst_.expected = expected;
  }

  const Subject& s_;
  const Sample& sample_;
  std::vector<Vector> rows_;  // of the Jacobian, as the rule says
  Worst worst_;
};

// ---- reports

[[noreturn]] void report(const Subject& s, const Worst& worst, const Subject* twice) {
  std::string of = twice ? "the cotangent of " + twice->argument(worst.out) : s.output(worst.out);
  std::string what = (twice ? "second derivative by " : "cotangent of ") + s.argument(worst.in);
  if (twice) what += " of " + of;
  std::vector<std::string> notes{"compared with central differences, per unit cotangent of " + of};
  if (worst.compared > 1)
    notes.push_back(str(worst.differ, " of ", worst.compared, " elements compared differ"));
  s.report(what, worst.got, worst.expected, std::move(notes));
}

// No element of the sample differs, so several directions must.
void check_directions(const Subject& s, Random& random, bool twice) {
  Directional d;
  for (int i = 0; i < 3; ++i) {
    Direction direction(s, random);
    d = directional(s, direction.u, direction.v, s.pull(direction.u));
    if (!d.differs(s)) return;
  }
  s.report(str(twice ? "second " : "", "derivative in a random direction"), d.got, d.expected,
           {"none of the elements compared differs by itself"});
}

}  // namespace

void check_derivative(const Subject& s, Random random, const Subject* twice) {
  Direction d(s, random);
  Directional screen = directional(s, d.u, d.v, s.pull(d.u));
  if (screen.sharp(s) && screen.agrees(s)) return;
  Sample sample{random.sample(s.in.size(), most_elements),
                random.sample(s.out.size(), most_elements)};
  bool complete = sample.complete(s);
  if (!complete && !screen.agrees(s)) add_suspect(s, d, sample);
  Worst worst = Elements(s, sample).compare();
  if (worst.differ) report(s, worst, twice);
  if (complete || s.options.nonlinear_ok) return;
  if (!twice) check_linear(s, random);  // right at unit cotangents: the likelier cause
  check_directions(s, random, twice);
}

}  // namespace jv
