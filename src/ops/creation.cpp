// Arrays made from nothing.
#include <cmath>

#include "ops/numpy.hpp"

namespace jv::np {

// A type that an array can have, and a number that it can hold.
static Aval checked(const char* name, Trace& at, DType dtype, const Ints& shape) {
  if (dtype == DType::float0)
    fail(Code::dtype, name, ": an array of float0 has no elements to give");
  for (int64_t size : shape)
    if (size < 0)
      fail(Code::invalid_argument, name, ": a size in ", to_string(shape), " is negative");
  return at.cx.session().aval(dtype, shape);
}

static bool holds(DType dtype, double x) {
  if (dtype == DType::boolean) return x == 0 || x == 1;
  if (is_float(dtype)) {
    double largest = dtype == DType::f16   ? 65520  // from here on it rounds to infinity
                     : dtype == DType::f64 ? HUGE_VAL
                     : dtype == DType::f32 ? 0x1.ffffffp127
                                           : 0x1.ffp127;
    return !std::isfinite(x) || std::fabs(x) < largest;
  }
  int bits = int(size_of(dtype)) * 8;
  double low = is_signed(dtype) ? -std::ldexp(1.0, bits - 1) : 0;
  double end = std::ldexp(1.0, is_signed(dtype) ? bits - 1 : bits);
  return x == std::floor(x) && x >= low && x < end;
}

Tracer zeros(Trace& at, DType dtype, const Ints& shape) {
  return jv::full(at, checked("zeros", at, dtype, shape), 0);
}

Tracer ones(Trace& at, DType dtype, const Ints& shape) {
  return jv::full(at, checked("ones", at, dtype, shape), 1);
}

Tracer full(Trace& at, DType dtype, const Ints& shape, double number) {
  Aval aval = checked("full", at, dtype, shape);
  if (!holds(dtype, number)) fail(Code::dtype, "full: ", name_of(dtype), " cannot hold ", number);
  return jv::full(at, aval, number);
}

Tracer arange(Trace& at, DType dtype, int64_t stop) {
  if (stop > 0 && !holds(dtype, double(stop - 1)))
    fail(Code::dtype, "arange: ", name_of(dtype), " cannot hold ", stop - 1);
  return iota(at, dtype, {stop < 0 ? 0 : stop}, 0);
}

Tracer eye(Trace& at, DType dtype, int64_t n) {
  if (n < 0) fail(Code::invalid_argument, "eye: ", n, " rows");
  checked("eye", at, dtype, {n, n});
  Tracer rows = iota(at, DType::i32, {n, n}, 0), columns = iota(at, DType::i32, {n, n}, 1);
  return convert_element_type(eq(rows, columns), dtype);
}

}  // namespace jv::np
