#!/bin/bash
# The installed headers compile alone and twice, under every standard, pedantic, by gcc and clang.
cd "$(dirname "$0")/.." || exit 1
dir=$(mktemp -d) && trap 'rm -r "$dir"' EXIT
status=0 compiled=0

try() {  # compiler language standard header...
  local compiler=$1 language=$2 standard=$3
  shift 3
  command -v "$compiler" > /dev/null || return
  printf '#include <jaxvjp/%s>\n' "$@" > "$dir/user"
  "$compiler" -x "$language" -std="$standard" -pedantic-errors -Wall -Wextra -Werror -Iinclude -fsyntax-only "$dir/user" ||
    { echo "FAILED: $compiler -std=$standard: $*"; status=1; }
  compiled=$((compiled + 1))
}

for name in $(cd include/jaxvjp && find . -type f -printf "%P\n" | sort); do
  for compiler in gcc clang-14; do
    case $name in *.h) for std in c89 c99 c11 c17 c2x; do try $compiler c $std "$name" "$name"; done ;; esac
  done
  for compiler in g++ clang++-14; do
    case $name in *.h) old="c++98 c++11 c++14" ;; *) old= ;; esac
    for std in $old c++17 c++20 c++2b; do try $compiler c++ $std "$name" "$name"; done
  done
done
try gcc c c99 ops.h jaxvjp.h  # in the other order
echo "$compiled compilations"
exit $status
