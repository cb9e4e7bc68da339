"""What no test and no example in a docstring may leave to the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from matplotlib import pyplot as plt

from stockcust_analysis import set_language


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Close all figures, twenty-one of which are a warning, and speak Chinese again."""
    yield
    plt.close("all")
    set_language("zh")
