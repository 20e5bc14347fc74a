// Matrix products, LU factorisations and triangular systems against plain loops.
#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

struct Shape {
  size_t batch, m, k, n;
};
constexpr Shape shapes[] = {{1, 1, 1, 1},   {2, 2, 3, 4},    {1, 8, 8, 8},   {3, 9, 8, 8},
                            {1, 17, 33, 5}, {1, 40, 50, 60}, {2, 1, 600, 7}, {2, 7, 600, 1},
                            {1, 1, 700, 1}, {1, 600, 1, 3},  {2, 3, 0, 4},   {0, 3, 4, 5},
                            {2, 0, 3, 4},   {2, 4, 3, 0}};

template <class T>
T element(std::mt19937_64& random) {
  if constexpr (std::is_integral_v<T>) return random_element<T>(random);
  else return T((float(random() % 2001) - 1000) / 300);
}
template <class T>
Bytes element_bytes(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes x(n * sizeof(T));
  for (size_t i = 0; i < n; ++i) x.set(i, element<T>(random));
  return x;
}
template <class T>
std::vector<T> elements(size_t n, uint64_t seed) {
  const Bytes x = element_bytes<T>(n, seed);
  std::vector<T> result;
  for (size_t i = 0; i < n; ++i) result.push_back(x.get<T>(i));
  return result;
}

// The exact element and the sum of magnitudes that rounding is measured by; integers are exact
// already.
struct Dot {
  long double sum = 0, magnitude = 0;
  uint64_t wrapped = 0;
  bool any = false;
};
template <class T>
Dot dot(const Shape& s, size_t b, size_t i, size_t j, const Bytes& x, bool x_t, const Bytes& y,
        bool y_t) {
  Dot result;
  for (size_t l = 0; l < s.k; ++l) {
    const T u = x.get<T>(b * s.m * s.k + (x_t ? l * s.m + i : i * s.k + l)),
            v = y.get<T>(b * s.k * s.n + (y_t ? j * s.k + l : l * s.n + j));
    result.sum += number(u) * number(v);
    result.magnitude += std::abs(number(u) * number(v));
    if constexpr (std::is_integral_v<T>)
      result.wrapped += uint64_t(u) * uint64_t(v), result.any |= u && v;
  }
  return result;
}

template <class T>
void check_matmul(const Shape& s, bool x_t, bool y_t) {
  const Bytes x = element_bytes<T>(s.batch * s.m * s.k, 1),
              y = element_bytes<T>(s.batch * s.k * s.n, 2);
  Bytes out(s.batch * s.m * s.n * sizeof(T));
  for (auto& byte : out.at) byte = 0xff;
  matmul(dtype_of<T>(), s.batch, s.m, s.k, s.n, x.data(), x_t, y.data(), y_t, out.data());
  for (size_t b = 0; b < s.batch; ++b)
    for (size_t i = 0; i < s.m; ++i)
      for (size_t j = 0; j < s.n; ++j) {
        const T got = out.get<T>((b * s.m + i) * s.n + j);
        const Dot exact = dot<T>(s, b, i, j, x, x_t, y, y_t);
        if constexpr (std::is_same_v<T, bool>) ASSERT_EQ(got, exact.any);
        else if constexpr (std::is_integral_v<T>) ASSERT_EQ(got, T(exact.wrapped));
        else {
          const double single = std::is_same_v<T, double> ? 0x1p-52 : 0x1p-23;
          const double last = std::is_same_v<T, Half>       ? 0x1p-11
                              : std::is_same_v<T, BFloat16> ? 0x1p-8
                                                            : 0;
          ASSERT_NEAR(
              double(number(got)), double(exact.sum),
              double(exact.magnitude) * single * double(s.k) + std::abs(double(exact.sum)) * last);
        }
      }
}
TEST(Linalg, Matmul) {
  for (DType dtype : all_dtypes)
    visit_dtype(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      for (const Shape& s : shapes)
        for (bool x_t : {false, true})
          for (bool y_t : {false, true}) {
            SCOPED_TRACE(std::string(name_of(dtype)) + " " + std::to_string(s.m) + " " +
                         std::to_string(s.k) + " " + std::to_string(s.n) + (x_t ? " T" : " N") +
                         (y_t ? "T" : "N"));
            check_matmul<T>(s, x_t, y_t);
          }
    });
}

// Half results are those of f32 rounded: one bit more would be seen here.
TEST(Linalg, HalvesAccumulateInSingle) {
  const size_t k = 4096;
  std::vector<Half> ones(k, Half(1.0f));
  Half sum;
  matmul(DType::f16, 1, 1, k, 1, ones.data(), false, ones.data(), false, &sum);
  EXPECT_EQ(float(sum), 4096.0f);  // in f16 it would stick at 2048
}

