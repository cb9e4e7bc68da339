"""Migration between tiers (迁徙矩阵): where the customers of one date are on the next.

Besides the tiers there are the states a plain tier table hides: NEW, CLOSED 销户, DRAINED 流失
(still a customer, no longer funded: where most loss hides), RETURNED (money back) and TRANSFERRED
(another branch). Every customer and every cent of both dates stands in exactly one cell.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import count_rows
from stockcust_analysis.measures.frames import (
    ONE,
    Frame,
    Groups,
    Ratio,
    collected,
    flag,
    group_names,
    measure_frame,
    sums,
    table_of,
)
from stockcust_analysis.measures.pairs import by_group, customers_of, paired
from stockcust_analysis.measures.tiers import place_of, tier_name
from stockcust_analysis.policy import Bases, PolicyLike, TierScheme, as_policy

COMES_FROM = {"new": "NEW", "returned": "RETURNED", "arrived": "TRANSFERRED"}
GOES_TO = {"drained": "DRAINED", "closed": "CLOSED", "departed": "TRANSFERRED"}
TIER_MOVES = (
    Ratio("upgrade_rate", "upgraded"),
    Ratio("downgrade_rate", "downgraded"),
    Ratio("net_upgrade_rate", "net_upgraded"),
)


def migration_matrix(
    opening: Frame,
    closing: Frame,
    *,
    scheme: TierScheme | None = None,
    by: Groups = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return how many customers, and how much AUM, went from which tier to which.

    For each cell the number of customers and their AUM on both dates, in CNY. The cells that come
    from a tier or from RETURNED add up to the opening customers, those that go to a tier or to
    DRAINED to the closing ones; the amounts of all cells add up to both totals, to the cent. Up is
    good, DRAINED and CLOSED are loss.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date: `customer_id`, the scheme's column in CNY, the columns of
        `by`; `loan_balance` where known. A column `tier` in both (as from `tiers_with_memory`)
        stands; without it the scheme's borders decide.
    scheme : TierScheme, optional
        Tiers, their order, and the AUM column to judge and to add up; default: the policy's.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    policy : Policy, name or path, optional
        Tiers, and from which amount on a customer is funded; the shipped policy when left out.

    Returns
    -------
    table
        `[*by], from, to, customers, opening_aum, closing_aum`, only cells that occur, tiers in
        their order, then the states. A customer of another group on the closing date goes to
        TRANSFERRED in the old one, with the opening amount, and comes from TRANSFERRED in the new
        one, with the closing amount; the whole bank has no such cell.

    Raises
    ------
    UsageError
        An unknown column; a missing or negative amount; a customer in two rows; `tier` on one date
        only, or names that the scheme does not have.

    Notes
    -----
    RETURNED is about money; a dormant customer who acts again is reactivated. Whoever has
    `closed_on` by the row's `as_of` is no customer any more. Source: practice notes on
    existing-customer management; withdrawals as states of their own as in credit-rating
    migration.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [60_000.0, 200.0]})
    >>> september = june.assign(aum_average_quarter=[70_000.0, 0.0])
    >>> matrix = migration_matrix(june, september)
    >>> matrix[["from", "to", "customers"]].values.tolist()
    [['potential', 'DRAINED', 1], ['mid', 'mid', 1]]
    """
    groups, rules = group_names(by), as_policy(policy)
    scheme = scheme or rules.tiers
    pairs = tier_pairs(opening, closing, scheme, groups, rules.bases)
    cells = collected(_migration(pairs, by=groups))
    return table_of(migration_columns(cells, scheme, groups), opening)


