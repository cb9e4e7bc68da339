"""The codebook: what each measure means, its unit, its direction, and what happens at the edges.

It is data (`codebook.toml`) and the only place that says so: pages take their words from it, and
`docs/reference/codebook.md` is printed from it. Which measures there are, and of which view of a
bank each is computed, follows from the questions gathered here: nothing lists measures twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from stockcust_analysis.errors import require_known
from stockcust_analysis.measures.concentration import CONCENTRATION
from stockcust_analysis.measures.coverage import CLASSES, COVERAGE, MANAGEMENT, ROUNDS
from stockcust_analysis.measures.cross_sell import CROSS_SELL
from stockcust_analysis.measures.dormancy import DORMANCY, DORMANCY_FLOW
from stockcust_analysis.measures.growth import ATTRITION, AUM_CHANGE
from stockcust_analysis.measures.holdings import UNUSED_OPENINGS
from stockcust_analysis.measures.registry import Measure
from stockcust_analysis.measures.retention import RETENTION, SAME_CUSTOMER_GROWTH
from stockcust_analysis.measures.tiers import TIERS, VOLUME
from stockcust_analysis.measures.two_dates import TIER_MOVES
from stockcust_analysis.policy import Policy, load_policy
from stockcust_analysis.policy.file import Table, build, read_toml, require

Kind = Literal["money", "count", "share", "ratio", "index"]
Direction = Literal["yes", "no", "neutral"]

_UNITS = {"money": "CNY", "count": "customers"}
_DECIMALS = {"money": 2, "count": 0, "share": 1, "ratio": 2, "index": 3}


@dataclass(frozen=True)
class MeasureDefinition:
    """What is known of a measure before any data: names, unit, direction, formula, edge cases.

    `bounds`: the lowest and the highest value there can be, as far as there is one; `range` says
    the same in words, and more.
    """

    name: str
    zh: str
    en: str
    kind: Kind
    higher_is_better: Direction
    definition_zh: str
    definition_en: str
    formula: str
    range: str
    edge_cases: str
    source: str
    decimals: int
    unit: str
    bounds: tuple[float, ...]


def measure_definition(name: str) -> MeasureDefinition:
    """Return the definition of a measure.

    Parameters
    ----------
    name : str
        As it stands in the column `measure`.

    Returns
    -------
    MeasureDefinition

    Raises
    ------
    UsageError
        An unknown measure; close matches are offered.

    Examples
    --------
    >>> dormancy = measure_definition("dormancy_rate")
    >>> dormancy.zh, dormancy.kind, dormancy.higher_is_better, dormancy.decimals
    ('睡眠客户占比', 'share', 'no', 1)
    """
    return defined_measures()[require_known("measure", name, defined_measures())]


@cache
def defined_measures() -> dict[str, MeasureDefinition]:
    """Return the definitions of all measures by name, in the codebook's order; read once.

    >>> list(defined_measures())[:2]
    ['customers', 'aum_period_end']
    """
    sections = codebook_sections().values()
    return {definition.name: definition for section in sections for definition in section}


def codebook_sections() -> dict[str, tuple[MeasureDefinition, ...]]:
    """Return the title of each section of the codebook, and its measures."""
    file, problems = files("stockcust_analysis") / "codebook.toml", list[str]()
    sections: dict[str, tuple[MeasureDefinition, ...]] = {}
    for key, section in read_toml(file).items():
        entries = {name: entry for name, entry in section.items() if isinstance(entry, dict)}
        definitions = (
            build(MeasureDefinition, _with_defaults(name, entry), f"{key}.{name}", problems)
            for name, entry in entries.items()
        )
        sections[f"{section['en']} {section['zh']}"] = tuple(filter(None, definitions))
    return require(sections, file.name, problems)


def _with_defaults(name: str, entry: Table) -> Table:
    """Return an entry with its name, and with what its kind decides where it states nothing."""
    kind = str(entry.get("kind"))
    return {
        "name": name,
        "decimals": _DECIMALS.get(kind, 0),
        "unit": _UNITS.get(kind, kind),
        "bounds": [0, 1] if kind in ("share", "index") else [0],
        **entry,
    }


CUSTOMER_QUESTIONS = (VOLUME, DORMANCY, *CROSS_SELL, TIERS, UNUSED_OPENINGS, MANAGEMENT)
MANAGED_QUESTIONS = (COVERAGE, CLASSES, ROUNDS)
PAIR_QUESTIONS = (TIER_MOVES, SAME_CUSTOMER_GROWTH, RETENTION, ATTRITION, DORMANCY_FLOW)
_DERIVED = (*CONCENTRATION.values(), AUM_CHANGE)
QUESTIONS = (*CUSTOMER_QUESTIONS, *_DERIVED, *MANAGED_QUESTIONS, *PAIR_QUESTIONS)


# Of customers above a border of AUM, or of classes that rank by it.
_BY_BORDERS = (
    "vip_share",
    "managed_share",
    "profile_completion",
    "hand_over_due_share",
    "contact_due_share",
)


@cache
def measures_that_add_up() -> frozenset[str]:
    """Return the counts and amounts of money of which the bank's is the sum of the branches'.

    >>> [name in measures_that_add_up() for name in ("aum_average_quarter", "aum_per_customer")]
    [True, False]
    """
    totals = (m.name for m, _ in all_measures(load_policy()) if m.denominator is None)
    return frozenset(name for name in totals if defined_measures()[name].kind in ("money", "count"))


def measures_by_aum(policy: Policy, *, tiers: bool = False) -> set[str]:
    """Return the measures that compare amounts of AUM, or `tiers`: those alone with its borders.

    >>> from stockcust_analysis.policy import load_policy
    >>> by_amount, by_tier = (measures_by_aum(load_policy(), tiers=t) for t in (False, True))
    >>> "managed_aum" in by_amount, "managed_aum" in by_tier, "vip_share" in by_tier
    (True, False, True)
    """
    moves = {measure.name for measure in TIER_MOVES.measures(policy)}
    return {*_BY_BORDERS, *moves} | {
        measure.name
        for measure, _ in all_measures(policy)
        if measure.dimension in ("tier", "customer_class")
        or (not tiers and "_cents" in f"{measure.numerator} {measure.denominator}")
    }


@cache
def measures_of_changes() -> frozenset[str]:
    """Return the measures that compare averages of two quarters, customer by customer or summed.

    >>> "customer_retention" in measures_of_changes(), "customers" in measures_of_changes()
    (True, False)
    """
    questions, policy = (*PAIR_QUESTIONS, AUM_CHANGE), load_policy()
    return frozenset(
        measure.name for question in questions for measure in question.measures(policy)
    )


def all_measures(policy: Policy) -> Iterator[tuple[Measure, str]]:
    """Yield every measure of an evaluation with each of its bases."""
    for question in QUESTIONS:
        for base in question.bases:
            for measure in question.measures(policy):
                yield measure, base
