"""The tables of headquarters' review: exceptions, plan, growth, tiers, scores, material."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.results import UNKNOWN, WHOLE_BANK
from stockcust_analysis.policy.describe import LintWarning
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show import page_data, wording
from stockcust_analysis.show.blocks import MISSING, Table
from stockcust_analysis.show.branch_page import Remark, checks_passed, memory_note
from stockcust_analysis.show.branch_tables import bridge_rows, page_table, tier_rows
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.page_data import mark_withheld, rows_of

_MOST_CONTRIBUTORS: Final = 12
_MOST_ROWS: Final = 40
_MOST_RESTATED: Final = 15
_MOST_NAMED: Final = 12
_LONGEST_ERROR: Final = 120

# What the branch table compares with.
_CHANGES: Final = ("previous_quarter", "year_ago")

# The review keeps columns in which nothing exists: its editions then have the same shape.
_table = partial(page_table, keep_empty=True)


def _with_unit(page: HeadquartersPage, measure: str, value: wording.Figure) -> str:
    return wording.format_with_unit(value, measure, page.unit([value]))


def _join(page: HeadquartersPage, words: Sequence[str]) -> str:
    return page.text("list_separator", "page").join(words)


# Header of a column → how it is printed of a row of an evaluation's table.
_CELLS: Final[dict[str, Callable[[HeadquartersPage, Any], str]]] = {
    "branch": lambda page, row: _branch_name(page, row.branch_id),
    "quarter": lambda page, row: str(row.quarter),
    "branches": lambda page, row: wording.format_count(row.branches),
    "measure": lambda page, row: page.measure(row.measure, row.base, getattr(row, "member", "")),
    "z": lambda page, row: f"{'+' if row.z > 0 else ''}{wording.format_points(row.z)}",
    "evidence": lambda page, row: page.text(row.evidence, "evidence"),
    "favourable": lambda page, row: page.text(row.favourable, "favourable"),
    "state": lambda page, row: page.text(row.state, "page_state"),
    "error": lambda page, row: (row.error.splitlines() or [MISSING])[0][:_LONGEST_ERROR],
}


def _print_rows(page: HeadquartersPage, frame: pd.DataFrame, columns: str) -> list[dict[str, str]]:
    """Return a table's rows in words; a column that has no words holds figures of its measure."""

    def cell(row: Any, name: str) -> str:
        if name in _CELLS:
            return _CELLS[name](page, row)
        return _with_unit(page, row.measure, getattr(row, name))

    return [{name: cell(row, name) for name in columns.split()} for row in rows_of(frame)]


def _branch_name(page: HeadquartersPage, branch: str) -> str:
    """Return what a branch is called; the whole bank by its word, one that is gone by its id."""
    return page.text("bank", "word") if branch == WHOLE_BANK else page.names.get(branch, branch)


def exceptions_table(page: HeadquartersPage) -> Table | None:
    """Return the exceptions with the strength of their evidence; None when there are none."""
    rows = _print_rows(page, page.exceptions, "branch measure value centre z evidence favourable")
    return _table(page, "exceptions", rows, note=page.text("exceptions_note"))


def plan_table(page: HeadquartersPage) -> Table | None:
    """Return how far the bank and its branches have come with the plan; None without a plan."""
    targets = page.bank.evaluation.targets.query("quarter == @page.quarter")
    year_ago = str(page.evaluation.quarter.year_ago)
    rows = []
    for measure in dict.fromkeys(targets["measure"]):
        base, plan = hq.base_of(measure), page.bank.targets.get(measure)
        planned = next((own[measure] for own in page.plans.values() if measure in own), None)
        value = partial(page.value, measure, base=base)
        parts = page.attainments.get(measure, {})
        reached = sum(part >= page.plans[b][measure].due for b, part in parts.items())
        hidden = next(filter(None, (page.attained(measure, b) for b in page.plans)), None)
        counts = map(wording.format_count, (reached, len(parts)))
        row = {
            "measure": page.measure(measure, base),
            "value": _with_unit(page, measure, value()),
            "score_start": _with_unit(page, measure, (plan and plan.start) or None),
            "plan": _with_unit(page, measure, plan.level if plan else None),
            "attained": page.format_attained(page.attained(measure), planned),
            "year_ago": page.change(measure, value(), value(quarter=year_ago)),
            "reached": " / ".join(counts) if parts else page.format_attained(hidden, planned),
        }
        rows.append(row)
    return _table(page, "plan", rows, note=page.text("plan_note"))


