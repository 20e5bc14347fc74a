#!/usr/bin/env python3
"""Writes tests/golden/values/*.txt: programs, inputs, and what JAX computes for them.

    python3.11 -m venv /tmp/golden && /tmp/golden/bin/pip install -r tools/requirements-golden.txt
    /tmp/golden/bin/python tools/make_goldens.py [FAMILY ...]        # --check: fail if a file would change

A file is read line by line; the first word says what a line is. `#` begins a comment line. A case is

    case exp_f32                          its id, [A-Za-z0-9_]+, unique over all files
    tags call literal                     optional, see TAGS
    jaxpr                                 f: the lines that follow, behind "| ", are what JAX prints for it
    | { lambda ; a:f32[2]. let b:f32[2] = exp a in (b,) }
    op softmax axis=1                     or, instead of a jaxpr: f is a function of the library, with its parameters
    spec f                                what the reader makes of f before calling it
    in f32[2] 0x1p+0 -inf                 one line an argument: type, then the elements, row-major
    out f32[2] 0x1.5bf0a8p+1 0x0p+0       one line a leaf of the result, in order
    tolerance ulp 3                       exact | ulp N | rel R | norm R, as golden_cases/case.py says
    end

Floats are C99 hexadecimal or nan, inf, -inf; f16 and bf16 are their bits, as 0x3c00; integers are decimal; bools 0 or 1.

A spec is f, or NAME(spec, option=value, ...), where NAME is

    jit vmap grad value_and_grad jacfwd jacrev hessian
    jvp linearize            g(x, y) becomes h(x, y, dx, dy), which returns (g's value, its tangent)
    vjp                      g(x, y) becomes h(x, y, ct of each output), which returns (g's value, cotangents of x and y)
    linear_transpose         as vjp without the value; x and y tell shapes only

and a value is an integer, `none`, or a tuple of these in parentheses. Options: argnums, has_aux, allow_int (those that
differentiate), in_axes, out_axis, axis_size (vmap), args (vjp and linear_transpose: how many of h's arguments are g's).
"""
import importlib
import math
import pathlib
import sys
import warnings

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_threefry_partitionable", True)
jax.config.update("jax_platforms", "cpu")

from golden_cases import case as c  # noqa: E402  (after the switches: modules make arrays when imported)

VALUES = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "values"
MODULES = ["elementwise", "structural", "algebra", "gradients", "mixtures", "models", "named", "texts", "control_flow"]

# What a jaxpr may hold: the library's primitives, and calls.
PRIMITIVES = set("""
neg abs sign floor exp expm1 log log1p sin cos tanh logistic sqrt square integer_pow not add sub mul div max min pow and or
eq ne lt le gt ge select_n stop_gradient convert_element_type bitcast_convert_type is_finite xor shift_left
shift_right_logical erf_inv broadcast_in_dim reshape transpose squeeze concatenate slice pad iota reduce_sum reduce_max
reduce_min dot_general lu triangular_solve jit pjit closed_call add_any
custom_jvp_call custom_vjp_call custom_linear_solve threefry2x32 cond scan while
""".split())

# literal: a rank-0 literal meets an array of higher rank, or is itself a result. call: a nested jaxpr.
# shared: one nested jaxpr is called more than once, and JAX prints it once, as `let name = { ... } in { ... }`.
TAGS = ("call", "literal", "shared")


# ---------------------------------------------------------------------------------------------------- transformations


