"""Growth (AUM变动): from the opening amount to the closing one, by who moved the money.

Opening + new − closed − drained + grown − shrunk + returned ± transfers = closing, to the cent. It
answers whether a branch lives on its existing customers (存量) or on new ones (增量).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.checks import require_columns, require_snapshot
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    cents_or_zero,
    collected,
    flag,
    group_names,
    lazily,
    sums,
    table_of,
)
from stockcust_analysis.measures.holdings import join_flags
from stockcust_analysis.measures.pairs import by_group, customers_of, paired
from stockcust_analysis.policy import PolicyLike, ProductFamilies, as_policy

COMPONENTS = ("opening", "new", "returned", "grown", "transferred_in", "transferred_out", "shrunk",
              "drained", "closed", "closing")  # fmt: skip
OTHER_FAMILY = "other"


def growth_bridge(
    opening: Frame,
    closing: Frame,
    *,
    by: Groups = None,
    value: str = "aum_period_end",
    policy: PolicyLike = None,
) -> Frame:
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
    A customer who changed group departs with the opening amount and is told by the new group.
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
    groups, bases = group_names(by), as_policy(policy).bases
    before = customers_of(opening, "opening", by=groups, value=value)
    after = customers_of(closing, "closing", by=groups, value=value)
    pairs = paired(before, after, value=f"{value}_cents", labels=groups, bases=bases)
    totals = _growth_bridge(pairs, by=groups)
    return table_of(bridge_columns(collected(totals), groups), opening)


def family_growth_bridge(
    opening: Frame,
    closing: Frame,
    *,
    opening_holdings: Frame,
    closing_holdings: Frame,
    by: Groups = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return the growth bridge of each product family's balances (存款, 理财, 基金, …).

    Formula, unit, errors and source are those of `growth_bridge`, applied to what a customer holds
    of a family; new, closed, drained and returned are told of the customer (by
    `aum_period_end`), not of the family. Money that a customer moves from one family to another
    is shrunk in one and grown in the other. AUM products of no family are in `other`; overdrafts
    count as zero.

    Parameters
    ----------
    opening, closing : table
        As for `growth_bridge`.
    opening_holdings, closing_holdings : table
        Accounts of the same dates: `customer_id`, `product`, `balance`. Accounts of nobody in the
        customer tables are left out.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    policy : Policy, name or path, optional
        Families, AUM products and bases; default: the shipped policy.

    Returns
    -------
    table
        `[*by], family, component, customers, amount`; customers hold something of the family on
        the date, or on either.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = pd.DataFrame({"customer_id": ["1"], "aum_period_end": [500.0]})
    >>> june = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [500.0]})
    >>> september = june.assign(product="wealth")
    >>> bridge = family_growth_bridge(
    ...     bank, bank, opening_holdings=june, closing_holdings=september)
    >>> bridge.query("family == 'wealth' and amount != 0")["component"].tolist()
    ['grown', 'closing']
    """
    groups, rules = group_names(by), as_policy(policy)
    families = rules.families
    tables = [
        with_family_amounts(
            customers_of(frame, date, by=groups, value="aum_period_end"), lazily(held), families
        )
        for date, frame, held in (
            ("opening", opening, opening_holdings), ("closing", closing, closing_holdings)
        )
    ]  # fmt: skip
    numbers = [f"{name}_cents" for name in aum_families(families)]
    value = "aum_period_end_cents"
    pairs = paired(*tables, value=value, labels=groups, numbers=numbers, bases=rules.bases)
    totals = _family_growth_bridge(pairs, families, by=groups)
    return table_of(bridge_columns(collected(totals), [*groups, "family"]), opening)


def aum_families(families: ProductFamilies) -> dict[str, tuple[str, ...]]:
    """Return the families that hold AUM with their AUM products; `other` has those of none."""
    aum = set(families.aum_products)
    found = {f.name: tuple(p for p in f.products if p in aum) for f in families.families}
    placed = {product for products in found.values() for product in products}
    found[OTHER_FAMILY] = tuple(p for p in families.aum_products if p not in placed)
    return {name: products for name, products in found.items() if products}


