"""The quarter's index: one HTML file that works from a file share, without any network.

The table stands in the file as plain HTML; the DataTables library that `itables` brings, embedded
whole, makes it sort, search and filter. The same review gives the same bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from stockcust_analysis.core.files import write_text
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show import headquarters_tables as tables
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import MISSING
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.page_data import rows_of

_SHARES: Final = ("retention", "idle", "multi_product", "contacted")
"""Shares of the branch table that stand here, too."""
_SCORES: Final = {"rank": wording.format_count, "points": wording.format_points}
_TEMPLATES: Final = Path(__file__).with_name("templates") / "html"
_LAST: Final = 1e9
"""Where a figure that is withheld, or that does not exist, is sorted: behind all others."""
_MOST_INTERVALS: Final = 2


@dataclass(frozen=True)
class _Cell:
    """One cell: its text, the number it is sorted by, a picture beside it."""

    text: str
    order: float | None = None
    picture: str = ""


@dataclass(frozen=True)
class _Column:
    """One column; of some the reader chooses which of the cells' texts are shown."""

    label: str
    cells: Sequence[_Cell]
    number: bool = True
    choose: bool = False

    @property
    def choices(self) -> list[str]:
        """What can be chosen from; nothing where all branches say the same."""
        texts = list(dict.fromkeys(cell.text for cell in self.cells))
        return texts if self.choose and len(texts) > 1 else []


def write_index(
    path: Path,
    page: HeadquartersPage,
    *,
    status: str,
    signed: str = "",
    links: Mapping[str, str],
    others: Mapping[str, str],
) -> None:
    """Write the index.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    page
        The review and its language.
    status, signed
        "draft", "reviewed" or "issued", and who gave it, in words.
    links
        Branch → the path of its report, or of what is left of one that failed, seen from the index.
    others
        Headquarters' other files: what they are called → their path.
    """
    evaluation, state = page.review.evaluation, page.text(status, "review_status")
    words, table_words, sort_words = (
        {key: page.text(key, section) for key in wording.names(section)}
        for section in ("index", "index_table", "index_sort")
    )
    json_words = json.dumps({**table_words, "aria": sort_words}, ensure_ascii=False)
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    html = environment.get_template("index.html.j2").render(
        page=page,
        evaluation=evaluation,
        status=state,
        signed=signed,
        subtitle=hq.cover(page).subtitle,
        print_line=_css_text(
            f"{evaluation.bank_name} · {page.quarter} · {page.edition_line} · {state}"
        ),
        words={**words, "title": page.text("index_title")},
        files=[{"name": name, "path": quote(file)} for name, file in others.items()],
        figures=hq.key_figures(page).figures,
        sentences=hq.review_conclusions(page).sentences,
        exceptions=tables.exceptions_table(page),
        pages_words=tables.pages_words(page),
        failures=tables.failures_table(page),
        **_branch_table(page, links),
        css=(_TEMPLATES / "index.css").read_text("utf-8"),
        script=(_TEMPLATES / "index.js").read_text("utf-8"),
        table_css=_library("css").decode(),
        library=b64encode(_library("js")).decode(),
        table_words=json_words.replace("<", "\\u003c"),
    )
    write_text(path, html)


def _branch_table(page: HeadquartersPage, links: Mapping[str, str]) -> dict[str, Any]:
    """Return the table of branches, farthest behind plan first: columns, filters, rows, notes."""
    evaluation, intervals = page.review.evaluation, _intervals(page)
    figures = pd.DataFrame(tables.branch_rows(page)[:-1], dtype=object)
    for name, table, unknown in (
        ("peer_group", evaluation.scores, "all"),
        ("state", page.review.pages, "missing"),
    ):
        known = dict(table.reindex(columns=["branch_id", name]).to_numpy())
        figures[name] = [known.get(branch, unknown) for branch in figures["branch_id"]]
    branches, states = figures["branch_id"], figures["state"]
    *columns, state = _columns(page, figures, intervals)
    columns = [column for column in columns if column.choices or not column.choose] + [state]
    rows = [
        {
            "cells": cells,
            "link": quote(links[branch]) if branch in links else None,
            "problem": made != "made",
        }
        for branch, made, *cells in zip(branches, states, *(c.cells for c in columns), strict=True)
    ]
    filters = [(i, column) for i, column in enumerate(columns) if column.choices]
    compared = evaluation.comparison
    compared = compared[compared["centre"].notna() & ~compared["withheld"]]
    compared = compared[compared["measure"].isin([name for name, _ in intervals])]
    notes = [
        *wording.assumptions(evaluation.policy_facts, page.language),
        page.text("interval_note", "index") if intervals else "",
        page.text("unranked") if compared["rank_low"].isna().any() else "",
        page.gap_note("withheld_note"),
    ]
    return {"columns": columns, "rows": rows, "filters": filters, "notes": filter(None, notes)}


