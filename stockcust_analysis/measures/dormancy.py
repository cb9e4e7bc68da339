"""Dormancy (睡眠): did the customer act in the period, and is there money.

| | AUM from the cap up | AUM below the cap |
|---|---|---|
| acted | active 活跃 | active_small 低额活跃 |
| did not act | silent 沉默 | dormant 睡眠 |

Silent customers are good customers to visit; only the dormant are asleep. Who holds something the
rule exempts (an unmatured time deposit, a loan) is never dormant but silent. A rule without a cap
knows no small amounts: idle customers with any balance are dormant, those without are silent.
Where a rule looks at accounts, who has none of them has none that could be small or dormant.
Customers outside the rule's scope have no status and are counted nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ZERO, Frame, Groups, Table, as_lazy, flag
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import bases
from stockcust_analysis.measures import holdings as held
from stockcust_analysis.measures.registry import Measure, Question, answer, measure
from stockcust_analysis.measures.two_dates import DATES, dormancy_states, pair_customers
from stockcust_analysis.policy import DormancyRule, Policy, PolicyLike, as_policy

STATUSES = ("active", "active_small", "silent", "dormant")
_MEASURES = (
    Measure("active_rate", "active"),
    Measure("active_small_rate", "active_small"),
    Measure("silent_rate", "silent"),
    Measure("dormancy_rate", "dormant"),
    Measure("inactive_rate", "inactive"),
    Measure("silent_aum_share", "silent_cents", "total_cents"),
    Measure("dormant_aum_share", "dormant_cents", "total_cents"),
)


def _columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers with a status and their cents, in all and per status."""
    amount, inside = nw.col(f"{policy.dormancy.value}_cents"), nw.col(f"in_{base}")
    judged = inside * flag(~nw.col("status").is_null())
    columns = {"customers": judged, "total_cents": judged * amount}
    for status in STATUSES:
        among = inside * flag(nw.col("status") == status)
        columns |= {status: among, f"{status}_cents": among * amount}
    return columns | {"inactive": columns["silent"] + columns["dormant"]}


DORMANCY = Question("dormancy", _columns, lambda _: _MEASURES, bases=("all", "funded"))


