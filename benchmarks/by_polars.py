"""The questions in Polars: lazy scans of Parquet, one row per customer collected once per date."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import combinations
from operator import add, and_, or_

import polars as pl

from benchmarks.answers import Sums
from benchmarks.asked import OBLIGING, STATUSES, Asked, Days, cents, exempting
from benchmarks.polars_changes import attrition_of, cells_of, pair_sums, side_by_side
from benchmarks.polars_concentration import concentration_of, lorenz_of, ranked
from benchmarks.polars_served import served_of, served_sums
from stockcust_analysis.policy import Policy

_AMOUNTS = {"aum_period_end": "end", "aum_average_month": "month", "aum_average_quarter": "average"}


def sums(asked: Asked, *, memory_limit: str | None = None) -> Sums:
    """Return the sums of a bank's quarter and the one before; Polars knows no memory limit."""
    levels, concentration, compared = {}, {}, []
    for quarter in asked.quarters:
        days = Days(quarter.end, asked.policy)
        facts = customer_facts(asked, days).collect(engine="streaming")
        table = facts.lazy().group_by("branch_id").agg(**level_sums(asked.policy)).collect()
        if asked.has("assignments"):
            served = served_of(facts.lazy(), asked, days)
            managed = served_sums(served, asked.policy)
            table = table.join(managed, on="branch_id", how="left").fill_null(0)
        levels[str(quarter)] = table.to_pandas()
        placed = ranked(facts)
        concentration[str(quarter)] = concentration_of(placed, facts).to_pandas()
        if quarter == asked.quarter:
            lorenz = lorenz_of(placed, facts).to_pandas()
            held = facts.group_by("branch_id").agg(**_held_together(asked.policy)).to_pandas()
        compared.append(_compared(facts))
        del facts, placed
    both = side_by_side(*compared)
    del compared
    moved = both.select((pl.col("branch_id_o") != pl.col("issued_o")).any()).item()
    structures = {"today": "branch_id"} | ({"issued": "issued"} if moved else {})
    pairs = {name: pair_sums(both, branch).to_pandas() for name, branch in structures.items()}
    cells = {name: cells_of(both, branch).to_pandas() for name, branch in structures.items()}
    attrition = attrition_of(both, asked.policy.attrition).to_pandas()
    return Sums(levels, concentration, lorenz, held, attrition, pairs, cells)


def customer_facts(asked: Asked, days: Days) -> pl.LazyFrame:
    """Return one row per customer in scope of a date, with what is counted."""
    policy = asked.policy
    held = _held(asked, days)
    table = _customers(asked, days).join(held, on="customer_id", how="left")
    table = table.with_columns(_filled(held))
    owes = pl.col("owes") | pl.col("obliged")
    funded, small = cents(policy.bases.funded), pl.col("end") < cents(policy.dormancy.cap or 0)
    acted = pl.col("moved_lately") | pl.col("matured_lately")
    status = (
        pl.when(acted & ~small).then(pl.lit(0))
        .when(acted).then(pl.lit(1))
        .when(~small | pl.col("exempt")).then(pl.lit(2))
        .otherwise(pl.lit(3))
    )  # fmt: skip
    families = [pl.col(f"holds_{name}").cast(pl.Int8) for name in policy.families.names]
    tiers = [(pl.col("average") >= cents(tier.lower)).cast(pl.Int8)
             for tier in policy.tiers.tiers[1:]]  # fmt: skip
    return table.with_columns(
        funded=(pl.col("average") >= funded) | owes,
        funded_by_end=(pl.col("end") >= funded) | owes,
        effective=pl.col("average") >= cents(policy.bases.effective),
        families=reduce(add, families),
        tier=reduce(add, tiers),
        status=status.cast(pl.Int8),
    ).with_columns(
        established=pl.col("funded") & pl.col("a_year")
    ).drop("owes", "obliged", "a_year", "moved_lately", "matured_lately", "exempt")  # fmt: skip


def _filled(held: pl.LazyFrame) -> list[pl.Expr]:
    """Return what is held, nothing where a customer has no account."""
    return [
        pl.col(name).fill_null(False if kind == pl.Boolean else 0)
        for name, kind in held.collect_schema().items()
        if name != "customer_id"
    ]


def _customers(asked: Asked, days: Days) -> pl.LazyFrame:
    """Return the customers in scope on today's structure."""
    policy, never = asked.policy, asked.policy.coverage.never_contact
    table = pl.scan_parquet(asked.files("customers")).filter(
        pl.col("as_of") == days.as_of,
        pl.col("customer_type").is_in(policy.customer_types),
        pl.col("closed_on").is_null() | (pl.col("closed_on") > days.as_of),
    )
    barred = pl.col("exclusion").is_in(never).fill_null(False)
    return table.select(
        "customer_id",
        pl.col("branch_id").replace(asked.successors()).alias("branch_id"),
        issued=pl.col("branch_id"),
        owes=(pl.col("loan_balance") > 0).fill_null(False),
        a_year=pl.col("relationship_since") <= days.established,
        moved_lately=(pl.col("last_active_on") > days.idle).fill_null(False),
        profiled=pl.col("profile_complete").fill_null(False),
        contactable=~(barred | pl.col("do_not_contact").fill_null(False)),
        **{to: (pl.col(of) * 100).cast(pl.Int64) for of, to in _AMOUNTS.items()},
    )


