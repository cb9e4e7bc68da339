"""Where growth came from, in a sentence: existing customers or new ones, never why."""

from __future__ import annotations

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language, Sentence
from stockcust_analysis.show.findings import NOISE
from stockcust_analysis.show.labels import label
from stockcust_analysis.show.units import format_money, format_signed, money_unit

_FROM_NEW = ("new", "returned", "transferred_in")


def growth_sentence(
    bridge: pd.DataFrame, *, branch_id: str, language: Language = "zh"
) -> Sentence | None:
    """Say how much of the change of assets new customers brought, and existing ones.

    New: opened, returned or moved in. Existing: the rest, with those who left. The bank's own
    change stands beside the branch's; a change within noise is called steady.

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
    amounts = _amounts(bridge, branch_id)
    opening = amounts.get("opening", 0.0)
    if opening <= 0:
        return None
    new = sum(amounts.get(name, 0.0) for name in _FROM_NEW)
    change = amounts.get("closing", 0.0) - opening
    existing = change - new
    unit = money_unit([amounts.get("closing")], language)
    whole = _amounts(bridge, WHOLE_BANK)
    compared = branch_id != WHOLE_BANK and whole.get("opening", 0.0) > 0
    bank = (whole["closing"] - whole["opening"]) / whole["opening"] if compared else None

    def told(amount: float) -> str:
        text = unit.pattern.format(format_money(abs(amount), unit))
        return f"{'+' if amount > 0 else '-' if amount < 0 else ''}{text}"

    key = "bridge_beside_bank" if bank is not None else "bridge"
    text = label(key, language, within="sentence").format(
        change=told(change), rate=format_signed(change / opening, "money", language),
        bank=format_signed(bank, "money", language), new=told(new), existing=told(existing),
    )  # fmt: skip
    lead = label(_verdict(new / opening, existing / opening), language, within="bridge_verdict")
    return Sentence(text, lead=lead, section="growth")


def _verdict(new: float, existing: float) -> str:
    """Return what the bridge amounts to, in parts of the opening; within noise nothing moved."""
    limit = NOISE.relative
    if abs(new + existing) < limit:
        return "offset" if existing <= -limit else "steady"
    if new + existing < 0:
        return "falling"
    if existing <= -limit:
        return "new_alone"
    if existing < limit:
        return "mostly_new"
    return "both" if new >= limit else "mostly_existing"


def _amounts(bridge: pd.DataFrame, branch_id: str) -> dict[str, float]:
    """Return component → amount of one branch."""
    own = bridge[bridge["branch_id"] == branch_id]
    return dict(zip(own["component"], own["amount"].astype(float), strict=True))
