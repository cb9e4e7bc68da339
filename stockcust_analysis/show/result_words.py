"""Words for the columns and cells of results, which stand in `labels.toml` and in the policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from stockcust_analysis.bank.file_names import SYNONYMS
from stockcust_analysis.measures.codebook import defined_measures
from stockcust_analysis.measures.population import AGE_GROUPS
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Language

# Column → the dimensions of a policy, and the sections of the words, that its entries are from.
_DIMENSIONS: Final = {
    **{name: (name,) for name in ("channel", "customer_class", "customer_group")},
    **dict.fromkeys(("tier", "from", "to"), ("tier",)),
    **dict.fromkeys(("family_a", "family_b"), ("family",)),
    "family": ("family", "channel"),
    "cohort": ("tier", "family", "channel", "customer_group"),
}
_CELL_SECTIONS: Final = {
    **{name: (name,) for name in ("base", "status", "component", "families_held", "rule")},
    **dict.fromkeys(("from", "to"), ("state",)),
    "measure": ("measure", "household_measure"),
    "became": ("component_short",),
}
_AGES: Final = ("age_group", "age_band")
_WITHOUT: Final = "_without_"
_CODES: Final = {**SYNONYMS["codes"], "branch_type": SYNONYMS["codes"]["type"]}


def column_word(name: str, language: Language, unit: str = "") -> str:
    """Return what a column is called, by the unit that is counted; one's own by its name."""
    known = wording.section_words("column", language)
    return known.get(f"{name}_{unit}", known.get(name, name))


def cell_words(
    column: str,
    language: Language,
    policy_facts: Mapping[str, Any],
    entries: Iterable[object] = (),
) -> dict[str, str]:
    """Return what the entries of a result's column are called, by a policy or the shipped one.

    >>> cell_words("became", "en", {})["drained"], cell_words("tier", "zh", {})["mid"]
    ('Emptied', '中端')
    """
    words = member_words(column, language, policy_facts)
    # A contract's code is called as banks call it most, which stands first.
    for code, names in _CODES.get(column, {}).items():
        words[code] = names[0] if language == "zh" else code.replace("_", " ")
    for section in ("cut_member", *_CELL_SECTIONS.get(column, ())):
        words |= wording.section_words(section, language)
    for entry in {*entries} - {*words} if column == "measure" else ():
        name, _, customers = str(entry).partition(_WITHOUT)
        if customers and name in words:
            pattern = wording.text("without", language, within="word")
            words[str(entry)] = pattern.format(words[name], customers)
    return words


def member_words(
    column: str, language: Language, policy_facts: Mapping[str, Any]
) -> dict[str, str]:
    """Return the words for what a policy lists: tiers, families and the like, in its order."""
    members = policy_facts or load_policy().members
    words = dict(zip(AGE_GROUPS, AGE_GROUPS, strict=True)) if column in _AGES else {}
    for dimension in _DIMENSIONS.get(column, ()):
        words |= wording.policy_words(members, dimension, language)
    return words


def policy_order(labels: pd.DataFrame, members: Mapping[str, Any]) -> list[int]:
    """Return the positions of rows in the policy's order of their labels; others stand behind.

    Numbers rise, other labels keep the order of the rows.
    """
    ranks = []
    for name in map(str, labels):
        column = labels[name]
        others = column.sort_values() if pd.api.types.is_numeric_dtype(column) else column
        order = dict.fromkeys([*member_words(name, "zh", members), *map(str, others)])
        ranks.append(column.astype(str).map({label: rank for rank, label in enumerate(order)}))
    return sorted(range(len(labels)), key=[*zip(*ranks, strict=True)].__getitem__)


def _defined(measure: str) -> str:
    """Return the measure of the codebook that a variant is like; "" of an unknown one."""
    name = measure.removeprefix("household_").replace("per_household", "per_customer")
    names = (name for name in (name, name.partition(_WITHOUT)[0]) if name in defined_measures())
    return next(names, "")


def kind_of(measure: str) -> str:
    """Return what kind of value a measure has; "" of an unknown one."""
    name = _defined(measure)
    return wording.measure_words(name).kind if name else ""


def format_value(value: wording.Figure, measure: str, unit: wording.Unit) -> str:
    """Return a value as its measure is printed; of an unknown measure with three decimals."""
    if name := _defined(measure):
        return wording.format_with_unit(value, name, unit)
    return wording.format_number(value, decimals=3)
