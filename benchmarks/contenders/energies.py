"""Contenders of `benchmarks/speed.py` that learn or measure an energy."""

from benchmarks import race

V, H, FRAMES = 88, 150, 3200  # JSB Chorales in the sizes of the RNN-RBM paper; 32 x 100 frames


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

    torch.set_num_threads(race.THREADS)
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

    torch.set_num_threads(race.THREADS)
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
