"""Headquarters' review in words: cover, the bank's six numbers, conclusions, definitions.

Everything is read from a `Review`; which edition it is of makes no difference here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.comparison import exceptions
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.review import Review
from stockcust_analysis.show import branch_definitions, branch_page
from stockcust_analysis.show.blocks import Document, KeyFigures, Language, Sentence, Sentences
from stockcust_analysis.show.branch_page import BranchPage
from stockcust_analysis.show.conclusions import conclusions
from stockcust_analysis.show.growth_words import growth_sentence
from stockcust_analysis.show.labels import label, measure_words, policy_words
from stockcust_analysis.show.tables import Table
from stockcust_analysis.show.units import SUPPRESSED, format_count

_MOST_OF_BANK = 3


@dataclass(frozen=True)
class HeadquartersPage:
    """A quarter's review, and the language it is told in."""

    review: Review
    language: Language

    @cached_property
    def bank(self) -> BranchPage:
        """The whole bank as a page of its own, with the sum of the branches' plans as its plan."""
        evaluation = self.review.evaluation
        measures = evaluation.measures
        own = measures[(measures["branch_id"] == WHOLE_BANK) & measures["n"].notna()]
        told = replace(
            evaluation,
            measures=own.reset_index(drop=True),
            targets=pd.concat([evaluation.targets, self._bank_targets()], ignore_index=True),
        )
        return BranchPage(told, WHOLE_BANK, self.language)

    @cached_property
    def exceptions(self) -> pd.DataFrame:
        """The figures beyond chance, eight at most."""
        return exceptions(self.review.evaluation.comparison)

    @cached_property
    def names(self) -> dict[str, str]:
        """Branch → its name."""
        branches = self.review.evaluation.branches
        return dict(zip(branches["branch_id"], branches["name"], strict=True))

    @cached_property
    def places(self) -> dict[str, int]:
        """Branch → its place in the table of branches."""
        return {name: place for place, name in enumerate(self.names)}

    @property
    def quarter(self) -> str:
        """The quarter told, such as 2026Q3."""
        return str(self.review.evaluation.quarter)

    @property
    def edition(self) -> str:
        """The word for whom the review is meant: on every page, sheet and index."""
        return self.word(self.review.edition, "edition")

    def word(self, key: str, within: str = "headquarters") -> str:
        """Return a word of the page in its language."""
        return label(key, self.language, within=within)

    def members(self, dimension: str) -> dict[str, str]:
        """Return what the policy calls its tiers, families, channels or classes, in its order."""
        return policy_words(self.review.evaluation.policy_facts, dimension, self.language)

    def gap_note(self, *keys: str, after: str = "") -> str:
        """Return a note with what is to be said of withheld figures, where there can be any."""
        return " ".join([after, *map(self.word, keys if len(self.review.report) else ())]).strip()

    def measure(self, name: str, base: str = "") -> str:
        """Return a measure's name, with its base where one is given."""
        words = self.word(name, "measure")
        return f"{words} · {self.word(base, 'base')}" if base else words

    @cached_property
    def _cells(self) -> dict[tuple[str, ...], tuple[Any, Any, Any]]:
        names = ["quarter", "branch_id", "measure", "member", "base", "value", "numerator"]
        columns = (self.review.evaluation.measures[name].tolist() for name in (*names, "withheld"))
        return {
            tuple(key): (value, numerator, withheld)
            for *key, value, numerator, withheld in zip(*columns, strict=True)
        }

    def cell(
        self,
        measure: str,
        base: str,
        *,
        branch_id: str = WHOLE_BANK,
        member: str = "",
        quarter: str = "",
        column: Literal["value", "numerator"] = "value",
    ) -> float | str | None:
        """Return one figure: "*" where it is withheld, None where there is none."""
        found = self._cells.get((quarter or self.quarter, branch_id, measure, member, base))
        if found is None:
            return None
        value, numerator, withheld = found
        if withheld:
            return SUPPRESSED
        number = value if column == "value" else numerator
        return None if pd.isna(number) else float(number)

    def _bank_targets(self) -> pd.DataFrame:
        """Return the bank's plan of counts and amounts for which every branch has one."""
        told = self.review.evaluation
        rows = told.targets[told.targets["quarter"] == self.quarter]
        additive = [measure_words(name).kind in ("money", "count") for name in rows["measure"]]
        kept = rows[np.array(additive, dtype=bool) & (rows["target"] > 0).to_numpy()]
        groups = kept.groupby("measure")["target"]
        whole = groups.sum()[groups.count() == len(told.branches)]
        return whole.reset_index().assign(branch_id=WHOLE_BANK, quarter=self.quarter)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield a frame's rows, each with its cells as attributes."""
    return frame.itertuples(index=False)


