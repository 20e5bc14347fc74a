// JAXVJP_CHECK_NANS: results are looked at where primitives run, so that no transformation knows of
// it.
#include "trace/trace.hpp"

namespace jv {

// The place of the first NaN among the elements; -1: there is none.
static int64_t find_nan(const Array& a) {
  if (!a.aval()->is_float()) return -1;
  return visit_dtype(a.aval()->dtype, [&]<class T>(Type<T>) -> int64_t {
    const T* data = a.data<T>();
    for (size_t i = 0; i < size_t(a.aval()->size); ++i)
      if (float x = float(data[i]); x != x) return int64_t(i);
    return -1;
  });
}

void check_nans(const Primitive& p, std::span<const Array> in, std::span<const Array> out) {
  for (const Array& result : out) {
    int64_t i = find_nan(result);
    if (i < 0) continue;
    for (const Array& a : in)
      if (find_nan(a) >= 0) return;
    fail(Code::check, p.name, ": made a NaN from operands without one, element ", i, " of ",
         to_string(result.aval()));
  }
}

}  // namespace jv
