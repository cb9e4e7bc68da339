"""The tables of a branch's page, each made from its slice of the evaluation.

`page_table` makes every table of a page, headquarters' too: rows of values, and for each column
what kind of values it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import pandas as pd

from stockcust_analysis.core.periods import is_month_end
from stockcust_analysis.evaluation.results import UNKNOWN, WHOLE_BANK
from stockcust_analysis.evaluation.worklists import most_pressing
from stockcust_analysis.measures.worklists import list_name
from stockcust_analysis.show import page_data, wording
from stockcust_analysis.show.blocks import MISSING, Table, table
from stockcust_analysis.show.branch_page import Remark, measures_of, memory_note

# The columns of a table of measures; of those not named, the ones with the quarter before.
_MEASURE_COLUMNS: Final = {
    "overview": "measure unit now previous_quarter year_ago year_start attained bank",
    **dict.fromkeys(("concentration", "attrition"), "measure now previous_quarter bank"),
}
_WITH_BEFORE: Final = "measure now before previous_quarter bank"
# Tables below which the codebook's definitions of some measures stand.
_EXPLAINED: Final = {
    "coverage": ("managed_share", "profile_completion", "contact_due_share", "reclaim_due_share")
}
_MOST_OUTCOMES: Final = 4
_FEWEST_CONTACTED: Final = 5

_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "count": wording.format_count,
    "share": wording.format_share,
    "part": wording.format_part,
    "weight": wording.format_weight,
    "points": wording.format_points,
}
_COLUMNS: Final = {
    "words": "base branch class component due_on error evidence family favourable from indicator "
    "item measure order outcome_list peer_group quarter result score_indicator "
    "score_target_source sheet state status step task tier unit",
    "count": "all branches customers funded holders left_out listed outcome_contacted "
    "outcome_listed outcome_sold outcome_woken rank rank_before scored task_customers unfavourable",
    "share": "all_share attained aum_share bank bank_aum_share before contact_in_time contacted "
    "customer_share idle idle_aum_share multi_product outcome_change outcome_change_others "
    "penetration retention share_of_opening",
    "money": "amount amount_before aum change class_aum existing moved new stake",
    "signed": "amount_change",
    "part": "score_attainment",
    "weight": "score_weight",
    "points": "median_points points points_before score_lost score_points score_points_before "
    "score_raw_points",
}
# What the values of a column are; one that is not named holds figures already printed.
_KIND_OF: Final = {name: kind for kind, columns in _COLUMNS.items() for name in columns.split()}


def page_table(
    page: page_data.Page,
    caption: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    unit: wording.Unit | None = None,
    labels: Mapping[str, str] | None = None,
    keep_empty: bool = False,
    **fields: Any,
) -> Table | None:
    """Return rows of values as a table of the page, in words; None without any.

    Parameters
    ----------
    page
        Whose words and language.
    caption
        Key of the caption; "" for none.
    rows
        Key of the header → value. The first row has all columns. The key says what the values are:
        words (at the left), counts, shares, points, or money in `unit`. A text is printed as it is.
    unit
        Of the columns of money.
    labels
        Headers in words, where they are no key.
    keep_empty
        Keep columns in which nothing exists. A branch's page leaves them out: a first quarter has
        nothing to compare with.
    fields
        `emphasise`, `bars`, `note`, `look` and `half`, as `blocks.table` takes them.
    """
    if not rows:
        return None
    cells, labels = dict[str, list[str]](), labels or {}
    for key in rows[0]:
        kind, values = _KIND_OF.get(key, ""), [row.get(key, "") for row in rows]
        texts = [v if isinstance(v, str) else _print_value(v, kind, unit) for v in values]
        if keep_empty or any(text not in ("", MISSING) for text in texts):
            cells[key] = texts
    return table(
        pd.DataFrame(cells),
        caption=page.text(caption, page.captions) if caption else "",
        unit=wording.unit_note(unit, page.language) if unit else "",
        labels={key: labels.get(key) or page.text(key, page.headers) for key in cells},
        align={key: "left" if _KIND_OF.get(key) == "words" else "right" for key in cells},
        **fields,
    )


def _print_value(value: Any, kind: str, unit: wording.Unit | None) -> str:
    """Return a value of a column as its kind is printed."""
    if kind in _FORMATS or unit is None:
        return _FORMATS[kind](value)
    text = wording.format_money(value, unit)
    return f"+{text}" if kind == "signed" and (value or 0) > 0 else text


def ratio(part: wording.Figure, whole: wording.Figure) -> wording.Figure:
    """Return a part of a whole; withheld where either is, None of nothing.

    >>> ratio(1, 4), ratio("*", 4), ratio(1, 0)
    (0.25, '*', None)
    """
    if wording.SUPPRESSED in (part, whole):
        return wording.SUPPRESSED
    return float(part or 0) / float(whole) if whole else None


def overview_table(page: page_data.BranchPage) -> Table | None:
    """Return the main measures: this quarter, its changes, and the whole bank beside them."""
    facts = page.evaluation.policy_facts
    origins = {n: facts.get(n, {}) for n in ("aum_from", "approximations", "aum", "unlike")}
    assumed = "".join(wording.assumptions(origins, page.language))
    note = page.join([page.text("funded_note"), assumed])
    return page_table(page, "overview", _measure_rows(page, "overview"), note=note)


def measure_table(page: page_data.BranchPage, name: str) -> Table | None:
    """Return measures as rows: now, the quarter before and the change if known, the whole bank.

    `name` is "concentration", "sensitivity" (concentration without the largest customers),
    "retention", "attrition" or "coverage". Measures the bank has no figures for are left out; None
    when that leaves nothing, and of shares of a small branch.
    """
    rows = [row for row in _measure_rows(page, name) if row["now"] != MISSING]
    has_note = f"{name}_note" in wording.names("page")
    there = page.cells.get((page.quarter, page.branch_id), {})
    told = (measure for measure in _EXPLAINED.get(name, ()) if (measure, "") in there)
    note = page.text(f"{name}_note") if has_note else page.explain(told)
    if name == "coverage" and page.evaluation.policy_facts.get("no_contacts"):
        note = page.join([note, *wording.assumptions({"no_contacts": True}, page.language)])
    if {row.get("before") for row in rows} == {MISSING}:
        note = page.join([note, page.text("no_before_note")])
    caption = "retained" if name == "retention" and page.deposits == UNKNOWN else name
    half = name not in ("sensitivity", "coverage")
    return page_table(page, caption, rows, half=half, note=note)


def _measure_rows(page: page_data.BranchPage, name: str) -> list[dict[str, str]]:
    """Return the rows of a table of measures, printed; none where they are shares of few."""
    if page.is_small and name != "sensitivity":
        return []
    columns, measures = _MEASURE_COLUMNS.get(name, _WITH_BEFORE).split(), measures_of(name)
    # One unit for all rows of money, the bank's where the branch has none: a column never mixes.
    money = [pair for pair in measures if wording.measure_words(pair[0]).kind == "money"]
    own = [page.value(measure, base=base) for measure, base in money]
    unit = page.unit(own if any(own) else [page.bank_value(*pair) for pair in money])
    prints = wording.format_measure if "unit" in columns else wording.format_with_unit
    show = partial(prints, unit=unit)
    this, rows = page.evaluation.quarter, []
    for measure, base in measures:
        value, kind = partial(page.value, measure, base=base), wording.measure_words(measure).kind
        now, plan = value(), page.targets.get(measure) if base == "funded" else None
        words = (f"{base}_customers", "") if measure == "customers" else (measure, "measure")
        cells = {
            "measure": page.text(*words),
            "unit": unit.name if kind == "money" else page.text(kind, "kind_unit"),
            "now": show(now, measure),
            "before": show(value(quarter=str(this.previous)), measure),
            "attained": page.format_attained(page.attained(measure, now) if plan else None, plan),
            "bank": show(page.bank_value(measure, base), measure),
        }
        for column, quarter in page_data.earlier_quarters(this).items():
            cells[column] = page.change(measure, now, value(quarter=quarter))
        rows.append({column: cells[column] for column in columns})
    return rows


def bridge_table(page: page_data.BranchPage) -> Table | None:
    """Return where the change of assets came from: existing customers or new ones."""
    now = page.own(page.evaluation.bridge, structure="today")
    rows = bridge_rows(page, now, "customers", page.own(page.evaluation.previous_bridge))
    amounts, note = [None, *(row["amount"] for row in rows)], page.text("bridge_note")
    unit = wording.bridge_unit(amounts[-1], amounts, page.language)
    return page_table(page, "bridge", rows, unit=unit, emphasise=[0, -1], note=note)


def bridge_rows(
    page: page_data.Page, bridge: pd.DataFrame, shown_by: str, before: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return the rows of a bridge: both ends, and the steps with any customers or any amount.

    Beside them stand the amounts of the quarter `before`, and the difference, where it is known.
    """
    marked = page_data.mark_withheld(bridge, bridge.get("withheld", False))
    steps = marked[["component", "customers", "amount"]].to_numpy().tolist()
    opening = steps[0][-1] if steps else None
    known = dict(zip(before["component"], before["amount"], strict=True)) if len(before) else {}
    rows = [
        {
            "component": page.text(component, "component"),
            "customers": customers,
            "amount": amount,
            "share_of_opening": ratio(amount, opening),
            **(page_data.beside(amount, known.get(component)) if known else {}),
        }
        for component, customers, amount in steps
    ]
    moved = (row for row in rows[1:-1] if row[shown_by] or row.get("amount_before"))
    return [*rows[:1], *moved, *rows[1:][-1:]]


