"""Recurrent cells that read whole sequences at once, and their layers.

A layer takes the arguments of its cell and of `keras.layers.RNN`. Each is written once; `help` and
`inspect` show them all.
"""

import functools
import inspect

import keras
from keras import ops

from seqlayers.checks import check_flag
from seqlayers.layers import documentation


class ScannedCell(keras.layers.Layer):
    """A recurrent cell that reads whole sequences at once, too, by `scan`.

    A subclass sets `state_size`, a list, in `__init__` or on building, and names its states in
    `state_names`. Its model sets the arguments in `fixed`: they are neither in its signature nor in
    its config. With a method `first_output` it fixes its output before any frame, as the function
    of that name in `seqlayers.layers.parts` says.

    The class argument `equations` is the docstring of the module that holds the equations,
    `__doc__`: with it the class docstring is completed, and `help` shows the equations and every
    argument.

    Args:
        *args, **kwargs: Those of `keras.layers.Layer`.
    """

    fixed: tuple[str, ...] = ()
    why_fixed = ""
    equations: str | None = None
    argument_texts = documentation.LAYER_ARGUMENTS
    retired: tuple[str, ...] = ()  # arguments of earlier versions, ignored in their configs

    def __init_subclass__(cls, equations=None, **kwargs):
        super().__init_subclass__(**kwargs)
        documented = (ScannedCell, keras.layers.SimpleRNNCell)
        classes = [c for c in cls.__mro__ if issubclass(c, documented) and "__init__" in vars(c)]
        inits = [c.__init__ for c in classes]
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

    def get_initial_state(self, batch_size=None):
        if None in self.state_size:
            raise ValueError(
                "The sizes of the states are known once the layer is built, as they depend on the "
                "number of features. Call the layer or its `build` before."
            )
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def can_scan(self):
        """Returns whether the backend can `scan`; if not, Keras's loop runs the cell."""
        return True

    def scan(self, sequences, states, mask, training, jit_compile):
        """Returns outputs and last states of sequences `(time, batch, features)`.

        Args:
            sequences: Frames, 0 where they are masked.
            states: List of the states before them, like `state_size`.
            mask: Steps that are frames, bool `(time, batch)`; all if None. Other steps leave the
                states as they are and repeat the output before; any before the first frame.
            training: Whether to apply dropout.
            jit_compile: As in `ScannedRNN`.
        """
        raise NotImplementedError

    @classmethod
    def from_config(cls, config):
        return super().from_config(without(cls.retired, config))


@keras.saving.register_keras_serializable("seqlayers")
class ScannedRNN(keras.layers.RNN):
    """`keras.layers.RNN` that runs cells which can `scan` over all frames at once.

    Each cell of a stack reads the whole sequence before the next one begins. Outputs, weights and
    states are those of `keras.layers.RNN`, in the same order. Other cells run in Keras's loop.

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

    def __init__(self, cell, jit_compile: bool | str = "auto", **kwargs):
        if jit_compile not in ("auto", True, False):
            raise ValueError(
                '`jit_compile` must be "auto", True or False. '
                f"Received: jit_compile={jit_compile!r}."
            )
        for name in self.FLAGS & kwargs.keys():
            kwargs[name] = check_flag(name, kwargs[name])
        super().__init__(cell, **kwargs)
        self.jit_compile = jit_compile if jit_compile == "auto" else bool(jit_compile)

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        if not self.single_state:
            self.state_size = list(self.cell.state_size)  # all of them are known now
        self.supports_jit = all(getattr(cell, "supports_jit", True) for cell in self._cells())

    def _cells(self):
        stacked = isinstance(self.cell, keras.layers.StackedRNNCells)
        return self.cell.cells if stacked else [self.cell]

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if mask is not None:  # what is masked may hold anything, NaN included
            mask = ops.cast(keras.tree.flatten(mask)[0], "bool")
            if not _fits(mask.shape, sequences.shape[:2]):
                raise ValueError(
                    "`mask` must be of shape (batch, time), as the inputs are. Received: a mask of "
                    f"shape {tuple(mask.shape)}, and inputs of shape {tuple(sequences.shape)}."
                )
            sequences = ops.where(mask[..., None], sequences, 0)
        cells, stacked = self._cells(), isinstance(self.cell, keras.layers.StackedRNNCells)
        if self.unroll or not any(map(can_scan, cells)):
            return super().inner_loop(sequences, initial_state, mask, training)
        outputs = ops.swapaxes(sequences[:], 0, 1)  # a `tf.Variable` has no transpose, a slice has
        mask = None if mask is None else ops.swapaxes(mask, 0, 1)
        if self.go_backwards:
            outputs = ops.flip(outputs, axis=0)
            mask = None if mask is None else ops.flip(mask, axis=0)
        states = []
        for cell, before in zip(cells, initial_state if stacked else [initial_state], strict=True):
            scan = cell.scan if can_scan(cell) else functools.partial(_loop, cell)
            outputs, after = scan(outputs, before, mask, training, self.jit_compile)
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


def known_features(layer, shape):
    """Returns the number of features of inputs of a shape.

    Raises:
        ValueError: If it is unknown. The message names the layer or cell.
    """
    if shape[-1] is None:
        raise ValueError(
            f"`{type(layer).__name__}` needs to know the number of features. "
            f"Received: inputs of shape {tuple(shape)}."
        )
    return shape[-1]


def can_scan(cell):
    """Returns whether a cell runs over all frames at once, by `ScannedCell.scan`."""
    return isinstance(cell, ScannedCell) and cell.can_scan()


def _loop(cell, sequences, states, mask, training, jit_compile):
    """Returns what `ScannedCell.scan` returns, of any cell, from Keras's loop."""
    policy = getattr(cell, "dtype_policy", None)
    layer = keras.layers.RNN(cell, return_sequences=True, name="loop", dtype=policy)
    sequences, mask = (None if x is None else ops.swapaxes(x, 0, 1) for x in (sequences, mask))
    states = states if keras.tree.is_nested(states) else [states]
    _, outputs, after = layer.inner_loop(sequences, states, mask, training)
    return ops.swapaxes(outputs, 0, 1), list(after)


