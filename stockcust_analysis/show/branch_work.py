"""What a branch is to do, and what its last lists brought, as the tables of its page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stockcust_analysis.evaluation.worklists import most_pressing
from stockcust_analysis.measures.worklist_reasons import list_name
from stockcust_analysis.show.branch_page import BranchPage
from stockcust_analysis.show.branch_tables import finished_table
from stockcust_analysis.show.tables import Table, table
from stockcust_analysis.show.units import format_count, format_money, format_share, money_unit

_MOST_OUTCOMES = 4
_FEWEST_CONTACTED = 5


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
            str(place),
            f"{page.word(name, 'task')}\n{page.word(name, 'task_why')}",
            format_count(customers),
            format_money(amount, unit),
            _day(page, due_on),
            list_name(name, page.language),
        ]
        for place, (name, customers, amount, due_on) in enumerate(
            pressing[["list", "customers", "amount", "due_on"]].itertuples(index=False), start=1
        )
    ]
    columns = ["order", "task", "task_customers", "at_stake", "due", "sheet"]
    labels = {name: page.word(name, "header") for name in columns}
    labels["at_stake"] = labels["at_stake"].format(unit.name)
    return table(
        pd.DataFrame(rows, columns=columns),
        caption="",
        labels=labels,
        align={"order": "left", "task": "left", "task_customers": "right", "at_stake": "right",
               "due": "left", "sheet": "left"},
        note=page.word("five_things_note"),
        look="steps",
    )  # fmt: skip


def outcomes_table(page: BranchPage) -> Table | None:
    """Return what last quarter's lists brought, contacted beside not contacted (非因果).

    The lists with the most customers contacted; a share of fewer than five people is left out.
    """
    outcomes = page.evaluation.outcomes
    if outcomes.empty:
        return None
    own = outcomes[
        (outcomes["branch_id"] == page.branch_id) & (outcomes["evidence"] == "observational")
    ]
    cells = own.set_index(["list", "group", "measure"]).sort_index()
    sizes = own.drop_duplicates(["list", "group"]).pivot(index="list", columns="group", values="n")
    sizes = sizes.reindex(columns=["contacted", "not_contacted"]).fillna(0).astype(int)
    sizes = sizes[sizes["contacted"] >= _FEWEST_CONTACTED]
    sizes = sizes.sort_values("contacted", ascending=False, kind="stable").head(_MOST_OUTCOMES)
    if sizes.empty:
        return None
    rows = [
        _outcome_row(page, str(name), int(contacted), int(others), cells)
        for name, contacted, others in sizes.itertuples()
    ]
    names = ("list", "listed", "contacted", "sold", "woken", "change", "change_others")
    columns = [f"outcome_{name}" for name in names]
    return finished_table(page, rows, columns, "outcomes", note=page.word("outcomes_note"))


def _outcome_row(
    page: BranchPage, name: str, contacted: int, others: int, cells: pd.DataFrame
) -> list[str]:
    """Return one list: how many were called, what happened, beside those who were not."""

    def cell(group: str, measure: str, column: str = "value") -> Any:
        key = (name, group, f"outcome_{measure}")
        return cells.loc[key, column] if key in cells.index else None

    asleep = cell("contacted", "reactivated_rate", "denominator")
    changes = [
        format_share(cell(group, "aum_change")) if size >= _FEWEST_CONTACTED else page.word("few")
        for group, size in (("contacted", contacted), ("not_contacted", others))
    ]
    return [
        list_name(name, page.language),
        format_count(contacted + others),
        format_count(contacted),
        format_count(cell("contacted", "sold_rate", "numerator")),
        format_count(cell("contacted", "reactivated_rate", "numerator") if asleep else None),
        *changes,
    ]


def worklist_table(page: BranchPage) -> Table | None:
    """Return every list with its customers, amount at stake and who was left out."""
    lists = page.evaluation.worklists
    if lists.empty:
        return None
    own = lists[(lists["branch_id"] == page.branch_id) & (lists["customers"] > 0)]
    if own.empty:
        return None
    # Every list has its own cut of the customers: their sums would count many twice.
    unit = money_unit(own["amount"], page.language)
    rows = [
        [list_name(name, page.language), format_count(customers), format_count(listed),
         format_money(amount, unit), format_count(left_out), _day(page, due_on)]
        for name, customers, listed, amount, left_out, due_on in own[
            ["list", "customers", "listed", "amount", "left_out", "due_on"]
        ].itertuples(index=False)
    ]  # fmt: skip
    columns = ["sheet", "task_customers", "listed", "stake", "left_out", "due"]
    note = page.word("worklists_note")
    return finished_table(page, rows, columns, "worklists", unit=unit, note=note)


def _day(page: BranchPage, day: str) -> str:
    """Return a day as people write it; nothing without one."""
    if not day:
        return ""
    _, month, number = (int(part) for part in day.split("-"))
    names = page.word("months").split()
    return page.word("day").format(month=names[month - 1], day=number)
