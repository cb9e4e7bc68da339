"""Restatements (追溯调整): which figures of an issued quarter would read otherwise today."""

from __future__ import annotations

import pandas as pd

RESTATEMENT_COLUMNS = (
    "quarter",
    "branch_id",
    "dimension",
    "member",
    "measure",
    "base",
    "issued",
    "restated",
)
_KEYS = list(RESTATEMENT_COLUMNS[:6])
_RELATIVE = 1e-9  # less is the last digit of a float


def restatements(issued: pd.DataFrame, measures: pd.DataFrame, *, quarter: str) -> pd.DataFrame:
    """Return the figures of an issued quarter that the extracts of today tell otherwise.

    A branch that was merged since has figures only as issued, the one that took over usually
    other ones: on today's structure (可比口径) they are restated, and listed.

    Parameters
    ----------
    issued : DataFrame
        The measures of the evaluation that was issued.
    measures : DataFrame
        Those of today's evaluation, the issued quarter among them.
    quarter : str
        The quarter that was issued.

    Returns
    -------
    DataFrame
        One row per figure that differs; `issued` or `restated` is empty where there is none. A
        measure that one of the two evaluations does not tell at all is no restatement.

    Examples
    --------
    >>> row = {"quarter": "2026Q2", "branch_id": "A", "dimension": "", "member": "",
    ...        "measure": "customers", "base": "all", "value": 10.0}
    >>> now = pd.DataFrame([row | {"value": 11.0}])
    >>> restatements(pd.DataFrame([row]), now, quarter="2026Q2")[["issued", "restated"]].values
    array([[10., 11.]])
    """
    before, after = (
        table[table["quarter"] == quarter].set_index(_KEYS)["value"] for table in (issued, measures)
    )
    both = pd.DataFrame({"issued": before, "restated": after}).reset_index()
    told = [set(zip(table["measure"], table["base"], strict=True)) for table in (issued, measures)]
    pairs = zip(both["measure"], both["base"], strict=True)
    common = pd.Series([pair in told[0] & told[1] for pair in pairs], index=both.index, dtype=bool)
    one_empty = both["issued"].isna() != both["restated"].isna()
    gap = (both["issued"] - both["restated"]).abs()
    differs = one_empty | (gap > _RELATIVE * both["issued"].abs())
    return both[differs & common].reset_index(drop=True)[list(RESTATEMENT_COLUMNS)]