def _fits(shape, expected):
    """Returns whether two shapes are the same, as far as both are known."""
    return len(shape) == len(expected) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(shape, expected, strict=True)
    )


def scanned(cell):
    """Returns a `ScannedRNN` of a cell, or of cells to stack, if one can `scan`; else `cell`."""
    stacked = isinstance(cell, keras.layers.StackedRNNCells)
    cells = cell.cells if stacked else cell if isinstance(cell, list | tuple) else [cell]
    if not any(isinstance(part, ScannedCell) for part in cells):
        return cell
    policy = cells[0].dtype_policy
    if isinstance(cell, list | tuple):
        cell = keras.layers.StackedRNNCells(cell, dtype=policy)  # else it casts to Keras's default
    return ScannedRNN(cell, return_sequences=True, dtype=policy)


class CellRNN(ScannedRNN):
    """A `ScannedRNN` of one cell: `class Position(CellRNN, cell=PositionCell)`.

    Its docstring is completed by that of the cell, by the rules of `documentation`.

    Args:
        *args, **kwargs: Those of the cell and of `ScannedRNN`.
    """

    def __init_subclass__(cls, cell=None, **kwargs):
        super().__init_subclass__(**kwargs)
        if cell is None:
            return
        cls.cell_class = cell
        between = cls.__mro__[1 : cls.__mro__.index(CellRNN)]
        classes = [*between, keras.layers.RNN, CellRNN, ScannedRNN]
        cls.__signature__ = documentation.signature([cell, *(c.__init__ for c in classes)])
        for name in inspect.signature(cell).parameters:
            if not hasattr(cls, name):
                setattr(cls, name, property(lambda self, name=name: getattr(self.cell, name)))
        own = cls.__dict__.get("__doc__")
        if own and cell.__doc__ and cell.equations:
            cls.__doc__ = cls._docstring(documentation.sections(own), cell)

    @classmethod
    def _docstring(cls, parts, cell):
        texts = cell.argument_texts.copy()
        for text in (ScannedRNN.__doc__, cls.__base__.__doc__, cls.__doc__):
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
        for_cell = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
        for name in (*inspect.signature(self.cell_class).parameters, "implementation"):
            if name in kwargs:
                for_cell[name] = kwargs.pop(name)
        try:
            cell = self.cell_class(*args, **for_cell)
        except ValueError as error:
            if len(args) < 2:  # no order that could be another one
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
            f"others by name{', those of `keras.layers.LSTM` too' if 'units' in names else ''}."
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
        known_features(self, sequences_shape)
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


class MemoryRNN(CellRNN):
    """A `CellRNN` that is made to be the memory of a model: it returns the outputs of all frames.

    Args:
        return_sequences: Whether to return the outputs of all frames, or that of the last one. The
            default is not that of Keras.
    """

    def __init__(self, *args, return_sequences=True, **kwargs):
        super().__init__(*args, return_sequences=return_sequences, **kwargs)


def without(names, config):
    """Returns `config` without these names."""
    return {name: value for name, value in config.items() if name not in names}
