#!/bin/bash
# The library, installed, is found by pkg-config from outside the tree: a C program written from the header alone builds and
# runs against it.
#
#   check_install.sh BUILD_DIRECTORY
set -e
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d) && trap 'rm -r "$work"' EXIT

DESTDIR=$work meson install -C "$1" --no-rebuild --quiet > /dev/null
pc=$(find "$work" -name jaxvjp.pc)
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$work
library=$(find "$work" -name libjaxvjp.so)
cd "$work"
cc -std=c99 -pedantic-errors -Wall -Wextra -Werror "$root/tests/abi/consumer.c" -o consumer \
  $(pkg-config --cflags --libs jaxvjp) -lm
LD_LIBRARY_PATH=${library%/*} ./consumer
test "$(pkg-config --modversion jaxvjp)" = "$(LD_LIBRARY_PATH=${library%/*} ./consumer --version)"
