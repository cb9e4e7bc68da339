"""Where a change of assets came from, in a sentence: new customers, existing ones, moves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Language, Sentence
from stockcust_analysis.show.findings import NOISE

# Components of the bridge that customers brought who had no assets, and those who moved in or out.
_FROM_NEW: Final = ("new", "returned")
_MOVED: Final = ("transferred_in", "transferred_out")


def growth_sentence(
    bridge: pd.DataFrame, *, branch_id: str, language: Language = "zh"
) -> Sentence | None:
    """Say how much of the change of assets new customers brought, existing ones, and moves.

    New: opened or returned. Moved between branches: in less out, said where there is any. Existing:
    the rest, with those who left. The bank's own change stands beside the branch's; a change within
    noise is called steady, and no cause named.

    Parameters
    ----------
    bridge
        Growth bridge on one structure, of the branch and of the bank: branch_id, component, amount.
    branch_id, language
        Whose, and in which language.

    >>> steps = pd.DataFrame({"branch_id": "B01",
    ...     "component": ["opening", "new", "shrunk", "closing"],
    ...     "amount": [1e7, 1.5e6, -5e5, 1.1e7]})
    >>> growth_sentence(steps, branch_id="B01").lead
    '增长来自新客户，原有客户在减少'
    """
    amounts, whole = read_amounts(bridge, branch_id), read_amounts(bridge, WHOLE_BANK)
    opening = amounts.get("opening", 0.0)
    if opening <= 0:
        return None
    parts = split_growth(amounts)
    unit = wording.money_unit([amounts.get("closing")], language)
    key, blanks = "bridge", growth_blanks(parts, unit, language)
    if branch_id != WHOLE_BANK and whole.get("opening", 0.0) > 0:
        of_bank = (whole["closing"] - whole["opening"]) / whole["opening"]
        key = "bridge_beside_bank"
        blanks["bank"] = wording.format_signed(of_bank, "money", language)
    verdict = _judge(*(parts[name] / opening for name in ("change", "new", "existing")))
    lead = wording.text(verdict, language, within="bridge_verdict")
    words = wording.text(key, language, within="sentence").format(**blanks)
    return Sentence(words, lead=lead, section="growth")


def split_growth(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return a bridge's opening and change, which is new, existing and moved together."""
    opening, closing = (amounts.get(name, 0.0) for name in ("opening", "closing"))
    new, moved = (sum(amounts.get(n, 0.0) for n in names) for names in (_FROM_NEW, _MOVED))
    change = closing - opening
    existing = change - new - moved
    parts = {"change": change, "new": new, "existing": existing, "moved": moved}
    return {"opening": opening, **parts}


def growth_blanks(
    parts: Mapping[Any, float], unit: wording.Unit, language: Language
) -> dict[str, str]:
    """Return the rate and amounts of `split_growth` in words; moves only where there are any."""
    names = ("change", "new", "existing", "moved")
    words = {name: wording.format_signed_money(parts[name], unit) for name in names}
    words["rate"] = wording.format_signed(parts["change"] / parts["opening"], "money", language)
    moved = wording.text("moved", language, within="sentence").format(words["moved"])
    return words | {"moved": moved if re.search("[1-9]", words["moved"]) else ""}


def _judge(change: float, new: float, existing: float) -> str:
    """Return what the bridge amounts to, in parts of the opening; within noise nothing moved."""
    limit = NOISE.relative
    if abs(change) < limit:
        return "offset" if existing <= -limit <= limit <= new else "steady"
    if change < 0:
        return "falling"
    if new + existing < limit:
        return "moved_in"
    if existing <= -limit:
        return "new_alone"
    if existing < limit:
        return "mostly_new"
    return "both" if new >= limit else "mostly_existing"


def read_amounts(bridge: pd.DataFrame, branch_id: str) -> dict[str, float]:
    """Return component → amount of one branch."""
    own = bridge[bridge["branch_id"] == branch_id]
    return dict(zip(own["component"], own["amount"].astype(float), strict=True))
