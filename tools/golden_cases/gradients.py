"""First derivatives of every differentiable primitive, and what JAX says at kinks and singular points."""
import numpy as np
from jax import lax

from .case import NORM, Case, array, norm, numbers, rel
from .lift import lift

REL = {"f32": rel(4e-6), "f64": rel(1e-14)}
POSITIVE = [0.25, 0.5, 1.0, 2.5, 9.0]
ANY = [-2.5, -0.5, -0.015625, 0.25, 1.0, 3.0]
MILD = [-1.25, -0.5, -0.015625, 0.25, 1.0]  # where one minus the function does not cancel much
INSIDE = [-0.875, -0.5, 0.0625, 0.25, 0.75]

# name: function, arguments where it is smooth.
SMOOTH = {
    "neg": (lax.neg, ANY), "abs": (lax.abs, ANY), "sign": (lax.sign, ANY), "floor": (lax.floor, ANY),
    "exp": (lax.exp, ANY), "expm1": (lax.expm1, ANY), "log": (lax.log, POSITIVE), "log1p": (lax.log1p, INSIDE),
    "sin": (lax.sin, ANY), "cos": (lax.cos, ANY), "tanh": (lax.tanh, MILD), "logistic": (lax.logistic, MILD),
    "sqrt": (lax.sqrt, POSITIVE), "square": (lax.square, ANY), "erf_inv": (lax.erf_inv, INSIDE),
    "integer_pow_3": (lambda x: lax.integer_pow(x, 3), ANY), "integer_pow_minus_2": (lambda x: lax.integer_pow(x, -2), ANY),
    "reciprocal": (lambda x: lax.div(lax.full_like(x, 1), x), ANY),
    "stop_gradient": (lambda x: lax.mul(x, lax.stop_gradient(lax.sin(x))), ANY),
}


def total(f):
    """f's outputs, weighted by their position and summed: a scalar for grad."""

    def loss(*xs):
        y = f(*xs)
        for size in reversed(y.shape):  # weights 0.5, 1.5, 2.5 ... from iota: no constants
            w = lax.add(lax.iota(y.dtype, size), lax.full((size,), 0.5, y.dtype))
            y = lax.reduce_sum(lax.mul(y, lax.broadcast_in_dim(w, y.shape, (y.ndim - 1,))), (y.ndim - 1,))
        return y

    return loss


def unary():
    for name, (f, values) in SMOOTH.items():
        yield Case(f"grad_{name}_f64", total(f), [array("f64", values)], "grad(f)", REL["f64"])
        if name not in ("neg", "sign", "floor"):
            yield Case(f"jvp_{name}_f32", f, [array("f32", values), numbers("f32", len(values))], "jvp(f)",
                       REL["f32"] if name != "erf_inv" else rel(1e-5))
            yield Case(f"grad_grad_{name}_f64", f, [array("f64", values)], "vmap(grad(grad(f)))", rel(1e-13))
    for dtype in ("bf16", "f16"):
        f = lambda x: lax.mul(lax.tanh(x), lax.exp(x))
        yield Case(f"vjp_tanh_exp_{dtype}", f, [numbers(dtype, 5), numbers(dtype, 5, seed=1)], "vjp(f, args=1)", NORM[dtype])


def binary():
    x, y = array("f64", [0.5, 2.0, -1.5, 3.0]), array("f64", [2.0, 2.0, 0.75, -4.0])
    for name in ("add", "sub", "mul", "div", "max", "min"):
        f = getattr(lax, name)
        yield from lift(f"{name}_derivative", f, [x, y], "vjp jvp vmap_vjp" if name in ("mul", "div") else "vjp",
                        tolerance=NORM["f64"])
    p = [array("f64", POSITIVE), array("f64", [2.0, -1.5, 0.5, 3.0, 0.25])]
    yield from lift("pow_derivative", lax.pow, p, "vjp jvp", tolerance=rel(1e-13))
    yield Case("pow_second_derivative", lax.pow, p, "vmap(hessian(f, argnums=(0,1)))", norm(1e-13))
    yield Case("pow_derivative_at_zero", lax.pow, [array("f64", [0, 0, 0, 2]), array("f64", [2, 1, 3, 0])],
               "vmap(grad(f, argnums=(0,1)))", NORM["f64"])
    yield Case("broadcast_literal_gradient", lambda x: lax.reduce_sum(2.5 * x * x - x / 4, (0,)), [numbers("f64", 4)],
               "grad(f)", NORM["f64"])


