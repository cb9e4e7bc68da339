"""The headline measures: from a rival's sums by branch to the tables of an evaluation.

Both rivals work on the bank's files and end in a few hundred rows, `Sums`; the rest is the same.
Names that end in `_cents` are shown in CNY. A change of the default policy has to be made in both.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

BANK = "@bank"
DATES, BASES = ("opening", "closing"), ("all", "funded", "effective")
FAMILIES = ("deposit", "wealth", "fund", "insurance", "bond_metal", "loan", "credit_card")
FAMILIES += ("merchant_acquiring", "payroll")
TIERS = ("residual", "potential", "effective", "mid", "high", "private")
STATUSES = ("active", "active_small", "silent", "dormant")
TOPS = (1, 5, 10, 20)
KEYS = {
    "measures": ["quarter", "branch_id", "dimension", "member", "measure", "base"],
    "migration": ["branch_id", "from", "to"],
    "bridge": ["branch_id", "component"],
}
FIGURES = {
    "measures": ["n", "numerator", "denominator", "value"],
    "migration": ["customers", "opening_aum", "closing_aum"],
    "bridge": ["customers", "amount"],
}
RATE, CENT = 1e-9, 0.005
Tables = dict[str, pd.DataFrame]


_PARTS = "measure base n numerator denominator dimension member"
Measure = namedtuple("Measure", _PARTS, defaults=("", "", ""))
"""Which sum is divided by which, among whom."""


Sums = namedtuple("Sums", "levels concentration pairs")
"""What a rival computes: two tables by quarter, `concentration` with the whole bank; pairs."""


def period_ends(quarter: str) -> dict[str, pd.Timestamp]:
    """Return the quarter before and the quarter, each with its last day."""
    both = pd.period_range(end=pd.Period(quarter), periods=2)
    return {str(period): period.end_time.normalize() for period in both}


def files(folder: Path, table: str) -> list[str]:
    """Return the files of a table."""
    found = sorted(folder.glob(f"{table}*"))
    return [str(path) for path in found if path.stem.strip("_0123456789") == table]


def successors(folder: Path, until: pd.Timestamp) -> dict[str, str]:
    """Return branch merged away → the branch that has its customers on a day."""
    current: dict[str, str] = {}
    for name in files(folder, "branch_successors"):
        mergers = pd.read_csv(name, dtype=str).sort_values("effective_on")
        mergers = mergers[mergers["effective_on"] <= str(until.date())].set_index("old_branch_id")
        for old, new in mergers["new_branch_id"].items():
            current = {b: new if now == old else now for b, now in current.items()} | {old: new}
    return current


def level_measures() -> Iterator[Measure]:
    """Yield the measures of one date."""
    for base in BASES:
        n, average = f"customers_{base}", f"average_{base}_cents"
        yield Measure("customers", base, n, n)
        yield Measure("aum_period_end", base, n, f"end_{base}_cents")
        yield Measure("aum_average_quarter", base, n, average)
        yield Measure("aum_per_customer", base, n, average, n)
    for base in ("all", "funded"):
        n, total = f"customers_{base}", f"end_{base}_cents"
        for status in STATUSES:
            rate = "dormancy_rate" if status == "dormant" else f"{status}_rate"
            yield Measure(rate, base, n, f"{status}_{base}", n)
            if status in ("silent", "dormant"):
                yield Measure(f"{status}_aum_share", base, n, f"{status}_{base}_cents", total)
    n, total = "customers_funded", "average_funded_cents"
    yield Measure("products_per_customer", "funded", n, "families", n)
    for least, suffix in ((2, ""), (3, "_3"), (4, "_4")):
        yield Measure(f"multi_product_share{suffix}", "funded", n, f"at_least_{least}", n)
    for family in FAMILIES:
        yield Measure("penetration", "funded", n, f"holds_{family}", n, "family", family)
    yield Measure("managed_customers", "funded", n, "managed")
    yield Measure("managed_aum", "funded", n, "managed_cents")
    yield Measure("managed_share", "funded", n, "entitled_managed", "entitled")
    yield Measure("managed_aum_share", "funded", n, "managed_cents", total)
    yield Measure("contact_coverage", "managed", "customers_managed", "covered", "coverable")
    n, total = "customers_all", "average_all_cents"
    for tier in TIERS:
        members, money = f"tier_{tier}", f"tier_{tier}_cents"
        yield Measure("tier_customers", "all", n, members, "", "tier", tier)
        yield Measure("tier_customer_share", "all", n, members, n, "tier", tier)
        yield Measure("tier_aum", "all", n, money, "", "tier", tier)
        yield Measure("tier_aum_share", "all", n, money, total, "tier", tier)


def concentration_measures() -> Iterator[Measure]:
    """Yield the measures of concentration, all of the funded by balance at the period's end."""
    for name in ("gini", *(f"top_{percent}_share" for percent in TOPS)):
        yield Measure(name, "funded", "ranked", f"{name}_cents", "ranked_cents")
    yield Measure("share_of_customers_holding_80", "funded", "ranked", "holders_of_80", "ranked")


