"""A memory and a head make a model of sequences.

    context_1 = u_0 (learned),  context_t = memory(v_1 .. v_{t-1})
    log p(v_1 .. v_T) = sum_t log p(v_t | context_t)

The memory is any Keras recurrent layer, the head any `seqlayers.heads.Head`. u_0 is also what the
memory starts from: it is the first state of its last cell, which by Keras's convention is that
cell's output. Without a memory the model is the head alone and every frame stands for itself.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.datasets.batching import batches, check_sequences
from seqlayers.energy.sampling import fold_in, row_seeds, seed_pair
from seqlayers.export import MAX_STEPS, export
from seqlayers.heads import BernoulliHead
from seqlayers.heads.head import check_positive
from seqlayers.layers.delay import delay
from seqlayers.metrics import Likelihood

_TRAINING, _DROPOUT, _SCORE, _REVERSE, _GENERATE = range(5)  # uses of the seed
_FRAMES_AT_ONCE = 1024  # in scoring: one shape to compile, and a bound on memory


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

    def __init__(self, memory, head, **kwargs):
        super().__init__(**kwargs)
        self.memory = _as_memory(memory)
        self.head = head
        self._loss = keras.metrics.Mean(name="loss")
        self._skipped_steps = keras.metrics.Sum(name="skipped_steps")
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
            name="initial_context", shape=(context_shape[-1],), initializer="zeros"
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
        if mask is not None:  # what is padded may hold anything, NaN included
            frames = ops.where(mask[..., None], frames, 0)
        outputs = self.memory(frames, initial_state=start.memory, mask=mask, training=training)
        return delay(outputs, start.context, mask)

    # Training.

    def compile(self, optimizer="adam", jit_compile="auto", run_eagerly=False, **kwargs):
        """Configures training, as `keras.Model.compile`; the loss is the head's.

        Args:
            optimizer: A Keras optimizer or its name.
            jit_compile: Whether XLA compiles the steps. `"auto"` is True, on a CPU as well, where
                Keras would not: Gibbs sampling runs twice as fast or better.
            run_eagerly: Whether to run steps without compiling them, to look inside.
            **kwargs: The rest of `keras.Model.compile`.

        Raises:
            ValueError: if a `loss` is given.
        """
        if kwargs.get("loss") is not None:
            raise ValueError(
                "The loss is the head's; choose it by choosing the head. "
                f"Received: loss={kwargs['loss']!r}."
            )
        jit_compile = not run_eagerly if jit_compile == "auto" else jit_compile
        super().compile(
            optimizer=optimizer, jit_compile=jit_compile, run_eagerly=run_eagerly, **kwargs
        )

    def get_compile_config(self):
        return super().get_compile_config()

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self):
        return [self._loss, self._skipped_steps]

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
            x, validation_data = _split_off(self._sequences(x, mask), validation_split)
            mask = None
        if validation_data is not None:
            validation_data = self._dataset(
                *_as_pair(validation_data), batch_size, name="validation_data"
            )
        data = self._dataset(
            x,
            mask,
            batch_size,
            shuffle=shuffle,
            seed=self.head.seed,
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
        frames, mask = _as_pair(data)
        frames = ops.cast(frames, self.head.variable_dtype)
        seed = fold_in(seed_pair(self.head.seed), self.optimizer.iterations)
        self._seed_dropout(fold_in(seed, _DROPOUT))
        rows = row_seeds(fold_in(seed, _TRAINING), ops.shape(frames)[0])
        with tf.GradientTape() as tape:
            context = self.contexts(frames, mask, training=True)
            loss = self.head.loss(frames, context, mask, rows, training=True)
            total = ops.sum([loss, *self.losses])
            total = self.optimizer.scale_loss(total)
        gradients = tape.gradient(total, self.trainable_variables)
        finite = self._apply_if_finite(gradients)
        weight = tf.size(frames[..., 0]) if mask is None else ops.sum(ops.cast(mask, "int32"))
        self._loss.update_state(ops.where(finite, loss, 0), ops.where(finite, weight, 0))
        self._skipped_steps.update_state(1 - ops.cast(finite, "int32"))
        return self.get_metrics_result()

    def evaluate(
        self, x, mask=None, batch_size=32, return_dict=False, callbacks=None, verbose=0, **kwargs
    ):
        """`score` in the manner of `keras.Model.evaluate`.

        Returns:
            `loss`, nats per frame with the sign turned; with `return_dict`, `log_likelihood` too.
        """
        nats = self.score(x, mask, batch_size=batch_size or 32).nats
        return {"loss": -nats, "log_likelihood": nats} if return_dict else -nats

    def pretrain_head(self, x, epochs=10, batch_size=100, optimizer="adam", **kwargs):
        """Trains the head without context on shuffled frames, before `fit`.

        Args:
            x: Sequences: an array `(N, T, V)` or a list of arrays `(T, V)`.
            epochs: Number of epochs.
            batch_size: Number of frames in a batch.
            optimizer: A Keras optimizer or its name.
            **kwargs: The rest of `fit`.

        Returns:
            A `keras.callbacks.History`.
        """
        model = SequenceModel(None, self.head.without_context())
        model.compile(optimizer, jit_compile=self._use_xla())
        frames = np.concatenate(self._sequences(x))
        history = model.fit(frames[:, None], epochs=epochs, batch_size=batch_size, **kwargs)
        _copy_weights(model.head, self.head)
        return history

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
            A `keras.callbacks.History`.

        Raises:
            ValueError: if the model has no memory.
        """
        if self.memory is None:
            raise ValueError("This model has no memory to train. Received: memory=None.")
        head = BernoulliHead(self.head.visible_units, seed=self.head.seed)
        model = SequenceModel(self.memory, head)
        model.compile(optimizer, jit_compile=self._use_xla())
        model.initial_context.assign(self.initial_context)
        history = model.fit(x, epochs=epochs, **kwargs)
        self.initial_context.assign(model.initial_context)
        _copy_weights(model.head, self.head, only="context")
        return history

    # Likelihood.

    def score(self, x, mask=None, *, batch_size=32, seed=0, bracket=False):
        """Log-likelihood of sequences, in nats per frame, all frames pooled.

        Args:
            x: Sequences, as in `fit`.
            mask: With an array, which steps are frames, bool `(N, T)`.
            batch_size: Number of sequences in a batch.
            seed: Whole number that the draws of an estimate start from.
            bracket: Whether to estimate from the other side, too, where the head can:
                `reverse_nats`, with the truth between.

        Returns:
            A `seqlayers.metrics.Likelihood`.

        Raises:
            ValueError: naming what is wrong with the sequences, or if there is no frame to score.
        """
        seed = seed_pair(seed)
        totals = np.zeros(3)
        frames = sequences = 0
        bracket = bracket and hasattr(self.head, "reverse_log_prob")
        log_probs = self._function("log_prob", self._frame_log_probs)
        for number, (v, context, count, rows) in enumerate(
            self._frames_with_context(self._dataset(x, mask, batch_size))
        ):
            nats, error, reverse = (
                np.asarray(values, "float64")[:count]
                for values in log_probs(v, context, fold_in(seed, number), bracket)
            )
            # Frames with one context share one Z, and so its error; others have their own.
            variance = np.square(error).sum() if self.memory else np.square(error.sum())
            totals += nats.sum(), variance, reverse.sum()
            frames, sequences = frames + count, sequences + rows
        if not frames:
            raise ValueError("`x` must hold at least one frame that is not masked. Received: none.")
        return Likelihood(
            nats=totals[0] / frames,
            standard_error=float(np.sqrt(totals[1])) / frames,
            kind=self.head.kind,
            frames=frames,
            sequences=sequences,
            reverse_nats=totals[2] / frames if bracket else None,
        )

    def _frame_log_probs(self, frames, context, seed, bracket):
        nats, error = self.head.log_prob(frames, context, fold_in(seed, _SCORE))
        if not bracket:
            return nats, error, nats
        return (
            nats,
            error,
            self.head.reverse_log_prob(frames, context, fold_in(seed, _REVERSE)).nats,
        )

    def _frames_with_context(self, dataset):
        """Frames that count with their contexts, a fixed number at a time, the last ones padded."""
        frames_spec = tf.TensorSpec((None, None, self.head.visible_units), self.head.variable_dtype)
        signature = [frames_spec, tf.TensorSpec((None, None), tf.bool)]
        contexts = self._function("contexts", self.contexts, xla=False, input_signature=signature)
        waiting, counted, size = [], 0, None
        for batch in dataset:
            frames, mask = _as_pair(batch)
            frames = tf.cast(frames, self.head.variable_dtype)
            keep = np.ones(frames.shape[:2], bool) if mask is None else mask.numpy()
            context = contexts(frames, tf.constant(keep))
            context = np.zeros((*keep.shape, 0)) if context is None else context.numpy()
            waiting.append((frames.numpy()[keep], context[keep], keep.any(axis=1).sum()))
            counted += keep.sum()
            while counted >= _FRAMES_AT_ONCE:
                size = _FRAMES_AT_ONCE
                waiting, counted = yield from self._hand_out(waiting, size, size)
        if counted:
            size = size or max(16, 2 ** int(np.ceil(np.log2(counted))))  # few shapes
            yield from self._hand_out(waiting, counted, size)

    def _hand_out(self, waiting, count, size):
        """Yields the first `count` frames, padded to `size`; returns what is left."""
        frames, context, rows = zip(*waiting, strict=True)
        frames, context = np.concatenate(frames), np.concatenate(context)

        def padded(array):
            array = array[:count]
            return tf.constant(np.pad(array, [(0, size - count), (0, 0)]))

        has_context = self.memory is not None
        yield padded(frames), padded(context) if has_context else None, count, sum(rows)
        return [(frames[count:], context[count:], 0)], len(frames) - count

    # Streaming and generation.

    def initial_state(self, batch_size=1):
        """The `State` before the first frame."""
        if self.memory is None:
            return State(None, [])
        context = ops.broadcast_to(
            self.initial_context, (batch_size, self.initial_context.shape[0])
        )
        context = ops.cast(context, self.memory.compute_dtype)
        states = list(self.memory.get_initial_state(batch_size))
        if isinstance(self.memory.cell, keras.layers.StackedRNNCells):
            states[-1] = _with_output(states[-1], context)
        else:
            states = _with_output(states, context)
        return State(context, states)

    def step(self, frame, state):
        """The `State` after one more frame `(batch, V)`."""
        if self.memory is None:
            return state
        dtype = self.memory.compute_dtype
        context, memory = self.memory.cell(ops.cast(frame, dtype), state.memory)
        memory = keras.tree.map_structure(
            lambda new, old: ops.cast(new, old.dtype), memory, state.memory
        )
        return State(context, memory)

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
        check_positive("num_steps", num_steps)
        if num_sequences is not None:
            check_positive("num_sequences", num_sequences)
        if not 0 < temperature < np.inf:
            raise ValueError(
                f"`temperature` must be above 0. Received: temperature={temperature!r}."
            )
        if prime is not None:
            prime = self._check_prime(prime, num_sequences)
            num_sequences = len(prime)
        state = self.initial_state(num_sequences or 1)
        if prime is not None and self.memory is not None:
            state = self._function("prime", self.prime)(prime, state)
        seeds = row_seeds(fold_in(seed_pair(seed), _GENERATE), num_sequences or 1)
        draw = self._function("draw", self.draw)
        return draw(state, seeds, num_steps, tf.constant(temperature, tf.float32)).numpy()

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

    # What it is made of.

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "memory": None if self.memory is None else serialize(self.memory),
            "head": serialize(self.head),
        }

    @classmethod
    def from_config(cls, config):
        for part in ("memory", "head", "dtype"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)

    def _build_head(self, input_shape):
        if not self.head.built:
            self.head.build(input_shape)

    def _apply_if_finite(self, gradients):
        """Applies the gradients; if one is not finite, leaves all weights as they were."""
        finite = ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in gradients]))
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

        def apply():
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return 0

        def skip():  # the next step must not draw the same again
            self.optimizer.iterations.assign_add(1)
            return 0

        tf.cond(finite, apply, skip)
        return finite

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

    def _function(self, name, function, xla=None, **kwargs):
        """A compiled form of `function`, made once. Not tracked, so an export leaves it out."""
        functions = self.__dict__.setdefault("_functions", {})
        xla = self._use_xla() if xla is None else xla
        if (name, xla) not in functions:
            functions[name, xla] = tf.function(function, jit_compile=xla, autograph=False, **kwargs)
        return functions[name, xla]

    def _sequences(self, x, mask=None, name="x"):
        """Sequences as a list of checked arrays; an array's masked steps are taken out."""
        sequences = check_sequences(x, self.head.visible_units, name)
        for sequence in sequences:
            self.head.check_frames(sequence, name)
        if mask is None:
            return sequences
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != np.shape(x)[:2]:
            raise ValueError(
                f"`mask` must be bool, one for each step of `{name}`. "
                f"Received: {mask.dtype} of shape {mask.shape}, {name} of shape {np.shape(x)}."
            )
        if not mask.any():
            raise ValueError("`mask` must keep at least one frame. Received: all steps masked.")
        return [s[m] for s, m in zip(sequences, mask, strict=True) if m.any()]

    def _dataset(self, x, mask, batch_size, shuffle=False, name="x", **kwargs):
        if isinstance(x, tf.data.Dataset):
            return x.map(lambda *batch: self._checked_batch(batch, name))
        return batches(self._sequences(x, mask, name), batch_size, shuffle=shuffle, **kwargs)

    def _checked_batch(self, batch, name):
        """The checks of `_sequences`, inside a user's own `tf.data` pipeline."""
        frames, mask = _as_pair(batch if len(batch) > 1 else batch[0])
        if len(frames.shape) != 3 or frames.shape[-1] != self.head.visible_units:
            raise ValueError(
                f"`{name}` must give frames (batch, time, {self.head.visible_units}). "
                f"Received: shape {frames.shape}."
            )
        frames = tf.cast(frames, self.head.variable_dtype)
        seen = frames if mask is None else tf.where(mask[..., None], frames, 0)
        tf.debugging.assert_all_finite(seen, f"`{name}` must be finite.")
        if self.head.visibles == "bernoulli":
            message = f"`{name}` must lie in [0, 1] for Bernoulli visibles."
            checks = [
                tf.debugging.assert_non_negative(seen, message),
                tf.debugging.assert_less_equal(seen, tf.ones((), seen.dtype), message),
            ]
            with tf.control_dependencies(checks):
                frames = tf.identity(frames)
        return frames if mask is None else (frames, mask)

    def _check_prime(self, prime, num_sequences):
        prime = np.asarray(prime, "float32")
        if prime.ndim == 2:
            prime = np.repeat(prime[None], num_sequences or 1, axis=0)
        prime = np.stack(self._sequences(prime, name="prime"))
        if num_sequences is not None and len(prime) != num_sequences:
            raise ValueError(
                "`prime` must have one row for each sequence. "
                f"Received: {len(prime)} rows and num_sequences={num_sequences}."
            )
        return tf.constant(prime)


