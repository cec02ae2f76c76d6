"""The mutations of `mutations.py` still apply to the code, and the tests they name are there."""

import re
from pathlib import Path

import pytest
from mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_changes_one_place_and_names_tests_that_are_there(mutation):
    assert (ROOT / mutation.file).read_text("utf-8").count(mutation.old) == 1
    assert mutation.old != mutation.new
    files, _, words = mutation.tests.partition(" -k ")
    source = "\n".join((ROOT / file).read_text("utf-8") for file in files.split())
    words = set(re.findall(r"\w+", words)) - {"and", "or", "not"}
    assert not words or any(word in source for word in words)
