"""What a bank's tables tell of its customers, and what of a page they leave without a figure.

What is not provided is unknown, not 0. Most is asked of a layout's tables, which were made for
others: they hold deposits and no other positions, and averages of several definitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import UNKNOWN
from stockcust_analysis.measures.codebook import measures_by_aum, measures_of_changes
from stockcust_analysis.policy import Policy, load_policy

# Ways in which a layout makes averages; those of any other quarter were delivered.
AVERAGES_MADE: Final = ("rebuilt", "month_ends", "period_ends")
# Bases whose customers the quarter's average decides.
_AVERAGE_BASES: Final = ("funded", "effective", "established")
_DEPOSITS = {"demand_deposit", "time_deposit"}
# Measures by the number of families that a customer holds.
_BY_NUMBER = ("product", "multi_product")
# Work lists that cannot be made without borders of AUM, averages of the quarter before on the same
# definition, products beside deposits, and days on which deposits mature.
_LISTS: Final = {
    "no_tiers": (
        "hand_over",
        "overdue_contact",
        "unassigned",
        "upgrade_candidates",
        "referral_sources",
        "incomplete_profile",
    ),
    "no_changes": ("attrition_warning", "emptied"),
    "no_positions": ("next_product",),
    "no_maturities": ("maturing",),
}


def families_missing(
    bank: Bank, policy: Policy, quarters: Sequence[Quarter]
) -> dict[str, list[str]]:
    """Return, by quarter, the families and channels of which the bank delivers no product."""
    calendar = Calendar(tuple(quarter.end for quarter in quarters))
    holdings = calendar.rows(as_lazy(bank.table("holdings")))
    pairs = collect_rows(holdings.group_by(PERIOD, "product").agg(nw.len()))
    delivered = set(zip(pairs[PERIOD], pairs["product"], strict=True))
    rule = policy.families
    return {
        str(quarter): [
            family.name
            for family in (*rule.families, *rule.channels)
            if not any((period, product) in delivered for product in family.products)
        ]
        for period, quarter in enumerate(quarters)
    }


def without_families(table: pd.DataFrame, missing: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return measures or co-holding without what was not delivered: it is unknown, not 0."""
    gone = {(quarter, name) for quarter, names in missing.items() for name in names}
    if not gone:
        return table
    sides = ["member"] if "member" in table else ["family_a", "family_b"]
    dropped = pd.Series(False, index=table.index)
    for side in sides:
        dropped |= pd.MultiIndex.from_frame(table[["quarter", side]]).isin(gone)
    if "dimension" in table:
        dropped &= table["dimension"] == "family"
    return table[~dropped].reset_index(drop=True)


def comparable_numbers(
    measures: pd.DataFrame, missing: Mapping[str, Sequence[str]], quarter: str
) -> pd.DataFrame:
    """Return measures with numbers of families only of quarters of which the same are known."""
    gone = {when: {*names} for when, names in missing.items()}
    unlike = measures["quarter"].isin([when for when in gone if gone[when] != gone[quarter]])
    by_number = measures["measure"].str.startswith(_BY_NUMBER)
    return measures[~(unlike & by_number)].reset_index(drop=True)


def unlike_quarters(approximations: Mapping[str, Sequence[str]], quarter: Quarter) -> list[str]:
    """Return the quarters back to the year before whose averages are made in another way.

    >>> unlike_quarters({"rebuilt": ["2026Q3"], "month_ends": ["2026Q2"]}, Quarter(2026, 3))
    ['2025Q3', '2025Q4', '2026Q1', '2026Q2']
    """
    ways = {when: way for way in AVERAGES_MADE for when in approximations.get(way, ())}
    others = [str(quarter.shifted(-number)) for number in range(4, 0, -1)]
    return [other for other in others if ways.get(other) != ways.get(str(quarter))]


def unlike_delivered(bank: Bank, quarter: Quarter) -> list[Quarter]:
    """Return those of the `unlike_quarters` that the bank delivers."""
    unlike = unlike_quarters(bank.approximations, quarter)
    return [other for other in bank.quarters if str(other) in unlike]


def comparable_measures(
    measures: pd.DataFrame, approximations: Mapping[str, Sequence[str]], quarter: Quarter
) -> pd.DataFrame:
    """Return measures without what compares averages of two definitions.

    Of quarters whose averages are made another way there are no figures by averages, nor of
    customers whom averages make funded or effective; where the previous quarter is among them,
    nothing of what became of its customers.
    """
    unlike = unlike_quarters(approximations, quarter)
    name = measures["measure"]
    by_average = name.isin(measures_by_aum(load_policy()) - {"aum_period_end"})
    gone = measures["quarter"].isin(unlike)
    gone &= by_average | measures["base"].isin(_AVERAGE_BASES)
    if str(quarter.previous) in unlike:
        gone |= measures["quarter"].eq(str(quarter)) & name.isin(measures_of_changes())
    return measures[~gone].reset_index(drop=True)


def aum_of_deposits(bank: Bank, policy: Policy, as_of: date) -> str:
    """Return how far deposits stand for AUM, where a layout's tables hold no other positions.

    "" where there are others; else what the policy says, or that AUM is not provided.
    """
    others = set(policy.families.aum_products) - _DEPOSITS
    if not bank.layout or "aum_period_end" in bank.columns["customers"]:
        return ""
    holdings = as_lazy(bank.snapshot("holdings", as_of=as_of))
    positions = holdings.filter(nw.col("product").is_in(others)).select("product").unique()
    return "" if collect_rows(positions)["product"] else policy.aum or UNKNOWN


def mark_incomplete(
    targets: pd.DataFrame, bank: Bank, policy: Policy, missing: Sequence[str], aum: str
) -> pd.DataFrame:
    """Return the plans, `start` empty where a layout's tables hold a part of their measure."""
    # What is delivered in part is not held against a plan of the whole.
    unknown = {*measures_by_aum(policy), "customers"} if aum == UNKNOWN else set()
    incomplete = targets["measure"].isin(unknown)
    if bank.layout and missing:
        incomplete |= targets["measure"].str.startswith(_BY_NUMBER)
    return targets.assign(start=pd.Series(0.0, index=targets.index).mask(incomplete))


def lists_left_out(bank: Bank, policy: Policy, as_of: date) -> dict[str, list[str]]:
    """Return the policy's work lists that a layout's tables cannot fill, by the reason.

    They are left out, not empty: whoever belongs on them is unknown.
    """
    if not bank.layout:
        return {}
    aum, quarter = aum_of_deposits(bank, policy, as_of), Quarter.ending_on(as_of)
    unlike = quarter is not None and quarter.previous in unlike_delivered(bank, quarter)
    holds = {
        "no_tiers": aum == UNKNOWN,
        "no_changes": aum == UNKNOWN or unlike,
        "no_positions": aum != "",
        "no_maturities": "no_maturities" in bank.approximations,
    }
    found = {
        reason: [name for name in policy.worklists.lists if name in _LISTS[reason]]
        for reason in _LISTS
        if holds[reason]
    }
    return {reason: names for reason, names in found.items() if names}


def with_lists_provided(bank: Bank, policy: Policy, as_of: date) -> Policy:
    """Return the policy without the work lists that cannot be filled."""
    left_out = {name for names in lists_left_out(bank, policy, as_of).values() for name in names}
    lists = tuple(name for name in policy.worklists.lists if name not in left_out)
    return replace(policy, worklists=replace(policy.worklists, lists=lists))
