"""Two dates side by side: what became of each customer, and the migration matrix (迁徙矩阵).

There is one row per customer of either date. A customer who left is absent at the closing date; one
without money any more is not `funded`, judged by the very amount that is compared. In groups a
customer who moved has two rows: one departs from the opening group, one arrives in the closing
group. Every customer and every cent of both dates stands in exactly one cell of the matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, ZERO, Frame, Groups, Table, as_lazy, cents, flag
from stockcust_analysis.core.results import About, Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures.bases import AVERAGE, PERIOD_END, Request, base_flag, customers_of
from stockcust_analysis.measures.registry import Measure, Question, answer, measure
from stockcust_analysis.measures.tiers import rank_of_tier, tier_name
from stockcust_analysis.policy import Policy, PolicyLike, TierScheme

DATES = ("opening", "closing")
COMPARED_BASES = ("funded", "effective")
COMES_FROM = {"new": "NEW", "returned": "RETURNED", "arrived": "TRANSFERRED"}
GOES_TO = {"drained": "DRAINED", "closed": "CLOSED", "departed": "TRANSFERRED"}


def compared_columns(
    customers: Table,
    policy: Policy,
    labels: Sequence[str],
    bases: Iterable[str] = COMPARED_BASES,
    *,
    amount: nw.Expr | None = None,
    extra: Mapping[str, nw.Expr] | None = None,
) -> Table:
    """Return the columns of the customers of one date that are compared with those of another.

    `amount` (cents) stands for every amount that a question compares. `extra` are further numbers;
    by default whether a customer is dormant.
    """
    names = dict.fromkeys((AVERAGE, PERIOD_END, f"{policy.dormancy.value}_cents"))
    amounts = {name: nw.col(name) if amount is None else amount for name in names}
    flags = {"there": ONE, **{f"in_{base}": nw.col(f"in_{base}") for base in bases}}
    for name, held in amounts.items():
        flags[f"funded_by_{name}"] = base_flag(customers, "funded", policy.bases, amount=held)
    if extra is None:
        flags |= dormancy_states("funded")
    narrow = {name: expression.cast(nw.Int8) for name, expression in flags.items()}
    return customers.select("customer_id", *labels, **amounts, **narrow, **(extra or {}))


def averages() -> tuple[nw.Expr, nw.Expr]:
    """Return the amounts of both dates, in cents."""
    return nw.col(f"opening_{AVERAGE}"), nw.col(f"closing_{AVERAGE}")


def dormancy_states(base: str) -> dict[str, nw.Expr]:
    """Return `inside` (in the base, with a status), `dormant` and `acted` as 0 and 1."""
    status = nw.col("status")
    inside = nw.col(f"in_{base}") * flag(~status.is_null())
    return {
        "inside": inside,
        "dormant": inside * flag(status == "dormant"),
        "acted": inside * flag(status.is_in(("active", "active_small"))),
    }


def pair_dates(
    opening: Table, closing: Table, labels: Sequence[str], keys: Sequence[str] = ("customer_id",)
) -> Table:
    """Return one row per customer of either date, columns under `opening_…` and `closing_…`.

    Of a date on which a customer is not there, numbers are 0 and labels those of the other date.
    A label may be missing on the closing date: that of who came since is 0 or empty. `keys` tell
    the rows of a table apart, such as several pairs of dates.
    """
    sides = []
    for date, table in zip(DATES, (opening, closing), strict=True):
        names = [name for name in table.collect_schema().names() if name not in keys]
        sides.append(table.select(*keys, **{f"{date}_{n}": nw.col(n) for n in names}))
    both = sides[0].join(sides[1], on=list(keys), how="full", suffix="_closing")
    present, kinds = set(both.collect_schema().names()), opening.collect_schema()
    filled = {key: nw.coalesce(key, f"{key}_closing").cast(kinds[key]) for key in keys}
    for date, other in (DATES, DATES[::-1]):
        for name, kind in kinds.items():
            column = nw.col(f"{date}_{name}")
            if name in labels:
                sources = [f"{side}_{name}" for side in (date, other)]
                column = nw.coalesce(*(source for source in sources if source in present))
            elif name in keys:
                continue
            # pandas has whole numbers for labels, too, only where none is empty.
            if name not in labels or kind.is_integer():
                column = column.fill_null(0)
            filled[f"{date}_{name}"] = column.cast(kind)
    return both.with_columns(**filled).drop(f"{key}_closing" for key in keys)


def by_group(pairs: Table, groups: Sequence[str] | Mapping[str, str]) -> Table:
    """Return the pairs under the groups they count in, with `arrived` and `departed` (0 or 1).

    The new group has what became of a customer who moved; the old group sees him depart. Without
    groups all pairs are of one whole, in which nobody moves. A mapping names a group after another
    label.
    """
    labels = groups if isinstance(groups, Mapping) else {name: name for name in groups}
    if not labels:
        return pairs.with_columns(arrived=ZERO, departed=ZERO)
    opening = {name: nw.col(f"opening_{label}") for name, label in labels.items()}
    closing = {name: nw.col(f"closing_{label}") for name, label in labels.items()}
    changes = (opening[name] != closing[name] for name in labels)
    moved = nw.any_horizontal(*changes, ignore_nulls=True)
    here = pairs.with_columns(**closing, arrived=flag(moved), departed=ZERO)
    gone = pairs.filter(moved).with_columns(**opening, arrived=ZERO, departed=ONE)
    return nw.concat([here, gone])


def with_states(view: Table, value: str = PERIOD_END) -> Table:
    """Return the view with 0/1 columns of what became of its customers, judged by one amount.

    `new`, `closed`, `drained` (left `funded`) and `returned` (entered it again) exclude each other.
    """
    opening, closing = (nw.col(f"{date}_funded_by_{value}") for date in DATES)
    stays = 1 - nw.col("departed")
    return view.with_columns(
        new=1 - nw.col("opening_there"),
        closed=1 - nw.col("closing_there"),
        drained=nw.col("closing_there") * stays * flag(opening > closing),
        returned=nw.col("opening_there") * stays * flag(opening < closing),
        opening_cents=nw.col(f"opening_{value}"),
        closing_cents=nw.col(f"closing_{value}"),
    )


def pair_customers(
    opening: Frame,
    closing: Request,
    value: str | None = None,
    extra: Mapping[str, nw.Expr] | None = None,
    *,
    closing_labels: list[str] | None = None,
) -> Table:
    """Return an analyst's customers of two dates as pairs.

    The amount `value` (CNY) stands for the one that a question compares. Labels that are missing
    on the closing date are those of the opening one. `extra` are 0/1 columns to carry along.
    """
    amount, sides = nw.col(f"{value}_cents") if value else ZERO, []
    now = closing if closing_labels is None else replace(closing, by=closing_labels)
    for date, request in zip(DATES, (replace(closing, frame=opening), now), strict=True):
        table, bases = customers_of(request, date, value), [request.base]
        columns = compared_columns(
            table, request.policy, request.by, bases, amount=amount, extra=extra or {}
        )
        sides.append(columns)
    return pair_dates(sides[0], sides[1], closing.by)


def _move_columns(policy: Policy, _: str) -> dict[str, nw.Expr]:
    """Return what is summed: funded on both dates in the same branch, and of these up or down."""
    both = nw.col(f"opening_funded_by_{AVERAGE}") * nw.col(f"closing_funded_by_{AVERAGE}")
    stayed = both * (1 - nw.col("arrived")) * (1 - nw.col("departed"))
    before, after = (rank_of_tier(f"{date}_tier", policy.tiers) for date in DATES)
    up, down = stayed * flag(after > before), stayed * flag(after < before)
    return {"customers": stayed, "upgraded": up, "downgraded": down, "net_upgraded": up - down}


_MOVES = (
    Measure("upgrade_rate", "upgraded"),
    Measure("downgrade_rate", "downgraded"),
    Measure("net_upgrade_rate", "net_upgraded"),
)
TIER_MOVES = Question("tier_moves", _move_columns, lambda _: _MOVES)


@measure("migration")
def migration_matrix(
    opening: Frame,
    closing: Frame,
    *,
    scheme: TierScheme | None = None,
    by: Groups = None,
    policy: PolicyLike = None,
) -> Result:
    """Return how many customers, and how much AUM, went from which tier to which.

    For each cell the number of customers and their AUM on both dates, in CNY. The cells that come
    from a tier or from RETURNED add up to the opening customers, those that go to a tier or to
    DRAINED to the closing ones; the amounts of all cells add up to both totals, to the cent. Up is
    good, DRAINED (still a customer, no longer funded) and CLOSED are loss.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date: `customer_id`, the scheme's column in CNY, the columns of
        `by`; `loan_balance` where known. A column `tier` in both (as from `tiers_with_memory`)
        stands; without it, or where `tier_rule` is another scheme than a stated one, the scheme's
        borders decide.
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
        one, with the closing amount: to a tier, or to DRAINED if no longer funded. The whole bank
        has no such cell.

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
    request = Request.of(opening, by, "funded", policy).under(tiers=scheme)
    cells = migration_cells(_tier_view(request, closing), request.policy.tiers, by=request.by)
    return Result(cells)


