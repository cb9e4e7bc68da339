"""The registry: a measure is one object, and one group-by answers all questions about a view.

A *view* is a table of whole numbers and labels whose rows are counted: customers, managed
customers, pairs of two dates, steps of the Lorenz curve. A *question* says which columns of a view
are summed for a policy and a base, and which *measures* stand over those sums. The evaluation and
the public functions ask the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core.frames import Table, collect_sums
from stockcust_analysis.core.results import Result
from stockcust_analysis.measures.bases import Request
from stockcust_analysis.policy import Policy

Columns = Callable[[Policy, str], Mapping[str, nw.Expr]]
Measures = Callable[[Policy], Sequence["Measure"]]
Label = tuple[str, str, str, str]
LABELS = ["measure", "dimension", "member", "base"]


@dataclass(frozen=True)
class Measure:
    """One measure (指标): which sum of a group is divided by which.

    Sums whose names end in `_cents` are shown in CNY. Without a denominator the measure is a plain
    total. Every question also sums `customers`, which becomes `n`. `dimension` and `member` tell
    the members of one measure apart, such as tiers.
    """

    name: str
    numerator: str
    denominator: str | None = "customers"
    dimension: str = ""
    member: str = ""

    @property
    def is_money(self) -> bool:
        """Whether the numerator is money."""
        return self.numerator.endswith("_cents")

    def label(self, base: str) -> Label:
        """Return the values of `LABELS`, by which the measure of a base is identified."""
        return (self.name, self.dimension, self.member, base)


@dataclass(frozen=True)
class Question:
    """What is summed of a view, among which bases, and the measures that stand over the sums.

    `needs` names columns without which the question has no answer; by `strata` rates are
    standardised, as far as the view has them. A group has no rows where its sum `present_if` is 0.
    """

    name: str
    columns: Columns
    measures: Measures
    bases: tuple[str, ...] = ("funded",)
    needs: tuple[str, ...] = ()
    strata: tuple[str, ...] = ("tier", "tenure")
    present_if: str = ""


@dataclass(frozen=True)
class Spec:
    """A question put about one base, with the column names its sums have in the group-by."""

    key: str
    question: Question
    base: str

    def columns(self, policy: Policy) -> dict[str, nw.Expr]:
        """Return the summed expressions under the names of this spec."""
        columns = self.question.columns(policy, self.base)
        return {f"{self.key}|{name}": expression for name, expression in columns.items()}

    def own(self, totals: pd.DataFrame) -> pd.DataFrame:
        """Return the sums of this spec under plain names."""
        prefix = f"{self.key}|"
        own = totals.loc[:, totals.columns.str.startswith(prefix)]
        return own.rename(columns=lambda name: name.removeprefix(prefix))


def specs_for(view: Table, questions: Sequence[Question]) -> list[Spec]:
    """Return the questions that a view's columns can answer, each once per base."""
    present = set(view.collect_schema().names())
    return [
        Spec(f"{question.name}_{base}", question, base)
        for question in questions
        if present.issuperset(question.needs)
        for base in question.bases
    ]


def columns_of(specs: Sequence[Spec], policy: Policy) -> dict[str, nw.Expr]:
    """Return what all specs sum, under the names that their sums have."""
    return {name: column for spec in specs for name, column in spec.columns(policy).items()}


def labelled_groups(groups: pd.DataFrame, labels: Sequence[Label]) -> pd.DataFrame:
    """Return one row per label and group, the groups of a label together."""
    texts = pd.DataFrame(labels, columns=LABELS, dtype="str")
    each, every = np.arange(len(groups)), np.arange(len(labels))
    parts = (groups.take(np.tile(each, len(labels))), texts.take(np.repeat(every, len(groups))))
    return pd.concat([part.reset_index(drop=True) for part in parts], axis=1)


def measure_rows(
    totals: pd.DataFrame, specs: Sequence[Spec], policy: Policy, by: Sequence[str]
) -> pd.DataFrame:
    """Return the measure frame of all specs, one row per measure and group.

    Columns: `[*by], measure, dimension, member, base, n, numerator, denominator, value`.
    """
    measures = [(spec, measure) for spec in specs for measure in spec.question.measures(policy)]
    groups = len(totals)

    def amounts(name_of: Callable[[Spec, Measure], str | None]) -> Any:
        columns = []
        for spec, measure in measures:
            name = name_of(spec, measure)
            column = totals[f"{spec.key}|{name}"].to_numpy(float) if name else np.ones(groups)
            columns.append(column / 100 if name and name.endswith("_cents") else column)
        return np.concatenate(columns)

    labels = [measure.label(spec.base) for spec, measure in measures]
    numerator, denominator = amounts(lambda _, m: m.numerator), amounts(lambda _, m: m.denominator)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(denominator != 0, numerator / denominator, np.nan)
    rows = labelled_groups(totals[[*by]], labels).assign(
        n=amounts(lambda *_: "customers").astype("int64"),
        numerator=numerator,
        denominator=denominator,
        value=value,
    )
    present = amounts(lambda spec, _: spec.question.present_if if by else None) > 0
    return rows if present.all() else rows[present].reset_index(drop=True)


def answer(view: Table, question: Question, request: Request, only: str | None = None) -> Result:
    """Return the measures of one question about an analyst's view.

    `only`: prefix of the names of the measures to return; all of them without it.
    """
    chosen = [m for m in question.measures(request.policy) if m.name.startswith(only or "")]
    spec = Spec(question.name, replace(question, measures=lambda _: chosen), request.base)
    totals = collect_sums(view, request.by, spec.columns(request.policy))
    return shown(totals, spec, request)


def shown(totals: pd.DataFrame, spec: Spec, request: Request) -> Result:
    """Return collected sums as the measure frame an analyst sees.

    One row per group and measure, sorted by both; the members of a measure stand in a column that
    is called as their dimension.
    """
    by, policy = request.by, request.policy
    ordered = totals.sort_values(by, ignore_index=True) if by else totals
    rows = measure_rows(ordered, [spec], policy, by)
    rows = rows.sort_values([*by, "measure"], kind="stable", ignore_index=True)
    dimension = spec.question.measures(policy)[0].dimension
    rows = rows.rename(columns={"member": dimension}) if dimension else rows.drop(columns="member")
    return Result(rows.drop(columns="dimension"))
