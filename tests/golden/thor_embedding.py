"""Ten THOR steps of an embedding, for tests/optim/thor_embedding_test.cpp.

    python tests/golden/thor_embedding.py > tests/golden/thor_embedding.json

Everything is written out in f64 numpy: an id is the one-hot vector that it
stands for, A is the full (V,V) matrix of their outer products, and both damped
factors are inverted whole. Formulas: docs/thor.md.

Net: ids (N,S) -> embedding (7,4) -> tanh -> mean over S -> dense 4->3, bias
     -> softmax cross-entropy, mean over N. Two batches alternate; id 5 is in
neither.
"""

import json

import numpy as np

random = np.random.default_rng(41)
N, S, V, E, CLASSES, STEPS = 4, 3, 7, 4, 3, 10
IDS = random.choice([0, 1, 2, 3, 4, 6], (2, N, S))
LABELS = random.integers(0, CLASSES, (2, N))
START = {
    "table.weight": random.standard_normal((V, E)).round(3),
    "fc.weight": (0.7 * random.standard_normal((CLASSES, E))).round(3),
    "fc.bias": (0.1 * random.standard_normal(CLASSES)).round(3),
}


def gradients(w, ids, labels, loss_scale):
    """Gradients by name, and (a, dout) of each layer: rows (N*T, .), T."""
    hot = np.eye(V)[ids.ravel()]
    rows = hot @ w["table.weight"]
    y = np.tanh(rows)
    pooled = y.reshape(N, S, E).mean(1)
    logits = pooled @ w["fc.weight"].T + w["fc.bias"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    dlogits = loss_scale * (p - np.eye(CLASSES)[labels]) / N
    dpooled = dlogits @ w["fc.weight"]
    drows = np.repeat(dpooled / S, S, axis=0) * (1 - y ** 2)
    g = {"table.weight": hot.T @ drows, "fc.weight": dlogits.T @ pooled,
         "fc.bias": dlogits.sum(0)}
    return g, {"table": (hot, drows, S), "fc": (pooled, dlogits, 1)}


def block_inverse(m, split):
    out = np.zeros_like(m)
    for start in range(0, len(m), split or len(m)):
        s = slice(start, min(start + (split or len(m)), len(m)))
        out[s, s] = np.linalg.inv(m[s, s])
    return out


def run(frequency, learning_rate, damping, momentum=0.9, weight_decay=0.0,
        loss_scale=1.0, split=0, trace=False, rho=0.0, kl_clip=0.0):
    w = {name: value.copy() for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    state, average, after = {}, {}, []
    for k in range(STEPS):
        eta, lam = learning_rate * 0.9 ** k, damping * 0.95 ** k
        g, seen = gradients(w, IDS[k % 2], LABELS[k % 2], loss_scale)
        g = {name: value / loss_scale for name, value in g.items()}
        if k % frequency == 0:
            for layer, (a, dout, T) in seen.items():
                A = a.T @ a / len(a)
                G = (N / loss_scale) ** 2 * dout.T @ dout / len(dout)
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
        A, G, T = state["table"]  # the rows of the table belong to A
        step["table.weight"] = A @ g["table.weight"] @ G / T
        A, G, T = state["fc"]
        step["fc.weight"] = G @ g["fc.weight"] @ A / T
        if kl_clip:
            total = sum((step[name] * g[name]).sum() for name in g)
            nu = min(1.0, np.sqrt(kl_clip / (eta ** 2 * abs(total))))
            step = {name: nu * value for name, value in step.items()}
        for name in w:
            v[name] = momentum * v[name] + step[name] + weight_decay * w[name]
            w[name] = w[name] - eta * v[name]
        after.append({name: [float(f"{x:.13g}") for x in value.ravel()]
                      for name, value in w.items()})
    return after


cases = {
    "even": run(3, 0.1, 0.03, weight_decay=0.01, loss_scale=8.0),
    "trace": run(2, 0.2, 0.02, trace=True),
    "average": run(2, 0.1, 0.05, rho=0.6, weight_decay=0.02),
    "kfac": run(1, 0.3, 0.01, trace=True, rho=0.8, kl_clip=1e-3),
    "split": run(2, 0.1, 0.05, split=3),
}

text = json.dumps({
    "ids": IDS.ravel().tolist(), "labels": LABELS.ravel().tolist(),
    "start": {name: value.ravel().tolist() for name, value in START.items()},
    "steps": STEPS, "cases": cases})
print(text.replace("], ", "],\n"))
