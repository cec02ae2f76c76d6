"""Commands in pages exist, with the options that they are given. None is run here."""

import re
import shlex
from pathlib import Path

import click
import pytest

from seqlayers import presets
from seqlayers.__main__ import cli
from seqlayers.runs import recipes

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("saved_models/*.md")),
]
REMOVED = ROOT / "benchmarks" / "tables" / "rnn_rbm.py"  # RESULTS.md names the commit that has it
# At a prompt, in an indented block, or as code in a line of text.
COMMAND = re.compile(r"(?:^\$ |^    |`)((?:seqlayers|make|python) [^`\n]*)", re.MULTILINE)


def commands(text):
    """Yields the words of each command in a page, up to a comment, a pipe or a semicolon."""
    for command in COMMAND.findall(text):
        command = re.split(r"[|;]|  #", command)[0].removesuffix("\\")
        try:
            yield shlex.split(command, comments=True)
        except ValueError:  # its quotation goes on in the next line
            yield command.split()


def fault(words):
    """Returns what is wrong with a command; None if nothing is."""
    program, *arguments = words
    if program == "seqlayers":
        return fault_of_ours(cli, arguments)
    if program == "make":
        rules = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        targets = [word for word in arguments if re.fullmatch(r"[a-z-]+", word)]
        return next((f"no target {word}" for word in targets if word not in rules), None)
    if arguments[0].endswith(".py"):
        return fault_of_script(ROOT / arguments[0], arguments[1:])
    return None


def fault_of_ours(command, arguments):
    context = click.Context(command)
    try:
        if isinstance(command, click.Group):
            while arguments and arguments[0].startswith("-"):
                arguments = arguments[1:]
            if not arguments:
                return None
            inner = command.get_command(context, arguments[0])
            if inner is not None:
                return fault_of_ours(inner, arguments[1:])
            return None if re.search("[A-Z.]", arguments[0]) else f"no command {arguments[0]}"
        values, _, _ = command.make_parser(context).parse_args(list(arguments))
    except click.UsageError as error:
        message = error.format_message()
        return None if "requires an argument" in message else message  # an option, by its name
    known = {"recipe": recipes.names(), "preset": presets.names()}
    for option, names in known.items():
        if (value := values.get(option)) is not None and value not in names:
            return f"no {option} {value}"
    return None


def fault_of_script(path, arguments):
    if path == REMOVED:
        return None
    if not path.exists():
        return f"no script {path.name}"
    text = path.read_text("utf-8")
    options = [word.split("=")[0] for word in arguments if word.startswith("--")]
    return next((f"no option {each}" for each in options if f'"{each}"' not in text), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_exist_with_their_options(page):
    found = commands(page.read_text("utf-8"))
    assert {" ".join(words): told for words in found if (told := fault(words))} == {}


@pytest.mark.parametrize(
    "command",
    [
        "seqlayers tain --out runs/x",
        "seqlayers train --speed 3",
        "seqlayers train --recipe none --out runs/x",
        "make coffee",
        "python benchmarks/none.py",
        "python benchmarks/speed.py --fast",
    ],
)
def test_a_command_that_does_not_exist_is_seen(command):
    assert [fault(words) for words in commands(f"$ {command}\n")] != [None]
