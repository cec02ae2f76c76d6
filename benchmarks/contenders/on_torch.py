"""Contenders of `benchmarks/gpu.py` on PyTorch, which a process of their own imports.

All that one would do by hand is done: cuDNN's LSTM, a fused Adam, no gradients where none are
needed. A function returns times, and checks as `{name: (value, limit)}`.
"""

import math

import torch
from torch.nn.functional import softplus

from benchmarks.contenders.counts import lstm_units, row_shape
from benchmarks.contenders.problems import (
    LIMITS,
    ais_data,
    cd_data,
    check_ais,
    check_cd,
    check_gradients,
    check_outputs,
    loss,
    matrices,
    measure,
    over_patches,
    peaks,
    random_weights,
    sequences,
    targets,
)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_precision(precision):
    """Sets how exact products of float32 numbers are."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def wait(_):
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def on_device(*arrays):
    return [torch.tensor(array, device=DEVICE) for array in arrays]


def as_numpy(tensor):
    return tensor.detach().cpu().numpy()


def layer(name, contender, s, batch, steps, train, precision, expected):
    """Times the LSTM beside a layer, the only `contender`, forward or a train step with Adam."""
    set_precision(precision)
    N, n = math.prod(row_shape(name, s)), lstm_units(name, s)
    lstm = torch.nn.LSTM(N, n, batch_first=True, device=DEVICE)

    def set_weights():
        V, W, b = on_device(*random_weights([(N, 4 * n), (n, 4 * n), (4 * n,)]))
        with torch.no_grad():
            for parameter, value in zip(lstm.parameters(), (V.T, W.T, b, 0 * b), strict=True):
                parameter.copy_(value)

    set_weights()
    x, row_weights = on_device(*sequences(name, s, steps, batch))

    def run():
        if name != "ConvLSTMPatch":
            return lstm(x)[0]
        return over_patches(lambda x: lstm(x)[0], torch.amax, s, x).reshape(batch, steps, -1)

    if not train:
        with torch.no_grad():
            times = measure(run, wait, s.seconds)
            error = check_outputs(run(), expected["outputs"], as_numpy)
        return times, {"outputs": (error, LIMITS[precision])}
    (y,) = on_device(targets(expected["outputs"].shape, batch))
    optimizer = torch.optim.Adam(lstm.parameters(), fused=True)

    def step():
        optimizer.zero_grad()
        loss(run(), y, row_weights).backward()
        optimizer.step()

    times = measure(step, wait, s.seconds)
    set_weights()
    step()
    dV, dW, db, _ = (as_numpy(p.grad) for p in lstm.parameters())
    error = check_gradients([dV.T, dW.T, db], expected["gradients"])
    return times, {"gradients": (error, LIMITS[precision])}


def cd(s, frames, compiled, expected):
    """Times the gradient of CD-k."""
    set_precision("float32")
    torch.manual_seed(0)
    v, *params = cd_data(s, frames)
    x, W, b, c = on_device(v, *params)
    for parameter in (W, b, c):
        parameter.requires_grad_()

    def gibbs_step(m, W, b, c):
        h = torch.bernoulli(torch.sigmoid(torch.addmm(c, m, W)))
        return torch.bernoulli(torch.sigmoid(torch.addmm(b, h, W.T)))

    def free_energy(v, W, b, c):
        return -(b * v).sum(-1) - softplus(torch.addmm(c, v, W)).sum(-1)

    def difference(v, m, W, b, c):
        return (free_energy(v, W, b, c) - free_energy(m, W, b, c)).mean()

    if compiled:
        gibbs_step, difference = torch.compile(gibbs_step), torch.compile(difference)

    def gradients():
        with torch.no_grad():
            m = x
            for _ in range(s.gibbs_steps):
                m = gibbs_step(m, W, b, c)
        return torch.autograd.grad(difference(x, m, W, b, c), [W, b, c])

    times = measure(gradients, wait, s.seconds)
    return times, check_cd(s, v, params, [as_numpy(g) for g in gradients()], expected)[1]


def ais(s, frames, compiled, expected):
    """Times the estimate of log Z; unlike ours it does not search for states that were missed."""
    set_precision("float32")
    torch.manual_seed(0)
    W, b, c = on_device(*ais_data(s, frames))

    def anneal(v, log_w, lower, upper, W, b_base, b, c):
        up = v @ W
        change = (softplus(c + upper * up) - softplus(c + lower * up)).sum(-1)
        log_w = log_w + change + (upper - lower) * ((b - b_base) * v).sum(-1)
        h = torch.bernoulli(torch.sigmoid(c + upper * up))
        x = b_base + upper * (b - b_base + h @ W.T)
        return torch.bernoulli(torch.sigmoid(x)), log_w

    if compiled:
        anneal = torch.compile(anneal)
    betas = torch.linspace(0, 1, s.betas + 1, device=DEVICE)

    def estimate():
        with torch.no_grad():
            alone = [softplus(c + W[i]).sum(-1) for i in range(s.visible)]
            b_base = b + torch.stack(alone, -1) - softplus(c).sum(-1, keepdim=True)
            each = [p[:, None] for p in (b_base, b, c)]  # an axis for the chains
            v = torch.bernoulli(torch.sigmoid(each[0]).expand(-1, s.chains, -1))
            log_w = torch.zeros(v.shape[:-1], device=DEVICE)
            for k in range(s.betas):
                v, log_w = anneal(v, log_w, betas[k], betas[k + 1], W, *each)
            base = softplus(b_base).sum(-1) + softplus(c).sum(-1)
            return base + torch.logsumexp(log_w, -1) - math.log(s.chains)

    times = measure(estimate, wait, s.seconds)
    return times, check_ais(as_numpy(estimate()), expected)


def machine(s):
    """Returns the rates of products and of a copy, and what they ran on."""

    def product(precision):
        set_precision(precision)
        a, b = (m.bfloat16() if precision == "bfloat16" else m for m in on_device(*matrices(s)))
        times = measure(lambda: a @ b, wait, s.seconds)
        return times, as_numpy((a @ b)[0].double())

    x = torch.zeros(s.copied // 4, device=DEVICE)
    y = torch.empty_like(x)
    times = measure(lambda: y.copy_(x), wait, s.seconds)
    return {
        "gpu": DEVICE.type == "cuda",
        "versions": {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version()},
        "rates": peaks(s, product, times),
    }
