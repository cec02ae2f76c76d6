"""Monitors: callbacks that measure a model every few epochs and add numbers to the logs."""

import keras
import numpy as np

from seqlayers.checks import check_integer
from seqlayers.metrics import (
    hidden_activity,
    log_spectral_distance,
    long_term_spectrum,
    modulation_spectrum,
    pieces,
    precision_recall,
)
from seqlayers.models import SequenceModel
from seqlayers.models.inputs import as_dataset, as_pair
from seqlayers.models.likelihood import likelihood


class Monitor(keras.callbacks.Callback):
    """A callback that measures something every few epochs and adds it to the logs.

    A subclass defines `look`, and may refuse a model in `check_model`.

    Args:
        every: Number of epochs from one look to the next. Epochs are counted from 1, in resumed
            runs as well; the first look is after epoch `every`.
    """

    def __init__(self, every=1):
        super().__init__()
        self.every = check_integer("every", every)

    def look(self):
        """Returns a dictionary of numbers for the logs."""
        raise NotImplementedError

    def check_model(self):
        """Raises a ValueError if this monitor cannot measure `self.model`."""

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, SequenceModel):
            raise ValueError(
                f"`{type(self).__name__}` watches a `SequenceModel`. Received: a model of class "
                f"{type(self.model).__name__}."
            )
        self.check_model()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0 and logs is not None:
            logs.update(self.look())

    def _check_head(self, wanted, of_head):
        if not of_head:
            raise ValueError(
                f"`{type(self).__name__}` needs a head with {wanted}. "
                f"Received: a model with head={self.model.head!r}."
            )


class LikelihoodBracket(Monitor):
    """The log-likelihood in nats per frame from both sides.

    Adds `log_likelihood_above`, an estimate by annealing that is too high on average, and
    `log_likelihood_below`, an estimate by reverse annealing that is too low on average. If the
    first is the lower one, the annealing is too short. With an exact head the two are equal.

    Args:
        x: Sequences, as in `fit`.
        every: Number of epochs from one look to the next. Annealing costs more than an epoch.
        batch_size: Number of sequences in a batch.
        seed: Integer that the draws start from, the same at each look.
    """

    def __init__(self, x, every=10, batch_size=32, seed=0):
        super().__init__(every)
        self.x, self.batch_size, self.seed = x, batch_size, seed

    def check_model(self):
        head = self.model.head
        self._check_head(
            "an exact likelihood or estimates of it from both sides",
            head.kind == "exact" or head.has_reverse,
        )

    def look(self):
        score = likelihood(self.model, self.x, None, self.batch_size, self.seed, bracket=True)
        below = score.nats if score.reverse_nats is None else score.reverse_nats
        return {"log_likelihood_above": score.nats, "log_likelihood_below": below}


class FreeEnergyGap(Monitor):
    """Mean free energy per frame of held-out frames, less that of frames trained on.

    Adds `free_energy_gap`, which grows as the model overfits. Without a context it is the gap in
    log-likelihood, since log Z cancels. With a context each frame has its own Z, and the difference
    of the mean log Z is part of the gap: watch its changes, not its value.
    Reference: G. Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010,
    section 6.

    Args:
        train: Some of the training sequences, with as many frames as are held out.
        held_out: Sequences not trained on.
        every: Number of epochs from one look to the next.
        batch_size: Number of sequences in a batch.
    """

    def __init__(self, train, held_out, every=1, batch_size=32):
        super().__init__(every)
        self.train, self.held_out, self.batch_size = train, held_out, batch_size

    def check_model(self):
        self._check_head("a free energy", self.model.head.has_free_energy)

    def look(self):
        held_out, train = (
            mean_free_energy(self.model, x, self.batch_size) for x in (self.held_out, self.train)
        )
        return {"free_energy_gap": held_out - train}


class HiddenActivity(Monitor):
    """Mean activity of the hidden units of the head, and the share of silent ones.

    Adds `hidden_activity`, the mean of E[h | v, context], and `hidden_sparsity`, the share of units
    whose mean is below `level`, see `seqlayers.metrics.hidden_activity`.

    Args:
        x: Sequences, as in `fit`.
        level: Threshold in (0, 1). A unit whose mean is below it counts as silent.
        every: Number of epochs from one look to the next.
        batch_size: Number of sequences in a batch.
    """

    def __init__(self, x, level=0.05, every=1, batch_size=32):
        super().__init__(every)
        hidden_activity([[0.5]], level)  # checks `level`
        self.x, self.level, self.batch_size = x, level, batch_size

    def check_model(self):
        self._check_head("a code", self.model.head.has_code)

    def look(self):
        frames = _of_frames(self.model, "encode", self.model.encode, self.x, self.batch_size)
        activity, sparsity = hidden_activity(frames, self.level)
        return {"hidden_activity": activity, "hidden_sparsity": sparsity}


