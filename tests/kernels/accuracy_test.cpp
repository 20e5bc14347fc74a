// The elementary functions against MPFR: the worst error in units in the last place over the whole
// range of float and double, and over the ranges where the functions are interesting.
//
// JAXVJP_TEST_POINTS is the binary logarithm of the number of points a function, dtype and range.
#include <mpfr.h>

#include <cstdlib>

#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

// A number of MPFR with enough bits to judge a double.
class Exact {
 public:
  Exact() { mpfr_init2(x_, 160); }
  explicit Exact(double x) : Exact() { mpfr_set_d(x_, x, MPFR_RNDN); }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  ~Exact() { mpfr_clear(x_); }
  operator mpfr_ptr() { return x_; }
  operator mpfr_srcptr() const { return x_; }

 private:
  mpfr_t x_;
};

template <class T>
double rounded(mpfr_srcptr x) {
  return std::is_same_v<T, float> ? double(mpfr_get_flt(x, MPFR_RNDN)) : mpfr_get_d(x, MPFR_RNDN);
}

// |got - exact| in units in the last place of exact; the largest finite number and infinity are one
// apart.
template <class T>
double error_in_ulp(T got, mpfr_srcptr exact) {
  using L = std::numeric_limits<T>;
  if (mpfr_nan_p(exact) || got != got) return mpfr_nan_p(exact) && got != got ? 0 : INFINITY;
  const double nearest = rounded<T>(exact);
  if (std::isinf(nearest) || std::isinf(got)) {
    if (double(got) == nearest) return 0;
    const bool neighbours =
        std::abs(nearest) >= L::max() && std::abs(got) >= L::max() && (nearest > 0) == (got > 0);
    return neighbours ? 1 : INFINITY;
  }
  if (nearest == 0 && got == 0) return 0;
  const long exponent = mpfr_zero_p(exact)
                            ? L::min_exponent
                            : std::max(long(mpfr_get_exp(exact)), long(L::min_exponent));
  Exact difference;
  mpfr_sub_d(difference, exact, double(got), MPFR_RNDN);
  mpfr_mul_2si(difference, difference, L::digits - exponent, MPFR_RNDN);
  return std::abs(mpfr_get_d(difference, MPFR_RNDU));
}

// What the functions are. `got` is a first guess for those that have to be inverted.
using Reference = void (*)(mpfr_ptr y, mpfr_srcptr x, double got);

