"""A recurrent network from the features of frames to log-probabilities of their classes."""

from typing import Any

import keras
import numpy as np
from keras import ops

from seqlayers import audio, metrics
from seqlayers.checks import check_choice, check_flag, check_integer, check_number, check_sequences
from seqlayers.datasets.batching import Place, ladder, pad
from seqlayers.export.saved_model import check_format, export
from seqlayers.models.fitting import with_fitting
from seqlayers.models.label_layers import NETWORKS

PIECE, MARGIN = 2**12, 2**9  # frames of long recordings that are read at once, and around them
AT_ONCE = 4  # pieces of a batch


class LabelNetwork(keras.Model):
    """A network over blocks of neighbouring frames, from normalised features to log-probabilities.

    Args:
        num_features: Number F of features of a frame.
        num_classes: Number C of classes.
        network, units, bidirectional, frames_per_step, dropout, noise, seed: As in `FrameLabeller`.

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(
        self,
        num_features,
        num_classes,
        network,
        units,
        bidirectional,
        frames_per_step,
        dropout,
        noise,
        seed,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_features, self.num_classes = num_features, num_classes
        self.network = check_choice("network", network, NETWORKS)
        self.units = check_integer("units", units)
        self.bidirectional = check_flag("bidirectional", bidirectional)
        self.frames_per_step = check_integer("frames_per_step", frames_per_step)
        self.dropout = check_number("dropout", dropout, least=0, below=1)
        self.noise = check_number("noise", noise, least=0)
        self.seed = check_integer("seed", seed, least=0)
        self.noisy = keras.layers.GaussianNoise(self.noise, seed=self.seed)
        self.hidden = self.hidden_layers()
        self.logits = keras.layers.Dense(self.frames_per_step * num_classes)
        self.build()

    def hidden_layers(self):
        """Returns the layers between a block of frames and the logits of its frames."""
        block = self.num_features, self.frames_per_step
        return NETWORKS[self.network](*block, self.units, self.bidirectional, self.dropout)

    def build(self, input_shape=None):
        if self.built:
            return
        for name, value in (("shift", "zeros"), ("divisor", "ones")):
            options = {"initializer": value, "trainable": False, "dtype": "float32"}
            setattr(self, name, self.add_weight((self.num_features,), name=name, **options))
        shape = (None, None, self.num_features, self.frames_per_step)
        for layer in self.hidden:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.logits.build(shape)
        self.built = True

    def adapt(self, frames):
        """Sets the normalisation of features: mean 0 and variance 1 over these frames.

        Args:
            frames: List of floats `(T, F)`, those to train on.

        Raises:
            ValueError: If they are not such arrays.
        """
        normalizer = audio.Normalizer.fit(check_sequences(frames, self.num_features, "frames"))
        self.shift.assign(normalizer.shift)
        self.divisor.assign(normalizer.divisor)

    def call(self, inputs, training=False):
        """Returns log-probabilities `(batch, T, C)`.

        Args:
            inputs: Frames `(batch, T, F)`, or a pair of these and a mask, bool `(batch, T)`.
            training: Whether to apply noise and dropout.
        """
        frames, mask = inputs if isinstance(inputs, tuple | list) else (inputs, None)
        time, r = ops.shape(frames)[1], self.frames_per_step
        x = self._normalized(frames)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            x = ops.where(mask[..., None], x, 0)
            mask = ops.pad(mask, [(0, 0), (0, -time % r)])
            mask = ops.any(ops.reshape(mask, (ops.shape(mask)[0], -1, r)), axis=-1)
        x = self._in_blocks(
            ops.pad(self.noisy(x, training=training), [(0, 0), (0, -time % r), (0, 0)])
        )
        for layer in self.hidden:
            options = {"mask": mask} if is_recurrent(layer) else {}
            x = layer(x, training=training, **options)
        return self._log_probs(x)[:, :time]

    def compute_output_shape(self, input_shape):
        batch, time = (input_shape[0] if isinstance(input_shape[0], tuple) else input_shape)[:2]
        return batch, time, self.num_classes

    def _normalized(self, frames):
        return (frames - self.shift) / self.divisor

    def _in_blocks(self, x):
        """Returns `(batch, blocks, F, frames_per_step)` of `(batch, time, F)`."""
        x = ops.reshape(x, (ops.shape(x)[0], -1, self.frames_per_step, self.num_features))
        return ops.transpose(x, (0, 1, 3, 2))

    def _log_probs(self, x):
        """Returns `(batch, time, C)` of `(batch, blocks, units)`."""
        logits = ops.reshape(self.logits(x), (ops.shape(x)[0], -1, self.num_classes))
        return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)

    # Streams.

    def initial_state(self, batch_size=1):
        """Returns the state of `step` before the first frame.

        Args:
            batch_size: Number of streams.

        Raises:
            ValueError: If the model is bidirectional.
        """
        self._check_streams()
        layers = filter(is_recurrent, self.hidden)
        return [layer.cell.get_initial_state(batch_size) for layer in layers]

    def step(self, frames, state):
        """Computes the log-probabilities of the next frames of a stream.

        Args:
            frames: Their features, `(batch, frames_per_step, F)`.
            state: The state before them, as `initial_state` or `step` returned it.

        Returns:
            Log-probabilities `(batch, frames_per_step, C)`, and the next state.

        Raises:
            ValueError: If the model is bidirectional.
        """
        self._check_streams()
        x, states, after = self._in_blocks(self._normalized(frames)), iter(state), []
        for layer in self.hidden:
            if is_recurrent(layer):
                output, own = layer.cell(x[:, 0], next(states))
                x = output[:, None]
                after.append(own)
            else:
                x = layer(x, training=False)
        return self._log_probs(x), after

    def _check_streams(self):
        if self.bidirectional:
            raise ValueError(
                "`bidirectional` must be False in a model that reads a stream. "
                "Received: bidirectional=True."
            )

    # Training.

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, weighted_metrics: Any = None, **kwargs
    ):
        """Configures training, as in `keras.Model`.

        Args:
            optimizer: A Keras optimizer or its name.
            loss: Cross-entropy if None.
            weighted_metrics: `metrics.FrameAccuracy` if None.
            **kwargs: The rest of `keras.Model.compile`.
        """
        loss = (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss is None else loss
        )
        own = [metrics.FrameAccuracy()] if weighted_metrics is None else weighted_metrics
        super().compile(optimizer, loss, weighted_metrics=own, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x, *, callbacks=None, initial_epoch=0, **kwargs):
        """Trains on batches of `dataset`, as in `keras.Model`.

        Args:
            x: The dataset. Each epoch has an order and windows of its own, those of the epoch that
                a callback such as `BackupAndRestore` resumes, too.
            callbacks: Keras callbacks.
            initial_epoch: Number of epochs already trained.
            **kwargs: The rest of `keras.Model.fit`: `epochs`, `validation_data`, `verbose`, ...

        Returns:
            A `keras.callbacks.History`.
        """
        place = Place.of(x) if hasattr(x, "_inputs") else None
        num_batches = place.num_batches if place else None
        callbacks = with_fitting(self, callbacks, place, initial_epoch, num_batches)
        options = {"callbacks": callbacks, "initial_epoch": initial_epoch, "shuffle": False}
        return super().fit(x, **(kwargs | options))

    def export(self, path, format="tf_saved_model"):
        """Writes a SavedModel that is served without this package, see `seqlayers.export`.

        Args:
            path: Folder to make, by convention `<name>/<version>`; it must not exist yet.
            format: `"tf_saved_model"`, the only format that has all endpoints.

        Returns:
            The path.

        Raises:
            FileExistsError: If there is something at `path`.
            ValueError: If `format` is another, or weights are not finite.
        """
        check_format(format)
        return export(self, path)

    def log_probs(self, frames):
        """Computes the log-probabilities of the classes of each frame.

        Recordings of more than 4,096 frames are read in pieces, with 512 frames around each.

        Args:
            frames: List of floats `(T, F)`.

        Returns:
            List of float32 arrays `(T, C)`, in nats.

        Raises:
            ValueError: If `frames` are not such arrays.
        """
        frames = check_sequences(frames, self.num_features, "frames")
        found = [np.empty((len(each), self.num_classes), "float32") for each in frames]
        pieces = [
            (n, start, max(0, start - MARGIN))
            for n, each in enumerate(frames)
            for start in range(0, len(each), PIECE)
        ]
        pieces.sort(key=lambda piece: piece[2] - len(frames[piece[0]]))
        lengths = ladder(PIECE + 2 * MARGIN)  # all batches have one of few shapes
        for k in range(0, len(pieces), AT_ONCE):
            own = pieces[k : k + AT_ONCE]
            parts = [frames[n][first : start + PIECE + MARGIN] for n, start, first in own]
            parts += parts[:1] * (AT_ONCE - len(own))
            length = lengths[np.searchsorted(lengths, max(map(len, parts)))]
            computed = self.predict_on_batch(pad(parts, length))
            for (n, start, first), each in zip(own, computed, strict=False):
                target = found[n][start : start + PIECE]
                target[:] = each[start - first :][: len(target)]
        return found


def is_recurrent(layer):
    """Returns whether a layer reads one block after another, and so has states and takes a mask."""
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)
