// What the tests of the kernels share: dtypes by C++ type, random and special elements, comparison.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "kernels/table.hpp"

namespace jv::kernels {

inline constexpr DType all_dtypes[] = {
    DType::boolean, DType::i8,  DType::i16, DType::i32,  DType::i64, DType::u8, DType::u16,
    DType::u32,     DType::u64, DType::f16, DType::bf16, DType::f32, DType::f64};
inline constexpr DType float_dtypes[] = {DType::f16, DType::bf16, DType::f32, DType::f64};

template <class T>
constexpr DType dtype_of() {
  DType result = DType::none;
  for (DType dtype : all_dtypes)
    visit_dtype(dtype, [&](auto type) {
      if (std::is_same_v<T, typename decltype(type)::type>) result = dtype;
    });
  return result;
}

// An element as a number. Exact.
template <class T>
long double number(T x) {
  if constexpr (std::is_arithmetic_v<T>) return static_cast<long double>(x);
  else return float(x);
}

// The bytes of elements of any dtype (std::vector<bool> has no bytes).
struct Bytes {
  std::vector<unsigned char> at;
  Bytes() = default;
  explicit Bytes(size_t n) : at(n + 1) {}  // never empty: its pointer is never null
  void* data() { return at.data(); }
  const void* data() const { return at.data(); }
  template <class T>
  T get(size_t i) const {
    T x;
    std::memcpy(static_cast<void*>(&x), at.data() + i * sizeof(T), sizeof(T));
    return x;
  }
  template <class T>
  void set(size_t i, T x) {
    std::memcpy(at.data() + i * sizeof(T), &x, sizeof(T));
  }
};

// Equal bits, or both NaN: the payload and sign of NaN are not promised.
template <class T>
bool same(T a, T b) {
  if constexpr (!std::is_integral_v<T>)
    if (number(a) != number(a)) return number(b) != number(b);
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}
inline size_t first_difference(DType dtype, const Bytes& a, const Bytes& b, size_t n) {
  return visit_dtype(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    for (size_t i = 0; i < n; ++i)
      if (!same(a.get<T>(i), b.get<T>(i))) return i;
    return n;
  });
}

// Elements over the whole range of a dtype: random bits, ordinary numbers, and the special ones.
template <class T>
T random_element(std::mt19937_64& random) {
  const uint64_t bits = random(), kind = random() % 8;
  if constexpr (std::is_same_v<T, bool>) {
    return bits & 1;
  } else if constexpr (std::is_integral_v<T>) {
    const T corners[] = {
        0, 1, T(-1), 2, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), 7};
    return kind < 2 ? corners[bits % 7] : kind < 4 ? T(int(bits % 256) - 128) : T(bits);
  } else {
    const double corners[] = {0.0, -0.0, 1, -1, 0.5, INFINITY, -INFINITY, NAN, 1e-40, 2};
    const double ordinary = (double(bits >> 11) * 0x1p-53 - 0.5) * (kind < 5 ? 8 : 200);
    T x;
    std::memcpy(static_cast<void*>(&x), &bits, sizeof(T));
    if constexpr (std::is_same_v<T, double>)
      return kind == 0 ? corners[bits % 10] : kind < 6 ? ordinary : x;
    else return kind == 0 ? T(float(corners[bits % 10])) : kind < 6 ? T(float(ordinary)) : x;
  }
}
inline Bytes random_bytes(DType dtype, size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  return visit_dtype(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    Bytes x(n * sizeof(T));
    for (size_t i = 0; i < n; ++i) x.set(i, random_element<T>(random));
    return x;
  });
}

inline const char* name_of(UnaryOp op) {
  constexpr const char* names[] = {"neg",      "abs",  "sign",    "square",    "floor",      "exp",
                                   "expm1",    "log",  "log1p",   "sin",       "cos",        "tanh",
                                   "logistic", "sqrt", "erf_inv", "is_finite", "bitwise_not"};
  return names[size_t(op)];
}
inline const char* name_of(BinaryOp op) {
  constexpr const char* names[] = {
      "add", "sub",         "mul",        "div",         "pow",        "max",
      "min", "bitwise_and", "bitwise_or", "bitwise_xor", "shift_left", "shift_right_logical",
      "eq",  "ne",          "lt",         "le",          "gt",         "ge"};
  return names[size_t(op)];
}
inline bool gives_bool(UnaryOp op) { return op == UnaryOp::is_finite; }
inline bool gives_bool(BinaryOp op) { return op >= BinaryOp::eq; }

// f(op) for every operation.
template <class Op, class F>
void for_each_op(F f) {
  constexpr size_t n = std::is_same_v<Op, UnaryOp> ? n_unary_ops : n_binary_ops;
  for (size_t i = 0; i < n; ++i) f(Op(i));
}

}  // namespace jv::kernels
