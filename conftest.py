"""What no test and no example in a docstring may leave to the next one."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Before any of them is loaded: beside other tests the threads of small models only wait for each
# other, which takes ten times as long as one thread does.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import pytest
from matplotlib import pyplot as plt

from stockcust_analysis import set_language


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Close all figures, twenty-one of which are a warning, and speak Chinese again."""
    yield
    plt.close("all")
    set_language("zh")
