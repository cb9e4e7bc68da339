"""The sheets of headquarters' workbook that tell of the bank, of all figures and of the run."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.pareto import CONCENTRATION
from stockcust_analysis.policy.lint import LintWarning
from stockcust_analysis.report.sheets import (
    KINDS,
    Chart,
    Column,
    Kind,
    Sheet,
    branch_cells,
    branch_columns,
    change_cell,
    gap,
    heads,
    scaled,
    sheet,
    unit_of,
)
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.headquarters_tables import growth_steps
from stockcust_analysis.show.pages import rows_of
from stockcust_analysis.show.wording import SUPPRESSED, assumptions, measure_words, names

_OVERVIEW: Final = (
    ("aum_average_quarter", "funded"), ("customers", "funded"), ("customer_retention", "funded"),
    ("silent_rate", "funded"), ("dormancy_rate", "all"), ("multi_product_share", "funded"),
    ("contact_coverage", "managed"), ("aum_period_end", "funded"), ("aum_per_customer", "funded"),
    ("products_per_customer", "funded"), ("ten_largest_share", "funded"),
)  # fmt: skip  # fmt: skip


def overview_sheet(page: HeadquartersPage) -> Sheet:
    """Return the bank's numbers with their changes, plan, and five quarters as a line."""
    quarter = page.review.evaluation.quarter
    past = [str(quarter.shifted(-back)) for back in (4, 3, 2, 1)]
    targets = page.bank.evaluation.targets
    own = targets[(targets["branch_id"] == WHOLE_BANK) & (targets["quarter"] == page.quarter)]
    plans = dict(zip(own["measure"], own["target"], strict=True))
    rows, kinds, kinds_of_change = [], [], []
    for measure, base in _OVERVIEW:
        kind = measure_words(measure).kind
        values = [page.cell(measure, base, quarter=each) for each in (*past, page.quarter)]
        now, plan = values[-1], plans.get(measure) if base == "funded" else None
        start = page.cell(measure, base, quarter=str(quarter.year_start))
        changes = [change_cell(now, earlier, kind) for earlier in (values[-2], values[0], start)]
        attained = now / plan if plan and isinstance(now, float) else None
        rows.append([
            page.measure(measure), page.text(base, "base"), unit_of(page, kind),
            *(scaled(each, kind) for each in (now,)), *changes,
            scaled(plan, kind), attained, *(scaled(each, kind) for each in values), None,
        ])  # fmt: skip
        kinds.append(KINDS[kind])
        kinds_of_change.append(f"change_{kind}")
    head = page.text
    columns = [
        Column(head("measure", "hq_header")), Column(head("base", "hq_header")),
        Column(head("unit", "header")), Column(head("value", "hq_header"), "mixed"),
        *(Column(head(name, "comparison"), "change") for name in
          ("previous_quarter", "year_ago", "year_start")),
        Column(head("plan", "hq_header"), "mixed"), Column(head("attained", "hq_header"), "share"),
        *(Column(each, "mixed") for each in (*past, page.quarter)),
        Column(head("trend", "sheet"), width=16),
    ]  # fmt: skip
    note = "".join([*_assumed(page), page.text("plan_note")])
    return sheet(page, "overview", columns, rows, kinds=kinds, changes=kinds_of_change,
                 trend=(9, 13), note=note)  # fmt: skip


def migration_sheet(page: HeadquartersPage) -> Sheet:
    """Return the migration of the bank and of the branches told, a row per pair of tiers."""
    words = {
        **page.members("tier"),
        **{state: page.text(state, "state") for state in names("state")},
    }
    rows = [
        [*branch_cells(page, row["branch_id"])[:2], words[row["from"]], words[row["to"]],
         gap(row["customers"], gone=row["withheld"]),
         *(scaled(gap(row[name], gone=row["withheld"]), "money")
           for name in ("opening_aum", "closing_aum"))]
        for row in page.review.evaluation.migration.to_dict("records")
    ]  # fmt: skip
    amounts = [Column(page.text(name, "sheet"), "wan") for name in ("opening_aum", "closing_aum")]
    columns = [*branch_columns(page)[:2], *heads(page, "from"), Column(page.text("to", "sheet")),
               *heads(page, "customers", kind="count"), *amounts]  # fmt: skip
    return sheet(page, "migration", columns, rows, frozen=4)


