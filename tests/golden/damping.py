"""One preconditioned gradient of the same small net by other libraries, and
how their damping converts to Mjolnir's, for tests/optim/damping_test.cpp.

    python tests/golden/damping.py > tests/golden/damping.json

Runs kfac-pytorch 0.4.2 (from its source, commit 869cf11; it is not on PyPI) on
torch 2.15.0, and kfac-jax 0.0.8 (pip) on jax 0.8.2 (it does not run on jax
0.10), both on a CPU; numpy 2.4.6. MindSpore's thor is replayed in numpy from
the formulas of its source, mindspore/python/mindspore/nn/optim/thor.py (commit
005dc05) and nn/layer/thor_layer.py (01fc6ef), since its operators need a GPU
or an Ascend. Every conversion of docs/damping.md is asserted here.

Net: x (5,2,2,3) -> 3x3 convolution 2->3, padding 1, no bias -> tanh -> flatten
     -> dense 18->3 without bias -> softmax cross-entropy, mean. N = 5; T = 6
     in the convolution, D = 18 in both layers.
"""

import json
import warnings

import jax
import jax.numpy as jnp
import kfac_jax
import numpy as np
import torch
from kfac.preconditioner import KFACPreconditioner

warnings.simplefilter("ignore")
jax.config.update("jax_enable_x64", True)

N, T, D = 5, {"conv": 6, "dense": 1}, 18
random = np.random.default_rng(47)
X = random.standard_normal((N, 2, 2, 3)).round(3)
LABELS = random.integers(0, 3, N)
START = {"conv": (0.4 * random.standard_normal((3, 2, 3, 3))).round(3),
         "dense": (0.4 * random.standard_normal((3, 18))).round(3)}


# Mjolnir's side: docs/thor.md.

def patches(x):
    """(N, T, 18), the channel slowest."""
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack([x[:, :, i:i + 3, j:j + 3].reshape(N, -1)
                     for i in range(2) for j in range(3)], axis=1)


def records():
    """Of each layer inputs (N,T,D) and delta (N,T,3), that of one sample's own
    loss; and the softmax."""
    a0 = patches(X)
    h = np.tanh(a0 @ START["conv"].reshape(3, -1).T)  # (N, T, 3)
    a1 = h.transpose(0, 2, 1).reshape(N, -1)
    z = a1 @ START["dense"].T
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return a0, h, a1, p


def deltas(h, d1):
    """(N,T,3) and (N,1,3) from the gradient at the logits."""
    back = (d1 @ START["dense"]).reshape(N, 3, 6).transpose(0, 2, 1)
    return {"conv": back * (1 - h ** 2), "dense": d1[:, None]}


A0, H, A1, SOFTMAX = records()
INPUTS = {"conv": A0, "dense": A1[:, None]}
DELTA = deltas(H, SOFTMAX - np.eye(3)[LABELS])
G_MEAN = {k: np.einsum("nto,ntd->od", DELTA[k], INPUTS[k]) / N for k in T}
A = {k: np.einsum("ntd,nte->de", INPUTS[k], INPUTS[k]) / (N * T[k]) for k in T}
G = {k: np.einsum("ntd,nte->de", DELTA[k], DELTA[k]) / (N * T[k]) for k in T}


def factored(layer, damping, pi, a=None, g=None):
    """g' of line 3 of docs/thor.md."""
    a = A[layer] if a is None else a
    g = G[layer] if g is None else g
    s = np.sqrt(damping / T[layer])
    left = np.linalg.inv(g + s / pi * np.eye(len(g)))
    right = np.linalg.inv(a + pi * s * np.eye(len(a)))
    return left @ G_MEAN[layer] @ right / T[layer]


def whole(layer, damping):
    """g' = (T (G kron A) + lambda I)^-1 g, as Ekfac's first step."""
    f = T[layer] * np.kron(G[layer], A[layer]) + damping * np.eye(3 * D)
    return np.linalg.solve(f, G_MEAN[layer].ravel()).reshape(3, D)


def trace_pi(layer, g=None):
    g = G[layer] if g is None else g
    return np.sqrt(np.trace(A[layer]) / D / (np.trace(g) / 3))


def expect(got, want, tolerance, what):
    error = np.abs(got - want).max() / np.abs(want).max()
    assert error < tolerance, (what, error)


def numbers(value):
    return np.asarray(value, dtype=float).ravel().tolist()


