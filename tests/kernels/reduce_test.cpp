// Reductions against the tree that reduce.hpp states, written out the slow way.
#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

constexpr size_t lengths[] = {0,    1,    2,    3,     5,     31,    32,    33,    63,   64,
                              65,   100,  127,  128,   129,   1000,  4095,  4096,  4097, 4160,
                              8191, 8192, 8193, 12288, 12289, 16384, 20000, 28672, 28673};

template <class T>
auto accumulator(T x) {
  if constexpr (std::is_arithmetic_v<T>) return x;
  else return float(x);
}
template <class T>
using AccumulatorOf = decltype(accumulator(T()));

template <class A>
A plus(A x, A y) {
  if constexpr (std::is_integral_v<A>) return A(uint64_t(x) + uint64_t(y));
  else return x + y;
}

// The sum of one block, n <= 4096.
template <class A>
A block_sum(const std::vector<A>& x) {
  const size_t n_lanes = 256 / sizeof(A);
  std::vector<A> lanes(n_lanes, A(0));
  const size_t padded = (x.size() + n_lanes - 1) / n_lanes * n_lanes;
  for (size_t i = 0; i < padded; ++i) {
    A& lane = lanes[i % n_lanes];
    lane = plus(lane, i < x.size() ? x[i] : A(0));
  }
  while (lanes.size() > 1) {
    std::vector<A> halved(lanes.size() / 2);
    for (size_t i = 0; i < halved.size(); ++i) halved[i] = plus(lanes[i], lanes[i + halved.size()]);
    lanes = halved;
  }
  return lanes[0];
}
template <class A>
A sum_by_the_tree(const std::vector<A>& x) {
  std::vector<A> level;
  for (size_t i = 0; i < x.size(); i += 4096)
    level.push_back(
        block_sum<A>({x.begin() + long(i), x.begin() + long(std::min(i + 4096, x.size()))}));
  if (level.empty()) return A(0);
  while (level.size() > 1) {
    std::vector<A> next;
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(i + 1 < level.size() ? plus(level[i], level[i + 1]) : level[i]);
    level = next;
  }
  return level[0];
}

template <class T>
std::vector<T> summands(size_t n) {
  std::vector<T> x(n);
  std::mt19937_64 random(n);
  for (T& e : x) {
    if constexpr (std::is_integral_v<T>) e = T(random());
    else e = T((float(random() % 2000) - 1000) * std::ldexp(1.0f, int(random() % 12) - 10) / 3);
  }
  return x;
}
template <class T>
void check_sum(size_t n) {
  constexpr size_t rows = 3;
  const std::vector<T> x = summands<T>(rows * n);
  for (const Build* build : runnable_builds()) {
    T y[rows];
    build->reduce.at[size_t(ReduceOp::sum)][slot_of(dtype_of<T>())](x.data(), y, rows, n);
    for (size_t r = 0; r < rows; ++r) {
      std::vector<AccumulatorOf<T>> row;
      for (size_t i = 0; i < n; ++i) row.push_back(accumulator(x[r * n + i]));
      ASSERT_TRUE(same(y[r], T(sum_by_the_tree(row))))
          << build->instruction_set << " " << name_of(dtype_of<T>()) << " n=" << n << " row " << r;
    }
  }
}
TEST(Reduce, SumsAlongTheStatedTree) {
  for (DType dtype : all_dtypes)
    visit_dtype(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      if constexpr (!std::is_same_v<T, bool>)
        for (size_t n : lengths) check_sum<T>(n);
    });
}

// NaN if there is one; else the extreme element, -0 below +0.
template <class T>
T extreme(const T* x, size_t n, bool max) {
  using L = std::numeric_limits<T>;
  T result;
  if constexpr (!std::is_integral_v<T>) {
    if constexpr (std::is_same_v<T, double>) result = max ? -INFINITY : INFINITY;
    else result = T(max ? -INFINITY : INFINITY);
  } else {
    result = max ? L::min() : L::max();
  }
  for (size_t i = 0; i < n; ++i) {
    const auto a = number(x[i]), b = number(result);
    if (b != b) return result;
    const bool greater = a > b || (a == b && !std::signbit(a) && std::signbit(b));
    const bool less = a < b || (a == b && std::signbit(a) && !std::signbit(b));
    if (a != a || (max ? greater : less)) result = x[i];
  }
  return result;
}
TEST(Reduce, MaxAndMin) {
  constexpr size_t rows = 5;
  for (DType dtype : all_dtypes)
    visit_dtype(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      for (size_t n : lengths) {
        Bytes bytes = random_bytes(dtype, rows * n, n);
        T* x = static_cast<T*>(bytes.data());
        for (size_t i = 0; i < rows * n; ++i)  // without NaN in the first rows
          if (number(x[i]) != number(x[i]) && i < 3 * n) x[i] = T();
        for (size_t i = 0; i < n; ++i)  // zeros of both signs only
          if constexpr (!std::is_integral_v<T>) x[i] = T(i % 3 == 1 ? -0.0f : 0.0f);
        for (const Build* build : runnable_builds())
          for (ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
            T y[rows];
            build->reduce.at[size_t(op)][slot_of(dtype)](x, y, rows, n);
            for (size_t r = 0; r < rows; ++r)
              ASSERT_TRUE(same(y[r], extreme(x + r * n, n, op == ReduceOp::max)))
                  << name_of(dtype) << " n=" << n << " row " << r
                  << " max=" << (op == ReduceOp::max);
          }
      }
    });
}

TEST(Reduce, EmptyAndSignedZero) {
  const float zeros[] = {-0.0f, -0.0f};
  float sum = 1;
  reduce(ReduceOp::sum, DType::f32, zeros, &sum, 1, 2);
  EXPECT_TRUE(same(sum, 0.0f));  // the sum starts at +0
  reduce(ReduceOp::sum, DType::f32, nullptr, nullptr, 0, 5);
  double empty = 1;
  reduce(ReduceOp::sum, DType::f64, nullptr, &empty, 1, 0);
  EXPECT_TRUE(same(empty, 0.0));
  reduce(ReduceOp::min, DType::f64, nullptr, &empty, 1, 0);
  EXPECT_EQ(empty, INFINITY);
}

}  // namespace
}  // namespace jv::kernels
