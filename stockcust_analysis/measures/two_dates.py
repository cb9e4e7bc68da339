"""Two dates side by side: migration, retention, attrition, growth and dormancy of the same people.

One row per customer of either date. Who left is told by absence at the closing date; who has no
money any more by `funded`, judged by the very amount that is compared. By branch a customer who
moved has two rows: one departs from the opening branch, one arrives in the closing branch.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core.frames import ONE, ZERO, Table, cents_of, collect_rows, flag, sums
from stockcust_analysis.measures.population import funded_flag
from stockcust_analysis.measures.registry import Measure, Question
from stockcust_analysis.measures.tiers import rank_of_tier, tier_name
from stockcust_analysis.policy import AttritionRule, Policy, TierScheme

AVERAGE, PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"
DATES = ("opening", "closing")
COMES_FROM = {"new": "NEW", "returned": "RETURNED", "arrived": "TRANSFERRED"}
GOES_TO = {"drained": "DRAINED", "closed": "CLOSED", "departed": "TRANSFERRED"}
COMPONENTS = (
    "opening", "new", "returned", "grown", "transferred_in", "transferred_out", "shrunk",
    "drained", "closed", "closing",
)  # fmt: skip
_BASES = ("funded", "effective")


def compared_values(policy: Policy) -> list[str]:
    """Return the amounts by which customers of two dates are compared."""
    return list(dict.fromkeys((AVERAGE, PERIOD_END, f"{policy.dormancy.value}_cents")))


def compared_columns(customers: Table, policy: Policy, labels: Sequence[str]) -> Table:
    """Return of the customers of one date what is looked at beside those of another."""
    names = customers.collect_schema().names()
    values = compared_values(policy)
    judged = nw.col("in_funded") * flag(~nw.col("status").is_null())
    acted = flag(nw.col("status").is_in(("active", "active_small")))
    flags = {
        "there": ONE,
        **{f"in_{base}": nw.col(f"in_{base}") for base in _BASES},
        "inside": judged,
        "dormant": judged * flag(nw.col("status") == "dormant"),
        "acted": judged * acted,
        **{f"funded_by_{v}": funded_flag(names, policy.bases, nw.col(v)) for v in values},
    }
    narrow = {name: expression.cast(nw.Int8) for name, expression in flags.items()}
    return customers.select("customer_id", "tier", *labels, *values, **narrow)


def pair_dates(opening: Table, closing: Table, labels: Sequence[str]) -> Table:
    """Return one row per customer of either date, columns under `opening_…` and `closing_…`.

    Of a date on which a customer is not there, numbers are 0 and labels those of the other date.
    """
    names = [name for name in opening.collect_schema().names() if name != "customer_id"]
    texts = ["tier", *labels]
    before, after = (
        table.select("customer_id", **{f"{date}_{name}": nw.col(name) for name in names})
        for date, table in zip(DATES, (opening, closing), strict=True)
    )
    both = before.join(after, on="customer_id", how="full", suffix="_closing")
    kinds = opening.collect_schema()
    numbers = [name for name in names if name not in texts]
    return both.with_columns(
        nw.coalesce("customer_id", "customer_id_closing"),
        *(
            nw.col(f"{date}_{name}").fill_null(0).cast(kinds[name])
            for date in DATES
            for name in numbers
        ),
        *(
            nw.coalesce(f"{date}_{name}", f"{other}_{name}").alias(f"{date}_{name}")
            for date, other in (DATES, DATES[::-1])
            for name in texts
        ),
    ).drop("customer_id_closing")


def by_place(pairs: Table, place: str | None, *, name: str = "branch_id") -> Table:
    """Return the pairs under the branches they count in, with `arrived` and `departed` (0 or 1).

    What becomes of a customer who moved is told where he arrived; the old branch sees him depart.
    Without a place all pairs are of one whole, in which nobody moves.
    """
    if place is None:
        return pairs.with_columns(arrived=ZERO, departed=ZERO)
    opening, closing = nw.col(f"opening_{place}"), nw.col(f"closing_{place}")
    moved = opening != closing
    here = pairs.with_columns(closing.alias(name), arrived=flag(moved), departed=ZERO)
    gone = pairs.filter(moved).with_columns(opening.alias(name), arrived=ZERO, departed=ONE)
    return nw.concat([here, gone])


def with_states(view: Table, value: str) -> Table:
    """Return the view with 0/1 columns of what became of its customers, judged by an amount.

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


# Tier moves -------------------------------------------------------------------------------------


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

# Retention and growth of the same customers ------------------------------------------------------


