"""The C half of gen_ops.py: a function for each primitive and each composite, in include/jaxvjp/ops.h and capi/ops.cpp.

A row is what both files need of one function: its documentation, its parameters in C, and how it calls C++.
"""

WIDTH = 126
# Headings, in the order of the header, by the files that the functions come from.
SECTIONS = {
    "elementwise": "Functions of one number, each element",
    "arithmetic": "Functions of two numbers, each pair of elements; shapes broadcast",
    "comparison": "Comparisons: booleans, which have no derivative; shapes broadcast",
    "bitwise": "Bits of integers, and booleans; shapes broadcast",
    "convert": "Types of elements",
    "select": "Choice",
    "numpy": "NumPy's functions",
    "nn": "Functions of neural networks",
    "random": "Random numbers: functions of keys u32[2], with the bits that JAX gives",
    "linalg": "Linear algebra",
    "shape": "Primitives that change shapes; strict",
    "slice": "Parts of arrays",
    "reduction": "Reductions, as primitives",
    "dot": "Products, as a primitive",
}
PREFACE = """/* jaxvjp/ops.h - the operations: one function a primitive or NumPy-like helper. jaxvjp.h includes it; its conventions hold.
 *
 * Each returns a new value in the context's innermost scope, or NULL when the context has failed or fails now: DTYPE where
 * the types of elements do not fit (arrays never promote: jaxvjp_convert), SHAPE where shapes do not, INVALID_ARGUMENT for a
 * NULL operand, an axis that is not there or a parameter that makes no sense, TREE for a container. Operands are arrays of
 * any trace; a jaxvjp_number takes the type of the array operands. Shapes are strict except where broadcasting is said: then
 * NumPy's rules hold. A list of axes may be NULL where that is said.
 *
 * Written by tools/gen_ops.py from the primitives' blocks and the composites' declarations; do not edit.
 */"""


class Row:
    """One C function. operands: C names; lists: the last operand is an array of values; params: C declarations."""

    def __init__(self, source, name, doc, form, operands, variadic, params, call):
        self.section, self.name, self.form = source.stem, name, form
        self.doc = doc.replace("none: ", "NULL: ")
        self.operands, self.variadic, self.call = operands, variadic, call
        values = [f"jaxvjp_value *{o}" for o in operands]
        if variadic:
            last = operands[-1]
            values[-1:] = [f"jaxvjp_value *const *{last}", f"size_t n_{last}"]
        self.parameters = ["jaxvjp_context *cx", *values, *params]


def list_of(name):
    return [f"const int64_t *{name}", f"size_t {length(name)}"]


def length(name):
    return "ndim" if name == "shape" else f"n_{name}"


def ints(name):
    return f'list({name}, {length(name)}, "{name}")'


# --- primitives

NOTES = {"axes": "axes NULL: all.", "strides": "strides NULL: all are 1.",
         "padding": "The length is that of the whole list, three an axis.", "dtype?": "preferred_element_type 0: that of lhs."}
NUMBERS = ["lhs_contracting", "rhs_contracting", "lhs_batch", "rhs_batch"]
AXIS = ("dimension", "axis")


def parameter(p, name, kind):
    """The declarations in C of a primitive's parameter, and its value in C++."""
    if kind == "none":
        return [], None
    if kind == "bool":
        return [f"int32_t {name}"], f"{name} != 0"
    if kind == "int":
        counted = name in AXIS and p.operands  # from the end where it is negative
        return [f"int64_t {name}"], f'axis_of("{p.spelling}", {name}, in[0].aval())' if counted else name
    if kind == "ints" and name == "axes":
        return list_of(name), f'axes_of("{p.spelling}", axes_or_all(axes, n_axes), in[0].aval())'
    if kind == "ints":
        return list_of(name), ints(name)
    if kind == "strides":
        return list_of(name), f"{name} ? {ints(name)} : Ints(in[0].shape().size(), 1)"
    if kind == "padding":
        return list_of(name), f"triples({name}, {length(name)})"
    if kind == "dims":
        sides = [f'each_axis_of("{p.spelling}", {ints(n)}, in[{i % 2}].aval())' for i, n in enumerate(NUMBERS)]
        return sum(map(list_of, NUMBERS), []), "Dims{" + ", ".join(sides) + "}"
    if kind == "dtype":
        return [f"int32_t {name}"], f"capi::dtype({name})"
    if kind == "dtype?":
        return [f"int32_t {name}"], f"{name} ? capi::dtype({name}) : DType::none"
    raise AssertionError(f"{p.name}: a parameter of kind {kind} has no form in C")


def primitive_row(p):
    pairs = [parameter(p, name, kind) for name, kind in p.params]
    params = [d for declared, _ in pairs for d in declared]
    values = [v for _, v in pairs if v]
    given = [f"in[{i}]" for i in range(len(p.operands))]
    if p.variadic:
        given[-1] = "in" if len(given) == 1 else f"in.subspan({len(given) - 1})"
    form = "several" if p.several else "elementwise" if p.family in ("binary", "comparison") else "operation"
    if not p.operands:
        form, given = "creation", ["at"]
    call = f"jv::{p.spelling}({', '.join(given + values)})"
    notes = [NOTES[kind] for name, kind in p.params if kind in NOTES] + [NOTES["axes"]] * (("axes", "ints") in p.params)
    doc = " ".join([p.doc, *notes] + ["Returns a tuple."] * p.several)
    return Row(p.path, p.spelling, doc, form, p.operands, p.variadic, params, call)