@measure("bars", "net_upgrade_rate")
def tier_move_rates(
    opening: Frame,
    closing: Frame,
    *,
    scheme: TierScheme | None = None,
    by: Groups = None,
    policy: PolicyLike = None,
) -> Result:
    """Return which share of the customers of both dates went up, down, and up net of down.

    Measures: `upgrade_rate`, `downgrade_rate` (0 to 1) and `net_upgrade_rate` (-1 to 1; high is
    good), of the customers funded on both dates and in the same group. Customers who came, left or
    drained are counted by `migration_matrix` and `customer_retention`.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date: `customer_id`, the scheme's column in CNY, the columns of
        `by`; `loan_balance` where known. A column `tier` in both stands; without it, or where
        `tier_rule` is another scheme than a stated one, the scheme's borders decide.
    scheme : TierScheme, optional
        Tiers, their order, and the AUM column to judge; default: the policy's.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    policy : Policy, name or path, optional
        Tiers, and from which amount on a customer is funded; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`, base `funded`. The rate of
        an empty group is empty.

    Raises
    ------
    UsageError
        An unknown column; a missing or negative amount; a customer in two rows; `tier` on one date
        only, or names that the scheme does not have.

    Examples
    --------
    >>> import pandas as pd
    >>> june = pd.DataFrame({"customer_id": ["1", "2"], "aum_average_quarter": [600.0, 200.0]})
    >>> september = june.assign(aum_average_quarter=[70_000.0, 300.0])
    >>> tier_move_rates(june, september)["value"].tolist()
    [0.5, 0.0, 0.5]
    """
    request = Request.of(opening, by, "funded", policy).under(tiers=scheme)
    return answer(_tier_view(request, closing), TIER_MOVES, request)


