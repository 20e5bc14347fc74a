// Loops that apply a function to every element. Floats go through the build's batch type, the last
// few through the same code in a partial batch; f16 and bf16 in tiles of float; other types one by
// one, and the compiler makes SIMD code of it.
#pragma once
#include "kernels/half.hpp"
#include "kernels/math.hpp"
#ifdef JV_ISA_AVX2
#include "kernels/batch.hpp"
#endif

namespace jv::kernels::JV_ISA {

#ifdef JV_ISA_AVX2
template <class T>
using Native = V<T>;
template <class T>
inline constexpr size_t lanes = V<T>::Batch::size;
#else
template <class T>
using Native = T;
template <class T>
inline constexpr size_t lanes = 1;
inline float load(const float* p) { return *p; }
inline double load(const double* p) { return *p; }
template <Real T>
void store(T x, T* p) {
  *p = x;
}
template <Real T>
T load_part(const T* p, size_t) {
  return *p;
}
template <Real T>
void store_part(T x, T* p, size_t) {
  *p = x;
}
#endif

// out[i] = f(x[i]...), f over batches. out may be one of x. Flattened: left alone, compilers call
// the pieces of f and pass batches through memory.
template <class F, Real T, std::same_as<T>... X>
[[gnu::flatten, gnu::noinline]] void map(F f, size_t n, T* out, const X*... x) {
  constexpr size_t step = lanes<T>;
  size_t i = 0;
  for (; i + step <= n; i += step) store(f(load(x + i)...), out + i);
  if (i < n) store_part(f(load_part(x + i, n - i)...), out + i, n - i);
}

inline constexpr size_t tile = 64;  // of float, on the stack

template <HalfWide H>
struct Tile {
  float at[tile] = {};
  Tile(const H* x, size_t n) { widen(x, at, n); }
};
template <class F, HalfWide H, std::same_as<H>... X>
void map(F f, size_t n, H* out, const X*... x) {
  for (size_t i = 0; i < n; i += tile) {
    size_t count = n - i < tile ? n - i : tile;
    float y[tile];
    [&](const auto&... wide) { map(f, count, y, wide.at...); }(Tile<H>(x + i, count)...);
    narrow(y, out + i, count);
  }
}

// out[i] = f(x[i]...), f over single elements; f16 and bf16 as float.
template <class T>
T element(T x) {
  return x;
}
template <HalfWide H>
float element(H x) {
  return widen(x);
}
template <class F, class Out, class... X>
void map_elements(F f, size_t n, Out* out, const X*... x) {
  for (size_t i = 0; i < n; ++i) out[i] = f(element(x[i])...);
}

}  // namespace jv::kernels::JV_ISA
