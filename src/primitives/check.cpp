#include "primitives/check.hpp"

namespace jv {

static const char* describe(Takes takes) {
  switch (takes) {
    case Takes::floats: return "floating-point numbers";
    case Takes::numbers: return "numbers";
    case Takes::integers: return "integers";
    case Takes::bits: return "integers or booleans";
    default: return "numbers or booleans";
  }
}

void fail_dtype(const char* name, Takes takes, Aval x) {
  fail(Code::dtype, name, ": takes ", describe(takes), ", got ", to_string(x));
}

void fail_types(const char* name, Aval x, Aval y) {
  if (x->dtype != y->dtype)
    fail(Code::dtype, name, ": dtypes of ", to_string(x), " and ", to_string(y),
         " differ: convert one of them");
  fail(Code::shape, name, ": shapes ", to_string(x), " and ", to_string(y), " differ");
}

void check_axis(const char* name, int64_t axis, size_t ndim) {
  if (axis < 0 || axis >= int64_t(ndim))
    fail(Code::invalid_argument, name, ": there is no axis ", axis, " in ", ndim, " dimensions");
}

void check_axes(const char* name, std::span<const int64_t> axes, size_t ndim) {
  for (size_t i = 0; i < axes.size(); ++i) {
    check_axis(name, axes[i], ndim);
    if (i && axes[i] <= axes[i - 1])
      fail(Code::invalid_argument, name, ": axes ", to_string(axes), " are not in ascending order");
  }
}

void check_sizes(const char* name, std::span<const int64_t> shape) {
  for (int64_t size : shape)
    if (size < 0)
      fail(Code::invalid_argument, name, ": a size in ", to_string(shape), " is negative");
}

void check_count(const char* name, const char* what, size_t count, size_t ndim) {
  if (count != ndim)
    fail(Code::invalid_argument, name, ": ", what, " has ", count, " entries for ", ndim,
         " dimensions");
}

}  // namespace jv