def retention_measures() -> Iterator[Measure]:
    """Yield the measures of what was kept between two dates."""
    for base in ("funded", "effective"):
        n, opening = f"opens_{base}", f"opening_{base}_cents"
        yield Measure("customer_retention", base, n, f"retained_{base}", n)
        yield Measure("asset_retention", base, n, f"kept_{base}_cents", opening)


def tables_of(sums: Sums) -> Tables:
    """Return what the package's evaluation is compared with."""
    parts, pairs = [], sums.pairs.fillna(0)
    for quarter, levels in sums.levels.items():
        by_branch = _with_bank(levels.set_index("branch").fillna(0))
        ranked = sums.concentration[quarter].set_index("branch")
        parts.append(_measures(by_branch, level_measures()).assign(quarter=quarter))
        parts.append(_measures(ranked, concentration_measures()).assign(quarter=quarter))
    kept = pairs.groupby("opening_branch").sum(numeric_only=True)
    kept = kept.reindex(kept.index.union(pairs["closing_branch"].unique()), fill_value=0)
    parts.append(_measures(_with_bank(kept), retention_measures()).assign(quarter=quarter))
    measures = pd.concat(parts, ignore_index=True)
    with duckdb.connect() as connection:
        connection.register("pairs", pairs)
        migration, bridge = (connection.sql(statement(n)).df() for n in ("migration", "bridge"))
    return {"measures": measures, "migration": migration, "bridge": bridge}


def statement(name: str) -> str:
    """Return a statement in SQL."""
    return (Path(__file__).with_name("sql") / f"{name}.sql").read_text(encoding="utf-8")


def _with_bank(by_branch: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([by_branch, by_branch.sum().to_frame(BANK).T])


def _measures(sums: pd.DataFrame, measures: Iterator[Measure]) -> pd.DataFrame:
    """Return measures in the shape of the evaluation, a block of branches for each."""
    amounts = {c: sums[c].astype(float) / (100 if c.endswith("_cents") else 1) for c in sums}
    amounts[""] = pd.Series(1.0, index=sums.index)
    blocks = []
    for measure in measures:
        parts = {name: amounts[getattr(measure, name)] for name in FIGURES["measures"][:3]}
        block = pd.DataFrame(parts)
        value = (block["numerator"] / block["denominator"]).where(block["denominator"] != 0)
        labels = {name: getattr(measure, name) for name in KEYS["measures"][2:]}
        blocks.append(block.assign(value=value, **labels))
    return pd.concat(blocks).rename_axis("branch_id").reset_index()


def package_tables(evaluation: Any, quarter: str) -> Tables:
    """Return of the package's evaluation what the rivals answer."""
    answered = [*level_measures(), *concentration_measures(), *retention_measures()]
    rows = evaluation.measures[evaluation.measures["quarter"].isin(list(period_ends(quarter)))]
    labels = pd.MultiIndex.from_frame(rows[["measure", "base"]])
    headline = rows[labels.isin([measure[:2] for measure in answered])]
    # What a longer bank knows of the pair of quarters before, the rivals and older commits do not.
    paired = headline["measure"].isin({kept.measure for kept in retention_measures()})
    headline = headline[~paired | (headline["quarter"] == quarter)]
    today = {name: getattr(evaluation, name) for name in ("migration", "bridge")}
    today = {name: table[table["structure"] == "today"] for name, table in today.items()}
    return {"measures": headline} | today


def disagreements(package: Tables, rival: Tables) -> list[str]:
    """Return what differs: counts, money to the cent, rates to 1e-9; a line for each column."""
    lines = []
    for name, keys in KEYS.items():
        both = package[name].merge(
            rival[name], "outer", keys, suffixes=("", "_rival"), indicator="side"
        )
        for side, owner in (("left_only", "package"), ("right_only", "rival")):
            for _, row in both[both["side"] == side][keys].head(1).iterrows():
                count = (both["side"] == side).sum()
                lines.append(f"{name}: {count:,} rows only of the {owner}, such as {dict(row)}")
        both = both[both["side"] == "both"]
        for column in FIGURES[name]:
            ours, theirs = (both[c].astype(float) for c in (column, f"{column}_rival"))
            near = RATE * np.maximum(1.0, ours.abs()) if column == "value" else CENT
            wrong = both[~((ours - theirs).abs() <= near) & ~(ours.isna() & theirs.isna())]
            for _, row in wrong.head(1).iterrows():
                example = f"{dict(row[keys])}: {row[column]}, rival {row[column + '_rival']}"
                lines.append(f"{name}.{column}: {len(wrong):,} differ, such as {example}")
    return lines
