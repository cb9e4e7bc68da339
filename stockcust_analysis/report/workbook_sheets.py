"""What the sheets of headquarters' workbook say, one question each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.pareto import CONCENTRATION
from stockcust_analysis.policy.lint import LintWarning
from stockcust_analysis.show.headquarters_league import ordered_scores, peer_name, type_name
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.headquarters_tables import growth_steps, note_words
from stockcust_analysis.show.labels import measure_words, names
from stockcust_analysis.show.units import SUPPRESSED, change_between

Kind = Literal["text", "long", "count", "plain", "index", "share", "change", "wan", "cny",
               "points", "z", "mixed"]  # fmt: skip
_TEN_THOUSAND: Final = 10_000
_KINDS: Final[dict[str, Kind]] = {
    "money": "wan", "count": "count", "share": "share", "ratio": "plain", "index": "index",
}  # fmt: skip
_OVERVIEW: Final = (
    ("aum_average_quarter", "funded"), ("customers", "funded"), ("customer_retention", "funded"),
    ("silent_rate", "funded"), ("dormancy_rate", "all"), ("multi_product_share", "funded"),
    ("contact_coverage", "managed"), ("aum_period_end", "funded"), ("aum_per_customer", "funded"),
    ("products_per_customer", "funded"), ("ten_largest_share", "funded"),
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: its header, how its cells are typed, which words in it are good or bad."""

    label: str
    kind: Kind = "text"
    width: float = 0
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    bars: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart beside a sheet's table: which columns, where, of how many rows at most."""

    categories: int
    values: tuple[int, ...]
    column: int
    row: int = 3
    kind: Literal["bar", "column"] = "column"
    most: int = 30


@dataclass(frozen=True)
class Sheet:
    """One question's sheet. `kinds` types the cells of "mixed" columns row by row, `changes` those
    of changes.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    kinds: Sequence[Kind] = ()
    changes: Sequence[str] = ()
    frozen: int = 1
    trend: tuple[int, int] = (0, 0)
    charts: tuple[Chart, ...] = field(default_factory=tuple)


def sheets_of(page: HeadquartersPage) -> Iterator[Sheet]:
    """Yield the workbook's sheets in order; a question without an answer has none."""
    yield _overview(page)
    for made in (_exceptions, _scores, _decomposition, _comparison, _migration, _bridge,
                 _concentration, _measures, _quality, _pages, _restatements):  # fmt: skip
        sheet = made(page)
        if sheet.rows:
            yield sheet
    yield _definitions(page)


def _overview(page: HeadquartersPage) -> Sheet:
    """Return the bank's numbers with their changes, plan, and five quarters as a line."""
    quarter = page.review.circulated.quarter
    past = [str(quarter.shifted(-back)) for back in (4, 3, 2, 1)]
    targets = page.bank.evaluation.targets
    own = targets[(targets["branch_id"] == WHOLE_BANK) & (targets["quarter"] == page.quarter)]
    plans = dict(zip(own["measure"], own["target"], strict=True))
    rows, kinds, kinds_of_change = [], [], []
    for measure, base in _OVERVIEW:
        kind = measure_words(measure).kind
        values = [page.cell(measure, base, quarter=each) for each in (*past, page.quarter)]
        now, plan = values[-1], plans.get(measure) if base == "funded" else None
        changes = [_change(now, earlier, kind) for earlier in
                   (values[-2], values[0], page.cell(measure, base, quarter=str(quarter.year_start)))]  # fmt: skip
        attained = now / plan if plan and isinstance(now, float) else None
        rows.append([
            page.measure(measure), page.word(base, "base"), _unit(page, kind),
            *(_scaled(each, kind) for each in (now,)), *changes,
            _scaled(plan, kind), attained, *(_scaled(each, kind) for each in values), None,
        ])  # fmt: skip
        kinds.append(_KINDS[kind])
        kinds_of_change.append(f"change_{kind}")
    head = page.word
    columns = [
        Column(head("measure", "hq_header")), Column(head("base", "hq_header")),
        Column(head("unit", "header")), Column(head("value", "hq_header"), "mixed"),
        *(Column(head(name, "comparison"), "change") for name in
          ("previous_quarter", "year_ago", "year_start")),
        Column(head("plan", "hq_header"), "mixed"), Column(head("attained", "hq_header"), "share"),
        *(Column(each, "mixed") for each in (*past, page.quarter)),
        Column(head("trend", "sheet"), width=16),
    ]  # fmt: skip
    return _sheet(page, "overview", columns, rows, kinds=kinds, changes=kinds_of_change,
                  trend=(9, 13), note=page.word("plan_note"))  # fmt: skip


