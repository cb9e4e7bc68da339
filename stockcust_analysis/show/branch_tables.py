"""The tables of a branch's page, each made from its slice of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.dormancy import STATUSES
from stockcust_analysis.show.branch_page import BranchPage
from stockcust_analysis.show.labels import label, measure_words, names
from stockcust_analysis.show.tables import Table, table
from stockcust_analysis.show.units import (
    Unit,
    format_change,
    format_count,
    format_measure,
    format_money,
    format_share,
    money_unit,
    unit_note,
)

_OVERVIEW = (
    ("aum_average_quarter", "funded"), ("aum_period_end", "funded"), ("aum_per_customer", "funded"),
    ("customers", "funded"), ("customers", "effective"), ("products_per_customer", "funded"),
    ("multi_product_share", "funded"), ("dormancy_rate", "funded"), ("silent_rate", "funded"),
    ("top_20_share", "funded"), ("ten_largest_share", "funded"),
)  # fmt: skip
_CONCENTRATION = (
    "gini", "top_1_share", "top_5_share", "top_10_share", "top_20_share",
    "share_of_customers_holding_80", "ten_largest_share", "herfindahl",
)  # fmt: skip
_STATUS_MEASURES = dict(
    zip(STATUSES, ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate"), strict=True)
)
_STATUS_AUM = {"silent": "silent_aum_share", "dormant": "dormant_aum_share"}


def overview_table(page: BranchPage) -> Table:
    """Return the main measures: this quarter, its changes, and the whole bank beside them."""
    rows = [_compared(page, measure, base) for measure, base in _OVERVIEW]
    columns = ["measure", "unit", "now", "previous_quarter", "year_ago", "bank"]
    frame = pd.DataFrame(rows, columns=columns)
    return table(
        frame,
        caption=page.word("overview", "caption"),
        labels={name: _header(page, name) for name in columns},
        align=dict.fromkeys(columns[2:], "right"),
        note=page.word("funded_note"),
    )


def bridge_table(page: BranchPage) -> Table:
    """Return where the change of assets came from: existing customers or new ones."""
    bridge = page.evaluation.bridge
    own = bridge[(bridge["branch_id"] == page.branch_id) & (bridge["structure"] == "today")]
    amounts = dict(zip(own["component"], own["amount"].astype(float), strict=True))
    unit = money_unit([amounts.get("closing")], page.language)
    opening = amounts.get("opening") or None
    rows = [
        [
            page.word(component, "component"),
            format_count(customers),
            format_money(amounts[component], unit),
            format_share(amounts[component] / opening if opening else None),
        ]
        for component, customers in own[["component", "customers"]].to_numpy()
        if customers or component in ("opening", "closing")
    ]
    columns = ["component", "customers", "amount", "share_of_opening"]
    return _finished(page, rows, columns, "bridge", unit=unit, emphasise=[0, -1] if rows else [])


def migration_table(page: BranchPage) -> Table:
    """Return how many customers went from which tier to which, with those who came and left."""
    moves = page.evaluation.migration
    own = moves[(moves["branch_id"] == page.branch_id) & (moves["structure"] == "today")]
    cells = {(start, end): n for start, end, n in own[["from", "to", "customers"]].to_numpy()}
    tiers = [*reversed(names("tier"))]
    starts = [*tiers, *(name for name in names("state") if name in set(own["from"]))]
    ends = [*tiers, *(name for name in names("state") if name in set(own["to"]))]
    rows = [
        [_place(page, start), *(format_count(cells.get((start, end), 0)) for end in ends)]
        for start in starts
    ]
    return table(
        pd.DataFrame(rows, columns=["from", *ends]),
        caption=page.word("migration", "caption"),
        labels={"from": _header(page, "from"), **{end: _place(page, end) for end in ends}},
        align={"from": "left", **dict.fromkeys(ends, "right")},
    )


def _place(page: BranchPage, name: str) -> str:
    """Return the word for a tier, or for a state outside the tiers."""
    return page.word(name, "tier" if name in names("tier") else "state")


def concentration_table(page: BranchPage) -> Table:
    """Return how concentrated the assets are, beside the previous quarter and the whole bank."""
    return _measure_table(page, _CONCENTRATION, "concentration")


def tier_table(page: BranchPage) -> Table:
    """Return customers and assets by tier with their shares, highest tier first, and the total."""
    tiers = [*reversed(names("tier"))]
    money = [_value(page, "tier_aum", tier) or 0 for tier in tiers]
    unit = money_unit([sum(money)], page.language)
    rows: list[list[Any]] = [
        [
            page.word(tier, "tier"),
            format_count(_value(page, "tier_customers", tier)),
            format_share(_value(page, "tier_customer_share", tier)),
            format_money(amount, unit),
            format_share(_value(page, "tier_aum_share", tier)),
            format_share(_value(page, "tier_aum_share", tier, branch_id=WHOLE_BANK)),
        ]
        for tier, amount in zip(tiers, money, strict=True)
    ]
    customers = sum(_value(page, "tier_customers", tier) or 0 for tier in tiers)
    whole = format_share(1)
    rows.append([page.word("total"), format_count(customers), whole,
                 format_money(sum(money), unit), whole, whole])  # fmt: skip
    columns = ["tier", "customers", "customer_share", "aum", "aum_share", "bank_aum_share"]
    return _finished(page, rows, columns, "tiers", unit=unit, emphasise=[-1])


def dormancy_table(page: BranchPage) -> Table:
    """Return customers by activity: funded ones with their assets, and all, empty accounts too."""
    before = str(page.evaluation.quarter.previous)
    rows = []
    for status, measure in _STATUS_MEASURES.items():
        aum = _STATUS_AUM.get(status)
        rows.append(
            [
                page.word(status, "status"),
                format_count(_value(page, measure, base="funded", column="numerator")),
                format_share(_value(page, measure, base="funded")),
                format_share(_value(page, measure, base="funded", quarter=before)),
                format_share(_value(page, measure, base="funded", branch_id=WHOLE_BANK)),
                format_share(_value(page, aum, base="funded") if aum else None),
                format_count(_value(page, measure, base="all", column="numerator")),
                format_share(_value(page, measure, base="all")),
            ]
        )
    columns = [
        "status", "funded", "customer_share", "before", "bank", "idle_aum_share",
        "all", "all_share",
    ]  # fmt: skip
    return _finished(page, rows, columns, "dormancy")


def penetration_table(page: BranchPage) -> Table:
    """Return who holds which product family, with the change and the whole bank."""
    before = str(page.evaluation.quarter.previous)
    rows = []
    for family in names("family"):
        now = _value(page, "penetration", family)
        earlier = _value(page, "penetration", family, quarter=before)
        rows.append(
            [
                page.word(family, "family"),
                format_count(_value(page, "penetration", family, column="numerator")),
                format_share(now),
                format_change(now, earlier, kind="share", language=page.language),
                format_share(_value(page, "penetration", family, branch_id=WHOLE_BANK)),
            ]
        )
    columns = ["family", "holders", "penetration", "previous_quarter", "bank"]
    return _finished(page, rows, columns, "penetration")


def _measure_table(page: BranchPage, measures: Sequence[str], caption: str) -> Table:
    """Return measures as rows: now, the quarter before, the change, the whole bank."""
    before = str(page.evaluation.quarter.previous)
    rows = []
    for measure in measures:
        now, earlier = _value(page, measure), _value(page, measure, quarter=before)
        change = format_change(
            now, earlier, kind=measure_words(measure).kind, language=page.language
        )
        bank = format_measure(_value(page, measure, branch_id=WHOLE_BANK), measure)
        cells = [format_measure(now, measure), format_measure(earlier, measure)]
        rows.append([page.word(measure, "measure"), *cells, change, bank])
    columns = ["measure", "now", "before", "previous_quarter", "bank"]
    return _finished(page, rows, columns, caption)


def _compared(page: BranchPage, measure: str, base: str) -> list[str]:
    """Return a row of the overview."""
    words = measure_words(measure)
    now = _value(page, measure, base=base)
    bank = _value(page, measure, base=base, branch_id=WHOLE_BANK)
    unit = money_unit([now], page.language) if words.kind == "money" else None
    earlier = (page.evaluation.quarter.previous, page.evaluation.quarter.year_ago)
    changes = [
        format_change(
            now,
            _value(page, measure, base=base, quarter=str(quarter)),
            kind=words.kind,
            language=page.language,
        )
        for quarter in earlier
    ]
    name = (
        page.word(f"{base}_customers") if measure == "customers" else page.word(measure, "measure")
    )
    return [
        name,
        unit.name if unit else page.word(words.kind, "kind_unit"),
        format_measure(now, measure, unit=unit),
        *changes,
        format_measure(bank, measure, unit=unit),
    ]


def _value(
    page: BranchPage,
    measure: str,
    member: str = "",
    *,
    quarter: str = "",
    branch_id: str = "",
    base: str = "",
    column: str = "value",
) -> float | None:
    """Return one number of the measure table; None where there is none."""
    wanted = {
        "quarter": quarter or page.quarter,
        "branch_id": branch_id or page.branch_id,
        "measure": measure,
        "member": member,
        **({"base": base} if base else {}),
    }
    rows = page.evaluation.measures
    found = rows.loc[rows[list(wanted)].eq(list(wanted.values())).all(axis=1), column]
    return None if found.empty or pd.isna(found.iloc[0]) else float(found.iloc[0])


def _finished(
    page: BranchPage,
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
    caption: str,
    *,
    unit: Unit | None = None,
    emphasise: Sequence[int] = (),
) -> Table:
    """Return finished rows as a table with its headers, the first column left, the others right."""
    return table(
        pd.DataFrame(rows, columns=list(columns)),
        caption=page.word(caption, "caption"),
        unit=unit_note(unit, page.language) if unit else "",
        labels={name: _header(page, name) for name in columns},
        align={columns[0]: "left", **dict.fromkeys(columns[1:], "right")},
        emphasise=emphasise,
    )


def _header(page: BranchPage, name: str) -> str:
    return label(name, page.language, within="header")
