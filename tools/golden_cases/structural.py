"""Primitives that move numbers or reduce them: shape, reduction."""
import numpy as np
from jax import lax

from .case import DTYPES, EXACT, NORM, Case, array, integers, norm, numbers
from .lift import lift

# name: function, shapes of its arguments (f64). Values, derivatives and vmaps of each are exact, or sums of a few numbers.
MOVES = {
    "broadcast_in_dim_rows": (lambda x: lax.broadcast_in_dim(x, (2, 3), (1,)), [(3,)]),
    "broadcast_in_dim_size_1": (lambda x: lax.broadcast_in_dim(x, (2, 4, 3), (0, 2)), [(2, 1)]),
    "broadcast_in_dim_scalar": (lambda x: lax.broadcast_in_dim(x, (2, 2), ()), [()]),
    "reshape": (lambda x: lax.reshape(x, (3, 4)), [(2, 6)]),
    "reshape_scalar": (lambda x: lax.reshape(x, ()), [(1, 1)]),
    "transpose": (lambda x: lax.transpose(x, (2, 0, 1)), [(2, 3, 4)]),
    "squeeze": (lambda x: lax.squeeze(x, (0, 2)), [(1, 3, 1, 2)]),
    "expand_dims": (lambda x: lax.expand_dims(x, (0, 2)), [(3, 2)]),
    "concatenate": (lambda x, y, z: lax.concatenate([x, y, z], 1), [(2, 3), (2, 1), (2, 0)]),
    "concatenate_twice_the_same": (lambda x: lax.concatenate([x, x], 0), [(2, 2)]),
    "slice": (lambda x: lax.slice(x, (1, 0), (4, 3)), [(5, 3)]),
    "slice_strided": (lambda x: lax.slice(x, (1, 0), (7, 5), (3, 2)), [(8, 5)]),
    "slice_empty": (lambda x: lax.slice(x, (2,), (2,)), [(4,)]),
    "pad": (lambda x, p: lax.pad(x, p, ((1, 2, 0), (0, 1, 0))), [(2, 3), ()]),
    "pad_negative": (lambda x, p: lax.pad(x, p, ((-1, 2, 0), (1, -2, 0))), [(3, 4), ()]),
    "pad_interior": (lambda x, p: lax.pad(x, p, ((1, 0, 2), (0, 0, 1))), [(3, 2), ()]),
    "pad_interior_negative": (lambda x, p: lax.pad(x, p, ((-1, -2, 1), (-2, 3, 2))), [(4, 3), ()]),
    "pad_away": (lambda x, p: lax.pad(x, p, ((-2, -2, 0),)), [(4,), ()]),
}
KINDS = {
    "slice_empty": "f vjp vmap", "pad_away": "f vjp vmap", "concatenate": "f vjp jvp vmap vmap_first vmap_last vjp_vmap",
    "pad_interior_negative": "f vjp jvp vmap vmap_last vmap_vjp jacrev", "broadcast_in_dim_scalar": "f vjp vmap transpose",
    "pad_interior": "f vjp vmap vmap_first vmap_last", "transpose": "f vjp transpose vmap vmap_first jacfwd",
}


