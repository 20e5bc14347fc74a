// The table of kernels with two operands.
#include "kernels/integers.hpp"
#include "kernels/map.hpp"
#include "kernels/table.hpp"

namespace jv::kernels::JV_ISA {
namespace {

template <auto f, class T>
void of_floats(const void* x, const void* y, void* out, size_t n) {
  map(f, n, static_cast<T*>(out), static_cast<const T*>(x), static_cast<const T*>(y));
}
template <auto f, class T, class Out = T>
void of_elements(const void* x, const void* y, void* out, size_t n) {
  map_elements(f, n, static_cast<Out*>(out), static_cast<const T*>(x), static_cast<const T*>(y));
}

// Fills one operation's row for a set of dtypes.
template <auto f>
constexpr void floats(BySlot<Binary>& row) {
  row[slot_of(DType::f16)] = of_floats<f, Half>;
  row[slot_of(DType::bf16)] = of_floats<f, BFloat16>;
  row[slot_of(DType::f32)] = of_floats<f, float>;
  row[slot_of(DType::f64)] = of_floats<f, double>;
}
template <auto f>
constexpr void integers(BySlot<Binary>& row) {
  row[slot_of(DType::i8)] = of_elements<f, int8_t>;
  row[slot_of(DType::i16)] = of_elements<f, int16_t>;
  row[slot_of(DType::i32)] = of_elements<f, int32_t>;
  row[slot_of(DType::i64)] = of_elements<f, int64_t>;
  row[slot_of(DType::u8)] = of_elements<f, uint8_t>;
  row[slot_of(DType::u16)] = of_elements<f, uint16_t>;
  row[slot_of(DType::u32)] = of_elements<f, uint32_t>;
  row[slot_of(DType::u64)] = of_elements<f, uint64_t>;
}
template <auto f>
constexpr void booleans(BySlot<Binary>& row) {
  row[slot_of(DType::boolean)] = of_elements<f, bool>;
}
template <auto f>
constexpr void comparison(BySlot<Binary>& row) {
  row[slot_of(DType::boolean)] = of_elements<f, bool>;
  row[slot_of(DType::f16)] = of_elements<f, Half, bool>;
  row[slot_of(DType::bf16)] = of_elements<f, BFloat16, bool>;
  row[slot_of(DType::f32)] = of_elements<f, float, bool>;
  row[slot_of(DType::f64)] = of_elements<f, double, bool>;
  row[slot_of(DType::i8)] = of_elements<f, int8_t, bool>;
  row[slot_of(DType::i16)] = of_elements<f, int16_t, bool>;
  row[slot_of(DType::i32)] = of_elements<f, int32_t, bool>;
  row[slot_of(DType::i64)] = of_elements<f, int64_t, bool>;
  row[slot_of(DType::u8)] = of_elements<f, uint8_t, bool>;
  row[slot_of(DType::u16)] = of_elements<f, uint16_t, bool>;
  row[slot_of(DType::u32)] = of_elements<f, uint32_t, bool>;
  row[slot_of(DType::u64)] = of_elements<f, uint64_t, bool>;
}

constexpr BySlot<Binary>& row(BinaryTable& table, BinaryOp op) { return table.at[size_t(op)]; }

constexpr void set_arithmetic(BinaryTable& table) {
  floats<[](auto x, auto y) { return x + y; }>(row(table, BinaryOp::add));
  floats<[](auto x, auto y) { return x - y; }>(row(table, BinaryOp::sub));
  floats<[](auto x, auto y) { return x * y; }>(row(table, BinaryOp::mul));
  floats<[](auto x, auto y) { return x / y; }>(row(table, BinaryOp::div));
  floats<[](auto x, auto y) { return pow(x, y); }>(row(table, BinaryOp::pow));
  floats<[](auto x, auto y) { return maximum(x, y); }>(row(table, BinaryOp::max));
  floats<[](auto x, auto y) { return minimum(x, y); }>(row(table, BinaryOp::min));
  integers<[](auto x, auto y) { return add(x, y); }>(row(table, BinaryOp::add));
  integers<[](auto x, auto y) { return sub(x, y); }>(row(table, BinaryOp::sub));
  integers<[](auto x, auto y) { return mul(x, y); }>(row(table, BinaryOp::mul));
  integers<[](auto x, auto y) { return div(x, y); }>(row(table, BinaryOp::div));
  integers<[](auto x, auto y) { return integer_power(x, y); }>(row(table, BinaryOp::pow));
  integers<[](auto x, auto y) { return maximum(x, y); }>(row(table, BinaryOp::max));
  integers<[](auto x, auto y) { return minimum(x, y); }>(row(table, BinaryOp::min));
}
constexpr void set_bitwise(BinaryTable& table) {
  constexpr auto conjunction = [](auto x, auto y) { return decltype(x)(x & y); };
  constexpr auto disjunction = [](auto x, auto y) { return decltype(x)(x | y); };
  constexpr auto difference = [](auto x, auto y) { return decltype(x)(x ^ y); };
  integers<conjunction>(row(table, BinaryOp::bitwise_and));
  integers<disjunction>(row(table, BinaryOp::bitwise_or));
  integers<difference>(row(table, BinaryOp::bitwise_xor));
  booleans<conjunction>(row(table, BinaryOp::bitwise_and));
  booleans<disjunction>(row(table, BinaryOp::bitwise_or));
  booleans<difference>(row(table, BinaryOp::bitwise_xor));
  booleans<disjunction>(row(table, BinaryOp::max));
  booleans<conjunction>(row(table, BinaryOp::min));
  integers<[](auto x, auto y) { return shift_left(x, y); }>(row(table, BinaryOp::shift_left));
  integers<[](auto x, auto y) { return shift_right_logical(x, y); }>(
      row(table, BinaryOp::shift_right_logical));
}
constexpr void set_comparisons(BinaryTable& table) {
  comparison<[](auto x, auto y) { return x == y; }>(row(table, BinaryOp::eq));
  comparison<[](auto x, auto y) { return x != y; }>(row(table, BinaryOp::ne));
  comparison<[](auto x, auto y) { return x < y; }>(row(table, BinaryOp::lt));
  comparison<[](auto x, auto y) { return x <= y; }>(row(table, BinaryOp::le));
  comparison<[](auto x, auto y) { return (x > y); }>(row(table, BinaryOp::gt));
  comparison<[](auto x, auto y) { return (x >= y); }>(row(table, BinaryOp::ge));
}

constexpr BinaryTable make_table() {
  BinaryTable table;
  set_arithmetic(table);
  set_bitwise(table);
  set_comparisons(table);
  return table;
}

}  // namespace

constinit const BinaryTable binary_table = make_table();

}  // namespace jv::kernels::JV_ISA
