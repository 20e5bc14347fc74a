"""Transformations of transformations, on small programs: the family vmaps."""
import numpy as np
from jax import jit, lax

from .case import NORM, Case, array, norm, numbers

TOLERANCE = norm(1e-13)
SCALAR = array("f64", 0.75)
VECTOR = array("f64", [0.5, -1.25, 2.0])
MATRIX = numbers("f64", 3, 2, seed=4)

scalar_program = lambda x: lax.mul(lax.sin(x), lax.exp(lax.mul(x, x)))
two_scalars = lambda x, y: lax.mul(lax.sin(x), lax.log(lax.add(lax.mul(y, y), lax.exp(x))))
vector_loss = lambda x: lax.reduce_sum(lax.mul(lax.tanh(x), lax.mul(x, x)), (0,))
affine = lambda w, x: lax.tanh(lax.dot_general(w, x, (((0,), (0,)), ((), ()))))
affine_loss = lambda w, x: lax.reduce_sum(lax.square(affine(w, x)), (0,))
with_aux = lambda x, y: (lax.mul(lax.sin(x), y), lax.exp(y))
nameless = jit(lambda x: lax.mul(x, lax.sin(x)))


@jit
def wave(x):
    return lax.mul(x, lax.sin(x))


def shared(x):
    return lax.add(wave(x), wave(lax.neg(wave(x))))


@jit
def inner(x, y):
    return lax.mul(lax.exp(x), y), lax.sin(y)


def outer(x, y):
    """A call with two results in a call, one of them unused, an argument passed through."""

    @jit
    def middle(x, y):
        a, b = inner(y, x)
        return lax.add(a, b), x

    s, same = middle(lax.sin(x), y)
    return lax.mul(s, same)


SCALAR_SPECS = """
f | jit(f) | grad(f) | jit(grad(f)) | grad(jit(f)) | jit(grad(jit(f))) | grad(grad(f)) | grad(grad(grad(f))) | jit(jit(f))
| grad(jit(grad(jit(f)))) | value_and_grad(f) | jit(value_and_grad(f)) | jacfwd(f) | jacrev(f) | jacfwd(grad(f))
| jacrev(grad(f)) | grad(jacfwd(f)) | hessian(f) | jacfwd(jacfwd(f)) | jacfwd(jacrev(jacfwd(f)))"""
MAPPED_SPECS = """
vmap(f) | vmap(grad(f)) | jit(vmap(grad(f))) | vmap(jit(grad(f))) | vmap(grad(jit(f))) | vmap(grad(grad(f)))
| vmap(value_and_grad(f)) | jacfwd(vmap(f)) | jacrev(vmap(f)) | vmap(hessian(f)) | jacrev(vmap(grad(f))) | hessian(vmap(f))"""
TWO_SCALARS_SPECS = """
grad(f, argnums=(1,)) | grad(f, argnums=(0,1)) | grad(f, argnums=(1,0)) | hessian(f, argnums=(0,1))
| jacfwd(f, argnums=(0,1)) | grad(grad(f), argnums=(1,)) | jacrev(grad(f, argnums=(0,1)), argnums=(1,))
| value_and_grad(f, argnums=(0,1))
| jit(hessian(f, argnums=(0,1)))"""
LOSS_SPECS = """
grad(f) | hessian(f) | jacfwd(grad(f)) | jacrev(grad(f)) | jacrev(jacfwd(f)) | jit(hessian(f)) | jacrev(jacrev(jacrev(f)))"""
MATRIX_SPECS = """
vmap(f) | vmap(grad(f)) | vmap(f, in_axes=(1,)) | vmap(grad(f), in_axes=(1,)) | vmap(hessian(f), in_axes=(-1,))
| vmap(grad(f), in_axes=(1,), out_axis=1) | vmap(jit(grad(f)), in_axes=(1,), out_axis=-1)"""


def specs(name, f, args, text):
    for spec in text.split("|"):
        spec = " ".join(spec.split())
        words = "".join(c if c.isalnum() else "_" for c in spec).replace("none", "n")
        yield Case(f"{name}_" + "_".join(w for w in words.split("_") if w), f, args, spec, TOLERANCE)


def at_a_point():
    """jvp, vjp and linearize among the others."""
    x, dx = VECTOR, array("f64", [1.0, 0.5, -2.0])
    for spec in ("jvp(grad(f))", "jit(jvp(grad(f)))", "linearize(grad(f))", "vjp(grad(f), args=1)", "jvp(jit(grad(f)))"):
        name = spec.replace("(", "_").replace(")", "").replace(", args=1", "")
        yield Case(f"vector_{name}", vector_loss, [x, dx], spec, TOLERANCE)
    yield Case("jvp_of_jvp", scalar_program, [array("f64", v) for v in (0.75, 1.0, 0.5, -2.0)], "jvp(jvp(f))", TOLERANCE)
    yield Case("grad_of_linear_part", lambda x, y: lax.mul(x, y), [SCALAR, array("f64", 3.0)], "grad(f, argnums=(0,1))")
    yield Case("vmap_jvp", scalar_program, [x, dx], "vmap(jvp(f))", TOLERANCE)
    yield Case("vmap_jvp_one_point", scalar_program, [SCALAR, dx], "vmap(jvp(f), in_axes=(none,0))", TOLERANCE)
    yield Case("vmap_linearize", scalar_program, [x, dx], "vmap(linearize(f))", TOLERANCE)
    yield Case("jvp_vmap", scalar_program, [x, dx], "jvp(vmap(f))", TOLERANCE)
    yield Case("vjp_vmap_grad", scalar_program, [x, dx], "vjp(vmap(grad(f)), args=1)", TOLERANCE)
    yield Case("jit_vjp", scalar_program, [SCALAR, array("f64", 2.0)], "jit(vjp(f, args=1))", TOLERANCE)
    yield Case("jacfwd_vjp", scalar_program, [SCALAR, array("f64", 2.0)], "jacfwd(vjp(f, args=1), argnums=(0,1))", TOLERANCE)
    yield Case("vjp_of_vjp", scalar_program, [array("f64", v) for v in (0.75, 2.0, 1.0, 0.5)], "vjp(vjp(f, args=1), args=2)",
               TOLERANCE)
    linear = lambda w, x: lax.sub(lax.mul(w, x), lax.broadcast_in_dim(lax.reduce_sum(x, (0,)), x.shape, ()))
    yield Case("vmap_vjp_closed_axes", linear, [dx, numbers("f64", 3, 2), numbers("f64", 2, 3)],
               "vmap(vjp(f, args=2), in_axes=(none,1,0), out_axis=0)", TOLERANCE)
    yield Case("linear_transpose_of_jit", jit(lambda x: lax.mul(lax.neg(x), lax.full_like(x, 3))), [x, dx],
               "linear_transpose(jit(f), args=1)", TOLERANCE)


