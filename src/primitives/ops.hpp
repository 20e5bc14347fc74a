// The primitives, and a C++ function for each.
// Written by tools/gen_ops.py from the primitives' blocks; do not edit.
#pragma once
#include "primitives/apply.hpp"

namespace jv {

extern const Primitive abs_p;
extern const Primitive add_p;
extern const Primitive and_p;
extern const Primitive bitcast_convert_type_p;
extern const Primitive broadcast_in_dim_p;
extern const Primitive checkpoint_p;
extern const Primitive concatenate_p;
extern const Primitive cond_p;
extern const Primitive convert_element_type_p;
extern const Primitive cos_p;
extern const Primitive custom_jvp_call_p;
extern const Primitive custom_lin_p;
extern const Primitive custom_lin_jaxprs_p;
extern const Primitive custom_linear_solve_p;
extern const Primitive custom_vjp_call_p;
extern const Primitive custom_vmap_call_p;
extern const Primitive debug_callback_p;
extern const Primitive debug_print_p;
extern const Primitive div_p;
extern const Primitive dot_general_p;
extern const Primitive eq_p;
extern const Primitive erf_inv_p;
extern const Primitive exp_p;
extern const Primitive expm1_p;
extern const Primitive floor_p;
extern const Primitive ge_p;
extern const Primitive gt_p;
extern const Primitive host_bwd_p;
extern const Primitive host_call_p;
extern const Primitive integer_pow_p;
extern const Primitive iota_p;
extern const Primitive is_finite_p;
extern const Primitive call_p;
extern const Primitive le_p;
extern const Primitive linear_call_p;
extern const Primitive log_p;
extern const Primitive log1p_p;
extern const Primitive logistic_p;
extern const Primitive lt_p;
extern const Primitive lu_p;
extern const Primitive max_p;
extern const Primitive min_p;
extern const Primitive mul_p;
extern const Primitive name_p;
extern const Primitive ne_p;
extern const Primitive neg_p;
extern const Primitive not_p;
extern const Primitive or_p;
extern const Primitive pad_p;
extern const Primitive pow_p;
extern const Primitive random_bits_p;
extern const Primitive reduce_max_p;
extern const Primitive reduce_min_p;
extern const Primitive reduce_sum_p;
extern const Primitive reshape_p;
extern const Primitive scan_p;
extern const Primitive select_n_p;
extern const Primitive shift_left_p;
extern const Primitive shift_right_logical_p;
extern const Primitive sign_p;
extern const Primitive sin_p;
extern const Primitive slice_p;
extern const Primitive sqrt_p;
extern const Primitive square_p;
extern const Primitive squeeze_p;
extern const Primitive stop_gradient_p;
extern const Primitive sub_p;
extern const Primitive tanh_p;
extern const Primitive threefry2x32_p;
extern const Primitive transpose_p;
extern const Primitive triangular_solve_p;
extern const Primitive while_p;
extern const Primitive xor_p;

// Absolute value of each element. Its derivative at 0 is 0.
inline Tracer abs(const Tracer& x) { return apply(abs_p, x); }

// x + y, each element. Integers wrap.
inline Tracer add(const Tracer& x, const Tracer& y) { return apply(add_p, {x, y}); }

// Bits that are set in both, each element; of booleans, the logical and.
inline Tracer bitwise_and(const Tracer& x, const Tracer& y) { return apply(and_p, {x, y}); }

// The same bits as numbers of another type. To a smaller type it adds a last axis of the parts,
// lowest first; to a larger one it takes one away.
inline Tracer bitcast_convert_type(const Tracer& operand, DType new_dtype) {
  return apply(bitcast_convert_type_p, {operand}, {new_dtype});
}

// The operand repeated to a shape: its axis i becomes axis broadcast_dimensions[i], where its size
// is that of the shape or 1. The axes are ascending.
inline Tracer broadcast_in_dim(const Tracer& operand, const Ints& shape,
                               const Ints& broadcast_dimensions) {
  return apply(broadcast_in_dim_p, {operand}, {shape, broadcast_dimensions});
}

// The operands one after the other along an axis; their other axes are equal.
inline Tracer concatenate(Operands operands, int64_t dimension) {
  return apply(concatenate_p, operands, {dimension});
}

// Each element as a number of another type, rounded once to nearest even. Floats to integers
// truncate and saturate, NaN gives 0; to bool: whether it is not 0.
inline Tracer convert_element_type(const Tracer& operand, DType new_dtype) {
  return apply(convert_element_type_p, {operand}, {new_dtype});
}

// Cosine of each element, in radians.
inline Tracer cos(const Tracer& x) { return apply(cos_p, x); }

// x / y, each element. Integers truncate; x / 0 has all bits set.
inline Tracer div(const Tracer& x, const Tracer& y) { return apply(div_p, {x, y}); }

// Sums of products over the contracted axes, for each index of the batch axes; the axes of the
// result are the batch axes, the free ones of lhs, the free ones of rhs.
inline Tracer dot_general(const Tracer& lhs, const Tracer& rhs, const Dims& dimension_numbers,
                          DType preferred_element_type) {
  return apply(dot_general_p, {lhs, rhs},
               {dimension_numbers, std::monostate(), preferred_element_type});
}

// x == y, each element; false where either is NaN.
inline Tracer eq(const Tracer& x, const Tracer& y) { return apply(eq_p, {x, y}); }

// Inverse of the error function, each element; infinite at -1 and 1, NaN beyond them.
inline Tracer erf_inv(const Tracer& x) { return apply(erf_inv_p, x); }

// Exponential of each element.
inline Tracer exp(const Tracer& x) { return apply(exp_p, x); }

// exp(x) - 1 of each element, accurate near 0.
inline Tracer expm1(const Tracer& x) { return apply(expm1_p, x); }

// The largest integer that is not greater, for each element.
inline Tracer floor(const Tracer& x) { return apply(floor_p, x); }

// x >= y, each element; false where either is NaN.
inline Tracer ge(const Tracer& x, const Tracer& y) { return apply(ge_p, {x, y}); }

// x > y, each element; false where either is NaN.
inline Tracer gt(const Tracer& x, const Tracer& y) { return apply(gt_p, {x, y}); }

// Each element to the power of a fixed integer, by repeated multiplication.
inline Tracer integer_pow(const Tracer& x, int64_t y) { return apply(integer_pow_p, {x}, {y}); }

// An array of indices along one axis: 0, 1, 2 ...
inline Tracer iota(Trace& at, DType dtype, const Ints& shape, int64_t dimension) {
  return apply_at(at, iota_p, {dtype, shape, dimension});
}

// Whether each element is neither infinite nor NaN: booleans.
inline Tracer is_finite(const Tracer& x) { return apply(is_finite_p, x); }

// x <= y, each element; false where either is NaN.
inline Tracer le(const Tracer& x, const Tracer& y) { return apply(le_p, {x, y}); }

// Natural logarithm of each element.
inline Tracer log(const Tracer& x) { return apply(log_p, x); }

// log(1 + x) of each element, accurate near 0.
inline Tracer log1p(const Tracer& x) { return apply(log1p_p, x); }

// 1 / (1 + exp(-x)) of each element.
inline Tracer logistic(const Tracer& x) { return apply(logistic_p, x); }

// x < y, each element; false where either is NaN.
inline Tracer lt(const Tracer& x, const Tracer& y) { return apply(lt_p, {x, y}); }

// LU factorisation of matrices [..., m, n] with partial pivoting: x's rows permuted are L U. Gives
// L (unit lower triangular, its diagonal not stored) and U in one matrix; pivots, i32: row i was
// exchanged with row pivots[i]; and permutation, i32: row i of L U is row permutation[i] of x.
inline Tracers lu(const Tracer& x) { return apply_all(lu_p, {x}, {}); }

// The larger of x and y, each element; NaN if either is. A tie has half the derivative of each.
inline Tracer maximum(const Tracer& x, const Tracer& y) { return apply(max_p, {x, y}); }

// The smaller of x and y, each element; NaN if either is. A tie has half the derivative of each.
inline Tracer minimum(const Tracer& x, const Tracer& y) { return apply(min_p, {x, y}); }

// x * y, each element. Integers wrap.
inline Tracer mul(const Tracer& x, const Tracer& y) { return apply(mul_p, {x, y}); }

// x != y, each element; true where either is NaN.
inline Tracer ne(const Tracer& x, const Tracer& y) { return apply(ne_p, {x, y}); }

// Negation of each element. Integers wrap.
inline Tracer neg(const Tracer& x) { return apply(neg_p, x); }

// Each bit of each element inverted; of booleans, the logical not.
inline Tracer bitwise_not(const Tracer& x) { return apply(not_p, x); }

// Bits that are set in either, each element; of booleans, the logical or.
inline Tracer bitwise_or(const Tracer& x, const Tracer& y) { return apply(or_p, {x, y}); }

// The operand with padding_value around and between its elements: (low, high, interior) of them for
// each axis. Negative low and high cut.
inline Tracer pad(const Tracer& operand, const Tracer& padding_value, const Dims& padding_config) {
  return apply(pad_p, {operand, padding_value}, {padding_config});
}

// x to the power of y, each element. Integers wrap, and negative exponents give 0 unless the base
// is 1 or -1.
inline Tracer pow(const Tracer& x, const Tracer& y) { return apply(pow_p, {x, y}); }

// Unsigned integers of 8, 16, 32 or 64 random bits under a key u32[2], those that JAX gives. Of
// several keys [..., 2], an array of that shape for each.
inline Tracer random_bits(const Tracer& key, int64_t bit_width, const Ints& shape) {
  return apply(random_bits_p, {key}, {bit_width, shape});
}

// Largest element over the given axes; NaN if any is. Elements that tie share the derivative. Of no
// elements: -inf, or the least integer.
inline Tracer reduce_max(const Tracer& operand, const Ints& axes) {
  return apply(reduce_max_p, {operand}, {axes});
}

// Smallest element over the given axes; NaN if any is. Elements that tie share the derivative. Of
// no elements: inf, or the greatest integer.
inline Tracer reduce_min(const Tracer& operand, const Ints& axes) {
  return apply(reduce_min_p, {operand}, {axes});
}

// Sum over the given axes. Integers wrap; half precision adds in single.
inline Tracer reduce_sum(const Tracer& operand, const Ints& axes) {
  return apply(reduce_sum_p, {operand}, {axes});
}

// The same elements, in row-major order, under another shape of the same size.
inline Tracer reshape(const Tracer& operand, const Ints& new_sizes) {
  return apply(reshape_p, {operand}, {new_sizes});
}

// Element i of case which[i]. `which` is of the cases' shape or a scalar; a boolean chooses case 0
// or 1, an i32 out of range the nearest.
inline Tracer select_n(const Tracer& which, Operands cases) {
  return apply(select_n_p, operands(which, cases), {});
}

// x * 2^y, each element: its bits shifted by y, which is read as unsigned; 0 from the width on.
inline Tracer shift_left(const Tracer& x, const Tracer& y) { return apply(shift_left_p, {x, y}); }

// x's bits shifted down by y, which is read as unsigned, zeros coming in; 0 from the width on.
inline Tracer shift_right_logical(const Tracer& x, const Tracer& y) {
  return apply(shift_right_logical_p, {x, y});
}

// -1, 0 or 1: the sign of each element. Zeros keep their sign, NaN stays NaN.
inline Tracer sign(const Tracer& x) { return apply(sign_p, x); }

// Sine of each element, in radians.
inline Tracer sin(const Tracer& x) { return apply(sin_p, x); }

// Elements start, start + stride ... below limit along each axis.
inline Tracer slice(const Tracer& operand, const Ints& start_indices, const Ints& limit_indices,
                    const Ints& strides) {
  return apply(slice_p, {operand}, {start_indices, limit_indices, strides});
}

// Square root of each element; NaN for negative ones.
inline Tracer sqrt(const Tracer& x) { return apply(sqrt_p, x); }

// x * x of each element.
inline Tracer square(const Tracer& x) { return apply(square_p, x); }

// The array without these axes, which are of size 1.
inline Tracer squeeze(const Tracer& array, const Ints& dimensions) {
  return apply(squeeze_p, {array}, {dimensions});
}

// x itself, whose derivative is taken as zero.
inline Tracer stop_gradient(const Tracer& x) { return apply(stop_gradient_p, x); }

// x - y, each element. Integers wrap.
inline Tracer sub(const Tracer& x, const Tracer& y) { return apply(sub_p, {x, y}); }

// Hyperbolic tangent of each element.
inline Tracer tanh(const Tracer& x) { return apply(tanh_p, x); }

// The Threefry-2x32 block cipher with 20 rounds: the words (x1, x2) under the key (k1, k2), each
// element; all are u32.
inline Tracers threefry2x32(const Tracer& k1, const Tracer& k2, const Tracer& x1,
                            const Tracer& x2) {
  return apply_all(threefry2x32_p, {k1, k2, x1, x2}, {});
}

// The operand with its axes in another order: axis i is the operand's permutation[i].
inline Tracer transpose(const Tracer& operand, const Ints& permutation) {
  return apply(transpose_p, {operand}, {permutation});
}

// x with op(a) x = b (left_side) or x op(a) = b, for triangular matrices a; op is the transpose if
// transpose_a. Only the lower or upper triangle of a is read, and its diagonal counts as ones if
// unit_diagonal. A zero there gives inf or NaN.
inline Tracer triangular_solve(const Tracer& a, const Tracer& b, bool left_side, bool lower,
                               bool transpose_a, bool conjugate_a, bool unit_diagonal) {
  return apply(triangular_solve_p, {a, b},
               {left_side, lower, transpose_a, conjugate_a, unit_diagonal});
}

// Bits that are set in one of both, each element; of booleans, the exclusive or.
inline Tracer bitwise_xor(const Tracer& x, const Tracer& y) { return apply(xor_p, {x, y}); }

}  // namespace jv

#include "primitives/operators.hpp"