class GeneratedSpectra(Monitor):
    """Spectra of generated sequences compared with real ones, and precision and recall.

    Adds `spectral_distance`, the distance of long-term spectra in dB; `modulation_distance`, the
    distance of modulation spectra averaged over the bins, in dB; and `precision` and `recall` of
    segments of `num_frames` frames in the model's own scale. All are functions of
    `seqlayers.metrics`.

    Args:
        real: Real sequences, as an array `(N, T, V)` or a list of arrays `(T, V)`.
        num_sequences: Number of sequences to draw.
        num_steps: Number of frames of each sequence.
        to_amplitudes: Function from frames to amplitudes `(..., F)`, such as
            `lambda x: audio.to_amplitude(normalizer.restore(x), "log_amplitude")`. None if frames
            are amplitudes, as those of gamma visibles.
        num_frames: Number of frames of a segment.
        neighbours: Number k of neighbours in precision and recall.
        max_segments: Largest number of real segments to compare with, drawn once from `seed`.
        temperature: Temperature of `generate`.
        every: Number of epochs from one look to the next.
        seed: Integer that draws start from, the same at each look.
    """

    def __init__(
        self,
        real,
        num_sequences=16,
        num_steps=128,
        to_amplitudes=None,
        num_frames=16,
        neighbours=3,
        max_segments=1000,
        temperature=1.0,
        every=10,
        seed=0,
    ):
        super().__init__(every)
        sizes = {"num_sequences": num_sequences, "num_steps": num_steps, "num_frames": num_frames}
        for name, value in (sizes | {"max_segments": max_segments}).items():
            check_integer(name, value)
        if num_steps < num_frames or num_frames < 4:
            raise ValueError(
                "`num_frames` must be from 4 to `num_steps`, the number of frames of a sequence. "
                f"Received: num_frames={num_frames}, num_steps={num_steps}."
            )
        self.to_amplitudes = to_amplitudes or (lambda frames: frames)
        self.num_sequences, self.num_steps = num_sequences, num_steps
        self.num_frames, self.neighbours = num_frames, neighbours
        self.temperature, self.seed = temperature, seed
        real = [np.asarray(x) for x in real]
        check_integer("neighbours", neighbours)
        found = pieces(real, num_frames)
        drawn = num_sequences * (num_steps // num_frames)
        if min(len(found), drawn) <= neighbours:
            raise ValueError(
                "`neighbours` must be less than the number of segments, drawn and real. "
                f"Received: neighbours={neighbours}, {drawn} drawn and {len(found)} real ones."
            )
        kept = np.random.default_rng(seed).permutation(len(found))[:max_segments]
        self.real_segments = found[kept]
        self.real_spectra = self._spectra([self.to_amplitudes(x) for x in real])

    def look(self):
        drawn = self.model.generate(
            self.num_steps,
            num_sequences=self.num_sequences,
            temperature=self.temperature,
            seed=self.seed,
        )
        spectra = zip(self._spectra(self.to_amplitudes(drawn)), self.real_spectra, strict=True)
        spectral, modulation = (log_spectral_distance(*pair) for pair in spectra)
        found = precision_recall(
            pieces(drawn, self.num_frames), self.real_segments, self.neighbours
        )
        return {
            "spectral_distance": spectral,
            "modulation_distance": modulation,
            "precision": found.precision,
            "recall": found.recall,
        }

    def _spectra(self, amplitudes):
        modulation = modulation_spectrum(amplitudes, self.num_frames).mean(axis=1)
        return long_term_spectrum(amplitudes), modulation


def mean_free_energy(model, x, batch_size=32):
    """Returns the mean of F(v_t | context_t) over all frames of sequences, in nats.

    Args:
        model: A `SequenceModel` with an RBM head.
        x: Sequences, as in `fit`.
        batch_size: Number of sequences in a batch.

    Returns:
        A float. It does not contain log Z: compare means of one model only.
    """

    def free_energy(frames, mask):
        return model.head.free_energy(frames, model.contexts(frames, mask))

    return float(_of_frames(model, "free_energy", free_energy, x, batch_size).mean())


def _of_frames(model, name, function, x, batch_size):
    """Returns `function(frames, mask)` of all frames that are not masked, float64."""
    found = []
    compiled = model.compiled_function(name, function, xla=False, reduce_retracing=True)
    for batch in as_dataset(model.head, x, None, batch_size):
        frames, mask = as_pair(batch)
        frames = frames.numpy().astype(model.head.variable_dtype)
        keep = np.ones(frames.shape[:2], bool) if mask is None else mask.numpy()
        found.append(compiled(frames, keep).numpy().astype("float64")[keep])
    return np.concatenate(found)
