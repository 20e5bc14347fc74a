#!/bin/bash
# Every tracked C and C++ file is as clang-format 14 writes it (generated ones too). `./dev format` does it.
cd "$(dirname "$0")/.." || exit 1
command -v clang-format-14 > /dev/null && git rev-parse --git-dir > /dev/null 2>&1 || exit 77
git ls-files -z -- '*.h' '*.hpp' '*.c' '*.cpp' | xargs -0 clang-format-14 --dry-run -Werror