def _exceptions(page: HeadquartersPage) -> Sheet:
    rows, kinds = [], []
    for row in page.exceptions.itertuples():
        kind = measure_words(row.measure).kind
        rows.append([row.branch_id, page.names[row.branch_id], page.measure(row.measure),
                     page.word(row.base, "base"), _unit(page, kind), _scaled(row.value, kind),
                     _scaled(row.centre, kind), row.z, page.word(row.evidence, "evidence"),
                     page.word(row.favourable, "favourable")])  # fmt: skip
        kinds.append(_KINDS[kind])
    columns = [*_branch_columns(page)[:2], *_head(page, "measure", "base"),
               Column(page.word("unit", "header")), *_head(page, "value", "centre", kind="mixed"),
               *_head(page, "z", kind="z"), *_head(page, "evidence"),
               Column(page.word("favourable", "hq_header"),
                      good=(page.word("yes", "favourable"),), bad=(page.word("no", "favourable"),))]  # fmt: skip
    return _sheet(page, "exceptions", columns, rows, kinds=kinds, note=page.word("exceptions_note"))


def _scores(page: HeadquartersPage) -> Sheet:
    rows = [
        [*_branch(page, row.branch_id), peer_name(page, row.peer_group),
         page.word(row.third, "third") if row.third else "",
         *(SUPPRESSED if row.withheld else _plain(value) for value in (row.rank, row.points)),
         _plain(row.rank_of), note_words(page, str(row.note))]
        for row in ordered_scores(page).itertuples()
    ] if len(page.review.scores) else []  # fmt: skip
    thirds = {name: page.word(name, "third") for name in names("third")}
    columns = [
        *_branch_columns(page), *_head(page, "peer_group"),
        Column(page.word("third", "hq_header"), good=(thirds["upper"],), bad=(thirds["lower"],)),
        *_head(page, "rank", kind="count"),
        Column(page.word("points", "hq_header"), "points", bars=True),
        *_head(page, "scored", kind="count"), Column(page.word("note", "sheet")),
    ]  # fmt: skip
    return _sheet(page, "scores", columns, rows, frozen=2, note=page.word("score_note"))


def _decomposition(page: HeadquartersPage) -> Sheet:
    """Return how every point of every branch is made."""
    numbers = ("attainment", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group",
               "points")  # fmt: skip
    rows, kinds = [], []
    for row in page.review.scorecard.itertuples():
        kind = measure_words(row.measure).kind
        told = {name: _gap(getattr(row, name), gone=row.withheld) for name in
                (*numbers, "value", "target")}  # fmt: skip
        rows.append([
            *_branch(page, row.branch_id)[:2], page.measure(row.measure, row.base),
            page.word(row.method, "method"), _unit(page, kind), _scaled(told["value"], kind),
            _scaled(told["target"], kind), page.word(row.target_source, "target_source"),
            told["attainment"], row.weight, *(told[name] for name in numbers[1:]),
            note_words(page, str(row.note) if row.note == row.note else ""),
        ])  # fmt: skip
        kinds.append(_KINDS[kind])
    columns = [
        *_branch_columns(page)[:2], *_head(page, "measure"), Column(page.word("method", "sheet")),
        Column(page.word("unit", "header")), *_head(page, "value", "plan", kind="mixed"),
        Column(page.word("score_target_source", "header")), *_head(page, "attained", kind="share"),
        Column(page.word("score_weight", "header"), "points"),
        *(Column(page.word(name, "sheet"), "points") for name in numbers[1:-1]),
        Column(page.word("points", "hq_header"), "points", bars=True),
        Column(page.word("note", "sheet")),
    ]  # fmt: skip
    return _sheet(page, "decomposition", columns, rows, kinds=kinds, frozen=3)


