"""Concentration (集中度): do a few customers hold most of the assets? Measured, not assumed.

All measures come from one table of steps: equal balances are one step of the Lorenz curve, so no
tie can change a result. Sums are whole numbers; only shares inside a step are fractions. Everybody
is counted, so no interval is given; what a single customer can do shows in the same measures
`without` the largest.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, Frame, Groups, Table, as_lazy, flag
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import bases
from stockcust_analysis.measures.registry import Measure, Question, Spec, measure, shown
from stockcust_analysis.policy import as_policy

_PERCENTS = (1, 5, 10, 20)
# Shares are added up as whole numbers of this size, which fills Int64: the order in which an
# engine adds them cannot show in the result.
_PARTS = 1e18
_HOLDERS_OF_80 = ("smallest", "part_wanted", "part_held")
"""What is summed of the steps for the customers who hold 80 %."""
MEASURES = (
    Measure("gini", "gini_cents", "total_cents"),
    *(Measure(f"top_{n}_share", f"top_{n}_cents", "total_cents") for n in _PERCENTS),
    Measure("share_of_customers_holding_80", "holders_of_80"),
    Measure("ten_largest_share", "ten_largest_cents", "total_cents"),
    Measure("herfindahl", "herfindahl_cents", "total_cents"),
)
SENSITIVITY = ("gini", "top_20_share")
"""What is also shown without the 1 and the 10 largest customers."""


def _question(without: int, names: Sequence[str] = ()) -> Question:
    """Return the question without so many of the largest customers, of all measures or of some."""
    suffix = f"_without_{without}" if without else ""
    chosen = [measure for measure in MEASURES if not names or measure.name in names]
    measures = tuple(replace(measure, name=f"{measure.name}{suffix}") for measure in chosen)
    return Question(f"concentration_{without}", lambda *_: {}, lambda _: measures)


CONCENTRATION = {k: _question(k, SENSITIVITY if k else ()) for k in (0, 1, 10)}
"""Computed from the Lorenz steps: `concentration_totals` sums them, not the registry's group-by."""


@measure("bars", "top_20_share")
def concentration(
    customers: Frame,
    *,
    value: str = "aum_period_end",
    by: Groups = None,
    over: str | None = None,
    base: str | None = None,
    weight: str | None = None,
    without: int = 0,
) -> Result:
    """Return how concentrated assets are among customers, by branch or any other column.

    Measures: `gini`, `top_1_share`, `top_5_share`, `top_10_share`, `top_20_share` (前N%占比),
    `share_of_customers_holding_80`, `ten_largest_share` (最大十户占比) and `herfindahl`,
    with the formulas of `measures.inequality`. High means concentrated, but for
    `share_of_customers_holding_80`, where low does.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns `value` and `by`; those of
        `bank.customers` give the figures of the page.
    value : str
        Column of CNY, zero or more.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str, optional
        `all`, `funded`, `established`, `effective` or `managed`. Left out, it is `funded`, as on
        the page; in a table of bare amounts, which cannot tell who is funded, it is `all`, and a
        warning says so.
    weight : str, optional
        Column of whole numbers: how many equal customers a row stands for.
    without : int
        Leave out so many of each group's largest customers, for the sensitivity: the measures are
        then called `gini_without_10`, ….

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`. Numerators are CNY, but
        customers for `share_of_customers_holding_80`. The value is empty where a group's total
        is zero. A group of fewer than ten has `ten_largest_share` 1.

    Raises
    ------
    UsageError
        An unknown column or base; a missing, infinite or negative value, with the count; a weight
        that is no whole number.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = pd.DataFrame({"branch_id": ["A"] * 5, "aum_period_end": [6.0, 1, 1, 1, 1]})
    >>> result = concentration(bank, by="branch_id", base="all").set_index("measure")["value"]
    >>> result.loc[["gini", "top_20_share"]].round(6).to_dict()
    {'gini': 0.4, 'top_20_share': 0.6}
    """
    if without < 0:
        raise UsageError(say("without_of_customers", without))
    request = bases.Request.of(customers, by, base or _default_base(customers), None)
    steps, question = _steps_of(request, value, weight), _question(without)
    totals = concentration_totals(steps, by=request.by, questions={without: question})
    return shown(totals, Spec(f"{without}", question, request.base), request)


