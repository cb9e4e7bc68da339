"""Recoding, before anything is withheld: fewer and larger cells need less suppression.

The highest tiers are told together with the tier below when a branch has a small cell of one, in
all branches alike; the matrices of migration and co-holding, in which most cells of a branch are
small, and the rounds of contacts are told of the whole bank; earlier quarters are told of a branch
without their dimensions, which stand in the sets that were circulated then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.evaluation.disclosure.quantities import relations
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.policy import DisclosureRule

Tables = dict[str, pd.DataFrame]
_LABELS = {"tier", "from", "to"}


def recoded(evaluation: Evaluation) -> Tables:
    """Return the tables that may be circulated, with the detail they are circulated in."""
    measures = evaluation.measures
    of_bank = measures["branch_id"] == WHOLE_BANK
    now = measures["quarter"] == str(evaluation.quarter)
    detail = measures["dimension"].isin(relations()["bank_only_dimensions"])
    plain = measures["dimension"] == ""
    withheld = measures["measure"].isin(relations()["branch_only"])
    kept = measures[~withheld & (of_bank | plain | (now & ~detail))]
    return {
        "measures": kept.reset_index(drop=True),
        "migration": _of_bank(_today(evaluation.migration)),
        "bridge": _today(evaluation.bridge),
        "co_holding": _of_bank(evaluation.co_holding),
    }


def _today(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["structure"] == "today"].reset_index(drop=True)


def _of_bank(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["branch_id"] == WHOLE_BANK].reset_index(drop=True)


def merged_tiers(
    tables: Tables, tiers: list[Mapping[str, Any]], rule: DisclosureRule
) -> dict[str, str]:
    """Return the tiers to merge, and the name of the tier each is merged into.

    The highest goes first, into the one below it; a merged tier keeps the lower one's border and
    is called "… and above". Raises PolicyError when the policy would merge a tier below one that
    it would not, or all of them.
    """
    names = [str(tier["name"]) for tier in tiers]
    top = [name for name in names if name in rule.merged_tiers]
    if top != names[len(names) - len(top) :] or len(top) == len(names):
        raise PolicyError(
            f"disclosure: merged_tiers must be the highest tiers, and not all of them: "
            f"{', '.join(rule.merged_tiers)} of {', '.join(names)}."
        )
    rows = tables["measures"]
    counts = rows[(rows["measure"] == "tier_customers") & (rows["branch_id"] != WHOLE_BANK)]
    table = counts.pivot_table(
        index=["quarter", "branch_id"], columns="member", values="numerator", sort=True
    )
    merged: list[str] = []
    for name in reversed(top):
        cell = table.reindex(columns=[*merged, name]).sum(axis=1)
        if not ((cell >= 1) & (cell < rule.smallest_cell)).any():
            break
        merged.append(name)
    if not merged:
        return {}
    into = names[names.index(merged[-1]) - 1]
    return dict.fromkeys([*merged, into], f"{into}_and_above")


def with_merged_tiers(tables: Tables, names: Mapping[str, str]) -> Tables:
    """Return the tables with tiers merged."""
    if not names:
        return tables
    measures, migration = tables["measures"], tables["migration"]
    moves = migration.assign(**{side: migration[side].replace(names) for side in ("from", "to")})
    keys = ["structure", "branch_id", "from", "to"]
    return tables | {
        "measures": _merged_measures(measures, names),
        "migration": moves.groupby(keys, sort=False, as_index=False).sum(),
    }


def _merged_measures(measures: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the measures with the rows of merged tiers added up."""
    tier = measures["dimension"].eq("tier") & measures["member"].isin(list(names))
    rows = measures[tier].assign(member=measures.loc[tier, "member"].map(names))
    keys = [c for c in measures if c not in ("n", "numerator", "denominator", "value")]
    groups = rows.groupby(keys, sort=False)
    told = groups.agg(
        n=("n", "first"), numerator=("numerator", "sum"), whole=("denominator", "first"),
        summed=("denominator", "sum"),
    ).reset_index()  # fmt: skip
    summed = told["measure"].isin(relations()["summed_denominators"])
    told["denominator"] = told["whole"].mask(summed, told["summed"])
    told["value"] = told["numerator"] / told["denominator"].where(told["denominator"] != 0)
    told.index = pd.Index(rows.index[~rows.duplicated(keys)])
    kept = pd.concat([measures[~tier], told[list(measures.columns)]])
    return kept.sort_index().reset_index(drop=True)


def merged_facts(facts: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the cell facts with those of merged tiers put together."""
    tier = facts["dimension"].eq("tier") & facts["member"].isin(list(names))
    if not tier.any():
        return facts
    rows = facts[tier].assign(member=facts.loc[tier, "member"].map(names))
    keys = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
    largest = rows.melt(keys, ["largest", "second_largest"], value_name="amount").dropna()
    order = largest.sort_values("amount", ascending=False).groupby(keys)["amount"]
    told = pd.DataFrame(
        {
            "contributors": rows.groupby(keys)["contributors"].sum(),
            "largest": order.max(),
            "second_largest": order.apply(lambda amounts: amounts.iloc[1:2].sum()),
        }
    )
    return pd.concat([facts[~tier], told.reset_index()], ignore_index=True)


def merged_words(
    tiers: list[Mapping[str, Any]], names: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return the tiers as a page prints them, the merged ones as one.

    >>> tiers = [{"name": "high", "lower": 5, "zh": "高端", "en": "High"},
    ...          {"name": "private", "lower": 6, "zh": "私行", "en": "Private"}]
    >>> merged_words(tiers, {"private": "high_and_above", "high": "high_and_above"})
    [{'name': 'high_and_above', 'lower': 5, 'zh': '高端及以上', 'en': 'High and above'}]
    """
    told = [tier for tier in tiers if tier["name"] not in names]
    merged = [tier for tier in tiers if tier["name"] in names]
    if merged:
        low = merged[0]
        words = {"zh": f"{low['zh']}及以上", "en": f"{low['en']} and above"}
        told.append({**low, "name": names[low["name"]], **words})
    return told
