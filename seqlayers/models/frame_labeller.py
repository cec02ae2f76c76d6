"""A model that learns an expert's labels of the frames of recordings, and labels others."""

import os

import keras
import numpy as np

from seqlayers import audio
from seqlayers.audio.files import check_samples
from seqlayers.checks import check_integer, check_number, check_sequences
from seqlayers.datasets import labels as label_files
from seqlayers.models.label_features import Settings, features, usual_for
from seqlayers.models.label_network import LabelNetwork
from seqlayers.models.labelled_windows import check_targets, windows
from seqlayers.models.labelling import Labelled, best_labels, compared, confidences, runs

WINDOW = 768  # frames
MIN_DURATION, CHANGE = 0.006, 0.010  # seconds; those in which a change costs a nat a frame


@keras.saving.register_keras_serializable("seqlayers")
class FrameLabeller(LabelNetwork):
    """A recurrent network over log-mel features that gives each frame of a recording a label.

        p(y_t | x_1 .. x_T) = softmax(W h_t + b),   y_t = 0 .. N

    x are the normalised features of the frames and h the outputs of the network, one vector for
    each block of `frames_per_step` frames; a frame has rows of W of its own, by its place in the
    block. Class 0 is no label. The frames of a recording get their labels at once, see
    `seqlayers.models.labelling`, and runs of frames become labelled segments.

    The network of Cohen et al. is a convolution below a bidirectional LSTM; here an LSTM runs over
    each patch of the frequency axis instead. RESULTS.md compares both.

    Args:
        classes: The labels, a list of different strings.
        sample_rate: Samples per second of the sound. Sound of another rate is resampled.
        network: `"patches"`, an LSTM over each patch of bands and one above them, or `"sfm"`, a
            State-Frequency Memory.
        units: Number of units of the upper layer, in each direction.
        bidirectional: Whether a frame is labelled by the frames behind it, too. Without, `step`
            labels a stream.
        hop_length: Samples from the start of a frame to that of the next. If None, 1 ms; at sample
            rates below 20 kHz 10 ms, as suits speech.
        frame_length: Samples that the features of a frame are computed from. If None, 8 ms, or 25
            ms below 20 kHz.
        num_bands: Number of bands of the mel scale. The log energy is one more feature.
        low: Frequency in Hz at which the first band begins. If None, 300, or 20 below 20 kHz.
        frames_per_step: Number of frames that the network reads at once. If None, 4, or 1 below 20
            kHz.
        dropout: Rate of dropout after each layer.
        noise: Standard deviation of noise on normalised features in training.
        seed: Non-negative integer that noise and the windows of training are drawn from. Weights
            start from Keras's own seed, `keras.utils.set_random_seed`.
        **kwargs: `name` and `dtype`, as in `keras.Model`.

    Raises:
        ValueError: If an argument is invalid.

    Reference: Y. Cohen, D. Nicholson, A. Sanchioni, E. Mallaber, V. Skidanova and T. Gardner,
    Automated Annotation of Birdsong with a Neural Network that Segments Spectrograms, eLife 2022.

    Example:
        >>> labeller = FrameLabeller.from_labels("labelled", "labelled", epochs=2)
        >>> labelled = labeller.annotate("new.wav")
        >>> times, names = labelled.annotation.times, labelled.annotation.labels
    """

    def __init__(
        self,
        classes,
        sample_rate=32000,
        network="patches",
        units=48,
        bidirectional=True,
        hop_length: int | None = None,
        frame_length: int | None = None,
        num_bands=40,
        low: float | None = None,
        frames_per_step: int | None = None,
        dropout=0.2,
        noise=0.3,
        seed=0,
        **kwargs,
    ):
        settings = Settings.of(sample_rate, num_bands, hop_length, frame_length, low)
        if frames_per_step is None:
            frames_per_step = usual_for(settings.sample_rate).frames_per_step
        classes = _checked_classes(classes)
        super().__init__(
            settings.num_bands + 1,
            1 + len(classes),
            network,
            units,
            bidirectional,
            frames_per_step,
            dropout,
            noise,
            seed,
            **kwargs,
        )
        self.classes, self.settings = classes, settings

    @classmethod
    def from_labels(
        cls,
        recordings,
        labels,
        format: str | None = None,
        *,
        epochs=60,
        batch_size=4,
        window=WINDOW,
        learning_rate=3e-3,
        verbose: int | str = 0,
        **kwargs,
    ):
        """Trains a model on recordings and their label files.

        Args:
            recordings, labels, format: As in `datasets.labels.match`. Recordings without labels are
                left out.
            epochs: Number of epochs.
            batch_size, window: As in `dataset`.
            learning_rate: As in `optimizer_for`.
            verbose: As in `keras.Model.fit`.
            **kwargs: Arguments of the class. `classes` are all labels, and `sample_rate` is the
                lowest of the recordings, unless given.

        Returns:
            The trained model.

        Raises:
            LabelError, AudioError: If the files cannot be used, or labels end behind the end of
                their recording.
            ValueError: If another argument is invalid.
        """
        matched = label_files.match(recordings, labels, format)
        classes = sorted({label for each in matched.annotations for label in each.labels})
        rate = min(map(audio.sample_rate_of, matched.recordings))
        model = cls(**({"classes": classes, "sample_rate": rate} | kwargs))
        frames, targets = [], []
        for path, annotation, source in zip(
            matched.recordings, matched.annotations, matched.sources, strict=True
        ):
            label_files.check_duration(annotation, audio.duration_of(path), source)
            frames.append(model.frames(path))
            targets.append(model.targets(annotation, len(frames[-1])))
        model.adapt(frames)
        batches = model.dataset(frames, targets, batch_size, window=window)
        model.compile(model.optimizer_for(epochs * len(batches), learning_rate))
        model.fit(batches, epochs=epochs, verbose=verbose)
        return model

    @staticmethod
    def optimizer_for(num_steps, learning_rate=3e-3):
        """Returns Adam with clipped gradients and a rate that falls to a fiftieth by a cosine.

        Args:
            num_steps: Number of steps of the training.
            learning_rate: First learning rate.
        """
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, num_steps, alpha=0.02)
        return keras.optimizers.Adam(rate, global_clipnorm=1.0)

    def frames(self, sound, channel: int | str = "mean"):
        """Computes the features of the frames of a recording: log-mel bands and the log energy.

        Args:
            sound: Path of a sound file, an `audio.Sound` of one channel, or its samples `(N,)` at
                the sample rate of the model.
            channel: Channel of a file to take, counted from 0; `"mean"` for the mean of all.

        Returns:
            float32 array `(T, F)`, see `seqlayers.models.label_features`.

        Raises:
            AudioError: If a file has no samples or is damaged, see `audio.read`.
            ValueError: If another argument is invalid.
            OSError: If there is no such file or it cannot be opened.
        """
        if isinstance(sound, str | os.PathLike):
            path, sound = sound, audio.read(sound, self.sample_rate, channel)
            if not len(sound.samples):
                raise audio.AudioError("there are no samples", path)
        if not isinstance(sound, audio.Sound):
            sound = audio.Sound(sound, self.sample_rate)
        samples = check_samples(sound.samples, least=1)
        if sound.sample_rate != self.sample_rate:
            samples = audio.resample(samples, sound.sample_rate, self.sample_rate)
        return features(samples, self.settings)

    def targets(self, annotation, num_frames):
        """Returns the class of each frame: the label in which the middle of its hop lies, or 0.

        Where labels overlap, the one that starts last counts. A label in which no such middle lies
        has no frame.

        Args:
            annotation: `datasets.labels.Annotation`.
            num_frames: Number T of frames.

        Returns:
            int32 array `(T,)`.

        Raises:
            ValueError: If a label is not one of `classes`.
        """
        numbers = {label: n for n, label in enumerate(self.classes, start=1)}
        targets = np.zeros(check_integer("num_frames", num_frames), "int32")
        edges = np.ceil(annotation.times / self.settings.hop - 0.5).astype(int)
        for (start, end), label in zip(edges, annotation.labels, strict=True):
            if label not in numbers:
                raise ValueError(
                    "`annotation` must have no other labels than those of the model, "
                    f"{', '.join(map(repr, self.classes))}. Received: {label!r}."
                )
            targets[max(0, start) : max(0, end)] = numbers[label]
        return targets

    def dataset(
        self,
        frames,
        targets,
        batch_size=4,
        *,
        window=WINDOW,
        training=True,
        seed: int | None = None,
        first_epoch=0,
    ):
        """Makes a dataset of windows of recordings, for `fit` and `evaluate`.

        Args:
            frames: List of floats `(T, F)`, as `frames` returns them.
            targets: List of integers `(T,)`, as `targets` returns them.
            batch_size: Number B of windows of a batch.
            window: Number W of frames of a window; recordings that are shorter are masked.
            training: Whether each epoch moves the windows, by up to half of one, gives each a gain,
                by 6 dB in standard deviation, so that recordings may be quieter or louder, and has
                an order of its own, all drawn from the seed and the number of the epoch alone.
            seed: Non-negative integer; the model's if None.
            first_epoch: Number of the first epoch, as in `datasets.batches`.

        Returns:
            `tf.data.Dataset` of `((frames, mask), classes, weights)`: float32 `(B, W, F)`, bool
            `(B, W)`, int32 `(B, W)`, and float32 `(B, W)` that are 0 where there is no frame.

        Raises:
            ValueError: If an argument is invalid.
        """
        frames = check_sequences(frames, self.num_features, "frames")
        targets = check_targets(frames, targets, self.num_classes)
        seed = self.seed if seed is None else seed
        return windows(frames, targets, batch_size, window, training, seed, first_epoch)

    def annotate(
        self,
        recording,
        *,
        min_duration=MIN_DURATION,
        change_cost: float | None = None,
        channel: int | str = "mean",
    ):
        """Labels a recording.

        Args:
            recording: A recording, as in `frames`, or its features `(T, F)`.
            min_duration: Least duration of a segment in seconds.
            change_cost: Nats that a change of the label costs, from no label to one, too: the more,
                the fewer segments. If None, a nat for each frame in 10 ms.
            channel: As in `frames`.

        Returns:
            `Labelled(annotation, confidences, log_probs)`.

        Raises:
            AudioError, OSError: As in `frames`.
            ValueError: If an argument is invalid.
        """
        decoding = self._decoding(min_duration, change_cost)
        computed = isinstance(recording, np.ndarray) and recording.ndim == 2
        frames = recording if computed else self.frames(recording, channel)
        (log_probs,) = self.log_probs([frames])
        found = runs(best_labels(log_probs, **decoding))
        seconds = self.settings.hop
        annotation = label_files.Annotation(
            [[run.start * seconds, run.end * seconds] for run in found],
            [self.classes[run.label - 1] for run in found],
        )
        return Labelled(annotation, confidences(log_probs, found), log_probs)

    def score(
        self, frames, targets, *, min_duration=MIN_DURATION, change_cost: float | None = None
    ):
        """Compares the labels of recordings with those of an expert.

        Args:
            frames: List of floats `(T, F)`.
            targets: List of integers `(T,)`.
            min_duration, change_cost: As in `annotate`.

        Returns:
            `LabelScore(accuracy, log_prob, error_rate, num_frames, num_labels)`.

        Raises:
            ValueError: If an argument is invalid, or there is no label.
        """
        decoding = self._decoding(min_duration, change_cost)
        frames = check_sequences(frames, self.num_features, "frames")
        targets = check_targets(frames, targets, self.num_classes)
        log_probs = self.log_probs(frames)
        found = [best_labels(each, **decoding) for each in log_probs]
        return compared(log_probs, found, targets)

    def _decoding(self, min_duration, change_cost):
        """Returns the arguments of `best_labels`."""
        hop, seconds = self.settings.hop, check_number("min_duration", min_duration, least=0)
        cost = CHANGE / hop if change_cost is None else change_cost
        cost = check_number("change_cost", cost, least=0)
        return {"change_cost": cost, "min_frames": max(1, round(seconds / hop))}

    @property
    def sample_rate(self):
        """Samples per second of the sound that `frames` takes."""
        return self.settings.sample_rate

    def get_config(self):
        own = "network units bidirectional frames_per_step dropout noise seed".split()
        config = {name: getattr(self, name) for name in own} | {"classes": list(self.classes)}
        return super().get_config() | config | self.settings._asdict()


def _checked_classes(classes):
    given = list(classes) if isinstance(classes, list | tuple) else []
    if not given or len(set(given)) < len(given) or not all(isinstance(c, str) for c in given):
        raise ValueError(
            f"`classes` must be a list of different strings. Received: classes={classes!r}."
        )
    return given
