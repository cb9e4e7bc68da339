"""What headquarters reviews of a quarter: the evaluation's tables in one of two editions.

```
evaluation ── make_review ──> Review ──> notebook, workbook, index, long table
```

The internal edition is the evaluation as it is. The circulated one is the only form in which its
figures may leave the building: the evaluation is recoded, `disclosure`, which is loaded for it
alone, withholds cells of its tables, and what follows from a withheld figure goes with it. Figures
of an issued quarter that would read otherwise today are restatements (追溯调整), and are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import ReportError, UsageError, say
from stockcust_analysis.evaluation import results
from stockcust_analysis.evaluation.cells import KEYS
from stockcust_analysis.evaluation.comparison import COMPARISON_COLUMNS
from stockcust_analysis.evaluation.relations import DECLARED, relations
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.evaluation.scorecard import lint_scorecard
from stockcust_analysis.measures import codebook
from stockcust_analysis.policy import AMONG_PEERS, Policy, Veto
from stockcust_analysis.policy.describe import LintWarning

if TYPE_CHECKING:
    from stockcust_analysis.disclosure import Protected, Tables

Edition = Literal["internal", "circulated"]
_COLUMNS = {
    "restatements": [*KEYS, "issued", "restated"],
    "warnings": [*LintWarning._fields],
    "pages": ["branch_id", "state", "error"],
    "report": ["quarter", "kind", "reason", "cells"],
}
_FACTS = "review.json"
_PLAIN = ("edition", "merged", "exposed", "theme", "issued", "issue", "issued_policy")
_FLAGGED = ("measures", "migration", "bridge", "scorecard", "scores", "comparison")
_LAST_DIGIT = 1e-9  # a smaller relative difference is the last digit of a float
_NOT_PRINTED = ("lorenz", "co_holding", "cells", "worklists", "outcomes")
_NOT_CIRCULATED = ("cells", "worklists", "outcomes", "previous_migration", "previous_bridge")
_FIGURE = ["quarter", "branch_id", "measure", "member", "base"]
_POINTS = ["attainment", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group", "points"]
_OWN = ["n", "value", "compared"]
_MOVEMENT = ["movement", "movement_standard_error"]
_AMONG_ALL = ["centre", "lower_95", "upper_95", "lower_998", "upper_998", "z"]
_AMONG_ALL += ["rank", "rank_low", "rank_high", "shrunk_value"]


@dataclass(frozen=True)
class Review:
    """All that headquarters' files are made from, whichever edition they are of.

    `evaluation` has a column `withheld` in the tables that can have gaps: measures, migration,
    bridge, scorecard, scores and comparison; in the internal edition it is nowhere true.
    `restatements` lists figures of the last issued quarter that read otherwise today, `warnings`
    the scorecard's traps, `pages` how each branch's page ended: branch_id, state (made, failed,
    missing) and error. `issued` is the last quarter that was issued, or empty, and `issue` counts
    how often it has been; `issued_policy` is the policy it was issued by, where today's is another.
    `merged`, `report` and `exposed` are what `circulate` says of a circulated edition, else empty.
    """

    evaluation: Evaluation
    edition: Edition = "internal"
    restatements: pd.DataFrame = field(default_factory=pd.DataFrame)
    warnings: pd.DataFrame = field(default_factory=pd.DataFrame)
    pages: pd.DataFrame = field(default_factory=pd.DataFrame)
    theme: Mapping[str, Any] = field(default_factory=dict)
    issued: str = ""
    issue: int = 0
    issued_policy: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    report: pd.DataFrame = field(default_factory=pd.DataFrame)
    exposed: int = 0

    def __post_init__(self) -> None:
        """Give tables of which nothing is known their columns."""
        for name, columns in _COLUMNS.items():
            object.__setattr__(self, name, getattr(self, name).reindex(columns=columns))

    def with_pages(self, pages: Iterable[tuple[str, str, str]]) -> Review:
        """Return the review with how each branch's page ended: branch_id, state, error."""
        return replace(self, pages=pd.DataFrame(list(pages), columns=_COLUMNS["pages"]))

    def save(self, folder: Path) -> None:
        """Write the tables as CSV into a folder, the plain facts beside them."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        results.write_evaluation(self.evaluation, folder / _FACTS, self, **plain)


def make_review(
    evaluation: Evaluation,
    *,
    policy: Policy,
    edition: Edition = "internal",
    issued: Sequence[Review] = (),
) -> Review:
    """Return the review of a quarter in one edition.

    Parameters
    ----------
    evaluation
        The quarter with its scorecard, scores, comparison and cell facts.
    policy
        Its scorecard, its themes and, for the circulated edition, its limits of disclosure.
    edition
        "internal": every figure as the branches' own reports print it. "circulated": recoded and
        withheld, so that nobody's figure can be worked out.
    issued
        All reviews of the same edition that were issued, the latest first: restatements are listed
        against the first, and what circulated ones print is known to everybody.

    Raises
    ------
    ReportError
        A figure to withhold could be worked out, and no issued set is to blame.
    """
    compared = evaluation.comparison.reindex(columns=list(COMPARISON_COLUMNS))
    evaluation = replace(evaluation, comparison=compared)
    if edition == "internal":
        review = _internal(evaluation)
    else:
        review = _make_circulated(evaluation, policy, issued)
    warnings = [] if evaluation.scorecard.empty else lint_scorecard(review.evaluation, policy)
    theme = policy.theme(evaluation.quarter.number)
    facts = {"zh": theme.zh, "en": theme.en, "measures": list(theme.measures)} if theme else {}
    review = replace(review, warnings=pd.DataFrame(warnings), theme=facts)
    if not issued:
        return review
    last = issued[0].evaluation
    changed = restatements(last.measures, review.evaluation.measures, quarter=str(last.quarter))
    changed = changed.dropna(subset=["issued", "restated"]).reset_index(drop=True)
    issue = sum(review.evaluation.quarter == last.quarter for review in issued)
    was, now = map(results.policy_label, (last.policy_facts, evaluation.policy_facts))
    review = replace(review, restatements=changed, issued_policy=was if was != now else "")
    return replace(review, issued=str(last.quarter), issue=issue)


def _internal(evaluation: Evaluation) -> Review:
    """Return the evaluation as it is, on today's structure, without what no page prints."""
    tables = {name: getattr(evaluation, name).assign(withheld=False) for name in _FLAGGED}
    for name in ("migration", "bridge"):
        tables[name] = tables[name][tables[name]["structure"] == "today"].reset_index(drop=True)
    rest = {name: getattr(evaluation, name).head(0) for name in _NOT_PRINTED}
    return Review(replace(evaluation, **tables, **rest))


