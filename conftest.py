"""What no test and no example in a docstring may leave to the next one."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

# Before any of them is loaded: beside other tests the threads of small models only wait for each
# other, which takes ten times as long as one thread does; those of small frames are no quicker.
os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"], "1")

import pytest
from matplotlib import pyplot as plt

import stockcust_analysis.report  # noqa: F401 - before nbformat, which then loads in half the time
from stockcust_analysis import set_language


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Close all figures, twenty-one of which are a warning, and speak Chinese again."""
    yield
    plt.close("all")
    set_language("zh")


# Pandas, scikit-learn and six thousand tests are a million objects that stay: looking through them
# for garbage again and again takes seven per cent of the time.
def pytest_configure() -> None:
    """Look for garbage where much has been made, not after every seven hundred objects."""
    gc.set_threshold(200_000)


def pytest_collection_finish() -> None:
    """Look for it among what tests make alone."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Leave everything to be released at the end."""
    gc.unfreeze()
