"""Weights between Mjolnir and PyTorch, arrays between Mjolnir and NumPy, and
pictures between Mjolnir and Pillow, both ways each.

    python -P weights.py FOLDER PROGRAM

FOLDER holds run/model.safetensors, a ResNet-20 that ./mjolnir train wrote;
PROGRAM is tests/interop/weights.cpp.
"""

import pathlib
import subprocess
import sys

import numpy as np
import PIL
import safetensors
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

TOLERANCE = 1e-5  # of the largest logit, in f32
# Of the largest value of a tensor, in f64: rounding errors of 1e-15, and each
# step multiplies what differs by ten or so.
AFTER_STEPS = 1e-9
STEPS = 4

folder = pathlib.Path(sys.argv[1])
program = sys.argv[2]


def ours(*words):
    subprocess.run([program, *map(str, words)], check=True)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet20(nn.Module):
    """He et al. (2016), section 4.2, with projections (option B)."""

    def __init__(self, channels, width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage in range(3):
            outputs = width * 2**stage
            blocks = []
            for i in range(3):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(Block(inputs, outputs, stride))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def torch_logits(net, images):
    net.eval()
    with torch.no_grad():
        return net(torch.from_numpy(images)).numpy()


def our_logits(model, images):
    np.save(folder / "images.npy", images)
    ours("logits", model, folder / "images.npy", folder / "logits.npy")
    return np.load(folder / "logits.npy")


def compare(what, a, b, tolerance):
    difference = np.abs(a - b).max() / np.abs(b).max()
    print(f"{what:58} {difference:.1e}")
    assert difference <= tolerance, f"more than {tolerance}"


def batches(rng, channels):
    arrays = {}
    for i in range(STEPS):
        arrays[f"images{i}"] = rng.standard_normal(
            (16, channels, 12, 14), np.float32)
        arrays[f"labels{i}"] = rng.integers(0, 10, 16)
    return arrays


def torch_steps(net, momentum, arrays):
    """SGD with the settings of weights.cpp; returns its momentum."""
    net.double().train()
    sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9,
                          weight_decay=5e-4)
    for name, parameter in net.named_parameters():
        if momentum is not None:
            sgd.state[parameter]["momentum_buffer"] = momentum[
                "momentum." + name].double()
    for i in range(STEPS):
        sgd.zero_grad()
        logits = net(torch.from_numpy(arrays[f"images{i}"]).double())
        labels = torch.from_numpy(arrays[f"labels{i}"])
        nn.functional.cross_entropy(logits, labels).backward()
        sgd.step()
    return {"momentum." + name: sgd.state[p]["momentum_buffer"]
            for name, p in net.named_parameters()}


def compare_all(what, a, b):
    assert set(a) == set(b)
    difference = max(float((a[n] - b[n]).abs().max() / b[n].abs().max())
                     for n in b)
    print(f"{what:58} {difference:.1e}")
    assert difference <= AFTER_STEPS, f"more than {AFTER_STEPS}"


def loaded(state):
    channels, width = state["conv1.weight"].shape[1::-1]
    net = ResNet20(channels, width).to(state["conv1.weight"].dtype)
    net.load_state_dict(state)  # strict: every name, no other
    return net


