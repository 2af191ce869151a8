"""Writes models.json: logits, gradients and losses of every model, f64.

Run with a Python that has torch (only to make the file again):
    python3 tests/golden/models.py
Parameters and inputs are too large to write; both sides draw them from the
same hash (splitmix64), see `draw` here and tests/models/golden_test.cpp.
Of a gradient the norm and the product with a random vector are kept.
"""

import copy
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)


def draw(stream, count):
    """`count` numbers in [0,1): splitmix64 of 2^32 stream + index."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + (np.uint64(stream) << np.uint64(32))
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return torch.from_numpy((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def fill(model):
    """Overwrites every floating tensor of the state, in order."""
    for stream, (name, t) in enumerate(model.state_dict().items()):
        if not t.is_floating_point():
            continue
        u = draw(stream, t.numel()).reshape(t.shape) - 0.5
        if t.dim() >= 2:
            t.copy_(u * 2 * math.sqrt(6 / (t.numel() // t.shape[0])))
        elif name.endswith("weight") or name.endswith("running_var"):
            t.copy_(1 + 0.4 * u)
        else:
            t.copy_(0.4 * u)


class Block(nn.Module):
    def __init__(self, kind, cin, width, stride):
        super().__init__()
        cout = width if kind == "basic" else 4 * width
        plan = ([(cin, width, 3, stride), (width, width, 3, 1)] if kind == "basic" else
                [(cin, width, 1, 1), (width, width, 3, stride), (width, cout, 1, 1)])
        self.count = len(plan)
        for i, (a, b, k, s) in enumerate(plan, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, k, s, k // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))
        else:
            self.downsample = nn.Identity()
        self.cout = cout

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self, kind, counts, width, cin, classes, large_stem=False):
        super().__init__()
        self.conv1 = (nn.Conv2d(cin, width, 7, 2, 3, bias=False) if large_stem else
                      nn.Conv2d(cin, width, 3, 1, 1, bias=False))
        self.bn1 = nn.BatchNorm2d(width)
        self.large_stem, self.stages = large_stem, len(counts)
        c = width
        for s, n in enumerate(counts):
            blocks = []
            for i in range(n):
                blocks.append(Block(kind, c, width << s, 2 if s and not i else 1))
                c = blocks[-1].cout
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.large_stem:
            x = F.max_pool2d(x, 3, 2, 1)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


class LeNet5(nn.Module):
    def __init__(self, cin, classes, pad):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, 6, 5, padding=pad)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class Mlp(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.n = len(sizes) - 1
        for i in range(self.n):
            setattr(self, f"fc{i + 1}", nn.Linear(sizes[i], sizes[i + 1]))

    def forward(self, x):
        x = x.flatten(1)
        for i in range(self.n):
            x = getattr(self, f"fc{i + 1}")(x if i == 0 else F.relu(x))
        return x


class Autoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()

        def stack(s):
            layers = []
            for i in range(len(s) - 1):
                layers += [nn.Linear(s[i], s[i + 1]), nn.Tanh()]
            return nn.Sequential(*layers[:-1])

        self.encoder, self.decoder = stack(sizes), stack(sizes[::-1])

    def forward(self, x):
        return self.decoder(self.encoder(x.flatten(1)))


def loss_of(model, x, classes):
    y = model(x)
    if isinstance(model, Autoencoder):
        return y, F.binary_cross_entropy_with_logits(y, x.flatten(1))
    labels = torch.arange(x.shape[0]) * 7 % classes
    return y, F.cross_entropy(y, labels, label_smoothing=0.1)


def case(name, model, shape, classes, steps=0):
    fill(model)
    x = draw(100000, math.prod(shape)).reshape(shape)
    result = {"name": name, "shape": list(shape), "parameters": sum(p.numel() for p in model.parameters()),
              "names": list(model.state_dict().keys())}
    model.eval()
    with torch.no_grad():
        y = model(x)
        result["eval_norm"], result["eval"] = y.norm().item(), y.flatten().tolist()
    model.train()
    y, loss = loss_of(model, x, classes)
    loss.backward()
    result["train"] = y.detach().flatten().tolist()
    result["loss"] = loss.item()
    result["gradients"] = []
    for stream, p in enumerate(model.parameters()):
        direction = draw(200000 + stream, p.numel()).reshape(p.shape) - 0.5
        result["gradients"].append([p.grad.norm().item(), (p.grad * direction).sum().item()])
    # How much this net multiplies rounding errors, in units of the tolerance:
    # the same pass of PyTorch in f32, which has the error of f32 and no other.
    single = copy.deepcopy(model).float()
    single.zero_grad()
    y32, loss32 = loss_of(single, x.float(), classes)
    loss32.backward()
    error = max([((q.grad.double() - p.grad).norm() / p.grad.norm()).item()
                 for p, q in zip(model.parameters(), single.parameters())] +
                [((y32.double() - y).abs().max() / y.abs().max()).item()])
    result["amplification"] = max(1.0, 4 * error / 1e-5)
    # Ten steps of momentum SGD, from the state after this pass.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        _, loss = loss_of(model, x, classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    result["losses"] = losses
    return result


cases = [
    case("resnet20", ResNet("basic", [3, 3, 3], 16, 3, 10), (5, 3, 16, 12), 10, steps=10),
    case("resnet8", ResNet("basic", [1, 1, 1], 6, 1, 7), (3, 1, 14, 15), 7),
    case("resnet18_small", ResNet("basic", [2, 2, 2, 2], 4, 3, 5), (3, 3, 16, 18), 5),
    case("resnet34_large", ResNet("basic", [3, 4, 6, 3], 3, 2, 5, True), (2, 2, 47, 65), 5),
    case("resnet50_large", ResNet("bottleneck", [3, 4, 6, 3], 3, 3, 11, True), (2, 3, 64, 45), 11),
    case("lenet5", LeNet5(1, 10, 2), (4, 1, 28, 28), 10, steps=10),
    case("lenet5_32", LeNet5(3, 9, 0), (2, 3, 32, 32), 9),
    case("mlp", Mlp([2 * 5 * 7, 11, 11, 11, 6]), (4, 2, 5, 7), 6, steps=10),
    case("autoencoder", Autoencoder([6 * 9, 40, 20, 10, 5]), (3, 1, 6, 9), 1, steps=10),
]
out = pathlib.Path(__file__).with_name("models.json")
out.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
print(out, out.stat().st_size)
