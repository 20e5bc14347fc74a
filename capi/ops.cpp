// The C functions of ops.h: unwrap, call, wrap.
// Written by tools/gen_ops.py; do not edit.
#include "capi/wrap.hpp"
#include "ops/linalg.hpp"
#include "ops/nn.hpp"
#include "ops/numpy.hpp"
#include "ops/random.hpp"

using namespace jv;

static Ints list(const int64_t* items, size_t n, const char* what) {
  return Ints(capi::ints(items, n, what));
}

// NULL: none given.
static Axes axes_or_all(const int64_t* items, size_t n) {
  if (!items && n == 0) return std::nullopt;
  return list(items, n, "axes");
}

// (low, high, interior) for each axis.
static Dims triples(const int64_t* items, size_t n) {
  Ints flat = list(items, n, "padding_config");
  if (n % 3) fail(Code::invalid_argument, "pad: padding_config has ", n, " numbers, not 3 an axis");
  Dims config;
  for (size_t i = 0; i < n; i += 3) config.push_back({flat[i], flat[i + 1], flat[i + 2]});
  return config;
}

static std::span<jaxvjp_value* const> items(jaxvjp_value* const* values, size_t n) {
  return {values, values ? n : 0};
}

static std::vector<jaxvjp_value*> joined(std::initializer_list<jaxvjp_value*> first,
                                         std::span<jaxvjp_value* const> rest) {
  std::vector<jaxvjp_value*> all(first);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

static constexpr jaxvjp_value* no_value = nullptr;

jaxvjp_value* jaxvjp_abs(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "abs", {x}, [&](Operands in) { return jv::abs(in[0]); });
}

jaxvjp_value* jaxvjp_cos(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "cos", {x}, [&](Operands in) { return jv::cos(in[0]); });
}

jaxvjp_value* jaxvjp_erf_inv(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "erf_inv", {x}, [&](Operands in) { return jv::erf_inv(in[0]); });
}

jaxvjp_value* jaxvjp_exp(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "exp", {x}, [&](Operands in) { return jv::exp(in[0]); });
}

jaxvjp_value* jaxvjp_expm1(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "expm1", {x}, [&](Operands in) { return jv::expm1(in[0]); });
}

jaxvjp_value* jaxvjp_floor(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "floor", {x}, [&](Operands in) { return jv::floor(in[0]); });
}

jaxvjp_value* jaxvjp_integer_pow(jaxvjp_context* cx, jaxvjp_value* x, int64_t y) {
  return capi::operation(cx, "integer_pow", {x},
                         [&](Operands in) { return jv::integer_pow(in[0], y); });
}

jaxvjp_value* jaxvjp_is_finite(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "is_finite", {x}, [&](Operands in) { return jv::is_finite(in[0]); });
}

jaxvjp_value* jaxvjp_log(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "log", {x}, [&](Operands in) { return jv::log(in[0]); });
}

jaxvjp_value* jaxvjp_log1p(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "log1p", {x}, [&](Operands in) { return jv::log1p(in[0]); });
}

jaxvjp_value* jaxvjp_logistic(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "logistic", {x}, [&](Operands in) { return jv::logistic(in[0]); });
}

jaxvjp_value* jaxvjp_neg(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "neg", {x}, [&](Operands in) { return jv::neg(in[0]); });
}

jaxvjp_value* jaxvjp_sign(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "sign", {x}, [&](Operands in) { return jv::sign(in[0]); });
}

jaxvjp_value* jaxvjp_sin(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "sin", {x}, [&](Operands in) { return jv::sin(in[0]); });
}

jaxvjp_value* jaxvjp_sqrt(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "sqrt", {x}, [&](Operands in) { return jv::sqrt(in[0]); });
}

jaxvjp_value* jaxvjp_square(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "square", {x}, [&](Operands in) { return jv::square(in[0]); });
}

jaxvjp_value* jaxvjp_stop_gradient(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "stop_gradient", {x},
                         [&](Operands in) { return jv::stop_gradient(in[0]); });
}

jaxvjp_value* jaxvjp_tanh(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "tanh", {x}, [&](Operands in) { return jv::tanh(in[0]); });
}

