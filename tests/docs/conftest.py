"""The site, as `make docs` has built it."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "tools"))  # the modules by which the site is made


@pytest.fixture(scope="session")
def site():
    """The folder of the site."""
    folder = os.environ.get("SEQLAYERS_SITE")
    if not folder:
        pytest.skip("reads the site, which `make docs` builds")
    return ROOT / folder
