"""The definitions a branch's numbers follow (口径), with the borders of the policy in force."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stockcust_analysis.show.assumptions import assumptions
from stockcust_analysis.show.branch_page import BranchPage, memory_note
from stockcust_analysis.show.labels import names
from stockcust_analysis.show.tables import Table, table
from stockcust_analysis.show.units import format_number


def definitions_table(page: BranchPage) -> Table:
    """Return the definitions that the page's numbers follow (口径), with the policy's borders."""
    policy = page.evaluation.policy_facts
    rule = policy["dormancy"]
    known: dict[str, Any] = {
        "as_of": page.evaluation.quarter.end.isoformat(),
        "funded": _plain(policy["funded"]),
        "effective": _plain(policy["effective"]),
        "cap": "" if rule["cap"] is None else _plain(rule["cap"]),
        "idle": _idle_period(page),
        "tiers": _tier_borders(page),
    }
    words = {
        key: page.word(key, _wording(page, key)).format(**known) for key in names("definition")
    }
    words["tiers"] += page.word("between", "sentence") + memory_note(page)
    rows = [(page.word(key, "definition_term"), text.rstrip()) for key, text in words.items()]
    term, meaning = page.word("term"), page.word("meaning")
    frame = pd.DataFrame(rows, columns=[term, meaning])
    note = "".join([*assumptions(policy, page.language), page.word("definitions_note")])
    return table(frame, caption=page.word("definitions"), note=note)


def _wording(page: BranchPage, key: str) -> str:
    """Return where the definition's words stand; a dormancy rule without cap has its own."""
    uncapped = key == "dormancy" and page.evaluation.policy_facts["dormancy"]["cap"] is None
    return "definition_variant" if uncapped else "definition"


def _idle_period(page: BranchPage) -> str:
    rule = page.evaluation.policy_facts["dormancy"]
    unit = "idle_months" if rule["idle_months"] else "idle_days"
    return page.word(unit).format(rule[unit])


def _tier_borders(page: BranchPage) -> str:
    tiers = page.evaluation.policy_facts["tiers"]
    uppers = [*(tier["lower"] for tier in tiers[1:]), None]
    separator = page.word("list_separator")
    return separator.join(
        f"{tier[page.language]} "
        + (f"{_plain(tier['lower'])}–{_plain(upper)}" if upper else f"≥{_plain(tier['lower'])}")
        for tier, upper in zip(tiers, uppers, strict=True)
    )


def _plain(amount: float) -> str:
    return format_number(amount, decimals=0)