# kfac-pytorch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.dense = torch.nn.Linear(18, 3, bias=False)
        self.double()
        for name, value in START.items():
            getattr(self, name).weight.data = torch.tensor(value)

    def forward(self, x):
        return self.dense(torch.tanh(self.conv(x)).flatten(1))


def kfac_pytorch(damping, method, outer, loss_scale=1.0, decay=None, **options):
    net = Net()
    kfac = KFACPreconditioner(
        net, damping=damping, compute_method=method,
        compute_eigenvalue_outer_product=outer, inv_dtype=torch.float64,
        factor_decay=decay if decay else lambda step: 0.0,
        kl_clip=lambda step: None, **options)
    loss = torch.nn.functional.cross_entropy(net(torch.tensor(X)),
                                             torch.tensor(LABELS))
    (loss_scale * loss).backward()
    for p in net.parameters():
        p.grad /= loss_scale
    kfac.step()
    grads = {k: getattr(net, k).weight.grad.numpy().reshape(3, -1) for k in T}
    factors = {name: (layer.a_factor.numpy(), layer.g_factor.numpy())
               for name, layer in kfac._layers.values()}
    return grads, factors


def check_kfac_pytorch():
    both, cases = ["conv", "dense"], []
    # Its eigh and inv are f32, whatever the types: eps |A| |G| / damping must
    # be small, so the least damping is for the layer with the small factors.
    for method, outer, damping, sigma, layers in [
            ("eigen", True, 1e-6, 1.0, ["conv"]),
            ("eigen", False, 1e-6, 1.0, ["conv"]),
            ("eigen", True, 1e-3, 1.0, both), ("eigen", False, 1e-3, 1.0, both),
            ("eigen", True, 1e-1, 8.0, both),
            ("inverse", True, 1e-3, 1.0, ["conv"]),
            ("inverse", True, 1e-1, 1.0, both),
            ("inverse", True, 3e-1, 8.0, both)]:
        got, factors = kfac_pytorch(damping, method, outer, sigma)
        for k, t in T.items():
            c_a, c_g = 1 / t ** 2, sigma ** 2 / (N * t) ** 2
            expect(factors[k][0], c_a * A[k], 1e-12, "A")
            expect(factors[k][1], c_g * G[k], 1e-12, "G")
            factor = N ** 2 * t ** 5 / sigma ** 2
            if method == "eigen":
                want = factor * whole(k, factor * damping)
            else:
                want = factor * factored(k, factor * damping ** 2, sigma / N)
                # by an option: Thor's loss_scale f = N / sigma too large
                f = N / sigma
                expect(factored(k, t ** 5 * damping ** 2, 1.0, g=G[k] / f ** 2)
                       / f * factor / f, want, 1e-12, "fixed pi")
            if k in layers:
                expect(got[k], want, 1e-5, (method, damping, sigma, k))
        cases.append({"method": method, "outer_product": outer,
                      "damping": damping, "loss_scale": sigma,
                      "gradients": {k: numbers(got[k]) for k in layers}})
    # a grad_scaler takes the loss scale out of G
    plain, _ = kfac_pytorch(1e-2, "eigen", True)
    scaled, _ = kfac_pytorch(1e-2, "eigen", True, 8.0,
                             grad_scaler=lambda: 8.0)
    for k in T:
        expect(scaled[k], plain[k], 1e-5, "grad_scaler")
    # the running averages begin at the identity
    _, factors = kfac_pytorch(1e-3, "eigen", True, decay=0.95)
    for k, t in T.items():
        expect(factors[k][0], 0.95 * np.eye(D) + 0.05 * A[k] / t ** 2, 1e-12,
               "first A")
    return cases


# kfac-jax, images channels last

def loss_of(params, batch):
    images, labels = batch
    y = jax.lax.conv_general_dilated(
        images, params["conv"], (1, 1), "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"))
    y = jnp.tanh(y).transpose(0, 3, 1, 2).reshape(N, -1)
    z = y @ params["dense"]
    kfac_jax.register_softmax_cross_entropy_loss(z, labels)
    log_p = jax.nn.log_softmax(z)
    return -jnp.mean(log_p[jnp.arange(N), labels])


def from_jax(tree):
    conv, dense = np.asarray(tree["conv"]), np.asarray(tree["dense"])
    return {"conv": conv.transpose(3, 2, 0, 1).reshape(3, -1),
            "dense": dense.T}


