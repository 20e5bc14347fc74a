// The table of reductions.
#include "kernels/reduce.hpp"

#include "kernels/table.hpp"

namespace jv::kernels::JV_ISA {
namespace {

template <class Op, class T>
void reduce_rows(const void* x, void* out, size_t rows, size_t n) {
  auto* from = static_cast<const T*>(x);
  auto* to = static_cast<T*>(out);
  for (size_t r = 0; r < rows; ++r) to[r] = Reducer<Op, T>::row(from + r * n, n);
}

template <class Op>
constexpr void numbers(BySlot<Reduce>& row) {
  row[slot_of(DType::i8)] = reduce_rows<Op, int8_t>;
  row[slot_of(DType::i16)] = reduce_rows<Op, int16_t>;
  row[slot_of(DType::i32)] = reduce_rows<Op, int32_t>;
  row[slot_of(DType::i64)] = reduce_rows<Op, int64_t>;
  row[slot_of(DType::u8)] = reduce_rows<Op, uint8_t>;
  row[slot_of(DType::u16)] = reduce_rows<Op, uint16_t>;
  row[slot_of(DType::u32)] = reduce_rows<Op, uint32_t>;
  row[slot_of(DType::u64)] = reduce_rows<Op, uint64_t>;
  row[slot_of(DType::f16)] = reduce_rows<Op, Half>;
  row[slot_of(DType::bf16)] = reduce_rows<Op, BFloat16>;
  row[slot_of(DType::f32)] = reduce_rows<Op, float>;
  row[slot_of(DType::f64)] = reduce_rows<Op, double>;
}

constexpr ReduceTable make_table() {
  ReduceTable table;
  numbers<Sum2>(table.at[size_t(ReduceOp::sum)]);
  numbers<Max2>(table.at[size_t(ReduceOp::max)]);
  numbers<Min2>(table.at[size_t(ReduceOp::min)]);
  table.at[size_t(ReduceOp::max)][slot_of(DType::boolean)] = reduce_rows<Max2, bool>;
  table.at[size_t(ReduceOp::min)][slot_of(DType::boolean)] = reduce_rows<Min2, bool>;
  return table;
}

}  // namespace

constinit const ReduceTable reduce_table = make_table();

}  // namespace jv::kernels::JV_ISA
