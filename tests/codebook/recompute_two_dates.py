"""What became of the customers of the opening date: retention, growth and migration."""

import numpy as np
import pandas as pd

from tests.codebook.recompute_bank import Row

COMPARED = [
    "branch_id",
    "tier",
    "status",
    "all",
    "funded",
    "effective",
    "aum_period_end",
    "aum_average_quarter",
]


def pair(opening: pd.DataFrame, closing: pd.DataFrame) -> pd.DataFrame:
    """Put both dates side by side, one row per customer of either."""
    pairs = opening[COMPARED].add_suffix("_0").join(closing[COMPARED].add_suffix("_1"), how="outer")
    for column in pairs.columns:
        if column.startswith(("all", "funded", "effective")):
            pairs[column] = pairs[column].eq(True)
        if column.startswith("aum"):
            pairs[column] = pairs[column].fillna(0)
    return pairs


def two_dates(pairs: pd.DataFrame, branch: str | None) -> list[Row]:
    """Measure retention, growth and migration of a branch, or of the bank."""
    here_0 = pairs["branch_id_0"].eq(branch) if branch else pairs["all_0"]
    here_1 = pairs["branch_id_1"].eq(branch) if branch else pairs["all_1"]
    x, y = pairs["aum_average_quarter_0"] / 100, pairs["aum_average_quarter_1"] / 100
    rows = []
    for base in ("funded", "effective"):
        opening = here_0 & pairs[f"{base}_0"]
        n = opening.sum()
        kept = (opening & pairs[f"{base}_1"]).sum()
        held = x[opening].sum()
        steep = opening & (2 * y < x)
        rows += [
            Row("customer_retention", base, n, kept, n),
            Row("asset_retention", base, n, np.minimum(x, y)[opening].sum(), held),
            Row("asset_retention_net", base, n, y[opening].sum(), held),
            Row("steep_fall_rate", base, n, steep.sum(), n),
            Row("steep_fall_outflow_share", base, n, (x - y)[steep].sum(), held),
        ]
    opening, closing = here_0 & pairs["funded_0"], here_1 & pairs["funded_1"]
    n, held = opening.sum(), x[opening].sum()
    same = opening & here_1
    rows += [
        Row("same_customer_growth", "funded", n, (y - x)[same].sum(), x[same].sum()),
        Row("all_customer_growth", "funded", n, y[closing].sum() - held, held),
    ]
    both = opening & closing
    up = (both & pairs["tier_1"].gt(pairs["tier_0"])).sum()
    down = (both & pairs["tier_1"].lt(pairs["tier_0"])).sum()
    for measure, moved in (
        ("upgrade_rate", up),
        ("downgrade_rate", down),
        ("net_upgrade_rate", up - down),
    ):
        rows.append(Row(measure, "funded", both.sum(), moved, both.sum()))
    return rows
