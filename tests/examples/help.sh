#!/usr/bin/env bash
# `./mjolnir help` lists the flags that the trainer and predict take, all of
# them.
set -euo pipefail
# check COMMAND PROGRAM
check() {
  local listed taken
  listed=$("$source_dir/mjolnir" help |
    awk -v command="$1" '/^  [a-z]/ { on = $1 == command } on' |
    grep -oE -- '--[a-z-]+' | sort -u)
  taken=$("$build/examples/$2" --help | grep -oE '^  --[a-z-]+' |
    tr -d ' ' | grep -v version | sort -u)
  diff <(printf '%s\n' "$listed" | grep -v -- --help) <(printf '%s\n' "$taken")
}
source_dir=$1
build=$2
check train train_resnet
check predict predict
