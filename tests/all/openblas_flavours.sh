#!/usr/bin/env bash
# Debian's flavours of OpenBLAS: test_core's Environment tests, and what the
# trainer says when it starts with each. They are unpacked, not installed:
# installing one would make it the default of the whole machine.
set -euo pipefail
build=$2
folder=$build/openblas-flavours
libraries=$folder/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null ||
  gcc -print-multiarch)

if [ ! -d "$libraries/openblas-openmp" ]; then
  mkdir -p "$folder"
  cd "$folder"
  if ! apt-get download -qq libopenblas0-{pthread,serial,openmp}; then
    echo "skipped: the packages libopenblas0-pthread, libopenblas0-serial and" \
      "libopenblas0-openmp cannot be downloaded"
    exit 77
  fi
  for package in ./*.deb; do
    dpkg-deb -x "$package" .
  done
fi
cd "$build"
output=$(MJOLNIR_OPENBLAS_FLAVOURS=$libraries \
  tests/test_core --gtest_filter='Environment.*')
echo "$output"
case $output in *SKIPPED*) exit 1 ;; esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# trainer FLAVOUR: what it says on stderr in an epoch with that one
trainer() {
  LD_LIBRARY_PATH=$libraries/openblas-$1 examples/train_resnet --data synthetic \
    --validation 1900 --model mlp --width 4 --epochs 1 --threads 1 \
    --out "$scratch/$1" >/dev/null 2>"$scratch/$1.log"
  cat "$scratch/$1.log"
}

for flavour in pthread serial; do
  said=$(trainer "$flavour")
  if [[ $said != "warning: [blas] OpenBLAS's $flavour flavour is in use;"* ||
    $said != *"apt install libopenblas0-openmp"* ||
    $said != *"update-alternatives --config"* ]]; then
    printf '%s\n' "the trainer does not warn of the $flavour flavour:" "$said"
    exit 1
  fi
done
said=$(trainer openmp)
if [[ $said == *"[blas]"* ]]; then
  printf '%s\n' "the trainer warns of the OpenMP flavour:" "$said"
  exit 1
fi
