"""The engines every public measure is tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.frames import BACKENDS, Columns


@pytest.fixture(params=list(BACKENDS))
def make(request: pytest.FixtureRequest) -> Callable[[Columns], Any]:
    """Return what turns columns into a table of one engine."""
    return BACKENDS[request.param]
