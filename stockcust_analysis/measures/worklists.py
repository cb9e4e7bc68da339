"""Work lists (名单): whom to see this month, the most money at stake first.

Every list is a condition and an amount; all branches are ranked in one look. Who must not be
contacted is on no list, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import add
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    Table,
    as_lazy,
    cents_of,
    collect_rows,
    flag,
    native_like,
    sums,
)
from stockcust_analysis.measures.service import hand_over_due, profile_complete
from stockcust_analysis.measures.validation import require_columns
from stockcust_analysis.measures.worklist_facts import through
from stockcust_analysis.measures.worklist_reasons import reason
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import Policy, PolicyLike, as_policy
from stockcust_analysis.policy.service import Actions, load_actions

COLUMNS = (
    "list", "branch_id", "priority", "customer_id", "manager_id", "tier", "groups",
    "amount_at_stake", "due_date", "reason_zh", "reason_en", "action_zh", "action_en",
    "warning_zh", "warning_en", "channel", "last_contact_on",
)  # fmt: skip
_TOLD = ("branch_id", "priority", "customer_id", "amount_cents", "tier", "next_tier", "offer")
_IF_KNOWN = (
    "manager_id", "groups", "last_contact_on", "managed_from", "maturing_on", "customer_class",
    "contacts_without_sale", "families", "first_call_missing", "change",
)  # fmt: skip


@dataclass(frozen=True)
class _List:
    """Who is on a list, the cents at stake, and the columns without which nobody can say."""

    who: nw.Expr
    stake: str
    needs: tuple[str, ...] = ()


def worklists(
    facts: Frame,
    *,
    policy: PolicyLike = None,
    as_of: Day,
    actions: Actions | None = None,
) -> Frame:
    """Return all work lists of all branches.

    A list holds the `longest` amounts at stake of a branch, ties at its end kept; nobody with
    nothing at stake, and nobody who must not be contacted. At stake is the period-end AUM; for
    `hand_over` the month's average, for `upgrade_candidates`, `unassigned`, `referral_sources` and
    `incomplete_profile` the amount tiers go by, for `maturing` what matures. Due is everything by
    the end of the policy's period but maturities (on their day) and first calls after a hand-over
    (within their days). A list whose columns are not delivered is left out; so is
    `attrition_warning` without the customers of the quarter before.

    Parameters
    ----------
    facts : table
        As `worklist_facts` returns them; every list looks at them anew, so keep them first.
    policy : Policy, name or path, optional
        Its coverage and work-list rules, tiers and families.
    as_of : date, "2026-09-30" or "2026Q3"
        Day of the lists.
    actions : Actions, optional
        What to do; the shipped ones when left out.

    Returns
    -------
    table
        Of the kind given when that was eager, else pandas: `list, branch_id, priority,
        customer_id, manager_id, tier, groups, amount_at_stake` (CNY), `due_date`, reason, action
        and warning in Chinese and English, `channel`, `last_contact_on` (effective); sorted by
        list, branch, priority and customer.

    Raises
    ------
    UsageError
        The facts are not those of `worklist_facts`.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.measures.population import customer_facts
    >>> from stockcust_analysis.measures.worklist_facts import worklist_facts
    >>> from stockcust_analysis.policy import load_policy
    >>> rules = {"policy": load_policy(), "as_of": date(2026, 9, 30)}
    >>> bank = pd.DataFrame({"customer_id": ["1"], "branch_id": "A", "customer_type": "personal",
    ...     "last_active_on": pd.to_datetime(["2026-09-01"])})
    >>> funds = pd.DataFrame({"customer_id": ["1"], "product": "fund", "balance": 45_000.0})
    >>> facts = worklist_facts(customer_facts(bank, funds, **rules), funds, **rules)
    >>> worklists(facts, **rules)["list"].tolist()
    ['upgrade_candidates', 'next_product']
    """
    table, policy, as_of = as_lazy(facts), as_policy(policy), as_day(as_of)
    require_columns(table, ["contactable", "maturing_cents"], "facts")
    actions = actions or load_actions()
    lists = _lists(table, policy)
    table = table.with_columns(next_tier=_next_tier(policy), offer=_offer(policy))
    rows = [
        _row({"list": name} | found, policy, as_of, actions)
        for name, one in lists.items()
        for found in _found(table, one, policy.worklists.longest)
    ]
    columns = {column: [row[column] for row in rows] for column in COLUMNS}
    return native_like(pd.DataFrame(columns, columns=list(COLUMNS)), facts)


def worklist_counts(facts: Frame, *, policy: PolicyLike = None) -> Frame:
    """Return how many customers of each branch every list finds, and how many are left out.

    Parameters
    ----------
    facts : table
        As `worklist_facts` returns them.
    policy : Policy, name or path, optional
        As for `worklists`.

    Returns
    -------
    table
        `list, branch_id, customers` (contactable, however long the list may be),
        `amount_at_stake` (theirs, CNY), `left_out` (must not be contacted), and of those the
        excluded by reason and `do_not_contact` (not excluded, but asked not to be contacted).
    """
    table = as_lazy(facts)
    policy = as_policy(policy)
    lists = _lists(table, policy)
    barred = _barred(table, policy)
    columns: dict[str, nw.Expr] = {}
    for name, one in lists.items():
        inside = flag(one.who & (nw.col(one.stake) > 0))
        free = inside * nw.col("contactable")
        columns |= {f"{name}/customers": free, f"{name}/cents": free * nw.col(one.stake)}
        columns |= {f"{name}/{why}": inside * found for why, found in barred.items()}
    groups = collect_rows(sums(table, ["branch_id"], columns))
    order = sorted(range(len(groups["branch_id"])), key=lambda place: groups["branch_id"][place])
    rows = [
        {
            "list": name,
            "branch_id": groups["branch_id"][place],
            "customers": groups[f"{name}/customers"][place],
            "amount_at_stake": groups[f"{name}/cents"][place] / 100,
            "left_out": sum(groups[f"{name}/{why}"][place] for why in barred),
            **{why: groups[f"{name}/{why}"][place] for why in barred},
        }
        for name in lists
        for place in order
    ]
    return native_like(pd.DataFrame(rows), facts)


def _lists(table: Table, policy: Policy) -> dict[str, _List]:
    """Return the lists the policy asks for, as far as the columns are there."""
    rule, cover = policy.worklists, policy.coverage
    average, end = f"{policy.tiers.value}_cents", "aum_period_end_cents"
    managed, active = nw.col("in_managed") == 1, nw.col("status") == "active"
    wanted = [target.tier for target in cover.profile_targets]
    over, few = hand_over_due(cover) + nw.col("first_call_missing") > 0, rule.next_product_below
    left_over = (nw.col("reclaim_due") == 0) & (nw.col("set_aside") == 0)
    vip = nw.col(average) >= cents_of(cover.vip_from)
    silent = (nw.col("status") == "silent") & (nw.col(end) >= cents_of(rule.silent_from))
    willing = (nw.col("contacted_lately") == 1) & (nw.col("refused_lately") == 0)
    single = (nw.col("families") >= 1) & (nw.col("families") < few) & (_offer(policy) != "")
    service = ("in_managed",)
    lists = {
        "hand_over": _List(over, "aum_average_month_cents", service),
        "maturing": _List(nw.col("maturing_cents") > 0, "maturing_cents"),
        "attrition_warning": _List(nw.col("attrition") == 1, end, ("attrition", "change")),
        "overdue_contact": _List((nw.col("contact_due") == 1) & left_over, end, service),
        "reclaim": _List(nw.col("reclaim_due") == 1, end, service),
        "unassigned": _List(
            ~managed & (nw.col(average) >= cents_of(cover.manage_from)), average, service
        ),
        "upgrade_candidates": _List(_next_tier(policy) != "", average),
        "silent_with_assets": _List(silent, end),
        "next_product": _List((nw.col("in_effective") == 1) & active & single, end),
        "referral_sources": _List(vip & active & willing, average, service),
        "incomplete_profile": _List(
            managed & nw.col("tier").is_in(wanted) & (profile_complete(table) == 0),
            average,
            (*service, "profile_complete"),
        ),
        "dormant": _List(nw.col("status") == "dormant", end),
        "set_aside": _List(nw.col("set_aside") == 1, end, service),
    }
    present = set(table.collect_schema().names())
    return {name: lists[name] for name in rule.lists if present.issuperset(lists[name].needs)}


def _next_tier(policy: Policy) -> nw.Expr:
    """Return the tier whose border is near, empty for who is near none."""
    rule, amount = policy.worklists, nw.col(f"{policy.tiers.value}_cents")
    name = nw.lit("")
    for tier in policy.tiers.tiers[1:]:
        lowest = max(cents_of(rule.near_border * tier.lower), cents_of(rule.upgrade_from))
        near = (amount >= lowest) & (amount < cents_of(tier.lower))
        name = nw.when(near).then(nw.lit(tier.name)).otherwise(name)
    return name


def _offer(policy: Policy) -> nw.Expr:
    """Return the first family of the policy's order that the customer does not hold."""
    name = nw.lit("")
    for family in reversed(policy.worklists.next_products):
        name = nw.when(nw.col(f"holds_{family}") == 0).then(nw.lit(family)).otherwise(name)
    return name


