// The vocabulary of scalar.hpp for SIMD batches: xsimd's batch inside a type of our own.
//
// A type of our own, because with a bare xsimd::batch `exp(x)` in math.hpp would find xsimd::exp by
// its argument. xsimd is included here and nowhere else. Where xsimd 8.1 has no word for it, or one
// that rounds twice (its fma on some targets), the intrinsic is called.
#pragma once
#include <immintrin.h>

#include <type_traits>
#include <xsimd/xsimd.hpp>

#include "kernels/scalar.hpp"

namespace jv::kernels::JV_ISA {

template <class T>
struct V {
  using Batch = xsimd::batch<T, xsimd::fma3<xsimd::avx2>>;
  using Register = typename Batch::register_type;
  Batch v;

  V() : v(T(0)) {}
  V(Batch x) : v(x) {}
  V(Register x) : v(x) {}
  explicit V(T x) : v(x) {}
  operator Register() const { return v; }

  friend V operator+(V a, V b) { return a.v + b.v; }
  friend V operator-(V a, V b) { return a.v - b.v; }
  friend V operator*(V a, V b) { return a.v * b.v; }
  friend V operator/(V a, V b) { return a.v / b.v; }
};
template <class T>
struct Element<V<T>> {
  using type = T;
};
template <class T>
using Mask = typename V<T>::Batch::batch_bool_type;

template <class T>
inline constexpr bool single = std::is_same_v<T, float>;
inline __m256i ints(V<float> x) { return _mm256_castps_si256(x); }
inline __m256i ints(V<double> x) { return _mm256_castpd_si256(x); }
template <class T>
V<T> reals(__m256i x) {
  if constexpr (single<T>) return _mm256_castsi256_ps(x);
  else return _mm256_castsi256_pd(x);
}

// clang-format off
template <class T> V<T> constant(V<T>, double c) { return V<T>(T(c)); }
template <class T> V<T> constant_bits(V<T>, std::type_identity_t<BitsOf<T>> bits) { return V<T>(from_bits<T>(bits)); }

template <class T> V<T> sqrt(V<T> x) { return xsimd::sqrt(x.v); }
template <class T> V<T> min(V<T> a, V<T> b) { return xsimd::min(a.v, b.v); }
template <class T> V<T> max(V<T> a, V<T> b) { return xsimd::max(a.v, b.v); }
template <class T> V<T> bit_and(V<T> a, V<T> b) { return a.v & b.v; }
template <class T> V<T> bit_or(V<T> a, V<T> b) { return a.v | b.v; }
template <class T> V<T> bit_xor(V<T> a, V<T> b) { return a.v ^ b.v; }
template <class T> Mask<T> less(V<T> a, V<T> b) { return a.v < b.v; }
template <class T> Mask<T> less_equal(V<T> a, V<T> b) { return a.v <= b.v; }
template <class T> Mask<T> equal(V<T> a, V<T> b) { return a.v == b.v; }
template <class T> V<T> select(Mask<T> mask, V<T> a, V<T> b) { return xsimd::select(mask, a.v, b.v); }

template <class T> V<T> scale(V<T> p, V<T> n) { return scale_by_steps(p, n); }
template <class T> Parts<V<T>> split(V<T> x) { return split_by_bits(x); }
// clang-format on

template <class T>
V<T> fma(V<T> a, V<T> b, V<T> c) {
  if constexpr (single<T>) return _mm256_fmadd_ps(a, b, c);
  else return _mm256_fmadd_pd(a, b, c);
}
template <class T>
V<T> fnma(V<T> a, V<T> b, V<T> c) {
  if constexpr (single<T>) return _mm256_fnmadd_ps(a, b, c);
  else return _mm256_fnmadd_pd(a, b, c);
}
template <class T>
V<T> nearest(V<T> x) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  if constexpr (single<T>) return _mm256_round_ps(x, mode);
  else return _mm256_round_pd(x, mode);
}
template <class T>
V<T> bit_andnot(V<T> a, V<T> b) {
  return reals<T>(_mm256_andnot_si256(ints(a), ints(b)));
}
template <class T>
V<T> bits_add(V<T> a, V<T> b) {
  if constexpr (single<T>) return reals<T>(_mm256_add_epi32(ints(a), ints(b)));
  else return reals<T>(_mm256_add_epi64(ints(a), ints(b)));
}
template <class T>
V<T> bits_sub(V<T> a, V<T> b) {
  if constexpr (single<T>) return reals<T>(_mm256_sub_epi32(ints(a), ints(b)));
  else return reals<T>(_mm256_sub_epi64(ints(a), ints(b)));
}
template <int N, class T>
V<T> bits_left(V<T> a) {
  if constexpr (single<T>) return reals<T>(_mm256_slli_epi32(ints(a), N));
  else return reals<T>(_mm256_slli_epi64(ints(a), N));
}
template <int N, class T>
V<T> bits_right(V<T> a) {
  if constexpr (single<T>) return reals<T>(_mm256_srli_epi32(ints(a), N));
  else return reals<T>(_mm256_srli_epi64(ints(a), N));
}
template <class T>
Mask<T> sign_mask(V<T> a) {
  if constexpr (single<T>) return Mask<T>(_mm256_castsi256_ps(_mm256_srai_epi32(ints(a), 31)));
  else return Mask<T>(_mm256_castsi256_pd(_mm256_cmpgt_epi64(_mm256_setzero_si256(), ints(a))));
}

// The first `count` lanes from and to memory; what is behind them in memory is not touched.
template <class T>
__m256i first_lanes(size_t count) {
  static constexpr int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const int32_t* start = ones_then_zeros + (8 - count * sizeof(T) / 4);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(start));
}
template <Real T>
V<T> load(const T* p) {
  return V<T>::Batch::load_unaligned(p);
}
template <Real T>
void store(V<T> x, T* p) {
  x.v.store_unaligned(p);
}
template <Real T>
V<T> load_part(const T* p, size_t count) {
  if constexpr (single<T>) return _mm256_maskload_ps(p, first_lanes<T>(count));
  else return _mm256_maskload_pd(p, first_lanes<T>(count));
}
template <Real T>
void store_part(V<T> x, T* p, size_t count) {
  if constexpr (single<T>) _mm256_maskstore_ps(p, first_lanes<T>(count), x);
  else _mm256_maskstore_pd(p, first_lanes<T>(count), x);
}

// The lanes of mask, one by one, through the scalar f.
template <class T>
[[gnu::noinline, gnu::cold]] V<T> redo_lanes(Mask<T> mask, T (*f)(T), V<T> x, V<T> y) {
  constexpr size_t lanes = V<T>::Batch::size;
  bool redone[lanes];
  T xs[lanes], ys[lanes];
  mask.store_unaligned(redone);
  x.v.store_unaligned(xs);
  y.v.store_unaligned(ys);
  for (size_t i = 0; i < lanes; ++i)
    if (redone[i]) ys[i] = f(xs[i]);
  return V<T>::Batch::load_unaligned(ys);
}
template <class T>
V<T> redo(Mask<T> mask, T (*f)(T), V<T> x, V<T> y) {
  if (__builtin_expect(!xsimd::any(mask), 1)) return y;
  return redo_lanes(mask, f, x, y);
}

}  // namespace jv::kernels::JV_ISA
