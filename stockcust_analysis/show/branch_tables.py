"""The tables of a branch's page, each made from its slice of the evaluation.

`page_table` makes every table of a page, headquarters' too: rows of values, and for each column
what kind of values it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.worklists import most_pressing
from stockcust_analysis.measures.worklist_reasons import list_name
from stockcust_analysis.show.blocks import MISSING, Column, Look, Table
from stockcust_analysis.show.branch_page import memory_note
from stockcust_analysis.show.pages import BranchPage, Page, rows_of
from stockcust_analysis.show.words import (
    AVERAGE,
    Unit,
    assumptions,
    format_change,
    format_count,
    format_measure,
    format_money,
    format_points,
    format_share,
    format_with_unit,
    measure_words,
    money_unit,
    names,
    unit_note,
)

OVERVIEW: Final = (
    (AVERAGE, "funded"),
    ("aum_period_end", "funded"),
    ("customers", "funded"),
    ("customers", "effective"),
    ("products_per_customer", "funded"),
    ("multi_product_share", "funded"),
    ("dormancy_rate", "funded"),
    ("silent_rate", "funded"),
    ("top_20_share", "funded"),
    ("ten_largest_share", "funded"),
)
"""The measures of the first table, each with the base it is counted on."""
_MEASURE_TABLES: Final = {
    "concentration": {
        "funded": "gini top_1_share top_5_share top_10_share top_20_share "
        "share_of_customers_holding_80 ten_largest_share herfindahl"
    },
    "sensitivity": {
        "funded": "gini gini_without_1 gini_without_10 "
        "top_20_share top_20_share_without_1 top_20_share_without_10"
    },
    "retention": {
        "funded": "customer_retention asset_retention same_customer_growth all_customer_growth "
        "upgrade_rate downgrade_rate"
    },
    "attrition": {
        "all": "attrition_warning_rate attrition_outflow_share",
        "funded": "newly_dormant_rate reactivation_rate",
    },
    "coverage": {
        "funded": "managed_customers managed_aum managed_share vip_share",
        "managed": "contact_coverage profile_completion contact_due_share reclaim_due_share "
        "customers_per_manager",
    },
}
"""Tables of measures: base → the measures counted on it, in the order of the rows."""
_STATUS_RATES: Final = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
_STATUS_AUM: Final = {"silent": "silent_aum_share", "dormant": "dormant_aum_share"}
_MOST_OUTCOMES: Final = 4
_FEWEST_CONTACTED: Final = 5

_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "count": format_count,
    "share": format_share,
    "points": format_points,
}
_COLUMNS: Final = {
    "words": "base branch class component due_on error evidence family favourable from indicator "
    "item measure order outcome_list peer_group quarter result score_indicator "
    "score_target_source sheet state status step task tier unit",
    "count": "all branches customers funded holders left_out listed outcome_contacted "
    "outcome_listed outcome_sold outcome_woken scored score_weight task_customers",
    "share": "all_share attained aum_share bank bank_aum_share before coverage customer_share "
    "idle_aum_share outcome_change outcome_change_others penetration score_attainment "
    "share_of_opening",
    "money": "amount aum change class_aum existing new stake",
    "points": "median_points score_lost score_points score_raw_points",
}
_KIND_OF: Final = {name: kind for kind, columns in _COLUMNS.items() for name in columns.split()}
"""What the values of a column are; one that is not named holds figures already printed."""


def page_table(
    page: Page,
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    unit: Unit | None = None,
    note: str = "",
    labels: Mapping[str, str] | None = None,
    emphasise: Sequence[int] = (),
    look: Look = "rules",
    half: bool = False,
    keep_empty: bool = False,
) -> Table:
    """Return rows of values as a table of the page, its caption and headers in words.

    Parameters
    ----------
    page
        Whose words and language.
    caption
        Key of the caption; "" for none.
    columns
        Keys of the headers. The key says what the values are: words (at the left), counts, shares,
        points, or money in `unit`.
    rows
        A value for each column. A text is printed as it is.
    unit, note, emphasise, look, half
        As `Table` has them; `emphasise` holds positions, from the end when negative.
    labels
        Headers in words, where they are no key.
    keep_empty
        Keep columns in which nothing exists. A branch's page leaves them out: a first quarter has
        nothing to compare with.
    """

    def print_cell(kind: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        return format_money(value, unit) if kind == "money" and unit else _FORMATS[kind](value)

    labels, kinds = labels or {}, [_KIND_OF.get(key, "figure") for key in columns]
    cells = [[print_cell(*pair) for pair in zip(kinds, row, strict=True)] for row in rows]
    shown = [
        place
        for place in range(len(columns))
        if keep_empty or not cells or any(row[place] != MISSING for row in cells)
    ]
    headers = [labels.get(key) or page.text(key, page.headers) for key in columns]
    return Table(
        caption=page.text(caption, page.captions) if caption else "",
        columns=tuple(
            Column(headers[place], "left" if kinds[place] == "words" else "right")
            for place in shown
        ),
        rows=tuple(tuple(row[place] for place in shown) for row in cells),
        unit=unit_note(unit, page.language) if unit else "",
        note=note,
        emphasised=frozenset(range(len(rows))[position] for position in emphasise),
        look=look,
        half=half,
    )


def overview_table(page: BranchPage) -> Table | None:
    """Return the main measures: this quarter, its changes, and the whole bank beside them."""
    if page.is_small:
        return None
    # One unit for all rows of money: a column never mixes them.
    unit, quarter = _common_unit(page, OVERVIEW), page.evaluation.quarter
    earlier = [str(quarter.previous), str(quarter.year_ago), str(quarter.year_start)]
    rows = []
    for measure, base in OVERVIEW:
        kind, now = measure_words(measure).kind, page.value(measure, base=base)
        target = page.target(measure) if base == "funded" else None
        rows.append(
            [
                page.text(f"{base}_customers")
                if measure == "customers"
                else page.text(measure, "measure"),
                unit.name if kind == "money" else page.text(kind, "kind_unit"),
                format_measure(now, measure, unit=unit),
                *(_change(page, measure, base, before) for before in earlier),
                now / target if target and now is not None else None,
                format_measure(_of_bank(page, measure, base), measure, unit=unit),
            ]
        )
    columns = [
        "measure",
        "unit",
        "now",
        "previous_quarter",
        "year_ago",
        "year_start",
        "attained",
        "bank",
    ]
    origins = {"aum_from": page.evaluation.policy_facts.get("aum_from", {})}
    note = "".join([page.text("funded_note"), *assumptions(origins, page.language)])
    return page_table(page, "overview", columns, rows, note=note)


def measure_table(page: BranchPage, name: str) -> Table | None:
    """Return measures as rows: now, the change since the quarter before if known, the whole bank.

    `name` is "concentration", "sensitivity" (concentration without the largest customers),
    "retention", "attrition" or "coverage". Measures the bank has no figures for are left out; None
    when that leaves nothing, and of shares of a small branch.
    """
    half = name != "sensitivity"
    if page.is_small and half:
        return None
    bases = _MEASURE_TABLES[name].items()
    measures = [(measure, base) for base, names_on in bases for measure in names_on.split()]
    unit, before = _common_unit(page, measures), str(page.evaluation.quarter.previous)
    rows = [
        [
            page.text(measure, "measure"),
            format_with_unit(now, measure, unit),
            _change(page, measure, base, before),
            format_with_unit(_of_bank(page, measure, base), measure, unit),
        ]
        for measure, base in measures
        if (now := page.value(measure, base=base)) is not None
    ]
    columns = ["measure", "now", "previous_quarter", "bank"]
    return page_table(page, name, columns, rows, half=half) if rows else None


def _common_unit(page: BranchPage, measures: Sequence[tuple[str, str]]) -> Unit:
    """Return the unit the branch's amounts ask for; the bank's, where the branch has none."""
    money = [
        (measure, base) for measure, base in measures if measure_words(measure).kind == "money"
    ]
    own = [page.value(measure, base=base) for measure, base in money]
    return money_unit(
        own if any(own) else [_of_bank(page, measure, base) for measure, base in money],
        page.language,
    )


def _of_bank(page: BranchPage, measure: str, base: str) -> float | None:
    return page.value(measure, base=base, branch_id=WHOLE_BANK)


def _change(page: BranchPage, measure: str, base: str, before: str) -> str:
    """Return the change of a measure since an earlier quarter."""
    now, then = page.value(measure, base=base), page.value(measure, base=base, quarter=before)
    return format_change(now, then, kind=measure_words(measure).kind, language=page.language)


def bridge_table(page: BranchPage) -> Table | None:
    """Return where the change of assets came from: existing customers or new ones."""
    own = page.own(page.evaluation.bridge, structure="today")
    amounts = dict(zip(own["component"], own["amount"].astype(float), strict=True))
    if own.empty:
        return None
    opening = amounts.get("opening") or None
    rows = [
        [
            page.text(component, "component"),
            customers,
            amounts[component],
            amounts[component] / opening if opening else None,
        ]
        for component, customers in own[["component", "customers"]].to_numpy()
        if customers or component in ("opening", "closing")
    ]
    columns = ["component", "customers", "amount", "share_of_opening"]
    unit = money_unit([amounts.get("closing")], page.language)
    return page_table(page, "bridge", columns, rows, unit=unit, emphasise=[0, -1] if rows else [])


def tier_table(page: BranchPage) -> Table:
    """Return customers and assets by tier with their shares, highest tier first, and the total."""
    rows: list[list[Any]] = [
        [
            words,
            page.value("tier_customers", tier),
            page.value("tier_customer_share", tier),
            page.value("tier_aum", tier),
            page.value("tier_aum_share", tier),
            page.value("tier_aum_share", tier, branch_id=WHOLE_BANK),
        ]
        for tier, words in reversed(page.members("tier").items())
    ]
    counts, amounts = [row[1] for row in rows], [row[3] for row in rows]
    customers = None if None in counts else sum(counts)
    money = None if None in amounts else sum(amounts)
    whole = [None if total is None else 1 for total in (customers, money)]
    rows.append([page.text("total"), customers, whole[0], money, whole[1], 1])
    columns = ["tier", "customers", "customer_share", "aum", "aum_share", "bank_aum_share"]
    unit, note = money_unit([money], page.language), memory_note(page)
    return page_table(page, "tiers", columns, rows, unit=unit, emphasise=[-1], note=note)


def dormancy_table(page: BranchPage) -> Table:
    """Return customers by activity: funded ones with their assets, and all, empty accounts too."""
    before = str(page.evaluation.quarter.previous)
    rows = [
        [
            page.text(status, "status"),
            page.count(rate, base="funded"),
            page.value(rate, base="funded"),
            page.value(rate, base="funded", quarter=before),
            page.value(rate, base="funded", branch_id=WHOLE_BANK),
            page.value(_STATUS_AUM[status], base="funded") if status in _STATUS_AUM else None,
            page.count(rate, base="all"),
            page.value(rate, base="all"),
        ]
        for status, rate in zip(names("status"), _STATUS_RATES, strict=True)
    ]
    columns = [
        "status",
        "funded",
        "customer_share",
        "before",
        "bank",
        "idle_aum_share",
        "all",
        "all_share",
    ]
    return page_table(page, "dormancy", columns, rows)


def dormancy_flow_table(page: BranchPage) -> Table | None:
    """Return how last quarter's dormant customers became this quarter's."""
    steps = {name: page.value(name, base="funded") for name in names("dormant_step")}
    if page.is_small or not any(steps.values()):
        return None
    rows = [
        [page.text(name, "dormant_step"), value]
        for name, value in steps.items()
        if value or name in ("dormant_opening", "dormant_closing")
    ]
    columns = ["step", "task_customers"]
    return page_table(page, "dormancy_flow", columns, rows, emphasise=[0, -1], half=True)


def penetration_table(page: BranchPage) -> Table | None:
    """Return who holds which product family, with the change and the whole bank."""
    if page.is_small:
        return None
    before = str(page.evaluation.quarter.previous)
    missing = page.evaluation.policy_facts.get("families_missing", [])
    unknown = dict.fromkeys((family["name"] for family in missing), page.text("not_provided"))
    rows = []
    for family, words in page.members("family").items():
        now = page.value("penetration", family)
        earlier = page.value("penetration", family, quarter=before)
        rows.append(
            [
                words,
                unknown.get(family) or page.count("penetration", family),
                unknown.get(family) or now,
                format_change(now, earlier, kind="share", language=page.language),
                page.value("penetration", family, branch_id=WHOLE_BANK),
            ]
        )
    columns = ["family", "holders", "penetration", "previous_quarter", "bank"]
    return page_table(page, "penetration", columns, rows, half=True)


def class_table(page: BranchPage) -> Table | None:
    """Return the managed customers by class with their contacts; None without managers' data."""
    classes = page.members("customer_class")
    rows = [
        [
            words,
            customers,
            page.value("class_aum", name),
            page.value("class_contact_coverage", name),
        ]
        for name, words in classes.items()
        if (customers := page.value("class_customers", name))
    ]
    if page.is_small or not rows:
        return None
    unit = money_unit([row[2] for row in rows], page.language)
    columns = ["class", "customers", "class_aum", "coverage"]
    return page_table(page, "classes", columns, rows, unit=unit, half=True)


