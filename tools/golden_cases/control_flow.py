"""Branches and loops: the family control_flow. What a carry or a branch may be (several, none, of integers), which operands
are mapped or differentiated, and one construct inside another."""
import jax
import jax.extend.core.primitives
import numpy as np
from jax import lax
from jax import numpy as jnp

from .case import EXACT, NORM, Case, array, integers, norm, numbers

TOLERANCE = norm(1e-13)
ONE = array("f64", 0.75)
TWO = array("f64", -1.25)
XS = numbers("f64", 4, seed=1)
M = numbers("f64", 3, 4, seed=2)
SIGNS = array("f64", [-1.5, 0.0, 0.5, 2.0])
MASK = np.array([True, False, True, True])
YES, NO = np.bool_(True).reshape(()), np.bool_(False).reshape(())


# ---------------------------------------------------------------------------------- branches


def either(x):
    return lax.cond(x > 0, lambda x: x * x, jnp.exp, x)


def log_or_square(x):
    """The logarithm's derivative is infinite, or its value nan, where the other branch is taken."""
    return lax.cond(x > 0, jnp.log, jnp.square, x)


def chosen(p, x, y):
    return lax.cond(p, lambda: jnp.sin(x) * y, lambda: y - x)


def three_results(p, x, y):
    """Passed through, made of a constant, an integer."""
    return lax.cond(p, lambda x, y: (y, jnp.zeros_like(x), 3), lambda x, y: (x, x * y, jnp.sum(y > 0)), x, y)


def nested_cond(x, y):
    return lax.cond(x > 0, lambda: lax.cond(y > 0, lambda: x * y, lambda: x / y), lambda: jnp.cos(x) * y)


def one_sided(p, x):
    return lax.cond(p, lambda x: jnp.zeros_like(x), jnp.sin, x)


def switch(index, branches, *operands):
    """lax.switch, which clamps its index by a primitive that is not in the library."""
    index = jnp.minimum(jnp.maximum(index, np.int32(0)), np.int32(len(branches) - 1))
    jaxprs = tuple(jax.make_jaxpr(f)(*operands) for f in branches)
    return jax.extend.core.primitives.cond_p.bind(index, *operands, branches=jaxprs)[0]


def four_ways(i, x, y):
    return switch(i, [lambda x, y: x * y, lambda x, y: jnp.sin(x), lambda x, y: jnp.exp(x * y), lambda x, y: 2 * y], x, y)


def conds():
    for name, x in {"taken": ONE, "refused": TWO}.items():
        for spec in ("value_and_grad(f)", "jit(grad(grad(f)))"):
            yield case(f"cond_{name}", either, [x], spec)
        yield case(f"cond_{name}", either, [x, TWO], "linearize(f)")
    yield case("cond_taken", either, [ONE], "f")
    yield case("cond_taken", either, [ONE, TWO], "jvp(f)")
    for spec in ("vmap(f)", "jit(vmap(grad(f)))", "jacfwd(vmap(f))", "jacrev(vmap(f))", "vmap(hessian(f))"):
        yield case("cond_unsafe", log_or_square, [SIGNS], spec)
    for name, p in {"yes": YES, "no": NO}.items():
        yield case(f"cond_one_predicate_{name}", chosen, [p, XS, ONE], "vmap(f, in_axes=(none,0,none))")
        yield case(f"cond_one_predicate_{name}", chosen, [p, XS, XS],
                   "vmap(grad(f, argnums=(1,2)), in_axes=(none,0,0))")
        yield case(f"cond_results_{name}", three_results, [p, M, XS], "vmap(f, in_axes=(none,0,none))")
        yield case(f"cond_zero_{name}", one_sided, [p, ONE], "grad(f, argnums=(1,))")
    yield case("cond_predicates", chosen, [MASK, ONE, TWO], "vmap(f, in_axes=(0,none,none))")
    yield case("cond_predicates", chosen, [MASK, ONE, TWO], "vmap(grad(f, argnums=(1,2)), in_axes=(0,none,none))")
    yield case("cond_results_each", three_results, [MASK[:3], M, XS], "vmap(f, in_axes=(0,0,none))")
    yield case("cond_nested", nested_cond, [SIGNS, XS], "vmap(grad(f, argnums=(0,1)))")
    yield case("cond_nested", nested_cond, [ONE, TWO], "hessian(f, argnums=(0,1))")
    yield case("cond_number", lambda n, x: lax.cond(n, jnp.sin, jnp.cos, x), [array("i32", 2), XS], "f")
    for dtype in ("f32", "bf16"):
        yield case(f"cond_{dtype}", either, [SIGNS.astype(array(dtype, 0).dtype)], "vmap(value_and_grad(f))", NORM[dtype])
    yield case("cond_i32", lambda p, i: lax.cond(p, lambda i: i * i, lambda i: -i, i), [MASK, integers("i32", 4)], "vmap(f)")
    for name, i in {"below": -5, "first": 0, "above": 7}.items():
        yield case(f"switch_{name}", four_ways, [array("i32", i), ONE, TWO], "value_and_grad(f, argnums=(1,2))")
    each = array("i32", [-1, 1, 2, 9])
    yield case("switch_each", four_ways, [each, XS, ONE], "vmap(f, in_axes=(0,0,none))")
    yield case("switch_each", four_ways, [each, XS, ONE], "jit(vmap(grad(f, argnums=(1,2)), in_axes=(0,0,none)))")
    yield case("switch_one", four_ways, [array("i32", 2), XS, ONE], "vmap(grad(f, argnums=(1,2)), in_axes=(none,0,none))")
    yield case("switch", four_ways, [array("i32", 2), ONE, TWO], "hessian(f, argnums=(1,2))")