def shape():
    for name, (f, shapes) in MOVES.items():
        args = [numbers("f64", *s, seed=i) for i, s in enumerate(shapes)]
        kinds = KINDS.get(name, "f vjp vmap_first" if len(args) == 1 else "f vjp vmap vmap_last")
        yield from lift(name, f, args, kinds, tolerance=NORM["f64"])
    for dtype in ("f32", "bf16", "i32", "bool", "u8"):
        x = integers(dtype, 3, 4, lo=0, hi=1) if dtype in ("bool", "u8") else numbers(dtype, 3, 4, hi=9)
        p = np.ones((), x.dtype)

        def f(x, p):
            y = lax.pad(lax.transpose(x, (1, 0)), p, ((0, 1, 1), (-1, 0, 0)))
            return lax.concatenate([lax.reshape(lax.slice(y, (0, 0), (6, 2), (2, 1)), (2, 3)), lax.full((2, 1), 1, x.dtype)], 1)

        yield Case(f"moves_{dtype}", f, [x, p], single_precision_only=True)
    yield Case("pad_nan_f32", lambda x: lax.pad(x, np.float32(np.nan), ((1, 1, 0),)), [numbers("f32", 2)],
               single_precision_only=True)
    for dtype in ("f32", "i32", "u8", "bf16", "f64"):
        f = lambda x: lax.add(x, lax.broadcasted_iota(DTYPES[dtype], (3, 4), 1))
        yield Case(f"iota_{dtype}", f, [np.ones((3, 4), DTYPES[dtype])], single_precision_only=True)
    yield Case("iota_i64_rows", lambda: lax.broadcasted_iota(np.int64, (3, 2), 0), [])
    yield Case("vmap_axis_size_only", lambda x: lax.neg(x), [numbers("f32", 2)], "vmap(f, in_axes=(none,), axis_size=3)")
    yield Case("vmap_size_0", lambda x: lax.concatenate([x, x], 0), [numbers("f32", 0, 2)], "vmap(f)")
    yield Case("vmap_size_1", lambda x: lax.concatenate([x, x], 0), [numbers("f32", 1, 2)], "vmap(f)")


def reducers():
    return {"sum": lax.reduce_sum, "max": lax.reduce_max, "min": lax.reduce_min}


def reduction():
    for name, reduce in reducers().items():
        x = numbers("f64", 2, 3, 4)
        for axes in ((0,), (2,), (0, 2), (0, 1, 2)):
            tag = f"reduce_{name}_{''.join(map(str, axes))}"
            kinds = "f vjp vmap_first jvp vmap_vjp" if axes == (0, 2) else "f vjp"
            yield from lift(tag, lambda x: reduce(x, axes), [x], kinds, tolerance=NORM["f64"])
        for dtype in ("f32", "f16", "bf16", "i32", "u8", "i64"):
            x = numbers(dtype, 5, 7) if dtype[0] in "fb" else integers(dtype, 5, 7, lo=0, hi=99)
            tolerance = NORM.get(dtype, EXACT) if name == "sum" else EXACT
            yield Case(f"reduce_{name}_{dtype}", lambda x: reduce(x, (1,)), [x], tolerance=tolerance)
        special = array("f32", [[np.nan, 1, 2], [np.inf, 1, -1], [-np.inf, 1, np.inf], [-np.inf, -np.inf, 0], [1, 2, 3]])
        yield Case(f"reduce_{name}_special", lambda x: reduce(x, (1,)), [special])
        yield Case(f"reduce_{name}_empty_f32", lambda x: reduce(x, (0,)), [numbers("f32", 0, 3)])
        yield Case(f"reduce_{name}_empty_i32", lambda x: reduce(x, (0,)), [integers("i32", 0, 2)])
        yield Case(f"reduce_{name}_of_empty_rows", lambda x: reduce(x, (1,)), [numbers("f64", 0, 3)])
        yield Case(f"reduce_{name}_vjp_of_empty", lambda x: reduce(x, (1,)), [numbers("f64", 0, 3), numbers("f64", 0)],
                   "vjp(f, args=1)")
    ties = array("f64", [[3, 1, 3], [2, 2, 2], [-1, 0, 0], [-0.0, 0.0, -1]])
    for name in ("max", "min"):
        f = lambda x: reducers()[name](x, (1,))
        yield Case(f"reduce_{name}_ties", f, [ties, numbers("f64", 4)], "vjp(f, args=1)", NORM["f64"])
        yield Case(f"reduce_{name}_ties_forward", f, [ties, numbers("f64", 4, 3)], "jvp(f)", NORM["f64"])
    yield Case("reduce_sum_long_f32", lambda x: lax.reduce_sum(x, (0,)), [numbers("f32", 1000)], tolerance=norm(1e-4))
    yield Case("reduce_sum_no_axes", lambda x: lax.reduce_sum(x, ()), [numbers("f32", 3)])


FAMILIES = {"shape": shape, "reduction": reduction}
