"""What the sheets of headquarters' workbook say: the bank, branches side by side, the run.

Each sheet is a table and the list of its columns in one line: header, column of the table, how its
values are shown. A column of the same name is shown alike on all sheets. Money is in ten thousands,
in English in millions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.concentration import MEASURES
from stockcust_analysis.policy.describe import LintWarning
from stockcust_analysis.report.workbook import PRINTED_ROWS, Column, Sheet, write_sheets
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show import headquarters_tables as tables
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import MISSING
from stockcust_analysis.show.branch_page import measures_of
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.page_data import earlier_quarters, mark_withheld, rows_of
from stockcust_analysis.show.wording import SUPPRESSED, measure_words, names

_DIVISORS: Final = {"wan": 10_000, "million": 1_000_000}
# What is shown otherwise in a language: a customer's own money would be nothing in millions.
_IN_LANGUAGE: Final = {
    "zh": {"change_share": "change_points", "each": "wan"},
    "en": {"wan": "million", "each": "cny"},
}
_BY_KIND: Final = {"money": "wan", "ratio": "plain"} | {k: k for k in ("count", "share", "index")}
# How figures are written that are shown as the measure of their row is.
_FORMATS: Final[dict[str, dict[str, str]]] = {
    "figure": _BY_KIND,
    "whole_figure": {**_BY_KIND, "money": "cny"},
    "change": {kind: f"change_{kind}" for kind in _BY_KIND},
}
# How the values of a column are shown; those of one that is not named are text.
_COLUMNS: Final = {
    "code": "base direction evidence favourable method score_target_source state verdict",
    "figure": "centre compared issued lower_95 lower_998 movement movement_standard_error plan "
    "restated shrunk_value upper_95 upper_998 value",
    "count": "customers n rank rank_before rank_high rank_low scored",
    "share": "attained",
    "points": "lost_to_cap lost_to_floor lost_to_group points points_before raw_points "
    "score_points_before score_weight",
    "plain": "denominator expected_ratio numerator",
    "wan": "closing_aum existing new opening_aum",
    "z": "z",
    "long": "definition edge_cases error formula result source",
    "own": "number",
    "tier": "from to",
    "peers": "peer_group",
    **{name: name for name in ("branch", "region", "type", "measure", "unit", "member", "note")},
}
_SHOWN: Final = {name: show for show, columns in _COLUMNS.items() for name in columns.split()}
# The column of the table, where it is called otherwise; the section of the words for its codes.
_SOURCES: Final = {
    **dict.fromkeys(("branch", "region", "type"), "branch_id"),
    **dict.fromkeys(("code", "unit"), "measure"),
}
_CODES: Final = {
    "score_target_source": "target_source",
    "state": "page_state",
    "verdict": "comparison_verdict",
}
_GOOD: Final = {"favourable": ("yes",), "verdict": ("far_above", "far_below")}
_BAD: Final = {"favourable": ("no",), "state": ("failed", "missing")}
_WITH_BARS: Final = ("points", "attained", "score_attainment")
_ENTRY_TEXTS: Final = ("formula", "edge_cases", "source")
_WIDTHS: Final = {"trend": 16, "definition": 90, "result": 70, "error": 80} | dict.fromkeys(
    _ENTRY_TEXTS, 40
)
# Sections of the word file in which a column's header is looked for.
_HEADERS: Final = ("hq_header", "sheet", "header")
# Sheet → its columns: [section.]header[=column of the table][:how it is shown].
_SHEETS: Final = {
    "branches": "branch:text aum:wan previous_quarter:change_money year_ago:change_money attained "
    "retention:share idle:share multi_product:share contacted:share points rank "
    "unfavourable:count",
    "exceptions": "branch_id branch measure base unit value centre z evidence favourable",
    "decomposition": "branch_id branch measure=indicator:text method unit value "
    "score_start=start:figure score_target=target:figure score_target_source=target_source "
    "score_attainment=attainment:share score_weight=weight raw_points "
    "lost_to_floor lost_to_cap lost_to_group points note",
    "comparison": "branch_id branch peer_group measure base unit customers=n sheet.value compared "
    "centre lower_95 upper_95 lower_998 upper_998 shrunk_value movement movement_standard_error z "
    "verdict rank_low rank_high expected_ratio",
    "migration": "branch_id branch from to customers opening_aum closing_aum",
    # Money stands in CNY here, whole as in the CSV.
    "measures": "quarter branch_id branch code measure dimension member base n numerator "
    "denominator sheet.value:whole_figure",
    "quality": "item result number",
    "pages": "branch_id branch state error",
    "restatements": "quarter branch_id branch measure member base unit issued restated",
    "definitions": "code measure unit direction=higher_is_better definition formula edge_cases "
    "source",
}


def write_workbook(path: Path, page: HeadquartersPage, *, status: str, signed: str = "") -> None:
    """Write headquarters' workbook; a question without an answer has no sheet.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    page
        The review and its language.
    status, signed
        "draft", "reviewed" or "issued", and who gave it, in words: on the first line of every
        sheet, and printed below.
    """
    evaluation = page.review.evaluation
    state = page.text("status_line").format(status=page.text(status, "review_status"))
    sheets = _Sheets(page)
    write_sheets(
        path,
        [
            sheets.branches(),
            sheets.overview(),
            sheets.sheet("exceptions", page.exceptions, note=page.text("exceptions_note")),
            sheets.scores(),
            sheets.decomposition(),
            sheets.comparison(),
            sheets.sheet("migration", evaluation.migration, frozen=4),
            sheets.bridge(),
            sheets.concentration(),
            sheets.measures(),
            sheets.quality(),
            sheets.sheet("pages", page.review.pages, frozen=2),
            sheets.restatements(),
            sheets.definitions(),
        ],
        title=f"{evaluation.bank_name} · {page.text('title')} · {page.quarter}",
        state=" · ".join(filter(None, (page.edition_line, state, signed))),
        company=evaluation.bank_name,
        created=evaluation.quarter.end,
    )


class _Sheets:
    """The sheets of one review in the words of its page."""

    def __init__(self, page: HeadquartersPage) -> None:
        self._page, self._evaluation = page, page.review.evaluation
        self._gone = {"expected_ratio"} if len(page.review.report) else set()  # not circulated
        branches = self._evaluation.branches.set_index("branch_id")
        facts = branches.reindex(columns=["region", "type"]).fillna("").to_dict()
        states = {state: page.text(state, "state") for state in names("state")}
        tiers, bank = {**page.members("tier"), **states}, page.text("bank", "word")
        self._look_ups: dict[str, Callable[[Any], str]] = {
            "branch": lambda branch_id: str(page.names.get(branch_id, bank)),
            "region": lambda branch_id: str(facts["region"].get(branch_id, "")),
            "type": lambda branch: page.label(str(facts["type"].get(branch, "")), "branch_type"),
            "measure": page.measure,
            "unit": self._unit,
            "member": lambda code: page.member_words.get(code, code),
            "tier": tiers.__getitem__,
            "peers": lambda group: hq.peer_name(page, group),
            "note": lambda note: tables.note_words(page, note),
        }

    def sheet(self, key: str, table: pd.DataFrame, fields: str = "", **more: Any) -> Sheet:
        """Return a sheet of a table's rows, "*" where withheld; without rows, without columns."""
        if "withheld" in table:
            table = mark_withheld(table, table["withheld"])
        shown = [] if table.empty else (fields or _SHEETS[key]).split()
        columns = [self._column(table, field) for field in shown]
        name, caption = (self._page.text(key, f"sheet_{part}") for part in ("name", "caption"))
        if len(table) > PRINTED_ROWS and "pages" not in more:
            cut = self._page.text("printed_rows", "sheet", count=PRINTED_ROWS)
            more["note"] = f"{more.get('note', '')} {cut}".strip()
        return Sheet(name, caption, columns, **more)

    def restatements(self) -> Sheet:
        """Return what reads otherwise today, and of which issue."""
        note = self._page.of_issue("compared_issue")
        return self.sheet("restatements", self._page.review.restatements, frozen=3, note=note)

    def branches(self) -> Sheet:
        """Return every branch's main figures, farthest behind plan first, the bank last."""
        rows = pd.DataFrame(tables.branch_rows(self._page), dtype=object)
        note = f"{self._page.text('wan', 'sheet')} · {self._page.text('branches_note')}"
        return self.sheet("branches", rows, note=note)

    def overview(self) -> Sheet:
        """Return the bank's numbers with their changes, plan, and five quarters as a line."""
        page, quarter, shown = self._page, self._evaluation.quarter, measures_of("bank")
        quarters = [str(quarter.shifted(-back)) for back in (4, 3, 2, 1, 0)]
        earlier = earlier_quarters(quarter)

        def figures(of: object) -> list[Any]:
            return [page.value(measure, base=base, quarter=str(of)) for measure, base in shown]

        table = pd.DataFrame(shown, columns=["measure", "base"], dtype=object)
        kinds, now = _kinds(table["measure"]), figures(quarter)
        planned = [name if base == "funded" else "" for name, base in shown]
        plans = map(page.bank.targets.get, planned)
        columns: dict[str, list[Any]] = {
            "plan": [None if plan is None else plan.level for plan in plans],
            "attained": [page.attained(name) if name else None for name in planned],
        }
        columns |= {name: figures(name) for name in quarters}
        for name, before in earlier.items():
            columns[f"comparison.{name}"] = list(map(tables.change_of, now, figures(before), kinds))
        table = table.join(pd.DataFrame(columns, dtype=object)).assign(trend=None)
        changes = " ".join(f"comparison.{name}:change" for name in earlier)
        figures_of = " ".join(f"{name}:figure" for name in quarters)
        fields = f"measure base unit value={quarter} {changes} plan attained {figures_of} trend"
        note = "".join([*self._assumptions(), page.text("plan_note")])
        return self.sheet("overview", table, fields, note=note, trend=(9, 13))

    def scores(self) -> Sheet:
        """Return the scores and ranks, as the review orders them."""
        page = self._page
        shown, table = tables.score_columns(page), tables.ordered_scores(page)
        table = table.drop(columns="withheld", errors="ignore")  # what is, is marked already
        fields = f"branch_id branch region type peer_group {' '.join(shown)} scored=rank_of note"
        note = page.gap_note("score_gaps", after=page.text("score_note"))
        return self.sheet("scores", table, fields, frozen=2, note=note)

    def decomposition(self) -> Sheet:
        """Return how every point of every branch is made."""
        table, fields = self._evaluation.scorecard, _SHEETS["decomposition"]
        fields += " score_points_before=points_before" * ("points_before" in table)
        if not table.empty:
            named = (table["measure"], table["base"], table["member"].fillna(""))
            indicators = map(self._page.measure, *named)
            table = table.assign(indicator=list(indicators), note=table["note"].fillna(""))
        return self.sheet("decomposition", table, fields, frozen=3)

    def comparison(self) -> Sheet:
        """Return each branch among its peers, in every measure that is compared."""
        page, table = self._page, self._evaluation.comparison
        gone = table.groupby(["measure", "base"])["withheld"].transform("any").astype(bool)
        gone |= table["compared"].isna()
        unranked, ranks = table["rank_low"].isna() & ~gone, ["rank_low", "rank_high"]
        table = mark_withheld(table, gone)
        table[ranks] = table[ranks].mask(unranked, MISSING)
        note = page.gap_note("comparison_gaps", after=page.text("comparison_note", "sheet"))
        note += f" {page.text('unranked')}" if unranked.any() else ""
        fields = " ".join(f for f in _SHEETS["comparison"].split() if f not in self._gone)
        return self.sheet("comparison", table, fields, frozen=4, note=note)

    def bridge(self) -> Sheet:
        """Return every branch's bridge, a row each, the bank first, with new against existing."""
        page, table = self._page, self._evaluation.bridge
        components, sums = list(names("component")), ["new", "existing"]
        branches = table["branch_id"].drop_duplicates()
        gone = table.loc[table["withheld"], "branch_id"]
        steps = hq.growth_steps(page.evaluation.bridge).set_index("branch_id")
        withheld = branches.isin(gone) & branches.isin(steps.index)
        totals = mark_withheld(steps.reindex(branches), withheld.to_numpy())
        rows = (
            mark_withheld(table, table["withheld"])
            .pivot(index="branch_id", columns="component", values="amount")
            .reindex(index=branches, columns=components)
            .add_prefix("component.")
            .join(totals[sums])
        )
        shown = " ".join(f"component.{name}:wan" for name in components)
        fields = f"branch_id branch {shown} {' '.join(sums)}"
        note = page.text("wan", "sheet")
        return self.sheet("bridge", rows.reset_index(), fields, frozen=2, note=note)

    def concentration(self) -> Sheet:
        """Return how concentrated the assets of the bank and of each branch are."""
        page = self._page
        measures = [measure.name for measure in MEASURES]
        branches = [WHOLE_BANK, *self._evaluation.branches["branch_id"]]
        figures = {
            measure: [page.value(measure, base="funded", branch_id=branch) for branch in branches]
            for measure in measures
        }
        table = pd.DataFrame({"branch_id": branches, **figures}, dtype=object)
        kinds = dict(zip(measures, map(_BY_KIND.get, _kinds(measures)), strict=True))
        kinds |= {"herfindahl": "herfindahl"}  # its first decimals are noughts
        shown = [f"measure.{name}:{kind}" for name, kind in kinds.items()]
        fields = f"branch_id branch {' '.join(shown)}"
        chart, note = 2 + measures.index("top_20_share"), page.text("concentration_note", "sheet")
        return self.sheet("concentration", table, fields, frozen=2, chart=chart, note=note)

    def measures(self) -> Sheet:
        """Return the long sheet of the quarter's figures, for pivots."""
        page, table = self._page, self._evaluation.measures
        table = table[table["quarter"] == page.quarter].reset_index(drop=True)
        table = mark_withheld(table, True, ["n"])
        note = page.gap_note("withheld_note", after=page.text("measures_note", "sheet"))
        # Codes are English; measures.csv has them, for those who join tables.
        fields = _SHEETS["measures"].replace(" code", "" if page.language == "zh" else " code")
        frozen = fields.split().index("dimension")
        return self.sheet("measures", table, fields, frozen=frozen, note=note)

    def quality(self) -> Sheet:
        """Return how the tables agree, what is withheld and what the scorecard's rules warn of."""
        page, review = self._page, self._page.review
        table = self._evaluation.reconciliation[["check", "difference"]].astype(object)
        rows: list[tuple[str, str, Any, str]] = [
            (page.text(check, "reconciliation"), "", difference, "cny")
            for check, difference in table.fillna(SUPPRESSED).to_numpy()
        ]
        gone = review.report
        for row in rows_of(gone[(gone["quarter"] == page.quarter) & (gone["reason"] != "printed")]):
            kind = page.text(row.kind, "withheld_kind")
            reason = page.text(row.reason, "withheld_reason")
            cells = (f"{kind} · {reason}", int(row.cells), "count")
            rows.append((page.text("withheld_cells"), *cells))
        for row in rows_of(review.warnings):
            item = page.text("overridden" if row.reason else "warned")
            words = tables.name_warning(page, LintWarning(*row)).text(page.language)
            rows.append((item, words, None, "count"))
        table = pd.DataFrame(rows, columns=["item", "result", "number", "format"], dtype=object)
        return self.sheet("quality", table)

    def definitions(self) -> Sheet:
        """Return the codebook's entries for every measure in the workbook."""
        page = self._page
        codes = list(dict.fromkeys(self._evaluation.measures["measure"]))
        facts: dict[str, list[Any]] = {
            name: [page.bank.define(code, name) for code in codes] for name in _ENTRY_TEXTS
        }
        facts["higher_is_better"] = [measure_definition(code).higher_is_better for code in codes]
        facts["definition"] = [page.bank.define(code) for code in codes]
        note = " ".join([*self._assumptions(), page.gap_note("withheld_note")]).strip()
        table = pd.DataFrame({"measure": codes, **facts}, dtype=object)
        # Formulas, edge cases and sources have no Chinese: the codebook has them.
        is_short = page.language == "zh"
        fields = "measure unit direction=higher_is_better definition" * is_short
        sheet = self.sheet("definitions", table, fields, note=note, pages=int(is_short))
        # First the rules by which all of them go, and what the comparison says of them.
        compared = [] if self._evaluation.comparison.empty else [*names("comparison_term")]
        compared = [name for name in compared if name not in self._gone]
        terms = [(page.text(n, "sheet"), page.text(n, "comparison_term")) for n in compared]
        rows = [*hq.definitions_table(page).rows, *terms]
        labels = page.text("measure", "hq_header"), page.text("definition", "sheet")
        said = dict(zip(labels, zip(*rows, strict=True), strict=True))
        columns = [
            replace(column, values=[*said.get(column.label, [""] * len(rows)), *column.values])
            for column in sheet.columns
        ]
        return replace(sheet, columns=columns)

    def _column(self, table: pd.DataFrame, field: str) -> Column:
        """Return a field's column: codes in words, money in the language's unit."""
        field, _, show = field.partition(":")
        field, _, source = field.partition("=")
        section, _, key = field.rpartition(".")
        page, codes, show = self._page, _CODES.get(key, key), show or _SHOWN.get(key, "text")
        section = section or next((name for name in _HEADERS if key in names(name)), "")
        source = source or (field if field in table else _SOURCES.get(key, key))
        values: list[Any] = table[source].tolist()
        kind: str | list[str] = show
        good, bad = (tuple(page.text(c, codes) for c in of.get(key, ())) for of in (_GOOD, _BAD))
        if show in _FORMATS:
            kind = [_FORMATS[show][kind] for kind in _kinds(table["measure"])]
            each = table["measure"].eq("aum_per_customer") & (show == "figure")
            kind = pd.Series(kind, dtype=object).mask(each.to_numpy(), "each").tolist()
        elif show == "own":
            kind = table["format"].tolist()
        elif show == "code":
            kind, name = "text", cache(lambda code: page.text(code, codes) if code else "")
            values = list(map(name, values))
        elif show in self._look_ups:
            kind, values = "text", list(map(cache(self._look_ups[show]), values))
        if kind not in ("text", "long"):
            kinds, own = [kind] * len(values) if isinstance(kind, str) else kind, _IN_LANGUAGE
            kind = [own[page.language].get(name, name) for name in kinds]
            values = list(map(_cell, values, kind))
        label, width = page.text(key, section) if section else key, _WIDTHS.get(key, 0)
        return Column(label, values, kind, width, good, bad, bars=key in _WITH_BARS)

    def _unit(self, measure: str) -> str:
        """Return the unit of a measure's figures: money in the language's unit."""
        kind = "count" if measure.startswith("customers_per") else measure_words(measure).kind
        is_own = kind != "money" or (measure, self._page.language) == ("aum_per_customer", "en")
        return self._page.text(*((kind, "kind_unit") if is_own else ("wan", "sheet")))

    def _assumptions(self) -> list[str]:
        """Return what the figures assume where the bank did not deliver something."""
        return wording.assumptions(self._page.bank.evaluation.policy_facts, self._page.language)


def _kinds(measures: Iterable[str]) -> list[str]:
    """Return the kind of each measure."""
    return list(map(cache(lambda measure: measure_words(measure).kind), measures))


def _cell(value: Any, kind: str) -> Any:
    """Return a number as its cell holds it: money in its unit."""
    is_number = isinstance(value, (int, float))
    return value / _DIVISORS[kind] if is_number and kind in _DIVISORS else value
