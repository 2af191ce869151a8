"""Writes small.onnx with onnx's own messages.

    python3 -m venv venv && venv/bin/pip install onnx
    venv/bin/python tests/io/golden/make_onnx.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

weight = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / 8
graph = helper.make_graph(
    [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"],
                         name="conv", kernel_shape=[2, 2], pads=[0, 1, 2, 3],
                         group=1),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.25),
        helper.make_node("Reshape", ["b", "shape"], ["y"], name="last"),
    ],
    "small",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 5, 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 84])],
    [
        numpy_helper.from_array(weight, "conv.weight"),
        numpy_helper.from_array(np.array([1, -1], np.float32), "conv.bias"),
        numpy_helper.from_array(np.array([-1, 84], np.int64), "shape"),
    ],
)
model = helper.make_model(graph, producer_name="mjolnir",
                          producer_version="0.1.0", ir_version=8,
                          opset_imports=[helper.make_opsetid("", 17)])
helper.set_model_props(model, {"classes": '["a","b"]', "mean": "[0.25]"})
onnx.checker.check_model(model, full_check=True)
path = pathlib.Path(__file__).with_name("small.onnx")
path.write_bytes(model.SerializeToString(deterministic=True))
