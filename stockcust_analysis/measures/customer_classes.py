"""Classes A to D of managed customers, which set how often each is to be called.

Within each manager's customers: A about the best 20 % by assets and purchases, B the next 30 %, C
the rest of those whose assets and intent are known, D the others.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.frames import ONE, Ratio, after, flag
from stockcust_analysis.measures.service import profile_complete
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy import CoverageRule, CustomerClass

_AMOUNT = "aum_average_quarter_cents"


def classified(customers: nw.LazyFrame[Any], rule: CoverageRule, as_of: date) -> nw.LazyFrame[Any]:
    """Return served customers with `customer_class`, `contact_due` and `managers`.

    A customer's score is his place by assets plus his place by purchases (`purchases`, or where
    there is no such column the `sales`) among the known customers of his manager; equal scores
    share a place. The place of the last of a class is its share of all the manager's customers,
    rounded up. Known is whose profile is complete, or who purchased. `customer_class` is empty
    for who is not managed. `contact_due` marks customers managed without an effective contact for
    as long as their class allows; `managers` marks one customer per manager and branch, so
    that its sum counts managers.
    """
    columns = customers.collect_schema().names()
    bought = nw.col("purchases" if "purchases" in columns else "sales")
    known = flag((bought > 0) | (profile_complete(customers) == 1))
    owner = nw.col("manager_id").fill_null("")
    table = customers.with_columns(_owner=owner, _known=known, _bought=bought, _one=ONE)
    peers = ("_owner", "in_managed", "_known")
    table = table.with_columns(
        _score=_place(_AMOUNT, peers, descending=True) + _place("_bought", peers, descending=True),
        _size=nw.col("_one").sum().over("_owner", "in_managed"),
        # Which customer of a manager is marked must not change from run to run.
        managers=flag(
            nw.col("customer_id") == nw.col("customer_id").min().over("branch_id", "_owner")
        )
        * nw.col("in_managed"),
    )
    table = table.with_columns(_place=_place("_score", peers, descending=False))
    table = table.with_columns(customer_class=_class_name(rule))
    drop = ("_owner", "_known", "_bought", "_one", "_score", "_size", "_place")
    return table.with_columns(contact_due=_contact_due(rule, as_of)).drop(*drop)


def class_ratios(rule: CoverageRule) -> list[Ratio]:
    """Return the measures of every class."""
    return [
        ratio
        for name in (one.name for one in rule.classes)
        for ratio in (
            Ratio("class_customers", f"class_{name}", None, (("customer_class", name),)),
            Ratio("class_customer_share", f"class_{name}", labels=(("customer_class", name),)),
            Ratio("class_aum", f"class_{name}_cents", None, (("customer_class", name),)),
            Ratio("class_contact_coverage", f"in_time_{name}", f"contactable_{name}",
                  (("customer_class", name),)),
        )
    ]  # fmt: skip


def class_columns(rule: CoverageRule, *, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers, cents and customers called in time, per class."""
    counts = nw.col(f"in_{base}")
    columns = {"customers": counts}
    for name in (one.name for one in rule.classes):
        inside = counts * flag(nw.col("customer_class") == name)
        columns |= {
            f"class_{name}": inside,
            f"class_{name}_cents": inside * nw.col(_AMOUNT),
            f"contactable_{name}": inside * nw.col("contactable"),
            f"in_time_{name}": inside * nw.col("contactable") * (1 - nw.col("contact_due")),
        }
    return columns


def _place(name: str, peers: tuple[str, ...], *, descending: bool) -> nw.Expr:
    """Return the place among the peers, the best first; equals share one."""
    return nw.col(name).rank("min", descending=descending).over(*peers).cast(nw.Int64)


def _class_name(rule: CoverageRule) -> nw.Expr:
    """Return the class of a place: the last one for the unknown, none for the unmanaged."""
    *shared, rest, unknown = rule.classes
    name, taken = nw.lit(rest.name), sum(map(_percent, shared))
    for one in reversed(shared):
        within = (nw.col("_place") - 1) * 100 < nw.col("_size") * taken
        name = nw.when(within).then(nw.lit(one.name)).otherwise(name)
        taken -= _percent(one)
    name = nw.when(nw.col("_known") == 1).then(name).otherwise(nw.lit(unknown.name))
    return nw.when(nw.col("in_managed") == 1).then(name).otherwise(nw.lit(""))


def _percent(one: CustomerClass) -> int:
    """Return a class's part of the managed in whole percent."""
    return round(one.share * 100)


def _contact_due(rule: CoverageRule, as_of: date) -> nw.Expr:
    """Return 1 for customers managed, but not spoken to, for as long as their class allows."""
    due = nw.lit(False)
    for one in rule.classes:
        limit = cutoff(as_of, one.contact_months)
        late = ~after(nw.col("managed_from"), limit) & ~after(nw.col("last_contact_on"), limit)
        due = due | ((nw.col("customer_class") == one.name) & late)
    return flag(due)
