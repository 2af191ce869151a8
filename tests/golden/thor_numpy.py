"""Ten THOR steps of a small conv net, for tests/optim/thor_golden_test.cpp.

    python tests/golden/thor_numpy.py > tests/golden/thor_numpy.json

Everything is written out in f64 numpy, with loops where they read best:
forward, backward, factors, inverses, update. Formulas: docs/thor.md.

Net: x (3,3,5,6) -> conv1 3->4, 3x2, same -> relu
     -> conv2 4->5, 2x3, stride (2,1), dilation (1,2), pads 1,0,0,2 -> relu
     -> mean over positions -> dense 5->3, bias -> softmax cross-entropy, mean.
conv1 has a bias. Two batches alternate.
"""

import json

import numpy as np

random = np.random.default_rng(12)
N, STEPS = 3, 10
IMAGES = random.standard_normal((2, N, 3, 5, 6)).round(3)
LABELS = random.integers(0, 3, (2, N))
START = {  # rounded to keep the file small
    "conv1.weight": 0.5 * random.standard_normal((4, 3, 3, 2)),
    "conv1.bias": 0.1 * random.standard_normal(4),
    "conv2.weight": 0.4 * random.standard_normal((5, 4, 2, 3)),
    "fc.weight": 0.8 * random.standard_normal((3, 5)),
    "fc.bias": 0.1 * random.standard_normal(3),
}
START = {name: value.round(3) for name, value in START.items()}


class Conv:
    """Cross-correlation; pads are top, bottom, left, right."""

    def __init__(self, pads, stride, dilation):
        self.pads, self.stride, self.dilation = pads, stride, dilation

    def patches(self, x, kh, kw):
        """(N, T, c*kh*kw), the channel slowest."""
        top, bottom, left, right = self.pads
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        (sh, sw), (dh, dw) = self.stride, self.dilation
        self.padded = x.shape
        self.out_h = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
        self.out_w = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
        rows = []
        for i in range(self.out_h):
            for j in range(self.out_w):
                window = x[:, :, i * sh:i * sh + dh * (kh - 1) + 1:dh,
                           j * sw:j * sw + dw * (kw - 1) + 1:dw]
                rows.append(window.reshape(len(x), -1))
        return np.stack(rows, axis=1)

    def forward(self, x, w, b=None):
        self.w, self.a = w, self.patches(x, *w.shape[2:])
        y = self.a @ w.reshape(len(w), -1).T
        if b is not None:
            y = y + b
        return y.transpose(0, 2, 1).reshape(
            len(x), len(w), self.out_h, self.out_w)

    def backward(self, dy):
        """dx, dw, and dout per position (N, T, O)."""
        w, (kh, kw) = self.w, self.w.shape[2:]
        d = dy.reshape(*dy.shape[:2], -1).transpose(0, 2, 1)
        dw = np.einsum("nto,ntd->od", d, self.a).reshape(w.shape)
        da = (d @ w.reshape(len(w), -1)).reshape(*d.shape[:2], -1, kh, kw)
        dx = np.zeros(self.padded)
        (sh, sw), (dh, dil) = self.stride, self.dilation
        for t in range(d.shape[1]):
            i, j = divmod(t, self.out_w)
            for p in range(kh):
                for q in range(kw):
                    dx[:, :, i * sh + p * dh, j * sw + q * dil] += \
                        da[:, t, :, p, q]
        top, bottom, left, right = self.pads
        return dx[:, :, top:dx.shape[2] - bottom,
                  left:dx.shape[3] - right], dw, d


