"""Bases (客户口径), among whom a rate is counted, and the checks that all measures share.

`all` · `funded` (有资产: quarter-average AUM from 100 CNY, or a loan or policy in force) ·
`established` (funded, and with the bank for twelve months) · `effective` (有效: from 10,000 CNY) ·
`managed` (管户). Each is a column of 0 and 1, `in_<base>`. Customers outside the base stay in the
table, so that a branch with an empty base keeps its row.

A failed check says what is wrong, in how many rows and what to do; it names no customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, Frame, Groups, Table, cents, collect_rows, flag
from stockcust_analysis.errors import UsageError, Words, either, joined, require_known, say
from stockcust_analysis.policy import Bases, Policy, PolicyLike, as_policy

NUMBERS, OWN_NUMBER = "numbers", "customer_number"
"""Columns of joined tables: how many numbers a person has, and under which one a row came."""
MOST = 2**53 / 100
"""The largest amount, and sum of amounts, that is exact to the cent in CNY: 90 million million."""


def require_columns(table: Table, names: Iterable[str], what: str) -> None:
    """Raise unless all columns are there; close matches are offered."""
    present = table.collect_schema().names()
    for name in names:
        require_known("column_of", name, present, what)


def require_joinable(
    left: Table, right: Table, names: tuple[str, str] = ("customers", "holdings")
) -> None:
    """Raise when two tables cannot be joined: of different engines, or numbers beside text."""
    kinds = [table.implementation.value for table in (left, right)]
    if kinds[0] != kinds[1]:
        raise UsageError(say("tables_unlike", names[0], kinds[0], names[1], kinds[1]))
    schemas = [table.collect_schema() for table in (left, right)]
    if not all("customer_id" in schema for schema in schemas):
        return
    texts = [not schema["customer_id"].is_numeric() for schema in schemas]
    if texts[0] != texts[1]:
        number, text = (names[texts.index(kind)] for kind in (False, True))
        raise UsageError(say("number_and_text", number, text))


# `aum_from` says what amounts were made from that the bank does not deliver.
JUDGED_BY, TIERED_BY, AUM_FROM = "dormancy_rule", "tier_rule", "aum_from"
RULE_COLUMNS = {
    JUDGED_BY: "status",
    TIERED_BY: "tier",
    "base_rule": "funded|effective",
    "family_rule": "families|holds_.+|uses_.+",
}
"""Columns in which `bank.customers` says by which rule (`Policy.labels`) it made which others."""


def example_of(rule: str) -> Words:
    """Return what a rule makes, in words and with a column of it."""
    return say(f"made_{rule}", RULE_COLUMNS[rule].partition("|")[0])


def rules_stated(frame: Frame) -> dict[str, str]:
    """Return the rules by which a table says that its columns were made; several as one text."""
    table = frames.as_lazy(frame)
    names = [name for name in (*RULE_COLUMNS, AUM_FROM) if name in table.collect_schema().names()]
    ends = {f"{n}|{i}": (nw.col(n).min(), nw.col(n).max())[i] for n in names for i in (0, 1)}
    found = collect_rows(table.select(**ends)) if names else {}
    pairs = {n: dict.fromkeys(found[f"{n}|{i}"][0] for i in (0, 1)) for n in names}
    return {n: " … ".join(two) for n, two in pairs.items() if all(isinstance(x, str) for x in two)}


def require_one_rule(stated: Mapping[str, Mapping[str, str]]) -> None:
    """Raise when tables to compare had their columns made by different rules."""
    for column in RULE_COLUMNS:
        labels = {name: rules[column] for name, rules in stated.items() if column in rules}
        if len({*labels.values()}) > 1:
            rules = [say("made_by", *entry) for entry in labels.items()]
            raise UsageError(say("not_by_one_rule", example_of(column), rules))


def without_columns_of(frame: Frame, rules: Iterable[str], kept: Iterable[str]) -> Frame:
    """Return a table without the columns that other rules made, but for those to be kept."""
    table, made = frames.as_lazy(frame), "|".join(RULE_COLUMNS[rule] for rule in rules)
    names = {*table.collect_schema().names()} - {*kept}
    dropped = [name for name in names if re.fullmatch(made, name)]
    return frames.same_kind(frame, table.drop(*dropped, *rules)) if dropped else frame


def require_comparable(tables: Mapping[str, Frame | None], *, one_day: bool = True) -> None:
    """Raise when some tables are by person, others by customer number; or `one_day`s are swapped.

    A join would lose rows, new customers would be called closed. Tables of a bank's persons say how
    many numbers were joined, or which one a row had.
    """
    given = {name: frames.as_lazy(frame) for name, frame in tables.items() if frame is not None}
    by_person: dict[bool, list[str]] = {True: [], False: []}
    for name, table in given.items():
        columns = table.collect_schema().names()
        by_person[NUMBERS in columns or OWN_NUMBER in columns].append(name)
    if all(by_person.values()):
        persons, numbers = (joined(names, " and ", "与") for names in by_person.values())
        raise UsageError(say("persons_and_numbers", persons, numbers))
    for one, other in pairwise(given):
        require_joinable(given[one], given[other], (one, other))
    if one_day and "closing" in tables:
        _require_order(tables["opening"], tables["closing"])


def _require_order(opening: Frame, closing: Frame) -> None:
    """Raise when two tables of one as-of date each are not in the order of their dates."""
    before, now = as_of_dates(opening), as_of_dates(closing)
    if len(before) == len(now) == 1 and before >= now:
        advice = say("swap_tables" if before > now else "other_quarter")
        raise UsageError(say("opening_is_earlier", before[0], now[0], advice))


def as_of_dates(frame: Frame) -> list[date]:
    """Return the as-of dates of a table's rows, the earliest first."""
    table = frames.as_lazy(frame)
    if "as_of" not in table.collect_schema().names():
        return []
    moments = collect_rows(table.select("as_of").drop_nulls().unique())["as_of"]
    return sorted({moment.date() for moment in pd.to_datetime(pd.Series(moments))})


