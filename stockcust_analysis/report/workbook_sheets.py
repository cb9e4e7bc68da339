"""What the sheets of headquarters' workbook say: the bank, branches side by side, the run.

Each sheet is a table and a list of fields: from which column of the table its cells come, how they
are shown, under which header. Money is in ten thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.concentration import MEASURES
from stockcust_analysis.policy.describe import LintWarning
from stockcust_analysis.report.workbook import Column, Sheet, write_sheets
from stockcust_analysis.show import headquarters_tables as tables
from stockcust_analysis.show.blocks import MISSING
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.pages import rows_of
from stockcust_analysis.show.wording import (
    SUPPRESSED,
    assumptions,
    change_between,
    measure_words,
    names,
)

_TEN_THOUSAND: Final = 10_000
_BY_KIND: Final = {
    "money": "wan",
    "count": "count",
    "share": "share",
    "ratio": "plain",
    "index": "index",
}
# How figures are written that are shown as the measure of their row is.
_FORMATS: Final[dict[str, dict[str, str]]] = {
    "figure": _BY_KIND,
    "whole_figure": {**_BY_KIND, "money": "cny"},
    "change": {kind: f"change_{kind}" for kind in _BY_KIND},
}
_OVERVIEW: Final = (
    ("aum_average_quarter", "funded"),
    ("customers", "funded"),
    ("customer_retention", "funded"),
    ("silent_rate", "funded"),
    ("dormancy_rate", "all"),
    ("multi_product_share", "funded"),
    ("contact_coverage", "managed"),
    ("aum_period_end", "funded"),
    ("aum_per_customer", "funded"),
    ("products_per_customer", "funded"),
    ("ten_largest_share", "funded"),
)


@dataclass(frozen=True)
class _Field:
    """One column of a sheet.

    `key` and `section` name its header, `column` the table's column (by default of the same name).
    `show` is a format of the workbook, one of `_FORMATS`, "own" (the row's own format), "code" (the
    word for it in the section `codes`, by default the key), or one of the look-ups of `_Sheets`.
    `good` and `bad` are codes that are coloured.
    """

    key: str
    show: str = "text"
    column: str = ""
    section: str = "hq_header"
    codes: str = ""
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    width: float = 0
    bars: bool = False


def _fields(show: str, *keys: str) -> list[_Field]:
    """Return fields that are shown alike, under the headers of the workbook's own section."""
    return [_Field(key, show, section="sheet") for key in keys]


