#!/usr/bin/env bash
# usage: logging.sh PROGRAM [PAIRS [FLAG...]]
# How much longer a run takes that logs, keeps its report and writes event
# files: pairs of runs, one with all three and one with none, in turn; the median of the pairs' quotients.
# The flags are those of the trainer (default: an epoch on Fashion-MNIST).
# Nothing else should run on the machine meanwhile.
set -euo pipefail
program=$1
pairs=${2:-5}
shift $(($# < 2 ? $# : 2))
[[ $# -gt 0 ]] || set -- --epochs 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# seconds NAME FLAG...: what a run says it took
seconds() {
  "$program" --out "$folder/$1" "${@:2}" >"$folder/$1.txt" 2>&1 || {
    cat "$folder/$1.txt" >&2
    exit 1
  }
  awk -F '[:,]' '/"seconds"/ { print $2 + 0 }' "$folder/$1/result.json"
}

for ((i = 1; i <= pairs; i++)); do
  on=$(seconds "on$i" "$@" --tensorboard)
  off=$(seconds "off$i" "$@" --no-report --log-every 1000000)
  awk -v i="$i" -v on="$on" -v off="$off" 'BEGIN {
    printf "pair %d: %.2f s with, %.2f s without, %.4f\n", i, on, off, on / off }'
done | tee "$folder/pairs"
awk '{ print $NF }' "$folder/pairs" | sort -n | awk '{ v[NR] = $1 }
  END { printf "median %.4f (target 1.01)\n",
    NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
