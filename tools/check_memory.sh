#!/bin/bash
# A program reads and writes only memory that it has, and loses none: it runs under valgrind's memcheck, which counts as
# lost what nothing points to at the end.
#
#   check_memory.sh PROGRAM [ARGUMENTS...]
command -v valgrind > /dev/null || exit 77
program=$(realpath "$1")
cd "$(dirname "$0")/.." || exit 1
exec valgrind --quiet --trace-children=yes --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
  "$program" "${@:2}" > /dev/null
