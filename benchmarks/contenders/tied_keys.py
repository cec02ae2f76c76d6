"""Contenders of `benchmarks/speed.py` with one network for all keys."""

V, H, FRAMES = 88, 128, 512
CONTEXT = 10 * V + 19  # of the default layout, and a position in the bar


def tied_nade(copies=False):
    """Loss and gradients; with `copies` of the window of each key, in place of those of 8 keys."""
    import numpy as np
    import tensorflow as tf
    from keras import ops

    from seqlayers import heads, sampling
    from seqlayers.heads import key_windows

    def read_copies(windows):
        rows, kernels = [], []
        for channels, first, kernel in windows:
            n = kernel.shape[1]
            padded = ops.pad(channels, [(0, 0), (0, 0), (-first, n)])
            rows.append(ops.stack([padded[..., k : k + V] for k in range(n)], axis=-1))
            kernels.append(ops.reshape(kernel, (-1, kernel.shape[-1])))
        rows = [ops.reshape(ops.moveaxis(r, 1, 2), (-1, V, r.shape[1] * r.shape[3])) for r in rows]
        return ops.matmul(ops.concatenate(rows, axis=-1), ops.concatenate(kernels))

    if copies:
        key_windows.read_windows = read_copies
    head = heads.TiedNADE(V, (H, 32), seed=0)
    head.build([(None, None, V), (None, None, CONTEXT)])
    rng = np.random.default_rng(0)
    v, context = (
        tf.constant((rng.random((4, FRAMES // 4, size)) < 0.045).astype("float32"))
        for size in (V, CONTEXT)
    )

    def step():
        seeds = sampling.row_seeds(sampling.seed_pair(0), 4)
        with tf.GradientTape() as tape:
            loss = head.loss(v, context, seed=seeds, training=True)
        return tape.gradient(loss, head.trainable_variables)

    step = tf.function(step, jit_compile=True, autograph=False)
    return lambda: [g.numpy() for g in step()]


def draws(sequences=4, steps=200):
    """Draws of a model, each frame key by key, after the first call has compiled it."""
    from seqlayers import heads, layers, models

    memory = layers.Joined([layers.FrameHistory(), layers.Position(16, pass_inputs=False)])
    model = models.SequenceModel(memory, heads.TiedNADE(V, (H, 32), seed=0))
    return lambda: model.generate(steps, num_sequences=sequences, seed=1)
