"""The quarter's index: one HTML file that works from a file share, without any network.

The table stands in the file as plain HTML; the DataTables library that `itables` brings, embedded
whole, makes it sort, search and filter. The same review gives the same bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from stockcust_analysis.atomic import write_text
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show import headquarters_tables as tables
from stockcust_analysis.show.blocks import MISSING
from stockcust_analysis.show.headquarters_page import HeadquartersPage, leading
from stockcust_analysis.show.headquarters_tables import (
    ordered_scores,
    peer_name,
    score_cells,
    score_columns,
    type_name,
)
from stockcust_analysis.show.pages import rows_of
from stockcust_analysis.show.wording import (
    SUPPRESSED,
    assumptions,
    format_measure,
    measure_words,
    money_unit,
    names,
)

TEMPLATES: Final = Path(__file__).with_name("templates") / "html"
_SHOWN: Final = (
    ("aum_average_quarter", "funded"), ("customers", "funded"), ("customer_retention", "funded"),
    ("dormancy_rate", "all"), ("multi_product_share", "funded"), ("contact_coverage", "managed"),
)  # fmt: skip
_LAST: Final = 1e9
"""Where a withheld figure is sorted: behind all others."""
_MOST_INTERVALS: Final = 2


@dataclass(frozen=True)
class Shown:
    """One cell: its text, the number it is sorted by, a picture beside it."""

    text: str
    order: float | None = None
    number: bool = False
    picture: str = ""


def write_index(
    path: Path, page: HeadquartersPage, *, status: str, links: Mapping[str, str],
    others: Mapping[str, str],
) -> None:  # fmt: skip
    """Write the index.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    page
        The review and its language.
    status
        "draft", "reviewed" or "issued".
    links
        Branch → the path of its report, or of what is left of one that failed, seen from the index.
    others
        Headquarters' other files: what they are called → their path.
    """
    words = {key: page.text(key, "index") for key in names("index")}
    told = page.review.evaluation
    exceptions, failures = tables.exceptions_table(page), tables.failures_table(page)
    columns, rows = _narrowed(_columns(page), _rows(page, links))
    state = page.text(status, "review_status")
    policy = told.policy_facts
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    html = environment.get_template("index.html.j2").render(
        language=page.language, organisation=told.bank_name, quarter=page.quarter,
        status=state, edition=page.edition, subtitle=hq.cover(page).subtitle,
        print_line=_css_text(f"{told.bank_name} · {page.quarter} · {page.edition} · {state}"),
        as_of=told.quarter.end.isoformat(),
        words={**words, "title": page.text("index_title"), "bank": page.text("bank", "word"),
               "pages": page.text("pages_made"), "pages_told": tables.pages_words(page)},
        files=[{"name": name, "path": quote(at)} for name, at in others.items()],
        figures=hq.key_figures(page).payload()["figures"],
        sentences=hq.review_conclusions(page).sentences,
        exceptions=exceptions and exceptions.payload(), failures=failures and failures.payload(),
        filters=_filters(columns, rows), columns=columns, rows=rows,
        notes=[
            *assumptions(policy, page.language),
            *filter(None, [page.text("interval_note", "index"), page.gap_note("withheld_note")]),
        ],
        policy=f"{policy['name']} {policy['version']} ({policy['digest'][:12]})",
        css=_own("index.css"), script=_own("index.js"),
        table_css=_library("css").decode(), library=b64encode(_library("js")).decode(),
        table_words=json.dumps(_table_words(words), ensure_ascii=False).replace("<", "\\u003c"),
    )  # fmt: skip
    write_text(path, html)


def _columns(page: HeadquartersPage) -> list[dict[str, Any]]:
    """Return the table's columns: names, whether numbers, whether a filter chooses from them."""
    words = [(page.text("branch", "hq_header"), "search")]
    words += [(page.text(key, "sheet"), "choose") for key in ("region", "type")]
    words.append((page.text("peer_group", "hq_header"), "choose"))
    numbers = [page.text(key, "hq_header") for key in score_columns(page)]
    numbers += [f"{page.text('places_in', 'index')} {page.measure(measure)}"
                for measure, _ in leading(page)[:_MOST_INTERVALS]]  # fmt: skip
    numbers += [_with_unit(page, measure) for measure, _ in _SHOWN]
    numbers.append(page.text("trend", "index"))
    end = [
        (page.text("exceptions_n", "index"), "number"),
        (page.text("state", "hq_header"), "choose"),
    ]
    return [
        {"label": label, "number": role == "number", "choose": role == "choose"}
        for label, role in [*words, *((each, "number") for each in numbers), *end]
    ]


