"""Programs as people write them, with jax.numpy: the family texts is about what JAX prints for them. Default parameters left
out, numbers among arrays, axes of size 1, nested and shared jaxprs, calls of custom rules, one line and many."""
import functools

import jax
import jax.extend.random
import numpy as np
from jax import lax
from jax import numpy as jnp

from .case import EXACT, NORM, Case, array, integers, norm, numbers

X = numbers("f64", 3, seed=1)
Y = numbers("f64", 3, seed=2)
M = numbers("f64", 3, 3, seed=3)
NO_TANGENT = np.zeros(3, jax.dtypes.float0)
MASK = np.array([True, False, True])
KEY = array("u32", [7, 11])
TOLERANCE = norm(1e-13)


# ---------------------------------------------------------------------------------- functions with a jaxpr of their own


@jax.jit
def one_line(x):
    return x * 2.0


@jax.jit
def two_results(x, y):
    return jnp.sin(x) * y, x + 1


@jax.jit
def no_result(x):
    return ()


@functools.partial(jax.jit, static_argnums=1, keep_unused=True, donate_argnums=0)
def with_switches(x, n):
    return x * n + 1


@jax.jit
def outer(x):
    """Calls one that is called from elsewhere too."""
    return one_line(x) + one_line(jnp.cos(x))


@jax.jit
def long_one(x):
    """More than ten equations: JAX prints it apart though it is called once."""
    for i in range(6):
        x = jnp.sin(x) + i
    return x


@jax.jit
def many_results(x):
    return tuple(x * i for i in range(24))


class Scale:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return x * self.by


nameless = jax.jit(lambda x: x - 0.5)
callable_object = jax.jit(Scale(3.0))


def named(name):
    f = lambda x: x * x
    f.__name__ = name
    return jax.jit(f)


odd_name = named("my-fn.1 [x=2]")
keyword_name = named("in")
same_name = [named("twin"), jax.jit(named("twin"))]


@jax.custom_vjp
def product(x, y):
    return x * y


product.defvjp(lambda x, y: (x * y, (x, y)), lambda r, ct: (r[1] * ct, r[0] * ct))


@jax.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda x, dx: (x[0] ** 3, 3 * x[0] ** 2 * dx[0]))


def matrix(x):
    return jnp.outer(x, x) + 1


def threefry(key, counts):
    return jax.extend.random.threefry2x32_p.bind(key[0], key[1], counts, counts + np.uint32(3))


def mlp(w, b, x):
    return jnp.sum(jnp.tanh(x @ w + b) ** 2)


def pulled_back(f):
    """What vjp of f does with a cotangent."""
    return lambda x: jax.vjp(f, x)[1](x + 1)[0]


# ---------------------------------------------------------------------------------- the cases

NUMBERS = {
    "left": lambda x: 2 * x,
    "right": lambda x: x / 3 - 1,
    "both": lambda x: 1 / (1 + jnp.exp(-x)),
    "compared": lambda x: jnp.where(x > 0, x, 0.25),
    "negative": lambda x: x * -0.5 + -1e-3,
    "large_small": lambda x: x * 1e22 * 1e-30,
    "infinite": lambda x: (jnp.maximum(x, -jnp.inf), jnp.minimum(x, jnp.inf), x * jnp.nan),
    "variable": lambda x: x * x[0] + jnp.sum(x),
    "power": lambda x: x**2 + abs(x) ** 2.5 + 2.0**x,
    "clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "results": lambda x: (x, 1.5, True, 7),
}

ARRAYS = {
    "outer_sum": lambda x: x[:, None] + x[None, :],
    "rows": lambda x: matrix(x) * x,
    "columns": lambda x: matrix(x) - x[:, None],
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "logsumexp": jax.nn.logsumexp,
    "standardized": lambda x: (x - x.mean()) / (x.std() + 1e-5),
    "variance": lambda x: jnp.var(x, ddof=1),
    "keepdims": lambda x: x / jnp.sum(jnp.abs(x), keepdims=True),
    "columns_joined": lambda x: jnp.concatenate([x[:, None], 2 * x[:, None]], axis=1),
    "concatenate": lambda x: jnp.concatenate([x, x[:1], jnp.zeros(2)]),
    "pad": lambda x: jnp.pad(x, (1, 2)),
    "steps": lambda x: jnp.concatenate([x, x])[::2],
    "last": lambda x: x[-1] * x[1:],
    "reshape": lambda x: jnp.outer(x, x[:2]).reshape(2, 3).T,
    "arange": lambda x: x * jnp.arange(3) + jnp.arange(3.0),
    "eye": lambda x: x * jnp.eye(3),
    "tril": lambda x: jnp.tril(jnp.outer(x, x)),
    "linspace": lambda x: x[0] * jnp.linspace(0, 1, 5),
    "one_hot": lambda x: x * jax.nn.one_hot(1, 3),
    "ones_like": lambda x: jnp.ones_like(x) + jnp.full((3,), 2.0),
    "norm": lambda x: jnp.linalg.norm(x) + jnp.sqrt(jnp.vdot(x, x)),
    "extremes": lambda x: (jnp.max(x), jnp.min(x), jnp.ptp(x)),
}