def branch_table(page: HeadquartersPage) -> Table | None:
    """Return each branch's main figures, farthest behind plan first, the bank's total last."""
    *branches, total = branch_rows(page)
    rows = [*_shorten(page, branches, len(branches), _MOST_ROWS), total]
    parts = [row.get("attained") for row in rows]
    filled = [min(max(part, 0.0), 1.0) if isinstance(part, float) else 0.0 for part in parts]
    ordered = any(filled) or any(row["previous_quarter"] is not None for row in branches)
    order = ["branches_by_plan" if any(filled) else "branches_by_change"] * ordered
    hidden = {"branch_id"} if any(filled) else {"branch_id", "attained"}
    words = page.join(map(page.text, (*order, "branches_note")))
    printed = [
        {name: _print_figure(page, name, row[name]) for name in row if name not in hidden}
        for row in rows
    ]
    unit, bars = page.unit(row["aum"] for row in branches), {"attained": filled}
    note = page.gap_note("withheld_note", after=words)
    return _table(page, "branches", printed, unit=unit, note=note, emphasise=[-1], bars=bars)


def _print_figure(page: HeadquartersPage, name: str, value: Any) -> Any:
    """Return a figure of the branch table as text where its column does not say how it prints."""
    if name in _CHANGES:
        return wording.format_arrow(value, "money", page.language)
    return page.format_attained(value) if name == "attained" else value


def branch_rows(page: HeadquartersPage) -> list[dict[str, Any]]:
    """Return the rows of the branch table: the lowest attainment or change first, the bank last."""
    scores = {row.branch_id: row for row in rows_of(ordered_scores(page))}
    beyond = page.exceptions
    unfavourable = beyond.loc[beyond["favourable"] == "no", "branch_id"].value_counts()
    rows = []
    for branch in [*page.names, WHOLE_BANK]:
        score = scores.get(branch)
        points, rank = (score.points, score.rank) if score else ("", "")
        count = int(unfavourable.get(branch, 0)) or ""
        scored = {"points": points, "rank": rank, "unfavourable": count}
        rows.append({"branch_id": branch, **_branch_figures(page, branch), **scored})
    return [*sorted(rows[:-1], key=_order), rows[-1]]


def _order(row: Mapping[str, Any]) -> list[float]:
    """Return by what rows are sorted: attainment, then change; what is unknown comes last."""
    known = (row["attained"], row["previous_quarter"])
    return [value if isinstance(value, float) else np.inf for value in known]


def _branch_figures(page: HeadquartersPage, branch: str) -> dict[str, Any]:
    """Return a branch's main figures, as numbers or "*"; behind a new one's name the month."""
    own = partial(page.value, branch_id=branch, base="funded")
    aum, quarters = wording.AVERAGE, page_data.compared_quarters(page.quarter)
    now = own(aum)
    name, (event, day) = _branch_name(page, branch), page.new_branches.get(branch, ("", ""))
    return {
        "branch": page.text(f"branch_{event}", name=name, month=day[:7]) if event else name,
        "aum": now,
        **{key: change_of(now, own(aum, quarter=quarters[key]), "money") for key in _CHANGES},
        "attained": page.attained(aum, branch),
        "retention": own("customer_retention"),
        "idle": own("inactive_rate"),
        "multi_product": own("multi_product_share"),
        "contacted": own("contact_coverage", base="managed"),
    }


def change_of(now: wording.Figure, before: wording.Figure, kind: Any) -> Any:
    """Return a change as a number, of shares in points; "*" where one is withheld."""
    change = wording.change_between(now, before, kind)
    points = 100 if kind == "share" else 1
    return float(change) * points if isinstance(change, Decimal) else change


def bridge_table(page: HeadquartersPage) -> Table | None:
    """Return the bank's bridge; None in a first quarter."""
    own = page.own(page.evaluation.bridge)
    if own.empty:
        return None
    unit, note = page.unit(own["amount"]), page.text("bridge_note", "page")
    rows = bridge_rows(page, own, "amount", page.own(page.evaluation.previous_bridge))
    return _table(page, "bridge", rows, unit=unit, emphasise=[0, -1], note=note)


