#!/usr/bin/env python3
"""The C headers declare exactly what tests/abi/header.txt says: functions, callbacks, fields with index, constants.

    check_header.py                  compare
    check_header.py --update         write the file, if it only grows (fields at the end of their struct)
    check_header.py --update --break write it anyway; CHANGELOG.md then says so in its ABI line
"""
import difflib
import sys

import c_header

GOLDEN = c_header.ROOT / "tests/abi/header.txt"


def main():
    new = c_header.dump()
    old = GOLDEN.read_text().splitlines() if GOLDEN.exists() else []
    lost = [line for line in old if line not in new]
    if "--update" not in sys.argv:
        if new == old:
            return 0
        print("\n".join(difflib.unified_diff(old, new, "tests/abi/header.txt", "headers", lineterm="", n=0)))
        return "the headers and tests/abi/header.txt differ: tools/check_header.py --update, if that is meant"
    if lost and "--break" not in sys.argv:
        print("\n".join("- " + line for line in lost))
        return "these declarations are gone or changed, which breaks programs that use them (--break to do it)"
    GOLDEN.write_text("\n".join(new) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
