"""Words and numbers held as positions in a list of names: small to hold, quick to copy and sort."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from stockcust_analysis.bank.sample.branches import Array, Random


def named(positions: Array | pd.Series, names: Iterable[str]) -> pd.Categorical:
    """Return positions in a list of names as a column of those names; -1 is an empty cell.

    >>> list(named([1, 0, 1], ["loan", "fund"]))
    ['fund', 'loan', 'fund']
    """
    return pd.Categorical.from_codes(positions, pd.Index([*names], dtype=object))


def drawn(rng: Random, odds: dict[str, float], size: int) -> pd.Categorical:
    """Draw names by their odds."""
    return named(rng.choice(len(odds), size, p=[*odds.values()]), odds)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the names themselves."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, str))
