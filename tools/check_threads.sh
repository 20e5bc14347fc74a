#!/bin/bash
# What threads share has no races: the tests that start threads, built with clang's ThreadSanitizer (Debian's
# libclang-rt-14-dev) in a build directory of their own, which lasts: the first time takes minutes.
#
#   check_threads.sh BUILD_DIRECTORY
set -e
cd "$(dirname "$0")/.."
command -v clang++-14 > /dev/null || exit 77
if [ ! -e "$1/build.ninja" ]; then
  CC=clang-14 CXX=clang++-14 meson setup "$1" -Dbuildtype=plain -Dwerror=true -Doptimization=1 -Ddebug=true \
    -Db_sanitize=thread > /dev/null
fi
ninja -C "$1" -j2 --quiet tests/threads_test
TSAN_OPTIONS=halt_on_error=1 "$1/tests/threads_test" --gtest_brief=1
