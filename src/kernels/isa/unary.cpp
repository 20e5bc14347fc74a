// The table of kernels with one operand.
#include "kernels/integers.hpp"
#include "kernels/map.hpp"
#include "kernels/table.hpp"

namespace jv::kernels::JV_ISA {
namespace {

template <auto f, class T>
void of_floats(const void* x, void* out, size_t n) {
  map(f, n, static_cast<T*>(out), static_cast<const T*>(x));
}
template <auto f, class T, class Out = T>
void of_elements(const void* x, void* out, size_t n) {
  map_elements(f, n, static_cast<Out*>(out), static_cast<const T*>(x));
}
template <class T>
void integer_pow_of_floats(const void* x, void* out, size_t n, int64_t exponent) {
  map([=](auto x) { return integer_pow(x, exponent); }, n, static_cast<T*>(out),
      static_cast<const T*>(x));
}
template <class T>
void integer_pow_of_integers(const void* x, void* out, size_t n, int64_t exponent) {
  map_elements([=](T x) { return integer_power(x, exponent); }, n, static_cast<T*>(out),
               static_cast<const T*>(x));
}

// Fills one operation's row for a set of dtypes.
template <auto f>
constexpr void floats(BySlot<Unary>& row) {
  row[slot_of(DType::f16)] = of_floats<f, Half>;
  row[slot_of(DType::bf16)] = of_floats<f, BFloat16>;
  row[slot_of(DType::f32)] = of_floats<f, float>;
  row[slot_of(DType::f64)] = of_floats<f, double>;
}
template <auto f>
constexpr void integers(BySlot<Unary>& row) {
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
constexpr void numbers(BySlot<Unary>& row) {
  floats<f>(row);
  integers<f>(row);
}
template <auto f>
constexpr void floats_to_bool(BySlot<Unary>& row) {
  row[slot_of(DType::f16)] = of_elements<f, Half, bool>;
  row[slot_of(DType::bf16)] = of_elements<f, BFloat16, bool>;
  row[slot_of(DType::f32)] = of_elements<f, float, bool>;
  row[slot_of(DType::f64)] = of_elements<f, double, bool>;
}

constexpr void set_integer_pow(BySlot<Power>& row) {
  row[slot_of(DType::f16)] = integer_pow_of_floats<Half>;
  row[slot_of(DType::bf16)] = integer_pow_of_floats<BFloat16>;
  row[slot_of(DType::f32)] = integer_pow_of_floats<float>;
  row[slot_of(DType::f64)] = integer_pow_of_floats<double>;
  row[slot_of(DType::i8)] = integer_pow_of_integers<int8_t>;
  row[slot_of(DType::i16)] = integer_pow_of_integers<int16_t>;
  row[slot_of(DType::i32)] = integer_pow_of_integers<int32_t>;
  row[slot_of(DType::i64)] = integer_pow_of_integers<int64_t>;
  row[slot_of(DType::u8)] = integer_pow_of_integers<uint8_t>;
  row[slot_of(DType::u16)] = integer_pow_of_integers<uint16_t>;
  row[slot_of(DType::u32)] = integer_pow_of_integers<uint32_t>;
  row[slot_of(DType::u64)] = integer_pow_of_integers<uint64_t>;
}

constexpr UnaryTable make_table() {
  UnaryTable table;
  auto row = [&](UnaryOp op) -> BySlot<Unary>& { return table.at[size_t(op)]; };
  numbers<[](auto x) { return neg(x); }>(row(UnaryOp::neg));
  numbers<[](auto x) { return abs(x); }>(row(UnaryOp::abs));
  numbers<[](auto x) { return sign(x); }>(row(UnaryOp::sign));
  numbers<[](auto x) { return square(x); }>(row(UnaryOp::square));
  floats<[](auto x) { return floor(x); }>(row(UnaryOp::floor));
  floats<[](auto x) { return exp(x); }>(row(UnaryOp::exp));
  floats<[](auto x) { return expm1(x); }>(row(UnaryOp::expm1));
  floats<[](auto x) { return log(x); }>(row(UnaryOp::log));
  floats<[](auto x) { return log1p(x); }>(row(UnaryOp::log1p));
  floats<[](auto x) { return sin(x); }>(row(UnaryOp::sin));
  floats<[](auto x) { return cos(x); }>(row(UnaryOp::cos));
  floats<[](auto x) { return tanh(x); }>(row(UnaryOp::tanh));
  floats<[](auto x) { return logistic(x); }>(row(UnaryOp::logistic));
  floats<[](auto x) { return sqrt(x); }>(row(UnaryOp::sqrt));
  floats<[](auto x) { return erf_inv(x); }>(row(UnaryOp::erf_inv));
  floats_to_bool<[](auto x) { return x - x == 0; }>(row(UnaryOp::is_finite));
  integers<[](auto x) { return bitwise_not(x); }>(row(UnaryOp::bitwise_not));
  row(UnaryOp::bitwise_not)[slot_of(DType::boolean)] = of_elements<[](bool x) { return !x; }, bool>;
  set_integer_pow(table.integer_pow);
  return table;
}

}  // namespace

constinit const UnaryTable unary_table = make_table();

}  // namespace jv::kernels::JV_ISA
