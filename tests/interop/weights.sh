#!/usr/bin/env bash
# A ResNet-20 trained here goes on in PyTorch and one of PyTorch's here, momentum
# included; NumPy, safetensors and Pillow read what we write and we what they
# write. From PyPI, in an environment below build/interop; what was found is
# printed, and kept in build/interop/weights.txt.
set -euo pipefail
source_dir=$1 build_dir=$2
here=$source_dir/tests/interop
work=$build_dir/interop
folder=$work/weights
export OMP_NUM_THREADS=2

mkdir -p "$work"
if [[ ! -x $work/venv/bin/python ]]; then
  python3 -m venv "$work/venv"
fi
"$work/venv/bin/pip" install --quiet torch numpy safetensors pillow

rm -rf "$folder"
mkdir "$folder"
"$build_dir/examples/train_resnet" --data synthetic --model resnet20 --width 8 \
  --optimizer sgd --epochs 1 --threads 2 --out "$folder/run" \
  >"$folder/run.txt" 2>&1 || { cat "$folder/run.txt"; exit 1; }
"$work/venv/bin/python" -P "$here/weights.py" "$folder" \
  "$build_dir/tests/interop/interop_weights" 2>&1 | tee "$work/weights.txt"
