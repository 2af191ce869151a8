r"""Times the refresh of all Kronecker factors of ResNet-20 in Mjolnir and in
PyTorch, done there the way kfac-pytorch 0.4.2 does it
(https://github.com/gpauloski/kfac-pytorch): hooks keep a layer's input and
the gradient of its output; the input's patches are unfolded into a matrix,
A = P^T P and G alike by a matrix product; both go into running averages, and
both averages are decomposed by torch.linalg.eigh.

Run by `./mjolnir bench --peer kfac`, in rounds that alternate so that a busy
machine disturbs both alike. Neither side splits a factor. With --package
FOLDER kfac-pytorch's own code is timed too, and its factors are compared with
the ones here; it has no release on PyPI, so the folder is one filled by

    build/peer/bin/pip install --no-deps --target FOLDER \
        git+https://github.com/gpauloski/kfac-pytorch@v0.4.2
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import nets

# (width, batch, at least so many times faster)
SIZES = ((16, 128, 8), (64, 64, 6))
DECAY = 0.95  # of the running averages, kfac-pytorch's default
DAMPING = 0.001  # likewise


# ---- the refresh in PyTorch -------------------------------------------------


def second_moment(rows):
    """(D,D): rows^T rows / how many, symmetric to the bit. rows (P,D)"""
    product = rows.t() @ (rows / rows.size(0))
    return (product + product.t()) / 2


def with_ones(torch, rows):
    """(P,D+1): the constant input that a bias is the weight of. rows (P,D)"""
    return torch.cat([rows, rows.new_ones(rows.size(0), 1)], dim=1)


def patches_of(torch, conv, x):
    """(N,H,W,C kh kw): what each output position reads, in memory of its own.
    x (N,C,H,W)"""
    (kh, kw), (sh, sw), (ph, pw) = conv.kernel_size, conv.stride, conv.padding
    if ph or pw:
        x = torch.nn.functional.pad(x, (pw, pw, ph, ph))
    windows = x.unfold(2, kh, sh).unfold(3, kw, sw)  # (N,C,H,W,kh,kw)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(3).contiguous()


class Layer:
    """A convolution or linear layer: what its hooks kept, and its factors."""

    def __init__(self, torch, name, module):
        self.torch, self.name, self.module = torch, name, module
        self.is_conv = isinstance(module, torch.nn.Conv2d)
        self.x = self.dout = self.a = self.g = None
        self.hooks = [module.register_forward_pre_hook(self.keep_input),
                      module.register_full_backward_hook(self.keep_gradient)]

    def close(self):
        for hook in self.hooks:
            hook.remove()

    def keep_input(self, _, inputs):
        self.x = inputs[0].detach().clone()

    def keep_gradient(self, _, __, gradients):
        self.dout = gradients[0].detach()

    def factor_a(self):
        """Of one batch, without the running average."""
        if not self.is_conv:
            rows, positions = self.x.flatten(0, -2), 1
        else:
            patches = patches_of(self.torch, self.module, self.x)
            positions = patches.size(1) * patches.size(2)
            rows = patches.flatten(0, 2)
        if self.module.bias is not None:
            rows = with_ones(self.torch, rows)
        if self.is_conv:
            rows = rows / positions
        return second_moment(rows)

    def factor_g(self):
        """Of one batch, without the running average."""
        if not self.is_conv:
            return second_moment(self.dout.flatten(0, -2))
        positions = self.dout.size(2) * self.dout.size(3)
        rows = self.dout.permute(0, 2, 3, 1).flatten(0, 2) / positions
        return second_moment(rows)

    def average(self, old, new):
        if old is None:
            old = self.torch.eye(new.size(0))
        return DECAY * old + (1 - DECAY) * new

    def update_factors(self):
        self.a = self.average(self.a, self.factor_a())
        self.g = self.average(self.g, self.factor_g())

    def decompose(self):
        """Eigenvectors of A and of G, and 1 / (g_i a_j + damping)."""
        torch = self.torch
        values_a, vectors_a = torch.linalg.eigh(self.a)
        values_g, vectors_g = torch.linalg.eigh(self.g)
        products = torch.outer(values_g.clamp(min=0), values_a.clamp(min=0))
        return vectors_a, vectors_g, 1 / (products + DAMPING)


def observe(torch, net):
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return [Layer(torch, name, module) for name, module in net.named_modules()
            if isinstance(module, kinds)]


class Training:
    """A net and a batch of random images."""

    def __init__(self, torch, width, batch):
        torch.manual_seed(1)
        self.torch = torch
        self.net = nets.resnet20(width)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01,
                                         momentum=0.9)
        self.images = torch.rand(batch, 3, 32, 32) * 2 - 1
        self.labels = torch.arange(batch) % 10

    def step(self, precondition=lambda: None):
        self.optimizer.zero_grad()
        self.torch.nn.functional.cross_entropy(
            self.net(self.images), self.labels).backward()
        precondition()
        self.optimizer.step()


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def own_refresh(torch, width, batch, repeats):
    """Seconds: the best of `repeats` refreshes, given what the hooks kept; the
    part of its factors; the median of as many steps without hooks."""
    training = Training(torch, width, batch)
    training.step()
    step = statistics.median(timed(training.step) for _ in range(repeats))
    layers = observe(torch, training.net)
    training.step()
    runs = []
    with torch.no_grad():
        for _ in range(repeats):
            factors = timed(lambda: [layer.update_factors() for layer in layers])
            eigen = timed(lambda: [layer.decompose() for layer in layers])
            runs.append((factors + eigen, factors))
    best, factors = min(runs)
    return {"refresh": best, "factors": factors, "step": step}


# ---- kfac-pytorch itself ----------------------------------------------------


def package_refresh(torch, width, batch, repeats):
    """Seconds of the package's refresh: its fastest step with one less its
    fastest without; and the largest difference of a factor from ours, relative
    to the factor's largest element."""
    from kfac.preconditioner import KFACPreconditioner

    training = Training(torch, width, batch)
    layers = observe(torch, training.net)
    training.step()
    for layer in layers:
        layer.close()
    package = KFACPreconditioner(
        training.net, factor_update_steps=2, inv_update_steps=2, lr=0.01,
        factor_decay=DECAY, damping=DAMPING)
    worst = 0.0
    helpers = dict(package._layers.values())  # by name
    with torch.no_grad():
        for layer in layers:
            helper = helpers[layer.name].module
            for ours, theirs in (
                    (layer.factor_a(), helper.get_a_factor(layer.x)),
                    (layer.factor_g(), helper.get_g_factor(layer.dout))):
                difference = (ours - theirs).abs().max() / theirs.abs().max()
                worst = max(worst, difference.item())
    if len(helpers) != len(layers):
        raise SystemExit(f"the package sees {len(helpers)} layers, not {len(layers)}")
    pairs = [(timed(lambda: training.step(package.step)),
              timed(lambda: training.step(package.step)))
             for _ in range(repeats + 1)][1:]
    refresh = min(pair[0] for pair in pairs) - min(pair[1] for pair in pairs)
    return {"package": refresh, "difference": worst}


