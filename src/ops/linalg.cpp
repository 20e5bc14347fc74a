#include "ops/linalg.hpp"

#include "ops/numpy.hpp"

namespace jv::linalg {

// Zeros where the column is beyond (above) or before (below) the row's place on the k-th diagonal.
static Tracer triangle(const Tracer& x, int64_t k, bool lower) {
  size_t ndim = x.shape().size();
  Trace& at = x.trace().home();
  Ints sizes(std::span(x.shape().end() - 2, 2));
  Tracer rows = iota(at, DType::i32, sizes, 0), columns = iota(at, DType::i32, sizes, 1);
  Tracer diagonal = rows + double(k);
  Tracer inside = lower ? le(columns, diagonal) : ge(columns, diagonal);
  Tracer mask = broadcast_in_dim(inside, x.shape(), range(ndim - 2, ndim));
  Tracer zero = zeros_like(x);
  return select(mask, x, zero);
}

Tracer tril(const Tracer& x, int64_t k) { return triangle(x, k, true); }
Tracer triu(const Tracer& x, int64_t k) { return triangle(x, k, false); }

Tracer matmul(const Tracer& x, const Tracer& y) {
  int64_t n = int64_t(x.shape().size());
  Ints batch = range(0, size_t(n - 2));
  return dot_general(x, y, {{n - 1}, {n - 2}, batch, batch}, x.dtype());
}

Tracer permute_rows(const Tracer& x, const Tracer& permutation) {
  size_t ndim = permutation.shape().size();
  Ints shape = joined(permutation.shape(), std::span(permutation.shape().end() - 1, 1));
  Trace& at = permutation.trace().home();
  Tracer rows = broadcast_in_dim(permutation, shape, range(0, ndim));
  Tracer columns = iota(at, permutation.dtype(), shape, int64_t(ndim));
  Tracer one_hot = convert_element_type(eq(rows, columns), x.dtype());
  return matmul(one_hot, x);
}

static Ints leading(const Tracer& x) { return Ints(x.shape().begin(), x.shape().end() - 2); }

static void check_solve(const Tracer& x, const Tracer& y) {
  size_t n = x.shape().size();
  if (n < 2 || x.shape()[n - 1] != x.shape()[n - 2])
    fail(Code::shape, "solve: takes square matrices, got ", to_string(x.aval()));
  size_t rows = y.shape().size() < 2 ? 0 : y.shape().size() - 2;
  if (y.shape().empty() || y.shape()[rows] != x.shape()[n - 1])
    fail(Code::shape, "solve: ", to_string(x.aval()), " and ", to_string(y.aval()),
         " have different numbers of rows");
  if (x.dtype() != y.dtype())
    fail(Code::dtype, "solve: dtypes of ", to_string(x.aval()), " and ", to_string(y.aval()),
         " differ: convert one of them");
}

Tracer solve(const Tracer& x, const Tracer& y) {
  check_solve(x, y);
  bool vector = y.shape().size() == 1;
  Tracer right = vector ? np::expand_dims(y, {1}) : y;
  Session& session = x.session();
  const Aval batches[] = {session.aval(x.dtype(), leading(x)),
                          session.aval(x.dtype(), leading(right))};
  Ints batch = np::broadcast_shape("solve", batches);
  auto spread = [&](const Tracer& t) {
    return np::broadcast_to(t, joined(batch, std::span(t.shape().end() - 2, t.shape().end())));
  };
  Tracers factors = lu(spread(x));
  Tracer b = permute_rows(spread(right), factors[2]);
  Tracer z = triangular_solve(factors[0], b, true, true, false, false, true);
  Tracer solution = triangular_solve(factors[0], z, true, false, false, false, false);
  return vector ? np::squeeze(solution, Ints{int64_t(batch.size()) + 1}) : solution;
}

}  // namespace jv::linalg
