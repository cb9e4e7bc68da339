"""From the sums that a rival makes to the tables that `evaluate` returns; the same for all rivals.

What is here works on a few hundred rows, one per branch. Columns that end in `_cents` are told in
CNY. Every rival delivers `Sums`; `tables_of` turns them into `measures`, `lorenz`, `co_holding`,
`migration` and `bridge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.asked import BANK, LEFT_OUT, PERCENTS, STATUSES, Asked
from benchmarks.pair_answers import bridge_of, change_sums, migration_of
from stockcust_analysis.policy import Policy

Frame = pd.DataFrame


@dataclass(frozen=True)
class Sums:
    """What a rival computes over the big tables; one row per branch unless stated otherwise.

    `levels` and `concentration` are by quarter (its text) and hold the sums the catalogue names.
    `concentration` and `lorenz` (`branch_id, percent, value_share`, of the quarter asked about)
    hold the whole bank as well; all others are summed up to it here. `co_holding` has `n`,
    `holds_<family>` and `<a>|<b>` of the quarter asked about, `attrition` its sums. `pairs` has
    one row per opening and closing branch, `cells` one per opening and closing branch, tier and
    state; both by structure ("today", and "issued" where it differs).
    """

    levels: dict[str, Frame]
    concentration: dict[str, Frame]
    lorenz: Frame
    co_holding: Frame
    attrition: Frame
    pairs: dict[str, Frame]
    cells: dict[str, Frame]


class Measure(NamedTuple):
    """One measure of the catalogue: which sum is divided by which, among whom."""

    measure: str
    base: str
    n: str
    numerator: str
    denominator: str = ""
    dimension: str = ""
    member: str = ""


def tables_of(sums: Sums, asked: Asked) -> dict[str, Frame]:
    """Return the tables that `evaluate` returns."""
    policy = asked.policy
    told = []
    for quarter in asked.quarters:
        levels, name = with_bank(sums.levels[str(quarter)]), str(quarter)
        catalogue = level_measures(policy, managed=asked.has("assignments"))
        told.append(_measures(levels, catalogue).assign(quarter=name))
        concentrated = sums.concentration[name].set_index("branch_id")
        told.append(_measures(concentrated, concentration_measures()).assign(quarter=name))
    before, now = (with_bank(sums.levels[str(quarter)]) for quarter in asked.quarters)
    changes = change_sums(sums.pairs["today"], before, now).join(with_bank(sums.attrition))
    for measures in change_measures():
        present = changes[changes[measures[0].n].notna()]
        told.append(_measures(present, measures).assign(quarter=str(asked.quarter)))
    lorenz = sums.lorenz.assign(customer_share=sums.lorenz["percent"] / 100)
    return {
        "measures": pd.concat(told, ignore_index=True),
        "lorenz": lorenz.drop(columns="percent"),
        "co_holding": _co_holding(with_bank(sums.co_holding), policy),
        "migration": migration_of(sums.cells, policy.tiers.names),
        "bridge": bridge_of(sums.pairs),
    }


def with_bank(frame: Frame) -> Frame:
    """Return the sums by branch with the whole bank's, which are theirs added up."""
    sums = frame.set_index("branch_id").astype("int64")
    return pd.concat([sums, sums.sum().to_frame(BANK).T.rename_axis("branch_id")])


