"""Elementwise primitives: values over dtypes, special numbers, large arguments."""
import numpy as np
from jax import lax
from jax import numpy as jnp

from .case import DTYPES, EXACT, Case, array, integers, numbers, pairs, ulp, ulp_error

nan, inf = np.nan, np.inf
SPECIAL = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0]

# name: function, ordinary arguments, the same in higher precision, ulps that the library may be off. None: exact.
UNARY = {
    "neg": (lax.neg, [0.5, -3, 1e30], None, None),
    "abs": (lax.abs, [0.5, -3, -1e30], None, None),
    "sign": (lax.sign, [0.5, -3, 1e-30], None, None),
    "floor": (lax.floor, [0.5, -0.5, 2.75, -2.75, 1e10, -7], None, None),
    "square": (lax.square, [0.5, -3, 1.1], np.square, 0.5),
    "sqrt": (lax.sqrt, [0.5, 2, 3, 1e30, 1e-30], np.sqrt, 0.5),
    "exp": (lax.exp, [0.5, -3, 1e-5, 20.25, -60.5, 87.5, -80.75], np.exp, 2),
    "expm1": (lax.expm1, [0.5, -3, 1e-5, -1e-9, 20.25, -60.5, 80.5], np.expm1, 2),
    "log": (lax.log, [0.5, 3, 1.0009765625, 0.99951171875, 1e-30, 1e30], np.log, 2),
    "log1p": (lax.log1p, [0.5, -0.875, 1e-5, -1e-9, 1e10, 1e30], np.log1p, 2),
    "sin": (lax.sin, [0.5, -3, 3.140625, 1e-5, 100.25, 12345.675, -1e6], np.sin, 2),
    "cos": (lax.cos, [0.5, -3, 1.5703125, 1e-5, 100.25, 12345.675, -1e6], np.cos, 2),
    "tanh": (lax.tanh, [0.5, -3, 1e-5, 0.015625, 7.5, -9.25, 30], np.tanh, 2.5),
    "logistic": (lax.logistic, [0.5, -3, 1e-5, 7.5, -20.25, 40, -60.5], lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "erf_inv": (lax.erf_inv, [0.5, -0.25, 0.0078125, 0.9375, -0.99609375, 0.9998779296875], None, 8),
}
OFF = {("erf_inv", "f32"): 48}  # ulps that JAX itself is off by: it squares x in f32
FEWER = ["neg", "exp", "log", "sin", "tanh", "logistic", "sqrt"]


def tolerance(f, x, reference, promised):
    """What JAX is off by, measured in extended precision, and what the library promises."""
    if promised is None:
        return EXACT
    if x.dtype not in (np.float32, np.float64):
        return ulp(1)  # JAX computes these in f32 and rounds once
    with np.errstate(all="ignore"):
        error = ulp_error(np.asarray(f(x)), reference(x.astype(np.longdouble)))
    if error > 4:
        raise SystemExit(f"{f.__name__} {x.dtype}: JAX is off by {error} ulp")
    return ulp(np.ceil(2 * error) / 2 + promised)


def normal(f, x):
    """The elements of x that are not subnormal and whose f is not: XLA flushes those to zero."""
    tiny = float(jnp.finfo(x.dtype).tiny)
    keep = [not any(0 < abs(float(v)) < tiny for v in (a, f(a))) for a in x]
    return x[np.array(keep)]


def unary():
    for name, (f, ordinary, reference, promised) in UNARY.items():
        for dtype in ["f32", "f64"] + (["f16", "bf16"] if name in FEWER else []):
            x = normal(f, array(dtype, SPECIAL + ordinary))
            known = reference or promised is None
            allowed = tolerance(f, x, reference, promised) if known else ulp(2 * promised + OFF.get((name, dtype), 0))
            yield Case(f"{name}_{dtype}", f, [x], tolerance=allowed, single_precision_only=True)
    for y in (2, 3, 5, -1, -2):
        for dtype in ("f32", "f64"):
            x = array(dtype, SPECIAL + [0.5, -3, 1.1])
            yield Case(f"integer_pow_{y}_{dtype}".replace("-", "minus_"), lambda x, y=y: lax.integer_pow(x, y), [x],
                       tolerance=ulp(3), single_precision_only=True)
    yield Case("integer_pow_3_i32", lambda x: lax.integer_pow(x, 3), [integers("i32", 7)])
    x = numbers("f64", 3, 0, 2)
    yield Case("exp_f64_empty", lax.exp, [x])
    yield Case("exp_f64_scalar", lax.exp, [array("f64", 0.75)], tolerance=ulp(3))
    yield Case("sin_f32_long", lax.sin, [numbers("f32", 67, lo=-9, hi=9)], tolerance=ulp(4))
    yield Case("tanh_f64_rank4", lax.tanh, [numbers("f64", 2, 1, 3, 2)], tolerance=ulp(4))


def conversions():
    floats = SPECIAL + [0.5, -2.5, 3.5, 1e10, 1.0009765625, 65504, 65520, -7.99, 3.3895314e38]
    for source, target in [("f64", "f32"), ("f32", "f64"), ("f32", "bf16"), ("f32", "f16"), ("f64", "f16"), ("bf16", "f32"),
                           ("f16", "f32"), ("f32", "bool"), ("f64", "bf16")]:
        yield Case(f"convert_{source}_{target}", lambda x, t=target: lax.convert_element_type(x, DTYPES[t]),
                   [array(source, floats)], single_precision_only=True)
    for source, target in [("f32", "i32"), ("f64", "i64"), ("f32", "i8"), ("bf16", "i32")]:
        x = array(source, [0.0, -0.0, 0.5, -0.5, 2.75, -2.75, 99, -99])
        yield Case(f"convert_{source}_{target}", lambda x, t=target: lax.convert_element_type(x, DTYPES[t]), [x])
    for source, target in [("i32", "f32"), ("i64", "f32"), ("u8", "f32"), ("i32", "i8"), ("i8", "u8"), ("u32", "u64"),
                           ("i64", "i32"), ("bool", "f32"), ("bool", "i32"), ("i32", "bool"), ("u8", "bf16"), ("i16", "f16")]:
        x = array(source, [0, 1, 1] if source == "bool" else [0, 1, 7, 100, 127] + [-1, -100] * (source[0] == "i"))
        if source in ("i32", "i64"):
            x = np.append(x, array(source, [16777217, 16777219, -2147483648, 2147483647]))
        yield Case(f"convert_{source}_{target}", lambda x, t=target: lax.convert_element_type(x, DTYPES[t]), [x],
                   single_precision_only=True)
    saturating = array("f32", [nan, inf, -inf, 1e10, -1e10])  # XLA saturates, and gives 0 for nan
    yield Case("convert_f32_i32_out_of_range", lambda x: lax.convert_element_type(x, np.int32), [saturating])
    bits = array("f32", [inf, -inf, 0.0, -0.0, 1.5, -3e30])
    yield Case("bitcast_f32_u32", lambda x: lax.bitcast_convert_type(x, np.uint32), [bits])
    yield Case("bitcast_u32_f32", lambda x: lax.bitcast_convert_type(x, np.float32), [bits.view(np.uint32)],
               single_precision_only=True)
    yield Case("bitcast_f64_i64", lambda x: lax.bitcast_convert_type(x, np.int64), [bits.astype(np.float64)])
    yield Case("bitcast_bf16_u16", lambda x: lax.bitcast_convert_type(x, np.uint16), [array("bf16", [1.5, -2, inf])])
    yield Case("is_finite_f32", lax.is_finite, [array("f32", SPECIAL)])
    yield Case("is_finite_bf16", lax.is_finite, [array("bf16", SPECIAL)])
    yield Case("stop_gradient_f32", lambda x: lax.stop_gradient(lax.neg(x)), [array("f32", SPECIAL)])


def elementwise():
    yield from unary()
    yield from conversions()


def binary():
    ordinary = [nan, inf, -inf, 0.0, -0.0, 1.5, -2.25]
    unsigned_zero = [nan, inf, -inf, 0.0, 1.5, -2.25]  # max(0, -0) is either
    for name in ("add", "sub", "mul", "div", "max", "min"):
        f = getattr(lax, name)
        for dtype in ("f32", "f64", "bf16", "f16"):
            yield Case(f"{name}_{dtype}", f, list(pairs(dtype, unsigned_zero if name in ("max", "min") else ordinary)))
        x, y = pairs("i32", [-2147483648, -7, -2, 1, 3, 2147483647])
        yield Case(f"{name}_i32", f, [x, y])
    for name, dtype in [("add", "u8"), ("mul", "i64"), ("sub", "u32"), ("max", "u64"), ("min", "i8"), ("div", "u16")]:
        x, y = pairs(dtype, [1, 2, 100, 200 if dtype[0] == "u" else 127])
        yield Case(f"{name}_{dtype}", getattr(lax, name), [x, y])
    yield Case("div_i32_by_zero", lax.div, [array("i32", [5, -5, 0]), array("i32", [0, 0, 0])])
    yield Case("div_u32_by_zero", lax.div, [array("u32", [5, 0]), array("u32", [0, 0])])
    for dtype in ("f32", "f64"):
        x, y = pairs(dtype, [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5])
        yield Case(f"pow_{dtype}_special", lax.pow, [x, y], tolerance=ulp(6))
        x, y = pairs(dtype, [0.25, 0.9375, 1.0625, 2.5, 7.75])
        yield Case(f"pow_{dtype}", lax.pow, [x, -y], tolerance=ulp(8))
    yield Case("add_f32_literal", lambda x: 2.5 * x + 1, [numbers("f32", 2, 3)], tolerance=EXACT, single_precision_only=True)
    yield Case("div_f64_literal", lambda x: 1 / x, [numbers("f64", 2, 3)])
    yield from logic()


def logic():
    ops = {"and": lax.bitwise_and, "or": lax.bitwise_or, "xor": lax.bitwise_xor}
    for name, f in ops.items():
        for dtype in ("bool", "i32", "u8"):
            values = [0, 1] if dtype == "bool" else [0, 1, 12, 127, -2 if dtype == "i32" else 254]
            yield Case(f"{name}_{dtype}", f, list(pairs(dtype, values)))
    yield Case("not_bool", lax.bitwise_not, [array("bool", [0, 1])])
    yield Case("not_i64", lax.bitwise_not, [array("i64", [0, -1, 7, 1 << 40])])
    yield Case("not_u16", lax.bitwise_not, [array("u16", [0, 1, 65535])])
    for name, f in {"shift_left": lax.shift_left, "shift_right_logical": lax.shift_right_logical}.items():
        for dtype in ("u32", "i32", "u64"):
            x = array(dtype, [1, 255, 123456789] + [-1] * (dtype == "i32"))
            n = array(dtype, [0, 1, 13, 31])
            yield Case(f"{name}_{dtype}", f, [np.repeat(x, 4), np.tile(n, len(x))])
    yield Case("shift_left_u32_by_width", lax.shift_left, [array("u32", [1, 9, 9]), array("u32", [32, 33, 4000000000])])


def comparison():
    names = ("eq", "ne", "lt", "le", "gt", "ge")
    for name in names:
        yield Case(f"{name}_f32", getattr(lax, name), list(pairs("f32", [nan, inf, -inf, 0.0, -0.0, 1.5, -2.25])))
    for dtype, values in {"f64": [nan, -inf, 0.0, 1e-300, 2.0], "bf16": [nan, inf, 1.0, 1.0078125], "f16": [-0.0, 0.0, 3.0],
                          "i32": [-3, 0, 7], "u32": [0, 7, 4294967295], "i8": [-128, 0, 127], "bool": [0, 1],
                          "i64": [-(1 << 40), 0, 1 << 40]}.items():
        f = lambda x, y: tuple(getattr(lax, name)(x, y) for name in names)
        yield Case(f"compare_{dtype}", f, list(pairs(dtype, values)))
    x = [numbers("f32", 2, 3, seed=i) for i in range(3)]
    yield Case("select_n_bool_f32", lax.select_n, [array("bool", [[0, 1, 0], [1, 1, 0]])] + x[:2])
    yield Case("select_n_i32_f32", lax.select_n, [array("i32", [[0, 1, 2], [2, 1, 0]])] + x)
    yield Case("select_n_scalar_predicate", lax.select_n, [array("bool", True)] + x[:2])
    yield Case("select_n_i64", lax.select_n, [array("bool", [0, 1, 1]), integers("i64", 3), integers("i64", 3, seed=1)])
    yield Case("select_n_nan_unselected", lambda x: lax.select(lax.gt(x, lax.full_like(x, 0)), lax.log(x), x),
               [array("f64", [-1.0, 0.0, 1.0, nan])])
    yield Case("equal_to_itself_f32", lambda x: lax.eq(x, x), [array("f32", SPECIAL)])
    yield Case("where_literal_f32", lambda x: lax.select(x > 0.5, x, jnp.full_like(x, -1)), [array("f32", SPECIAL)],
               single_precision_only=True)


FAMILIES = {"elementwise": elementwise, "binary": binary, "comparison": comparison}
