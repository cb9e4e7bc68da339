"""Coverage (管户与联络): who is managed, who was spoken to, what is to be handed over.

Service is measured of the managed (管户), the share of managed and of VIP customers of the funded.
Who must not be contacted is owed no call and counts in no numerator.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import cents_of, flag
from stockcust_analysis.measures.registry import Measure, Question
from stockcust_analysis.measures.service import ROUND_STEPS, SERVICE_FLAGS, hand_over_due
from stockcust_analysis.policy import Policy

_AVERAGE = "aum_average_quarter_cents"
_COVERAGE = (
    Measure("contact_coverage", "covered", "coverable"),
    Measure("profile_completion", "profiled", "to_profile"),
    Measure("contact_due_share", "contact_due"),
    Measure("hand_over_due_share", "hand_over_due"),
    Measure("first_call_in_time", "called_in_time", "handed_over"),
    Measure("reclaim_due_share", "reclaim_due"),
    Measure("set_aside_share", "set_aside"),
    Measure("customers_per_manager", "managed", "managers"),
    Measure("customers_per_counter_manager", "managed_counter", "managers_counter"),
    Measure("customers_per_vip_manager", "managed_vip", "managers_vip"),
)
_MANAGEMENT = (
    Measure("managed_customers", "managed", None),
    Measure("managed_aum", "managed_cents", None),
    Measure("managed_share", "entitled_managed", "entitled"),
    Measure("managed_aum_share", "managed_cents", "total_cents"),
    Measure("vip_share", "vip"),
)


def _management_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: who is managed, of all and of those entitled."""
    rule = policy.coverage
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


MANAGEMENT = Question(
    "management", _management_columns, lambda _: _MANAGEMENT, needs=("in_managed",)
)


def _coverage_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of the managed: contacts due and made, calls, load."""
    counts, managed = nw.col(f"in_{base}"), nw.col("in_managed")
    columns = {
        "customers": counts,
        "managed": counts * managed,
        "hand_over_due": counts * nw.col("contactable") * hand_over_due(policy.coverage),
        "managers": nw.col("managers"),
    }
    for role in ("counter", "vip"):
        ours = flag(nw.col("role") == role)
        columns |= {
            f"managed_{role}": counts * managed * ours,
            f"managers_{role}": nw.col("managers") * ours,
        }
    columns |= {name: counts * nw.col("contactable") * nw.col(name) for name in SERVICE_FLAGS}
    return columns | _profile_columns(policy, counts * managed)


def _profile_columns(policy: Policy, managed: nw.Expr) -> dict[str, nw.Expr]:
    """Return the managed whose profile is wanted, and those who have it, by tier and in all.

    Nobody's is wanted where the bank delivers no profiles: nothing is known of them.
    """
    tiers = [target.tier for target in policy.coverage.profile_targets]
    asked = managed * nw.col("profile_known")
    wanted = {f"to_profile_{tier}": asked * flag(nw.col("tier") == tier) for tier in tiers}
    wanted["to_profile"] = asked * flag(nw.col("tier").is_in(tiers))
    return wanted | {
        name.replace("to_profile", "profiled"): one * nw.col("profiled_flag")
        for name, one in wanted.items()
    }


def _profile_measures(policy: Policy) -> list[Measure]:
    """Return the share of complete profiles of every tier with a target."""
    return [
        Measure("tier_profile_completion", f"profiled_{tier}", f"to_profile_{tier}", "tier", tier)
        for tier in (target.tier for target in policy.coverage.profile_targets)
    ]


COVERAGE = Question(
    "coverage",
    _coverage_columns,
    lambda policy: (*_COVERAGE, *_profile_measures(policy)),
    bases=("managed",),
)


def _class_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers, cents and customers called in time, per class."""
    counts = nw.col(f"in_{base}")
    columns = {"customers": counts}
    for name in (one.name for one in policy.coverage.classes):
        inside = counts * flag(nw.col("customer_class") == name)
        columns |= {
            f"class_{name}": inside,
            f"class_{name}_cents": inside * nw.col(_AVERAGE),
            f"contactable_{name}": inside * nw.col("contactable"),
            f"in_time_{name}": inside * nw.col("contactable") * (1 - nw.col("contact_due")),
        }
    return columns


def _class_measures(policy: Policy) -> list[Measure]:
    """Return the measures of every class."""
    label = "customer_class"
    return [
        measure
        for name in (one.name for one in policy.coverage.classes)
        for measure in (
            Measure("class_customers", f"class_{name}", None, label, name),
            Measure("class_customer_share", f"class_{name}", "customers", label, name),
            Measure("class_aum", f"class_{name}_cents", None, label, name),
            Measure(
                "class_contact_coverage", f"in_time_{name}", f"contactable_{name}", label, name
            ),
        )
    ]


CLASSES = Question("classes", _class_columns, _class_measures, bases=("managed",))


def _round_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: contacts per round and step, of the customers in the base."""
    counts, last = nw.col(f"in_{base}"), policy.coverage.set_aside_after
    names = [f"round_{number}_{step}" for number in range(1, last + 1) for step in ROUND_STEPS]
    return {"customers": counts} | {name: counts * nw.col(name) for name in names}


def _round_measures(policy: Policy) -> list[Measure]:
    """Return the three rates of every round; the last round is named with a plus."""
    last = policy.coverage.set_aside_after
    return [
        Measure(
            measure,
            f"round_{number}_{step}",
            f"round_{number}_contacts",
            "round",
            f"{number}+" if number == last else f"{number}",
        )
        for number in range(1, last + 1)
        for measure, step in (
            ("round_answer_rate", "answers"),
            ("round_appointment_rate", "appointments"),
            ("round_sale_rate", "sales"),
        )
    ]


ROUNDS = Question("rounds", _round_columns, _round_measures, bases=("managed",))
