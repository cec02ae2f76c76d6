"""Figures in pages are those that were measured."""

import figures
import pytest


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_results(page):
    text = page.read_text("utf-8")
    assert figures.MARKED.search(text)
    assert text == figures.filled(text), "run `python docs/tools/figures.py`"


def test_a_figure_that_was_changed_by_hand_is_seen():
    text = figures.PAGES[0].read_text("utf-8")
    assert figures.filled(text.replace("-8.743", "-7.743")) == figures.filled(text)
    assert text.replace("-8.743", "-7.743") != figures.filled(text)
