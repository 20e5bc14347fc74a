// Values that must be exact: signed zeros, infinities, NaN, the least numbers, ends of domains.
#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

constexpr double inf = INFINITY, nan = NAN;

// Rows hold for every float dtype; `least` stands for its least positive number.
constexpr double least = 4e-310;
struct UnaryRow {
  UnaryOp op;
  double x, y;
};
constexpr UnaryRow unary_rows[] = {
    // clang-format off
    {UnaryOp::neg, 0.0, -0.0}, {UnaryOp::neg, -inf, inf}, {UnaryOp::neg, nan, nan},
    {UnaryOp::abs, -0.0, 0.0}, {UnaryOp::abs, -inf, inf}, {UnaryOp::abs, -least, least}, {UnaryOp::abs, nan, nan},
    {UnaryOp::sign, -0.0, -0.0}, {UnaryOp::sign, 0.0, 0.0}, {UnaryOp::sign, least, 1}, {UnaryOp::sign, -inf, -1},
    {UnaryOp::sign, nan, nan},
    {UnaryOp::square, -0.0, 0.0}, {UnaryOp::square, -inf, inf}, {UnaryOp::square, -3, 9}, {UnaryOp::square, least, 0},
    {UnaryOp::floor, -0.0, -0.0}, {UnaryOp::floor, 0.0, 0.0}, {UnaryOp::floor, -0.25, -1}, {UnaryOp::floor, 0.75, 0.0},
    {UnaryOp::floor, 2.5, 2}, {UnaryOp::floor, -2.5, -3}, {UnaryOp::floor, -3, -3}, {UnaryOp::floor, least, 0.0},
    {UnaryOp::floor, -least, -1}, {UnaryOp::floor, inf, inf}, {UnaryOp::floor, -inf, -inf}, {UnaryOp::floor, nan, nan},
    {UnaryOp::floor, 1024, 1024},
    {UnaryOp::exp, 0.0, 1}, {UnaryOp::exp, -0.0, 1}, {UnaryOp::exp, inf, inf}, {UnaryOp::exp, -inf, 0.0},
    {UnaryOp::exp, nan, nan}, {UnaryOp::exp, least, 1}, {UnaryOp::exp, -4096, 0.0}, {UnaryOp::exp, 4096, inf},
    {UnaryOp::expm1, 0.0, 0.0}, {UnaryOp::expm1, -0.0, -0.0}, {UnaryOp::expm1, inf, inf}, {UnaryOp::expm1, -inf, -1},
    {UnaryOp::expm1, nan, nan}, {UnaryOp::expm1, least, least}, {UnaryOp::expm1, -least, -least},
    {UnaryOp::expm1, 4096, inf}, {UnaryOp::expm1, -4096, -1},
    {UnaryOp::log, 1, 0.0}, {UnaryOp::log, 0.0, -inf}, {UnaryOp::log, -0.0, -inf}, {UnaryOp::log, inf, inf},
    {UnaryOp::log, -1, nan}, {UnaryOp::log, -least, nan}, {UnaryOp::log, -inf, nan}, {UnaryOp::log, nan, nan},
    {UnaryOp::log1p, 0.0, 0.0}, {UnaryOp::log1p, -0.0, -0.0}, {UnaryOp::log1p, -1, -inf}, {UnaryOp::log1p, inf, inf},
    {UnaryOp::log1p, -1.5, nan}, {UnaryOp::log1p, -inf, nan}, {UnaryOp::log1p, nan, nan},
    {UnaryOp::log1p, least, least}, {UnaryOp::log1p, -least, -least},
    {UnaryOp::sin, 0.0, 0.0}, {UnaryOp::sin, -0.0, -0.0}, {UnaryOp::sin, inf, nan}, {UnaryOp::sin, -inf, nan},
    {UnaryOp::sin, nan, nan}, {UnaryOp::sin, least, least}, {UnaryOp::sin, -least, -least},
    {UnaryOp::cos, 0.0, 1}, {UnaryOp::cos, -0.0, 1}, {UnaryOp::cos, inf, nan}, {UnaryOp::cos, -inf, nan},
    {UnaryOp::cos, nan, nan}, {UnaryOp::cos, least, 1},
    {UnaryOp::tanh, 0.0, 0.0}, {UnaryOp::tanh, -0.0, -0.0}, {UnaryOp::tanh, inf, 1}, {UnaryOp::tanh, -inf, -1},
    {UnaryOp::tanh, nan, nan}, {UnaryOp::tanh, least, least}, {UnaryOp::tanh, -least, -least}, {UnaryOp::tanh, 100, 1},
    {UnaryOp::logistic, 0.0, 0.5}, {UnaryOp::logistic, -0.0, 0.5}, {UnaryOp::logistic, inf, 1},
    {UnaryOp::logistic, -inf, 0.0}, {UnaryOp::logistic, nan, nan}, {UnaryOp::logistic, 4096, 1},
    {UnaryOp::logistic, -4096, 0.0},
    {UnaryOp::sqrt, 0.0, 0.0}, {UnaryOp::sqrt, -0.0, -0.0}, {UnaryOp::sqrt, inf, inf}, {UnaryOp::sqrt, -1, nan},
    {UnaryOp::sqrt, -inf, nan}, {UnaryOp::sqrt, nan, nan}, {UnaryOp::sqrt, 4, 2},
    {UnaryOp::erf_inv, 0.0, 0.0}, {UnaryOp::erf_inv, -0.0, -0.0}, {UnaryOp::erf_inv, 1, inf},
    {UnaryOp::erf_inv, -1, -inf}, {UnaryOp::erf_inv, 1.5, nan}, {UnaryOp::erf_inv, -1.5, nan},
    {UnaryOp::erf_inv, inf, nan}, {UnaryOp::erf_inv, -inf, nan}, {UnaryOp::erf_inv, nan, nan},
    // clang-format on
};
struct BinaryRow {
  BinaryOp op;
  double x, y, z;
};
constexpr BinaryRow binary_rows[] = {
    // clang-format off
    {BinaryOp::add, -0.0, -0.0, -0.0}, {BinaryOp::add, 0.0, -0.0, 0.0}, {BinaryOp::add, inf, -inf, nan},
    {BinaryOp::sub, 0.0, 0.0, 0.0}, {BinaryOp::sub, -0.0, 0.0, -0.0}, {BinaryOp::sub, inf, inf, nan},
    {BinaryOp::mul, -0.0, 3, -0.0}, {BinaryOp::mul, 0.0, inf, nan}, {BinaryOp::mul, -inf, 2, -inf},
    {BinaryOp::div, 1, 0.0, inf}, {BinaryOp::div, 1, -0.0, -inf}, {BinaryOp::div, 0.0, 0.0, nan},
    {BinaryOp::div, 1, inf, 0.0}, {BinaryOp::div, inf, inf, nan}, {BinaryOp::div, least, least, 1},
    {BinaryOp::max, -0.0, 0.0, 0.0}, {BinaryOp::max, 0.0, -0.0, 0.0}, {BinaryOp::max, -0.0, -0.0, -0.0},
    {BinaryOp::max, nan, 1, nan}, {BinaryOp::max, 1, nan, nan}, {BinaryOp::max, -inf, nan, nan},
    {BinaryOp::max, 1, 2, 2}, {BinaryOp::max, 2, 1, 2}, {BinaryOp::max, -inf, -1, -1}, {BinaryOp::max, inf, 1, inf},
    {BinaryOp::min, -0.0, 0.0, -0.0}, {BinaryOp::min, 0.0, -0.0, -0.0}, {BinaryOp::min, 0.0, 0.0, 0.0},
    {BinaryOp::min, nan, 1, nan}, {BinaryOp::min, 1, nan, nan}, {BinaryOp::min, inf, nan, nan},
    {BinaryOp::min, 1, 2, 1}, {BinaryOp::min, 2, 1, 1}, {BinaryOp::min, inf, 1, 1}, {BinaryOp::min, -inf, 1, -inf},
    {BinaryOp::pow, nan, 0.0, 1}, {BinaryOp::pow, nan, -0.0, 1}, {BinaryOp::pow, 0.0, 0.0, 1},
    {BinaryOp::pow, inf, 0.0, 1}, {BinaryOp::pow, 1, nan, 1}, {BinaryOp::pow, 1, inf, 1}, {BinaryOp::pow, 1, -inf, 1},
    {BinaryOp::pow, -1, inf, 1}, {BinaryOp::pow, -1, -inf, 1}, {BinaryOp::pow, -1, nan, nan},
    {BinaryOp::pow, nan, 1, nan}, {BinaryOp::pow, 2, nan, nan}, {BinaryOp::pow, -1, 3, -1}, {BinaryOp::pow, -1, 2, 1},
    {BinaryOp::pow, -2, 3, -8}, {BinaryOp::pow, -2, -1, -0.5}, {BinaryOp::pow, -2, 2, 4}, {BinaryOp::pow, -2, 0.5, nan},
    {BinaryOp::pow, -1, 0.5, nan}, {BinaryOp::pow, -inf, 0.5, inf}, {BinaryOp::pow, -0.0, 0.5, 0.0},
    {BinaryOp::pow, 0.0, 3, 0.0}, {BinaryOp::pow, -0.0, 3, -0.0}, {BinaryOp::pow, -0.0, 2, 0.0},
    {BinaryOp::pow, 0.0, -1, inf}, {BinaryOp::pow, -0.0, -1, -inf}, {BinaryOp::pow, -0.0, -2, inf},
    {BinaryOp::pow, -0.0, -0.5, inf}, {BinaryOp::pow, 0.0, inf, 0.0}, {BinaryOp::pow, -0.0, inf, 0.0},
    {BinaryOp::pow, 0.0, -inf, inf}, {BinaryOp::pow, -0.0, -inf, inf},
    {BinaryOp::pow, 0.5, inf, 0.0}, {BinaryOp::pow, 0.5, -inf, inf}, {BinaryOp::pow, 2, inf, inf},
    {BinaryOp::pow, 2, -inf, 0.0}, {BinaryOp::pow, -2, inf, inf}, {BinaryOp::pow, -0.5, inf, 0.0},
    {BinaryOp::pow, inf, 2, inf}, {BinaryOp::pow, inf, -2, 0.0}, {BinaryOp::pow, -inf, 3, -inf},
    {BinaryOp::pow, -inf, 2, inf}, {BinaryOp::pow, -inf, -3, -0.0}, {BinaryOp::pow, -inf, -2, 0.0},
    {BinaryOp::pow, inf, inf, inf}, {BinaryOp::pow, -inf, inf, inf}, {BinaryOp::pow, inf, -inf, 0.0},
    {BinaryOp::pow, least, 1, least}, {BinaryOp::pow, -least, 1, -least}, {BinaryOp::pow, 10, 2, 100},
    // clang-format on
};

