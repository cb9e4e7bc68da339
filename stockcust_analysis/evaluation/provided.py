"""What a bank's tables tell beside measures, what they leave out, and what pages say of both.

What is not provided is unknown, not 0. Most is asked of a layout's tables, which were made for
others: they hold deposits and no other positions, and averages of several definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any, Final

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.customers import by_unit, population_of, quarters_remembered
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import Calendar, as_lazy, collect_rows, collect_sums
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import UNKNOWN, WHOLE_BANK
from stockcust_analysis.measures import codebook
from stockcust_analysis.measures.bases import NUMBERS
from stockcust_analysis.measures.population import aum_origins
from stockcust_analysis.measures.registry import columns_of, measure_rows, specs_for
from stockcust_analysis.policy import Family, Policy, load_policy

# Ways in which a layout makes averages; those of any other quarter were delivered.
AVERAGES_MADE: Final = ("rebuilt", "month_ends", "period_ends")
# Bases whose customers the quarter's average decides.
_AVERAGE_BASES: Final = ("funded", "effective", "established")
_DEPOSITS = {"demand_deposit", "time_deposit"}
_BRANCH = ("branch_id", "name", "region", "type", "opened_on")
# Measures by the number of families that a customer holds.
_BY_NUMBER = ("product", "multi_product")
# Of the rules of service, what no page prints.
_UNPRINTED = {"source", "model", "hold_out_share", "hold_out_seed"}
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


def without_families(table: pd.DataFrame, missing: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return measures or co-holding without what was not delivered: it is unknown, not 0."""
    gone = {(quarter, name) for quarter, names in missing.items() for name in names}
    if not gone:
        return table
    dropped = pd.Series(False, index=table.index)
    for side in ["member"] if "member" in table else ["family_a", "family_b"]:
        dropped |= pd.MultiIndex.from_frame(table[["quarter", side]]).isin(gone)
    if "dimension" in table:
        dropped &= table["dimension"] == "family"
    return table[~dropped].reset_index(drop=True)


def unlike_families(
    policy: Policy, missing: Mapping[str, Sequence[str]], quarter: Quarter
) -> dict[str, Any]:
    """Return what a page prints of quarters whose numbers of families are not comparable.

    Channels are no products: which of them are missing changes no number.
    """
    gone = {when: {*policy.families.names}.intersection(names) for when, names in missing.items()}
    unlike = [when for when in gone if gone[when] != gone[str(quarter)]]
    return {"families_unlike": unlike} if unlike else {}


def comparable_numbers(
    measures: pd.DataFrame, policy: Policy, missing: Mapping[str, Sequence[str]], quarter: Quarter
) -> pd.DataFrame:
    """Return measures with numbers of families only of quarters of which the same are known."""
    unlike = unlike_families(policy, missing, quarter).get("families_unlike", [])
    by_number = measures["measure"].str.startswith(_BY_NUMBER)
    return measures[~(measures["quarter"].isin(unlike) & by_number)].reset_index(drop=True)


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
    by_average = name.isin(codebook.measures_by_aum(load_policy()) - {"aum_period_end"})
    gone = measures["quarter"].isin(unlike)
    gone &= by_average | measures["base"].isin(_AVERAGE_BASES)
    if str(quarter.previous) in unlike:
        gone |= measures["quarter"].eq(str(quarter)) & name.isin(codebook.measures_of_changes())
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


def targets_today(targets: pd.DataFrame, merged: Mapping[str, str]) -> pd.DataFrame:
    """Return the plans of merged branches with the branch that has their customers.

    Plans of what adds up are added where they are of one kind and part due. Plans of shares and
    means stay where they are equal. Any others cannot be held together: their `target` is NaN.
    """
    if not targets["branch_id"].isin([*merged]).any():
        return targets
    targets = targets.assign(branch_id=targets["branch_id"].replace(dict(merged)))
    plans = targets.groupby(["branch_id", "measure"], as_index=False)
    alike = plans[["target", "kind", "phased_share"]].nunique()
    one, found = alike == 1, plans.first()
    adds_up = found["measure"].isin(codebook.measures_that_add_up())
    found["target"] = found["target"].where(~adds_up, plans["target"].sum()["target"])
    known = one["kind"] & one["phased_share"] & (adds_up | one["target"])
    return found.assign(target=found["target"].where(known))[[*targets]]


def mark_incomplete(
    targets: pd.DataFrame, bank: Bank, policy: Policy, missing: Sequence[str], aum: str
) -> pd.DataFrame:
    """Return the plans, `start` empty where a layout's tables hold a part of their measure."""
    # What is delivered in part is not held against a plan of the whole.
    unknown = {*codebook.measures_by_aum(policy), "customers"} if aum == UNKNOWN else set()
    incomplete = targets["measure"].isin(unknown)
    if bank.layout and {*policy.families.names}.intersection(missing):
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
    listed = policy.worklists.lists
    found = {reason: [n for n in listed if n in _LISTS[reason]] for reason in _LISTS}
    return {reason: names for reason, names in found.items() if names and holds[reason]}


def with_lists_provided(bank: Bank, policy: Policy, as_of: date) -> Policy:
    """Return the policy without the work lists that cannot be filled."""
    left_out = {name for names in lists_left_out(bank, policy, as_of).values() for name in names}
    lists = tuple(name for name in policy.worklists.lists if name not in left_out)
    return replace(policy, worklists=replace(policy.worklists, lists=lists))


