"""Growth (AUM变动): from the opening amount to the closing one, by who moved the money.

Opening + new − closed − drained + grown − shrunk + returned ± transfers = closing, to the cent. It
answers whether a branch lives on its existing customers (存量) or on new ones (增量). The attrition
warning (流失预警) says whose money is leaving faster than that of the peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, ZERO, Frame, Groups, Table, as_lazy, cents_of, flag
from stockcust_analysis.core.results import Result
from stockcust_analysis.measures import bases
from stockcust_analysis.measures.registry import Measure, Question, Spec, answer, measure, shown
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.measures.two_dates import averages, by_group, pair_customers, with_states
from stockcust_analysis.policy import AttritionRule, Policy, PolicyLike, TierScheme

_GAINS = ("new", "returned", "grown", "transferred_in")
_LOSSES = ("transferred_out", "shrunk", "drained", "closed")
COMPONENTS = ("opening", *_GAINS, *_LOSSES, "closing")


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
    request = bases.Request.of(closing, by, "all", policy)
    pairs = by_group(pair_customers(opening, request, value), request.by)
    return Result(bridge_rows(with_components(with_states(pairs)), by=request.by))


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
        they then belong to.
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
    request, inside = bases.Request.of(closing, by, base, policy), nw.col(f"in_{base}")
    columns = {"customers": inside, "end_cents": inside * nw.col(f"{value}_cents")}
    totals = []
    for frame in (opening, closing):
        table = bases.with_base(as_lazy(frame), request, [value])
        rows = frames.collect_sums(table, request.by, columns).assign(**{frames.WHOLE: 0})
        totals.append(rows.set_index(request.by or [frames.WHOLE]))
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


_AVERAGE = "aum_average_quarter"


def with_attrition(
    pairs: Table, rule: AttritionRule, scheme: TierScheme, *, peers: str, within: Sequence[str] = ()
) -> Table:
    """Return the pairs with `at_risk`, `change`, `median_change` and `attrition` (0 or 1).

    Warned (流失预警) is whose average fell by more than the median change of the same tier and
    branch, so that after harvest or the New Year the list does not hold everybody. Only rows that
    are equal `within` some columns are compared.
    """
    before, after = averages()
    table = pairs.with_columns(
        at_risk=flag(before >= cents_of(rule.lowest_average)) * nw.col("closing_there"),
        previous_tier=tier_name(before, scheme),
    )
    at_risk = nw.when(nw.col("at_risk") == 1)
    change = (after - before).cast(nw.Float64) / nw.max_horizontal(before, ONE).cast(nw.Float64)
    table = table.with_columns(change=at_risk.then(change))
    # Medians of groups, joined back: databases know no median over a window.
    tier = [*within, "previous_tier"]
    those, median = table.filter(nw.col("at_risk") == 1), nw.col("change").median()
    medians = those.group_by([peers, *tier]).agg(size=nw.col("at_risk").sum(), median=median)
    medians = medians.join(those.group_by(tier).agg(tier_median=median), on=tier, how="left")
    enough = nw.when(nw.col("size") >= rule.smallest_group)
    chosen = enough.then(nw.col("median")).otherwise(nw.col("tier_median"))
    medians = medians.select(peers, *tier, _median=chosen)
    table = table.join(medians, on=[peers, *tier], how="left")
    table = table.with_columns(median_change=at_risk.then(nw.col("_median")))
    beyond = nw.col("change") < nw.col("median_change") - rule.margin
    warned = flag(beyond & (nw.col("change") < 0))
    return table.with_columns(attrition=warned).drop("previous_tier", "_median")


def _attrition_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of closing customers: at risk and warned of, and cents."""
    inside = nw.col("closing_there") * (1 - nw.col("departed"))
    before, after = averages()
    warned, at_risk = inside * nw.col("attrition"), inside * nw.col("at_risk")
    return {
        "customers": inside,
        "at_risk": at_risk,
        "warned": warned,
        "at_risk_cents": at_risk * before,
        "fall_cents": warned * (before - after),
    }


_ATTRITION = (
    Measure("attrition_warning_rate", "warned", "at_risk"),
    Measure("attrition_outflow_share", "fall_cents", "at_risk_cents"),
)
ATTRITION = Question(
    "attrition",
    _attrition_columns,
    lambda _: _ATTRITION,
    bases=("all",),
    needs=("attrition",),
    present_if="customers",
)


