"""Functions of the library by name, against JAX's and NumPy's: composites, random. Their jaxprs are the library's own."""
import jax
import numpy as np
from jax import numpy as jnp

from .algebra import well_conditioned
from .case import DTYPES, NORM, Case, array, norm, numbers, rel
from .lift import lift


def named(name, op, f, args, kinds="f vjp", tolerance=NORM["f64"]):
    yield from lift(name, f, args, kinds, tolerance=tolerance, op=op)


def axes_text(axes):
    return "none" if axes is None else "(" + ",".join(map(str, axes)) + ("," if len(axes) == 1 else "") + ")"


def reducers():
    x = numbers("f64", 2, 3, 4)
    table = {"sum": jnp.sum, "mean": jnp.mean, "max": jnp.max, "min": jnp.min, "var": jnp.var, "logsumexp": jax.nn.logsumexp}
    for name, f in table.items():
        for axes in (None, (1,), (0, -1)):
            kinds = "f vjp vmap_first" if axes == (1,) else "f vjp"
            tag = name + "_" + ("all" if axes is None else "".join(str(a % 3) for a in axes))
            yield from named(f"np_{tag}", f"{name} axes={axes_text(axes)}", lambda x: f(x, axis=axes), [x], kinds,
                             norm(4e-14))
    for name in ("mean", "var", "logsumexp"):
        yield Case(f"np_{name}_f32", lambda x: table[name](x, axis=(1,)), [numbers("f32", 3, 5)], tolerance=NORM["f32"],
                   op=f"{name} axes=(1,)")
    ties = array("f64", [[3, 1, 3], [2, 2, 2]])
    yield Case("np_max_ties", lambda x: jnp.max(x, axis=(1,)), [ties, array("f64", [1, 6])], "vjp(f, args=1)", NORM["f64"],
               op="max axes=(1,)")
    yield Case("np_logsumexp_inf", lambda x: jax.nn.logsumexp(x, axis=(1,)),
               [array("f64", [[-np.inf, -np.inf], [np.inf, 0], [1000, -np.inf], [np.nan, 1]])], tolerance=NORM["f64"],
               op="logsumexp axes=(1,)")


def activations():
    values = [-3.0, -0.5, 0.0, 0.25, 2.0, 40.0, -90.0]
    for name, f in {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "square": jnp.square}.items():
        for dtype in ("f64", "f32"):
            x = array(dtype, values if name != "softplus" or dtype == "f64" else values[:-1])
            yield Case(f"np_{name}_{dtype}", f, [x], tolerance=rel(1e-14 if dtype == "f64" else 2e-6), op=name)
        x = array("f64", values)
        yield Case(f"np_{name}_grad", f, [x], "vmap(grad(f))", rel(1e-13), op=name)
        yield Case(f"np_{name}_second", f, [x], "vmap(grad(grad(f)))", norm(1e-13), op=name)
    yield Case("np_softplus_inf", jax.nn.softplus, [array("f64", [np.inf, -np.inf, np.nan])], op="softplus")
    for axis in (0, 1, -1):
        for name, f in {"softmax": jax.nn.softmax, "log_softmax": jax.nn.log_softmax}.items():
            tag = f"np_{name}_{axis % 3}" + "_from_end" * (axis < 0)
            yield from named(tag, f"{name} axis={axis}", lambda x: f(x, axis=axis), [numbers("f64", 2, 3, 2)],
                             "f vjp vmap_first" if axis == 1 else "f vjp", norm(1e-13))
    for name, f in {"softmax": jax.nn.softmax, "log_softmax": jax.nn.log_softmax}.items():
        yield Case(f"np_{name}_large_f32", f, [array("f32", [[1000.0, 999.0, 990.0], [-500, -501, -500.5]])],
                   tolerance=NORM["f32"], op=f"{name} axis=-1")
        yield Case(f"np_{name}_hessian", lambda x: f(x, axis=0), [numbers("f64", 3)],
                   "jacfwd(jacrev(f))", norm(1e-13), op=f"{name} axis=0")