def growth_table(page: HeadquartersPage) -> Table | None:
    """Return which branches the bank's growth came from, by contribution; None without a bridge."""
    steps, before = hq.growth_steps(page.evaluation.bridge), page.evaluation.previous_bridge
    earlier = {} if before.empty else dict(hq.growth_steps(before)[["branch_id", "change"]].values)
    opening, branches = float(steps["opening"].iloc[-1]), steps[:-1]
    known = branches[branches["change"].notna()]
    known = known.sort_values(["change", "branch_id"], ascending=[False, True])
    if known.empty or not opening > 0:
        return None
    shown = pd.concat([known, steps[-1:]])
    columns = ["branch_id", "change", "new", "existing", "moved"]
    cells: list[Any] = shown[columns].astype(object).fillna("*").to_dict("records")
    rows = [
        {
            "branch": _branch_name(page, branch := row.pop("branch_id")),
            "change": row["change"],
            **(page_data.beside(row["change"], earlier.get(branch)) if earlier else {}),
            **row,
            "contribution": wording.format_number(row["change"], decimals=2, divisor=opening / 100),
        }
        for row in cells
    ]
    rows = [*_shorten(page, rows[:-1], len(branches), _MOST_CONTRIBUTORS), rows[-1]]
    # One unit with the bridge on the same page.
    unit = page.unit(page.own(page.evaluation.bridge)["amount"])
    note = page.gap_note("withheld_note", after=page.text("growth_note"))
    return _table(page, "growth", rows, unit=unit, note=note, emphasise=[-1])