# ---------------------------------------------------------------------------------- scan


def decay(k, c, xs):
    """A constant, a carry, and rows in and out."""
    return lax.scan(lambda c, x: (jnp.tanh(c * k + x), c * x), c, xs)


def decay_loss(k, c, xs):
    c, ys = decay(k, c, xs)
    return c * c + jnp.sum(jnp.sin(ys))


def backwards(c, xs):
    return lax.scan(lambda c, x: (c * x + jnp.sin(c), (c, c > 0)), c, xs, reverse=True)


def rnn(w, u, h, xs):
    h, ys = lax.scan(lambda h, x: (jnp.tanh(w @ h + u * x),) * 2, h, xs)
    return jnp.sum(h * h) + jnp.sum(ys)


def without_rows(x):
    return lax.scan(lambda c, _: (jnp.sin(c) * x, None), x, None, length=5)[0]


def without_carry(k, xs):
    return lax.scan(lambda _, x: ((), (k * x * x, x > k)), (), xs)[1]


def delayed(x, xs):
    """Tangents, and the mapped axis, reach the last carry after two steps."""
    step = lambda s, e: ((x * e, s[0] + 1, s[1] * s[0] + s[2], s[3] + 1), s[2])
    zero = jnp.zeros_like(x)
    return lax.scan(step, (zero, zero, zero, 0), xs)


def swapped(x, y, xs):
    """One carry is what it was, two change places, one is dropped."""
    (x, y, k, _), _ = lax.scan(lambda s, e: ((s[1] * e, s[0], s[2], s[3] * s[2]), None), (x, y, x, y), xs)
    return x * y + k


def integer_carries(i, xs):
    step = lambda s, x: ((s[0] * 3 + x, ~s[1] & (x > 0), s[2] + s[2]), (s[0], s[1]))
    return lax.scan(step, (i, True, jnp.uint8(7)), xs)


def counted(x, xs):
    """Integers and booleans among what is differentiated."""
    step = lambda s, e: ((s[0] * e, s[1] + 1, s[2] ^ (e > 0)), s[1])
    (x, n, odd), counts = lax.scan(step, (x, 0, False), xs)
    return x * n + jnp.where(odd, x, 0), counts


def scan_in_scan(c, m):
    row = lambda c, row: lax.scan(lambda c, x: (jnp.sin(c) + x * c, c * x), c, row)
    c, ys = lax.scan(row, c, m)
    return c + jnp.sum(ys * ys)


def cond_in_scan(c, xs):
    step = lambda c, x: (lax.cond(x > 0, lambda: c * x, lambda: jnp.cos(c) - x),) * 2
    c, ys = lax.scan(step, c, xs)
    return c + jnp.sum(ys)


