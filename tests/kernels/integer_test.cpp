// Integer corner cases: a table, and every operation against arithmetic in 128 bits.
#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

__extension__ using Wide = __int128;

template <class T>
T run(const Build& build, BinaryOp op, T x, T y) {
  T z;
  build.binary.at[size_t(op)][slot_of(dtype_of<T>())](&x, &y, &z, 1);
  return z;
}
template <class T>
T run(const Build& build, UnaryOp op, T x) {
  T z;
  build.unary.at[size_t(op)][slot_of(dtype_of<T>())](&x, &z, 1);
  return z;
}
template <class T>
T run_pow(const Build& build, T x, int64_t exponent) {
  T z;
  build.unary.integer_pow[slot_of(dtype_of<T>())](&x, &z, 1, exponent);
  return z;
}

template <class F>
void for_each_integer(F f) {
  for (const Build* build : runnable_builds())
    for (DType dtype : all_dtypes)
      if (is_integer(dtype))
        visit_dtype(dtype, [&](auto type) {
          using T = typename decltype(type)::type;
          SCOPED_TRACE(std::string(build->instruction_set) + " " + std::string(name_of(dtype)));
          if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) f(*build, T(0));
        });
}

TEST(Integer, Corners) {
  for_each_integer([](const Build& b, auto zero) {
    using T = decltype(zero);
    const T least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
    const T ones = T(-1), one = 1, two = 2, width = T(8 * sizeof(T));
    EXPECT_EQ(run(b, BinaryOp::add, most, one), least);
    EXPECT_EQ(run(b, BinaryOp::sub, least, one), most);
    EXPECT_EQ(run(b, BinaryOp::mul, most, two), T(-2));
    EXPECT_EQ(run(b, BinaryOp::div, T(7), zero), ones);
    EXPECT_EQ(run(b, BinaryOp::div, zero, zero), ones);
    EXPECT_EQ(run(b, BinaryOp::div, T(7), two), T(3));
    EXPECT_EQ(run(b, BinaryOp::shift_left, one, T(width - 1)), T(Wide(1) << (8 * sizeof(T) - 1)));
    for (T beyond : {width, T(width + 1), most, ones}) {
      EXPECT_EQ(run(b, BinaryOp::shift_left, ones, beyond), zero);
      EXPECT_EQ(run(b, BinaryOp::shift_right_logical, ones, beyond), zero);
    }
    EXPECT_EQ(run(b, BinaryOp::shift_right_logical, ones, T(width - 1)), one);
    EXPECT_EQ(run(b, BinaryOp::pow, zero, zero), one);
    EXPECT_EQ(run(b, BinaryOp::pow, T(3), T(4)), T(81));
    EXPECT_EQ(run(b, UnaryOp::neg, least), T(-Wide(least)));
    EXPECT_EQ(run(b, UnaryOp::abs, least), least);
    EXPECT_EQ(run(b, UnaryOp::bitwise_not, zero), ones);
    EXPECT_EQ(run(b, UnaryOp::sign, zero), zero);
    EXPECT_EQ(run(b, UnaryOp::sign, most), one);
    EXPECT_EQ(run_pow(b, two, 0), one);
    EXPECT_EQ(run_pow(b, one, -5), one);
    EXPECT_EQ(run_pow(b, two, -1), zero);
    EXPECT_EQ(run_pow(b, zero, -1), zero);
    EXPECT_EQ(run_pow(b, two, 300), zero);
    EXPECT_EQ(run_pow(b, one, std::numeric_limits<int64_t>::min()), one);
    if constexpr (std::is_signed_v<T>) {
      EXPECT_EQ(run(b, BinaryOp::div, least, ones), least);
      EXPECT_EQ(run(b, BinaryOp::div, T(-7), two), T(-3));
      EXPECT_EQ(run(b, BinaryOp::shift_right_logical, T(-2), one), most);
      EXPECT_EQ(run(b, UnaryOp::sign, T(-9)), ones);
      EXPECT_EQ(run(b, BinaryOp::pow, two, ones), zero);
      EXPECT_EQ(run(b, BinaryOp::pow, ones, ones), ones);
      EXPECT_EQ(run(b, BinaryOp::pow, ones, T(-4)), one);
      EXPECT_EQ(run(b, BinaryOp::pow, zero, ones), zero);
      EXPECT_EQ(run(b, BinaryOp::pow, T(-2), T(3)), T(-8));
      EXPECT_EQ(run_pow(b, ones, -3), ones);
      EXPECT_EQ(run_pow(b, T(-2), 3), T(-8));
    }
  });
}

