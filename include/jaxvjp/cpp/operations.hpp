// Operations on values: operators, and what ops.h has. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_OPERATIONS_HPP
#define JAXVJP_CPP_OPERATIONS_HPP

#include <jaxvjp/cpp/value.hpp>

namespace jaxvjp {

// The functions of ops.h under their names there; what each does is said there. Axes that are left out: all.
#define JAXVJP_UNARY(name)                                                                \
  inline Value name(const Operand &x) {                                                   \
    return detail::apply([](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0]); }, {x}); \
  }
#define JAXVJP_BINARY(name)                                                                        \
  inline Value name(const Operand &x, const Operand &y) {                                          \
    return detail::apply([](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], v[1]); }, {x, y}); \
  }
#define JAXVJP_OVER_AXES(name)                                                                                     \
  inline Value name(const Operand &x, const Ints &axes) {                                                          \
    const auto call = [&](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], detail::data(axes), axes.size()); }; \
    return detail::apply(call, {x});                                                                               \
  }
#define JAXVJP_OVER_ALL_AXES(name)                                                                    \
  JAXVJP_OVER_AXES(name)                                                                              \
  inline Value name(const Operand &x) {                                                               \
    return detail::apply([](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], nullptr, 0); }, {x}); \
  }
#define JAXVJP_WITH(name, type, parameter)                                                            \
  inline Value name(const Operand &x, type parameter) {                                               \
    return detail::apply([&](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], parameter); }, {x}); \
  }
