// Operations that put parts of arrays together and take them out: concatenate, slice, pad. Slice
// and pad are each other's transposes.
#include <algorithm>

#include "primitives/family.hpp"
#include "primitives/strided.hpp"

namespace jv {

static Tracer zero_of(const Tracer& x) {
  return full(x.trace(), x.session().aval(x.dtype(), {}), 0);
}

// --- concatenate ---------------------------------------------------------------------------------

static void concatenate_aval(Session& session, std::span<const Aval> in, const Params& p,
                             Avals& out) {
  const char* name = "concatenate";
  if (in.empty()) fail(Code::invalid_argument, name, ": needs an operand");
  check_axis(name, p.integer("dimension"), in[0]->ndim());
  size_t axis = size_t(p.integer("dimension"));
  Shape shape = in[0]->shape;
  for (Aval x : in.subspan(1)) {
    if (x->dtype != in[0]->dtype) fail_types(name, in[0], x);
    Shape expected = x->shape;
    if (x->ndim() == shape.size()) expected[axis] = in[0]->shape[axis];
    if (expected != in[0]->shape)
      fail(Code::shape, name, ": ", to_string(in[0]), " and ", to_string(x),
           " differ in more than axis ", axis);
    shape[axis] += x->shape[axis];
  }
  out.push_back(session.aval(in[0]->dtype, shape));
}

static void concatenate_eval(const EvalArgs& a) {
  Aval out = a.out_avals[0];
  size_t axis = size_t(a.params.integer("dimension"));
  Array result = Array::allocate(a.session, out);
  Ints dense = row_major(out->shape);
  int64_t at = 0;
  for (const Array& x : a.in) {
    const Shape& shape = x.aval()->shape;
    copy(size_of(out->dtype), shape, x.data(), {0, row_major(shape)}, result.mutable_data(),
         {at * dense[axis], dense});
    at += shape[axis];
  }
  a.out[0] = std::move(result);
}

static Tracer concatenate_transpose(const Tracer& ct, Operands, size_t which,
                                    std::span<const Aval> in, const Params& p) {
  size_t axis = size_t(p.integer("dimension"));
  Ints start(ct.shape().size(), 0), limit = ct.shape();
  for (size_t i = 0; i < which; ++i) start[axis] += in[i]->shape[axis];
  limit[axis] = start[axis] + in[which]->shape[axis];
  return slice(ct, start, limit, Ints(start.size(), 1));
}

static Tracer concatenate_batch(const Primitive&, std::span<const Mapped> in, int64_t size,
                                const Params& p) {
  Tracers x;
  for (const Mapped& m : in) x.push_back(materialise(m, size));
  return concatenate(x, p.integer("dimension") + 1);
}

constexpr Primitive concatenate_p = define({
    .name = "concatenate",
    .signature = "operands'..., dimension: int",
    .doc = "The operands one after the other along an axis; their other axes are equal.",
    .linearity = Linearity::linear,
    .abstract_eval = concatenate_aval,
    .eval = concatenate_eval,
    .transpose = concatenate_transpose,
    .batch = concatenate_batch,
    .fold = [](auto& a) { return a.in.size() == 1 ? 0 : -1; },
});

// --- slice ---------------------------------------------------------------------------------------

static void slice_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  const Ints &start = p.ints("start_indices"), &limit = p.ints("limit_indices"),
             &strides = p.ints("strides");
  size_t ndim = in[0]->ndim();
  check_count("slice", "start_indices", start.size(), ndim);
  check_count("slice", "limit_indices", limit.size(), ndim);
  check_count("slice", "strides", strides.size(), ndim);
  Shape shape;
  for (size_t i = 0; i < ndim; ++i) {
    if (start[i] < 0 || limit[i] < start[i] || limit[i] > in[0]->shape[i])
      fail(Code::invalid_argument, "slice: ", start[i], " to ", limit[i], " of axis ", i, " of ",
           to_string(in[0]));
    if (strides[i] < 1) fail(Code::invalid_argument, "slice: stride ", strides[i]);
    shape.push_back(limit[i] == start[i] ? 0 : (limit[i] - start[i] - 1) / strides[i] + 1);
  }
  out.push_back(session.aval(in[0]->dtype, shape));
}

