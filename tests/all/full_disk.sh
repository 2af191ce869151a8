#!/usr/bin/env bash
# A run on a disk of one megabyte: no checkpoint fits, the run ends well; when
# nothing fits any more, it ends in words and leaves what was there.
set -euo pipefail
program=$2/examples/train_resnet
[[ -x $program ]] || { echo "the examples are not built"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unshare -m mount -t tmpfs -o size=1m none "$scratch" 2>/dev/null ||
  { echo "no right to mount"; exit 77; }

# shellcheck disable=SC2016
unshare -m bash -c '
  set -euo pipefail
  scratch=$1
  mount -t tmpfs -o size=1m none "$scratch"
  cd "$scratch"
  fail() { echo "$1"; cat log; ls -lR; exit 1; }
  options=(--data synthetic --validation 1000 --model mlp --width 16
    --optimizer thor --frequency 3 --epochs 2 --threads 1)

  code=0
  "$2" "${options[@]}" --out run >log 2>&1 || code=$?
  ((code == 0)) || fail "code $code"
  grep -q "the checkpoint of step 8 was not written" log || fail "no warning"
  grep -q "No space left" log || fail "no reason"
  [[ -s run/model.safetensors ]] || fail "no model"
  [[ $(grep -c ^epoch, run/metrics.csv) -eq 2 ]] || fail "no metrics"
  compgen -G "run/checkpoints/*" >/dev/null && fail "something is left"

  before=$(cksum run/*.*)
  head -c 10m /dev/zero >fill 2>/dev/null || true
  code=0
  "$2" "${options[@]}" --out other >log.2 2>/dev/null || code=$?
  ((code == 1)) || fail "code $code on a full disk"
  [[ $(cksum run/*.*) == "$before" ]] || fail "the first run was changed"
' bash "$scratch" "$program"
