#!/usr/bin/env bash
# ./mjolnir export: a file that says what it is, and clear messages.
set -euo pipefail
build_dir=$2
program=$build_dir/examples/export_onnx
export OMP_WAIT_POLICY=passive
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fails() {  # CODE WORDS COMMAND...: it exits so, and says so
  local code=$1 words=$2 got=0
  shift 2
  "$@" >"$folder/out" 2>"$folder/err" || got=$?
  [[ $got -eq $code ]] || { echo "$*: exit $got"; cat "$folder/err"; exit 1; }
  grep -qF -- "$words" "$folder/err" || { echo "$*:"; cat "$folder/err"; exit 1; }
}

"$build_dir/examples/train_resnet" --data synthetic --model lenet5 --width 3 \
  --epochs 1 --optimizer sgd --threads 1 --out "$folder/run" >"$folder/log" 2>&1
"$program" --model "$folder/run" >"$folder/out"
# 15738 parameters of 4 bytes, and some for their names.
grep -qxE "$folder/run/model.onnx: lenet5, 1x28x28 images to 10 logits, 6[3-9] kB" \
  "$folder/out" || { cat "$folder/out"; exit 1; }
"$program" --model "$folder/run/model.safetensors" --out "$folder/m.onnx" >/dev/null
cmp "$folder/run/model.onnx" "$folder/m.onnx"
# IR version 8, the producer, the op of the first layer, the classes.
[[ $(head -c 11 "$folder/m.onnx" | od -An -tx1 | tr -d ' \n') == 080812076d6a6f6c6e6972 ]]
grep -qaF conv1.weight "$folder/m.onnx"
grep -qaF '["class 0","class 1",' "$folder/m.onnx"

fails 2 '--model: needed' "$program"
fails 2 'no such flag' "$program" --modle x
fails 1 "$folder/none" "$program" --model "$folder/none"
fails 1 "$folder/no/m.onnx" "$program" --model "$folder/run" --out "$folder/no/m.onnx"
printf 'not a model' >"$folder/bad.safetensors"
fails 1 bad.safetensors "$program" --model "$folder/bad.safetensors"
