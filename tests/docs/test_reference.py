"""The index of names and the docstrings of what it lists: complete, and their examples run."""

import inspect
import re

import names
import pytest

from seqlayers.layers import documentation

pytestmark = pytest.mark.tensorflow


def undocumented(thing, is_method=False):
    """Arguments of a function or class that its docstring does not describe.

    A method may refer to the contract of its class by having no section of arguments at all.
    """
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:
        return []
    sections = documentation.sections(thing.__doc__)
    texts = [sections.get(title, "") for title in ("Args", "Attributes")]
    told = {
        name.strip(" *")
        for text in texts
        for each in documentation.arguments(text)
        for name in each.split(",")
    }
    if not told and is_method:
        return []
    told |= {"self", "cls"} | set(re.findall(r"`(\w+)", sections[""]))
    return [
        p.name
        for p in parameters
        if p.name not in told and not (p.kind is p.KEYWORD_ONLY and "kwargs" in told)
    ]


def documented():
    """Yields functions, classes and the methods that pages show: path, thing, whether a method."""
    for path in names.all_paths():
        thing = names.resolve(path)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield path, thing, False
        if inspect.isclass(thing):
            for name in names.members(thing)[0]:
                member = inspect.unwrap(getattr(thing, name))
                if callable(member):
                    yield f"{path}.{name}", member, True


def test_every_argument_of_a_public_name_is_described():
    assert [
        f"{path}: {', '.join(missing)}"
        for path, thing, is_method in documented()
        if (missing := undocumented(thing, is_method))
    ] == []


@pytest.mark.parametrize(
    "thing, missing",
    [
        (lambda rate: None, ["rate"]),
        (lambda rate, *, seed=None: None, ["rate", "seed"]),
    ],
)
def test_an_argument_without_description_is_seen(thing, missing):
    thing.__doc__ = "Returns nothing."
    assert undocumented(thing) == missing
    thing.__doc__ = "Returns nothing.\n\nArgs:\n    rate, seed: Numbers.\n"
    assert undocumented(thing) == []


def test_a_name_of_the_index_that_does_not_exist_is_seen():
    room = names.rooms("## `layers`: layers\n\n| name | |\n|---|---|\n| `SFN` | a slip |\n")[0]
    with pytest.raises(LookupError, match="docs/names.md lists seqlayers.layers.SFN"):
        names.resolve(room.rows[0].names["SFN"])
