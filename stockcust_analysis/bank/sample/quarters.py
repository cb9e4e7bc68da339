"""The quarters of the sample bank: the first only sets the balances the other five start from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockcust_analysis.periods import Quarter

QUARTERS = tuple(Quarter.parse("2025Q2").shifted(step) for step in range(6))
TIMES = np.arange(len(QUARTERS))
LAST = len(QUARTERS) - 1
MERGER = QUARTERS.index(Quarter.parse("2026Q2"))
YEAR_END = QUARTERS.index(Quarter.parse("2025Q4"))
"""The plan starts from it."""
STARTS: NDArray[np.datetime64] = np.array([quarter.start for quarter in QUARTERS], "M8[D]")
ENDS: NDArray[np.datetime64] = np.array([quarter.end for quarter in QUARTERS], "M8[D]")
POSTED_ON = ENDS.astype("M8[M]").astype("M8[D]") + 20
"""Interest is posted on the 21st of a quarter's last month."""
NO_DAY = np.datetime64("NaT", "D")