def scan_in_cond(p, c, xs):
    return lax.cond(p, lambda: lax.scan(lambda c, x: (c * x, None), c, xs)[0], lambda: c * jnp.sum(xs))


def while_in_scan(c, xs):
    """The inner loop counts only, so that there is a reverse mode."""
    double = lambda n: lax.while_loop(lambda n: n < 20, lambda n: n * 2, n)
    c, n = lax.scan(lambda c, n: (c * double(n), double(n)), c, xs)[0], double(xs[0])
    return c * c / n


def call_in_scan(c, xs):
    inner = jax.jit(lambda c, x: jnp.where(x > 0, c * x, jnp.sin(c)))
    return lax.scan(lambda c, x: (inner(inner(c, x), x), None), c, xs)[0]


def unused(c, d, xs):
    """A carry, rows, and results that nobody reads."""
    (c, _), (ys, _) = lax.scan(lambda s, x: ((s[0] * x[0], s[1] + x[1]), (s[0], s[1])), (c, d), (xs, xs))
    return c + jnp.sum(ys)


def scans():
    yield case("scan", decay, [ONE, TWO, XS], "f")
    for spec in """vmap(f, in_axes=(none,none,0)) | vmap(f, in_axes=(none,0,none)) | vmap(f, in_axes=(0,none,none))
                   | vmap(f, in_axes=(none,0,0), out_axis=-1)""".split("|"):
        axes = spec.split("(")[2].split(")")[0].split(",")
        args = [XS[:3] if axes[0] == "0" else ONE, XS[1:] if axes[1] == "0" else TWO, M if axes[2] == "0" else XS]
        yield case("scan", decay, args, " ".join(spec.split()))
    for spec in """value_and_grad(f, argnums=(0,1,2)) | hessian(f, argnums=(0,1))
                   | jacfwd(f, argnums=(0,2)) | jit(grad(grad(grad(f))))""".split("|"):
        yield case("scan_loss", decay_loss, [ONE, TWO, XS], " ".join(spec.split()))
    yield case("scan_loss", decay_loss, [ONE, TWO, M], "jit(vmap(grad(f, argnums=(0,1,2)), in_axes=(none,none,0)))")
    yield case("scan_loss", decay_loss, [XS[:3], TWO, XS], "vmap(hessian(f), in_axes=(0,none,none))")
    yield case("scan_loss_mean", lambda k, c, xs: jnp.sum(jax.vmap(decay_loss, (None, None, 0))(k, c, xs)), [ONE, TWO, M],
               "jit(grad(f, argnums=(0,1,2)))")
    yield case("scan", decay, [ONE, TWO, XS, TWO, ONE, XS + 1], "linearize(f)")
    yield case("scan", decay, [ONE, TWO, XS, ONE, XS - 1], "vjp(f, args=3)")
    yield case("scan_reverse", backwards, [ONE, XS], "f")
    yield case("scan_reverse", backwards, [ONE, M], "vmap(f, in_axes=(none,0))")
    yield case("scan_reverse_loss", lambda c, xs: backwards(c, xs)[0] + jnp.sum(backwards(c, xs)[1][0]), [ONE, XS],
               "grad(f, argnums=(0,1))")
    for dtype in ("f32", "f64"):
        w = [numbers(dtype, 3, 3, seed=5) / 2, numbers(dtype, 3, seed=6), numbers(dtype, 3, seed=7), numbers(dtype, 4, seed=8)]
        tolerance = norm(1e-5) if dtype == "f32" else TOLERANCE
        yield case(f"rnn_{dtype}", rnn, w, "value_and_grad(f, argnums=(0,1,2,3))", tolerance)
        batch = w[:3] + [numbers(dtype, 2, 4, seed=9)]
        yield case(f"rnn_{dtype}", rnn, batch, "jit(vmap(grad(f, argnums=(0,1)), in_axes=(none,none,none,0)))", tolerance)
    yield case("rnn", rnn, w, "hessian(f, argnums=(1,))")
    for spec in ("f", "vmap(grad(f))", "jacrev(jacfwd(f))"):
        yield case("scan_without_rows", without_rows, [XS if "vmap" in spec else ONE], spec)
    yield case("scan_without_carry", without_carry, [ONE, XS], "f")
    yield case("scan_without_carry", without_carry, [XS, XS], "vmap(f, in_axes=(0,none))")
    yield case("scan_without_carry", lambda k, xs: without_carry(k, xs)[0], [ONE, XS], "jacrev(f, argnums=(0,1))")
    yield case("scan_delayed", delayed, [ONE, XS], "f")
    yield case("scan_delayed", delayed, [XS, XS], "vmap(f, in_axes=(0,none))")
    yield case("scan_delayed", lambda x, xs: delayed(x, xs)[0][2], [ONE, XS], "grad(f, argnums=(0,1))")
    yield case("scan_delayed", lambda x, xs: delayed(x, xs)[1], [ONE, XS], "jacfwd(f)")
    yield case("scan_swapped", swapped, [ONE, TWO, XS], "hessian(f, argnums=(0,1))")
    yield case("scan_swapped", swapped, [ONE, XS[:3], M], "vmap(grad(f, argnums=(0,1,2)), in_axes=(none,0,0))")
    yield case("scan_integers", integer_carries, [array("i32", 2), integers("i32", 3, 5)], "vmap(f, in_axes=(none,0))")
    yield case("scan_counted", counted, [ONE, M], "vmap(value_and_grad(f, has_aux=1), in_axes=(none,0))")
    for name, f, args in [("nested", scan_in_scan, [ONE, M]), ("cond", cond_in_scan, [ONE, SIGNS]),
                          ("call", call_in_scan, [ONE, XS])]:
        yield case(f"scan_{name}", f, args, "jit(value_and_grad(f, argnums=(0,1)))")
        yield case(f"scan_{name}", f, args, "hessian(f)")
        yield case(f"scan_{name}", f, [ONE, np.stack([args[1], -args[1]])],
                   "jit(vmap(grad(f, argnums=(0,1)), in_axes=(none,0)))")
    for p in (YES, NO):
        yield case(f"scan_in_cond_{'yes' if p else 'no'}", scan_in_cond, [p, ONE, XS], "value_and_grad(f, argnums=(1,2))")
    yield case("scan_in_cond", scan_in_cond, [MASK[:3], ONE, M], "vmap(grad(f, argnums=(1,2)), in_axes=(0,none,0))")
    ints = array("i32", [3, 7, 1])
    yield case("scan_while", while_in_scan, [ONE, ints], "value_and_grad(f)")
    yield case("scan_while", while_in_scan, [ONE, array("i32", [[3, 7, 1], [1, 30, 2]])], "vmap(grad(f), in_axes=(none,0))")
    each_safe = lambda xs: jnp.sum(lax.scan(lambda c, x: (c * x, log_or_square(x)), 1.0, xs)[1])
    yield case("scan_unsafe", each_safe, [np.stack([SIGNS, -SIGNS])], "jit(jacrev(vmap(f)))")
    yield case("scan_unused", unused, [ONE, TWO, XS], "grad(f, argnums=(0,1,2))")
    yield case("scan_empty", decay, [ONE, TWO, XS[:0]], "f")
    yield case("scan_empty", decay_loss, [ONE, TWO, XS[:0]], "grad(f, argnums=(0,1,2))")
    yield case("scan_unrolled", lambda c, xs: lax.scan(lambda c, x: (jnp.sin(c) * x, c), c, xs, unroll=3)[0], [ONE, XS],
               "grad(f, argnums=(0,1))")
    yield case("scan_split", lambda c, xs: lax.scan(lambda c, x: (jnp.sin(c) * x, c), c, xs, _split_transpose=True)[0],
               [ONE, XS], "grad(f, argnums=(0,1))")
    yield case("scan_bf16", lambda c, xs: lax.scan(lambda c, x: (c * x, c + x), c, xs),
               [numbers("bf16", 2), numbers("bf16", 4, 2)], "f", NORM["bf16"])
    linear = lambda c, xs: lax.scan(lambda c, x: (c + 2 * x, c - x), c, xs)
    yield case("scan_linear", linear, [ONE, XS, TWO, XS + 1], "linear_transpose(f, args=2)")


