#!/usr/bin/env bash
# The bench program on a tiny network: every figure is there and can be, and
# those that do not depend on the machine's speed keep their limits.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$2/bench/mjolnir_bench" --only step --width 4 --batch 4 --rounds 2 \
  --json "$scratch/figures.json" >"$scratch/printed"

fail() {
  printf '%s\n' "$1" "it printed:"
  cat "$scratch/printed" "$scratch/figures.json"
  exit 1
}

# Top-level figures, one a line.
sed -nE 's/^  "([a-z0-9_]+)": ([-+0-9.e]+),?$/\1 \2/p' "$scratch/figures.json" \
  >"$scratch/figures"

# between KEY LOW HIGH: the figure is there and within these bounds
between() {
  awk -v key="$1" -v low="$2" -v high="$3" '
    $1 == key { good = $2 + 0 >= low && $2 + 0 <= high }
    END { exit !good }' "$scratch/figures" || fail "$1 is not in [$2, $3]"
}

# ResNet-20 of width 4: 2.5 million multiplications a forward pass and image
# (41 million at width 16), times 2 for the additions, 3 for the two gradients
# and 4 images.
between resnet20_w4_gflop 0.05 0.075
for kind in sgd thor_plain thor_refresh; do
  between "resnet20_w4_${kind}_ms" 0.1 60000
  between "resnet20_w4_${kind}_share" 0.0001 100
  between "resnet20_w4_${kind}_images" 0.05 100000
  between "resnet20_w4_${kind}_misses" 0 0
  between "resnet20_w4_${kind}_news" 1 1000000
  grep -A 2 "\"resnet20_w4_${kind}_misses\": {" "$scratch/figures.json" |
    grep -q '"pass": true' || fail "no limit for the misses of $kind"
done
between resnet20_w4_refresh_ratio 0.2 1000
between resnet20_w4_sgd_memory_mb 10 4000
between resnet20_w4_memory_mb 10 4000
[[ $(grep -c 'misses of the worst step .* 0 PASS (at most 0)$' \
  "$scratch/printed") -eq 3 ]] || fail "the misses are not marked"

# What a peer's refresh is compared with: the split that it has not is stated.
"$2/bench/mjolnir_bench" --only refresh --width 4 --batch 4 --rounds 2 \
  --json "$scratch/figures.json" >"$scratch/printed"
sed -nE 's/^  "([a-z0-9_]+)": ([-+0-9.e]+),?$/\1 \2/p' "$scratch/figures.json" \
  >"$scratch/figures"
between refresh_w4_plain_ms 0.1 60000
between refresh_w4_ms -60000 60000  # a difference of two times
between refresh_w4_split_dim 0 0
between refresh_w4_threads 1 1024

# How long a run waits for a checkpoint.
(cd "$scratch" && "$2/bench/mjolnir_bench" --only checkpoint --width 4 \
  --batch 4 --rounds 2 --json "$scratch/figures.json") >"$scratch/printed"
sed -nE 's/^  "([a-z0-9_]+)": ([-+0-9.e]+),?$/\1 \2/p' "$scratch/figures.json" \
  >"$scratch/figures"
between checkpoint_w4_mb 0.1 100
between checkpoint_w4_step_ms 0.1 60000
between checkpoint_w4_copy_ms 0.001 60000
between checkpoint_w4_saving_step_ms 0.1 60000
grep -A 2 '"checkpoint_w4_wait": {' "$scratch/figures.json" |
  grep -q '"at_most": 0.5' || fail "no limit for the wait"

# A limit that is kept or not shows, and in the file too: compiling a file that
# includes everything against the standard headers. How long that takes is the
# machine's affair.
"$2/bench/mjolnir_bench" --only headers --json "$scratch/figures.json" \
  >"$scratch/printed"
grep -qE ' ratio +[0-9.]+ (PASS|over) \(at most 2.5\)$' "$scratch/printed" ||
  fail "the ratio of the headers has no verdict"
grep -q '"at_most": 2.5' "$scratch/figures.json" || fail "no limit in the file"

# Loading a small model: the figures are there (its time is no test's business).
"$2/bench/mjolnir_bench" --only io --width 2 --batch 1 --rounds 2 \
  --json "$scratch/figures.json" >"$scratch/printed"
sed -nE 's/^  "([a-z0-9_]+)": ([-+0-9.e]+),?$/\1 \2/p' "$scratch/figures.json" \
  >"$scratch/figures"
between io_megabytes 0.03 5
for name in plain_ms read_ms load_ms read_ratio load_ratio; do
  between "io_$name" 0.00001 100000
done