def _rows(page: HeadquartersPage, links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a row for each branch, as the league table orders them."""
    branches = page.review.evaluation.branches.set_index("branch_id")
    scores = ordered_scores(page) if len(page.review.evaluation.scores) else pd.DataFrame(
        {"branch_id": list(branches.index)})  # fmt: skip
    states = dict(page.review.pages[["branch_id", "state"]].itertuples(index=False, name=None))
    found = page.exceptions["branch_id"].value_counts()
    intervals = [_intervals(page, *pair) for pair in leading(page)[:_MOST_INTERVALS]]
    rows, columns = [], score_columns(page)
    for row in rows_of(scores):
        branch = row.branch_id
        facts, state = branches.loc[branch], states.get(branch, "missing")
        scored = zip(score_cells(row, columns), columns, strict=True)
        cells = [
            Shown(page.names[branch]), Shown(str(facts.get("region", ""))),
            Shown(type_name(page, facts.get("type", ""))),
            Shown(peer_name(page, str(getattr(row, "peer_group", "all")))),
            *(_number(text, getattr(row, name))
              for text, name in scored),
            *(each.get(branch, _number(MISSING, None)) for each in intervals),
            *(_figure(page, branch, *pair) for pair in _SHOWN), _trend(page, branch),
            _number(str(found.get(branch, 0)), float(found.get(branch, 0))),
            Shown(page.text(state, "page_state")),
        ]  # fmt: skip
        link = links.get(branch)
        rows.append({"cells": cells, "link": link and quote(link), "problem": state != "made"})
    return rows


def _narrowed(
    columns: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Leave out the columns to choose from that say the same of every branch; the last stays."""
    kept = [
        at for at, column in enumerate(columns)
        if not column["choose"] or at == len(columns) - 1
        or len({row["cells"][at].text for row in rows}) > 1
    ]  # fmt: skip
    told = [row | {"cells": [row["cells"][at] for at in kept]} for row in rows]
    return [columns[at] for at in kept], told


def _css_text(text: str) -> str:
    """Return a text as a CSS string: every character that could end it by its number."""
    return '"' + "".join(each if each.isalnum() or each in " ·-" else f"\\{ord(each):x} "
                         for each in text) + '"'  # fmt: skip


def _number(text: str, value: Any) -> Shown:
    order = _LAST if value is None or pd.isna(value) else float(value)
    return Shown(text, order, number=True)


def _figure(page: HeadquartersPage, branch: str, measure: str, base: str) -> Shown:
    """Return one figure of a branch, in the column's unit."""
    value = page.cell(measure, base, branch_id=branch)
    text = format_measure(value, measure, unit=_unit(page, measure))
    return _number(text, value if isinstance(value, float) else None)


def _unit(page: HeadquartersPage, measure: str) -> Any:
    """Return one unit for a column: that of a typical branch."""
    if measure_words(measure).kind != "money":
        return None
    whole = page.cell(measure, "funded")
    typical = whole / max(len(page.names), 1) if isinstance(whole, float) else 1e7
    return money_unit([typical], page.language)


def _with_unit(page: HeadquartersPage, measure: str) -> str:
    unit = _unit(page, measure)
    return page.measure(measure) + (f" ({unit.name})" if unit else "")


def _intervals(page: HeadquartersPage, measure: str, base: str) -> dict[str, Shown]:
    """Return for each branch the places that are compatible with chance, drawn."""
    rows = page.review.evaluation.comparison
    own = rows[(rows["measure"] == measure) & (rows["base"] == base) & ~rows["withheld"]]
    own = own.dropna(subset="rank")  # Too few customers for a place
    return {
        row.branch_id: Shown(
            f"{row.rank_low:.0f}–{row.rank_high:.0f}", float(row.rank_low + row.rank_high),
            number=True, picture=_interval_svg(row.rank_low, row.rank_high, row.rank_of),
        )
        for row in rows_of(own)
    }  # fmt: skip


def _interval_svg(low: float, high: float, last: float) -> str:
    """Return a bar from the best to the worst place among all; the words stand beside it."""
    scale = 72 / max(last - 1, 1)
    left, width = 4 + (low - 1) * scale, max((high - low) * scale, 2)
    return (
        '<svg width="80" height="12" aria-hidden="true">'
        '<line x1="4" x2="76" y1="6" y2="6" stroke="#c4ccd4"/>'
        f'<rect x="{left:.1f}" y="3" width="{width:.1f}" height="6" fill="#2e6a9e"/></svg>'
    )


def _trend(page: HeadquartersPage, branch: str) -> Shown:
    """Return five quarters of a branch's assets as a line; "*" where one is withheld."""
    quarter = page.review.evaluation.quarter
    values = [
        page.cell("aum_average_quarter", "funded", branch_id=branch, quarter=str(each))
        for each in (quarter.shifted(-back) for back in (4, 3, 2, 1, 0))
    ]
    known = [value for value in values if isinstance(value, float)]
    if len(known) < len(values) or min(known) <= 0:
        return _number(SUPPRESSED if SUPPRESSED in values else MISSING, None)
    change = known[-1] / known[0] - 1
    low, spread = min(known), (max(known) - min(known)) or 1.0
    points = " ".join(f"{4 + 18 * at:.0f},{14 - 12 * (value - low) / spread:.1f}"
                      for at, value in enumerate(known))  # fmt: skip
    svg = (
        '<svg width="80" height="16" aria-hidden="true">'
        f'<polyline points="{points}" fill="none" stroke="#1b4f72" stroke-width="1.5"/></svg>'
    )
    return Shown(f"{change:+.1%}", change, number=True, picture=svg)


def _filters(columns: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what can be chosen from, for the columns that are chosen by and say several things."""
    found = []
    for at, column in enumerate(columns):
        choices = list(dict.fromkeys(row["cells"][at].text for row in rows))
        if column["choose"] and len(choices) > 1:
            found.append({"label": column["label"], "column": at, "choices": choices})
    return found


def _table_words(words: Mapping[str, str]) -> dict[str, Any]:
    """Return the table library's words in the page's language."""
    sort = {"orderable": words["sort"], "orderableReverse": words["sort_reverse"],
            "orderableRemove": words["sort_remove"]}  # fmt: skip
    return {
        "search": words["search"], "info": words["info"], "infoEmpty": words["info_empty"],
        "infoFiltered": words["info_filtered"], "zeroRecords": words["nothing"],
        "emptyTable": words["nothing"], "aria": sort,
    }  # fmt: skip


@cache
def _own(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _library(kind: str) -> bytes:
    """Return the table library's script or style as `itables` ships it."""
    return (files("itables") / "html" / f"dt_bundle.{kind}").read_bytes()
