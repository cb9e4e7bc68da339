"""What became of the customers on earlier work lists.

Who was contacted was chosen, not drawn: contacted and not contacted differ for many reasons, and
the comparison is observational (非因果), never the effect of a contact. Only where a random part
was held out does listed against held out tell what the list brought.
"""

from __future__ import annotations

from datetime import date

import narwhals.stable.v2 as nw

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    ONE,
    Groups,
    Table,
    after,
    as_lazy,
    cents_or_zero,
    day,
    flag,
    group_names,
)
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.validation import require_columns, require_same_engine
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import Policy, as_policy

_MEASURES = (
    Measure("outcome_contacted_rate", "contacted"),
    Measure("outcome_aum_change", "change_cents", "opening_cents"),
    Measure("outcome_reactivated_rate", "reactivated", "asleep"),
    Measure("outcome_sold_rate", "sold"),
)
_ASLEEP, _AWAKE = ("silent", "dormant"), ("active", "active_small")


def worklist_outcomes(
    lists: Frame, contacts: Frame, *, opening: Frame, closing: Frame, listed_on: Day,
    as_of: Day, by: Groups = None,
) -> Frame:  # fmt: skip
    """Return what became of the customers of earlier lists, contacted and not (非因果).

    For every list and group: `outcome_contacted_rate`, `outcome_aum_change` (of their period-end
    AUM; who has left counts with nothing), `outcome_reactivated_rate` (of the silent and dormant:
    active at the end), `outcome_sold_rate` (a sale among the contacts); high is good.

    Parameters
    ----------
    lists : table
        As `worklists` returned them then; with `held_out` (see `hold_out`) also the drawn groups.
    contacts : table
        As in the contract; those after `listed_on` and up to `as_of` count, answered or not.
    opening, closing : table
        Customers of the two dates: `customer_id`, `status`, and `aum_period_end` in CNY or, as in
        customer facts, `aum_period_end_cents`.
    listed_on, as_of : date, "2026-09-30" or "2026Q3"
        Day of the lists, and of the closing customers.
    by : str, list of str or None
        Columns of the lists to group by besides, such as `branch_id`.

    Returns
    -------
    measure frame
        `[*by], list, evidence, group, measure, base, n, numerator, denominator, value` with the
        base `listed`. Group `contacted` or `not_contacted` has the evidence `observational`,
        `listed` or `held_out` (only with a hold-out) `randomised`. A share of nobody is empty.

    Raises
    ------
    UsageError
        A missing column, or tables of several engines.

    Examples
    --------
    >>> import pandas as pd
    >>> lists = pd.DataFrame({"list": "dormant", "customer_id": ["1", "2"]})
    >>> calls = pd.DataFrame({"customer_id": ["1"], "outcome": ["reached"],
    ...     "contacted_on": pd.Timestamp("2026-08-01")})
    >>> before = pd.DataFrame({"customer_id": ["1", "2"], "status": "dormant",
    ...     "aum_period_end": [100.0, 100.0]})
    >>> after = before.assign(status=["active", "dormant"], aum_period_end=[150.0, 90.0])
    >>> found = worklist_outcomes(lists, calls, opening=before, closing=after,
    ...     listed_on=date(2026, 6, 30), as_of=date(2026, 9, 30))
    >>> found.query("measure == 'outcome_aum_change'")[["group", "value"]].values.tolist()
    [['contacted', 0.5], ['not_contacted', -0.1]]
    """
    table = as_lazy(lists)
    keys = [*group_names(by), "list"]
    require_columns(table, [*keys, "customer_id"], "lists")
    facts = _with_outcome(
        table,
        as_lazy(contacts),
        as_lazy(opening),
        as_lazy(closing),
        as_day(listed_on),
        as_day(as_of),
    )
    groups = [*keys, "evidence", "group"]
    return answer(
        _groups_of(facts), OUTCOMES, policy=as_policy(None), by=groups, base="listed", given=lists
    )


def _with_outcome(lists: Table, contacts: Table, opening: Table, closing: Table,
                  listed_on: date, as_of: date) -> Table:  # fmt: skip
    """Return the lines of the lists with what their customers had, did and bought."""
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    for other in (contacts, opening, closing):
        require_same_engine(lists, other)
    on = day(contacts, "contacted_on")
    made = contacts.filter(after(on, listed_on) & ~after(on, as_of))
    made = made.select("customer_id", contacted=ONE, sold=flag(nw.col("outcome") == "sale"))
    made = made.group_by("customer_id").agg(nw.col("contacted").max(), nw.col("sold").max())
    table = lists.drop("status", strict=False)
    table = table.join(_state(opening, "opening"), on="customer_id", how="left")
    table = table.join(_state(closing, "closing"), on="customer_id", how="left")
    return table.join(made, on="customer_id", how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64)
        for name in ("opening_cents", "closing_cents", "contacted", "sold")
    )


def _state(customers: Table, when: str) -> Table:
    """Return each customer's AUM in cents and status at one of the two dates."""
    whole = "aum_period_end_cents" in customers.collect_schema().names()
    amount = nw.col("aum_period_end_cents") if whole else cents_or_zero("aum_period_end")
    needed = ["customer_id", "status", "aum_period_end_cents" if whole else "aum_period_end"]
    require_columns(customers, needed, f"{when} customers")
    states = {f"{when}_cents": amount, f"{when}_status": nw.col("status")}
    return customers.select("customer_id", **states)


def _groups_of(facts: Table) -> Table:
    """Return the lines under the groups that are compared: by contact, and by the draw if any."""
    drawn = "held_out" in facts.collect_schema().names()
    listed = facts.filter(nw.col("held_out") == 0) if drawn else facts
    contacted = nw.when(nw.col("contacted") == 1).then(nw.lit("contacted"))
    group = contacted.otherwise(nw.lit("not_contacted"))
    parts = [listed.with_columns(group=group, evidence=nw.lit("observational"))]
    if drawn:
        held_out = nw.when(nw.col("held_out") == 1).then(nw.lit("held_out"))
        group = held_out.otherwise(nw.lit("listed"))
        parts.append(facts.with_columns(group=group, evidence=nw.lit("randomised")))
    return nw.concat(parts)


def _columns(_: Policy, __: str) -> dict[str, nw.Expr]:
    """Return what is summed of the lines: customers, money, and what became of them."""
    asleep = flag(nw.col("opening_status").is_in(_ASLEEP))
    return {
        "customers": ONE,
        "contacted": nw.col("contacted"),
        "opening_cents": nw.col("opening_cents"),
        "change_cents": nw.col("closing_cents") - nw.col("opening_cents"),
        "asleep": asleep,
        "reactivated": asleep * flag(nw.col("closing_status").is_in(_AWAKE)),
        "sold": nw.col("sold"),
    }


OUTCOMES = Question("outcomes", _columns, lambda _: _MEASURES, bases=("listed",))
