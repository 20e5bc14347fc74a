// Operations on shapes that keep every element: broadcast, reshape, transpose, squeeze, iota.
#include <algorithm>

#include "primitives/family.hpp"
#include "primitives/strided.hpp"

namespace jv {

// --- broadcast_in_dim ----------------------------------------------------------------------------

static void broadcast_in_dim_aval(Session& session, std::span<const Aval> in, const Params& p,
                                  Avals& out) {
  const Ints &shape = p.ints("shape"), &dims = p.ints("broadcast_dimensions");
  const char* name = "broadcast_in_dim";
  check_count(name, "broadcast_dimensions", dims.size(), in[0]->ndim());
  check_axes(name, dims, shape.size());
  check_sizes(name, shape);
  for (size_t i = 0; i < dims.size(); ++i) {
    int64_t from = in[0]->shape[i], to = shape[size_t(dims[i])];
    if (from != to && from != 1)
      fail(Code::shape, name, ": ", to_string(in[0]), " does not broadcast to ", to_string(shape),
           " along axes ", to_string(dims));
  }
  out.push_back(session.aval(in[0]->dtype, shape));
}

static void broadcast_in_dim_eval(const EvalArgs& a) {
  const Array& x = a.in[0];
  Aval out = a.out_avals[0];
  size_t itemsize = size_of(out->dtype);
  if (x.aval()->size == out->size) {  // nothing is repeated
    a.out[0] = Array::view(x, out);
    return;
  }
  a.out[0] = Array::allocate(a.session, out);
  if (x.aval()->size == 1 && itemsize)
    return kernels::fill(itemsize, x.data(), a.out[0].mutable_data(), out->size);
  const Ints& dims = a.params.ints("broadcast_dimensions");
  Ints dense = row_major(x.aval()->shape), strides(out->ndim(), 0);
  for (size_t i = 0; i < dims.size(); ++i)
    if (x.aval()->shape[i] != 1) strides[size_t(dims[i])] = dense[i];
  copy(itemsize, out->shape, x.data(), {0, strides}, a.out[0].mutable_data(),
       {0, row_major(out->shape)});
}

// The sum over what was repeated.
static Tracer broadcast_in_dim_transpose(const Tracer& ct, Operands, size_t,
                                         std::span<const Aval> in, const Params& p) {
  const Ints& dims = p.ints("broadcast_dimensions");
  Ints axes;
  for (int64_t i = 0; i < int64_t(ct.shape().size()); ++i) {
    auto at = std::find(dims.begin(), dims.end(), i);
    bool repeated = at == dims.end() || in[0]->shape[size_t(at - dims.begin())] == 1;
    if (repeated && ct.shape()[size_t(i)] != 1) axes.push_back(i);
  }
  Tracer sum = axes.empty() ? ct : reduce_sum(ct, axes);
  return sum.shape() == in[0]->shape ? sum : reshape(sum, in[0]->shape);
}

static Tracer broadcast_in_dim_batch(const Primitive&, std::span<const Mapped> in, int64_t size,
                                     const Params& p) {
  return broadcast_in_dim(in[0].value, prepend(size, p.ints("shape")),
                          behind_batch(p.ints("broadcast_dimensions")));
}

constexpr Primitive broadcast_in_dim_p = define({
    .name = "broadcast_in_dim",
    .signature = "operand', shape: ints, broadcast_dimensions: ints",
    .doc = "The operand repeated to a shape: its axis i becomes axis broadcast_dimensions[i], "
           "where its size is that of the shape or 1. The axes are ascending.",
    .linearity = Linearity::linear,
    .abstract_eval = broadcast_in_dim_aval,
    .eval = broadcast_in_dim_eval,
    .transpose = broadcast_in_dim_transpose,
    .batch = broadcast_in_dim_batch,
    .fold = fold_same_type,
    .rearranges = true,
});

// --- reshape, squeeze ----------------------------------------------------------------------------

static void view_eval(const EvalArgs& a) { a.out[0] = Array::view(a.in[0], a.out_avals[0]); }

static Tracer reshape_transpose(const Tracer& ct, Operands, size_t, std::span<const Aval> in,
                                const Params&) {
  return reshape(ct, in[0]->shape);
}

static void reshape_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  check_sizes("reshape", p.ints("new_sizes"));
  Aval result = session.aval(in[0]->dtype, p.ints("new_sizes"));
  if (result->size != in[0]->size)
    fail(Code::shape, "reshape: ", to_string(in[0]), " has ", in[0]->size, " elements, ",
         to_string(result->shape), " has ", result->size);
  out.push_back(result);
}

