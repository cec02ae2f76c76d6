"""Makes the `.keras` files of a version: `PYTHONPATH=. python tests/goldens/make.py FOLDER`.

It was run once with the version that the folder is named after, and writes beside the files the
scores, draws and outputs of their models. `tests/test_goldens.py` loads them with the code of now.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from seqlayers import heads, layers

V, H = 6, 4


def frames(seed=0, binary=True):
    """Frames `(3, 7, V)`."""
    rng = np.random.default_rng(seed)
    x = rng.random((3, 7, V)) < 0.4 if binary else np.abs(rng.normal(size=(3, 7, V))) + 0.1
    return x.astype("float32")


def sequence_models():
    """Models of sequences by name, each with whether its frames are binary."""
    from seqlayers import models  # here, since they need Keras on TensorFlow

    cells = [layers.TanhGatedCell(3, "sigmoid"), layers.SFMCell(3, num_frequencies=2)]
    yield "rnn_rbm", True, models.RNNRBM(V, H, 3, gibbs_steps=2, seed=1)
    yield "rnn_nade", True, models.RNNNADE(V, H, 3, orderless=True, num_orders=2, seed=2)
    yield "rnn_dbn", True, models.RNNDBN(V, (H, 3), 3, gibbs_steps=2, seed=3)
    contrastive = models.RNNDBN(V, (H, H, 3), 3, gibbs_steps=2, objective="contrastive", seed=4)
    yield "rnn_dbn_contrastive", True, contrastive
    yield "for_spectrograms", False, models.RNNRBM.for_spectrograms(V, H, 3, gibbs_steps=2, seed=5)
    yield "lstbm", False, models.LSTBMModel(V, H, variant="lstm", seed=6)
    yield "rtrbm", True, models.RTRBM(V, H, gibbs_steps=2, centering_rate=0.05, seed=7)
    yield "trbm", True, models.TRBM(V, H, gibbs_steps=2, seed=8)
    yield "stack", True, models.SequenceModel(cells, heads.BernoulliHead(V, seed=9), 0.1)
    chains = heads.ConditionalRBM(V, H, 2, persistent_chains=5, seed=10)
    yield "rbm", True, models.SequenceModel(None, chains)
    gamma = heads.ConditionalRBM(V, H, 2, "gamma", seed=11)
    yield "rbm_gamma", False, models.SequenceModel(None, gamma)


def graph():
    """A functional model with every recurrent layer."""
    x = keras.Input((None, V))
    outputs = [
        layers.SFM(3, num_frequencies=2)(x),
        layers.SFM(3, num_frequencies=2, variant="stock", learn_frequencies=True)(x),
        layers.AdaptiveSFM(3, num_frequencies=2, phase="accumulated")(x),
        layers.PeepholeLSTM(3, projection_units=2)(x),
        layers.ConvLSTMPatch(2, patch_size=2, patch_stride=1, pool_size=2, flatten=True)(x),
        layers.TanhGated(3)(x),
        layers.LSTBM(3)(x),
        layers.BoltzmannRNN(3)(x),
        keras.layers.Bidirectional(layers.SFM(2, num_frequencies=3))(x),
    ]
    seen = layers.Delay()(layers.SFM(3, num_frequencies=2, return_sequences=True)(x))
    head = heads.ConditionalRBM(V, H, 2, seed=12)([x, seen])
    return keras.Model(x, [*outputs, head])


def main(folder):
    folder.mkdir(parents=True)
    answers = {}
    for number, (name, binary, model) in enumerate(sequence_models()):
        keras.utils.set_random_seed(number)
        rng = np.random.default_rng(number)
        model.set_weights([w + rng.normal(scale=0.3, size=w.shape) for w in model.get_weights()])
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
        x = frames(number, binary)
        model.fit(list(x), epochs=1, batch_size=2, verbose=0)
        model.save(folder / f"{name}.keras")
        answers[f"{name}.score"] = model.score(list(x), batch_size=3).nats
        answers[f"{name}.generate"] = model.generate(num_steps=5, num_sequences=2, seed=3)
    keras.utils.set_random_seed(99)
    model = graph()
    model.save(folder / "graph.keras")
    for number, output in enumerate(model(frames())):
        answers[f"graph.{number}"] = np.array(output)
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