template <class T>
T as(double x) {
  if (std::abs(x) != least) {
    if constexpr (std::is_same_v<T, double>) return x;
    else return T(float(x));
  }
  const uint64_t bits = 1 | uint64_t(x < 0) << (8 * sizeof(T) - 1);
  T tiny;
  std::memcpy(static_cast<void*>(&tiny), &bits, sizeof(T));
  return tiny;
}

template <class T>
void check_rows(const Build& build) {
  const size_t slot = slot_of(dtype_of<T>());
  for (const UnaryRow& row : unary_rows) {
    T x = as<T>(row.x), y;
    build.unary.at[size_t(row.op)][slot](&x, &y, 1);
    EXPECT_TRUE(same(y, as<T>(row.y)))
        << name_of(row.op) << "(" << row.x << ") = " << number(y) << ", not " << row.y;
  }
  for (const BinaryRow& row : binary_rows) {
    T x = as<T>(row.x), y = as<T>(row.y), z;
    build.binary.at[size_t(row.op)][slot](&x, &y, &z, 1);
    EXPECT_TRUE(same(z, as<T>(row.z))) << name_of(row.op) << "(" << row.x << ", " << row.y
                                       << ") = " << number(z) << ", not " << row.z;
  }
}

TEST(Special, Values) {
  for (const Build* build : runnable_builds())
    for (DType dtype : float_dtypes) {
      SCOPED_TRACE(std::string(build->instruction_set) + " " + std::string(name_of(dtype)));
      visit_dtype(dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        if constexpr (!std::is_integral_v<T>) check_rows<T>(*build);
      });
    }
}

