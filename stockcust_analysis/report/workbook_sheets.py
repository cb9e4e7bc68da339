"""What the sheets of headquarters' workbook say: the bank, branches side by side, the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.concentration import MEASURES
from stockcust_analysis.policy.lint import LintWarning
from stockcust_analysis.report.workbook import Chart, Column, Sheet, write_sheets
from stockcust_analysis.report.workbook_columns import (
    CELL_KINDS,
    SheetBuilder,
    cell_kinds,
    in_ten_thousands,
    kinds_of,
    scaled,
    with_gaps,
)
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.headquarters_tables import (
    growth_steps,
    ordered_scores,
    score_columns,
)
from stockcust_analysis.show.pages import rows_of
from stockcust_analysis.show.wording import (
    SUPPRESSED,
    change_between,
    measure_words,
    names,
)

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
            sheets.exceptions(),
            sheets.scores(),
            sheets.decomposition(),
            sheets.comparison(),
            sheets.migration(),
            sheets.bridge(),
            sheets.concentration(),
            sheets.measures(),
            sheets.quality(),
            sheets.pages(),
            sheets.restatements(),
            sheets.definitions(),
        ],
        title=f"{evaluation.bank_name} · {page.text('title')} · {page.quarter}",
        state=f"{page.edition} · {state}",
        company=evaluation.bank_name,
        created=evaluation.quarter.end,
    )


class _Sheets(SheetBuilder):
    """The sheets of one review, each a method."""

    def overview(self) -> Sheet:
        """Return the bank's numbers with their changes, plan, and five quarters as a line."""
        page, quarter = self._page, self._evaluation.quarter
        quarters = [str(quarter.shifted(-back)) for back in (4, 3, 2, 1, 0)]
        kinds = [measure_words(measure).kind for measure, _ in _OVERVIEW]
        plans = self._bank_plans()

        def cells(of: object) -> list[Any]:
            return [page.cell(measure, base, quarter=str(of)) for measure, base in _OVERVIEW]

        now = cells(quarter)
        since = {
            "previous_quarter": quarter.previous,
            "year_ago": quarter.year_ago,
            "year_start": quarter.year_start,
        }
        attained = [
            value / plan if plan and isinstance(value, float) else None
            for value, plan in zip(now, plans, strict=True)
        ]
        columns = [
            self._named("measure", [measure for measure, _ in _OVERVIEW], page.measure),
            self._coded("base", [base for _, base in _OVERVIEW]),
            self._units(kinds),
            self._figures("value", now, kinds),
            *(
                self._column(
                    name,
                    list(map(_change, now, cells(earlier), kinds)),
                    [f"change_{kind}" for kind in kinds],
                    within="comparison",
                )
                for name, earlier in since.items()
            ),
            self._figures("plan", plans, kinds),
            self._column("attained", attained, "share"),
            *(Column(q, scaled(cells(q), kinds), cell_kinds(kinds)) for q in quarters),
            self._column("trend", [None] * len(kinds), within="sheet", width=16),
        ]
        note = "".join([*self._assumptions(), page.text("plan_note")])
        return self._sheet("overview", columns, note=note, trend=(9, 13))

    def exceptions(self) -> Sheet:
        """Return the figures beyond chance."""
        page, table = self._page, self._page.exceptions
        kinds = kinds_of(table["measure"])
        words = {key: (page.text(key, "favourable"),) for key in ("yes", "no")}
        columns = [
            *self._branch(table["branch_id"]),
            self._named("measure", table["measure"], page.measure),
            self._coded("base", table["base"]),
            self._units(kinds),
            self._figures("value", table["value"], kinds),
            self._figures("centre", table["centre"], kinds),
            self._column("z", table["z"].tolist(), "z"),
            self._coded("evidence", table["evidence"]),
            self._coded("favourable", table["favourable"], good=words["yes"], bad=words["no"]),
        ]
        return self._sheet("exceptions", columns, note=page.text("exceptions_note"))

    def scores(self) -> Sheet:
        """Return the scores and ranks, as the review orders them."""
        page = self._page
        if self._evaluation.scores.empty:
            return self._sheet("scores", [Column("", [])])
        table = ordered_scores(page)
        ranked = table["rank_of"].notna()
        kinds = {"rank": "count", "points": "points"}
        columns = [
            *self._branch(table["branch_id"], with_region=True),
            self._peers(table["peer_group"]),
            *(
                self._column(
                    name, with_gaps(table[name], ranked), kinds[name], bars=name == "points"
                )
                for name in score_columns(page)
            ),
            self._column("scored", with_gaps(table["rank_of"]), "count"),
            self._notes(table["note"].astype(str)),
        ]
        note = page.gap_note("score_gaps", after=page.text("score_note"))
        return self._sheet("scores", columns, frozen=2, note=note)

    def decomposition(self) -> Sheet:
        """Return how every point of every branch is made."""
        page, table = self._page, self._evaluation.scorecard
        if table.empty:
            return self._sheet("decomposition", [Column("", [])])
        kinds, gone = kinds_of(table["measure"]), table["withheld"]
        indicators = zip(table["measure"], table["base"], strict=True)
        columns = [
            *self._branch(table["branch_id"]),
            self._named("measure", list(indicators), lambda pair: page.measure(*pair)),
            self._coded("method", table["method"], within="sheet"),
            self._units(kinds),
            self._figures("value", with_gaps(table["value"], gone), kinds),
            self._figures("plan", with_gaps(table["target"], gone), kinds),
            self._coded(
                "score_target_source", table["target_source"], "target_source", within="header"
            ),
            self._column("attained", with_gaps(table["attainment"], gone), "share"),
            self._column("score_weight", table["weight"].tolist(), "points", within="header"),
            *(
                self._column(name, with_gaps(table[name], gone), "points", within="sheet")
                for name in ("raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group")
            ),
            self._column("points", with_gaps(table["points"], gone), "points", bars=True),
            self._notes(table["note"].fillna("").astype(str)),
        ]
        return self._sheet("decomposition", columns, frozen=3)

    def comparison(self) -> Sheet:
        """Return each branch among its peers, in every measure that is compared."""
        page, table = self._page, self._evaluation.comparison
        kinds = kinds_of(table["measure"])
        gone = table.groupby(["measure", "base"])["withheld"].transform("any").astype(bool)
        far = tuple(page.text(name, "comparison_verdict") for name in ("far_above", "far_below"))
        figures = (
            "value",
            "compared",
            "centre",
            "lower_95",
            "upper_95",
            "lower_998",
            "upper_998",
            "shrunk_value",
            "movement",
            "movement_standard_error",
        )

        def numbers(name: str, kind: str) -> Column:
            return self._column(name, with_gaps(table[name], gone), kind, within="sheet")

        columns = [
            *self._branch(table["branch_id"]),
            self._peers(table["peer_group"]),
            self._named("measure", table["measure"], page.measure),
            self._coded("base", table["base"]),
            self._units(kinds),
            self._column("customers", with_gaps(table["n"], gone), "count"),
            *(
                self._figures(name, with_gaps(table[name], gone), kinds, within="sheet")
                for name in figures
            ),
            self._column("z", with_gaps(table["z"], gone), "z"),
            self._coded(
                "verdict", table["verdict"], "comparison_verdict", within="sheet", good=far
            ),
            *(numbers(name, "count") for name in ("rank_low", "rank_high")),
            numbers("expected_ratio", "plain"),
        ]
        note = page.gap_note("comparison_gaps", after=page.text("comparison_note", "sheet"))
        return self._sheet("comparison", columns, frozen=4, note=note)

    def migration(self) -> Sheet:
        """Return the migration of the bank and of its branches, a row per pair of tiers."""
        page, table = self._page, self._evaluation.migration
        states = {state: page.text(state, "state") for state in names("state")}
        words, gone = {**page.members("tier"), **states}, table["withheld"]
        columns = [
            *self._branch(table["branch_id"]),
            self._named("from", table["from"], words.__getitem__),
            self._named("to", table["to"], words.__getitem__, within="sheet"),
            self._column("customers", with_gaps(table["customers"], gone), "count"),
            *(
                self._column(
                    name, in_ten_thousands(with_gaps(table[name], gone)), "wan", within="sheet"
                )
                for name in ("opening_aum", "closing_aum")
            ),
        ]
        return self._sheet("migration", columns, frozen=4)

    def bridge(self) -> Sheet:
        """Return every branch's bridge, a row each, the bank first, with new against existing."""
        page, table = self._page, self._evaluation.bridge
        amounts = with_gaps(table["amount"], table["withheld"])
        keys = zip(table["branch_id"], table["component"], strict=True)
        cells = dict(zip(keys, in_ten_thousands(amounts), strict=True))
        branches = list(dict.fromkeys(table["branch_id"]))
        gone = set(table.loc[table["withheld"], "branch_id"])
        steps = growth_steps(page).set_index("branch_id")
        sums = steps.reindex(branches)[["new", "existing"]]
        withheld = [branch in gone and branch in steps.index for branch in branches]
        columns = [
            *self._branch(branches),
            *(
                self._column(
                    name, [cells.get((branch, name)) for branch in branches], "wan", "component"
                )
                for name in names("component")
            ),
            *(
                self._column(name, in_ten_thousands(with_gaps(sums[name], withheld)), "wan")
                for name in ("new", "existing")
            ),
        ]
        return self._sheet("bridge", columns, frozen=2, note=page.text("wan", "sheet"))

    def concentration(self) -> Sheet:
        """Return how concentrated the assets of the bank and of each branch are."""
        page = self._page
        measures = [measure.name for measure in MEASURES]
        branches = [WHOLE_BANK, *self._evaluation.branches["branch_id"]]
        columns = [
            *self._branch(branches),
            *(
                Column(
                    page.measure(measure),
                    [page.cell(measure, "funded", branch_id=branch) for branch in branches],
                    CELL_KINDS[measure_words(measure).kind],
                )
                for measure in measures
            ),
        ]
        top = 2 + measures.index("top_20_share")
        chart = Chart(categories=1, values=top, column=len(columns) + 1)
        note = page.text("concentration_note", "sheet")
        return self._sheet("concentration", columns, frozen=2, chart=chart, note=note)

    def measures(self) -> Sheet:
        """Return the long sheet of the quarter's figures, for pivots; money in CNY."""
        page, table = self._page, self._evaluation.measures
        table = table[table["quarter"] == page.quarter].reset_index(drop=True)
        # Money stands in CNY here, whole as in the CSV.
        in_csv = {**CELL_KINDS, "money": "cny"}

        def numbers(name: str, kind: str | list[str]) -> Column:
            gone = table["withheld"] | (name == "n")
            return self._column(name, with_gaps(table[name], gone), kind, within="sheet")

        columns = [
            self._column("quarter", table["quarter"].tolist()),
            *self._branch(table["branch_id"]),
            self._column("code", table["measure"].tolist(), within="sheet"),
            self._named("measure", table["measure"], page.measure),
            self._column("dimension", table["dimension"].tolist(), within="sheet"),
            self._named("member", table["member"], self._member, within="sheet"),
            self._coded("base", table["base"]),
            numbers("n", "count"),
            numbers("numerator", "plain"),
            numbers("denominator", "plain"),
            numbers("value", [in_csv[kind] for kind in kinds_of(table["measure"])]),
        ]
        note = page.gap_note("withheld_note", after=page.text("measures_note", "sheet"))
        return self._sheet("measures", columns, frozen=5, note=note)

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
        items, results, numbers, kinds = zip(*rows, strict=True) if rows else [()] * 4
        columns = [
            self._column("item", items),
            self._column("result", results, "long", width=70),
            self._column("number", numbers, kinds, within="sheet"),
        ]
        return self._sheet("quality", columns)

    def pages(self) -> Sheet:
        """Return how each branch's report ended."""
        table = self._page.review.pages
        bad = tuple(self._page.text(state, "page_state") for state in ("failed", "missing"))
        columns = [
            *self._branch(table["branch_id"]),
            self._coded("state", table["state"], "page_state", bad=bad),
            self._column("error", table["error"].tolist(), "long", width=80),
        ]
        return self._sheet("pages", columns, frozen=2)

    def restatements(self) -> Sheet:
        """Return the figures of the last issued quarter that read otherwise today."""
        page, table = self._page, self._page.review.restatements
        kinds = kinds_of(table["measure"])
        columns = [
            self._column("quarter", table["quarter"].tolist()),
            *self._branch(table["branch_id"]),
            self._named("measure", table["measure"], page.measure),
            self._named("member", table["member"], self._member, within="sheet"),
            self._coded("base", table["base"]),
            self._units(kinds),
            self._figures("issued", table["issued"], kinds),
            self._figures("restated", table["restated"], kinds),
        ]
        return self._sheet("restatements", columns, frozen=3)

    def definitions(self) -> Sheet:
        """Return the codebook's entries for every measure in the workbook."""
        page = self._page
        codes = list(dict.fromkeys(self._evaluation.measures["measure"]))
        entries = [measure_definition(code) for code in codes]

        def field(name: str) -> list[str]:
            return [getattr(entry, name) for entry in entries]

        columns = [
            self._column("code", codes, within="sheet"),
            self._named("measure", codes, page.measure),
            self._units(field("kind")),
            self._coded("direction", field("higher_is_better"), within="sheet"),
            self._column(
                "definition", field(f"definition_{page.language}"), "long", "sheet", width=60
            ),
            *(
                self._column(name, field(name), "long", "sheet", width=40)
                for name in ("formula", "edge_cases", "source")
            ),
        ]
        note = " ".join([*self._assumptions(), page.gap_note("withheld_note")]).strip()
        return self._sheet("definitions", columns, frozen=2, note=note)

    def _bank_plans(self) -> list[float | None]:
        """Return the bank's plans for the overview's measures."""
        targets = self._page.bank.evaluation.targets
        current = targets["quarter"] == self._page.quarter
        own = targets[(targets["branch_id"] == WHOLE_BANK) & current]
        plans = dict(zip(own["measure"], own["target"], strict=True))
        return [plans.get(measure) if base == "funded" else None for measure, base in _OVERVIEW]


def _change(now: Any, earlier: Any, kind: Any) -> Any:
    """Return a change as a cell holds it, of shares in points; "*" where one is withheld."""
    if SUPPRESSED in (now, earlier):
        return SUPPRESSED
    change = change_between(now, earlier, kind)
    return None if change is None else float(change) * (100 if kind == "share" else 1)
