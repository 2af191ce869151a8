"""Ten steps of PyTorch's SGD and AdamW, for tests/optim/golden_test.cpp.

    python tests/golden/optim.py > tests/golden/optim.json

Two parameters, p (3,2) and q (5), follow given f64 gradients; q has none in
steps 2 and 6. `after` lists p then q after each step.
"""

import json

import torch

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
STEPS = 10
SKIPPED = (2, 6)

start = [torch.randn(3, 2), torch.randn(5)]
gradients = [[torch.randn(3, 2) * 2, torch.randn(5)] for _ in range(STEPS)]


def numbers(tensors):
    return [value for t in tensors for value in t.flatten().tolist()]


def run(make, settings, clip=None):
    p, q = (torch.nn.Parameter(t.clone()) for t in start)
    optimizer = make([p, q], **settings)
    after = []
    for step in range(STEPS):
        optimizer.zero_grad()
        p.grad = gradients[step][0].clone()
        q.grad = None if step in SKIPPED else gradients[step][1].clone()
        if clip == "norm":
            torch.nn.utils.clip_grad_norm_([p, q], 1.5)
        elif clip == "value":
            torch.nn.utils.clip_grad_value_([p, q], 0.7)
        optimizer.step()
        after.append(numbers([p.detach(), q.detach()]))
    return {"settings": settings, "clip": clip or "none", "after": after}


def two_groups(parameters, **settings):
    p, q = parameters
    return torch.optim.AdamW(
        [{"params": [p], "lr": 0.02, "weight_decay": 0.3},
         {"params": [q], "weight_decay": 0.0}], **settings)


SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW
cases = {
    "sgd": run(SGD, dict(lr=0.1)),
    "sgd_momentum": run(SGD, dict(lr=0.05, momentum=0.9)),
    "sgd_dampening": run(
        SGD, dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.02)),
    "sgd_nesterov": run(
        SGD, dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
    "sgd_clip_norm": run(SGD, dict(lr=0.1, momentum=0.9), clip="norm"),
    "sgd_clip_value": run(SGD, dict(lr=0.1, momentum=0.9), clip="value"),
    "adamw": run(ADAMW, dict(lr=0.01)),
    "adamw_betas": run(
        ADAMW, dict(lr=0.03, betas=(0.7, 0.95), eps=1e-3, weight_decay=0.2)),
    "adamw_groups": run(two_groups, dict(lr=0.01)),
}

text = json.dumps(
    {"torch": torch.__version__, "p": numbers(start[:1]),
     "q": numbers(start[1:]), "skipped": list(SKIPPED),
     "gradients": [numbers(g) for g in gradients], "cases": cases})
print(text.replace("], ", "],\n"))