# ---------------------------------------------------------------------------------- while, fori_loop, map


def doubled(x, limit):
    return lax.while_loop(lambda s: s[0] < limit, lambda s: (s[0] * 2 + jnp.sin(s[0]), s[1] + 1), (x, 0))


def newton(a):
    """The square root."""
    return lax.while_loop(lambda x: jnp.abs(x * x - a) > 1e-12 * a, lambda x: (x + a / x) / 2, a)


def collatz(n):
    odd = lambda n: (n & 1) == 1
    step = lambda s: (jnp.where(odd(s[0]), 3 * s[0] + 1, s[0] >> 1), s[1] + 1)
    return lax.while_loop(lambda s: s[0] > 1, step, (n, 0))[1]


def nested_while(x, n):
    inner = lambda y, i: lax.while_loop(lambda s: s[1] < i, lambda s: (s[0] * x, s[1] + 1), (y, 0))[0]
    return lax.while_loop(lambda s: s[1] < n, lambda s: (jnp.sin(inner(s[0], s[1])) + x, s[1] + 1), (x, 0))[0]


def mixed_while(x, xs, n):
    """A cond and a scan in it; a carry without a tangent decides."""
    step = lambda s: (lax.cond(s[1] > 1, lambda: lax.scan(lambda c, e: (c * e, None), s[0], xs)[0], lambda: s[0] + x), s[1] + 1)
    return lax.while_loop(lambda s: s[1] < n, step, (x, 0))[0]


