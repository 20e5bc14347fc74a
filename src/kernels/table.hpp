// What one build of the kernels hands to dispatch.cpp: constant tables of functions.
#pragma once
#include <bit>

#include "kernels/isa.hpp"
#include "kernels/kernels.hpp"

namespace jv::kernels {

// A dtype's place in the tables: its kind and the logarithm of its bytes. Empty places hold
// nullptr.
inline constexpr size_t n_slots = 32, empty_slot = 31;
constexpr size_t slot_of(DType dtype) {
  uint32_t bits = uint32_t(dtype) & 0xff, kind = uint32_t(dtype) >> 8 & 7;
  return bits == 0 ? empty_slot : kind * 4 + uint32_t(std::countr_zero(bits >> 3) & 3);
}

using Power = void (*)(const void* x, void* out, size_t n, int64_t exponent);
using Reduce = void (*)(const void* x, void* out, size_t rows, size_t n);
inline constexpr size_t n_reduce_ops = 3;

template <class F>
using BySlot = F[n_slots];
struct UnaryTable {
  BySlot<Unary> at[n_unary_ops] = {};
  BySlot<Power> integer_pow = {};
};
struct BinaryTable {
  BySlot<Binary> at[n_binary_ops] = {};
};
struct ConvertTable {
  BySlot<Unary> from[n_slots] = {};
};
struct ReduceTable {
  BySlot<Reduce> at[n_reduce_ops] = {};
};

struct Build {
  const char* instruction_set;
  const UnaryTable& unary;
  const BinaryTable& binary;
  const ConvertTable& convert;
  const ReduceTable& reduce;
  void (*threefry2x32)(const uint32_t* key, const uint32_t* x0, const uint32_t* x1, uint32_t* y0,
                       uint32_t* y1, size_t n);
  void (*random_bits)(int bit_width, const uint32_t* key, size_t n, void* out);
};
namespace portable {
extern const Build build;
}
namespace avx2 {
extern const Build build;
}

// The builds that this machine can run, the fastest last.
std::span<const Build* const> runnable_builds();

// The pieces of the build that is being compiled.
namespace JV_ISA {
extern const UnaryTable unary_table;
extern const BinaryTable binary_table;
extern const ConvertTable convert_table;
extern const ReduceTable reduce_table;
void threefry2x32(const uint32_t* key, const uint32_t* x0, const uint32_t* x1, uint32_t* y0,
                  uint32_t* y1, size_t n);
void random_bits(int bit_width, const uint32_t* key, size_t n, void* out);
}  // namespace JV_ISA

}  // namespace jv::kernels