def _comparison(page: HeadquartersPage) -> Sheet:
    numbers: dict[str, Kind] = {
        "value": "mixed", "compared": "mixed", "centre": "mixed", "lower_95": "mixed",
        "upper_95": "mixed", "lower_998": "mixed", "upper_998": "mixed", "shrunk_value": "mixed",
        "movement": "mixed", "movement_standard_error": "mixed",
    }  # fmt: skip
    rows, kinds = [], []
    table = page.review.comparison.reset_index(drop=True)
    for row in table.itertuples():
        kind = measure_words(row.measure).kind
        told = {name: _gap(getattr(row, name), gone=row.withheld) for name in
                (*numbers, "n", "z", "rank_low", "rank_high", "expected_ratio")}  # fmt: skip
        rows.append([
            *_branch(page, row.branch_id)[:2], peer_name(page, row.peer_group), page.measure(row.measure),
            page.word(row.base, "base"), _unit(page, kind), told["n"],
            *(_scaled(told[name], kind) for name in numbers), told["z"],
            page.word(row.verdict, "comparison_verdict") if row.verdict else "",
            told["rank_low"], told["rank_high"], told["expected_ratio"],
        ])  # fmt: skip
        kinds.append(_KINDS[kind])
    verdicts = {name: page.word(name, "comparison_verdict") for name in names("comparison_verdict")}
    columns = [
        *_branch_columns(page)[:2], *_head(page, "peer_group", "measure", "base"),
        Column(page.word("unit", "header")), *_head(page, "customers", kind="count"),
        *(Column(page.word(name, "sheet"), kind) for name, kind in numbers.items()),
        *_head(page, "z", kind="z"),
        Column(page.word("verdict", "sheet"), good=(verdicts["far_above"], verdicts["far_below"]),
               bad=()),
        *(Column(page.word(name, "sheet"), "count") for name in ("rank_low", "rank_high")),
        Column(page.word("expected_ratio", "sheet"), "plain"),
    ]  # fmt: skip
    return _sheet(page, "comparison", columns, rows, kinds=kinds, frozen=4,
                  note=page.word("comparison_note", "sheet"))  # fmt: skip


def _migration(page: HeadquartersPage) -> Sheet:
    tiers = {one["name"]: one[page.language] for one in page.bank.evaluation.policy_facts["tiers"]}
    words = {**tiers, **{state: page.word(state, "state") for state in names("state")}}
    rows = [
        [words[row["from"]], words[row["to"]], _gap(row["customers"], gone=row["withheld"]),
         *(_scaled(_gap(row[name], gone=row["withheld"]), "money")
           for name in ("opening_aum", "closing_aum"))]
        for row in page.review.circulated.migration.to_dict("records")
    ]  # fmt: skip
    columns = [*_head(page, "from"), Column(page.word("to", "sheet")),
               *_head(page, "customers", kind="count"),
               *(Column(page.word(name, "sheet"), "wan") for name in ("opening_aum", "closing_aum"))]  # fmt: skip
    return _sheet(page, "migration", columns, rows, frozen=2)


def _bridge(page: HeadquartersPage) -> Sheet:
    """Return every branch's bridge, a row each, the bank first, with new against existing."""
    bridge = page.review.circulated.bridge
    told = {
        (row.branch_id, row.component): _scaled(_gap(row.amount, gone=row.withheld), "money")
        for row in bridge.itertuples()
    }
    steps = growth_steps(page).set_index("branch_id")
    gone = set(bridge.loc[bridge["withheld"], "branch_id"])
    components = names("component")
    rows = []
    for branch in dict.fromkeys(bridge["branch_id"]):
        made = steps.loc[branch] if branch in steps.index else None
        sums = [None, None] if made is None else [
            _scaled(_gap(made[name], gone=branch in gone), "money") for name in ("new", "existing")]  # fmt: skip
        rows.append([*_branch(page, branch)[:2], *(told.get((branch, one)) for one in components),
                     *sums])  # fmt: skip
    columns = [*_branch_columns(page)[:2],
               *(Column(page.word(one, "component"), "wan") for one in components),
               *_head(page, "new", "existing", kind="wan")]  # fmt: skip
    return _sheet(page, "bridge", columns, rows, frozen=2, note=page.word("wan", "sheet"))