jaxvjp_value* jaxvjp_add(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "add", {x, y}, [&](Operands in) { return jv::add(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_div(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "div", {x, y}, [&](Operands in) { return jv::div(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_maximum(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "maximum", {x, y},
                           [&](Operands in) { return jv::maximum(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_minimum(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "minimum", {x, y},
                           [&](Operands in) { return jv::minimum(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_mul(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "mul", {x, y}, [&](Operands in) { return jv::mul(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_pow(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "pow", {x, y}, [&](Operands in) { return jv::pow(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_sub(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "sub", {x, y}, [&](Operands in) { return jv::sub(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_eq(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "eq", {x, y}, [&](Operands in) { return jv::eq(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_ge(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "ge", {x, y}, [&](Operands in) { return jv::ge(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_gt(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "gt", {x, y}, [&](Operands in) { return jv::gt(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_le(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "le", {x, y}, [&](Operands in) { return jv::le(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_lt(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "lt", {x, y}, [&](Operands in) { return jv::lt(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_ne(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "ne", {x, y}, [&](Operands in) { return jv::ne(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_bitwise_and(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "bitwise_and", {x, y},
                           [&](Operands in) { return jv::bitwise_and(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_bitwise_not(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "bitwise_not", {x},
                         [&](Operands in) { return jv::bitwise_not(in[0]); });
}

jaxvjp_value* jaxvjp_bitwise_or(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "bitwise_or", {x, y},
                           [&](Operands in) { return jv::bitwise_or(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_shift_left(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "shift_left", {x, y},
                           [&](Operands in) { return jv::shift_left(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_shift_right_logical(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "shift_right_logical", {x, y},
                           [&](Operands in) { return jv::shift_right_logical(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_bitwise_xor(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "bitwise_xor", {x, y},
                           [&](Operands in) { return jv::bitwise_xor(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_bitcast_convert_type(jaxvjp_context* cx, jaxvjp_value* operand,
                                          int32_t new_dtype) {
  return capi::operation(cx, "bitcast_convert_type", {operand}, [&](Operands in) {
    return jv::bitcast_convert_type(in[0], capi::dtype(new_dtype));
  });
}

jaxvjp_value* jaxvjp_convert_element_type(jaxvjp_context* cx, jaxvjp_value* operand,
                                          int32_t new_dtype) {
  return capi::operation(cx, "convert_element_type", {operand}, [&](Operands in) {
    return jv::convert_element_type(in[0], capi::dtype(new_dtype));
  });
}

jaxvjp_value* jaxvjp_select_n(jaxvjp_context* cx, jaxvjp_value* which, jaxvjp_value* const* cases,
                              size_t n_cases) {
  return capi::guard(cx, "select_n", no_value, [&](auto&) {
    return capi::operation(cx, "select_n", joined({which}, items(cases, n_cases)),
                           [&](Operands in) { return jv::select_n(in[0], in.subspan(1)); });
  });
}

jaxvjp_value* jaxvjp_zeros(jaxvjp_context* cx, int32_t dtype, const int64_t* shape, size_t ndim) {
  return capi::creation(cx, "zeros", [&](Trace& at) {
    return jv::np::zeros(at, capi::dtype(dtype), list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_ones(jaxvjp_context* cx, int32_t dtype, const int64_t* shape, size_t ndim) {
  return capi::creation(cx, "ones", [&](Trace& at) {
    return jv::np::ones(at, capi::dtype(dtype), list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_full(jaxvjp_context* cx, int32_t dtype, const int64_t* shape, size_t ndim,
                          double number) {
  return capi::creation(cx, "full", [&](Trace& at) {
    return jv::np::full(at, capi::dtype(dtype), list(shape, ndim, "shape"), number);
  });
}

jaxvjp_value* jaxvjp_arange(jaxvjp_context* cx, int32_t dtype, int64_t stop) {
  return capi::creation(cx, "arange",
                        [&](Trace& at) { return jv::np::arange(at, capi::dtype(dtype), stop); });
}

jaxvjp_value* jaxvjp_eye(jaxvjp_context* cx, int32_t dtype, int64_t n) {
  return capi::creation(cx, "eye",
                        [&](Trace& at) { return jv::np::eye(at, capi::dtype(dtype), n); });
}

jaxvjp_value* jaxvjp_where(jaxvjp_context* cx, jaxvjp_value* condition, jaxvjp_value* x,
                           jaxvjp_value* y) {
  return capi::elementwise(cx, "where", {condition, x, y},
                           [&](Operands in) { return jv::np::where(in[0], in[1], in[2]); });
}

jaxvjp_value* jaxvjp_clip(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* low,
                          jaxvjp_value* high) {
  return capi::elementwise(cx, "clip", {x, low, high},
                           [&](Operands in) { return jv::np::clip(in[0], in[1], in[2]); });
}

jaxvjp_value* jaxvjp_logical_and(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "logical_and", {x, y},
                           [&](Operands in) { return jv::np::logical_and(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_logical_or(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::elementwise(cx, "logical_or", {x, y},
                           [&](Operands in) { return jv::np::logical_or(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_logical_not(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "logical_not", {x},
                         [&](Operands in) { return jv::np::logical_not(in[0]); });
}

jaxvjp_value* jaxvjp_convert(jaxvjp_context* cx, jaxvjp_value* x, int32_t dtype) {
  return capi::operation(cx, "convert", {x},
                         [&](Operands in) { return jv::np::convert(in[0], capi::dtype(dtype)); });
}

jaxvjp_value* jaxvjp_sum(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes, size_t n_axes) {
  return capi::operation(
      cx, "sum", {x}, [&](Operands in) { return jv::np::sum(in[0], axes_or_all(axes, n_axes)); });
}

jaxvjp_value* jaxvjp_mean(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes, size_t n_axes) {
  return capi::operation(
      cx, "mean", {x}, [&](Operands in) { return jv::np::mean(in[0], axes_or_all(axes, n_axes)); });
}

jaxvjp_value* jaxvjp_var(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes, size_t n_axes) {
  return capi::operation(
      cx, "var", {x}, [&](Operands in) { return jv::np::var(in[0], axes_or_all(axes, n_axes)); });
}

jaxvjp_value* jaxvjp_max(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes, size_t n_axes) {
  return capi::operation(
      cx, "max", {x}, [&](Operands in) { return jv::np::max(in[0], axes_or_all(axes, n_axes)); });
}

jaxvjp_value* jaxvjp_min(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes, size_t n_axes) {
  return capi::operation(
      cx, "min", {x}, [&](Operands in) { return jv::np::min(in[0], axes_or_all(axes, n_axes)); });
}

jaxvjp_value* jaxvjp_reshape(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* shape,
                             size_t ndim) {
  return capi::operation(cx, "reshape", {x}, [&](Operands in) {
    return jv::np::reshape(in[0], list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_broadcast_to(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* shape,
                                  size_t ndim) {
  return capi::operation(cx, "broadcast_to", {x}, [&](Operands in) {
    return jv::np::broadcast_to(in[0], list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_transpose(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes,
                               size_t n_axes) {
  return capi::operation(cx, "transpose", {x}, [&](Operands in) {
    return jv::np::transpose(in[0], axes_or_all(axes, n_axes));
  });
}

jaxvjp_value* jaxvjp_matrix_transpose(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "matrix_transpose", {x},
                         [&](Operands in) { return jv::np::matrix_transpose(in[0]); });
}

jaxvjp_value* jaxvjp_squeeze(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes,
                             size_t n_axes) {
  return capi::operation(cx, "squeeze", {x}, [&](Operands in) {
    return jv::np::squeeze(in[0], axes_or_all(axes, n_axes));
  });
}

jaxvjp_value* jaxvjp_expand_dims(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes,
                                 size_t n_axes) {
  return capi::operation(cx, "expand_dims", {x}, [&](Operands in) {
    return jv::np::expand_dims(in[0], list(axes, n_axes, "axes"));
  });
}

jaxvjp_value* jaxvjp_concatenate(jaxvjp_context* cx, jaxvjp_value* const* arrays, size_t n_arrays,
                                 int64_t axis) {
  return capi::operation(cx, "concatenate", items(arrays, n_arrays),
                         [&](Operands in) { return jv::np::concatenate(in, axis); });
}

jaxvjp_value* jaxvjp_stack(jaxvjp_context* cx, jaxvjp_value* const* arrays, size_t n_arrays,
                           int64_t axis) {
  return capi::operation(cx, "stack", items(arrays, n_arrays),
                         [&](Operands in) { return jv::np::stack(in, axis); });
}

jaxvjp_value* jaxvjp_matmul(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::operation(cx, "matmul", {x, y},
                         [&](Operands in) { return jv::np::matmul(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_dot(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::operation(cx, "dot", {x, y}, [&](Operands in) { return jv::np::dot(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_relu(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "relu", {x}, [&](Operands in) { return jv::nn::relu(in[0]); });
}

jaxvjp_value* jaxvjp_sigmoid(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "sigmoid", {x}, [&](Operands in) { return jv::nn::sigmoid(in[0]); });
}

jaxvjp_value* jaxvjp_softplus(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::operation(cx, "softplus", {x}, [&](Operands in) { return jv::nn::softplus(in[0]); });
}

jaxvjp_value* jaxvjp_logsumexp(jaxvjp_context* cx, jaxvjp_value* x, const int64_t* axes,
                               size_t n_axes) {
  return capi::operation(cx, "logsumexp", {x}, [&](Operands in) {
    return jv::nn::logsumexp(in[0], axes_or_all(axes, n_axes));
  });
}

jaxvjp_value* jaxvjp_softmax(jaxvjp_context* cx, jaxvjp_value* x, int64_t axis) {
  return capi::operation(cx, "softmax", {x},
                         [&](Operands in) { return jv::nn::softmax(in[0], axis); });
}

jaxvjp_value* jaxvjp_log_softmax(jaxvjp_context* cx, jaxvjp_value* x, int64_t axis) {
  return capi::operation(cx, "log_softmax", {x},
                         [&](Operands in) { return jv::nn::log_softmax(in[0], axis); });
}

jaxvjp_value* jaxvjp_random_bits(jaxvjp_context* cx, jaxvjp_value* key, int64_t bit_width,
                                 const int64_t* shape, size_t ndim) {
  return capi::operation(cx, "random_bits", {key}, [&](Operands in) {
    return jv::random_bits(in[0], bit_width, list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_threefry2x32(jaxvjp_context* cx, jaxvjp_value* k1, jaxvjp_value* k2,
                                  jaxvjp_value* x1, jaxvjp_value* x2) {
  return capi::several(cx, "threefry2x32", {k1, k2, x1, x2},
                       [&](Operands in) { return jv::threefry2x32(in[0], in[1], in[2], in[3]); });
}

jaxvjp_value* jaxvjp_random_key(jaxvjp_context* cx, uint64_t seed) {
  return capi::creation(cx, "random_key", [&](Trace& at) { return jv::random::key(at, seed); });
}

jaxvjp_value* jaxvjp_random_split(jaxvjp_context* cx, jaxvjp_value* key, int64_t n) {
  return capi::operation(cx, "random_split", {key},
                         [&](Operands in) { return jv::random::split(in[0], n); });
}

jaxvjp_value* jaxvjp_random_fold_in(jaxvjp_context* cx, jaxvjp_value* key, jaxvjp_value* number) {
  return capi::operation(cx, "random_fold_in", {key, number},
                         [&](Operands in) { return jv::random::fold_in(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_random_uniform(jaxvjp_context* cx, jaxvjp_value* key, int32_t dtype,
                                    const int64_t* shape, size_t ndim) {
  return capi::operation(cx, "random_uniform", {key}, [&](Operands in) {
    return jv::random::uniform(in[0], capi::dtype(dtype), list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_random_normal(jaxvjp_context* cx, jaxvjp_value* key, int32_t dtype,
                                   const int64_t* shape, size_t ndim) {
  return capi::operation(cx, "random_normal", {key}, [&](Operands in) {
    return jv::random::normal(in[0], capi::dtype(dtype), list(shape, ndim, "shape"));
  });
}

jaxvjp_value* jaxvjp_lu(jaxvjp_context* cx, jaxvjp_value* x) {
  return capi::several(cx, "lu", {x}, [&](Operands in) { return jv::lu(in[0]); });
}

jaxvjp_value* jaxvjp_triangular_solve(jaxvjp_context* cx, jaxvjp_value* a, jaxvjp_value* b,
                                      int32_t left_side, int32_t lower, int32_t transpose_a,
                                      int32_t conjugate_a, int32_t unit_diagonal) {
  return capi::operation(cx, "triangular_solve", {a, b}, [&](Operands in) {
    return jv::triangular_solve(in[0], in[1], left_side != 0, lower != 0, transpose_a != 0,
                                conjugate_a != 0, unit_diagonal != 0);
  });
}

jaxvjp_value* jaxvjp_solve(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* y) {
  return capi::operation(cx, "solve", {x, y},
                         [&](Operands in) { return jv::linalg::solve(in[0], in[1]); });
}

jaxvjp_value* jaxvjp_broadcast_in_dim(jaxvjp_context* cx, jaxvjp_value* operand,
                                      const int64_t* shape, size_t ndim,
                                      const int64_t* broadcast_dimensions,
                                      size_t n_broadcast_dimensions) {
  return capi::operation(cx, "broadcast_in_dim", {operand}, [&](Operands in) {
    return jv::broadcast_in_dim(
        in[0], list(shape, ndim, "shape"),
        list(broadcast_dimensions, n_broadcast_dimensions, "broadcast_dimensions"));
  });
}

jaxvjp_value* jaxvjp_iota(jaxvjp_context* cx, int32_t dtype, const int64_t* shape, size_t ndim,
                          int64_t dimension) {
  return capi::creation(cx, "iota", [&](Trace& at) {
    return jv::iota(at, capi::dtype(dtype), list(shape, ndim, "shape"), dimension);
  });
}

jaxvjp_value* jaxvjp_pad(jaxvjp_context* cx, jaxvjp_value* operand, jaxvjp_value* padding_value,
                         const int64_t* padding_config, size_t n_padding_config) {
  return capi::operation(cx, "pad", {operand, padding_value}, [&](Operands in) {
    return jv::pad(in[0], in[1], triples(padding_config, n_padding_config));
  });
}

jaxvjp_value* jaxvjp_slice(jaxvjp_context* cx, jaxvjp_value* operand, const int64_t* start_indices,
                           size_t n_start_indices, const int64_t* limit_indices,
                           size_t n_limit_indices, const int64_t* strides, size_t n_strides) {
  return capi::operation(cx, "slice", {operand}, [&](Operands in) {
    return jv::slice(in[0], list(start_indices, n_start_indices, "start_indices"),
                     list(limit_indices, n_limit_indices, "limit_indices"),
                     strides ? list(strides, n_strides, "strides") : Ints(in[0].shape().size(), 1));
  });
}

jaxvjp_value* jaxvjp_reduce_max(jaxvjp_context* cx, jaxvjp_value* operand, const int64_t* axes,
                                size_t n_axes) {
  return capi::operation(cx, "reduce_max", {operand}, [&](Operands in) {
    return jv::reduce_max(in[0], axes_of("reduce_max", axes_or_all(axes, n_axes), in[0].aval()));
  });
}

jaxvjp_value* jaxvjp_reduce_min(jaxvjp_context* cx, jaxvjp_value* operand, const int64_t* axes,
                                size_t n_axes) {
  return capi::operation(cx, "reduce_min", {operand}, [&](Operands in) {
    return jv::reduce_min(in[0], axes_of("reduce_min", axes_or_all(axes, n_axes), in[0].aval()));
  });
}

jaxvjp_value* jaxvjp_reduce_sum(jaxvjp_context* cx, jaxvjp_value* operand, const int64_t* axes,
                                size_t n_axes) {
  return capi::operation(cx, "reduce_sum", {operand}, [&](Operands in) {
    return jv::reduce_sum(in[0], axes_of("reduce_sum", axes_or_all(axes, n_axes), in[0].aval()));
  });
}

jaxvjp_value* jaxvjp_dot_general(jaxvjp_context* cx, jaxvjp_value* lhs, jaxvjp_value* rhs,
                                 const int64_t* lhs_contracting, size_t n_lhs_contracting,
                                 const int64_t* rhs_contracting, size_t n_rhs_contracting,
                                 const int64_t* lhs_batch, size_t n_lhs_batch,
                                 const int64_t* rhs_batch, size_t n_rhs_batch,
                                 int32_t preferred_element_type) {
  return capi::operation(cx, "dot_general", {lhs, rhs}, [&](Operands in) {
    return jv::dot_general(
        in[0], in[1],
        Dims{
            each_axis_of("dot_general", list(lhs_contracting, n_lhs_contracting, "lhs_contracting"),
                         in[0].aval()),
            each_axis_of("dot_general", list(rhs_contracting, n_rhs_contracting, "rhs_contracting"),
                         in[1].aval()),
            each_axis_of("dot_general", list(lhs_batch, n_lhs_batch, "lhs_batch"), in[0].aval()),
            each_axis_of("dot_general", list(rhs_batch, n_rhs_batch, "rhs_batch"), in[1].aval())},
        preferred_element_type ? capi::dtype(preferred_element_type) : DType::none);
  });
}
