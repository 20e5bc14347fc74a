// Errors are measured in double: exact for the narrower formats, and good to a part in 2^52 for f64
// itself.
#include "golden_compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace golden {
namespace {

struct Format {
  int digits;        // of the significand
  int min_exponent;  // of the least normal number, as frexp counts
};

Format format_of(jv::DType dtype) {
  switch (dtype) {
    case jv::DType::f16: return {11, -13};
    case jv::DType::bf16: return {8, -125};
    case jv::DType::f32: return {24, -125};
    default: return {53, -1021};
  }
}

double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double x = exponent == 31  ? (fraction ? std::numeric_limits<double>::quiet_NaN()
                                         : std::numeric_limits<double>::infinity())
             : exponent == 0 ? std::ldexp(fraction, -24)
                             : std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 ? -x : x;
}

template <class T>
T element(const Array& a, size_t i) {
  T x;
  std::memcpy(&x, a.data.data() + i * sizeof x, sizeof x);
  return x;
}

double value(const Array& a, size_t i) {
  switch (a.dtype) {
    case jv::DType::f16: return half_value(element<uint16_t>(a, i));
    case jv::DType::bf16: return static_cast<float>(element<jv::BFloat16>(a, i));
    case jv::DType::f32: return element<float>(a, i);
    default: return element<double>(a, i);
  }
}

double ulp_of(double x, Format format) {
  int exponent = format.min_exponent;
  if (x != 0) std::frexp(x, &exponent);
  return std::ldexp(1, std::max(exponent, format.min_exponent) - format.digits);
}

double largest_magnitude(const Array& a) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::isfinite(value(a, i))) largest = std::max(largest, std::abs(value(a, i)));
  return largest;
}

double smallest_normal(jv::DType dtype) {
  if (dtype == jv::DType::f64) return std::numeric_limits<double>::min();
  return dtype == jv::DType::f16 ? 0x1p-14 : std::numeric_limits<float>::min();
}

// The error in the tolerance's own unit; infinite where no tolerance helps.
double error_of(double got, double want, Tolerance::Kind kind, double unit, double tiny) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const bool strict = kind == Tolerance::Kind::exact || kind == Tolerance::Kind::ulp;
  if (std::isnan(got) || std::isnan(want))
    return std::isnan(got) && std::isnan(want) ? 0 : infinite;
  if (strict && got == 0 && want == 0)
    return std::signbit(got) == std::signbit(want) ? 0 : infinite;
  if (got == want) return 0;
  // XLA flushes subnormal numbers to zero; we keep them.
  if (want == 0 && std::abs(got) < tiny && kind != Tolerance::Kind::exact) return 0;
  if (std::isinf(got) || std::isinf(want) || unit == 0) return infinite;
  return std::abs(got - want) / unit;
}

std::string describe(const Array& got, const Array& want, size_t i, double error,
                     const Tolerance& tolerance) {
  static const char* const units[] = {"exact", "ulp", "rel", "norm"};
  char text[200];
  std::snprintf(text, sizeof text,
                "element %zu: got %.17g (%a), want %.17g (%a): off by %.3g, allowed %s %g", i,
                value(got, i), value(got, i), value(want, i), value(want, i), error,
                units[static_cast<int>(tolerance.kind)], tolerance.bound);
  return text;
}

std::string float_difference(const Array& got, const Array& want, const Tolerance& tolerance) {
  const Format format = format_of(want.dtype);
  const double norm = largest_magnitude(want);
  const double tiny = smallest_normal(want.dtype);
  double worst = tolerance.bound;
  size_t where = want.size();
  for (size_t i = 0; i < want.size(); ++i) {
    const double w = value(want, i);
    const double unit = tolerance.kind == Tolerance::Kind::norm  ? norm
                        : tolerance.kind == Tolerance::Kind::rel ? std::abs(w)
                                                                 : ulp_of(w, format);
    const double error = error_of(value(got, i), w, tolerance.kind, unit, tiny);
    if (error > worst) worst = error, where = i;
  }
  return where == want.size() ? "" : describe(got, want, where, worst, tolerance);
}

std::string type_text(const Array& a) {
  std::string text(jv::name_of(a.dtype));
  text += '[';
  for (size_t i = 0; i < a.shape.size(); ++i) text += (i ? "," : "") + std::to_string(a.shape[i]);
  return text + ']';
}

}  // namespace

std::string difference(const Array& got, const Array& want, const Tolerance& tolerance) {
  if (got.dtype != want.dtype || got.shape != want.shape)
    return "got " + type_text(got) + ", want " + type_text(want);
  if (jv::is_float(want.dtype)) return float_difference(got, want, tolerance);
  const size_t size = jv::size_of(want.dtype);
  for (size_t i = 0; size && i < want.size(); ++i)
    if (std::memcmp(got.data.data() + i * size, want.data.data() + i * size, size))
      return "element " + std::to_string(i) + " of " + type_text(want) + " differs";
  return "";
}

}  // namespace golden
