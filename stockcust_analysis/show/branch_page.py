"""A branch's page in words: cover, key figures, conclusions and the definitions used."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.show.blocks import (
    Document,
    KeyFigure,
    KeyFigures,
    Language,
    Sentences,
    document,
)
from stockcust_analysis.show.comparisons import comparisons
from stockcust_analysis.show.conclusions import conclusions, section_conclusion
from stockcust_analysis.show.findings import NOISE, Section
from stockcust_analysis.show.growth_words import growth_sentence
from stockcust_analysis.show.labels import label, measure_words, names
from stockcust_analysis.show.tables import Table, table
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


def branch_page(evaluation: Evaluation, *, branch_id: str, language: Language) -> BranchPage:
    """Take one branch's slice of the evaluation; UsageError when the branch does not report."""
    places = _places(evaluation.comparison, branch_id)
    return BranchPage(evaluation.of_branch(branch_id), branch_id, language, places)


def _places(comparison: pd.DataFrame, branch_id: str) -> pd.DataFrame:
    """Return the branch's comparisons with its rank among how many peers; empty without any."""
    if comparison.empty:
        return comparison
    compared = comparison.get("compared", comparison["value"])
    upwards = [measure_words(name).higher_is_better != "no" for name in comparison["measure"]]
    signed = compared.where(np.array(upwards), -compared)
    groups = signed.groupby([comparison[name] for name in ("measure", "base", "peer_group")])
    ranked = comparison.assign(
        rank=groups.rank("min", ascending=False), rank_of=groups.transform("count")
    )
    return ranked[ranked["branch_id"] == branch_id]


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
        )
    )


def section_sentence(page: BranchPage, section: Section) -> Sentences | None:
    """Return the sentence that a chapter opens with; None where the branch is too small for one."""
    if page.is_small:
        return None
    sentence = section_conclusion(
        page.evaluation.measures,
        section,
        branch_id=page.branch_id,
        quarter=page.quarter,
        language=page.language,
        targets=page.evaluation.targets,
    )
    return Sentences([sentence], anchor=section)


def growth_words(page: BranchPage) -> Sentences | None:
    """Return where growth came from; None for a bank's first quarter or a small branch."""
    bridge = page.evaluation.bridge
    told = growth_sentence(
        bridge[bridge["structure"] == "today"], branch_id=page.branch_id, language=page.language
    )
    return None if told is None or page.is_small else Sentences([told], anchor="growth")


def definitions_table(page: BranchPage) -> Table:
    """Return the definitions that the page's numbers follow (口径), with the policy's borders."""
    policy = page.evaluation.policy_facts
    rule = policy["dormancy"]
    known: dict[str, Any] = {
        "as_of": page.evaluation.quarter.end.isoformat(),
        "funded": _plain(policy["funded"]),
        "effective": _plain(policy["effective"]),
        "cap": "" if rule["cap"] is None else _plain(rule["cap"]),
        "idle": _idle_period(page),
        "tiers": _tier_borders(page),
    }
    rows = [
        (page.word(key, "definition_term"), page.word(key, _wording(page, key)).format(**known))
        for key in names("definition")
    ]
    term, meaning = page.word("term"), page.word("meaning")
    frame = pd.DataFrame(rows, columns=[term, meaning])
    return table(frame, caption=page.word("definitions"), note=page.word("definitions_note"))


def _wording(page: BranchPage, key: str) -> str:
    """Return where the definition's words stand; a dormancy rule without cap has its own."""
    uncapped = key == "dormancy" and page.evaluation.policy_facts["dormancy"]["cap"] is None
    return "definition_variant" if uncapped else "definition"


def _key_figure(page: BranchPage, measure: str, base: str) -> KeyFigure | None:
    """Return one number with its comparisons; None where the branch has no such value."""
    rows = _idle_rows(page) if measure == IDLE else page.evaluation.measures
    told = "silent_rate" if measure == IDLE else measure
    here = rows[["quarter", "branch_id", "measure", "base", "dimension"]].eq(
        [page.quarter, page.branch_id, told, base, ""]
    )
    values = rows.loc[here.all(axis=1), "value"].dropna()
    if values.empty:
        return None
    value, kind = float(values.iloc[0]), measure_words(told).kind
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
    points = page.word("points_told") if kind == "share" and compared else ""
    names = {"customers": page.word("funded_customers"), IDLE: page.word(IDLE),
             "multi_product_share": page.word("tile_multi_product_share")}  # fmt: skip
    beside = _bank_beside(page, rows, told, base)
    return KeyFigure(
        label=names.get(measure) or page.word(measure, "measure"),
        value=format_measure(value, told, unit=unit),
        unit=unit.name if unit else points,
        comparisons=(*(each.pair(page.language) for each in compared), *beside),
    )


def _bank_beside(
    page: BranchPage, rows: pd.DataFrame, measure: str, base: str
) -> list[tuple[str, str]]:
    """Return the whole bank's share beside the branch's; amounts and counts do not compare."""
    wanted = [page.quarter, WHOLE_BANK, measure, base, ""]
    here = rows[["quarter", "branch_id", "measure", "base", "dimension"]].eq(wanted).all(axis=1)
    values = rows.loc[here, "value"].dropna()
    is_bank = page.branch_id == WHOLE_BANK
    if values.empty or is_bank or measure_words(measure).kind in ("money", "count"):
        return []
    return [(page.word("bank", "word"), format_measure(float(values.iloc[0]), measure))]


def _idle_rows(page: BranchPage) -> pd.DataFrame:
    """Return silent and dormant customers together, under the name of the silent."""
    rows = page.evaluation.measures
    both = rows[rows["measure"].isin(["silent_rate", "dormancy_rate"])]
    keys = ["quarter", "branch_id", "dimension", "member", "base"]
    added = both.groupby(keys, as_index=False, dropna=False)["value"].agg(
        lambda x: x.sum(min_count=2)
    )
    return added.assign(measure="silent_rate")


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


def _idle_period(page: BranchPage) -> str:
    rule = page.evaluation.policy_facts["dormancy"]
    unit = "idle_months" if rule["idle_months"] else "idle_days"
    return page.word(unit).format(rule[unit])


def _tier_borders(page: BranchPage) -> str:
    tiers = page.evaluation.policy_facts["tiers"]
    uppers = [*(tier["lower"] for tier in tiers[1:]), None]
    separator = page.word("list_separator")
    return separator.join(
        f"{tier[page.language]} "
        + (f"{_plain(tier['lower'])}–{_plain(upper)}" if upper else f"≥{_plain(tier['lower'])}")
        for tier, upper in zip(tiers, uppers, strict=True)
    )


def _plain(amount: float) -> str:
    return format_number(amount, decimals=0)
