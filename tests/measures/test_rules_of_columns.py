"""Customers say by which rules their columns were made: what other rules are asked for is new."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import stockcust_analysis as sca
from stockcust_analysis.errors import UsageError, words_of
from stockcust_analysis.measures.dormancy import dormancy_flow
from stockcust_analysis.measures.tiers import assign_tiers, tier_counts

SHIPPED = sca.load_policy()
JOINT = sca.load_policy("joint_stock_bank")  # potential from 1,000 CNY, effective from 20,000
CAPPED = replace(SHIPPED, dormancy=replace(SHIPPED.dormancy, cap=5_000, exempt=()))


def customers_of(policy: sca.Policy, as_of: str = "2026-09-30") -> pd.DataFrame:
    """Return three idle customers of 500, 15,000 and 60,000 CNY, as the shipped policy has them."""
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "as_of": pd.Timestamp(as_of),
            "last_active_on": pd.Timestamp("2024-01-01"),
            "aum_period_end": [500.0, 15_000, 60_000],
            "aum_average_quarter": [500.0, 15_000, 60_000],
            "status": "silent",
            "tier": ["potential", "effective", "mid"],
            "effective": [0, 1, 1],
            "funded": 1,
            "families": 1,
            **{f"holds_{name}": int(name == "deposit") for name in SHIPPED.families.names},
        }
    )
    return frame.assign(**policy.labels)


def counts(customers: pd.DataFrame, **rules: object) -> dict[str, int]:
    """Return how many customers each tier has that has any."""
    found = tier_counts(customers, **rules)  # type: ignore[arg-type]
    found = found[(found["measure"] == "tier_customers") & (found["value"] > 0)]
    return dict(zip(found["tier"], found["value"].astype(int), strict=True))


def test_a_changed_dormancy_rule_that_keeps_its_name() -> None:
    """At a cap of 5,000 CNY the first is dormant; the status was given at 500."""
    customers = customers_of(SHIPPED)
    for rules in ({"rule": CAPPED.dormancy}, {"policy": CAPPED}):
        rates = sca.dormancy_rate(customers, as_of="2026Q3", base="all", **rules)
        rate = rates.set_index("measure")["numerator"]
        assert (rate["dormancy_rate"], rate["silent_rate"]) == (1, 2)
        with pytest.raises(UsageError, match=r"no 'status' by the rule .* is by rural_6m_500#"):
            sca.dormancy_rate(customers, **rules)
    unchanged = sca.dormancy_rate(customers, SHIPPED.dormancy, base="all").set_index("measure")
    assert unchanged.loc["silent_rate", "numerator"] == 3


def test_another_scheme_judges_amounts() -> None:
    """Under the joint-stock scheme 500 CNY are residual and 15,000 potential, not effective."""
    customers = customers_of(SHIPPED)
    assert counts(customers) == {"potential": 1, "effective": 1, "mid": 1}
    for rules in ({"scheme": JOINT.tiers}, {"policy": JOINT}):
        assert counts(customers, **rules) == {"residual": 1, "potential": 1, "mid": 1}
        matrix = sca.migration_matrix(customers_of(SHIPPED, "2026-06-30"), customers, **rules)
        assert {*matrix["from"]} == {*matrix["to"]} == {"residual", "potential", "mid"}
    assert counts(customers_of(JOINT), policy=JOINT) == {"potential": 1, "effective": 1, "mid": 1}
    assert "tier_rule" not in assign_tiers(customers, JOINT.tiers)


def test_another_border_of_a_base() -> None:
    """Effective from 10,000 CNY are two, from 20,000 one; unless asked, the column stands."""
    before, now = customers_of(SHIPPED, "2026-06-30"), customers_of(SHIPPED)
    kept = sca.customer_retention(before, now, base="effective")
    assert kept["denominator"].tolist() == [2]
    kept = sca.customer_retention(before, now, base="effective", policy=JOINT)
    assert kept["denominator"].tolist() == [1]
    sides = [customers_of(JOINT, "2026-06-30"), customers_of(JOINT)]
    assert sca.customer_retention(*sides, base="effective")["denominator"].tolist() == [2]


def test_other_families_need_holdings() -> None:
    """What customers hold under other families is not in their columns."""
    fewer = replace(SHIPPED.families, families=SHIPPED.families.families[:2])
    changed = replace(SHIPPED, families=fewer)
    customers = customers_of(SHIPPED)
    said = r"Give holdings=.* what customers hold, such as 'families' is by #"
    with pytest.raises(UsageError, match=said):
        sca.products_per_customer(customers, base="all", policy=changed)
    anew = replace(changed, dormancy=SHIPPED.dormancy_rule("crm_6m"))
    with pytest.raises(UsageError) as refused:
        sca.penetration(customers, policy=anew)
    assert "以下各列按其他规则得出，未用：睡眠状态“status”按" in words_of(refused.value).zh
    assert "who is dormant, 'status' is by rural_6m_500#" in str(refused.value)
    held = pd.DataFrame({"customer_id": ["a"], "product": ["demand_deposit"], "balance": [5.0]})
    found = sca.products_per_customer(customers, holdings=held, base="all", policy=changed)
    assert found["numerator"].tolist() == [1]


def test_two_dates_under_two_policies() -> None:
    """A migration between two schemes is none."""
    before = customers_of(JOINT, "2026-06-30")
    with pytest.raises(UsageError, match="'tier' is not by one rule: opening by six_tiers_joint_"):
        sca.migration_matrix(before, customers_of(SHIPPED))
    with pytest.raises(UsageError, match=r"'status' is by rural_6m_500#\w+, not crm_6m#"):
        dormancy_flow(customers_of(SHIPPED, "2026-06-30"), customers_of(SHIPPED), "crm_6m")


def test_numbers_beside_text_and_two_kinds_of_tables() -> None:
    """Customer numbers that one file reads as numbers are no others: pandas' own words help nobody.

    Frames of two libraries are as the message says.
    """
    polars = pytest.importorskip("polars")
    before, now = customers_of(SHIPPED, "2026-06-30"), customers_of(SHIPPED)
    numbers = before.assign(customer_id=[1, 2, 3])
    held = pd.DataFrame({"customer_id": [1], "product": ["fund"], "balance": [5.0]})
    for call in (
        lambda: sca.customer_retention(numbers, now),
        lambda: sca.growth_bridge(numbers, now),
        lambda: sca.migration_matrix(numbers, now),
        lambda: sca.products_per_customer(now, holdings=held),
        lambda: sca.dormancy_status(now, as_of="2026Q3", holdings=held),
    ):
        with pytest.raises(UsageError, match=r"'customer_id' is a number in .* and text in"):
            call()
    with pytest.raises(UsageError, match="opening are a polars table, closing a pandas one"):
        sca.customer_retention(polars.DataFrame(before.to_dict("list")), now)
    with pytest.raises(UsageError, match="Take another quarter for one of them"):
        sca.customer_retention(now, now)


def test_who_has_left_is_in_no_measure_of_one_date() -> None:
    """Of three customers one closed in January: two are counted, and they hold 75,000 CNY."""
    closed = pd.to_datetime(["2026-01-01", None, "2026-10-05"])
    customers = customers_of(SHIPPED).assign(closed_on=closed)
    found = sca.concentration(customers, base="all")
    assert {*found["n"]} == {2}
    assert counts(customers) == {"effective": 1, "mid": 1}
    total = tier_counts(customers)
    assert total.loc[total["measure"] == "tier_aum", "value"].sum() == 75_000


def test_plain_words_for_what_is_no_scheme_and_no_facts() -> None:
    """A scheme of pairs, and lists from customers: the message says what is taken instead."""
    with pytest.raises(sca.errors.PolicyError, match=r"takes Tier\(name, lower, zh, en\) each"):
        sca.TierScheme("own", (("a", 0), ("b", 10)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"worklists\.worklist_facts"):
        sca.worklists(customers_of(SHIPPED), as_of="2026Q3")