def _columns(
    page: HeadquartersPage, figures: pd.DataFrame, intervals: Sequence[tuple[str, str]]
) -> list[_Column]:
    """Return the table's columns: assets, plan and rates first, the page's state last."""
    branches, header = list(figures["branch_id"]), partial(page.text, within="hq_header")
    facts = page.review.evaluation.branches.set_index("branch_id")
    facts = facts.reindex(columns=["region", "type"], fill_value="").loc[branches]
    types = [page.label(str(kind), "branch_type") for kind in facts["type"]]
    peers = [hq.peer_name(page, str(group)) for group in figures["peer_group"]]
    trends = [_trend(page, branch) for branch in branches]
    customers = [page.value("customers", base="funded", branch_id=branch) for branch in branches]
    unfavourable = [_number(str(n), n or 0) for n in figures["unfavourable"]]
    whole = page.value(wording.AVERAGE, base="funded")
    typical = whole / max(len(branches), 1) if isinstance(whole, float) else 1e7
    unit, known = wording.money_unit([typical], page.language), tables.score_columns(page)
    assets = f"{page.measure(wording.AVERAGE)} ({unit.name})"
    attained = _numbers(header("attained"), figures["attained"], page.format_attained)
    return [
        _words(header("branch"), [page.names[b] for b in branches], choose=False),
        _numbers(assets, figures["aum"], partial(wording.format_money, unit=unit)),
        *([attained] if page.attainments.get(wording.AVERAGE) else []),
        _Column(page.text("trend", "index"), trends),
        _numbers(header("funded_customers"), customers, wording.format_count),
        *(_numbers(header(n), figures[n], wording.format_share) for n in _SHARES),
        _Column(header("unfavourable"), unfavourable),
        *(_numbers(header(n), figures[n], _SCORES[n]) for n in _SCORES if n in known),
        *(_interval_column(page, branches, *measure) for measure in intervals),
        _words(header("peer_group"), peers),
        _words(page.text("region", "sheet"), facts["region"]),
        _words(page.text("type", "sheet"), types),
        _words(header("state"), [page.text(s, "page_state") for s in figures["state"]]),
    ]


def _words(label: str, texts: Iterable[object], *, choose: bool = True) -> _Column:
    return _Column(label, [_Cell(str(text)) for text in texts], number=False, choose=choose)


def _number(text: str, value: Any, picture: str = "") -> _Cell:
    known = not (value is None or isinstance(value, str) or pd.isna(value))
    return _Cell(text, float(value) if known else _LAST, picture)


def _numbers(label: str, values: Iterable[Any], show: Callable[[Any], str]) -> _Column:
    return _Column(label, [_number(show(value), value) for value in values])


def _intervals(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return the measures, with their bases, whose ranks are drawn: those that tell apart."""
    leading = hq.leading(page)[:_MOST_INTERVALS]
    return [pair for pair in leading if hq.has_distinct_ranks(page, *pair)]


def _interval_column(
    page: HeadquartersPage, branches: list[str], measure: str, base: str
) -> _Column:
    """Return for each branch the ranks that are compatible with chance, drawn."""
    rows = page.review.evaluation.comparison
    own = rows[(rows["measure"] == measure) & (rows["base"] == base) & ~rows["withheld"]]
    cells = {
        row.branch_id: _number(
            f"{row.rank_low:.0f}–{row.rank_high:.0f}",
            row.rank_low + row.rank_high,
            _interval_svg(row.rank_low, row.rank_high, row.rank_of),
        )
        for row in rows_of(own.dropna(subset=["rank_low", "rank_high"]))
    }
    label = f"{page.text('places_in', 'index')} {page.measure(measure)}"
    return _Column(label, [cells.get(branch, _number(MISSING, None)) for branch in branches])


def _interval_svg(low: float, high: float, last: float) -> str:
    """Return a bar from the best to the worst rank among all; the words stand beside it."""
    scale = 72 / max(last - 1, 1)
    left, width = 4 + (low - 1) * scale, max((high - low) * scale, 2)
    return (
        '<svg width="80" height="12" viewBox="0 0 80 12" aria-hidden="true">'
        '<line x1="4" x2="76" y1="6" y2="6" stroke="#c4ccd4"/>'
        f'<rect x="{left:.1f}" y="3" width="{width:.1f}" height="6" fill="#2e6a9e"/></svg>'
    )


def _trend(page: HeadquartersPage, branch: str) -> _Cell:
    """Return five quarters of a branch's assets as a line; "*" where one is withheld."""
    quarter, own = page.review.evaluation.quarter, {"base": "funded", "branch_id": branch}
    values = [
        page.value(wording.AVERAGE, quarter=str(quarter.shifted(-back)), **own)
        for back in (4, 3, 2, 1, 0)
    ]
    known = [value for value in values if isinstance(value, float)]
    if len(known) < len(values) or min(known) <= 0:
        return _number(wording.SUPPRESSED if wording.SUPPRESSED in values else MISSING, None)
    change = known[-1] / known[0] - 1
    low, spread = min(known), (max(known) - min(known)) or 1.0
    points = " ".join(
        f"{4 + 18 * i:.0f},{14 - 12 * (value - low) / spread:.1f}" for i, value in enumerate(known)
    )
    svg = (
        '<svg width="80" height="16" viewBox="0 0 80 16" aria-hidden="true">'
        f'<polyline points="{points}" fill="none" stroke="#1b4f72" stroke-width="1.5"/></svg>'
    )
    return _number(f"{change:+.1%}", change, svg)


def _css_text(text: str) -> str:
    """Return a text as a CSS string: every character that could end it by its number."""
    letters = (c if c.isalnum() or c in " ·-" else f"\\{ord(c):x} " for c in text)
    return f'"{"".join(letters)}"'


def _library(kind: str) -> bytes:
    """Return the table library's script or style as `itables` ships it."""
    return (files("itables") / "html" / f"dt_bundle.{kind}").read_bytes()
