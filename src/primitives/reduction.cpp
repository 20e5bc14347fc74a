// Reductions over axes.
#include "primitives/family.hpp"
#include "primitives/strided.hpp"

namespace jv {

using kernels::ReduceOp;

template <const Primitive& p, Takes takes>
void reduce_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out) {
  const Ints& axes = params.ints("axes");
  check_dtype(p.name, takes, in[0]);
  check_axes(p.name, axes, in[0]->ndim());
  Ints kept = permuted(in[0]->shape, other_axes(axes, in[0]->ndim()));
  out.push_back(session.aval(in[0]->dtype, kept));
}

// Rows of what is summed: the reduced axes go last, in their order.
template <ReduceOp op>
void reduce_eval(const EvalArgs& a) {
  Aval in = a.in[0].aval(), out = a.out_avals[0];
  const Ints& axes = a.params.ints("axes");
  Ints order = other_axes(axes, in->ndim());
  order.append(axes);
  Array x = permuted(a.session, a.in[0], order);
  size_t n = 1;
  for (int64_t axis : axes) n *= size_t(in->shape[size_t(axis)]);
  a.out[0] = Array::allocate(a.session, out);
  kernels::reduce(op, in->dtype, x.data(), a.out[0].mutable_data(), out->size, n);
}

static Tracer reduce_batch(const Primitive& p, std::span<const Mapped> in, int64_t,
                           const Params& params) {
  return apply(p, {in[0].value}, {shifted(params.ints("axes"), 1)});
}

// y = reduce(x, axes), of the same type.
template <const Primitive& self, Takes takes>
consteval Primitive reducer(Primitive p) {
  p.signature = p.linearity == Linearity::linear ? "operand', axes: ints" : "operand, axes: ints";
  p.abstract_eval = reduce_aval<self, takes>;
  p.batch = reduce_batch;
  return define(p);
}

static Tracer repeated(const Tracer& x, const Shape& shape, const Ints& axes) {
  return broadcast_in_dim(x, shape, other_axes(axes, shape.size()));
}

// The derivative of the largest (smallest); elements that tie have equal shares.
static Tracer chooser_jvp(Operands x, size_t, const Tracer& dx, Operands y, const Params& p) {
  const Ints& axes = p.ints("axes");
  Tracer best = eq(x[0], repeated(y[0], x[0].shape(), axes));
  Tracer here = convert_element_type(best, x[0].dtype());
  Tracer count = reduce_sum(here, axes);
  return reduce_sum(dx * here, axes) / count;
}

constexpr Primitive reduce_sum_p = reducer<reduce_sum_p, Takes::numbers>({
    .name = "reduce_sum",
    .doc = "Sum over the given axes. Integers wrap; half precision adds in single.",
    .linearity = Linearity::linear,
    .eval = reduce_eval<ReduceOp::sum>,
    .transpose = [](auto& ct, auto, auto, auto in,
                    auto& p) { return repeated(ct, in[0]->shape, p.ints("axes")); },
});

constexpr Primitive reduce_max_p = reducer<reduce_max_p, Takes::scalars>({
    .name = "reduce_max",
    .doc = "Largest element over the given axes; NaN if any is. Elements that tie share the "
           "derivative. Of no elements: -inf, or the least integer.",
    .eval = reduce_eval<ReduceOp::max>,
    .jvp = chooser_jvp,
});

constexpr Primitive reduce_min_p = reducer<reduce_min_p, Takes::scalars>({
    .name = "reduce_min",
    .doc = "Smallest element over the given axes; NaN if any is. Elements that tie share the "
           "derivative. Of no elements: inf, or the greatest integer.",
    .eval = reduce_eval<ReduceOp::min>,
    .jvp = chooser_jvp,
});

}  // namespace jv