def headquarters_page(review: Review, *, language: Language) -> HeadquartersPage:
    """Take a quarter's review to be told in a language."""
    return HeadquartersPage(review, language)


def cover(page: HeadquartersPage) -> Document:
    """State which quarter is reviewed, its theme, and by which rules it was made."""
    told, theme = page.review.evaluation, page.review.theme
    key = "subtitle_theme" if theme else "subtitle"
    return Document(
        title=page.word("title"),
        subtitle=page.word(key).format(
            year=told.quarter.year, number=told.quarter.number,
            theme=theme.get(page.language, ""),
        ),
        organisation=told.bank_name,
        as_of=told.quarter.end,
        language=page.language,
        run_facts=branch_page.run_facts_of(page.bank),
        edition=page.edition,
    )  # fmt: skip


def key_figures(page: HeadquartersPage) -> KeyFigures:
    """Return the bank's six numbers against plan and last year."""
    return branch_page.key_figures(page.bank)


def review_conclusions(page: HeadquartersPage) -> Sentences:
    """Return what the quarter amounts to: the bank, the exceptions, what is missing."""
    told = page.bank.evaluation
    # Of a bank of a handful of customers everything is withheld.
    whole = [] if told.measures.empty else conclusions(
        told.measures, branch_id=WHOLE_BANK, quarter=page.quarter, language=page.language,
        targets=told.targets, families=page.members("family"),
    )  # fmt: skip
    # The chapters of the branch report that these would lead to are not here.
    sentences = [replace(each, section="") for each in whole[:_MOST_OF_BANK]]
    sentences.append(_exceptions_sentence(page))
    return Sentences([*sentences, *_quality_sentence(page)])


def _exceptions_sentence(page: HeadquartersPage) -> Sentence:
    found, table = page.exceptions, page.review.evaluation.comparison
    tests = int(((table["verdict"] != "") & table["z"].notna()).sum())
    bad = int((found["favourable"] == "no").sum())
    key = "exceptions_found" if len(found) else "exceptions_none"
    text = page.word(key).format(
        tests=format_count(tests), count=format_count(len(found)), bad=format_count(bad)
    )
    return Sentence(text, lead=page.word("exceptions_lead"), section="exceptions")


def _quality_sentence(page: HeadquartersPage) -> list[Sentence]:
    states = page.review.pages["state"]
    failed, missing = (int((states == state).sum()) for state in ("failed", "missing"))
    if not failed + missing:
        return []
    text = page.word("quality_found").format(of=len(states), failed=failed, missing=missing)
    return [Sentence(text, lead=page.word("quality_lead"), section="quality")]


def exceptions_anchor(page: HeadquartersPage) -> Sentences:
    """Return the sentence the exceptions open with; the conclusions lead to it."""
    return Sentences([replace(_exceptions_sentence(page), section="")], anchor="exceptions")


def quality_anchor(page: HeadquartersPage) -> Sentences | None:
    """Return what is missing, to which the conclusions lead; None when nothing is."""
    told = [replace(each, section="") for each in _quality_sentence(page)]
    return Sentences(told, anchor="quality") if told else None


def growth_words(page: HeadquartersPage) -> Sentences | None:
    """Return where the bank's growth came from; None in a first quarter."""
    bridge = page.review.evaluation.bridge
    own = bridge[bridge["branch_id"] == WHOLE_BANK]
    if own.empty or own["withheld"].any():
        return None
    told = growth_sentence(own, branch_id=WHOLE_BANK, language=page.language)
    return None if told is None else Sentences([replace(told, section="")])


def definitions_table(page: HeadquartersPage) -> Table:
    """Return the definitions of the quarter, with the rule by which any are withheld."""
    shown = branch_definitions.definitions_table(page.bank)
    if not page.gap_note("disclosure_term"):
        return shown
    names = page.members("tier")
    merged = sorted({names[tier] for tier in page.review.merged.values()})
    separator = page.word("list_separator", "page")
    text = page.word("disclosure_text").format(
        merged=separator.join(merged) or page.word("no_merge")
    )
    return replace(shown, rows=(*shown.rows, (page.word("disclosure_term"), text)))


def restatement_words(page: HeadquartersPage) -> Sentences | None:
    """Say that nothing was restated; None where the table tells what was."""
    if len(page.review.restatements):
        return None
    key = "no_restatements" if page.review.issued else "no_issued"
    return Sentences([page.word(key)])