def require_amounts(
    table: Table,
    names: Iterable[str],
    what: str,
    *,
    signed: Iterable[str] = (),
    labels: Iterable[str] = (),
    inside: nw.Expr = ONE,
    one_day: bool = False,
) -> None:
    """Raise when an amount is missing, infinite or negative; all columns are named at once.

    Those named in `signed` may be negative. Amounts so large, or adding up to so much, that their
    cents are not exact any more are refused, too; so are rows that belong nowhere, as a column of
    `labels` to group by is empty (of those `inside`, 1), on `one_day` rows of several as-of dates,
    and customers that are there twice. Everything is looked at in one pass.
    """
    kinds = table.collect_schema()
    conditions = {f"{name}|empty": nw.col(name).is_null() & (inside == 1) for name in labels}
    amounts = {name: nw.col(name).cast(nw.Float64) for name in names}
    for name, amount in amounts.items():
        if kinds[name] == nw.String:
            raise UsageError(say("text_for_numbers", name, what))
        conditions[f"{name}|infinite"] = amount.is_null() | ~amount.is_finite()
        if name not in signed:
            conditions[f"{name}|negative"] = amount < 0
    columns = {name: flag(condition) for name, condition in conditions.items()}
    columns |= {name: amount.abs() for name, amount in amounts.items()}
    totals = [nw.col(name).sum() for name in columns]
    if one_day and "as_of" in kinds.names():
        columns["as_of"] = nw.col("as_of")
        totals.append(nw.col("as_of").n_unique())
    if one_day and what == "customers" and "customer_id" in kinds.names():
        columns["|key"] = nw.col("customer_id")
        totals += [nw.col("|key").n_unique(), nw.len().alias("|rows")]
    summed = collect_rows(table.select(**columns).select(*totals)) if columns else {}
    found = {name: values[0] or 0 for name, values in summed.items()}  # SQL sums nothing to NULL
    days = found.get("as_of", 1)
    if days > 1:
        raise UsageError(say("several_days", what, days))
    problems = []
    for name in conditions:
        column, wrong = name.rsplit("|", 1)
        count = int(found[name])
        problems += [say(f"{wrong}_in_rows", column, count)] if count else []
    if problems:
        raise UsageError(say("unusable_rows", what, joined(problems, "; ", "；")))
    if "|key" in columns and (twice := int(found["|rows"] - found["|key"])):
        raise UsageError(say("rows_repeat", what, twice, "customer_id"))
    if beyond := [either([name]) for name in amounts if found[name] >= MOST]:
        raise UsageError(say("beyond_cents", what, beyond, MOST))


BASES = ("all", "funded", "established", "effective", "managed")
_AVERAGE = "aum_average_quarter"
AVERAGE, PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"
# The columns that say who is in a base, any of one group sufficing.
_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "all": (),
    "funded": (("funded", _AVERAGE),),
    "established": (("established",), ("funded", _AVERAGE)),
    "effective": (("effective", _AVERAGE),),
    "managed": (("managed", "in_managed"),),
}


@dataclass(frozen=True)
class Request:
    """What a public measure computes of a frame: by which groups, base and rules."""

    frame: Frame
    by: list[str]
    base: str
    policy: Policy

    @classmethod
    def of(cls, frame: Frame, by: Groups, base: str, policy: PolicyLike) -> Request:
        """Return the request that the arguments of a public function make."""
        return cls(frame, frames.group_names(by), base, as_policy(policy))

    def under(self, **rules: Any) -> Request:
        """Return the request under a policy with other rules; those that are None stay."""
        stated = {name: rule for name, rule in rules.items() if rule is not None}
        return replace(self, policy=replace(self.policy, **stated))


