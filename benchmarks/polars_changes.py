"""What became of the customers of one date by the next, in Polars."""

from __future__ import annotations

from functools import reduce
from operator import and_

import polars as pl

from stockcust_analysis.policy import AttritionRule


def side_by_side(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Return one row per customer of either date, `…_o` at the opening and `…_c` at the closing."""
    dated = [
        table.lazy().rename({name: f"{name}_{date}" for name in table.columns[1:]})
        .with_columns(pl.lit(True).alias(f"there_{date}"))
        for table, date in ((before, "o"), (now, "c"))
    ]  # fmt: skip
    both = dated[0].join(dated[1], on="customer_id", how="full", coalesce=True).drop("customer_id")
    flags = ("there", "funded", "funded_by_end", "effective", "asleep", "awake")
    filled = [pl.col(f"{name}_{d}").fill_null(False) for name in flags for d in "oc"]
    filled += [pl.col(f"{name}_{d}").fill_null(0) for name in ("average", "end") for d in "oc"]
    labels = [
        pl.col(f"{name}_{date}").fill_null(pl.col(f"{name}_{other}"))
        for name in ("branch_id", "issued", "tier")
        for date, other in ("oc", "co")
    ]
    return both.with_columns(*filled, *labels).collect(engine="streaming")


def pair_sums(both: pl.DataFrame, branch: str) -> pl.DataFrame:
    """Return the sums by opening and closing branch."""
    keys = {"opening_branch": f"{branch}_o", "closing_branch": f"{branch}_c"}
    counts, amounts = _movements()
    return (
        both.lazy()
        .group_by(**{name: pl.col(of) for name, of in keys.items()})
        .agg(
            **{name: _all(who).sum() for name, who in counts.items()},
            **{name: what.filter(_all(who)).sum() for name, (what, who) in amounts.items()},
        )
        .collect()
    )


_Conditions = tuple[pl.Expr, ...]


def _all(conditions: _Conditions) -> pl.Expr:
    return reduce(and_, conditions)


def _movements() -> tuple[dict[str, _Conditions], dict[str, tuple[pl.Expr, _Conditions]]]:
    """Return who is counted, and whose cents are added up."""
    c = pl.col
    was_in, is_in, there_o, there_c = c("funded_o"), c("funded_c"), c("there_o"), c("there_c")
    slept, sleeps, change = c("asleep_o"), c("asleep_c"), c("end_c") - c("end_o")
    newly, woken = (sleeps, was_in, ~slept), (slept, c("awake_c"))
    had, has = c("funded_by_end_o"), c("funded_by_end_c")
    states: dict[str, _Conditions] = {
        "new": (~there_o,), "closed": (~there_c,),
        "drained": (there_o, there_c, had, ~has), "returned": (there_o, there_c, ~had, has),
        "grown": (there_o, there_c, had == has, change > 0),
        "shrunk": (there_o, there_c, had == has, change < 0),
    }  # fmt: skip
    counts: dict[str, _Conditions] = states | {
        "opening": (there_o,), "closing": (there_c,),
        "stayed": (was_in, is_in), "starts": (was_in,),
        "upgraded": (was_in, is_in, c("tier_c") > c("tier_o")),
        "downgraded": (was_in, is_in, c("tier_c") < c("tier_o")),
        "judged": (is_in,), "awake_opening": (was_in, ~slept), "dormant_opening": (slept,),
        "newly_dormant": newly, "dormant_arrived": (sleeps, ~was_in), "reactivated": woken,
        "dormant_moved": (slept, is_in, ~sleeps, ~c("awake_c")),
        "dormant_left": (slept, ~is_in), "dormant_closing": (sleeps,),
    }  # fmt: skip
    amounts = {f"{name}_cents": (change, who) for name, who in states.items()}
    amounts |= {
        "opening_cents": (c("end_o"), (there_o,)), "closing_cents": (c("end_c"), (there_c,)),
        "all_opening_cents": (c("average_o"), (was_in,)),
        "all_closing_cents": (c("average_c"), (is_in,)),
        "same_opening_cents": (c("average_o"), (was_in, there_c)),
        "same_change_cents": (c("average_c") - c("average_o"), (was_in, there_c)),
        "dormant_opening_cents": (c("end_o"), (slept,)),
        "newly_dormant_cents": (c("end_c"), newly), "reactivated_cents": (c("end_c"), woken),
        "returned_by_waking_cents": (change, woken),
        "dormant_closing_cents": (c("end_c"), (sleeps,)),
    }  # fmt: skip
    for base in ("funded", "effective"):
        opens = c(f"{base}_o")
        counts |= {f"opens_{base}": (opens,), f"retained_{base}": (opens, c(f"{base}_c"))}
        before, after = c("average_o"), c("average_c")
        amounts |= {
            f"opening_{base}_cents": (before, (opens,)),
            f"closing_{base}_cents": (after, (opens,)),
            f"kept_{base}_cents": (pl.min_horizontal(before, after), (opens,)),
        }
    return counts, amounts


def cells_of(both: pl.DataFrame, branch: str) -> pl.DataFrame:
    """Return customers and cents by branches, tiers and what became of them."""
    stays = pl.col("there_o") & pl.col("there_c")
    had, has = pl.col("funded_o"), pl.col("funded_c")
    came = pl.when(~pl.col("there_o")).then(pl.lit("NEW"))
    came = came.when(stays & has & ~had).then(pl.lit("RETURNED")).otherwise(pl.lit(""))
    went = pl.when(~pl.col("there_c")).then(pl.lit("CLOSED"))
    went = went.when(stays & had & ~has).then(pl.lit("DRAINED")).otherwise(pl.lit(""))
    return (
        both.lazy()
        .group_by(
            opening_branch=pl.col(f"{branch}_o"), closing_branch=pl.col(f"{branch}_c"),
            opening_tier=pl.col("tier_o"), closing_tier=pl.col("tier_c"), came=came, went=went,
        )
        .agg(customers=pl.len(), opening_cents=pl.col("average_o").sum(),
             closing_cents=pl.col("average_c").sum())
        .collect()
    )  # fmt: skip


def attrition_of(both: pl.DataFrame, rule: AttritionRule) -> pl.DataFrame:
    """Return whose money is leaving faster than that of the branch's others in the same tier."""
    there = both.lazy().filter("there_c")
    change = (pl.col("average_c") - pl.col("average_o")) / pl.col("average_o")
    risk = there.filter(pl.col("average_o") >= round(rule.lowest_average * 100))
    risk = risk.select("average_o", "average_c", "tier_o", branch_id="branch_id_c", change=change)
    peers = ["branch_id", "tier_o"]
    usual = (
        pl.when(pl.len().over(peers) >= rule.smallest_group)
        .then(pl.col("change").median().over(peers))
        .otherwise(pl.col("change").median().over("tier_o"))
    )
    warned = (pl.col("change") < 0) & (pl.col("change") < usual - rule.margin)
    sums = risk.with_columns(warned=warned).group_by("branch_id").agg(
        at_risk=pl.len(), at_risk_cents=pl.col("average_o").sum(), warned=pl.col("warned").sum(),
        fall_cents=(pl.col("average_o") - pl.col("average_c")).filter("warned").sum(),
    )  # fmt: skip
    customers = there.group_by(branch_id="branch_id_c").agg(customers=pl.len())
    return customers.join(sums, on="branch_id", how="left").fill_null(0).collect()