def _make_circulated(evaluation: Evaluation, policy: Policy, issued: Sequence[Review]) -> Review:
    """Return what may leave the building; ReportError when it would give somebody away."""
    circulated, result = circulate(evaluation, policy, earlier=[r.evaluation for r in issued])
    # An issued set is to blame for what could not be worked out without it.
    own = circulate(evaluation, policy)[1] if result.exposed and issued else result
    if own.exposed:
        raise ReportError(say("exposed", own.exposed, evaluation.quarter))
    return Review(
        circulated, "circulated", merged=result.merged, report=result.report, exposed=result.exposed
    )


def open_review(folder: str | Path) -> Review:
    """Read a review that `Review.save` wrote; UsageError when the folder holds none."""
    path = Path(folder) / _FACTS
    if not path.exists():
        raise UsageError(say("no_review", path.parent))
    evaluation, facts = results.read_evaluation(path)
    rest: dict[str, Any] = {name: facts[name] for name in _PLAIN if name in facts}
    return Review(evaluation, **rest | results.read_tables(path.parent, Review))


def restatements(issued: pd.DataFrame, measures: pd.DataFrame, *, quarter: str) -> pd.DataFrame:
    """Return the figures of an issued quarter that differ in today's extracts.

    A branch that was merged since has figures only as issued, the branch that took it over usually
    different ones: on today's structure (可比口径) they are restated, and listed.

    Parameters
    ----------
    issued : DataFrame
        The measures of the evaluation that was issued.
    measures : DataFrame
        Those of today's evaluation, the issued quarter among them.
    quarter : str
        The quarter that was issued.

    Returns
    -------
    DataFrame
        One row per figure that differs; `issued` or `restated` is empty where there is none. A
        measure that one of the two evaluations does not have at all is no restatement.

    Examples
    --------
    >>> row = {"quarter": "2026Q2", "branch_id": "A", "dimension": "", "member": "",
    ...        "measure": "customers", "base": "all", "value": 10.0}
    >>> now = pd.DataFrame([row | {"value": 11.0}])
    >>> restatements(pd.DataFrame([row]), now, quarter="2026Q2")[["issued", "restated"]].values
    array([[10., 11.]])
    """
    tables = {"issued": issued, "restated": measures}
    values = {n: t[t["quarter"] == quarter].set_index([*KEYS])["value"] for n, t in tables.items()}
    both, pair = pd.DataFrame(values).reset_index(), ["measure", "base"]
    in_both = both.set_index(pair).index.isin(issued.set_index(pair).index)
    in_both &= both.set_index(pair).index.isin(measures.set_index(pair).index)
    gap, limit = (both["issued"] - both["restated"]).abs(), _LAST_DIGIT * both["issued"].abs()
    differs = (gap > limit) | (both["issued"].isna() != both["restated"].isna())
    return both[in_both & differs].reset_index(drop=True)


