"""Retention (留存): which customers of the opening date, and what of their money, is still here.

Cohorts are customers who came at one time or for one product, followed over the quarters.

The group is that of the opening date: a customer who moved to another branch is not lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import Frame, Groups, Table, as_lazy, collect_rows, day, flag
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.core.results import About, Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import registry
from stockcust_analysis.measures.bases import Request, require_columns, require_joinable
from stockcust_analysis.measures.holdings import warn_of_unknown_products
from stockcust_analysis.measures.registry import measure
from stockcust_analysis.measures.two_dates import COMPARED_BASES, averages, by_group, pair_customers
from stockcust_analysis.policy import Policy, PolicyLike, ProductFamilies, as_policy


def _retention_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of opening customers: those retained, and their cents."""
    counts = nw.col(f"opening_in_{base}") * (1 - nw.col("arrived"))
    opened, closed = averages()
    fell = counts * flag(2 * closed < opened)
    return {
        "customers": counts,
        "retained": counts * nw.col(f"closing_in_{base}"),
        "opening_cents": counts * opened,
        "closing_cents": counts * closed,
        "kept_cents": counts * nw.min_horizontal(opened, closed),
        "fell_steeply": fell,
        "taken_cents": fell * (opened - closed),
    }


_RETENTION = (
    registry.Measure("customer_retention", "retained"),
    registry.Measure("asset_retention", "kept_cents", "opening_cents"),
    registry.Measure("asset_retention_net", "closing_cents", "opening_cents"),
    registry.Measure("steep_fall_rate", "fell_steeply"),
    registry.Measure("steep_fall_outflow_share", "taken_cents", "opening_cents"),
)
RETENTION = registry.Question(
    "retention", _retention_columns, lambda _: _RETENTION, COMPARED_BASES, strata=("opening_tier",)
)


def _growth_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: cents and their change, of the same customers and of all."""
    opens = nw.col(f"opening_in_{base}") * (1 - nw.col("arrived"))
    closes = nw.col(f"closing_in_{base}") * (1 - nw.col("departed"))
    same = opens * nw.col("closing_there") * (1 - nw.col("departed"))
    before, after = averages()
    return {
        "customers": opens,
        "same_opening_cents": same * before,
        "same_change_cents": same * (after - before),
        "all_opening_cents": opens * before,
        "all_change_cents": closes * after - opens * before,
    }


_GROWTH = (
    registry.Measure("same_customer_growth", "same_change_cents", "same_opening_cents"),
    registry.Measure("all_customer_growth", "all_change_cents", "all_opening_cents"),
)
SAME_CUSTOMER_GROWTH = registry.Question("growth", _growth_columns, lambda _: _GROWTH)


@measure("bars", "customer_retention")
def customer_retention(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
) -> Result:
    """Return which share of the base's customers are still in the base (客户留存率).

    Customers in the base on both dates / in it on the opening date: 0 to 1, high is good. In the
    base `funded` a customer who stayed but took the money away is lost; in `all` only one who left.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, with `customer_id` and the columns of the base; the
        columns of `by` are needed on the opening date only (`tier`: from `assign_tiers`).
    by : str, list of str or None
        Columns to group by, as they were on the opening date; None for the whole bank.
    over : "quarter", optional
        For tables of several as-of dates, both the same: each quarter against the one before.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n is the base's customers on the
        opening date. A group without customers in the base has an empty value.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount; a customer in two rows.

    Notes
    -----
    A customer with `closed_on` by the row's `as_of` has left. Source: practice notes on
    existing-customer management, which begin with retention.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [500.0, 300.0]})
    >>> september = june.assign(aum_average_quarter=[500.0, 99.99])
    >>> customer_retention(june, september)["value"].tolist()
    [0.5]
    >>> customer_retention(june, september, base="all")["value"].tolist()
    [1.0]
    """
    return _retention(Request.of(opening, by, base, policy), closing, "customer_retention")


@measure("bars", "asset_retention")
def asset_retention(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    value: str = "aum_average_quarter",
    policy: PolicyLike = None,
) -> Result:
    """Return which share of the opening customers' AUM is still here (资产留存率).

    With x and y the amounts of the base's opening customers on the two dates, 0 for who has left:
    `asset_retention` = Σ min(x, y) / Σ x, 0 to 1: what some add does not hide what others take
    away; `asset_retention_net` = Σ y / Σ x, 0 or more, above 1 when the same customers brought more
    than was lost. High is good.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, with `customer_id`, `value` and the columns of the base;
        the columns of `by` are needed on the opening date only.
    by : str, list of str or None
        Columns to group by, as they were on the opening date; None for the whole bank.
    over : "quarter", optional
        For tables of several as-of dates, both the same: each quarter against the one before.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, on the opening date.
    value : str
        Column of CNY to compare, zero or more.
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n is the base's customers on the
        opening date. Numerators and denominators are CNY of `value`; without opening AUM the value
        is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount; a customer in two rows.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [600.0, 400.0]})
    >>> september = june.assign(aum_average_quarter=[900.0, 200.0])
    >>> asset_retention(june, september)[["measure", "value"]].values.tolist()
    [['asset_retention', 0.8], ['asset_retention_net', 1.1]]
    """
    return _retention(Request.of(opening, by, base, policy), closing, "asset_retention", value)


@measure("bars", "steep_fall_rate")
def steep_fall_rate(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    base: str = "funded",
    value: str = "aum_average_quarter",
    policy: PolicyLike = None,
) -> Result:
    """Return the share of customers whose AUM fell by more than half, and what they took.

    With x and y a customer's amounts on the two dates, 0 for a customer who left, the fall is steep
    when 2y < x. `steep_fall_rate` (大幅流失客户占比) = customers with a steep fall / customers of
    the base on the opening date; `steep_fall_outflow_share` = Σ (x − y) of those customers / Σ x of
    the base. Both from 0 to 1; high is bad.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, with `customer_id`, `value` and the columns of the base;
        the columns of `by` are needed on the opening date only.
    by : str, list of str or None
        Columns to group by, as they were on the opening date; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, on the opening date.
    value : str
        Column of CNY to compare, zero or more.
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n is the base's customers on the
        opening date. Numerators are customers and CNY. The value is empty for an empty base.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount; a customer in two rows.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [600.0, 400.0]})
    >>> september = june.assign(aum_average_quarter=[300.0, 100.0])
    >>> steep_fall_rate(june, september)[["measure", "value"]].values.tolist()
    [['steep_fall_rate', 0.5], ['steep_fall_outflow_share', 0.3]]
    """
    return _retention(Request.of(opening, by, base, policy), closing, "steep_fall", value)


def _retention(request: Request, closing: Frame, measures: str, value: str | None = None) -> Result:
    """Return the measures of retention whose names begin so, by the customers' opening groups."""
    pairs = pair_customers(request.frame, replace(request, frame=closing), value, closing_labels=[])
    # Only customers of the opening date have a group of that date.
    view = by_group(pairs.filter(nw.col("opening_there") == 1), request.by)
    return registry.answer(view, RETENTION, request, only=measures)


