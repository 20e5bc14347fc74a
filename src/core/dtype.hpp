// Element types. The numbers are DLPack's: (type code << 8) | bits; jaxvjp.h pins the same ones.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace jv {

enum class DType : int32_t {
  none = 0,
  i8 = 0x008,
  i16 = 0x010,
  i32 = 0x020,
  i64 = 0x040,
  u8 = 0x108,
  u16 = 0x110,
  u32 = 0x120,
  u64 = 0x140,
  f16 = 0x210,
  f32 = 0x220,
  f64 = 0x240,
  bf16 = 0x410,
  boolean = 0x608,
  float0 = 0xff00,  // no bits: the tangent type of integers and booleans
  opaque = 0xfe40,  // references to objects, which only the library's own equations pass on
};

// IEEE binary16 and bfloat16: storage only. They convert from float with one rounding, to nearest
// even.
struct Half {
  uint16_t bits = 0;
  Half() = default;
  explicit Half(float x);
  explicit operator float() const;
};
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float x);
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;       // as printed: f32
  std::string_view long_name;  // as in parameters that JAX prints: float32
  size_t size;                 // bytes an element
};
inline constexpr DTypeInfo dtype_table[] = {
    {DType::boolean, "bool", "bool", 1},    {DType::i8, "i8", "int8", 1},
    {DType::i16, "i16", "int16", 2},        {DType::i32, "i32", "int32", 4},
    {DType::i64, "i64", "int64", 8},        {DType::u8, "u8", "uint8", 1},
    {DType::u16, "u16", "uint16", 2},       {DType::u32, "u32", "uint32", 4},
    {DType::u64, "u64", "uint64", 8},       {DType::f16, "f16", "float16", 2},
    {DType::bf16, "bf16", "bfloat16", 2},   {DType::f32, "f32", "float32", 4},
    {DType::f64, "f64", "float64", 8},      {DType::float0, "float0", "float0", 0},
    {DType::opaque, "opaque", "opaque", 8},
};
inline constexpr size_t n_dtypes = std::size(dtype_table);

// The row of `dtype` in dtype_table; n_dtypes when it is none of them.
constexpr size_t dtype_index(DType dtype) {
  for (size_t i = 0; i < n_dtypes; ++i)
    if (dtype_table[i].dtype == dtype) return i;
  return n_dtypes;
}
constexpr bool is_valid(DType dtype) { return dtype_index(dtype) < n_dtypes; }
// One that users have arrays of.
constexpr bool is_public(DType dtype) { return is_valid(dtype) && dtype != DType::opaque; }
constexpr size_t size_of(DType dtype) { return dtype_table[dtype_index(dtype)].size; }
constexpr std::string_view name_of(DType dtype) {
  return is_valid(dtype) ? dtype_table[dtype_index(dtype)].name : "?";
}
constexpr bool is_signed(DType dtype) { return int32_t(dtype) >> 8 == 0 && dtype != DType::none; }
constexpr bool is_unsigned(DType dtype) { return int32_t(dtype) >> 8 == 1; }
constexpr bool is_integer(DType dtype) { return is_signed(dtype) || is_unsigned(dtype); }
constexpr bool is_float(DType dtype) { return int32_t(dtype) >> 8 == 2 || dtype == DType::bf16; }

// What a derivative with respect to values of this dtype is made of.
constexpr DType tangent_dtype(DType dtype) { return is_float(dtype) ? dtype : DType::float0; }

template <class T>
struct Type {
  using type = T;
};

// Calls f(Type<T>{}) with the C++ type of the dtype's elements. float0 and opaque have none: what
// asks deals with them before.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::boolean: return f(Type<bool>{});
    case DType::i8: return f(Type<int8_t>{});
    case DType::i16: return f(Type<int16_t>{});
    case DType::i32: return f(Type<int32_t>{});
    case DType::i64: return f(Type<int64_t>{});
    case DType::u8: return f(Type<uint8_t>{});
    case DType::u16: return f(Type<uint16_t>{});
    case DType::u32: return f(Type<uint32_t>{});
    case DType::u64: return f(Type<uint64_t>{});
    case DType::f16: return f(Type<Half>{});
    case DType::bf16: return f(Type<BFloat16>{});
    case DType::f32: return f(Type<float>{});
    default: return f(Type<double>{});
  }
}

}  // namespace jv