def power(x, n):
    return lax.fori_loop(0, n, lambda i, c: c * x + i, jnp.ones_like(x))


def triangle(x):
    return lax.fori_loop(2, 6, lambda i, c: jnp.sin(c) * i + x, x)


def whiles():
    pair, n = [ONE, array("f64", 9.0)], array("i32", 3)
    tangents = [TWO, ONE]
    yield case("while", doubled, pair, "f")
    yield case("while_none", doubled, [array("f64", 9.0), ONE], "f")
    yield case("while_none", lambda x, l: doubled(x, l)[0], [array("f64", 9.0), ONE, TWO, ONE], "jvp(f)")
    for spec in ("jit(jvp(f))", "linearize(f)"):
        yield case("while", lambda x, l: doubled(x, l)[0], pair + tangents, spec)
    starts, limits = array("f64", [0.5, 4.0, 20.0]), array("f64", [9.0, 5.0, 1.0])
    for name, args, axes in [("starts", [starts, pair[1]], "(0,none)"), ("limits", [ONE, limits], "(none,0)"),
                             ("both", [starts, limits], "(0,0)")]:
        yield case(f"while_{name}", lambda x, l: doubled(x, l)[0], args, f"vmap(jacfwd(f), in_axes={axes})")
    yield case("while_both", doubled, [starts, limits], "vmap(f)")
    yield case("while_both", lambda x, l: doubled(x, l)[0], [starts, limits, limits, starts], "jvp(vmap(f))")
    squares = array("f64", [2.0, 9.0, 0.25])
    for spec in ("f", "jacfwd(jacfwd(f))"):
        yield case("while_newton", newton, [squares[0]], spec)
        yield case("while_newton", newton, [squares], f"jit(vmap({spec}))", norm(1e-12))
    yield case("while_newton_f32", lambda a: lax.while_loop(lambda s: s[1] < 6, lambda s: ((s[0] + a / s[0]) / 2, s[1] + 1),
                                                            (a, 0))[0], [squares.astype(np.float32)], "vmap(jacfwd(f))",
               NORM["f32"])
    yield case("while_collatz", collatz, [array("u32", 27)], "f")
    yield case("while_collatz", collatz, [array("u32", [1, 6, 27, 9])], "vmap(f)")
    yield case("while_nested", nested_while, [ONE, n], "jacfwd(f)")
    yield case("while_nested", nested_while, [XS, array("i32", [0, 1, 3, 4])], "vmap(jacfwd(f))")
    yield case("while_mixed", mixed_while, [ONE, XS, n], "jacfwd(f, argnums=(0,1))")
    yield case("while_mixed", mixed_while, [ONE, M, array("i32", [1, 3, 4])], "vmap(jacfwd(f), in_axes=(none,0,0))")
    yield case("while_mapped_carry", lambda x, n: lax.while_loop(lambda s: s[1] < n, lambda s: (s[0] * x, s[1] + 1), (x, 0)),
               [XS, n], "vmap(f, in_axes=(0,none))")

    yield case("fori", triangle, [ONE], "value_and_grad(f)")
    yield case("fori", triangle, [XS], "jit(vmap(grad(grad(f))))")
    yield case("fori_f32", triangle, [numbers("f32", 3)], "vmap(value_and_grad(f))", norm(1e-5))
    yield case("fori_none", lambda x: lax.fori_loop(3, 3, lambda i, c: c * x, x), [ONE], "grad(f)")
    yield case("fori_traced", power, [ONE, n], "jacfwd(f)")
    yield case("fori_traced", power, [ONE, array("i32", [0, 3, -2, 5])], "vmap(jacfwd(f), in_axes=(none,0))")
    yield case("fori_traced", power, [XS, n], "vmap(f, in_axes=(0,none))")

    squared = lambda w, m: lax.map(lambda r: jnp.sum(jnp.sin(w * r)), m)
    yield case("map", squared, [XS, M], "jacrev(f, argnums=(0,1))")
    yield case("map", squared, [XS, np.stack([M, -M])], "vmap(jacfwd(f), in_axes=(none,0))")
    yield case("map_tree", lambda x, i: lax.map(lambda s: (s[0] * s[1], s[1] > 0), (x, i)), [XS, integers("i32", 4)], "f")
    yield case("map_batches", lambda m: jnp.sum(lax.map(lambda r: r[1] * jnp.sum(r * r), m, batch_size=2)),
               [M.reshape(4, 3)], "grad(f)")
    yield case("map_bf16", lambda m: lax.map(lambda r: r * r, m), [numbers("bf16", 3, 2)], "f", NORM["bf16"])


