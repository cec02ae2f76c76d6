"""Notebooks as pages."""

import json

import notebooks
import pytest


def notebook(*outputs):
    code = {"cell_type": "code", "source": ["x = 1\n", "x"], "outputs": list(outputs)}
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# A *title*"]}, code]})


def test_a_notebook_has_its_text_code_and_outputs_in_order():
    text = notebooks.markdown(
        notebook(
            {"output_type": "stream", "text": ["printed\n"]},
            {"output_type": "display_data", "data": {"image/png": "QUJD\n", "text/plain": ["fig"]}},
            {"output_type": "execute_result", "data": {"text/html": "<audio>\n\n</audio>"}},
            {"output_type": "execute_result", "data": {"text/plain": ["1"]}},
        )
    )
    parts = (
        "# A *title*\n\n```python\nx = 1\nx\n```",
        "```text\nprinted\n```",
        'src="data:image/png;base64,QUJD"',
        '<div class="output">\n<audio>\n</audio>\n</div>',
        "```text\n1\n```",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places) and "fig" not in text


def test_a_notebook_with_an_error_is_no_page():
    failed = {"output_type": "error", "ename": "ValueError", "evalue": "no"}
    with pytest.raises(ValueError, match="A cell ended with ValueError: no"):
        notebooks.markdown(notebook(failed))
