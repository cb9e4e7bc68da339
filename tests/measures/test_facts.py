"""Customer facts: who is in, money in cents, and the same answers as the public measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.core.frames import as_lazy
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import Request
from stockcust_analysis.measures.concentration import (
    CONCENTRATION,
    concentration,
    concentration_totals,
    lorenz_steps,
)
from stockcust_analysis.measures.cross_sell import PENETRATION, penetration
from stockcust_analysis.measures.dormancy import DORMANCY, dormancy_rate
from stockcust_analysis.measures.population import aum_origins, customer_facts
from stockcust_analysis.measures.registry import Spec, answer, shown
from stockcust_analysis.measures.tiers import TIERS, tier_counts
from stockcust_analysis.policy import load_policy
from tests.frames import AS_OF, Columns, rows_of, two_branches, values_of

Make = Callable[[Columns], Any]
POLICY = load_policy()


def facts_of(make: Make, customers: Columns, holdings: Columns) -> Any:
    """Return the facts of a tiny bank under the shipped policy."""
    return customer_facts(make(customers), make(holdings), policy=POLICY, as_of=AS_OF)


def test_hand_counted_facts(make: Make) -> None:
    """Status, tier, families, bases and obligations of all eight customers."""
    facts = facts_of(make, *two_branches())
    rows = {row["customer_id"]: row for row in rows_of(facts)}
    told = {
        number: (row["status"], row["tier"], row["families"], row["in_funded"], row["in_effective"])
        for number, row in rows.items()
    }
    assert told == {
        "1": ("active", "mid", 2, 1, 1),
        "2": ("silent", "potential", 1, 1, 0),
        "3": ("dormant", "residual", 1, 0, 0),
        "4": ("active_small", "potential", 2, 1, 0),
        "5": ("dormant", "potential", 1, 1, 0),
        "6": ("silent", "potential", 1, 1, 0),
        "7": ("active_small", "residual", 1, 1, 0),
        "8": ("dormant", "residual", 0, 0, 0),
    }
    assert [rows[number]["exempt"] for number in "12345678"] == [1, 0, 0, 1, 0, 1, 1, 0]
    assert rows["7"]["obliged"] == 1
    assert {row["in_all"] for row in rows.values()} == {1}
    assert type(facts) is type(make({"a": [1]}))


def test_tenure_and_openings_are_facts(make: Make) -> None:
    """Bands, the base of established customers, and accounts that came of age."""
    customers, holdings = two_branches()
    since = [date(2020, 1, 1), date(2026, 1, 1), *[date(2010, 1, 1)] * 6]
    opened = [date(2026, 6, 1), *[None] * 12, date(2026, 3, 1)]
    customers |= {"relationship_since": since}
    holdings |= {"opened_on": opened}
    facts = facts_of(make, customers, holdings)
    rows = {row["customer_id"]: row for row in rows_of(facts)}
    assert [rows[number]["tenure"] for number in "123"] == [5, 0, 10]
    assert [rows[number]["in_established"] for number in "123"] == [1, 0, 0]
    assert (rows["1"]["opened_90_days"], rows["1"]["unused_90_days"]) == (1, 0)
    assert (rows["8"]["opened_6_months"], rows["8"]["unused_6_months"]) == (1, 1)


def test_a_loan_makes_a_customer_funded(make: Make) -> None:
    """Customer 8 without any money owes 0.01 CNY; an empty or zero loan is none."""
    customers, holdings = two_branches()
    customers["loan_balance"] = [None, 0.0, 0.0, *[None] * 4, 0.01]
    rows = {row["customer_id"]: row for row in rows_of(facts_of(make, customers, holdings))}
    assert [rows[number]["in_funded"] for number in "138"] == [1, 0, 1]
    assert [rows[number]["loan_balance_cents"] for number in "18"] == [0, 1]
    public = rows_of(concentration(make(customers), base="funded"))
    assert {row["n"] for row in public} == {6}


def test_a_rule_that_counts_contacts(make: Make) -> None:
    """Under it the facts need contacts, and an answered one keeps customer 5 awake."""
    customers, holdings = two_branches()
    rule = replace(POLICY.dormancy, clock=("transaction", "contact"))
    policy = replace(POLICY, dormancy=rule)
    contacts = {"customer_id": ["5"], "contacted_on": [AS_OF], "outcome": ["reached"]}
    tables = (make(customers), make(holdings))
    facts = customer_facts(*tables, policy=policy, as_of=AS_OF, contacts=make(contacts))
    statuses = values_of(facts, "customer_id", value="status")
    assert (statuses["5"], statuses["3"]) == ("active_small", "dormant")
    with pytest.raises(UsageError, match="'rural_6m_500' counts contacts as activity"):
        customer_facts(*tables, policy=policy, as_of=AS_OF)


def test_money_is_whole_cents(make: Make) -> None:
    """Amounts come out as whole cents under a name that says so, floats without drift."""
    customers, holdings = two_branches()
    amounts = [0.29, 1.1, 4.35, 8.41, 19.99, 1_000_000.01, 123_456_789.12, 0.0]
    customers["aum_period_end"] = amounts
    rows = rows_of(facts_of(make, customers, holdings))
    expected = [29, 110, 435, 841, 1999, 100_000_001, 12_345_678_912, 0]
    cents = {row["customer_id"]: row["aum_period_end_cents"] for row in rows}
    assert [cents[number] for number in customers["customer_id"]] == expected
    assert all(isinstance(value, int) for value in cents.values())
    assert "aum_period_end" not in rows[0]


def test_scope_and_closing(make: Make) -> None:
    """Corporates and those who left up to the date are out; who leaves the day after is in."""
    customers, holdings = two_branches()
    customers["customer_type"] = ["corporate", *customers["customer_type"][1:]]
    closed = [None, date(2026, 9, 29), AS_OF, date(2026, 10, 1), None, None, None, None]
    rows = rows_of(facts_of(make, customers | {"closed_on": closed}, holdings))
    assert sorted(row["customer_id"] for row in rows) == ["4", "5", "6", "7", "8"]


def test_only_the_snapshot_counts(make: Make) -> None:
    """Customers and accounts of another as-of date are left out."""
    customers, holdings = two_branches()
    customers["as_of"][0] = date(2026, 6, 30)
    holdings["as_of"][6] = date(2026, 6, 30)
    rows = {row["customer_id"]: row for row in rows_of(facts_of(make, customers, holdings))}
    assert sorted(rows) == ["2", "3", "4", "5", "6", "7", "8"]
    assert rows["3"]["families"] == 0


def test_aum_made_from_holdings(make: Make) -> None:
    """Without AUM columns: deposits and investments add up, loans and overdrafts do not."""
    customers, holdings = two_branches()
    bare = {name: values for name, values in customers.items() if not name.startswith("aum")}
    holdings["balance"][9] = -400.0
    averages = [balance / 2 for balance in holdings["balance"]]
    rows = {row["customer_id"]: row for row in rows_of(
        facts_of(make, bare, holdings | {"average_balance": averages}))}  # fmt: skip
    assert rows["1"]["aum_period_end_cents"] == 8_000_000
    assert rows["1"]["aum_average_quarter_cents"] == 4_000_000
    assert rows["1"]["aum_average_month_cents"] == 4_000_000
    assert rows["5"]["aum_period_end_cents"] == 0
    assert rows["7"]["aum_period_end_cents"] == 0
    plain = {row["customer_id"]: row for row in rows_of(facts_of(make, bare, holdings))}
    assert plain["1"]["aum_average_quarter_cents"] == 8_000_000


def test_origins_of_aum_are_told() -> None:
    """What is printed beside AUM: delivered, or made from which column of holdings."""
    assert aum_origins(["aum_average_quarter"], ["balance", "average_balance"]) == {
        "aum_period_end": "holdings.balance",
        "aum_average_month": "holdings.average_balance",
        "aum_average_quarter": "customers.aum_average_quarter",
    }


def test_facts_refuse_what_measures_refuse(make: Make) -> None:
    """A missing snapshot, missing AUM, activity after the date and missing columns are told."""
    customers, holdings = two_branches()
    with pytest.raises(
        UsageError, match=r"customers have no rows as of 2026-06-30\. Days there are: 2026-09-30"
    ):
        customer_facts(make(customers), make(holdings), policy=POLICY, as_of=date(2026, 6, 30))
    with pytest.raises(UsageError, match="'aum_period_end' is missing or infinite in 1 rows"):
        facts_of(make, customers | {"aum_period_end": [None, *[1.0] * 7]}, holdings)
    late = [date(2026, 10, 1), *customers["last_active_on"][1:]]
    with pytest.raises(UsageError, match="'last_active_on' is after 2026-09-30 in 1 rows"):
        facts_of(make, customers | {"last_active_on": late}, holdings)
    customers.pop("branch_id")
    with pytest.raises(UsageError, match="column of customers 'branch_id'"):
        facts_of(make, customers, holdings)


@pytest.mark.parametrize("by", [[], ["branch_id"]])
def test_measures_on_facts_equal_the_public_ones(make: Make, by: list[str]) -> None:
    """The evaluation's way through the facts and the analyst's way give the same rows."""
    customers, holdings = two_branches()
    facts = facts_of(make, customers, holdings)
    table, bank, accounts = as_lazy(facts), make(customers), make(holdings)
    cases = [
        (dormancy_rate(bank, as_of=AS_OF, by=by, holdings=accounts), DORMANCY, "funded"),
        (penetration(bank, holdings=accounts, by=by), PENETRATION, "funded"),
        (tier_counts(bank, POLICY.tiers, by=by), TIERS, "all"),
    ]
    for public, question, base in cases:
        inside = answer(table, question, Request(bank, by, base, POLICY))
        assert rows_of(inside) == rows_of(public)


@pytest.mark.parametrize("by", [[], ["branch_id"]])
def test_concentration_of_facts_equals_the_public_one(make: Make, by: list[str]) -> None:
    """The Lorenz steps of the facts sum to the analyst's figures, also without the largest."""
    customers, holdings = two_branches()
    facts, bank = as_lazy(facts_of(make, customers, holdings)), make(customers)
    steps = lorenz_steps(facts, value="aum_period_end_cents", by=by, base="all")
    totals = concentration_totals(steps, by=by, questions=CONCENTRATION)
    request = Request(bank, by, "all", POLICY)
    for without, question in CONCENTRATION.items():
        inside = rows_of(shown(totals, Spec(f"{without}", question, "all"), request))
        public = rows_of(concentration(bank, by=by, base="all", without=without))
        names = {row["measure"] for row in inside}
        assert inside == [row for row in public if row["measure"] in names]


def test_other_thresholds_move_the_bases(make: Make) -> None:
    """Funded from 50 CNY takes customer 3 in."""
    customers, holdings = two_branches()
    policy = replace(POLICY, bases=replace(POLICY.bases, funded=50))
    facts = customer_facts(make(customers), make(holdings), policy=policy, as_of=AS_OF)
    assert values_of(facts, "customer_id", value="in_funded")["3"] == 1
