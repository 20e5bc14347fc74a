// Reductions of contiguous rows along one tree.
//
// The tree is a function of the row's length n alone. A row is cut into blocks of 4096 elements. A
// block has an accumulator of 256 bytes (64 floats, 32 doubles) that starts at the neutral element
// (+0 for a sum); the block is taken as many elements at a time, in order, its end padded with the
// neutral element, and added lane by lane. Then the lanes fold by halves: lane i takes lane i + 32,
// i + 16, ... Then the blocks fold pairwise: neighbours, then pairs of neighbours, and so on; one
// that has no partner goes up unchanged.
#pragma once
#include "kernels/integers.hpp"
#include "kernels/map.hpp"

namespace jv::kernels::JV_ISA {

// The operations: over accumulators and, for floats, batches of them.
struct Sum2 {
  template <Integer T>
  T operator()(T x, T y) const {
    return add(x, y);
  }
  template <class B>
  B operator()(B x, B y) const {
    return x + y;
  }
  template <class A>
  static constexpr A neutral() {
    return A(0);
  }
};
struct Max2 {
  template <class B>
  B operator()(B x, B y) const {
    return maximum(x, y);
  }
  template <class A>
  static constexpr A neutral() {
    if constexpr (Real<A>) return A(-infinity);
    else return std::numeric_limits<A>::min();
  }
};
struct Min2 {
  template <class B>
  B operator()(B x, B y) const {
    return minimum(x, y);
  }
  template <class A>
  static constexpr A neutral() {
    if constexpr (Real<A>) return A(infinity);
    else return std::numeric_limits<A>::max();
  }
};

template <class T>
struct Accumulator {
  using type = T;
};
template <HalfWide H>
struct Accumulator<H> {
  using type = float;
};

inline constexpr size_t block_length = 4096;

// Rows of elements T reduced by Op in accumulators A.
template <class Op, class T, class A = typename Accumulator<T>::type>
class Reducer {
 public:
  static T row(const T* x, size_t n) {
    if (n <= n_lanes) return result(short_row(x, n));
    A pending[64];  // results of 2^k blocks, k falling
    size_t n_pending = 0;
    for (size_t i = 0; i * block_length < n; ++i) {
      size_t rest = n - i * block_length;
      A value = block(x + i * block_length, rest < block_length ? rest : block_length);
      for (size_t pairs = i; pairs & 1; pairs >>= 1) value = op(pending[--n_pending], value);
      pending[n_pending++] = value;
    }
    A value = pending[--n_pending];
    while (n_pending > 0) value = op(pending[--n_pending], value);
    return result(value);
  }

 private:
  static constexpr size_t n_lanes = 256 / sizeof(A);
  static constexpr Op op = {};

  static T result(A value) {
    if constexpr (HalfWide<T>) {
      T narrowed;
      narrow(value, narrowed);
      return narrowed;
    } else {
      return value;
    }
  }

  static A block(const T* x, size_t n) {
    A lanes[n_lanes], padded[n_lanes];
    for (A& lane : lanes) lane = Op::template neutral<A>();
    size_t i = 0;
    for (; i + n_lanes <= n; i += n_lanes) take(x + i, lanes);
    if (i < n) {
      for (size_t k = 0; k < n_lanes; ++k)
        padded[k] = i + k < n ? element(x[i + k]) : Op::template neutral<A>();
      take(padded, lanes);
    }
    return fold(lanes, n_lanes);
  }

  // The lanes beyond the row stay neutral, so folding starts at the first power of two that holds
  // it.
  static A short_row(const T* x, size_t n) {
    A lanes[n_lanes];
    size_t width = 1;
    while (width < n) width *= 2;
    for (size_t k = 0; k < width; ++k) {
      A start = Op::template neutral<A>();
      lanes[k] = k < n ? op(start, A(element(x[k]))) : start;
    }
    return fold(lanes, width);
  }

  template <class E>
  static void take(const E* x, A* into) {
    if constexpr (Real<E>) {
      for (size_t k = 0; k < n_lanes; k += lanes<E>)
        store(op(load(into + k), load(x + k)), into + k);
    } else {
      for (size_t k = 0; k < n_lanes; ++k) into[k] = op(into[k], A(element(x[k])));
    }
  }

  static A fold(A* lanes, size_t width) {
    while (width > 1) {
      width /= 2;
      for (size_t k = 0; k < width; ++k) lanes[k] = op(lanes[k], lanes[k + width]);
    }
    return lanes[0];
  }
};

}  // namespace jv::kernels::JV_ISA
