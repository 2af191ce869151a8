"""Ten K-FAC steps of a small net, for tests/optim/kfac_test.cpp.

    python tests/golden/kfac_numpy.py > tests/golden/kfac_numpy.json

Everything is written out in f64 numpy: forward, backward, factors with the
homogeneous coordinate, running averages, the trace's split of the damping, the
KL clip. Formulas: docs/thor.md.

Net: x (4,2,3,4) -> 2x2 convolution 2->3, no padding, bias -> tanh -> flatten
     -> dense 18->4, bias -> tanh -> dense 4->3 without bias -> softmax
     cross-entropy, mean. Two batches alternate. With `drawn` the factors come
     from another set of labels, as sampled ones would.
"""

import json

import numpy as np

random = np.random.default_rng(31)
N, STEPS = 4, 10
IMAGES = random.standard_normal((2, N, 2, 3, 4)).round(3)
LABELS = random.integers(0, 3, (2, N))
DRAWN = random.integers(0, 3, (2, N))
START = {
    "conv.weight": 0.5 * random.standard_normal((3, 2, 2, 2)),
    "conv.bias": 0.1 * random.standard_normal(3),
    "hidden.weight": 0.3 * random.standard_normal((4, 18)),
    "hidden.bias": 0.1 * random.standard_normal(4),
    "last.weight": 0.6 * random.standard_normal((3, 4)),
}
START = {name: value.round(3) for name, value in START.items()}


def patches(x):
    """(N, T, 8), the channel slowest."""
    return np.stack([x[:, :, i:i + 2, j:j + 2].reshape(N, -1)
                     for i in range(2) for j in range(3)], axis=1)


def gradients(w, x, labels):
    """Gradients by name, and (inputs, dout) of each layer, (N, T, .)."""
    a0 = patches(x)
    h0 = np.tanh(a0 @ w["conv.weight"].reshape(3, -1).T + w["conv.bias"])
    a1 = h0.transpose(0, 2, 1).reshape(N, -1)
    h1 = np.tanh(a1 @ w["hidden.weight"].T + w["hidden.bias"])
    z = h1 @ w["last.weight"].T
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    d2 = (p - np.eye(3)[labels]) / N
    d1 = d2 @ w["last.weight"] * (1 - h1 ** 2)
    back = (d1 @ w["hidden.weight"]).reshape(N, 3, 6).transpose(0, 2, 1)
    d0 = back * (1 - h0 ** 2)
    g = {
        "conv.weight": np.einsum("nto,ntd->od", d0, a0).reshape(3, 2, 2, 2),
        "conv.bias": d0.sum((0, 1)),
        "hidden.weight": d1.T @ a1, "hidden.bias": d1.sum(0),
        "last.weight": d2.T @ h1,
    }
    return g, {"conv": (a0, d0), "hidden": (a1[:, None], d1[:, None]),
               "last": (h1[:, None], d2[:, None])}


def factors(a, dout, joint):
    count = a.shape[0] * a.shape[1]
    rows = a.reshape(count, -1)
    if joint:
        rows = np.hstack([rows, np.ones((count, 1))])
    d = N * dout.reshape(count, -1)
    return rows.T @ rows / count, d.T @ d / count, a.shape[1]


def run(frequency, learning_rate, damping, rho, kl_clip, joint=True,
        drawn=False, momentum=0.9, weight_decay=0.0):
    w = {name: value.copy() for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    state, average, after = {}, {}, []
    for k in range(STEPS):
        x, labels = IMAGES[k % 2], LABELS[k % 2]
        g, seen = gradients(w, x, labels)
        if drawn:
            _, seen = gradients(w, x, DRAWN[k % 2])
        if k % frequency == 0:
            for layer, (a, dout) in seen.items():
                with_bias = joint and layer + ".bias" in w
                A, G, T = factors(a, dout, with_bias)
                if layer in average:
                    A = rho * average[layer][0] + (1 - rho) * A
                    G = rho * average[layer][1] + (1 - rho) * G
                average[layer] = A, G
                pi = np.sqrt(np.trace(A) / len(A) / (np.trace(G) / len(G)))
                s = np.sqrt(damping / T)
                state[layer] = (np.linalg.inv(A + pi * s * np.eye(len(A))),
                                np.linalg.inv(G + s / pi * np.eye(len(G))), T)
        step = dict(g)
        for layer, (A_inv, G_inv, T) in state.items():
            weight, bias = layer + ".weight", layer + ".bias"
            m = g[weight].reshape(len(g[weight]), -1)
            with_bias = joint and bias in w
            if with_bias:
                m = np.hstack([m, g[bias][:, None]])
            m = G_inv @ m @ A_inv / T
            if with_bias:
                m, step[bias] = m[:, :-1], m[:, -1]
            step[weight] = m.reshape(g[weight].shape)
        total = sum((step[name] * g[name]).sum() for name in g)
        nu = min(1.0, np.sqrt(kl_clip / (learning_rate ** 2 * abs(total))))
        for name in w:
            v[name] = (momentum * v[name] + nu * step[name]
                       + weight_decay * w[name])
            w[name] = w[name] - learning_rate * v[name]
        after.append({name: [float(f"{x:.13g}") for x in value.ravel()]
                      for name, value in w.items()})
    return after


cases = {
    "training_labels": run(2, 0.1, 0.01, 0.8, 1e-3, weight_decay=0.01),
    "drawn_labels": run(3, 0.05, 0.02, 0.9, 1e-2, drawn=True),
    "biases_apart": run(1, 0.1, 0.03, 0.5, 1e-3, joint=False),
}

text = json.dumps({
    "images": IMAGES.ravel().tolist(), "labels": LABELS.ravel().tolist(),
    "drawn": DRAWN.ravel().tolist(),
    "start": {name: value.ravel().tolist() for name, value in START.items()},
    "steps": STEPS, "cases": cases})
print(text.replace("], ", "],\n"))
