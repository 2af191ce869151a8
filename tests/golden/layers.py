"""Writes layers.json: values and gradients of every layer in PyTorch, f64.

Run with a Python that has torch (only to make the file again):
    python3 tests/golden/layers.py
Arrays are drawn with a fixed seed and written in full; each case gives the
parameters, the input, the gradient of the output, and in each mode the output,
the gradient of the input and of every parameter, and the buffers afterwards.
"""

import json
import pathlib

import torch
from torch import nn

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)


def flat(t):
    """Shape and elements with 12 significant digits at least."""
    return {"shape": list(t.shape), "values": t.detach().flatten().tolist()}


def run(name, layer, x, modes=("train", "eval"), integer=False):
    case = {"name": name, "x": flat(x), "state": {}, "modes": {}}
    for key, value in layer.state_dict().items():
        # Away from the defaults, so that a swapped parameter shows.
        if value.is_floating_point() and ("running" in key or value.dim() == 1):
            value.copy_(torch.rand_like(value) + 0.5)
        case["state"][key] = flat(value)
    dy = None
    for mode in modes:
        layer.train(mode == "train")
        layer.zero_grad()
        a = x.clone()
        if not integer:
            a.requires_grad_()
        y = layer(a)
        if dy is None:
            dy = torch.randn_like(y)
            case["dy"] = flat(dy)
        y.backward(dy)
        result = {"y": flat(y), "gradients": {}, "buffers": {}}
        if not integer:
            result["dx"] = flat(a.grad)
        for key, p in layer.named_parameters():
            result["gradients"][key] = flat(p.grad)
        for key, b in layer.named_buffers():
            result["buffers"][key] = flat(b)
        case["modes"][mode] = result
    return case


def padded(conv, left, right, top, bottom):
    """A convolution whose padding differs from side to side."""
    class Padded(nn.Conv2d):
        def forward(self, x):
            return super().forward(nn.functional.pad(x, (left, right, top, bottom)))
    conv.__class__ = Padded
    return conv


image = torch.randn(2, 3, 5, 7)
cases = [
    run("conv2d", nn.Conv2d(3, 4, (3, 2), stride=(1, 2), padding=(1, 2)), image),
    run("conv2d_dilated", nn.Conv2d(3, 2, 3, dilation=(2, 1), padding=2, bias=False), image),
    run("conv2d_groups", nn.Conv2d(4, 6, (1, 3), stride=2, groups=2), torch.randn(3, 4, 5, 6)),
    run("conv2d_pointwise", nn.Conv2d(3, 5, 1), torch.randn(1, 3, 4, 3)),
    run("dense", nn.Linear(5, 3), torch.randn(4, 5)),
    run("dense_sequence", nn.Linear(3, 2, bias=False), torch.randn(2, 4, 3)),
    run("batch_norm", nn.BatchNorm2d(3), torch.randn(4, 3, 3, 5) * 2 + 1),
    run("batch_norm_small", nn.BatchNorm2d(2, eps=1e-3, momentum=0.3), torch.randn(1, 2, 3, 2)),
    run("layer_norm", nn.LayerNorm((4, 3)), torch.randn(2, 3, 4, 3)),
    run("embedding", nn.Embedding(6, 3), torch.tensor([[1, 5, 1], [0, 3, 5]]), integer=True),
    run("relu", nn.ReLU(), torch.randn(3, 5)),
    run("leaky_relu", nn.LeakyReLU(0.2), torch.randn(3, 5)),
    run("gelu", nn.GELU(), torch.randn(3, 5) * 2),
    run("silu", nn.SiLU(), torch.randn(3, 5) * 2),
    run("sigmoid", nn.Sigmoid(), torch.randn(3, 5) * 2),
    run("tanh", nn.Tanh(), torch.randn(3, 5)),
    run("softplus", nn.Softplus(), torch.randn(3, 5) * 4),
    run("softmax", nn.Softmax(dim=1), torch.randn(3, 5, 2)),
    run("max_pool", nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)), image),
    run("avg_pool", nn.AvgPool2d((2, 3), stride=(1, 2), padding=(1, 1)), image),
    run("flatten", nn.Flatten(), image[:, :, :2, :2]),
    run("global_avg_pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), image),
    run("identity", nn.Identity(), torch.randn(3, 5)),
    # A mask of PyTorch's stream says nothing of ours: evaluation alone.
    run("dropout", nn.Dropout(0.4), torch.randn(3, 5), modes=("eval",)),
    # pad_mode same of kernel (3, 4), stride (2, 1): H 5 -> 3, W 7 -> 7.
    run("conv2d_thor_same", padded(nn.Conv2d(3, 4, (3, 4), stride=(2, 1), bias=False), 1, 2, 1, 1), image),
    run("conv2d_thor_valid", nn.Conv2d(4, 6, (2, 3), dilation=(1, 2), groups=2), torch.randn(3, 4, 5, 6)),
    run("conv2d_thor_pad", padded(nn.Conv2d(3, 2, 2, stride=2), 1, 0, 0, 3), image),
    run("dense_thor", nn.Linear(5, 3), torch.randn(2, 4, 5)),
]
out = pathlib.Path(__file__).with_name("layers.json")
out.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
print(out, out.stat().st_size)
