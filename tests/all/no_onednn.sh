#!/usr/bin/env bash
# Everything but oneDNN, compiled for any CPU: the reference kernels take over.
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
folder=$source_dir/build-no-onednn
build_in "$folder" --preset no-onednn -DMJOLNIR_NATIVE=OFF
if grep -qE '^MJOLNIR_ONEDNN:BOOL=ON' "$folder/CMakeCache.txt" ||
  ldd "$folder"/tests/test_core | grep -q dnnl; then
  echo "this build has oneDNN after all"
  exit 1
fi
run_fast "$folder" "$needs_onednn"