def tier_table(page: page_data.BranchPage) -> Table | Remark | None:
    """Return customers and assets by tier with their shares, highest first, and the total.

    Where tiers are not provided a sentence says why.
    """
    if page.deposits == UNKNOWN:
        return Remark(page.text("no_tiers"))
    rows = tier_rows(page)
    for row, tier in zip(rows, reversed(page.members("tier")), strict=True):
        row["bank_aum_share"] = page.value("tier_aum_share", tier, branch_id=WHOLE_BANK)
    total: dict[str, Any] = {"tier": page.text("total"), "bank_aum_share": 1}
    for name, share in (("customers", "customer_share"), ("aum", "aum_share")):
        values = [row[name] for row in rows]
        total[name] = None if None in values else sum(values)
        total[share] = None if None in values else 1
    fields: dict[str, Any] = {"unit": page.unit([total["aum"]]), "note": memory_note(page)}
    labels = {"aum": page_data.begin(page.tier_amount)}
    return page_table(page, "tiers", [*rows, total], labels=labels, emphasise=[-1], **fields)


def tier_rows(page: page_data.Page) -> list[dict[str, Any]]:
    """Return customers and assets by tier, the highest first, with last quarter's shares."""
    before, rows = str(page.evaluation.quarter.previous), []
    value = partial(page.value, base="all")
    for tier, words in reversed(page.members("tier").items()):
        row = {name: value(f"tier_{name}", tier) for name in ("customers", "customer_share")}
        now, then = row["customer_share"], value("tier_customer_share", tier, quarter=before)
        row |= {"before": then, "previous_quarter": page.change("tier_customer_share", now, then)}
        row |= {name: value(f"tier_{name}", tier) for name in ("aum", "aum_share")}
        rows.append({"tier": words, **row})
    return rows


