#!/usr/bin/env bash
# `explain` prints the sizes that the shapes of a ResNet-8 give, and what stays
# first-order; it refuses what it does not know.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
program=$2/examples/explain

fail() {
  echo "$1"
  cat out
  exit 1
}
# line NAME: the words of the line of a layer
line() { awk -v name="$1" '$1 == name' out; }

"$program" --data cifar10 --batch 4 >out
grep -q "^resnet8, [0-9]* parameters$" out || fail "no title"
grep -q "^4 images a batch, as in cifar10$" out || fail "no second line"
# conv1: 3 channels, 3x3, 16 outputs, 32 x 32 positions
line conv1 | grep -qE "^conv1 +conv +27 +16 +1024 " || fail "conv1"
line layer3.0.conv2 | grep -qE "^layer3.0.conv2 +conv +576 +64 +64 " || fail "conv2"
line fc | grep -qE "^fc +dense +64 +10 +1 " || fail "fc"
grep -qF "BatchNorm2d has no Kronecker factors" out || fail "no BatchNorm2d"
grep -qF "fc.bias: a bias" out || fail "no fc.bias"
for model in resnet8 resnet20 lenet5; do
  for split in 0 128; do
    "$program" --model "$model" --split-dim "$split" --batch 4 >wide
    [[ $(wc -L <wide) -le 80 ]] || fail "$model is wider than 80 columns"
  done
done

"$program" --model lenet5 --split-dim 32 --batch 2 >out
line fc1 | grep -qE " 32|in [0-9]+" || fail "no split"

"$program" --help >out
grep -qF -- "--split-dim" out || fail "no help"
if "$program" --optimizer sgd >out 2>&1; then fail "it took --optimizer"; fi
grep -qF "no such flag" out || fail "no reason"
