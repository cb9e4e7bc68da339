"""Coverage (管户与联络): who is managed, who was spoken to, what is to be handed over.

Service is measured of the managed (管户), the share of managed and of VIP customers of the funded.
Who must not be contacted is not due for contact and counts in no numerator.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import Frame, Groups, as_lazy, cents_of, flag
from stockcust_analysis.core.results import About, Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import service as service_facts
from stockcust_analysis.measures.bases import AVERAGE, Request, base_flag, require_base, with_base
from stockcust_analysis.measures.registry import Measure, Measures, Question, answer, measure
from stockcust_analysis.measures.service import SERVICE_FLAGS, hand_over_due, round_columns
from stockcust_analysis.policy import Policy, PolicyLike

_ROLES, _MANAGED = ("counter", "vip"), ("managed",)
_COVERAGE = (
    Measure("contact_coverage", "covered", "coverable"),
    Measure("profile_completion", "profiled", "to_profile"),
    Measure("contact_due_share", "contact_due"),
    Measure("hand_over_due_share", "hand_over_due"),
    Measure("first_call_in_time", "called_in_time", "handed_over"),
    Measure("reclaim_due_share", "reclaim_due"),
    Measure("set_aside_share", "set_aside"),
    Measure("customers_per_manager", "managed", "managers"),
    *(Measure(f"customers_per_{r}_manager", f"managed_{r}", f"managers_{r}") for r in _ROLES),
)
_MANAGEMENT = (
    Measure("managed_customers", "managed", None),
    Measure("managed_aum", "managed_cents", None),
    Measure("managed_share", "entitled_managed", "entitled"),
    Measure("managed_aum_share", "managed_cents", "total_cents"),
    Measure("vip_share", "vip"),
)


@measure("bars", "contact_coverage")
def coverage(
    service: Frame,
    *,
    by: Groups = None,
    over: str | None = None,
    base: str = "managed",
    policy: PolicyLike = None,
) -> Result:
    """Return how well managed customers are served (有效联络覆盖率, 建档率, 移交, 回收).

    Shares, of the base's customers unless stated otherwise; high is good unless marked low. Who
    must not be contacted is not due for contact and counts in no numerator:
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
        every branch where they have customers.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        The one `service` was made by; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; a share without anybody in its
        base is empty, and so is `profile_completion` where profiles are not delivered. Where the
        bank delivers no contacts, what depends on them is left out, and a note says so.

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
    >>> from stockcust_analysis.measures.service import customer_service
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
    return _answer(Request.of(service, by, base, policy), SERVICE)


@measure("bars", "managed_share")
def managed_share(
    service: Frame,
    *,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
) -> Result:
    """Return how many customers, and how much AUM, are managed (管户率, 贵宾客户占比).

    `managed_share` (of those from `manage_from`), `managed_aum_share` (of the base's AUM),
    `vip_share` (from `vip_from` by the quarter's average), `managed_customers` (count) and
    `managed_aum` (CNY); high is good.

    Parameters
    ----------
    service : table
        As `bank.customers` or `customer_service` return it.
    by : str, list of str or None
        Columns to group by, `manager_id` among them; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        The one `service` was made by; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; a share without
        anybody in its base is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount.

    Examples
    --------
    >>> import pandas as pd
    >>> served = pd.DataFrame({"aum_average_quarter": [60_000.0, 90_000.0], "in_managed": [1, 0]})
    >>> missing = ["tier", "role", "managers", "aum_average_month", "contactable", *SERVICE_FLAGS]
    >>> shares = managed_share(served.assign(**dict.fromkeys(missing, 0)))
    >>> shares.query("measure in ('managed_share', 'managed_aum_share')")["value"].tolist()
    [0.5, 0.4]
    """
    return _answer(Request.of(service, by, base, policy), MANAGEMENT)


@measure()
def profile_completion(
    service: Frame, *, by: Groups = None, base: str = "managed", policy: PolicyLike = None
) -> Result:
    """Return the share of complete profiles (建档率) of every tier that has a target.

    The measure is `tier_profile_completion`; high is good, and the targets stand in
    `policy.coverage.profile_targets`.

    Parameters
    ----------
    service : table
        As `bank.customers` or `customer_service` return it.
    by : str, list of str or None
        Columns to group by, `manager_id` among them; None for the whole bank.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        The one `service` was made by; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, tier, base, n, numerator, denominator, value`; empty for a tier
        without managed customers, and where profiles are not delivered.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount.

    Examples
    --------
    >>> import pandas as pd
    >>> served = pd.DataFrame({"tier": ["mid", "mid"], "profile_complete": [True, False]})
    >>> zero = ["role", "managers", "aum_average_quarter", "aum_average_month", "contactable"]
    >>> served = served.assign(**dict.fromkeys([*zero, *SERVICE_FLAGS], 0), in_managed=1)
    >>> profile_completion(served).query("tier == 'mid'")["value"].tolist()
    [0.5]
    """
    return _answer(Request.of(service, by, base, policy), PROFILES)