// Equal products have equal bits: in any place of a batch, at any address, NaN and infinity kept.
TEST(Linalg, MatmulBitsFollowFromTheShape) {
  for (const Shape& s : shapes) {
    if (s.m * s.k * s.n == 0) continue;
    const size_t copies = 4;
    const std::vector<double> x = elements<double>(s.m * s.k, 3),
                              y = elements<double>(s.k * s.n, 4);
    std::vector<double> xs(1), ys(3), first(s.m * s.n), all(copies * s.m * s.n + 1);
    for (size_t c = 0; c < copies; ++c)
      xs.insert(xs.end(), x.begin(), x.end()), ys.insert(ys.end(), y.begin(), y.end());
    matmul(DType::f64, 1, s.m, s.k, s.n, x.data(), false, y.data(), true, first.data());
    matmul(DType::f64, copies, s.m, s.k, s.n, xs.data() + 1, false, ys.data() + 3, true,
           all.data() + 1);
    for (size_t i = 0; i < copies * s.m * s.n; ++i)
      ASSERT_TRUE(same(all[i + 1], first[i % (s.m * s.n)])) << i;
  }
}
TEST(Linalg, MatmulKeepsNaN) {
  for (const Shape& s : shapes) {
    if (s.batch * s.m * s.k * s.n == 0) continue;
    std::vector<double> x(s.batch * s.m * s.k, 0.0), y(s.batch * s.k * s.n, NAN),
        z(s.batch * s.m * s.n, 1.0);
    matmul(DType::f64, s.batch, s.m, s.k, s.n, x.data(), false, y.data(), false, z.data());
    for (double e : z) ASSERT_NE(e, e);
  }
}

template <class T>
void check_lu(size_t batch, size_t m, size_t n, bool singular) {
  std::vector<T> a = elements<T>(batch * m * n, 5);
  if (singular)
    for (size_t i = 0; i < a.size(); i += n) a[i] = 0;
  std::vector<T> lu_packed = a;
  const size_t rank = std::min(m, n);
  std::vector<int32_t> pivots(batch * rank), permutation(batch * m);
  lu(dtype_of<T>(), batch, m, n, lu_packed.data(), pivots.data(), permutation.data());
  for (size_t b = 0; b < batch; ++b) {
    std::vector<int32_t> order(m);
    for (size_t i = 0; i < m; ++i) order[i] = int32_t(i);
    for (size_t i = 0; i < rank; ++i) {
      ASSERT_GE(pivots[b * rank + i], int32_t(i));
      ASSERT_LT(pivots[b * rank + i], int32_t(m));
      std::swap(order[i], order[size_t(pivots[b * rank + i])]);
    }
    for (size_t i = 0; i < m; ++i) ASSERT_EQ(permutation[b * m + i], order[i]);
    const T* f = lu_packed.data() + b * m * n;
    for (size_t i = 0; i < m; ++i)
      for (size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (size_t l = 0; l <= std::min(i, j); ++l)
          sum += (l == i ? 1.0 : double(f[i * n + l])) * double(f[l * n + j]);
        ASSERT_NEAR(sum, double(a[b * m * n + size_t(order[i]) * n + j]),
                    50 * double(m) * double(std::numeric_limits<T>::epsilon()));
        ASSERT_LE(j < i ? std::abs(f[i * n + j]) : T(0), T(1));  // partial pivoting
      }
  }
}
TEST(Linalg, Lu) {
  constexpr size_t sizes[][3] = {{1, 1, 1},   {2, 3, 3}, {1, 5, 3}, {2, 3, 5},
                                 {1, 40, 40}, {2, 0, 3}, {2, 3, 0}, {0, 3, 3}};
  for (auto [batch, m, n] : sizes)
    for (bool singular : {false, true}) {
      check_lu<float>(batch, m, n, singular);
      check_lu<double>(batch, m, n, singular);
    }
}

template <class T>
void check_solve(size_t batch, bool left, bool lower, bool transpose, bool unit, size_t m,
                 size_t n) {
  const size_t order = left ? m : n;
  std::vector<T> a = elements<T>(batch * order * order, 6), b = elements<T>(batch * m * n, 7);
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t row = i / order % order, column = i % order;
    const bool used = lower ? column < row : column > row;
    if (row == column) a[i] = unit ? T(NAN) : T(4) + a[i] / 10;
    else a[i] = used ? a[i] / T(order) : T(NAN);  // what must not be read
  }
  std::vector<T> x = b;
  triangular_solve(dtype_of<T>(), batch, left, lower, transpose, unit, m, n, a.data(), x.data());
  for (size_t s = 0; s < batch; ++s) {
    auto at = [&](size_t i, size_t j) -> double {
      if (transpose) std::swap(i, j);
      if (i == j) return unit ? 1.0 : double(a[(s * order + i) * order + j]);
      return (lower ? j < i : j > i) ? double(a[(s * order + i) * order + j]) : 0.0;
    };
    for (size_t i = 0; i < m; ++i)
      for (size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (size_t l = 0; l < order; ++l)
          sum += left ? at(i, l) * double(x[(s * m + l) * n + j])
                      : double(x[(s * m + i) * n + l]) * at(l, j);
        ASSERT_NEAR(sum, double(b[(s * m + i) * n + j]),
                    200 * double(std::numeric_limits<T>::epsilon()))
            << left << lower << transpose << unit << " " << m << " " << n;
      }
  }
}
TEST(Linalg, TriangularSolve) {
  for (auto [m, n] :
       {std::pair<size_t, size_t>{1, 1}, {3, 2}, {2, 5}, {20, 7}, {7, 30}, {0, 3}, {3, 0}})
    for (int flags = 0; flags < 16; ++flags) {
      check_solve<float>(2, flags & 1, flags & 2, flags & 4, flags & 8, m, n);
      check_solve<double>(2, flags & 1, flags & 2, flags & 4, flags & 8, m, n);
    }
}

}  // namespace
}  // namespace jv::kernels