def _held(asked: Asked, days: Days) -> pl.LazyFrame:
    """Return what each customer holds: flags that one account suffices for, and new accounts."""
    policy = asked.policy
    families, channels = policy.families.families, policy.families.channels
    matures, product = pl.col("matures_on"), pl.col("product")
    shown = {
        "balance": pl.col("balance") > 0,
        "in_force": matures > days.as_of,
        "used": pl.col("used_recently"),
        "held": pl.lit(True),
    }

    def active(products: Iterable[str], evidence: Iterable[str]) -> pl.Expr:
        found = reduce(or_, (shown[name].fill_null(False) for name in evidence))
        return product.is_in(list(products)) & found

    flags = {f"holds_{one.name}": active(one.products, one.active_if) for one in families}
    unmatured = (matures > days.as_of) | matures.is_null()
    exempt = [active([name], evidence) for name, evidence in exempting(policy).items()]
    exempt.append((product == "time_deposit") & shown["balance"] & unmatured)
    used = reduce(or_, [*flags.values(), pl.col("last_active_on") > pl.col("opened_on")])
    flags |= {f"uses_{one.name}": active(one.products, one.active_if) for one in channels}
    flags |= {
        "obliged": reduce(or_, (active(one.products, one.active_if) for one in OBLIGING)),
        "exempt": reduce(or_, exempt),
        "matured_lately": (matures > days.idle) & (matures <= days.as_of),
    }
    counts, opened = {}, pl.col("opened_on")
    counted = product.is_in([name for one in families for name in one.products])
    for age, (first, last) in days.came_of_age.items():
        new = (counted & (opened > first) & (opened <= last)).fill_null(False)
        counts |= {f"opened_{age}": new, f"unused_{age}": new & ~used.fill_null(False)}
    accounts = pl.scan_parquet(asked.files("holdings")).filter(pl.col("as_of") == days.as_of)
    return accounts.group_by("customer_id").agg(
        **{name: flag.any() for name, flag in flags.items()},
        **{name: flag.sum() for name, flag in counts.items()},
    )


def level_sums(policy: Policy) -> dict[str, pl.Expr]:
    """Return the sums of one date."""
    everybody, status = pl.lit(True), pl.col("status")
    sums = {"customers_all": pl.len(), "customers_established": pl.col("established").sum()}
    for base in ("all", "funded", "effective"):
        among = everybody if base == "all" else pl.col(base)
        if base != "all":
            sums[f"customers_{base}"] = among.sum()
        for amount in ("end", "average"):
            sums[f"{amount}_{base}_cents"] = _sum(amount, None if base == "all" else among)
    for base in ("all", "funded"):
        for place, name in enumerate(STATUSES):
            who = status == place if base == "all" else (status == place) & pl.col("funded")
            sums[f"{name}_{base}"] = who.sum()
            sums[f"{name}_{base}_cents"] = _sum("end", who)
    for base in ("funded", "established"):
        sums[f"families_{base}"] = _sum("families", pl.col(base))
        for least in (2, 3, 4):
            sums[f"at_least_{least}_{base}"] = (pl.col(base) & (pl.col("families") >= least)).sum()
    funded, average = pl.col("funded"), pl.col("average")
    for count in range(4):
        sums[f"exactly_{count}"] = (funded & (pl.col("families") == count)).sum()
    flags = [f"holds_{name}" for name in policy.families.names]
    flags += [f"uses_{name}" for name in policy.families.channel_names]
    sums |= {name: (funded & pl.col(name)).sum() for name in flags}
    for place, name in enumerate(policy.tiers.names):
        sums[f"tier_{name}"] = (pl.col("tier") == place).sum()
        sums[f"tier_{name}_cents"] = _sum("average", pl.col("tier") == place)
    sums["entitled"] = (funded & (average >= cents(policy.coverage.manage_from))).sum()
    sums["vip"] = (funded & (average >= cents(policy.coverage.vip_from))).sum()
    for age in ("90_days", "6_months"):
        sums |= {name: pl.col(name).sum() for name in (f"opened_{age}", f"unused_{age}")}
    return sums


def _sum(name: str, who: pl.Expr | None) -> pl.Expr:
    """Return the sum of a column among some of the customers."""
    column = pl.col(name).cast(pl.Int64)
    return column.sum() if who is None else column.filter(who).sum()


def _held_together(policy: Policy) -> dict[str, pl.Expr]:
    """Return the counts of co-holding."""
    names = policy.families.names
    counts = {"n": [pl.col("funded")]}
    counts |= {f"holds_{name}": [pl.col("funded"), pl.col(f"holds_{name}")] for name in names}
    for a, b in combinations(names, 2):
        counts[f"{a}|{b}"] = [pl.col("funded"), pl.col(f"holds_{a}"), pl.col(f"holds_{b}")]
    return {name: reduce(and_, who).sum() for name, who in counts.items()}


def _compared(facts: pl.DataFrame) -> pl.DataFrame:
    """Return what is compared between two dates."""
    return facts.select(
        "customer_id", "branch_id", "issued", "average", "end", "tier", "funded", "funded_by_end",
        "effective", asleep=pl.col("funded") & (pl.col("status") == 3),
        awake=pl.col("funded") & (pl.col("status") < 2),
    )  # fmt: skip
