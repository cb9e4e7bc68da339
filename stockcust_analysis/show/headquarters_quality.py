"""What headquarters must know of the quarter's material: quality, failures, restatements."""

from __future__ import annotations

from typing import Final

import numpy as np

from stockcust_analysis.policy.lint import LintWarning
from stockcust_analysis.show.headquarters_page import HeadquartersPage, rows_of
from stockcust_analysis.show.headquarters_tables import finished, told
from stockcust_analysis.show.labels import names
from stockcust_analysis.show.tables import Table
from stockcust_analysis.show.units import MISSING, format_count, format_number, format_share

_MOST_ROWS: Final = 40
_MOST_RESTATED: Final = 15
_MOST_NAMED: Final = 12


def quality_table(page: HeadquartersPage) -> Table:
    """Return how the extracts agree, which pages are there, what is withheld, which rules warn."""
    review = page.review
    checks = review.evaluation.reconciliation[["check", "difference"]].to_numpy()
    rows = [
        (page.word(check, "reconciliation"), page.word("difference", "page").format(
            format_number(float(difference), decimals=2)))
        for check, difference in checks
    ]  # fmt: skip
    if len(review.pages):
        rows.append((page.word("pages_made"), pages_told(page)))
    scores = review.evaluation.scores
    without = scores[scores["note"].str.contains("not_scored")] if len(scores) else scores
    if len(without):
        told_names = page.word("list_separator", "page").join(
            f"{page.names[row.branch_id]}（{note_words(page, row.note)}）" if page.language == "zh"
            else f"{page.names[row.branch_id]} ({note_words(page, row.note)})"
            for row in rows_of(without.head(_MOST_NAMED))
        )  # fmt: skip
        rows.append((page.word("not_scored"), told_names))
    rows += _withheld_rows(page)
    rows += _warning_rows(page)
    return finished(page, rows, ["item", "result"], "quality")


def _warning_rows(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return each trap the scorecard steps into, once, with all that step into it."""
    separator = page.word("list_separator", "page")
    rows = []
    for key, found in page.review.warnings.groupby(["lint", "reason"], sort=False):
        lint, reason = map(str, key)
        subjects = [
            " × ".join(
                page.measure(one) if one in names("measure") else one for one in each.split(", ")
            )
            + f" {detail}".rstrip()
            for each, detail in zip(found["subject"], found["detail"], strict=True)
        ]
        told_of = LintWarning(lint, separator.join(subjects), reason=reason)
        rows.append((page.word("overridden" if reason else "warned"), told_of.text(page.language)))
    return rows


def pages_told(page: HeadquartersPage) -> str:
    """Return how many branches have a report, how many failed, how many were not made."""
    states = page.review.pages["state"]
    return page.word("pages_told").format(
        **{name: format_count(int((states == name).sum())) for name in names("page_state")}
    )


def _withheld_rows(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return how many of the quarter's figures are withheld, and why."""
    told_of = page.review
    now = told_of.report[told_of.report["quarter"] == page.quarter]
    whole = int(now["cells"].sum())
    if not whole:
        return []
    gone = now[now["reason"] != "printed"]
    count = int(gone["cells"].sum())
    words = page.word("withheld_told").format(
        of=format_count(whole), count=format_count(count), share=format_share(count / whole)
    )
    rows = [(page.word("withheld_cells"), words)]
    reasons = gone.groupby("reason", sort=True)["cells"].sum()
    if len(reasons):
        text = page.word("list_separator", "page").join(
            f"{page.word(str(name), 'withheld_reason')} {format_count(cells)}"
            for name, cells in reasons.items()
        )
        rows.append((page.word("reasons"), text))
    if told_of.exposed and page.review.issued:
        rows.append((page.word("exposed"), format_count(told_of.exposed)))
    return rows


def failures_table(page: HeadquartersPage) -> Table | None:
    """Return the branches without a report and why; None when every branch has one."""
    gone = page.review.pages
    gone = gone[gone["state"] != "made"].head(_MOST_ROWS)
    rows = [
        [page.names.get(row.branch_id, row.branch_id), page.word(row.state, "page_state"),
         (row.error.splitlines() or [MISSING])[0][:120]]
        for row in rows_of(gone)
    ]  # fmt: skip
    return finished(page, rows, ["branch", "state", "error"], "failures") if rows else None


def restatements_table(page: HeadquartersPage) -> Table | None:
    """Return what reads otherwise today of the last issued quarter, the largest change first."""
    found = page.review.restatements
    if found.empty:
        return None
    size = (found["restated"] / found["issued"].where(found["issued"] != 0) - 1).abs()
    order = found.assign(size=size.fillna(np.inf)).sort_values(
        ["size", "branch_id", "measure", "base", "member"],
        ascending=[False, True, True, True, True], kind="stable",
    )  # fmt: skip
    rows = [
        [row.quarter, page.names.get(row.branch_id) or page.word("bank", "word"),
         page.measure(row.measure, row.base), told(page, row.measure, row.issued),
         told(page, row.measure, row.restated)]
        for row in rows_of(order.head(_MOST_RESTATED))
    ]  # fmt: skip
    note = page.word("restated_note").format(count=format_count(len(found)))
    columns = ["quarter", "branch", "measure", "issued", "restated"]
    return finished(page, rows, columns, "restatements", note=note)


def note_words(page: HeadquartersPage, note: str) -> str:
    """Return a scorecard's notes in words; what has none, such as a veto's name, as it is."""
    known = names("score_note")
    parts = [part for each in note.split() for part in each.split(":")]
    told_parts = [page.word(part, "score_note") if part in known else part for part in parts]
    return page.word("comma", "sentence").join(told_parts)
