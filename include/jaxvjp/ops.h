/* jaxvjp/ops.h - the operations: one function a primitive or NumPy-like helper. jaxvjp.h includes it; its conventions hold.
 *
 * Each returns a new value in the context's innermost scope, or NULL when the context has failed or fails now: DTYPE where
 * the types of elements do not fit (arrays never promote: jaxvjp_convert), SHAPE where shapes do not, INVALID_ARGUMENT for a
 * NULL operand, an axis that is not there or a parameter that makes no sense, TREE for a container. Operands are arrays of
 * any trace; a jaxvjp_number takes the type of the array operands. Shapes are strict except where broadcasting is said: then
 * NumPy's rules hold. A list of axes may be NULL where that is said.
 *
 * Written by tools/gen_ops.py from the primitives' blocks and the composites' declarations; do not edit.
 */
#ifndef JAXVJP_OPS_H
#define JAXVJP_OPS_H

#include "jaxvjp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------- Functions of one number, each element */

/* Absolute value of each element. Its derivative at 0 is 0. */
JAXVJP_API(jaxvjp_value *) jaxvjp_abs(jaxvjp_context *cx, jaxvjp_value *x);
/* Cosine of each element, in radians. */
JAXVJP_API(jaxvjp_value *) jaxvjp_cos(jaxvjp_context *cx, jaxvjp_value *x);
/* Inverse of the error function, each element; infinite at -1 and 1, NaN beyond them. */
JAXVJP_API(jaxvjp_value *) jaxvjp_erf_inv(jaxvjp_context *cx, jaxvjp_value *x);
/* Exponential of each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_exp(jaxvjp_context *cx, jaxvjp_value *x);
/* exp(x) - 1 of each element, accurate near 0. */
JAXVJP_API(jaxvjp_value *) jaxvjp_expm1(jaxvjp_context *cx, jaxvjp_value *x);
/* The largest integer that is not greater, for each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_floor(jaxvjp_context *cx, jaxvjp_value *x);
/* Each element to the power of a fixed integer, by repeated multiplication. */
JAXVJP_API(jaxvjp_value *) jaxvjp_integer_pow(jaxvjp_context *cx, jaxvjp_value *x, int64_t y);
/* Whether each element is neither infinite nor NaN: booleans. */
JAXVJP_API(jaxvjp_value *) jaxvjp_is_finite(jaxvjp_context *cx, jaxvjp_value *x);
/* Natural logarithm of each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_log(jaxvjp_context *cx, jaxvjp_value *x);
/* log(1 + x) of each element, accurate near 0. */
JAXVJP_API(jaxvjp_value *) jaxvjp_log1p(jaxvjp_context *cx, jaxvjp_value *x);
/* 1 / (1 + exp(-x)) of each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_logistic(jaxvjp_context *cx, jaxvjp_value *x);
/* Negation of each element. Integers wrap. */
JAXVJP_API(jaxvjp_value *) jaxvjp_neg(jaxvjp_context *cx, jaxvjp_value *x);
/* -1, 0 or 1: the sign of each element. Zeros keep their sign, NaN stays NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_sign(jaxvjp_context *cx, jaxvjp_value *x);
/* Sine of each element, in radians. */
JAXVJP_API(jaxvjp_value *) jaxvjp_sin(jaxvjp_context *cx, jaxvjp_value *x);
/* Square root of each element; NaN for negative ones. */
JAXVJP_API(jaxvjp_value *) jaxvjp_sqrt(jaxvjp_context *cx, jaxvjp_value *x);
/* x * x of each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_square(jaxvjp_context *cx, jaxvjp_value *x);
/* x itself, whose derivative is taken as zero. */
JAXVJP_API(jaxvjp_value *) jaxvjp_stop_gradient(jaxvjp_context *cx, jaxvjp_value *x);
/* Hyperbolic tangent of each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_tanh(jaxvjp_context *cx, jaxvjp_value *x);

/* ------------------------------------------------------ Functions of two numbers, each pair of elements; shapes broadcast */

