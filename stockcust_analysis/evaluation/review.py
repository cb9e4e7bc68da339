"""What headquarters reviews of a quarter: the circulated set, with scores and comparison to match.

```
evaluation ── circulated(…) ──> Circulated ── reviewed(…) ──> Review ──> notebook, workbook, index
```

Scores and comparison are made of figures, and would give away one that is withheld: here they lose
every number from which it could be worked out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from stockcust_analysis.atomic import make_folder, write_text
from stockcust_analysis.errors import ReportError, UsageError
from stockcust_analysis.evaluation.disclosure import Circulated, circulated
from stockcust_analysis.evaluation.lint import lint_scorecard
from stockcust_analysis.evaluation.peers import peer_groups
from stockcust_analysis.evaluation.restatements import RESTATEMENT_COLUMNS, restatements
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.withheld import (
    masked_comparison,
    masked_scorecard,
    masked_scores,
)
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.lint import LintWarning

PAGE_COLUMNS = ("branch_id", "state", "error")
_FACTS = "review.json"


@dataclass(frozen=True)
class Review:
    """All that headquarters' files are made from; nothing in it is withheld elsewhere.

    `scorecard`, `scores` and `comparison` have the columns of the evaluation's tables and
    `withheld`. `scores` tells also what a branch earned on the indicators that are printed
    (`told_points` of `told_weight`, `told_rate`, `told_rank`). `restatements` lists figures of the
    last issued quarter that read otherwise today, `warnings` the scorecard's traps, `pages` how
    each branch's page ended: branch_id, state (made, failed, missing) and error. `issued` is the
    last quarter that was issued, or empty.
    """

    circulated: Circulated
    scorecard: pd.DataFrame
    scores: pd.DataFrame
    comparison: pd.DataFrame
    restatements: pd.DataFrame
    warnings: pd.DataFrame
    theme: Mapping[str, Any]
    issued: str = ""
    pages: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(PAGE_COLUMNS)))

    @property
    def evaluation(self) -> Evaluation:
        """The tables as an evaluation, for pages that are made from one; gaps are empty."""
        told = self.circulated
        shared = {each.name for each in fields(Evaluation)} & {each.name for each in fields(told)}
        return Evaluation(
            **{name: getattr(told, name) for name in shared},
            scorecard=self.scorecard, scores=self.scores, comparison=self.comparison,
        )  # fmt: skip

    def with_pages(self, pages: Iterable[tuple[str, str, str]]) -> Review:
        """Return the review with how each branch's page ended: branch_id, state, error."""
        return replace(self, pages=pd.DataFrame(list(pages), columns=list(PAGE_COLUMNS)))

    def save(self, folder: Path) -> None:
        """Write the tables as CSV into a folder, the plain facts beside them."""
        make_folder(folder)
        told = self.circulated
        tables = {**_frames(told), **_frames(self)}
        for name, frame in tables.items():
            write_text(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
        facts = {
            "quarter": str(told.quarter),
            "bank_name": told.bank_name,
            "policy": dict(told.policy_facts),
            "merged": dict(told.merged),
            "exposed": told.exposed,
            "theme": dict(self.theme),
            "issued": self.issued,
            "texts": {name: _text_columns(frame) for name, frame in tables.items()},
        }
        text = json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True)
        write_text(folder / _FACTS, text + "\n")


def make_review(
    evaluation: Evaluation, *, cells: pd.DataFrame, policy: Policy, issued: Sequence[Review] = ()
) -> Review:
    """Return the review of a quarter: withhold what may not be circulated, then the rest.

    Parameters
    ----------
    evaluation
        The quarter with its scorecard, scores and comparison, every number in it.
    cells
        Cell facts of its amounts and of the measures compared.
    policy
        Its limits of disclosure, its comparison, its scorecard and its themes.
    issued
        Reviews that were issued, the latest first: what they print is known, and restatements are
        told against the first.

    Raises
    ------
    ReportError
        A figure to withhold could be worked out, and no issued set is to blame.
    """
    told = circulated(
        evaluation, cells, policy.disclosure, earlier=[one.circulated for one in issued]
    )
    if told.exposed and not issued:
        raise ReportError(
            f"{told.exposed} figures of {evaluation.quarter} that must be withheld could be worked "
            "out from the others, so headquarters' set was not written. Merge more tiers "
            "(`merged_tiers` of [disclosure]), or report the smallest branches together."
        )
    warnings = [] if evaluation.scorecard.empty else lint_scorecard(
        evaluation.scorecard, evaluation.measures, branches=evaluation.branches, policy=policy,
        quarter=str(evaluation.quarter),
    )  # fmt: skip
    return reviewed(
        evaluation, told, cells=cells, policy=policy, warnings=warnings,
        issued=issued[0].circulated if issued else None,
    )  # fmt: skip