def _as_memory(memory):
    """A recurrent layer that returns sequences, from what stands for one."""
    if memory is None:
        return None
    if isinstance(memory, list | tuple) or (
        not isinstance(memory, keras.layers.RNN) and hasattr(memory, "state_size")
    ):
        memory = keras.layers.RNN(memory, return_sequences=True)
    if not isinstance(memory, keras.layers.RNN):
        raise ValueError(
            "`memory` must be a recurrent layer, a cell, a list of cells or None. "
            f"Received: memory={memory!r}."
        )
    wanted = {"return_sequences": True, "return_state": False}
    wanted |= {"go_backwards": False, "stateful": False}
    for argument, value in wanted.items():
        if getattr(memory, argument) != value:
            raise ValueError(
                f"`memory` must be made with {argument}={value}: the model reads forward, hands "
                f"its state on itself and needs an output for each frame. Received: {memory!r}."
            )
    return memory


def _with_output(states, output):
    """The states of one cell with `output` in the place of the first, if that has its size."""
    if not isinstance(states, list | tuple):
        return output if states.shape[-1] == output.shape[-1] else states
    return [_with_output(states[0], output), *states[1:]]


def _as_pair(data):
    """`(frames, mask)` of what a batch or an argument holds."""
    if isinstance(data, tuple) and len(data) == 2:
        frames, mask = data
        if mask is None or _is_bool(mask):
            return frames, mask
    if isinstance(data, tuple) and len(data) == 1:
        return data[0], None
    return data, None


def _is_bool(array):
    return str(getattr(array, "dtype", "")) in ("bool", "<dtype: 'bool'>")


def _split_off(sequences, share):
    if not 0 < share < 1:
        raise ValueError(f"`validation_split` must lie in (0, 1). Received: {share!r}.")
    at = round(len(sequences) * (1 - share))
    if not 0 < at < len(sequences):
        raise ValueError(
            "`validation_split` must leave at least one sequence on each side. "
            f"Received: validation_split={share} of {len(sequences)} sequences."
        )
    return sequences[:at], sequences[at:]


def _copy_weights(source, target, only=""):
    """Copies the weights that both layers have under the same name."""
    targets = {w.name: w for w in target.weights if w.name.startswith(only)}
    for weight in source.weights:
        if weight.name in targets and weight.name != "calls":
            targets[weight.name].assign(weight)