def dormancy_table(page: page_data.BranchPage) -> Table | None:
    """Return customers by activity: funded ones with their assets, and all, empty accounts too."""
    before = str(page.evaluation.quarter.previous)
    rows = [
        {
            "status": page.text(status, "status"),
            "funded": page.count(rate, base="funded"),
            "customer_share": page.value(rate, base="funded"),
            "before": page.value(rate, base="funded", quarter=before),
            "bank": page.value(rate, base="funded", branch_id=WHOLE_BANK),
            "idle_aum_share": page.value(f"{status}_aum_share", base="funded"),
            "all": page.count(rate, base="all"),
            "all_share": page.value(rate, base="all"),
        }
        for status, rate in zip(wording.names("status"), wording.STATUS_RATES, strict=True)
    ]
    idle = [share for row in rows if isinstance(share := row["idle_aum_share"], float)]
    note = page.text("dormancy_note", share=wording.format_share(1 - sum(idle))) if idle[1:] else ""
    return page_table(page, "dormancy", rows, note=note)


def dormancy_flow_table(page: page_data.BranchPage) -> Table | None:
    """Return how last quarter's dormant customers became this quarter's."""
    steps = {name: page.value(name, base="funded") for name in wording.names("dormant_step")}
    if page.is_small or not any(steps.values()):
        return None
    rows = [
        {"step": page.text(name, "dormant_step"), "task_customers": value}
        for name, value in steps.items()
        if value or name in ("dormant_opening", "dormant_closing")
    ]
    return page_table(page, "dormancy_flow", rows, emphasise=[0, -1], half=True)


def penetration_table(page: page_data.BranchPage) -> Table | None:
    """Return who holds which product family, with the change and the whole bank."""
    if page.is_small:
        return None
    before = str(page.evaluation.quarter.previous)
    missing = page.evaluation.policy_facts.get("families_missing", [])
    unknown = dict.fromkeys((family["name"] for family in missing), page.text("not_provided"))
    rows = []
    for family, words in page.members("family").items():
        value = partial(page.value, "penetration", family)
        row = {
            "family": words,
            "holders": unknown.get(family) or page.count("penetration", family),
            "penetration": unknown.get(family) or value(),
            "previous_quarter": page.change("penetration", value(), value(quarter=before)),
            "bank": value(branch_id=WHOLE_BANK),
        }
        rows.append(row)
    return page_table(page, "penetration", rows, half=True)