MATRICES = {
    "matmul": lambda m, x: m @ x,
    "einsum": lambda m, x: jnp.einsum("ij,j,i->", m, x, x),
    "batched": lambda m, x: jnp.einsum("bi,bi->b", m, m * x),
    "precision": lambda m, x: jnp.dot(m, x, precision="highest"),
    "tensordot": lambda m, x: jnp.tensordot(m, m, 2) + x,
    "trace": lambda m, x: jnp.trace(m) * x,
    "det": lambda m, x: jnp.linalg.det(m) * x,
    "triangular": lambda m, x: jax.scipy.linalg.solve_triangular(jnp.tril(m) + 4 * jnp.eye(3), x, lower=True),
    "kron": lambda m, x: jnp.kron(x, x),
    "mean_axis": lambda m, x: m.mean(axis=1) + m.sum(axis=0) + x,
}

NN = {"relu": jax.nn.relu, "relu6": jax.nn.relu6, "silu": jax.nn.silu, "gelu": jax.nn.gelu, "softplus": jax.nn.softplus,
      "sigmoid": jax.nn.sigmoid, "elu": jax.nn.elu, "leaky_relu": jax.nn.leaky_relu, "log_sigmoid": jax.nn.log_sigmoid,
      "hard_tanh": jax.nn.hard_tanh, "selu": jax.nn.selu, "logaddexp": lambda x: jnp.logaddexp(x, 0.5)}

CALLS = {
    "one_line": one_line,
    "twice": lambda x: one_line(one_line(x)),
    "two_results": lambda x: two_results(x, x),
    "dropped": lambda x: two_results(x, x)[1],
    "no_result": lambda x: (no_result(x), x)[1],
    "switches": lambda x: with_switches(x, 3),
    "shared_inner": lambda x: outer(x) + one_line(x) + outer(-x),
    "apart": long_one,
    "apart_twice": lambda x: long_one(long_one(x)),
    "lambda": nameless,
    "lambda_shared": lambda x: nameless(nameless(x)),
    "object": callable_object,
    "object_shared": lambda x: callable_object(callable_object(x)),
    "odd_name": odd_name,
    "odd_name_shared": lambda x: odd_name(odd_name(x)),
    "keyword_shared": lambda x: keyword_name(keyword_name(x)),
    "same_name": lambda x: same_name[0](same_name[1](same_name[0](same_name[1](x)))),
    "many_results": many_results,
    "many_dropped": lambda x: many_results(many_results(x)[3])[5],
    "many_operands": lambda x: jnp.concatenate([x * i for i in range(30)]),
    "where_shared": lambda x: jnp.where(x > 0, x, 0.0) + jnp.where(x > 1, 1.0, x),
    "rule": lambda x: product(x, 2.0) + product(x, x),
    "rule_shared": lambda x: jax.jit(product)(x, x) + jax.jit(product)(x, -x),
    "jvp_rule": lambda x: cubed(x) + jax.jit(cubed)(2 * x),
    "mapped": jax.vmap(lambda x: one_line(x) + outer(x)),
}

DERIVATIVES = {
    "grad": jax.grad(lambda x: jnp.sum(jnp.sin(x) * x)),
    "grad_softmax": jax.grad(lambda x: jax.nn.log_softmax(x)[0]),
    "grad_where": jax.grad(lambda x: jnp.sum(jnp.where(x > 0, x * x, jnp.exp(x)))),
    "grad_calls": jax.grad(lambda x: jnp.sum(outer(x) * one_line(x))),
    "grad_rule": jax.grad(lambda x: jnp.sum(product(x, x))),
    "grad_jvp_rule": jax.grad(lambda x: jnp.sum(cubed(x))),
    "jitted": jax.jit(jax.value_and_grad(lambda x: jnp.mean((x - 1) ** 2))),
    "hessian_product": lambda x: jax.jvp(jax.grad(lambda x: jnp.sum(jnp.tanh(x) * x)), (x,), (x + 1,))[1],
    "pushed": lambda x: jax.jvp(lambda x: jnp.sin(x) * x[0], (x,), (jnp.cos(x),)),
    "pushed_integers": lambda x: jax.jvp(lambda x, i: (x * i, i + 1), (x, jnp.arange(3)), (x, NO_TANGENT))[0],
    "pulled": pulled_back(lambda x: jnp.sin(x) * outer(x)),
    "mapped": lambda x: jax.vmap(jax.grad(lambda x, y: jnp.sum(jnp.sin(x * y))), (None, 0))(x, jnp.outer(x, x)),
}


