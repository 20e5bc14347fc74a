#!/usr/bin/env python3
"""Who may include whom: the layers of DESIGN.md. Fails on an include that the table does not allow."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A layer may include itself, the C++ standard library, and what stands here: layers, or single headers. primitives/ops.hpp
# is generated from the blocks: one C++ function a primitive.
GENERATED = ["primitives/ops.hpp"]
DEFINE = "primitives/define.hpp"  # how a primitive is declared, and what batching rules share
ABOVE_KERNELS = ["core/", "trace/", *GENERATED]
ALLOWED = {
    "src/core": [],
    "src/text": ["core/"],
    "src/kernels": ["core/"],
    "src/trace": ["core/"],
    "src/primitives": ["core/", "kernels/", "trace/", "ops/"],
    "src/ops": ABOVE_KERNELS,
    "src/transforms": [*ABOVE_KERNELS, DEFINE],
    "src/control": [*ABOVE_KERNELS, DEFINE, "transforms/"],
    "src/rules": [*ABOVE_KERNELS, DEFINE, "transforms/", "control/"],
    "src/exec": ["core/", "kernels/", "trace/"],
    "src/api": ["core/", "text/", "trace/", "primitives/", "ops/", "transforms/", "control/", "rules/", "exec/"],
    "capi": ["api/", "core/", "text/", "ops/", *GENERATED, "jaxvjp/", "control/call.hpp", "transforms/simplify.hpp",
             "primitives/registry.hpp", "exec/reference.hpp", "kernels/kernels.hpp"],
    "include/jaxvjp": ["jaxvjp.h", "ops.h", "jaxvjp/"],
}
# Libraries that are included in one file each, because later versions moved their headers.
ONE_PLACE = ["xtensor/", "xsimd/"]
FOREIGN = re.compile(r"^(xtensor|xsimd|xtl|immintrin|x86intrin|cblas|lapacke?|gtest|gmock|benchmark)")
C_HEADERS = {"stddef.h", "stdint.h"}


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if m := re.match(r'\s*#\s*include\s+([<"])(.*?)[>"]', line):
            yield number, m[1], m[2]


def forbidden(layer, path, bracket, name):
    if bracket == "<":
        if layer == "include/jaxvjp" and path.suffix == ".h":
            return name not in C_HEADERS
        return bool(FOREIGN.match(name)) and layer != "src/kernels"
    own = [layer.removeprefix("src/") + "/"]
    return not any(name.startswith(start) for start in own + ALLOWED[layer])


def main():
    problems, places = [], {library: set() for library in ONE_PLACE}
    for layer in ALLOWED:
        for path in sorted((ROOT / layer).rglob("*.[hc]*")):
            if path.suffix not in (".h", ".hpp", ".cpp"):
                continue
            for number, bracket, name in includes(path):
                if forbidden(layer, path, bracket, name):
                    problems.append(f"{path.relative_to(ROOT)}:{number}: {layer} may not include {name}")
                for library in ONE_PLACE:
                    if name.startswith(library):
                        places[library].add(str(path.relative_to(ROOT)))
    for library, files in places.items():
        if len(files) > 1:
            problems.append(f"{library} is included in more than one file: {', '.join(sorted(files))}")
    return "\n".join(problems) or 0


if __name__ == "__main__":
    sys.exit(main())
