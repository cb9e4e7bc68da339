"""The engines every public measure is tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest

from tests.frames import BACKENDS, Columns

OTHERS = sorted(BACKENDS.keys() - {"polars"})


@pytest.fixture(params=["polars", "another"])
def make(request: pytest.FixtureRequest) -> Callable[[Columns], Any]:
    """Return what turns columns into a table of Polars, and of another engine by the test's name.

    All engines have the same figures of whole banks, as `tests/engines` says; each case is counted
    by hand on one of those that compute otherwise than Polars.
    """
    place = crc32(request.node.name.encode()) % len(OTHERS)
    return BACKENDS["polars" if request.param == "polars" else OTHERS[place]]
