"""Growth (AUM变动): from the opening amount to the closing one, by who moved the money.

Opening + new − closed − drained + grown − shrunk + returned ± transfers = closing, to the cent. It
answers whether a branch lives on its existing customers (存量) or on new ones (增量).
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import Groups, Table, as_lazy, flag
from stockcust_analysis.core.results import Result
from stockcust_analysis.measures.bases import Request, with_base
from stockcust_analysis.measures.cuts import measure
from stockcust_analysis.measures.registry import Measure, Question, Spec, shown
from stockcust_analysis.measures.two_dates import by_group, pair_customers, with_states
from stockcust_analysis.policy import PolicyLike

_GAINS = ("new", "returned", "grown", "transferred_in")
_LOSSES = ("transferred_out", "shrunk", "drained", "closed")
COMPONENTS = ("opening", *_GAINS, *_LOSSES, "closing")
_WHOLE = "whole_bank"


@measure("bridge")
def growth_bridge(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    over: str | None = None,
    value: str = "aum_period_end",
    policy: PolicyLike = None,
) -> Result:
    """Return how the opening AUM became the closing AUM, component by component.

    opening + new + returned + grown + transferred_in + transferred_out + shrunk + drained + closed
    = closing, each with its sign. `new` and `closed` are the amounts of who came and left;
    `drained` and `returned` the changes of who left or entered `funded`; `grown` and `shrunk` the
    changes above and below zero of all others. Transfers are opening amounts: zero over the bank.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, as `bank.customers` returns them, both on the structure
        of the closing date: `customer_id`, `value` in CNY, the columns of `by`
        (`tier` from `assign_tiers` makes upgrades the transfers); `loan_balance` where known.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    over : "quarter", optional
        For tables of several as-of dates, both the same: each quarter against the one before.
    value : str
        The amount to bridge. Whether a customer is funded is judged by it, too.
    policy : Policy, name or path, optional
        From which amount on a customer is funded; the shipped policy when left out.

    Returns
    -------
    table
        `[*by], component, customers, amount` in CNY, every group with all ten components in the
        order of `COMPONENTS`; out goes with a minus. `customers` have that component; those
        neither grown nor shrunk are in opening and closing only.

    Raises
    ------
    UsageError
        An unknown column; a missing or negative amount; a customer in two rows.

    Notes
    -----
    A customer who changed group departs with the opening amount; the new group has the rest.
    Source: practice notes on existing-customer management.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_period_end": [500.0, 300.0]})
    >>> september = pd.DataFrame({"customer_id": ["1", "3"], "aum_period_end": [450.0, 1_000.0]})
    >>> bridge = growth_bridge(june, september)
    >>> bridge.loc[bridge["amount"] != 0, ["component", "amount"]].values.tolist()
    [['opening', 800.0], ['new', 1000.0], ['shrunk', -50.0], ['closed', -300.0],
     ['closing', 1450.0]]
    """
    request = Request.of(closing, by, "all", policy)
    pairs = by_group(pair_customers(opening, request, value), request.by)
    components = with_components(with_states(pairs))
    return Result(bridge_rows(components, by=request.by))


def with_components(states: Table) -> Table:
    """Return a view that has `with_states` with `<component>` (0 or 1) and `<component>_cents`."""
    opening, closing = nw.col("opening_cents"), nw.col("closing_cents")
    explained = nw.sum_horizontal("new", "closed", "drained", "returned")
    other = (1 - nw.col("departed")) * (1 - explained)
    parts = states.with_columns(
        opening=nw.col("opening_there") * (1 - nw.col("arrived")),
        closing=nw.col("closing_there") * (1 - nw.col("departed")),
        transferred_in=nw.col("arrived"),
        transferred_out=nw.col("departed"),
        change=closing - opening,
        grown=other * flag(closing > opening),
        shrunk=other * flag(closing < opening),
    )
    amounts = dict.fromkeys(COMPONENTS, nw.col("change"))
    amounts |= {"opening": opening, "closing": closing}
    amounts |= {"transferred_in": opening, "transferred_out": -opening}
    return parts.with_columns(**{f"{n}_cents": nw.col(n) * amounts[n] for n in COMPONENTS})


def bridge_rows(components: Table, *, by: Sequence[str]) -> pd.DataFrame:
    """Return the growth bridge per group: ten components with customers and amount in CNY."""
    amounts = [f"{name}_cents" for name in COMPONENTS]
    columns = {name: nw.col(name) for name in (*COMPONENTS, *amounts)}
    totals = frames.collect_sums(components, by, columns)
    repeated = totals.loc[totals.index.repeat(len(COMPONENTS)), [*by]].reset_index(drop=True)
    return repeated.assign(
        component=list(COMPONENTS) * len(totals),
        customers=totals[[*COMPONENTS]].to_numpy().ravel(),
        amount=totals[amounts].to_numpy().ravel() / 100,
    )


_CHANGE = (
    Measure("aum_change", "change_cents", "opening_cents"),
    Measure("aum_change_by_number", "by_number_cents", "opening_cents"),
    Measure("aum_change_by_size", "by_size_cents", "opening_cents"),
)
AUM_CHANGE = Question("aum_change", lambda *_: {}, lambda _: _CHANGE)
"""Derived from the sums of `VOLUME` on both dates: see `aum_change_totals`."""


@measure()
def aum_change(
    opening: Frame,
    closing: Frame,
    *,
    value: str = "aum_period_end",
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
) -> Result:
    """Return how much of the change of assets is of number of customers, how much of their size.

    With N customers of mean m at each date: number effect = (N₁ − N₀)·(m₀ + m₁)/2, size effect =
    (m₁ − m₀)·(N₀ + N₁)/2; the two add up to the change, to the cent. Measures `aum_change`,
    `aum_change_by_number`, `aum_change_by_size`: the numerators are CNY, the values shares of the
    opening assets; high is good.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, of the same engine, with the columns `value` and `by`.
    value : str
        Column of CNY, zero or more.
    by : str, list of str or None
        Columns to group by; None for the whole bank. A customer counts at each date in the group
        he then belongs to.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, at each date.
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.
        Where one of the dates has nobody the whole change is of number. The value is empty where
        the opening assets are zero.

    Raises
    ------
    UsageError
        An unknown column or base; a missing, infinite or negative amount, with the count.

    Notes
    -----
    Source: the complete decomposition of a product of two factors, which halves what they share,
    Sun, *Changes in energy consumption and energy intensity* (Energy Economics, 1998).

    Examples
    --------
    >>> import pandas as pd
    >>> before = pd.DataFrame({"aum_period_end": [100.0, 100.0]})
    >>> after = pd.DataFrame({"aum_period_end": [100.0, 100.0, 160.0]})
    >>> aum_change(before, after, base="all")["numerator"].tolist()
    [160.0, 110.0, 50.0]
    """
    request, inside = Request.of(closing, by, base, policy), nw.col(f"in_{base}")
    columns = {"customers": inside, "end_cents": inside * nw.col(f"{value}_cents")}
    totals = []
    for frame in (opening, closing):
        table = with_base(as_lazy(frame), request, [value])
        rows = frames.collect_sums(table, request.by, columns).assign(**{_WHOLE: 0})
        totals.append(rows.set_index(request.by or [_WHOLE]))
    index = totals[1].index.union(totals[0].index)
    before, now = (table.reindex(index, fill_value=0) for table in totals)
    changes = aum_change_totals(before, now).add_prefix("|").reset_index()
    return shown(changes, Spec("", AUM_CHANGE, base), request)


def aum_change_totals(opening: pd.DataFrame, closing: pd.DataFrame) -> pd.DataFrame:
    """Return the sums behind `aum_change` (AUM变动分解), the number effect in whole cents.

    Both tables are indexed by group, with `customers` and `end_cents`.
    """
    before = opening[["customers", "end_cents"]].reindex(closing.index, fill_value=0)
    n0, n1 = (table["customers"].to_numpy(float) for table in (before, closing))
    c0, c1 = (table["end_cents"].to_numpy("int64") for table in (before, closing))
    with np.errstate(invalid="ignore", divide="ignore"):
        number = np.floor((n1 - n0) * (c0 / n0 + c1 / n1) / 2 + 0.5)
    by_number = np.where((n0 > 0) & (n1 > 0), number, c1 - c0).astype("int64")
    return closing[["customers"]].assign(
        opening_cents=c0,
        change_cents=c1 - c0,
        by_number_cents=by_number,
        by_size_cents=c1 - c0 - by_number,
    )
