// dot_general: products of matrices with any axes contracted and any axes batched. The axes of the
// result are the batch axes, the lhs' free ones, the rhs' free ones.
#include <algorithm>
#include <numeric>

#include "primitives/family.hpp"
#include "primitives/strided.hpp"

namespace jv {

namespace {

// dimension_numbers as axes of both sides.
struct Numbers {
  Ints lhs_contracting, rhs_contracting, lhs_batch, rhs_batch;
  explicit Numbers(const Params& p) : Numbers(p.dims("dimension_numbers")) {}
  explicit Numbers(const Dims& d)
      : lhs_contracting(d[0]), rhs_contracting(d[1]), lhs_batch(d[2]), rhs_batch(d[3]) {}
  Dims dims() const { return {lhs_contracting, rhs_contracting, lhs_batch, rhs_batch}; }

  // As seen with the operands exchanged.
  Numbers swapped() const {
    return Numbers(Dims{rhs_contracting, lhs_contracting, rhs_batch, lhs_batch});
  }
  Ints lhs_free(size_t ndim) const { return free(lhs_batch, lhs_contracting, ndim); }
  Ints rhs_free(size_t ndim) const { return free(rhs_batch, rhs_contracting, ndim); }

 private:
  static Ints free(Ints taken, const Ints& contracting, size_t ndim) {
    taken.append(contracting);
    return other_axes(taken, ndim);
  }
};

Ints join(std::initializer_list<Ints> lists) {
  Ints all;
  for (const Ints& list : lists) all.append(list);
  return all;
}

Ints range(size_t first, size_t n) {
  Ints axes(n);
  std::iota(axes.begin(), axes.end(), int64_t(first));
  return axes;
}

int64_t product(const Ints& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

// --- types ---------------------------------------------------------------------------------------

void check_side(Aval x, const Ints& batch, const Ints& contracting) {
  Ints axes = join({batch, contracting});
  for (int64_t axis : axes) check_axis("dot_general", axis, x->ndim());
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    fail(Code::invalid_argument, "dot_general: an axis of ", to_string(x), " is named twice");
}

void check_pairs(Aval x, Aval y, const Ints& of_x, const Ints& of_y, const char* what) {
  if (of_x.size() != of_y.size())
    fail(Code::invalid_argument, "dot_general: ", of_x.size(), " and ", of_y.size(), " axes are ",
         what);
  for (size_t i = 0; i < of_x.size(); ++i)
    if (x->shape[size_t(of_x[i])] != y->shape[size_t(of_y[i])])
      fail(Code::shape, "dot_general: axis ", of_x[i], " of ", to_string(x), " and axis ", of_y[i],
           " of ", to_string(y), " are ", what, " and differ");
}

DType result_dtype(Aval x, const Params& p) {
  DType preferred = p.dtype("preferred_element_type");
  if (preferred == DType::none || preferred == x->dtype) return x->dtype;
  bool same_kind =
      is_float(preferred) == is_float(x->dtype) && is_integer(preferred) == is_integer(x->dtype);
  if (!same_kind)
    fail(Code::dtype, "dot_general: preferred_element_type ", name_of(preferred), " for ",
         to_string(x));
  return preferred;
}

void dot_general_aval(Session& session, std::span<const Aval> in, const Params& p, Avals& out) {
  Aval x = in[0], y = in[1];
  check_dtype("dot_general", Takes::scalars, x);
  if (x->dtype != y->dtype) fail_types("dot_general", x, y);
  if (p.dims("dimension_numbers").size() != 4)
    fail(Code::invalid_argument, "dot_general: dimension_numbers are four lists of axes");
  Numbers n(p);
  check_side(x, n.lhs_batch, n.lhs_contracting);
  check_side(y, n.rhs_batch, n.rhs_contracting);
  check_pairs(x, y, n.lhs_contracting, n.rhs_contracting, "contracted");
  check_pairs(x, y, n.lhs_batch, n.rhs_batch, "batched");
  Ints shape = join({permuted(x->shape, n.lhs_batch), permuted(x->shape, n.lhs_free(x->ndim())),
                     permuted(y->shape, n.rhs_free(y->ndim()))});
  out.push_back(session.aval(result_dtype(x, p), shape));
}

// --- numbers -------------------------------------------------------------------------------------

Array converted(Session& session, const Array& x, DType dtype) {
  if (x.aval()->dtype == dtype) return x;
  Array out = Array::allocate(session, session.with_dtype(x.aval(), dtype));
  kernels::convert(x.aval()->dtype, dtype, x.data(), out.mutable_data(), x.aval()->size);
  return out;
}

// An operand as matrices [batch, rows, columns], or [batch, columns, rows] where it lies so.
struct Matrices {
  Array array;
  bool transposed;
};
Matrices matrices(Session& session, const Array& x, const Ints& batch, const Ints& rows,
                  const Ints& columns) {
  if (is_identity(join({batch, columns, rows}))) return {x, true};
  return {permuted(session, x, join({batch, rows, columns})), false};
}

void dot_general_eval(const EvalArgs& a) {
  Aval x = a.in[0].aval(), y = a.in[1].aval(), out = a.out_avals[0];
  Numbers n(a.params);
  // Accumulates in the wider of both types.
  bool widens = size_of(out->dtype) > size_of(x->dtype);
  DType dtype = widens ? out->dtype : x->dtype;
  Ints lhs_free = n.lhs_free(x->ndim()), rhs_free = n.rhs_free(y->ndim());
  Matrices lhs = matrices(a.session, converted(a.session, a.in[0], dtype), n.lhs_batch, lhs_free,
                          n.lhs_contracting);
  Matrices rhs = matrices(a.session, converted(a.session, a.in[1], dtype), n.rhs_batch,
                          n.rhs_contracting, rhs_free);
  Array result = Array::allocate(a.session, a.session.with_dtype(out, dtype));
  kernels::matmul(dtype, size_t(product(permuted(x->shape, n.lhs_batch))),
                  size_t(product(permuted(x->shape, lhs_free))),
                  size_t(product(permuted(x->shape, n.lhs_contracting))),
                  size_t(product(permuted(y->shape, rhs_free))), lhs.array.data(), lhs.transposed,
                  rhs.array.data(), rhs.transposed, result.mutable_data());
  a.out[0] = converted(a.session, result, out->dtype);
}

// --- rules ---------------------------------------------------------------------------------------

// The cotangent of the lhs is that of the result times the rhs, contracted over the rhs' free axes.
// `first_free`: where these stand in ct.
Tracer transpose_lhs(const Tracer& ct, const Tracer& y, const Numbers& n, Aval x,
                     size_t first_free) {
  Ints y_free = n.rhs_free(y.shape().size());
  Dims dims{range(first_free, y_free.size()), y_free, range(0, n.lhs_batch.size()), n.rhs_batch};
  Tracer other = y.dtype() == ct.dtype() ? y : convert_element_type(y, ct.dtype());
  Tracer result = dot_general(ct, other, dims, ct.dtype());
  // Its last axes are y's contracted ones, ascending; here are the axes of x that they belong to.
  Ints order = range(0, n.rhs_contracting.size());
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return n.rhs_contracting[size_t(a)] < n.rhs_contracting[size_t(b)];
  });
  Ints axes = join({n.lhs_batch, n.lhs_free(x->ndim()), permuted(n.lhs_contracting, order)});
  if (!is_identity(axes)) result = transpose(result, inverse(axes));
  return result.dtype() == x->dtype ? result : convert_element_type(result, x->dtype);
}

Tracer dot_general_transpose(const Tracer& ct, Operands operands, size_t which,
                             std::span<const Aval> in, const Params& p) {
  Numbers n(p);
  size_t batch = n.lhs_batch.size();
  if (which == 1) return transpose_lhs(ct, operands[0], n.swapped(), in[1], batch);
  return transpose_lhs(ct, operands[1], n, in[0], batch + n.lhs_free(in[0]->ndim()).size());
}

// Both mapped: one more batch axis. One: one more free axis, which is moved to the front.
Tracer dot_general_batch(const Primitive&, std::span<const Mapped> in, int64_t, const Params& p) {
  Numbers n(p);
  bool both = in[0].mapped && in[1].mapped;
  if (in[0].mapped) {
    n.lhs_contracting = shifted(n.lhs_contracting, 1);
    n.lhs_batch = both ? behind_batch(n.lhs_batch) : shifted(n.lhs_batch, 1);
  }
  if (in[1].mapped) {
    n.rhs_contracting = shifted(n.rhs_contracting, 1);
    n.rhs_batch = both ? behind_batch(n.rhs_batch) : shifted(n.rhs_batch, 1);
  }
  Tracer result =
      dot_general(in[0].value, in[1].value, n.dims(), p.dtype("preferred_element_type"));
  size_t at = n.lhs_batch.size();
  if (!in[0].mapped) at += n.lhs_free(in[0].value.shape().size()).size();
  if (both || at == 0) return result;
  Ints front{int64_t(at)};
  return transpose(result, join({front, other_axes(front, result.shape().size())}));
}

}  // namespace

constexpr Primitive dot_general_p = define({
    .name = "dot_general",
    .signature =
        "lhs', rhs', dimension_numbers: dims, precision: none, preferred_element_type: dtype?",
    .doc = "Sums of products over the contracted axes, for each index of the batch axes; the axes "
           "of the result are the batch axes, the free ones of lhs, the free ones of rhs.",
    .linearity = Linearity::bilinear,
    .abstract_eval = dot_general_aval,
    .eval = dot_general_eval,
    .transpose = dot_general_transpose,
    .batch = dot_general_batch,
});

}  // namespace jv
