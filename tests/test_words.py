"""Docstrings keep to the rules of words that a program can see."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("seqlayers", "examples", "benchmarks", "tests")


def documented(tree):
    """Pairs of a node that may have a docstring, and its full name."""

    def walk(node, prefix):
        yield node, prefix or "module"
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                yield from walk(child, f"{prefix}.{child.name}".strip("."))

    yield from walk(tree, "")


def faults(source):
    """Names of nodes with a docstring that breaks a rule, each with the rule."""
    for node, name in documented(ast.parse(source)):
        text = ast.get_docstring(node) or ""
        if re.match(r"(What|Of|Says|Tells)\b", text):
            yield f"{name}: begins with {text.split()[0]!r}"
        flat = re.sub(r"\s+", " ", text)
        if re.search(r"(^|[.:?!] )Of (?!course\b)", flat):
            yield f"{name}: a sentence begins with 'Of'"
        if re.search(r"[Ii]f (an|the) argument is not as above", flat):
            yield f"{name}: 'If an argument is not as above' does not name the fault"


def undocumented(source):
    """Full names of public classes, and of public functions outside classes, without docstring."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node.name


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_follow_the_rules_of_words(folder):
    assert [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for fault in faults(path.read_text("utf-8"))
    ] == []


def test_everything_public_has_a_docstring():
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "seqlayers").rglob("*.py"))
        for name in undocumented(path.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize(
    "docstring",
    [
        "What a model draws.",
        "Says which units go together.",
        "The mean. Of an RBM it is the gap.",
        "Returns x.\n\n    Raises:\n        ValueError: If an argument is not as above.",
    ],
)
def test_a_fault_is_seen(docstring):
    assert list(faults(f'def f():\n    """{docstring}"""'))


def test_a_class_without_docstring_is_seen():
    assert list(undocumented("class A: ...\ndef _b(): ...")) == ["A"]