def _retention_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of opening customers: those retained, and their cents."""
    counts = nw.col(f"opening_in_{base}") * (1 - nw.col("arrived"))
    opened, closed = nw.col(f"opening_{AVERAGE}"), nw.col(f"closing_{AVERAGE}")
    return {
        "customers": counts,
        "retained": counts * nw.col(f"closing_in_{base}"),
        "opening_cents": counts * opened,
        "closing_cents": counts * closed,
        "kept_cents": counts * nw.min_horizontal(opened, closed),
    }


_RETENTION = (
    Measure("customer_retention", "retained"),
    Measure("asset_retention", "kept_cents", "opening_cents"),
    Measure("asset_retention_net", "closing_cents", "opening_cents"),
)
RETENTION = Question(
    "retention", _retention_columns, lambda _: _RETENTION, bases=_BASES, strata=("opening_tier",)
)


def _growth_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: cents and their change, of the same customers and of all."""
    opens = nw.col(f"opening_in_{base}") * (1 - nw.col("arrived"))
    closes = nw.col(f"closing_in_{base}") * (1 - nw.col("departed"))
    same = opens * nw.col("closing_there") * (1 - nw.col("departed"))
    before, after = nw.col(f"opening_{AVERAGE}"), nw.col(f"closing_{AVERAGE}")
    return {
        "customers": opens,
        "same_opening_cents": same * before,
        "same_change_cents": same * (after - before),
        "all_opening_cents": opens * before,
        "all_change_cents": closes * after - opens * before,
    }


_GROWTH = (
    Measure("same_customer_growth", "same_change_cents", "same_opening_cents"),
    Measure("all_customer_growth", "all_change_cents", "all_opening_cents"),
)
SAME_CUSTOMER_GROWTH = Question("growth", _growth_columns, lambda _: _GROWTH)

# Attrition ---------------------------------------------------------------------------------------


def with_attrition(
    pairs: Table, rule: AttritionRule, scheme: TierScheme, *, peers: str = "closing_branch_id"
) -> Table:
    """Return the pairs with `at_risk`, `change`, `median_change` and `attrition` (0 or 1).

    Warned (流失预警) is whose average fell by more than the median change of the same tier and
    branch, so that after harvest or the New Year the list does not hold everybody.
    """
    before, after = nw.col(f"opening_{AVERAGE}"), nw.col(f"closing_{AVERAGE}")
    table = pairs.with_columns(
        at_risk=flag(before >= cents_of(rule.lowest_average)) * nw.col("closing_there"),
        previous_tier=tier_name(before, scheme),
    )
    at_risk = nw.when(nw.col("at_risk") == 1)
    change = (after - before).cast(nw.Float64) / nw.max_horizontal(before, ONE).cast(nw.Float64)
    table = table.with_columns(change=at_risk.then(change))
    # Medians of groups, joined back: databases know no median over a window.
    those = table.filter(nw.col("at_risk") == 1)
    of_group = those.group_by(peers, "previous_tier").agg(
        group_size=nw.col("at_risk").sum(), group_median=nw.col("change").median()
    )
    of_tier = those.group_by("previous_tier").agg(tier_median=nw.col("change").median())
    table = table.join(of_group, on=[peers, "previous_tier"], how="left")
    table = table.join(of_tier, on="previous_tier", how="left")
    enough = nw.when(nw.col("group_size") >= rule.smallest_group)
    median = enough.then(nw.col("group_median")).otherwise(nw.col("tier_median"))
    table = table.with_columns(median_change=at_risk.then(median))
    beyond = nw.col("change") < nw.col("median_change") - rule.margin
    warned = flag(beyond & (nw.col("change") < 0))
    drop = ("previous_tier", "group_size", "group_median", "tier_median")
    return table.with_columns(attrition=warned).drop(*drop)


