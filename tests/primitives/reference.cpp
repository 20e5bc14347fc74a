// Functions of single elements, and the choice between them and other operations.
#include "reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace jv::laws {

Real wrapped(DType dtype, Real x) {
  if (dtype == DType::boolean) return x != 0;
  if (!is_integer(dtype)) return x;
  int bits = int(size_of(dtype)) * 8;
  Real range = std::ldexp(Real(1), bits), low = is_signed(dtype) ? -range / 2 : 0;
  return x - range * std::floor((x - low) / range);
}

Real from_bits(DType dtype, uint64_t bits) {
  Real x = 0;
  visit_dtype(dtype, [&]<class T>(Type<T>) {
    T value;
    std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
    if constexpr (std::is_arithmetic_v<T>) x = Real(value);
    else x = Real(float(value));
  });
  return x;
}

std::array<uint32_t, 2> threefry(uint32_t k0, uint32_t k1, uint32_t x0, uint32_t x1) {
  const uint32_t key[3] = {k0, k1, k0 ^ k1 ^ 0x1bd11bda};
  const int turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  x0 += key[0], x1 += key[1];
  for (uint32_t round = 0; round < 20; ++round) {
    int turn = turns[round / 4 % 2][round % 4];
    x0 += x1;
    x1 = (x1 << turn | x1 >> (32 - turn)) ^ x0;
    if (round % 4 == 3) {
      uint32_t n = round / 4 + 1;
      x0 += key[n % 3], x1 += key[(n + 1) % 3] + n;
    }
  }
  return {x0, x1};
}

namespace {

uint64_t bits_of(DType dtype, Real x) {
  int bits = int(size_of(dtype)) * 8;
  uint64_t all = x < 0 ? ~uint64_t(-x) + 1 : uint64_t(x);
  return bits == 64 ? all : all & ((uint64_t(1) << bits) - 1);
}

Real power(Real x, int64_t y) {
  Real product = 1;
  for (int64_t i = 0; i < std::llabs(y); ++i) product *= x;
  return y < 0 ? 1 / product : product;
}

// By bisection of erf.
Real inverse_erf(Real y) {
  Real low = -10, high = 10;
  for (int i = 0; i < 200; ++i) {
    Real middle = (low + high) / 2;
    (std::erf(middle) < y ? low : high) = middle;
  }
  return (low + high) / 2;
}

using Unary = Real (*)(Real);
const std::map<std::string, Unary> unary = {
    {"neg", [](Real x) { return -x; }},
    {"abs", [](Real x) { return std::fabs(x); }},
    {"sign", [](Real x) { return x > 0   ? Real(1)
                                 : x < 0 ? Real(-1)
                                         : x; }},
    {"floor", [](Real x) { return std::floor(x); }},
    {"exp", [](Real x) { return std::exp(x); }},
    {"expm1", [](Real x) { return std::expm1(x); }},
    {"log", [](Real x) { return std::log(x); }},
    {"log1p", [](Real x) { return std::log1p(x); }},
    {"logistic", [](Real x) { return 1 / (1 + std::exp(-x)); }},
    {"sin", [](Real x) { return std::sin(x); }},
    {"cos", [](Real x) { return std::cos(x); }},
    {"tanh", [](Real x) { return std::tanh(x); }},
    {"square", [](Real x) { return x * x; }},
    {"sqrt", [](Real x) { return std::sqrt(x); }},
    {"erf_inv", inverse_erf},
    {"is_finite", [](Real x) { return Real(std::isfinite(x)); }},
    {"stop_gradient", [](Real x) { return x; }},
};

using Binary = Real (*)(Real, Real);
const std::map<std::string, Binary> binary = {
    {"add", [](Real x, Real y) { return x + y; }},
    {"sub", [](Real x, Real y) { return x - y; }},
    {"mul", [](Real x, Real y) { return x * y; }},
    {"max", [](Real x, Real y) { return std::max(x, y); }},
    {"min", [](Real x, Real y) { return std::min(x, y); }},
    {"pow", [](Real x, Real y) { return std::pow(x, y); }},
    {"eq", [](Real x, Real y) { return Real(x == y); }},
    {"ne", [](Real x, Real y) { return Real(x != y); }},
    {"lt", [](Real x, Real y) { return Real(x < y); }},
    {"le", [](Real x, Real y) { return Real(x <= y); }},
    {"gt", [](Real x, Real y) { return Real(x > y); }},
    {"ge", [](Real x, Real y) { return Real(x >= y); }},
};

using Bits = uint64_t (*)(uint64_t, uint64_t, uint64_t width);
const std::map<std::string, Bits> bitwise = {
    {"and", [](uint64_t x, uint64_t y, uint64_t) { return x & y; }},
    {"or", [](uint64_t x, uint64_t y, uint64_t) { return x | y; }},
    {"xor", [](uint64_t x, uint64_t y, uint64_t) { return x ^ y; }},
    {"shift_left", [](uint64_t x, uint64_t y, uint64_t width) { return y < width ? x << y : 0; }},
    {"shift_right_logical",
     [](uint64_t x, uint64_t y, uint64_t width) { return y < width ? x >> y : 0; }},
};

Real divided(DType dtype, Real x, Real y) { return is_integer(dtype) ? std::trunc(x / y) : x / y; }

}  // namespace

std::vector<Tensor> reference(const Primitive& p, const Params& params,
                              const std::vector<Tensor>& in, std::span<const Aval> out) {
  std::string name = p.name;
  auto each = [&](auto&& f) { return std::vector<Tensor>{build(out[0], f)}; };
  if (Op op = find_operation(name)) return {op(params, in, out[0])};
  DType dtype = in[0].dtype;
  if (auto it = unary.find(name); it != unary.end())
    return each([&](const Index& i) { return wrapped(out[0]->dtype, it->second(at(in[0], i))); });
  if (auto it = binary.find(name); it != binary.end())
    return each([&](const Index& i) {
      return wrapped(out[0]->dtype, it->second(at(in[0], i), at(in[1], i)));
    });
  if (auto it = bitwise.find(name); it != bitwise.end())
    return each([&](const Index& i) {
      uint64_t x = bits_of(dtype, at(in[0], i)), y = bits_of(dtype, at(in[1], i));
      return from_bits(dtype, it->second(x, y, size_of(dtype) * 8));
    });
  if (name == "not")
    return each([&](const Index& i) {
      Real x = at(in[0], i);
      return dtype == DType::boolean ? Real(x == 0) : from_bits(dtype, ~bits_of(dtype, x));
    });
  if (name == "div")
    return each([&](const Index& i) { return divided(dtype, at(in[0], i), at(in[1], i)); });
  if (name == "integer_pow")
    return each(
        [&](const Index& i) { return wrapped(dtype, power(at(in[0], i), params.integer("y"))); });
  if (name == "lu") return lu_reference(in, out);
  if (name == "threefry2x32") {
    auto word = [&](size_t half) {
      return build(out[0], [&](const Index& i) {
        return Real(threefry(uint32_t(at(in[0], i)), uint32_t(at(in[1], i)), uint32_t(at(in[2], i)),
                             uint32_t(at(in[3], i)))[half]);
      });
    };
    return {word(0), word(1)};
  }
  ADD_FAILURE() << "no reference for " << name;
  return {};
}

}  // namespace jv::laws
