"""The words for measures, bases, comparisons and sentences, in Chinese and English.

They stand in `labels.toml`, those of the measures in the codebook. A word is looked up by the name
the data carry, within the column the name comes from: `label("gini")`, `label("silent",
within="status")`. What a policy names (tiers, families, channels, classes) has its words there, and
a page takes them from the evaluation it shows: `policy_words`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
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
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show.blocks import Language

__all__ = [
    "Kind",
    "Words",
    "label",
    "measure_words",
    "member_words",
    "money_scales",
    "names",
    "policy_words",
]

Words = Mapping[str, str]
"""Member → what a page calls it, in the order in which members are shown."""

_OF_POLICY: Final = {
    "tier": "tiers",
    "family": "families",
    "channel": "channels",
    "customer_class": "classes",
}
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

    >>> names("status")
    ('active', 'active_small', 'silent', 'dormant')
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
        What the name is: "measure", "families_held", "status", "base", "dimension",
        "comparison" or one of the sections of sentence parts.

    Raises
    ------
    UsageError
        An unknown name, section or language; close matches are offered.

    >>> label("gini"), label("gini", "en")
    ('基尼系数', 'Gini coefficient')
    >>> label("silent", within="status")
    '沉默'
    """
    return str(_entry(key, within)[_known(language)])


def policy_words(
    policy_facts: Mapping[str, Any], dimension: str, language: Language = "zh"
) -> dict[str, str]:
    """Return what the policy of an evaluation calls the members of a dimension, in its order.

    Parameters
    ----------
    policy_facts
        As an evaluation carries them, or `Policy.members`.
    dimension
        "tier", "family", "channel" or "customer_class".
    language
        "zh" or "en".

    >>> policy_words(load_policy().members, "customer_class")
    {'A': 'A类', 'B': 'B类', 'C': 'C类', 'D': 'D类'}
    """
    if dimension not in _OF_POLICY:
        raise UsageError.unknown("dimension of a policy", dimension, _OF_POLICY)
    entries = policy_facts[_OF_POLICY[dimension]]
    return {entry["name"]: entry[_known(language)] for entry in entries}


def member_words(
    dimension: str,
    language: Language = "zh",
    *,
    words: Words | None = None,
    present: Iterable[str] = (),
) -> dict[str, str]:
    """Return what a chart calls the members of a dimension, in the order in which it shows them.

    Parameters
    ----------
    dimension, language
        As for `policy_words`; "families_held" as well.
    words
        As the evaluation's policy calls them. Left out: as the shipped policy does, if it knows all
        that are present; otherwise only those present are shown.
    present
        Members the data hold. One that has no words is shown last, by its name.

    >>> list(member_words("tier"))
    ['residual', 'potential', 'effective', 'mid', 'high', 'private']
    >>> member_words("tier", "en", present=["small", "mid"])
    {'small': 'small', 'mid': 'Mid'}
    """
    present = list(dict.fromkeys(present))
    if words is None:
        words = _shipped_words(dimension, language)
        if not set(present) <= set(words):
            return {name: words.get(name, name) for name in present}
    return {**words, **{name: name for name in present if name not in words}}


def _shipped_words(dimension: str, language: Language) -> Words:
    """Return the words for a dimension's members by the shipped policy or the word file."""
    if dimension in _OF_POLICY:
        return policy_words(load_policy().members, dimension, language)
    known = names(dimension) if dimension in _words() else ()
    return {name: label(name, language, within=dimension) for name in known}


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