def _shorten(page: HeadquartersPage, rows: list[Any], total: int, most: int) -> list[Any]:
    """Return the first and the last rows, and between them one for all that are left out."""
    most += 2 * (len(rows) == total == most + 1)  # a row that says one is left out is no shorter
    first, last = rows[: most // 2], rows[max(most // 2, len(rows) - most // 2) :]
    left_out = total - len(first) - len(last)
    words = page.text("rows_left_out", count=left_out)
    return [*first, *([{"branch": words}] if left_out else []), *last]


def migration_table(page: HeadquartersPage, name: str = "migration") -> Table | None:
    """Return who went from which tier to which over the bank; None where that is not known.

    `name` is "migration", or "previous_migration" for that of the quarter before.
    """
    moves = page.own(getattr(page.evaluation, name))
    if moves.empty:
        return None
    tiers_by = page.text("migration_note", amount=page.tier_amount)
    note = page.gap_note("withheld_note", after=tiers_by)
    words = dict(reversed(page.members("tier").items()))
    words |= {state: page.text(state, "state") for state in wording.names("state")}
    header = {"from": page.text(f"from_{name}", page.headers)}
    marked = mark_withheld(moves, moves.get("withheld", False))
    moved = marked[["from", "to", "customers"]].itertuples(index=False)
    cells = {(start, end): number for start, end, number in moved if number}
    starts = [name for name in words if any(start == name for start, _ in cells)]
    ends = [name for name in words if any(end == name for _, end in cells)]
    rows = [
        {"from": words[start]}
        | {end: wording.format_count(cells.get((start, end), 0)) for end in ends}
        for start in starts
    ]
    return _table(page, name, rows, labels=words | header, note=note * (name == "migration"))


def tier_table(page: HeadquartersPage) -> Table | Remark | None:
    """Return the bank's customers and assets by tier, highest first; why there are none."""
    if page.deposits == UNKNOWN:
        return Remark(page.text("no_tiers", "page"))
    rows = tier_rows(page)
    unit = page.unit([row["aum"] for row in rows])
    labels = {"aum": page_data.begin(page.tier_amount)}
    return _table(page, "tiers", rows, unit=unit, labels=labels, note=memory_note(page.bank))


def score_table(page: HeadquartersPage) -> Table | Remark | None:
    """Return the league table of scores with the points of every indicator; None without scores.

    Where nothing can be scored a sentence says why.
    """
    if page.evaluation.scores.empty:
        return None
    if _has_no_score(page):
        return Remark(page.text("no_score", "page"))
    card, known = page.evaluation.scorecard, score_columns(page)
    points = {(row.branch_id, row.indicator): _points(row) for row in rows_of(card)}
    labels = {
        f"points of {row.indicator}": page.measure(row.measure, member=row.member)
        for row in rows_of(card.drop_duplicates("indicator").fillna({"member": ""}))
    }
    rows = [
        {
            "branch": page.names[row.branch_id],
            **{name: getattr(row, name) for name in known},
            **{name: points[row.branch_id, name.removeprefix("points of ")] for name in labels},
        }
        for row in rows_of(ordered_scores(page))
    ]
    rows = _shorten(page, rows, len(rows), _MOST_ROWS)
    note = page.gap_note("score_gaps", "withheld_note", after=page.text("score_note"))
    return _table(page, "scores", rows, labels=labels, note=note)


def _has_no_score(page: HeadquartersPage) -> bool:
    return page.deposits == UNKNOWN and not score_columns(page)


def ordered_scores(page: HeadquartersPage) -> pd.DataFrame:
    """Return the scores by peer group, by rank within; "*" where one of those ranked has none."""
    if page.evaluation.scores.empty:
        return page.evaluation.scores
    order = ["peer_group", "rank", "branch_id"]
    scores = page.evaluation.scores.sort_values(order, kind="stable", ignore_index=True)
    return mark_withheld(scores, scores["rank_of"].notna(), ["rank", "points"])


def score_columns(page: HeadquartersPage) -> tuple[str, ...]:
    """Return which of ranks and points, now and the quarter before, are known of any branch."""
    scores, names = page.evaluation.scores, ("rank", "points", "rank_before", "points_before")
    return tuple(name for name in names if name in scores and scores[name].notna().any())


def _points(row: Any) -> str:
    """Return an indicator's points as text; one that is left out has none."""
    if row.withheld:
        return wording.SUPPRESSED
    return MISSING if "left_out" in str(row.note) else wording.format_points(row.points)


def peers_table(page: HeadquartersPage) -> Table | None:
    """Return the peer groups with their sizes and median scores; None without scores."""
    scores = page.evaluation.scores
    if scores.empty or _has_no_score(page) or scores["peer_group"].nunique() > _MOST_ROWS:
        return None
    rows = []
    for name, group in scores.groupby("peer_group", sort=True):
        ranked = group[group["rank_of"].notna()]
        median = wording.SUPPRESSED if ranked["withheld"].any() else ranked["points"].median()
        sizes = {"branches": len(group), "scored": len(ranked), "median_points": median}
        rows.append({"peer_group": hq.peer_name(page, str(name)), **sizes})
    return _table(page, "peers", rows, note=page.gap_note("withheld_note"))


def quality_table(page: HeadquartersPage) -> Table | None:
    """Return how the extracts agree, which pages are there, what is withheld, which rules warn."""
    rows, scores = list(checks_passed(page).items()), page.evaluation.scores
    if len(page.review.pages):
        rows.append((page.text("pages_made"), pages_words(page)))
    without = scores[scores["note"].str.contains("not_scored")] if len(scores) else scores
    if len(without):
        pattern = "{}（{}）" if page.language == "zh" else "{} ({})"
        words = [
            pattern.format(page.names[row.branch_id], note_words(page, row.note))
            for row in rows_of(without.head(_MOST_NAMED))
        ]
        rows.append((page.text("not_scored"), _join(page, words)))
    rows += [*_withheld_rows(page), *_warning_rows(page)]
    return _table(page, "quality", [{"item": item, "result": result} for item, result in rows])


def pages_words(page: HeadquartersPage) -> str:
    """Return how many branches have a report, how many failed, how many were not made."""
    states = page.review.pages["state"].value_counts()
    counts = states.reindex(list(wording.names("page_state")), fill_value=0)
    return page.text("pages_told", **counts)


def _warning_rows(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return each trap the scorecard steps into, once, with all that step into it."""
    rows = []
    for key, warnings in page.review.warnings.groupby(["lint", "reason"], sort=False):
        lint, reason = map(str, key)
        named = [name_warning(page, LintWarning(*row)) for row in rows_of(warnings)]
        subjects = [f"{found.subject} {found.detail}".rstrip() for found in named]
        warning = LintWarning(lint, _join(page, subjects).replace(" （", "（"), reason=reason)
        rows.append((page.text("overridden" if reason else "warned"), warning.text(page.language)))
    return rows


def name_warning(page: HeadquartersPage, warning: LintWarning) -> LintWarning:
    """Return a warning that names its indicators or peer group, and what is few, in words."""
    names = [hq.peer_name(page, page.label(name)) for name in warning.subject.split(", ")]
    detail = warning.detail
    if (key := f"detail_{warning.lint}") in wording.names("headquarters"):
        detail = page.text(key, **dict(zip("abc", re.findall(r"\d+", detail), strict=False)))
    return warning._replace(subject=" × ".join(names), detail=detail)


def _withheld_rows(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return how many of the quarter's figures are withheld, and why."""
    review, report = page.review, page.review.report
    reasons = report[report["quarter"] == page.quarter].groupby("reason", sort=True)["cells"].sum()
    withheld, whole = reasons.drop("printed", errors="ignore"), int(reasons.sum())
    if not whole:
        return []
    share = wording.format_share(withheld.sum() / whole)
    words = page.text("withheld_told", of=whole, count=withheld.sum(), share=share)
    listed = [
        f"{page.text(str(name), 'withheld_reason')} {wording.format_count(cells)}"
        for name, cells in withheld.items()
    ]
    rows = [(page.text("withheld_cells"), words)]
    rows += [(page.text("reasons"), _join(page, listed))] if listed else []
    if review.exposed and review.issued:
        rows.append((page.text("exposed"), wording.format_count(review.exposed)))
    return rows


def failures_table(page: HeadquartersPage) -> Table | None:
    """Return the branches without a report and why, failed ones first; None when all have one."""
    pages = page.review.pages.sort_values("state", kind="stable")
    failures = pages[pages["state"] != "made"].head(_MOST_ROWS)
    return _table(page, "failures", _print_rows(page, failures, "branch state error"))


def restatements_table(page: HeadquartersPage) -> Table | Remark | None:
    """Return what reads otherwise today of the last issued quarter, the largest change first.

    Where that is much, a row per measure: of how many branches, and the largest change of them. One
    whose two figures print alike is counted alone: it tells a reader nothing.
    """
    restated = page.review.restatements
    if restated.empty:
        return None
    printed = _print_rows(page, restated, "issued restated")
    told = restated[[row["issued"] != row["restated"] for row in printed]]
    size = (told["restated"] / told["issued"].where(told["issued"] != 0) - 1).abs()
    order = ["size", "branch_id", "measure", "base", "member"]
    told = told.assign(size=-size.fillna(np.inf)).sort_values(order, kind="stable")
    columns, alike = "quarter branch measure issued restated", len(restated) - len(told)
    note = page.of_issue("compared_issue")
    note += page.text("restated_note", count=len(restated), alike=alike)
    if len(told) > _MOST_RESTATED:
        columns, told = "quarter measure branches branch issued restated", _by_measure(told)
        note += page.text("restated_by_measure")
    rows = _print_rows(page, told.head(_MOST_RESTATED), columns)
    return _table(page, "restatements", rows, note=note) or Remark(note)


def _by_measure(restated: pd.DataFrame) -> pd.DataFrame:
    """Return the largest restatement of each measure, with the number of branches that have one."""
    key = ["quarter", "measure", "base", "member"]
    of_bank = restated["branch_id"] == WHOLE_BANK
    branches = (~of_bank).groupby([restated[name] for name in key], dropna=False).transform("sum")
    gap = (restated["restated"] - restated["issued"]).abs()
    told = restated.assign(branches=branches, of_bank=of_bank, gap=gap)
    order = ["branches", "of_bank", "gap"]  # the bank's own only where no branch has one
    return told.sort_values(order, ascending=[False, True, False]).drop_duplicates(key)


def note_words(page: HeadquartersPage, note: str) -> str:
    """Return a scorecard's notes in words; what has none, such as a veto's name, as it is."""
    named = ([page.label(part, "score_note") for part in one.split(":")] for one in note.split())
    notes = map(page.text("colon", "page").join, named)
    return page.text("semicolon", "sentence").join(notes)