static void slice_eval(const EvalArgs& a) {
  Aval out = a.out_avals[0];
  const Ints &start = a.params.ints("start_indices"), &strides = a.params.ints("strides");
  Place from{0, row_major(a.in[0].aval()->shape)};
  for (size_t i = 0; i < start.size(); ++i) {
    from.offset += start[i] * from.strides[i];
    from.strides[i] *= strides[i];
  }
  a.out[0] = Array::allocate(a.session, out);
  copy(size_of(out->dtype), out->shape, a.in[0].data(), from, a.out[0].mutable_data(),
       {0, row_major(out->shape)});
}

// Zeros everywhere else.
static Tracer slice_transpose(const Tracer& ct, Operands, size_t, std::span<const Aval> in,
                              const Params& p) {
  const Ints &start = p.ints("start_indices"), &strides = p.ints("strides");
  Dims config;
  for (size_t i = 0; i < start.size(); ++i) {
    int64_t n = ct.shape()[i], reach = n ? (n - 1) * strides[i] + 1 : 0;
    config.push_back({start[i], in[0]->shape[i] - start[i] - reach, strides[i] - 1});
  }
  return pad(ct, zero_of(ct), config);
}

static Tracer slice_batch(const Primitive&, std::span<const Mapped> in, int64_t size,
                          const Params& p) {
  return slice(in[0].value, prepend(0, p.ints("start_indices")),
               prepend(size, p.ints("limit_indices")), prepend(1, p.ints("strides")));
}

constexpr Primitive slice_p = define({
    .name = "slice",
    .signature = "operand', start_indices: ints, limit_indices: ints, strides: strides",
    .doc = "Elements start, start + stride ... below limit along each axis.",
    .linearity = Linearity::linear,
    .abstract_eval = slice_aval,
    .eval = slice_eval,
    .transpose = slice_transpose,
    .batch = slice_batch,
    .fold = fold_same_type,
    .rearranges = true,
});

// --- pad -----------------------------------------------------------------------------------------

static void pad_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  const Dims& config = p.dims("padding_config");
  if (in[1]->dtype != in[0]->dtype) fail_types("pad", in[0], in[1]);
  if (in[1]->ndim()) fail(Code::shape, "pad: padding_value is a scalar, got ", to_string(in[1]));
  check_count("pad", "padding_config", config.size(), in[0]->ndim());
  Shape shape;
  for (size_t i = 0; i < config.size(); ++i) {
    if (config[i].size() != 3 || config[i][2] < 0)
      fail(Code::invalid_argument, "pad: padding_config of axis ", i,
           " is (low, high, interior), the last not negative");
    int64_t n = in[0]->shape[i], interior = 0, size = n;
    bool overflow = n && __builtin_mul_overflow(n - 1, config[i][2], &interior);
    for (int64_t more : {config[i][0], config[i][1], interior})
      overflow = __builtin_add_overflow(size, more, &size) || overflow;
    if (overflow)
      fail(Code::shape, "pad: axis ", i, " of ", to_string(in[0]), " would be too large");
    shape.push_back(size);
    if (shape.back() < 0)
      fail(Code::shape, "pad: axis ", i, " of ", to_string(in[0]), " would have size ",
           shape.back());
  }
  out.push_back(session.aval(in[0]->dtype, shape));
}

