"""Recurrent cells with gates and their layers, with the arguments and behaviour of Keras's own.

A cell takes the arguments of `keras.layers.LSTMCell`, and its own. Its layer takes those of the
cell and of `keras.layers.RNN`. Each is written once; `help` and `inspect` show them all.
"""

import inspect

import keras
from keras import ops

from seqlayers import replicas
from seqlayers.checks import check_flag, check_integer, check_number
from seqlayers.layers import documentation
from seqlayers.layers import scan as loops

# Seeds that Keras's `SeedGenerator` takes.
SEEDS = (0, 2**32 - 1) if keras.backend.backend() == "jax" else (-(2**63), 2**63 - 1)


class GatedCell(keras.layers.SimpleRNNCell):
    """A recurrent cell with gates.

    A subclass sets `state_size` in `__init__`, names its states in `state_names`, the output first,
    and returns its equations as `recurrence`, which a layer runs over all frames at once: on
    TensorFlow those that `has_gradient` alone. Its model sets the arguments in `fixed`: they are
    neither in its signature nor in its config.

    Args:
        units: Size of the output.
        recurrent_activation: Activation of the gates.
        unit_forget_bias: Whether the biases of forget gates start at 1.
        **kwargs: The rest of `keras.layers.SimpleRNNCell`.

    Class arguments:
        equations: Docstring of the module that holds the equations, `__doc__`. With it the class
            docstring is completed: `help` shows the equations and every argument.
    """

    fixed: tuple[str, ...] = ()
    why_fixed = ""
    equations: str | None = None
    argument_texts = documentation.LSTM_ARGUMENTS
    rows_of_frame = 1  # in the batch that the recurrence sees
    retired: tuple[str, ...] = ()  # arguments of earlier versions, ignored in their configs

    def __init__(self, units, recurrent_activation="sigmoid", unit_forget_bias=True, **kwargs):
        implementation = check_integer("implementation", kwargs.pop("implementation", 2), most=2)
        for name in {"dropout", "recurrent_dropout"} & kwargs.keys():
            kwargs[name] = check_number(name, kwargs[name], least=0, most=1)
        if kwargs.get("seed") is not None:
            kwargs["seed"] = check_integer("seed", kwargs["seed"], *SEEDS)
        kwargs["use_bias"] = check_flag("use_bias", kwargs.get("use_bias", True))
        super().__init__(check_integer("units", units), **kwargs)
        if implementation == 1 and (self.dropout or self.recurrent_dropout):
            raise ValueError(
                "`implementation` must be 2 where there is dropout: all gates share one product, "
                "and its dropout. Received: implementation=1."
            )
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = check_flag("unit_forget_bias", unit_forget_bias)

    def __init_subclass__(cls, equations=None, **kwargs):
        super().__init_subclass__(**kwargs)
        inits = [c.__init__ for c in cls.__mro__ if issubclass(c, keras.layers.SimpleRNNCell)]
        cls.__signature__ = documentation.signature(inits, without=cls.fixed)
        cls.equations = equations or cls.equations
        own = cls.__dict__.get("__doc__")
        parts = documentation.sections(own)
        own_arguments = documentation.arguments(parts.get("Args", ""))
        cls.argument_texts = cls.argument_texts | own_arguments
        if own and cls.equations:
            cls.__doc__ = documentation.docstring(
                parts,
                cls.equations,
                cls.argument_texts,
                cls.__signature__,
                cls.fixed,
                cls.why_fixed,
            )

    @classmethod
    def check_fixed(cls, given, owner=None):
        """Raises `ValueError` for arguments in `fixed`, in the name of `owner`, a class."""
        for name in cls.fixed:
            if name in given:
                raise ValueError(
                    f"`{name}` is no argument of `{(owner or cls).__name__}`: {cls.why_fixed}. "
                    f"Received: {name}={given[name]!r}."
                )

    def _add_weights(self, input_shape, columns, recurrent_rows=None):
        """Makes `kernel`, `recurrent_kernel` with a row for each unit of the output, and `bias`.

        With `recurrent_rows=0` there is no `recurrent_kernel`.
        """
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], columns),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        rows = self.units if recurrent_rows is None else recurrent_rows
        if rows:
            self.recurrent_kernel = self.add_weight(
                name="recurrent_kernel",
                shape=(rows, columns),
                initializer=self.recurrent_initializer,
                regularizer=self.recurrent_regularizer,
                constraint=self.recurrent_constraint,
            )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(columns,),
                initializer=self._initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _initial_bias(self, shape, dtype=None):
        return self.bias_initializer(shape, dtype=dtype)

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    @property
    def memory_dtype(self):
        """Type of the states within a step, at least float32.

        In half precision squares vanish below 2e-4, uniform numbers round to 1 and counts stop at
        256.
        """
        return "float32" if self.compute_dtype in ("float16", "bfloat16") else self.compute_dtype

    # One step and all steps are the same equations, those of `recurrence`.

    @property
    def recurrence(self):
        """The equations, as a `seqlayers.layers.recurrence.Recurrence`."""
        raise NotImplementedError

    def call(self, inputs, states, training=False):
        def step(weights, rows, frames, states, mask):
            frame = tuple(x[0] for x in frames)
            after, _ = self.recurrence.step(weights, rows, frame, states)
            return after[0][None], after

        step = self._over_frames(step, compiled=False)
        outputs, after = self._run(step, inputs[None], states, None, training)
        after = [ops.cast(new, old.dtype) for new, old in zip(after, states, strict=True)]
        return ops.cast(outputs[0], self.compute_dtype), after

    def has_gradient(self):
        """Returns whether `recurrence` has its gradient by hand, for these activations."""
        return False

    def scan(self, sequences, states, mask, training, jit_compile):
        """Returns outputs and last states of sequences `(time, batch, features)`.

        `states` is a list like `state_size`, `mask` bool `(time, batch)` or None.
        """

        def loop(weights, rows, frames, states, mask):
            return loops.scan(
                self.recurrence,
                self.has_gradient(),
                weights,
                rows,
                frames,
                states,
                mask,
                training,
                jit_compile,
            )

        loop = self._over_frames(loop, loops.compiles(training, jit_compile))
        return self._run(loop, sequences, states, mask, training)

    def _over_frames(self, loop, compiled):
        """Returns a loop over frames, of one over the frames of `recurrence`.

        Args:
            loop: Function of weights, rows, frames, states and a mask.
            compiled: Whether XLA compiles it by itself.
        """
        return loop

    def _run(self, loop, sequences, states, mask, training):
        """Gives a loop over time the weights, rows, frames and states that the recurrence reads."""
        if training and self.dropout:
            sequences = sequences * self.get_dropout_mask(sequences[0])
        rows = ()  # the dropout of the output of the step before, if any
        if training and self.recurrent_dropout:
            rows = (ops.cast(self.get_recurrent_dropout_mask(states[0]), self.memory_dtype),)
        frames = self._frames(sequences, training)
        states = tuple(ops.cast(s, self.memory_dtype) for s in states)
        outputs, after = loop(self._weights(), rows, frames, states, mask)
        return outputs, list(after)

    def _create_dropout_mask(self, step_input, dropout_rate):
        """Draws the rows of this replica as those of the whole batch, which Keras would not."""
        if replicas.number() == 1:
            return super()._create_dropout_mask(step_input, dropout_rate)
        rows, *units = shape = ops.shape(step_input)
        before, after = replicas.rows_around(rows)
        whole = ops.ones((before + rows + after, *units), step_input.dtype)
        mask = super()._create_dropout_mask(whole, dropout_rate)
        return ops.reshape(mask[before : before + rows], shape)

    def _weights(self):
        return (ops.cast(self.recurrent_kernel, self.memory_dtype),)

    def _frames(self, sequences, training):
        """Returns x W + b of all frames, `(time, batch, columns)`."""
        # One product for all steps, since it needs no state.
        time, batch, *frame = ops.shape(sequences)
        x = self.project(ops.reshape(sequences, (-1, *frame)))
        return (ops.reshape(x, (time, batch * self.rows_of_frame, x.shape[-1])),)

    def project(self, inputs):
        """Returns x W + b, `(..., columns)`, in `memory_dtype`."""
        x = ops.matmul(inputs, self.kernel)
        return ops.cast(x if self.bias is None else x + self.bias, self.memory_dtype)

    @classmethod
    def from_config(cls, config):
        return super().from_config(without(cls.retired, config))

    def get_config(self):
        config = super().get_config()
        config["recurrent_activation"] = keras.activations.serialize(self.recurrent_activation)
        config["unit_forget_bias"] = self.unit_forget_bias
        return without(self.fixed, config)


