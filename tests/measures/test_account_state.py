"""The state of accounts: in use, idle or suspended, account by account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.account_activity import account_state
from stockcust_analysis.policy import DormancyRule
from tests.frames import AS_OF, Columns, rows_of

Make = Callable[[Columns], Any]
YEAR = DormancyRule("year", cap=10, cap_inclusive=True, idle_months=12)
LONG_AGO = date(2025, 9, 30)


def account(**columns: Any) -> dict[str, list[Any]]:
    """Return one demand deposit of 10 CNY, last moved a year ago, with some columns changed."""
    held = {"customer_id": "1", "product": "demand_deposit", "balance": 10.0,
            "last_active_on": LONG_AGO, "opened_on": date(2020, 1, 1),
            "matures_on": None}  # fmt: skip
    return {name: [value] for name, value in (held | columns).items()}


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({}, "suspended"),
        ({"balance": 10.01}, "idle"),
        ({"last_active_on": date(2025, 10, 1)}, "in_use"),
        ({"last_active_on": None}, "suspended"),
        ({"last_active_on": None, "opened_on": date(2025, 10, 1)}, "in_use"),
        ({"product": "time_deposit", "matures_on": date(2025, 9, 30)}, "suspended"),
        ({"product": "time_deposit", "matures_on": date(2025, 10, 1)}, "in_use"),
        ({"product": "time_deposit", "matures_on": date(2029, 1, 1)}, "in_use"),
        ({"product": "credit_card"}, None),
    ],
)
def test_states_of_one_account(make: Make, columns: dict[str, Any], state: str | None) -> None:
    """The period's edges, the cap, openings, maturities, and products that are not looked at."""
    found = account_state(make(account(**columns)), YEAR, as_of=AS_OF)
    assert [row["account_state"] for row in rows_of(found)] == [state]
    assert list(rows_of(found)[0]) == [*account(), "account_state"]


def test_an_exemption_spares_all_accounts_of_the_owner(make: Make) -> None:
    """Who owes a loan has idle accounts, but none suspended; his neighbour has."""
    holdings = {
        "customer_id": ["1", "1", "2"],
        "product": ["demand_deposit", "loan", "demand_deposit"],
        "balance": [5.0, 9_000.0, 5.0],
        "last_active_on": [LONG_AGO, LONG_AGO, LONG_AGO],
    }
    found = rows_of(account_state(make(holdings), replace(YEAR, exempt=("loan",)), as_of=AS_OF))
    states = {(row["customer_id"], row["product"]): row["account_state"] for row in found}
    assert states == {("1", "demand_deposit"): "idle", ("1", "loan"): None,
                      ("2", "demand_deposit"): "suspended"}  # fmt: skip


def test_accounts_must_tell_their_last_activity(make: Make) -> None:
    """Without the account's own date nothing can be said; a date after the snapshot is refused."""
    bare = {name: values for name, values in account().items() if name != "last_active_on"}
    with pytest.raises(UsageError, match="unknown column of holdings 'last_active_on'"):
        account_state(make(bare), YEAR, as_of=AS_OF)
    with pytest.raises(
        UsageError, match="holdings: 'last_active_on' is after 2026-09-30 in 1 rows"
    ):
        account_state(make(account(last_active_on=date(2026, 10, 1))), YEAR, as_of=AS_OF)