// What of the operand is seen in the result; negative padding cuts.
static void pad_eval(const EvalArgs& a) {
  const Array& x = a.in[0];
  Aval out = a.out_avals[0];
  const Dims& config = a.params.dims("padding_config");
  Place from{0, row_major(x.aval()->shape)}, to{0, row_major(out->shape)};
  Shape seen;
  for (size_t i = 0; i < config.size(); ++i) {
    int64_t low = config[i][0], step = config[i][2] + 1;
    int64_t first = low < 0 ? (-low + step - 1) / step : 0;  // low + first * step >= 0
    int64_t room = out->shape[i] - 1 - low;                  // last * step <= room
    int64_t end = room < 0 ? 0 : std::min(x.aval()->shape[i], room / step + 1);
    seen.push_back(std::max<int64_t>(end - first, 0));
    from.offset += first * from.strides[i];
    to.offset += (low + first * step) * to.strides[i];
    to.strides[i] *= step;
  }
  a.out[0] = Array::allocate(a.session, out);
  size_t itemsize = size_of(out->dtype);
  if (itemsize) kernels::fill(itemsize, a.in[1].data(), a.out[0].mutable_data(), out->size);
  copy(itemsize, seen, x.data(), from, a.out[0].mutable_data(), to);
}

// The places that the operand's elements went to; those that were cut get zero.
static Tracer pad_transpose_operand(const Tracer& ct, Aval operand, const Dims& config) {
  Dims uncut;
  Ints start, limit, strides;
  bool cut = false;
  for (size_t i = 0; i < config.size(); ++i) {
    int64_t low = config[i][0], high = config[i][1], n = operand->shape[i];
    cut |= low < 0 || high < 0;
    uncut.push_back({std::max<int64_t>(-low, 0), std::max<int64_t>(-high, 0), 0});
    strides.push_back(config[i][2] + 1);
    start.push_back(std::max<int64_t>(low, 0));
    limit.push_back(start[i] + (n ? (n - 1) * strides[i] + 1 : 0));
  }
  return slice(cut ? pad(ct, zero_of(ct), uncut) : ct, start, limit, strides);
}

// The padding's places are those where a padded array of zeros holds a one.
static Tracer pad_transpose_value(const Tracer& ct, Aval operand, const Dims& config) {
  Session& session = ct.session();
  Trace& at = ct.trace();
  Tracer inside = zeros(at, session.with_dtype(operand, DType::boolean));
  Tracer outside = full(at, session.aval(DType::boolean, {}), 1);
  Tracer mask = pad(inside, outside, config), zero = zeros_like(ct);
  return reduce_sum(select(mask, ct, zero), other_axes({}, ct.shape().size()));
}

static Tracer pad_transpose(const Tracer& ct, Operands, size_t which, std::span<const Aval> in,
                            const Params& p) {
  const Dims& config = p.dims("padding_config");
  return which == 0 ? pad_transpose_operand(ct, in[0], config)
                    : pad_transpose_value(ct, in[0], config);
}

static Tracer pad_batch(const Primitive&, std::span<const Mapped> in, int64_t size,
                        const Params& p) {
  Dims config = p.dims("padding_config");
  config.insert(config.begin(), {0, 0, 0});
  Tracer x = materialise(in[0], size);
  if (!in[1].mapped) return pad(x, in[1].value, config);
  // A value for each example: pad with anything, then choose.
  Tracer padded = pad(x, zero_of(x), config);
  Tracer value = broadcast_in_dim(in[1].value, padded.shape(), {0});
  Tracer inside = full(x.trace(), x.session().with_dtype(x.aval(), DType::boolean), 1);
  Tracer outside = zeros(x.trace(), x.session().aval(DType::boolean, {}));
  return select(pad(inside, outside, config), padded, value);
}

static int pad_fold(const FoldArgs& a) {
  for (const Ints& axis : a.params.dims("padding_config"))
    if (axis != Ints{0, 0, 0}) return -1;
  return 0;
}

constexpr Primitive pad_p = define({
    .name = "pad",
    .signature = "operand', padding_value', padding_config: padding",
    .doc = "The operand with padding_value around and between its elements: (low, high, interior) "
           "of them for each axis. Negative low and high cut.",
    .linearity = Linearity::linear,
    .abstract_eval = pad_aval,
    .eval = pad_eval,
    .transpose = pad_transpose,
    .batch = pad_batch,
    .fold = pad_fold,
});

}  // namespace jv
