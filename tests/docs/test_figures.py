"""Figures in pages are those that were measured."""

import re

import figures
import pytest

RESULTS = figures.ROOT / "RESULTS.md"
# Pages that tell of results in words. Times of a guide's own commands stand in that guide alone.
TOLD = ["papers", "likelihoods", "start", "choose", "lstm"]


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_results(page):
    text = page.read_text("utf-8")
    assert figures.MARKED.search(text)
    assert text == figures.filled(text), "run `python docs/tools/figures.py`"


def test_a_figure_that_was_changed_by_hand_is_seen():
    text = figures.PAGES[0].read_text("utf-8")
    assert figures.filled(text.replace("-8.743", "-7.743")) == figures.filled(text)
    assert text.replace("-8.743", "-7.743") != figures.filled(text)


@pytest.mark.parametrize("name", TOLD)
def test_a_figure_in_the_text_of_a_page_stands_in_the_results(name):
    text = (figures.ROOT / "docs" / f"{name}.md").read_text("utf-8")
    text = re.sub(r"```.*?```|`[^`]*`", "", figures.MARKED.sub("", text), flags=re.DOTALL)
    told = re.findall(r"(?<![\w.])-?\d+\.\d\d+(?![\w.])|\d+\.\d %", text)
    results = RESULTS.read_text("utf-8")
    assert [figure for figure in told if figure.lstrip("-") not in results] == []
