"""Who was lost, one by one, and what became of those who came at one time or for one product."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ONE, Table, as_lazy, collect_rows, day
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.core.results import About, Result
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import Request, require_columns, require_same_engine
from stockcust_analysis.measures.cuts import UNKNOWN, Arguments, by_cuts, measure, several_notes
from stockcust_analysis.measures.holdings import warn_of_unknown_products
from stockcust_analysis.measures.retention import asset_retention, customer_retention
from stockcust_analysis.measures.two_dates import averages, pair_customers
from stockcust_analysis.policy import Policy, PolicyLike, ProductFamilies, as_policy

_SHOWN = ("branch_id", "branch_name", "tier", "manager_id")


@measure("falls")
def lost_customers(
    opening: Frame,
    closing: Frame,
    *,
    top: int = 20,
    base: str = "funded",
    value: str = "aum_average_quarter",
    policy: PolicyLike = None,
) -> Result:
    """Return the customers who took most money between two dates, left or not (流失客户).

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, with `customer_id`, `value` and the columns of the base.
    top : int
        How many customers. Whoever took as much as the last of them is listed as well, and the
        note says so.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`, on the opening date.
    value : str
        Column of CNY to compare, zero or more; who has left has nothing.
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

    Returns
    -------
    table
        `rank, customer_id`, of the opening date `branch_id, branch_name, tier, manager_id` where
        known; `became` (`closed`: no customer any more; `drained`: no longer in the base;
        `shrunk`); `opening_aum, closing_aum, fall` (CNY), `fall_share` (of the customer's own
        opening AUM) and `share_of_falls` (of all that fell). Largest fall first.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or negative amount; a customer in two rows.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [900.0, 300.0]})
    >>> september = june.assign(aum_average_quarter=[600.0, 200.0])
    >>> lost = lost_customers(june, september, top=1)
    >>> lost[["customer_id", "became", "fall", "share_of_falls"]].values.tolist()
    [['1', 'shrunk', 300.0, 0.75]]
    """
    if top < 1:
        raise UsageError(f"top must be 1 customer or more; given {top}.")
    request = Request.of(closing, None, base, policy)
    pairs = pair_customers(opening, request, value)
    before, after = averages()
    fallen = pairs.filter((nw.col(f"opening_in_{base}") == 1) & (after < before))
    amounts = {"opening": before, "closing": after, "fall": before - after}
    states = {"there": nw.col("closing_there"), "inside": nw.col(f"closing_in_{base}")}
    fallen = fallen.select("customer_id", **amounts, **states, whole=ONE)
    total = int(collect_rows(fallen.select(nw.col("fall").sum()))["fall"][0] or 0)
    rank = nw.col("fall").rank("min", descending=True).over("whole").cast(nw.Int64)
    rows = pd.DataFrame(collect_rows(fallen.with_columns(rank=rank).filter(nw.col("rank") <= top)))
    became = rows["inside"].map({0: "drained", 1: "shrunk"}).where(rows["there"] == 1, "closed")
    table = _with_labels(rows.assign(became=became), as_lazy(opening))
    for name, source in (("opening_aum", "opening"), ("closing_aum", "closing"), ("fall", "fall")):
        table[name] = rows[source].to_numpy(float) / 100
    table["fall_share"] = table["fall"] / table["opening_aum"]
    table["share_of_falls"] = table["fall"] * 100 / total
    result = Result(table.sort_values(["rank", "customer_id"], ignore_index=True))
    if len(result) > top:
        result.about = About(notes=(("ties", {"top": top, "rows": len(result)}),))
    return result


def _with_labels(rows: pd.DataFrame, opening: Table) -> pd.DataFrame:
    """Return rank, customer, what he belonged to on the opening date, and what he became."""
    known = [name for name in _SHOWN if name in opening.collect_schema().names()]
    theirs = opening.filter(nw.col("customer_id").is_in(rows["customer_id"].tolist()))
    labels = pd.DataFrame(collect_rows(theirs.select("customer_id", *known)), dtype="str")
    labelled = rows.astype({"customer_id": "str"}).merge(labels, on="customer_id", how="left")
    return labelled[["rank", "customer_id", *known, "became"]].copy()


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
    them for two dates.

    Parameters
    ----------
    customers : table
        Of several as-of dates, told apart by `as_of`, as `bank.customers(…, quarters=5)` gives.
    by : str
        `opening_year` (of `relationship_since`), `first_product` (family of the account opened
        first; of several on one day the policy's first), or any cut or column that other measures
        take (`branch`, `tier`, `age_band`, `family`, `customer_group` …), as it was when the
        customer was first seen: who moved later stays with his cohort. In `family`, `channel` and
        `customer_group` a customer counts in each of his.
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

    def retain(stated: Arguments) -> Result:
        return _retain_cohorts(as_lazy(stated["customers"]), by, base, value, rules)

    result = by_cuts(retain, {"customers": table.to_native(), "by": by}, [by], rules)
    rows = result.rename(columns={by: "cohort"})
    rows = Result(rows.sort_values(["quarter", "cohort", "measure"], ignore_index=True))
    rows.about = About(notes=several_notes([by]))
    return rows


def _retain_cohorts(table: Table, by: str, base: str, value: str, rules: Policy) -> Result:
    """Return retention of customers by what they were at first, in the column `by`."""
    cohort = nw.coalesce(nw.col(by).cast(nw.String), nw.lit(UNKNOWN))
    table = table.with_columns(cohort=cohort, seen=day(table, "as_of"))
    first = table.filter(nw.col("seen") == nw.col("seen").min().over("customer_id"))
    # When first seen they were customers, each on a day of its own.
    first, parts = first.drop("as_of", "closed_on", strict=False), list[Result]()
    moments = collect_rows(table.select("seen").unique())["seen"]
    for on in sorted({*map(as_day, moments)}):
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
        raise UsageError("by='first_product' needs holdings=…, with 'opened_on'.")
    first = _first_families(as_lazy(holdings), families)
    if table.implementation.is_pandas_like():
        first = as_lazy(frames.to_pandas(first.to_native()))
    require_same_engine(table, first)
    return table.drop(by, strict=False).join(first, on="customer_id", how="left")


def _first_families(holdings: Table, families: ProductFamilies) -> Table:
    """Return `first_family` of each customer: that of the account opened first."""
    require_columns(holdings, ["customer_id", "product", "opened_on"], "holdings")
    warn_of_unknown_products(holdings, families)
    products = (nw.col("product").is_in(family.products) for family in families.families)
    ours = ((product.fill_null(False), rank) for rank, product in enumerate(products))
    named = ((nw.col("rank") == rank, name) for rank, name in enumerate(families.names))
    rank, name = frames.first_true(ours, -1), frames.first_true(named, UNKNOWN)
    accounts = holdings.select("customer_id", opened=day(holdings, "opened_on"), rank=rank)
    accounts = accounts.filter((nw.col("rank") >= 0) & ~nw.col("opened").is_null())
    earliest = accounts.group_by("customer_id").agg(nw.col("opened").min())
    first = accounts.join(earliest, on=["customer_id", "opened"], how="inner")
    ranks = first.group_by("customer_id").agg(nw.col("rank").min())
    return ranks.select("customer_id", first_product=name)
