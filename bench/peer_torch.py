"""Times the same ResNet-20 training step in Mjolnir and in PyTorch, and
compares the memory of the two processes.

Run by `./mjolnir bench --peer torch`, in rounds that alternate so that a busy
machine disturbs both alike. PyTorch is a peer to compare with; nothing in
Mjolnir uses it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def resnet20(torch, width):
    """ResNet-20 for 32x32 images (He et al. 2016), shortcuts of type B
    (projections), as in Mjolnir's models/resnet.h."""
    nn = torch.nn

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
                    nn.BatchNorm2d(outputs),
                )

        def forward(self, x):
            y = torch.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            shortcut = x if self.downsample is None else self.downsample(x)
            return torch.relu(y + shortcut)

    blocks = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    inputs = width
    for outputs, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        for i in range(3):
            blocks.append(Block(inputs, outputs, stride if i == 0 else 1))
            inputs = outputs
    blocks += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]
    return nn.Sequential(*blocks)


def torch_step(width, batch, steps):
    """Median seconds of one SGD step in PyTorch's default eager mode."""
    import torch

    torch.manual_seed(1)
    net = resnet20(torch, width)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    images = torch.rand(batch, 3, 32, 32) * 2 - 1
    labels = torch.arange(batch) % 10
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def peak_memory():
    """Largest resident size of this process so far, in MB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def mjolnir_figures(program, width, batch, steps):
    """Figures of one run of the bench program, under their names there."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "figures.json")
        subprocess.run(
            [program, "--only", "step", "--width", str(width), "--batch",
             str(batch), "--rounds", str(steps), "--json", path],
            check=True, stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
    prefix = f"resnet20_w{width}_"
    return {name.removeprefix(prefix): value for name, value in figures.items()}


def own_process(width, batch, steps):
    """torch_step() in a process of its own, as a user's script would be: the
    seconds of a step, and the peak memory of that process in MB."""
    output = subprocess.run(
        [sys.executable, os.path.abspath(__file__), "--child",
         f"{width},{batch},{steps}"], check=True, capture_output=True, text=True)
    seconds, megabytes = output.stdout.split()
    return float(seconds), float(megabytes)


# Of PyTorch's step in its default eager mode, for the same optimizer.
LIMIT = 1.0


def verdict(ratio):
    """What is printed beside the ratio that has a limit."""
    word = "PASS" if ratio <= LIMIT else "over"
    return f"   {word} (<= {LIMIT:.1f}: no slower than PyTorch eager)"


def compare(program, width, batch, steps, rounds):
    """Prints one row per method: of the rounds, the best median time and the
    largest memory."""
    times, memory = {}, {}
    for _ in range(rounds):
        seconds, megabytes = own_process(width, batch, steps)
        times.setdefault("PyTorch SGD", []).append(seconds)
        memory.setdefault("PyTorch SGD", []).append(megabytes)
        figures = mjolnir_figures(program, width, batch, steps)
        for name in ("sgd", "thor_plain", "thor_refresh"):
            times.setdefault("Mjolnir " + name, []).append(figures[name + "_ms"] / 1e3)
        for name, key in (("sgd", "sgd_memory_mb"), ("sgd, then thor", "memory_mb")):
            memory.setdefault("Mjolnir " + name, []).append(figures[key])
    print(f"\nResNet-20, width {width}, batch {batch}: best of {rounds} "
          f"alternating rounds, median of {steps} steps each")
    peer = min(times["PyTorch SGD"])
    for name, values in times.items():
        ratio = min(values) / peer
        print(f"  {name:24} {min(values) * 1e3:9.1f} ms   "
              f"{ratio:5.2f} of PyTorch's step"
              + (verdict(ratio) if name == "Mjolnir sgd" else ""))
    print("  peak memory of the whole process")
    peer = max(memory["PyTorch SGD"])
    for name, values in memory.items():
        print(f"  {name:24} {max(values):9.0f} MB   "
              f"{max(values) / peer:5.2f} of PyTorch's")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", help="mjolnir_bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(torch_step(*map(int, options.child.split(","))), peak_memory())
        return
    if not options.program:
        parser.error("--program is required")
    import torch

    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    compare(options.program, 16, 128, options.steps, options.rounds)
    compare(options.program, 64, 64, options.steps, options.rounds)


if __name__ == "__main__":
    main()