def branches_of(bank: Bank) -> pd.DataFrame:
    """Return the branches by number; a region or type that is not delivered is empty.

    `merged_on` is the day on which a branch last took over others, where successors are delivered.
    """
    table = as_lazy(bank.table("branches"))
    names = table.collect_schema().names()
    frame = pd.DataFrame(collect_rows(table.select(name for name in _BRANCH if name in names)))
    for name in ("region", "type"):
        values = frame.get(name, pd.Series("", index=frame.index))
        frame[name] = values.astype(object).fillna("").astype("str")
    if "branch_successors" in bank.columns:
        pairs = as_lazy(bank.table("branch_successors")).select("new_branch_id", "effective_on")
        last = pd.DataFrame(collect_rows(pairs)).groupby("new_branch_id")["effective_on"].max()
        frame["merged_on"] = frame["branch_id"].map(last)
    for name in {"opened_on", "merged_on"}.intersection(frame):
        frame[name] = pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%d").fillna("")
    return frame.sort_values("branch_id", ignore_index=True)


def policy_facts(
    policy: Policy, bank: Bank, quarter: Quarter, missing: Sequence[str], aum: str
) -> dict[str, Any]:
    """Return what a page prints of its rules, of families `missing`, and of deposits as `aum`."""
    known = policy.families.families + policy.families.channels
    families = [family for family in known if family.name in missing]
    marks = {"moves": "customer_moves" in bank.columns}
    marks["no_contacts"] = "contacts" not in bank.columns and "assignments" in bank.columns
    return {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        **policy.members,
        "funded": policy.bases.funded,
        "effective": policy.bases.effective,
        "customer_types": list(policy.customer_types),
        "aum_products": list(policy.families.aum_products),
        "tier_value": policy.tiers.value,
        "dormancy": json.loads(json.dumps(asdict(policy.dormancy))),  # as it is read back
        "service": service_facts(policy),
        "tier_memory": _memory_facts(policy, bank, quarter),
        "aum_from": aum_origins(bank.columns["customers"], bank.columns["holdings"]),
        "families_missing": _words_of(families),
        "knows_tenure": "relationship_since" in bank.columns["customers"],
        "smallest_cell": policy.disclosure.smallest_cell,
        **{name: True for name, holds in marks.items() if holds},
        **(_layout_facts(policy, bank, families, quarter, aum) if bank.layout else {}),
    }


def service_facts(policy: Policy) -> dict[str, Any]:
    """Return what a page prints of the rules of service, warning and work lists, as read back.

    >>> service_facts(load_policy())["contact_months"]
    3
    """
    rules = vars(policy.worklists) | vars(policy.attrition) | vars(policy.coverage)
    facts = {name: value for name, value in rules.items() if name not in _UNPRINTED}
    return dict(json.loads(json.dumps(facts, default=asdict)))


def unit_facts(
    bank: Bank, policy: Policy, quarter: Quarter, measures: pd.DataFrame
) -> dict[str, Any]:
    """Return what a page prints of numbers joined by person: how many, and what joining changes."""
    if policy.unit == "customer":
        return {}
    calendar = Calendar((quarter.end,))
    by_number = replace(policy, unit="customer")
    view = population_of(bank, by_number, calendar, structure=quarter.end)
    specs = specs_for(view, codebook.CUSTOMER_QUESTIONS)
    totals = collect_sums(view, [], columns_of(specs, by_number))
    whole = measures[(measures["branch_id"] == WHOLE_BANK) & (measures["quarter"] == str(quarter))]
    sides = measure_rows(totals, specs, by_number, []), whole
    numbers, persons = (side.set_index(["measure", "base"])["value"] for side in sides)
    people = calendar.rows(as_lazy(by_unit(bank, policy, quarter.end).table("customers")))
    several = frames.count_rows(people, {"several": nw.col(NUMBERS) > 1})
    pairs = {name: [float(numbers[key]), float(persons[key])] for name, key in _BY_UNIT.items()}
    return {"unit": several | pairs}


_BY_UNIT = {"customers": ("customers", "all"), "funded": ("customers", "funded")}
_BY_UNIT |= {name: (name, "funded") for name in ("dormancy_rate", "multi_product_share")}
"""Figures that a page shows by customer number and by person."""


def _layout_facts(
    policy: Policy, bank: Bank, missing: Sequence[Family], quarter: Quarter, aum: str
) -> dict[str, Any]:
    """Return what a page prints of tables that were made from those of a layout."""
    exempt = {*policy.dormancy.exempt}
    return {
        "aum": aum,
        "approximations": dict(bank.approximations),
        "exempt_missing": _words_of(f for f in missing if exempt & {*f.products}),
        "lists_left_out": lists_left_out(bank, policy, quarter.end),
        "unlike": list(map(str, unlike_delivered(bank, quarter))),
    }


def _words_of(families: Iterable[Family]) -> list[dict[str, str]]:
    return [{"name": family.name, "zh": family.zh, "en": family.en} for family in families]


def _memory_facts(policy: Policy, bank: Bank, quarter: Quarter) -> dict[str, Any] | None:
    """Return what a page prints of the memory: its name, and the first quarter it looks at."""
    if policy.tier_memory is None:
        return None
    earlier = quarters_remembered(bank, policy, quarter.end, quarter.end)
    first = Quarter.to_date(earlier[0]) if earlier else quarter
    return {"name": policy.tier_memory.name, "since": str(first)}