def with_base(
    customers: Table, request: Request, amounts: Sequence[str] = (), signed: Sequence[str] = ()
) -> Table:
    """Return checked customers with their amounts in cents and the 0/1 column of the base.

    Customers owe nothing where `loan_balance` is absent or empty; `obliged` (a loan or a policy
    in force, from holdings) counts towards `funded` when it is there. Amounts named in `signed` may
    be negative. Who had left by then (`closed_on`) is not among them.
    """
    customers = _still_customers(customers)
    by, base = request.by, request.base
    require_base(customers, base)
    present = customers.collect_schema().names()
    needed = [names for names in _NEEDS[base] if _AVERAGE in names and names[0] not in present]
    money = list(dict.fromkeys([*amounts, *(_AVERAGE for _ in needed)]))
    require_columns(customers, [*by, *money], "customers")
    average = cents(_AVERAGE) if needed else None
    inside = base_flag(customers, base, request.policy.bases, amount=average)
    require_amounts(
        customers, money, "customers", signed=signed, labels=by, inside=inside, one_day=True
    )
    amounts_in_cents = (cents(name).alias(f"{name}_cents") for name in money)
    table = customers.with_columns(*amounts_in_cents, inside.alias(f"in_{base}"))
    if not by or base == "all":
        return table
    # All of the base have labels: a group of those who have none would be of nobody.
    unlabelled = (nw.col(name).is_null() | (nw.col(name).cast(nw.String) == "") for name in by)
    labelled = ~nw.any_horizontal(*unlabelled, ignore_nulls=True)
    return table.filter(labelled | (nw.col(f"in_{base}") == 1))


def customers_of(request: Request, date: str, value: str | None) -> Table:
    """Return an analyst's checked customers of one date, `value` in cents, the base as 0 and 1."""
    frame = frames.as_lazy(request.frame)
    try:
        require_columns(frame, ["customer_id"], "customers")
        require_amounts(_still_customers(frame), (), "customers", labels=["customer_id"])
        # Each of several rows would be paired with each: that is an error, too.
        return with_base(frame, request, [value] if value else [])
    except UsageError as error:
        raise UsageError(say("of_place", date, error)) from None


def _still_customers(table: Table) -> Table:
    """Return who has no `closed_on`, or one after the row's own as-of date."""
    columns = table.collect_schema().names()
    if "closed_on" not in columns:
        return table
    closed = frames.day(table, "closed_on")
    stays = closed.is_null()
    if "as_of" in columns:
        stays = stays | (closed > frames.day(table, "as_of")).fill_null(False)
    return table.filter(stays)


def require_base(customers: Table, base: str) -> None:
    """Raise unless there is such a base, and the customers' columns can tell who is in it."""
    require_known("base", base, BASES)
    missing = missing_for(customers, base)
    if missing:
        other = say("base_from_service" if base == "managed" else "base_from_column")
        raise UsageError(say("base_unknown", base, joined(missing, " and ", "与"), other))


def missing_for(customers: Table, base: str) -> list[Words]:
    """Return what the columns lack to tell who is in a base, each as "'x' or 'y'"."""
    present = set(customers.collect_schema().names())
    lacking = (names for names in _NEEDS[base] if not present & set(names))
    return [either(names) for names in lacking]


def base_flag(table: Table, base: str, bases: Bases, *, amount: nw.Expr | None = None) -> nw.Expr:
    """Return 1 for customers in the base, else 0.

    `amount` is in cents; by default a column of the base's name says who is funded or effective,
    or else the quarter's average.
    """
    if base == "all":
        return ONE
    present = table.collect_schema().names()
    column = "in_managed" if base == "managed" and "managed" not in present else base
    if base in ("established", "managed") or (column in present and amount is None):
        stated = flag(nw.col(column).cast(nw.Float64) > 0)
        if base == "established":
            stated *= base_flag(table, "funded", bases, amount=amount)
        return stated
    average = nw.col(f"{_AVERAGE}_cents") if amount is None else amount
    if base == "effective":
        return flag(average >= frames.cents_of(bases.effective))
    funded = average >= frames.cents_of(bases.funded)
    if "loan_balance" in present:
        funded = funded | (frames.cents_or_zero("loan_balance") > 0)
    if "loan_balance_cents" in present:
        funded = funded | (nw.col("loan_balance_cents") > 0)
    if "obliged" in present:
        funded = funded | (nw.col("obliged") == 1)
    return flag(funded)
