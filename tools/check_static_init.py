#!/usr/bin/env python3
"""The library has no mutable globals of its own, and nothing of it runs when it is loaded.

    check_static_init.py LIBRARY

The symbol table of the unstripped library shows what the linker kept: a dynamic initialiser is a function _GLOBAL__sub_I_*,
a mutable object lies in .data or .bss, or, one a thread, in .tdata or .tbss. (Tables of pointers are in .data.rel.ro: constant.)
"""
import re
import subprocess
import sys

MUTABLE = {".data", ".bss", ".tdata", ".tbss"}
# What compilers and linkers add, by themselves.
COMPILERS = re.compile(r"(completed\.\d+|__dso_handle|__TMC_END__|_edata|_end|__bss_start|DW\.ref\.\w+|\.data|\.bss|\.tdata|\.tbss)$")
# The one choice of a process, a constant once made: which instruction set the kernels use.
CHOSEN_ONCE = re.compile(r"(guard variable for )?jv::kernels::(active_isa|kernel_table|\(anonymous namespace\)::build\(\)::chosen).*|__cpu_(model|features2)")


def symbols(library):
    """(section, name) of every symbol."""
    out = subprocess.run(["objdump", "-t", "-C", library], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        if m := re.match(r"[0-9a-f]{16} .{7} (\S+)\t[0-9a-f]{16}\s+(?:\.hidden )?(.*)", line):
            yield m[1], m[2]


def problem(section, name):
    if "_GLOBAL__sub_I_" in name or "__cxx_global_var_init" in name:
        return f"runs at load: {name}"
    if section in MUTABLE and not COMPILERS.match(name) and not CHOSEN_ONCE.match(name):
        return f"mutable: {name} in {section}"
    return None


def main():
    found = list(symbols(sys.argv[1]))
    if not any(section == ".text" for section, _ in found):
        print("the library is stripped: nothing to see")
        return 77
    return "\n".join(filter(None, (problem(*s) for s in found))) or 0


if __name__ == "__main__":
    sys.exit(main())