# ---- rounds -----------------------------------------------------------------


def in_child(options, kind, width, batch):
    """Figures of a process of its own, as a user's script would be."""
    # PyTorch warns of hooks on the layer that reads the images, the package of
    # what it would use on other machines.
    command = [sys.executable, "-W", "ignore::UserWarning",
               os.path.abspath(__file__), "--child",
               f"{kind},{width},{batch}", "--repeats", str(options.repeats),
               "--threads", str(options.threads)]
    if options.package:
        command += ["--package", options.package]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout)


def child(options):
    import torch

    torch.set_num_threads(options.threads)
    if options.package:
        sys.path.insert(0, os.path.abspath(options.package))
    kind, width, batch = options.child.split(",")
    measure = {"own": own_refresh, "package": package_refresh}[kind]
    figures = measure(torch, int(width), int(batch), options.repeats)
    figures["threads"] = torch.get_num_threads()
    print(json.dumps(figures))


def mjolnir_refresh(options, width, batch):
    """Seconds of a refresh and of a step between two, by mjolnir_bench."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "figures.json")
        subprocess.run(
            [options.program, "--only", "refresh", "--width", str(width),
             "--batch", str(batch), "--rounds", str(options.steps), "--json", path],
            check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(options.threads)})
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
    key = f"refresh_w{width}_"
    return {"refresh": figures[key + "ms"] / 1e3,
            "step": figures[key + "plain_ms"] / 1e3,
            "split_dim": int(figures[key + "split_dim"]),
            "threads": int(figures[key + "threads"])}


def spread(values):
    return (f"median {statistics.median(values):6.2f}  "
            f"[{min(values):.2f}, {max(values):.2f}]")


def in_steps(runs):
    return statistics.median(run["refresh"] / run["step"] for run in runs)


def print_row(name, split, threads, seconds, steps):
    print(f"  {name:24} split_dim {split:1}  {threads} threads  "
          f"{statistics.median(seconds) * 1e3:10.1f} ms   {steps}")


def print_ratio(words, ratios, target):
    word = "PASS" if statistics.median(ratios) >= target else "under"
    print(f"  {words:40} {spread(ratios)}   {word} (>= {target})")


def compare(options, width, batch, target):
    """Alternating rounds of one size, and its table."""
    theirs, ours, package = [], [], []
    for _ in range(options.rounds):
        ours.append(mjolnir_refresh(options, width, batch))
        theirs.append(in_child(options, "own", width, batch))
        if options.package:
            package.append(in_child(options, "package", width, batch))
    print(f"\nRefresh of ResNet-20, 32x32 images, width {width}, batch {batch}: "
          f"{options.rounds} alternating rounds")
    print_row("Mjolnir, inverses", ours[0]["split_dim"], ours[0]["threads"],
              [run["refresh"] for run in ours],
              f"{in_steps(ours):5.2f} of its steps between refreshes")
    share = statistics.median(run["factors"] / run["refresh"] for run in theirs)
    print_row("kfac-pytorch's way", 0, theirs[0]["threads"],
              [run["refresh"] for run in theirs],
              f"{in_steps(theirs):5.2f} of its SGD steps, {share:.0%} for factors")
    if package:
        print_row("kfac-pytorch itself", 0, package[0]["threads"],
                  [run["package"] for run in package],
                  f"factors differ by {max(run['difference'] for run in package):.1e}")
    print_ratio("kfac-pytorch's way over Mjolnir",
                [b["refresh"] / a["refresh"] for a, b in zip(ours, theirs)], target)
    if package:
        print_ratio("kfac-pytorch itself over Mjolnir",
                    [b["package"] / a["refresh"] for a, b in zip(ours, package)],
                    target)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="mjolnir_bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5,
                        help="steps of each kind in a round of Mjolnir")
    parser.add_argument("--repeats", type=int, default=3,
                        help="refreshes in a round of PyTorch, of which the best counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, choices=[size[0] for size in SIZES],
                        help="this width alone")
    parser.add_argument("--package", metavar="FOLDER",
                        help="where kfac-pytorch is installed, to time it too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    if not options.program:
        parser.error("--program is required")
    import torch

    print(f"PyTorch {torch.__version__}, {options.threads} threads a side, "
          f"factors not split")
    for width, batch, target in SIZES:
        if options.width in (None, width):
            compare(options, width, batch, target)


if __name__ == "__main__":
    main()