def _barred(table: Table, policy: Policy) -> dict[str, nw.Expr]:
    """Return why customers are left out, each counted once: the exclusion before the wish."""
    columns = table.collect_schema().names()
    reasons = policy.coverage.never_contact if "exclusion" in columns else ()
    excluded = {why: flag(nw.col("exclusion") == why) for why in reasons}
    rest = 1 - nw.col("contactable") - reduce(add, excluded.values(), nw.lit(0))
    return excluded | {"do_not_contact": rest}


def _found(table: Table, one: _List, longest: int) -> list[dict[str, Any]]:
    """Return the customers of one list, sorted, as rows of plain values."""
    present = table.collect_schema().names()
    kept = table.filter(one.who & (nw.col("contactable") == 1) & (nw.col(one.stake) > 0))
    kept = kept.with_columns(amount_cents=nw.col(one.stake))
    place = nw.col("amount_cents").rank("min", descending=True).over("branch_id")
    kept = kept.with_columns(priority=place.cast(nw.Int64)).filter(nw.col("priority") <= longest)
    columns = collect_rows(kept.select(*_TOLD, *(name for name in _IF_KNOWN if name in present)))
    rows = [dict(zip(columns, map(_plain, row), strict=True))
            for row in zip(*columns.values(), strict=True)]  # fmt: skip
    return sorted(rows, key=lambda row: [row[name] for name in _TOLD[:3]])


