"""One program under several transformations: the inputs that each needs, made from those of the program."""
import zlib

import jax
import numpy as np

from .case import NAMES, Case, integers, numbers


def like(aval, seed, batch=None, axis=0):
    """Other numbers of that shape and dtype, with a new axis of size `batch`."""
    shape = list(aval.shape)
    if batch is not None:
        shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, batch)
    name = NAMES[np.dtype(aval.dtype)]
    if np.dtype(aval.dtype).kind in "iub":
        return integers(name, *shape, lo=0, hi=1 if name == "bool" else 5, seed=seed)
    return numbers(name, *shape, seed=seed)


def outputs_like(f, args, seed, batch=None):
    return [like(aval, seed + i, batch) for i, aval in enumerate(jax.tree.leaves(jax.eval_shape(f, *args)))]


def lift(name, f, args, kinds, **options):
    """Cases of f at args under each of `kinds`; ids are name_kind, and name for f itself.

    vmap: all arguments mapped. vmap_first: only the first, over its last axis, results stacked last. vmap_last: only the
    last, the last of several. Cotangents, tangents and mapped arguments are fresh numbers.
    """
    n, size = len(args), 3
    seed = zlib.crc32(name.encode()) % 100000
    tangents = [like(x, seed + 50 + i) for i, x in enumerate(args)]
    mapped = [like(x, seed + 70 + i, size) for i, x in enumerate(args)]
    first = [like(args[0], seed + 70, size, -1)] + args[1:]
    last = args[:-1] + [like(args[-1], seed + 71, size)]
    none_but_first = ",".join(["-1"] + ["none"] * (n - 1)) + ("," if n == 1 else "")
    none_but_last = ",".join(["none"] * (n - 1) + ["0"]) + ("," if n == 1 else "")
    rows = {
        "f": ("f", lambda: args),
        "jit": ("jit(f)", lambda: args),
        "jvp": ("jvp(f)", lambda: args + tangents),
        "linearize": ("linearize(f)", lambda: args + tangents),
        "vjp": (f"vjp(f, args={n})", lambda: args + outputs_like(f, args, seed)),
        "transpose": (f"linear_transpose(f, args={n})", lambda: args + outputs_like(f, args, seed)),
        "vmap": ("vmap(f)", lambda: mapped),
        "vmap_first": (f"vmap(f, in_axes=({none_but_first}), out_axis=-1)", lambda: first),
        "vmap_last": (f"vmap(f, in_axes=({none_but_last}))", lambda: last),
        "vmap_vjp": (f"vmap(vjp(f, args={n}))", lambda: mapped + outputs_like(f, args, seed, size)),
        "vjp_vmap": (f"vjp(vmap(f), args={n})", lambda: mapped + outputs_like(f, args, seed, size)),
        "jit_vjp": (f"jit(vjp(f, args={n}))", lambda: args + outputs_like(f, args, seed)),
        "jacrev": (f"jacrev(f, argnums=({','.join(map(str, range(n)))},))", lambda: args),
        "jacfwd": (f"jacfwd(f, argnums=({','.join(map(str, range(n)))},))", lambda: args),
    }
    for kind in kinds.split():
        spec, inputs = rows[kind]
        yield Case(name if kind == "f" else f"{name}_{kind}", f, inputs(), spec, **options)
