"""A model that learns an expert's labels of the frames of recordings, and labels others."""

import os
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from seqlayers import audio, metrics
from seqlayers.audio.files import check_samples
from seqlayers.checks import check_choice, check_flag, check_integer, check_number, check_sequences
from seqlayers.datasets import labels as label_files
from seqlayers.datasets.batching import Place, pad
from seqlayers.models.fitting import with_fitting
from seqlayers.models.labelled_windows import check_targets, windows
from seqlayers.models.labeller_networks import NETWORKS
from seqlayers.models.labelling import Labelled, best_labels, confidences, runs

WINDOW = 384  # frames
AT_ONCE = 8  # recordings, in scoring


class LabelScore(NamedTuple):
    """Agreement of the labels of a model with those of an expert.

    Attributes:
        accuracy: Share of frames whose label is the right one.
        log_prob: Mean log-probability of the right label of a frame, in nats.
        error_rate: Edits per label of the recordings: the syllable or phone error rate.
        frames: Number of frames.
        labels: Number of labels.
    """

    accuracy: float
    log_prob: float
    error_rate: float
    frames: int
    labels: int


@keras.saving.register_keras_serializable("seqlayers")
class FrameLabeller(keras.Model):
    """Labels of frames, by a recurrent network over log-mel features.

        p(y_t | x_1 .. x_T) = softmax(W h_t + b),   h = network(x),   y_t = 0 .. N

    Class 0 is no label. Feature x_t is the log power of bands of the mel scale, around the samples
    t H .. t H + H - 1 with hop H. The network reads blocks of `frames_per_step` frames.

    Args:
        classes: Labels, a list of different strings.
        sample_rate: Samples per second of the sound. Files of another rate are resampled.
        network: `"patches"`, an LSTM over each patch of the frequency axis and one above them, or
            `"sfm"`, a State-Frequency Memory.
        units: Number of units of the upper layer, in each direction.
        bidirectional: Whether the network reads the frames after a frame, too. Without, `step`
            labels a stream.
        hop_length: Samples H from frame to frame; 1 ms if None.
        frame_length: Samples that the features of a frame are computed from; 8 ms if None.
        num_bands: Number of bands.
        low: Lower end of the bands, in Hz.
        frames_per_step: Number of frames of a block.
        dropout: Rate of dropout after each layer of the network.
        noise: Standard deviation of noise on normalised features, in training.
        seed: Non-negative integer that initial weights and the order of windows are drawn from.

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(
        self,
        classes,
        sample_rate=32000,
        network="patches",
        units=48,
        bidirectional=True,
        hop_length=None,
        frame_length=None,
        num_bands=40,
        low=300.0,
        frames_per_step=4,
        dropout=0.2,
        noise=0.3,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.classes = _check_classes(classes)
        self.sample_rate = check_integer("sample_rate", sample_rate)
        self.network = check_choice("network", network, NETWORKS)
        self.units = check_integer("units", units)
        self.bidirectional = check_flag("bidirectional", bidirectional)
        rate = self.sample_rate
        hop = max(1, round(0.001 * rate)) if hop_length is None else hop_length
        length = max(1, round(0.008 * rate)) if frame_length is None else frame_length
        self.hop_length = check_integer("hop_length", hop)
        self.frame_length = check_integer("frame_length", length, least=self.hop_length)
        self.num_bands = check_integer("num_bands", num_bands)
        self.low = check_number("low", low, least=0)
        self.frames_per_step = check_integer("frames_per_step", frames_per_step)
        self.dropout = check_number("dropout", dropout, least=0, below=1)
        self.noise = check_number("noise", noise, least=0)
        self.seed = check_integer("seed", seed, least=0)
        self.hidden = NETWORKS[self.network](self.units, self.bidirectional, self.dropout)
        self.noisy = keras.layers.GaussianNoise(self.noise, seed=self.seed)
        self.logits = keras.layers.Dense(self.frames_per_step * self.num_classes)
        self.build((None, None, self.num_features))

    @property
    def num_classes(self):
        """Number of classes, no label included."""
        return 1 + len(self.classes)

    @property
    def num_features(self):
        return self.num_bands + 1

    def build(self, input_shape=None):
        if self.built:
            return
        F = self.num_features
        for name, value in (("shift", "zeros"), ("divisor", "ones")):
            weight = self.add_weight(
                name=name, shape=(F,), initializer=value, trainable=False, dtype="float32"
            )
            setattr(self, name, weight)
        shape = (None, None, F, self.frames_per_step)
        for layer in self.hidden:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.logits.build(shape)
        self.built = True

    def adapt(self, frames):
        """Sets the normalisation of the features to that of training data: mean 0, variance 1.

        Args:
            frames: List of floats `(T, F)`, as `frames` returns them.
        """
        normalizer = audio.Normalizer.fit(check_sequences(frames, self.num_features, "frames"))
        self.shift.assign(normalizer.shift)
        self.divisor.assign(normalizer.divisor)

    # Features and targets.

    def frames(self, sound, channel: int | str = "mean"):
        """Computes the features of a recording.

        Args:
            sound: Path of a sound file, an `audio.Sound`, or samples `(N,)` at the model's rate.
            channel: Channel of a file, as in `audio.read`.

        Returns:
            float32 array `(T, F)`, with T = ceil(N / H): frame t is centred on the samples
            t H .. t H + H - 1, and the sound is mirrored at both ends.

        Raises:
            AudioError: If a file cannot be read or has no samples.
            ValueError: If samples are invalid, or none.
        """
        if isinstance(sound, str | os.PathLike):
            path, sound = sound, audio.read(sound, self.sample_rate, channel)
            if not len(sound.samples):
                raise audio.AudioError("there are no samples", path)
        if isinstance(sound, audio.Sound):
            samples, rate = sound.samples, sound.sample_rate
            sound = (
                samples
                if rate == self.sample_rate
                else audio.resample(samples, rate, self.sample_rate)
            )
        samples = check_samples(sound, least=1)
        L, H = self.frame_length, self.hop_length
        missing = -len(samples) % H
        before = (L - H) // 2
        # Mirrored: features of zeros would be far from all others.
        samples = np.pad(samples, (before, L - H - before + missing), "symmetric")
        return audio.log_mel(
            samples,
            self.sample_rate,
            self.num_bands,
            frame_length=L,
            hop_length=H,
            low=self.low,
        )

    def targets(self, annotation, num_frames):
        """Returns the class of each frame: that of the label in which the middle of its hop lies.

        Where labels overlap, the one that starts later counts.

        Args:
            annotation: `datasets.labels.Annotation`.
            num_frames: Number T of frames.

        Returns:
            int32 array `(T,)`; 0 where there is no label.

        Raises:
            ValueError: If a label is not in `classes`.
        """
        numbers = {label: n for n, label in enumerate(self.classes, start=1)}
        T = check_integer("num_frames", num_frames)
        targets = np.zeros(T, "int32")
        edges = np.ceil(annotation.times * (self.sample_rate / self.hop_length) - 0.5).astype(int)
        for (start, end), label in zip(edges, annotation.labels, strict=True):
            if label not in numbers:
                raise ValueError(
                    f"`annotation` must have labels among the classes of the model, "
                    f"{', '.join(map(repr, self.classes))}. Received: {label!r}."
                )
            targets[max(0, start) : max(0, end)] = numbers[label]
        return targets

    def dataset(
        self,
        frames,
        targets,
        batch_size=8,
        *,
        window=WINDOW,
        training=True,
        seed=None,
        first_epoch=0,
        augment=None,
    ):
        """Makes a dataset of windows for `fit`; see `labelled_windows.windows`.

        Args:
            frames: List of floats `(T, F)`.
            targets: List of integers `(T,)`.
            batch_size: Number of windows of a batch.
            window: Number of frames of a window.
            training: Whether windows are drawn anew in each epoch.
            seed: Seed of the draws; that of the model if None.
            first_epoch: Number of the first epoch, as in `datasets.batches`.
            augment: Function of frames and a `numpy.random.Generator` that returns frames.

        Returns:
            `tf.data.Dataset` of `((frames, mask), targets, weights)`.
        """
        frames = check_sequences(frames, self.num_features, "frames")
        seed = self.seed if seed is None else seed
        options = {"training": training, "seed": seed, "first_epoch": first_epoch}
        return windows(frames, targets, batch_size, window, augment=augment, **options)

    # The network.

    def call(self, inputs, training=False):
        """Returns log-probabilities `(batch, time, classes)`; inputs are frames, or with a mask."""
        frames, mask = inputs if isinstance(inputs, tuple | list) else (inputs, None)
        time, r = ops.shape(frames)[1], self.frames_per_step
        missing = -time % r
        x = self._normalized(frames, mask)
        x = ops.pad(x, [(0, 0), (0, missing), (0, 0)])
        x = self._blocks(self.noisy(x, training=training))
        if mask is not None:
            mask = ops.pad(ops.cast(mask, "bool"), [(0, 0), (0, missing)])
            mask = ops.any(ops.reshape(mask, (ops.shape(mask)[0], -1, r)), axis=-1)
        for layer in self.hidden:
            more = {"mask": mask} if _is_recurrent(layer) else {}
            x = layer(x, training=training, **more) if _takes_training(layer) else layer(x)
        return self._log_probs(x)[:, :time]

    def _normalized(self, frames, mask=None):
        x = (frames - self.shift) / self.divisor
        return x if mask is None else ops.where(ops.cast(mask, "bool")[..., None], x, 0)

    def _blocks(self, x):
        """Returns `(batch, steps, bands, frames_per_step)`."""
        x = ops.reshape(x, (ops.shape(x)[0], -1, self.frames_per_step, self.num_features))
        return ops.transpose(x, (0, 1, 3, 2))

    def _log_probs(self, x):
        logits = self.logits(x)
        logits = ops.reshape(logits, (ops.shape(x)[0], -1, self.num_classes))
        return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)

    def initial_state(self, batch_size=1):
        """Returns the state of `step` before the first frame."""
        self._check_streams()
        return [
            layer.cell.get_initial_state(batch_size)
            for layer in self.hidden
            if _is_recurrent(layer)
        ]

    def step(self, frames, state):
        """Labels the next block of frames of a stream.

        Args:
            frames: Features of the next frames, `(batch, frames_per_step, F)`.
            state: The state before them, as `initial_state` or `step` returned it.

        Returns:
            Log-probabilities `(batch, frames_per_step, classes)`, and the next state.

        Raises:
            ValueError: If the model is bidirectional.
        """
        self._check_streams()
        x, state, after = self._blocks(self._normalized(frames)), list(state), []
        x = x[:, 0]
        for layer in self.hidden:
            if _is_recurrent(layer):
                x, own = layer.cell(x, state.pop(0))
                after.append(own)
            else:
                x = layer(x[:, None])[:, 0]
        return self._log_probs(x[:, None]), after

    def _check_streams(self):
        if self.bidirectional:
            raise ValueError(
                "`bidirectional` must be False in a model that labels a stream. "
                "Received: bidirectional=True."
            )

    # Training and labels.

    def compile(self, optimizer=None, loss=None, weighted_metrics=None, **kwargs):
        """Configures training, as in `keras.Model`.

        Args:
            optimizer: Adam with a clipped gradient if None.
            loss: Cross-entropy if None.
            weighted_metrics: `metrics.FrameAccuracy` if None.
            **kwargs: The rest of `keras.Model.compile`.
        """
        optimizer = (
            keras.optimizers.Adam(3e-3, global_clipnorm=1.0) if optimizer is None else optimizer
        )
        loss = (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss is None else loss
        )
        if weighted_metrics is None:
            weighted_metrics = [metrics.FrameAccuracy()]
        super().compile(optimizer, loss, weighted_metrics=weighted_metrics, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x, *args, callbacks=None, initial_epoch=0, **kwargs):
        """Trains, as in `keras.Model`, on batches of `dataset`."""
        place = Place.of(x) if hasattr(x, "_inputs") else None
        batches = place.num_batches if place is not None else None
        callbacks = with_fitting(self, callbacks, place, initial_epoch, batches)
        options = {"callbacks": callbacks, "initial_epoch": initial_epoch, "shuffle": False}
        return super().fit(x, *args, **(kwargs | options))

    def log_probs(self, frames):
        """Computes the log-probabilities of the classes of each frame.

        Args:
            frames: List of floats `(T, F)`.

        Returns:
            List of float32 arrays `(T, 1 + classes)`, in nats.
        """
        frames = check_sequences(frames, self.num_features, "frames")
        order = np.argsort([-len(each) for each in frames], kind="stable")
        found: list[Any] = [None] * len(frames)
        for k in range(0, len(order), AT_ONCE):
            own = order[k : k + AT_ONCE]
            padded = pad([frames[n] for n in own])
            for n, each in zip(own, self.predict_on_batch(padded), strict=True):
                found[n] = each[: len(frames[n])]
        return found

    def score(self, frames, targets, **decoding):
        """Compares labels with those of an expert.

        Args:
            frames: List of floats `(T, F)`.
            targets: List of integers `(T,)`.
            **decoding: `change_cost` and `min_duration`, as in `annotate`.

        Returns:
            `LabelScore`.
        """
        frames = check_sequences(frames, self.num_features, "frames")
        targets = check_targets(frames, targets)
        log_probs = self.log_probs(frames)
        right = total = 0.0
        references, found = [], []
        for own, y in zip(log_probs, targets, strict=True):
            decoded = self._decode(own, **decoding)
            right += np.sum(decoded == y)
            total += np.take_along_axis(own, y[:, None], axis=1).sum(dtype="float64")
            references.append([run.label for run in runs(y)])
            found.append([run.label for run in runs(decoded)])
        number = sum(map(len, frames))
        rate = metrics.phone_error_rate(references, found)
        return LabelScore(
            float(right / number), float(total / number), rate, number, sum(map(len, references))
        )

    def annotate(
        self, recording, *, min_duration=0.006, change_cost=3.0, channel: int | str = "mean"
    ):
        """Labels a recording.

        Args:
            recording: A recording, as in `frames`, or its features `(T, F)`.
            min_duration: Least duration of a label in seconds.
            change_cost: Nats that a change of the label must win.
            channel: Channel of a file.

        Returns:
            `Labelled(annotation, confidences, log_probs)`.
        """
        if isinstance(recording, np.ndarray) and recording.ndim == 2:
            frames = recording
        else:
            frames = self.frames(recording, channel)
        (log_probs,) = self.log_probs([frames])
        found = runs(self._decode(log_probs, min_duration, change_cost))
        seconds = self.hop_length / self.sample_rate
        annotation = label_files.Annotation(
            [[run.start * seconds, run.end * seconds] for run in found],
            [self.classes[run.label - 1] for run in found],
        )
        return Labelled(annotation, confidences(log_probs, found), log_probs)

    def _decode(self, log_probs, min_duration=0.006, change_cost=3.0):
        seconds = check_number("min_duration", min_duration, least=0)
        least = max(1, round(seconds * self.sample_rate / self.hop_length))
        return best_labels(log_probs, change_cost, least)

    @classmethod
    def from_labels(
        cls,
        recordings,
        labels,
        format=None,
        *,
        epochs=30,
        tier=None,
        column=None,
        channel=None,
        **kwargs,
    ):
        """Trains a model on recordings and their label files.

        Args:
            recordings, labels, format, tier, column, channel: As in `datasets.labels.match`.
            epochs: Number of epochs.
            **kwargs: Arguments of the class. `classes` are all labels, and `sample_rate` is the
                lowest of the recordings, unless given.

        Returns:
            The trained model.
        """
        matched = label_files.match(
            recordings, labels, format, tier=tier, column=column, channel=channel
        )
        classes = sorted({label for each in matched.annotations for label in each.labels})
        rate = min(map(audio.sample_rate_of, matched.recordings))
        model = cls(**{"classes": classes, "sample_rate": rate} | kwargs)
        frames = [model.frames(path) for path in matched.recordings]
        targets = [
            model.targets(a, len(x)) for a, x in zip(matched.annotations, frames, strict=True)
        ]
        model.adapt(frames)
        model.compile()
        model.fit(model.dataset(frames, targets), epochs=epochs, verbose=0)
        return model

    def get_config(self):
        names = "classes sample_rate network units bidirectional hop_length frame_length num_bands"
        names += " low frames_per_step dropout noise seed"
        return super().get_config() | {name: getattr(self, name) for name in names.split()}


def _is_recurrent(layer):
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)


def _takes_training(layer):
    return _is_recurrent(layer) or isinstance(layer, keras.layers.Dropout)


def _check_classes(classes):
    given = list(classes) if isinstance(classes, list | tuple) else []
    if not given or len(set(given)) < len(given) or not all(isinstance(c, str) for c in given):
        raise ValueError(
            f"`classes` must be a list of different strings. Received: classes={classes!r}."
        )
    return given
