"""The branches of the sample bank; B002 to B008 carry a story each."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stockcust_analysis.bank.sample.quarters import ENDS, LAST, MERGER, STARTS

Array = NDArray[Any]
Days = NDArray[np.datetime64]
Random = np.random.Generator

_FIRST = "青云柳石白金南长双高清竹松桂莲荷梅枫榆槐葛芦杏稻"
_SECOND = "溪桥塘湾岭坪铺渡墩店坝河浦泉沟畈垄圩洲岗滩坞峰集"
_TYPES = [
    "urban",
    "urban",
    "township",
    "county",
    "urban",
    "township",
    "urban",
    "county",
    "township",
    "county",
    "township",
    "township",
]
_SUFFIX = {"urban": "支行", "county": "支行", "township": "镇支行"}
_REGIONS = ["东片区", "西片区", "北片区"]


class Branch(IntEnum):
    """The branches with a part to play, by position; the last two of all are merged into MERGED."""

    MAIN, CONCENTRATED, SLEEPING, SINGLE_PRODUCT, NEW_MONEY, TINY, OPENED, MERGED = range(8)


def make_branches(rng: Random, operating: int) -> pd.DataFrame:
    """Name the operating branches and, after them, the two that were merged away."""
    total = operating + 2
    place = rng.permutation([first + second for first in _FIRST for second in _SECOND])
    kind = [*np.resize(_TYPES, operating), "county", "township"]
    name = [f"{p}{_SUFFIX[k]}" for p, k in zip(np.resize(place, total), kind, strict=True)]
    opened_on = np.datetime64("1996-01-01") + rng.integers(0, 7000, total)
    opened_on[[Branch.OPENED, Branch.MERGED]] = STARTS[[LAST, MERGER]]
    closed_on = np.full(total, "NaT", "M8[D]")
    closed_on[operating:] = ENDS[MERGER - 1]
    return pd.DataFrame(
        {
            "branch_id": [f"B{position + 1:03d}" for position in range(total)],
            "name": ["总行营业部", *name[1:]],
            "region": np.where(np.equal(kind, "urban"), "城区", np.resize(_REGIONS, total)),
            "type": kind,
            "opened_on": opened_on,
            "closed_on": closed_on,
        }
    )


def successors_table(branches: pd.DataFrame) -> pd.DataFrame:
    """Return which branch took over the two that were merged away."""
    ids = branches["branch_id"].to_numpy()
    successors = {"old_branch_id": ids[-2:], "new_branch_id": ids[Branch.MERGED]}
    return pd.DataFrame(successors).assign(effective_on=STARTS[MERGER])