constexpr Primitive reshape_p = define({
    .name = "reshape",
    .signature = "operand', new_sizes: ints",
    .doc = "The same elements, in row-major order, under another shape of the same size.",
    .linearity = Linearity::linear,
    .abstract_eval = reshape_aval,
    .eval = view_eval,
    .transpose = reshape_transpose,
    .batch = [](auto&, auto in, auto size,
                auto& p) { return reshape(in[0].value, prepend(size, p.ints("new_sizes"))); },
    .fold = fold_same_type,
    .rearranges = true,
});

static void squeeze_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  const Ints& dims = p.ints("dimensions");
  check_axes("squeeze", dims, in[0]->ndim());
  for (int64_t d : dims)
    if (in[0]->shape[size_t(d)] != 1)
      fail(Code::shape, "squeeze: axis ", d, " of ", to_string(in[0]), " is not of size 1");
  Ints kept = permuted(in[0]->shape, other_axes(dims, in[0]->ndim()));
  out.push_back(session.aval(in[0]->dtype, kept));
}

constexpr Primitive squeeze_p = define({
    .name = "squeeze",
    .signature = "array', dimensions: ints",
    .doc = "The array without these axes, which are of size 1.",
    .linearity = Linearity::linear,
    .abstract_eval = squeeze_aval,
    .eval = view_eval,
    .transpose = reshape_transpose,
    .batch = [](auto&, auto in, auto,
                auto& p) { return squeeze(in[0].value, shifted(p.ints("dimensions"), 1)); },
    .fold = fold_same_type,
    .rearranges = true,
});

// --- transpose -----------------------------------------------------------------------------------

static void transpose_aval(Session& session, std::span<const Aval> in, const Params& p,
                           Avals& out) {
  const Ints& permutation = p.ints("permutation");
  check_count("transpose", "permutation", permutation.size(), in[0]->ndim());
  Ints sorted(permutation);
  std::sort(sorted.begin(), sorted.end());
  if (!is_identity(sorted))
    fail(Code::invalid_argument, "transpose: ", to_string(permutation), " is not a permutation of ",
         in[0]->ndim(), " axes");
  out.push_back(session.aval(in[0]->dtype, permuted(in[0]->shape, permutation)));
}

static Tracer transpose_batch(const Primitive&, std::span<const Mapped> in, int64_t,
                              const Params& p) {
  return transpose(in[0].value, behind_batch(p.ints("permutation")));
}

constexpr Primitive transpose_p = define({
    .name = "transpose",
    .signature = "operand', permutation: ints",
    .doc = "The operand with its axes in another order: axis i is the operand's permutation[i].",
    .linearity = Linearity::linear,
    .abstract_eval = transpose_aval,
    .eval = [](auto& a) { a.out[0] = permuted(a.session, a.in[0], a.params.ints("permutation")); },
    .transpose = [](auto& ct, auto, auto, auto,
                    auto& p) { return transpose(ct, inverse(p.ints("permutation"))); },
    .batch = transpose_batch,
    .fold = [](auto& a) { return is_identity(a.params.ints("permutation")) ? 0 : -1; },
    .rearranges = true,
});

// --- iota ----------------------------------------------------------------------------------------

static void iota_aval(Session& session, std::span<const Aval>, const Params& p, Avals& out) {
  check_axis("iota", p.integer("dimension"), p.ints("shape").size());
  check_sizes("iota", p.ints("shape"));
  Aval result = session.aval(p.dtype("dtype"), p.ints("shape"));
  check_dtype("iota", Takes::numbers, result);
  out.push_back(result);
}

static void iota_eval(const EvalArgs& a) {
  Aval out = a.out_avals[0];
  a.out[0] = Array::allocate(a.session, out);
  kernels::iota(out->dtype, out->shape, size_t(a.params.integer("dimension")),
                a.out[0].mutable_data());
}

constexpr Primitive iota_p = define({
    .name = "iota",
    .signature = "dtype: dtype, shape: ints, dimension: int",
    .doc = "An array of indices along one axis: 0, 1, 2 ...",
    .abstract_eval = iota_aval,
    .eval = iota_eval,
    .differentiable = false,
});

}  // namespace jv
