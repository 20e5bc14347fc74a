// The Fortran symbols of BLAS and LAPACK that we call, overloaded by type. Matrices are stored by
// columns: to Fortran, a row-major matrix is its transpose.
#pragma once

extern "C" {
void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
void sgemv_(const char* trans, const int* m, const int* n, const float* alpha, const float* a,
            const int* lda, const float* x, const int* incx, const float* beta, float* y,
            const int* incy);
void dgemv_(const char* trans, const int* m, const int* n, const double* alpha, const double* a,
            const int* lda, const double* x, const int* incx, const double* beta, double* y,
            const int* incy);
void strsm_(const char* side, const char* uplo, const char* trans, const char* diag, const int* m,
            const int* n, const float* alpha, const float* a, const int* lda, float* b,
            const int* ldb);
void dtrsm_(const char* side, const char* uplo, const char* trans, const char* diag, const int* m,
            const int* n, const double* alpha, const double* a, const int* lda, double* b,
            const int* ldb);
void sgetrf_(const int* m, const int* n, float* a, const int* lda, int* pivots, int* info);
void dgetrf_(const int* m, const int* n, double* a, const int* lda, int* pivots, int* info);
}

namespace jv::kernels::blas {

// c = op(a) op(b), op(a) of [m, k]
inline void gemm(char trans_a, char trans_b, int m, int n, int k, const float* a, int lda,
                 const float* b, int ldb, float* c, int ldc) {
  const float one = 1, zero = 0;
  sgemm_(&trans_a, &trans_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc);
}
inline void gemm(char trans_a, char trans_b, int m, int n, int k, const double* a, int lda,
                 const double* b, int ldb, double* c, int ldc) {
  const double one = 1, zero = 0;
  dgemm_(&trans_a, &trans_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc);
}

// y += op(a) x, a of [m, n]
inline void gemv(char trans, int m, int n, const float* a, const float* x, float* y) {
  const float one = 1;
  const int step = 1;
  sgemv_(&trans, &m, &n, &one, a, &m, x, &step, &one, y, &step);
}
inline void gemv(char trans, int m, int n, const double* a, const double* x, double* y) {
  const double one = 1;
  const int step = 1;
  dgemv_(&trans, &m, &n, &one, a, &m, x, &step, &one, y, &step);
}

// op(a) x = b or x op(a) = b, b of [m, n]
inline void trsm(char side, char uplo, char trans, char diag, int m, int n, const float* a, int lda,
                 float* b) {
  const float one = 1;
  strsm_(&side, &uplo, &trans, &diag, &m, &n, &one, a, &lda, b, &m);
}
inline void trsm(char side, char uplo, char trans, char diag, int m, int n, const double* a,
                 int lda, double* b) {
  const double one = 1;
  dtrsm_(&side, &uplo, &trans, &diag, &m, &n, &one, a, &lda, b, &m);
}

// Pivots count from 1. What LAPACK says of a zero pivot is no error here.
inline void getrf(int m, int n, float* a, int* pivots) {
  int info = 0;
  sgetrf_(&m, &n, a, &m, pivots, &info);
}
inline void getrf(int m, int n, double* a, int* pivots) {
  int info = 0;
  dgetrf_(&m, &n, a, &m, pivots, &info);
}

}  // namespace jv::kernels::blas
