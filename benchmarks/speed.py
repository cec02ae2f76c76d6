"""Speed, as ratios to named peers in the same run.

    python benchmarks/speed.py [--rounds 15] [--only cd15]

Each contender runs in its own process with two threads. They are called in turn (A, B, C, A, B, C,
...), so that a change of the machine's speed affects all. The smallest wall time counts. The peak
is the fastest float32 matrix product (2048^3) in the same run.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from functools import partial
from pathlib import Path

THREADS = 2
V, H, FRAMES = 88, 150, 3200  # JSB Chorales in the sizes of the RNN-RBM paper; 32 x 100 frames
RESULTS = Path(__file__).parent / "results" / "speed.json"


def main(rounds=15, only=None):
    tables = {name: table for name, table in TABLES.items() if only in (None, name)}
    report = {"python": platform.python_version(), "machine": machine(), "threads": THREADS}
    for name, (title, contenders, flops) in tables.items():
        contenders = {"matrix product 2048^3": matrix_product, **contenders}
        seconds, megabytes = race(contenders, rounds)
        peak = 2 * 2048**3 / seconds.pop("matrix product 2048^3") / 1e9
        ours = next(iter(seconds.values()))
        print(f"\n{title}   (peak of this run {peak:.0f} GFLOP/s)")
        report[name] = {"peak_gflops": peak}
        for contender, s in seconds.items():
            share = f"{100 * flops / s / 1e9 / peak:5.1f}% of peak" if flops else ""
            mb = megabytes[contender]
            print(
                f"  {contender:42s} {1e3 * s:9.2f} ms {s / ours:6.2f} x first {mb:5.0f} MB {share}"
            )
            report[name][contender] = {"ms": 1e3 * s, "times_first": s / ours, "peak_mb": mb}
    if only is None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")


def race(contenders, rounds):
    """Runs contenders in turn, each in its own process.

    Returns the smallest wall seconds of each, and the megabytes by which its memory at its peak
    outgrew what it held before its first call.
    """
    context = multiprocessing.get_context("spawn")
    runners = {}
    for name, make in contenders.items():
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(theirs, make), daemon=True).start()
        if ours.recv() == "missing":
            print(f"  ({name} left out: its package is not installed)")
            continue
        runners[name] = ours
    times = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            runner.send("run")
            times[name].append(runner.recv())
    megabytes = {}
    for name, runner in runners.items():
        runner.send("stop")
        megabytes[name] = runner.recv()
    for name, seconds in times.items():
        spread = statistics.median(seconds) / min(seconds)
        if spread > 1.5:
            print(f"  (noisy: the median of {name} is {spread:.1f} times its minimum)")
    return {name: min(seconds) for name, seconds in times.items()}, megabytes


def serve(connection, make):
    """Runs a contender in its process, each time that the connection asks for it."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_CPU_ALLOCATOR_USE_BFC": "1"}
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(THREADS)
    try:
        run = make()
    except ModuleNotFoundError:
        connection.send("missing")
        return
    before = peak_megabytes()
    run()  # compiles
    run()
    connection.send("ready")
    while connection.recv() == "run":
        start = time.perf_counter()
        run()
        connection.send(time.perf_counter() - start)
    connection.send(peak_megabytes() - before)


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Contenders. Each returns a function that does the work once and waits for its end.


def matrix_product():
    import tensorflow as tf

    a = tf.random.normal((2048, 2048))
    product = tf.function(lambda: tf.matmul(a, a), jit_compile=True, autograph=False)
    return lambda: product().numpy()


