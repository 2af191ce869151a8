#!/usr/bin/env bash
# Every reader of files, under libFuzzer and the sanitizers: the corpus of
# tests/fuzz/corpus and twenty seconds of inputs grown from it
# (FUZZ_SECONDS changes that).
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
folder=$source_dir/build-fuzz
build_in "$folder" --preset fuzz

run() {
  local program=$1 format=${1##*/fuzz_} work
  work=$folder/work/$format
  mkdir -p "$work"
  if ! "$program" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 \
    -rss_limit_mb=2048 -artifact_prefix="$work/" -print_final_stats=1 \
    "$work" "$source_dir/tests/fuzz/corpus/$format" >"$work.log" 2>&1; then
    echo "$format failed; the input is in $work:"
    tail -n 60 "$work.log"
    return 1
  fi
  echo "$format: $(awk '/number_of_executed_units/ { print $2 }' "$work.log") inputs"
}
export -f run
export folder source_dir
printf '%s\n' "$folder"/tests/fuzz/fuzz_* | grep -v '\.' |
  xargs -P "$(nproc)" -n 1 bash -c 'run "$@"' run
