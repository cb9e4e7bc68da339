"""The tables of headquarters' review."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.branch_page import KEY_MEASURES, memory_note
from stockcust_analysis.show.headquarters_page import HeadquartersPage, rows_of
from stockcust_analysis.show.labels import measure_words, names
from stockcust_analysis.show.tables import Alignment, Table, table
from stockcust_analysis.show.units import (
    SUPPRESSED,
    Cell,
    Unit,
    format_change,
    format_count,
    format_measure,
    format_money,
    format_number,
    format_share,
    money_unit,
    unit_note,
)

_MOST_CONTRIBUTORS: Final = 12
_WORDS = {"branch", "measure", "base", "evidence", "favourable", "item", "result", "state", "error",
          "component", "tier", "peer_group", "from", "quarter"}  # fmt: skip
_FROM_NEW = ("new", "returned", "transferred_in")


def exceptions_table(page: HeadquartersPage) -> Table | None:
    """Return the exceptions with the strength of their evidence; None when there are none."""
    rows = [
        [
            page.names[row.branch_id],
            page.measure(row.measure, row.base),
            told(page, row.measure, row.value),
            told(page, row.measure, row.centre),
            f"{'+' if row.z > 0 else ''}{format_number(row.z, decimals=1)}",
            page.word(row.evidence, "evidence"),
            page.word(row.favourable, "favourable"),
        ]
        for row in rows_of(page.exceptions)
    ]
    columns = ["branch", "measure", "value", "centre", "z", "evidence", "favourable"]
    note = page.word("exceptions_note")
    return finished(page, rows, columns, "exceptions", note=note) if rows else None


def plan_table(page: HeadquartersPage) -> Table | None:
    """Return how far the bank and its branches have come with the plan; None without a plan."""
    targets = page.bank.evaluation.targets
    targets = targets[targets["quarter"] == page.quarter]
    year_ago = str(page.review.evaluation.quarter.year_ago)
    rows = []
    for measure in dict.fromkeys(targets["measure"]):
        base = dict(KEY_MEASURES).get(measure, "funded")
        own = targets[targets["measure"] == measure].set_index("branch_id")["target"]
        value, plan = page.cell(measure, base), own.get(WHOLE_BANK)
        values = {branch: page.cell(measure, base, branch_id=branch) for branch in own.index}
        known = {b: v for b, v in values.items() if isinstance(v, float) and b != WHOLE_BANK}
        reached = sum(value >= own[branch] for branch, value in known.items())
        earlier = page.cell(measure, base, quarter=year_ago)
        share = value / plan if plan and isinstance(value, float) else None
        kind = measure_words(measure).kind
        rows.append([
            page.measure(measure, base), told(page, measure, value), told(page, measure, plan),
            format_share(share), format_change(value, earlier, kind=kind, language=page.language),
            f"{format_count(reached)} / {format_count(len(known))}",
        ])  # fmt: skip
    columns = ["measure", "value", "plan", "attained", "year_ago", "reached"]
    return finished(page, rows, columns, "plan", note=page.word("plan_note")) if rows else None


def bridge_table(page: HeadquartersPage) -> Table | None:
    """Return the bank's bridge; None in a first quarter."""
    bridge = page.review.evaluation.bridge
    own = bridge[bridge["branch_id"] == WHOLE_BANK]
    if own.empty:
        return None
    amounts = _cells(own, "amount")
    opening = amounts[own["component"].tolist().index("opening")]
    unit = money_unit(amounts, page.language)
    rows = [
        [page.word(component, "component"), format_count(customers), format_money(amount, unit),
         SUPPRESSED if SUPPRESSED in (amount, opening)
         else format_share(amount / opening if opening else None)]  # type: ignore[operator]
        for component, customers, amount in zip(
            own["component"], _cells(own, "customers"), amounts, strict=True)
        if amount or component in ("opening", "closing")
    ]  # fmt: skip
    columns = ["component", "customers", "amount", "share_of_opening"]
    return finished(page, rows, columns, "bridge", unit=unit, emphasise=[0, -1])


def growth_table(page: HeadquartersPage) -> Table | None:
    """Return which branches the bank's growth came from, by contribution; None without a bridge."""
    steps = growth_steps(page)
    opening = page.review.evaluation.bridge
    opening = opening[(opening["branch_id"] == WHOLE_BANK) & (opening["component"] == "opening")]
    if steps.empty or opening["amount"].isna().any():
        return None
    whole = float(opening["amount"].iloc[0])
    known = steps[steps["change"].notna()].sort_values(
        ["change", "branch_id"], ascending=[False, True]
    )
    if known.empty:
        return None
    half = _MOST_CONTRIBUTORS // 2
    shown = known if len(known) <= _MOST_CONTRIBUTORS else pd.concat(
        [known.head(half), known.tail(half)])  # fmt: skip
    unit = money_unit(shown["change"], page.language)
    rows = [
        [page.names[row.branch_id], format_money(row.change, unit),
         *(SUPPRESSED if np.isnan(each) else format_money(each, unit)
           for each in (row.new, row.existing)),
         format_number(100 * row.change / whole, decimals=2)]
        for row in rows_of(shown)
    ]  # fmt: skip
    if len(shown) < len(steps):
        count = page.word("rows_left_out").format(count=format_count(len(steps) - len(shown)))
        rows.insert(min(half, len(rows)), [count, "", "", "", ""])
    columns = ["branch", "change", "new", "existing", "contribution"]
    note = page.word("growth_note")
    return finished(page, rows, columns, "growth", unit=unit, note=note)