def data():
    import numpy as np

    rng = np.random.default_rng(0)
    v = (rng.random((32, FRAMES // 32, V)) < 0.045).astype("float32")
    W = rng.normal(scale=0.1, size=(V, H)).astype("float32")
    b = rng.normal(-3, 1, size=(*v.shape[:2], V)).astype("float32")
    c = rng.normal(size=(*v.shape[:2], H)).astype("float32")
    return v, W, b, c


def our_cd(steps, xla=True):
    import tensorflow as tf

    from seqlayers import energy, sampling

    v, W, b, c = (tf.constant(x) for x in data())
    W, b, c = (tf.Variable(x) for x in (W, b, c))

    def step(number):
        seed = sampling.row_seeds(sampling.fold_in(sampling.seed_pair(0), number), 32)
        with tf.GradientTape() as tape:
            params = energy.RBMParams(*(tf.convert_to_tensor(x) for x in (W, b, c)))
            loss = energy.contrastive_divergence(params, v, steps, seed)
        return tape.gradient(loss, [W, b, c])

    step = tf.function(step, jit_compile=xla, autograph=False)
    return lambda: [g.numpy() for g in step(tf.constant(1))]


def torch_cd(steps, draw="bernoulli"):
    import torch

    torch.set_num_threads(THREADS)
    v, W, b, c = (torch.tensor(x).reshape(-1, x.shape[-1]) for x in data())
    W, b, c = (x.requires_grad_() for x in (W, b, c))

    def sample(p):
        return torch.bernoulli(p) if draw == "bernoulli" else (torch.rand_like(p) < p).float()

    def free_energy(v):
        x = torch.nn.functional.softplus(c + v @ W)
        return -(b * v).sum(-1) - x.sum(-1)

    def step():
        with torch.no_grad():
            m = v
            for _ in range(steps):
                h = sample(torch.sigmoid(c + m @ W))
                m = sample(torch.sigmoid(b + h @ W.T))
        loss = (free_energy(v) - free_energy(m)).mean()
        return torch.autograd.grad(loss, [W, b, c])

    return step


def our_rbm_epoch():
    import keras
    import numpy as np
    import tensorflow as tf

    from seqlayers import heads, models

    frames = tf.constant(data()[0].reshape(-1, V))
    order = np.random.default_rng(0).permutation(FRAMES).reshape(-1, 100).astype("int32")
    model = models.SequenceModel(None, heads.ConditionalRBM(V, H, gibbs_steps=1, seed=0))
    model.compile(keras.optimizers.SGD(0.05))
    epoch = model.epoch_function()
    return lambda: float(epoch(frames, tf.constant(order)))


def sklearn_rbm_epoch():
    from sklearn.neural_network import BernoulliRBM

    v = data()[0].reshape(-1, V)
    rbm = BernoulliRBM(H, learning_rate=0.05, batch_size=100, n_iter=1, random_state=0)
    return lambda: rbm.fit(v)


def our_rnn_rbm_step(xla="auto"):
    import keras

    from seqlayers import models

    v = data()[0]
    model = models.RNNRBM(V, H, 150, seed=0)
    model.compile(keras.optimizers.Adam(), jit_compile=xla)
    return lambda: model.train_on_batch(v)


def torch_rnn_rbm_step(draw="bernoulli"):
    import torch

    torch.set_num_threads(THREADS)
    v, W, _, _ = (torch.tensor(x) for x in data())
    rnn = torch.nn.RNN(V, 150, batch_first=True)
    to_b, to_c = torch.nn.Linear(150, V), torch.nn.Linear(150, H)
    W.requires_grad_()
    first = torch.zeros(1, 32, 150, requires_grad=True)
    weights = [W, first, *rnn.parameters(), *to_b.parameters(), *to_c.parameters()]
    optimizer = torch.optim.Adam(weights)

    def sample(p):
        return torch.bernoulli(p) if draw == "bernoulli" else (torch.rand_like(p) < p).float()

    def step():
        u = rnn(v, first)[0]
        u = torch.cat([first.transpose(0, 1), u[:, :-1]], 1)
        b, c = to_b(u), to_c(u)
        with torch.no_grad():
            m = v
            for _ in range(15):
                m = sample(torch.sigmoid(b + sample(torch.sigmoid(c + m @ W)) @ W.T))

        def free_energy(v):
            return -(b * v).sum(-1) - torch.nn.functional.softplus(c + v @ W).sum(-1)

        optimizer.zero_grad()
        (free_energy(v) - free_energy(m)).mean().backward()
        optimizer.step()

    return step


def our_ais():
    import tensorflow as tf

    from seqlayers import energy, sampling

    _, W, b, c = (tf.constant(x) for x in data())
    params = energy.RBMParams(W, b, c)
    seed = sampling.row_seeds(sampling.seed_pair(0), 32)
    run = tf.function(
        lambda: energy.ais_log_partition(params, seed), jit_compile=True, autograph=False
    )
    return lambda: run().nats.numpy()


# Recurrent layers. K and D are the SFM paper's 50 x 4. With M = 91 an SFM and a layer of 88 outputs
# have 138,100 weights, the LSTM and GRU of the paper 139,088 and 139,200.

M, K, D = 91, 4, 50


def recurrent_layer(name, **kwargs):
    import keras

    from seqlayers import layers

    makers = {
        "sfm": lambda **kw: layers.SFM(M, K, D, **kw),
        "sfm 50": lambda **kw: layers.SFM(50, K, D, **kw),
        "adaptive": lambda **kw: layers.AdaptiveSFM(M, K, D, **kw),
        "cell": lambda **kw: keras.layers.RNN(layers.SFMCell(M, K, D), **kw),
        "lstm": lambda **kw: keras.layers.LSTM(139, **kw),
        "gru": lambda **kw: keras.layers.GRU(164, **kw),
    }
    return makers[name](return_sequences=True, **kwargs)


def recurrent(name, train=True, batch=32, steps=100, xla="auto", **kwargs):
    """Returns `train_on_batch` or `predict_on_batch` of a recurrent layer and a dense one."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, batch, steps, V)).astype("float32")
    layer = recurrent_layer(name, **kwargs)
    model = keras.Sequential([keras.Input((None, V)), layer, keras.layers.Dense(V)])
    model.compile("adam", "mse", jit_compile=xla)
    return lambda: model.train_on_batch(x, y) if train else model.predict_on_batch(x)


def growth(names, sizes):
    """Returns contenders of several sizes, `(batch, steps)`."""
    return {
        f"{name}, {batch} x {steps}": partial(recurrent, name, batch=batch, steps=steps)
        for batch, steps in sizes
        for name in names
    }


# Phones: 40 bands with their deltas, patches of 10 bands every 2, 64 cells, pools of 3.

BANDS, CHANNELS, PATCH, STRIDE, CELLS, POOL, PHONES = 40, 3, 10, 2, 64, 3, 61
PATCHES = (BANDS - PATCH) // STRIDE + 1


def of_patches(name, batch=32, steps=100):
    """Returns `train_on_batch` of LSTMs over patches, pooled, and a dense layer."""
    import keras
    import numpy as np

    from seqlayers import layers

    sequences = {"return_sequences": True}
    frames = keras.Input((None, BANDS, CHANNELS))
    pool = keras.layers.MaxPooling2D((1, POOL))
    if name == "patches":
        patch = {"patch_size": PATCH, "patch_stride": STRIDE, "pool_size": POOL}
        x = layers.ConvLSTMPatch(CELLS, **patch, **sequences)(frames)
    elif name == "folded":  # patches as rows of the batch, by hand
        starts = STRIDE * np.arange(PATCHES)
        bands = starts[:, None] + np.arange(PATCH)
        x = keras.ops.take(frames, bands, axis=2)  # [B, T, J, P, C]
        x = keras.ops.swapaxes(keras.ops.reshape(x, (batch, steps, PATCHES, -1)), 1, 2)
        x = keras.ops.reshape(x, (batch * PATCHES, steps, PATCH * CHANNELS))
        x = keras.layers.LSTM(CELLS, **sequences)(x)
        x = keras.ops.reshape(x, (batch, PATCHES, steps, CELLS))
        x = pool(keras.ops.swapaxes(x, 1, 2))
    elif name == "separate":
        parts = [frames[:, :, STRIDE * j : STRIDE * j + PATCH] for j in range(PATCHES)]
        parts = [keras.layers.Reshape((-1, PATCH * CHANNELS))(part) for part in parts]
        x = pool(keras.ops.stack([keras.layers.LSTM(CELLS, **sequences)(p) for p in parts], 2))
    else:
        convolution = keras.layers.Conv1D(CELLS, PATCH, strides=STRIDE, activation="relu")
        x = pool(keras.layers.TimeDistributed(convolution)(frames))
    x = keras.layers.Reshape((-1, PATCHES // POOL * CELLS))(x)
    if name == "convolution":
        x = keras.layers.LSTM(CELLS, **sequences)(x)
    model = keras.Model(frames, keras.layers.Dense(PHONES)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, BANDS, CHANNELS)).astype("float32")
    y = rng.integers(PHONES, size=(batch, steps))
    return lambda: model.train_on_batch(x, y)


def patch_contenders(batch, steps):
    names = {
        "ConvLSTMPatch": "patches",
        f"{PATCHES} keras.layers.LSTM": "separate",
        "keras.layers.LSTM, patches as rows": "folded",
        "TimeDistributed(Conv1D) + LSTM": "convolution",
    }
    size = {"batch": batch, "steps": steps}
    return {label: partial(of_patches, name, **size) for label, name in names.items()}


# Spectra of speech, 129 bins, coded by 200 units.

BINS, UNITS = 129, 200


def of_spectra(name, batch=10, steps=100, xla="auto", **kwargs):
    """Returns `train_on_batch` of a model that codes and decodes frames."""
    import keras
    import numpy as np

    from seqlayers import heads, models

    v = np.random.default_rng(0).normal(size=(batch, steps, BINS)).astype("float32")
    if name == "lstm":
        frames = keras.Input((None, BINS))
        code = keras.layers.LSTM(UNITS, return_sequences=True)(frames)
        model = keras.Model(frames, keras.layers.Dense(BINS)(code))
        model.compile("adam", "mse", jit_compile=xla)
        return lambda: model.train_on_batch(v, v)
    if name == "rbm":
        head = heads.ConditionalRBM(BINS, UNITS, 1, visibles="gaussian", seed=0)
        model = models.SequenceModel(None, head)
    else:
        model = {"lstbm": models.LSTBMModel, "trbm": models.TRBM}[name](BINS, UNITS, **kwargs)
    model.compile("adam", jit_compile=xla)
    return lambda: model.train_on_batch(v)


def machine():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":")[1].strip() for line in info if "model name" in line), "?")


PER_PRODUCT = 2 * FRAMES * V * H
TABLES = {
    "cd15": (
        f"CD-15 gradient step, {V} x {H}, {FRAMES} frames, biases of their own",
        {
            "seqlayers": partial(our_cd, 15),
            "seqlayers without XLA": partial(our_cd, 15, xla=False),
            "PyTorch, torch.bernoulli": partial(torch_cd, 15),
            "PyTorch, torch.rand < p": partial(torch_cd, 15, "rand"),
        },
        PER_PRODUCT * (3 + 2 * 15),
    ),
    "cd1": (
        f"CD-1 gradient step, {V} x {H}, {FRAMES} frames, biases of their own",
        {
            "seqlayers": partial(our_cd, 1),
            "seqlayers without XLA": partial(our_cd, 1, xla=False),
            "PyTorch, torch.bernoulli": partial(torch_cd, 1),
            "PyTorch, torch.rand < p": partial(torch_cd, 1, "rand"),
        },
        PER_PRODUCT * (3 + 2 * 1),
    ),
    "rbm_epoch": (
        f"RBM without time, `pretrain_head`: an epoch of {FRAMES} frames in hundreds, k = 1",
        {"seqlayers (CD-1)": our_rbm_epoch, "scikit-learn BernoulliRBM (PCD-1)": sklearn_rbm_epoch},
        PER_PRODUCT * 5,
    ),
    "rnn_rbm": (
        f"RNN-RBM train step with Adam, CD-15, {V} x {H}, 150 recurrent, 32 x 100 frames",
        {
            "seqlayers, train_on_batch": our_rnn_rbm_step,
            "seqlayers, train_on_batch without XLA": partial(our_rnn_rbm_step, xla=False),
            "PyTorch, torch.bernoulli": torch_rnn_rbm_step,
            "PyTorch, torch.rand < p": partial(torch_rnn_rbm_step, "rand"),
        },
        None,
    ),
    "ais": (
        f"log Z of {FRAMES} frames by AIS, {V} x {H}, 100 betas x 10 chains",
        {"seqlayers": our_ais},
        2 * PER_PRODUCT * 100 * 10,
    ),
    "sfm": (
        "SFM train step, 32 x 100 frames, about 139,000 weights with the output layer",
        {
            "SFM": partial(recurrent, "sfm"),
            "SFM, model compiled by XLA": partial(recurrent, "sfm", xla=True),
            "SFM, without XLA": partial(recurrent, "sfm", jit_compile=False),
            "AdaptiveSFM": partial(recurrent, "adaptive"),
            "keras.layers.RNN(SFMCell)": partial(recurrent, "cell"),
            "keras.layers.RNN(SFMCell), XLA": partial(recurrent, "cell", xla=True),
            "keras.layers.LSTM(139)": partial(recurrent, "lstm"),
            "keras.layers.LSTM(139), XLA": partial(recurrent, "lstm", xla=True),
            "keras.layers.GRU(164)": partial(recurrent, "gru"),
            "SFM of 50 units": partial(recurrent, "sfm 50"),
        },
        None,
    ),
    "sfm_forward": (
        "The same, forward only",
        {
            "SFM": partial(recurrent, "sfm", train=False),
            "SFM, jit_compile=True": partial(recurrent, "sfm", train=False, jit_compile=True),
            "keras.layers.RNN(SFMCell)": partial(recurrent, "cell", train=False),
            "keras.layers.LSTM(139)": partial(recurrent, "lstm", train=False),
            "keras.layers.GRU(164)": partial(recurrent, "gru", train=False),
        },
        None,
    ),
    "patches": (
        f"Train step over {PATCHES} patches of a frame, {CELLS} cells, 32 x 100 frames",
        patch_contenders(32, 100),
        None,
    ),
    "patches_chunks": (
        "The same in chunks of 15 frames, 20 at a time",
        patch_contenders(20, 15),
        None,
    ),
    "lstbm": (
        f"LSTBM train step, CD-1, {BINS} bins, {UNITS} units of each gate, 10 x 100 frames",
        {
            "LSTBMModel": partial(of_spectra, "lstbm"),
            "LSTBMModel, truncate=False": partial(of_spectra, "lstbm", truncate=False),
            'LSTBMModel, mode="sample"': partial(of_spectra, "lstbm", mode="sample"),
            "LSTBMModel without XLA": partial(of_spectra, "lstbm", xla=False),
            "TRBM": partial(of_spectra, "trbm"),
            "RBM": partial(of_spectra, "rbm"),
            "keras.layers.LSTM, Dense": partial(of_spectra, "lstm"),
            "keras.layers.LSTM, Dense, XLA": partial(of_spectra, "lstm", xla=True),
        },
        None,
    ),
    "sfm_steps": (
        "SFM train step over the number of frames, beside LSTM(139)",
        growth(("sfm", "lstm"), [(32, steps) for steps in (50, 25, 100, 200, 400, 800)]),
        None,
    ),
    "sfm_batch": (
        "SFM train step over the size of the batch, beside LSTM(139)",
        growth(("sfm", "lstm"), [(batch, 100) for batch in (32, 1, 8, 128, 256)]),
        None,
    ),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=TABLES)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.only)
