// What abstract evaluation refuses: one line each that says what was expected and what came.
#pragma once
#include "core/error.hpp"
#include "core/primitive.hpp"
#include "core/session.hpp"

namespace jv {

// The dtypes that a primitive takes.
enum class Takes {
  floats,
  numbers,  // integers and floats
  integers,
  bits,      // booleans and integers
  scalars,   // all that have bits
  anything,  // float0 too
};
constexpr bool accepts(Takes takes, DType d) {
  switch (takes) {
    case Takes::floats: return is_float(d);
    case Takes::numbers: return is_float(d) || is_integer(d);
    case Takes::integers: return is_integer(d);
    case Takes::bits: return is_integer(d) || d == DType::boolean;
    case Takes::scalars: return d != DType::float0 && d != DType::opaque;
    default: return true;
  }
}

[[noreturn]] void fail_dtype(const char* name, Takes takes, Aval x);
inline void check_dtype(const char* name, Takes takes, Aval x) {
  if (!accepts(takes, x->dtype)) fail_dtype(name, takes, x);
}
[[noreturn]] void fail_types(const char* name, Aval x, Aval y);
// One dtype and one shape: broadcasting is an equation.
inline void check_same(const char* name, Aval x, Aval y) {
  if (x != y) fail_types(name, x, y);
}
// 0 <= axis < ndim.
void check_axis(const char* name, int64_t axis, size_t ndim);
// In range, each larger than the one before it.
void check_axes(const char* name, std::span<const int64_t> axes, size_t ndim);
// No size is negative.
void check_sizes(const char* name, std::span<const int64_t> shape);
// Lists that have an entry a dimension.
void check_count(const char* name, const char* what, size_t count, size_t ndim);

}  // namespace jv
