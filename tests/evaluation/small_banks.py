"""Random banks, small and nasty ones among them, as the tables an evaluation has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.policy import load_policy

NOW, BEFORE = "2026Q3", "2026Q2"
TIERS = load_policy().tiers.tiers
FAMILIES = ("deposit", "wealth", "fund", "loan")
STATUS = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
KEYS = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
FACTS = [*KEYS, "contributors", "largest", "second_largest"]


def random_bank(seed: int, *, branches: int, customers: int) -> tuple[Evaluation, pd.DataFrame]:
    """Return the evaluation of a random bank over two quarters, and its cell facts.

    Branches differ in size by a factor of up to fifty, balances are heavy-tailed, some customers
    come, leave and change branch.
    """
    random = np.random.default_rng(seed)
    weight = random.pareto(1.0, branches) + 0.1
    place = random.choice(branches, customers, p=weight / weight.sum())
    names = np.array([f"B{branch:03}" for branch in range(branches)])
    people = {}
    people[BEFORE] = pd.DataFrame(
        {
            "branch_id": names[place],
            "aum": np.round(random.lognormal(8.5, 2.5, customers), 2),
            "status": random.choice(STATUS, customers, p=[0.6, 0.2, 0.15, 0.05]),
            **{
                name: random.random(customers) < share
                for name, share in zip(FAMILIES, (1.0, 0.2, 0.04, 0.05), strict=True)
            },
        }
    )
    now = people[BEFORE].sample(frac=0.95, random_state=seed)
    now = now.assign(aum=np.round(now["aum"] * random.lognormal(0, 0.2, len(now)), 2))
    come = (
        people[BEFORE]
        .sample(frac=0.06, random_state=seed + 1)
        .set_index(pd.RangeIndex(customers, customers + round(0.06 * customers)))
    )
    people[NOW] = pd.concat([now, come])
    tables = [_measures(frame, quarter) for quarter, frame in people.items()]
    measures = pd.concat([measures for measures, _ in tables], ignore_index=True)
    facts = pd.DataFrame([row for _, rows in tables for row in rows], columns=FACTS)
    empty = pd.DataFrame(columns=["structure", "branch_id"])
    evaluation = Evaluation(
        quarter=Quarter.parse(NOW),
        bank_name="",
        policy_facts={
            "name": "random",
            "version": "1",
            "tiers": [
                {"name": tier.name, "lower": tier.lower, "zh": tier.zh, "en": tier.en}
                for tier in TIERS
            ],
        },
        branches=pd.DataFrame({"branch_id": names}),
        measures=measures,
        lorenz=pd.DataFrame(columns=["quarter", "branch_id", "customer_share", "value_share"]),
        co_holding=pd.DataFrame(
            columns=[
                "quarter",
                "branch_id",
                "family_a",
                "family_b",
                "base",
                "n",
                "holders_a",
                "holders_b",
                "both",
            ]
        ),
        migration=empty.assign(
            **dict.fromkeys(("from", "to", "customers", "opening_aum", "closing_aum"))
        ),
        bridge=_bridge(people[BEFORE], people[NOW]),
        targets=empty,
        reconciliation=empty,
    )
    return evaluation, facts


def _levels(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield from frame.groupby("branch_id")
    yield WHOLE_BANK, frame


def _measures(people: pd.DataFrame, quarter: str) -> tuple[pd.DataFrame, list[tuple[object, ...]]]:
    """Return the measures of a quarter, counted by hand, and the facts of their amounts."""
    rows: list[tuple[object, ...]] = []
    facts: list[tuple[object, ...]] = []
    borders = [tier.lower for tier in TIERS]
    names = np.array([tier.name for tier in TIERS])
    people = people.assign(
        tier=names[np.searchsorted(borders, people["aum"], side="right") - 1],
        families=people[list(FAMILIES)].sum(axis=1),
    )
    for branch, frame in _levels(people):
        for base, group in (("all", frame), ("funded", frame[frame["aum"] >= 100])):
            n = len(group)

            def rate(
                measure: str,
                top: float,
                bottom: float,
                dimension: str = "",
                member: str = "",
                base: str = base,
                n: int = n,
                branch: str = branch,
            ) -> None:
                value = top / bottom if bottom else np.nan
                rows.append(
                    (quarter, branch, dimension, member, measure, base, n, top, bottom, value)
                )

            def money(
                measure: str,
                amounts: pd.Series,
                bottom: float,
                dimension: str = "",
                member: str = "",
                base: str = base,
                branch: str = branch,
            ) -> None:
                rate(measure, round(float(amounts.sum()), 2), bottom, dimension, member)
                top = [*amounts[amounts != 0].abs().nlargest(2), np.nan, np.nan]
                facts.append(
                    (
                        quarter,
                        branch,
                        dimension,
                        member,
                        measure,
                        base,
                        int((amounts != 0).sum()),
                        *top[:2],
                    )
                )

            rate("customers", n, 1)
            for status in STATUS:
                rate(status, int((group["status"] == status).sum()), n)
            rate("inactive_rate", int(group["status"].isin(STATUS[2:]).sum()), n)
            for measure in ("aum_period_end", "aum_average_quarter"):
                money(measure, group["aum"], 1)
            silent = group["aum"].where(group["status"] == "silent_rate", 0.0)
            money("silent_aum_share", silent, round(float(group["aum"].sum()), 2))
            if base == "funded":
                held = group["families"].clip(upper=4)
                rate("products_per_customer", int(group["families"].sum()), n)
                rate("multi_product_share", int((held >= 2).sum()), n)
                for count in range(5):
                    rate(
                        "product_count_share",
                        int((held == count).sum()),
                        n,
                        "families_held",
                        "4+" if count == 4 else str(count),
                    )
                for family in FAMILIES:
                    rate("penetration", int(group[family].sum()), n, "family", family)
            else:
                whole = round(float(group["aum"].sum()), 2)
                for tier in names:
                    inside = group["tier"] == tier
                    rate("tier_customers", int(inside.sum()), 1, "tier", tier)
                    rate("tier_customer_share", int(inside.sum()), n, "tier", tier)
                    money("tier_aum", group["aum"].where(inside, 0.0), 1, "tier", tier)
                    money("tier_aum_share", group["aum"].where(inside, 0.0), whole, "tier", tier)
    numbers = ["numerator", "denominator", "value"]
    table = pd.DataFrame(rows, columns=[*KEYS, "n", *numbers])
    table.insert(1, "as_of", "")
    return table.astype(dict.fromkeys(numbers, float)), facts


def _bridge(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return the growth bridge; nobody moves between branches."""
    both = before.add_suffix("_then").join(now.add_suffix("_now"), how="outer")
    branch = both["branch_id_now"].fillna(both["branch_id_then"])
    then, after = both["aum_then"], both["aum_now"]
    change = (after - then).round(2)
    steps = {
        "opening": then,
        "new": after.where(then.isna()),
        "grown": change.where(change > 0),
        "shrunk": change.where(change < 0),
        "closed": -then.where(after.isna()),
        "closing": after,
    }
    steps |= {
        name: then.where(then < 0)
        for name in ("returned", "transferred_in", "transferred_out", "drained")
    }
    rows = []
    for name, group in _levels(both.assign(branch_id=branch)):
        for step, amounts in steps.items():
            here = amounts.loc[group.index]
            rows.append(("today", name, step, int(here.notna().sum()), round(here.sum(), 2)))
    return pd.DataFrame(
        rows, columns=["structure", "branch_id", "component", "customers", "amount"]
    )
