"""The flow of dormancy (睡眠流量): who fell asleep between two dates, who woke, and their money.

```
dormant_opening + newly_dormant + dormant_arrived
                − reactivated − dormant_moved − dormant_left = dormant_closing
```
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import require_columns
from stockcust_analysis.measures.dormancy import JUDGED_BY
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    collected,
    flag,
    group_names,
    lazily,
    measure_frame,
    sums,
)
from stockcust_analysis.measures.pairs import customers_of, paired
from stockcust_analysis.policy import DormancyRule, PolicyLike, as_policy

_COUNTS = (
    "dormant_opening", "newly_dormant", "dormant_arrived", "reactivated", "dormant_moved",
    "dormant_left", "dormant_closing",
)  # fmt: skip
STATES = ("inside", "dormant", "acted")
DORMANCY_FLOW = (
    *(Ratio(name, name, None) for name in _COUNTS),
    Ratio("newly_dormant_rate", "newly_dormant", "awake_opening"),
    Ratio("reactivation_rate", "reactivated", "dormant_opening"),
    Ratio("dormant_opening_aum", "dormant_opening_cents", None),
    Ratio("newly_dormant_aum", "newly_dormant_cents", None),
    Ratio("reactivated_aum", "reactivated_cents", None),
    Ratio("returned_aum", "returned_cents", None),
    Ratio("dormant_closing_aum", "dormant_closing_cents", None),
)


def dormancy_flow(
    opening: Frame,
    closing: Frame,
    rule: DormancyRule | str | None = None,
    *,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
) -> Frame:
    """Return who became dormant between two dates and who was reactivated (唤醒), and their AUM.

    Measures, customers: `dormant_opening`, `dormant_closing`; `newly_dormant` (awake in the base
    before); `dormant_arrived` (not in the base before); `reactivated` (acted again);
    `dormant_moved` (did not act, but silent now: money came in, or an exemption);
    `dormant_left` (the bank or the base). `newly_dormant_rate` is of those awake at the opening,
    `reactivation_rate` (唤醒率) of those dormant then: high is good. AUM, CNY: that of
    `dormant_opening` at the opening, of `newly_dormant`, `reactivated` and `dormant_closing` at
    the closing; `returned_aum` is what the reactivated brought (closing − opening).

    Parameters
    ----------
    opening, closing : table
        What `bank.customers` or `dormancy_status` return for the two dates, one row per
        `customer_id`, with the columns of `by` and of the base; both under the same rule.
    rule : DormancyRule or name of a preset, optional
        The rule: its `value` is the AUM told. Default: the policy's.
    by : str, list of str or None
        Columns to group by, such as the branch, `tier` or `tenure`: where the customer is at the
        closing, or was at the opening if he left. None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, judged at each date.
    policy : Policy, name or path, optional
        Rule and bases; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.
        Counts and sums have the denominator 1. A rate of nobody is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a customer twice in one table; unusable amounts.

    Examples
    --------
    >>> import pandas as pd
    >>> rule = DormancyRule("half_year", cap=500, idle_months=6)
    >>> before = pd.DataFrame({"customer_id": ["1", "2"], "aum_period_end": [20.0, 30.0],
    ...                        "status": ["dormant", "dormant"]})
    >>> after = before.assign(aum_period_end=[900.0, 30.0], status=["active", "dormant"])
    >>> flow = dormancy_flow(before, after, rule, base="all").set_index("measure")["value"]
    >>> flow[["reactivation_rate", "returned_aum"]].tolist()
    [0.5, 880.0]
    """
    groups, rules = group_names(by), as_policy(policy)
    rule = rules.dormancy_rule(rule)
    tables = []
    for date, frame in (("opening", opening), ("closing", closing)):
        require_columns(lazily(frame), ["customer_id", "status"], date)
        tables.append(
            customers_of(frame, date, by=groups, value=rule.value, base=base, bases=rules.bases)
        )
        _require_rule(tables[-1], rule, date)
    totals = _dormancy_flow(*tables, value=f"{rule.value}_cents", by=groups, base=base)
    return measure_frame(totals, DORMANCY_FLOW, by=groups, base=base, given=closing)


def _require_rule(customers: nw.LazyFrame[Any], rule: DormancyRule, date: str) -> None:
    """Raise when customers say that another rule gave them their status."""
    if JUDGED_BY in customers.collect_schema().names():
        others = {*collected(customers.select(JUDGED_BY).unique())[JUDGED_BY]} - {rule.name}
        if others:
            raise UsageError(
                f"{date}: the 'status' is by the rule '{', '.join(sorted(others))}', not by "
                f"'{rule.name}'. Judge both dates by it with dormancy_status."
            )


def _dormancy_flow(
    opening: nw.LazyFrame[Any], closing: nw.LazyFrame[Any], *, value: str, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return the sums of `DORMANCY_FLOW` per group, of facts of two dates."""
    before, after = (with_states(table, base) for table in (opening, closing))
    pairs = paired(before, after, value=value, labels=by, numbers=STATES)
    told = pairs.rename({f"closing_{name}": name for name in by})
    return sums(told, by, flow_columns())


def flow_columns() -> dict[str, nw.Expr]:
    """Return what is summed for `DORMANCY_FLOW`, of pairs that carry `STATES`."""
    slept, sleeps = nw.col("opening_dormant"), nw.col("closing_dormant")
    was_in, is_in = nw.col("opening_inside"), nw.col("closing_inside")
    cents_before, cents_after = nw.col("opening_cents"), nw.col("closing_cents")
    newly, woken = sleeps * was_in * (1 - slept), slept * nw.col("closing_acted")
    return {
        "customers": is_in,
        "awake_opening": was_in * (1 - slept),
        "dormant_opening": slept,
        "newly_dormant": newly,
        "dormant_arrived": sleeps * (1 - was_in),
        "reactivated": woken,
        "dormant_moved": slept * is_in * (1 - sleeps) - woken,
        "dormant_left": slept * (1 - is_in),
        "dormant_closing": sleeps,
        "dormant_opening_cents": slept * cents_before,
        "newly_dormant_cents": newly * cents_after,
        "reactivated_cents": woken * cents_after,
        "returned_cents": woken * (cents_after - cents_before),
        "dormant_closing_cents": sleeps * cents_after,
    }


def with_states(table: nw.LazyFrame[Any], base: str) -> nw.LazyFrame[Any]:
    """Return the customers with `STATES`, 0 or 1: in the base and judged; dormant; acted."""
    status = nw.col("status")
    inside = nw.col(f"in_{base}") * flag(~status.is_null())
    acted = flag(status.is_in(("active", "active_small")))
    return table.with_columns(
        inside=inside, dormant=inside * flag(status == "dormant"), acted=inside * acted
    )