def gradients(w, x, labels, loss_scale):
    """Gradients by name, and (a, dout) of each layer, (N, T, .)."""
    # same padding of a 3x2 kernel, stride 1: one row above, one below, one
    # column on the right
    conv1 = Conv((1, 1, 0, 1), (1, 1), (1, 1))
    conv2 = Conv((1, 0, 0, 2), (2, 1), (1, 2))
    y1 = conv1.forward(x, w["conv1.weight"], w["conv1.bias"])
    y2 = conv2.forward(np.maximum(y1, 0), w["conv2.weight"])
    pooled = np.maximum(y2, 0).mean(axis=(2, 3))
    logits = pooled @ w["fc.weight"].T + w["fc.bias"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    dlogits = loss_scale * (p - np.eye(3)[labels]) / N
    g = {"fc.weight": dlogits.T @ pooled, "fc.bias": dlogits.sum(0)}
    positions = y2.shape[2] * y2.shape[3]
    dy2 = (dlogits @ w["fc.weight"])[:, :, None, None] / positions * (y2 > 0)
    dx2, g["conv2.weight"], d2 = conv2.backward(dy2)
    _, g["conv1.weight"], d1 = conv1.backward(dx2 * (y1 > 0))
    g["conv1.bias"] = d1.sum((0, 1))
    return g, {"conv1": (conv1.a, d1), "conv2": (conv2.a, d2),
               "fc": (pooled[:, None, :], dlogits[:, None, :])}


def factors(a, dout, loss_scale, parity):
    samples, positions = a.shape[:2]
    if parity and positions > 1:
        a, dout = a.mean(0, keepdims=True), dout.mean(0, keepdims=True)
    count = a.shape[0] * a.shape[1]
    s_a = sum(np.outer(v, v) for v in a.reshape(count, -1))
    s_g = sum(np.outer(v, v) for v in dout.reshape(count, -1))
    return s_a / count, (samples / loss_scale) ** 2 * s_g / count, positions


def block_inverse(m, split):
    out = np.zeros_like(m)
    for start in range(0, len(m), split or len(m)):
        s = slice(start, min(start + (split or len(m)), len(m)))
        out[s, s] = np.linalg.inv(m[s, s])
    return out


def run(frequency, learning_rate, damping, momentum=0.9, weight_decay=0.0,
        loss_scale=1.0, nesterov=False, split=0, parity=False, trace=False,
        rho=0.0, kl_clip=0.0, clip=False):
    w = {name: value.copy() for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    state, average, after = {}, {}, []
    for k in range(STEPS):
        eta, lam = learning_rate * 0.9 ** k, damping * 0.95 ** k
        g, seen = gradients(w, IMAGES[k % 2], LABELS[k % 2], loss_scale)
        g = {name: value / loss_scale for name, value in g.items()}
        if k % frequency == 0:
            for layer, (a, dout) in seen.items():
                A, G, T = factors(a, dout, loss_scale, parity)
                if rho and layer in average:
                    A = rho * average[layer][0] + (1 - rho) * A
                    G = rho * average[layer][1] + (1 - rho) * G
                average[layer] = (A, G)
                pi = 1.0
                if trace:
                    pi = np.sqrt(np.trace(A) / len(A) / (np.trace(G) / len(G)))
                s = np.sqrt(lam / T)
                state[layer] = (
                    block_inverse(A + pi * s * np.eye(len(A)), split),
                    block_inverse(G + s / pi * np.eye(len(G)), split), T)
        step = dict(g)
        for layer, (A_inv, G_inv, T) in state.items():
            name = layer + ".weight"
            shape = g[name].shape
            step[name] = (G_inv @ g[name].reshape(shape[0], -1) @ A_inv
                          / T).reshape(shape)
        if kl_clip:
            total = sum((step[name] * g[name]).sum() for name in g)
            nu = min(1.0, np.sqrt(kl_clip / (eta ** 2 * abs(total))))
            step = {name: nu * value for name, value in step.items()}
        for name in w:
            d = step[name] + weight_decay * w[name]
            if clip:
                d = d / max(1.0, np.linalg.norm(d))
            v[name] = momentum * v[name] + d
            w[name] = w[name] - eta * (d + momentum * v[name]
                                       if nesterov else v[name])
        after.append({name: [float(f"{x:.13g}") for x in value.ravel()]
                      for name, value in w.items()})
    return after


cases = {
    "per_sample": run(3, 0.05, 0.03, weight_decay=0.01, loss_scale=8.0),
    "per_sample_split": run(1, 0.05, 0.1, split=5, nesterov=True),
    "parity": run(2, 0.03, 0.05, weight_decay=0.02, split=7, parity=True,
                  loss_scale=4.0),
    "kfac": run(2, 0.1, 0.02, trace=True, rho=0.6, kl_clip=1e-3),
    "clipped": run(4, 0.2, 0.003, weight_decay=0.1, clip=True),
}

text = json.dumps({
    "images": IMAGES.ravel().tolist(), "labels": LABELS.ravel().tolist(),
    "start": {name: value.ravel().tolist() for name, value in START.items()},
    "steps": STEPS, "cases": cases})
print(text.replace("], ", "],\n"))