def jax_direction(loss, params, batch, damping, mode, exact):
    estimator = kfac_jax.BlockDiagonalCurvature(
        loss, default_estimation_mode=mode)
    key = jax.random.PRNGKey(0)
    state = estimator.init(key, (params, batch),
                           exact_powers_to_cache=-1 if exact else None,
                           approx_powers_to_cache=None if exact else -1)
    state = estimator.update_curvature_matrix_estimate(
        state, ema_old=0.95, ema_new=1.0, identity_weight=damping,
        batch_size=N, rng=key, func_args=(params, batch))
    state = estimator.update_cache(
        state, identity_weight=damping, exact_powers=-1 if exact else None,
        approx_powers=None if exact else -1, eigenvalues=False,
        pmap_axis_name=None)
    gradient = jax.grad(loss)(params, batch)
    return estimator.multiply_inverse(
        state, gradient, identity_weight=damping, exact_power=exact,
        use_cached=True, pmap_axis_name=None), str(estimator.blocks[0])


def kfac_jax_step(damping, mode, exact):
    params = {"conv": jnp.asarray(START["conv"].transpose(2, 3, 1, 0)),
              "dense": jnp.asarray(START["dense"].T)}
    batch = (jnp.asarray(X.transpose(0, 2, 3, 1)), jnp.asarray(LABELS))
    return from_jax(jax_direction(loss_of, params, batch, damping, mode,
                                  exact)[0])


def fisher_g():
    """G of the Fisher matrix: the expectation over the model's labels."""
    total = {k: np.zeros((3, 3)) for k in T}
    for label in range(3):
        d = deltas(H, SOFTMAX - np.eye(3)[label])
        for k, t in T.items():
            total[k] += np.einsum("n,ntd,nte->de", SOFTMAX[:, label], d[k],
                                  d[k]) / (N * t)
    return total


def check_kfac_jax():
    cases = []
    for mode, exact, damping in [("fisher_empirical", False, 1e-3),
                                 ("fisher_empirical", False, 1e-1),
                                 ("fisher_empirical", True, 1e-3)]:
        got = kfac_jax_step(damping, mode, exact)
        for k in T:
            want = N * (whole(k, N * damping) if exact else
                        factored(k, N * damping, trace_pi(k)))
            expect(got[k], want, 1e-10, (mode, exact, damping, k))
        cases.append({"mode": mode, "exact": exact, "damping": damping,
                      "gradients": {k: numbers(got[k]) for k in T}})
    # the other modes know no N: lambda is Mjolnir's
    g = fisher_g()
    for mode in ("fisher_exact", "ggn_exact"):
        got = kfac_jax_step(1e-3, mode, False)
        for k in T:
            want = factored(k, 1e-3, trace_pi(k, g[k]), g=g[k])
            expect(got[k], want, 1e-10, (mode, k))
    return cases


# A dense layer with a bias on (N,S,D): T = S, the bias joins in all libraries.

def check_tokens():
    s, d = 4, 6
    x = random.standard_normal((N, s, d))
    target = random.standard_normal((N, s, 3))
    w, b = random.standard_normal((3, d)), random.standard_normal(3)
    delta = x @ w.T + b - target
    ones = np.concatenate([x, np.ones((N, s, 1))], 2)
    g_mean = np.einsum("nto,ntd->od", delta, ones) / N
    a = np.einsum("ntd,nte->de", ones, ones) / (N * s)
    g = np.einsum("ntd,nte->de", delta, delta) / (N * s)

    net = torch.nn.Linear(d, 3).double()
    net.weight.data, net.bias.data = torch.tensor(w), torch.tensor(b)
    model = torch.nn.Sequential(net)
    kfac = KFACPreconditioner(model, damping=1e-1, kl_clip=lambda step: None,
                              factor_decay=lambda step: 0.0,
                              inv_dtype=torch.float64)
    error = model(torch.tensor(x)) - torch.tensor(target)
    (0.5 * (error ** 2).sum() / N).backward()
    kfac.step()
    got = np.c_[net.weight.grad.numpy(), net.bias.grad.numpy()]
    factor = s * N ** 2
    f = s * np.kron(g, a) + factor * 1e-1 * np.eye(3 * (d + 1))
    want = factor * np.linalg.solve(f, g_mean.ravel()).reshape(3, d + 1)
    expect(got, want, 1e-5, "tokens, kfac-pytorch")

    def loss_of_tokens(params, batch):
        y = batch[0] @ params["w"] + params["b"]
        kfac_jax.register_squared_error_loss(y, batch[1], weight=0.5)
        return 0.5 * jnp.sum((y - batch[1]) ** 2) / N

    params = {"w": jnp.asarray(w.T), "b": jnp.asarray(b)}
    got, kind = jax_direction(loss_of_tokens, params,
                              (jnp.asarray(x), jnp.asarray(target)), 1e-1,
                              "fisher_empirical", False)
    assert "RepeatedDense" in kind, kind
    pi = np.sqrt(np.trace(a) / (d + 1) / (np.trace(g) / 3))
    root = np.sqrt(N * 1e-1 / s)
    want = N / s * np.linalg.inv(g + root / pi * np.eye(3)) @ g_mean \
        @ np.linalg.inv(a + pi * root * np.eye(d + 1))
    expect(np.c_[np.asarray(got["w"]).T, np.asarray(got["b"])], want, 1e-10,
           "tokens, kfac-jax")


