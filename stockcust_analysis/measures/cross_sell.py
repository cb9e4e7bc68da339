"""Cross-sell: how many product families customers hold, and which.

The unit is the customer (or the household), the count is of families and never of accounts, and an
account that is empty or unused does not count (the policy says what shows use). Customers who hold
nothing stay in the denominator. The base `established` leaves out newcomers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.checks import require_snapshot
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    flag,
    group_names,
    lazily,
    measure_frame,
    sums,
)
from stockcust_analysis.measures.holdings import family_flags, is_obliged, join_flags
from stockcust_analysis.measures.households import household_ratio, households, require_unit
from stockcust_analysis.policy import Policy, PolicyLike, ProductFamilies, as_policy

PRODUCTS_PER_CUSTOMER = Ratio("products_per_customer", "families_held")
PRODUCT_COUNTS = (
    *(
        Ratio("product_count_share", f"exactly_{count}", labels=(("families_held", str(count)),))
        for count in range(4)
    ),
    Ratio("product_count_share", "at_least_4", labels=(("families_held", "4+"),)),
)


def products_per_customer(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Frame:
    """Return how many product families a customer holds on average (户均产品数).

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
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Families and thresholds, as given to `bank.customers`; the shipped policy when left out.
    unit : str
        `customer`, or `household`: members of one `household_id` within a group count as one, in
        the base if any of them is, and hold what any of them holds. The measures are then called
        `products_per_household`, `household_multi_product_share`, ….

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; a mean of nobody is empty.

    Raises
    ------
    UsageError
        An unknown column, base or unit, or tables of more than one as-of date.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "1"],
    ...     "product": ["demand_deposit", "time_deposit", "fund"],
    ...     "balance": [5.0, 5.0, 5.0],
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> products_per_customer(bank, holdings=accounts, base="all")["value"].tolist()
    [1.0]
    """
    return _ratios(customers, holdings, [PRODUCTS_PER_CUSTOMER], by, base, policy, unit)


def multi_product_share(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    at_least: int = 2,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Frame:
    """Return the share of customers who hold `at_least` product families.

    The measure is called `multi_product_share` for two (持有两类及以上产品的客户占比), and
    `multi_product_share_3`, … beyond. Parameters, result and errors are those of
    `products_per_customer`; `at_least` must lie between 1 and the number of families.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "2"],
    ...     "product": ["demand_deposit", "fund", "fund"],
    ...     "balance": [5.0, 5.0, 5.0],
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> multi_product_share(bank, holdings=accounts, base="all")["value"].tolist()
    [0.5]
    """
    families = as_policy(policy).families
    if not 1 <= at_least <= len(families.names):
        raise UsageError(f"at_least must be 1 to {len(families.names)}; given {at_least}.")
    return _ratios(customers, holdings, [multi_product_ratio(at_least)], by, base, policy, unit)


def product_count_distribution(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Frame:
    """Return the share of customers with 0, 1, 2, 3 and 4 or more product families.

    Measure `product_count_share`, with the number in the extra column `families_held`: "0" to
    "3", and "4+"; they add up to 1. Parameters, result and errors are those of
    `products_per_customer`.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [5.0]})
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> product_count_distribution(bank, holdings=accounts, base="all")["value"].tolist()
    [0.5, 0.5, 0.0, 0.0, 0.0]
    """
    return _ratios(customers, holdings, PRODUCT_COUNTS, by, base, policy, unit)


def penetration(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Frame:
    """Return the share of customers who hold each product family (覆盖率), or use each channel.

    Measures `penetration` (families) and `channel_penetration` (channels: shown, never counted as
    products), with the name in the extra column `family`. Parameters, result and errors are those
    of `products_per_customer`.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [5.0]})
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> penetration(bank, holdings=accounts, base="all").query("family == 'fund'")["value"].tolist()
    [0.5]
    """
    ratios = penetration_ratios(as_policy(policy).families)
    return _ratios(customers, holdings, ratios, by, base, policy, unit)


def multi_product_ratio(at_least: int) -> Ratio:
    """Return the share of customers with at least so many families, as a measure."""
    name = "multi_product_share" if at_least == 2 else f"multi_product_share_{at_least}"
    return Ratio(name, f"at_least_{at_least}")


def penetration_ratios(families: ProductFamilies) -> list[Ratio]:
    """Return the share of customers with each family and channel, as measures."""
    held = [Ratio("penetration", f"holds_{name}", labels=(("family", name),))
            for name in families.names]  # fmt: skip
    used = [Ratio("channel_penetration", f"uses_{name}", labels=(("family", name),))
            for name in families.channel_names]  # fmt: skip
    return held + used


def families_held(families: ProductFamilies) -> nw.Expr:
    """Return the number of families of each customer, from its 0/1 columns."""
    return nw.sum_horizontal(*(nw.col(f"holds_{name}") for name in families.names))


def _ratios(
    customers: Frame,
    holdings: Frame | None,
    ratios: Sequence[Ratio],
    by: Groups,
    base: str,
    policy: PolicyLike,
    unit: str,
) -> Frame:
    """Return the measure frame of some of the sums of `cross_sell_columns`."""
    policy = as_policy(policy)
    groups = group_names(by)
    facts = units(customers, holdings, groups, base, policy, unit)
    totals = sums(facts, groups, cross_sell_columns(policy.families, base=base))
    if unit == "household":
        ratios = [household_ratio(ratio) for ratio in ratios]
    return measure_frame(totals, ratios, by=groups, base=base, given=customers)


def units(customers: Frame, holdings: Frame | None, by: list[str], base: str, policy: Policy,
          unit: str) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return customers or households with the base's column, `holds_…`, `uses_…`, `families`."""
    require_unit(unit)
    table = lazily(customers)
    if holdings is None:
        _require_families(table, policy.families)
    else:
        accounts = lazily(holdings)
        require_snapshot(accounts, "holdings")
        flags = family_flags(accounts, policy.families) | {"obliged": is_obliged(accounts)}
        table = join_flags(table.drop(*flags, strict=False), accounts, flags)
    table = counted(table, by=by, base=base, bases=policy.bases)
    if unit == "household":
        return _households(table, policy.families, by=by, base=base)
    return table.with_columns(families=families_held(policy.families))