def weights():
    rng = np.random.default_rng(1)
    path = folder / "run" / "model.safetensors"
    state = load_file(path)
    net = loaded(state)
    channels = state["conv1.weight"].shape[1]
    images = rng.standard_normal((7, channels, 28, 28), np.float32)
    compare("ours in PyTorch: logits", torch_logits(net, images),
            our_logits(path, images), TOLERANCE)

    # Ours trains and hands over weights and momentum; both go on.
    first, second = batches(rng, channels), batches(rng, channels)
    np.savez(folder / "first.npz", **first)
    np.savez(folder / "second.npz", **second)
    a, am = folder / "a.safetensors", folder / "a.momentum.safetensors"
    b, bm = folder / "b.safetensors", folder / "b.momentum.safetensors"
    ours("train", path, "none", folder / "first.npz", a, am)
    ours("train", a, am, folder / "second.npz", b, bm)
    net = loaded(load_file(a))
    momentum = torch_steps(net, load_file(am), second)
    compare_all("ours continued in PyTorch: weights", net.state_dict(),
                load_file(b))
    compare_all("ours continued in PyTorch: momentum", momentum, load_file(bm))

    # PyTorch trains and hands over; both go on.
    torch.manual_seed(2)
    net = ResNet20(channels, 6)
    momentum = torch_steps(net, None, first)
    net.float()
    save_file(net.state_dict(), a)
    save_file(momentum, am)
    compare("PyTorch's here: logits", our_logits(a, images),
            torch_logits(net, images), TOLERANCE)
    ours("train", a, am, folder / "second.npz", b, bm)
    momentum = torch_steps(net, momentum, second)
    compare_all("PyTorch's continued here: weights", load_file(b),
                net.state_dict())
    compare_all("PyTorch's continued here: momentum", load_file(bm), momentum)


def safe():
    """A file of every type goes through ours unchanged, byte for byte."""
    tensors = {
        "f32": torch.randn(3, 4), "f64": torch.randn(2, dtype=torch.float64),
        "i64": torch.arange(5) - 2, "u8": torch.arange(7, dtype=torch.uint8),
        "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0])}
    save_file(tensors, folder / "x.safetensors", {"key": "Grüße"})
    ours("copy", folder / "x.safetensors", folder / "y.safetensors")
    assert (folder / "x.safetensors").read_bytes() == (
        folder / "y.safetensors").read_bytes()
    print(f"safetensors of {len(tensors)} tensors: the same bytes")


def arrays():
    rng = np.random.default_rng(3)
    made = {
        "f4": rng.standard_normal((3, 4, 5)).astype("<f4"),
        "f8": rng.standard_normal((2, 7)), "i8": rng.integers(-9, 9, (4,)),
        "u1": rng.integers(0, 256, (1, 2, 3), np.uint8),
        "scalar": np.array(2.5), "empty": np.zeros((0, 4), "<f4"),
        "fortran": np.asfortranarray(rng.standard_normal((3, 5))),
        "big": rng.standard_normal((3, 5)).astype(">f4"),
        "folder/naïve": rng.standard_normal(3)}
    for save, to in ((np.savez, "b.npz"), (np.savez, "b.packed.npz"),
                     (np.savez_compressed, "b.npz"),
                     (np.savez_compressed, "b.packed.npz")):
        save(folder / "a.npz", **made)
        ours("copy", folder / "a.npz", folder / to)
        back = np.load(folder / to)
        assert list(back) == list(made)
        for name, array in made.items():
            assert back[name].shape == array.shape, name
            assert (back[name] == array).all(), name
    for name, array in made.items():
        np.save(folder / "a.npy", array)
        ours("copy", folder / "a.npy", folder / "b.npy")
        assert (np.load(folder / "b.npy") == array).all(), name
    print(f"NPY and NPZ, stored and compressed: {len(made)} arrays both ways")


def pictures():
    rng = np.random.default_rng(4)
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        pixels = rng.integers(0, 256, (9, 14, channels), np.uint8)
        np.save(folder / "a.npy", pixels)
        ours("copy", folder / "a.npy", folder / "a.png")
        image = Image.open(folder / "a.png")
        assert image.mode == mode
        assert (np.asarray(image).reshape(pixels.shape) == pixels).all()
        image.save(folder / "b.png")
        ours("copy", folder / "b.png", folder / "b.npy")
        assert (np.load(folder / "b.npy") == pixels).all()
    print("PNG of 1 to 4 channels: both ways")


print(f"torch {torch.__version__}, numpy {np.__version__}, "
      f"safetensors {safetensors.__version__}, Pillow {PIL.__version__}")
weights()
safe()
arrays()
pictures()
