"""Writes tests/golden/ops.json: PyTorch's answers, in f64, for the ops whose
definition could be misread. Run: python3 tests/golden/ops.py (needs torch).

Each entry: op, inputs (shape, dtype, values), options, y, and the gradient of
sum(y * w) for each floating input, w being the entry's own weights.
"""
import json
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240229)
cases = []


def packed(t):
    return {
        "shape": list(t.shape),
        "dtype": "i64" if t.dtype == torch.int64 else "f64",
        "values": t.detach().flatten().tolist(),
    }


def add(op, f, inputs, **options):
    leaves = [
        t.clone().requires_grad_(True) if t.is_floating_point() else t
        for t in inputs
    ]
    y = f(*leaves)
    w = torch.rand(y.shape) * 2 - 1
    grads = []
    if y.requires_grad:
        wanted = [t for t in leaves if t.is_floating_point()]
        grads = torch.autograd.grad((y * w).sum(), wanted)
    cases.append({
        "op": op,
        "options": options,
        "inputs": [packed(t) for t in inputs],
        "y": packed(y),
        "w": packed(w),
        "gradients": [packed(g) for g in grads],
    })


x = torch.linspace(-6, 6, 17)
add("gelu", F.gelu, [x])
add("silu", F.silu, [x])
add("softplus", F.softplus, [x])
add("sigmoid", torch.sigmoid, [x])
add("tanh", torch.tanh, [x])
add("leaky_relu", lambda t: F.leaky_relu(t, 0.01), [x + 0.1])
add("clamp", lambda t: t.clamp(-1.5, 2.0), [x])

image = torch.randn(2, 3, 2, 4)
for correction in (0, 1, 2):
    add("var", lambda t, c=correction: t.var(dim=(0, 2, 3), correction=c),
        [image], axes=[0, 2, 3], correction=correction)
add("max", lambda t: t.amax(dim=(2, 3)), [image], axes=[2, 3])
add("argmax", lambda t: t.argmax(dim=1), [image], axis=1)

index = torch.tensor([[2, 0], [1, 1], [0, 2], [2, 2]])
table = torch.randn(4, 3)
add("gather", lambda t, i: t.gather(1, i), [table, index], axis=1)
index0 = torch.tensor([[3, 0, 1], [1, 1, 3]])
add("gather", lambda t, i: t.gather(0, i), [table, index0], axis=0)
add("scatter_add", lambda t, i, s: t.scatter_add(0, i, s),
    [table, index0, torch.randn(2, 3)], axis=0)
add("embedding", lambda w, i: F.embedding(i, w),
    [table, torch.tensor([[1, 3], [1, 0]])])

logits = torch.randn(5, 4) * 2
labels = torch.tensor([3, 0, 1, 1, 2])
share = torch.softmax(torch.randn(5, 4), dim=1)
for reduction in ("mean", "sum", "none"):
    for smoothing in (0.0, 0.1):
        for target in (labels, share):
            add("cross_entropy",
                lambda a, t, r=reduction, s=smoothing: F.cross_entropy(
                    a, t, reduction=r, label_smoothing=s),
                [logits, target], reduction=reduction, smoothing=smoothing)
    add("binary_cross_entropy_with_logits",
        lambda a, t, r=reduction: F.binary_cross_entropy_with_logits(
            a, t, reduction=r),
        [logits, torch.rand(5, 4)], reduction=reduction)
    add("mse", lambda a, b, r=reduction: F.mse_loss(a, b, reduction=r),
        [logits, share], reduction=reduction)
for axis in (0, 1, -1):
    add("softmax", lambda t, a=axis: F.softmax(t, dim=a), [image], axis=axis)
    add("log_softmax", lambda t, a=axis: F.log_softmax(t, dim=a), [image],
        axis=axis)

add("pow", lambda a, b: a ** b, [torch.rand(3, 4) + 0.5, torch.randn(4)])
add("linear", F.linear,
    [torch.randn(2, 3, 5), torch.randn(4, 5), torch.randn(4)])
add("matmul", torch.matmul, [torch.randn(2, 1, 3, 5), torch.randn(4, 5, 2)])

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops.json")
with open(path, "w") as out:
    out.write(f'{{"torch": "{torch.__version__}", "cases": [\n')
    out.write(",\n".join(json.dumps(c) for c in cases))
    out.write("\n]}\n")
print(len(cases), "cases,", os.path.getsize(path), "bytes")
