// Laws that every elementwise kernel keeps, whatever it computes: bits do not depend on position,
// length, alignment or instruction set; f16 and bf16 are f32 rounded once; nothing is written
// beyond the end; the result may take the place of an operand.
#include <cstdlib>
#include <functional>

#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

// A kernel of any kind under one signature: unary ones ignore y.
struct Kernel {
  std::string name;
  DType operand, result;
  std::function<void(const Build&, const void* x, const void* y, void* out, size_t n)> run;
};

std::vector<Kernel> all_kernels() {
  std::vector<Kernel> kernels;
  for (DType dtype : all_dtypes) {
    const size_t slot = slot_of(dtype);
    const std::string type = std::string(name_of(dtype)) + " ";
    for_each_op<UnaryOp>([&](UnaryOp op) {
      if (!unary(op, dtype)) return;
      kernels.push_back({type + name_of(op), dtype, gives_bool(op) ? DType::boolean : dtype,
                         [=](const Build& b, const void* x, const void*, void* out, size_t n) {
                           b.unary.at[size_t(op)][slot](x, out, n);
                         }});
    });
    for_each_op<BinaryOp>([&](BinaryOp op) {
      if (!binary(op, dtype)) return;
      kernels.push_back({type + name_of(op), dtype, gives_bool(op) ? DType::boolean : dtype,
                         [=](const Build& b, const void* x, const void* y, void* out, size_t n) {
                           b.binary.at[size_t(op)][slot](x, y, out, n);
                         }});
    });
    for (int64_t exponent : {-3, 0, 5})
      if (dtype != DType::boolean)
        kernels.push_back({type + "integer_pow " + std::to_string(exponent), dtype, dtype,
                           [=](const Build& b, const void* x, const void*, void* out, size_t n) {
                             b.unary.integer_pow[slot](x, out, n, exponent);
                           }});
    for (DType to : all_dtypes)
      kernels.push_back({type + "to " + std::string(name_of(to)), dtype, to,
                         [=](const Build& b, const void* x, const void*, void* out, size_t n) {
                           b.convert.from[slot][slot_of(to)](x, out, n);
                         }});
  }
  return kernels;
}

TEST(Elementwise, EveryKernelExists) { EXPECT_GT(all_kernels().size(), 13u * 13 + 13 * 20); }

TEST(Elementwise, BitsAreThoseOfEveryInstructionSet) {
  if (runnable_builds().size() < 2) GTEST_SKIP() << "only one instruction set";
  const size_t n = 1 << 13;
  for (const Kernel& kernel : all_kernels()) {
    Bytes x = random_bytes(kernel.operand, n, 1), y = random_bytes(kernel.operand, n, 2);
    std::vector<Bytes> results;
    for (const Build* build : runnable_builds()) {
      results.emplace_back(n * size_of(kernel.result));
      kernel.run(*build, x.data(), y.data(), results.back().data(), n);
    }
    EXPECT_EQ(first_difference(kernel.result, results[0], results[1], n), n) << kernel.name;
  }
}

// Every length, at offsets that no vector is aligned to, against one element at a time.
TEST(Elementwise, BitsDoNotDependOnPositionLengthOrAlignment) {
  constexpr size_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 63, 64, 65, 66, 129};
  constexpr size_t longest = 140;
  for (const Build* build : runnable_builds())
    for (const Kernel& kernel : all_kernels()) {
      const size_t in = size_of(kernel.operand), out = size_of(kernel.result);
      Bytes x = random_bytes(kernel.operand, longest, 3),
            y = random_bytes(kernel.operand, longest, 4);
      Bytes one_by_one(longest * out);
      for (size_t i = 0; i < longest; ++i)
        kernel.run(*build, x.at.data() + i * in, y.at.data() + i * in,
                   one_by_one.at.data() + i * out, 1);
      for (size_t n : lengths)
        for (size_t offset : {0, 1, 3}) {
          Bytes result((longest + 1) * out);
          for (auto& byte : result.at) byte = 0xa5;
          kernel.run(*build, x.at.data() + offset * in, y.at.data() + offset * in,
                     result.at.data() + offset * out, n);
          Bytes expected = result;
          std::memcpy(expected.at.data() + offset * out, one_by_one.at.data() + offset * out,
                      n * out);
          const auto canary =
              std::vector<unsigned char>(result.at.begin() + (offset + n) * out, result.at.end());
          EXPECT_EQ(canary, std::vector<unsigned char>(canary.size(), 0xa5))
              << kernel.name << " " << n;
          Bytes got(n * out), wanted(n * out);
          std::memcpy(got.data(), result.at.data() + offset * out, n * out);
          std::memcpy(wanted.data(), expected.at.data() + offset * out, n * out);
          ASSERT_EQ(first_difference(kernel.result, got, wanted, n), n)
              << build->instruction_set << " " << kernel.name << " n=" << n << " offset=" << offset;
        }
    }
}

