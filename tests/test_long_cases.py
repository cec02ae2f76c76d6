"""The list of long cases names cases that are there."""

from pathlib import Path

import pytest
from long_cases import CASES

TESTS = Path(__file__).parent


@pytest.mark.parametrize("file", CASES)
def test_each_long_case_is_there(file, request):
    names = {item.name for item in request.session.items if item.path == TESTS / file}
    if not names or request.config.option.keyword or request.config.option.markexpr:
        pytest.skip(f"only where all tests of {file} were collected")
    for start, cases in CASES[file].items():
        for case in cases:
            assert any(n.startswith(start) and n.endswith(f"[{case}]") for n in names), case