# ---------------------------------------------------------------------------------- what JAX makes of them

TRANSFORMED = {
    "grad_scan": (jax.grad(decay_loss, (0, 1, 2)), [ONE, TWO, XS]),
    "hessian_scan": (lambda k, c, xs: jax.jvp(lambda k: jax.grad(decay_loss)(k, c, xs), (k,), (c,)), [ONE, TWO, XS]),
    "vmap_scan": (jax.vmap(jax.grad(decay_loss, (0, 1, 2)), (None, None, 0)), [ONE, TWO, M]),
    "grad_call": (jax.grad(call_in_scan, (0, 1)), [ONE, XS]),
    "grad_rows": (jax.grad(lambda k, xs: jnp.sum(without_carry(k, xs)[0]), (0, 1)), [ONE, XS]),
    "vmap_cond": (jax.vmap(log_or_square), [SIGNS]),
    "jvp_while": (lambda x: jax.jvp(newton, (x,), (x,)), [ONE]),
    "vmap_while": (jax.vmap(power, (0, None)), [XS, array("i32", 3)]),
}


def transformed():
    """Their printed jaxprs, run and differentiated again."""
    for name, (f, args) in TRANSFORMED.items():
        yield case(f"of_{name}", f, args, "f")
    grad_scan, args = TRANSFORMED["grad_scan"]
    yield case("of_grad_scan", lambda *xs: grad_scan(*xs)[0], args, "grad(f, argnums=(0,2))")


# ---------------------------------------------------------------------------------- the cases


def case(name, f, args, spec, tolerance=None):
    """Operators of NumPy's arrays are NumPy's: f gets JAX's."""
    if tolerance is None:
        tolerance = TOLERANCE if any(np.asarray(a).dtype.kind == "f" for a in args) else EXACT
    words = "".join(c if c.isalnum() else "_" for c in spec.replace("none", "n").replace("-", "last"))
    id = "_".join(["flow", name] + [w for w in words.split("_") if w and w != "f"])
    return Case(id, lambda *xs: f(*map(jnp.asarray, xs)), args, spec, tolerance)


def control_flow():
    yield from conds()
    yield from scans()
    yield from whiles()
    yield from transformed()


FAMILIES = {"control_flow": control_flow}