def with_family_amounts(customers: nw.LazyFrame[Any], holdings: nw.LazyFrame[Any],
                        families: ProductFamilies) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return customers of one date with `<family>_cents` of each family that holds AUM."""
    require_columns(holdings, ["customer_id", "product", "balance"], "holdings")
    require_snapshot(holdings, "holdings")
    balance = cents_or_zero("balance").clip(0)
    amounts = {
        f"{name}_cents": balance * flag(nw.col("product").is_in(products))
        for name, products in aum_families(families).items()
    }
    return join_flags(customers, holdings, {}, amounts)


def _growth_bridge(pairs: nw.LazyFrame[Any], *, by: list[str]) -> nw.LazyFrame[Any]:
    """Return, per group, customers and cents of each component."""
    return _component_sums(by_group(pairs, by), by)


def _family_growth_bridge(pairs: nw.LazyFrame[Any], families: ProductFamilies, *,
                          by: list[str]) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return the same per group and family; the pairs carry `<family>_cents`."""
    went = by_group(pairs, by)
    parts = [
        went.select(
            *by, "new", "closed", "drained", "returned", "arrived", "departed",
            family=nw.lit(name), opening_cents=nw.col(f"opening_{name}_cents"),
            closing_cents=nw.col(f"closing_{name}_cents"),
        ).with_columns(
            opening_there=flag(nw.col("opening_cents") > 0),
            closing_there=flag(nw.col("closing_cents") > 0),
        )
        for name in aum_families(families)
    ]  # fmt: skip
    held = nw.concat(parts).filter((nw.col("opening_there") == 1) | (nw.col("closing_there") == 1))
    return _component_sums(held, [*by, "family"])


def _component_sums(went: nw.LazyFrame[Any], by: list[str]) -> nw.LazyFrame[Any]:
    """Return the sums of `<component>` (customers) and `<component>_cents` per group."""
    columns = [f"{name}{unit}" for unit in ("", "_cents") for name in COMPONENTS]
    return sums(with_components(went), by, {name: nw.col(name) for name in columns})


def with_components(went: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return grouped pairs with `<component>` (0 or 1) and `<component>_cents` of each."""
    change = nw.col("closing_cents") - nw.col("opening_cents")
    other = (1 - nw.col("departed")) * (
        1 - nw.col("new") - nw.col("closed") - nw.col("drained") - nw.col("returned")
    )
    told = went.with_columns(
        opening=nw.col("opening_there") * (1 - nw.col("arrived")),
        closing=nw.col("closing_there") * (1 - nw.col("departed")),
        transferred_in=nw.col("arrived"), transferred_out=nw.col("departed"),
        change=change, grown=other * flag(change > 0), shrunk=other * flag(change < 0),
    )  # fmt: skip
    amounts = dict.fromkeys(COMPONENTS, nw.col("change"))
    amounts |= {"opening": nw.col("opening_cents"), "closing": nw.col("closing_cents")}
    amounts |= {
        "transferred_in": nw.col("opening_cents"), "transferred_out": -nw.col("opening_cents"),
    }  # fmt: skip
    return told.with_columns(
        **{f"{name}_cents": nw.col(name) * amounts[name] for name in COMPONENTS}
    )


def bridge_columns(totals: Mapping[str, Sequence[Any]], by: list[str]) -> dict[str, list[Any]]:
    """Return the collected sums as long columns, groups sorted, money in CNY."""
    rows = range(len(totals["opening"]))
    cells = [
        (row, component)
        for row in sorted(rows, key=lambda row: [totals[name][row] for name in by])
        for component in COMPONENTS
    ]
    return {
        **{name: [totals[name][row] for row, _ in cells] for name in by},
        "component": [component for _, component in cells],
        "customers": [totals[component][row] for row, component in cells],
        "amount": [totals[f"{component}_cents"][row] / 100 for row, component in cells],
    }