def attrition_warning(opening: Frame, closing: Frame, *, policy: PolicyLike = None) -> Frame:
    """Return the customers with the warning whether money is leaving (流失预警).

    Warned: previous average ≥ `lowest_average`, change < 0 and change < median − `margin`, where
    change = average / previous average − 1 and the median is that of the customers of the same
    tier (at the opening) and branch, so that after harvest or the New Year, when everybody draws
    money, the list does not hold everybody. An early sign, and neither silent nor dormant.

    Parameters
    ----------
    opening, closing : table
        Customers of the previous and of this quarter's end: `customer_id`,
        `aum_average_quarter` (CNY), and at the closing `branch_id`.
    policy : Policy, name or path, optional
        Rule, tiers and bases; the shipped policy when left out.

    Returns
    -------
    table
        The closing customers, of the kind given, with `attrition` (1 or 0), `previous_average`
        (CNY), `change` and `median_change`; the three are empty for who was not at risk. Those
        who left the bank are not among them (see `migration_matrix`).

    Raises
    ------
    UsageError
        A column is not there; a customer twice in one table; unusable amounts.

    Examples
    --------
    >>> import pandas as pd
    >>> from dataclasses import replace
    >>> from stockcust_analysis.policy import AttritionRule, load_policy
    >>> policy = replace(load_policy(), attrition=AttritionRule(smallest_group=3))
    >>> before = pd.DataFrame({"customer_id": ["1", "2", "3"], "branch_id": ["A"] * 3,
    ...                        "aum_average_quarter": [20_000.0] * 3})
    >>> after = before.assign(aum_average_quarter=[18_000.0, 18_000.0, 5_000.0])
    >>> warned = attrition_warning(before, after, policy=policy)
    >>> warned[["change", "median_change", "attrition"]].round(2).values.tolist()[1:]
    [[-0.1, -0.1, 0.0], [-0.75, -0.1, 1.0]]
    """
    bases.require_comparable({"opening": opening, "closing": closing})
    table = _customers_with_warning(opening, bases.Request.of(closing, [], "all", policy))
    previous = nw.when(nw.col("at_risk") == 1).then(nw.col(f"opening_{bases.AVERAGE}") / 100)
    names = [*as_lazy(closing).collect_schema().names(), "attrition", "previous_average"]
    result = table.with_columns(previous_average=previous)
    return frames.same_kind(closing, result.select(*names, "change", "median_change"))


@measure("bars", "attrition_rate")
def attrition_rate(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    base: str = "all",
    policy: PolicyLike = None,
) -> Result:
    """Return how many of the customers who may leave are warned of, and how much they took.

    Measures: `attrition_warning_rate`, of the customers at risk (previous average ≥
    `lowest_average`); `attrition_outflow_share`, what the warned have less than before, of the
    previous averages of all at risk. Both from 0 to 1; high is bad. By its median the warning
    compares customers with their own branch: the rate says how uneven the changes are, not how
    good the branch is.

    Parameters
    ----------
    opening, closing : table
        Customers of the previous and of this quarter's end: `customer_id`, `aum_average_quarter`
        (CNY), and at the closing `branch_id` and the columns of `by` and of the base.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`. By default everybody: a customer
        who has drawn all money is not funded any more.
    policy : Policy, name or path, optional
        Rule, tiers and bases; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.

    Raises
    ------
    UsageError
        A column or base is not there; a customer twice in one table; unusable amounts.

    Examples
    --------
    >>> import pandas as pd
    >>> from dataclasses import replace
    >>> from stockcust_analysis.policy import AttritionRule, load_policy
    >>> before = pd.DataFrame({"customer_id": ["1", "2"], "branch_id": ["A", "A"],
    ...                        "aum_average_quarter": [20_000.0, 20_000.0]})
    >>> after = before.assign(aum_average_quarter=[20_000.0, 10_000.0])
    >>> policy = replace(load_policy(), attrition=AttritionRule(smallest_group=2))
    >>> attrition_rate(before, after, policy=policy)["value"].tolist()
    [0.5, 0.25]
    """
    request = bases.Request.of(closing, by, base, policy)
    table = _customers_with_warning(opening, request)
    return answer(table.with_columns(closing_there=nw.col(f"in_{base}")), ATTRITION, request)


def _customers_with_warning(opening: Frame, request: bases.Request) -> Table:
    """Return the customers of the closing date with `attrition`."""
    policy = request.policy
    before = bases.customers_of(bases.Request(opening, [], "all", policy), "opening", _AVERAGE)
    now = bases.customers_of(replace(request, by=[*request.by, "branch_id"]), "closing", _AVERAGE)
    table = with_opening_average(now, before)
    return with_attrition(table, policy.attrition, policy.tiers, peers="branch_id")


def with_opening_average(closing: Table, opening: Table) -> Table:
    """Return closing customers with `opening_` and `closing_` averages in cents, as pairs have."""
    earlier = opening.select("customer_id", nw.col(bases.AVERAGE).alias(f"opening_{bases.AVERAGE}"))
    return closing.join(earlier, on="customer_id", how="left").with_columns(
        nw.col(f"opening_{bases.AVERAGE}").fill_null(0).cast(nw.Int64),
        nw.col(bases.AVERAGE).alias(f"closing_{bases.AVERAGE}"),
        closing_there=ONE,
        departed=ZERO,
    )