def _concentration(page: HeadquartersPage) -> Sheet:
    measures = [one.measure for one in CONCENTRATION]
    branches = [WHOLE_BANK, *page.review.circulated.branches["branch_id"]]
    rows = [
        [*_branch(page, branch)[:2],
         *(page.cell(one, "funded", branch_id=branch) for one in measures)]
        for branch in branches
    ]  # fmt: skip
    columns = [*_branch_columns(page)[:2],
               *(Column(page.measure(one), _KINDS[measure_words(one).kind]) for one in measures)]  # fmt: skip
    chart = Chart(categories=1, values=(2 + measures.index("top_20_share"),), row=3,
                  column=len(columns) + 1)  # fmt: skip
    return _sheet(page, "concentration", columns, rows, frozen=2, charts=(chart,),
                  note=page.word("concentration_note", "sheet"))  # fmt: skip


def _measures(page: HeadquartersPage) -> Sheet:
    """Return the long sheet of the quarter's figures, for pivots; money in CNY."""
    table = page.review.circulated.measures
    table = table[table["quarter"] == page.quarter].reset_index(drop=True)
    tiers = {one["name"]: one[page.language] for one in page.bank.evaluation.policy_facts["tiers"]}
    members = {**{name: page.word(name, "family") for name in names("family")}, **tiers}
    told = pd.DataFrame({
        "quarter": table["quarter"], "branch_id": table["branch_id"],
        "name": table["branch_id"].map(page.names).fillna(page.word("bank", "word")),
        "measure": table["measure"],
        "words": table["measure"].map({each: page.measure(each) for each in
                                       table["measure"].unique()}),
        "dimension": table["dimension"], "member": table["member"].replace(members),
        "base": table["base"],
    }).astype(object)  # fmt: skip
    for name in ("n", "numerator", "denominator", "value"):
        gone = table[name].isna() & (table["withheld"] | (name == "n"))
        told[name] = table[name].astype(object).where(table[name].notna(), None).mask(
            gone, SUPPRESSED)  # fmt: skip
    kind_of = {each: _KINDS[measure_words(each).kind] for each in table["measure"].unique()}
    # Money stands in CNY here, whole as in the CSV.
    kinds = ["cny" if kind_of[each] == "wan" else kind_of[each] for each in table["measure"]]
    head = page.word
    columns = [
        *_head(page, "quarter"), *_branch_columns(page)[:2], Column(head("code", "sheet")),
        *_head(page, "measure"), Column(head("dimension", "sheet")), Column(head("member", "sheet")),
        Column(head("base", "hq_header")), Column(head("n", "sheet"), "count"),
        Column(head("numerator", "sheet"), "plain"), Column(head("denominator", "sheet"), "plain"),
        Column(head("value", "sheet"), "mixed"),
    ]  # fmt: skip
    return _sheet(page, "measures", columns, told.to_numpy().tolist(), kinds=kinds, frozen=5,
                  note=page.word("measures_note", "sheet"))  # fmt: skip


def _quality(page: HeadquartersPage) -> Sheet:
    review = page.review
    rows: list[list[Any]] = [
        [page.word(check, "reconciliation"), "", float(difference)]
        for check, difference in review.circulated.reconciliation[["check", "difference"]].to_numpy()
    ]  # fmt: skip
    rows += [
        [page.word("withheld_cells"), f"{row.quarter} · {page.word(row.kind, 'withheld_kind')} · "
         f"{page.word(row.reason, 'withheld_reason')}", int(row.cells)]
        for row in review.circulated.report.itertuples()
    ]  # fmt: skip
    rows += [
        [page.word("overridden" if row.reason else "warned"),
         LintWarning(*row).told(page.language), None]
        for row in review.warnings.itertuples(index=False)
    ]  # fmt: skip
    columns = [*_head(page, "item"), Column(page.word("result", "hq_header"), "long", 70),
               Column(page.word("number", "sheet"), "plain")]  # fmt: skip
    return _sheet(page, "quality", columns, rows)


def _pages(page: HeadquartersPage) -> Sheet:
    rows = [
        [*_branch(page, row.branch_id)[:2], page.word(row.state, "page_state"), row.error]
        for row in page.review.pages.itertuples()
    ]
    columns = [*_branch_columns(page)[:2],
               Column(page.word("state", "hq_header"), bad=(page.word("failed", "page_state"),
                                                            page.word("missing", "page_state"))),
               Column(page.word("error", "hq_header"), "long", 80)]  # fmt: skip
    return _sheet(page, "pages", columns, rows, frozen=2)