def _row(found: Mapping[str, Any], policy: Policy, as_of: date, actions: Actions) -> dict[str, Any]:
    """Return one line of a list in the words and units it is read in."""
    groups = tuple(one.strip() for one in (found.get("groups") or "").split(";") if one.strip())
    action = actions.action(found["list"], found["tier"], groups)
    warning = actions.wording(action.warning) if action.warning else None
    return {
        **{name: found.get(name) for name in COLUMNS},
        "groups": ";".join(groups),
        "amount_at_stake": found["amount_cents"] / 100,
        "due_date": _due(found, policy, as_of),
        "reason_zh": reason(found, policy, "zh"),
        "reason_en": reason(found, policy, "en"),
        "action_zh": action.zh,
        "action_en": action.en,
        "warning_zh": warning.zh if warning else "",
        "warning_en": warning.en if warning else "",
        "channel": action.channel,
    }


def _due(found: Mapping[str, Any], policy: Policy, as_of: date) -> date:
    """Return the day by which a line is to be done."""
    if found["list"] == "maturing":
        return found["maturing_on"]  # type: ignore[no-any-return]
    if found["list"] == "hand_over" and found.get("first_call_missing") == 1:
        days: date = found["managed_from"] + timedelta(days=policy.coverage.first_call_days)
        return days
    return through(as_of, policy.worklists.due_months)


def _plain(value: Any) -> Any:
    """Return a cell as plain Python: no time stamps, None for what is missing."""
    if value is None or value != value:
        return None
    return value.date() if isinstance(value, datetime) else value