def _tier_view(request: Request, closing: Frame) -> Table:
    """Return pairs with `tier`, by group."""
    scheme, tables = request.policy.tiers, [as_lazy(request.frame), as_lazy(closing)]
    delivered = ["tier" in table.collect_schema().names() for table in tables]
    if delivered[0] != delivered[1]:
        raise UsageError(say("tier_on_one_date", DATES[delivered.index(True)]))
    dated = zip(DATES, tables, strict=True)
    before, now = (_with_tier(table, date, scheme).to_native() for date, table in dated)
    everybody = Request(now, list(dict.fromkeys([*request.by, "tier"])), "all", request.policy)
    return by_group(pair_customers(before, everybody, scheme.value), request.by)


def _with_tier(table: Table, date: str, scheme: TierScheme) -> Table:
    """Return customers with the delivered tier, or with that of their amount.

    A delivered tier that is none of the scheme's is refused; a missing amount is reported later.
    """
    present = table.collect_schema().names()
    if "tier" not in present:
        known = scheme.value in present
        tier = tier_name(cents(scheme.value), scheme) if known else nw.lit("")
        return table.with_columns(tier=tier)
    named = nw.col("tier").is_in(scheme.names).fill_null(False)
    if strange := frames.count_rows(table, {"tier": ~named})["tier"]:
        raise UsageError(say("tier_unknown", date, [*scheme.names], strange))
    return table


def migration_cells(view: Table, scheme: TierScheme, *, by: Sequence[str]) -> pd.DataFrame:
    """Return customers and AUM in CNY per group and cell of the migration matrix, in order."""
    sides = {"from": ("opening_tier", COMES_FROM), "to": ("closing_tier", GOES_TO)}
    cells = with_states(view, AVERAGE).with_columns(
        **{side: _tier_or_state(tier, states) for side, (tier, states) in sides.items()}
    )
    columns = {
        "customers": ONE,
        "opening_cents": nw.col("opening_cents") * (1 - nw.col("arrived")),
        "closing_cents": nw.col("closing_cents") * (1 - nw.col("departed")),
    }
    table = frames.collect_sums(cells, [*by, *sides], columns)
    for side, (_, states) in sides.items():
        order = {name: rank for rank, name in enumerate((*scheme.names, *states.values()))}
        table[f"_{side}"] = table[side].map(order)
    table = table.sort_values([*by, "_from", "_to"], ignore_index=True)
    for date in DATES:
        table[f"{date}_aum"] = table[f"{date}_cents"] / 100
    return table[[*by, *sides, "customers", "opening_aum", "closing_aum"]]


def _tier_or_state(tier: str, states: Mapping[str, str]) -> nw.Expr:
    """Return the tier, or the last of the states whose 0/1 column says so."""
    cases = [(nw.col(column) == 1, state) for column, state in states.items()]
    return frames.first_true(reversed(cases), nw.col(tier))


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
        raise UsageError(say("top_of_customers", top))
    pairs = pair_customers(opening, Request.of(closing, None, base, policy), value)
    before, after = averages()
    fallen = pairs.filter((nw.col(f"opening_in_{base}") == 1) & (after < before))
    amounts = {"opening": before, "closing": after, "fall": before - after}
    states = {"there": nw.col("closing_there"), "inside": nw.col(f"closing_in_{base}")}
    fallen = fallen.select("customer_id", **amounts, **states, whole=ONE)
    total = int(frames.collect_rows(fallen.select(nw.col("fall").sum()))["fall"][0] or 0)
    rank = nw.col("fall").rank("min", descending=True).over("whole").cast(nw.Int64)
    rows = pd.DataFrame(
        frames.collect_rows(fallen.with_columns(rank=rank).filter(nw.col("rank") <= top))
    )
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
    labels = pd.DataFrame(frames.collect_rows(theirs.select("customer_id", *known)), dtype="str")
    labelled = rows.astype({"customer_id": "str"}).merge(labels, on="customer_id", how="left")
    return labelled[["rank", "customer_id", *known, "became"]].copy()
