"""The words for measures, tiers, families and comparisons, in Chinese and English.

They stand in `labels.toml`, those of the measures in the codebook. A word is looked up by the name
the data carry, within the column the name comes from: `label("gini")`, `label("high",
within="tier")`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.codebook import (
    Kind,
    MeasureDefinition,
    defined_measures,
    measure_definition,
)
from stockcust_analysis.show.blocks import Language

__all__ = ["Kind", "label", "measure_words", "money_scales", "names"]

_WORDS_FILE: Final = Path(__file__).with_name("labels.toml")


@cache
def _words() -> dict[str, Any]:
    """Read the word file and the measures' names once."""
    measures = {name: measure_definition(name) for name in defined_measures()}
    return {
        "measure": {name: {"zh": one.zh, "en": one.en} for name, one in measures.items()},
        **tomllib.loads(_WORDS_FILE.read_text(encoding="utf-8")),
    }


def names(within: str) -> tuple[str, ...]:
    """Return the names known within a section, in the order pages show them.

    >>> names("tier")
    ('residual', 'potential', 'effective', 'mid', 'high', 'private')
    """
    return tuple(_section(within))


def label(key: str, language: Language = "zh", *, within: str = "measure") -> str:
    """Return the word a page prints for a name in the data.

    Parameters
    ----------
    key
        The name as the measure frame carries it.
    language
        "zh" or "en".
    within
        What the name is: "measure", a dimension ("tier", "family", "families_held"), "status",
        "base", "dimension", "comparison" or one of the sections of sentence parts.

    Raises
    ------
    UsageError
        An unknown name, section or language; close matches are offered.

    >>> label("gini"), label("gini", "en")
    ('基尼系数', 'Gini coefficient')
    >>> label("high", within="tier")
    '高端'
    """
    return str(_entry(key, within)[_known(language)])


def measure_words(name: str) -> MeasureDefinition:
    """Return the names, kind and direction of a measure, from the codebook.

    >>> dormancy = measure_words("dormancy_rate")
    >>> dormancy.kind, dormancy.higher_is_better, dormancy.decimals
    ('share', 'no', 1)
    """
    return measure_definition(name)


def money_scales(language: Language) -> list[dict[str, Any]]:
    """Return the units of money of a language, smallest first: name, divisor, pattern.

    >>> [scale["name"] for scale in money_scales("zh")]
    ['元', '万元', '亿元']
    """
    return list(_words()["money"][_known(language)])


def _section(within: str) -> dict[str, Any]:
    """Return one section of the word file; the units of money are not words to look up."""
    sections = {name: entries for name, entries in _words().items() if name != "money"}
    if within not in sections:
        raise UsageError.unknown("kind of label", within, sections)
    return dict(sections[within])


def _entry(key: str, within: str) -> dict[str, Any]:
    """Return both languages of one name."""
    section = _section(within)
    if key not in section:
        raise UsageError.unknown(f"{within} to label", key, section)
    return dict(section[key])


def _known(language: str) -> str:
    """Return the language if pages are written in it."""
    if language not in get_args(Language):
        raise UsageError.unknown("language", language, get_args(Language))
    return language
