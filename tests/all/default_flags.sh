#!/usr/bin/env bash
# Every --model but the default one, which trainer.sh has, learns with the
# default flags: the small ones Fashion-MNIST, by each optimizer; the deep ones
# made-up images.
set -euo pipefail
train=$2/examples/train_resnet
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}

# learns PERCENT FLAG...: one epoch, unless a flag says more, to at least that
# test accuracy
learns() {
  local least=$1 accuracy
  shift
  "$train" --epochs 1 --out "$scratch/run" "$@" >"$scratch/out" 2>"$scratch/err" || {
    echo "$*: exit code $?"
    tail -n 3 "$scratch/err"
    exit 1
  }
  accuracy=$(awk '/^test accuracy/ { print $3 }' "$scratch/out")
  rm -r "$scratch/run"
  echo "$*: $accuracy %"
  awk -v a="$accuracy" -v b="$least" 'BEGIN { exit !(a >= b) }' || {
    echo "$*: less than $least %"
    exit 1
  }
}

for optimizer in thor sgd adamw; do
  learns 75 --model mlp --optimizer "$optimizer"
  learns 75 --model lenet5 --optimizer "$optimizer"
done
# The same shape of network in small, on made-up images. After one epoch the
# deepest has barely begun, and rounding decides on which side of the bar.
for model in resnet20 resnet32 resnet44 resnet56 resnet110 resnet18; do
  learns 15 --model "$model" --data synthetic --width 8 --epochs 2
done
