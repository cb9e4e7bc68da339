"""Co-holding (联合持有): which product families go together, and how much more than by chance.

Rates of few customers have an interval (置信区间): next quarter's few will be others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from math import exp, nan, sqrt
from statistics import NormalDist

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core.frames import Frame, Groups, collect_sums
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures.bases import Request
from stockcust_analysis.measures.cross_sell import view_of
from stockcust_analysis.measures.registry import Question, Spec, measure
from stockcust_analysis.policy import Policy, PolicyLike, ProductFamilies

_STANDARD_ERRORS = NormalDist().inv_cdf(0.975)
"""How many each side of the estimate an interval of 95 % takes."""


@measure("co_holding")
def co_holding(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Result:
    """Return which product families are held together (联合持有), for every ordered pair.

    Of what the bank did not deliver (an empty column of `bank.customers`) there is no row.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the base; those of
        `bank.customers` know what they hold (`holds_<family>`, `uses_<channel>`).
    holdings : table, optional
        For customers who do not: accounts of that date, `customer_id, product, balance`, and,
        where the bank has them, `as_of`, `matures_on`, `used_recently`.
    by : str, list of str or None
        Columns of customers to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Families and thresholds, as given to `bank.customers`; the shipped policy when left out.
    unit : str
        `customer`, or `household`: members of one `household_id` within a group count as one, in
        the base if any of them is, and hold what any of them holds.
        Then n, holders and both count households.

    Returns
    -------
    table
        `[*by], family_a, family_b, base, n, holders_a, holders_b, both, conditional_rate,
        rate_low, rate_high, lift, lift_low, lift_high`. `conditional_rate` = both / holders_a: of
        those with a, who also have b. `lift` (提升度) = conditional_rate / (holders_b / n): above 1
        they go together more often than by chance. Each with its interval of 95 % (see
        `proportion_interval`, `lift_interval`); a lift whose interval holds 1 says nothing. Empty
        where nobody holds a (or, for lift, b), a lift's interval also where nobody holds both.

    Raises
    ------
    UsageError
        An unknown column, base or unit, or tables of more than one as-of date.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "2"],
    ...     "product": ["demand_deposit", "fund", "demand_deposit"],
    ...     "balance": [5.0, 5.0, 5.0],
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1", "2", "3", "4"]})
    >>> pairs = co_holding(bank, holdings=accounts, base="all").set_index(["family_a", "family_b"])
    >>> pairs.loc[("deposit", "fund"), ["conditional_rate", "lift"]].tolist()
    [0.5, 2.0]
    """
    request, spec = Request.of(customers, by, base, policy), Spec("pairs", CO_HOLDING, base)
    view, request, about = view_of(request, holdings, unit)
    totals = collect_sums(view, request.by, spec.columns(request.policy))
    own = pd.concat([totals[request.by], spec.own(totals)], axis=1)
    result = Result(co_holding_table(own, request.policy.families, request.by, base))
    result.about = about
    return result


def _pair_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: holders of each family, and of each pair `a|b`."""
    counts, names = nw.col(f"in_{base}"), policy.families.names
    columns = {"customers": counts}
    columns |= {f"holds_{name}": counts * nw.col(f"holds_{name}") for name in names}
    for a, b in combinations(names, 2):
        columns[f"{a}|{b}"] = counts * nw.col(f"holds_{a}") * nw.col(f"holds_{b}")
    return columns


CO_HOLDING = Question("co_holding", _pair_columns, lambda _: ())
"""Its sums become a table of its own: see `co_holding_table`."""


