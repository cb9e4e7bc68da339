"""The managed customers of one date in Polars: manager, contacts, class, calls due."""

from __future__ import annotations

import polars as pl

from benchmarks.asked import APPOINTED, STEPS, Asked, Days, cents
from stockcust_analysis.policy import CoverageRule, Policy


def served_of(facts: pl.LazyFrame, asked: Asked, days: Days) -> pl.LazyFrame:
    """Return one row per managed customer."""
    cover = asked.policy.coverage
    assigned = pl.scan_parquet(asked.files("assignments"))
    began = assigned.filter(_in_force(days.contact)).select("customer_id").unique()
    managers = pl.scan_csv(asked.files("managers", "csv"), infer_schema=False)
    current = _current(assigned, cover, days)
    spoken = _spoken(asked, current, cover, days)
    table = (
        facts.select("customer_id", "branch_id", "tier", "average", "month", "profiled",
                     "contactable", "funded")
        .join(current, on="customer_id")
        .join(managers.select("manager_id", "role"), on="manager_id", how="left")
        .join(began.with_columns(throughout=True), on="customer_id", how="left")
        .join(spoken, on="customer_id", how="left")
        .with_columns(pl.col("sales", "without_sale", "^round_.*$").fill_null(0))
        .with_columns(known=pl.col("profiled") | (pl.col("sales") > 0))
    )  # fmt: skip
    peers = ["manager_id", "known"]
    score = sum(pl.col(name).rank("min", descending=True).over(peers).cast(pl.Int64)
                for name in ("average", "sales"))  # fmt: skip
    table = table.with_columns(score=score, size=pl.len().over("manager_id"))
    table = table.with_columns(place=pl.col("score").rank("min").over(peers).cast(pl.Int64))
    table = table.with_columns(group=_class(cover))
    due_by = pl.col("group").replace_strict(days.classes, return_dtype=pl.Date)
    return table.with_columns(
        coverable=pl.col("throughout").fill_null(False) & pl.col("contactable"),
        contacted_lately=(pl.col("last_contact_on") > days.contact).fill_null(False),
        reclaim_due=_since(pl.lit(days.reclaim)),
        contact_due=_since(due_by),
    )


def _in_force(day: object) -> pl.Expr:
    """Return which assignments are in force on a day."""
    ends = pl.col("valid_to")
    return (pl.col("valid_from") <= day) & (ends.is_null() | (ends >= day))


def _current(assigned: pl.LazyFrame, cover: CoverageRule, days: Days) -> pl.LazyFrame:
    """Return the assignment in force of each customer, the later where two overlap."""
    since, called = pl.col("valid_from"), pl.col("first_contact_on")
    handed_over = (
        (pl.col("reason") == "handover") & (since > days.contact) & (since <= days.first_call)
    ).fill_null(False)
    in_time = called <= since.dt.offset_by(f"{cover.first_call_days}d")
    return (
        assigned.filter(_in_force(days.as_of))
        .filter(since == since.max().over("customer_id"))
        .select("customer_id", "manager_id", managed_from=since, handed_over=handed_over,
                called_in_time=handed_over & in_time.fill_null(False))
    )  # fmt: skip


def _spoken(asked: Asked, current: pl.LazyFrame, cover: CoverageRule, days: Days) -> pl.LazyFrame:
    """Return what the contacts of each managed customer came to."""
    on, outcome = pl.col("contacted_on"), pl.col("outcome")
    effective, sold = outcome.is_in(cover.effective_outcomes), outcome == "sale"
    recent = on > days.contact
    round_of = pl.col("round").clip(upper_bound=cover.set_aside_after)
    steps = (recent, recent & effective, recent & outcome.is_in(APPOINTED), recent & sold)
    rounds = {
        f"round_{number}_{step}": (counts & (round_of == number)).sum()
        for number in range(1, cover.set_aside_after + 1)
        for step, counts in zip(STEPS, steps, strict=True)
    }
    last_sale = on.filter(sold).max()
    since_sale = last_sale.is_null() | (on > last_sale).fill_null(True)
    return (
        pl.scan_parquet(asked.files("contacts"))
        .filter(on <= days.as_of)
        .join(current.select("customer_id", "managed_from"), on="customer_id")
        .group_by("customer_id")
        .agg(
            last_contact_on=on.filter(effective).max(),
            sales=(sold & (on > days.purchase)).sum(),
            without_sale=(effective & since_sale & (on >= pl.col("managed_from"))).sum(),
            **rounds,
        )
    )


def _class(cover: CoverageRule) -> pl.Expr:
    """Return the class of a customer's place among those of his manager."""
    *shared, rest, unknown = cover.classes
    chain, taken = pl.when(~pl.col("known")).then(pl.lit(unknown.name)), 0
    for one in shared:
        taken += round(one.share * 100)
        within = (pl.col("place") - 1) * 100 < pl.col("size").cast(pl.Int64) * taken
        chain = chain.when(within).then(pl.lit(one.name))
    return chain.otherwise(pl.lit(rest.name))


def _since(limit: pl.Expr) -> pl.Expr:
    """Return who has been managed, and not spoken to, since a day."""
    silent = (pl.col("last_contact_on") <= limit).fill_null(True)
    return (pl.col("managed_from") <= limit) & silent


def served_sums(served: pl.LazyFrame, policy: Policy) -> pl.DataFrame:
    """Return the sums over the managed, one row per branch."""
    cover, free, funded = policy.coverage, pl.col("contactable"), pl.col("funded")
    average, manager = pl.col("average"), pl.col("manager_id")
    sums = {
        "customers_managed": pl.len(),
        "managed_funded": funded.sum(),
        "managed_funded_cents": average.filter(funded).sum(),
        "entitled_managed": (funded & (average >= cents(cover.manage_from))).sum(),
        "coverable": pl.col("coverable").sum(),
        "covered": (pl.col("coverable") & pl.col("contacted_lately")).sum(),
        "hand_over_due": (free & (pl.col("role") == "counter")
                          & (pl.col("month") >= cents(cover.vip_from))).sum(),
        "set_aside": (free & (pl.col("without_sale") >= cover.set_aside_after)).sum(),
        "managers": manager.n_unique(),
    }  # fmt: skip
    for name in ("contact_due", "handed_over", "called_in_time", "reclaim_due"):
        sums[name] = (free & pl.col(name)).sum()
    for role in ("counter", "vip"):
        ours = pl.col("role") == role
        sums |= {f"managed_{role}": ours.sum(), f"managers_{role}": manager.filter(ours).n_unique()}
    places = [policy.tiers.names.index(target.tier) for target in cover.profile_targets]
    wanted = {f"_{policy.tiers.names[place]}": pl.col("tier") == place for place in places}
    for name, who in (wanted | {"": pl.col("tier").is_in(places)}).items():
        sums |= {
            f"to_profile{name}": who.sum(),
            f"profiled{name}": (who & pl.col("profiled")).sum(),
        }
    for one in cover.classes:
        inside = pl.col("group") == one.name
        sums |= {
            f"class_{one.name}": inside.sum(),
            f"class_{one.name}_cents": average.filter(inside).sum(),
            f"contactable_{one.name}": (inside & free).sum(),
            f"in_time_{one.name}": (inside & free & ~pl.col("contact_due")).sum(),
        }
    return served.group_by("branch_id").agg(pl.col("^round_.*$").sum(), **sums).collect()