def class_table(page: page_data.BranchPage) -> Table | None:
    """Return the managed customers by class with their contacts; None without managers' data."""
    rows = [
        {
            "class": words,
            "customers": customers,
            "class_aum": page.value("class_aum", name),
            "contact_in_time": page.value("class_contact_coverage", name),
        }
        for name, words in page.members("customer_class").items()
        if (customers := page.value("class_customers", name))
    ]
    unit = page.unit([row["class_aum"] for row in rows])
    # The table beside this one counts those with assets only.
    *_, unknown = page.members("customer_class").values()
    count = sum(row["customers"] for row in rows)
    note = page.text("classes_note", unknown=unknown, customers=count)
    return None if page.is_small else page_table(page, "classes", rows, unit=unit, note=note)


def five_things(page: page_data.BranchPage) -> Table | None:
    """Return this month's five things to do 本月先做五件事; None where there are no lists."""
    evaluation = page.evaluation
    pressing = most_pressing(evaluation.worklists, evaluation.measures, branch_id=page.branch_id)
    amounts = pressing["amount"] if len(pressing) else ()
    # English counts by thousands: a list of a million is said in the unit of the branch's assets.
    large = [amount for amount in amounts if page.language == "en" and amount >= 1e6]
    unit = page.unit(large or amounts, told=amounts)
    by = page_data.begin(page.tier_amount)
    rows = [
        {
            "order": f"{number}",
            "task": page.text(row.list, "task") + "\n" + page.text(row.list, "task_why", amount=by),
            "task_customers": row.customers,
            "at_stake": wording.format_money(row.amount, unit),
            "due_on": _print_due(page, row),
            "sheet": _sheet_name(page, row),
        }
        for number, row in enumerate(page_data.rows_of(pressing), start=1)
    ]
    header = page.text("at_stake", "header").format(unit.name)
    labels = {"at_stake": header, "due_on": page.text("due", "header")}
    note = page.text("five_things_note")
    return page_table(page, "", rows, labels=labels, note=note, look="steps", keep_empty=True)


def worklist_table(page: page_data.BranchPage) -> Table | None:
    """Return every list with its customers, amount at stake and who was left out."""
    own = page.own(page.evaluation.worklists)
    own = own if own.empty else own[own["customers"] > 0].sort_values("due_on", kind="stable")
    rows = [
        {
            "sheet": page.say(list_name(row.list, page.language)),
            "task_customers": row.customers,
            "listed": row.listed,
            "stake": row.amount,
            "left_out": row.left_out,
            "due": _print_due(page, row),
        }
        for row in page_data.rows_of(own)
    ]
    # Every list has its own cut of the customers: their sums would count many twice.
    amounts = [row["stake"] for row in rows]
    unit = page.unit(amounts, told=amounts)
    left_out = page.evaluation.policy_facts.get("lists_left_out", {})
    note = page.text("worklists_note") + page_data.lists_not_provided(left_out, page.language)
    return page_table(page, "worklists", rows, unit=unit, note=note)


def _sheet_name(page: page_data.BranchPage, row: Any) -> str:
    """Return the sheet that holds a list, and how many it lists where that is not all."""
    name = page.say(list_name(row.list, page.language))
    is_whole = row.listed >= row.customers
    return name if is_whole else page.text("few_listed", name=name, count=row.listed)


def _print_due(page: page_data.BranchPage, row: Any) -> str:
    """Return the day by which a list is done, or its first day with how many that month has."""
    if not row.due_on:
        return ""
    first = date.fromisoformat(row.due_on)
    month = page.text("months").split()[first.month - 1]
    day = page.text("day", month=month, day=first.day)
    if row.due_in_month == row.listed and is_month_end(first):
        return day
    return page.text("first_day", day=day, month=month, count=row.due_in_month)


def outcomes_table(page: page_data.BranchPage) -> Table | None:
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
    cells = own.set_index(["list", "group", "measure"])[["value", "numerator", "denominator"]]

    def figure(name: str, measure: str, column: str, group: str = "contacted") -> Any:
        key = (name, group, f"outcome_{measure}")
        return cells.at[key, column] if key in cells.index else None

    rows = [
        {
            "outcome_list": page.say(list_name(name, page.language)),
            "outcome_listed": contacted + others,
            "outcome_contacted": contacted,
            "outcome_sold": figure(name, "sold_rate", "numerator"),
            "outcome_woken": figure(name, "reactivated_rate", "numerator")
            if figure(name, "reactivated_rate", "denominator")
            else None,
            "outcome_change": figure(name, "aum_change", "value"),
            "outcome_change_others": page.text("few")
            if others < _FEWEST_CONTACTED
            else figure(name, "aum_change", "value", "not_contacted"),
        }
        for name, contacted, others in sizes.itertuples()
    ]
    note = page.text("outcomes_note", least=_FEWEST_CONTACTED, most=_MOST_OUTCOMES)
    return page_table(page, "outcomes", rows, note=note)
