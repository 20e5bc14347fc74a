// Functions of one number, each element of an array.
#include "primitives/family.hpp"

namespace jv {

// --- rounding, sign ------------------------------------------------------------------------------

constexpr Primitive neg_p = unary<neg_p, Takes::numbers>({
    .name = "neg",
    .doc = "Negation of each element. Integers wrap.",
    .linearity = Linearity::linear,
    .eval = map1<UnaryOp::neg>,
    .transpose = [](auto& ct, auto, auto, auto, auto&) { return -ct; },
    .involution = true,
});

constexpr Primitive abs_p = unary<abs_p, Takes::numbers>({
    .name = "abs",
    .doc = "Absolute value of each element. Its derivative at 0 is 0.",
    .eval = map1<UnaryOp::abs>,
    .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx * sign(x[0]); },
});

constexpr Primitive sign_p = unary<sign_p, Takes::numbers>({
    .name = "sign",
    .doc = "-1, 0 or 1: the sign of each element. Zeros keep their sign, NaN stays NaN.",
    .eval = map1<UnaryOp::sign>,
    .differentiable = false,
});

constexpr Primitive floor_p = unary<floor_p, Takes::floats>({
    .name = "floor",
    .doc = "The largest integer that is not greater, for each element.",
    .eval = map1<UnaryOp::floor>,
    .differentiable = false,
});

// --- exponential, logarithm ----------------------------------------------------------------------

constexpr Primitive exp_p = unary<exp_p, Takes::floats>({
    .name = "exp",
    .doc = "Exponential of each element.",
    .eval = map1<UnaryOp::exp>,
    .jvp = [](auto, auto, auto& dx, auto y, auto&) { return dx * y[0]; },
});

constexpr Primitive expm1_p = unary<expm1_p, Takes::floats>({
    .name = "expm1",
    .doc = "exp(x) - 1 of each element, accurate near 0.",
    .eval = map1<UnaryOp::expm1>,
    .jvp = [](auto, auto, auto& dx, auto y, auto&) { return dx * (y[0] + 1); },
});

constexpr Primitive log_p = unary<log_p, Takes::floats>({
    .name = "log",
    .doc = "Natural logarithm of each element.",
    .eval = map1<UnaryOp::log>,
    .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx / x[0]; },
});

constexpr Primitive log1p_p = unary<log1p_p, Takes::floats>({
    .name = "log1p",
    .doc = "log(1 + x) of each element, accurate near 0.",
    .eval = map1<UnaryOp::log1p>,
    .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx / (x[0] + 1); },
});

constexpr Primitive logistic_p = unary<logistic_p, Takes::floats>({
    .name = "logistic",
    .doc = "1 / (1 + exp(-x)) of each element.",
    .eval = map1<UnaryOp::logistic>,
    .jvp = [](auto, auto, auto& dx, auto y, auto&) { return dx * (y[0] * (1 - y[0])); },
});

// --- trigonometric, hyperbolic -------------------------------------------------------------------

constexpr Primitive sin_p = unary<sin_p, Takes::floats>({
    .name = "sin",
    .doc = "Sine of each element, in radians.",
    .eval = map1<UnaryOp::sin>,
    .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx * cos(x[0]); },
});

constexpr Primitive cos_p = unary<cos_p, Takes::floats>({
    .name = "cos",
    .doc = "Cosine of each element, in radians.",
    .eval = map1<UnaryOp::cos>,
    .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx * -sin(x[0]); },
});

constexpr Primitive tanh_p = unary<tanh_p, Takes::floats>({
    .name = "tanh",
    .doc = "Hyperbolic tangent of each element.",
    .eval = map1<UnaryOp::tanh>,
    .jvp = [](auto, auto, auto& dx, auto y, auto&) { return dx * (1 - square(y[0])); },
});

// --- powers, roots -------------------------------------------------------------------------------

constexpr Primitive square_p = unary<square_p, Takes::numbers>({
    .name = "square",
    .doc = "x * x of each element.",
    .eval = map1<UnaryOp::square>,
    .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx * (2 * x[0]); },
});

constexpr Primitive sqrt_p = unary<sqrt_p, Takes::floats>({
    .name = "sqrt",
    .doc = "Square root of each element; NaN for negative ones.",
    .eval = map1<UnaryOp::sqrt>,
    .jvp = [](auto, auto, auto& dx, auto y, auto&) { return dx * (0.5 / y[0]); },
});

static void integer_pow_eval(const EvalArgs& a) {
  Aval in = a.in[0].aval();
  a.out[0] = Array::allocate(a.session, in);
  kernels::integer_pow(in->dtype, a.in[0].data(), a.out[0].mutable_data(), in->size,
                       a.params.integer("y"));
}

static Tracer integer_pow_jvp(Operands x, size_t, const Tracer& dx, Operands, const Params& p) {
  int64_t y = p.integer("y");
  if (y == 0) return {};
  if (y == 1) return dx;
  Tracer power = y == 2 ? x[0] : integer_pow(x[0], y - 1);
  return dx * (double(y) * power);
}

constexpr Primitive integer_pow_p = unary<integer_pow_p, Takes::numbers>({
    .name = "integer_pow",
    .signature = "x, y: int",
    .doc = "Each element to the power of a fixed integer, by repeated multiplication.",
    .eval = integer_pow_eval,
    .jvp = integer_pow_jvp,
    .fold = [](auto& a) { return a.params.integer("y") == 1 ? 0 : -1; },
});

// --- statistics ----------------------------------------------------------------------------------

constexpr double half_sqrt_pi = 0.88622692545275801365;

constexpr Primitive erf_inv_p = unary<erf_inv_p, Takes::floats>({
    .name = "erf_inv",
    .doc = "Inverse of the error function, each element; infinite at -1 and 1, NaN beyond them.",
    .eval = map1<UnaryOp::erf_inv>,
    .jvp = [](auto, auto, auto& dx, auto y,
              auto&) { return dx * (half_sqrt_pi * exp(square(y[0]))); },
});

// --- classification, barriers --------------------------------------------------------------------

static void is_finite_aval(Session& session, std::span<const Aval> in, const Params&, Avals& out) {
  check_dtype("is_finite", Takes::floats, in[0]);
  out.push_back(session.with_dtype(in[0], DType::boolean));
}

constexpr Primitive is_finite_p = unary<is_finite_p, Takes::floats>({
    .name = "is_finite",
    .doc = "Whether each element is neither infinite nor NaN: booleans.",
    .abstract_eval = is_finite_aval,
    .eval = map1<UnaryOp::is_finite>,
    .differentiable = false,
});

constexpr Primitive stop_gradient_p = unary<stop_gradient_p, Takes::anything>({
    .name = "stop_gradient",
    .doc = "x itself, whose derivative is taken as zero.",
    .eval = [](const EvalArgs& a) { a.out[0] = a.in[0]; },
    .differentiable = false,
});

}  // namespace jv