@measure("bars", "same_customer_growth")
def same_customer_growth(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    base: str = "funded",
    value: str = "aum_average_quarter",
    policy: PolicyLike = None,
) -> Result:
    """Return the growth of AUM among the same customers (同客户口径) beside that of all customers.

    `same_customer_growth` = Σ y / Σ x − 1 over the base's opening customers who are customers of
    the same group on both dates, drained ones included; `all_customer_growth` = the base's whole
    closing AUM / its opening AUM − 1. From -1 up; high is good. Their gap is what came and left:
    new, returned and closed customers, transfers.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, with `customer_id`, `value` and the columns of `by` and
        of the base.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, at each date.
    value : str
        Column of CNY to compare, zero or more.
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n is the base's customers on the
        opening date. Numerators and denominators are CNY of `value`; without opening AUM the value
        is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount; a customer in two rows.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1"], "aum_average_quarter": [1_000.0]})
    >>> september = pd.DataFrame(
    ...     {"customer_id": ["1", "2"], "aum_average_quarter": [900.0, 600.0]})
    >>> same_customer_growth(june, september)[["measure", "value"]].values.tolist()
    [['same_customer_growth', -0.1], ['all_customer_growth', 0.5]]
    """
    request = Request.of(opening, by, base, policy)
    pairs = pair_customers(opening, replace(request, frame=closing), value)
    return registry.answer(by_group(pairs, request.by), SAME_CUSTOMER_GROWTH, request)


