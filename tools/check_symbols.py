#!/usr/bin/env python3
"""The library exports exactly the functions that its headers declare.

    check_symbols.py LIBRARY    compare what LIBRARY exports, tests/abi/symbols.txt and capi/jaxvjp.map with the headers
    check_symbols.py --update   write symbols.txt and jaxvjp.map from the headers
"""
import subprocess
import sys

import c_header

GOLDEN = c_header.ROOT / "tests/abi/symbols.txt"
MAP = c_header.ROOT / "capi/jaxvjp.map"
NODE = "JAXVJP_0.1"  # a release that adds functions adds a node of its own


def version_script(names):
    lines = "".join(f"    {name};\n" for name in names)
    return f"{NODE} {{\n  global:\n{lines}  local:\n    *;\n}};\n"


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    names = [row[-1].split("@")[0] for row in rows if row[-2] != "A"]  # A: the version node itself
    return sorted(name for name in names if not name.startswith(("__asan", "__ubsan", "__odr_asan")))


def differences(what, found, declared):
    for name in sorted(set(found) ^ set(declared)):
        yield f"{what}: {name} is " + ("missing" if name in declared else "not in the headers")


def main():
    declared = c_header.functions()
    golden = "\n".join(declared) + "\n"
    if "--update" in sys.argv:
        GOLDEN.write_text(golden)
        MAP.write_text(version_script(declared))
        return 0
    problems = list(differences(sys.argv[1], exported(sys.argv[1]), declared))
    if not GOLDEN.exists() or GOLDEN.read_text() != golden:
        problems.append("tests/abi/symbols.txt is stale: tools/check_symbols.py --update")
    if not MAP.exists() or MAP.read_text() != version_script(declared):
        problems.append("capi/jaxvjp.map is stale: tools/check_symbols.py --update")
    return "\n".join(problems) or 0


if __name__ == "__main__":
    sys.exit(main())