#define JAXVJP_OF_SEVERAL(name)                                                                     \
  inline Value name(const Values &arrays, std::int64_t axis = 0) {                                  \
    const auto call = [&](auto *cx, auto *v) { return jaxvjp_##name(cx, v, arrays.size(), axis); }; \
    return detail::apply(call, {arrays.begin(), arrays.end()});                                     \
  }

// clang-format off
// One operand, each element.
JAXVJP_UNARY(abs) JAXVJP_UNARY(neg) JAXVJP_UNARY(sign) JAXVJP_UNARY(floor) JAXVJP_UNARY(exp) JAXVJP_UNARY(expm1)
JAXVJP_UNARY(log) JAXVJP_UNARY(log1p) JAXVJP_UNARY(sin) JAXVJP_UNARY(cos) JAXVJP_UNARY(tanh) JAXVJP_UNARY(logistic)
JAXVJP_UNARY(sqrt) JAXVJP_UNARY(square) JAXVJP_UNARY(erf_inv) JAXVJP_UNARY(is_finite) JAXVJP_UNARY(stop_gradient)
JAXVJP_UNARY(relu) JAXVJP_UNARY(sigmoid) JAXVJP_UNARY(softplus) JAXVJP_UNARY(bitwise_not) JAXVJP_UNARY(logical_not)
JAXVJP_WITH(integer_pow, std::int64_t, y)
// Two operands, which broadcast.
JAXVJP_BINARY(add) JAXVJP_BINARY(sub) JAXVJP_BINARY(mul) JAXVJP_BINARY(div) JAXVJP_BINARY(pow) JAXVJP_BINARY(maximum)
JAXVJP_BINARY(minimum) JAXVJP_BINARY(eq) JAXVJP_BINARY(ne) JAXVJP_BINARY(lt) JAXVJP_BINARY(le) JAXVJP_BINARY(gt)
JAXVJP_BINARY(ge) JAXVJP_BINARY(bitwise_and) JAXVJP_BINARY(bitwise_or) JAXVJP_BINARY(bitwise_xor)
JAXVJP_BINARY(shift_left) JAXVJP_BINARY(shift_right_logical) JAXVJP_BINARY(logical_and) JAXVJP_BINARY(logical_or)
// Products and linear algebra. lu gives a tuple.
JAXVJP_BINARY(matmul) JAXVJP_BINARY(dot) JAXVJP_BINARY(solve) JAXVJP_UNARY(lu) JAXVJP_UNARY(matrix_transpose)
// Over axes.
JAXVJP_OVER_ALL_AXES(sum) JAXVJP_OVER_ALL_AXES(mean) JAXVJP_OVER_ALL_AXES(var) JAXVJP_OVER_ALL_AXES(max)
JAXVJP_OVER_ALL_AXES(min) JAXVJP_OVER_ALL_AXES(logsumexp) JAXVJP_WITH(softmax, std::int64_t, axis)
JAXVJP_WITH(log_softmax, std::int64_t, axis)
// Shapes: `axes` is the new shape of reshape and broadcast_to, the order of the axes for transpose.
JAXVJP_OVER_AXES(reshape) JAXVJP_OVER_AXES(broadcast_to) JAXVJP_OVER_AXES(expand_dims) JAXVJP_OVER_ALL_AXES(transpose)
JAXVJP_OVER_ALL_AXES(squeeze) JAXVJP_OF_SEVERAL(concatenate) JAXVJP_OF_SEVERAL(stack)
// Types.
JAXVJP_WITH(convert, std::int32_t, dtype) JAXVJP_WITH(bitcast_convert_type, std::int32_t, dtype)
// Random numbers: of a key.
JAXVJP_WITH(random_split, std::int64_t, n) JAXVJP_BINARY(random_fold_in)
// clang-format on
#undef JAXVJP_UNARY
#undef JAXVJP_BINARY
#undef JAXVJP_OVER_AXES
#undef JAXVJP_OVER_ALL_AXES
#undef JAXVJP_WITH
#undef JAXVJP_OF_SEVERAL

    // x where the condition holds, y elsewhere.
    inline Value where(const Operand &condition, const Operand &x, const Operand &y) {
  return detail::apply([](auto *cx, auto *v) { return jaxvjp_where(cx, v[0], v[1], v[2]); }, {condition, x, y});
}
// x no smaller than low and no larger than high.
inline Value clip(const Operand &x, const Operand &low, const Operand &high) {
  return detail::apply([](auto *cx, auto *v) { return jaxvjp_clip(cx, v[0], v[1], v[2]); }, {x, low, high});
}
// Uniformly distributed numbers, 0 <= x < 1.
inline Value random_uniform(const Value &key, std::int32_t dtype, const Ints &shape) {
  const auto call = [&](auto *cx, auto *v) { return jaxvjp_random_uniform(cx, v[0], dtype, shape.data(), shape.size()); };
  return detail::apply(call, {key});
}
// Normally distributed numbers, of mean 0 and variance 1.
inline Value random_normal(const Value &key, std::int32_t dtype, const Ints &shape) {
  const auto call = [&](auto *cx, auto *v) { return jaxvjp_random_normal(cx, v[0], dtype, shape.data(), shape.size()); };
  return detail::apply(call, {key});
}
// Elements start, start + stride ... below limit along each axis.
inline Value slice(const Value &x, const Ints &start, const Ints &limit, const Ints &strides) {
  const auto call = [&](auto *cx, auto *v) {
    return jaxvjp_slice(cx, v[0], start.data(), start.size(), limit.data(), limit.size(), strides.data(), strides.size());
  };
  return detail::apply(call, {x});
}
// Any primitive by name, its parameters as they are printed: bind("reduce_sum", {x}, "axes=(0,)").
inline Value bind(const char *primitive, const Values &operands, const char *params = "") {
  const auto call = [&](auto *cx, auto *v) { return jaxvjp_bind(cx, primitive, v, operands.size(), params); };
  return detail::apply(call, {operands.begin(), operands.end()});
}
// Arrays of zeros in the structure of v.
inline Value zeros_like(const Value &v) { return Value::take(v.context(), jaxvjp_zeros_like(v.context().c(), v.c())); }

inline Value operator-(const Operand &x) { return neg(x); }
inline Value operator+(const Operand &x, const Operand &y) { return add(x, y); }
inline Value operator-(const Operand &x, const Operand &y) { return sub(x, y); }
inline Value operator*(const Operand &x, const Operand &y) { return mul(x, y); }
inline Value operator/(const Operand &x, const Operand &y) { return div(x, y); }

}  // namespace jaxvjp

#endif
