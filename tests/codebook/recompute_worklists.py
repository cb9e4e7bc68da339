"""What became of the customers of an earlier work list."""

import pandas as pd

from tests.codebook.recompute_bank import Row

IDLE = ["silent", "dormant"]
ACTIVE = ["active", "active_small"]


def outcomes(
    listed: pd.Index,
    contacts: pd.DataFrame,
    opening: pd.DataFrame,
    closing: pd.DataFrame,
    listed_on: pd.Timestamp,
    as_of: pd.Timestamp,
) -> list[Row]:
    """Compare the listed who were contacted since with those who were not."""
    since = contacts["contacted_on"].gt(listed_on) & contacts["contacted_on"].le(as_of)
    called = listed.isin(contacts.loc[since, "customer_id"])
    sold_to = contacts.loc[since & contacts["outcome"].eq("sale"), "customer_id"]
    rows = []
    for member, group in (("contacted", listed[called]), ("not_contacted", listed[~called])):
        x = opening["aum_period_end"].reindex(group).fillna(0) / 100
        y = closing["aum_period_end"].reindex(group).fillna(0) / 100
        idle = opening["status"].reindex(group).isin(IDLE)
        woken = idle & closing["status"].reindex(group).isin(ACTIVE)
        size = len(group)
        figures = {
            "outcome_contacted_rate": (called[listed.isin(group)].sum(), size),
            "outcome_aum_change": (y.sum() - x.sum(), x.sum()),
            "outcome_reactivated_rate": (woken.sum(), idle.sum()),
            "outcome_sold_rate": (group.isin(sold_to).sum(), size),
        }
        for measure, figure in figures.items():
            rows.append(Row(measure, "listed", size, *figure, "group", member))
    return rows
