#!/usr/bin/env bash
# The program behind `./mjolnir data`: usage, files from a folder that somebody
# filled, a damaged file, and no network.
set -euo pipefail
program=$2/examples/mjolnir_data
command -v curl >/dev/null || { echo "no curl"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  printf '%s\n' "$1" "status $status, it said:" "$output"
  exit 1
}

# run ARGUMENT...: sets output and status; every download fails but file://
run() {
  status=0
  output=$(env XDG_DATA_HOME="$folder/xdg" https_proxy=http://127.0.0.1:9 \
    "$program" "$@" 2>&1 </dev/null) || status=$?
}

# says WHAT TEXT...: fails unless the output has each text
says() {
  local what=$1 text
  shift
  for text in "$@"; do
    [[ $output == *"$text"* ]] || fail "$what: it does not say '$text'"
  done
}

run --help
[[ $status -eq 0 ]] || fail "--help"
says --help "usage: mjolnir_data"
for wrong in "" "--nonsense" "mnist cifar10" "mnist --to" "imagenet" \
  "fashion-mnist"; do
  # shellcheck disable=SC2086
  run $wrong
  [[ $status -eq 2 ]] || fail "'$wrong' is not a usage error"
done
run imagenet
says imagenet fashion-mnist mnist cifar10 cifar100
run fashion-mnist
says fashion-mnist "apt-get install dataset-fashion-mnist"

run mnist
[[ $status -eq 1 ]] || fail "no network"
says "no network" "cannot download 'mnist'" \
  https://ossci-datasets.s3.amazonaws.com/mnist/ \
  https://storage.googleapis.com/cvdf-datasets/mnist/train-images \
  "./mjolnir data mnist --from FOLDER"
[[ $output != *$'\r'* && $output != *$'\e'* ]] ||
  fail "escape codes without a terminal"

mkdir "$folder/by hand"
for part in train-images-idx3 train-labels-idx1 t10k-images-idx3 \
  t10k-labels-idx1; do
  echo damaged >"$folder/by hand/$part-ubyte.gz"
done
run mnist --from "$folder/by hand"
[[ $status -eq 1 ]] || fail "a damaged file"
says "a damaged file" train-images-idx3-ubyte.gz SHA-256 440fcabf73cc546f
[[ ! -e $folder/xdg/mjolnir/mnist ]] || fail "a damaged file was kept"

# The real files, where there are some.
real=${MJOLNIR_DATA_DIR:-}
if [[ -e $real/mnist/t10k-labels-idx1-ubyte.gz ]]; then
  run mnist --from "$real/mnist"
  [[ $status -eq 0 ]] || fail "good files"
  says "good files" "mnist is in $folder/xdg/mjolnir/mnist"
  cmp "$real/mnist/train-images-idx3-ubyte.gz" \
    "$folder/xdg/mjolnir/mnist/train-images-idx3-ubyte.gz"
  run mnist --from /nowhere  # it has them already
  [[ $status -eq 0 ]] || fail "a second time"
fi
if [[ -e $real/cifar-10-batches-bin/test_batch.bin ]]; then
  tar -I 'gzip -1' -cf "$folder/by hand/cifar-10-binary.tar.gz" --dereference -C "$real" \
    cifar-10-batches-bin
  run cifar10 --from "$folder/by hand" --to "$folder/to"
  [[ $status -eq 0 ]] || fail "a good archive"
  cmp "$real/cifar-10-batches-bin/test_batch.bin" \
    "$folder/to/cifar-10-batches-bin/test_batch.bin"
fi
