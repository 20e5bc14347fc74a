// The table of conversions: every pair of dtypes, one rounding each.
#include <limits>
#include <type_traits>

#include "kernels/half.hpp"
#include "kernels/integers.hpp"
#include "kernels/table.hpp"

namespace jv::kernels::JV_ISA {
namespace {

// The float that is x when x is one, and otherwise that neighbour of x whose last bit is 1.
// Rounding it to a type two bits narrower or more is rounding x (S. Boldo, G. Melquiond, 2005).
float round_to_odd(double x) {
  float nearest = float(x);
  uint32_t bits = bits_of(nearest);
  bool outward = __builtin_fabs(double(nearest)) > __builtin_fabs(x);
  uint32_t odd = (bits - outward) | 1;
  return x != x || double(nearest) == x ? nearest : from_bits<float>(odd);
}

// A double with the first 53 significant bits of x, the last of them set if anything was below.
template <Integer T>
double round_to_odd(T x) {
  if constexpr (sizeof(T) < 8) return double(x);
  uint64_t magnitude = x < T(0) ? -uint64_t(x) : uint64_t(x);
  if (magnitude >> 53)
    magnitude = (magnitude & ~uint64_t(0x7ff)) | ((magnitude & 0x7ff) ? 0x800 : 0);
  return x < T(0) ? -double(magnitude) : double(magnitude);
}

template <std::integral To, Real From>
To saturate(From x) {
  constexpr To least = std::numeric_limits<To>::min(), most = std::numeric_limits<To>::max();
  constexpr From beyond = From(uint64_t(1) << (std::numeric_limits<To>::digits - 1)) * 2;
  if (x >= beyond) return most;
  if (x <= From(least)) return least;
  return x != x ? To(0) : To(x);
}

template <class From>
float as_float(From x) {
  if constexpr (HalfWide<From>) return widen(x);
  else if constexpr (std::is_same_v<From, double>) return round_to_odd(x);
  else if constexpr (Integer<From>) return round_to_odd(round_to_odd(x));
  else return float(x);
}

template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (HalfWide<To>) {
    To result;
    narrow(as_float(x), result);
    return result;
  } else if constexpr (HalfWide<From>) {
    return converted<To>(widen(x));
  } else if constexpr (Boolean<To>) {
    return x != From(0);
  } else if constexpr (Integer<To> && Real<From>) {
    return saturate<To>(x);
  } else {
    return To(x);
  }
}

template <class From, class To>
void convert_all(const void* x, void* out, size_t n) {
  auto* from = static_cast<const From*>(x);
  auto* to = static_cast<To*>(out);
  for (size_t i = 0; i < n; ++i) to[i] = converted<To>(from[i]);
}

template <class From>
constexpr void set_row(BySlot<Unary>& row) {
  row[slot_of(DType::boolean)] = convert_all<From, bool>;
  row[slot_of(DType::i8)] = convert_all<From, int8_t>;
  row[slot_of(DType::i16)] = convert_all<From, int16_t>;
  row[slot_of(DType::i32)] = convert_all<From, int32_t>;
  row[slot_of(DType::i64)] = convert_all<From, int64_t>;
  row[slot_of(DType::u8)] = convert_all<From, uint8_t>;
  row[slot_of(DType::u16)] = convert_all<From, uint16_t>;
  row[slot_of(DType::u32)] = convert_all<From, uint32_t>;
  row[slot_of(DType::u64)] = convert_all<From, uint64_t>;
  row[slot_of(DType::f16)] = convert_all<From, Half>;
  row[slot_of(DType::bf16)] = convert_all<From, BFloat16>;
  row[slot_of(DType::f32)] = convert_all<From, float>;
  row[slot_of(DType::f64)] = convert_all<From, double>;
}

constexpr ConvertTable make_table() {
  ConvertTable table;
  set_row<bool>(table.from[slot_of(DType::boolean)]);
  set_row<int8_t>(table.from[slot_of(DType::i8)]);
  set_row<int16_t>(table.from[slot_of(DType::i16)]);
  set_row<int32_t>(table.from[slot_of(DType::i32)]);
  set_row<int64_t>(table.from[slot_of(DType::i64)]);
  set_row<uint8_t>(table.from[slot_of(DType::u8)]);
  set_row<uint16_t>(table.from[slot_of(DType::u16)]);
  set_row<uint32_t>(table.from[slot_of(DType::u32)]);
  set_row<uint64_t>(table.from[slot_of(DType::u64)]);
  set_row<Half>(table.from[slot_of(DType::f16)]);
  set_row<BFloat16>(table.from[slot_of(DType::bf16)]);
  set_row<float>(table.from[slot_of(DType::f32)]);
  set_row<double>(table.from[slot_of(DType::f64)]);
  return table;
}

}  // namespace

constinit const ConvertTable convert_table = make_table();

}  // namespace jv::kernels::JV_ISA
