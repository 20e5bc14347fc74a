// Changes of the element type: by value, and by bits.
#include "primitives/family.hpp"
#include "primitives/strided.hpp"

namespace jv {

// --- convert_element_type ------------------------------------------------------------------------

static void convert_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  Aval result = session.with_dtype(in[0], p.dtype("new_dtype"));
  check_dtype("convert_element_type", Takes::scalars, in[0]);
  check_dtype("convert_element_type to", Takes::scalars, result);
  out.push_back(result);
}

static void convert_eval(const EvalArgs& a) {
  Aval from = a.in[0].aval(), to = a.out_avals[0];
  if (from == to) {
    a.out[0] = a.in[0];
    return;
  }
  a.out[0] = Array::allocate(a.session, to);
  kernels::convert(from->dtype, to->dtype, a.in[0].data(), a.out[0].mutable_data(), to->size);
}

// Linear between floating-point types; integers and booleans have no derivative.
static Tracer convert_jvp(Operands, size_t, const Tracer& dx, Operands, const Params& p) {
  DType to = p.dtype("new_dtype");
  return is_float(to) ? convert_element_type(dx, to) : Tracer();
}

constexpr Primitive convert_element_type_p = define({
    .name = "convert_element_type",
    .signature = "operand', new_dtype: dtype",
    .doc = "Each element as a number of another type, rounded once to nearest even. Floats to "
           "integers truncate and saturate, NaN gives 0; to bool: whether it is not 0.",
    .linearity = Linearity::linear,
    .abstract_eval = convert_aval,
    .eval = convert_eval,
    .jvp = convert_jvp,
    .transpose = [](auto& ct, auto, auto, auto in,
                    auto&) { return convert_element_type(ct, in[0]->dtype); },
    .batch = vectorized,
    .fold = fold_same_type,
});

// --- bitcast_convert_type ------------------------------------------------------------------------

static void bitcast_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  const char* name = "bitcast_convert_type";
  DType to = p.dtype("new_dtype");
  check_dtype(name, Takes::numbers, in[0]);
  check_dtype("bitcast_convert_type to", Takes::numbers, session.aval(to, {}));
  size_t from_size = size_of(in[0]->dtype), to_size = size_of(to);
  Shape shape = in[0]->shape;
  if (from_size > to_size) shape.push_back(int64_t(from_size / to_size));
  if (from_size < to_size) {
    int64_t parts = int64_t(to_size / from_size);
    if (shape.empty() || shape.back() != parts)
      fail(Code::shape, name, ": the last axis of ", to_string(in[0]), " is not of size ", parts);
    shape.resize(shape.size() - 1);
  }
  out.push_back(session.aval(to, shape));
}

constexpr Primitive bitcast_convert_type_p = define({
    .name = "bitcast_convert_type",
    .signature = "operand, new_dtype: dtype",
    .doc = "The same bits as numbers of another type. To a smaller type it adds a last axis of the "
           "parts, lowest first; to a larger one it takes one away.",
    .abstract_eval = bitcast_aval,
    .eval = [](const EvalArgs& a) { a.out[0] = Array::view(a.in[0], a.out_avals[0]); },
    .batch = vectorized,
    .fold = fold_same_type,
    .differentiable = false,
});

}  // namespace jv