def _attrition_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of closing customers: at risk and warned of, and cents."""
    inside = nw.col("closing_there") * (1 - nw.col("departed"))
    before, after = nw.col(f"opening_{AVERAGE}"), nw.col(f"closing_{AVERAGE}")
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
    "attrition", _attrition_columns, lambda _: _ATTRITION, bases=("all",), needs=("attrition",)
)

# Dormancy between the dates ----------------------------------------------------------------------


def _flow_columns(policy: Policy, _: str) -> dict[str, nw.Expr]:
    """Return what is summed: who fell asleep, woke, arrived or left asleep, and their cents."""
    here = 1 - nw.col("departed")
    was_in, is_in = (nw.col(f"{date}_inside") * here for date in DATES)
    slept, sleeps = (nw.col(f"{date}_dormant") * here for date in DATES)
    value = f"{policy.dormancy.value}_cents"
    cents_before, cents_after = (nw.col(f"{date}_{value}") for date in DATES)
    newly, woken = sleeps * was_in * (1 - slept), slept * nw.col("closing_acted")
    return {
        "customers": is_in,
        "awake_opening": was_in * (1 - slept),
        "dormant_opening": slept,
        "newly_dormant": newly,
        "dormant_arrived": sleeps * (1 - was_in),
        "reactivated": woken,
        "dormant_moved": slept * is_in * (1 - sleeps) - woken,
        "dormant_left": slept * (1 - is_in),
        "dormant_closing": sleeps,
        "dormant_opening_cents": slept * cents_before,
        "newly_dormant_cents": newly * cents_after,
        "reactivated_cents": woken * cents_after,
        "returned_cents": woken * (cents_after - cents_before),
        "dormant_closing_cents": sleeps * cents_after,
    }


_FLOW_COUNTS = (
    "dormant_opening", "newly_dormant", "dormant_arrived", "reactivated", "dormant_moved",
    "dormant_left", "dormant_closing",
)  # fmt: skip
_FLOW = (
    *(Measure(name, name, None) for name in _FLOW_COUNTS),
    Measure("newly_dormant_rate", "newly_dormant", "awake_opening"),
    Measure("reactivation_rate", "reactivated", "dormant_opening"),
    Measure("dormant_opening_aum", "dormant_opening_cents", None),
    Measure("newly_dormant_aum", "newly_dormant_cents", None),
    Measure("reactivated_aum", "reactivated_cents", None),
    Measure("returned_aum", "returned_cents", None),
    Measure("dormant_closing_aum", "dormant_closing_cents", None),
)
DORMANCY_FLOW = Question("dormancy_flow", _flow_columns, lambda _: _FLOW)

# Tables with a shape of their own ------------------------------------------------------------------


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


def _tier_or_state(tier: str, states: dict[str, str]) -> nw.Expr:
    """Return the tier, or the last of the states whose 0/1 column says so."""
    name = nw.col(tier)
    for column, state in states.items():
        name = nw.when(nw.col(column) == 1).then(nw.lit(state)).otherwise(name)
    return name


def with_components(view: Table, value: str = PERIOD_END) -> Table:
    """Return the view with `<component>` (0 or 1) and `<component>_cents` of the growth bridge."""
    states = with_states(view, value)
    change = nw.col("closing_cents") - nw.col("opening_cents")
    explained = sum(
        (nw.col(name) for name in ("closed", "drained", "returned")), start=nw.col("new")
    )
    other = (1 - nw.col("departed")) * (1 - explained)
    parts = states.with_columns(
        opening=nw.col("opening_there") * (1 - nw.col("arrived")),
        closing=nw.col("closing_there") * (1 - nw.col("departed")),
        transferred_in=nw.col("arrived"),
        transferred_out=nw.col("departed"),
        change=change,
        grown=other * flag(change > 0),
        shrunk=other * flag(change < 0),
    )
    amounts = dict.fromkeys(COMPONENTS, nw.col("change")) | {
        "opening": nw.col("opening_cents"),
        "closing": nw.col("closing_cents"),
        "transferred_in": nw.col("opening_cents"),
        "transferred_out": -nw.col("opening_cents"),
    }
    return parts.with_columns(
        **{f"{name}_cents": nw.col(name) * amounts[name] for name in COMPONENTS}
    )


def bridge_rows(components: Table, *, by: Sequence[str]) -> pd.DataFrame:
    """Return the growth bridge per group: ten components with customers and amount in CNY."""
    names = [f"{name}{unit}" for unit in ("", "_cents") for name in COMPONENTS]
    totals = pd.DataFrame(
        collect_rows(sums(components, by, {name: nw.col(name) for name in names}))
    )
    totals = totals.sort_values([*by], ignore_index=True) if by else totals
    repeated = totals.loc[totals.index.repeat(len(COMPONENTS)), [*by]].reset_index(drop=True)
    return repeated.assign(
        component=list(COMPONENTS) * len(totals),
        customers=totals[[*COMPONENTS]].to_numpy().ravel(),
        amount=totals[[f"{name}_cents" for name in COMPONENTS]].to_numpy().ravel() / 100,
    )


# The change of assets, from the volumes of both dates -----------------------------------------------

_CHANGE = (
    Measure("aum_change", "change_cents", "opening_cents"),
    Measure("aum_change_by_number", "by_number_cents", "opening_cents"),
    Measure("aum_change_by_size", "by_size_cents", "opening_cents"),
)
AUM_CHANGE = Question("aum_change", lambda *_: {}, lambda _: _CHANGE)
"""Derived from the sums of `VOLUME` on both dates: see `aum_change_totals`."""


def aum_change_totals(opening: pd.DataFrame, closing: pd.DataFrame) -> pd.DataFrame:
    """Return the sums behind what a change of assets is made of (AUM变动分解).

    With N customers of mean m at each date: number effect = (N₁ − N₀)·(m₀ + m₁)/2, in whole cents;
    size effect is the rest. Where a date has nobody the whole change is of number. Both tables are
    indexed by group, with `customers` and `end_cents`.
    """
    before = opening[["customers", "end_cents"]].reindex(closing.index, fill_value=0)
    n0, n1 = before["customers"].to_numpy(float), closing["customers"].to_numpy(float)
    c0, c1 = before["end_cents"].to_numpy("int64"), closing["end_cents"].to_numpy("int64")
    with np.errstate(invalid="ignore", divide="ignore"):
        number = np.floor((n1 - n0) * (c0 / n0 + c1 / n1) / 2 + 0.5)
    by_number = np.where((n0 > 0) & (n1 > 0), number, c1 - c0).astype("int64")
    return pd.DataFrame(
        {
            "customers": closing["customers"],
            "opening_cents": c0,
            "change_cents": c1 - c0,
            "by_number_cents": by_number,
            "by_size_cents": c1 - c0 - by_number,
        },
        index=closing.index,
    )
