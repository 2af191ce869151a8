#!/usr/bin/env bash
# The trainer from files to accuracy: on images in the format of CIFAR-10, and
# with its defaults on Fashion-MNIST.
set -euo pipefail
# Threads that spin are slow on a machine that does other things too.
export OMP_WAIT_POLICY=passive
program=$2/examples/train_resnet
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# train OUT ARGUMENT...
train() {
  local out=$1 started=$SECONDS
  shift
  "$program" --out "$folder/$out" "$@" >"$folder/$out.txt" 2>"$folder/$out.log" || {
    echo "train_resnet $* failed:"
    cat "$folder/$out.log"
    exit 1
  }
  echo "$out: $(grep '^test accuracy' "$folder/$out.txt"), $((SECONDS - started)) s"
}

# at_least OUT PERCENT
at_least() {
  awk -v least="$2" '/^test accuracy/ { exit !($3 >= least) }
    END { if (NR == 0) exit 1 }' "$folder/$1.txt" || {
    echo "$1: expected a test accuracy of at least $2 %"
    cat "$folder/$1.txt"
    exit 1
  }
}

# Ten records of one colour each, of the eight corners of the cube of colours,
# then ten times as many, three times over: a file of CIFAR-10. All six are
# this one.
mkdir "$folder/cifar10"
batch=$folder/cifar10/data_batch_1.bin
plane() { head -c 1024 /dev/zero | tr '\0' "\\$(printf %o "$1")"; }
for class in 0 1 2 3 4 5 6 7 0 1; do
  # shellcheck disable=SC2059
  printf "\\$(printf %o $class)"
  plane $((30 + 200 * (class & 1)))
  plane $((30 + 100 * (class & 2)))
  plane $((30 + 50 * (class & 4)))
done >"$batch"
for _ in 1 2 3; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do cat "$batch"; done >"$folder/longer"
  mv "$folder/longer" "$batch"
done
[[ $(wc -c <"$batch") -eq 30730000 ]]
for name in data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
  ln "$batch" "$folder/cifar10/$name.bin"
done
train colours --data cifar10 --data-dir "$folder" --model resnet8 --width 4 \
  --epochs 1 --batch 50 --validation 45000
at_least colours 95

# The same with a record less in one file: refused, and nothing is written.
truncate -s 30726927 "$folder/cut"
ln -f "$folder/cut" "$folder/cifar10/data_batch_4.bin"
status=0
"$program" --data cifar10 --data-dir "$folder" --out "$folder/refused" \
  >/dev/null 2>"$folder/refused.log" || status=$?
if [[ $status -ne 1 || -e $folder/refused ]] ||
  ! grep -q "data_batch_4.bin' has 30726927 bytes, expected 30730000" \
    "$folder/refused.log"; then
  echo "a truncated file was not refused (status $status):"
  cat "$folder/refused.log"
  exit 1
fi
rm -r "$folder/cifar10"

# An epoch of the default run. Logistic regression reaches 84.2 % in the end
# (Xiao, Rasul, Vollgraf 2017).
train fashion --epochs 1
at_least fashion 84

# The same bytes twice, on 1,000 images.
for out in once twice; do
  train $out --epochs 1 --width 4 --validation 59000
done
cmp "$folder/once/model.safetensors" "$folder/twice/model.safetensors"