def mapped():
    w, x = numbers("f64", 2, 3, seed=6), numbers("f64", 4, 2, seed=7)
    for name, spec in {
        "forward": "vmap(f, in_axes=(none,0))", "per_example": "vmap(grad(f), in_axes=(none,0))",
        "per_example_jit": "jit(vmap(grad(f, argnums=(0,1)), in_axes=(none,0)))",
        "per_example_values": "vmap(value_and_grad(f), in_axes=(none,0), out_axis=0)",
    }.items():
        yield Case(f"affine_{name}", affine_loss, [w, x], spec, TOLERANCE)
    both = "vmap(vmap(f, in_axes=(none,0)), in_axes=(0,none))"
    ws = numbers("f64", 2, 2, 3, seed=8)
    yield Case("affine_nested_vmap", affine, [ws, x], both, TOLERANCE)
    yield Case("affine_nested_vmap_columns", affine, [ws, x],
               "vmap(vmap(f, in_axes=(none,0), out_axis=1), in_axes=(0,none), out_axis=2)", TOLERANCE)
    yield Case("affine_jacrev_weights", affine, [w, x[0]], "jacrev(f, argnums=(0,1))", TOLERANCE)
    yield Case("affine_jacfwd_weights", affine, [w, x[0]], "jacfwd(f, argnums=(0,1))", TOLERANCE)
    yield Case("affine_hessian_blocks", affine_loss, [w[:, :2], x[0]], "hessian(f, argnums=(0,1))", TOLERANCE)
    yield Case("affine_vmap_hessian", affine_loss, [w[:, :1], x[:2]], "vmap(hessian(f, argnums=(1,)), in_axes=(none,0))",
               TOLERANCE)
    yield Case("vmap_unmapped_output", lambda x, y: (lax.neg(x), lax.mul(x, y)), [VECTOR, MATRIX],
               "vmap(f, in_axes=(none,1))")
    yield Case("vmap_iota_and_literal", lambda x: 2.0 * x + lax.iota(np.float64, 3), [numbers("f64", 2, 3)], "vmap(f)")
    pairwise = lambda x, y: lax.mul(lax.sin(x), y)
    yield Case("vmap_three_deep", pairwise, [VECTOR, MATRIX], "vmap(vmap(grad(f), in_axes=(none,0)), in_axes=(0,0))",
               TOLERANCE)


def aux():
    two = [SCALAR, array("f64", 1.5)]
    for spec in ("grad(f, has_aux=1)", "value_and_grad(f, argnums=(0,1), has_aux=1)", "jacfwd(f, has_aux=1)",
                 "jacrev(f, argnums=(1,), has_aux=1)", "jit(grad(f, has_aux=1))"):
        yield from specs("aux", with_aux, two, spec)
    yield Case("aux_vmap_grad", with_aux, [VECTOR, array("f64", 1.5)], "vmap(grad(f, has_aux=1), in_axes=(0,none))", TOLERANCE)


def vmaps():
    yield from specs("scalar", scalar_program, [SCALAR], SCALAR_SPECS)
    yield from specs("mapped", scalar_program, [VECTOR], MAPPED_SPECS)
    yield from specs("two", two_scalars, [SCALAR, array("f64", 1.5)], TWO_SCALARS_SPECS)
    yield from specs("vector", vector_loss, [VECTOR], LOSS_SPECS)
    yield from specs("matrix", vector_loss, [MATRIX], MATRIX_SPECS)
    yield from specs("call", outer, [SCALAR, array("f64", 1.5)],
                     "f | grad(f, argnums=(0,1)) | hessian(f, argnums=(0,1)) | jit(grad(f))")
    yield from specs("call", outer, [VECTOR, array("f64", 1.5)],
                     "vmap(f, in_axes=(0,none)) | vmap(grad(f, argnums=(1,)), in_axes=(0,none))")
    yield from specs("shared_call", shared, [SCALAR], "f | grad(f) | grad(grad(f)) | jit(f)")
    yield from specs("shared_call", shared, [VECTOR], "vmap(grad(f))")
    yield Case("shared_lambda", lambda x: nameless(nameless(x)), [SCALAR], "f", TOLERANCE)  # `let lambda = { lambda ; ...`
    yield Case("scalar_f32_grad_grad", scalar_program, [array("f32", 0.75)], "grad(grad(f))", NORM["f32"])
    yield from at_a_point()
    yield from mapped()
    yield from aux()


FAMILIES = {"vmaps": vmaps}
