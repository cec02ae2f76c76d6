"""Gradients, graphs and XLA for tests, of TensorFlow or of JAX, whichever Keras runs on."""

import keras

tensor = keras.ops.convert_to_tensor
JAX = keras.backend.backend() == "jax"
MEAN = 1e-6 if JAX else 1e-10  # tolerance of a mean in float64: on JAX `ops.mean` is in float32
# For comparisons with the equations; some functions of Keras are in float32 on JAX in any case.
FINEST, EXACT = ("float32", 1e-5) if JAX else ("float64", 1e-12)

if JAX:
    import jax
else:
    import tensorflow as tf


def value_and_gradients(function, *arguments, variables=(), state=()):
    """Returns what `function(*arguments)` returns, and the gradients of its sum.

    Args:
        function: Function that returns a tensor, or a tuple with one first.
        *arguments: Arrays and tensors, nested in any way; all of them have gradients.
        variables: Keras variables that have gradients, too.
        state: Keras variables that `function` may assign.

    Returns:
        The value, and a list of the gradients of the variables and of the flat arguments. Where
        there is none, it is None on TensorFlow and 0 on JAX.
    """
    arguments = keras.tree.map_structure(lambda x: x if x is None else tensor(x), arguments)
    if not JAX:
        leaves = [leaf for leaf in keras.tree.flatten(arguments) if leaf is not None]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            value = function(*arguments)
        first = value[0] if isinstance(value, tuple) else value
        gradients = tape.gradient(first, [*(v.value for v in variables), *leaves])
        return value, [g if g is None else tf.convert_to_tensor(g) for g in gradients]

    def total(values, arguments):
        value, moved = _run(lambda: function(*arguments), variables, values, state)
        first = value[0] if isinstance(value, tuple) else value
        return first.sum(), (value, moved)

    values = [v.value for v in variables]
    gradients, (value, moved) = jax.grad(total, (0, 1), has_aux=True)(values, arguments)
    for variable, number in zip(state, moved, strict=True):
        variable.assign(number)
    return value, jax.tree.leaves(gradients)


def train(loss, optimizer, steps, variables, state=()):
    """Trains variables by the gradients of a loss.

    Args:
        loss: Function of the number of a step that returns a scalar.
        optimizer: A Keras optimizer.
        steps: Number of steps.
        variables: Keras variables to train.
        state: Keras variables that `loss` may assign.
    """
    optimizer.build(variables)
    if not JAX:

        @compiled
        def step(number):
            _, gradients = value_and_gradients(lambda: loss(number), variables=variables)
            optimizer.apply(gradients, variables)

        for number in range(steps):
            step(tf.constant(number))
        return

    @jax.jit
    def step(number, values, moved, slots):
        def total(values):
            return _run(lambda: loss(number), [*variables, *state], [*values, *moved], state)

        gradients, moved = jax.grad(total, has_aux=True)(values)
        return *optimizer.stateless_apply(slots, gradients, values), moved

    values, slots, moved = ([v.value for v in of] for of in (variables, optimizer.variables, state))
    for number in range(steps):
        values, slots, moved = step(number, values, moved, slots)
    for variable, value in zip([*variables, *state], [*values, *moved], strict=True):
        variable.assign(value)


def graph(function, static=()):
    """Returns a function that runs as one graph.

    Args:
        function: Function of tensors.
        static: Names of arguments that are numbers of Python.
    """
    if JAX:
        return jax.jit(function, static_argnames=static)
    return tf.function(function, autograph=False)


def compiled(function):
    """Returns a function that XLA compiles."""
    return jax.jit(function) if JAX else tf.function(function, jit_compile=True, autograph=False)


def _run(function, variables, values, state):
    """Returns what a function returns with other values in variables, and the state after it."""
    with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
        result = function()
    moved = [scope.get_current_value(variable) for variable in state]
    return result, [v.value if new is None else new for v, new in zip(state, moved, strict=True)]
