"""The registry: a measure is one object, and one group-by answers all questions about a view.

A *view* is a table of whole numbers and labels whose rows are counted: customers, managed
customers, pairs of two dates, steps of the Lorenz curve. A *question* says which columns of a view
are summed for a policy and a base, and which *measures* stand over those sums. The evaluation and
the public functions ask the same questions.

A public function takes any cut in `by`, a column to group by. Some cuts have a shorter name; in
others a customer stands several times: `customer_group`, `family`, `channel`. There each member is
measured by itself, all others being one group that is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import wraps
from itertools import pairwise, takewhile
from typing import Any, ParamSpec

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis import errors
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, Frame, Table, as_lazy, day, group_names
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.core.results import About, Result
from stockcust_analysis.errors import NOTHING, UsageError, Words, did_you_mean, joined, say
from stockcust_analysis.measures import bases
from stockcust_analysis.policy import Policy, as_policy
from stockcust_analysis.policy.rules import label_of

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

    `needs` names columns without which the question has no answer, or only what `otherwise` asks;
    by `strata` rates are standardised, as far as the view has them. A group has no rows where its
    sum `present_if` is 0.
    """

    name: str
    columns: Columns
    measures: Measures
    bases: tuple[str, ...] = ("funded",)
    needs: tuple[str, ...] = ()
    strata: tuple[str, ...] = ("tier", "tenure")
    present_if: str = ""
    otherwise: Question | None = None

    def answerable(self, columns: Iterable[str]) -> Question | None:
        """Return what of the question a view's columns can answer, if anything."""
        return self if {*self.needs}.issubset(columns) else self.otherwise


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
    present = view.collect_schema().names()
    return [
        Spec(f"{question.name}_{base}", question, base)
        for question in filter(None, (asked.answerable(present) for asked in questions))
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


def answer(
    view: Table, question: Question, request: bases.Request, only: str | None = None
) -> Result:
    """Return the measures of one question about an analyst's view.

    `only`: prefix of the names of the measures to return; all of them without it.
    """
    chosen = [m for m in question.measures(request.policy) if m.name.startswith(only or "")]
    spec = Spec(question.name, replace(question, measures=lambda _: chosen), request.base)
    return shown(frames.collect_sums(view, request.by, spec.columns(request.policy)), spec, request)


def shown(totals: pd.DataFrame, spec: Spec, request: bases.Request) -> Result:
    """Return collected sums as the measure frame an analyst sees.

    One row per group and measure: groups sorted, the measures of each in the order in which their
    question names them; the members of a measure stand in a column called as their dimension.
    """
    by, policy = request.by, request.policy
    rows = measure_rows(totals, [spec], policy, by)
    rows = rows.sort_values(by, kind="stable", ignore_index=True) if by else rows
    dimension = spec.question.measures(policy)[0].dimension
    rows = rows.rename(columns={"member": dimension}) if dimension else rows.drop(columns="member")
    return Result(rows.drop(columns="dimension"))


P = ParamSpec("P")
Arguments = Mapping[str, Any]
Notes = tuple[tuple[str, Arguments], ...]
Stated = Mapping[str, Mapping[str, str]]
UNKNOWN, NONE = "unknown", "none"
_TABLES = ("customers", "service", "opening", "closing")
_JOINED = (*_TABLES, "holdings", "contacts", "opening_holdings", "closing_holdings")
_SHORT = {"branch": "branch_id", "manager": "manager_id", "age_band": "age_group"}
_EMPTY = {"region": UNKNOWN, "gender": UNKNOWN, "manager": NONE, "manager_id": NONE}
"""What stands for an empty cell of a cut."""
_SEVERAL = {"customer_group": "groups", "family": "holds_", "channel": "uses_"}
OF_RESULT = ("measure", "base", "n", "numerator", "denominator", "value")
"""Columns that every measure frame has beside those of its groups."""
CUTS = ("region", "tier", "tenure", "gender", "status", *_SHORT, *_SEVERAL)
"""What customers of a bank can be cut by, beside any other column."""


def measure(
    chart: str = "bars", leading: str = "", *, cuts: bool = True
) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Return a decorator of measures: their `by` takes any cut, their `over` gives a series.

    `chart` is the natural chart of the result, `leading` the measure it draws if none is named.
    Without `cuts` what `by` means is up to the function.
    """

    def decorate(compute: Callable[P, Result]) -> Callable[P, Result]:
        signature = inspect.signature(compute)
        default = getattr(signature.parameters.get("value"), "default", None)

        @wraps(compute)
        def compute_result(*args: P.args, **kwargs: P.kwargs) -> Result:
            stated = signature.bind(*args, **kwargs).arguments
            over = stated.pop("over", None)
            policy = as_policy(stated.get("policy"))
            joined = {name: stated[name] for name in _JOINED if name in stated}
            bases.require_comparable(joined, one_day=over is None)
            by = group_names(stated.get("by")) if cuts and stated.keys() & {*_TABLES} else []
            _require_other(by, OF_RESULT)
            made = {name: bases.rules_stated(stated[name]) for name in _TABLES if name in stated}
            left_out = _leave_out_other_rules(stated, made, policy, by)
            used = ["aum_average_quarter", stated.get("value", default)]
            used += ["aum_average_month"] if "service" in stated else []

            def answer(arguments: Arguments) -> Result:
                call: Callable[..., Result] = compute
                return by_cuts(lambda given: call(**given), arguments, by, policy)

            try:
                result = answer(stated) if over is None else _series(answer, stated, over)
            except UsageError as error:
                raise UsageError(errors.words_of(error) + left_out) from None
            notes = (*several_notes(by), *_made_amounts(made, used), *result.about.notes)
            drawn = "trend" if over and "measure" in result else chart
            as_of, since, *_ = (*([] if over else _days_of(stated)), "", "")
            unit = stated.get("unit", "")
            result.about = About(drawn, leading, notes, policy.members, as_of, since, unit)
            return result

        return compute_result

    return decorate


def _leave_out_other_rules(
    stated: dict[str, Any], made: Stated, policy: Policy, kept: Sequence[str]
) -> Words:
    """Take from the stated tables what was made by other rules than are asked for, and say so.

    Asked for are the rules of a policy, scheme or rule that is stated; without any the customers'
    own columns stand, but for a status, of which there are many rules.
    """
    rule, scheme = stated.get("rule"), stated.get("scheme")
    asked = policy.labels if stated.get("policy") is not None else {}
    asked[bases.JUDGED_BY] = label_of(policy.dormancy_rule(rule))
    asked |= {bases.TIERED_BY: label_of(scheme)} if scheme else {}
    bases.require_one_rule(made)
    notes = dict[str, Words]()
    for name, labels in made.items():
        others = {k: rule for k, rule in labels.items() if rule != asked.get(k, rule)}
        stated[name] = bases.without_columns_of(stated[name], others, kept)
        said = ((k, bases.example_of(k), rule, asked[k]) for k, rule in others.items())
        notes |= {k: say("made_by_other", *facts) for k, *facts in said}
    return say("left_out_columns", joined(notes.values(), "; ", "；")) if notes else NOTHING


def several_notes(by: Iterable[str]) -> Notes:
    """Return the notes that say in which cuts a customer counts several times."""
    return tuple(("several", {"cut": name}) for name in by if name in _SEVERAL)


def _made_amounts(made: Stated, used: Sequence[object]) -> Notes:
    """Return the note of amounts that the bank does not deliver, where a measure looks at them."""
    texts = ";".join(labels.get(bases.AUM_FROM, "") for labels in made.values()).split(";")
    told = dict(text.split("=") for text in texts if text.partition("=")[0] in used)
    return (("aum_from", told),) if told else ()


def _days_of(stated: Arguments) -> list[str]:
    """Return the as-of date given, or that of a pandas table's rows; of two tables the last first.

    None from the first on that is not known.
    """
    if (given := stated.get("as_of")) is not None:
        return [as_day(given).isoformat()]
    tables = [stated[name] for name in reversed(_TABLES) if name in stated]
    days = (bases.as_of_dates(table) for table in tables if isinstance(table, pd.DataFrame))
    return [day.isoformat() for (day,) in takewhile(lambda dates: len(dates) == 1, days)]


def by_cuts(
    compute: Callable[[Arguments], Result], stated: Arguments, cuts: Sequence[str], policy: Policy
) -> Result:
    """Return the result by cuts, each of which is made a column; of several members in turn."""
    names = [name for name in _TABLES if name in stated]
    ways = [(stated, dict[str, str]())]
    for cut in cuts:
        ways = [
            (
                {**arguments, **{n: _with_column(arguments[n], cut, column) for n in names}},
                kept | member,
            )
            for arguments, kept in ways
            for column, member in _cut_columns(as_lazy(arguments[names[0]]), cut, policy)
        ]
    parts, by = [], group_names(stated.get("by"))
    for arguments, members in ways:
        part = compute(arguments)
        _require_other(by, part.columns[part.columns.duplicated()])
        for cut, member in members.items():
            part = part[part[cut] == member]
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    result = Result(pd.concat(parts).sort_values(by, kind="stable", ignore_index=True))
    result.about = parts[0].about
    return result


def _require_other(cuts: Sequence[str], columns: Iterable[str]) -> None:
    """Raise when a cut is called as a column that the result has anyway."""
    if own := sorted({*cuts} & {*columns}):
        raise UsageError(say("by_already", own[0]))


def _cut_columns(
    table: Table, cut: str, policy: Policy
) -> list[tuple[nw.Expr | None, dict[str, str]]]:
    """Return what a cut's column is made of, None where it is there already; one for each member.

    UsageError where nothing says how customers are to be cut.
    """
    columns, source = table.collect_schema().names(), _SEVERAL.get(cut, "")
    if own := [name for name in (cut, _SHORT.get(cut)) if name in columns]:
        if cut in _EMPTY:
            return [(nw.coalesce(nw.col(own[0]), nw.lit(_EMPTY[cut])), {})]
        return [(None if own[0] == cut else nw.col(own[0]), {})]
    if cut == "customer_group" and source in columns:
        entries = frames.collect_rows(table.select(source).unique())[source]
        found = {part for text in entries if isinstance(text, str) for part in text.split(";")}
        listed = nw.concat_str(nw.lit(";"), nw.col(source), nw.lit(";"))
        members = {
            group: listed.str.contains(f";{group};", literal=True).fill_null(False)
            for group in sorted(found - {""})
        }
    else:
        known = (*policy.families.names, *policy.families.channel_names)
        held = [name for name in known if source and f"{source}{name}" in columns]
        members = {name: nw.col(f"{source}{name}") == 1 for name in held}
        if not held:
            raise _unknown_cut(cut, columns)
    nobody = ~nw.any_horizontal(*members.values(), ignore_nulls=True) if members else ONE == 1
    return [
        (nw.when(inside).then(nw.lit(member)).otherwise(nw.lit("")), {cut: member})
        for member, inside in {**members, NONE: nobody}.items()
    ]


def _unknown_cut(cut: str, columns: Sequence[str]) -> UsageError:
    """Return the error for a cut that customers do not have, with those that they have."""
    there = [name for name in CUTS if {name, _SHORT.get(name, name)} & {*columns}]
    there += [name for name, start in _SEVERAL.items() if any(c.startswith(start) for c in columns)]
    meant, cuts = did_you_mean(cut, {*there, *columns}), there or say("no_usual_cut")
    key = "no_manager_cut" if cut in ("manager", "manager_id") else "unknown_cut"
    return UsageError(say(key, cut, meant, cuts))


def _with_column(frame: Frame, name: str, column: nw.Expr | None) -> Frame:
    """Return a frame with a column; as it is if it lacks what the column is made of."""
    if column is None:
        return frame
    table = as_lazy(frame)
    source = _SHORT.get(name, _SEVERAL.get(name, name))
    if not any(there.startswith((source, name)) for there in table.collect_schema().names()):
        return frame
    return frames.same_kind(frame, table.with_columns(column.alias(name)))


def _series(answer: Callable[[Arguments], Result], stated: Arguments, over: str) -> Result:
    """Return the result of each quarter of the tables, of two dates against the one before."""
    errors.require_known("over", over, ["quarter"])
    names = [name for name in (*_TABLES, "holdings") if stated.get(name) is not None]
    table, last = as_lazy(stated[names[0]]), stated.get("as_of")
    if "as_of" not in table.collect_schema().names():
        raise UsageError(say("over_needs_as_of"))
    if not (days := bases.as_of_dates(stated[names[0]])):  # of nobody there is no quarter
        nothing = answer(stated).head(0)
        nothing.insert(0, "quarter", "")
        return nothing
    days, parts = [d for d in days if last is None or d <= as_day(last)], dict[str, Result]()
    for dates in pairwise(days) if "closing" in stated else ((d, d) for d in days):
        quarter = Quarter.ending_on(dates[1])
        if quarter is None:
            raise UsageError(say("over_no_quarter", dates[1]))
        changed = {n: _of_day(stated[n], dates[n != "opening"]) for n in names}
        part = answer({**stated, **changed, **({"as_of": dates[1]} if "as_of" in stated else {})})
        part.insert(0, "quarter", str(quarter))
        parts[str(quarter)] = part
    if not parts:
        raise UsageError(say("over_needs_days", len(days)))
    result = Result(pd.concat(parts.values(), ignore_index=True))
    result.about = About(notes=_notes_of_series(parts))
    return result


def _notes_of_series(parts: Mapping[str, Result]) -> Notes:
    """Return the notes of several quarters, each once; with their names where not of all."""
    notes: Notes = ()
    for key, facts in (note for part in parts.values() for note in part.about.notes):
        own = [quarter for quarter, part in parts.items() if (key, facts) in part.about.notes]
        note = (key, facts if len(own) == len(parts) else {**facts, "quarters": own})
        notes += () if note in notes else (note,)
    return notes


def _of_day(frame: Frame, on: date) -> Frame:
    """Return the rows of one as-of date; a table without dates as it is."""
    table = as_lazy(frame)
    if "as_of" not in table.collect_schema().names():
        return frame
    return frames.same_kind(frame, table.filter(frames.on_day(day(table, "as_of"), on)))