def choices():
    x, y = numbers("f64", 2, 3), numbers("f64", 2, 3, seed=1)
    yield Case("np_where", jnp.where, [array("bool", [[0, 1, 1], [1, 0, 1]]), x, y], op="where")
    yield Case("np_where_broadcast", jnp.where, [array("bool", [[0], [1]]), x, array("f64", 5.0)], op="where")
    yield Case("np_where_grad", lambda c, x, y: jnp.where(c, x, y), [array("bool", [0, 1, 1]), x[0], y[0]],
               "vmap(grad(f, argnums=(1,2)))", op="where")
    clip = lambda x, lo, hi: jnp.clip(x, lo, hi)
    yield Case("np_clip", clip, [x, array("f64", -0.5), array("f64", 0.75)], op="clip")
    yield Case("np_clip_vjp", clip, [x[0] + 0.005, array("f64", -0.5), array("f64", 0.75), y[0]], "vjp(f, args=3)",
               NORM["f64"], op="clip")
    yield Case("np_clip_arrays_f32", clip, [numbers("f32", 2, 3), array("f32", [-1, 0, 1]), array("f32", [0, 1, 1.5])], op="clip")
    for axis in (0, 1, -1):
        f = lambda x, y, z: jnp.stack([x, y, z], axis)
        yield from named(f"np_stack_{axis % 3}", f"stack axis={axis}", f, [x, y, 2 * x],
                         "f vjp vmap_last" if axis == 1 else "f vjp")


def products():
    shapes = {"vectors": ((3,), (3,)), "matrix_vector": ((2, 3), (3,)), "vector_matrix": ((2,), (2, 3)),
              "matrices": ((2, 3), (3, 4)), "stacks": ((2, 2, 3), (2, 3, 2)), "stack_matrix": ((2, 2, 3), (3, 2)),
              "stack_vector": ((2, 2, 3), (3,)), "broadcast": ((2, 1, 2, 3), (3, 3, 2))}
    for name, (a, b) in shapes.items():
        args = [numbers("f64", *a), numbers("f64", *b, seed=1)]
        yield from named(f"np_matmul_{name}", "matmul", jnp.matmul, args, "f vjp vmap_first" if len(a) == 2 else "f vjp")
        if name != "broadcast":
            yield from named(f"np_dot_{name}", "dot", jnp.dot, args, "f" if len(a) > 2 else "f vjp")
    yield Case("np_dot_scalar", jnp.dot, [array("f64", 2.0), numbers("f64", 3)], op="dot")
    yield Case("np_matmul_f32", jnp.matmul, [numbers("f32", 4, 9), numbers("f32", 9, 3)], tolerance=NORM["f32"], op="matmul")
    a, tolerance = well_conditioned("f64", 3, 3), norm(1e-12)
    yield from named("np_solve", "solve", jnp.linalg.solve, [a, numbers("f64", 3, 2)], "f vjp jvp vmap_last vmap_first",
                     tolerance)
    yield from named("np_solve_vector", "solve", jnp.linalg.solve, [a, numbers("f64", 3)], "f vjp", tolerance)
    stacked = [well_conditioned("f64", 2, 3, 3), numbers("f64", 2, 3, 2)]
    yield from named("np_solve_stack", "solve", jnp.linalg.solve, stacked, "f vjp", tolerance)
    yield Case("np_solve_f32", jnp.linalg.solve, [a.astype(np.float32), numbers("f32", 3, 2)], tolerance=norm(1e-5), op="solve")