def five_things(page: BranchPage) -> Table | None:
    """Return this month's five things to do 本月先做五件事; None where there are no lists."""
    pressing = most_pressing(
        page.evaluation.worklists, page.evaluation.measures, branch_id=page.branch_id
    )
    if pressing.empty:
        return None
    unit = money_unit(pressing["amount"], page.language)
    rows = [
        [
            f"{number}",
            f"{page.text(row.list, 'task')}\n{page.text(row.list, 'task_why')}",
            row.customers,
            format_money(row.amount, unit),
            _day(page, row.due_on),
            list_name(row.list, page.language),
        ]
        for number, row in enumerate(rows_of(pressing), start=1)
    ]
    columns = ["order", "task", "task_customers", "at_stake", "due_on", "sheet"]
    header = page.text("at_stake", "header").format(unit.name)
    labels = {"at_stake": header, "due_on": page.text("due", "header")}
    note = page.text("five_things_note")
    return page_table(
        page, "", columns, rows, labels=labels, note=note, look="steps", keep_empty=True
    )


def worklist_table(page: BranchPage) -> Table | None:
    """Return every list with its customers, amount at stake and who was left out."""
    own = page.own(page.evaluation.worklists)
    own = own if own.empty else own[own["customers"] > 0]
    if own.empty:
        return None
    # Every list has its own cut of the customers: their sums would count many twice.
    unit = money_unit(own["amount"], page.language)
    rows = [
        [
            list_name(row.list, page.language),
            row.customers,
            row.listed,
            row.amount,
            row.left_out,
            _day(page, row.due_on),
        ]
        for row in rows_of(own)
    ]
    columns = ["sheet", "task_customers", "listed", "stake", "left_out", "due"]
    note = page.text("worklists_note")
    return page_table(page, "worklists", columns, rows, unit=unit, note=note)


