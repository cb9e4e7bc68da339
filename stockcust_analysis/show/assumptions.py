"""What the figures assume where a bank did not deliver something, in words for every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label, names

AVERAGE = "aum_average_quarter"


def assumptions(policy_facts: Mapping[str, Any], language: Language) -> list[str]:
    """Return one sentence for each thing that was not delivered and has a substitute, or has none.

    Parameters
    ----------
    policy_facts
        Of an evaluation: `aum_from`, `families_missing`, `knows_tenure`.
    language
        "zh" or "en".

    >>> assumptions({"aum_from": {"aum_average_quarter": "holdings.balance"}}, "zh")
    ['季日均AUM未提供，以期末余额代替。']
    """
    keys = [f"{name}.{origin.removeprefix('holdings.')}"
            for name, origin in policy_facts.get("aum_from", {}).items()]  # fmt: skip
    keys += [] if policy_facts.get("knows_tenure", True) else ["no_tenure"]
    known = names("assumption")
    told = [label(key, language, within="assumption") for key in keys if key in known]
    missing = policy_facts.get("families_missing", [])
    if missing:
        separator = label("enumeration", language, within="page")
        families = separator.join(family[language] for family in missing)
        told.append(label("no_products", language, within="assumption").format(families=families))
    stop = label("stop", language, within="sentence")
    # English needs a blank between sentences, Chinese none.
    return [f"{sentence}{stop}{'' if language == 'zh' else ' '}" for sentence in told]


def average_is_balance(policy_facts: Mapping[str, Any]) -> bool:
    """Tell whether what is called the quarter's average is the balance of the as-of date."""
    return bool(policy_facts.get("aum_from", {}).get(AVERAGE) == "holdings.balance")
