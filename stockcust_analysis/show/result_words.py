"""Words for the columns and cells of results, which stand in `labels.toml` and in the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from stockcust_analysis.measures.codebook import MeasureDefinition, defined_measures
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Language

_DIMENSIONS: Final = {
    "tier": ("tier",),
    "family": ("family", "channel"),
    "family_a": ("family",),
    "family_b": ("family",),
    "channel": ("channel",),
    "cohort": ("tier", "family", "channel", "customer_group"),
    "customer_class": ("customer_class",),
    "customer_group": ("customer_group",),
    "from": ("tier",),
    "to": ("tier",),
}
_CELL_SECTIONS: Final = {
    **{name: [name] for name in ("measure", "base", "status", "component", "families_held")},
    "became": ["component_short"],
    "rule": ["rule"],
    "from": ["state"],
    "to": ["state"],
}


def column_word(name: str, language: Language) -> str:
    """Return what a column is called; one of the analyst's own by its name."""
    known = wording.names("column")
    return wording.text(name, language, within="column") if name in known else name


def cell_words(column: str, language: Language, policy_facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what the entries of a result's column are called, by a policy or the shipped one.

    >>> cell_words("became", "en", {})["drained"], cell_words("tier", "zh", {})["mid"]
    ('Emptied', '中端')
    """
    words = member_words(column, language, policy_facts)
    for section in ("cut_member", *_CELL_SECTIONS.get(column, ())):
        known = wording.names(section)
        words |= {name: wording.text(name, language, within=section) for name in known}
    return words


def member_words(
    column: str, language: Language, policy_facts: Mapping[str, Any]
) -> dict[str, str]:
    """Return the words for what a policy lists: tiers, families and the like, in its order."""
    members = policy_facts or load_policy().members
    words = dict[str, str]()
    for dimension in _DIMENSIONS.get(column, ()):
        words |= wording.policy_words(members, dimension, language)
    return words


def definition_of(measure: str) -> MeasureDefinition | None:
    """Return what the codebook says of a measure; households' are like those of customers."""
    name = measure.removeprefix("household_").replace("per_household", "per_customer")
    return wording.measure_words(name) if name in defined_measures() else None


def format_value(
    value: wording.Figure, definition: MeasureDefinition | None, unit: wording.Unit
) -> str:
    """Return a value as its measure is printed; of an unknown measure with three decimals."""
    if definition is None:
        return wording.format_number(value, decimals=3)
    return wording.format_with_unit(value, definition.name, unit)
