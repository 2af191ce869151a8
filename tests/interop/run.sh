#!/usr/bin/env bash
# Files that we write, read by the libraries they are meant for, from PyPI in an
# environment of its own below build/interop. What each part found is printed,
# and kept in build/interop/log.txt.
set -euo pipefail
source_dir=$1 build_dir=$2
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

part_onnx() {
  mkdir "$1/models"
  "$programs/interop_onnx_models" "$1/models" >"$1/models.txt"
  "$python" -P "$here/onnx.py" "$1/models"
}

part_tensorboard() {
  "$programs/interop_events" "$1/events"
  "$build_dir/examples/train_resnet" --data synthetic --epochs 3 \
    --log-every 5 --report-curvature 20 --tensorboard --threads 2 \
    --out "$1/run" >"$1/run.txt" 2>&1
  "$python" -P "$here/tensorboard.py" "$1/events" "$1/run"
}

for part in onnx tensorboard; do
  folder=$work/$part
  rm -rf "$folder"
  mkdir "$folder"
  echo "== $part"
  "part_$part" "$folder"
done 2>&1 | tee "$work/log.txt"
