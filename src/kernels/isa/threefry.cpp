// Threefry-2x32 with 20 rounds (J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
// 2011), and random bits from it as JAX draws them: element i is the cipher of the 64-bit counter
// i.
#include "kernels/isa.hpp"
#include "kernels/table.hpp"

namespace jv::kernels::JV_ISA {
namespace {

struct Words {
  uint32_t a, b;
};

template <int r0, int r1, int r2, int r3>
void four_rounds(Words& x) {
  auto round = [&](int rotation) {
    x.a += x.b;
    x.b = (x.b << rotation | x.b >> (32 - rotation)) ^ x.a;
  };
  round(r0), round(r1), round(r2), round(r3);
}

Words encrypt(uint32_t k0, uint32_t k1, Words x) {
  uint32_t k2 = k0 ^ k1 ^ 0x1BD11BDA;
  x.a += k0, x.b += k1;
  four_rounds<13, 15, 26, 6>(x);
  x.a += k1, x.b += k2 + 1;
  four_rounds<17, 29, 16, 24>(x);
  x.a += k2, x.b += k0 + 2;
  four_rounds<13, 15, 26, 6>(x);
  x.a += k0, x.b += k1 + 3;
  four_rounds<17, 29, 16, 24>(x);
  x.a += k1, x.b += k2 + 4;
  four_rounds<13, 15, 26, 6>(x);
  x.a += k2, x.b += k0 + 5;
  return x;
}

template <class T>
T bits_from(Words y) {
  if constexpr (sizeof(T) == 8) return uint64_t(y.a) << 32 | y.b;
  else return T(y.a ^ y.b);
}

// A run of counters does not cross a multiple of its length, so the high word is that of its start.
constexpr size_t run = 64;

// Flattened, so that the loop over counters becomes SIMD code.
template <class T>
[[gnu::flatten]] void draw(const uint32_t* key, size_t n, void* out) {
  const uint32_t k0 = key[0], k1 = key[1];
  auto* to = static_cast<T*>(out);
  for (size_t i = 0; i < n; i += run) {
    size_t count = n - i < run ? n - i : run;
    T bits[run];
    for (uint32_t k = 0; k < run; ++k)
      bits[k] = bits_from<T>(encrypt(k0, k1, {uint32_t(i >> 32), uint32_t(i) + k}));
    for (size_t k = 0; k < count; ++k) to[i + k] = bits[k];
  }
}

}  // namespace

void threefry2x32(const uint32_t* key, const uint32_t* x0, const uint32_t* x1, uint32_t* y0,
                  uint32_t* y1, size_t n) {
  const uint32_t k0 = key[0], k1 = key[1];
  for (size_t i = 0; i < n; ++i) {
    Words y = encrypt(k0, k1, {x0[i], x1[i]});
    y0[i] = y.a;
    y1[i] = y.b;
  }
}

void random_bits(int bit_width, const uint32_t* key, size_t n, void* out) {
  switch (bit_width) {
    case 8: return draw<uint8_t>(key, n, out);
    case 16: return draw<uint16_t>(key, n, out);
    case 32: return draw<uint32_t>(key, n, out);
    default: return draw<uint64_t>(key, n, out);
  }
}

}  // namespace jv::kernels::JV_ISA
