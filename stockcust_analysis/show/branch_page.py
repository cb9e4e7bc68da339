"""A branch's page in words: cover, key figures, conclusions and the definitions used."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.show.assumptions import AVERAGE, average_is_balance
from stockcust_analysis.show.blocks import (
    Document,
    Heading,
    KeyFigure,
    KeyFigures,
    Language,
    Sentences,
    document,
)
from stockcust_analysis.show.comparisons import comparisons, values_by_quarter
from stockcust_analysis.show.conclusions import conclusions, section_conclusion
from stockcust_analysis.show.findings import NOISE, Section
from stockcust_analysis.show.growth_words import growth_sentence
from stockcust_analysis.show.labels import label, measure_words, policy_words
from stockcust_analysis.show.tables import Table
from stockcust_analysis.show.units import format_measure, format_number, money_unit

IDLE = "idle_customers"
"""Silent and dormant customers together: who has not acted."""

# What a manager looks at first, each with the base it is counted on; the first six there are.
KEY_MEASURES = (
    ("aum_average_quarter", "funded"),
    ("customers", "funded"),
    ("customer_retention", "funded"),
    (IDLE, "funded"),
    ("multi_product_share", "funded"),
    ("contact_coverage", "managed"),
    ("ten_largest_share", "funded"),
    ("top_20_share", "funded"),
)


@dataclass(frozen=True)
class BranchPage:
    """One branch's slice of the evaluation, and the language it is told in."""

    evaluation: Evaluation
    branch_id: str
    language: Language
    places: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def is_small(self) -> bool:
        """Whether too few customers are funded to say anything of shares."""
        return (self.value("customers", base="funded") or 0) < NOISE.fewest_customers

    @property
    def quarter(self) -> str:
        """The quarter told, such as 2026Q3."""
        return str(self.evaluation.quarter)

    @cached_property
    def _cells(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """Value and numerator of every cell, by base and for the first base of each measure."""
        columns = ["quarter", "branch_id", "measure", "member", "base", "value", "numerator"]
        cells: dict[tuple[str, ...], tuple[float, float]] = {}
        for *key, base, value, numerator in self.evaluation.measures[columns].itertuples(
            index=False, name=None
        ):
            cells[(*key, base)] = (value, numerator)
            cells.setdefault((*key, ""), (value, numerator))
        return cells

    @cached_property
    def _openings(self) -> dict[Section, Sentences]:
        """The sentences found so far: a chapter's stands at its head and in its figures' words."""
        return {}

    def opening(self, section: Section) -> Sentences:
        """Return the sentence that a chapter opens with, found once."""
        if section not in self._openings:
            told = section_conclusion(
                self.evaluation.measures,
                section,
                branch_id=self.branch_id,
                quarter=self.quarter,
                language=self.language,
                targets=self.evaluation.targets,
                families=self.members("family"),
            )
            self._openings[section] = Sentences([told], anchor=section)
        return self._openings[section]

    def value(
        self,
        measure: str,
        member: str = "",
        *,
        base: str = "",
        quarter: str = "",
        branch_id: str = "",
        column: Literal["value", "numerator"] = "value",
    ) -> float | None:
        """Return one number of the measure table; None where there is none."""
        place = (quarter or self.quarter, branch_id or self.branch_id)
        cell = self._cells.get((*place, measure, member, base))
        found = None if cell is None else cell[0 if column == "value" else 1]
        return None if found is None or pd.isna(found) else float(found)

    def word(self, key: str, within: str = "page") -> str:
        """Return a word of the page in its language."""
        return label(key, self.language, within=within)

    def members(self, dimension: str) -> dict[str, str]:
        """Return what the policy calls its tiers, families, channels or classes, in its order."""
        return policy_words(self.evaluation.policy_facts, dimension, self.language)


def branch_page(evaluation: Evaluation, *, branch_id: str, language: Language) -> BranchPage:
    """Take one branch's slice of the evaluation; UsageError when the branch does not report."""
    places = _places(evaluation.comparison, branch_id)
    return BranchPage(evaluation.of_branch(branch_id), branch_id, language, places)


def _places(comparison: pd.DataFrame, branch_id: str) -> pd.DataFrame:
    """Return how the branch compares with its peers; empty without any."""
    return comparison[comparison["branch_id"] == branch_id] if len(comparison) else comparison


def cover(page: BranchPage) -> Document:
    """State whose page this is, of which quarter, and by which rules it was made."""
    evaluation = page.evaluation
    name = evaluation.branch_name(page.branch_id)
    quarter = evaluation.quarter
    return document(
        title=name,
        subtitle=page.word("subtitle").format(
            title=page.word("title"), year=quarter.year, number=quarter.number
        ),
        organisation=evaluation.bank_name,
        as_of=quarter.end,
        language=page.language,
        run_facts=run_facts_of(page),
    )


def key_figures(page: BranchPage) -> KeyFigures:
    """Return the six numbers of the first page with what they are compared with."""
    found = (_key_figure(page, measure, base) for measure, base in KEY_MEASURES)
    return KeyFigures([figure for figure in found if figure is not None][:6])


def page_conclusions(page: BranchPage) -> Sentences:
    """Return the report's three to five conclusions."""
    return Sentences(
        conclusions(
            page.evaluation.measures,
            branch_id=page.branch_id,
            quarter=page.quarter,
            language=page.language,
            targets=page.evaluation.targets,
            families=page.members("family"),
        )
    )


def counted_heading(page: BranchPage, name: str, told: Table | KeyFigures | None) -> Heading | None:
    """Return a heading that says how many things stand below it; None above nothing."""
    count = 0 if told is None else len(told.rows if isinstance(told, Table) else told.figures)
    return Heading(page.word(str(count), f"{name}_heading")) if count else None


def section_sentence(page: BranchPage, section: Section) -> Sentences | None:
    """Return the sentence that a chapter opens with; None where the branch is too small for one."""
    return None if page.is_small else page.opening(section)


def growth_words(page: BranchPage) -> Sentences | None:
    """Return where growth came from; None for a bank's first quarter or a small branch."""
    bridge = page.evaluation.bridge
    told = growth_sentence(
        bridge[bridge["structure"] == "today"], branch_id=page.branch_id, language=page.language
    )
    return None if told is None or page.is_small else Sentences([told], anchor="growth")


def _key_figure(page: BranchPage, measure: str, base: str) -> KeyFigure | None:
    """Return one number with its comparisons; None where the branch has no such value."""
    rows = _idle_rows(page) if measure == IDLE else page.evaluation.measures
    told = "silent_rate" if measure == IDLE else measure
    value = values_by_quarter(rows, told, base=base, branch_id=page.branch_id).get(page.quarter)
    if value is None:
        return None
    kind = measure_words(told).kind
    unit = money_unit([value], page.language) if kind == "money" else None
    is_plain = base == "funded" and measure == told
    compared = comparisons(
        rows,
        told,
        branch_id=page.branch_id,
        quarter=page.quarter,
        base=base,
        targets=page.evaluation.targets if is_plain else None,
    )
    if page.is_small and kind == "share":
        compared = ()
    changes = kind == "share" and any(each.name != "target" for each in compared)
    points = page.word("points_told") if changes else ""
    names = {"customers": page.word("funded_customers"), IDLE: page.word(IDLE),
             "multi_product_share": page.word("tile_multi_product_share")}  # fmt: skip
    beside = _bank_beside(page, rows, told, base)
    name = names.get(measure) or page.word(measure, "measure")
    if measure == AVERAGE and average_is_balance(page.evaluation.policy_facts):
        name = page.word("from_balance").format(name)
    return KeyFigure(
        label=name,
        value=format_measure(value, told, unit=unit),
        unit=unit.name if unit else points,
        comparisons=(*(each.pair(page.language) for each in compared), *beside),
    )


def _bank_beside(
    page: BranchPage, rows: pd.DataFrame, measure: str, base: str
) -> list[tuple[str, str]]:
    """Return the whole bank's share beside the branch's; amounts and counts do not compare."""
    value = values_by_quarter(rows, measure, base=base, branch_id=WHOLE_BANK).get(page.quarter)
    is_bank = page.branch_id == WHOLE_BANK
    if value is None or is_bank or measure_words(measure).kind in ("money", "count"):
        return []
    return [(page.word("bank", "word"), format_measure(value, measure))]


def _idle_rows(page: BranchPage) -> pd.DataFrame:
    """Return silent and dormant customers together, under the name of the silent."""
    rows = page.evaluation.measures
    both = rows[rows["measure"].isin(["silent_rate", "dormancy_rate"])]
    keys = ["quarter", "branch_id", "dimension", "member", "base"]
    added = both.pivot_table(index=keys, columns="measure", values="value", dropna=False)
    added = added.dropna()
    told = added.sum(axis=1).rename("value").reset_index()
    return pd.DataFrame(told).assign(measure="silent_rate")


def memory_note(page: BranchPage) -> str:
    """Return that tiers carry memory, by quarter (按季近似); nothing where they do not."""
    memory = page.evaluation.policy_facts.get("tier_memory")
    return page.word("memory_note").format(**memory) if memory else ""


def run_facts_of(page: BranchPage) -> dict[str, str]:
    """Return what a page prints of its origin: policy, date of the data, reconciliation."""
    evaluation = page.evaluation
    policy = evaluation.policy_facts
    checks = {
        page.word(str(check), "reconciliation"): page.word("difference").format(
            format_number(float(difference), decimals=2)
        )
        for check, difference in evaluation.reconciliation[["check", "difference"]].to_numpy()
    }
    return {
        page.word("policy"): f"{policy['name']} {policy['version']} ({policy['digest'][:12]})",
        page.word("data_date"): evaluation.quarter.end.isoformat(),
        **checks,
    }