TEST(Elementwise, TheResultMayTakeTheOperandsPlace) {
  const size_t n = 77;
  for (const Build* build : runnable_builds())
    for (const Kernel& kernel : all_kernels()) {
      if (kernel.operand != kernel.result) continue;
      Bytes x = random_bytes(kernel.operand, n, 5), y = random_bytes(kernel.operand, n, 6);
      Bytes apart(n * size_of(kernel.result)), in_x = x, in_y = y;
      kernel.run(*build, x.data(), y.data(), apart.data(), n);
      kernel.run(*build, in_x.data(), y.data(), in_x.data(), n);
      EXPECT_EQ(first_difference(kernel.result, apart, in_x, n), n) << kernel.name;
      if (!binary(BinaryOp::eq, kernel.operand)) continue;
      Bytes same_operand(n * size_of(kernel.result));
      kernel.run(*build, x.data(), x.data(), same_operand.data(), n);
      Bytes both = x;
      kernel.run(*build, both.data(), both.data(), both.data(), n);
      EXPECT_EQ(first_difference(kernel.result, same_operand, both, n), n) << kernel.name;
    }
}

// All 65,536 halves through every unary function, and pairs of them through every binary one.
template <class H>
void check_narrow(const Build& build) {
  const size_t n = 1 << 16, narrow = slot_of(dtype_of<H>()), wide = slot_of(DType::f32);
  std::vector<H> x(n), y(n), z(n);
  std::vector<float> wide_x(n), wide_y(n), wide_z(n);
  std::mt19937 random(7);
  for (size_t i = 0; i < n; ++i) {
    x[i].bits = uint16_t(i), y[i].bits = uint16_t(random());
    wide_x[i] = float(x[i]), wide_y[i] = float(y[i]);
  }
  auto check = [&](const char* name) {
    for (size_t i = 0; i < n; ++i)
      ASSERT_TRUE(same(z[i], H(wide_z[i]))) << name << " " << wide_x[i] << " " << wide_y[i];
  };
  for_each_op<UnaryOp>([&](UnaryOp op) {
    if (!build.unary.at[size_t(op)][narrow] || gives_bool(op)) return;
    build.unary.at[size_t(op)][narrow](x.data(), z.data(), n);
    build.unary.at[size_t(op)][wide](wide_x.data(), wide_z.data(), n);
    check(name_of(op));
  });
  for_each_op<BinaryOp>([&](BinaryOp op) {
    if (!build.binary.at[size_t(op)][narrow] || gives_bool(op)) return;
    build.binary.at[size_t(op)][narrow](x.data(), y.data(), z.data(), n);
    build.binary.at[size_t(op)][wide](wide_x.data(), wide_y.data(), wide_z.data(), n);
    check(name_of(op));
  });
}
TEST(Elementwise, HalvesAreFloatsRoundedOnce) {
  for (const Build* build : runnable_builds()) {
    check_narrow<Half>(*build);
    check_narrow<BFloat16>(*build);
  }
}

TEST(Elementwise, ComparisonsAreThoseOfTheLanguage) {
  const size_t n = 4096;
  for (DType dtype : all_dtypes)
    visit_dtype(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      Bytes x = random_bytes(dtype, n, 8), y = random_bytes(dtype, n, 9);
      for (size_t i = 0; i < n; i += 3)
        std::memcpy(y.at.data() + i * sizeof(T), x.at.data() + i * sizeof(T), sizeof(T));
      for (const Build* build : runnable_builds())
        for (size_t k = 0; k < 6; ++k) {
          BinaryOp op = BinaryOp(size_t(BinaryOp::eq) + k);
          Bytes z(n);
          build->binary.at[size_t(op)][slot_of(dtype)](x.data(), y.data(), z.data(), n);
          for (size_t i = 0; i < n; ++i) {
            const auto a = number(x.get<T>(i)), b = number(y.get<T>(i));
            const bool expected[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
            ASSERT_EQ(z.at[i], expected[k])
                << name_of(op) << " " << name_of(dtype) << " " << a << " " << b;
          }
        }
    });
}

TEST(Isa, TheVariableForcesTheInstructionSet) {
  const char* forced = std::getenv("JAXVJP_ISA");
  if (forced) EXPECT_STREQ(instruction_set(), forced);
  else EXPECT_STREQ(instruction_set(), runnable_builds().back()->instruction_set);
}

}  // namespace
}  // namespace jv::kernels