/* x + y, each element. Integers wrap. */
JAXVJP_API(jaxvjp_value *) jaxvjp_add(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x / y, each element. Integers truncate; x / 0 has all bits set. */
JAXVJP_API(jaxvjp_value *) jaxvjp_div(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* The larger of x and y, each element; NaN if either is. A tie has half the derivative of each. */
JAXVJP_API(jaxvjp_value *) jaxvjp_maximum(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* The smaller of x and y, each element; NaN if either is. A tie has half the derivative of each. */
JAXVJP_API(jaxvjp_value *) jaxvjp_minimum(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x * y, each element. Integers wrap. */
JAXVJP_API(jaxvjp_value *) jaxvjp_mul(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x to the power of y, each element. Integers wrap, and negative exponents give 0 unless the base is 1 or -1. */
JAXVJP_API(jaxvjp_value *) jaxvjp_pow(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x - y, each element. Integers wrap. */
JAXVJP_API(jaxvjp_value *) jaxvjp_sub(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);

/* ------------------------------------------------------ Comparisons: booleans, which have no derivative; shapes broadcast */

/* x == y, each element; false where either is NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_eq(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x >= y, each element; false where either is NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_ge(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x > y, each element; false where either is NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_gt(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x <= y, each element; false where either is NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_le(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x < y, each element; false where either is NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_lt(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x != y, each element; true where either is NaN. */
JAXVJP_API(jaxvjp_value *) jaxvjp_ne(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);

/* ----------------------------------------------------------------------- Bits of integers, and booleans; shapes broadcast */

/* Bits that are set in both, each element; of booleans, the logical and. */
JAXVJP_API(jaxvjp_value *) jaxvjp_bitwise_and(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* Each bit of each element inverted; of booleans, the logical not. */
JAXVJP_API(jaxvjp_value *) jaxvjp_bitwise_not(jaxvjp_context *cx, jaxvjp_value *x);
/* Bits that are set in either, each element; of booleans, the logical or. */
JAXVJP_API(jaxvjp_value *) jaxvjp_bitwise_or(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x * 2^y, each element: its bits shifted by y, which is read as unsigned; 0 from the width on. */
JAXVJP_API(jaxvjp_value *) jaxvjp_shift_left(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* x's bits shifted down by y, which is read as unsigned, zeros coming in; 0 from the width on. */
JAXVJP_API(jaxvjp_value *) jaxvjp_shift_right_logical(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* Bits that are set in one of both, each element; of booleans, the exclusive or. */
JAXVJP_API(jaxvjp_value *) jaxvjp_bitwise_xor(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);

/* ------------------------------------------------------------------------------------------------------ Types of elements */

/* The same bits as numbers of another type. To a smaller type it adds a last axis of the parts, lowest first; to a larger one
 * it takes one away. */
JAXVJP_API(jaxvjp_value *) jaxvjp_bitcast_convert_type(jaxvjp_context *cx, jaxvjp_value *operand, int32_t new_dtype);
/* Each element as a number of another type, rounded once to nearest even. Floats to integers truncate and saturate, NaN gives
 * 0; to bool: whether it is not 0. */
JAXVJP_API(jaxvjp_value *) jaxvjp_convert_element_type(jaxvjp_context *cx, jaxvjp_value *operand, int32_t new_dtype);

/* ----------------------------------------------------------------------------------------------------------------- Choice */

/* Element i of case which[i]. `which` is of the cases' shape or a scalar; a boolean chooses case 0 or 1, an i32 out of range
 * the nearest. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_select_n(jaxvjp_context *cx, jaxvjp_value *which, jaxvjp_value *const *cases, size_t n_cases);

/* ------------------------------------------------------------------------------------------------------ NumPy's functions */

/* An array of zeros. */
JAXVJP_API(jaxvjp_value *) jaxvjp_zeros(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim);
/* An array of ones. */
JAXVJP_API(jaxvjp_value *) jaxvjp_ones(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim);
/* An array of one number. DTYPE if the type cannot hold it: a fraction or out of range for integers, an overflow for
 * floats. */
JAXVJP_API(jaxvjp_value *) jaxvjp_full(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim, double number);
/* 0, 1 ... stop - 1. */
JAXVJP_API(jaxvjp_value *) jaxvjp_arange(jaxvjp_context *cx, int32_t dtype, int64_t stop);
/* The identity matrix of n rows. */
JAXVJP_API(jaxvjp_value *) jaxvjp_eye(jaxvjp_context *cx, int32_t dtype, int64_t n);
/* x where the condition holds (is true, or not zero), y elsewhere. */
JAXVJP_API(jaxvjp_value *) jaxvjp_where(jaxvjp_context *cx, jaxvjp_value *condition, jaxvjp_value *x, jaxvjp_value *y);
/* x no smaller than low and no larger than high, each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_clip(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *low, jaxvjp_value *high);
/* Whether both are true (not zero), each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_logical_and(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* Whether one of both is true (not zero), each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_logical_or(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* Whether it is false (zero), each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_logical_not(jaxvjp_context *cx, jaxvjp_value *x);
/* The elements as another type. Floats to integers truncate and saturate, NaN gives 0; to JAXVJP_BOOL: whether it is not 0.
 * Between floats it has a derivative. */
JAXVJP_API(jaxvjp_value *) jaxvjp_convert(jaxvjp_context *cx, jaxvjp_value *x, int32_t dtype);
/* Sum over axes; NULL: all. Booleans are counted, as i64. */
JAXVJP_API(jaxvjp_value *) jaxvjp_sum(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* Mean over axes; NULL: all. Floats only. */
JAXVJP_API(jaxvjp_value *) jaxvjp_mean(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* Variance over axes; NULL: all. The mean of the squared distances from the mean. Floats only. */
JAXVJP_API(jaxvjp_value *) jaxvjp_var(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* Largest element over axes; NULL: all. NaN if any is; SHAPE where there are no elements. Elements that tie share the
 * derivative. */
JAXVJP_API(jaxvjp_value *) jaxvjp_max(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* Smallest element over axes; NULL: all. NaN if any is; SHAPE where there are no elements. Elements that tie share the
 * derivative. */
JAXVJP_API(jaxvjp_value *) jaxvjp_min(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* The same elements under another shape; one size may be -1: what remains. */
JAXVJP_API(jaxvjp_value *) jaxvjp_reshape(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *shape, size_t ndim);
/* x repeated to a shape, NumPy's way: axes are compared from the last on, and those of size 1 and those that are missing are
 * repeated. */
JAXVJP_API(jaxvjp_value *) jaxvjp_broadcast_to(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *shape, size_t ndim);
/* x with its axes in another order; NULL: reversed. */
JAXVJP_API(jaxvjp_value *) jaxvjp_transpose(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* x with its last two axes exchanged. */
JAXVJP_API(jaxvjp_value *) jaxvjp_matrix_transpose(jaxvjp_context *cx, jaxvjp_value *x);
/* x without these axes of size 1; NULL: without all of them. */
JAXVJP_API(jaxvjp_value *) jaxvjp_squeeze(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* x with new axes of size 1, at these places of the result. */
JAXVJP_API(jaxvjp_value *) jaxvjp_expand_dims(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* Arrays one after the other along an axis that they have. */
JAXVJP_API(jaxvjp_value *) jaxvjp_concatenate(jaxvjp_context *cx, jaxvjp_value *const *arrays, size_t n_arrays, int64_t axis);
/* Arrays of one shape along a new axis. */
JAXVJP_API(jaxvjp_value *) jaxvjp_stack(jaxvjp_context *cx, jaxvjp_value *const *arrays, size_t n_arrays, int64_t axis);
/* The product of two matrices; axes before the last two are batch axes and broadcast. A vector is a row on the left and a
 * column on the right, and loses that axis again. */
JAXVJP_API(jaxvjp_value *) jaxvjp_matmul(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);
/* Sums of products over x's last axis and y's last but one (its only one, of a vector); with a scalar, the product. */
JAXVJP_API(jaxvjp_value *) jaxvjp_dot(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);

/* ------------------------------------------------------------------------------------------- Functions of neural networks */

/* x where it is positive, 0 elsewhere. Its derivative at 0 is 0. */
JAXVJP_API(jaxvjp_value *) jaxvjp_relu(jaxvjp_context *cx, jaxvjp_value *x);
/* 1 / (1 + exp(-x)) of each element. */
JAXVJP_API(jaxvjp_value *) jaxvjp_sigmoid(jaxvjp_context *cx, jaxvjp_value *x);
/* log(1 + exp(x)) of each element, without overflow; right in every derivative. */
JAXVJP_API(jaxvjp_value *) jaxvjp_softplus(jaxvjp_context *cx, jaxvjp_value *x);
/* log(sum(exp(x))) over axes; NULL: all. Without overflow; -inf where all elements are. */
JAXVJP_API(jaxvjp_value *) jaxvjp_logsumexp(jaxvjp_context *cx, jaxvjp_value *x, const int64_t *axes, size_t n_axes);
/* exp(x) / sum(exp(x)) along an axis, without overflow. */
JAXVJP_API(jaxvjp_value *) jaxvjp_softmax(jaxvjp_context *cx, jaxvjp_value *x, int64_t axis);
/* log(softmax(x)) along an axis, without overflow. */
JAXVJP_API(jaxvjp_value *) jaxvjp_log_softmax(jaxvjp_context *cx, jaxvjp_value *x, int64_t axis);

/* ------------------------------------------------- Random numbers: functions of keys u32[2], with the bits that JAX gives */

/* Unsigned integers of 8, 16, 32 or 64 random bits under a key u32[2], those that JAX gives. Of several keys [..., 2], an
 * array of that shape for each. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_random_bits(jaxvjp_context *cx, jaxvjp_value *key, int64_t bit_width, const int64_t *shape, size_t ndim);
/* The Threefry-2x32 block cipher with 20 rounds: the words (x1, x2) under the key (k1, k2), each element; all are u32.
 * Returns a tuple. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_threefry2x32(jaxvjp_context *cx, jaxvjp_value *k1, jaxvjp_value *k2, jaxvjp_value *x1, jaxvjp_value *x2);
/* The key of a seed. */
JAXVJP_API(jaxvjp_value *) jaxvjp_random_key(jaxvjp_context *cx, uint64_t seed);
/* n new keys, u32[n, 2], as good as independent of each other and of the old one. */
JAXVJP_API(jaxvjp_value *) jaxvjp_random_split(jaxvjp_context *cx, jaxvjp_value *key, int64_t n);
/* A new key for each number, an integer scalar: of a step or an item, say. */
JAXVJP_API(jaxvjp_value *) jaxvjp_random_fold_in(jaxvjp_context *cx, jaxvjp_value *key, jaxvjp_value *number);
/* Uniformly distributed numbers, 0 <= x < 1. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_random_uniform(jaxvjp_context *cx, jaxvjp_value *key, int32_t dtype, const int64_t *shape, size_t ndim);
/* Normally distributed numbers, of mean 0 and variance 1. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_random_normal(jaxvjp_context *cx, jaxvjp_value *key, int32_t dtype, const int64_t *shape, size_t ndim);

/* --------------------------------------------------------------------------------------------------------- Linear algebra */

/* LU factorisation of matrices [..., m, n] with partial pivoting: x's rows permuted are L U. Gives L (unit lower triangular,
 * its diagonal not stored) and U in one matrix; pivots, i32: row i was exchanged with row pivots[i]; and permutation, i32:
 * row i of L U is row permutation[i] of x. Returns a tuple. */
JAXVJP_API(jaxvjp_value *) jaxvjp_lu(jaxvjp_context *cx, jaxvjp_value *x);
/* x with op(a) x = b (left_side) or x op(a) = b, for triangular matrices a; op is the transpose if transpose_a. Only the
 * lower or upper triangle of a is read, and its diagonal counts as ones if unit_diagonal. A zero there gives inf or NaN. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_triangular_solve(jaxvjp_context *cx, jaxvjp_value *a, jaxvjp_value *b, int32_t left_side, int32_t lower,
                        int32_t transpose_a, int32_t conjugate_a, int32_t unit_diagonal);
/* z with x z = y, by LU factorisation with partial pivoting. x: matrices [..., n, n]; y: a vector [n] or matrices [..., n,
 * k]; leading axes broadcast. A singular x gives inf or NaN. f32, f64. */
JAXVJP_API(jaxvjp_value *) jaxvjp_solve(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_value *y);

/* ---------------------------------------------------------------------------------- Primitives that change shapes; strict */

/* The operand repeated to a shape: its axis i becomes axis broadcast_dimensions[i], where its size is that of the shape or 1.
 * The axes are ascending. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_broadcast_in_dim(jaxvjp_context *cx, jaxvjp_value *operand, const int64_t *shape, size_t ndim,
                        const int64_t *broadcast_dimensions, size_t n_broadcast_dimensions);
/* An array of indices along one axis: 0, 1, 2 ... */
JAXVJP_API(jaxvjp_value *)
jaxvjp_iota(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim, int64_t dimension);

/* -------------------------------------------------------------------------------------------------------- Parts of arrays */

/* The operand with padding_value around and between its elements: (low, high, interior) of them for each axis. Negative low
 * and high cut. The length is that of the whole list, three an axis. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_pad(jaxvjp_context *cx, jaxvjp_value *operand, jaxvjp_value *padding_value, const int64_t *padding_config,
           size_t n_padding_config);
/* Elements start, start + stride ... below limit along each axis. strides NULL: all are 1. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_slice(jaxvjp_context *cx, jaxvjp_value *operand, const int64_t *start_indices, size_t n_start_indices,
             const int64_t *limit_indices, size_t n_limit_indices, const int64_t *strides, size_t n_strides);

/* ---------------------------------------------------------------------------------------------- Reductions, as primitives */

/* Largest element over the given axes; NaN if any is. Elements that tie share the derivative. Of no elements: -inf, or the
 * least integer. axes NULL: all. */
JAXVJP_API(jaxvjp_value *) jaxvjp_reduce_max(jaxvjp_context *cx, jaxvjp_value *operand, const int64_t *axes, size_t n_axes);
/* Smallest element over the given axes; NaN if any is. Elements that tie share the derivative. Of no elements: inf, or the
 * greatest integer. axes NULL: all. */
JAXVJP_API(jaxvjp_value *) jaxvjp_reduce_min(jaxvjp_context *cx, jaxvjp_value *operand, const int64_t *axes, size_t n_axes);
/* Sum over the given axes. Integers wrap; half precision adds in single. axes NULL: all. */
JAXVJP_API(jaxvjp_value *) jaxvjp_reduce_sum(jaxvjp_context *cx, jaxvjp_value *operand, const int64_t *axes, size_t n_axes);

/* ----------------------------------------------------------------------------------------------- Products, as a primitive */

/* Sums of products over the contracted axes, for each index of the batch axes; the axes of the result are the batch axes, the
 * free ones of lhs, the free ones of rhs. preferred_element_type 0: that of lhs. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_dot_general(jaxvjp_context *cx, jaxvjp_value *lhs, jaxvjp_value *rhs, const int64_t *lhs_contracting,
                   size_t n_lhs_contracting, const int64_t *rhs_contracting, size_t n_rhs_contracting,
                   const int64_t *lhs_batch, size_t n_lhs_batch, const int64_t *rhs_batch, size_t n_rhs_batch,
                   int32_t preferred_element_type);

#ifdef __cplusplus
}
#endif

#endif
