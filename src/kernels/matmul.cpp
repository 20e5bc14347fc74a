// Matrix products: BLAS for f32 and f64, a loop for small shapes and the other dtypes. Which of
// them runs follows from the shape alone, so that equal products have equal bits wherever they
// stand.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/blas.hpp"
#include "kernels/kernels.hpp"

namespace jv::kernels {
namespace {

// c [m, n] = a [m, k] b [k, n], dense, each of a and b stored as itself or as its transpose.
struct Product {
  size_t m, k, n;
  bool a_transposed, b_transposed;
};

template <class T>
void multiply_add(T& sum, T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    sum = sum || (a && b);
  } else if constexpr (std::is_integral_v<T>) {
    using U = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;  // wraps
    sum = T(U(sum) + U(a) * U(b));
  } else {
    sum += a * b;
  }
}

// Every element adds its k products in order.
template <class T>
void multiply_by_loop(const Product& p, const T* a, const T* b, T* c) {
  std::fill_n(c, p.m * p.n, T(0));
  const size_t a_row = p.a_transposed ? 1 : p.k, a_step = p.a_transposed ? p.m : 1;
  const size_t b_row = p.b_transposed ? 1 : p.n, b_step = p.b_transposed ? p.k : 1;
  for (size_t i = 0; i < p.m; ++i) {
    T* row = c + i * p.n;
    for (size_t l = 0; l < p.k; ++l) {
      const T factor = a[i * a_row + l * a_step];
      const T* from = b + l * b_row;
      for (size_t j = 0; j < p.n; ++j) multiply_add(row[j], factor, from[j * b_step]);
    }
  }
}

// Row-major operands are transposes to BLAS, so it is asked for the transpose of the product:
// c^T [n, m] = b^T a^T. A vector on either side makes it a matrix-vector product.
template <class T>
void multiply_by_blas(const Product& p, const T* a, const T* b, T* c) {
  const int m = int(p.m), k = int(p.k), n = int(p.n);
  if (n == 1 || m == 1) {
    std::fill_n(c, p.m * p.n, T(0));
    if (n == 1)
      return p.a_transposed ? blas::gemv('N', m, k, a, b, c) : blas::gemv('T', k, m, a, b, c);
    return p.b_transposed ? blas::gemv('T', k, n, b, a, c) : blas::gemv('N', n, k, b, a, c);
  }
  blas::gemm(p.b_transposed ? 'T' : 'N', p.a_transposed ? 'T' : 'N', n, m, k, b,
             p.b_transposed ? k : n, a, p.a_transposed ? m : k, c, n);
}

bool suits_blas(const Product& p) {
  constexpr size_t most = size_t(std::numeric_limits<int>::max());
  if (p.m > most || p.k > most || p.n > most) return false;
  return p.m * p.k * p.n > 8 * 8 * 8;
}

template <class T>
void multiply(const Product& p, size_t batch, const T* a, const T* b, T* c) {
  bool use_blas = std::is_floating_point_v<T> && suits_blas(p);
  for (size_t i = 0; i < batch; ++i, a += p.m * p.k, b += p.k * p.n, c += p.m * p.n) {
    if constexpr (std::is_floating_point_v<T>)
      if (use_blas) {
        multiply_by_blas(p, a, b, c);
        continue;
      }
    multiply_by_loop(p, a, b, c);
  }
}

// f16 and bf16, one product at a time in f32.
template <class H>
void multiply_wide(DType dtype, const Product& p, size_t batch, const H* a, const H* b, H* c) {
  std::vector<float> wide(p.m * p.k + p.k * p.n + p.m * p.n);
  float *wide_a = wide.data(), *wide_b = wide_a + p.m * p.k, *wide_c = wide_b + p.k * p.n;
  for (size_t i = 0; i < batch; ++i) {
    convert(dtype, DType::f32, a + i * p.m * p.k, wide_a, p.m * p.k);
    convert(dtype, DType::f32, b + i * p.k * p.n, wide_b, p.k * p.n);
    multiply(p, 1, wide_a, wide_b, wide_c);
    convert(DType::f32, dtype, wide_c, c + i * p.m * p.n, p.m * p.n);
  }
}

}  // namespace

void matmul(DType dtype, size_t batch, size_t m, size_t k, size_t n, const void* a,
            bool a_transposed, const void* b, bool b_transposed, void* c) {
  if (batch == 0 || m == 0 || n == 0) return;
  const Product product = {m, k, n, a_transposed, b_transposed};
  visit_dtype(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    auto *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
    if constexpr (std::is_arithmetic_v<T>) multiply(product, batch, x, y, static_cast<T*>(c));
    else multiply_wide(dtype, product, batch, x, y, static_cast<T*>(c));
  });
}

}  // namespace jv::kernels