def _restatements(page: HeadquartersPage) -> Sheet:
    rows, kinds = [], []
    for row in page.review.restatements.itertuples():
        kind = measure_words(row.measure).kind
        rows.append([row.quarter, *_branch(page, row.branch_id)[:2], page.measure(row.measure),
                     row.member, page.word(row.base, "base"), _unit(page, kind),
                     _scaled(row.issued, kind), _scaled(row.restated, kind)])  # fmt: skip
        kinds.append(_KINDS[kind])
    columns = [*_head(page, "quarter"), *_branch_columns(page)[:2], *_head(page, "measure"),
               Column(page.word("member", "sheet")), *_head(page, "base"),
               Column(page.word("unit", "header")),
               *_head(page, "issued", "restated", kind="mixed")]  # fmt: skip
    return _sheet(page, "restatements", columns, rows, kinds=kinds, frozen=3)


def _definitions(page: HeadquartersPage) -> Sheet:
    """Return the codebook's entries for every measure in the workbook."""
    found = dict.fromkeys(page.review.circulated.measures["measure"])
    zh = page.language == "zh"
    rows = []
    for one in (measure_definition(name) for name in found):
        definition = one.definition_zh if zh else one.definition_en
        good = page.word(one.higher_is_better, "direction")
        rows.append([one.name, page.measure(one.name), _unit(page, one.kind), good, definition,
                     one.formula, one.edge_cases, one.source])  # fmt: skip
    columns = [Column(page.word("code", "sheet")), *_head(page, "measure"),
               Column(page.word("unit", "header")), Column(page.word("direction", "sheet")),
               *(Column(page.word(name, "sheet"), "long", width) for name, width in
                 (("definition", 60), ("formula", 40), ("edge_cases", 40), ("source", 40)))]  # fmt: skip
    return _sheet(page, "definitions", columns, rows, frozen=2, note=page.word("withheld_note"))


def _sheet(page: HeadquartersPage, key: str, columns: Sequence[Column],
           rows: Sequence[Sequence[Any]], **more: Any) -> Sheet:  # fmt: skip
    return Sheet(page.word(key, "sheet_name"), page.word(key, "sheet_caption"), columns, rows, **more)


def _head(page: HeadquartersPage, *keys: str, kind: Kind = "text") -> list[Column]:
    return [Column(page.word(key, "hq_header"), kind) for key in keys]


def _branch_columns(page: HeadquartersPage) -> list[Column]:
    return [Column(page.word("branch_id", "sheet")), *_head(page, "branch"),
            Column(page.word("region", "sheet")), Column(page.word("type", "sheet"))]  # fmt: skip


def _branch(page: HeadquartersPage, branch_id: str) -> list[str]:
    """Return a branch's number, name, region and type; the bank has its name alone."""
    branches = page.review.circulated.branches
    if branch_id not in page.names:
        return [branch_id, page.word("bank", "word"), "", ""]
    row = branches.iloc[page.places[branch_id]]
    return [branch_id, str(row["name"]), str(row.get("region", "")), type_name(page, row.get("type", ""))]


def _unit(page: HeadquartersPage, kind: str) -> str:
    """Return the unit of a kind's cells on the sheets of one question: money in 万元."""
    return page.word("wan", "sheet") if kind == "money" else page.word(kind, "kind_unit")


def _scaled(value: Any, kind: str) -> Any:
    """Return a value as its cell holds it: money in ten thousands."""
    if value is None or isinstance(value, str) or value != value:
        return value
    return value / _TEN_THOUSAND if kind == "money" else float(value)


def _gap(value: Any, *, gone: bool) -> Any:
    """Return a withheld number as "*", one that does not exist as nothing."""
    return (SUPPRESSED if gone else None) if pd.isna(value) else float(value)


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else float(value)


def _change(now: Any, earlier: Any, kind: Any) -> Any:
    """Return a change as a cell holds it, of shares in points; "*" where one is withheld."""
    if SUPPRESSED in (now, earlier):
        return SUPPRESSED
    change = change_between(now, earlier, kind)
    return None if change is None else float(change) * (100 if kind == "share" else 1)