_BRANCH: Final = (
    _Field("branch_id", section="sheet"),
    _Field("branch", "branch", column="branch_id"),
)
_REGION: Final = tuple(
    _Field(name, name, column="branch_id", section="sheet") for name in ("region", "type")
)
_CODE: Final = _Field("code", column="measure", section="sheet")
_MEASURE: Final = (_Field("measure", "measure"), _Field("base", "code"))
_UNIT: Final = _Field("unit", "unit", column="measure", section="header")
_MEMBER: Final = _Field("member", "member", section="sheet")
_PEERS: Final = _Field("peer_group", "peers")
_NOTE: Final = _Field("note", "note", section="sheet")
_POINTS: Final = _Field("points", "points", bars=True)
_EXCEPTIONS: Final = (
    *_BRANCH,
    *_MEASURE,
    _UNIT,
    _Field("value", "figure"),
    _Field("centre", "figure"),
    _Field("z", "z"),
    _Field("evidence", "code"),
    _Field("favourable", "code", good=("yes",), bad=("no",)),
)
_DECOMPOSITION: Final = (
    *_BRANCH,
    _Field("measure", "indicator", column="indicator"),
    _Field("method", "code", section="sheet"),
    _UNIT,
    _Field("value", "figure"),
    _Field("plan", "figure", column="target"),
    _Field("score_target_source", "code", "target_source", "header", codes="target_source"),
    _Field("attained", "share", column="attainment"),
    _Field("score_weight", "points", column="weight", section="header"),
    *_fields("points", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group"),
    _POINTS,
    _NOTE,
)
_FAR: Final = ("far_above", "far_below")
_COMPARISON: Final = (
    *_BRANCH,
    _PEERS,
    *_MEASURE,
    _UNIT,
    _Field("customers", "count", column="n"),
    *_fields("figure", "value", "compared", "centre", "lower_95", "upper_95", "lower_998"),
    *_fields("figure", "upper_998", "shrunk_value", "movement", "movement_standard_error"),
    _Field("z", "z"),
    _Field("verdict", "code", section="sheet", codes="comparison_verdict", good=_FAR),
    *_fields("count", "rank_low", "rank_high"),
    *_fields("plain", "expected_ratio"),
)
_MIGRATION: Final = (
    *_BRANCH,
    _Field("from", "tier"),
    _Field("to", "tier", section="sheet"),
    _Field("customers", "count"),
    *_fields("wan", "opening_aum", "closing_aum"),
)
# Money stands in CNY here, whole as in the CSV.
_LONG: Final = (
    _Field("quarter"),
    *_BRANCH,
    _CODE,
    _Field("measure", "measure"),
    *_fields("text", "dimension"),
    _MEMBER,
    _Field("base", "code"),
    *_fields("count", "n"),
    *_fields("plain", "numerator", "denominator"),
    *_fields("whole_figure", "value"),
)
_RESTATEMENTS: Final = (
    _Field("quarter"),
    *_BRANCH,
    _Field("measure", "measure"),
    _MEMBER,
    _Field("base", "code"),
    _UNIT,
    _Field("issued", "figure"),
    _Field("restated", "figure"),
)
_QUALITY: Final = (
    _Field("item"),
    _Field("result", "long", width=70),
    _Field("number", "own", section="sheet"),
)
_PAGES: Final = (
    *_BRANCH,
    _Field("state", "code", codes="page_state", bad=("failed", "missing")),
    _Field("error", "long", width=80),
)
_ENTRY_TEXTS: Final = ("formula", "edge_cases", "source")


def write_workbook(path: Path, page: HeadquartersPage, *, status: str) -> None:
    """Write headquarters' workbook; a question without an answer has no sheet.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    page
        The review and its language.
    status
        "draft", "reviewed" or "issued": on the first line of every sheet, and printed below.
    """
    evaluation = page.review.evaluation
    state = page.text("status_line").format(status=page.text(status, "review_status"))
    sheets = _Sheets(page)
    write_sheets(
        path,
        [
            sheets.overview(),
            sheets.sheet(
                "exceptions", page.exceptions, _EXCEPTIONS, note=page.text("exceptions_note")
            ),
            sheets.scores(),
            sheets.decomposition(),
            sheets.comparison(),
            sheets.migration(),
            sheets.bridge(),
            sheets.concentration(),
            sheets.measures(),
            sheets.quality(),
            sheets.sheet("pages", page.review.pages, _PAGES, frozen=2),
            sheets.sheet("restatements", page.review.restatements, _RESTATEMENTS, frozen=3),
            sheets.definitions(),
        ],
        title=f"{evaluation.bank_name} · {page.text('title')} · {page.quarter}",
        state=f"{page.edition_line} · {state}",
        company=evaluation.bank_name,
        created=evaluation.quarter.end,
    )


class _Sheets:
    """The sheets of one review in the words of its page."""

    def __init__(self, page: HeadquartersPage) -> None:
        self._page, self._evaluation = page, page.review.evaluation
        branches = self._evaluation.branches.set_index("branch_id")
        facts = branches.reindex(columns=["region", "type"]).fillna("").to_dict()
        dimensions = map(page.members, ("customer_class", "channel", "family", "tier"))
        members = {code: word for dimension in dimensions for code, word in dimension.items()}
        states = {state: page.text(state, "state") for state in names("state")}
        tiers, bank = {**page.members("tier"), **states}, page.text("bank", "word")
        self._look_ups: dict[str, Callable[[Any], str]] = {
            "branch": lambda branch_id: str(page.names.get(branch_id, bank)),
            "region": lambda branch_id: str(facts["region"].get(branch_id, "")),
            "type": lambda branch_id: tables.type_name(page, facts["type"].get(branch_id, "")),
            "measure": page.measure,
            "indicator": lambda pair: page.measure(*pair),
            "unit": self._unit,
            "member": lambda code: members.get(code, code),
            "tier": tiers.__getitem__,
            "peers": lambda group: tables.peer_name(page, group),
            "note": lambda note: tables.note_words(page, note),
        }

    def sheet(self, key: str, table: pd.DataFrame, fields: Iterable[_Field], **more: Any) -> Sheet:
        """Return a sheet of a table's rows; one without rows has no columns either."""
        columns = [] if table.empty else [self._column(table, field) for field in fields]
        name, caption = (self._page.text(key, f"sheet_{part}") for part in ("name", "caption"))
        return Sheet(name, caption, columns, **more)

    def overview(self) -> Sheet:
        """Return the bank's numbers with their changes, plan, and five quarters as a line."""
        page, quarter = self._page, self._evaluation.quarter
        quarters = [str(quarter.shifted(-back)) for back in (4, 3, 2, 1, 0)]
        earlier = {
            "previous_quarter": quarter.previous,
            "year_ago": quarter.year_ago,
            "year_start": quarter.year_start,
        }

        def figures(of: object) -> list[Any]:
            return [page.cell(measure, base, quarter=str(of)) for measure, base in _OVERVIEW]

        table = pd.DataFrame(_OVERVIEW, columns=["measure", "base"], dtype=object)
        kinds, now, plans = _kinds(table["measure"]), figures(quarter), self._bank_plans()
        shares = [
            value / plan if plan and isinstance(value, float) else None
            for value, plan in zip(now, plans, strict=True)
        ]
        columns: dict[str, list[Any]] = {"plan": plans, "attained": shares}
        columns |= {name: figures(name) for name in quarters}
        for name, before in earlier.items():
            columns[name] = list(map(_change, now, figures(before), kinds))
        table = table.join(pd.DataFrame(columns, dtype=object)).assign(trend=None)
        fields = (
            *_MEASURE,
            _UNIT,
            _Field("value", "figure", column=quarters[-1]),
            *(_Field(name, "change", section="comparison") for name in earlier),
            _Field("plan", "figure"),
            _Field("attained", "share"),
            *(_Field(name, "figure", section="") for name in quarters),
            _Field("trend", section="sheet", width=16),
        )
        note = "".join([*self._assumptions(), page.text("plan_note")])
        return self.sheet("overview", table, fields, note=note, trend=(9, 13))

    def scores(self) -> Sheet:
        """Return the scores and ranks, as the review orders them."""
        page = self._page
        shown, table = tables.score_columns(page), tables.ordered_scores(page)
        table = mark_withheld(table, table["rank_of"].notna(), shown)
        fields = (
            *_BRANCH,
            *_REGION,
            _PEERS,
            *(_POINTS if name == "points" else _Field(name, "count") for name in shown),
            _Field("scored", "count", column="rank_of"),
            _NOTE,
        )
        note = page.gap_note("score_gaps", after=page.text("score_note"))
        return self.sheet("scores", table, fields, frozen=2, note=note)

    def decomposition(self) -> Sheet:
        """Return how every point of every branch is made."""
        table = self._evaluation.scorecard
        if not table.empty:
            table = mark_withheld(table, table["withheld"])
            pairs = zip(table["measure"], table["base"], strict=True)
            indicators = pd.Series(list(pairs), index=table.index)
            table = table.assign(indicator=indicators, note=table["note"].fillna(""))
        return self.sheet("decomposition", table, _DECOMPOSITION, frozen=3)

    def comparison(self) -> Sheet:
        """Return each branch among its peers, in every measure that is compared."""
        page, table = self._page, self._evaluation.comparison
        gone = table.groupby(["measure", "base"])["withheld"].transform("any").astype(bool)
        unranked, ranks = table["rank_low"].isna() & ~gone, ["rank_low", "rank_high"]
        table = mark_withheld(table, gone)
        table[ranks] = table[ranks].mask(unranked, MISSING)
        note = page.gap_note("comparison_gaps", after=page.text("comparison_note", "sheet"))
        note += f" {page.text('unranked')}" if unranked.any() else ""
        return self.sheet("comparison", table, _COMPARISON, frozen=4, note=note)

    def migration(self) -> Sheet:
        """Return the migration of the bank and of its branches, a row per pair of tiers."""
        table = self._evaluation.migration
        table = mark_withheld(table, table["withheld"])
        return self.sheet("migration", table, _MIGRATION, frozen=4)

    def bridge(self) -> Sheet:
        """Return every branch's bridge, a row each, the bank first, with new against existing."""
        page, table = self._page, self._evaluation.bridge
        components, sums = list(names("component")), ["new", "existing"]
        branches = table["branch_id"].drop_duplicates()
        gone = table.loc[table["withheld"], "branch_id"]
        steps = tables.growth_steps(page).set_index("branch_id")
        withheld = branches.isin(gone) & branches.isin(steps.index)
        totals = mark_withheld(steps.reindex(branches), withheld.to_numpy())
        rows = (
            mark_withheld(table, table["withheld"])
            .pivot(index="branch_id", columns="component", values="amount")
            .reindex(index=branches, columns=components)
            .join(totals[sums].add_prefix("sum of "))
        )
        fields = (
            *_BRANCH,
            *(_Field(name, "wan", section="component") for name in components),
            *(_Field(name, "wan", column=f"sum of {name}") for name in sums),
        )
        note = page.text("wan", "sheet")
        return self.sheet("bridge", rows.reset_index(), fields, frozen=2, note=note)

    def concentration(self) -> Sheet:
        """Return how concentrated the assets of the bank and of each branch are."""
        page = self._page
        measures = [measure.name for measure in MEASURES]
        branches = [WHOLE_BANK, *self._evaluation.branches["branch_id"]]
        figures = {
            measure: [page.cell(measure, "funded", branch_id=branch) for branch in branches]
            for measure in measures
        }
        table = pd.DataFrame({"branch_id": branches, **figures}, dtype=object)
        kinds = zip(measures, _kinds(measures), strict=True)
        fields = (*_BRANCH, *(_Field(m, _BY_KIND[kind], section="measure") for m, kind in kinds))
        return self.sheet(
            "concentration",
            table,
            fields,
            frozen=2,
            chart=len(_BRANCH) + measures.index("top_20_share"),
            note=page.text("concentration_note", "sheet"),
        )

    def measures(self) -> Sheet:
        """Return the long sheet of the quarter's figures, for pivots."""
        page, table = self._page, self._evaluation.measures
        table = table[table["quarter"] == page.quarter].reset_index(drop=True)
        table = mark_withheld(mark_withheld(table, True, ["n"]), table["withheld"])
        note = page.gap_note("withheld_note", after=page.text("measures_note", "sheet"))
        return self.sheet("measures", table, _LONG, frozen=5, note=note)

    def quality(self) -> Sheet:
        """Return how the tables agree, what is withheld and what the scorecard's rules warn of."""
        page, review = self._page, self._page.review
        checks = self._evaluation.reconciliation[["check", "difference"]].to_numpy()
        rows: list[tuple[str, str, Any, str]] = [
            (page.text(check, "reconciliation"), "", float(difference), "cny")
            for check, difference in checks
        ]
        gone = review.report
        for row in rows_of(gone[(gone["quarter"] == page.quarter) & (gone["reason"] != "printed")]):
            kind = page.text(row.kind, "withheld_kind")
            reason = page.text(row.reason, "withheld_reason")
            rows.append(
                (page.text("withheld_cells"), f"{kind} · {reason}", int(row.cells), "count")
            )
        for row in rows_of(review.warnings):
            item = page.text("overridden" if row.reason else "warned")
            rows.append((item, LintWarning(*row).text(page.language), None, "count"))
        table = pd.DataFrame(rows, columns=["item", "result", "number", "format"], dtype=object)
        return self.sheet("quality", table, _QUALITY)

    def definitions(self) -> Sheet:
        """Return the codebook's entries for every measure in the workbook."""
        page = self._page
        codes = list(dict.fromkeys(self._evaluation.measures["measure"]))
        texts = (f"definition_{page.language}", "higher_is_better", *_ENTRY_TEXTS)
        entries = [measure_definition(code) for code in codes]
        facts = {name: [getattr(entry, name) for entry in entries] for name in texts}
        fields = (
            _CODE,
            _Field("measure", "measure"),
            _UNIT,
            _Field("direction", "code", column="higher_is_better", section="sheet"),
            _Field("definition", "long", column=texts[0], section="sheet", width=60),
            *(_Field(name, "long", section="sheet", width=40) for name in _ENTRY_TEXTS),
        )
        note = " ".join([*self._assumptions(), page.gap_note("withheld_note")]).strip()
        table = pd.DataFrame({"measure": codes, **facts}, dtype=object)
        return self.sheet("definitions", table, fields, frozen=2, note=note)

    def _column(self, table: pd.DataFrame, field: _Field) -> Column:
        """Return a field's column: codes in words, money in ten thousands."""
        page, show, codes = self._page, field.show, field.codes or field.key
        codes, values = field.codes or field.key, table[field.column or field.key].tolist()
        label = page.text(field.key, field.section) if field.section else field.key
        good, bad = (tuple(page.text(c, codes) for c in group) for group in (field.good, field.bad))
        kind: str | list[str] = show
        if show in _FORMATS:
            kind = [_FORMATS[show][kind] for kind in _kinds(table["measure"])]
        elif show == "own":
            kind = table["format"].tolist()
        elif show == "code":
            kind, values = "text", _translate(values, lambda c: page.text(c, codes) if c else "")
        elif show in self._look_ups:
            kind, values = "text", _translate(values, self._look_ups[show])
        if kind not in ("text", "long"):
            kinds = [kind] * len(values) if isinstance(kind, str) else kind
            values = list(map(_cell, values, kinds))
        return Column(label, values, kind, field.width, good, bad, field.bars)

    def _unit(self, measure: str) -> str:
        """Return the unit of a measure's figures: money in ten thousands."""
        text, kind = self._page.text, measure_words(measure).kind
        return text("wan", "sheet") if kind == "money" else text(kind, "kind_unit")

    def _assumptions(self) -> list[str]:
        """Return what the figures assume where the bank did not deliver something."""
        return assumptions(self._page.bank.evaluation.policy_facts, self._page.language)

    def _bank_plans(self) -> list[float | None]:
        """Return the bank's plans for the overview's measures."""
        targets = self._page.bank.evaluation.targets
        current = targets["quarter"] == self._page.quarter
        own = targets[(targets["branch_id"] == WHOLE_BANK) & current]
        plans = dict(zip(own["measure"], own["target"], strict=True))
        return [plans.get(measure) if base == "funded" else None for measure, base in _OVERVIEW]


def mark_withheld(
    table: pd.DataFrame, gone: Any, columns: Iterable[str] | None = None
) -> pd.DataFrame:
    """Return a table with "*" for the missing numbers of the rows in which they are withheld."""
    numbers = table.select_dtypes("number") if columns is None else table[list(columns)]
    return table.assign(
        **{
            str(name): column.astype(object).mask(column.isna() & gone, SUPPRESSED)
            for name, column in numbers.items()
        }
    )


def _kinds(measures: Iterable[str]) -> list[str]:
    """Return the kind of each measure."""
    return _translate(measures, lambda measure: measure_words(measure).kind)


def _translate(codes: Iterable[Any], name: Callable[[Any], str]) -> list[str]:
    """Return the names of codes, each looked up once."""
    codes = list(codes)
    known = {code: name(code) for code in dict.fromkeys(codes)}
    return [known[code] for code in codes]


def _cell(value: Any, kind: str) -> Any:
    """Return a number as its cell holds it: money in ten thousands."""
    is_money = kind == "wan" and isinstance(value, (int, float))
    return value / _TEN_THOUSAND if is_money else value


def _change(now: Any, earlier: Any, kind: Any) -> Any:
    """Return a change as a cell holds it, of shares in points; "*" where one is withheld."""
    if SUPPRESSED in (now, earlier):
        return SUPPRESSED
    change = change_between(now, earlier, kind)
    return None if change is None else float(change) * (100 if kind == "share" else 1)
