// Moving and choosing elements: strided copies against xtensor's views, fill, iota, select.
#include <array>
#include <numeric>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xview.hpp>

#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

using Ints = std::vector<int64_t>;

template <class T>
xt::xarray<T> counted(const std::vector<size_t>& shape) {
  xt::xarray<T> x = xt::zeros<T>(shape);
  for (size_t i = 0; i < x.size(); ++i) x.data()[i] = T(i % 251);
  return x;
}
Ints dense_strides(const Ints& shape) {
  Ints strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// What copy_strided makes of src, densely, is what the view holds.
template <class T, class View>
void expect_copy(const View& view, const xt::xarray<T>& src, int64_t first, const Ints& strides) {
  const xt::xarray<T> expected = view;
  const Ints shape(expected.shape().begin(), expected.shape().end());
  std::vector<T> dst(expected.size() + 1, T(99));
  copy_strided(sizeof(T), shape, src.data() + first, strides, dst.data(), dense_strides(shape));
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(dst[i], expected.data()[i]) << i;
  ASSERT_EQ(dst.back(), T(99));
}

template <class T>
void check_copies() {
  for (std::vector<size_t> size :
       {std::vector<size_t>{2, 3, 4}, {5, 1, 7}, {17, 33, 2}, {20, 40, 50}}) {
    const xt::xarray<T> x = counted<T>(size);
    const int64_t a = int64_t(size[1] * size[2]), b = int64_t(size[2]);
    // Every permutation of the axes.
    std::array<size_t, 3> axes = {0, 1, 2};
    do {
      const Ints strides = {a, b, 1};
      expect_copy(xt::transpose(x, axes), x, 0,
                  {strides[axes[0]], strides[axes[1]], strides[axes[2]]});
    } while (std::next_permutation(axes.begin(), axes.end()));
    // Every second row from the end, the middle axis reversed, part of the last.
    using xt::placeholders::_;
    expect_copy(xt::view(x, xt::range(_, _, -2), xt::range(_, _, -1), xt::range(1, int(size[2]))),
                x, (int64_t(size[0]) - 1) * a + (int64_t(size[1]) - 1) * b + 1, {-2 * a, -b, 1});
    // A row, a column and an element broadcast.
    const auto shape = x.shape();
    expect_copy(xt::broadcast(xt::view(x, 0, 0, xt::all()), shape), x, 0, {0, 0, 1});
    expect_copy(xt::broadcast(xt::view(x, 0, xt::all(), xt::range(0, 1)), shape), x, 0, {0, b, 0});
    expect_copy(
        xt::broadcast(xt::view(x, xt::range(0, 1), xt::range(0, 1), xt::range(0, 1)), shape), x, 0,
        {0, 0, 0});
  }
}
TEST(Move, CopiesAreXtensorsViews) {
  check_copies<uint8_t>();
  check_copies<uint16_t>();
  check_copies<float>();
  check_copies<double>();
}

TEST(Move, IntoPartOfAnArray) {
  const xt::xarray<float> x = counted<float>({3, 4});
  xt::xarray<float> expected = xt::zeros<float>({6, 7});
  xt::view(expected, xt::range(1, 4), xt::range(2, 6)) = x;
  xt::xarray<float> y = xt::zeros<float>({6, 7});
  copy_strided(4, Ints{3, 4}, x.data(), Ints{4, 1}, y.data() + 7 + 2, Ints{7, 1});
  EXPECT_EQ(y, expected);
  xt::xarray<float> spread = xt::zeros<float>({9, 4});  // rows 6, 3, 0: interior padding, reversed
  copy_strided(4, Ints{3, 4}, x.data(), Ints{4, 1}, spread.data() + 6 * 4, Ints{-12, 1});
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 4; ++j) EXPECT_EQ(spread(6 - 3 * i, j), x(i, j));
}

TEST(Move, NoAxesAndNoElements) {
  double x = 3, y = 0;
  copy_strided(8, {}, &x, {}, &y, {});
  EXPECT_EQ(y, 3);
  copy_strided(8, Ints{2, 0, 3}, nullptr, Ints{0, 3, 1}, nullptr, Ints{0, 3, 1});
  copy_strided(8, Ints{1, 1}, &x, Ints{5, -7}, &y, Ints{9, 9});
  EXPECT_EQ(y, 3);
  copy_strided(0, Ints{4}, nullptr, Ints{1}, nullptr, Ints{1});  // float0
}

TEST(Move, Fill) {
  for (size_t size : {1, 2, 4, 8})
    for (size_t n : {0, 1, 5, 64}) {
      const uint64_t element = 0x0123456789abcdef;
      std::vector<unsigned char> out(n * size + 1, 0xee);
      fill(size, &element, out.data(), n);
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(std::memcmp(&out[i * size], &element, size), 0);
      EXPECT_EQ(out.back(), 0xee);
    }
}

TEST(Move, IotaCountsAlongOneDimension) {
  for (DType dtype : all_dtypes) {
    if (dtype == DType::boolean) continue;
    visit_dtype(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      for (const Ints& shape : {Ints{300}, Ints{3, 4, 5}, Ints{2, 400, 3}, Ints{0, 3}, Ints{3, 0}})
        for (size_t d = 0; d < shape.size(); ++d) {
          const int64_t n =
              std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
          Bytes out(size_t(n) * sizeof(T));
          iota(dtype, shape, d, out.data());
          const int64_t stride = dense_strides(shape)[d];
          for (int64_t i = 0; i < n; ++i) {
            const int64_t count = i / stride % shape[d];
            T expected;
            convert(DType::i64, dtype, &count, &expected, 1);
            ASSERT_TRUE(same(out.get<T>(size_t(i)), expected)) << name_of(dtype) << " " << i;
          }
        }
    });
  }
}

template <class T>
void check_select() {
  const size_t n = 37;
  std::mt19937 random(1);
  std::vector<T> cases[3], out(n);
  bool flags[n];
  int32_t which[n];
  for (auto& x : cases)
    for (size_t i = 0; i < n; ++i) x.push_back(T(random()));
  for (size_t i = 0; i < n; ++i) flags[i] = random() & 1, which[i] = int32_t(random() % 7) - 2;
  which[0] = std::numeric_limits<int32_t>::min(), which[1] = std::numeric_limits<int32_t>::max();
  select(sizeof(T), flags, cases[0].data(), cases[1].data(), out.data(), n);
  for (size_t i = 0; i < n; ++i) EXPECT_EQ(out[i], cases[flags[i]][i]);
  const void* all[] = {cases[0].data(), cases[1].data(), cases[2].data()};
  select(sizeof(T), which, all, out.data(), n);
  for (size_t i = 0; i < n; ++i)
    EXPECT_EQ(out[i], cases[which[i] < 0 ? 0 : which[i] > 2 ? 2 : which[i]][i]);
  std::vector<T> in_place = cases[1];
  select(sizeof(T), flags, cases[0].data(), in_place.data(), in_place.data(), n);
  for (size_t i = 0; i < n; ++i) EXPECT_EQ(in_place[i], cases[flags[i]][i]);
}
TEST(Move, Select) {
  check_select<uint8_t>();
  check_select<uint16_t>();
  check_select<uint32_t>();
  check_select<uint64_t>();
}

}  // namespace
}  // namespace jv::kernels