def apply_spec(spec, f):
    """The function that `spec` makes of f, in JAX. A spec is a Python expression over these names."""

    def halves(at_point):
        def transformed(g):
            return lambda *xs: at_point(g, xs[: len(xs) // 2], xs[len(xs) // 2 :])

        return transformed

    def linearize(g, xs, dxs):
        y, linear = jax.linearize(g, *xs)
        return y, linear(*dxs)

    def cotangents(like, cts):
        return jax.tree.unflatten(jax.tree.structure(like), cts)

    def vjp(g, args):
        def transformed(*xs):
            y, pullback = jax.vjp(g, *xs[:args])
            return y, pullback(cotangents(y, xs[args:]))

        return transformed

    def linear_transpose(g, args):
        def transformed(*xs):
            y = jax.eval_shape(g, *xs[:args])
            return jax.linear_transpose(g, *xs[:args])(cotangents(y, xs[args:]))

        return transformed

    def differentiate(how):
        return lambda g, argnums=0, has_aux=0, **options: how(
            g, argnums=argnums, has_aux=bool(has_aux), **{k: bool(v) for k, v in options.items()}
        )

    def vmap(g, in_axes=0, out_axis=0, axis_size=None):
        return jax.vmap(g, in_axes=in_axes, out_axes=out_axis, axis_size=axis_size)

    names = {name: differentiate(getattr(jax, name)) for name in "grad value_and_grad jacfwd jacrev hessian".split()}
    names |= dict(f=f, none=None, jit=jax.jit, vmap=vmap, vjp=vjp, linear_transpose=linear_transpose)
    names |= dict(jvp=halves(jax.jvp), linearize=halves(linearize))
    return eval(spec, {"__builtins__": {}}, names)


def evaluate(case, inputs):
    """The leaves of the result as numpy arrays, and the avals with which the spec called f."""
    avals = []

    def probe(*xs):
        avals.append([jax.ShapeDtypeStruct(x.shape, x.dtype) for x in xs])
        return case.f(*xs)

    result = apply_spec(case.spec, probe)(*inputs)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(result)], avals[0]


# ---------------------------------------------------------------------------------------------------- checks


def check(condition, case, message):
    if not condition:
        sys.exit(f"{case.id}: {message}")


def equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for param in eqn.params.values():
            for part in param if isinstance(param, tuple) else (param,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    yield from equations(inner)


def is_literal(atom):
    return hasattr(atom, "val")


def jaxpr_of(case, avals):
    """f's jaxpr, and what TAGS say about it."""
    closed = jax.make_jaxpr(case.f)(*avals)
    check(not closed.consts, case, "f holds constants: pass them as arguments")
    tags = set()
    if any(is_literal(v) for v in closed.jaxpr.outvars):
        tags.add("literal")
    for eqn in equations(closed.jaxpr):
        name = eqn.primitive.name
        check(name in PRIMITIVES, case, f"primitive {name} is not in the library")
        if name in ("jit", "pjit", "closed_call", "cond", "scan", "while", "custom_linear_solve"):
            tags.add("call")
        elif name not in ("broadcast_in_dim", "pad") and any(is_literal(v) for v in eqn.invars) and eqn.outvars[0].aval.ndim:
            tags.add("literal")
    text = str(closed)
    if text.startswith("let "):
        tags.add("shared")
    return text, [t for t in TAGS if t in tags]


def check_numbers(case, arrays):
    """XLA flushes subnormal numbers to zero, this library does not: keep away from them."""
    for a in arrays:
        if a.dtype.kind == "f":
            tiny = np.abs(a[np.isfinite(a)])
            check(not np.any((tiny > 0) & (tiny < np.finfo(a.dtype).tiny)), case, "a subnormal number")


def check_single_precision(case, results):
    """What JAX computes in f32 is within half the tolerance of what it computes in f64 (from the same inputs)."""
    f32 = c.DTYPES["f32"]
    if case.single_precision_only or not any(r.dtype == f32 for r in results):
        return
    wide = [x.astype(np.float64) if x.dtype == f32 else x for x in case.inputs]
    wanted, _ = evaluate(case, wide)
    for got, want in zip(results, wanted):
        if got.dtype == f32:
            check(want.dtype == np.float64, case, "f names f32: say single_precision_only")
            error, allowed = error_of(case.tolerance, got, want)
            check(error <= allowed / 2 or error <= 0.5000001, case, f"JAX is off by {error:g} of {allowed:g}")


def error_of(tolerance, got, want):
    kind, *bound = tolerance.split()
    with np.errstate(all="ignore"):
        ok = np.isfinite(want) & np.isfinite(got) & (np.abs(want) < np.finfo(got.dtype).max)
    got, want = got.astype(np.float64)[ok], want[ok]
    if kind == "rel":
        return max(np.abs(got - want)[want != 0] / np.abs(want)[want != 0], default=0), float(bound[0])
    if kind == "norm":
        return max(np.abs(got - want), default=0) / (max(np.abs(want), default=0) or 1), float(bound[0])
    return c.ulp_error(got.astype(np.float32), want), float(bound[0]) if bound else 0.0


# ---------------------------------------------------------------------------------------------------- the files


def format_number(dtype, x):
    if dtype == "bool":
        return str(int(x))
    if dtype in ("f16", "bf16"):
        return f"0x{int(np.asarray(x).view(np.uint16)):04x}"
    if dtype not in ("f32", "f64"):
        return str(int(x))
    x = float(x)
    if not math.isfinite(x):
        return "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"
    mantissa, exponent = x.hex().split("p")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + "p" + exponent


def format_array(a):
    if a.dtype == jax.dtypes.float0:
        return f"float0[{','.join(map(str, a.shape))}]"
    dtype = c.NAMES[a.dtype]
    return " ".join([f"{dtype}[{','.join(map(str, a.shape))}]"] + [format_number(dtype, x) for x in a.ravel()])


def format_case(case):
    results, avals = evaluate(case, case.inputs)
    check_numbers(case, [x for x in case.inputs + results if x.dtype in c.NAMES])
    lines = [f"case {case.id}"]
    if case.op:
        lines += [f"op {case.op}"]
    else:
        check_single_precision(case, results)
        text, tags = jaxpr_of(case, avals)
        lines += ["tags " + " ".join(tags)] * bool(tags)
        lines += ["jaxpr"] + ["| " + line for line in text.splitlines()]
    lines += [f"spec {case.spec}"]
    lines += ["in " + format_array(x) for x in case.inputs]
    lines += ["out " + format_array(x) for x in results]
    return "\n".join(lines + [f"tolerance {case.tolerance}", "end", ""])


def families(wanted):
    for module in MODULES:
        for name, generate in importlib.import_module(f"golden_cases.{module}").FAMILIES.items():
            if not wanted or name in wanted:
                yield name, generate


def main(arguments):
    checking = "--check" in arguments
    ids, size = set(), 0
    for name, generate in families([a for a in arguments if a != "--check"]):
        texts = [f"# {name}: written by tools/make_goldens.py with jax {jax.__version__}; do not edit.\n"]
        for case in generate():
            check(case.id not in ids, case, "this id exists already")
            ids.add(case.id)
            texts.append(format_case(case))
        text, path = "\n".join(texts), VALUES / f"{name}.txt"
        size += len(text)
        if checking and (not path.exists() or path.read_text() != text):
            sys.exit(f"{path.name} is stale: run make_goldens.py")
        if not checking:
            path.write_text(text)
        print(f"{name:12} {len(texts) - 1:4} cases {len(text) / 1024:7.1f} KB", flush=True)
    print(f"{'all':12} {len(ids):4} cases {size / 1024:7.1f} KB")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
