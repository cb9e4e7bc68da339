"""Headquarters' review in words and figures: cover, the bank's six numbers, conclusions, funnels.

Everything is read from a `Review`; which edition it is of makes no difference here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from typing import Final

import numpy as np
import pandas as pd

from stockcust_analysis import plot
from stockcust_analysis.evaluation.comparison import exceptions
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.review import Review
from stockcust_analysis.show import branch_page
from stockcust_analysis.show.blocks import (
    Document,
    Drawing,
    KeyFigures,
    Language,
    Sentence,
    Sentences,
    Table,
    figure,
)
from stockcust_analysis.show.canvas import HALF_WIDTH, sized_axes
from stockcust_analysis.show.findings import conclusions, growth_sentence
from stockcust_analysis.show.page_data import BranchPage, Page
from stockcust_analysis.show.wording import SUPPRESSED, measure_words

_MOST_OF_BANK: Final = 3
_MOST_FUNNELS: Final = 4
_MOST_ROWS: Final = 40
_MOST_NAMED: Final = 8


@dataclass(frozen=True)
class HeadquartersPage(Page):
    """A quarter's review, and the language of its page."""

    review: Review
    section = "headquarters"
    captions = "hq_caption"
    headers = "hq_header"

    @cached_property
    def bank(self) -> BranchPage:
        """The whole bank as a page of its own, with the sum of the branches' plans as its plan."""
        measures, targets = self.evaluation.measures, self.evaluation.targets
        own = measures[(measures["branch_id"] == WHOLE_BANK) & measures["n"].notna()]
        evaluation = replace(
            self.evaluation,
            measures=own.reset_index(drop=True),
            targets=pd.concat([targets, self._bank_targets()], ignore_index=True),
        )
        return BranchPage(evaluation, self.language, WHOLE_BANK)

    @cached_property
    def exceptions(self) -> pd.DataFrame:
        """The figures beyond chance, eight at most."""
        return exceptions(self.evaluation.comparison)

    @cached_property
    def names(self) -> dict[str, str]:
        """Branch → its name."""
        branches = self.evaluation.branches
        return dict(zip(branches["branch_id"], branches["name"], strict=True))

    @cached_property
    def places(self) -> dict[str, int]:
        """Branch → its position in the table of branches."""
        return {branch_id: position for position, branch_id in enumerate(self.names)}

    @property
    def edition(self) -> str:
        """The word for whom the review is meant: on every page, sheet and index."""
        return self.text(self.review.edition, "edition")

    @cached_property
    def edition_line(self) -> str:
        """The edition, and what of the extracts is in no figure: on every page and sheet."""
        aside = branch_page.set_aside_line(self.bank)
        return f"{self.edition} · {aside}" if aside else self.edition

    def gap_note(self, *keys: str, after: str = "") -> str:
        """Return a note with what is to be said of withheld figures, where there can be any."""
        return " ".join([after, *map(self.text, keys if len(self.review.report) else ())]).strip()

    def measure(self, name: str, base: str = "") -> str:
        """Return a measure's name, with its base where one is named."""
        words = self.text(name, "measure")
        return f"{words} · {self.text(base, 'base')}" if base else words

    def cell(
        self, measure: str, base: str, *, branch_id: str = "", member: str = "", quarter: str = ""
    ) -> float | str | None:
        """Return one figure, of the whole bank if no branch is named.

        "*" where it is withheld, None where there is none.
        """
        whose = (quarter or self.quarter, branch_id or WHOLE_BANK)
        cell = self.cells.get(whose, {}).get((measure, member), {}).get(base)
        if cell is None:
            return None
        return SUPPRESSED if cell.withheld else None if isnan(cell.value) else float(cell.value)

    def own(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the whole bank's rows of a table."""
        return table[table["branch_id"] == WHOLE_BANK]

    def _bank_targets(self) -> pd.DataFrame:
        """Return the bank's plan of counts and amounts for which every branch has one."""
        targets = self.evaluation.targets
        rows = targets[targets["quarter"] == self.quarter]
        additive = [measure_words(name).kind in ("money", "count") for name in rows["measure"]]
        planned = rows[np.array(additive, dtype=bool) & (rows["target"] > 0).to_numpy()]
        groups = planned.groupby("measure")["target"]
        whole = groups.sum()[groups.count() == len(self.evaluation.branches)]
        return whole.reset_index().assign(branch_id=WHOLE_BANK, quarter=self.quarter)


def headquarters_page(review: Review, *, language: Language) -> HeadquartersPage:
    """Return a quarter's review as a page in a language."""
    return HeadquartersPage(review.evaluation, language, review)


def cover(page: HeadquartersPage) -> Document:
    """State which quarter is reviewed, its theme, and by which rules it was made."""
    theme = page.review.theme
    subtitle = page.text("subtitle_theme" if theme else "subtitle")
    words = {"title": page.text("title"), "theme": theme.get(page.language, "")}
    return replace(branch_page.cover_of(page.bank, subtitle, **words), edition=page.edition_line)


def key_figures(page: HeadquartersPage) -> KeyFigures:
    """Return the bank's six numbers against plan and last year."""
    return branch_page.key_figures(page.bank)


def review_conclusions(page: HeadquartersPage) -> Sentences:
    """Return what the quarter amounts to: the bank, the exceptions, what is missing."""
    # Of a bank of a handful of customers everything is withheld.
    of_bank = [] if page.bank.evaluation.measures.empty else conclusions(page.bank)
    # The chapters of the branch report that these would lead to are not here.
    sentences = [replace(sentence, section="") for sentence in of_bank[:_MOST_OF_BANK]]
    return Sentences([*sentences, _exceptions_sentence(page), *_quality_sentence(page)])


def _exceptions_sentence(page: HeadquartersPage) -> Sentence:
    beyond, table = page.exceptions, page.evaluation.comparison
    tests = int(((table["verdict"] != "") & table["z"].notna()).sum())
    bad = int((beyond["favourable"] == "no").sum())
    key = "exceptions_found" if len(beyond) else "exceptions_none"
    words = page.text(key, tests=tests, count=len(beyond), bad=bad)
    return Sentence(words, lead=page.text("exceptions_lead"), section="exceptions")


def _quality_sentence(page: HeadquartersPage) -> list[Sentence]:
    states = page.review.pages["state"]
    failed, missing = (int((states == state).sum()) for state in ("failed", "missing"))
    if not failed + missing:
        return []
    words = page.text("quality_found", of=len(states), failed=failed, missing=missing)
    return [Sentence(words, lead=page.text("quality_lead"), section="quality")]


def exceptions_anchor(page: HeadquartersPage) -> Sentences:
    """Return the sentence the exceptions open with; the conclusions lead to it."""
    return Sentences([replace(_exceptions_sentence(page), section="")], anchor="exceptions")


def quality_anchor(page: HeadquartersPage) -> Sentences | None:
    """Return what is missing, to which the conclusions lead; None when nothing is."""
    sentences = [replace(sentence, section="") for sentence in _quality_sentence(page)]
    return Sentences(sentences, anchor="quality") if sentences else None


def growth_words(page: HeadquartersPage) -> Sentences | None:
    """Return where the bank's growth came from; None in a first quarter."""
    own = page.own(page.evaluation.bridge)
    if own.empty or own["withheld"].any():
        return None
    sentence = growth_sentence(own, branch_id=WHOLE_BANK, language=page.language)
    return None if sentence is None else Sentences([replace(sentence, section="")])


def definitions_table(page: HeadquartersPage) -> Table:
    """Return the definitions of the quarter, with the rule by which any are withheld."""
    shown = branch_page.definitions_table(page.bank)
    if not page.gap_note("disclosure_term"):
        return shown
    tiers = page.members("tier")
    merged = sorted({tiers[tier] for tier in page.review.merged.values()})
    listed = page.text("list_separator", "page").join(merged) or page.text("no_merge")
    words = page.text("disclosure_text", merged=listed)
    return replace(shown, rows=(*shown.rows, (page.text("disclosure_term"), words)))


def restatement_words(page: HeadquartersPage) -> Sentences | None:
    """Say that nothing was restated; None where the table tells what was."""
    if len(page.review.restatements):
        return None
    return Sentences([page.text("no_restatements" if page.review.issued else "no_issued")])


def leading(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return the measures compared that have limits: those of the quarter's theme first."""
    table = page.evaluation.comparison
    printed = table[table["centre"].notna() & ~table["withheld"]]
    pairs = list(dict.fromkeys(zip(printed["measure"], printed["base"], strict=True)))
    judged = set(printed.loc[printed["verdict"] != "", "measure"])
    theme, beyond = page.review.theme.get("measures", []), set(page.exceptions["measure"])
    return sorted(
        pairs, key=lambda pair: (pair[0] not in judged, pair[0] not in theme, pair[0] not in beyond)
    )


def funnel_figure(page: HeadquartersPage, number: int) -> Drawing | None:
    """Draw the n-th funnel, counted from 1; None where fewer measures have limits."""
    chosen = leading(page)[:_MOST_FUNNELS]
    if number > len(chosen):
        return None
    measure, base = chosen[number - 1]
    rows = _peers(page, measure, base, "centre").dropna(subset=["centre"])
    drawn = plot.funnel(rows, language=page.language, ax=sized_axes(6.4, HALF_WIDTH))
    values = rows["compared"]
    beyond = rows.loc[(values < rows["lower_95"]) | (values > rows["upper_95"]), "name"]
    listed = page.text("list_separator", "page").join(beyond.head(_MOST_NAMED))
    blanks = {"measure": page.measure(measure), "names": listed or page.text("nobody")}
    alt = page.text("funnel_alt", count=len(rows), beyond=len(beyond), **blanks)
    return figure(drawn, caption=_caption(page, "funnel_caption", measure, base), alt=alt)


def league_figure(page: HeadquartersPage) -> Drawing | None:
    """Draw the places in the leading measure with their intervals, of the first forty branches.

    How many branches have too few customers to be placed stands below them.
    """
    measure, base = next(iter(leading(page)), ("", ""))
    rows = _peers(page, measure, base, "rank").sort_values(["rank", "branch_id"])
    placed, unplaced = rows.dropna(subset=["rank"]).head(_MOST_ROWS), rows[rows["rank"].isna()]
    if placed.empty:
        return None
    drawn = plot.league(pd.concat([placed, unplaced]), language=page.language)
    alt = page.text(
        "league_alt",
        measure=page.measure(measure),
        first=placed["name"].iloc[0],
        last=placed["name"].iloc[-1],
        width=int((placed["rank_high"] - placed["rank_low"]).median()) + 1,
        unplaced=page.text("unplaced", "word").format(len(unplaced)) if len(unplaced) else "",
    )
    return figure(drawn, caption=_caption(page, "league_caption", measure, base), alt=alt)


def bridge_figure(page: HeadquartersPage) -> Drawing | None:
    """Draw the bank's assets from last quarter to this one."""
    own = page.own(page.evaluation.bridge)
    if own.empty or own["withheld"].any():
        return None
    drawn = plot.bridge(own, language=page.language, ax=sized_axes(5.2))
    caption = page.text("bridge", "hq_caption")
    alt = page.text("bridge_alt", caption=caption, text=page.text("see_table", "page"))
    return figure(drawn, caption=caption, alt=alt)


def _peers(page: HeadquartersPage, measure: str, base: str, known: str) -> pd.DataFrame:
    """Return one comparison with the branches' names, like with like: the largest peer group.

    Only branches count of which a column is `known`.
    """
    rows = page.evaluation.comparison
    rows = rows[(rows["measure"] == measure) & (rows["base"] == base) & ~rows["withheld"]]
    sizes = rows.loc[rows[known].notna(), "peer_group"].value_counts()
    rows = rows[rows["peer_group"].isin(sizes.index[:1])]
    return rows.assign(name=rows["branch_id"].map(page.names))


def _caption(page: HeadquartersPage, key: str, measure: str, base: str) -> str:
    return page.text(key, measure=page.measure(measure), base=page.text(base, "base"))
