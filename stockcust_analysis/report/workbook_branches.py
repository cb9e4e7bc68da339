"""The sheets of headquarters' workbook that set branches side by side."""

from __future__ import annotations

from typing import Final

from stockcust_analysis.report.sheets import (
    KINDS,
    Column,
    Kind,
    Sheet,
    branch_cells,
    branch_columns,
    gap,
    heads,
    plain,
    scaled,
    sheet,
    unit_of,
)
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.headquarters_tables import (
    note_words,
    ordered_scores,
    peer_name,
    score_columns,
)
from stockcust_analysis.show.pages import rows_of
from stockcust_analysis.show.wording import measure_words, names

_SCORES: Final[dict[str, Kind]] = {"rank": "count", "points": "points"}


def exceptions_sheet(page: HeadquartersPage) -> Sheet:
    """Return the figures beyond chance."""
    rows, kinds = [], []
    for row in rows_of(page.exceptions):
        kind = measure_words(row.measure).kind
        rows.append([row.branch_id, page.names[row.branch_id], page.measure(row.measure),
                     page.text(row.base, "base"), unit_of(page, kind), scaled(row.value, kind),
                     scaled(row.centre, kind), row.z, page.text(row.evidence, "evidence"),
                     page.text(row.favourable, "favourable")])  # fmt: skip
        kinds.append(KINDS[kind])
    columns = [*branch_columns(page)[:2], *heads(page, "measure", "base"),
               Column(page.text("unit", "header")), *heads(page, "value", "centre", kind="mixed"),
               *heads(page, "z", kind="z"), *heads(page, "evidence"),
               Column(page.text("favourable", "hq_header"),
                      good=(page.text("yes", "favourable"),),
                      bad=(page.text("no", "favourable"),))]  # fmt: skip
    return sheet(page, "exceptions", columns, rows, kinds=kinds, note=page.text("exceptions_note"))


def scores_sheet(page: HeadquartersPage) -> Sheet:
    """Return the scores and places, as the review orders them."""
    told = score_columns(page)
    rows = [
        [*branch_cells(page, row.branch_id), peer_name(page, row.peer_group),
         *(gap(getattr(row, name), gone=row.rank_of == row.rank_of) for name in told),
         plain(row.rank_of), note_words(page, str(row.note))]
        for row in rows_of(ordered_scores(page))
    ] if len(page.review.evaluation.scores) else []  # fmt: skip
    columns = [
        *branch_columns(page), *heads(page, "peer_group"),
        *(Column(page.text(n, "hq_header"), _SCORES[n], bars=n == "points") for n in told),
        *heads(page, "scored", kind="count"), Column(page.text("note", "sheet")),
    ]  # fmt: skip
    note = page.gap_note("score_gaps", after=page.text("score_note"))
    return sheet(page, "scores", columns, rows, frozen=2, note=note)


def decomposition_sheet(page: HeadquartersPage) -> Sheet:
    """Return how every point of every branch is made."""
    numbers = ("attainment", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group",
               "points")  # fmt: skip
    rows, kinds = [], []
    for row in rows_of(page.review.evaluation.scorecard):
        kind = measure_words(row.measure).kind
        told = {name: gap(getattr(row, name), gone=row.withheld) for name in
                (*numbers, "value", "target")}  # fmt: skip
        rows.append([
            *branch_cells(page, row.branch_id)[:2], page.measure(row.measure, row.base),
            page.text(row.method, "method"), unit_of(page, kind), scaled(told["value"], kind),
            scaled(told["target"], kind), page.text(row.target_source, "target_source"),
            told["attainment"], row.weight, *(told[name] for name in numbers[1:]),
            note_words(page, str(row.note) if row.note == row.note else ""),
        ])  # fmt: skip
        kinds.append(KINDS[kind])
    columns = [
        *branch_columns(page)[:2], *heads(page, "measure"), Column(page.text("method", "sheet")),
        Column(page.text("unit", "header")), *heads(page, "value", "plan", kind="mixed"),
        Column(page.text("score_target_source", "header")), *heads(page, "attained", kind="share"),
        Column(page.text("score_weight", "header"), "points"),
        *(Column(page.text(name, "sheet"), "points") for name in numbers[1:-1]),
        Column(page.text("points", "hq_header"), "points", bars=True),
        Column(page.text("note", "sheet")),
    ]  # fmt: skip
    return sheet(page, "decomposition", columns, rows, kinds=kinds, frozen=3)


def comparison_sheet(page: HeadquartersPage) -> Sheet:
    """Return each branch among its peers, in every measure that is compared."""
    numbers: dict[str, Kind] = {
        "value": "mixed", "compared": "mixed", "centre": "mixed", "lower_95": "mixed",
        "upper_95": "mixed", "lower_998": "mixed", "upper_998": "mixed", "shrunk_value": "mixed",
        "movement": "mixed", "movement_standard_error": "mixed",
    }  # fmt: skip
    rows, kinds = [], []
    table = page.review.evaluation.comparison
    partly = table.groupby(["measure", "base"])["withheld"].transform("any").astype(bool)
    for row in rows_of(table.assign(partly=partly).reset_index(drop=True)):
        kind = measure_words(row.measure).kind
        told = {name: gap(getattr(row, name), gone=row.partly) for name in
                (*numbers, "n", "z", "rank_low", "rank_high", "expected_ratio")}  # fmt: skip
        rows.append([
            *branch_cells(page, row.branch_id)[:2], peer_name(page, row.peer_group),
            page.measure(row.measure),
            page.text(row.base, "base"), unit_of(page, kind), told["n"],
            *(scaled(told[name], kind) for name in numbers), told["z"],
            page.text(row.verdict, "comparison_verdict") if row.verdict else "",
            told["rank_low"], told["rank_high"], told["expected_ratio"],
        ])  # fmt: skip
        kinds.append(KINDS[kind])
    verdicts = {name: page.text(name, "comparison_verdict") for name in names("comparison_verdict")}
    columns = [
        *branch_columns(page)[:2], *heads(page, "peer_group", "measure", "base"),
        Column(page.text("unit", "header")), *heads(page, "customers", kind="count"),
        *(Column(page.text(name, "sheet"), kind) for name, kind in numbers.items()),
        *heads(page, "z", kind="z"),
        Column(page.text("verdict", "sheet"), good=(verdicts["far_above"], verdicts["far_below"]),
               bad=()),
        *(Column(page.text(name, "sheet"), "count") for name in ("rank_low", "rank_high")),
        Column(page.text("expected_ratio", "sheet"), "plain"),
    ]  # fmt: skip
    note = page.gap_note("comparison_gaps", after=page.text("comparison_note", "sheet"))
    return sheet(page, "comparison", columns, rows, kinds=kinds, frozen=4, note=note)