@keras.saving.register_keras_serializable("seqlayers")
class ScannedRNN(keras.layers.RNN):
    """`keras.layers.RNN` that runs gated cells over all frames at once.

    Each cell of a stack reads the whole sequence before the next one begins. Outputs, weights and
    states are those of `keras.layers.RNN`, in the same order. A cell that is not gated or cannot
    `scan` runs in Keras's loop.

    Args:
        cell: A cell, or a list of cells to stack.
        jit_compile: Whether XLA compiles the loop over time, even in a model that it does not
            compile. `"auto"` is True in training, `evaluate` and `predict`, and False otherwise, so
            that exported models hold plain TensorFlow; with True they need a server that has XLA.
            It has no effect on JAX, which compiles all loops.
        **kwargs: Those of `keras.layers.RNN`.
    """

    FLAGS = frozenset(
        "return_sequences return_state go_backwards stateful unroll zero_output_for_mask".split()
    )

    def __init__(self, cell, jit_compile="auto", **kwargs):
        if jit_compile not in ("auto", True, False):
            raise ValueError(
                '`jit_compile` must be "auto", True or False. '
                f"Received: jit_compile={jit_compile!r}."
            )
        for name in self.FLAGS & kwargs.keys():
            kwargs[name] = check_flag(name, kwargs[name])
        super().__init__(cell, **kwargs)
        self.jit_compile = jit_compile if jit_compile == "auto" else bool(jit_compile)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if mask is not None:  # what is masked may hold anything, NaN included
            mask = ops.cast(keras.tree.flatten(mask)[0], "bool")
            if not _fits(mask.shape, sequences.shape[:2]):
                raise ValueError(
                    "`mask` must be of shape (batch, time), as the inputs are. Received: a mask of "
                    f"shape {tuple(mask.shape)}, and inputs of shape {tuple(sequences.shape)}."
                )
            sequences = ops.where(mask[..., None], sequences, 0)
        stacked = isinstance(self.cell, keras.layers.StackedRNNCells)
        cells = self.cell.cells if stacked else [self.cell]
        at_once = all(
            isinstance(cell, GatedCell) and loops.can_scan(cell.has_gradient()) for cell in cells
        )
        if self.unroll or not at_once:
            return super().inner_loop(sequences, initial_state, mask, training)
        outputs = ops.swapaxes(sequences[:], 0, 1)  # a `tf.Variable` has no transpose, a slice has
        mask = None if mask is None else ops.swapaxes(mask, 0, 1)
        if self.go_backwards:
            outputs = ops.flip(outputs, axis=0)
            mask = None if mask is None else ops.flip(mask, axis=0)
        states = []
        for cell, before in zip(cells, initial_state if stacked else [initial_state], strict=True):
            outputs, after = cell.scan(outputs, before, mask, training, self.jit_compile)
            outputs = ops.cast(outputs, cell.compute_dtype)
            states.append(after)
        if mask is not None:  # Keras returns 0 as long as there was no frame, whatever the state
            seen = mask if self.zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), 0) > 0
            outputs = ops.where(seen[..., None], outputs, 0)
        last = outputs[-1]
        outputs = ops.swapaxes(outputs, 0, 1) if self.return_sequences else last[:, None]
        return last, outputs, states if stacked else states[0]

    def get_config(self):
        return super().get_config() | {"jit_compile": self.jit_compile}


