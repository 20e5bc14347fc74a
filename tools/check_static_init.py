#!/usr/bin/env python3
"""The library has no mutable globals of its own, and nothing of it runs when it is loaded.

    check_static_init.py LIBRARY

`nm` of the unstripped library shows what the linker kept: a dynamic initialiser is a _GLOBAL__sub_I_* function, a mutable
global a symbol in .data or .bss, a thread-local one in .tdata or .tbss. Compilers and the C library add a few of their own.
"""
import re
import subprocess
import sys

# What compilers add: frame registration, completed.0 of crtstuff, handles of the linker, guards of constant tables.
COMPILERS = re.compile(r"^(_GLOBAL_OFFSET_TABLE_|_DYNAMIC|__dso_handle|completed\.\d+|__TMC_END__|_edata|_end|__bss_start"
                       r"|DW\.ref\.__gxx_personality_v0|__frame_dummy_init_array_entry|__do_global_dtors_aux_fini_array_entry"
                       r"|JAXVJP_[\d.]+)$")
# One constant chosen once a process: which instruction set the kernels use (DESIGN.md, invariant 2).
CHOSEN_ONCE = re.compile(r"jv::kernels::\w*(isa|dispatch|table)\w*", re.I)


def symbols(library):
    out = subprocess.run(["nm", "-C", library], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        if m := re.match(r"[0-9a-f ]{16} (\w) (.*)", line):
            yield m[1], m[2]


def problem(kind, name):
    if "_GLOBAL__sub_I_" in name or name.startswith("__cxx_global_var_init"):
        return f"runs at load: {name}"
    if kind in "BbDd" and not COMPILERS.match(name) and not re.match(r"(vtable|typeinfo|VTT) ", name):
        return None if CHOSEN_ONCE.search(name) else f"mutable global: {name}"
    return None


def main():
    found = list(symbols(sys.argv[1]))
    if not any(kind in "tT" for kind, _ in found):
        print("the library is stripped: nothing to see")
        return 77
    return "\n".join(filter(None, (problem(*s) for s in found))) or 0


if __name__ == "__main__":
    sys.exit(main())