# MindSpore, replayed

def mindspore_gpu(layer, damping, loss_scale=1.0, batch_size=N):
    x = INPUTS[layer]
    dout = DELTA[layer] * loss_scale / N  # of the mean loss
    if layer == "conv":
        t = T[layer]
        x, dout = x.mean(0), dout.mean(0)  # (T, .)
        a, g = x.T @ x / t, dout.T @ dout / t
        extra, out = damping / t, 1 / t
    else:
        x, dout = x[:, 0], dout[:, 0]
        a, g = x.T @ x / D, dout.T @ dout / N
        extra, out = damping, 1.0
    g = g * batch_size ** 2 / loss_scale ** 2
    inverse_a = np.linalg.inv(a + np.sqrt(extra) * np.eye(D))
    inverse_g = np.linalg.inv(g + np.sqrt(extra) * np.eye(3))
    return out * inverse_g @ G_MEAN[layer] @ inverse_a


def mindspore_ascend(layer, damping, loss_scale=1.0, batch_size=N):
    """f16 of its inverses and products left out."""
    x, dout = INPUTS[layer], DELTA[layer] * loss_scale / N
    rows = N * T[layer]
    a = np.einsum("ntd,nte->de", x, x) / rows
    g = np.einsum("ntd,nte->de", dout, dout) / rows
    g = g * batch_size ** 2 / loss_scale ** 2
    extra, out = damping, 1.0
    if layer == "conv":
        extra, out = damping * batch_size / rows, batch_size / rows
    inverse_a = np.linalg.inv(a + np.sqrt(extra) * np.eye(D))
    inverse_g = np.linalg.inv(g + np.sqrt(extra) * np.eye(3))
    return out * inverse_g @ G_MEAN[layer] @ inverse_a


def check_mindspore():
    mean_x, mean_d = INPUTS["conv"].mean(0), DELTA["conv"].mean(0) / N
    a = mean_x.T @ mean_x / T["conv"]
    g = N ** 2 * mean_d.T @ mean_d / T["conv"]
    cases = []
    for damping in (0.03, 0.3):
        gpu = {k: mindspore_gpu(k, damping, 4.0) for k in T}
        ascend = {k: mindspore_ascend(k, damping, 4.0) for k in T}
        expect(gpu["conv"], factored("conv", damping, 1.0, a, g), 1e-12, "conv")
        q = D / N
        expect(gpu["dense"],
               q * factored("dense", q * damping, np.sqrt(q)), 1e-12, "dense")
        f = 1 / np.sqrt(q)
        expect(gpu["dense"],
               q / f * factored("dense", q ** 2 * damping, 1.0,
                                g=G["dense"] / f ** 2) / f, 1e-12, "fixed pi")
        for k in T:
            expect(ascend[k], factored(k, damping, 1.0), 1e-12, "ascend")
        b = 32 / N  # its default batch_size, not that of the batch
        expect(mindspore_gpu("conv", damping, batch_size=32),
               factored("conv", damping / b ** 2, b, a, g) / b ** 2, 1e-12,
               "batch_size")
        for device, gradients in (("gpu", gpu), ("ascend", ascend)):
            cases.append({"device": device, "damping": damping,
                          "gradients": {k: numbers(gradients[k]) for k in T}})
    return cases


def main():
    check_tokens()
    print(json.dumps({
        "images": numbers(X), "labels": LABELS.tolist(),
        "start": {k + ".weight": numbers(v) for k, v in START.items()},
        "kfac_pytorch": check_kfac_pytorch(),
        "kfac_jax": check_kfac_jax(),
        "mindspore": check_mindspore(),
    }))


if __name__ == "__main__":
    main()
