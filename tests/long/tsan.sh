#!/usr/bin/env bash
# The fast tests under ThreadSanitizer, without OpenMP, whose runtime it does
# not know: what remains are the library's own threads.
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1
export TSAN_OPTIONS=$TSAN_OPTIONS:suppressions=$source_dir/tests/long/tsan.supp
export OMP_NUM_THREADS=1
build_in "$source_dir/build-tsan" --preset tsan
run_fast "$source_dir/build-tsan" "$needs_onednn"