def constants():
    shape = "shape=(2,3)"
    for dtype in ("f32", "i32", "bf16", "bool"):
        t = DTYPES[dtype]
        yield Case(f"np_zeros_{dtype}", lambda: jnp.zeros((2, 3), t), [], op=f"zeros dtype={dtype} {shape}")
        yield Case(f"np_ones_{dtype}", lambda: jnp.ones((2, 3), t), [], op=f"ones dtype={dtype} {shape}")
    yield Case("np_full_f64", lambda: jnp.full((2, 3), 0.1), [], op=f"full dtype=f64 {shape} number=0.1")
    yield Case("np_full_f16", lambda: jnp.full((2,), 0.1, np.float16), [], op="full dtype=f16 shape=(2,) number=0.1")
    yield Case("np_full_i8", lambda: jnp.full((), -7, np.int8), [], op="full dtype=i8 shape=() number=-7")
    for dtype in ("i32", "f64", "u8"):
        yield Case(f"np_arange_{dtype}", lambda: jnp.arange(5, dtype=DTYPES[dtype]), [], op=f"arange dtype={dtype} stop=5")
        yield Case(f"np_eye_{dtype}", lambda: jnp.eye(3, dtype=DTYPES[dtype]), [], op=f"eye dtype={dtype} n=3")


def composites():
    yield from reducers()
    yield from activations()
    yield from choices()
    yield from products()
    yield from constants()


def key(seed):
    return np.asarray(jax.random.key_data(jax.random.key(seed)))


def with_key(f):
    """f on a key as the library has it: u32[2]."""
    return lambda data, *xs: f(jax.random.wrap_key_data(data), *xs)


def random():
    data = jax.random.key_data
    for seed in (0, 1, 42, 2**32 - 1, 2**40 + 7):
        yield Case(f"random_key_{seed}", lambda: data(jax.random.key(seed)), [], op=f"random_key seed={seed}")
    for n in (1, 2, 5):
        yield Case(f"random_split_{n}", with_key(lambda k: data(jax.random.split(k, n))), [key(7)], op=f"random_split n={n}")
    fold = with_key(lambda k, number: data(jax.random.fold_in(k, number)))
    for number in (0, 7, 2**32 - 1):
        yield Case(f"random_fold_in_{number}", fold, [key(0), array("u32", number)], op="random_fold_in")
    yield Case("random_fold_in_vmap", fold, [key(3), array("u32", [0, 1, 2, 3])], "vmap(f, in_axes=(none,0))", op="random_fold_in")
    for width in (8, 16, 32, 64):
        for shape in ((), (3,), (2, 5), (0,)):
            f = with_key(lambda k: jax.random.bits(k, shape, f"uint{width}"))
            tag = "x".join(map(str, shape)) or "scalar"
            op = f"random_bits bit_width={width} shape={axes_text(shape)}"
            yield Case(f"random_bits_{width}_{tag}", f, [key(0)], op=op)
    yield Case("random_bits_long", with_key(lambda k: jax.random.bits(k, (67,), "uint32")), [key(42)],
               op="random_bits bit_width=32 shape=(67,)")
    yield Case("random_bits_vmap", with_key(lambda k: jax.random.bits(k, (2, 3), "uint32")), [np.stack([key(i) for i in range(3)])],
               "vmap(f)", op="random_bits bit_width=32 shape=(2,3)")
    yield Case("random_bits_jit", with_key(lambda k: jax.random.bits(k, (4,), "uint64")), [key(5)], "jit(f)",
               op="random_bits bit_width=64 shape=(4,)")
    for dtype in ("f32", "f64", "f16", "bf16"):
        for shape in ((), (7,), (3, 4)):
            tag, op = "x".join(map(str, shape)) or "scalar", f"dtype={dtype} shape={axes_text(shape)}"
            uniform = with_key(lambda k: jax.random.uniform(k, shape, DTYPES[dtype]))
            normal = with_key(lambda k: jax.random.normal(k, shape, DTYPES[dtype]))
            yield Case(f"random_uniform_{dtype}_{tag}", uniform, [key(42)], op=f"random_uniform {op}")
            yield Case(f"random_normal_{dtype}_{tag}", normal, [key(42)], op=f"random_normal {op}",
                       tolerance={"f32": rel(4e-6), "f64": rel(1e-14)}.get(dtype, rel(1e-2)))
    normal = with_key(lambda k: jax.random.normal(k, (5,), np.float64))
    yield Case("random_normal_vmap", normal, [np.stack([key(1), key(2)])], "vmap(f)", rel(1e-14),
               op="random_normal dtype=f64 shape=(5,)")


FAMILIES = {"composites": composites, "random": random}
