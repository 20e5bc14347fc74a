// Factorisations and solves of matrices: the last two axes; those before them are batch axes.
#include "ops/linalg.hpp"

#include <algorithm>
#include <cstring>

#include "ops/axes.hpp"
#include "primitives/family.hpp"

namespace jv {

static void check_matrices(const char* name, Aval x) {
  if (x->dtype != DType::f32 && x->dtype != DType::f64)
    fail(Code::dtype, name, ": takes f32 or f64, got ", to_string(x));
  if (x->ndim() < 2) fail(Code::shape, name, ": takes matrices, got ", to_string(x));
}

static Ints leading(Aval x) { return Ints(x->shape.begin(), x->shape.end() - 2); }
static int64_t rows(Aval x) { return x->shape[x->ndim() - 2]; }
static int64_t columns(Aval x) { return x->shape[x->ndim() - 1]; }

// A copy that a kernel may overwrite.
static Array copied(const EvalArgs& a, const Array& x) {
  Array out = Array::allocate(a.session, x.aval());
  if (size_t bytes = x.aval()->bytes()) std::memcpy(out.mutable_data(), x.data(), bytes);
  return out;
}

// --- lu ------------------------------------------------------------------------------------------

static void lu_aval(Session& session, std::span<const Aval> in, const Params&, Avals& out) {
  Aval x = in[0];
  check_matrices("lu", x);
  Ints pivots = leading(x), permutation = leading(x);
  pivots.push_back(std::min(rows(x), columns(x)));
  permutation.push_back(rows(x));
  out.push_back(x);
  out.push_back(session.aval(DType::i32, pivots));
  out.push_back(session.aval(DType::i32, permutation));
}

static void lu_eval(const EvalArgs& a) {
  Aval x = a.in[0].aval();
  a.out[0] = copied(a, a.in[0]);
  a.out[1] = Array::allocate(a.session, a.out_avals[1]);
  a.out[2] = Array::allocate(a.session, a.out_avals[2]);
  kernels::lu(x->dtype, size_t(product(leading(x))), size_t(rows(x)), size_t(columns(x)),
              a.out[0].mutable_data(), a.out[1].mutable_data<int32_t>(),
              a.out[2].mutable_data<int32_t>());
}

// Part of a triangle as a square matrix, with ones on its diagonal from place `first` on.
static Tracer extended(const Tracer& part, int64_t size, int64_t first) {
  size_t ndim = part.shape().size();
  Session& session = part.session();
  Dims config(ndim, Ints{0, 0, 0});
  for (size_t axis : {ndim - 2, ndim - 1}) config[axis][1] = size - part.shape()[axis];
  Tracer zero = full(part.trace(), session.aval(part.dtype(), {}), 0);
  Tracer padded = pad(part, zero, config);
  if (first == size) return padded;
  Trace& at = part.trace().home();
  Tracer i = iota(at, DType::i32, {size, size}, 0), j = iota(at, DType::i32, {size, size}, 1);
  Tracer from = ge(i, full_like(i, double(first)));
  Tracer ones = convert_element_type(bitwise_and(eq(i, j), from), part.dtype());
  return padded + broadcast_in_dim(ones, padded.shape(), range(ndim - 2, ndim));
}

static Tracer part_of(const Tracer& x, int64_t n_rows, int64_t n_columns) {
  size_t ndim = x.shape().size();
  Ints limit = x.shape();
  limit[ndim - 2] = n_rows, limit[ndim - 1] = n_columns;
  return slice(x, Ints(ndim, 0), limit, Ints(ndim, 1));
}

// With P dA = L F U: dL = L tril(F, -1), dU = triu(F) U (F. R. de Hoog, R. S. Anderssen and
// M. A. Lukas, Differentiation of matrix functionals using triangular factorization, 2011). A
// factor that is not square is extended by an identity, as in JAX.
static Tracer lu_tangent(const Tracer& dx, Operands y) {
  int64_t m = rows(y[0].aval()), n = columns(y[0].aval()), k = std::min(m, n);
  Tracer lower = extended(linalg::tril(part_of(y[0], m, k), -1), m, 0);
  Tracer upper = extended(linalg::triu(part_of(y[0], k, n), 0), n, k);
  Tracer right = linalg::permute_rows(dx, y[2]);
  Tracer half = triangular_solve(lower, right, true, true, false, false, true);
  Tracer f = triangular_solve(upper, half, false, false, false, false, false);
  Tracer d_lower = linalg::matmul(lower, linalg::tril(f, -1));
  return d_lower + linalg::matmul(linalg::triu(f, 0), upper);
}

static Dual lu_linearize(JvpTrace&, const Primitive& p, Operands x, Operands dx,
                         const Params& params) {
  Tracers y = bind(p, x, ParamsRef(&params));
  return {y, {dx[0] ? lu_tangent(dx[0], y) : Tracer(), Tracer(), Tracer()}};
}

static Batched lu_batch(BatchTrace&, const Primitive& p, MappedOperands in, const Params& params) {
  return each_mapped(bind(p, Operands(&in[0].value, 1), ParamsRef(&params)));
}

constexpr Primitive lu_p = define({
    .name = "lu",
    .signature = "x",
    .doc = "LU factorisation of matrices [..., m, n] with partial pivoting: x's rows permuted are "
           "L U. Gives L (unit lower triangular, its diagonal not stored) and U in one matrix; "
           "pivots, i32: row i was exchanged with row pivots[i]; and permutation, i32: row i of "
           "L U is row permutation[i] of x.",
    .abstract_eval = lu_aval,
    .eval = lu_eval,
    .linearize = lu_linearize,
    .batch_all = lu_batch,
});

// --- triangular_solve ----------------------------------------------------------------------------

namespace {

struct Flags {
  bool left_side, lower, transpose_a, conjugate_a, unit_diagonal;
  explicit Flags(const Params& p)
      : left_side(p.flag("left_side")),
        lower(p.flag("lower")),
        transpose_a(p.flag("transpose_a")),
        conjugate_a(p.flag("conjugate_a")),
        unit_diagonal(p.flag("unit_diagonal")) {}
  Tracer solve(const Tracer& a, const Tracer& b) const {
    return triangular_solve(a, b, left_side, lower, transpose_a, conjugate_a, unit_diagonal);
  }
};

void triangular_solve_aval(Session&, std::span<const Aval> in, const Params& p, Avals& out) {
  Aval a = in[0], b = in[1];
  check_matrices("triangular_solve", a);
  check_matrices("triangular_solve", b);
  if (a->dtype != b->dtype) fail_types("triangular_solve", a, b);
  if (rows(a) != columns(a))
    fail(Code::shape, "triangular_solve: takes a square matrix, got ", to_string(a));
  if (leading(a) != leading(b) || (p.flag("left_side") ? rows(b) : columns(b)) != rows(a))
    fail(Code::shape, "triangular_solve: shapes ", to_string(a), " and ", to_string(b),
         " do not go together");
  out.push_back(b);
}

void triangular_solve_eval(const EvalArgs& args) {
  Aval b = args.in[1].aval();
  Flags flags(args.params);
  args.out[0] = copied(args, args.in[1]);
  kernels::triangular_solve(b->dtype, size_t(product(leading(b))), flags.left_side, flags.lower,
                            flags.transpose_a, flags.unit_diagonal, size_t(rows(b)),
                            size_t(columns(b)), args.in[0].data(), args.out[0].mutable_data());
}

// From op(a) x = b: op(a) dx = -op(da) x; da counts where a is read.
Tracer triangular_solve_jvp(Operands operands, size_t, const Tracer& da, Operands y,
                            const Params& p) {
  Flags flags(p);
  int64_t k = flags.unit_diagonal;
  Tracer read = flags.lower ? linalg::tril(da, -k) : linalg::triu(da, k);
  Tracer minus = -read;
  if (flags.transpose_a) {
    Ints order = range(0, minus.shape().size());
    std::swap(order[order.size() - 2], order[order.size() - 1]);
    minus = transpose(minus, order);
  }
  Tracer right = flags.left_side ? linalg::matmul(minus, y[0]) : linalg::matmul(y[0], minus);
  return flags.solve(operands[0], right);
}

Tracer triangular_solve_transpose(const Tracer& ct, Operands x, size_t, std::span<const Aval>,
                                  const Params& p) {
  Flags flags(p);
  flags.transpose_a = !flags.transpose_a;
  return flags.solve(x[0], ct);
}

// One matrix for all right sides: they are columns (rows) of one right side.
Tracer solve_together(const Tracer& a, const Tracer& b, const Flags& flags) {
  int64_t size = b.shape()[0], m = b.shape()[1], n = b.shape()[2];
  if (!flags.left_side) return reshape(flags.solve(a, reshape(b, {size * m, n})), b.shape());
  Tracer columns = reshape(transpose(b, {1, 0, 2}), {m, size * n});
  return transpose(reshape(flags.solve(a, columns), {m, size, n}), {1, 0, 2});
}

Tracer triangular_solve_batch(const Primitive&, std::span<const Mapped> in, int64_t size,
                              const Params& p) {
  Flags flags(p);
  if (!in[0].mapped && in[0].value.shape().size() == 2)
    return solve_together(in[0].value, in[1].value, flags);
  Tracer a = materialise(in[0], size), b = materialise(in[1], size);
  return flags.solve(a, b);
}

}  // namespace

constexpr Primitive triangular_solve_p = define({
    .name = "triangular_solve",
    .signature = "a, b', left_side: bool, lower: bool, transpose_a: bool, conjugate_a: bool, "
                 "unit_diagonal: bool",
    .doc = "x with op(a) x = b (left_side) or x op(a) = b, for triangular matrices a; op is the "
           "transpose if transpose_a. Only the lower or upper triangle of a is read, and its "
           "diagonal counts as ones if unit_diagonal. A zero there gives inf or NaN.",
    .linearity = Linearity::bilinear,
    .abstract_eval = triangular_solve_aval,
    .eval = triangular_solve_eval,
    .jvp = triangular_solve_jvp,
    .transpose = triangular_solve_transpose,
    .batch = triangular_solve_batch,
});

}  // namespace jv