def kinks():
    zero = [array("f64", 0.0)]
    # abs at zero is left out: JAX 0.10 gives 1 there, sign(0) = 0 is ours.
    yield Case("sqrt_at_zero", lax.sqrt, zero, "grad(f)")
    yield Case("log_at_zero", lax.log, zero, "grad(f)")
    yield Case("max_tie", lax.max, zero * 2, "grad(f, argnums=(0,1))")
    yield Case("min_tie_jvp", lax.min, zero * 2 + [array("f64", 1.0), array("f64", 3.0)], "jvp(f)")
    yield Case("max_of_itself", lambda x: lax.max(x, x), zero, "grad(f)")
    yield Case("relu_by_max_at_zero", lambda x: lax.max(x, lax.full_like(x, 0)), zero, "grad(f)")
    yield Case("relu_by_select_at_zero", lambda x: lax.select(lax.gt(x, lax.full_like(x, 0)), x, lax.full_like(x, 0)),
               zero, "grad(f)")
    yield Case("select_hides_inf", lambda x: lax.select(lax.gt(x, lax.full_like(x, 0)), lax.sqrt(x), lax.full_like(x, 0)),
               zero, "grad(f)")  # nan: 0 * inf, as in JAX
    yield Case("exp_of_minus_inf", lax.exp, [array("f64", -np.inf)], "grad(f)")
    yield Case("tanh_saturated", lax.tanh, [array("f64", [50, -50, np.inf])], "vmap(grad(f))")
    yield Case("logistic_saturated", lax.logistic, [array("f64", [800, -800])], "vmap(grad(f))")
    yield Case("nan_flows", lambda x: lax.mul(lax.sin(x), x), [array("f64", [np.nan, 1.0])], "vmap(grad(f))", REL["f64"])
    yield Case("unstable_log1pexp", lambda x: lax.log(lax.add(lax.full_like(x, 1), lax.exp(x))),
               [array("f32", [0.0, 1.0, 50.0, 100.0])], "vmap(value_and_grad(f))", rel(1e-5), single_precision_only=True)
    yield Case("stable_log1pexp", lambda x: lax.add(lax.max(x, lax.full_like(x, 0)), lax.log1p(lax.exp(lax.neg(lax.abs(x))))),
               [array("f32", [-30.0, -1.0, 0.5, 100.0])], "vmap(value_and_grad(f))", rel(1e-5))


def selections():
    which = array("bool", [1, 0, 1])
    x, y = numbers("f64", 3), numbers("f64", 3, seed=1)
    yield Case("select_n_vjp", lambda x, y, w: lax.select_n(w, lax.sin(x), lax.mul(x, y)), [x, y, which],
               "vmap(grad(f, argnums=(1,0)))", NORM["f64"])
    yield Case("select_n_jvp_mapped_predicate", lambda w, x, y: lax.select_n(w, x, y), [which, x, y],
               "vmap(grad(f, argnums=(1,)))")
    yield Case("select_n_vmap_scalar_predicate", lambda w, x, y: lax.select_n(w, x, y),
               [which, numbers("f64", 2), numbers("f64", 3, 2)], "vmap(f, in_axes=(0,none,0))")
    yield Case("convert_vjp", lambda x: lax.convert_element_type(lax.sin(x), np.float64), [numbers("f32", 3), y],
               "vjp(f, args=1)", NORM["f32"], single_precision_only=True)
    yield Case("convert_bf16_vjp", lambda x: lax.convert_element_type(x, np.float32),
               [numbers("bf16", 3), numbers("f32", 3)], "vjp(f, args=1)", single_precision_only=True)
    yield Case("through_integers_is_zero",
               lambda x: lax.mul(x, lax.convert_element_type(lax.convert_element_type(x, np.int32), np.float64)),
               [array("f64", 2.75)], "grad(f)")
    yield Case("comparison_has_no_gradient", lambda x, y: lax.convert_element_type(lax.lt(x, y), np.float64),
               [array("f64", 1.0), array("f64", 2.0)], "grad(f, argnums=(0,1))")
    ints = [array("i32", [1, 2, 3]), numbers("f64", 3)]
    f = lambda n, x: lax.reduce_sum(lax.mul(lax.convert_element_type(n, np.float64), lax.square(x)), (0,))
    yield Case("grad_beside_integers", f, ints, "grad(f, argnums=(1,))")
    yield Case("grad_allow_int", f, ints, "grad(f, argnums=(0,1), allow_int=1)")
    yield Case("unused_argument", lambda x, y: lax.reduce_sum(lax.exp(y), (0,)), [x, y], "grad(f, argnums=(0,1))", NORM["f64"])
    yield Case("argument_returned", lambda x: (x, lax.sin(x), x), [x, y, y, x], "vjp(f, args=1)", NORM["f64"])
    yield Case("constant_output", lambda x: (lax.full((2,), 3.0), lax.neg(x)), [x, numbers("f64", 2), y], "vjp(f, args=1)")
    yield Case("literal_output", lambda x: (lax.neg(x), 2.0), [x, y], "jvp(f)")


def gradients():
    yield from unary()
    yield from binary()
    yield from kinks()
    yield from selections()


FAMILIES = {"gradients": gradients}
