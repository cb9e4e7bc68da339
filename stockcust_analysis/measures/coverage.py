"""Coverage (管户与联络): who is managed, who was spoken to, what is to be handed over.

All measures look at one table, `bank.customers` or `customer_service`. Service is told of the
managed (管户), the share of managed and of VIP customers of the funded. Group by `manager_id` for
a manager's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.bases import base_flag, counted, require_base
from stockcust_analysis.measures.contact_rounds import round_columns, round_ratios
from stockcust_analysis.measures.customer_classes import class_columns, class_ratios
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    cents_of,
    flag,
    group_names,
    lazily,
    measure_frame,
    sums,
)
from stockcust_analysis.measures.service import hand_over_due, profile_complete
from stockcust_analysis.policy import CoverageRule, Policy, PolicyLike, as_policy

_AVERAGE = "aum_average_quarter_cents"
COVERAGE = (
    Ratio("contact_coverage", "covered", "coverable"),
    Ratio("profile_completion", "profiled", "to_profile"),
    Ratio("contact_due_share", "contact_due"),
    Ratio("hand_over_due_share", "hand_over_due"),
    Ratio("first_call_in_time", "called_in_time", "handed_over"),
    Ratio("reclaim_due_share", "reclaim_due"),
    Ratio("set_aside_share", "set_aside"),
    Ratio("customers_per_manager", "managed", "managers"),
    Ratio("customers_per_counter_manager", "managed_counter", "managers_counter"),
    Ratio("customers_per_vip_manager", "managed_vip", "managers_vip"),
)
MANAGEMENT = (
    Ratio("managed_customers", "managed", None),
    Ratio("managed_aum", "managed_cents", None),
    Ratio("managed_share", "entitled_managed", "entitled"),
    Ratio("managed_aum_share", "managed_cents", "total_cents"),
    Ratio("vip_share", "vip"),
)
_Columns = Callable[[nw.LazyFrame[Any]], dict[str, nw.Expr]]


def coverage(
    service: Frame,
    *,
    by: Groups = None,
    base: str = "managed",
    policy: PolicyLike = None,
) -> Frame:
    """Return how well managed customers are served (有效联络覆盖率, 建档率, 移交, 回收).

    Shares, of the base's customers unless stated otherwise; high is good unless marked low. Who
    must not be contacted is owed no call and counts in no numerator:
    `contact_coverage` (of those managed for the whole contact period and contactable: with an
    effective contact in it) · `profile_completion` (of the managed of tiers with a target) ·
    `contact_due_share` (not spoken to for as long as their class allows; low) ·
    `hand_over_due_share` (with a counter manager, month's average from `vip_from`; low) ·
    `first_call_in_time` (of those handed over in the period: called within the days allowed) ·
    `reclaim_due_share` (uncontacted past the limit; low) · `set_aside_share` (so many contacts
    without a sale; low). Load, neither good nor bad: `customers_per_manager`,
    `customers_per_counter_manager`, `customers_per_vip_manager`, of managers who have customers.

    Parameters
    ----------
    service : table
        As `bank.customers` or `customer_service` return it.
    by : str, list of str or None
        Columns to group by, `manager_id` among them; None for the whole bank. A manager counts in
        every branch where he has customers.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        The one `service` was made by; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; a share of nobody is empty,
        and so is `profile_completion` where profiles are not delivered.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount.

    Notes
    -----
    Source: practice notes on existing-customer management; class periods are the policy's.

    Examples
    --------
    >>> import pandas as pd
    >>> from datetime import date
    >>> from stockcust_analysis.measures.customer_service import customer_service
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"], "branch_id": "A",
    ...     "aum_average_quarter": [60_000.0, 90_000.0], "aum_average_month": 60_000.0})
    >>> given = pd.DataFrame({"customer_id": ["1", "2"], "manager_id": "M", "reason": "initial",
    ...     "valid_from": pd.Timestamp("2026-01-01"), "valid_to": pd.NaT,
    ...     "first_contact_on": pd.NaT})
    >>> calls = pd.DataFrame({"customer_id": ["1", "2"], "outcome": ["reached", "none"],
    ...     "contacted_on": pd.Timestamp("2026-09-01")})
    >>> served = customer_service(bank, given, contacts=calls, as_of=date(2026, 9, 30))
    >>> coverage(served).query("measure == 'contact_coverage'")["value"].tolist()
    [0.5]
    """
    policy = as_policy(policy)
    columns = partial(coverage_columns, rule=policy.coverage, base=base)
    return _measured(service, columns, COVERAGE, by, base, policy)


def managed_share(
    service: Frame,
    *,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
) -> Frame:
    """Return how many customers, and how much AUM, are managed (管户率, 贵宾客户占比).

    `managed_share` (of those from `manage_from`), `managed_aum_share` (of the base's AUM),
    `vip_share` (from `vip_from` by the quarter's average), `managed_customers` (count) and
    `managed_aum` (CNY); high is good. Parameters, result and errors are those of `coverage`.

    Examples
    --------
    >>> import pandas as pd
    >>> served = pd.DataFrame({"aum_average_quarter": [60_000.0, 90_000.0], "in_managed": [1, 0]})
    >>> missing = ["tier", "role", "managers", "aum_average_month", "contactable", *SERVICE_FLAGS]
    >>> shares = managed_share(served.assign(**dict.fromkeys(missing, 0)))
    >>> shares.query("measure in ('managed_share', 'managed_aum_share')")["value"].tolist()
    [0.4, 0.5]
    """
    policy = as_policy(policy)
    columns = management_columns(policy.coverage, base=base)
    return _measured(service, lambda _: columns, MANAGEMENT, by, base, policy)


def profile_completion(
    service: Frame,
    *,
    by: Groups = None,
    base: str = "managed",
    policy: PolicyLike = None,
) -> Frame:
    """Return the share of complete profiles (建档率) of every tier that has a target.

    Measure `tier_profile_completion` with the extra column `tier`; high is good, the targets stand
    in `policy.coverage.profile_targets`. Parameters, result and errors are those of `coverage`.

    Examples
    --------
    >>> import pandas as pd
    >>> served = pd.DataFrame({"tier": ["mid", "mid"], "profile_complete": [True, False]})
    >>> zero = ["role", "managers", "aum_average_quarter", "aum_average_month", "contactable"]
    >>> served = served.assign(**dict.fromkeys([*zero, *SERVICE_FLAGS], 0), in_managed=1)
    >>> profile_completion(served).query("tier == 'mid'")["value"].tolist()
    [0.5]
    """
    policy = as_policy(policy)
    columns = partial(coverage_columns, rule=policy.coverage, base=base)
    return _measured(service, columns, profile_ratios(policy.coverage), by, base, policy)


def service_by_class(
    service: Frame,
    *,
    by: Groups = None,
    base: str = "managed",
    policy: PolicyLike = None,
) -> Frame:
    """Return the classes A to D of the managed: customers, AUM, and who was called in time.

    Measures with the extra column `customer_class`: `class_customers` (count),
    `class_customer_share`, `class_aum` (CNY), `class_contact_coverage` (of the contactable: spoken
    to, or assigned, within the class's own period; high is good). Parameters, result and errors
    are those of `coverage`.

    Examples
    --------
    >>> import pandas as pd
    >>> served = pd.DataFrame({"customer_class": ["A", "A", "C"], "contact_due": [1, 0, 0],
    ...     "contactable": 1, "in_managed": 1, "aum_average_quarter": 1.0,
    ...     "aum_average_month": 1.0})
    >>> found = service_by_class(served).query("measure == 'class_contact_coverage'")
    >>> found["value"].tolist()
    [0.5, nan, 1.0, nan]
    """
    policy = as_policy(policy)
    columns = class_columns(policy.coverage, base=base)
    return _measured(service, lambda _: columns, class_ratios(policy.coverage), by, base, policy)


def contact_rounds(
    service: Frame,
    *,
    by: Groups = None,
    base: str = "managed",
    policy: PolicyLike = None,
) -> Frame:
    """Return what each round of contacts (联络轮次) of the contact period came to.

    Of the contacts of a round, with the extra column `round`: `round_answer_rate` (effective),
    `round_appointment_rate` (an appointment, a visit or a sale), `round_sale_rate`; high is good.
    The unit is the contact; n is the base's customers. Parameters, result and errors are those of
    `coverage`; `customer_service` has an example of the table it looks at.
    """
    policy = as_policy(policy)
    columns = round_columns(policy.coverage, base=base)
    return _measured(service, lambda _: columns, round_ratios(policy.coverage), by, base, policy)


def profile_ratios(rule: CoverageRule) -> list[Ratio]:
    """Return the share of complete profiles of every tier with a target."""
    return [
        Ratio("tier_profile_completion", f"profiled_{name}", f"to_profile_{name}",
              (("tier", name),))
        for name in (target.tier for target in rule.profile_targets)
    ]  # fmt: skip


def _measured(service: Frame, columns: _Columns, ratios: Sequence[Ratio], by: Groups, base: str,
              policy: Policy) -> Frame:  # fmt: skip
    """Return the measure frame of some of the sums over customers who are served."""
    table, groups = lazily(service), group_names(by)
    require_base(table, "managed")
    table = table.with_columns(in_managed=base_flag(table, "managed", policy.bases))
    if "manager_id" in groups:
        table = table.filter(nw.col("in_managed") == 1)
    amounts = ("aum_average_quarter", "aum_average_month")
    table = counted(table, by=groups, base=base, amounts=amounts, bases=policy.bases)
    rows = sums(table, groups, columns(table))
    return measure_frame(rows, ratios, by=groups, base=base, given=service)


SERVICE_FLAGS = ("coverable", "covered", "contact_due", "handed_over", "called_in_time",
                 "reclaim_due", "set_aside")  # fmt: skip


def management_columns(rule: CoverageRule, *, base: str) -> dict[str, nw.Expr]:
    """Return what is summed for `MANAGEMENT`: who is managed, of all and of those entitled."""
    counts, amount, managed = nw.col(f"in_{base}"), nw.col(_AVERAGE), nw.col("in_managed")
    entitled = counts * flag(amount >= cents_of(rule.manage_from))
    return {
        "customers": counts,
        "managed": counts * managed,
        "entitled": entitled,
        "entitled_managed": entitled * managed,
        "vip": counts * flag(amount >= cents_of(rule.vip_from)),
        "total_cents": counts * amount,
        "managed_cents": counts * managed * amount,
    }


def coverage_columns(
    customers: nw.LazyFrame[Any], rule: CoverageRule, *, base: str
) -> dict[str, nw.Expr]:
    """Return what is summed for `COVERAGE` and the profiles by tier."""
    counts, managed = nw.col(f"in_{base}"), nw.col("in_managed")
    columns = {
        "customers": counts,
        "managed": counts * managed,
        "hand_over_due": counts * nw.col("contactable") * hand_over_due(rule),
        "managers": nw.col("managers"),
    }
    for role in ("counter", "vip"):
        ours = flag(nw.col("role") == role)
        columns |= {f"managed_{role}": counts * managed * ours,
                    f"managers_{role}": nw.col("managers") * ours}  # fmt: skip
    columns |= {name: counts * nw.col("contactable") * nw.col(name) for name in SERVICE_FLAGS}
    return columns | _profile_columns(customers, rule, counts * managed)


def _profile_columns(
    facts: nw.LazyFrame[Any], rule: CoverageRule, counts: nw.Expr
) -> dict[str, nw.Expr]:
    """Return the managed whose profile is wanted, and those who have it, by tier and in all.

    Nobody's is wanted where the bank delivers no profiles: nothing is known of them.
    """
    tiers = [target.tier for target in rule.profile_targets]
    has = profile_complete(facts)
    if "profile_complete" not in facts.collect_schema().names():
        counts = counts * 0
    wanted = {f"to_profile_{tier}": counts * flag(nw.col("tier") == tier) for tier in tiers}
    wanted["to_profile"] = counts * flag(nw.col("tier").is_in(tiers))
    done = {name.replace("to_profile", "profiled"): each * has for name, each in wanted.items()}
    return wanted | done