def co_holding_table(
    totals: pd.DataFrame, families: ProductFamilies, by: Sequence[str], base: str
) -> pd.DataFrame:
    """Return what `co_holding` returns from the sums of `CO_HOLDING` by group."""
    pairs = [*permutations(families.names, 2)]
    a, b, both = (
        totals[columns].to_numpy("int64").ravel()
        for columns in (
            [f"holds_{first}" for first, _ in pairs],
            [f"holds_{second}" for _, second in pairs],
            [f"{x}|{y}" if f"{x}|{y}" in totals else f"{y}|{x}" for x, y in pairs],
        )
    )
    n = np.repeat(totals["customers"].to_numpy("int64"), len(pairs))
    rates = [proportion_interval(*counts) for counts in zip(both.tolist(), a.tolist(), strict=True)]
    lifts = [
        lift_interval(everybody, holders_a=with_a, holders_b=with_b, both=with_both)
        for everybody, with_a, with_b, with_both in np.stack([n, a, b, both], axis=1).tolist()
    ]
    labels = totals.loc[totals.index.repeat(len(pairs)), [*by]].reset_index(drop=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return labels.assign(
            family_a=[first for first, _ in pairs] * len(totals),
            family_b=[second for _, second in pairs] * len(totals),
            base=base,
            n=n,
            holders_a=a,
            holders_b=b,
            both=both,
            conditional_rate=np.where(a > 0, both / a, np.nan),
            rate_low=[low for low, _ in rates],
            rate_high=[high for _, high in rates],
            lift=np.where(
                (a > 0) & (b > 0), both * n.astype(float) / (a * b.astype(float)), np.nan
            ),
            lift_low=[low for low, _ in lifts],
            lift_high=[high for _, high in lifts],
        )


def proportion_interval(count: int, n: int) -> tuple[float, float]:
    """Return the Wilson interval of 95 % of the rate `count` / `n`; NaN for an empty group.

    Never outside 0 to 1, and sensible for rates of few, of none and of all.

    Parameters
    ----------
    count, n : int
        How many of how many customers.

    Returns
    -------
    (float, float)
        Low and high, inside 0 to 1.

    Raises
    ------
    UsageError
        A count below 0 or above n.

    Notes
    -----
    Source: Wilson (1927); method 3 of Newcombe, *Two-sided confidence intervals for the single
    proportion* (Statistics in Medicine, 1998).

    Examples
    --------
    >>> low, high = proportion_interval(15, 148)
    >>> round(low, 4), round(high, 4)
    (0.0624, 0.1605)
    """
    _check_counts(0 <= count <= n, "count_beyond_n")
    if n == 0:
        return nan, nan
    z = _STANDARD_ERRORS
    middle = count + z * z / 2
    spread = z * sqrt(count * (n - count) / n + z * z / 4)
    low, high = (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)
    return max(low, 0.0) if count else 0.0, min(high, 1.0) if count < n else 1.0


def lift_interval(n: int, *, holders_a: int, holders_b: int, both: int) -> tuple[float, float]:
    """Return the interval of 95 % of the lift n · both / (holders_a · holders_b) of two families.

    Normal on the log scale, by the delta method on the four cells of the table of a by b: the
    variance of log(lift) is 1/both − 1/holders_a − 1/holders_b + (2·lift − 1)/n. Where it does
    not hold 1, the families go together more (or less) often than by chance. NaN where nobody
    holds both: a logarithm has no interval there.

    Parameters
    ----------
    n : int
        Customers in all.
    holders_a, holders_b, both : int
        Holders of the one family, of the other, and of both.

    Returns
    -------
    (float, float)
        Low and high, above 0.

    Raises
    ------
    UsageError
        Counts that contradict each other.

    Notes
    -----
    Source: delta method for multinomial counts, Agresti, *Categorical Data Analysis* (3rd edition,
    section 16.1).

    Examples
    --------
    >>> low, high = lift_interval(1000, holders_a=100, holders_b=100, both=10)
    >>> low < 1 < high
    True
    """
    _check_counts(0 <= both <= min(holders_a, holders_b), "both_beyond_holders")
    _check_counts(holders_a + holders_b - both <= n, "holders_beyond_n")
    if both == 0:
        return nan, nan
    lift = n * both / (holders_a * holders_b)
    variance = 1 / both - 1 / holders_a - 1 / holders_b + (2 * lift - 1) / n
    width = _STANDARD_ERRORS * sqrt(max(variance, 0))
    return lift * exp(-width), lift * exp(width)


def _check_counts(possible: bool, problem: str) -> None:
    """Raise when counts contradict each other."""
    if not possible:
        raise UsageError(say(problem))
