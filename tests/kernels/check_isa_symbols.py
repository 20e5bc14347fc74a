#!/usr/bin/env python3
"""No function of the AVX2 build can replace one of the portable build, or of the rest of the library.

    check_isa_symbols.py LIBRARY

Compiled with -mavx2, an inline function or template outside the build's own namespace is a weak
symbol that the linker may keep for everybody: a machine without AVX2 would stop at it.
"""
import subprocess
import sys


def main():
    listing = subprocess.run(["nm", "-C", sys.argv[1]], capture_output=True, text=True, check=True).stdout
    functions = [line.split(maxsplit=2) for line in listing.splitlines() if " W " in line]
    shared = sorted({name for _, _, name in functions if "jv::kernels::avx2::" not in name})
    if not functions:
        return "no weak function found: is this the library of the AVX2 build?"
    return "\n".join(f"shared with other builds: {name}" for name in shared) or 0


if __name__ == "__main__":
    sys.exit(main())