def growth_steps(page: HeadquartersPage) -> pd.DataFrame:
    """Return each branch's change of assets, of new customers and of existing ones."""
    bridge = page.review.evaluation.bridge
    wide = bridge[bridge["branch_id"] != WHOLE_BANK].pivot_table(
        index="branch_id", columns="component", values="amount", dropna=False, sort=True
    )
    if wide.empty:
        return pd.DataFrame(columns=["branch_id", "change", "new", "existing"])
    new = wide[[name for name in _FROM_NEW if name in wide]].sum(axis=1, skipna=False)
    change = wide["closing"] - wide["opening"]
    told_steps = pd.DataFrame({"change": change, "new": new, "existing": change - new})
    return told_steps.reset_index()


def migration_table(page: HeadquartersPage) -> Table | None:
    """Return who went from which tier to which over the bank; None in a first quarter."""
    moves = page.review.evaluation.migration
    moves = moves[moves["branch_id"] == WHOLE_BANK]
    if moves.empty:
        return None
    words = {**dict(reversed(page.members("tier").items())),
             **{state: page.word(state, "state") for state in names("state")}}  # fmt: skip
    cells = dict(zip(zip(moves["from"], moves["to"], strict=True), _cells(moves, "customers"),
                     strict=True))  # fmt: skip
    starts = [name for name in words if any(cells.get((name, to)) for to in words)]
    ends = [name for name in words if any(cells.get((start, name)) for start in words)]
    rows = [
        [words[start], *(format_count(cells.get((start, end)) or 0) for end in ends)]
        for start in starts
    ]
    frame = pd.DataFrame(rows, columns=["from", *ends])
    labels = {"from": page.word("from", "hq_header"), **{end: words[end] for end in ends}}
    return table(
        frame, caption=page.word("migration", "hq_caption"), labels=labels,
        align={"from": "left", **dict.fromkeys(ends, "right")}, note=page.gap_note("withheld_note"),
    )  # fmt: skip


def tier_table(page: HeadquartersPage) -> Table:
    """Return the bank's customers and assets by tier, highest first."""
    tiers = dict(reversed(page.members("tier").items()))
    money = [page.cell("tier_aum", "all", member=tier) for tier in tiers]
    unit = money_unit(money, page.language)
    rows = []
    for tier, amount in zip(tiers, money, strict=True):
        count, share, part = (
            page.cell(name, "all", member=tier)
            for name in ("tier_customers", "tier_customer_share", "tier_aum_share")
        )
        rows.append([tiers[tier], format_count(count), format_share(share),
                     format_money(amount, unit), format_share(part)])  # fmt: skip
    columns = ["tier", "customers", "customer_share", "aum", "aum_share"]
    return finished(page, rows, columns, "tiers", unit=unit, note=memory_note(page.bank))


def told(page: HeadquartersPage, measure: str, value: Cell) -> str:
    """Return a value as a cell whose neighbours have other units; an empty one prints as none."""
    if measure_words(measure).kind != "money" or value is None or isinstance(value, str):
        return SUPPRESSED if value == SUPPRESSED else format_measure(
            value, measure, unit=money_unit([], page.language))  # fmt: skip
    unit = money_unit([value], page.language)
    return unit.pattern.format(format_money(value, unit))


def _cells(frame: pd.DataFrame, column: str) -> list[Cell]:
    """Return a column's figures: "*" for the withheld."""
    return [
        SUPPRESSED if withheld and pd.isna(value) else float(value)
        for value, withheld in zip(frame[column], frame["withheld"], strict=True)
    ]


def finished(
    page: HeadquartersPage,
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
    caption: str,
    *,
    unit: Unit | None = None,
    note: str = "",
    emphasise: Sequence[int] = (),
) -> Table:
    """Return finished rows as a table with its headers; figures stand at the right."""
    side: dict[str, Alignment] = {name: "left" if name in _WORDS else "right" for name in columns}
    return table(
        pd.DataFrame([list(row) for row in rows], columns=list(columns)),
        caption=page.word(caption, "hq_caption"),
        unit=unit_note(unit, page.language) if unit else "",
        labels={name: page.word(name, "hq_header") for name in columns},
        align=side,
        note=note,
        emphasise=emphasise,
    )