def _require_families(customers: nw.LazyFrame[Any], families: ProductFamilies) -> None:
    """Raise unless the customers know what they hold."""
    names = [f"holds_{name}" for name in families.names]
    names += [f"uses_{name}" for name in families.channel_names]
    missing = [name for name in names if name not in customers.collect_schema().names()]
    if missing:
        raise UsageError(
            f"customers do not say what they hold: {len(missing)} of {len(names)} columns are "
            f"missing, such as '{missing[0]}'. Give holdings=…, or the customers of "
            "bank.customers(quarter), under the same policy."
        )


def _households(
    facts: nw.LazyFrame[Any], families: ProductFamilies, *, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return the households of customers, with all that is asked of customers."""
    flags = [f"in_{base}", *(f"holds_{name}" for name in families.names)]
    flags += [f"uses_{name}" for name in families.channel_names]
    table = households(facts, by=by, flags=flags)
    return table.with_columns(families=families_held(families))


def cross_sell_columns(families: ProductFamilies, *, base: str) -> dict[str, nw.Expr]:
    """Return what is summed for all cross-sell measures but co-holding."""
    counts, held = nw.col(f"in_{base}"), nw.col("families")
    columns = {"customers": counts, "families_held": counts * held}
    for count in range(len(families.names) + 1):
        columns[f"exactly_{count}"] = counts * flag(held == count)
        columns[f"at_least_{count}"] = counts * flag(held >= count)
    names = [f"holds_{name}" for name in families.names]
    names += [f"uses_{name}" for name in families.channel_names]
    return columns | {name: counts * nw.col(name) for name in names}
