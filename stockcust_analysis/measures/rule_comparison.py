"""Dormancy under several rules side by side: the same customers, other definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.checks import require_columns
from stockcust_analysis.measures.dormancy import (
    DORMANCY,
    dormancy_columns,
    require_evidence,
    require_past_activity,
    status_name,
)
from stockcust_analysis.measures.dormancy_evidence import with_evidence
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    group_names,
    lazily,
    measure_frame,
    sums,
)
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import DormancyRule, PolicyLike, as_policy


def compare_rules(
    customers: Frame,
    rules: Sequence[DormancyRule | str],
    *,
    as_of: Day,
    by: Groups = None,
    base: str = "funded",
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return the dormancy measures of the same customers under each of several rules.

    Which definition is in force decides how many sleep. Measures, parameters and errors are those
    of `dormancy_rate`, but for `rules`: rules, or names of presets, each under a name of its own.

    Returns
    -------
    measure frame
        `[*by], rule, measure, base, n, numerator, denominator, value`; n counts the customers of
        the base that the rule judges.

    Examples
    --------
    >>> import pandas as pd
    >>> rules = [DormancyRule("year", cap=500, idle_months=12), DormancyRule("any", idle_months=6)]
    >>> days = pd.to_datetime(["2026-09-01", "2026-01-01", None, None])
    >>> bank = pd.DataFrame({"last_active_on": days, "aum_period_end": [900.0, 20, 600, 30]})
    >>> found = compare_rules(bank, rules, as_of=date(2026, 9, 30), base="all")
    >>> dict(found.query("measure == 'dormancy_rate'")[["rule", "value"]].values.tolist())
    {'any': 0.75, 'year': 0.25}
    """
    table, followed, groups = lazily(customers), as_policy(policy), group_names(by)
    as_of = as_day(as_of)
    compared = [followed.dormancy_rule(rule) for rule in rules]
    if not compared or len({rule.name for rule in compared}) < len(compared):
        raise UsageError("compare one rule or more, each under a name of its own.")
    amounts = list(dict.fromkeys(rule.value for rule in compared))
    require_columns(table, amounts, "customers")
    for rule in compared:
        require_evidence(table, rule, holdings, contacts)
    require_past_activity(table, as_of)
    named = by_prefix(compared)
    table = with_evidence(table, named, as_of, holdings, contacts, followed)
    table = counted(table, by=groups, base=base, amounts=amounts, bases=followed.bases)
    totals = _rule_comparison(table, named, as_of=as_of, by=groups, base=base)
    return measure_frame(totals, DORMANCY, by=[*groups, "rule"], base=base, given=customers)


def by_prefix(rules: Sequence[DormancyRule]) -> dict[str, DormancyRule]:
    """Return the rules by what the columns of their evidence begin with."""
    return {f"{rule.name}_": rule for rule in rules}


def _rule_comparison(
    facts: nw.LazyFrame[Any], rules: Mapping[str, DormancyRule], *, as_of: date, by: list[str],
    base: str,
) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return what dormancy sums per group and rule, of facts with each rule's evidence."""
    judged = []
    for prefix, rule in rules.items():
        amount = nw.col(f"{rule.value}_cents")
        status = status_name(facts, rule, as_of, amount=amount, prefix=prefix)
        judged.append(facts.select(*by, f"in_{base}", rule=nw.lit(rule.name), status=status,
                                   value_cents=amount))  # fmt: skip
    columns = dormancy_columns(value="value_cents", base=base)
    return sums(nw.concat(judged), [*by, "rule"], columns)