template <int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)>
void by(mpfr_ptr y, mpfr_srcptr x, double) {
  f(y, x, MPFR_RNDN);
}
void logistic_reference(mpfr_ptr y, mpfr_srcptr x, double) {
  mpfr_neg(y, x, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}
// One step of Newton for erf(y) = x squares the error of the guess.
void erf_inv_reference(mpfr_ptr y, mpfr_srcptr x, double got) {
  if (mpfr_cmpabs_ui(x, 1) > 0 || mpfr_nan_p(x)) return mpfr_set_nan(y);
  if (mpfr_cmpabs_ui(x, 1) == 0) return mpfr_set_inf(y, mpfr_sgn(x));
  Exact guess(got), slope, step;
  mpfr_sqr(slope, guess, MPFR_RNDN);
  mpfr_neg(slope, slope, MPFR_RNDN);
  mpfr_exp(slope, slope, MPFR_RNDN);
  mpfr_const_pi(step, MPFR_RNDN);
  mpfr_sqrt(step, step, MPFR_RNDN);
  mpfr_div(slope, slope, step, MPFR_RNDN);
  mpfr_mul_ui(slope, slope, 2, MPFR_RNDN);
  mpfr_erf(step, guess, MPFR_RNDN);
  mpfr_sub(step, step, x, MPFR_RNDN);
  mpfr_div(step, step, slope, MPFR_RNDN);
  mpfr_sub(y, guess, step, MPFR_RNDN);
}

struct Function {
  UnaryOp op;
  Reference reference;
  double bound;      // in ulp
  double low, high;  // where it is interesting
};
void PrintTo(const Function& f, std::ostream* out) { *out << name_of(f.op); }
constexpr Function functions[] = {
    {UnaryOp::exp, by<mpfr_exp>, 2, -750, 715},
    {UnaryOp::expm1, by<mpfr_expm1>, 2, -40, 40},
    {UnaryOp::log, by<mpfr_log>, 2, 0, 4},
    {UnaryOp::log1p, by<mpfr_log1p>, 2, -1, 4},
    {UnaryOp::sin, by<mpfr_sin>, 2, -1e5, 1e5},
    {UnaryOp::cos, by<mpfr_cos>, 2, -1e5, 1e5},
    {UnaryOp::tanh, by<mpfr_tanh>, 2.5, -12, 12},
    {UnaryOp::logistic, logistic_reference, 2.5, -110, 40},
    {UnaryOp::sqrt, by<mpfr_sqrt>, 0.5, 0, 4},
    {UnaryOp::erf_inv, erf_inv_reference, 8, -1, 1},
};

size_t n_points(int by_default) {
  const char* points = std::getenv("JAXVJP_TEST_POINTS");
  return size_t(1) << (points ? std::atoi(points) : by_default);
}

// The arguments: one set a call of a kernel.
template <class T>
using Points = std::vector<T>;
template <class T>
Points<T> any_bits(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  Points<T> x(n);
  for (T& e : x) {
    uint64_t bits = random();
    std::memcpy(&e, &bits, sizeof(T));
  }
  return x;
}
template <class T>
Points<T> uniform(size_t n, double low, double high, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> draw(low, high);
  Points<T> x(n);
  for (T& e : x) e = T(draw(random));
  return x;
}
// ±2^-60 .. ±2^10, the exponent uniform.
template <class T>
Points<T> all_scales(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> draw(-60, 10);
  Points<T> x(n);
  for (T& e : x) e = T((random() & 1 ? 1 : -1) * std::exp2(draw(random)));
  return x;
}
// The neighbourhoods of one and of minus one.
template <class T>
Points<T> near_one(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> draw(-std::numeric_limits<T>::digits, -1);
  Points<T> x(n);
  for (T& e : x)
    e = T((random() & 1 ? 1 : -1) * (1 + (random() & 1 ? 1 : -1) * std::exp2(draw(random))));
  return x;
}

struct Worst {
  double error = 0, at = 0;
};
template <class T>
void judge(const Function& f, const Points<T>& x, Worst& worst) {
  Points<T> y(x.size());
  unary(f.op, dtype_of<T>())(x.data(), y.data(), x.size());
  Exact argument, exact;
  for (size_t i = 0; i < x.size(); ++i) {
    mpfr_set_d(argument, double(x[i]), MPFR_RNDN);
    f.reference(exact, argument, double(y[i]));
    double error = error_in_ulp(y[i], exact);
    if (!(error <= worst.error)) worst = {error, double(x[i])};
  }
}

template <class T>
void check(const Function& f) {
  const size_t n = n_points(16);
  Worst worst;
  judge(f, any_bits<T>(n, 1), worst);
  judge(f, uniform<T>(n, f.low, f.high, 2), worst);
  judge(f, all_scales<T>(n, 3), worst);
  judge(f, near_one<T>(n, 4), worst);
  EXPECT_LE(worst.error, f.bound) << name_of(f.op) << " at " << std::hexfloat << worst.at;
  ::testing::Test::RecordProperty(std::string(name_of(f.op)), std::to_string(worst.error));
  std::printf("%-9s %s: %.3f ulp at %.17g\n", name_of(f.op),
              std::string(name_of(dtype_of<T>())).c_str(), worst.error, worst.at);
}

class Accuracy : public ::testing::TestWithParam<Function> {};
TEST_P(Accuracy, F32) { check<float>(GetParam()); }
TEST_P(Accuracy, F64) { check<double>(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Functions, Accuracy, ::testing::ValuesIn(functions),
                         [](const auto& info) { return std::string(name_of(info.param.op)); });

// The hardest angles: the numbers next to multiples of pi / 2, small and huge.
template <class T>
void check_angles_near_multiples() {
  Points<T> x;
  Exact half_pi, multiple;
  mpfr_const_pi(half_pi, MPFR_RNDN);
  mpfr_div_ui(half_pi, half_pi, 2, MPFR_RNDN);
  for (unsigned long k = 1; k < 70000; k += 7) {
    mpfr_mul_ui(multiple, half_pi, k % 2 == 0 ? k * k * k : k, MPFR_RNDN);
    T nearest = T(rounded<T>(multiple));
    for (T e : {std::nextafter(nearest, T(0)), nearest, std::nextafter(nearest, T(INFINITY))})
      x.push_back(e);
  }
  // The doubles and floats that come closest of all (J.-M. Muller, Elementary Functions, 9.4).
  for (double e : {0x1.6ac5b262ca1ffp+849, 0x1.f37c8ap+95}) x.push_back(T(e));
  for (const Function& f : functions) {
    if (f.op != UnaryOp::sin && f.op != UnaryOp::cos) continue;
    Worst worst;
    judge(f, x, worst);
    EXPECT_LE(worst.error, f.bound) << name_of(f.op) << " at " << std::hexfloat << worst.at;
  }
}
TEST(Accuracy, AnglesNearMultiplesOfHalfPi) {
  check_angles_near_multiples<float>();
  check_angles_near_multiples<double>();
}

template <class T>
void judge_pow(const Points<T>& x, const Points<T>& y, Worst& worst) {
  Points<T> z(x.size());
  binary(BinaryOp::pow, dtype_of<T>())(x.data(), y.data(), z.data(), x.size());
  Exact base, exponent, exact;
  for (size_t i = 0; i < x.size(); ++i) {
    mpfr_set_d(base, double(x[i]), MPFR_RNDN);
    mpfr_set_d(exponent, double(y[i]), MPFR_RNDN);
    mpfr_pow(exact, base, exponent, MPFR_RNDN);
    double error = error_in_ulp(z[i], exact);
    if (!(error <= worst.error)) worst = {error, double(x[i])};
  }
}
template <class T>
void check_pow() {
  const size_t n = n_points(16);
  Worst worst;
  judge_pow(any_bits<T>(n, 1), any_bits<T>(n, 2), worst);
  judge_pow(uniform<T>(n, 0, 3, 3), uniform<T>(n, -100, 100, 4), worst);
  judge_pow(any_bits<T>(n, 5), uniform<T>(n, -3, 3, 6), worst);
  judge_pow(near_one<T>(n, 7), all_scales<T>(n, 8), worst);
  // Results over the whole range: the exponent is chosen for the base.
  Points<T> x = any_bits<T>(n, 9), y = uniform<T>(n, -1, 1, 10);
  for (size_t i = 0; i < n; ++i) {
    x[i] = std::abs(x[i]);
    y[i] = T(y[i] * (std::numeric_limits<T>::max_exponent + std::numeric_limits<T>::digits) /
             std::log2(double(x[i])));
  }
  judge_pow(x, y, worst);
  EXPECT_LE(worst.error, 4) << "pow at " << std::hexfloat << worst.at;
  std::printf("pow       %s: %.3f ulp at %.17g\n", std::string(name_of(dtype_of<T>())).c_str(),
              worst.error, worst.at);
}
TEST(Accuracy, PowF32) { check_pow<float>(); }
TEST(Accuracy, PowF64) { check_pow<double>(); }

}  // namespace
}  // namespace jv::kernels