def circulate(
    evaluation: Evaluation, policy: Policy, *, earlier: Sequence[Evaluation] = ()
) -> tuple[Evaluation, Protected]:
    """Return what may be circulated of an evaluation: recoded, then withheld, nothing else.

    Parameters
    ----------
    evaluation
        The quarter, every number in it. `cells` holds what stands behind its amounts; an amount of
        which too little is known is withheld.
    policy
        Its measures, tiers and limits of disclosure.
    earlier
        Evaluations already circulated: what they print is known, what they withhold stays withheld.

    Returns
    -------
    Evaluation
        The evaluation with gaps. Its tables `measures`, `migration`, `bridge`, `co_holding`,
        `scorecard`, `scores` and `comparison` have a column `withheld` besides; a number that is
        withheld is empty, and is shown as "*".
    Protected
        Which tiers were merged, how many cells are withheld and why, how many are exposed.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from stockcust_analysis import evaluate, load_policy, make_bank
    >>> bank = make_bank(branches=8, customers=800, quarters=2)
    >>> quarter = evaluate(bank, quarter="2026Q2", first_quarter=True)
    >>> names = ["quarter", "branch_id", "dimension", "member", "measure", "base",
    ...          "contributors", "largest", "second_largest"]
    >>> nothing_known = replace(quarter, cells=pd.DataFrame(columns=names))
    >>> _, result = circulate(nothing_known, load_policy())
    >>> result.merged, result.exposed
    ({}, 0)
    """
    from stockcust_analysis import disclosure

    tiers, rule = list(evaluation.policy_facts["tiers"]), policy.disclosure
    bounds = (rule.smallest_cell, rule.two_largest, rule.amount_protection, rule.lorenz_customers)
    unprinted = {"cells": _amount_facts(evaluation.cells), "lorenz": evaluation.lorenz}
    result = disclosure.protect(
        recode(evaluation) | unprinted,
        relations(policy),
        disclosure.Limits(*bounds),
        quarter=str(evaluation.quarter),
        previous=str(evaluation.quarter.previous),
        earlier=[(str(issued.quarter), _tables(issued)) for issued in earlier],
    )
    aside = evaluation.set_aside
    if len(aside):
        few = aside["rows"] < rule.smallest_cell
        aside = aside.assign(rows=aside["rows"].mask(few), amount=np.nan, by_branch=False)
        aside = aside[aside["branch_id"] == WHOLE_BANK].reset_index(drop=True)
    # How many numbers are one person's, and what that changes, may be of few.
    facts = {name: {} if name == "unit" else f for name, f in evaluation.policy_facts.items()}
    agreed = evaluation.reconciliation
    # A difference may be one account: it is said that there is one, not how large it is.
    differ = agreed.get("difference", pd.Series(dtype=float)).ne(0)
    agreed = agreed.assign(**{c: agreed[c].mask(differ) for c in agreed.columns[1:]})
    changed: dict[str, Any] = {
        "reconciliation": agreed,
        "set_aside": aside,
        **result.tables,
        **dict.fromkeys(_NOT_CIRCULATED, pd.DataFrame()),
        "co_holding": result.tables["co_holding"].drop(columns=["first", "second"]),
        "policy_facts": {**facts, "tiers": _tier_words(tiers, result.merged)},
    }
    return mask_scores(replace(evaluation, **changed), policy.scorecard.vetoes), result


def recode(evaluation: Evaluation) -> Tables:
    """Return the tables that may be circulated, with the detail they are circulated in.

    The matrices of migration and co-holding, in which most cells of a branch are small, the rounds
    of contacts and what `relations.toml` names besides are circulated of the whole bank; earlier
    quarters of a branch without their dimensions, and without what changed in them, which stand in
    the editions circulated then.
    """
    measures, recoded = evaluation.measures, DECLARED["recoded"]
    whole_bank = measures["branch_id"] == WHOLE_BANK
    now = measures["quarter"] == str(evaluation.quarter)
    detail = measures["dimension"].isin(recoded["bank_only_dimensions"])
    of_branch = (measures["dimension"] == "") | (now & ~detail)
    hidden = measures["measure"].isin(recoded["branch_only"])
    hidden |= measures["measure"].isin(recoded["bank_only"]) & ~whole_bank
    hidden |= ~now & measures["measure"].isin(codebook.measures_of_changes())
    tables = _tables(evaluation) | {"measures": measures[~hidden & (whole_bank | of_branch)]}
    for name in ("migration", "bridge"):
        tables[name] = tables[name][tables[name]["structure"] == "today"]
    for name in ("migration", "co_holding"):
        tables[name] = tables[name][tables[name]["branch_id"] == WHOLE_BANK]
    return {name: table.reset_index(drop=True) for name, table in tables.items()}


