"""A memory and a head make a model of sequences.

    context_1 = u_0 (learned),  context_t = memory(v_1 .. v_{t-1})
    log p(v_1 .. v_T) = sum_t log p(v_t | context_t)

The memory is any Keras recurrent layer, the head any `seqlayers.heads.Head`. u_0 is also what the
memory starts from: it is the first state of its last cell, which by Keras's convention is that
cell's output. A cell whose output is of another size starts as it would in Keras. Without a memory
the model is the head alone and every frame stands for itself.
"""

import copy
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.checks import check_choice, check_integer
from seqlayers.export import MAX_STEPS, export
from seqlayers.heads import BernoulliHead, Head
from seqlayers.layers.delay import delay
from seqlayers.layers.scan import compiled_whole
from seqlayers.masks import without_masked
from seqlayers.models.inputs import (
    as_dataset,
    as_pair,
    checked_prime,
    checked_sequences,
    split_off,
)
from seqlayers.models.likelihood import pooled_likelihood
from seqlayers.models.memory import as_memory, first_states, next_states
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair, uniform

NONFINITE = {"skip": "skipped_steps", "shrink": "shrunk_steps"}  # rules, and what counts them


class State(NamedTuple):
    """What a model knows after some frames: all that `step` needs to go on."""

    context: Any  # of the next frame [B, C]; None without a memory
    memory: Any  # states of the memory's cells