def bridge_sheet(page: HeadquartersPage) -> Sheet:
    """Return every branch's bridge, a row each, the bank first, with new against existing."""
    bridge = page.review.evaluation.bridge
    told = {
        (row.branch_id, row.component): scaled(gap(row.amount, gone=row.withheld), "money")
        for row in rows_of(bridge)
    }
    steps = growth_steps(page).set_index("branch_id")
    gone = set(bridge.loc[bridge["withheld"], "branch_id"])
    components = names("component")
    rows = []
    for branch in dict.fromkeys(bridge["branch_id"]):
        made = steps.loc[branch] if branch in steps.index else None
        sums = [
            None if made is None else scaled(gap(made[name], gone=branch in gone), "money")
            for name in ("new", "existing")
        ]
        amounts = [told.get((branch, one)) for one in components]
        rows.append([*branch_cells(page, branch)[:2], *amounts, *sums])
    columns = [*branch_columns(page)[:2],
               *(Column(page.text(one, "component"), "wan") for one in components),
               *heads(page, "new", "existing", kind="wan")]  # fmt: skip
    return sheet(page, "bridge", columns, rows, frozen=2, note=page.text("wan", "sheet"))


def concentration_sheet(page: HeadquartersPage) -> Sheet:
    """Return how concentrated the assets of the bank and of each branch are."""
    measures = [one.measure for one in CONCENTRATION]
    branches = [WHOLE_BANK, *page.review.evaluation.branches["branch_id"]]
    rows = [
        [*branch_cells(page, branch)[:2],
         *(page.cell(one, "funded", branch_id=branch) for one in measures)]
        for branch in branches
    ]  # fmt: skip
    figures = [Column(page.measure(one), KINDS[measure_words(one).kind]) for one in measures]
    columns = [*branch_columns(page)[:2], *figures]
    chart = Chart(categories=1, values=(2 + measures.index("top_20_share"),), row=3,
                  column=len(columns) + 1)  # fmt: skip
    return sheet(page, "concentration", columns, rows, frozen=2, charts=(chart,),
                  note=page.text("concentration_note", "sheet"))  # fmt: skip


def measures_sheet(page: HeadquartersPage) -> Sheet:
    """Return the long sheet of the quarter's figures, for pivots; money in CNY."""
    table = page.review.evaluation.measures
    table = table[table["quarter"] == page.quarter].reset_index(drop=True)
    told = pd.DataFrame({
        "quarter": table["quarter"], "branch_id": table["branch_id"],
        "name": table["branch_id"].map(page.names).fillna(page.text("bank", "word")),
        "measure": table["measure"],
        "words": table["measure"].map({each: page.measure(each) for each in
                                       table["measure"].unique()}),
        "dimension": table["dimension"], "member": table["member"].replace(_members(page)),
        "base": table["base"].map({each: page.text(each, "base") for each in names("base")}),
    }).astype(object)  # fmt: skip
    for name in ("n", "numerator", "denominator", "value"):
        gone = table[name].isna() & (table["withheld"] | (name == "n"))
        told[name] = table[name].astype(object).where(table[name].notna(), None).mask(
            gone, SUPPRESSED)  # fmt: skip
    kind_of = {each: KINDS[measure_words(each).kind] for each in table["measure"].unique()}
    # Money stands in CNY here, whole as in the CSV.
    kinds = ["cny" if kind_of[each] == "wan" else kind_of[each] for each in table["measure"]]
    head = page.text
    columns = [
        *heads(page, "quarter"), *branch_columns(page)[:2], Column(head("code", "sheet")),
        *heads(page, "measure"), Column(head("dimension", "sheet")),
        Column(head("member", "sheet")),
        Column(head("base", "hq_header")), Column(head("n", "sheet"), "count"),
        Column(head("numerator", "sheet"), "plain"), Column(head("denominator", "sheet"), "plain"),
        Column(head("value", "sheet"), "mixed"),
    ]  # fmt: skip
    note = page.gap_note("withheld_note", after=page.text("measures_note", "sheet"))
    rows = told.to_numpy().tolist()
    return sheet(page, "measures", columns, rows, kinds=kinds, frozen=5, note=note)


def _members(page: HeadquartersPage) -> dict[str, str]:
    """Return what the policy calls whatever it names."""
    dimensions = ("customer_class", "channel", "family", "tier")
    return {name: word for each in dimensions for name, word in page.members(each).items()}


