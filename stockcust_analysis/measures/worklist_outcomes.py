"""What became of the customers on earlier work lists.

Who was contacted was chosen, not drawn: contacted and not contacted differ for many reasons, and
the comparison is observational (非因果), never the effect of a contact. Only where a random control
group (对照组) was held out does listed against held out tell what the list brought.
"""

from __future__ import annotations

from hashlib import sha256

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, Frame, Groups, Table, after, as_lazy, day, flag
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures.bases import Request, require_columns, require_joinable
from stockcust_analysis.measures.registry import Measure, Question, answer, measure
from stockcust_analysis.policy import Policy

_MEASURES = (
    Measure("outcome_contacted_rate", "contacted"),
    Measure("outcome_aum_change", "change_cents", "opening_cents"),
    Measure("outcome_reactivated_rate", "reactivated", "asleep"),
    Measure("outcome_sold_rate", "sold"),
)


def draw_control_group(lists: Frame, *, share: float = 0.1, seed: int) -> Frame:
    """Return the lists with a random control group marked, to learn what lists bring.

    The draw is a hash of seed and customer: the same for any order, list, branch and run. Customers
    of the control group stay off the sheets; comparing them with the others shows what lists bring.

    Parameters
    ----------
    lists : table
        As `worklists` returns them.
    share : float
        The part of the customers to hold out, from 0 and below 1.
    seed : int
        Another seed draws another group.

    Returns
    -------
    table
        Of the kind given when that was eager, else pandas. Added: `held_out`, 1 for the
        control group.

    Raises
    ------
    UsageError
        A share out of range, or no customers.

    Examples
    --------
    >>> import pandas as pd
    >>> lists = pd.DataFrame({"customer_id": [str(number) for number in range(1000)]})
    >>> 70 < int(draw_control_group(lists, share=0.1, seed=1)["held_out"].sum()) < 130
    True
    """
    if not 0 <= share < 1:
        raise UsageError(say("share_of_lists", share))
    table = as_lazy(lists)
    require_columns(table, ["customer_id"], "lists")
    columns = frames.collect_rows(table)
    digests = (sha256(f"{seed}:{name}".encode()).digest() for name in columns["customer_id"])
    drawn = [int(int.from_bytes(digest[:8], "big") / 2**64 < share) for digest in digests]
    return frames.native_like(pd.DataFrame({**columns, "held_out": drawn}), lists)


def without_control_group(lists: pd.DataFrame) -> pd.DataFrame:
    """Return the lines that stand on the sheets."""
    return lists[lists["held_out"] == 0] if "held_out" in lists else lists


@measure(cuts=False)
def worklist_outcomes(
    lists: Frame,
    contacts: Frame,
    *,
    opening: Frame,
    closing: Frame,
    listed_on: Day,
    as_of: Day,
    by: Groups = None,
) -> Result:
    """Return what became of the customers of earlier lists, contacted and not (非因果).

    For every list and group: `outcome_contacted_rate`, `outcome_aum_change` (of their period-end
    AUM; who has left counts with nothing), `outcome_reactivated_rate` (of the silent and dormant:
    active at the end), `outcome_sold_rate` (a sale among the contacts); high is good.

    Parameters
    ----------
    lists : table
        As `worklists` returned them then; with `held_out` (see `draw_control_group`) also the
        control group.
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
        `listed` or `held_out` (only with a control group) `randomised`. An empty group has no
        value.

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
    ...     listed_on="2026-06-30", as_of="2026-09-30")
    >>> found.query("measure == 'outcome_aum_change'")[["group", "value"]].values.tolist()
    [['contacted', 0.5], ['not_contacted', -0.1]]
    """
    table, keys = as_lazy(lists), [*frames.group_names(by), "list"]
    require_columns(table, [*keys, "customer_id"], "lists")
    table = table.drop("status", strict=False)
    facts = (
        _contact_facts(as_lazy(contacts), listed_on, as_of),
        _state(as_lazy(opening), "opening"),
        _state(as_lazy(closing), "closing"),
    )
    for other in facts:
        require_joinable(table, other)
        table = table.join(other, on="customer_id", how="left")
    counts = ("opening_cents", "closing_cents", "contacted", "sold")
    table = table.with_columns(nw.col(name).fill_null(0).cast(nw.Int64) for name in counts)
    request = Request.of(lists, [*keys, "evidence", "group"], "listed", None)
    return answer(_with_groups(table), OUTCOMES, request)


def _contact_facts(contacts: Table, listed_on: Day, as_of: Day) -> Table:
    """Return who was contacted after the day of the lists, and who bought."""
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    on, sold = day(contacts, "contacted_on"), flag(nw.col("outcome") == "sale")
    table = contacts.filter(after(on, as_day(listed_on)) & ~after(on, as_day(as_of)))
    table = table.select("customer_id", contacted=ONE, sold=sold)
    return table.group_by("customer_id").agg(nw.col("contacted", "sold").max())


def _state(customers: Table, when: str) -> Table:
    """Return each customer's AUM in cents and status at one of the two dates."""
    in_cents = "aum_period_end_cents" in customers.collect_schema().names()
    name = "aum_period_end_cents" if in_cents else "aum_period_end"
    require_columns(customers, ["customer_id", "status", name], say("customers_then", when))
    amount = nw.col(name) if in_cents else frames.cents_or_zero(name)
    states = {f"{when}_cents": amount, f"{when}_status": nw.col("status")}
    return customers.select("customer_id", **states)


def _with_groups(facts: Table) -> Table:
    """Return the lines under the groups that are compared: by contact, and by the draw if any."""

    def with_group(table: Table, column: str, one: str, zero: str, evidence: str) -> Table:
        group = nw.when(nw.col(column) == 1).then(nw.lit(one)).otherwise(nw.lit(zero))
        return table.with_columns(group=group, evidence=nw.lit(evidence))

    drawn = "held_out" in facts.collect_schema().names()
    listed = facts.filter(nw.col("held_out") == 0) if drawn else facts
    parts = [with_group(listed, "contacted", "contacted", "not_contacted", "observational")]
    if drawn:
        parts.append(with_group(facts, "held_out", "held_out", "listed", "randomised"))
    return nw.concat(parts)


def _columns(_: Policy, __: str) -> dict[str, nw.Expr]:
    """Return what is summed of the lines: customers, money, and what became of them."""
    asleep = flag(nw.col("opening_status").is_in(("silent", "dormant")))
    return {
        "customers": ONE,
        **{name: nw.col(name) for name in ("contacted", "sold", "opening_cents")},
        "change_cents": nw.col("closing_cents") - nw.col("opening_cents"),
        "asleep": asleep,
        "reactivated": asleep * flag(nw.col("closing_status").is_in(("active", "active_small"))),
    }


OUTCOMES = Question("outcomes", _columns, lambda _: _MEASURES, bases=("listed",))
