"""Docstrings as they are at run time, in the form that mkdocstrings reads.

The layers complete their docstrings and signatures as they are imported, from those of their cells
(`seqlayers/layers/documentation.py`), so the source alone does not have them.
"""

import inspect
import re
import sys

import griffe

# Our titles, and those of griffe's parser.
TITLES = {"Call arguments": "Other Parameters: Call arguments", "Example": "Examples"}
SHARED = re.compile(r"    ((?:[*\w]+, )+[*\w]+): (.+)")  # a text for several arguments


class RuntimeDocstrings(griffe.Extension):
    """Takes docstrings and signatures of classes from the imported package."""

    def on_package(self, *, pkg, **kwargs):
        for thing in _walk(pkg):
            if thing.docstring is None and thing.is_function and thing.parent.is_class:
                thing.docstring = _inherited(thing)
            if thing.docstring is None:
                continue
            if thing.is_class:
                _complete(thing)
            thing.docstring.value = readable(thing.docstring.value)


def _walk(thing):
    yield thing
    for member in thing.members.values():
        if not member.is_alias:
            yield from _walk(member)


def _at_run_time(thing):
    """Returns the object of the imported package; None if it is not there."""
    found = sys.modules.get(thing.module.path)
    for name in thing.path.removeprefix(f"{thing.module.path}.").split("."):
        found = getattr(found, name, None)
    return found


def _inherited(method):
    """Returns the docstring that a method without one has from a base of this package."""
    for base in getattr(_at_run_time(method.parent), "__mro__", ()):
        if base.__module__.startswith("seqlayers."):
            own = vars(base).get(method.name)
            text = getattr(getattr(own, "__func__", own), "__doc__", None)
            if text:
                return griffe.Docstring(inspect.cleandoc(text), parent=method)
    return None


def _complete(cls):
    """Replaces docstring and arguments of a class by those that it has at run time."""
    found = _at_run_time(cls)
    if found is None or not found.__doc__:
        return
    cls.docstring.value = inspect.cleandoc(found.__doc__)
    if "__signature__" in vars(found) or "__init__" not in cls.members:
        try:
            signature = inspect.signature(found)
        except ValueError:  # a class of built-in ones alone
            return
        parameters = [_parameter(p) for p in signature.parameters.values()]
        init = griffe.Function("__init__", parameters=griffe.Parameters(*parameters))
        cls.set_member("__init__", init)
        cls.docstring.value = re.sub(
            r"\s+Default:\s[^\n]*(\n {8}[^\n]*)*?\.$", "", cls.docstring.value, flags=re.M
        )


def _parameter(parameter):
    kind = griffe.ParameterKind(parameter.kind.description)
    default = None if parameter.default is parameter.empty else repr(parameter.default)
    return griffe.Parameter(parameter.name, kind=kind, default=default)


def readable(text):
    """Returns a docstring whose sections griffe knows.

    Its parser takes text before a colon in `Returns` for a type, and `Notes` for a box: here both
    are plain text.
    """
    lines, section = [], ""
    for line in text.splitlines():
        title = line[:-1] if line.endswith(":") else ""
        if re.fullmatch(r"[A-Z][a-z ]+", title):
            section = title
            if title in ("Returns", "Yields", "Notes"):
                line = f"**{title}:**\n"
            elif title in TITLES:
                line = f"{TITLES[title]}:" if title == "Example" else TITLES[title]
        elif section in ("Returns", "Yields"):
            line = line.removeprefix("    ")
        elif section in ("Args", "Call arguments") and (shared := SHARED.match(line)):
            lines += [f"    {name}: {shared[2]}" for name in shared[1].split(", ")[:-1]]
            line = f"    {shared[1].split(', ')[-1]}: {shared[2]}"
        lines.append(line)
    return "\n".join(lines)
