"""Dormancy (睡眠): did the customer act in the period, and is there money.

| | AUM from the cap up | AUM below the cap |
|---|---|---|
| acted | active 活跃 | active_small 低额活跃 |
| did not act | silent 沉默 | dormant 睡眠 |

Silent customers are good customers to visit; only the dormant are asleep. Who holds something the
rule exempts (an unmatured time deposit, a loan) is never dormant but silent. A rule without a cap
knows no small amounts: idle customers with any balance are dormant, those without are silent.
Customers outside the rule's scope have no status and are counted nowhere.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import Table, cents_of, day, flag
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.holdings import BALANCE, is_active, is_unmatured
from stockcust_analysis.measures.registry import Measure, Question
from stockcust_analysis.measures.validation import require_columns
from stockcust_analysis.policy import DormancyRule, Family, Policy, ProductFamilies

STATUSES = ("active", "active_small", "silent", "dormant")
UNMATURED_TIME_DEPOSIT = "unmatured_time_deposit"
_MEASURES = (
    Measure("active_rate", "active"),
    Measure("active_small_rate", "active_small"),
    Measure("silent_rate", "silent"),
    Measure("dormancy_rate", "dormant"),
    Measure("silent_aum_share", "silent_cents", "total_cents"),
    Measure("dormant_aum_share", "dormant_cents", "total_cents"),
)


def _columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers with a status and their cents, in all and per status."""
    amount = nw.col(f"{policy.dormancy.value}_cents")
    judged = nw.col(f"in_{base}") * flag(~nw.col("status").is_null())
    columns = {"customers": judged, "total_cents": judged * amount}
    for status in STATUSES:
        among = judged * flag(nw.col("status") == status)
        columns |= {status: among, f"{status}_cents": among * amount}
    return columns


DORMANCY = Question("dormancy", _columns, lambda _: _MEASURES, bases=("all", "funded"))


def account_evidence(
    holdings: Table, rule: DormancyRule, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `exempt`, `matured_lately` and `large_account` of each account."""
    large = is_looked_at(rule, families) & ~below_cap(nw.col(BALANCE), rule)
    return {
        "exempt": _is_exempt(holdings, rule, families, calendar),
        "matured_lately": _has_matured_lately(holdings, rule, families, calendar),
        "large_account": large,
    }


def looked_at_cents(rule: DormancyRule, families: ProductFamilies) -> nw.Expr:
    """Return the balance of an account the rule looks at, in cents; overdrafts are zero."""
    return flag(is_looked_at(rule, families)) * nw.col(BALANCE).clip(0)


def is_looked_at(rule: DormancyRule, families: ProductFamilies) -> nw.Expr:
    """Return whether the rule looks at an account: at its products, or at all that are AUM."""
    return nw.col("product").is_in(rule.products or families.aum_products).fill_null(False)


def below_cap(amount: nw.Expr, rule: DormancyRule) -> nw.Expr:
    """Return whether an amount in cents is small; without a cap any amount above zero is."""
    if rule.cap is None:
        return amount > 0
    return amount <= cents_of(rule.cap) if rule.cap_inclusive else amount < cents_of(rule.cap)


def was_contacted_lately(
    contacts: Table, rule: DormancyRule, outcomes: tuple[str, ...], calendar: Calendar
) -> nw.Expr:
    """Return whether a contact lies inside the rule's idle period and had one of the outcomes."""
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    answered = nw.col("outcome").is_in(outcomes).fill_null(False)
    return answered & _is_lately(day(contacts, "contacted_on"), rule, calendar)


def require_evidence(
    customers: Table, rule: DormancyRule, *, holdings: bool, contacts: bool
) -> None:
    """Raise unless the tables say all that the rule asks for."""
    scope = ["customer_type"] if rule.scope else []
    opening = ["relationship_since"] if "opening" in rule.clock else []
    require_columns(customers, ["last_active_on", *scope, *opening], "customers")
    known = holdings or "exempt" in customers.collect_schema().names()
    if rule.exempt and not known:
        raise UsageError(
            f"rule '{rule.name}' exempts {', '.join(rule.exempt)}: give holdings=…, "
            "or a column 'exempt' in customers."
        )
    if rule.looks_at_accounts and not holdings:
        raise UsageError(f"rule '{rule.name}' looks at balances of accounts: give holdings=….")
    if "contact" in rule.clock and not contacts:
        raise UsageError(f"rule '{rule.name}' counts contacts as activity: give contacts=….")


def status_name(
    customers: Table, rule: DormancyRule, calendar: Calendar, *, amount: nw.Expr, prefix: str = ""
) -> nw.Expr:
    """Return the status of customers that have their evidence; `amount` is their AUM in cents."""
    small = below_cap(nw.col(f"{prefix}looked_at_cents") if rule.products else amount, rule)
    if rule.cap is not None and rule.cap_per == "account":
        small = nw.col(f"{prefix}large_account") == 0
    name_of_small = "active" if rule.cap is None else "active_small"
    when_acted = nw.when(small).then(nw.lit(name_of_small)).otherwise(nw.lit("active"))
    dormant = small & (nw.col(f"{prefix}exempt") == 0)
    idle = nw.when(dormant).then(nw.lit("dormant")).otherwise(nw.lit("silent"))
    acted = _has_acted(customers, rule, calendar, prefix)
    status = nw.when(acted).then(when_acted).otherwise(idle)
    if not rule.scope:
        return status
    return nw.when(nw.col("customer_type").is_in(rule.scope)).then(status)


def _has_acted(customers: Table, rule: DormancyRule, calendar: Calendar, prefix: str) -> nw.Expr:
    """Return whether something restarted the customer's clock inside the idle period."""
    dated = {"transaction": "last_active_on", "opening": "relationship_since"}
    flagged = {"maturity": f"{prefix}matured_lately", "contact": f"{prefix}contacted_lately"}
    restarts = [
        calendar.after(day(customers, dated[kind]), rule.cutoff)
        if kind in dated
        else nw.col(flagged[kind]) == 1
        for kind in rule.clock
    ]
    return reduce(or_, restarts)


def _is_exempt(
    holdings: Table, rule: DormancyRule, families: ProductFamilies, calendar: Calendar
) -> nw.Expr:
    """Return whether an account keeps its owner from being dormant under the rule.

    A product is judged as its family is (an unused credit card exempts nobody). A time deposit
    without a maturity date counts as unmatured as long as it has a balance.
    """
    known = {
        product: Family(product, "", "", (product,), family.active_if)
        for family in families.families + families.channels
        for product in family.products
    }
    unmatured = is_unmatured(holdings, calendar) & (nw.col("product") == "time_deposit")
    conditions = [
        unmatured & (nw.col(BALANCE) > 0)
        if code == UNMATURED_TIME_DEPOSIT
        else is_active(holdings, known.get(code, Family(code, "", "", (code,))), calendar)
        for code in rule.exempt
    ]
    return reduce(or_, conditions, nw.lit(False))


def _has_matured_lately(
    holdings: Table, rule: DormancyRule, families: ProductFamilies, calendar: Calendar
) -> nw.Expr:
    """Return whether a holding matured inside the rule's idle period: its clock began there."""
    if "matures_on" not in holdings.collect_schema().names():
        return nw.lit(False)
    matured = _is_lately(day(holdings, "matures_on"), rule, calendar)
    return matured & is_looked_at(rule, families) if rule.products else matured


def _is_lately(days: nw.Expr, rule: DormancyRule, calendar: Calendar) -> nw.Expr:
    """Return whether a day lies inside the rule's idle period."""
    return calendar.after(days, rule.cutoff) & ~calendar.after_as_of(days)
