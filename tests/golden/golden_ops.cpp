// The library's named functions by their names in golden files: one row each.
#include <cstdlib>

#include "golden_function.hpp"

namespace golden {
namespace {

struct Operands {
  jaxvjp_context* cx;
  const Op& op;
  jaxvjp_value* const* args;
  size_t n;

  jaxvjp_value* operator[](size_t i) const { return i < n ? args[i] : nullptr; }
};

using Unary = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*);
using Binary = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*, jaxvjp_value*);
using Ternary = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*, jaxvjp_value*, jaxvjp_value*);
using Reducer = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*, const int64_t*, size_t);
using AlongAxis = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*, int64_t);
using Filled = jaxvjp_value* (*)(jaxvjp_context*, int32_t, const int64_t*, size_t);
using Drawn = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*, int32_t, const int64_t*, size_t);

int32_t dtype_of(const Op& op) {
  for (const auto& row : jv::dtype_table)
    if (row.name == op.text("dtype")) return static_cast<int32_t>(row.dtype);
  throw SyntaxError("no dtype " + op.text("dtype"));
}

template <Unary f>
jaxvjp_value* unary(const Operands& x) {
  return f(x.cx, x[0]);
}

template <Binary f>
jaxvjp_value* binary(const Operands& x) {
  return f(x.cx, x[0], x[1]);
}

template <Ternary f>
jaxvjp_value* ternary(const Operands& x) {
  return f(x.cx, x[0], x[1], x[2]);
}

template <Reducer f>
jaxvjp_value* reducer(const Operands& x) {
  if (x.op.text("axes") == "none") return f(x.cx, x[0], nullptr, 0);
  const auto axes = x.op.list("axes");
  return f(x.cx, x[0], axes.data(), axes.size());
}

template <AlongAxis f>
jaxvjp_value* along_axis(const Operands& x) {
  return f(x.cx, x[0], x.op.integer("axis"));
}

template <Filled f>
jaxvjp_value* filled(const Operands& x) {
  const auto shape = x.op.list("shape");
  return f(x.cx, dtype_of(x.op), shape.data(), shape.size());
}

template <Drawn f>
jaxvjp_value* drawn(const Operands& x) {
  const auto shape = x.op.list("shape");
  return f(x.cx, x[0], dtype_of(x.op), shape.data(), shape.size());
}

jaxvjp_value* full(const Operands& x) {
  const auto shape = x.op.list("shape");
  return jaxvjp_full(x.cx, dtype_of(x.op), shape.data(), shape.size(),
                     std::strtod(x.op.text("number").c_str(), nullptr));
}

jaxvjp_value* arange(const Operands& x) {
  return jaxvjp_arange(x.cx, dtype_of(x.op), x.op.integer("stop"));
}
jaxvjp_value* eye(const Operands& x) { return jaxvjp_eye(x.cx, dtype_of(x.op), x.op.integer("n")); }
jaxvjp_value* stack(const Operands& x) {
  return jaxvjp_stack(x.cx, x.args, x.n, x.op.integer("axis"));
}
jaxvjp_value* random_key(const Operands& x) {
  return jaxvjp_random_key(x.cx, std::strtoull(x.op.text("seed").c_str(), nullptr, 10));
}
jaxvjp_value* random_split(const Operands& x) {
  return jaxvjp_random_split(x.cx, x[0], x.op.integer("n"));
}
jaxvjp_value* random_bits(const Operands& x) {
  const std::string params = "bit_width=" + x.op.text("bit_width") + " shape=" + x.op.text("shape");
  return jaxvjp_bind(x.cx, "random_bits", x.args, x.n, params.c_str());
}

struct Row {
  const char* name;
  jaxvjp_value* (*call)(const Operands&);
};
constexpr Row table[] = {
    {"sum", reducer<jaxvjp_sum>},
    {"mean", reducer<jaxvjp_mean>},
    {"var", reducer<jaxvjp_var>},
    {"max", reducer<jaxvjp_max>},
    {"min", reducer<jaxvjp_min>},
    {"logsumexp", reducer<jaxvjp_logsumexp>},
    {"softmax", along_axis<jaxvjp_softmax>},
    {"log_softmax", along_axis<jaxvjp_log_softmax>},
    {"relu", unary<jaxvjp_relu>},
    {"sigmoid", unary<jaxvjp_sigmoid>},
    {"softplus", unary<jaxvjp_softplus>},
    {"square", unary<jaxvjp_square>},
    {"where", ternary<jaxvjp_where>},
    {"clip", ternary<jaxvjp_clip>},
    {"stack", stack},
    {"matmul", binary<jaxvjp_matmul>},
    {"dot", binary<jaxvjp_dot>},
    {"solve", binary<jaxvjp_solve>},
    {"zeros", filled<jaxvjp_zeros>},
    {"ones", filled<jaxvjp_ones>},
    {"full", full},
    {"arange", arange},
    {"eye", eye},
    {"random_key", random_key},
    {"random_split", random_split},
    {"random_fold_in", binary<jaxvjp_random_fold_in>},
    {"random_bits", random_bits},
    {"random_uniform", drawn<jaxvjp_random_uniform>},
    {"random_normal", drawn<jaxvjp_random_normal>},
};

}  // namespace

jaxvjp_value* call_op(jaxvjp_context* cx, const Op& op, jaxvjp_value* const* args, size_t n) {
  for (const Row& row : table)
    if (op.name == row.name) return row.call({cx, op, args, n});
  throw SyntaxError("no function `" + op.name + "`");
}

}  // namespace golden
