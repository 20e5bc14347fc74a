// Conversions: one rounding, saturation, truncation, wrap-around; all pairs of dtypes.
#include <algorithm>

#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

template <class To, class From>
To converted(const Build& build, From x) {
  To y;
  build.convert.from[slot_of(dtype_of<From>())][slot_of(dtype_of<To>())](&x, &y, 1);
  return y;
}

// The finite value of H's type that is nearest to x, ties to even: by search, x being exact.
template <class H>
H nearest(long double x) {
  H sign;
  sign.bits = std::signbit(x) ? 0x8000 : 0;
  x = std::abs(x);
  if (x != x) return H(NAN);
  uint16_t low = 0, high = H(INFINITY).bits;  // the bits of positive values are in their order
  auto value = [](uint32_t bits) -> long double {
    H h;
    h.bits = uint16_t(bits);
    if (std::isinf(float(h))) {  // what follows the largest finite value
      H last, before;
      last.bits = uint16_t(bits - 1), before.bits = uint16_t(bits - 2);
      return 2 * static_cast<long double>(float(last)) - float(before);
    }
    return float(h);
  };
  while (high - low > 1) {
    uint16_t middle = uint16_t((low + high) / 2);
    (value(middle) <= x ? low : high) = middle;
  }
  const long double below = x - value(low), above = value(high) - x;
  H result;
  result.bits =
      uint16_t((below < above || (below == above && low % 2 == 0) ? low : high) | sign.bits);
  return result;
}

// Numbers at, just below and just above the midpoints between neighbours, where a second rounding
// shows.
template <class H>
std::vector<double> hard_cases() {
  std::vector<double> cases;
  for (uint32_t bits = 0; bits < H(INFINITY).bits; bits += 7) {
    H a, b;
    a.bits = uint16_t(bits), b.bits = uint16_t(bits + 1);
    const double middle = std::isinf(float(b)) ? double(float(a)) * (1 + std::ldexp(1.0, -20))
                                               : (double(float(a)) + double(float(b))) / 2;
    for (double x : {middle, std::nextafter(middle, 0.0), std::nextafter(middle, 1e300),
                     middle * (1 + 1e-9), middle * (1 - 1e-9)}) {
      cases.push_back(x);
      cases.push_back(-x);
    }
  }
  for (double x :
       {65519.99, 65520.0, 65503.9, 1e30, 1e300, 1e-300, 3.4e38, 3.3961e38, 0.0, double(INFINITY)})
    cases.push_back(x), cases.push_back(-x);
  return cases;
}
template <class H>
void check_narrowing(const Build& build) {
  for (double x : hard_cases<H>()) {
    ASSERT_TRUE(same(converted<H>(build, x), nearest<H>(x))) << std::hexfloat << x;
    const float single = float(x);
    ASSERT_TRUE(same(converted<H>(build, single), nearest<H>(single))) << std::hexfloat << single;
  }
  EXPECT_TRUE(std::isnan(float(converted<H>(build, double(NAN)))));
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    const int64_t whole = int64_t(random()) >> (random() % 64);
    ASSERT_TRUE(same(converted<H>(build, whole), nearest<H>(whole))) << whole;
    const uint64_t positive = uint64_t(whole) << (random() % 2);
    ASSERT_TRUE(same(converted<H>(build, positive), nearest<H>(positive))) << positive;
    ASSERT_TRUE(same(converted<H>(build, int32_t(whole)), nearest<H>(int32_t(whole))))
        << int32_t(whole);
  }
}
TEST(Convert, ToHalvesIsRoundedOnce) {
  for (const Build* build : runnable_builds()) {
    check_narrowing<Half>(*build);
    check_narrowing<BFloat16>(*build);
  }
}
TEST(Convert, WholeNumbersThatTwoRoundingsGetWrong) {
  for (const Build* build : runnable_builds())
    for (int64_t head : {0x101, 0x103, 0x1ff}) {
      // bf16 keeps 8 bits: head is halfway, and the last bit decides.
      const int64_t x = (head << 40) + 1;
      EXPECT_TRUE(same(converted<BFloat16>(*build, x), nearest<BFloat16>(x)));
      EXPECT_TRUE(same(converted<BFloat16>(*build, -x), nearest<BFloat16>(-x)));
      EXPECT_TRUE(same(converted<BFloat16>(*build, uint64_t(x) << 14),
                       nearest<BFloat16>(uint64_t(x) << 14)));
    }
}

// What a conversion means, for every half and many others, to every dtype.
template <class To, class From>
To expected(From x) {
  const long double value = number(x);
  if constexpr (std::is_same_v<To, bool>) {
    return value != 0;
  } else if constexpr (std::is_integral_v<To>) {
    if constexpr (std::is_integral_v<From>) return To(x);
    using L = std::numeric_limits<To>;
    if (value != value) return 0;
    return value <= L::min() ? L::min() : value >= L::max() ? L::max() : To(std::trunc(value));
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return nearest<To>(value);
  } else {
    return To(value);
  }
}
// All 65,536 of the narrow types; of the others random ones, and those around the ends of integers.
template <class From>
Bytes samples(size_t& n) {
  n = sizeof(From) == 2 ? 65536 : 20000;
  Bytes x = random_bytes(dtype_of<From>(), n + 100, 2);
  if (sizeof(From) == 2)
    for (size_t i = 0; i < n; ++i) x.set(i, uint16_t(i));
  if constexpr (!std::is_integral_v<From>)
    for (int bits : {7, 8, 15, 16, 31, 32, 63, 64}) {
      const double end = std::ldexp(1.0, bits);
      for (double e : {end, end - 1, std::nextafter(end, 0.0), -end, 1 - end, -end - 1}) {
        if constexpr (std::is_same_v<From, double>) x.set(n++, e);
        else x.set(n++, From(float(e)));
      }
    }
  return x;
}
TEST(Convert, EveryPair) {
  for (const Build* build : runnable_builds())
    for (DType from : all_dtypes)
      visit_dtype(from, [&](auto from_type) {
        using From = typename decltype(from_type)::type;
        size_t n;
        const Bytes x = samples<From>(n);
        for (DType to : all_dtypes)
          visit_dtype(to, [&](auto to_type) {
            using To = typename decltype(to_type)::type;
            Bytes y(n * sizeof(To));
            build->convert.from[slot_of(from)][slot_of(to)](x.data(), y.data(), n);
            for (size_t i = 0; i < n; ++i)
              ASSERT_TRUE(same(y.get<To>(i), expected<To>(x.get<From>(i))))
                  << name_of(from) << " to " << name_of(to) << ": " << number(x.get<From>(i))
                  << " gives " << number(y.get<To>(i));
          });
      });
}

}  // namespace
}  // namespace jv::kernels
