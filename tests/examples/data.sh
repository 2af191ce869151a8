#!/usr/bin/env bash
# The program behind `./mjolnir data`: usage, files from a folder that somebody
# filled, damaged ones, and no network.
set -euo pipefail
program=$2/examples/mjolnir_data
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

# without_curl ARGUMENT...: where there is neither curl nor anything else
without_curl() {
  status=0
  output=$(env PATH=/nowhere XDG_DATA_HOME="$folder/xdg" "$program" "$@" 2>&1 \
    </dev/null) || status=$?
}
without_curl mnist
[[ $status -eq 1 ]] || fail "without curl"
says "without curl" "cannot run curl" "./mjolnir data mnist --from FOLDER"

# A damaged file, in the folder itself and in the data set's folder in it.
mkdir -p "$folder/by hand" "$folder/parent/mnist"
for part in train-images-idx3 train-labels-idx1 t10k-images-idx3 \
  t10k-labels-idx1; do
  echo damaged | tee "$folder/by hand/$part-ubyte.gz" \
    >"$folder/parent/mnist/$part-ubyte.gz"
done
for from in "by hand" parent parent/mnist; do
  without_curl mnist --from "$folder/$from" --to "$folder/new/to"
  [[ $status -eq 1 ]] || fail "a damaged file"
  says "a damaged file" train-images-idx3-ubyte.gz SHA-256 440fcabf73cc546f
  [[ ! -e $folder/new ]] || fail "a failed run left a folder behind"
done
run mnist --from "$folder/by hand"
[[ ! -e $folder/xdg ]] || fail "a damaged file was kept"

# A damaged archive, in each of the three places and both packings.
mkdir "$folder/cifar-10-batches-bin"
for name in data_batch_1.bin data_batch_2.bin data_batch_3.bin \
  data_batch_4.bin data_batch_5.bin test_batch.bin batches.meta.txt; do
  echo damaged >"$folder/cifar-10-batches-bin/$name"
done
for packing in gz xz; do
  command -v "$packing" >/dev/null || { [[ $packing == xz ]] && continue; }
  mkdir "$folder/$packing"
  tar -caf "$folder/$packing/cifar-10-binary.tar.$packing" -C "$folder" \
    cifar-10-batches-bin
  run cifar10 --from "$folder/$packing" --to "$folder/new/to"
  [[ $status -eq 1 && ! -e $folder/new ]] || fail "a damaged .tar.$packing"
  says "a damaged .tar.$packing" "data_batch_1.bin' has SHA-256"
done
run cifar10 --from "$folder" --to "$folder/new/to"
says "files in cifar-10-batches-bin/" "data_batch_1.bin' has SHA-256"
run cifar10 --from "$folder/parent" --to "$folder/new/to"
says "nothing there" "cannot download 'cifar10'" \
  "$folder/parent/cifar-10-binary.tar.xz" "$folder/parent/cifar-10-batches-bin/"

# The real files, where there are some: as a folder, in their parent, packed.
real=${MJOLNIR_DATA_DIR:-}

# takes NAME FROM FILE: its file of that name arrives
takes() {
  run "$1" --from "$2" --to "$folder/to"
  [[ $status -eq 0 ]] || fail "good files from $2"
  says "good files from $2" "$1 is in $folder/to/"
  cmp "$real/$3" "$folder/to/$3"
  run "$1" --from /nowhere --to "$folder/to"  # it has them already
  [[ $status -eq 0 ]] || fail "a second time"
  rm -r "$folder/to"
}
if [[ -e $real/mnist/t10k-labels-idx1-ubyte.gz ]]; then
  takes mnist "$real/mnist" mnist/train-images-idx3-ubyte.gz
  takes mnist "$real" mnist/train-images-idx3-ubyte.gz
fi
if [[ -e $real/cifar-10-batches-bin/test_batch.bin ]]; then
  takes cifar10 "$real" cifar-10-batches-bin/test_batch.bin
  tar -I 'gzip -1' -cf "$folder/by hand/cifar-10-binary.tar.gz" --dereference \
    -C "$real" cifar-10-batches-bin
  takes cifar10 "$folder/by hand" cifar-10-batches-bin/test_batch.bin
fi