def reviewed(
    evaluation: Evaluation,
    told: Circulated,
    *,
    cells: pd.DataFrame,
    policy: Policy,
    warnings: Sequence[LintWarning] = (),
    issued: Circulated | None = None,
) -> Review:
    """Return what headquarters may see of a quarter's scores and comparison beside its figures.

    Parameters
    ----------
    evaluation
        The quarter with its scorecard, scores and comparison, every number in it.
    told
        The same quarter's circulated set.
    cells
        Cell facts, as for `comparison`.
    policy
        Its comparison and its themes.
    warnings
        Traps of the scorecard, as `lint_scorecard` returns them.
    issued
        The circulated set of the last quarter that was issued: restatements are told against it.

    Returns
    -------
    Review
        A figure that is withheld takes with it its attainment and points, the score and the rank of
        its branch, and targets that are made of all branches' figures. Limits, z and verdicts are
        told anew of the branches whose figure is printed; ranks are those of all.
    """
    quarter = str(evaluation.quarter)
    card = masked_scorecard(evaluation.scorecard, told.measures, quarter)
    peers = peer_groups(
        evaluation.branches, evaluation.measures, rule=policy.comparison, quarter=quarter
    )
    restated = pd.DataFrame(columns=list(RESTATEMENT_COLUMNS))
    if issued is not None:
        found = restatements(issued.measures, told.measures, quarter=str(issued.quarter))
        restated = found.dropna(subset=["issued", "restated"]).reset_index(drop=True)
    theme = next((one for one in policy.themes if one.quarter == evaluation.quarter.number), None)
    return Review(
        circulated=told,
        scorecard=card,
        scores=masked_scores(evaluation.scores, card, policy.scorecard, peers),
        comparison=masked_comparison(evaluation, told, cells, policy),
        restatements=restated,
        warnings=pd.DataFrame(list(warnings), columns=list(LintWarning._fields)),
        issued="" if issued is None else str(issued.quarter),
        theme={} if theme is None else {"zh": theme.zh, "en": theme.en,
                                        "measures": list(theme.measures)},
    )  # fmt: skip


def open_review(folder: str | Path) -> Review:
    """Read a review that `Review.save` wrote; UsageError when the folder holds none."""
    place = Path(folder)
    if not (place / _FACTS).exists():
        raise UsageError(f"'{place}' holds no review. Write one with: stockcust report …")
    facts = json.loads((place / _FACTS).read_text(encoding="utf-8"))
    tables = {name: _read(place / f"{name}.csv", texts) for name, texts in facts["texts"].items()}
    told = {each.name for each in fields(Circulated)}
    return Review(
        circulated=Circulated(
            quarter=Quarter.parse(facts["quarter"]), bank_name=facts["bank_name"],
            policy_facts=facts["policy"], merged=facts["merged"], exposed=facts["exposed"],
            **{name: table for name, table in tables.items() if name in told},
        ),
        theme=facts["theme"],
        issued=facts["issued"],
        **{name: table for name, table in tables.items() if name not in told},
    )  # fmt: skip


def _frames(holder: Any) -> dict[str, pd.DataFrame]:
    values = ((each.name, getattr(holder, each.name)) for each in fields(holder))
    return {name: value for name, value in values if isinstance(value, pd.DataFrame)}


def _text_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of texts; a table without rows has none, as its columns have no type."""
    return (
        []
        if frame.empty
        else [str(name) for name, kind in frame.dtypes.items() if kind.kind not in "ifub"]
    )


def _read(path: Path, texts: Sequence[str]) -> pd.DataFrame:
    header = path.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
    return pd.read_csv(
        path, dtype=dict.fromkeys(texts, "str"), keep_default_na=False, encoding="utf-8",
        na_values={name: [""] for name in header if name not in texts},
    )  # fmt: skip
