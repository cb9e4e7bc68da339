"""Fixtures that tests of several layers share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.tiny_bank import TinyBank, write_tiny_bank


@pytest.fixture
def tiny_bank(tmp_path: Path) -> TinyBank:
    """Return the writer of a bank small enough to read, into the test's own folder."""
    return partial(write_tiny_bank, tmp_path)
