#!/usr/bin/env python3
"""Writes what follows from the primitives' blocks (src/primitives, src/control): the C++ functions and the registry.

The files are checked in; `gen_ops.py --check` fails when one is stale. A block reads

    constexpr Primitive sin_p = unary<sin_p, Takes::floats>({
        .name = "sin",
        .signature = "x', axes: ints",      (a family may imply it)
        .doc = "What it does.",
        ...
    });
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^constexpr Primitive (\w+)_p =\s+(\w+)(?:<[^{]*?>)?\(\{\n(.*?)^\}\);", re.S | re.M)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
FAMILIES = {"unary": "x", "binary": "x, y", "comparison": "x, y", "reducer": "operand, axes: ints"}
# Names that are C++ keywords, or that NumPy gives to something else.
SPELLINGS = {"max": "maximum", "min": "minimum", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
             "not": "bitwise_not"}
CPP = {"bool": "bool {}", "int": "int64_t {}", "ints": "const Ints& {}", "strides": "const Ints& {}",
       "padding": "const Dims& {}", "dims": "const Dims& {}", "dtype": "DType {}", "dtype?": "DType {}", "none": None}
WARNING = "// Written by tools/gen_ops.py from the primitives' blocks; do not edit."


class Primitive:
    def __init__(self, path, variable, family, body):
        self.path, self.variable, self.family = path, variable, family
        self.name = self.field(body, "name")
        self.internal = ".internal = true" in body
        self.several = ".batch_all" in body
        assert self.internal or self.name == variable, f"{path}: {variable}_p is named {self.name}"
        self.doc = self.field(body, "doc")
        assert self.doc or self.internal, f"{path}: {variable} has no .doc"
        self.signature = self.field(body, "signature") or FAMILIES.get(family, "")
        items = [i.split(": ") for i in self.signature.split(", ") if i]
        self.operands = [re.match(r"(\w+)", i[0])[1] for i in items if len(i) == 1]
        self.variadic = any(i[0].endswith("...") for i in items)
        self.params = [(i[0], i[1]) for i in items if len(i) == 2]
        self.spelling = SPELLINGS.get(self.name, self.name)

    @staticmethod
    def field(body, name):
        m = re.search(rf'\.{name} =\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', body)
        return "".join(STRING.findall(m[1])).replace('\\"', '"') if m else ""


def primitives():
    found = {}
    for path in [*(ROOT / "src/primitives").glob("*.cpp"), *(ROOT / "src/control").glob("*.cpp")]:
        text = path.read_text()
        blocks = BLOCK.findall(text)
        started = len(re.findall(r"^constexpr Primitive \w+", text, flags=re.M))
        assert len(blocks) == started, f"{path}: {started} blocks begin, {len(blocks)} can be read"
        for name, family, body in blocks:
            p = Primitive(path, name, family, body)
            assert p.name not in found, f"{path}: a second {p.name}"
            found[p.name] = p
    return [found[name] for name in sorted(found)]


def fill(start, items, end, width=100):
    """start + items, separated by commas + end; broken as clang-format does, behind the bracket that start ends with."""
    lines, line = [], start
    for i, item in enumerate(items):
        item += "," if i + 1 < len(items) else end
        if len(line) + len(item) + (i > 0) > width and i:
            lines, line = [*lines, line], " " * len(start) + item
        else:
            line += " " * (i > 0) + item
    return [*lines, line]


def definition(result, name, args, call):
    """An inline function that returns a call, given as (function, arguments)."""
    one = f"inline {result} {name}({', '.join(args)}) {{ return {call[0]}({', '.join(call[1])}); }}"
    if len(one) <= 100:
        return [one]
    return [*fill(f"inline {result} {name}(", args, ") {"), *fill(f"  return {call[0]}(", call[1], ");"), "}"]


def function(p):
    """inline Tracer sin(const Tracer& x) { return apply(sin_p, x); }"""
    args = [f"const Tracer& {o}" for o in p.operands]
    given = "{" + ", ".join(p.operands) + "}"
    if p.variadic:
        args[-1] = f"Operands {p.operands[-1]}"
        given = p.operands[0] if len(args) == 1 else f"operands({', '.join(p.operands)})"
    elif len(args) == 1 and not p.params and not p.several:
        given = p.operands[0]
    args += [CPP[kind].format(name) for name, kind in p.params if CPP[kind]]
    values = "{" + ", ".join("std::monostate()" if kind == "none" else name for name, kind in p.params) + "}"
    parameters = [values] if p.params or p.variadic or p.several else []
    if p.several:
        return definition("Tracers", p.spelling, args, ("apply_all", [f"{p.name}_p", given, *parameters]))
    if not p.operands:
        return definition("Tracer", p.spelling, ["Trace& at", *args], ("apply_at", ["at", f"{p.name}_p", values]))
    return definition("Tracer", p.spelling, args, ("apply", [f"{p.name}_p", given, *parameters]))


def comment(text, width=97):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines, line = [*lines, line], ""
        line = f"{line} {word}".strip()
    return [f"// {l}" for l in [*lines, line]]


def ops_hpp(prims):
    out = ["// The primitives, and a C++ function for each.", WARNING, "#pragma once", '#include "primitives/apply.hpp"', "",
           "namespace jv {", ""]
    out += [f"extern const Primitive {p.variable}_p;" for p in prims]
    for p in prims:
        if not p.internal:
            out += ["", *comment(p.doc), *function(p)]
    return out + ["", "}  // namespace jv", "", '#include "primitives/operators.hpp"']


def registry_cpp(prims):
    rows = [f"    &{p.variable}_p," for p in prims]
    return ["// The table of all primitives, in alphabetical order.", WARNING, '#include "primitives/registry.hpp"', "",
            "#include <algorithm>", "", '#include "primitives/ops.hpp"', "", "namespace jv {", "",
            "static constexpr const Primitive* table[] = {", *rows, "};", "",
            "std::span<const Primitive* const> primitives() { return table; }", "",
            "const Primitive* find_primitive(std::string_view name) {",
            "  auto less = [](const Primitive* p, std::string_view n) { return p->name < n; };",
            "  auto it = std::lower_bound(std::begin(table), std::end(table), name, less);",
            "  return it != std::end(table) && (*it)->name == name ? *it : nullptr;", "}", "", "}  // namespace jv"]


def outputs(prims):
    return {"src/primitives/ops.hpp": ops_hpp(prims), "src/primitives/registry.cpp": registry_cpp(prims)}


def main():
    for name, lines in outputs(primitives()).items():
        path, text = ROOT / name, "\n".join(lines) + "\n"
        if path.exists() and path.read_text() == text:
            continue
        if "--check" in sys.argv:
            return f"{name} is stale: run tools/gen_ops.py"
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