# --- composites

def composite_row(c):
    operands, params, values, variadic = [], [], [], False
    for kind, name in c.args:
        if kind == "const Tracer&":
            values.append(f"in[{len(operands)}]")
            operands.append(name)
        elif kind == "Operands":
            values.append("in")
            operands.append(name)
            variadic = True
        elif kind == "Trace&":
            values.append("at")
        elif kind in ("const Axes&", "const Ints&"):
            params += list_of(name)
            values.append(f"axes_or_all({name}, {length(name)})" if kind == "const Axes&" else ints(name))
        elif kind == "DType":
            params.append(f"int32_t {name}")
            values.append(f"capi::dtype({name})")
        elif kind in ("int64_t", "uint64_t", "double"):
            params.append(f"{kind} {name}")
            values.append(name)
        else:
            raise AssertionError(f"{c.path}: {c.name}: an argument of type {kind} has no form in C")
    call = f"{c.namespace}::{c.name}({', '.join(values)})"
    return Row(c.path, c.c_name, c.doc, c.kind, operands, variadic, params, call)


def rows(prims, comps):
    """By section. A composite hides the primitive of its name, which it offers in a more convenient form."""
    all_rows = [composite_row(c) for c in comps]
    taken = {r.name for r in all_rows}
    all_rows = [primitive_row(p) for p in prims if not p.internal and p.spelling not in taken] + all_rows
    order = [*SECTIONS, *sorted({r.section for r in all_rows} - set(SECTIONS))]
    return {s: [r for r in all_rows if r.section == s] for s in order if any(r.section == s for r in all_rows)}


# --- the files

def wrap_comment(text):
    lines, line = [], "/*"
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH - (3 if word == text.split()[-1] else 0):
            lines, line = [*lines, line], " *"
        line += f" {word}"
    return [*lines, line + " */"]


def heading(title):
    return f"/* {'-' * (WIDTH - 7 - len(title))} {title} */"


def ops_h(prims, comps):
    out = [*PREFACE.splitlines(), "#ifndef JAXVJP_OPS_H", "#define JAXVJP_OPS_H", "", '#include "jaxvjp.h"', "",
           "#ifdef __cplusplus", 'extern "C" {', "#endif"]
    for section, listed in rows(prims, comps).items():
        out += ["", heading(SECTIONS.get(section, section)), ""]
        for row in listed:
            out += [*wrap_comment(row.doc), f"JAXVJP_API(jaxvjp_value *) jaxvjp_{row.name}({', '.join(row.parameters)});"]
    return [*out, "", "#ifdef __cplusplus", "}", "#endif", "", "#endif"]


HELPERS = """
static Ints list(const int64_t* items, size_t n, const char* what) {
  return Ints(capi::ints(items, n, what));
}

// NULL: none given.
static Axes axes_or_all(const int64_t* items, size_t n) {
  if (!items && n == 0) return std::nullopt;
  return list(items, n, "axes");
}

// (low, high, interior) for each axis.
static Dims triples(const int64_t* items, size_t n) {
  Ints flat = list(items, n, "padding_config");
  if (n % 3) fail(Code::invalid_argument, "pad: padding_config has ", n, " numbers, not 3 an axis");
  Dims config;
  for (size_t i = 0; i < n; i += 3) config.push_back({flat[i], flat[i + 1], flat[i + 2]});
  return config;
}

static std::span<jaxvjp_value* const> items(jaxvjp_value* const* values, size_t n) {
  return {values, values ? n : 0};
}

static std::vector<jaxvjp_value*> joined(std::initializer_list<jaxvjp_value*> first,
                                         std::span<jaxvjp_value* const> rest) {
  std::vector<jaxvjp_value*> all(first);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

static constexpr jaxvjp_value* no_value = nullptr;
"""


def body(row):
    operands = "{" + ", ".join(row.operands) + "}"
    last = row.operands[-1] if row.operands else ""
    if row.form == "creation":
        return f'capi::creation(cx, "{row.name}", [&](Trace& at) {{ return {row.call}; }})'
    if row.variadic:
        operands = f"items({last}, n_{last})"
    if row.variadic and len(row.operands) > 1:
        operands = f"joined({{{', '.join(row.operands[:-1])}}}, {operands})"
    call = f'capi::{row.form}(cx, "{row.name}", {operands}, [&](Operands in) {{ return {row.call}; }})'
    if not operands.startswith("joined"):
        return call
    return f'capi::guard(cx, "{row.name}", no_value, [&](auto&) {{ return {call}; }})'


def ops_cpp(prims, comps):
    out = ["// The C functions of ops.h: unwrap, call, wrap.",
           "// Written by tools/gen_ops.py; do not edit.", '#include "capi/wrap.hpp"',
           '#include "ops/linalg.hpp"', '#include "ops/nn.hpp"', '#include "ops/numpy.hpp"', '#include "ops/random.hpp"',
           "", "using namespace jv;", *HELPERS.splitlines()]
    for listed in rows(prims, comps).values():
        for row in listed:
            out += ["", f"jaxvjp_value* jaxvjp_{row.name}({', '.join(row.parameters)}) {{ return {body(row)}; }}"]
    return out
