"""Twelve EKFAC steps of a small net, for tests/optim/ekfac_test.cpp.

    python tests/golden/ekfac_numpy.py > tests/golden/ekfac_numpy.json

Everything is written out in f64 numpy: forward, backward, factors,
eigenvectors, the second moments of each sample's gradient in their basis.
Formulas: docs/thor.md. No factor has an eigenvalue twice, so that nothing
depends on which eigenvectors LAPACK picks, but for signs, which cancel.

Net: x (8,1,4,4) -> 2x2 convolution 1->3, no padding, bias -> tanh -> mean over
     the 9 positions -> dense 3->4, bias -> tanh -> dense 4->3 without bias ->
     softmax cross-entropy, mean. Two batches alternate.
"""

import json

import numpy as np

random = np.random.default_rng(77)
N, STEPS = 8, 12
IMAGES = random.standard_normal((2, N, 1, 4, 4)).round(3)
LABELS = random.integers(0, 3, (2, N))
START = {
    "conv.weight": 0.7 * random.standard_normal((3, 1, 2, 2)),
    "conv.bias": 0.1 * random.standard_normal(3),
    "hidden.weight": 0.8 * random.standard_normal((4, 3)),
    "hidden.bias": 0.1 * random.standard_normal(4),
    "last.weight": 0.8 * random.standard_normal((3, 4)),
}
START = {name: value.round(3) for name, value in START.items()}


def gradients(w, x, labels):
    """Gradients by name, and (inputs, dout) of each layer, (N, T, .)."""
    a0 = np.stack([x[:, 0, i:i + 2, j:j + 2].reshape(N, -1)
                   for i in range(3) for j in range(3)], axis=1)
    h0 = np.tanh(a0 @ w["conv.weight"].reshape(3, -1).T + w["conv.bias"])
    a1 = h0.mean(1)
    h1 = np.tanh(a1 @ w["hidden.weight"].T + w["hidden.bias"])
    z = h1 @ w["last.weight"].T
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    d2 = (p - np.eye(3)[labels]) / N
    d1 = d2 @ w["last.weight"] * (1 - h1 ** 2)
    d0 = (d1 @ w["hidden.weight"])[:, None] / 9 * (1 - h0 ** 2)
    g = {
        "conv.weight": np.einsum("nto,ntd->od", d0, a0).reshape(3, 1, 2, 2),
        "conv.bias": d0.sum((0, 1)),
        "hidden.weight": d1.T @ a1, "hidden.bias": d1.sum(0),
        "last.weight": d2.T @ h1,
    }
    return g, {"conv": (a0, d0), "hidden": (a1[:, None], d1[:, None]),
               "last": (h1[:, None], d2[:, None])}


def run(frequency, moment_frequency, learning_rate, damping, rho, kl_clip,
        momentum=0.9, weight_decay=0.0):
    w = {name: value.copy() for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    average, basis, moments, after = {}, {}, {}, []
    for k in range(STEPS):
        g, seen = gradients(w, IMAGES[k % 2], LABELS[k % 2])
        for layer, (a, dout) in seen.items():
            T = a.shape[1]
            if k % frequency == 0:
                rows = a.reshape(N * T, -1)
                d = N * dout.reshape(N * T, -1)
                A, G = rows.T @ rows / (N * T), d.T @ d / (N * T)
                if layer in average:
                    A = rho * average[layer][0] + (1 - rho) * A
                    G = rho * average[layer][1] + (1 - rho) * G
                average[layer] = A, G
                (la, ua), (lg, ug) = np.linalg.eigh(A), np.linalg.eigh(G)
                basis[layer] = ua, ug
                moments[layer] = [np.maximum(T * np.outer(lg, la), 0), False]
            elif k % moment_frequency == 0:
                ua, ug = basis[layer]
                now = sum((ug.T @ (N * dout[n].T @ a[n]) @ ua) ** 2
                          for n in range(N)) / N
                s, measured = moments[layer]
                moments[layer] = [rho * s + (1 - rho) * now if measured
                                  else now, True]
        step = dict(g)
        for layer, (ua, ug) in basis.items():
            name = layer + ".weight"
            m = ug.T @ g[name].reshape(len(g[name]), -1) @ ua
            m = ug @ (m / (moments[layer][0] + damping)) @ ua.T
            step[name] = m.reshape(g[name].shape)
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
    "every_step": run(4, 1, 0.1, 0.01, 0.8, 1e-3, weight_decay=0.01),
    "every_third": run(6, 3, 0.05, 0.02, 0.5, 1e-2),
}

text = json.dumps({
    "images": IMAGES.ravel().tolist(), "labels": LABELS.ravel().tolist(),
    "start": {name: value.ravel().tolist() for name, value in START.items()},
    "steps": STEPS, "cases": cases})
print(text.replace("], ", "],\n"))