// Every pair of special operands, against the C library, which follows C99 there.
template <class T>
void check_pow_pairs(const Build& build) {
  using L = std::numeric_limits<T>;
  constexpr T infinity = L::infinity();
  const T xs[] = {0,
                  T(-0.0),
                  1,
                  -1,
                  2,
                  -2,
                  T(0.5),
                  T(-0.5),
                  3,
                  -3,
                  infinity,
                  -infinity,
                  L::min(),
                  -L::min(),
                  L::max(),
                  -L::max(),
                  T(2.5),
                  T(-2.5),
                  L::quiet_NaN(),
                  L::denorm_min(),
                  -L::denorm_min(),
                  16777215,
                  -16777215,
                  33554432,
                  T(1e15)};
  for (T x : xs)
    for (T y : xs) {
      T z, expected = T(std::pow(double(x), double(y)));
      build.binary.at[size_t(BinaryOp::pow)][slot_of(dtype_of<T>())](&x, &y, &z, 1);
      const bool exact =
          expected != expected || expected == 0 || std::isinf(expected) || std::abs(expected) == 1;
      if (exact) EXPECT_TRUE(same(z, expected)) << x << " " << y << " " << z << " " << expected;
      else EXPECT_NEAR(z / expected, 1, 4 * double(L::epsilon())) << x << " " << y;
    }
}
TEST(Special, PowOfEveryPair) {
  for (const Build* build : runnable_builds()) {
    check_pow_pairs<float>(*build);
    check_pow_pairs<double>(*build);
  }
}

TEST(Special, IsFinite) {
  for (const Build* build : runnable_builds())
    for (DType dtype : float_dtypes)
      visit_dtype(dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        if constexpr (!std::is_integral_v<T>) {
          const T x[] = {as<T>(0), as<T>(-least), as<T>(inf), as<T>(-inf), as<T>(nan), as<T>(2)};
          bool y[6];
          build->unary.at[size_t(UnaryOp::is_finite)][slot_of(dtype)](x, y, 6);
          for (int i = 0; i < 6; ++i)
            EXPECT_EQ(y[i], i < 2 || i == 5) << name_of(dtype) << " " << i;
        }
      });
}

}  // namespace
}  // namespace jv::kernels
