"""A model of sequences: a memory and a head, and their training, likelihood and draws.

    log p(v_1 .. v_T) = sum_t log p(v_t | context_t)

The contexts are those of `seqlayers.models.contexts`. Without a memory there are none, and frames
are independent.
"""

import contextlib
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from seqlayers import presets, replicas
from seqlayers.checks import check_integer, check_number
from seqlayers.export.saved_model import MAX_STEPS, check_format, export
from seqlayers.masks import without_masked
from seqlayers.models import adaptation, generation, infilling, pretraining
from seqlayers.models.contexts import ContextModel
from seqlayers.models.distributed import (
    by_rows,
    check_same,
    chief_alone,
    refuse_jit_compile,
    shared_out,
)
from seqlayers.models.fitting import holding, refuse, with_fitting
from seqlayers.models.inputs import (
    OF_BATCHES,
    as_dataset,
    as_pair,
    padded,
    rows_of_batch,
    to_fit,
)
from seqlayers.models.likelihood import finite_likelihood, frame_log_probs, likelihood
from seqlayers.models.memory import check_bars, dropped, seed_dropout
from seqlayers.models.nonfinite import (
    FrameMean,
    apply_gradients,
    check_branches,
    check_rule,
    counters,
    step_counter,
)
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair


@keras.saving.register_keras_serializable("seqlayers")
class SequenceModel(ContextModel):
    """A model of sequences of frames: a memory, and a head whose parameters the memory sets.

    Args:
        memory: A `keras.layers.RNN` (or `LSTM`, `GRU`, ...) with `return_sequences=True`, a cell, a
            list of cells to stack, or None for the head alone.
        head: A `seqlayers.heads.Head`.
        context_dropout: Share of the context's values that a training step sets to 0, drawn for
            each frame; the others are scaled up. At least 0 and below 1, and 0 without a memory.
        transpose: Pair `(low, high)` of semitones, or of units that are no keys, with 0 between
            them. A training step then shifts each sequence by a number drawn from `low` to `high`,
            among those that lose no note, and tells the head: the context has a one-hot of the
            shift behind the memory's output. It is that of 0 in all else. None for no shifts.
        **kwargs: `name` and `dtype`, as in `keras.Model`.

    Call arguments:
        frames: `(batch, time, V)`.
        mask: Which steps are frames, bool `(batch, time)`; all if None.
        training: Whether the memory's dropout is on.

    Returns:
        Contexts `(batch, time, C)`; without a memory, reconstructions `(batch, time, V)`.

    Raises:
        ValueError: If `memory` or `head` is none of these, `context_dropout` is out of range, or
            `transpose` is not such a pair, or not for this head.

    Example:
        >>> model = SequenceModel(keras.layers.GRUCell(100), ConditionalRBM(88, 150))
        >>> model.compile("adam")
        >>> rolls = piano_roll.load("jsb_chorales")
        >>> model.fit(rolls.train, validation_data=rolls.valid)
        >>> print(model.score(rolls.test))
    """

    nonfinite = "skip"  # set by `compile`
    _warm_up = _compiled_warm_up = 0

    def __init__(self, memory, head, context_dropout=0.0, transpose=None, **kwargs):
        super().__init__(memory, head, transpose, **kwargs)
        self.context_dropout = check_number("context_dropout", context_dropout, least=0, below=1)
        if self.context_dropout and memory is None:
            raise ValueError(
                "`context_dropout` must be 0 without a memory. "
                f"Received: context_dropout={context_dropout!r}."
            )
        self._loss = FrameMean(name="loss")
        self._nonfinite_steps = counters()
        self.build((None, None, head.visible_units))

    @classmethod
    def from_preset(cls, name):
        """Returns a trained model that ships with seqlayers, not compiled.

        Args:
            name: One of `seqlayers.presets.names()`. `seqlayers.presets.read(name).card` has its
                data, its training, its score and what it is not good for.

        Raises:
            ValueError: If there is no such preset, or it is a model of another class.

        Example:
            >>> model = SequenceModel.from_preset("tied-nade-jsb")
            >>> music = model.generate(num_steps=64, num_sequences=4)
        """
        model = presets.load(name)
        if not isinstance(model, cls):
            raise ValueError(
                f"`name` must be that of a `{cls.__name__}`; use SequenceModel.from_preset. "
                f"Received: {name!r}, a `{type(model).__name__}`."
            )
        return model

    # Training.

    def compile(
        self,
        optimizer: Any = "adam",
        jit_compile: bool | str = "auto",
        run_eagerly=False,
        nonfinite="skip",
        **kwargs,
    ):
        """Configures training, as `keras.Model.compile`; the loss is the head's.

        Args:
            optimizer: A Keras optimizer or its name.
            jit_compile: Whether XLA compiles the steps. `"auto"` is True unless XLA cannot compile
                the memory, as with cuDNN's LSTM, or steps run eagerly. Unlike in Keras it is True
                on a CPU, too, where Gibbs sampling then runs twice as fast or better. Under a
                strategy of `tf.distribute` with several replicas, XLA compiles the loops of
                recurrent layers and all functions but the steps.
            run_eagerly: Whether to run steps without compiling them, for debugging.
            nonfinite: Rule for a step whose gradient is not finite. `"skip"` leaves all weights as
                they are and counts the step in `skipped_steps`. `"shrink"` replaces each number of
                the gradient that is not finite by a tenth of its weight and counts the step in
                `shrunk_steps`, see `seqlayers.models.nonfinite`. Under both rules the loss of such
                a step does not count; that of an epoch without any other step is NaN.
            **kwargs: The rest of `keras.Model.compile`.

        Raises:
            ValueError: If a `loss` or metrics are given, if `nonfinite` is not one of these rules,
                if it is `"shrink"` and the optimizer scales the loss, or if there are several
                replicas and `jit_compile` is True, `steps_per_execution` is above 1 or the
                optimizer accumulates gradients.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "The loss is the head's, and the metric is the log-likelihood: to change "
                    f"them, choose another head. Received: {name}={kwargs[name]!r}."
                )
        if jit_compile == "auto":
            jit_compile = not run_eagerly and (self.memory is None or self.memory.supports_jit)
        elif self.has_replicas:
            refuse_jit_compile(jit_compile)
        self._uses_xla = bool(jit_compile)
        jit_compile = jit_compile and not self.has_replicas
        super().compile(
            optimizer=optimizer, jit_compile=jit_compile, run_eagerly=run_eagerly, **kwargs
        )
        self.nonfinite = check_rule(nonfinite, self.optimizer)
        if self.has_replicas and not run_eagerly:
            check_branches(self.optimizer, self.steps_per_execution)
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        own = {"nonfinite": self.nonfinite, "jit_compile": self.uses_xla}
        return config | own if config else config

    @property
    def metrics(self):
        return [self._loss, self._nonfinite_steps[self.nonfinite]]

    def fit(
        self,
        x,
        mask=None,
        *,
        batch_size=None,
        epochs=1,
        callbacks=None,
        validation_data=None,
        validation_split=0.0,
        validation_batch_size=None,
        shuffle=True,
        max_steps=None,
        warm_up=0,
        initial_epoch=0,
        steps_per_epoch=None,
        y=None,
        sample_weight=None,
        class_weight=None,
        **kwargs,
    ):
        """Trains on sequences of frames.

        Args:
            x: Sequences: an array `(N, T, V)`, a list of arrays `(T, V)` whose T may differ, or a
                `tf.RaggedTensor`. Or batches, `frames` or `(frames, mask)`: a `tf.data.Dataset`, a
                `keras.utils.PyDataset` or a generator.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch; 32 if None.
            epochs: Number of the last epoch.
            callbacks: Keras callbacks.
            validation_data: Sequences in any form of `x`, scored after each epoch:
                `val_log_likelihood` in nats per frame and `val_loss`, its negative.
            validation_split: Share of the sequences, the last ones, to validate on instead.
            validation_batch_size: Number of sequences in a batch of these; `batch_size` if None.
            shuffle: Whether each epoch has an order of its own, drawn from the head's seed.
            max_steps: Number of frames at which longer sequences are cut; None to cut none.
            warm_up: Number of frames before each piece that the memory reads first; the loss does
                not count them. Without it, each piece begins with the first context. Batches of
                `datasets.batches` bring their own.
            initial_epoch: Number of epochs already trained. A resumed run then has the same order
                of data as one without a break, also if `BackupAndRestore` sets the number.
            steps_per_epoch: Number of batches of an epoch, which goes on where the one before it
                ended; if None, as many as there are.
            y, sample_weight, class_weight: None, since frames are their own targets.
            **kwargs: The rest of `keras.Model.fit`: `verbose`, `validation_freq`, ...

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: Before any training, if the sequences are not frames of this model, or a
                number is out of range.
        """
        refuse(y=y, sample_weight=sample_weight, class_weight=class_weight)
        epochs = check_integer("epochs", epochs, least=0)
        initial_epoch = check_integer("initial_epoch", initial_epoch, least=0)
        if steps_per_epoch is not None:
            steps_per_epoch = check_integer("steps_per_epoch", steps_per_epoch)
        for name in ("validation_steps", "validation_freq"):
            if kwargs.get(name) is not None and not isinstance(kwargs[name], list | tuple):
                kwargs[name] = check_integer(name, kwargs[name])
        data, validation_data, place = to_fit(
            self.head,
            x,
            mask,
            validation_data,
            validation_split,
            batch_size,
            validation_batch_size,
            steps_per_epoch,
            initial_epoch,
            shuffle=shuffle,
            max_steps=max_steps,
            warm_up=warm_up,
        )
        if place is not None and place.max_steps:
            check_bars(self.memory, max_steps=place.max_steps, warm_up=place.warm_up)
        self._initial_epoch = None  # which Keras would keep from a run that was restored before
        num_batches = steps_per_epoch or (place and place.num_batches)
        check_same(
            self.distribute_strategy,
            "All workers must call `fit` with the same data and arguments, and the same `seed` of "
            "the head, which is drawn if it is None.",
            seed=self.head.seed,
            batches=num_batches or 0,
            initial_epoch=initial_epoch,
            epochs=epochs,
        )
        held = holding(place if self.has_replicas and steps_per_epoch is None else None)
        with held, self._warming_up(place.warm_up if place else 0):
            return super().fit(
                by_rows(data),
                epochs=epochs,
                initial_epoch=initial_epoch,
                callbacks=with_fitting(self, callbacks, place, initial_epoch, num_batches),
                validation_data=validation_data,
                shuffle=False,  # the dataset has done it
                steps_per_epoch=steps_per_epoch,
                **kwargs,
            )

    def train_on_batch(
        self, x, mask=None, sample_weight=None, class_weight=None, return_dict=False, y=None
    ):
        """Trains on one batch, with the arguments and results of `keras.Model.train_on_batch`.

        Args:
            x: Sequences, as in `fit`: an array, a list or a `tf.RaggedTensor`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            sample_weight, class_weight, y: None, since frames are their own targets.
            return_dict: Whether to return a dict.
        """
        refuse(y=y, sample_weight=sample_weight, class_weight=class_weight)
        frames, keep = padded(self.head, x, mask)
        keep = None if keep.all() else keep
        frames, keep = (shared_out(self.distribute_strategy, part) for part in (frames, keep))
        with self._warming_up(0):
            return super().train_on_batch(frames, keep, return_dict=return_dict)

    def train_step(self, data):
        frames, mask = as_pair(data)
        frames = ops.cast(frames, self.head.variable_dtype)
        if self.memory is not None:
            seed_dropout(self.memory, self._step_seed(Use.DROPOUT))
        rows = row_seeds(self._step_seed(Use.TRAINING), ops.shape(frames)[0])
        told = {}
        if self.transposition is not None:
            seeds = row_seeds(self._step_seed(Use.TRANSPOSE), ops.shape(frames)[0])
            frames, told["shift"] = self.transposition.draw(frames, mask, seeds)
        before = [(w, tf.identity(ops.convert_to_tensor(w))) for w in self.head.weights]
        with tf.GradientTape() as tape:
            context = self.contexts(frames, mask, training=True, **told)
            frames, context, mask = (
                part if part is None else part[:, self._warm_up :]
                for part in (frames, context, mask)
            )
            losses = self.losses  # now: replicas share the layers, and go on by turns from here
            seed = self._step_seed(Use.CONTEXT)
            context = dropped(context, self.context_dropout, seed, kept=self.num_shifts)
            loss = self.head.loss(frames, context, mask, rows, training=True)
            total = ops.sum([loss, *losses])
            if replicas.number() > 1:  # the gradients of all replicas are added up
                total = total / replicas.number()
            total = self.optimizer.scale_loss(total)
        gradients = tape.gradient(total, self.trainable_variables)
        finite = self._apply_if_finite(gradients, before)
        count = tf.size(frames[..., 0]) if mask is None else ops.sum(ops.cast(mask, "int32"))
        loss, count = replicas.average(loss), replicas.total(ops.cast(count, "float32"))
        self._loss.update_state(ops.where(finite, loss, 0), ops.where(finite, count, 0))
        self._nonfinite_steps[self.nonfinite].update_state(1 - ops.cast(finite, "int32"))
        return self.get_metrics_result()

    @contextlib.contextmanager
    def _warming_up(self, warm_up):
        """Takes no loss on the first `warm_up` steps of each row meanwhile."""
        if warm_up != self._compiled_warm_up:
            self.train_function = None  # Keras's compiled step holds the number as a constant
        self._warm_up = self._compiled_warm_up = warm_up
        try:
            yield
        finally:
            self._warm_up = 0

    def _apply_if_finite(self, gradients, before):
        """Applies the gradients by the rule `nonfinite`; returns whether all were finite."""
        weights = self.trainable_variables
        return apply_gradients(self.optimizer, self.nonfinite, gradients, weights, before)

    def evaluate(
        self,
        x,
        mask=None,
        batch_size=None,
        steps=None,
        return_dict=False,
        *,
        verbose: int | str = "auto",
        callbacks=None,
        y=None,
        sample_weight=None,
        **kwargs,
    ):
        """Scores sequences, with the arguments and results of `keras.Model.evaluate`.

        Args:
            x: Sequences, as in `fit`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch; 32 if None.
            steps: Number of batches to score; all if None.
            return_dict: Whether to return a dict of `loss` and `log_likelihood`.
            verbose: No effect: there is no progress bar.
            callbacks: Keras callbacks, of which `on_test_begin` and `on_test_end` are called.
            y, sample_weight: None, since frames are their own targets.
            **kwargs: What `keras.Model.fit` passes on to itself.

        Returns:
            The negative log-likelihood in nats per frame, or the dict; NaN if it is not finite.

        Raises:
            ValueError: For sequences that `score` refuses.
        """
        refuse(y=y, sample_weight=sample_weight)
        if kwargs.keys() - {"_use_cached_eval_dataset"}:
            raise TypeError(f"`evaluate` has no argument `{min(kwargs)}`.")
        if steps is not None:
            x = as_dataset(self.head, x, mask, batch_size).take(check_integer("steps", steps))
            mask = None
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = keras.callbacks.CallbackList(callbacks, model=self)
        callbacks.on_test_begin()
        nats = likelihood(self, x, mask, rows_of_batch(batch_size)).nats
        logs = {"loss": -nats, "log_likelihood": nats}
        callbacks.on_test_end(logs)
        return logs if return_dict else -nats

    def test_on_batch(self, x, mask=None, sample_weight=None, return_dict=False, y=None):
        """Scores one batch, with the arguments and results of `evaluate`."""
        given = {"y": y, "sample_weight": sample_weight, "return_dict": return_dict}
        return self.evaluate(x, mask, **given)

    def predict(
        self, x, batch_size=None, verbose: int | str = "auto", steps=None, callbacks=None, mask=None
    ):
        """Computes contexts, or without a memory reconstructions, as `keras.Model.predict`.

        Args:
            x: Sequences, as in `fit`, in their order.
            batch_size, verbose, steps, callbacks: As in `keras.Model.predict`.
            mask: With an array, which steps are frames, bool `(N, T)`.

        Returns:
            An array `(N, T, C)`; of a list or a `tf.RaggedTensor` a list of arrays `(T, C)`.

        Raises:
            ValueError: If the sequences are not frames of this model.
        """
        given = {"verbose": verbose, "steps": steps, "callbacks": callbacks}
        if isinstance(x, OF_BATCHES):
            return super().predict(as_dataset(self.head, x, mask, batch_size), **given)
        frames, keep = padded(self.head, x, mask)
        rows = tf.data.Dataset.from_tensor_slices((frames, keep))
        outputs = super().predict(by_rows(rows.batch(rows_of_batch(batch_size))), **given)
        if isinstance(x, list | tuple | tf.RaggedTensor):
            return [row[row_keep] for row, row_keep in zip(outputs, keep, strict=False)]
        return outputs

    def predict_on_batch(self, x, mask=None):
        """Computes contexts or reconstructions of one batch, as `predict`."""
        return self.predict(x, len(x), verbose=0, mask=mask)

    def predict_step(self, data):
        frames, mask = as_pair(data)
        return self.call(ops.cast(frames, self.head.variable_dtype), mask)

    def compute_output_shape(self, input_shape):
        if self.memory is None:
            return input_shape
        *shape, size = self.memory.compute_output_shape(input_shape)
        return (*shape, size + self.num_shifts)

    def test_step(self, data):
        """Raises an error: frames of all batches are pooled.

        Raises:
            ValueError: Always. Use `evaluate` or `score`.
        """
        raise ValueError(
            "`test_step` scores a batch in a graph, where annealing needs all frames pooled: use "
            "`evaluate`, `score` or `test_on_batch`."
        )

    def compute_loss(self, *args, **kwargs):
        """Raises an error: the loss is the head's.

        Raises:
            ValueError: Always. Use `head.loss`, or `evaluate`.
        """
        raise ValueError(
            "`compute_loss` compares targets with outputs; the loss of a model of sequences is "
            "that of its head: use `model.head.loss`, `evaluate` or `score`."
        )

    def quantize(self, *args, **kwargs):
        """Raises an error: Keras quantizes layers of its own only.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "`quantize` replaces weights of Keras's dense layers, of which a model of sequences "
            "has none: its energies need float32."
        )

    def epoch_function(self):
        """Returns a compiled epoch over single frames: many training steps in one call.

        For batches of a hundred single frames, starting a step takes longer than the step itself.

        Returns:
            A function of `frames` `(N, V)` and `order`, int32 `(steps, batch)` of rows of `frames`.
            It trains the model on one row of `order` after the other, shared out between the
            replicas if there are any, and returns the mean loss.
        """
        return pretraining.epoch_function(self)

    def pretrain_head(
        self,
        x,
        epochs=10,
        batch_size=100,
        optimizer: Any = "adam",
        verbose: int | str = "auto",
        first_epoch=0,
    ):
        """Trains the head without context on shuffled frames, before `fit`.

        A head of several layers is trained one layer after the other.

        Args:
            x: Sequences: an array `(N, T, V)` or a list of arrays `(T, V)`.
            epochs: Number of epochs, for each layer.
            batch_size: Number of frames in a batch. Frames that fill no batch are left out; each
                epoch leaves out others.
            optimizer: A Keras optimizer or its name; a copy of it trains each layer.
            verbose: Whether to show a progress bar over the epochs.
            first_epoch: Number of epochs of earlier calls. This call then goes on from them, with
                orders and draws of its own.

        Returns:
            A list of the loss of each epoch, those of the lowest layer first.

        Raises:
            ValueError: If the sequences are not frames of this model, or a number is out of range.
        """
        return pretraining.pretrain_head(
            self, x, epochs, batch_size, optimizer, verbose, first_epoch
        )

    def pretrain_memory(self, x, epochs=10, optimizer: Any = "adam", **kwargs):
        """Trains the memory to predict frames by cross-entropy, before `fit`.

        The memory is trained with a `BernoulliHead`. The weights from its context to the visible
        units are kept for this model's head.

        Args:
            x: Sequences, as in `fit`.
            epochs: Number of epochs.
            optimizer: A Keras optimizer or its name.
            **kwargs: The rest of `fit`.

        Returns:
            A list of the loss of each epoch.

        Raises:
            ValueError: If the model has no memory, or visibles that are not Bernoulli.
        """
        return pretraining.pretrain_memory(self, x, epochs, optimizer, **kwargs)

    @staticmethod
    def of_parts(memory, head, context_dropout=0.0, transpose=None):
        """Returns a plain model of parts of this one, to train them apart from the others."""
        return SequenceModel(memory, head, context_dropout, transpose)

    # Likelihood.

    def score(
        self,
        x,
        mask=None,
        *,
        batch_size=32,
        seed=0,
        bracket=False,
        adapt=None,
        adapt_steps=None,
    ):
        """Computes the log-likelihood of sequences, in nats per frame, all frames pooled.

        With `adapt` it is that of dynamic evaluation, see `seqlayers.models.adaptation`: after each
        block of a sequence the weights take a step on it, and the next block is scored with them.
        Such a score has the kind `"adapted"`. It compares with others of that kind alone. The model
        has its own weights again for the next sequence and in the end.

        Args:
            x: Sequences, as in `fit`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch.
            seed: Seed of the draws of an estimate, an integer of up to 64 bits.
            bracket: Whether to compute `reverse_nats`, too, for a head that can: an estimate that
                errs to the other side, so that on average the truth lies between the two. It has no
                effect with a head whose `log_prob` is exact, and is refused with `adapt`.
            adapt: Learning rate of dynamic evaluation, above 0, for a head whose `log_prob` is
                exact and has a gradient (`head.has_exact_gradient`); None for weights that stay.
                Sequences are then scored one by one, whatever `batch_size` is. A rate that is too
                large makes scores worse than without it: choose it on other data.
            adapt_steps: With `adapt`, number of frames in a block of dynamic evaluation; 8 if None.

        Returns:
            A `seqlayers.metrics.Likelihood`.

        Raises:
            ValueError: If the sequences are not frames of this model, there is no frame, `adapt` is
                not for this head, or the result is not finite. The message then names the weights
                that are not, or counts the frames.
        """
        adapting = adaptation.Adaptation.of(self, adapt, adapt_steps, bracket)
        return finite_likelihood(self, x, mask, batch_size, seed, bracket, adapting)

    def frame_log_probs(self, x, mask=None, *, batch_size=32, seed=0, adapt=None, adapt_steps=None):
        """Computes log p(v_t | v_1 .. v_{t-1}) of each frame of each sequence, in nats.

        Their mean over all frames is `score`. They show where in a sequence a model fails, and how
        much the score varies with the sequences, see `metrics.bootstrap_error`. They are exact if
        `head.kind` is `"exact"`, and else estimates or lower bounds, whose error `score` returns.

        Args:
            x: Sequences, as in `fit`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch.
            seed: Seed of the draws of an estimate, an integer of up to 64 bits.
            adapt, adapt_steps: As in `score`.

        Returns:
            A list of float64 arrays `(T,)`, one for each sequence, in the order of `x`. Frames that
            a mask excludes, and sequences of such frames only, are left out.

        Raises:
            ValueError: As in `score`.
        """
        adapting = adaptation.Adaptation.of(self, adapt, adapt_steps)
        return frame_log_probs(self, x, mask, batch_size, seed, adapting)

    # Draws and codes.

    def generate(
        self,
        num_steps=None,
        prime=None,
        num_sequences=None,
        temperature=1.0,
        seed=0,
        *,
        given=None,
        keep=None,
        sweeps=None,
    ):
        """Draws new sequences, or the units that some sequences lack.

        With `given` and `keep` the kept units stay as they are and the others are drawn given
        these, before and after: lower voices of a melody, or the frames between two passages. The
        first draw, from the first frame to the last, is corrected by sweeps of Metropolis-Hastings
        over the frames, see `seqlayers.models.infilling`. More sweeps come closer to p(others |
        kept) of the model. Their time grows with the square of the number of frames.

        Args:
            num_steps: Number of frames to draw; with `given` its number of frames, or None.
            prime: Frames that come before, `(T, V)`, or `(N, T, V)` with a row for each sequence.
            num_sequences: Number N of sequences; if None, the number of rows of `prime`, `given` or
                `keep`, or else 1.
            temperature: Divides the energy of a frame: above 1 draws are bolder, below 1 safer.
            seed: An integer of up to 64 bits. Sequence n is the same for every N above n.
            given: Frames whose kept units are 0 or 1, `(T, V)`, or `(N, T, V)` with a row for each
                sequence.
            keep: Which units of `given` to keep, bool `(T, V)` or `(N, T, V)`.
            sweeps: Number of times that each frame is drawn again after the first draw; 20 if None.

        Returns:
            A float32 NumPy array `(N, num_steps, V)`, without the prime.

        Raises:
            ValueError: If a number is out of range, `prime` does not hold frames of this model,
                weights or the drawn frames are not finite, `given`, `keep` and `sweeps` do not go
                together, or they are given and the head is not a `heads.AutoregressiveHead`.

        Example:
            >>> roll = piano_roll.load("jsb_chorales").test[0][:64]
            >>> above = np.cumsum(roll[:, ::-1], axis=1)[:, ::-1] - roll  # higher keys that sound
            >>> harmonies = model.generate(given=roll, keep=above == 0)  # under the highest voice
        """
        options = num_steps, prime, num_sequences, temperature, seed
        if given is None and keep is None and sweeps is None:
            return generation.generate(self, *options)
        return infilling.infill(self, *options, given, keep, sweeps)

    def prime(self, frames, state):
        """Returns the `State` after the frames `(batch, time, V)` that follow `state`."""
        return generation.prime(self, frames, state)

    def draw(self, state, seeds, num_steps, temperature):
        """Draws the frames that follow a `State`; `generate` compiles it.

        Args:
            state: A `State` of `batch` sequences.
            seeds: A seed for each sequence, int32 `(batch, 2)`.
            num_steps: Number of frames.
            temperature: Divides the energy of a frame.

        Returns:
            Frames `(batch, num_steps, V)`.
        """
        return generation.draw(self, state, seeds, num_steps, temperature)

    def reconstruct(self, frames, mask=None):
        """Returns the head's reconstruction of the frames, in expectations.

        Args:
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.

        Returns:
            `(batch, time, V)`.
        """
        context = self.contexts(frames, mask)
        return self.head.reconstruct(without_masked(frames, mask), context)

    def encode(self, frames, mask=None):
        """Returns the expected hidden units of each frame, its code.

        Args:
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.

        Returns:
            `(batch, time, H)`.

        Raises:
            ValueError: If the head has no code.
        """
        self._check_code()
        context = self.contexts(frames, mask)
        return self.head.encode(without_masked(frames, mask), context)

    def decode(self, code):
        """Returns the expected frames `(..., V)` of codes `(..., H)`.

        Raises:
            ValueError: If the head has no code, or if the expected frame also depends on the
                context, so that a code is not enough.
        """
        self._check_code()
        return self.head.decode(code)

    def export(self, path, format="tf_saved_model", max_steps=MAX_STEPS):
        """Writes a SavedModel that is served without this package, see `seqlayers.export`.

        With many workers, the chief alone writes.

        Args:
            path: Folder to make, by convention `<name>/<version>`; it must not exist yet.
            format: `"tf_saved_model"`, the only format that has endpoints.
            max_steps: Largest number of frames in one call of the endpoint `generate`.

        Returns:
            The path.

        Raises:
            FileExistsError: If there is something at `path`.
            ValueError: If `format` is another, or `max_steps` is not an integer of at least 1.
        """
        check_format(format)
        chief_alone(self.distribute_strategy, export, self, path, max_steps)
        return Path(path)

    def _check_code(self):
        if not self.head.has_code:
            raise ValueError(
                f"`head` must have a code, as an RBM or a DBN has. Received: head={self.head!r}."
            )

    # Config and helpers.

    def get_config(self):
        own = {"context_dropout": self.context_dropout}
        own["transpose"] = self.transposition and list(self.transposition)
        return super().get_config() | own

    def _step_seed(self, use):
        return fold_in(fold_in(seed_pair(self.head.seed), use), step_counter(self.optimizer))

    @property
    def uses_xla(self):
        """Whether XLA compiles this model's functions; True before `compile`.

        Under a strategy with several replicas this leaves out the training step.
        """
        return self._uses_xla if self.compiled else True

    def compiled_function(self, name, function, xla=None, **kwargs):
        """Returns `tf.function(function, **kwargs)`, made once for each `name`; it is not saved."""
        functions = self.__dict__.setdefault("_functions", {})
        xla = self.uses_xla if xla is None else xla
        options = xla, str(self.head.get_config())  # a compiled function holds them as constants
        if functions.get(name, (None,))[0] != options:
            compiled = tf.function(function, jit_compile=xla, autograph=False, **kwargs)
            functions[name] = options, compiled
        return functions[name][1]
