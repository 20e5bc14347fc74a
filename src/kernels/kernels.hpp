// What the rest of the library sees of the kernels: loops over buffers, one call an operation.
//
// A kernel knows dtypes and raw pointers, no shapes of the program and no jaxpr. Conventions:
//   - Buffers are dense and row-major unless strides are given, aligned to their element only, and
//   never padded.
//   - Nothing here checks its arguments: the abstract evaluation of a primitive has done that.
//   - Booleans are bytes that hold 0 or 1. f16 and bf16 compute in f32 and round once, at the end.
//   - Corner cases are StableHLO's. Every elementwise result is a function of its operands'
//   elements alone: it does
//     not depend on position, length or alignment, nor on the instruction set.
//   - Zero elements, rows, batches are fine everywhere, null pointers included.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.hpp"

namespace jv::kernels {

// "avx2" or "portable": chosen once a process by what the machine has; the environment variable
// JAXVJP_ISA with one of these two names forces it (avx2 is ignored where the machine lacks AVX2
// and FMA).
const char* instruction_set();

// --- one operation on each element -------------------------------------------------------------

enum class UnaryOp : uint8_t {
  // integers and floats
  neg,     // wraps
  abs,     // abs of the least integer is itself; unsigned integers are left as they are
  sign,    // -1, 0, 1; zeros keep their sign, NaN stays NaN
  square,  // x * x
  // floats
  floor,
  exp,
  expm1,
  log,
  log1p,
  sin,
  cos,
  tanh,
  logistic,
  sqrt,
  erf_inv,    // infinite at -1 and 1, NaN beyond them
  is_finite,  // result: bool
  // booleans and integers
  bitwise_not,  // of a boolean: logical not
};
inline constexpr size_t n_unary_ops = size_t(UnaryOp::bitwise_not) + 1;

enum class BinaryOp : uint8_t {
  // integers and floats
  add,
  sub,
  mul,  // integers wrap
  div,  // integers truncate; x / 0 has all bits set, least / -1 is least
  pow,  // floats as C99's pow; integers wrap, negative exponents give 0 unless the base is 1 or -1
  // booleans, integers and floats
  max,  // max, min: NaN if either operand is; -0 < +0; of booleans or, and
  min,
  // booleans and integers
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  // integers
  shift_left,  // shifts: by y read as unsigned; 0 from the width on
  shift_right_logical,
  // booleans, integers and floats; result: bool; false if either operand is NaN, but ne: true
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
};
inline constexpr size_t n_binary_ops = size_t(BinaryOp::ge) + 1;

// x and out (x, y and out) hold n elements. out may be exactly x or y, but must not overlap them
// otherwise; where the result is bool and the operand is not, out must not alias at all.
using Unary = void (*)(const void* x, void* out, size_t n);
using Binary = void (*)(const void* x, const void* y, void* out, size_t n);

// The kernel of an operation for operands of a dtype; nullptr where the operation has no meaning
// for that dtype. A table lookup: cheap enough for eager scalars.
Unary unary(UnaryOp, DType);
Binary binary(BinaryOp, DType);

// out[i] = x[i] to a fixed power by repeated multiplication: the bits of the exponent from the
// lowest, as JAX does it. Floats: a negative exponent is the reciprocal of the positive power.
// Integers: as BinaryOp::pow. out may be x.
void integer_pow(DType, const void* x, void* out, size_t n, int64_t exponent);

// Converts n elements. One rounding, to nearest even, whatever the pair (f64 to f16 too); float to
// integer truncates, saturates and takes NaN to 0; integer to narrower integer wraps; to bool is !=
// 0. Not for float0.
void convert(DType from, DType to, const void* x, void* out, size_t n);

// out[i] = which[i] ? on_true[i] : on_false[i]; out may be one of the operands. (select_n: case 0
// is on_false.)
void select(size_t itemsize, const bool* which, const void* on_false, const void* on_true,
            void* out, size_t n);

// out[i] = cases[which[i]][i]; which is clamped to [0, cases.size() - 1]; at least one case. out
// may be one of them.
void select(size_t itemsize, const int32_t* which, std::span<const void* const> cases, void* out,
            size_t n);

// --- filling and moving ------------------------------------------------------------------------

// out[i] = *element, which is itemsize bytes and not part of out.
void fill(size_t itemsize, const void* element, void* out, size_t n);

// The index along one dimension of every element of a dense array: out[..., i, ...] = i, in any
// dtype but bool and float0 (integers wrap, floats round).
void iota(DType, std::span<const int64_t> shape, size_t dimension, void* out);

// Copies an array of `shape` from one strided place to another: dst[i·dst_strides] =
// src[i·src_strides]. Strides count elements; src strides may be 0 (a broadcast) or negative (the
// pointer is that of index 0 in every axis), dst strides may be negative and must reach every
// element once. src and dst do not overlap. itemsize: 1, 2, 4 or 8. broadcast_in_dim, transpose,
// slice, pad and concatenate are this call.
void copy_strided(size_t itemsize, std::span<const int64_t> shape, const void* src,
                  std::span<const int64_t> src_strides, void* dst,
                  std::span<const int64_t> dst_strides);

// --- reductions --------------------------------------------------------------------------------

enum class ReduceOp : uint8_t { sum, max, min };

// out[r] = op over x[r, 0..n), x of [rows, n]. Not in place.
//   sum  integers wrap; floats add along one tree, a function of n alone (reduce.hpp states it);
//   f16 and bf16 add in
//        f32 and round at the end; +0 for n = 0. Not for bool.
//   max, min  NaN if any element is; -0 < +0; of booleans or, and. For n = 0 the neutral element:
//   -inf and +inf,
//        or the least and greatest integer.
void reduce(ReduceOp, DType, const void* x, void* out, size_t rows, size_t n);

// --- linear algebra ----------------------------------------------------------------------------

// c[b, m, n] = sum over k of a[b, m, k] * b[b, k, n]. a is stored as [batch, m, k], or as [batch,
// k, m] if a_transposed; b as [batch, k, n], or [batch, n, k]. f32 and f64 by BLAS or, for small
// shapes, a loop; f16 and bf16 accumulate in f32 and round at the end; integers wrap; bool is or of
// ands. k = 0 gives zeros. c does not alias a or b.
void matmul(DType, size_t batch, size_t m, size_t k, size_t n, const void* a, bool a_transposed,
            const void* b, bool b_transposed, void* c);

// The LU factorisation with partial pivoting of `batch` matrices [m, n], in place: a = P L U, L
// (unit lower) and U packed. pivots [batch, min(m, n)]: row i was swapped with row pivots[i],
// 0-based, in that order; permutation [batch, m]: row i of P^T a is row permutation[i] of a. A
// singular matrix has a zero on U's diagonal. f32, f64.
void lu(DType, size_t batch, size_t m, size_t n, void* a, int32_t* pivots, int32_t* permutation);

// Solves op(a) x = b (left_side, a of [m, m]) or x op(a) = b (a of [n, n]) for a triangular a, in
// place of b [m, n], `batch` times; op is the transpose if transpose_a. Only the triangle that
// `lower` names is read, and not its diagonal if unit_diagonal. `lower` speaks of a as stored. A
// zero on the diagonal gives inf or NaN. f32, f64.
void triangular_solve(DType, size_t batch, bool left_side, bool lower, bool transpose_a,
                      bool unit_diagonal, size_t m, size_t n, const void* a, void* b);

// --- random bits -------------------------------------------------------------------------------

// The Threefry-2x32 block cipher with 20 rounds: (y0[i], y1[i]) is (x0[i], x1[i]) under the key. In
// place if y is x.
void threefry2x32(const uint32_t key[2], const uint32_t* x0, const uint32_t* x1, uint32_t* y0,
                  uint32_t* y1, size_t n);

// n random unsigned integers of 8, 16, 32 or 64 bits: those of jax.random.bits with
// jax_threefry_partitionable=True.
void random_bits(int bit_width, const uint32_t key[2], size_t n, void* out);

}  // namespace jv::kernels