def _fits(shape, expected):
    """Returns whether two shapes are the same, as far as both are known."""
    return len(shape) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(shape, expected, strict=True)
    )


def scanned(cell):
    """Returns a `ScannedRNN` of a cell, or of cells to stack, if all are gated; else `cell`."""
    cells = cell if isinstance(cell, list | tuple) else getattr(cell, "cells", [cell])
    if not cells or not all(isinstance(part, GatedCell) for part in cells):
        return cell
    policy = cells[0].dtype_policy
    if isinstance(cell, list | tuple):
        cell = keras.layers.StackedRNNCells(cell, dtype=policy)  # else it casts to Keras's default
    return ScannedRNN(cell, return_sequences=True, dtype=policy)


class GatedRNN(ScannedRNN):
    """A recurrent layer of one cell: `class SFM(GatedRNN, cell=SFMCell)`.

    Its docstring is completed by that of the cell, by the rules of `documentation`.

    Args:
        *args, **kwargs: Those of the cell and of `ScannedRNN`.
    """

    def __init_subclass__(cls, cell=None, **kwargs):
        super().__init_subclass__(**kwargs)
        if cell is None:
            return
        cls.cell_class = cell
        inits = [keras.layers.RNN.__init__, GatedRNN.__init__, ScannedRNN.__init__]
        cls.__signature__ = documentation.signature([cell, *inits])
        for name in inspect.signature(cell).parameters:
            if not hasattr(cls, name):
                setattr(cls, name, property(lambda self, name=name: getattr(self.cell, name)))
        own = cls.__dict__.get("__doc__")
        if own and cell.__doc__ and cell.equations:
            cls.__doc__ = cls._docstring(documentation.sections(own), cell)

    @classmethod
    def _docstring(cls, parts, cell):
        texts = cell.argument_texts.copy()
        for text in (ScannedRNN.__doc__, cls.__doc__):
            texts |= documentation.arguments(documentation.sections(text).get("Args", ""))
        of_cell = documentation.sections(cell.__doc__)["Call arguments"]
        shared = documentation.LAYER_SECTIONS | {
            "Call arguments": documentation.call_arguments(of_cell)
        }
        return documentation.docstring(
            shared | parts, cell.equations, texts, cls.__signature__, cell.fixed, cell.why_fixed
        )

    def __init__(self, *args, activity_regularizer=None, **kwargs):
        positional = self._check_arguments(args, kwargs)
        if (use_cudnn := kwargs.pop("use_cudnn", "auto")) not in ("auto", False):
            raise ValueError(
                f'`use_cudnn` must be "auto" or False: cuDNN has no `{type(self).__name__}`. '
                f"Received: use_cudnn={use_cudnn!r}."
            )
        for_cell = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
        for name in (*inspect.signature(self.cell_class).parameters, "implementation"):
            if name in kwargs:
                for_cell[name] = kwargs.pop(name)
        try:
            cell = self.cell_class(*args, **for_cell)
        except ValueError as error:
            if len(args) == 1:
                raise
            raise ValueError(f"{error} {positional}") from error
        super().__init__(cell, activity_regularizer=activity_regularizer, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def _check_arguments(self, args, kwargs):
        """Returns a sentence on arguments that may be given by position.

        Errors name this layer, not its cell, whose arguments they are.

        Raises:
            TypeError: If one is missing or given twice, or there are too many by position.
            ValueError: If one is fixed.
        """
        self.cell_class.check_fixed(kwargs, type(self))
        parameters = inspect.signature(self.cell_class).parameters.values()
        parameters = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        names = [p.name for p in parameters]
        sentence = (
            f"Positional arguments of `{type(self).__name__}` are {', '.join(names)}; give all "
            "others by name, those of `keras.layers.LSTM` too."
        )
        by_position = names[: len(args)]
        missing = [
            f"`{p.name}`"
            for p in parameters[len(args) :]
            if p.default is p.empty and p.name not in kwargs
        ]
        twice = [f"`{name}`" for name in by_position if name in kwargs]
        if missing:
            raise TypeError(f"`{type(self).__name__}` needs {' and '.join(missing)}. {sentence}")
        if twice or len(args) > len(names):
            received = f"{' and '.join(twice)} twice" if twice else f"{len(args)} by position"
            raise TypeError(f"{sentence} Received: {received}.")
        return sentence

    def build(self, sequences_shape, initial_state_shape=None):
        if sequences_shape[-1] is None:
            raise ValueError(
                f"`{type(self).__name__}` needs to know the number of features to make its "
                f"weights. Received: inputs of shape {tuple(sequences_shape)}."
            )
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is not None:
            self._check_states(initial_state, sequences.shape[0])
        return super().call(sequences, initial_state, mask, training)

    def _check_states(self, states, batch):
        wanted = ", ".join(
            f"{name} (batch, {size})"
            for name, size in zip(self.cell.state_names, self.cell.state_size, strict=True)
        )
        given = states if isinstance(states, list | tuple) else [states]
        shapes = [tuple(getattr(s, "shape", ())) for s in given]
        sizes = self.cell.state_size
        if len(shapes) != len(sizes) or not all(
            _fits(shape, (batch, size)) for shape, size in zip(shapes, sizes, strict=True)
        ):
            raise ValueError(
                f"`initial_state` must be a list of {wanted}, with the batch of the inputs. "
                f"Received: {shapes}, and inputs of batch {batch}."
            )

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        of_cell = self.cell.get_config()
        for name in ("name", "trainable", "dtype"):
            of_cell.pop(name, None)
        activity_regularizer = keras.regularizers.serialize(self.activity_regularizer)
        return of_cell | config | {"activity_regularizer": activity_regularizer}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**without(cls.cell_class.retired, config))


def without(names, config):
    """Returns `config` without these names."""
    return {name: value for name, value in config.items() if name not in names}
