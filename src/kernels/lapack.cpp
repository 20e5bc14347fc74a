// Factorisations and triangular systems, through LAPACK and BLAS.
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/blas.hpp"
#include "kernels/kernels.hpp"

namespace jv::kernels {
namespace {

// to [n, m] = from [m, n] transposed
template <class T>
void transpose(size_t m, size_t n, const T* from, T* to) {
  const int64_t shape[] = {int64_t(n), int64_t(m)};
  const int64_t from_strides[] = {1, int64_t(n)}, to_strides[] = {int64_t(m), 1};
  copy_strided(sizeof(T), shape, from, from_strides, to, to_strides);
}

template <class T>
void lu_one(size_t m, size_t n, T* a, int32_t* pivots, int32_t* permutation, T* by_columns) {
  transpose(m, n, a, by_columns);
  blas::getrf(int(m), int(n), by_columns, pivots);
  transpose(n, m, by_columns, a);
  std::iota(permutation, permutation + m, 0);
  for (size_t i = 0; i < std::min(m, n); ++i) {
    // With NaN in the matrix a pivot may be anything.
    pivots[i] = std::clamp(pivots[i] - 1, int32_t(i), int32_t(m) - 1);
    std::swap(permutation[i], permutation[pivots[i]]);
  }
}

template <class T>
void lu_all(size_t batch, size_t m, size_t n, T* a, int32_t* pivots, int32_t* permutation) {
  std::vector<T> by_columns(m * n);
  const size_t rank = std::min(m, n);
  for (size_t i = 0; i < batch; ++i) {
    int32_t* row_order = permutation + i * m;
    if (rank == 0) std::iota(row_order, row_order + m, 0);
    else lu_one(m, n, a + i * m * n, pivots + i * rank, row_order, by_columns.data());
  }
}

// Fortran sees the transposes: op(a) x = b is x^T op(a)^T = b^T, so the side and the triangle turn
// over while op stays.
template <class T>
void solve_all(size_t batch, bool left_side, bool lower, bool transpose_a, bool unit_diagonal,
               size_t m, size_t n, const T* a, T* b) {
  const size_t order = left_side ? m : n;
  for (size_t i = 0; i < batch; ++i)
    blas::trsm(left_side ? 'R' : 'L', lower ? 'U' : 'L', transpose_a ? 'T' : 'N',
               unit_diagonal ? 'U' : 'N', int(n), int(m), a + i * order * order, int(order),
               b + i * m * n);
}

}  // namespace

void lu(DType dtype, size_t batch, size_t m, size_t n, void* a, int32_t* pivots,
        int32_t* permutation) {
  if (dtype == DType::f32) lu_all(batch, m, n, static_cast<float*>(a), pivots, permutation);
  else lu_all(batch, m, n, static_cast<double*>(a), pivots, permutation);
}

void triangular_solve(DType dtype, size_t batch, bool left_side, bool lower, bool transpose_a,
                      bool unit_diagonal, size_t m, size_t n, const void* a, void* b) {
  if (m == 0 || n == 0) return;
  if (dtype == DType::f32)
    solve_all(batch, left_side, lower, transpose_a, unit_diagonal, m, n,
              static_cast<const float*>(a), static_cast<float*>(b));
  else
    solve_all(batch, left_side, lower, transpose_a, unit_diagonal, m, n,
              static_cast<const double*>(a), static_cast<double*>(b));
}

}  // namespace jv::kernels
