"""ONNX files of tests/interop/onnx_models.cpp: onnx's checker takes them, and
onnxruntime gives our logits to 1e-5 of their size.

    python -P onnx.py FOLDER

-P, so that `import onnx` finds the package and not this file.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5
BATCHES = (1, 2, 7, 64)

folder = pathlib.Path(sys.argv[1])
print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, "
      f"numpy {np.__version__}")
paths = sorted(folder.glob("*.onnx"))
assert len(paths) == 19, f"expected every model, got {len(paths)}"
print("largest difference of the logits, divided by the largest logit where "
      "that is above 1, per batch size")
print(f"{'model':24}{'nodes':>6}{'logits':>8}"
      + "".join(f"{b:>9}" for b in BATCHES))
bad = []
for path in paths:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8 and model.opset_import[0].version == 17
    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"])
    (feed,) = session.get_inputs()
    assert feed.shape[0] == "batch", feed.shape
    worst, largest = [], 0.0
    for batch in BATCHES:
        x = np.load(f"{path.with_suffix('')}-{batch}-x.npy")
        ours = np.load(f"{path.with_suffix('')}-{batch}-y.npy")
        (theirs,) = session.run(None, {feed.name: x})
        assert theirs.shape == ours.shape and theirs.dtype == ours.dtype
        # Of the logits' size, where that is above 1.
        size = max(1.0, float(np.abs(ours).max()))
        worst.append(float(np.abs(theirs - ours).max()) / size)
        largest = max(largest, float(np.abs(ours).max()))
    if not max(worst) <= TOLERANCE:
        bad.append(path.stem)
    print(f"{path.stem:24}{len(model.graph.node):6}{largest:8.2f}"
          + "".join(f"{w:9.1e}" for w in worst))
if bad:
    sys.exit(f"more than {TOLERANCE}: {', '.join(bad)}")