def _day(page: BranchPage, day: str) -> str:
    """Return a day as people write it; nothing without one."""
    if not day:
        return ""
    _, month, number = (int(part) for part in day.split("-"))
    months = page.text("months").split()
    return page.text("day").format(month=months[month - 1], day=number)


def outcomes_table(page: BranchPage) -> Table | None:
    """Return what last quarter's lists brought, contacted beside not contacted (非因果).

    The lists with the most customers contacted; a share of fewer than five people is left out.
    """
    own = page.own(page.evaluation.outcomes, evidence="observational")
    if own.empty:
        return None
    sizes = own.drop_duplicates(["list", "group"]).pivot(index="list", columns="group", values="n")
    sizes = sizes.reindex(columns=["contacted", "not_contacted"]).fillna(0).astype(int)
    sizes = sizes[sizes["contacted"] >= _FEWEST_CONTACTED]
    sizes = sizes.sort_values("contacted", ascending=False, kind="stable").head(_MOST_OUTCOMES)
    cells = {(row.list, row.group, row.measure): row for row in rows_of(own)}

    def figure(name: str, group: str, measure: str, column: str) -> Any:
        row = cells.get((name, group, f"outcome_{measure}"))
        return None if row is None else getattr(row, column)

    rows = [
        [
            list_name(name, page.language),
            contacted + others,
            contacted,
            figure(name, "contacted", "sold_rate", "numerator"),
            figure(name, "contacted", "reactivated_rate", "numerator")
            if figure(name, "contacted", "reactivated_rate", "denominator")
            else None,
            *(
                figure(name, group, "aum_change", "value")
                if size >= _FEWEST_CONTACTED
                else page.text("few")
                for group, size in (("contacted", contacted), ("not_contacted", others))
            ),
        ]
        for name, contacted, others in sizes.itertuples()
    ]
    columns = [
        "outcome_list",
        "outcome_listed",
        "outcome_contacted",
        "outcome_sold",
        "outcome_woken",
        "outcome_change",
        "outcome_change_others",
    ]
    note = page.text("outcomes_note")
    return page_table(page, "outcomes", columns, rows, note=note) if rows else None