@measure("trend", "customer_retention", cuts=False)
def cohorts(
    customers: Frame,
    by: str = "opening_year",
    *,
    holdings: Frame | None = None,
    base: str = "funded",
    value: str = "aum_average_quarter",
    policy: PolicyLike = None,
) -> Result:
    """Return what is left, over the quarters, of customers who began alike (同期客户留存).

    Each quarter the customers of a cohort who have been seen so far are compared with how they were
    when first seen: `customer_retention` (still in the base), `asset_retention` and
    `asset_retention_net` (of their first AUM), as `customer_retention` and `asset_retention` define
    them for two dates. A cohort grows while customers join it, so that n may differ from quarter to
    quarter; for a fixed one pass dates only from when all have joined.

    Parameters
    ----------
    customers : table
        Of several as-of dates, told apart by `as_of`, as `bank.customers(…, quarters=5)` gives.
    by : str
        `opening_year` (of `relationship_since`), `first_product` (family of the account opened
        first; of several on one day the policy's first), or any cut or column that other measures
        take (`branch`, `tier`, `age_band`, `family`, `customer_group` …), as it was when the
        customer was first seen: who moved later stays with that cohort. In `family`, `channel` and
        `customer_group` a customer counts in each.
    holdings : table, optional
        For `first_product`: accounts with `customer_id, product, opened_on`, of any dates. Accounts
        that had been closed by the first of them are not seen.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    value : str
        Column of CNY to compare, zero or more.
    policy : Policy, name or path, optional
        Families and borders of the bases; the shipped policy when left out.

    Returns
    -------
    measure frame
        `quarter, cohort, measure, base, n, numerator, denominator, value`; n counts the customers
        seen so far who were in the base at first.

    Raises
    ------
    UsageError
        A column is missing; no `holdings` for `first_product`; a customer twice on one date.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("1", "2026-06-30", 500.0), ("2", "2026-06-30", 300.0), ("1", "2026-09-30", 400.0)]
    >>> bank = pd.DataFrame(rows, columns=["customer_id", "as_of", "aum_average_quarter"])
    >>> bank = bank.assign(as_of=pd.to_datetime(bank["as_of"]), source="branch")
    >>> left = cohorts(bank, "source").query("quarter == '2026Q3'")
    >>> dict(zip(left["measure"], left["value"]))
    {'asset_retention': 0.5, 'asset_retention_net': 0.5, 'customer_retention': 0.5}
    """
    table, rules = as_lazy(customers), as_policy(policy)
    require_columns(table, ["customer_id", "as_of"], "customers")
    table = _with_beginning(table, by, holdings, rules.families)

    def retain(stated: registry.Arguments) -> Result:
        return _retain_cohorts(as_lazy(stated["customers"]), by, base, value, rules)

    result = registry.by_cuts(retain, {"customers": table.to_native(), "by": by}, [by], rules)
    rows = result.rename(columns={by: "cohort"})
    rows = Result(rows.sort_values(["quarter", "cohort", "measure"], ignore_index=True))
    rows.about = About(notes=registry.several_notes([by]))
    return rows


def _retain_cohorts(table: Table, by: str, base: str, value: str, rules: Policy) -> Result:
    """Return retention of customers by what they were at first, in the column `by`."""
    cohort = nw.coalesce(nw.col(by).cast(nw.String), nw.lit(registry.UNKNOWN))
    table = table.with_columns(cohort=cohort, seen=day(table, "as_of"))
    first = table.filter(nw.col("seen") == nw.col("seen").min().over("customer_id"))
    # When first seen they were customers, each on a day of its own.
    first, parts = first.drop("as_of", "closed_on", strict=False), list[Result]()
    moments = collect_rows(table.select("seen").unique())["seen"]
    for on in sorted({*map(as_day, moments)}) or [as_day("1900-12-31")]:
        opening = first.filter(~frames.after(nw.col("seen"), on))
        closing = table.filter(frames.on_day(nw.col("seen"), on))
        sides, quarter = (opening.to_native(), closing.to_native()), Quarter.ending_on(on)
        stated: Any = {"by": "cohort", "base": base, "policy": rules}
        kept = customer_retention(*sides, **stated), asset_retention(*sides, value=value, **stated)
        for part in kept:
            part.insert(0, "quarter", str(quarter or on))
        parts += kept
    return Result(pd.concat(parts).rename(columns={"cohort": by}))


def _with_beginning(
    table: Table, by: str, holdings: Frame | None, families: ProductFamilies
) -> Table:
    """Return the customers with `opening_year` or `first_product`, if that is asked for."""
    if by == "opening_year":
        require_columns(table, ["relationship_since"], "customers")
        year = day(table, "relationship_since").dt.year()
        return table.with_columns(opening_year=year.cast(nw.String))
    if by != "first_product":
        return table
    if holdings is None:
        raise UsageError(say("products_unknown"))
    first = _first_families(as_lazy(holdings), families)
    if table.implementation.is_pandas_like():
        first = as_lazy(frames.to_pandas(first.to_native()))
    require_joinable(table, first)
    return table.drop(by, strict=False).join(first, on="customer_id", how="left")


def _first_families(holdings: Table, families: ProductFamilies) -> Table:
    """Return `first_family` of each customer: that of the account opened first."""
    require_columns(holdings, ["customer_id", "product", "opened_on"], "holdings")
    warn_of_unknown_products(holdings, families)
    products = (nw.col("product").is_in(family.products) for family in families.families)
    ours = ((product.fill_null(False), rank) for rank, product in enumerate(products))
    named = ((nw.col("rank") == rank, name) for rank, name in enumerate(families.names))
    rank, name = frames.first_true(ours, -1), frames.first_true(named, registry.UNKNOWN)
    accounts = holdings.select("customer_id", opened=day(holdings, "opened_on"), rank=rank)
    accounts = accounts.filter((nw.col("rank") >= 0) & ~nw.col("opened").is_null())
    earliest = accounts.group_by("customer_id").agg(nw.col("opened").min())
    first = accounts.join(earliest, on=["customer_id", "opened"], how="inner")
    ranks = first.group_by("customer_id").agg(nw.col("rank").min())
    return ranks.select("customer_id", first_product=name)
