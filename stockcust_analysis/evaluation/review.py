"""What headquarters reviews of a quarter: the evaluation's tables in one of two editions.

```
evaluation ── make_review ──> Review ──> notebook, workbook, index, long table
```

The internal edition is the evaluation as it is. The circulated one has gaps where a figure might
disclose a customer's; `circulate` makes it, and is loaded for it alone. Figures of an issued
quarter that would read otherwise today are restatements (追溯调整), and are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from stockcust_analysis.errors import ReportError, UsageError
from stockcust_analysis.evaluation import results
from stockcust_analysis.evaluation.comparison import COMPARISON_COLUMNS
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.scorecard import lint_scorecard
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.describe import LintWarning

Edition = Literal["internal", "circulated"]
_KEYS = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
_COLUMNS = {
    "restatements": [*_KEYS, "issued", "restated"],
    "warnings": [*LintWarning._fields],
    "pages": ["branch_id", "state", "error"],
    "report": ["quarter", "kind", "reason", "cells"],
}
_FACTS = "review.json"
_PLAIN = ("edition", "merged", "exposed", "theme", "issued")
_FLAGGED = ("measures", "migration", "bridge", "scorecard", "scores", "comparison")
_LAST_DIGIT = 1e-9  # a smaller relative difference is the last digit of a float
_NOT_PRINTED = ("lorenz", "co_holding", "cells", "worklists", "outcomes")


@dataclass(frozen=True)
class Review:
    """All that headquarters' files are made from, whichever edition they are of.

    `evaluation` has a column `withheld` in the tables that can have gaps: measures, migration,
    bridge, scorecard, scores and comparison; in the internal edition it is nowhere true.
    `restatements` lists figures of the last issued quarter that read otherwise today, `warnings`
    the scorecard's traps, `pages` how each branch's page ended: branch_id, state (made, failed,
    missing) and error. `issued` is the last quarter that was issued, or empty. `merged`, `report`
    and `exposed` are what `circulate` says of a circulated edition, else empty.
    """

    evaluation: Evaluation
    edition: Edition = "internal"
    restatements: pd.DataFrame = field(default_factory=pd.DataFrame)
    warnings: pd.DataFrame = field(default_factory=pd.DataFrame)
    pages: pd.DataFrame = field(default_factory=pd.DataFrame)
    theme: Mapping[str, Any] = field(default_factory=dict)
    issued: str = ""
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
        results.save_tables(folder, self)
        self.evaluation.save(folder, _FACTS, **{name: getattr(self, name) for name in _PLAIN})


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
        Reviews of the same edition that were issued, the latest first: restatements are listed
        against the first, and what circulated ones print is known to everybody.

    Raises
    ------
    ReportError
        A figure to withhold could be worked out, and no issued set is to blame.
    """
    card, quarter = evaluation.scorecard, evaluation.quarter
    compared = evaluation.comparison.reindex(columns=list(COMPARISON_COLUMNS))
    evaluation = replace(evaluation, comparison=compared)
    if edition == "internal":
        review = _internal(evaluation)
    else:
        review = _make_circulated(evaluation, policy, issued)
    measures, branches, warnings = evaluation.measures, evaluation.branches, []
    if not card.empty:
        warnings = lint_scorecard(
            card, measures, branches=branches, policy=policy, quarter=str(quarter)
        )
    facts = {}
    if (theme := policy.theme(quarter.number)) is not None:
        facts = {"zh": theme.zh, "en": theme.en, "measures": list(theme.measures)}
    review = replace(review, warnings=pd.DataFrame(warnings), theme=facts)
    if not issued:
        return review
    last = issued[0].evaluation
    changed = restatements(last.measures, review.evaluation.measures, quarter=str(last.quarter))
    changed = changed.dropna(subset=["issued", "restated"]).reset_index(drop=True)
    return replace(review, restatements=changed, issued=str(last.quarter))


def _internal(evaluation: Evaluation) -> Review:
    """Return the evaluation as it is, on today's structure, without what no page prints."""
    tables = {name: getattr(evaluation, name).assign(withheld=False) for name in _FLAGGED}
    for name in ("migration", "bridge"):
        today = tables[name]["structure"] == "today"
        tables[name] = tables[name][today].reset_index(drop=True)
    rest = {name: getattr(evaluation, name).head(0) for name in _NOT_PRINTED}
    return Review(replace(evaluation, **tables, **rest))


def _make_circulated(evaluation: Evaluation, policy: Policy, issued: Sequence[Review]) -> Review:
    """Return what may leave the building; ReportError when it would give somebody away."""
    from stockcust_analysis.evaluation.circulate import circulate

    earlier = [review.evaluation for review in issued]
    circulated, result = circulate(evaluation, policy, earlier=earlier)
    if result.exposed and not issued:
        raise ReportError(
            f"{result.exposed} figures of {evaluation.quarter} that must be withheld could be "
            "worked out from the others, so the circulated edition was not written. Merge more "
            "tiers (`merged_tiers` of [disclosure]), or report the smallest branches together."
        )
    return Review(
        circulated, "circulated", merged=result.merged, report=result.report, exposed=result.exposed
    )


def open_review(folder: str | Path) -> Review:
    """Read a review that `Review.save` wrote; UsageError when the folder holds none."""
    path = Path(folder) / _FACTS
    if not path.exists():
        raise UsageError(f"'{path.parent}' holds no review. Write one with: stockcust report …")
    evaluation, facts = results.read_evaluation(path)
    rest: dict[str, Any] = {name: facts[name] for name in _PLAIN}
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
    values = {n: t[t["quarter"] == quarter].set_index(_KEYS)["value"] for n, t in tables.items()}
    both, pair = pd.DataFrame(values).reset_index(), ["measure", "base"]
    in_both = both.set_index(pair).index.isin(issued.set_index(pair).index)
    in_both &= both.set_index(pair).index.isin(measures.set_index(pair).index)
    gap, limit = (both["issued"] - both["restated"]).abs(), _LAST_DIGIT * both["issued"].abs()
    differs = (gap > limit) | (both["issued"].isna() != both["restated"].isna())
    return both[in_both & differs].reset_index(drop=True)
