"""Fixtures of the tests of layers."""

import pytest
from layers.helpers import step_by_step


@pytest.fixture
def eagerly():
    """Runs compiled functions step by step: it saves their tracing."""
    with step_by_step():
        yield