def tier_move_rates(
    opening: Frame,
    closing: Frame,
    *,
    scheme: TierScheme | None = None,
    by: Groups = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return which share of the customers of both dates went up, down, and up net of down.

    Measures: `upgrade_rate`, `downgrade_rate` (0 to 1) and `net_upgrade_rate` (-1 to 1; high is
    good), of the customers funded on both dates and in the same group: those who came, left or
    drained are told by `migration_matrix` and retention. A rate of nobody is empty. Parameters,
    errors and source are those of `migration_matrix`.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`, base `funded`.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [600.0, 200.0]})
    >>> september = june.assign(aum_average_quarter=[70_000.0, 300.0])
    >>> tier_move_rates(june, september)["value"].tolist()
    [0.0, 0.5, 0.5]
    """
    groups, rules = group_names(by), as_policy(policy)
    scheme = scheme or rules.tiers
    pairs = by_group(tier_pairs(opening, closing, scheme, groups, rules.bases), groups)
    totals = sums(pairs, groups, move_columns(scheme))
    return measure_frame(totals, TIER_MOVES, by=groups, base="funded", given=opening)


def tier_pairs(
    opening: Frame, closing: Frame, scheme: TierScheme, by: list[str], bases: Bases
) -> nw.LazyFrame[Any]:
    """Return analysts' customers of two dates as pairs with `tier`, which stands when delivered."""
    dates = {"opening": opening, "closing": closing}
    tables = {
        date: customers_of(frame, date, by=by, value=scheme.value) for date, frame in dates.items()
    }
    delivered = [d for d, table in tables.items() if "tier" in table.collect_schema().names()]
    amount = f"{scheme.value}_cents"
    if not delivered:
        tier = tier_name(nw.col(amount), scheme)
        tables = {date: table.with_columns(tier=tier) for date, table in tables.items()}
    elif len(delivered) == 1:
        raise UsageError(f"only {delivered[0]} has a column 'tier'. Give it on both dates or none.")
    for date in delivered:
        named = nw.col("tier").is_in(scheme.names).fill_null(False)
        strange = count_rows(tables[date], {"tier": ~named})["tier"]
        if strange:
            raise UsageError(
                f"{date}: 'tier' is none of {', '.join(scheme.names)} in {strange:,} rows."
            )
    labels = list(dict.fromkeys([*by, "tier"]))
    return paired(*tables.values(), value=amount, labels=labels, bases=bases)


def _migration(pairs: nw.LazyFrame[Any], *, by: list[str]) -> nw.LazyFrame[Any]:
    """Return customers and cents per group and cell; the pairs carry `tier` and the groups."""
    went = by_group(pairs, by)
    cells = went.with_columns(
        **{"from": _told("opening_tier", COMES_FROM), "to": _told("closing_tier", GOES_TO)}
    )
    columns = {
        "customers": ONE,
        "opening_cents": nw.col("opening_cents") * (1 - nw.col("arrived")),
        "closing_cents": nw.col("closing_cents") * (1 - nw.col("departed")),
    }
    return sums(cells, [*by, "from", "to"], columns)


def _told(tier: str, states: dict[str, str]) -> nw.Expr:
    """Return the tier, or the last of the states whose 0/1 column says so."""
    name = nw.col(tier)
    for column, state in states.items():
        name = nw.when(nw.col(column) == 1).then(nw.lit(state)).otherwise(name)
    return name


def migration_columns(
    cells: dict[str, list[Any]], scheme: TierScheme, by: list[str]
) -> dict[str, list[Any]]:
    """Return the collected cells in order and in CNY, as columns."""
    places = {
        side: {name: place for place, name in enumerate((*scheme.names, *states.values()))}
        for side, states in (("from", COMES_FROM), ("to", GOES_TO))
    }

    def order(row: int) -> list[Any]:
        return [cells[name][row] for name in by] + [
            places[side][cells[side][row]] for side in places
        ]

    rows = sorted(range(len(cells["customers"])), key=order)
    table = {name: [cells[name][row] for row in rows] for name in (*by, *places, "customers")}
    for date in ("opening", "closing"):
        table[f"{date}_aum"] = [cells[f"{date}_cents"][row] / 100 for row in rows]
    return table


def move_columns(scheme: TierScheme) -> dict[str, nw.Expr]:
    """Return what is summed of pairs by group: funded on both dates, and of these up or down."""
    both = nw.col("opening_funded") * nw.col("closing_funded")
    stayed = both * (1 - nw.col("arrived")) * (1 - nw.col("departed"))
    before, after = place_of("opening_tier", scheme), place_of("closing_tier", scheme)
    up, down = stayed * flag(after > before), stayed * flag(after < before)
    return {"customers": stayed, "upgraded": up, "downgraded": down, "net_upgraded": up - down}
