"""Signatures and docstrings of recurrent layers, each part of them written once.

A class documents its own arguments. Those of `keras.layers.LSTM` are documented here, the equations
in the docstring of the cell's module; a layer takes both from its cell.
"""

import inspect
import textwrap

LAYER_ARGUMENTS = {
    "return_sequences": "Whether to return the outputs of all frames, or that of the last one.",
    "return_state": "Whether to return the states after the last frame, too.",
    "go_backwards": "Whether to read sequences from the end. Outputs are in the order of reading.",
    "stateful": "Whether a batch starts from the states after the batch before it.",
    "unroll": "Whether to unroll the loop over time, for sequences of a known number of frames.",
    "zero_output_for_mask": "Whether outputs of masked steps are 0, or those of the frame before.",
    "activity_regularizer": "Regularizer of the outputs.",
    "kwargs": "Those of `keras.layers.Layer`: `name`, `dtype` and `trainable`.",
}
LSTM_ARGUMENTS = LAYER_ARGUMENTS | {
    "activation": "Activation of what enters the memory and of what leaves it.",
    "recurrent_activation": "Activation of the gates.",
    "use_bias": "Whether there are biases.",
    "kernel_initializer": "Initializer of `kernel`.",
    "recurrent_initializer": "Initializer of `recurrent_kernel`.",
    "bias_initializer": "Initializer of the biases.",
    "unit_forget_bias": "Whether the biases of forget gates start at 1.",
    "kernel_regularizer": "Regularizer of `kernel`.",
    "recurrent_regularizer": "Regularizer of `recurrent_kernel`.",
    "bias_regularizer": "Regularizer of the biases.",
    "kernel_constraint": "Constraint of `kernel`.",
    "recurrent_constraint": "Constraint of `recurrent_kernel`.",
    "bias_constraint": "Constraint of the biases.",
    "dropout": "Fraction of the inputs to drop in training, the same at all frames of a sequence.",
    "recurrent_dropout": "Fraction of the output to drop in training on its way into the gates of "
    "the next frame, the same at all frames of a sequence.",
    "seed": "Seed of all that is random: an integer, or None for a new one.",
    "kwargs": "Those of `keras.layers.Layer`: `name`, `dtype` and `trainable`. `implementation`, "
    'and `use_cudnn` of a layer ("auto" or False), are those of `keras.layers.LSTM` and have no '
    "effect.",
}
LAYER_CALL_ARGUMENTS = {
    "sequences": "x, `(batch, time, features)`.",
    "initial_state": "List of the states before the first frame; zeros if None. They are ",
    "mask": "Steps that are frames, bool `(batch, time)`; all if None. Other steps leave states as "
    "they are.",
    "training": "",
}
LAYER_SECTIONS = {
    "Returns": """\
The output of the last frame, or with `return_sequences` those of all frames, with time as
axis 1; with `return_state`, followed by the states after the last frame.""",
    "Raises": """\
ValueError: If an argument is out of range, if inputs lack an axis or their number of features
    is unknown, or if `initial_state` does not hold the states above.""",
}
TITLES = ("Args", "Attributes", "Call arguments", "Returns", "Yields", "Raises", "Example")
NOTES = "Notes"  # the last section, whose text is not indented: its lines are long
WIDTH = 100


def signature(functions, without=()):
    """Returns the parameters of the first function, and those of the others as keywords."""
    parameters = {}
    for number, function in enumerate(functions):
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                continue
            if name not in {"self", "cell", *without, *parameters}:
                kind = parameter.KEYWORD_ONLY if number else parameter.kind
                parameters[name] = parameter.replace(kind=kind)
    rest = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
    ordered = sorted(parameters.values(), key=lambda parameter: parameter.kind)
    return inspect.Signature([*ordered, rest])


def sections(docstring):
    """Returns the text of each section of a docstring by its title; that of the first is ""."""
    found, title = {"": []}, ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        if line[:-1] in (*TITLES, NOTES) and line.endswith(":"):
            title = line[:-1]
            found[title] = []
        else:
            found[title].append(line)
    return {title: textwrap.dedent("\n".join(lines)).strip() for title, lines in found.items()}


def arguments(section):
    """Returns the text of each argument in a section, by its name."""
    found, name = {}, ""
    for line in section.splitlines():
        if line.startswith(" "):
            found[name] += f" {line.strip()}"
        else:
            name, _, text = line.partition(":")
            found[name] = text.strip()
    return found


def docstring(parts, equations, texts, signature, fixed=(), why_fixed=""):
    """Returns the docstring of a class: the equations alone come before its arguments.

    Args:
        parts: Sections of the class's own docstring, as `sections` returns them.
        equations: Docstring of the module: a title, which is left out, the equations, and notes on
            them.
        texts: Description of each argument, by its name.
        signature: The arguments, which give the defaults.
        fixed, why_fixed: Arguments of an LSTM that the class does not take, and why.
    """
    block, _, notes = inspect.cleandoc(equations).partition("\n")[2].strip("\n").partition("\n\n")
    body = [parts[""], block]
    if fixed:
        names = " and ".join(f"`{name}`" for name in fixed)
        body.append(textwrap.fill(f"Fixed, so no argument: {names}, since {why_fixed}.", WIDTH))
    parts = parts | {"Args": _arguments(texts, signature)}
    for title in TITLES:
        if title in parts:
            body.append(f"{title}:\n{textwrap.indent(parts[title], '    ')}")
    if notes:
        body.append(f"{NOTES}:\n\n{notes}")
    return "\n\n".join(body) + "\n"


def call_arguments(of_cell):
    """Returns the section of a layer's call arguments, from that of its cell."""
    of_cell = arguments(of_cell)
    texts = LAYER_CALL_ARGUMENTS.copy()
    texts["initial_state"] += of_cell["states"]
    texts["training"] += of_cell.get("training", "No effect.")
    return _listed(texts)


def _arguments(texts, signature):
    """Returns the section of all arguments of a signature, with their defaults."""
    described = {}
    for name, parameter in signature.parameters.items():
        text = texts.get(name, "")
        if parameter.default is not parameter.empty:
            default = parameter.default
            shown = f'"{default}"' if isinstance(default, str) else repr(default)
            text = f"{text} Default: {shown}."
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        described[stars + name] = text
    return _listed(described)


def _listed(texts):
    """Returns a section of `name: text`, with further lines indented."""
    lines = []
    for name, text in texts.items():
        lines += textwrap.wrap(f"{name}: {text}", WIDTH - 4, subsequent_indent="    ")
    return "\n".join(lines)
