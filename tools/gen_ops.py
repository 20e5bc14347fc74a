#!/usr/bin/env python3
"""Writes what follows from the primitives' blocks (src/primitives, src/control, src/rules) and from the declarations of the
composites (src/ops): the C++ functions, the registry, the C header's rows and the C functions.

The files are checked in; `gen_ops.py --check` fails when one is stale. A block reads

    constexpr Primitive sin_p = unary<sin_p, Takes::floats>({
        .name = "sin",
        .signature = "x', axes: ints",      (a family may imply it)
        .doc = "What it does.",
        ...
    });

and a composite's declaration

    // What it does.
    // C: operation [name]                  (src/ops/numpy.hpp says more)
    Tracer sum(const Tracer& x, const Axes& axes);
"""
import pathlib
import re
import shutil
import subprocess
import sys

from c_ops import ops_cpp, ops_h

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK_LAYERS = ["primitives", "control", "rules"]  # where primitives are
BLOCK = re.compile(r"^constexpr Primitive (\w+)_p =\s+(\w+)(?:<[^{]*?>)?\(\{\n(.*?)^\}\);", re.S | re.M)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
DECLARATION = re.compile(r"((?:^//[^\n]*\n)+)^// C: (\w+)(?: (\w+))?\n^Tracer (\w+)\((.*?)\);", re.S | re.M)
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


class Composite:
    def __init__(self, path, doc, kind, c_name, name, args):
        text = path.read_text()
        self.path, self.kind, self.name = path, kind, name
        assert kind in ("operation", "elementwise", "creation"), f"{path}: {name}: no such kind: {kind}"
        self.doc = " ".join(line.removeprefix("//").strip() for line in doc.splitlines())
        self.c_name = c_name or name
        self.namespace = re.search(r"^namespace (jv::\w+) \{", text, re.M)[1]
        self.args = [re.fullmatch(r"(.*?)(\w+)", " ".join(a.split())).groups() for a in args.split(",")]
        self.args = [(kind.strip(), arg) for kind, arg in self.args]


def primitives():
    found = {}
    for path in [path for layer in BLOCK_LAYERS for path in (ROOT / "src" / layer).glob("*.cpp")]:
        text = path.read_text()
        blocks = BLOCK.findall(text)
        started = len(re.findall(r"^constexpr Primitive \w+", text, flags=re.M))
        assert len(blocks) == started, f"{path}: {started} blocks begin, {len(blocks)} can be read"
        for name, family, body in blocks:
            p = Primitive(path, name, family, body)
            assert p.name not in found, f"{path}: a second {p.name}"
            found[p.name] = p
    return [found[name] for name in sorted(found)]


def composites():
    found = []
    for path in sorted((ROOT / "src/ops").glob("*.hpp")):
        text = path.read_text()
        declared = DECLARATION.findall(text)
        marked = len(re.findall(r"^// C: ", text, flags=re.M))
        assert len(declared) == marked, f"{path}: {marked} declarations are marked, {len(declared)} can be read"
        found += [Composite(path, *d) for d in declared]
    names = [c.c_name for c in found]
    assert len(names) == len(set(names)), f"a C name is given twice: {sorted(n for n in names if names.count(n) > 1)}"
    return found


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
    call = [f"{p.name}_p", given] + ([values] if p.params or p.variadic or p.several else [])
    result, apply = ("Tracers", "apply_all") if p.several else ("Tracer", "apply")
    if not p.operands:
        args, apply, call = ["Trace& at", *args], "apply_at", ["at", f"{p.name}_p", values]
    return f"inline {result} {p.spelling}({', '.join(args)}) {{ return {apply}({', '.join(call)}); }}"


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
            out += ["", *comment(p.doc), function(p)]
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


def outputs():
    prims, comps = primitives(), composites()
    return {"src/primitives/ops.hpp": ops_hpp(prims), "src/primitives/registry.cpp": registry_cpp(prims),
            "include/jaxvjp/ops.h": ops_h(prims, comps), "capi/ops.cpp": ops_cpp(prims, comps)}


def written(path, text):
    """As clang-format puts it, where there is one; `./dev format` does it otherwise."""
    if not (tool := shutil.which("clang-format-14")):
        return text
    return subprocess.run([tool, f"--assume-filename={path}"], input=text, capture_output=True, text=True, check=True).stdout


def same(a, b):
    return "".join(a.split()) == "".join(b.split())


def main():
    for name, lines in outputs().items():
        path, text = ROOT / name, "\n".join(lines) + "\n"
        if path.exists() and same(path.read_text(), text):
            continue
        if "--check" in sys.argv:
            return f"{name} is stale: run tools/gen_ops.py"
        path.write_text(written(path, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
