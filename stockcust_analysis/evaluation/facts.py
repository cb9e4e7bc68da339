"""What pages print of the rules in force, of what was not delivered, and of the unit counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.customers import by_unit, population_of, quarters_remembered
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import as_lazy, collect_sums, count_rows
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.provided import lists_left_out, unlike_delivered
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.bases import NUMBERS
from stockcust_analysis.measures.codebook import CUSTOMER_QUESTIONS
from stockcust_analysis.measures.population import aum_origins
from stockcust_analysis.measures.registry import columns_of, measure_rows, specs_for
from stockcust_analysis.policy import Family, Policy


def policy_facts(
    policy: Policy, bank: Bank, quarter: Quarter, missing: Sequence[str], aum: str
) -> dict[str, Any]:
    """Return what a page prints of its rules, of families `missing`, and of deposits as `aum`."""
    rule, known = policy.dormancy, policy.families.families + policy.families.channels
    families = [family for family in known if family.name in missing]
    dormancy = ("name", "idle_months", "idle_days", "cap")
    return {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        **policy.members,
        "funded": policy.bases.funded,
        "effective": policy.bases.effective,
        "dormancy": {name: getattr(rule, name) for name in dormancy},
        "tier_memory": _memory_facts(policy, bank, quarter),
        "aum_from": aum_origins(bank.columns["customers"], bank.columns["holdings"]),
        "families_missing": _words_of(families),
        "knows_tenure": "relationship_since" in bank.columns["customers"],
        "smallest_cell": policy.disclosure.smallest_cell,
        **({"moves": True} if "customer_moves" in bank.columns else {}),
        **(_layout_facts(policy, bank, families, quarter, aum) if bank.layout else {}),
    }


def unit_facts(
    bank: Bank, policy: Policy, quarter: Quarter, measures: pd.DataFrame
) -> dict[str, Any]:
    """Return what a page prints of numbers joined by person: how many, and what joining changes."""
    if policy.unit == "customer":
        return {}
    calendar = Calendar((quarter.end,))
    by_number = replace(policy, unit="customer")
    view = population_of(bank, by_number, calendar, structure=quarter.end)
    specs = specs_for(view, CUSTOMER_QUESTIONS)
    totals = collect_sums(view, [], columns_of(specs, by_number))
    whole = measures[(measures["branch_id"] == WHOLE_BANK) & (measures["quarter"] == str(quarter))]
    sides = measure_rows(totals, specs, by_number, []), whole
    numbers, persons = (side.set_index(["measure", "base"])["value"] for side in sides)
    people = calendar.rows(as_lazy(by_unit(bank, policy, quarter.end).table("customers")))
    several = count_rows(people, {"several": nw.col(NUMBERS) > 1})
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
