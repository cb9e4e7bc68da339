"""The tables of a branch's page, each made from its slice of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.dormancy import STATUSES
from stockcust_analysis.show.assumptions import assumptions
from stockcust_analysis.show.branch_page import BranchPage, memory_note
from stockcust_analysis.show.comparisons import target_of
from stockcust_analysis.show.labels import label, measure_words
from stockcust_analysis.show.tables import Table, table
from stockcust_analysis.show.units import (
    MISSING,
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
    ("aum_average_quarter", "funded"), ("aum_period_end", "funded"),
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


def overview_table(page: BranchPage) -> Table | None:
    """Return the main measures: this quarter, its changes, and the whole bank beside them."""
    if page.is_small:
        return None
    # One unit for all rows of money: a column never mixes them.
    unit = _unit_of(page, [each for each in _OVERVIEW if measure_words(each[0]).kind == "money"])
    rows = [_compared(page, measure, base, unit) for measure, base in _OVERVIEW]
    columns = ["measure", "unit", "now", "previous_quarter", "year_ago", "year_start", "attained",
               "bank"]  # fmt: skip
    origins = {"aum_from": page.evaluation.policy_facts.get("aum_from", {})}
    note = "".join([page.word("funded_note"), *assumptions(origins, page.language)])
    return finished_table(page, rows, columns, "overview", left=2, note=note)


def _unit_of(page: BranchPage, rows: Sequence[tuple[str, str]]) -> Unit:
    """Return the unit the branch's amounts ask for; the bank's, where the branch has none."""
    for branch_id in (page.branch_id, WHOLE_BANK):
        amounts = [page.value(measure, base=base, branch_id=branch_id) for measure, base in rows]
        if any(amounts):
            break
    return money_unit(amounts, page.language)


def bridge_table(page: BranchPage) -> Table | None:
    """Return where the change of assets came from: existing customers or new ones."""
    bridge = page.evaluation.bridge
    own = bridge[(bridge["branch_id"] == page.branch_id) & (bridge["structure"] == "today")]
    amounts = dict(zip(own["component"], own["amount"].astype(float), strict=True))
    if own.empty:
        return None
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
    return finished_table(
        page, rows, columns, "bridge", unit=unit, emphasise=[0, -1] if rows else []
    )


def concentration_table(page: BranchPage) -> Table | None:
    """Return how concentrated the assets are, beside the previous quarter and the whole bank."""
    if page.is_small:
        return None
    rows = [(measure, "funded") for measure in _CONCENTRATION]
    return measure_table(page, rows, "concentration", half=True)


def sensitivity_table(page: BranchPage) -> Table | None:
    """Return how concentrated the assets would be without the largest customers."""
    names_of = ("gini", "gini_without_1", "gini_without_10",
                "top_20_share", "top_20_share_without_1", "top_20_share_without_10")  # fmt: skip
    return measure_table(page, [(measure, "funded") for measure in names_of], "sensitivity")


def tier_table(page: BranchPage) -> Table:
    """Return customers and assets by tier with their shares, highest tier first, and the total."""
    tiers = dict(reversed(page.members("tier").items()))
    money = [page.value("tier_aum", tier) for tier in tiers]
    total = None if None in money else sum(amount or 0 for amount in money)
    unit = money_unit([total], page.language)
    rows: list[list[Any]] = [
        [
            tiers[tier],
            format_count(page.value("tier_customers", tier)),
            format_share(page.value("tier_customer_share", tier)),
            format_money(amount, unit),
            format_share(page.value("tier_aum_share", tier)),
            format_share(page.value("tier_aum_share", tier, branch_id=WHOLE_BANK)),
        ]
        for tier, amount in zip(tiers, money, strict=True)
    ]
    counts = [page.value("tier_customers", tier) for tier in tiers]
    customers = None if None in counts else sum(count or 0 for count in counts)
    shares = [format_share(None if each is None else 1) for each in (customers, total, 1)]
    rows.append([page.word("total"), format_count(customers), shares[0],
                 format_money(total, unit), *shares[1:]])  # fmt: skip
    columns = ["tier", "customers", "customer_share", "aum", "aum_share", "bank_aum_share"]
    return finished_table(
        page, rows, columns, "tiers", unit=unit, emphasise=[-1], note=memory_note(page)
    )


def dormancy_table(page: BranchPage) -> Table:
    """Return customers by activity: funded ones with their assets, and all, empty accounts too."""
    before = str(page.evaluation.quarter.previous)
    rows = []
    for status, measure in _STATUS_MEASURES.items():
        aum = _STATUS_AUM.get(status)
        rows.append(
            [
                page.word(status, "status"),
                format_count(page.value(measure, base="funded", column="numerator")),
                format_share(page.value(measure, base="funded")),
                format_share(page.value(measure, base="funded", quarter=before)),
                format_share(page.value(measure, base="funded", branch_id=WHOLE_BANK)),
                format_share(page.value(aum, base="funded") if aum else None),
                format_count(page.value(measure, base="all", column="numerator")),
                format_share(page.value(measure, base="all")),
            ]
        )
    columns = [
        "status", "funded", "customer_share", "before", "bank", "idle_aum_share",
        "all", "all_share",
    ]  # fmt: skip
    return finished_table(page, rows, columns, "dormancy")


def penetration_table(page: BranchPage) -> Table | None:
    """Return who holds which product family, with the change and the whole bank."""
    if page.is_small:
        return None
    before = str(page.evaluation.quarter.previous)
    facts = page.evaluation.policy_facts
    missing = {family["name"] for family in facts.get("families_missing", [])}
    rows = []
    for family, words in page.members("family").items():
        now = page.value("penetration", family)
        unknown = page.word("not_provided") if family in missing else ""
        earlier = page.value("penetration", family, quarter=before)
        rows.append(
            [
                words,
                unknown or format_count(page.value("penetration", family, column="numerator")),
                unknown or format_share(now),
                format_change(now, earlier, kind="share", language=page.language),
                format_share(page.value("penetration", family, branch_id=WHOLE_BANK)),
            ]
        )
    columns = ["family", "holders", "penetration", "previous_quarter", "bank"]
    return finished_table(page, rows, columns, "penetration", half=True)


def measure_table(
    page: BranchPage, rows: Sequence[tuple[str, str]], caption: str, *, half: bool = False
) -> Table | None:
    """Return measures as rows: now, the change since the quarter before if known, the whole bank.

    Measures the bank has no figures for are left out; None when that leaves nothing.
    """
    before = str(page.evaluation.quarter.previous)
    unit = _unit_of(page, [each for each in rows if measure_words(each[0]).kind == "money"])
    told, has_past = [], False
    for measure, base in rows:
        now = page.value(measure, base=base)
        if now is None:
            continue
        earlier = page.value(measure, base=base, quarter=before)
        has_past = has_past or earlier is not None
        change = format_change(
            now, earlier, kind=measure_words(measure).kind, language=page.language
        )
        bank = page.value(measure, base=base, branch_id=WHOLE_BANK)
        name = page.word(measure, "measure")
        told.append([name, with_unit(measure, now, unit), change, with_unit(measure, bank, unit)])
    if not told:
        return None
    columns = ["measure", "now", "previous_quarter", "bank"]
    frame = pd.DataFrame(told, columns=columns)
    kept = columns if has_past else ["measure", "now", "bank"]
    return finished_table(page, frame[kept].to_numpy().tolist(), kept, caption, half=half)


def with_unit(measure: str, value: float | None, unit: Unit) -> str:
    """Return a value as a cell whose neighbours above and below have other units."""
    if value is None or pd.isna(value):
        return MISSING
    if measure_words(measure).kind != "money":
        return format_measure(value, measure)
    return unit.short.format(format_money(value, unit))


def _compared(page: BranchPage, measure: str, base: str, unit: Unit) -> list[str]:
    """Return a row of the overview."""
    kind = measure_words(measure).kind
    now = page.value(measure, base=base)
    bank = page.value(measure, base=base, branch_id=WHOLE_BANK)
    quarter = page.evaluation.quarter
    changes = [
        format_change(
            now,
            page.value(measure, base=base, quarter=str(earlier)),
            kind=kind,
            language=page.language,
        )
        for earlier in (quarter.previous, quarter.year_ago, quarter.year_start)
    ]
    target = target_of(page.evaluation.targets, measure, page.branch_id, page.quarter)
    target = target if base == "funded" else None
    name = (
        page.word(f"{base}_customers") if measure == "customers" else page.word(measure, "measure")
    )
    return [
        name,
        unit.name if kind == "money" else page.word(kind, "kind_unit"),
        format_measure(now, measure, unit=unit),
        *changes,
        format_share(now / target if target and now is not None else None),
        format_measure(bank, measure, unit=unit),
    ]


def finished_table(
    page: BranchPage,
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
    caption: str,
    *,
    unit: Unit | None = None,
    emphasise: Sequence[int] = (),
    half: bool = False,
    left: int = 1,
    note: str = "",
) -> Table:
    """Return finished rows as a table with its headers, the first column or two left.

    A column in which nothing exists is left out: a first quarter has nothing to compare with.
    """
    frame = pd.DataFrame(rows, columns=list(columns))
    columns = [name for name in columns if not frame[name].eq(MISSING).all() or frame.empty]
    return table(
        frame[columns],
        caption=page.word(caption, "caption"),
        unit=unit_note(unit, page.language) if unit else "",
        labels={name: _header(page, name) for name in columns},
        align={**dict.fromkeys(columns[:left], "left"), **dict.fromkeys(columns[left:], "right")},
        emphasise=emphasise,
        half=half,
        note=note,
    )


def _header(page: BranchPage, name: str) -> str:
    return label(name, page.language, within="header")