def _tables(evaluation: Evaluation) -> Tables:
    """Return the tables of numbers; the pairs of families, which stand twice, in one order."""
    tables: Tables = {
        name: getattr(evaluation, name).drop(columns="withheld", errors="ignore")
        for name in ("measures", *DECLARED["shapes"])
    }
    pairs, families = tables["co_holding"], tables["co_holding"][["family_a", "family_b"]]
    pairs = pairs.assign(first=families.min(axis=1), second=families.max(axis=1))
    return tables | {"co_holding": pairs}


def _amount_facts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the facts of amounts, those of the bridge under the names of its steps."""
    of_bridge = cells["dimension"] == "bridge"
    steps = "bridge:" + cells["member"].astype(str) + ".amount"
    labels = cells[["dimension", "member"]].mask(of_bridge, "")
    return cells.assign(**labels, measure=cells["measure"].mask(of_bridge, steps))


def _tier_words(
    tiers: list[Mapping[str, Any]], merged: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return the tiers as a page prints them, the merged ones as one."""
    words = [tier for tier in tiers if tier["name"] not in merged]
    lowest = next((tier for tier in tiers if tier["name"] in merged), None)
    if lowest is None:
        return words
    names = {"zh": f"{lowest['zh']}及以上", "en": f"{lowest['en']} and above"}
    return [*words, {**lowest, "name": merged[lowest["name"]], **names}]


def mask_scores(evaluation: Evaluation, vetoes: Sequence[Veto] = ()) -> Evaluation:
    """Return an evaluation whose scores and comparison show nothing that its measures withhold.

    What is left is the evaluation's own or nothing: no score, rank or limit is made of the printed
    figures alone; points and ranks of the quarter before are left out. The measures have their gaps
    already; scorecard, scores and comparison get the column `withheld`: of a branch's points, of
    its score, of its figure in the comparison. Whether a withheld figure meets one of the `vetoes`
    is not told: it says on which side of the border.
    """
    quarter, measures = evaluation.quarter, evaluation.measures
    measures = measures.assign(withheld=measures.get("withheld", False))
    targets = _without_known_starts(evaluation.targets, measures, quarter.year_start)
    tables = evaluation.scorecard, evaluation.scores
    card, scores = (table.filter(regex="(?<!_before)$") for table in tables)
    card = _mask_scorecard(card, measures, quarter, targets)
    now = measures[measures["quarter"] == str(quarter)]
    scores = _mask_scores(scores, card, now, vetoes)
    comparison = _mask_comparison(evaluation.comparison, measures, quarter)
    evaluation = replace(evaluation, targets=targets, comparison=comparison)
    return replace(evaluation, scorecard=card, scores=scores)


def _without_known_starts(
    targets: pd.DataFrame, measures: pd.DataFrame, year_start: Quarter
) -> pd.DataFrame:
    """Return the plans without those from which a withheld figure of the year's start follows."""
    if targets.empty or "start" not in targets:
        return targets
    then, keys = measures[measures["quarter"].eq(str(year_start))], ["branch_id", "measure"]
    there = then["value"].notna().groupby([then[key] for key in keys]).all()
    printed = pd.MultiIndex.from_frame(targets[keys]).isin(there.index[there])
    return targets[printed | ~targets["start"].abs().gt(0).to_numpy()].reset_index(drop=True)


def _is_withheld(
    table: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter, part: str = "value"
) -> pd.Series:
    """Return for each row whether its figure of a quarter, or a part of it, is not printed."""
    printed = pd.MultiIndex.from_frame(measures.loc[measures[part].notna(), _FIGURE])
    rows = pd.MultiIndex.from_frame(table.assign(quarter=str(quarter))[_FIGURE])
    return pd.Series(~rows.isin(printed), index=table.index)