def case(name, f, args, spec="f", tolerance=EXACT):
    """Operators of NumPy's arrays are NumPy's: f gets JAX's."""
    return Case(f"text_{name}", lambda *xs: f(*map(jnp.asarray, xs)), args, spec, tolerance)


def table(name, functions, args, tolerance=TOLERANCE):
    for what, f in functions.items():
        yield case(f"{name}_{what}", f, args, tolerance=tolerance)


def dtypes():
    yield case("half", lambda x: jnp.float16(0.1) * x + jnp.float16(3), [numbers("f16", 4)], tolerance=NORM["f16"])
    yield case("bfloat", lambda x: jnp.bfloat16(0.1) * x, [numbers("bf16", 4)], tolerance=NORM["bf16"])
    yield case("single", lambda x: jax.nn.gelu(0.1 * x), [numbers("f32", 4)], tolerance=norm(4e-6))
    yield case("integers", lambda i: (i * 3 - 1, i + np.int32(-(2**31)), i == 2, i.astype(jnp.float64) / 2),
               [integers("i32", 4)])
    yield case("bytes", lambda i: (i + np.int8(-128), i.astype(jnp.uint8) + np.uint8(255)), [integers("i8", 4)])
    yield case("longs", lambda i: (i + np.uint64(2**64 - 1), i.astype(jnp.int64) - np.int64(-(2**63))),
               [integers("u64", 4, lo=0)])
    yield case("bits", lambda i: (i << 2, i >> 1, i ^ 3, ~i, i & 1), [integers("u32", 4, lo=0)])
    yield case("threefry", threefry, [KEY, integers("u32", 4, lo=0)])
    yield case("masks", lambda m, x: (~m, m | True, m * abs(x), jnp.where(m, x, jnp.nan)), [MASK, X])
    yield case("scalar_mask", lambda m, x: lax.select_n(m, x, -x), [np.bool_(True).reshape(()), X])


def several():
    w, b = numbers("f64", 3, 2, seed=5), numbers("f64", 2, seed=6)
    yield case("mlp", mlp, [w, b, M], tolerance=TOLERANCE)
    yield case("mlp_grad", jax.jit(jax.grad(mlp, (0, 1))), [w, b, M], tolerance=TOLERANCE)
    yield case("mlp_examples", jax.vmap(jax.grad(mlp), (None, None, 0)), [w, b, M[:, None]], tolerance=TOLERANCE)
    yield case("mlp_then_grad", mlp, [w, b, M], "grad(f, argnums=(0,1))", TOLERANCE)
    yield case("calls_then_grad", lambda x: jnp.sum(outer(x) + long_one(x)), [X], "grad(f)", TOLERANCE)
    yield case("shared_then_vmap", lambda x: outer(x) + one_line(x), [M], "vmap(f)", TOLERANCE)
    yield case("variable_then_hessian", lambda x: jnp.sum(x * x[0] * jnp.sum(x)), [X], "hessian(f)", TOLERANCE)
    yield case("nothing", lambda: jnp.arange(4) * 2, [])
    yield case("unchanged", lambda x, y: (y, x, y), [X, Y])


def linear(a, b, transpose=True):
    """By 40 steps that need the diagonal of the matrix alone."""
    matrix = 0.1 * a + 2 * jnp.eye(3) * (1 + a[0] ** 2)
    diagonal = jnp.sum(matrix * jnp.eye(3), 1)

    def jacobi(matvec, b):
        return lax.fori_loop(0, 40, lambda _, x: x + (b - matvec(x)) / diagonal, jnp.zeros_like(b))

    return lax.custom_linear_solve(lambda v: matrix @ v, b, jacobi, transpose_solve=jacobi if transpose else None)


def solvers():
    def loss(a, b):
        return jnp.sum(jnp.sin(linear(a, b)))

    for name, f in {"value": linear, "forward_only": lambda a, b: linear(a, b, False), "grad": jax.grad(loss, (0, 1)),
                    "pushed": lambda a, b: jax.jvp(linear, (a, b), (b[:, None] * a, b))[1],
                    "mapped": lambda a, b: jax.vmap(linear, (None, 0))(a, jnp.outer(b, b))}.items():
        yield case(f"solve_{name}", f, [M, X], tolerance=norm(1e-12))
    yield case("solve_then_grad", loss, [M, X], "grad(f, argnums=(0,1))", norm(1e-12))
    yield case("solve_then_hessian", loss, [M, X], "hessian(f)", norm(1e-12))
    yield case("solve_then_vmap", linear, [np.stack([M, M.T]), np.stack([X, Y])], "vmap(f)", norm(1e-12))


def texts():
    yield from table("number", NUMBERS, [X])
    yield from table("array", ARRAYS, [X])
    yield from table("matrix", MATRICES, [M, X])
    yield from table("nn", NN, [X])
    yield from table("call", CALLS, [X])
    yield from table("derivative", DERIVATIVES, [X])
    yield from dtypes()
    yield from several()
    yield from solvers()


FAMILIES = {"texts": texts}
