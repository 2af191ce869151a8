#!/usr/bin/env bash
# The quickstart on 2,000 images: the loss falls, and the accuracy is far above
# guessing.
set -euo pipefail
# Threads that spin are slow on a machine that does other things too.
export OMP_WAIT_POLICY=passive
output=$("$2/examples/quickstart" 2 2000 2>&1) || {
  status=$?
  [[ $output == *"apt-get install dataset-fashion-mnist"* ]] && exit 77
  printf '%s\n' "$output"
  exit "$status"
}
awk -v output="$output" '
  /^epoch [12]: loss [0-9.]+$/ { loss[++epochs] = $4 }
  /^test accuracy [0-9.]+ %$/ { accuracy = $3 }
  END {
    if (epochs == 2 && loss[2] < loss[1] && loss[2] < 2.0 && accuracy > 30)
      exit 0
    print "this is not what it should print:"
    print output
    exit 1
  }' <<<"$output"