@measure("lorenz")
def lorenz_curve(
    customers: Frame,
    *,
    value: str = "aum_period_end",
    by: Groups = None,
    over: str | None = None,
    base: str | None = None,
    weight: str | None = None,
) -> Result:
    """Return the Lorenz curve at 0, 1, …, 100 % of customers, smallest first.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns `value` and `by`; those of
        `bank.customers` give the curve of the page.
    value : str
        Column of CNY, zero or more.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str, optional
        `all`, `funded`, `established`, `effective` or `managed`; left out, `funded`, or `all` with
        a warning in a table that cannot tell who is funded.
    weight : str, optional
        Column of whole numbers: how many equal customers a row stands for.

    Returns
    -------
    table
        `[*by], customer_share, value_share`, 101 rows per group, both from 0 to 1. A group
        without customers in the base, or whose total is zero, has empty value shares.

    Raises
    ------
    UsageError
        An unknown column or base; a missing, infinite or negative value, with the count; a weight
        that is no whole number.

    Examples
    --------
    >>> import pandas as pd
    >>> curve = lorenz_curve(pd.DataFrame({"aum_period_end": [1.0, 3.0]}), base="all")
    >>> curve.iloc[[0, 50, 100]].values.tolist()
    [[0.0, 0.0], [0.5, 0.25], [1.0, 1.0]]
    """
    request = bases.Request.of(customers, by, base or _default_base(customers), None)
    return Result(lorenz_points(_steps_of(request, value, weight), by=request.by))


@measure("whale")
def whale_curve(
    customers: Frame, *, value: str = "contribution", by: Groups = None, base: str = "all"
) -> Result:
    """Return which share of the profit the best customers bring, at 0, 1, …, 100 % of customers.

    The curve runs from the most profitable customer to the least: it rises above 1 (100 %) where
    some earn what others cost, and comes back to 1. Its peak is what the bank would earn without
    the customers that cost it money; a high, early peak means profit that hangs on few.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns `value` and `by`.
    value : str
        Column of CNY: each customer's contribution, negative for those who cost money.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.

    Returns
    -------
    table
        `[*by], customer_share, value_share`, 101 rows per group. Value shares are empty where a
        group's total is zero or a loss: there is no profit to take a share of.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or infinite value, with the count.

    Notes
    -----
    Source: Kaplan and Narayanan, *Measuring and managing customer profitability* (2001).

    Examples
    --------
    >>> import pandas as pd
    >>> curve = whale_curve(pd.DataFrame({"contribution": [-1.0, 0, 2, 3]}))
    >>> curve.iloc[[25, 50, 75, 100]].values.tolist()
    [[0.25, 0.75], [0.5, 1.25], [0.75, 1.25], [1.0, 1.0]]
    """
    request = bases.Request.of(customers, by, base, None)
    points = lorenz_points(_steps_of(request, value, signed=[value]), by=request.by)
    # The best p % bring what the others, the lowest 100 − p %, leave over.
    lowest = points["value_share"].to_numpy().reshape(-1, 101)
    return Result(points.assign(value_share=1 - lowest[:, ::-1].ravel()))


def _default_base(customers: Frame) -> str:
    """Return the page's base; everybody where bare amounts cannot tell who is in it."""
    missing = bases.missing_for(as_lazy(customers), "funded")
    if not missing:
        return "funded"
    warnings.warn(say("everybody_counted", missing[0]), stacklevel=3)
    return "all"


def _steps_of(
    request: bases.Request, value: str, weight: str | None = None, signed: Sequence[str] = ()
) -> Table:
    """Return the Lorenz steps of an analyst's customers."""
    table = bases.with_base(as_lazy(request.frame), request, [value], signed)
    if weight is not None:
        table = _with_weights(table, weight, f"in_{request.base}")
    return lorenz_steps(table, value=f"{value}_cents", by=request.by, base=request.base)


def _with_weights(table: Table, weight: str, inside: str) -> Table:
    """Return the customers with the column of the base multiplied by how many a row stands for."""
    bases.require_columns(table, [weight], "customers")
    bases.require_amounts(table, [weight], "customers")
    number = nw.col(weight).cast(nw.Float64)
    broken = frames.count_rows(table, {"broken": number != number.floor()})["broken"]
    if broken:
        raise UsageError(say("broken_weight", weight, broken))
    return table.with_columns(nw.col(inside) * number.cast(nw.Int64))


