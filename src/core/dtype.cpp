#include "core/dtype.hpp"

namespace jv {

// Round a float's bits to the nearest even multiple of 2^drop.
static uint32_t round_off(uint32_t bits, int drop) {
  uint32_t half = uint32_t{1} << (drop - 1);
  return (bits + half - 1 + ((bits >> drop) & 1)) >> drop;
}

BFloat16::BFloat16(float x) {
  uint32_t u = std::bit_cast<uint32_t>(x);
  bits = x != x ? uint16_t(u >> 16 | 0x40) : uint16_t(round_off(u, 16));
}

Half::Half(float x) {
  uint32_t u = std::bit_cast<uint32_t>(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) bits = uint16_t(sign | 0x7e00);        // NaN
  else if (magnitude >= 0x477ff000) bits = uint16_t(sign | 0x7c00);  // rounds to 65536 and beyond
  else if (magnitude >= 0x38800000) bits = uint16_t(sign | round_off(magnitude - 0x38000000, 13));
  else
    bits = uint16_t(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) &
                            0xffffu));  // subnormal
}

Half::operator float() const {
  uint32_t sign = uint32_t{bits & 0x8000u} << 16, magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00)
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude >= 0x400) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000));
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(magnitude) * 0x1p-24f));
}

}  // namespace jv
