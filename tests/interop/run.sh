#!/usr/bin/env bash
# run.sh SOURCE BUILD [PART...]: files that we write, read by the libraries they
# are meant for, and theirs by us. From PyPI, in an environment below
# build/interop; what a part found is printed, and kept in
# build/interop/<part>.txt.
#
#   weights      a ResNet-20 trained here goes on in PyTorch and one of PyTorch's
#                here, momentum included; arrays of NumPy, pictures of Pillow
#   onnx         every model through onnx's checker and ONNX Runtime
#   tensorboard  known values and a training run through TensorBoard's reader
set -euo pipefail
source_dir=$1 build_dir=$2
shift 2
[[ $# -gt 0 ]] || set -- weights onnx tensorboard
here=$source_dir/tests/interop
work=$build_dir/interop
programs=$build_dir/tests/interop
python=$work/venv/bin/python
export OMP_NUM_THREADS=2

mkdir -p "$work"
if [[ ! -x $python ]]; then
  python3 -m venv "$work/venv"
fi
"$work/venv/bin/pip" install --quiet -r "$here/requirements.txt"

# train FOLDER FLAG...: a run on made-up images
train() {
  "$build_dir/examples/train_resnet" --data synthetic --threads 2 \
    --out "$1/run" "${@:2}" >"$1/run.txt" 2>&1 || { cat "$1/run.txt"; exit 1; }
}

part_weights() {
  train "$1" --model resnet20 --width 8 --optimizer sgd --epochs 1
  "$python" -P "$here/weights.py" "$1" "$programs/interop_weights"
}

part_onnx() {
  "$programs/interop_onnx_models" "$1" >/dev/null
  "$python" -P "$here/onnx.py" "$1"
}

part_tensorboard() {
  "$programs/interop_events" "$1/events"
  train "$1" --epochs 3 --log-every 5 --report-curvature 20 --tensorboard
  "$python" -P "$here/tensorboard.py" "$1/events" "$1/run"
}

for part in "$@"; do
  folder=$work/$part
  rm -rf "$folder"
  mkdir "$folder"
  echo "== $part"
  "part_$part" "$folder" 2>&1 | tee "$work/$part.txt"
done