def _mask_scorecard(
    card: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter, targets: pd.DataFrame
) -> pd.DataFrame:
    """Return the scorecard without withheld figures, and the points that follow from them."""
    if card.empty:
        return card.assign(withheld=False)
    value_gone = card["value"].notna() & _is_withheld(card, measures, quarter)
    from_before = card["target_source"].eq("previous_quarter") & card["target"].notna()
    target_gone = from_before & _is_withheld(card, measures, quarter.previous)
    own = ["branch_id", "measure"]
    rows, known = (pd.MultiIndex.from_frame(table[own]) for table in (card, targets))
    target_gone |= card["target_source"].eq("plan") & card["target"].notna() & ~rows.isin(known)
    # A median, a rank, lowest and highest: made of all figures, the withheld ones among them.
    of_all = card["target_source"].isin(["peer_median", "peers"]) | card["method"].isin(AMONG_PEERS)
    target_gone |= of_all & value_gone.groupby(card["indicator"]).transform("any")
    gone = value_gone | target_gone
    # The cut of a group shows what its indicators earned together, none that it was not too much.
    groups = card["group"].fillna("")
    gone |= gone.groupby([card["branch_id"], groups]).transform("any") & groups.ne("")
    # That one is left out for a figure which is withheld, or none, shows in the weights of all.
    gaps = pd.MultiIndex.from_frame(measures.loc[measures["withheld"], _FIGURE])
    in_gap = pd.MultiIndex.from_frame(card.assign(quarter=str(quarter))[_FIGURE]).isin(gaps)
    left_out = card["attainment"].isna() & (target_gone | (card["value"].isna() & in_gap))
    unweighted = left_out.groupby(card["branch_id"]).transform("any")
    gone |= unweighted
    masked = card.assign(withheld=gone, value=card["value"].mask(value_gone))
    masked.loc[gone, _POINTS] = np.nan
    masked.loc[target_gone, ["start", "target"]] = np.nan
    masked.loc[gone, "note"] = ""  # a cap says how far the figure is from its target
    return masked.assign(weight=masked["weight"].mask(unweighted))


def _mask_scores(
    scores: pd.DataFrame, card: pd.DataFrame, now: pd.DataFrame, vetoes: Sequence[Veto]
) -> pd.DataFrame:
    """Return the scores without those of branches with withheld points, and then without ranks.

    Of the measures of `now`, one under a veto is withheld with its row, or is not circulated; where
    there is none (`veto_unknown`) there is nothing to tell.
    """
    if scores.empty:
        return scores.assign(withheld=False)
    unjudged = pd.Series(False, index=scores.index)
    for veto in vetoes:
        rows = now[now[_FIGURE[2:]].eq([veto.measure, "", veto.customer_base]).all(axis=1)]
        hidden = scores["branch_id"].map(rows.set_index("branch_id")["withheld"])
        none = (scores["note"] + " ").str.contains(f"veto_unknown:{veto.name} ", regex=False)
        unjudged |= hidden.eq(True) | (hidden.isna() & ~none)
    gone = scores["branch_id"].isin(card.loc[card["withheld"], "branch_id"]) | unjudged
    gone &= scores["points"].notna()
    reason = scores["note"].str.extract(r"(not_scored:\S+)", expand=False).fillna("")
    masked = scores.assign(withheld=gone, vetoed=scores["vetoed"] & ~unjudged)
    masked["note"] = scores["note"].mask(unjudged, reason)
    rank = scores["rank"].mask(pd.Series(gone.any(), index=scores.index))
    return masked.assign(points=scores["points"].mask(gone), rank=rank)


def _mask_comparison(table: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Return the comparison without withheld figures, and the limits and ranks of their measure.

    Of means and ratios it is the figure alone. Less what is compared, or what limits or ranks say
    of that, it is what the branch's largest customers have above the cap; and limits and errors are
    sums of squares, which one amount, or the few with many families, may make up. What a branch's
    tiers and tenures let expect is of no measure: it is a sum over their numbers, small ones, too.
    """
    if table.empty:
        return table.assign(withheld=False)
    plain, by = table.assign(member=""), [table["measure"], table["base"]]
    gone, before_gone = (_is_withheld(plain, measures, q) for q in (quarter, quarter.previous))
    alone = table["kind"].ne("proportion")
    some_gone = alone | gone.groupby(by).transform("any")
    masked = table.assign(withheld=gone, verdict=table["verdict"].mask(some_gone, ""))
    # Of a proportion it is the denominator, which is printed with the value.
    masked["n"] = masked["n"].mask(alone & _is_withheld(plain, measures, quarter, "n"))
    masked["expected_ratio"] = np.nan
    moved_gone = gone | before_gone | alone
    for columns, rows in ((_OWN, gone), (_MOVEMENT, moved_gone), (_AMONG_ALL, some_gone)):
        masked.loc[rows, columns] = np.nan
    masked["compared"] = masked["compared"].mask(alone)
    return masked
