// Random bits are those that JAX 0.10 gives (jax_threefry_partitionable, its default).
#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

// The first row is the known answer of Threefry-2x32-20 for zeros (the Random123 library's file of
// known answers); the second JAX's fold_in(key(0), 7).
TEST(Threefry, KnownAnswers) {
  for (const Build* build : runnable_builds()) {
    auto expect = [&](uint32_t k0, uint32_t k1, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
      const uint32_t key[] = {k0, k1};
      uint32_t y0, y1;
      build->threefry2x32(key, &a, &b, &y0, &y1, 1);
      EXPECT_EQ(y0, c);
      EXPECT_EQ(y1, d);
    };
    expect(0, 0, 0, 0, 0x6b200159, 0x99ba4efe);
    expect(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7);
    expect(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0);
    expect(0, 0, 0, 7, 2716826189u, 292468403u);
  }
}

template <class T>
void expect_bits(const Build& build, const uint32_t* key, std::initializer_list<T> expected) {
  std::vector<T> out(expected.size());
  build.random_bits(8 * sizeof(T), key, out.size(), out.data());
  EXPECT_EQ(out, std::vector<T>(expected));
}
TEST(Threefry, RandomBits) {
  const uint32_t key_0[] = {0, 0},
                 folded[] = {2716826189u, 292468403u};  // key(0), fold_in(key(0), 7)
  for (const Build* build : runnable_builds()) {
    expect_bits<uint8_t>(*build, key_0, {167, 146, 40, 53, 183});
    expect_bits<uint16_t>(*build, key_0, {20391, 13970, 3624, 43061, 15287});
    expect_bits<uint32_t>(*build, key_0, {4070199207u, 4202968722u, 1427181096u, 2012915765u});
    expect_bits<uint64_t>(*build, key_0, {7719171245655871230u, 3989946895414531357u});
    expect_bits<uint8_t>(*build, folded, {186, 129, 188, 117});
    expect_bits<uint32_t>(*build, folded, {2040308410u, 309011329u, 797698236u, 1971886965u});
    expect_bits<uint64_t>(*build, folded, {3717440229113307787u, 6510859603753835473u});
    std::vector<uint32_t> many(100000);
    build->random_bits(32, key_0, many.size(), many.data());
    EXPECT_EQ(many[65], 511065407u);
    EXPECT_EQ(many[99999], 174916776u);
  }
}

TEST(Threefry, AnyLengthIsAPrefix) {
  const uint32_t key[] = {3, 4};
  for (const Build* build : runnable_builds())
    for (int width : {8, 16, 32, 64}) {
      const size_t size = size_t(width) / 8, longest = 300;
      std::vector<unsigned char> all(longest * size);
      build->random_bits(width, key, longest, all.data());
      for (size_t n : {0, 1, 7, 63, 64, 65, 128, 299}) {
        std::vector<unsigned char> out(n * size + 1, 0xee);
        build->random_bits(width, key, n, out.data());
        EXPECT_EQ(std::memcmp(out.data(), all.data(), n * size), 0);
        EXPECT_EQ(out.back(), 0xee);
      }
    }
}

}  // namespace
}  // namespace jv::kernels
