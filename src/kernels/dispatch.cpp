// Which build serves this process, and the functions of kernels.hpp that look up its tables.
#include <cstdlib>
#include <cstring>

#include "kernels/table.hpp"

namespace jv::kernels {

std::span<const Build* const> runnable_builds() {
#ifdef JV_KERNELS_AVX2
  static constexpr const Build* builds[] = {&portable::build, &avx2::build};
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return std::span(builds).first(has_avx2 ? 2 : 1);
#else
  static constexpr const Build* builds[] = {&portable::build};
  return builds;
#endif
}

namespace {

const Build& choose() {
  const char* forced = std::getenv("JAXVJP_ISA");
  if (forced)
    for (const Build* build : runnable_builds())
      if (std::strcmp(forced, build->instruction_set) == 0) return *build;
  return *runnable_builds().back();
}

const Build& build() {
  static const Build& chosen = choose();
  return chosen;
}

}  // namespace

const char* instruction_set() { return build().instruction_set; }

Unary unary(UnaryOp op, DType dtype) { return build().unary.at[size_t(op)][slot_of(dtype)]; }

Binary binary(BinaryOp op, DType dtype) { return build().binary.at[size_t(op)][slot_of(dtype)]; }

void integer_pow(DType dtype, const void* x, void* out, size_t n, int64_t exponent) {
  build().unary.integer_pow[slot_of(dtype)](x, out, n, exponent);
}

void convert(DType from, DType to, const void* x, void* out, size_t n) {
  build().convert.from[slot_of(from)][slot_of(to)](x, out, n);
}

void reduce(ReduceOp op, DType dtype, const void* x, void* out, size_t rows, size_t n) {
  build().reduce.at[size_t(op)][slot_of(dtype)](x, out, rows, n);
}

void threefry2x32(const uint32_t key[2], const uint32_t* x0, const uint32_t* x1, uint32_t* y0,
                  uint32_t* y1, size_t n) {
  build().threefry2x32(key, x0, x1, y0, y1, n);
}

void random_bits(int bit_width, const uint32_t key[2], size_t n, void* out) {
  build().random_bits(bit_width, key, n, out);
}

}  // namespace jv::kernels