// The low bits of the exact result, wherever it has one.
template <class T>
T exact(BinaryOp op, T x, T y) {
  const Wide a = x, b = y, width = 8 * sizeof(T);
  const bool within = b >= 0 && b < width;
  switch (op) {
    case BinaryOp::add: return T(a + b);
    case BinaryOp::sub: return T(a - b);
    case BinaryOp::mul: return T(__extension__ static_cast<unsigned __int128>(a) * b);
    case BinaryOp::div: return b == 0 ? T(-1) : T(a / b);
    case BinaryOp::max: return a > b ? x : y;
    case BinaryOp::min: return a < b ? x : y;
    case BinaryOp::bitwise_and: return T(a & b);
    case BinaryOp::bitwise_or: return T(a | b);
    case BinaryOp::bitwise_xor: return T(a ^ b);
    case BinaryOp::shift_left: return within ? T(Wide(std::make_unsigned_t<T>(x)) << int(b)) : T(0);
    case BinaryOp::shift_right_logical:
      return within ? T(std::make_unsigned_t<T>(x) >> int(b)) : T(0);
    default: return T(0);
  }
}
template <class T>
T power_by_steps(T x, T y) {
  using U = uint64_t;
  if (y < T(0)) return x == T(1) ? T(1) : x == T(-1) ? (y % 2 ? T(-1) : T(1)) : T(0);
  U result = 1;
  for (T i = 0; i < y; ++i) result *= U(x);
  return T(result);
}

TEST(Integer, AgreesWithArithmeticIn128Bits) {
  for_each_integer([](const Build& b, auto zero) {
    using T = decltype(zero);
    const size_t n = 4096;
    Bytes x = random_bytes(dtype_of<T>(), n, 1), y = random_bytes(dtype_of<T>(), n, 2),
          z(n * sizeof(T));
    for (size_t i = 0; i < n; i += 2) {  // amounts of shift, small exponents
      T small = T(i / 2 % 70);
      std::memcpy(y.at.data() + i * sizeof(T), &small, sizeof(T));
    }
    for_each_op<BinaryOp>([&](BinaryOp op) {
      if (gives_bool(op)) return;
      b.binary.at[size_t(op)][slot_of(dtype_of<T>())](x.data(), y.data(), z.data(), n);
      for (size_t i = 0; i < n; ++i) {
        const T u = x.get<T>(i), v = y.get<T>(i);
        if (op == BinaryOp::pow && number(v) > 70) continue;
        const T expected = op == BinaryOp::pow ? power_by_steps(u, v) : exact(op, u, v);
        ASSERT_EQ(z.get<T>(i), expected) << name_of(op) << " " << number(u) << " " << number(v);
      }
    });
  });
}

TEST(Integer, Booleans) {
  const bool x[] = {false, false, true, true}, y[] = {false, true, false, true};
  const bool conjunction[] = {false, false, false, true}, disjunction[] = {false, true, true, true};
  const bool difference[] = {false, true, true, false}, negation[] = {true, true, false, false};
  for (const Build* build : runnable_builds()) {
    auto expect = [&](BinaryOp op, const bool* expected) {
      bool z[4];
      build->binary.at[size_t(op)][slot_of(DType::boolean)](x, y, z, 4);
      for (int i = 0; i < 4; ++i) EXPECT_EQ(z[i], expected[i]) << name_of(op) << i;
    };
    expect(BinaryOp::bitwise_and, conjunction), expect(BinaryOp::min, conjunction);
    expect(BinaryOp::bitwise_or, disjunction), expect(BinaryOp::max, disjunction);
    expect(BinaryOp::bitwise_xor, difference), expect(BinaryOp::ne, difference);
    bool z[4];
    build->unary.at[size_t(UnaryOp::bitwise_not)][slot_of(DType::boolean)](x, z, 4);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(z[i], negation[i]);
  }
}

TEST(Integer, WhatHasNoMeaningIsNull) {
  for (DType dtype : {DType::none, DType::float0}) {
    for_each_op<UnaryOp>([&](UnaryOp op) { EXPECT_EQ(unary(op, dtype), nullptr); });
    for_each_op<BinaryOp>([&](BinaryOp op) { EXPECT_EQ(binary(op, dtype), nullptr); });
  }
  EXPECT_EQ(unary(UnaryOp::exp, DType::i32), nullptr);
  EXPECT_EQ(unary(UnaryOp::bitwise_not, DType::f32), nullptr);
  EXPECT_EQ(unary(UnaryOp::neg, DType::boolean), nullptr);
  EXPECT_EQ(binary(BinaryOp::add, DType::boolean), nullptr);
  EXPECT_EQ(binary(BinaryOp::shift_left, DType::boolean), nullptr);
  EXPECT_EQ(binary(BinaryOp::bitwise_and, DType::f64), nullptr);
}

}  // namespace
}  // namespace jv::kernels
