// NumPy's functions on shapes.
#include <algorithm>

#include "ops/numpy.hpp"

namespace jv::np {

Tracer reshape(const Tracer& x, const Ints& shape) {
  Ints sizes = shape;
  auto rest = std::find(sizes.begin(), sizes.end(), -1);
  if (rest != sizes.end()) {
    *rest = 1;
    int64_t given = product(sizes), n = int64_t(x.aval()->size);
    if (std::count(sizes.begin(), sizes.end(), -1) > 0)
      fail(Code::invalid_argument, "reshape: more than one size of ", to_string(shape), " is -1");
    if (given <= 0 || n % given)
      fail(Code::shape, "reshape: ", to_string(x.aval()), " has ", n, " elements, which ",
           to_string(shape), " does not divide");
    *rest = n / given;
  }
  return jv::reshape(x, sizes);
}

Ints broadcast_shape(const char* name, std::span<const Aval> in) {
  size_t ndim = 0;
  for (Aval x : in) ndim = std::max(ndim, x->ndim());
  Ints shape(ndim, 1);
  for (Aval x : in)
    for (size_t i = 0; i < x->ndim(); ++i) {
      int64_t& size = shape[ndim - x->ndim() + i];
      if (size == 1) size = x->shape[i];
      else if (x->shape[i] != 1 && x->shape[i] != size)
        fail(Code::shape, name, ": ", to_string(x), " does not broadcast with ",
             to_string(in[x == in[0] ? 1 : 0]));
    }
  return shape;
}

Tracer broadcast_to(const Tracer& x, const Ints& shape) {
  if (x.shape() == shape) return x;
  size_t ndim = x.shape().size();
  if (ndim > shape.size())
    fail(Code::shape, "broadcast_to: ", to_string(x.aval()), " has more axes than ",
         to_string(shape));
  return broadcast_in_dim(x, shape, range(shape.size() - ndim, shape.size()));
}

Tracer repeat(const Tracer& reduced, const Shape& shape, const Ints& axes) {
  Ints kept;
  for (size_t i = 0; i < shape.size(); ++i)
    if (std::find(axes.begin(), axes.end(), int64_t(i)) == axes.end()) kept.push_back(int64_t(i));
  return broadcast_in_dim(reduced, shape, kept);
}

Tracer transpose(const Tracer& x, const Axes& axes) {
  Ints order = each_axis_of("transpose", axes, x.aval());
  if (!axes) std::reverse(order.begin(), order.end());
  return jv::transpose(x, order);
}

Tracer matrix_transpose(const Tracer& x) {
  size_t ndim = x.shape().size();
  if (ndim < 2) fail(Code::shape, "matrix_transpose: takes matrices, got ", to_string(x.aval()));
  Ints order = range(0, ndim);
  std::swap(order[ndim - 2], order[ndim - 1]);
  return jv::transpose(x, order);
}

Tracer squeeze(const Tracer& x, const Axes& axes) {
  if (axes) return jv::squeeze(x, axes_of("squeeze", axes, x.aval()));
  Ints ones;
  for (size_t i = 0; i < x.shape().size(); ++i)
    if (x.shape()[i] == 1) ones.push_back(int64_t(i));
  return jv::squeeze(x, ones);
}

Tracer expand_dims(const Tracer& x, const Ints& axes) {
  size_t ndim = x.shape().size() + axes.size();
  Ints added = axes_of("expand_dims", axes, x.aval(), axes.size()), shape, kept;
  for (int64_t i = 0; i < int64_t(ndim); ++i) {
    bool fresh = std::binary_search(added.begin(), added.end(), i);
    shape.push_back(fresh ? 1 : x.shape()[kept.size()]);
    if (!fresh) kept.push_back(i);
  }
  return broadcast_in_dim(x, shape, kept);
}

Tracer concatenate(Operands arrays, int64_t axis) {
  if (arrays.empty()) fail(Code::invalid_argument, "concatenate: needs an array");
  return jv::concatenate(arrays, axis_of("concatenate", axis, arrays[0].aval()));
}

Tracer stack(Operands arrays, int64_t axis) {
  if (arrays.empty()) fail(Code::invalid_argument, "stack: needs an array");
  int64_t at = axis_of("stack", axis, arrays[0].aval(), 1);
  Tracers slabs;
  for (const Tracer& x : arrays) {
    if (x.shape() != arrays[0].shape())
      fail(Code::shape, "stack: shapes ", to_string(arrays[0].aval()), " and ", to_string(x.aval()),
           " differ");
    slabs.push_back(expand_dims(x, {at}));
  }
  return jv::concatenate(slabs, at);
}

}  // namespace jv::np
