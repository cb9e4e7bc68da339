"""Fixtures that tests of several layers share."""

from __future__ import annotations

import gc
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation
from tests.tiny_bank import TinyBank, write_tiny_bank

# On a busy machine an example takes longer than the usual 0.2 s, whatever the code is like.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"


def pytest_collection_finish() -> None:
    """Search for cycles seldom, and not in what imports have made: a twentieth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)


@pytest.fixture
def tiny_bank(tmp_path: Path) -> TinyBank:
    """Return the writer of a bank small enough to read, into the test's own folder."""
    return partial(write_tiny_bank, tmp_path)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary folders be made in a folder of the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture(scope="session")
def sample_evaluation() -> Evaluation:
    """Evaluate the sample bank's newest quarter, once for all tests that only look.

    With sizes, as for a circulated edition.
    """
    with open_bank(SAMPLE) as bank:
        return evaluate(bank, quarter="2026Q3", sizes=True)
