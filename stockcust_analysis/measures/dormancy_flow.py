"""Dormancy between two dates: who fell asleep, who was reactivated (唤醒), and their money."""

from __future__ import annotations

from dataclasses import replace

import narwhals.stable.v2 as nw

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ZERO, Groups, Table, as_lazy, collect_rows, group_names
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.dormancy import JUDGED_BY
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.two_dates import DATES, dormancy_states, pair_customers
from stockcust_analysis.measures.validation import require_columns
from stockcust_analysis.policy import DormancyRule, Policy, PolicyLike, as_policy


def _flow_columns(policy: Policy, _: str) -> dict[str, nw.Expr]:
    """Return what is summed: who fell asleep, woke, arrived or left asleep, and their cents."""
    here = 1 - nw.col("departed")
    was_in, is_in = (nw.col(f"{date}_inside") * here for date in DATES)
    slept, sleeps = (nw.col(f"{date}_dormant") * here for date in DATES)
    value = f"{policy.dormancy.value}_cents"
    cents_before, cents_after = (nw.col(f"{date}_{value}") for date in DATES)
    newly, woken = sleeps * was_in * (1 - slept), slept * nw.col("closing_acted")
    return {
        "customers": is_in,
        "pairs": here,
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


_FLOW_COUNTS = (
    "dormant_opening", "newly_dormant", "dormant_arrived", "reactivated", "dormant_moved",
    "dormant_left", "dormant_closing",
)  # fmt: skip
_FLOW = (
    *(Measure(name, name, None) for name in _FLOW_COUNTS),
    Measure("newly_dormant_rate", "newly_dormant", "awake_opening"),
    Measure("reactivation_rate", "reactivated", "dormant_opening"),
    Measure("dormant_opening_aum", "dormant_opening_cents", None),
    Measure("newly_dormant_aum", "newly_dormant_cents", None),
    Measure("reactivated_aum", "reactivated_cents", None),
    Measure("returned_aum", "returned_cents", None),
    Measure("dormant_closing_aum", "dormant_closing_cents", None),
)
DORMANCY_FLOW = Question("dormancy_flow", _flow_columns, lambda _: _FLOW, asked_of="pairs")


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
    rules = replace(rules, dormancy=rules.dormancy_rule(rule))
    for date, frame in zip(DATES, (opening, closing), strict=True):
        require_columns(as_lazy(frame), ["customer_id", "status"], date)
        _require_rule(as_lazy(frame), rules.dormancy, date)
    value, states = rules.dormancy.value, dormancy_states(base)
    pairs = pair_customers(
        opening, closing, policy=rules, labels=groups, value=value, base=base, extra=states
    )
    groups_at_closing = {name: nw.col(f"closing_{name}") for name in groups}
    view = pairs.with_columns(departed=ZERO, **groups_at_closing)
    return answer(view, DORMANCY_FLOW, policy=rules, by=groups, base=base, given=closing)


def _require_rule(customers: Table, rule: DormancyRule, date: str) -> None:
    """Raise when customers say that another rule gave them their status."""
    if JUDGED_BY in customers.collect_schema().names():
        others = {*collect_rows(customers.select(JUDGED_BY).unique())[JUDGED_BY]} - {rule.name}
        if others:
            raise UsageError(
                f"{date}: the 'status' is by the rule '{', '.join(sorted(others))}', not by "
                f"'{rule.name}'. Judge both dates by it with dormancy_status."
            )
