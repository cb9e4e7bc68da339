"""The sample bank as the tests count it: made once, and cut with plain pandas."""

from __future__ import annotations

from functools import cache

import pandas as pd

from stockcust_analysis.bank.sample import make_bank

Bank = dict[str, pd.DataFrame]

AS_OF = pd.to_datetime(["2025-09-30", "2025-12-31", "2026-03-31", "2026-06-30", "2026-09-30"])
BEFORE, NOW = AS_OF[3], AS_OF[4]
SIX_MONTHS_AGO = pd.Timestamp("2026-03-31")


@cache
def sample_bank() -> Bank:
    """Return the sample bank of the default seed."""
    return make_bank()


def at(frame: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the rows of one as-of date."""
    return frame[frame["as_of"] == as_of]


def cents(money: pd.Series) -> pd.Series:
    """Return money as whole cents."""
    return (money * 100).round().astype("int64")
