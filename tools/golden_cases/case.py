"""What a golden case is, and the inputs and tolerances that cases are made with. Nothing here runs JAX."""
import dataclasses
import math
import zlib
from typing import Callable

import ml_dtypes
import numpy as np

# Names of dtypes as a jaxpr prints them.
DTYPES = {
    "bool": np.dtype(bool), "i8": np.dtype("int8"), "i16": np.dtype("int16"), "i32": np.dtype("int32"),
    "i64": np.dtype("int64"), "u8": np.dtype("uint8"), "u16": np.dtype("uint16"), "u32": np.dtype("uint32"),
    "u64": np.dtype("uint64"), "f16": np.dtype("float16"), "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype("float32"), "f64": np.dtype("float64"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}

EXACT = "exact"


def ulp(n):
    """At most n units in the last place of the expected number, each element by itself."""
    return f"ulp {n:g}"


def rel(r):
    """|got - want| <= r |want|, each element by itself."""
    return f"rel {r:g}"


def norm(r):
    """|got - want| <= r times the largest finite magnitude of the expected array: for sums that cancel."""
    return f"norm {r:g}"


# For results of a few to a few hundred roundings.
NORM = {"f16": norm(4e-3), "bf16": norm(3e-2), "f32": norm(4e-6), "f64": norm(1e-14)}


@dataclasses.dataclass
class Case:
    id: str
    f: Callable
    inputs: list
    spec: str = "f"
    tolerance: str = EXACT
    op: str | None = None  # "name params" of a function of the library; None: f's jaxpr is written
    single_precision_only: bool = False  # f names f32, so that it cannot be compared with itself in f64


def numbers(dtype, *shape, lo=-2.0, hi=2.0, seed=0):
    """Reproducible multiples of 1/64 (short in hexadecimal, exact in f32) in [lo, hi], none of them zero."""
    rng = np.random.default_rng(zlib.crc32(repr((shape, seed)).encode()))
    x = np.round(rng.uniform(lo, hi, shape) * 64) / 64
    return np.where(x == 0, (lo + hi) / 2 or hi / 8, x).astype(DTYPES[dtype])


def integers(dtype, *shape, lo=-9, hi=9, seed=0):
    rng = np.random.default_rng(zlib.crc32(repr((shape, seed)).encode()))
    return rng.integers(lo, hi, shape, endpoint=True).astype(DTYPES[dtype])


def array(dtype, values):
    return np.array(values, dtype=np.float64 if dtype in ("f16", "bf16") else None).astype(DTYPES[dtype])


def pairs(dtype, values):
    """Every value of `values` with every other, as two arrays."""
    x = array(dtype, values)
    return np.repeat(x, len(x)), np.tile(x, len(x))


def ulp_error(got, want):
    """The largest error of finite elements in ulps of got's dtype; want is an array of higher precision."""
    digits = {2: 11, 4: 24, 8: 53}[got.dtype.itemsize] if NAMES[got.dtype] != "bf16" else 8
    worst = 0.0
    for g, w in zip(got.ravel(), want.ravel()):
        if math.isfinite(float(w)) and math.isfinite(float(g)) and w != 0:
            _, exponent = math.frexp(float(w))
            worst = max(worst, float(abs(np.longdouble(g) - np.longdouble(w)) * np.longdouble(2.0) ** (digits - exponent)))
    return worst
