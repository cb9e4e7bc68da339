"""Migration between tiers (迁徙矩阵): where the customers of one date are on the next.

Besides the tiers there are the states a plain tier table hides: NEW, CLOSED 销户, DRAINED 流失
(still a customer, no longer funded: where most loss hides), RETURNED (money back) and TRANSFERRED
(another branch). Every customer and every cent of both dates stands in exactly one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    ONE,
    Groups,
    Table,
    as_lazy,
    cents,
    collect_rows,
    count_rows,
    flag,
    group_names,
    native_like,
    sums,
)
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.pairs import AVERAGE, DATES, by_group, pair_customers, with_states
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.tiers import rank_of_tier, tier_name
from stockcust_analysis.policy import Policy, PolicyLike, TierScheme, as_policy

COMES_FROM = {"new": "NEW", "returned": "RETURNED", "arrived": "TRANSFERRED"}
GOES_TO = {"drained": "DRAINED", "closed": "CLOSED", "departed": "TRANSFERRED"}


def _move_columns(policy: Policy, _: str) -> dict[str, nw.Expr]:
    """Return what is summed: funded on both dates in the same branch, and of these up or down."""
    both = nw.col(f"opening_funded_by_{AVERAGE}") * nw.col(f"closing_funded_by_{AVERAGE}")
    stayed = both * (1 - nw.col("arrived")) * (1 - nw.col("departed"))
    before = rank_of_tier("opening_tier", policy.tiers)
    after = rank_of_tier("closing_tier", policy.tiers)
    up, down = stayed * flag(after > before), stayed * flag(after < before)
    return {"customers": stayed, "upgraded": up, "downgraded": down, "net_upgraded": up - down}


_MOVES = (
    Measure("upgrade_rate", "upgraded"),
    Measure("downgrade_rate", "downgraded"),
    Measure("net_upgrade_rate", "net_upgraded"),
)
TIER_MOVES = Question("tier_moves", _move_columns, lambda _: _MOVES)


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
    groups, rules = group_names(by), _with_scheme(scheme, policy)
    view = by_group(_tier_pairs(opening, closing, rules, groups), groups)
    return native_like(migration_cells(view, rules.tiers, by=groups), opening)


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
    groups, rules = group_names(by), _with_scheme(scheme, policy)
    view = by_group(_tier_pairs(opening, closing, rules, groups), groups)
    return answer(view, TIER_MOVES, policy=rules, by=groups, base="funded", given=opening)


def _with_scheme(scheme: TierScheme | None, policy: PolicyLike) -> Policy:
    """Return the policy with another tier scheme, if one is given."""
    rules = as_policy(policy)
    return rules if scheme is None else replace(rules, tiers=scheme)


def _tier_pairs(opening: Frame, closing: Frame, policy: Policy, by: Sequence[str]) -> Table:
    """Return analysts' customers of two dates as pairs with `tier`, which stands when delivered."""
    scheme = policy.tiers
    frames = {date: as_lazy(frame) for date, frame in zip(DATES, (opening, closing), strict=True)}
    delivered = [d for d, table in frames.items() if "tier" in table.collect_schema().names()]
    if len(delivered) == 1:
        raise UsageError(f"only {delivered[0]} has a column 'tier'. Give it on both dates or none.")
    for date in delivered:
        _require_tiers(frames[date], date, scheme)
    if not delivered:
        frames = {date: _with_tier(table, scheme) for date, table in frames.items()}
    labels = list(dict.fromkeys([*by, "tier"]))
    sides = (frames[date].to_native() for date in DATES)
    return pair_customers(*sides, policy=policy, labels=labels, value=scheme.value)


def _with_tier(table: Table, scheme: TierScheme) -> Table:
    """Return customers with the tier of their amount; an amount that is missing is found later."""
    if scheme.value not in table.collect_schema().names():
        return table.with_columns(tier=nw.lit(""))
    return table.with_columns(tier=tier_name(cents(scheme.value), scheme))


def _require_tiers(table: Table, date: str, scheme: TierScheme) -> None:
    """Raise when a delivered tier is none of the scheme's."""
    named = nw.col("tier").is_in(scheme.names).fill_null(False)
    strange = count_rows(table, {"tier": ~named})["tier"]
    if strange:
        raise UsageError(
            f"{date}: 'tier' is none of {', '.join(scheme.names)} in {strange:,} rows."
        )


def migration_cells(
    view: Table, scheme: TierScheme, *, by: Sequence[str], value: str = AVERAGE
) -> pd.DataFrame:
    """Return customers and AUM in CNY per group and cell of the migration matrix, in order."""
    states = with_states(view, value)
    cells = states.with_columns(
        **{"from": _tier_or_state("opening_tier", COMES_FROM),
           "to": _tier_or_state("closing_tier", GOES_TO)}
    )  # fmt: skip
    columns = {
        "customers": ONE,
        "opening_cents": nw.col("opening_cents") * (1 - nw.col("arrived")),
        "closing_cents": nw.col("closing_cents") * (1 - nw.col("departed")),
    }
    table = pd.DataFrame(collect_rows(sums(cells, [*by, "from", "to"], columns)))
    for side, names in (("from", COMES_FROM), ("to", GOES_TO)):
        order = {name: rank for rank, name in enumerate((*scheme.names, *names.values()))}
        table[f"_{side}"] = table[side].map(order)
    table = table.sort_values([*by, "_from", "_to"], ignore_index=True)
    for date in DATES:
        table[f"{date}_aum"] = table[f"{date}_cents"] / 100
    return table[[*by, "from", "to", "customers", "opening_aum", "closing_aum"]]


def _tier_or_state(tier: str, states: Mapping[str, str]) -> nw.Expr:
    """Return the tier, or the last of the states whose 0/1 column says so."""
    name = nw.col(tier)
    for column, state in states.items():
        name = nw.when(nw.col(column) == 1).then(nw.lit(state)).otherwise(name)
    return name
