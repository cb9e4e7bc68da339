"""Why a customer is on a work list, in words; the texts stand in `worklists.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from stockcust_analysis.policy import Policy

Language = Literal["zh", "en"]
_NEVER = {"zh": "从未", "en": "never"}


def list_name(name: str, language: Language) -> str:
    """Return the name of a list as it is printed.

    >>> list_name("maturing", "zh"), list_name("maturing", "en")
    ('到期', 'Maturing')
    """
    return str(_texts()[name][language])


def reason(row: Mapping[str, Any], policy: Policy, language: Language) -> str:
    """Return the sentence beside a customer, from the facts of his row; money in cents.

    >>> from stockcust_analysis.policy import load_policy
    >>> reason({"list": "unassigned", "amount_cents": 6_000_000}, load_policy(), "zh")
    '季日均6.00万元，无管户经理'
    """
    called = row["list"] == "hand_over" and row.get("first_call_missing") == 1
    tiers = {one.name: one for one in policy.tiers.tiers}
    families = {one.name: getattr(one, language) for one in policy.families.families}
    ahead = tiers.get(row.get("next_tier") or "")
    words = {
        "amount": money(row["amount_cents"], language),
        "tier": getattr(ahead, language, ""),
        "border": money(round(ahead.lower * 100), language) if ahead else "",
        "matures": _day(row, "maturing_on", language),
        "offer": families.get(row.get("offer") or "", ""),
        "class": row.get("customer_class"),
        "last": _day(row, "last_contact_on", language),
        "managed": _day(row, "managed_from", language),
        "count": row.get("contacts_without_sale"),
        "families": row.get("families"),
        "change": f"{row.get('change') or 0:+.0%}",
    }
    text = _texts()["first_call" if called else row["list"]][f"reason_{language}"]
    return str(text).format(**words)


def money(cents: int, language: Language) -> str:
    """Return an amount as the sentence tells it.

    >>> money(1_234_567, "zh"), money(99_950, "zh"), money(1_234_567, "en")
    ('1.23万元', '999.50元', 'CNY 12,346')
    """
    if language == "en":
        return f"CNY {(cents + 50) // 100:,}"
    return f"{cents / 1e6:,.2f}万元" if cents >= 1_000_000 else f"{cents / 100:,.2f}元"


def _day(row: Mapping[str, Any], name: str, language: Language) -> str:
    """Return a date of the row, or that there never was one."""
    day = row.get(name)
    return day.isoformat() if isinstance(day, date) else _NEVER[language]


@cache
def _texts() -> dict[str, dict[str, str]]:
    """Read the texts once."""
    file = Path(__file__).with_name("worklists.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