def dormancy_status(
    customers: Frame,
    rule: DormancyRule | str | None = None,
    *,
    as_of: Day,
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return the customers with the status of each: active, active_small, silent or dormant.

    Parameters
    ----------
    customers : table
        One row per customer, with `last_active_on` (empty: never) and the rule's AUM column, CNY;
        `customer_type` or `relationship_since` where the rule's scope or clock asks for it. A
        column `exempt` (true/false) goes before what holdings show.
    rule : DormancyRule or name of a preset, optional
        Idle period, clock, cap, exemptions and scope, such as "crm_6m"; default: the policy's.
    as_of : date, "2026-09-30" or "2026Q3"
        Day the idle period ends on.
    holdings : table, optional
        Accounts: they show who is exempt, balances per account, and a maturity inside the period,
        which restarts the clock. Without them no maturity is seen but `last_matured_on`.
    contacts : table, optional
        Contacts, for a rule whose clock an answered contact restarts.
    policy : Policy, name or path, optional
        Rules, families and effective outcomes of contacts; the shipped policy when left out.

    Returns
    -------
    table
        Of the kind given, with the column `status` added; lazy stays lazy. Who last acted on
        `rule.cutoff(as_of)` or earlier, or never, did not act. Empty outside the rule's scope.

    Raises
    ------
    UsageError
        Somebody was last active after `as_of`; an amount is missing or negative; or the rule asks
        for holdings or contacts that are not given.

    Examples
    --------
    >>> import pandas as pd
    >>> rule = DormancyRule("half_year", cap=500, idle_months=6)
    >>> bank = pd.DataFrame({
    ...     "last_active_on": pd.to_datetime(["2026-04-01", "2026-03-31", "2026-03-31"]),
    ...     "aum_period_end": [800.0, 800.0, 20.0],
    ... })
    >>> dormancy_status(bank, rule, as_of="2026-09-30")["status"].tolist()
    ['active', 'silent', 'dormant']
    """
    bases.require_comparable({"customers": customers, "holdings": holdings, "contacts": contacts})
    table, rules = as_lazy(customers), as_policy(policy)
    names = table.drop("status", bases.JUDGED_BY, strict=False).collect_schema().names()
    rule = rules.dormancy_rule(rule)
    result = held.with_status(table, rule, as_day(as_of), holdings, contacts, rules)
    return frames.same_kind(customers, result.select(*names, "status"))


@measure("dormancy", "dormancy_rate")
def dormancy_rate(
    customers: Frame,
    rule: DormancyRule | str | None = None,
    *,
    as_of: Day | None = None,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Result:
    """Return which part of the customers, and of their AUM, is active, silent or dormant.

    Measures: `active_rate`, `active_small_rate`, `silent_rate`, `dormancy_rate` (of the base's
    customers in the rule's scope; they add up to 1), `inactive_rate` (silent or dormant),
    `silent_aum_share` and `dormant_aum_share` (of the same customers' AUM). A high dormancy rate is
    bad; a high silent share is money to visit.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by`, of the base, and the
        rule's AUM column, CNY. The `status` of `bank.customers` stands for its rule and day;
        without it `last_active_on` is needed (see `dormancy_status`).
    rule : DormancyRule or name of a preset, optional
        Idle period, clock, cap, exemptions and scope, such as "crm_6m"; default: the policy's.
    as_of : date, "2026-09-30" or "2026Q3", optional
        Day the idle period ends on: needed for another rule, or where there is no status.
    holdings, contacts : table, optional
        Accounts and contacts, where the rule looks at them.
    policy : Policy, name or path, optional
        Rules, families and bases; the shipped policy when left out.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; empty for an empty base.

    Raises
    ------
    UsageError
        An unknown column or base; somebody was last active after `as_of`; an amount is missing or
        negative; no `as_of` where it is needed; the rule asks for holdings or contacts.

    Examples
    --------
    >>> import pandas as pd
    >>> rule = DormancyRule("half_year", cap=500, idle_months=6)
    >>> days = pd.to_datetime(["2026-09-01", None, None, None])
    >>> bank = pd.DataFrame({"last_active_on": days, "aum_period_end": [900.0, 600, 20, 30]})
    >>> rates = dormancy_rate(bank, rule, as_of="2026-09-30", base="all")
    >>> rates.query("measure == 'dormancy_rate'")["value"].tolist()
    [0.5]
    """
    table, request = as_lazy(customers), bases.Request.of(customers, by, base, policy)
    rule = request.policy.dormancy_rule(rule)
    on = None if as_of is None else as_day(as_of)
    if holdings is not None or contacts is not None or not _has_status(table, on):
        if on is None:
            raise UsageError(say("status_unknown", rule.name))
        table = held.with_status(table, rule, on, holdings, contacts, request.policy)
    view = bases.with_base(table, request, [rule.value])
    return answer(view, DORMANCY, request.under(dormancy=rule))


@measure("bars", "dormancy_rate")
def compare_rules(
    customers: Frame,
    rules: DormancyRule | str | Sequence[DormancyRule | str],
    *,
    as_of: Day,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Result:
    """Return the dormancy measures of the same customers under each of several rules.

    Which definition is in force decides how many are dormant. Measures as of `dormancy_rate`.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with `last_active_on`, the rules' AUM columns (CNY)
        and the columns of `by` and of the base.
    rules : DormancyRule, name of a preset, or list of either
        One or more, each under a name of its own.
    as_of : date, "2026-09-30" or "2026Q3"
        Day the idle periods end on.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    holdings, contacts : table, optional
        Accounts and contacts, where a rule looks at them.
    policy : Policy, name or path, optional
        Where names of rules are looked up; families and bases; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], rule, measure, base, n, numerator, denominator, value`; n counts the customers of
        the base that the rule judges.

    Raises
    ------
    UsageError
        No rules, or two of one name; an unknown column or base; somebody was last active after
        `as_of`; an amount is missing or negative; a rule asks for holdings or contacts.

    Examples
    --------
    >>> import pandas as pd
    >>> rules = [DormancyRule("year", cap=500, idle_months=12), DormancyRule("any", idle_months=6)]
    >>> days = pd.to_datetime(["2026-09-01", "2026-01-01", None, None])
    >>> bank = pd.DataFrame({"last_active_on": days, "aum_period_end": [900.0, 20, 600, 30]})
    >>> rates = compare_rules(bank, rules, as_of="2026-09-30", base="all")
    >>> dict(rates.query("measure == 'dormancy_rate'")[["rule", "value"]].values.tolist())
    {'any': 0.75, 'year': 0.25}

    Presets by name; those that spare holders of a product look at the holdings of that day:

    >>> bank = bank.assign(customer_id=["a", "b", "c", "d"], customer_type="personal")
    >>> held = pd.DataFrame({"customer_id": ["b", "d"], "account_id": ["1", "2"],
    ...     "product": ["loan", "demand_deposit"], "balance": [500.0, 30]})
    >>> presets = ["rural_6m_500", "crm_6m"]
    >>> rates = compare_rules(bank, presets, as_of="2026Q3", base="all", holdings=held)
    >>> dict(rates.query("measure == 'dormancy_rate'")[["rule", "value"]].values.tolist())
    {'crm_6m': 0.75, 'rural_6m_500': 0.25}
    """
    several = [rules] if isinstance(rules, str | DormancyRule) else rules
    compared = [as_policy(policy).dormancy_rule(rule) for rule in several]
    if not compared or len({rule.name for rule in compared}) < len(compared):
        raise UsageError(say("rules_to_compare"))
    # All are judged by the same evidence, the rule of the customers' own status, too.
    judged_anew = as_lazy(customers).drop(bases.JUDGED_BY, strict=False).to_native()
    given: Any = {"as_of": as_of, "by": by, "base": base, "policy": policy}
    given |= {"holdings": holdings, "contacts": contacts}
    keys, tables = frames.group_names(by), list[pd.DataFrame]()
    for rule in compared:
        rates = dormancy_rate(judged_anew, rule, **given)
        rates.insert(len(keys), "rule", rule.name)
        tables.append(rates)
    return Result(pd.concat(tables).sort_values([*keys, "rule"], kind="stable", ignore_index=True))


def _has_status(customers: Table, as_of: date | None) -> bool:
    """Return whether the customers have the `status` of a rule, and of a day if one is given."""
    names = {"status", bases.JUDGED_BY} | ({"as_of"} if as_of else set())
    if not names <= {*customers.collect_schema().names()}:
        return False
    return as_of is None or bases.as_of_dates(customers.to_native()) in ([], [as_of])


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


_ENTERED, _ENDED = ("newly_dormant", "dormant_arrived"), ("reactivated", "dormant_moved")
_FLOW_COUNTS = ("dormant_opening", *_ENTERED, *_ENDED, "dormant_left", "dormant_closing")
_FLOW_AMOUNTS = ("dormant_opening", "newly_dormant", "reactivated", "returned", "dormant_closing")
_FLOW = (
    *(Measure(name, name, None) for name in _FLOW_COUNTS),
    *(Measure(f"{name}_aum", f"{name}_cents", None) for name in _FLOW_AMOUNTS),
    Measure("newly_dormant_rate", "newly_dormant", "awake_opening"),
    Measure("reactivation_rate", "reactivated", "dormant_opening"),
)
DORMANCY_FLOW = Question("dormancy_flow", _flow_columns, lambda _: _FLOW, present_if="pairs")


@measure("dormancy_flow")
def dormancy_flow(
    opening: Frame,
    closing: Frame,
    rule: DormancyRule | str | None = None,
    *,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
) -> Result:
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
        The rule: its `value` is the AUM summed. Default: the policy's.
    by : str, list of str or None
        Columns to group by, such as the branch, `tier` or `tenure`: where the customer is at the
        closing, or was at the opening if they left. None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, judged at each date.
    policy : Policy, name or path, optional
        Rule and bases; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.
        Counts and sums have the denominator 1. The rate of an empty base is empty.

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
    request = bases.Request.of(closing, by, base, policy)
    rule = request.policy.dormancy_rule(rule)
    for side, frame in zip(DATES, (opening, closing), strict=True):
        bases.require_columns(as_lazy(frame), ["customer_id", "status"], side)
    request = request.under(dormancy=rule)
    pairs = pair_customers(opening, request, rule.value, dormancy_states(base))
    groups_at_closing = {name: nw.col(f"closing_{name}") for name in request.by}
    return answer(pairs.with_columns(departed=ZERO, **groups_at_closing), DORMANCY_FLOW, request)
