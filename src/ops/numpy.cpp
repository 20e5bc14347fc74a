// NumPy's functions on elements, reductions and products.
#include "ops/numpy.hpp"

namespace jv::np {

// --- elements ------------------------------------------------------------------------------------

Tracer truth(const Tracer& x) { return x.dtype() == DType::boolean ? x : ne(x, zeros_like(x)); }

Tracer where(const Tracer& condition, const Tracer& x, const Tracer& y) {
  return select(truth(condition), x, y);
}

Tracer clip(const Tracer& x, const Tracer& low, const Tracer& high) {
  return minimum(maximum(x, low), high);
}

Tracer logical_and(const Tracer& x, const Tracer& y) {
  Tracer a = truth(x), b = truth(y);
  return bitwise_and(a, b);
}

Tracer logical_or(const Tracer& x, const Tracer& y) {
  Tracer a = truth(x), b = truth(y);
  return bitwise_or(a, b);
}

Tracer logical_not(const Tracer& x) { return bitwise_not(truth(x)); }

Tracer convert(const Tracer& x, DType dtype) {
  return x.dtype() == dtype ? x : convert_element_type(x, dtype);
}

// --- reductions ----------------------------------------------------------------------------------

// Half precision is added up and divided in single: the sum may be out of its range.
static DType computed_in(DType dtype) { return size_of(dtype) == 2 ? DType::f32 : dtype; }

static void check_floats(const char* name, const Tracer& x) {
  if (!is_float(x.dtype()))
    fail(Code::dtype, name, ": takes floating-point numbers, got ", to_string(x.aval()));
}

static Tracer mean_of(const Tracer& x, const Ints& axes) {
  double n = 1;
  for (int64_t axis : axes) n *= double(x.shape()[size_t(axis)]);
  return reduce_sum(x, axes) / n;
}

Tracer sum(const Tracer& x, const Axes& axes) {
  Tracer counted = x.dtype() == DType::boolean ? convert_element_type(x, DType::i64) : x;
  return reduce_sum(counted, axes_of("sum", axes, x.aval()));
}

Tracer mean(const Tracer& x, const Axes& axes) {
  check_floats("mean", x);
  Ints over = axes_of("mean", axes, x.aval());
  return convert(mean_of(convert(x, computed_in(x.dtype())), over), x.dtype());
}

Tracer var(const Tracer& x, const Axes& axes) {
  check_floats("var", x);
  Ints over = axes_of("var", axes, x.aval());
  Tracer wide = convert(x, computed_in(x.dtype()));
  Tracer center = repeat(mean_of(wide, over), x.shape(), over);
  return convert(mean_of(square(wide - center), over), x.dtype());
}

static Ints checked_axes(const char* name, const Tracer& x, const Axes& axes) {
  Ints over = axes_of(name, axes, x.aval());
  for (int64_t axis : over)
    if (x.shape()[size_t(axis)] == 0)
      fail(Code::shape, name, ": ", to_string(x.aval()), " has no elements along axis ", axis);
  return over;
}

Tracer max(const Tracer& x, const Axes& axes) {
  return reduce_max(x, checked_axes("max", x, axes));
}

Tracer min(const Tracer& x, const Axes& axes) {
  return reduce_min(x, checked_axes("min", x, axes));
}

// --- products ------------------------------------------------------------------------------------

static void check_products(const char* name, const Tracer& x, const Tracer& y, size_t x_axis,
                           size_t y_axis) {
  if (x.shape()[x_axis] != y.shape()[y_axis])
    fail(Code::shape, name, ": axis ", x_axis, " of ", to_string(x.aval()), " and axis ", y_axis,
         " of ", to_string(y.aval()), " differ");
}

static Tracer contract(const Tracer& x, const Tracer& y, size_t x_axis, size_t y_axis,
                       size_t n_batch) {
  Ints batch = range(0, n_batch);
  Dims numbers{{int64_t(x_axis)}, {int64_t(y_axis)}, batch, batch};
  return dot_general(x, y, numbers, x.dtype());
}

// x with its leading axes repeated to `batch`.
static Tracer with_batch(const Tracer& x, const Ints& batch) {
  return broadcast_to(x, joined(batch, std::span(x.shape().end() - 2, 2)));
}

static Tracer matmul_batched(const Tracer& x, const Tracer& y) {
  Session& session = x.session();
  auto batch_of = [&](const Tracer& t) {
    return session.aval(t.dtype(),
                        std::span<const int64_t>(t.shape().begin(), t.shape().end() - 2));
  };
  const Aval batches[] = {batch_of(x), batch_of(y)};
  if (batches[1]->ndim() == 0)  // one matrix for all of x: no batch axis is needed
    return contract(x, y, x.shape().size() - 1, 0, 0);
  Ints batch = broadcast_shape("matmul", batches);
  Tracer left = with_batch(x, batch), right = with_batch(y, batch);
  return contract(left, right, batch.size() + 1, batch.size(), batch.size());
}

Tracer matmul(const Tracer& x, const Tracer& y) {
  size_t m = x.shape().size(), n = y.shape().size();
  if (m == 0 || n == 0)
    fail(Code::shape, "matmul: takes vectors and matrices, got ", to_string(x.aval()), " and ",
         to_string(y.aval()));
  check_products("matmul", x, y, m - 1, n == 1 ? 0 : n - 2);
  if (n == 1) return contract(x, y, m - 1, 0, 0);
  if (m == 1) return contract(x, y, 0, n - 2, 0);
  return matmul_batched(x, y);
}

Tracer dot(const Tracer& x, const Tracer& y) {
  size_t m = x.shape().size(), n = y.shape().size();
  if (m == 0 || n == 0) {
    Ints shape = m == 0 ? y.shape() : x.shape();
    Tracer left = broadcast_to(x, shape), right = broadcast_to(y, shape);
    return left * right;
  }
  size_t y_axis = n == 1 ? 0 : n - 2;
  check_products("dot", x, y, m - 1, y_axis);
  return contract(x, y, m - 1, y_axis, 0);
}

}  // namespace jv::np
