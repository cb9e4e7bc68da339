"""What headquarters reviews of a quarter: the evaluation's tables in one of two editions.

```
evaluation ── make_review ──> Review ──> notebook, workbook, index, long table
```

The internal edition is the evaluation as it is. The circulated one has gaps where a figure might
give somebody away; `disclosure` makes it, and is loaded for it alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from stockcust_analysis.atomic import make_folder, write_text
from stockcust_analysis.errors import ReportError, UsageError
from stockcust_analysis.evaluation.comparison import COMPARISON_COLUMNS
from stockcust_analysis.evaluation.restatements import RESTATEMENT_COLUMNS, restatements
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.scorecard import lint_scorecard
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.lint import LintWarning

Edition = Literal["internal", "circulated"]
PAGE_COLUMNS = ("branch_id", "state", "error")
_COLUMNS = {
    "restatements": RESTATEMENT_COLUMNS,
    "warnings": LintWarning._fields,
    "pages": PAGE_COLUMNS,
    "report": ("quarter", "kind", "reason", "cells"),
}
_FACTS = "review.json"
_PLAIN = ("edition", "merged", "exposed", "theme", "issued")
_FLAGGED = ("measures", "migration", "bridge", "scorecard", "scores", "comparison")
_NOT_PRINTED = ("lorenz", "co_holding", "cells", "worklists", "outcomes")


@dataclass(frozen=True)
class Review:
    """All that headquarters' files are made from, whichever edition they are of.

    `evaluation` has a column `withheld` in the tables that can have gaps: measures, migration,
    bridge, scorecard, scores and comparison; in the internal edition it is nowhere true.
    `restatements` lists figures of the last issued quarter that read otherwise today, `warnings`
    the scorecard's traps, `pages` how each branch's page ended: branch_id, state (made, failed,
    missing) and error. `issued` is the last quarter that was issued, or empty. `merged`, `report`
    and `exposed` are what `disclosure.circulate` says of a circulated edition, else empty.
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
            table = getattr(self, name)
            object.__setattr__(self, name, table.reindex(columns=list(columns)))

    def with_pages(self, pages: Iterable[tuple[str, str, str]]) -> Review:
        """Return the review with how each branch's page ended: branch_id, state, error."""
        return replace(self, pages=pd.DataFrame(list(pages), columns=list(PAGE_COLUMNS)))

    def save(self, folder: Path) -> None:
        """Write the tables as CSV into a folder, the plain facts beside them."""
        make_folder(folder)
        tables = {**_frames(self.evaluation), **_frames(self)}
        for name, frame in tables.items():
            write_text(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
        facts = {
            "quarter": str(self.evaluation.quarter),
            "bank_name": self.evaluation.bank_name,
            "policy": dict(self.evaluation.policy_facts),
            **{name: getattr(self, name) for name in _PLAIN},
            "texts": {name: _text_columns(frame) for name, frame in tables.items()},
        }
        text = json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True)
        write_text(folder / _FACTS, text + "\n")


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
    compared = evaluation.comparison.reindex(columns=list(COMPARISON_COLUMNS))
    evaluation = replace(evaluation, comparison=compared)
    review = (
        _internal(evaluation) if edition == "internal" else _circulated(evaluation, policy, issued)
    )
    quarter = str(evaluation.quarter)
    warnings = (
        []
        if evaluation.scorecard.empty
        else lint_scorecard(
            evaluation.scorecard,
            evaluation.measures,
            branches=evaluation.branches,
            policy=policy,
            quarter=quarter,
        )
    )
    theme = next((one for one in policy.themes if one.quarter == evaluation.quarter.number), None)
    return replace(
        with_restatements(review, issued),
        warnings=pd.DataFrame(list(warnings), columns=list(LintWarning._fields)),
        theme={}
        if theme is None
        else {"zh": theme.zh, "en": theme.en, "measures": list(theme.measures)},
    )


def with_restatements(review: Review, issued: Sequence[Review]) -> Review:
    """Return the review with the figures that read otherwise than when they were last issued."""
    if not issued:
        return review
    quarter = str(issued[0].evaluation.quarter)
    changed = restatements(
        issued[0].evaluation.measures, review.evaluation.measures, quarter=quarter
    )
    both = changed.dropna(subset=["issued", "restated"]).reset_index(drop=True)
    return replace(review, restatements=both, issued=quarter)


def _internal(evaluation: Evaluation) -> Review:
    """Return the evaluation as it is, on today's structure, without what no page prints."""
    tables = {name: getattr(evaluation, name).assign(withheld=False) for name in _FLAGGED}
    for name in ("migration", "bridge"):
        today = tables[name]["structure"] == "today"
        tables[name] = tables[name][today].reset_index(drop=True)
    rest = {name: getattr(evaluation, name).head(0) for name in _NOT_PRINTED}
    return Review(replace(evaluation, **tables, **rest))


def _circulated(evaluation: Evaluation, policy: Policy, issued: Sequence[Review]) -> Review:
    """Return what may leave the building; ReportError when it would give somebody away."""
    from stockcust_analysis.evaluation.circulate import circulate

    earlier = [review.evaluation for review in issued]
    circulated, result = circulate(evaluation, policy.disclosure, earlier=earlier)
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
    place = Path(folder)
    if not (place / _FACTS).exists():
        raise UsageError(f"'{place}' holds no review. Write one with: stockcust report …")
    facts = json.loads((place / _FACTS).read_text(encoding="utf-8"))
    tables = {name: _read(place / f"{name}.csv", texts) for name, texts in facts["texts"].items()}
    rest: dict[str, Any] = {name: facts[name] for name in _PLAIN}
    rest |= {name: tables.pop(name) for name in _COLUMNS}
    evaluation = Evaluation(
        quarter=Quarter.parse(facts["quarter"]),
        bank_name=facts["bank_name"],
        policy_facts=facts["policy"],
        **tables,
    )
    return Review(evaluation, **rest)


def _frames(holder: Any) -> dict[str, pd.DataFrame]:
    values = ((each.name, getattr(holder, each.name)) for each in fields(holder))
    return {n: v for n, v in values if isinstance(v, pd.DataFrame) and len(v.columns)}


def _text_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of texts; a table without rows has none, as its columns have no type."""
    kinds = [] if frame.empty else frame.dtypes.items()
    return [str(name) for name, kind in kinds if kind.kind not in "ifub"]


def _read(path: Path, texts: Sequence[str]) -> pd.DataFrame:
    header = path.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, "str"),
        keep_default_na=False,
        encoding="utf-8",
        na_values={name: [""] for name in header if name not in texts},
    )
