"""The codebook: what each measure means, its unit, its direction, and what happens at the edges.

It is data (`codebook.toml`) and the only place that says so: pages take their words from it, and
`docs/reference/codebook.md` is printed from it.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from stockcust_analysis.errors import UsageError
from stockcust_analysis.policy.file import build, require

Kind = Literal["money", "count", "share", "ratio", "index"]
Direction = Literal["yes", "no", "neutral"]

_FILE = "codebook.toml"
_UNITS = {
    "money": "CNY",
    "count": "customers",
    "share": "share",
    "ratio": "ratio",
    "index": "index",
}
_BOUNDS = {"share": [0, 1], "index": [0, 1]}
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

    @property
    def lowest(self) -> float:
        """The lowest value there can be; −inf where there is none."""
        return self.bounds[0] if self.bounds else -math.inf

    @property
    def highest(self) -> float:
        """The highest value there can be; inf where there is none."""
        return self.bounds[1] if len(self.bounds) > 1 else math.inf


def measure_definition(name: str) -> MeasureDefinition:
    """Return the definition of a measure.

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
    known = {one.name: one for section in codebook_sections().values() for one in section}
    if name not in known:
        raise UsageError.unknown("measure", name, known)
    return known[name]


def defined_measures() -> tuple[str, ...]:
    """Return the names of all measures, in the codebook's order.

    >>> defined_measures()[:2]
    ('customers', 'aum_period_end')
    """
    return tuple(one.name for section in codebook_sections().values() for one in section)


@cache
def codebook_sections() -> dict[str, tuple[MeasureDefinition, ...]]:
    """Read the codebook once: the title of each section → its measures."""
    table = tomllib.loads((files("stockcust_analysis") / _FILE).read_text("utf-8"))
    problems: list[str] = []
    sections = {
        f"{section['en']} {section['zh']}": tuple(_defined(key, section, problems))
        for key, section in table.items()
    }
    return require(sections, _FILE, problems)


def _defined(key: str, section: dict[str, Any], problems: list[str]) -> list[MeasureDefinition]:
    """Return the definitions of one section."""
    made = [
        build(
            MeasureDefinition, {"name": name, **_usual(entry), **entry}, f"{key}.{name}", problems
        )
        for name, entry in section.items()
        if isinstance(entry, dict)
    ]
    return [one for one in made if one is not None]


def _usual(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the kind of a measure decides where the measure states nothing of its own."""
    kind = str(entry.get("kind"))
    usual = {"decimals": _DECIMALS.get(kind, 0), "unit": _UNITS.get(kind, "")}
    return {**usual, "bounds": _BOUNDS.get(kind, [0])}
