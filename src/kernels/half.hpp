// f16 and bf16 to float and back, branch-free so that loops of them become SIMD code.
//
// core/dtype.hpp has the same conversions; these are inlined, and stay within one build (isa.hpp).
#pragma once
#include <cstddef>

#include "core/dtype.hpp"
#include "kernels/scalar.hpp"

namespace jv::kernels::JV_ISA {

template <class T>
concept HalfWide = std::same_as<T, Half> || std::same_as<T, BFloat16>;

inline float widen(Half x) {
  uint32_t sign = uint32_t(x.bits & 0x8000) << 16, magnitude = uint32_t(x.bits & 0x7fff) << 13;
  // 2^112 is the difference of the two biases; the product is exact, subnormals included.
  uint32_t finite = bits_of(from_bits<float>(magnitude) * 0x1p112f);
  return from_bits<float>(sign | (magnitude >= 0x7c00u << 13 ? magnitude | 0x7f800000 : finite));
}
inline float widen(BFloat16 x) { return from_bits<float>(uint32_t(x.bits) << 16); }

// The float bits u without their low `drop` bits, rounded to nearest even.
inline uint32_t round_off(uint32_t u, int drop) {
  return (u + (uint32_t(1) << (drop - 1)) - 1 + (u >> drop & 1)) >> drop;
}

inline void narrow(float x, Half& out) {
  uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  // Adding 1/2 puts the unit of a subnormal half at the float's last place.
  uint32_t subnormal = bits_of(from_bits<float>(magnitude) + 0.5f) - 0x3f000000;
  uint32_t normal = round_off(magnitude - 0x38000000, 13);
  uint32_t finite = magnitude < 0x38800000 ? subnormal : normal;
  uint32_t special = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
  out.bits = uint16_t(sign | (magnitude >= 0x477ff000 ? special : finite));
}
inline void narrow(float x, BFloat16& out) {
  uint32_t u = bits_of(x);
  out.bits = uint16_t((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : round_off(u, 16));
}

template <HalfWide H>
void widen(const H* x, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = widen(x[i]);
}
template <HalfWide H>
void narrow(const float* x, H* out, size_t n) {
  for (size_t i = 0; i < n; ++i) narrow(x[i], out[i]);
}

}  // namespace jv::kernels::JV_ISA