def lorenz_steps(view: Table, *, value: str, by: Sequence[str], base: str) -> Table:
    """Return one row per group and amount, with running totals from the smallest amount up.

    Beside them stand the group's `customers` and `total_cents`. This sorts all customers, which is
    the costly part. Who is outside the base counts in no step; that of no amount is there for every
    such group.
    """
    keys = [*by] or [frames.WHOLE]
    table = view if by else view.with_columns(ONE.alias(frames.WHOLE))
    inside = nw.col(f"in_{base}")
    held = nw.when(inside > 0).then(nw.col(value)).otherwise(0)
    steps = frames.sums(table.with_columns(amount=held), [*keys, "amount"], {"held_by": inside})
    steps = steps.with_columns(step_cents=nw.col("amount") * nw.col("held_by"))
    # Floats add whole numbers exactly up to 2**53, 90 trillion CNY in cents; in the windows of
    # many groups DuckDB takes half the time for them.
    number, cents = (nw.col(name).cast(nw.Float64) for name in ("held_by", "step_cents"))
    totals = {
        "customers_through": number.cum_sum().over(*keys, order_by="amount"),
        "cents_through": cents.cum_sum().over(*keys, order_by="amount"),
        "customers": number.sum().over(*keys),
        "total_cents": cents.sum().over(*keys),
    }
    # Of what is never empty Spark writes half the code: Java compiles no method beyond 8,000 bytes.
    return steps.with_columns(t.cast(nw.Int64).fill_null(0).alias(n) for n, t in totals.items())


def concentration_totals(
    steps: Table, *, by: Sequence[str], questions: Mapping[int, Question]
) -> pd.DataFrame:
    """Return the sums behind the measures of some questions per group.

    A question stands under the number of the largest customers it leaves out, k, which is also the
    key of its `Spec`.
    """
    keys = [*by] or [frames.WHOLE]
    columns: dict[str, nw.Expr] = {}
    for k, question in questions.items():
        wanted = {measure.numerator for measure in question.measures(as_policy(None))}
        wanted |= {"customers", "total_cents"}
        wanted |= {*_HOLDERS_OF_80} if "holders_of_80" in wanted else set()
        available = _step_columns(k)
        columns |= {f"{k}|{name}": available[name] for name in available if name in wanted}
    table = frames.collect_sums(_without_largest(steps, keys, [*questions]), keys, columns)
    for k in questions:
        table = table.assign(**_finish(table, k))
    return table if by else table.drop(columns=frames.WHOLE)


