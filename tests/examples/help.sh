#!/usr/bin/env bash
# `./mjolnir help` lists the flags that the trainer takes, all of them.
set -euo pipefail
listed=$("$1/mjolnir" help |
  awk '/^  train/ { on = 1; next } /^  [a-z]/ { on = 0 } on' |
  grep -oE -- '--[a-z-]+' | sort -u)
taken=$("$2/examples/train_resnet" --help | grep -oE '^  --[a-z-]+' |
  tr -d ' ' | grep -v version | sort -u)
diff <(printf '%s\n' "$listed" | grep -v -- --help) <(printf '%s\n' "$taken")