def quality_sheet(page: HeadquartersPage) -> Sheet:
    """Return how the tables agree, what is withheld and what the scorecard's rules warn of."""
    review = page.review
    checks = review.evaluation.reconciliation[["check", "difference"]].to_numpy()
    rows: list[list[Any]] = [
        [page.text(check, "reconciliation"), "", float(difference)]
        for check, difference in checks
    ]  # fmt: skip
    kinds: list[Kind] = ["cny"] * len(rows)
    gone = review.report
    gone = gone[(gone["quarter"] == page.quarter) & (gone["reason"] != "printed")]
    rows += [
        [page.text("withheld_cells"), f"{page.text(row.kind, 'withheld_kind')} · "
         f"{page.text(row.reason, 'withheld_reason')}", int(row.cells)]
        for row in rows_of(gone)
    ]  # fmt: skip
    rows += [
        [page.text("overridden" if row.reason else "warned"),
         LintWarning(*row).told(page.language), None]
        for row in rows_of(review.warnings)
    ]  # fmt: skip
    columns = [*heads(page, "item"), Column(page.text("result", "hq_header"), "long", 70),
               Column(page.text("number", "sheet"), "mixed")]  # fmt: skip
    kinds += ["count"] * (len(rows) - len(kinds))
    return sheet(page, "quality", columns, rows, kinds=kinds)


def pages_sheet(page: HeadquartersPage) -> Sheet:
    """Return how each branch's report ended."""
    rows = [
        [*branch_cells(page, row.branch_id)[:2], page.text(row.state, "page_state"), row.error]
        for row in rows_of(page.review.pages)
    ]
    columns = [*branch_columns(page)[:2],
               Column(page.text("state", "hq_header"), bad=(page.text("failed", "page_state"),
                                                            page.text("missing", "page_state"))),
               Column(page.text("error", "hq_header"), "long", 80)]  # fmt: skip
    return sheet(page, "pages", columns, rows, frozen=2)


def restatements_sheet(page: HeadquartersPage) -> Sheet:
    """Return the figures of the last issued quarter that read otherwise today."""
    rows, kinds, members = [], [], _members(page)
    for row in rows_of(page.review.restatements):
        kind = measure_words(row.measure).kind
        member = members.get(row.member, row.member)
        rows.append([row.quarter, *branch_cells(page, row.branch_id)[:2], page.measure(row.measure),
                     member, page.text(row.base, "base"), unit_of(page, kind),
                     scaled(row.issued, kind), scaled(row.restated, kind)])  # fmt: skip
        kinds.append(KINDS[kind])
    columns = [*heads(page, "quarter"), *branch_columns(page)[:2], *heads(page, "measure"),
               Column(page.text("member", "sheet")), *heads(page, "base"),
               Column(page.text("unit", "header")),
               *heads(page, "issued", "restated", kind="mixed")]  # fmt: skip
    return sheet(page, "restatements", columns, rows, kinds=kinds, frozen=3)


def definitions_sheet(page: HeadquartersPage) -> Sheet:
    """Return the codebook's entries for every measure in the workbook."""
    found = dict.fromkeys(page.review.evaluation.measures["measure"])
    zh = page.language == "zh"
    rows = []
    for one in (measure_definition(name) for name in found):
        definition = one.definition_zh if zh else one.definition_en
        good = page.text(one.higher_is_better, "direction")
        rows.append([one.name, page.measure(one.name), unit_of(page, one.kind), good, definition,
                     one.formula, one.edge_cases, one.source])  # fmt: skip
    columns = [Column(page.text("code", "sheet")), *heads(page, "measure"),
               Column(page.text("unit", "header")), Column(page.text("direction", "sheet")),
               Column(page.text("definition", "sheet"), "long", 60),
               *(Column(page.text(name, "sheet"), "long", 40)
                 for name in ("formula", "edge_cases", "source"))]  # fmt: skip
    note = " ".join([*_assumed(page), page.gap_note("withheld_note")]).strip()
    return sheet(page, "definitions", columns, rows, frozen=2, note=note)


def _assumed(page: HeadquartersPage) -> list[str]:
    """Return what the figures assume where the bank did not deliver something."""
    return assumptions(page.bank.evaluation.policy_facts, page.language)
