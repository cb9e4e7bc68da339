"""Names in a policy that point to something stated elsewhere in it: whether that is there.

The tables are looked at as they are written, so that these problems are listed together with wrong
types and missing keys. What only a default states (a profile target of a tier that a bank's own
scheme does not have) is no fault of the file and applies to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stockcust_analysis.errors import did_you_mean
from stockcust_analysis.policy.disclosure import DisclosureRule
from stockcust_analysis.policy.inheritance import Table

AMOUNTS = ("aum_period_end", "aum_average_month", "aum_average_quarter")
"""The columns of AUM that every bank has, delivered or made from its accounts."""

_NAMED = {
    "tier": ("tiers.tiers.name",),
    "family": ("families.families.name",),
    "member": (
        "tiers.tiers.name",
        "families.families.name",
        "families.channels.name",
        "coverage.classes.name",
    ),
}
_POINTERS = {
    "coverage.profile_targets.tier": "tier",
    "tier_memory.exceptions.tier": "tier",
    "disclosure.merged_tiers": "tier",
    "worklists.next_products": "family",
    "scorecard.indicators.member": "member",
}
_COLUMNS = ("tiers.value", "tier_memory.value", "dormancy.value")
_PRODUCTS = ("families.families.products", "families.channels.products", "families.aum_products")
_OF_PRODUCTS = ("families.aum_products", "dormancy.products", "dormancy.exempt")
# Where a customer may be instead of in a tier, and a column beside those of the tiers.
_TAKEN = ("NEW", "CLOSED", "DRAINED", "RETURNED", "TRANSFERRED", "total")


def contradictions(table: Table) -> Iterator[str]:
    """Yield what a policy names and does not have; `table` is its file with base and presets.

    >>> tiers = {"tiers": [{"name": "small"}, {"name": "large"}], "value": "aum"}
    >>> for problem in contradictions({"tiers": tiers, "disclosure": {"merged_tiers": ["larg"]}}):
    ...     print(problem)
    disclosure.merged_tiers: there is no tier 'larg'. Did you mean 'large'?
    tiers.value: takes aum_period_end, aum_average_month, aum_average_quarter; found 'aum'.
    """
    for path, kind in _POINTERS.items():
        known = [name for place in _NAMED[kind] for name in _texts(table, place.split("."))]
        for name in _texts(table, path.split(".")):
            # Rounds and numbers of families are members that no policy names.
            if known and name not in ("", *known) and not name[:1].isdigit():
                yield f"{path}: there is no {kind} '{name}'.{did_you_mean(name, known)}"
    for path in _COLUMNS:
        for name in _texts(table, path.split(".")):
            if name not in AMOUNTS:
                close = did_you_mean(name, AMOUNTS)
                yield f"{path}: takes {', '.join(AMOUNTS)}; found '{name}'.{close}"
    yield from _families_for_products(table)
    yield from _tier_names(table)


def _families_for_products(table: Table) -> Iterator[str]:
    """Yield families that stand where a product is wanted: they would match no account."""
    products = {
        name
        for path in _PRODUCTS
        if path not in _OF_PRODUCTS
        for name in _texts(table, path.split("."))
    }
    families = set(_texts(table, _NAMED["family"][0].split("."))) - products
    for path in _OF_PRODUCTS:
        for name in _texts(table, path.split(".")):
            if name in families:
                yield f"{path}: '{name}' is a family. Name its products."


def _tier_names(table: Table) -> Iterator[str]:
    """Yield tiers called like something else, and merged tiers that are not the highest."""
    tiers = list(_texts(table, ["tiers", "tiers", "name"]))
    for name in tiers:
        if name in _TAKEN:
            yield f"tiers.tiers[{name}]: the name is taken. Give the tier another one."
    stated = _texts(table, ["disclosure", "merged_tiers"])
    default = DisclosureRule.merged_tiers
    merged = list(stated if "merged_tiers" in table.get("disclosure", {}) else default)
    top = [name for name in tiers if name in merged]
    if top and (top != tiers[-len(top) :] or len(top) == len(tiers)):
        yield (
            "disclosure.merged_tiers: must be the highest tiers, and not all of them: "
            f"{', '.join(top)} of {', '.join(tiers)}."
        )


def _texts(value: object, path: Sequence[str]) -> Iterator[str]:
    """Yield the texts at a path through tables and lists; wrong types are told elsewhere."""
    if isinstance(value, list):
        for entry in value:
            yield from _texts(entry, path)
    elif path and isinstance(value, dict):
        yield from _texts(value.get(path[0]), path[1:])
    elif not path and isinstance(value, str):
        yield value
