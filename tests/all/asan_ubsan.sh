#!/usr/bin/env bash
# The fast tests under AddressSanitizer and UndefinedBehaviorSanitizer, with
# xtensor's own checks on.
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
# A refused allocation is std::bad_alloc here too.
export ASAN_OPTIONS=$ASAN_OPTIONS:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
build_in "$source_dir/build-asan-ubsan" --preset asan-ubsan
run_fast "$source_dir/build-asan-ubsan"