def _measures(sums: Frame, catalogue: Sequence[Measure]) -> Frame:
    """Return measures in the shape of the evaluation."""
    columns = {
        name: amount / 100 if name.endswith("_cents") else amount
        for name in sums.columns
        for amount in [sums[name].to_numpy("float64")]
    }
    ones = np.ones(len(sums))
    numerator = np.concatenate([columns[one.numerator] for one in catalogue])
    denominator = np.concatenate([columns.get(one.denominator, ones) for one in catalogue])
    labels = pd.DataFrame(catalogue, columns=Measure._fields).drop(
        columns=["n", "numerator", "denominator"]
    )
    told = labels.loc[labels.index.repeat(len(sums))].reset_index(drop=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(denominator == 0, np.nan, numerator / denominator)
    return told.assign(
        branch_id=np.tile(sums.index.to_numpy(), len(catalogue)),
        n=np.concatenate([columns[one.n] for one in catalogue]).astype("int64"),
        numerator=numerator,
        denominator=denominator,
        value=value,
    )


def level_measures(policy: Policy, *, managed: bool) -> list[Measure]:
    """Return the measures of one date, but for concentration."""
    measures = [*_volume(), *_dormancy(), *_cross_sell(policy), *_tiers(policy)]
    return measures + (_service(policy) if managed else [])


def _volume() -> Iterable[Measure]:
    for base in ("all", "funded", "effective"):
        n, average = f"customers_{base}", f"average_{base}_cents"
        yield Measure("customers", base, n, n)
        yield Measure("aum_period_end", base, n, f"end_{base}_cents")
        yield Measure("aum_average_quarter", base, n, average)
        yield Measure("aum_per_customer", base, n, average, n)
    for age in ("90_days", "6_months"):
        name = f"unused_openings_{age}"
        yield Measure(name, "all", "customers_all", f"unused_{age}", f"opened_{age}")


def _dormancy() -> Iterable[Measure]:
    for base in ("all", "funded"):
        n, total = f"customers_{base}", f"end_{base}_cents"
        for status in STATUSES:
            name = "dormancy_rate" if status == "dormant" else f"{status}_rate"
            yield Measure(name, base, n, f"{status}_{base}", n)
        for status in ("silent", "dormant"):
            yield Measure(f"{status}_aum_share", base, n, f"{status}_{base}_cents", total)


def _cross_sell(policy: Policy) -> Iterable[Measure]:
    for base in ("funded", "established"):
        n = f"customers_{base}"
        yield Measure("products_per_customer", base, n, f"families_{base}", n)
        for least in (2, 3, 4):
            name = "multi_product_share" + ("" if least == 2 else f"_{least}")
            yield Measure(name, base, n, f"at_least_{least}_{base}", n)
    n = "customers_funded"
    for count in range(4):
        labels = "families_held", str(count)
        yield Measure("product_count_share", "funded", n, f"exactly_{count}", n, *labels)
    labels = "families_held", "4+"
    yield Measure("product_count_share", "funded", n, "at_least_4_funded", n, *labels)
    for name in policy.families.names:
        yield Measure("penetration", "funded", n, f"holds_{name}", n, "family", name)
    for name in policy.families.channel_names:
        yield Measure("channel_penetration", "funded", n, f"uses_{name}", n, "family", name)


def _tiers(policy: Policy) -> Iterable[Measure]:
    n, total = "customers_all", "average_all_cents"
    for name in policy.tiers.names:
        label = "tier", name
        yield Measure("tier_customers", "all", n, f"tier_{name}", "", *label)
        yield Measure("tier_customer_share", "all", n, f"tier_{name}", n, *label)
        yield Measure("tier_aum", "all", n, f"tier_{name}_cents", "", *label)
        yield Measure("tier_aum_share", "all", n, f"tier_{name}_cents", total, *label)


def _service(policy: Policy) -> list[Measure]:
    n, funded = "customers_managed", "customers_funded"
    ratios = (
        ("contact_coverage", "covered", "coverable"),
        ("profile_completion", "profiled", "to_profile"),
        ("contact_due_share", "contact_due", n),
        ("hand_over_due_share", "hand_over_due", n),
        ("first_call_in_time", "called_in_time", "handed_over"),
        ("reclaim_due_share", "reclaim_due", n),
        ("set_aside_share", "set_aside", n),
        ("customers_per_manager", n, "managers"),
        ("customers_per_counter_manager", "managed_counter", "managers_counter"),
        ("customers_per_vip_manager", "managed_vip", "managers_vip"),
    )
    measures = [Measure(name, "managed", n, above, below) for name, above, below in ratios]
    measures += [
        Measure("managed_customers", "funded", funded, "managed_funded"),
        Measure("managed_aum", "funded", funded, "managed_funded_cents"),
        Measure("managed_share", "funded", funded, "entitled_managed", "entitled"),
        Measure("managed_aum_share", "funded", funded, "managed_funded_cents",
                "average_funded_cents"),
        Measure("vip_share", "funded", funded, "vip", funded),
    ]  # fmt: skip
    for tier in (target.tier for target in policy.coverage.profile_targets):
        measures.append(Measure("tier_profile_completion", "managed", n, f"profiled_{tier}",
                                f"to_profile_{tier}", "tier", tier))  # fmt: skip
    for name in (one.name for one in policy.coverage.classes):
        label = "customer_class", name
        measures += [
            Measure("class_customers", "managed", n, f"class_{name}", "", *label),
            Measure("class_customer_share", "managed", n, f"class_{name}", n, *label),
            Measure("class_aum", "managed", n, f"class_{name}_cents", "", *label),
            Measure("class_contact_coverage", "managed", n, f"in_time_{name}",
                    f"contactable_{name}", *label),
        ]  # fmt: skip
    last = policy.coverage.set_aside_after
    for number in range(1, last + 1):
        label = "round", f"{number}+" if number == last else str(number)
        for word, step in (
            ("answer", "answers"),
            ("appointment", "appointments"),
            ("sale", "sales"),
        ):
            measures.append(Measure(f"round_{word}_rate", "managed", n, f"round_{number}_{step}",
                                    f"round_{number}_contacts", *label))  # fmt: skip
    return measures


def concentration_measures() -> list[Measure]:
    """Return the measures of concentration, with and without the largest."""
    n, total = "customers", "total_cents"
    names = ["gini", *(f"top_{percent}_share" for percent in PERCENTS), "ten_largest_share",
             "herfindahl"]  # fmt: skip
    measures = [Measure(name, "funded", n, f"{name}_cents", total) for name in names]
    measures.append(Measure("share_of_customers_holding_80", "funded", n, "holders_of_80", n))
    for left_out in LEFT_OUT:
        measures += [
            Measure(f"{name}_without_{left_out}", "funded", f"customers_without_{left_out}",
                    f"{name}_without_{left_out}_cents", f"total_without_{left_out}_cents")
            for name in ("gini", "top_20_share")
        ]  # fmt: skip
    return measures


def change_measures() -> list[list[Measure]]:
    """Return the measures between two dates, by the groups that have a row."""
    stayed, after = "stayed", "after_funded"
    moves = [Measure(f"{name}_rate", "funded", stayed, f"{name}d", stayed)
             for name in ("upgrade", "downgrade", "net_upgrade")]  # fmt: skip
    kept = [
        [
            Measure("customer_retention", base, f"opens_{base}", f"retained_{base}",
                    f"opens_{base}"),
            Measure("asset_retention", base, f"opens_{base}", f"kept_{base}_cents",
                    f"opening_{base}_cents"),
            Measure("asset_retention_net", base, f"opens_{base}", f"closing_{base}_cents",
                    f"opening_{base}_cents"),
        ]
        for base in ("funded", "effective")
    ]  # fmt: skip
    growth = [Measure(f"{name}_customer_growth", "funded", "starts", f"{name}_change_cents",
                      f"{name}_opening_cents") for name in ("same", "all")]  # fmt: skip
    change = [Measure(name, "funded", after, f"{name}_cents", "before_funded_cents")
              for name in ("aum_change", "aum_change_by_number", "aum_change_by_size")]  # fmt: skip
    attrition = [
        Measure("attrition_warning_rate", "all", "customers", "warned", "at_risk"),
        Measure("attrition_outflow_share", "all", "customers", "fall_cents", "at_risk_cents"),
    ]
    counts = ("dormant_opening", "newly_dormant", "dormant_arrived", "reactivated",
              "dormant_moved", "dormant_left", "dormant_closing")  # fmt: skip
    flow = [Measure(name, "funded", "judged", name) for name in counts]
    flow += [Measure(f"{name}_aum", "funded", "judged", f"{name}_cents") for name in
             ("dormant_opening", "newly_dormant", "reactivated", "dormant_closing")]  # fmt: skip
    flow += [
        Measure("returned_aum", "funded", "judged", "returned_by_waking_cents"),
        Measure("newly_dormant_rate", "funded", "judged", "newly_dormant", "awake_opening"),
        Measure("reactivation_rate", "funded", "judged", "reactivated", "dormant_opening"),
    ]
    return [moves, *kept, growth, change, attrition, flow]


def _co_holding(held: Frame, policy: Policy) -> Frame:
    """Return how often families are held together, with intervals."""
    pairs = [
        pd.DataFrame({"family_a": a, "family_b": b, "n": held["n"],
                      "holders_a": held[f"holds_{a}"], "holders_b": held[f"holds_{b}"],
                      "both": held[f"{first}|{second}"]})
        for first, second in combinations(policy.families.names, 2)
        for a, b in ((first, second), (second, first))
    ]  # fmt: skip
    table = pd.concat(pairs).rename_axis("branch_id").reset_index().assign(base="funded")
    n, a, b, both = (table[c].astype(float) for c in ("n", "holders_a", "holders_b", "both"))
    a, b = a.replace(0, np.nan), b.replace(0, np.nan)
    z = NormalDist().inv_cdf(0.975)
    table["conditional_rate"], table["lift"] = both / a, both * n / (a * b)
    middle, spread = both + z * z / 2, z * np.sqrt(both * (a - both) / a + z * z / 4)
    table["rate_low"] = ((middle - spread) / (a + z * z)).clip(lower=0).where(both != 0, 0.0)
    table["rate_high"] = ((middle + spread) / (a + z * z)).clip(upper=1).where(both != a, 1.0)
    table[["rate_low", "rate_high"]] = table[["rate_low", "rate_high"]].where(a.notna(), np.nan)
    some = both.replace(0, np.nan)
    variance = 1 / some - 1 / a - 1 / b + (2 * table["lift"] - 1) / n.replace(0, np.nan)
    width = z * np.sqrt(variance.clip(lower=0))
    table["lift_low"] = table["lift"] * np.exp(-width)
    table["lift_high"] = table["lift"] * np.exp(width)
    return table