@keras.saving.register_keras_serializable("seqlayers")
class SequenceModel(keras.Model):
    """A model of sequences of frames: a memory that reads them and a head that says what comes.

    Args:
        memory: A `keras.layers.RNN` (or `LSTM`, `GRU`, ...) with `return_sequences=True`, a cell, a
            list of cells to stack, or None for the head alone.
        head: A `seqlayers.heads.Head`.
        context_dropout: Share of the contexts' values that training sets to 0, the others scaled
            up, anew for each frame.

    Call arguments:
        frames: `(batch, time, V)`.
        mask: Which steps are frames, bool `(batch, time)`; all if None.
        training: Whether dropout of the memory is on.

    Returns:
        The contexts, `(batch, time, C)`; the reconstructions `(batch, time, V)` without a memory.

    Example:
        >>> model = SequenceModel(keras.layers.GRUCell(100), ConditionalRBM(88, 150))
        >>> model.compile("adam")
        >>> rolls = piano_roll.load("jsb_chorales")
        >>> model.fit(rolls.train, validation_data=rolls.valid)
        >>> print(model.score(rolls.test))
    """

    learns_initial_context = True  # of a subclass that says False, u_0 is 0
    nonfinite = "skip"  # `compile` says it anew

    def __init__(self, memory, head, context_dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(head, Head):
            raise ValueError(f"`head` must be a `seqlayers.heads.Head`. Received: head={head!r}.")
        number = isinstance(context_dropout, float | int) and not isinstance(context_dropout, bool)
        if not number or not 0 <= context_dropout < 1 or (context_dropout and memory is None):
            raise ValueError(
                "`context_dropout` must lie in [0, 1), and be 0 without a memory. "
                f"Received: context_dropout={context_dropout!r}."
            )
        self.context_dropout = context_dropout
        self.autocast = False  # memory and head each know what to compute in
        self.memory = as_memory(memory)
        self.head = head
        self._loss = keras.metrics.Mean(name="loss")
        self._nonfinite_steps = {
            rule: keras.metrics.Sum(name=name) for rule, name in NONFINITE.items()
        }
        self.build((None, None, head.visible_units))

    def build(self, input_shape):
        if self.memory is None:
            self._build_head(input_shape)
            return
        if not self.memory.built:
            self.memory.build(input_shape)
        context_shape = self.memory.compute_output_shape(input_shape)
        self._build_head([input_shape, context_shape])
        self.initial_context = self.add_weight(
            name="initial_context",
            shape=(context_shape[-1],),
            initializer="zeros",
            trainable=self.learns_initial_context,
        )

    def call(self, frames, mask=None, training=False):
        if self.memory is None:
            return self.head.reconstruct(frames)
        return self.contexts(frames, mask, training)

    def contexts(self, frames, mask=None, training=False):
        """Contexts `(batch, time, C)`: row t has seen the frames before t. None without memory."""
        if self.memory is None:
            return None
        start = self.initial_state(ops.shape(frames)[0])
        inputs = self.memory_input(without_masked(frames, mask))
        outputs = self.memory(inputs, initial_state=start.memory, mask=mask, training=training)
        return delay(outputs, start.context, mask)

    def memory_input(self, frames):
        """What the memory reads of frames `(..., V)`: themselves, unless a subclass says else."""
        return frames

    # Training.

    def compile(
        self,
        optimizer="adam",
        jit_compile="auto",
        run_eagerly=False,
        nonfinite="skip",
        **kwargs,
    ):
        """Configures training, as `keras.Model.compile`; the loss is the head's.

        Args:
            optimizer: A Keras optimizer or its name.
            jit_compile: Whether XLA compiles the steps. `"auto"` is True, on a CPU as well, where
                Keras would not: Gibbs sampling runs twice as fast or better. Only a memory that
                XLA cannot compile, such as cuDNN's LSTM, makes it False.
            run_eagerly: Whether to run steps without compiling them, to look inside.
            nonfinite: What a step does whose gradient is not finite. `"skip"` leaves all weights as
                they are and counts it in `skipped_steps`. `"shrink"`, the rule of the spectrogram
                RNN-RBM, puts a tenth of the weight in the place of each number of the gradient
                that is not finite, which draws that weight toward 0, and counts the step in
                `shrunk_steps`. A number whose square is not finite is dealt with likewise: after
                it RMSProp would never move that weight again. In neither case does the loss of the
                step count.
            **kwargs: The rest of `keras.Model.compile`.

        Raises:
            ValueError: if a `loss` or metrics are given, if `nonfinite` is no such rule, or if the
                loss is scaled and it is `"shrink"`: a scale is found by skipping.
        """
        check_choice("nonfinite", nonfinite, tuple(NONFINITE))
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "The loss is the head's, and the log-likelihood is what it is judged by: "
                    f"choose the head that has them. Received: {name}={kwargs[name]!r}."
                )
        if jit_compile == "auto":
            jit_compile = not run_eagerly and (self.memory is None or self.memory.supports_jit)
        super().compile(
            optimizer=optimizer, jit_compile=jit_compile, run_eagerly=run_eagerly, **kwargs
        )
        if nonfinite == "shrink" and isinstance(
            self.optimizer, keras.optimizers.LossScaleOptimizer
        ):
            raise ValueError(
                '`nonfinite` must be "skip" where the loss is scaled, as with a policy of '
                "mixed_float16: the scale is found by skipping what overflows. "
                'Received: nonfinite="shrink".'
            )
        self.nonfinite = nonfinite
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        return config | {"nonfinite": self.nonfinite} if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self):
        return [self._loss, self._nonfinite_steps[self.nonfinite]]

    def fit(
        self,
        x,
        mask=None,
        *,
        batch_size=32,
        epochs=1,
        validation_data=None,
        validation_split=0.0,
        shuffle=True,
        max_steps=None,
        initial_epoch=0,
        **kwargs,
    ):
        """Trains on sequences of frames.

        Args:
            x: Sequences: an array `(N, T, V)`, a list of arrays `(T, V)` whose T may differ, or a
                `tf.data.Dataset` of batches, `frames` or `(frames, mask)`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch.
            epochs: Number of the last epoch.
            validation_data: Sequences as `x`, scored after each epoch: `val_log_likelihood` in
                nats per frame, and `val_loss`, which is less that.
            validation_split: Share of the sequences, the last ones, to validate on instead.
            shuffle: Whether the order is drawn anew for each epoch, from the head's seed.
            max_steps: Longer sequences are cut in pieces of this many frames.
            initial_epoch: Number of epochs already trained. A resumed run then sees the data in
                the order in which an undisturbed one would.
            **kwargs: The rest of `keras.Model.fit`: `callbacks`, `verbose`, `validation_freq`, ...

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: naming what is wrong with the sequences, before any training.
        """
        if validation_split:
            x, validation_data = split_off(checked_sequences(self.head, x, mask), validation_split)
            mask = None
        if validation_data is not None:
            validation_data = as_dataset(
                self.head, *as_pair(validation_data), batch_size, name="validation_data"
            )
        data = as_dataset(
            self.head,
            x,
            mask,
            batch_size,
            shuffle=shuffle,
            seed=self.head.seed % 2**64,
            max_steps=max_steps,
            first_epoch=initial_epoch,
        )
        return super().fit(
            data,
            epochs=epochs,
            initial_epoch=initial_epoch,
            validation_data=validation_data,
            shuffle=False,  # the dataset has done it
            **kwargs,
        )

    def train_step(self, data):
        frames, mask = as_pair(data)
        frames = ops.cast(frames, self.head.variable_dtype)
        self._seed_dropout(self._step_seed(Use.DROPOUT))
        rows = row_seeds(self._step_seed(Use.TRAINING), ops.shape(frames)[0])
        before = [tf.identity(ops.convert_to_tensor(w)) for w in self.head.weights]  # values
        with tf.GradientTape() as tape, compiled_whole(bool(self.jit_compile)):
            context = self._drop(self.contexts(frames, mask, training=True))
            loss = self.head.loss(frames, context, mask, rows, training=True)
            total = ops.sum([loss, *self.losses])
            total = self.optimizer.scale_loss(total)
        gradients = tape.gradient(total, self.trainable_variables)
        finite = self._apply_if_finite(gradients, before)
        weight = tf.size(frames[..., 0]) if mask is None else ops.sum(ops.cast(mask, "int32"))
        self._loss.update_state(ops.where(finite, loss, 0), ops.where(finite, weight, 0))
        self._nonfinite_steps[self.nonfinite].update_state(1 - ops.cast(finite, "int32"))
        return self.get_metrics_result()

    def evaluate(self, x, mask=None, batch_size=32, steps=None, return_dict=False, **kwargs):
        """`score` in the manner of `keras.Model.evaluate`.

        Args:
            x: Sequences, as in `fit`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch.
            steps: With a `tf.data.Dataset`, the number of batches to score; all if None.
            return_dict: Whether to return a dict.
            **kwargs: What `keras.Model.fit` hands on (`callbacks`, `verbose`); without effect.

        Returns:
            `loss`, nats per frame with the sign turned; with `return_dict`, `log_likelihood` too.
        """
        if kwargs.get("sample_weight") is not None:
            raise ValueError("`evaluate` weighs all frames alike. Received: a `sample_weight`.")
        if steps is not None and isinstance(x, tf.data.Dataset):
            x = x.take(steps)
        nats = self.score(x, mask, batch_size=batch_size or 32).nats
        return {"loss": -nats, "log_likelihood": nats} if return_dict else -nats

    def epoch_function(self):
        """A compiled epoch over single frames: a train step for each row of `order`, in one call.

        At the size of one frame in a batch of a hundred, starting a step costs more than the step.

        Returns:
            A function of `frames` `(N, V)` and `order`, int32 `(steps, batch)` of rows of `frames`,
            that trains the model and returns the mean loss.
        """

        def train_epoch(frames, order):
            def body(step):
                self.train_step(tf.gather(frames, order[step])[:, None])
                return step + 1

            self.reset_metrics()
            tf.while_loop(lambda step: step < tf.shape(order)[0], body, (0,))
            return self._loss.result()

        return tf.function(train_epoch, jit_compile=self._use_xla(), autograph=False)

    def pretrain_head(
        self, x, epochs=10, batch_size=100, optimizer="adam", verbose="auto", first_epoch=0
    ):
        """Trains the head without context on shuffled frames, before `fit`.

        A head of several layers is trained layer after layer.

        Args:
            x: Sequences: an array `(N, T, V)` or a list of arrays `(T, V)`.
            epochs: Number of epochs, of each layer.
            batch_size: Number of frames in a batch; what is left over waits for another epoch.
            optimizer: A Keras optimizer or its name; a copy of it trains each layer.
            verbose: Whether to show a progress bar over the epochs.
            first_epoch: Number of epochs that an earlier call has done, so that this one goes on
                with other orders and draws.

        Returns:
            A list of the loss of each epoch, of the lowest layer first.
        """
        frames = np.concatenate(checked_sequences(self.head, x)).astype(self.head.variable_dtype)
        batch_size = min(batch_size, len(frames))
        for name, value in {"epochs": epochs, "batch_size": batch_size}.items():
            check_integer(name, value)
        steps = len(frames) // batch_size

        def train(head, frames):
            model, frames, losses = SequenceModel(None, head), tf.constant(frames), []
            config = keras.optimizers.serialize(keras.optimizers.get(optimizer))
            model.compile(keras.optimizers.deserialize(config), jit_compile=self._use_xla())
            train_epoch = model.epoch_function()
            model.optimizer.iterations.assign(first_epoch * steps)
            bar = keras.utils.Progbar(epochs, unit_name="epoch", verbose=int(bool(verbose)))
            for epoch in range(epochs):
                rng = np.random.default_rng((head.seed, first_epoch + epoch))
                order = rng.permutation(len(frames))[: steps * batch_size]
                order = order.reshape(steps, batch_size).astype("int32")
                losses.append(float(train_epoch(frames, order)))
                bar.update(epoch + 1, [("loss", losses[-1])])
            return losses

        seed = fold_in(seed_pair(self.head.seed), Use.PRETRAINING)
        seed = int(np.asarray(seed).view("uint64")[0])  # else `fit` would draw the same again
        if self.head.trains_in_layers:
            return self.head.pretrain_layers(frames, train, seed, restart=first_epoch == 0)
        head = self.head.without_context(seed=seed)
        _copy_weights(self.head, head)
        losses = train(head, frames)
        _copy_weights(head, self.head)
        return losses

    def pretrain_memory(self, x, epochs=10, optimizer="adam", **kwargs):
        """Trains the memory to predict frames by cross-entropy, before `fit`.

        The memory learns with a `BernoulliHead`; what carries its context to the visible units
        there is kept for the head.

        Args:
            x: Sequences, as in `fit`.
            epochs: Number of epochs.
            optimizer: A Keras optimizer or its name.
            **kwargs: The rest of `fit`.

        Returns:
            A list of the loss of each epoch.

        Raises:
            ValueError: if the model has no memory, or visibles that are not Bernoulli.
        """
        if self.memory is None:
            raise ValueError("This model has no memory to train. Received: memory=None.")
        if self.head.visibles != "bernoulli":
            raise ValueError(
                "`pretrain_memory` predicts by cross-entropy, which is for Bernoulli visibles. "
                f"Received: visibles={self.head.visibles!r}."
            )
        head = BernoulliHead(self.head.visible_units, seed=self.head.seed)
        model = SequenceModel(self.memory, head)
        model.compile(optimizer, jit_compile=self._use_xla())
        model.initial_context.assign(self.initial_context)
        losses = model.fit(x, epochs=epochs, **kwargs).history["loss"]
        self.initial_context.assign(model.initial_context)
        _copy_weights(model.head, self.head, only="context")
        return losses

    # Likelihood.

    def score(self, x, mask=None, *, batch_size=32, seed=0, bracket=False):
        """Log-likelihood of sequences, in nats per frame, all frames pooled.

        Args:
            x: Sequences, as in `fit`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch.
            seed: Whole number that the draws of an estimate start from.
            bracket: Whether to estimate from the other side, too, where the head can:
                `reverse_nats`, with the truth between on average.

        Returns:
            A `seqlayers.metrics.Likelihood`.

        Raises:
            ValueError: naming what is wrong with the sequences, or if there is no frame to score.
        """
        dataset = as_dataset(self.head, x, mask, batch_size)
        return pooled_likelihood(self, dataset, seed, bracket)

    # Streaming and generation.

    def initial_state(self, batch_size=1):
        """The `State` before the first frame."""
        if self.memory is None:
            return State(None, [])
        shape = (batch_size, self.initial_context.shape[0])
        context = ops.broadcast_to(self.initial_context, shape)
        context = ops.cast(context, self.memory.compute_dtype)
        return State(context, first_states(self.memory, context, batch_size))

    def step(self, frame, state):
        """The `State` after one more frame `(batch, V)`."""
        if self.memory is None:
            return state
        return State(*next_states(self.memory, self.memory_input(frame), state.memory))

    def generate(self, num_steps, prime=None, num_sequences=None, temperature=1.0, seed=0):
        """Draws new sequences.

        Args:
            num_steps: Number of frames to draw.
            prime: Frames that come before, `(T, V)` or one row for each sequence `(N, T, V)`.
            num_sequences: Number N of sequences; by default 1, or the number of rows of `prime`.
            temperature: Divides the energy of a frame: above 1 is bolder, below 1 safer.
            seed: Whole number. Sequence n drawn with a seed is the same whatever N is.

        Returns:
            A float32 NumPy array `(N, num_steps, V)`, without the prime.

        Raises:
            ValueError: naming the argument that is wrong.
        """
        check_integer("num_steps", num_steps)
        if num_sequences is not None:
            check_integer("num_sequences", num_sequences)
        if not isinstance(temperature, float | int) or not 0 < temperature < np.inf:
            raise ValueError(
                f"`temperature` must be a number above 0. Received: temperature={temperature!r}."
            )
        if prime is not None:
            prime = checked_prime(self.head, prime, num_sequences)
            num_sequences = len(prime)
        state = self.initial_state(num_sequences or 1)
        if prime is not None and self.memory is not None:
            state = self.compiled_function("prime", self.prime)(prime, state)
        seeds = row_seeds(seed_pair(seed), num_sequences or 1)
        draw = self.compiled_function("draw", self.draw)
        return (
            draw(state, seeds, num_steps, tf.constant(temperature, tf.float32))
            .numpy()
            .astype("float32")
        )

    def prime(self, frames, state):
        """The `State` after the frames `(batch, time, V)`."""

        def step(t, state):
            return self.step(ops.take(frames, t, axis=1), state)

        return ops.fori_loop(0, ops.shape(frames)[1], step, state)

    def draw(self, state, seeds, num_steps, temperature):
        """Draws `num_steps` frames after `state`, `(batch, num_steps, V)`, from a seed a row."""
        frames = tf.TensorArray(
            self.head.variable_dtype,
            size=num_steps,
            element_shape=(seeds.shape[0], self.head.visible_units),
        )

        seeds = fold_in(seeds, Use.GENERATE)

        def body(t, memory, context, frames):
            frame = self.head.sample(
                context if self.memory is not None else None,
                fold_in(seeds, t),
                temperature,
                num_frames=ops.shape(seeds)[0],
            )
            if self.memory is not None:
                context, memory = self.step(frame, State(context, memory))
            return t + 1, memory, context, frames.write(t, frame)

        context = ops.zeros(()) if state.context is None else state.context
        *_, frames = tf.while_loop(
            lambda t, *_: t < num_steps, body, (0, state.memory, context, frames)
        )
        return ops.swapaxes(frames.stack(), 0, 1)

    def reconstruct(self, frames, mask=None):
        """The frames as the head sees them, `(batch, time, V)` in expectations."""
        return self.head.reconstruct(frames, self.contexts(frames, mask))

    def encode(self, frames, mask=None):
        """What the hidden units are expected to be, `(batch, time, H)`: for heads that have them.

        Args:
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.

        Raises:
            ValueError: if the head has no hidden units.
        """
        self._check_code()
        return self.head.encode(frames, self.contexts(frames, mask))

    def decode(self, code):
        """The frames `(..., V)` expected of hidden units `(..., H)`: `encode` backwards.

        Raises:
            ValueError: if frames depend on the ones before beyond what their code says of them, or
                if the head has no hidden units.
        """
        self._check_code()
        return self.head.decode(code)

    def export(self, path, format="tf_saved_model", max_steps=MAX_STEPS):
        """Writes a SavedModel that is served without this package, see `seqlayers.export`.

        Args:
            path: The folder to make, by custom `<name>/<version>`; it must not exist yet.
            format: `"tf_saved_model"`, the only one that has endpoints.
            max_steps: Most frames that one call of the endpoint `generate` may ask for.

        Returns:
            The path.

        Raises:
            FileExistsError: if there is something at `path`.
            ValueError: if `format` is another.
        """
        if format != "tf_saved_model":
            raise ValueError(
                '`format` must be "tf_saved_model": the endpoints draw, loop and carry states, '
                f"which the other formats of Keras cannot hold. Received: format={format!r}."
            )
        return export(self, path, max_steps)

    def _check_code(self):
        if not self.head.has_code:
            raise ValueError(
                "`head` must have hidden units for frames to have a code. "
                f"Received: head={self.head!r}."
            )

    # What it is made of.

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "memory": None if self.memory is None else serialize(self.memory),
            "head": serialize(self.head),
            "context_dropout": self.context_dropout,
        }

    @classmethod
    def from_config(cls, config):
        config = copy.deepcopy(config)  # Keras takes parts out of it
        for part in ("memory", "head", "dtype"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)

    def _build_head(self, input_shape):
        if not self.head.built:
            self.head.build(input_shape)

    def _apply_if_finite(self, gradients, before):
        """Applies the gradients if all are finite, and else does as `nonfinite` says.

        The loss may have moved weights of the head, such as offsets; `before` is what they were and
        what they are put back to if a gradient is not finite.
        """
        pairs = [
            (gradient, weight)
            for gradient, weight in zip(gradients, self.trainable_variables, strict=True)
            if gradient is not None  # a weight that the loss does not reach
        ]

        def known(gradient):
            return ops.isfinite(ops.square(gradient) if self.nonfinite == "shrink" else gradient)

        finite = ops.all(ops.stack([ops.all(known(gradient)) for gradient, _ in pairs]))

        def apply():
            self.optimizer.apply_gradients(pairs)
            return 0

        def put_back():
            for weight, value in zip(self.head.weights, before, strict=True):
                weight.assign(value)

        def skip():
            put_back()
            if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
                apply()  # it sees what we see, touches no weight and lowers its scale
            self.optimizer.iterations.assign_add(1)  # the next step must not draw the same again
            return 0

        def shrink():
            put_back()
            self.optimizer.apply_gradients(
                [(ops.where(known(g), g, 0.1 * ops.cast(w, g.dtype)), w) for g, w in pairs]
            )
            return 0

        tf.cond(finite, apply, {"skip": skip, "shrink": shrink}[self.nonfinite])
        return finite

    def _step_seed(self, use):
        return fold_in(fold_in(seed_pair(self.head.seed), use), self.optimizer.iterations)

    def _drop(self, context):
        """Contexts as a training step sees them, with `context_dropout`."""
        if not self.context_dropout:
            return context
        seeds = row_seeds(self._step_seed(Use.CONTEXT), ops.shape(context)[0])
        u = uniform(ops.shape(context), seeds)
        keep = 1.0 - self.context_dropout
        return ops.where(u < keep, context / ops.cast(keep, context.dtype), 0)

    def _seed_dropout(self, seed):
        """Makes dropout a function of the step: `.keras` files do not keep Keras's own counters."""
        if self.memory is None:
            return
        weights = {id(w) for w in self.memory.weights}
        states = [v for v in self.memory.variables if id(v) not in weights]
        for number, state in enumerate(states):
            state.assign(ops.cast(fold_in(seed, number), state.dtype))

    def _use_xla(self):
        return self.jit_compile if self.compiled else True

    def compiled_function(self, name, function, xla=None, **kwargs):
        """A compiled form of `function`, made once. Not tracked, so an export leaves it out."""
        functions = self.__dict__.setdefault("_functions", {})
        xla = self._use_xla() if xla is None else xla
        options = xla, str(self.head.get_config())  # what a compiled form holds fast
        if functions.get(name, (None,))[0] != options:
            compiled = tf.function(function, jit_compile=xla, autograph=False, **kwargs)
            functions[name] = options, compiled
        return functions[name][1]


def _copy_weights(source, target, only=""):
    """Copies the weights that both layers have under the same name."""
    targets = {w.name: w for w in target.weights if w.name.startswith(only)}
    for weight in source.weights:
        if weight.name in targets and weight.name != "calls":
            targets[weight.name].assign(weight)