@measure()
def service_by_class(
    service: Frame, *, by: Groups = None, base: str = "managed", policy: PolicyLike = None
) -> Result:
    """Return the classes A to D of the managed: customers, AUM, and who was called in time.

    Measures of each class: `class_customers` (count), `class_customer_share`, `class_aum` (CNY),
    `class_contact_coverage` (of the contactable: spoken to, or assigned, within the class's own
    period; high is good).

    Parameters
    ----------
    service : table
        As `bank.customers` or `customer_service` return it.
    by : str, list of str or None
        Columns to group by, `manager_id` among them; None for the whole bank.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        The one `service` was made by; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, customer_class, base, n, numerator, denominator, value`; a share of
        a class without customers is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount.

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
    return _answer(Request.of(service, by, base, policy), CLASSES)


@measure()
def contact_rounds(
    service: Frame, *, by: Groups = None, base: str = "managed", policy: PolicyLike = None
) -> Result:
    """Return what each round of contacts (联络轮次) of the contact period came to.

    Shares of the contacts of a round: `round_answer_rate` (effective), `round_appointment_rate`
    (an appointment, a visit or a sale), `round_sale_rate`; high is good. The unit is the contact;
    n is the base's customers.

    Parameters
    ----------
    service : table
        As `bank.customers` or `customer_service` return it.
    by : str, list of str or None
        Columns to group by, `manager_id` among them; None for the whole bank.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        The one `service` was made by; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, round, base, n, numerator, denominator, value`; a rate of a
        round without contacts is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.measures.service import customer_service
    >>> bank = pd.DataFrame({"customer_id": ["1"], "branch_id": "A",
    ...     "aum_average_quarter": 60_000.0, "aum_average_month": 60_000.0})
    >>> assigned = pd.DataFrame({"customer_id": ["1"], "manager_id": "M", "reason": "initial",
    ...     "valid_from": pd.Timestamp("2026-01-01"), "valid_to": pd.NaT,
    ...     "first_contact_on": pd.NaT})
    >>> calls = pd.DataFrame({"customer_id": ["1", "1"], "outcome": ["none", "sale"],
    ...     "contacted_on": pd.to_datetime(["2026-09-01", "2026-09-08"])})
    >>> served = customer_service(bank, assigned, contacts=calls, as_of="2026-09-30")
    >>> rates = contact_rounds(served).query("measure == 'round_answer_rate'")
    >>> rates[["round", "value"]].head(2).values.tolist()
    [['1', 0.0], ['2', 1.0]]
    """
    return _answer(Request.of(service, by, base, policy), ROUNDS)


def _answer(request: Request, question: Question) -> Result:
    """Return the measures of one question about customers who are served."""
    table = as_lazy(request.frame)
    require_base(table, "managed")
    table = table.with_columns(in_managed=base_flag(table, "managed", request.policy.bases))
    if "manager_id" in request.by:
        table = table.filter(nw.col("in_managed") == 1)
    table = with_base(table, request, ("aum_average_quarter", "aum_average_month"))
    if not (asked := question.answerable(table.columns)):
        raise UsageError(say("no_contacts", question.needs[0]))
    table = table.with_columns(**service_facts.profile_columns(table))
    result = answer(table, asked, request)
    result.about = About(notes=() if asked is question else (("no_contacts", {}),))
    return result


def _management_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: who is managed, of all and of those entitled."""
    rule, amount, managed = policy.coverage, nw.col(AVERAGE), nw.col("in_managed")
    counts = nw.col(f"in_{base}")
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


def _coverage_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of the managed: contacts due and made, calls, load, profiles."""
    callable_ = nw.col(f"in_{base}") * nw.col("contactable")
    return _load_columns(policy, base) | {name: callable_ * nw.col(name) for name in SERVICE_FLAGS}


def _load_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of the managed that assignments tell: load, profiles, hand-over.

    No profile is wanted where the bank delivers none: nothing is known of them.
    """
    counts, managers = nw.col(f"in_{base}"), nw.col("managers")
    managed, callable_ = counts * nw.col("in_managed"), counts * nw.col("contactable")
    columns = {"customers": counts, "managed": managed, "managers": managers}
    columns["hand_over_due"] = callable_ * hand_over_due(policy.coverage)
    for role in _ROLES:
        ours = flag(nw.col("role").is_in(getattr(policy.coverage, f"{role}_roles")))
        columns |= {f"managed_{role}": managed * ours, f"managers_{role}": managers * ours}
    tiers, known = _profile_tiers(policy), managed * nw.col("profile_known")
    wanted = {f"_{tier}": nw.col("tier") == tier for tier in tiers}
    for suffix, of_tier in (wanted | {"": nw.col("tier").is_in(tiers)}).items():
        to_profile = known * flag(of_tier)
        columns[f"to_profile{suffix}"] = to_profile
        columns[f"profiled{suffix}"] = to_profile * nw.col("profile_done")
    return columns


def _profile_measures(policy: Policy) -> list[Measure]:
    """Return the share of complete profiles of every tier with a target."""
    name, tiers = "tier_profile_completion", _profile_tiers(policy)
    return [Measure(name, f"profiled_{t}", f"to_profile_{t}", "tier", t) for t in tiers]


def _profile_tiers(policy: Policy) -> list[str]:
    return [target.tier for target in policy.coverage.profile_targets]


def _class_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers, cents and customers called in time, per class."""
    counts = nw.col(f"in_{base}")
    columns = {"customers": counts}
    for name in (group.name for group in policy.coverage.classes):
        inside = counts * flag(nw.col("customer_class") == name)
        contactable = inside * nw.col("contactable")
        columns |= {
            f"class_{name}": inside,
            f"class_{name}_cents": inside * nw.col(AVERAGE),
            f"contactable_{name}": contactable,
            f"in_time_{name}": contactable * (1 - nw.col("contact_due")),
        }
    return columns


def _class_measures(policy: Policy) -> list[Measure]:
    """Return the measures of every class."""
    return [
        Measure(measure, numerator.format(group.name), denominator, "customer_class", group.name)
        for group in policy.coverage.classes
        for measure, numerator, denominator in (
            ("class_customers", "class_{}", None),
            ("class_customer_share", "class_{}", "customers"),
            ("class_aum", "class_{}_cents", None),
            ("class_contact_coverage", "in_time_{}", f"contactable_{group.name}"),
        )
    ]


def _round_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: contacts per round and step, of the customers in the base."""
    counts, names = nw.col(f"in_{base}"), round_columns(policy.coverage)
    return {"customers": counts} | {name: counts * nw.col(name) for name in names.values()}


def _round_measures(policy: Policy) -> list[Measure]:
    """Return the three rates of every round; the last round is named with a plus."""
    names, last = round_columns(policy.coverage), policy.coverage.set_aside_after
    steps = {"answer": "answers", "appointment": "appointments", "sale": "sales"}
    return [
        Measure(
            f"round_{rate}_rate",
            names[number, step],
            names[number, "contacts"],
            "round",
            f"{number}{'+' if number == last else ''}",
        )
        for number in range(1, last + 1)
        for rate, step in steps.items()
    ]


MANAGEMENT = Question(
    "management", _management_columns, lambda _: _MANAGEMENT, needs=("in_managed",)
)


def _service(name: str, measures: Measures) -> Question:
    """Return a question of service, which without contacts asks what assignments tell."""

    def by_assignment(policy: Policy) -> list[Measure]:
        return [one for one in measures(policy) if one.numerator not in SERVICE_FLAGS]

    load = Question(name, _load_columns, by_assignment, _MANAGED)
    return Question(name, _coverage_columns, measures, _MANAGED, ("contact_due",), otherwise=load)


SERVICE = _service("service", lambda _: _COVERAGE)
PROFILES = Question("profiles", _load_columns, _profile_measures, _MANAGED)
COVERAGE = _service("coverage", lambda policy: [*_COVERAGE, *_profile_measures(policy)])
CLASSES = Question("classes", _class_columns, _class_measures, _MANAGED, ("customer_class",))
ROUNDS = Question("rounds", _round_columns, _round_measures, _MANAGED, ("round_1_contacts",))
