"""Sample banks for models: with effects that can be found, or with none, where none may be found.

`planted` adds to the stories: customers acquired online drain seven times as often; in the quarter
before, a customer who is to drain makes four more transactions; half of those with a fund take up
insurance, and two fifths of those with payroll a credit card; who was visited on the first day of
the last quarter brings a quarter more. In `none` everybody acts alike, whatever is known of them:
who drains, leaves or takes a product up is left to chance, and the visit brings nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample.people import LAST, STARTS, Array, Panel, Random, decode_names

Effects = Literal["", "planted", "none"]
NOTES = {
    "planted": """
## Planted effects

| effect | size |
|---|---|
| acquired online | 30 % drain within the five quarters, of others 4 % |
| the quarter before draining | four more own transactions |
| fund | half of the holders take up insurance within the five quarters |
| payroll | two fifths of the holders take up a credit card |
| visited on 2026-07-01 (a third of the wealthy, a twentieth of others) | a quarter more money |
""",
    "none": """
## No effects

Who drains, leaves or takes up a product is left to chance, and so is who was visited on 2026-07-01
but for their wealth: a model that finds anything is wrong. Nobody sleeps.
""",
}
CAMPAIGN_LIFT = 1.25


def campaign_contacts(
    panel: Panel, customers: pd.DataFrame, managers: pd.DataFrame
) -> pd.DataFrame:
    """Return the visits of the campaign, by a manager of the customer's branch."""
    visited = panel.people.loc[panel.people["campaign"], ["customer_id"]]
    # Whoever leaves within the quarter was visited, too: a list made of who stayed would shine.
    before = decode_names(customers[customers["as_of"] == customers["as_of"].unique()[-2]])
    there = before[before["closed_on"].isna() & ~before["do_not_contact"]]
    there = there[there["exclusion"].isna()]
    rows = there[["customer_id", "branch_id"]].merge(decode_names(visited))
    manager = managers.drop_duplicates("branch_id").set_index("branch_id")["manager_id"]
    rows = rows.assign(manager_id=rows["branch_id"].map(manager), contacted_on=STARTS[LAST])
    rows = rows.assign(channel="visit", outcome="reached", round=1)
    return rows[rows["manager_id"].notna()]


def visits(rng: Random, wealth: Array) -> Array:
    """Draw who is visited: the wealthy rather than others, so that the two groups differ."""
    return np.asarray(rng.random(len(wealth)) < np.where(wealth > 20_000, 0.35, 0.05))