def lorenz_points(steps: Table, *, by: Sequence[str]) -> pd.DataFrame:
    """Return the Lorenz curve of each group at 0, 1, …, 100 % of customers, smallest first.

    Only the steps in which a whole percent lies are collected: at most 101 per group.
    """
    keys = [*by] or [frames.WHOLE]
    customers, through = nw.col("customers"), nw.col("customers_through")
    divisor = nw.max_horizontal(customers, ONE)
    before = (through - nw.col("held_by")) * 100 // divisor
    # A group whose base is empty has no percent, but keeps its rows.
    crossed = ((through * 100) // divisor > before) | (customers == 0)
    names = ("amount", "customers", "total_cents", "customers_through", "cents_through")
    rows = steps.filter(crossed).select(*keys, *names)
    points = pd.DataFrame(frames.collect_rows(rows)).sort_values([*keys, "customers_through"])
    curves = [pd.DataFrame(columns=[*by, "customer_share", "value_share"])] if points.empty else []
    for label, group in points.groupby(keys, sort=True):
        curve = pd.DataFrame(dict(zip(keys, label, strict=True)), index=range(101))
        curves.append(curve.assign(customer_share=np.arange(101) / 100, value_share=_curve(group)))
    return pd.concat(curves, ignore_index=True)[[*by, "customer_share", "value_share"]]


def _curve(steps: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the share of assets at each percent, on the straight line within its step."""
    customers, total = int(steps["customers"].iloc[0]), int(steps["total_cents"].iloc[0])
    if total <= 0:
        return np.full(101, np.nan)
    through = steps["customers_through"].to_numpy()
    percents = np.arange(1, 101)
    at = np.searchsorted(through * 100, customers * percents)
    beyond = through[at] - customers * percents / 100
    cents = steps["cents_through"].to_numpy()[at]
    shares = (cents - beyond * steps["amount"].to_numpy()[at]) / total
    return np.concatenate([[0.0], shares])


def _left(name: str, without: int) -> nw.Expr:
    """Return a column of the steps without so many of the largest customers."""
    return nw.col(f"{without}|{name}" if without else name)


def _without_largest(steps: Table, keys: Sequence[str], without: Sequence[int]) -> Table:
    """Return the steps with the columns they have without so many of the largest customers.

    Running totals begin at the smallest customer: leaving out the largest only cuts them off.
    """
    amount, held = nw.col("amount"), nw.col("held_by")
    larger = nw.col("customers") - nw.col("customers_through")
    taken = {k: nw.min_horizontal((k - larger).clip(0), held) for k in without if k}
    if not taken:
        return steps
    # Of each group only the few steps at the top hold any of them.
    top, cents = steps.filter(larger < max(taken)), {f"{k}|top": amount * taken[k] for k in taken}
    columns, through = dict[str, nw.Expr](), dict[str, nw.Expr]()
    for k, number in taken.items():
        columns |= {
            f"{k}|held_by": held - number,
            f"{k}|step_cents": amount * (held - number),
            f"{k}|customers": (nw.col("customers") - k).clip(0),
            f"{k}|total_cents": nw.col("total_cents") - nw.col(f"{k}|top"),
        }
        for part, whole in (("customers", "customers"), ("cents", "total_cents")):
            name = f"{part}_through"
            through[f"{k}|{name}"] = nw.min_horizontal(name, f"{k}|{whole}")
    table = steps.join(frames.sums(top, keys, cents), on=[*keys], how="left")
    return table.with_columns(**columns).with_columns(**through)


def _step_columns(k: int) -> dict[str, nw.Expr]:
    """Return what is summed of the steps without so many of the largest customers.

    Shares are whole numbers of parts, tops hundredths of cents, until `_finish` divides the sums.
    """
    share = _share_of(_left("step_cents", k), k)
    return {
        "customers": _left("held_by", k),
        "total_cents": _left("step_cents", k),
        "gini_cents": _parts(_gini_weight(k) * share),
        "herfindahl_cents": _parts(_share_of(nw.col("amount"), k) * share),
        "ten_largest_cents": _largest(nw.lit(10, dtype=nw.Int64), 1, k),
        **{
            f"top_{percent}_cents": _largest(_left("customers", k) * percent, 100, k)
            for percent in _PERCENTS
        },
        **_smallest_with_20(k),
    }


def _finish(table: pd.DataFrame, k: int) -> dict[str, pd.Series]:
    """Turn sums of parts into cents and customers; undefined where a group's total is zero."""
    total = table[f"{k}|total_cents"].astype(float)
    parts = [f"{k}|{name}" for name in ("gini_cents", "herfindahl_cents")]
    tops = [f"{k}|top_{percent}_cents" for percent in _PERCENTS]
    finished = {name: table[name] / _PARTS * total for name in parts if name in table}
    finished |= {name: table[name] / 100 for name in tops if name in table}
    if f"{k}|smallest" in table:
        names = ("customers", *_HOLDERS_OF_80)
        customers, smallest, wanted, held = (table[f"{k}|{name}"] for name in names)
        holders = customers - smallest - wanted / held.clip(lower=1)
        finished[f"{k}|holders_of_80"] = holders.where(total > 0)
    return finished


def _gini_weight(k: int) -> nw.Expr:
    """Return (2i − n − 1)/n averaged over the ranks i of the step's customers."""
    customers = _left("customers", k)
    ranks = 2 * _left("customers_through", k) - _left("held_by", k) - customers
    return ranks.cast(nw.Float64) / _divisor("customers", k)


def _share_of(amount: nw.Expr, k: int) -> nw.Expr:
    """Return cents as a share of the group's total, 0 where that is 0."""
    return amount.cast(nw.Float64) / _divisor("total_cents", k)


def _divisor(total: str, k: int) -> nw.Expr:
    """Return a group's total to divide by, never 0.

    What is divided is 0 wherever a step has more customers than the total. They stand here because
    Polars multiplies by the reciprocal of a divisor that is one number, another last digit.
    """
    return nw.max_horizontal(_left(total, k), ONE, _left("held_by", k)).cast(nw.Float64)


def _parts(share: nw.Expr) -> nw.Expr:
    """Return a share as a whole number of parts."""
    return (share * _PARTS + 0.5).floor().cast(nw.Int64)


def _largest(number: nw.Expr, per: int, k: int) -> nw.Expr:
    """Return `per` times the cents of the `number / per` largest customers: whole numbers."""
    above = _left("customers", k) - _left("customers_through", k)
    inside = number - above * per
    return nw.min_horizontal(inside.clip(0), _left("held_by", k) * per) * nw.col("amount")


def _smallest_with_20(k: int) -> dict[str, nw.Expr]:
    """Return the smallest customers that hold 20 %: those inside, and the part of the next one.

    The others hold 80 %. The step that crosses the border gives `part_wanted / part_held`.
    """
    total, through = _left("total_cents", k), _left("cents_through", k) * 5
    before = through - _left("step_cents", k) * 5
    crosses = flag((before <= total) & (through > total))
    return {
        "smallest": flag(through <= total) * _left("held_by", k),
        "part_wanted": crosses * (total - before),
        "part_held": crosses * nw.col("amount") * 5,
    }
