// Choice between arrays, element by element.
#include <algorithm>

#include "primitives/family.hpp"

namespace jv {

static void select_n_aval(Session&, std::span<const Aval> in, const Params&, Avals& out) {
  const char* name = "select_n";
  if (in.size() < 2) fail(Code::invalid_argument, name, ": needs a case");
  Aval which = in[0];
  if (which->dtype != DType::boolean && which->dtype != DType::i32)
    fail(Code::dtype, name, ": takes a choice of bool or i32, got ", to_string(which));
  if (which->dtype == DType::boolean && in.size() > 3)
    fail(Code::invalid_argument, name, ": a boolean chooses between two cases, got ",
         in.size() - 1);
  for (Aval c : in.subspan(2)) check_same(name, in[1], c);
  if (which->ndim() && which->shape != in[1]->shape)
    fail(Code::shape, name, ": shapes ", to_string(which), " and ", to_string(in[1]), " differ");
  out.push_back(in[1]);
}

static size_t chosen(const Array& which, size_t n_cases) {
  return size_t(std::clamp<int64_t>(element_i64(which, 0), 0, int64_t(n_cases) - 1));
}

static void select_n_eval(const EvalArgs& a) {
  const Array& which = a.in[0];
  std::span<const Array> cases = a.in.subspan(1);
  Aval out = a.out_avals[0];
  size_t itemsize = size_of(out->dtype);
  if (which.aval()->ndim() == 0 || cases.size() == 1 || !itemsize) {
    a.out[0] = cases[which.aval()->ndim() == 0 ? chosen(which, cases.size()) : 0];
    return;
  }
  a.out[0] = Array::allocate(a.session, out);
  void* to = a.out[0].mutable_data();
  if (which.aval()->dtype == DType::boolean)
    return kernels::select(itemsize, which.data<bool>(), cases[0].data(), cases[1].data(), to,
                           out->size);
  Small<const void*, 4> from;
  for (const Array& c : cases) from.push_back(c.data());
  kernels::select(itemsize, which.data<int32_t>(), from, to, out->size);
}

// The cotangent where this case was chosen, zero elsewhere.
static Tracer select_n_transpose(const Tracer& ct, Operands x, size_t which, std::span<const Aval>,
                                 const Params&) {
  Tracers cases(x.size() - 1, zeros_like(ct));
  cases[which - 1] = ct;
  return select_n(x[0], cases);
}

static Tracer select_n_batch(const Primitive&, std::span<const Mapped> in, int64_t size,
                             const Params&) {
  Tracers cases;
  for (const Mapped& m : in.subspan(1)) cases.push_back(materialise(m, size));
  const Mapped& which = in[0];
  size_t choice_ndim = which.value.shape().size(), ndim = cases[0].shape().size();
  if (!which.mapped)
    return select_n(choice_ndim == 0 ? which.value : materialise(which, size), cases);
  if (choice_ndim == ndim) return select_n(which.value, cases);
  return select_n(broadcast_in_dim(which.value, cases[0].shape(), {0}), cases);
}

constexpr Primitive select_n_p = define({
    .name = "select_n",
    .signature = "which, cases'...",
    .doc = "Element i of case which[i]. `which` is of the cases' shape or a scalar; a boolean "
           "chooses case 0 or 1, an i32 out of range the nearest.",
    .linearity = Linearity::linear,
    .abstract_eval = select_n_aval,
    .eval = select_n_eval,
    .transpose = select_n_transpose,
    .batch = select_n_batch,
    // No fold where the choice is known: a case that is not chosen still gets a cotangent of zero,
    // and zero times infinity is NaN, under jit as in eager mode.
});

}  // namespace jv
