#!/usr/bin/env python3
"""Writes src/kernels/coefficients.hpp: the polynomials and constants of the elementary functions.

    tools/fit_coefficients.py > src/kernels/coefficients.hpp

Needs mpmath. A polynomial interpolates its function at Chebyshev nodes, which is near minimax;
degrees are chosen so that rounding, not the fit, is the error that tests/kernels sees.
"""
import textwrap

from mpmath import mp, mpf, atanh, cos, erfinv, exp, expm1, floor, log, lu_solve, matrix, nint, pi, sin, sqrt, tanh


mp.dps = 400  # 2 / pi is wanted to 1,216 bits
# Where each polynomial of erf_inv holds: of w for the center, of its square root for the others.
ERF_INV_RANGES = {
    "float": [("center", mpf(0), mpf("5.0625")), ("tail", mpf("2.25"), mpf("4.02"))],
    "double": [("center", mpf(0), mpf("6.25")), ("tail", mpf("2.5"), mpf(4)), ("far_tail", mpf(4), mpf("6.07"))],
}
DIGITS = {"float": 24, "double": 53}


def fit(function, low, high, degree):
    """Coefficients, low order first, of the interpolant of function over [low, high]."""
    nodes = [(low + high) / 2 + (high - low) / 2 * cos(pi * (2 * i + 1) / (2 * degree + 2)) for i in range(degree + 1)]
    vandermonde = matrix([[x**j for j in range(degree + 1)] for x in nodes])
    return list(lu_solve(vandermonde, matrix([function(x) for x in nodes])))


def rounded(x, bits, to_integer=nint):
    """x to `bits` significant bits."""
    unit = mpf(2) ** (int(floor(log(abs(x), 2))) + 1 - bits)
    return to_integer(x / unit) * unit


def expansion(x, *bits):
    """x as an unevaluated sum: each term takes so many bits of what the ones before left."""
    terms = []
    for count in bits:
        terms.append(rounded(x - sum(terms), count))
    return terms


def odd_tail(function, z, power, head):
    """(function(s) / s - head(z)) / z^power with z = s^2."""
    return (function(sqrt(z)) / sqrt(z) - head(z)) / z**power


def exp_remainder(r):
    """(exp(r) - 1 - r) / r^2, whose limit at 0 is 1 / 2."""
    return (expm1(r) - r) / r**2 if abs(r) > mpf(10) ** -60 else mpf(1) / 2


def erf_inv_ratio(w):
    """erf_inv(x) / x where w = -log(1 - x^2)."""
    x = sqrt(-expm1(-w))
    return erfinv(x) / x


def onto(low, high, function):
    """function over [low, high] as a function of t in [-1, 1]."""
    return lambda t: function((low + high) / 2 + (high - low) / 2 * t)


def polynomials(name):
    """(name, comment, function, low, high, degree) of each polynomial of one type."""
    single = name == "float"
    tiny = mpf(10) ** -60
    half_ln2 = log(2) / 2 * mpf("1.001")
    quarter_turn = (pi / 4 * mpf("1.01")) ** 2
    erf_inv_degrees = [10, 10] if single else [25, 21, 19]
    yield "exp_tail", "(exp(r) - 1 - r) / r^2, |r| <= ln2 / 2", exp_remainder, -half_ln2, half_ln2, 4 if single else 10
    yield "log_tail", "(2 atanh(s) / s - 2) / z, z = s^2, s <= 0.2", lambda z: odd_tail(lambda s: 2 * atanh(s), z, 1, lambda z: 2), tiny, mpf("0.0405"), 3 if single else 6
    yield "atanh_tail", "(atanh(s) / s - 1 - z / 3) / z^2, z = s^2, s <= 0.2", lambda z: odd_tail(atanh, z, 2, lambda z: 1 + z / 3), tiny, mpf("0.0405"), 3 if single else 8
    yield "tanh_tail", "(tanh(a) / a - 1) / z, z = a^2, a <= 0.55", lambda z: odd_tail(tanh, z, 1, lambda z: 1), tiny, mpf("0.303"), 4 if single else 10
    yield "sin_tail", "(sin(r) / r - 1) / z, z = r^2, r <= pi / 4", lambda z: odd_tail(sin, z, 1, lambda z: 1), tiny, quarter_turn, 3 if single else 6
    yield "cos_tail", "(cos(r) - 1 + z / 2) / z^2, z = r^2, r <= pi / 4", lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, tiny, quarter_turn, 3 if single else 6
    for (label, low, high), degree in zip(ERF_INV_RANGES[name], erf_inv_degrees):
        variable = "w" if label == "center" else "sqrt(w)"
        function = erf_inv_ratio if label == "center" else lambda v: erf_inv_ratio(v * v)
        comment = f"erf_inv(x) / x, w = -log(1 - x^2), its range of {variable} mapped onto -1 .. 1"
        yield f"erf_inv_{label}", comment, onto(max(low, tiny), high, function), mpf(-1), mpf(1), degree


def constants(name):
    p = DIGITS[name]
    head = 15 if name == "float" else 40
    high = rounded(log(2), p, floor)
    yield "ln2", "to twice the precision, both positive: log multiplies them by infinity", [high, rounded(log(2) - high, p)]
    yield "ln2_split", "the first term times any exponent is exact", expansion(log(2), head, p)
    yield "third", "1 / 3 to twice the precision", expansion(mpf(1) / 3, p, p)
    yield "half_pi", "to three times the precision", expansion(pi / 2, p, p, p)
    for label, low, high in ERF_INV_RANGES[name]:
        yield f"erf_inv_{label}_range", "w = -log(1 - x^2)" if label == "center" else "sqrt(w)", [low, high]


def number(x):
    text = mp.nstr(x, 20, min_fixed=-4, max_fixed=4)
    return text[:-2] if text.endswith(".0") else text


def wrapped(words, indent):
    return textwrap.fill(", ".join(words), 98, initial_indent=indent, subsequent_indent=indent)


def array(name, values, comment):
    line = f"  static constexpr double {name}[] = {{" + ", ".join(map(number, values)) + "};"
    if len(line) > 100:
        line = f"  static constexpr double {name}[] = {{\n" + wrapped(map(number, values), "      ") + "};"
    print(f"  // {comment}\n{line}")


def main():
    print("// Made by tools/fit_coefficients.py: polynomials and constants of the elementary functions.\n// clang-format off")
    print("#pragma once\n#include <cstdint>\n\nnamespace jv::kernels {\n")
    print("// Polynomials are low order first; the comment says what they approximate and where.")
    print("template <class T>\nstruct Coefficients;")
    for name in DIGITS:
        print(f"\ntemplate <>\nstruct Coefficients<{name}> {{")
        for label, comment, values in constants(name):
            array(label, values, comment)
        for label, comment, function, low, high, degree in polynomials(name):
            array(label, fit(function, low, high, degree), comment)
        print("};")
    bits = int(floor(2 / pi * mpf(2) ** (64 * 19)))
    words = ["0x0"] + [hex(bits >> (64 * (18 - i)) & (2**64 - 1)) for i in range(19)]
    print("\n// The bits of 2 / pi, 64 a word, the first of them after the binary point in word 1.")
    print("inline constexpr uint64_t two_over_pi[] = {\n" + wrapped(words, "    ") + "};")
    print("\n}  // namespace jv::kernels")



main()
