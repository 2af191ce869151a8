#!/usr/bin/env bash
# `predict` on a network that was trained on made-up images: its accuracy on
# such images, likeliest classes, images of other kinds and sizes, and what it
# says of files that are wrong.
set -euo pipefail
export OMP_WAIT_POLICY=passive
source_dir=$1
predict=$2/examples/predict
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
  echo "$1"
  cat out err
  exit 1
}
# expect CODE ARGUMENT...: runs it; stdout to out, stderr to err
expect() {
  local code=0 wanted=$1
  shift
  "$predict" "$@" >out 2>err || code=$?
  [[ $code -eq $wanted ]] || fail "expected exit $wanted of $*, got $code"
}

"$2/examples/train_resnet" --data synthetic --model lenet5 --width 4 --epochs 2 \
  --optimizer sgd --learning-rate 0.05 --schedule constant --threads 1 \
  --out run >train.log 2>&1 || { cat train.log; exit 1; }

# The images of tests/io/golden are of other sizes, kinds and colours.
golden=$source_dir/tests/io/golden
expect 0 --model run "$golden/grey.png" "$golden/rgba.png" "$golden/rgb.jpg"
[[ $(wc -l <out) -eq 3 && ! -s err ]] || fail "not three lines"
grep -qE "^$golden/rgba.png: class [0-9] [0-9]+\.[0-9]{2} %\$" out || fail "no class"
cp out folder.out
expect 0 --model run/model.safetensors "$golden/grey.png" "$golden/rgba.png" "$golden/rgb.jpg"
cmp -s out folder.out || fail "the folder and its file differ"

expect 0 --model run --top 10 "$golden/grey.png"
[[ $(grep -o 'class [0-9]' out | sort -u | wc -l) -eq 10 ]] || fail "not ten classes"
grep -oE '[0-9.]+ %' out |
  awk '{ sum += $1 } END { exit !(sum > 99.9 && sum < 100.1) }' ||
  fail "the shares do not add up"

# What is wrong is told, and the rest is still done.
echo 'no image' >text.png
head -c 60 "$golden/rgb.png" >cut.png
expect 1 --model run text.png "$golden/grey.png" cut.png none.png
[[ $(wc -l <out) -eq 1 && $(wc -l <err) -eq 3 ]] || fail "one line and three errors"
grep -qF "'text.png' is neither a PNG nor a JPEG file" err || fail "text.png"
grep -qF "'cut.png'" err || fail "cut.png"
grep -qF "'none.png': No such file" err || fail "none.png"

expect 1 --model text.png "$golden/grey.png"
grep -qF "'text.png'" err || fail "a model that is none"
expect 1 --model "$golden/ours.safetensors" "$golden/grey.png"
grep -qF 'does not say its "model"' err || fail "a file without metadata"
expect 1 --model nowhere "$golden/grey.png"
grep -qF "'nowhere': No such file" err || fail "no model"
mkdir empty
expect 1 --model empty "$golden/grey.png"
grep -qF "'empty/model.safetensors': No such file" err || fail "an empty folder"

expect 2 "$golden/grey.png"
grep -qF -- "--model: needed" err || fail "no --model"
expect 2 --model run
grep -qF "no image" err || fail "no image"
expect 0 --help
grep -qF -- "--top" out || fail "no help"
