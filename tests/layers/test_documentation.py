"""Docstrings that are completed by those of others. The contract reads those of all layers."""

import inspect

from seqlayers.layers import SFMCell, documentation
from seqlayers.layers.gated import GatedRNN

DOCSTRING = """A cell.

    Of a kind.

    Args:
        units: Size of it,
            in units: many.
        seed: None.

    Returns:
        Nothing.
    """


def test_a_docstring_is_read_by_sections_and_arguments():
    parts = documentation.sections(DOCSTRING)
    assert parts[""] == "A cell.\n\nOf a kind."
    assert parts["Returns"] == "Nothing."
    assert documentation.arguments(parts["Args"]) == {
        "units": "Size of it, in units: many.",
        "seed": "None.",
    }
    assert documentation.sections(None) == {"": ""}  # as with python -OO


def test_equations_follow_the_summary_and_notes_on_them_the_sections():
    def cell(units, seed=None, **kwargs):
        pass

    parts, signature = documentation.sections(DOCSTRING), inspect.signature(cell)
    texts = documentation.arguments(parts["Args"])
    equations = "A title.\n\n    y = x  (1)\n\nWhat x is.\n"
    text = documentation.docstring(parts, equations, texts, signature, ("bias",), "y has none")
    assert text.startswith("A cell.\n\nOf a kind.\n\n    y = x  (1)\n\nFixed, so no")
    assert text.endswith("Returns:\n    Nothing.\n\nNotes:\n\nWhat x is.\n")
    assert documentation.sections(text)["Notes"] == "What x is."
    assert "argument: `bias`, since y has none.\n\nArgs:\n" in text
    assert "\n    units: Size of it, in units: many.\n    seed: None. Default: None.\n" in text


def test_a_class_without_docstring_has_none_made_for_it():
    class Cell(SFMCell):
        def __init__(self, units, own=1, **kwargs):
            super().__init__(units, **kwargs)
            self.own = own

    class Layer(GatedRNN, cell=Cell):
        pass

    assert Cell.__doc__ is None and Layer.__doc__ is None
    assert "own" in inspect.signature(Layer).parameters
    assert Layer(3, own=2).own == 2


def test_a_class_that_follows_another_has_its_equations_and_arguments():
    class Cell(SFMCell):
        """A cell of one's own.

        Args:
            own: A number.

        Call arguments:
            inputs: x.
            states: s `(batch, M)`.
            training: Whether to train.
        """

        def __init__(self, units, own=1, **kwargs):
            super().__init__(units, **kwargs)
            self.own = own

    class Layer(GatedRNN, cell=Cell):
        """A layer of one's own."""

    for cls, summary in ((Cell, "A cell of one's own."), (Layer, "A layer of one's own.")):
        assert cls.__doc__.startswith(summary)
        assert "    own: A number. Default: 1." in cls.__doc__
        assert "    A     = |S|" in cls.__doc__
    assert "They are s `(batch, M)`." in " ".join(Layer.__doc__.split())
