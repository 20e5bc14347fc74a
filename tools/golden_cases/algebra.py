"""dot_general in every order of dimensions, and LAPACK's primitives."""
import numpy as np
from jax import lax

from .case import DTYPES, NORM, Case, array, integers, norm, numbers
from .lift import lift

# name: shapes, contracting dimensions of both, batch dimensions of both.
DOTS = {
    "vector_vector": ((3,), (3,), ((0,), (0,)), ((), ())),
    "matrix_vector": ((2, 3), (3,), ((1,), (0,)), ((), ())),
    "vector_matrix": ((3,), (2, 3), ((0,), (1,)), ((), ())),
    "matrix_matrix": ((2, 3), (3, 4), ((1,), (0,)), ((), ())),
    "transposed_both": ((3, 2), (4, 3), ((0,), (1,)), ((), ())),
    "outer": ((2,), (3,), ((), ()), ((), ())),
    "scalar": ((), (3,), ((), ()), ((), ())),
    "two_contracted": ((2, 3, 4), (4, 2, 5), ((0, 2), (1, 0)), ((), ())),
    "all_contracted_swapped": ((2, 3), (3, 2), ((1, 0), (0, 1)), ((), ())),
    "batch_first": ((2, 3, 4), (2, 4, 2), ((2,), (1,)), ((0,), (0,))),
    "batch_middle_last": ((3, 2, 4), (4, 3, 2), ((2,), (0,)), ((1,), (2,))),
    "two_batches_swapped": ((2, 3, 4), (4, 3, 2), ((2,), (0,)), ((0, 1), (2, 1))),
    "two_batches_reversed": ((2, 3, 2, 2), (3, 2, 3, 2), ((3,), (3,)), ((1, 0), (0, 1))),
    "batch_only": ((2, 3), (3, 2), ((), ()), ((0, 1), (1, 0))),
    "batch_and_outer": ((3, 2), (2, 4), ((), ()), ((1,), (0,))),
    "nothing_contracted_size_0": ((2, 0), (0, 3), ((1,), (0,)), ((), ())),
    "no_rows": ((0, 3), (3, 2), ((1,), (0,)), ((), ())),
    "one_by_one": ((1, 1), (1, 1), ((1,), (0,)), ((), ())),
}
MORE = ("matrix_vector", "batch_middle_last")


def dot():
    for name, (a, b, contract, batch) in DOTS.items():
        f = lambda x, y: lax.dot_general(x, y, (contract, batch))
        kinds = "f vjp vmap vmap_first vmap_last jvp vjp_vmap" if name in MORE else "f vjp vmap_first" if len(a) < 3 else "f vjp"
        yield from lift(f"dot_{name}", f, [numbers("f64", *a), numbers("f64", *b, seed=1)], kinds, tolerance=NORM["f64"])
    matmul = lambda x, y: lax.dot_general(x, y, (((1,), (0,)), ((), ())))
    for dtype in ("f32", "bf16", "f16", "i32", "u8", "i64"):
        x, y = (numbers(dtype, 5, 6), numbers(dtype, 6, 7)) if dtype[-2:] in ("16", "32") and dtype[0] != "i" else (
            integers(dtype, 5, 6, lo=0), integers(dtype, 6, 7, lo=0, seed=1))
        yield Case(f"dot_{dtype}", matmul, [x, y], tolerance=NORM.get(dtype, "exact"))
    for dtype in ("bf16", "f16"):
        f = lambda x, y: lax.dot_general(x, y, (((1,), (0,)), ((), ())), preferred_element_type=np.float32)
        yield Case(f"dot_{dtype}_to_f32", f, [numbers(dtype, 3, 4), numbers(dtype, 4, 2)], tolerance=NORM["f32"],
                   single_precision_only=True)
    yield Case("dot_nan_inf_f32", matmul, [array("f32", [[np.nan, 1], [np.inf, 1], [2, 3]]), array("f32", [[1, 0.5], [2, 2]])])
    yield Case("dot_long_f32", matmul, [numbers("f32", 3, 70), numbers("f32", 70, 2)], tolerance=norm(2e-5))
    yield Case("dot_square_of_itself", lambda x: matmul(x, x), [numbers("f64", 3, 3)] * 2, "vjp(f, args=1)", NORM["f64"])


def well_conditioned(dtype, *shape, seed=0):
    """Rows far from one another: the pivots are clear, and not already in order."""
    a = numbers("f64", *shape, seed=seed)
    n = min(shape[-2:])
    a[..., np.arange(n), (np.arange(n) + 1) % n] += 4
    return a.astype(DTYPES[dtype])


def triangular(left_side=True, lower=True, transpose_a=False, unit_diagonal=False):
    return lambda a, b: lax.linalg.triangular_solve(
        a, b, left_side=left_side, lower=lower, transpose_a=transpose_a, unit_diagonal=unit_diagonal)


def linalg():
    tolerance = {"f32": norm(4e-5), "f64": norm(4e-13)}
    factors = lambda a: lax.linalg.lu(a)[0]
    for shape in ((1, 1), (3, 3), (4, 4), (4, 3), (3, 5), (2, 3, 3), (0, 0)):
        tag = "lu_" + "x".join(map(str, shape))
        for dtype in ("f64", "f32") if shape == (4, 4) else ("f64",):
            yield Case(f"{tag}_{dtype}", lambda a: tuple(lax.linalg.lu(a)), [well_conditioned(dtype, *shape)],
                       tolerance=tolerance[dtype])
        if 0 not in shape:
            yield from lift(tag, factors, [well_conditioned("f64", *shape)], "vjp jvp", tolerance=tolerance["f64"])
    yield from lift("lu_factors", factors, [well_conditioned("f64", 3, 3)], "vmap jacrev", tolerance=norm(1e-11))
    for left in (True, False):
        for lower in (True, False):
            for transpose in (True, False):
                a, b = well_conditioned("f64", 3, 3) + 3 * np.eye(3), numbers("f64", *((3, 2) if left else (2, 3)))
                f = triangular(left, lower, transpose)
                tag = f"triangular_solve_{'left' if left else 'right'}_{'lower' if lower else 'upper'}" + "_t" * transpose
                yield from lift(tag, f, [a, b], "f vjp", tolerance=tolerance["f64"])
    a, b = well_conditioned("f64", 3, 3) + 3 * np.eye(3), numbers("f64", 3, 2)
    yield from lift("triangular_solve_unit", triangular(unit_diagonal=True), [a, b], "f vjp jvp", tolerance=tolerance["f64"])
    yield from lift("triangular_solve", triangular(), [a, b], "jvp vmap_last", tolerance=tolerance["f64"])
    a2, b2 = np.stack([a, 2 * a]), numbers("f64", 2, 3, 2)
    yield from lift("triangular_solve_batch", triangular(lower=False), [a2, b2], "f vjp", tolerance=tolerance["f64"])
    yield Case("triangular_solve_vmap_both", triangular(), [a2, b2], "vmap(f)", tolerance["f64"])
    yield Case("triangular_solve_vmap_a", triangular(False), [a2, b.T], "vmap(f, in_axes=(0,none))", tolerance["f64"])
    yield Case("triangular_solve_vmap_b", triangular(False, False), [a, b2.transpose(2, 1, 0)],
               "vmap(f, in_axes=(none,2), out_axis=1)", tolerance["f64"])
    yield Case("triangular_solve_f32", triangular(), [a.astype(np.float32), b.astype(np.float32)], tolerance=tolerance["f32"])


FAMILIES = {"dot": dot, "linalg": linalg}
