"""Docstrings in the form that the site's parser reads."""

import pytest

pytest.importorskip("griffe", reason="needs the extra `docs`")

import docstrings  # noqa: E402
import griffe  # noqa: E402

OURS = """Returns a draw.

Args:
    low, high: Bounds: numbers.
    **kwargs: Others.

Call arguments:
    x: Frames, `(batch, time)`,
        or one.

Returns:
    A pair: the draw and its seed.

Example:
    >>> 1 + 1
    2

Notes:

Of the paper: nothing.
"""


def test_sections_of_ours_are_found_by_the_parser():
    parsed = griffe.Docstring(docstrings.readable(OURS)).parse("google", warnings=False)
    kinds = [section.kind.value for section in parsed]
    assert kinds == ["text", "parameters", "other parameters", "text", "examples", "text"]
    arguments = [(argument.name, argument.description) for argument in parsed[1].value]
    assert arguments == [
        ("low", "Bounds: numbers."),
        ("high", "Bounds: numbers."),
        ("**kwargs", "Others."),
    ]
    assert parsed[2].title == "Call arguments"
    assert parsed[3].value == "**Returns:**\n\nA pair: the draw and its seed."
    assert parsed[5].value == "**Notes:**\n\n\nOf the paper: nothing."


def test_layers_have_the_arguments_that_they_have_at_run_time():
    pytest.importorskip("tensorflow", reason="classes are completed as they are imported")
    import seqlayers.commands.cli  # noqa: F401  it has a class without signature
    import seqlayers.layers  # noqa: F401

    extensions = griffe.load_extensions(docstrings.RuntimeDocstrings)
    package = griffe.load("seqlayers", extensions=extensions)
    sfm = package["layers.sfm.SFM"]
    assert [parameter.name for parameter in sfm.parameters][:2] == ["units", "num_frequencies"]
    assert "f_ste = sigmoid(" in sfm.docstring.value and "Default:" not in sfm.docstring.value
    energy = package["energy.visibles.Bernoulli.energy"]
    assert energy.docstring.value.startswith("Returns U(v)")  # that of its base
