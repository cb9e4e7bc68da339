"""A policy fitted to what a bank delivers: what it cannot be asked is left out, and said.

A bank without managers or plans is evaluated all the same. What nobody could ever answer, such as
a misspelt measure, stays in the policy and is refused by `check_policy_against`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from stockcust_analysis.evaluation.policy_check import Offer
from stockcust_analysis.measures.codebook import defined_measures
from stockcust_analysis.policy import AMONG_PEERS, Indicator, Policy


def fitted(
    policy: Policy, *, offers: Collection[Offer], targets: pd.DataFrame
) -> tuple[Policy, list[dict[str, str]]]:
    """Return the policy without what this bank delivers nothing for, and what was left out.

    Parameters
    ----------
    policy : Policy
        As read from its file.
    offers
        What the evaluation of this bank computes, as `offered` returns it.
    targets : DataFrame
        `branch_id, measure, target` of the quarter; empty where the bank sets none.

    Returns
    -------
    (Policy, list of dict)
        `where` (scorecard, veto or comparison), `measure` and `reason` (`not_delivered` or
        `no_plan`) of each thing left out. The scorecard is then of fewer points.
    """
    measured = {offer.measure for offer in offers}
    planned = set(targets["measure"])
    left_out: list[dict[str, str]] = []

    def delivered(where: str, measure: str) -> bool:
        if measure in measured or measure not in defined_measures():
            return True
        left_out.append({"where": where, "measure": measure, "reason": "not_delivered"})
        return False

    def has_plan(one: Indicator) -> bool:
        if one.target != "plan" or one.method in AMONG_PEERS or one.counted in planned:
            return True
        left_out.append({"where": "scorecard", "measure": one.counted, "reason": "no_plan"})
        return False

    card, compared = policy.scorecard, policy.comparison
    indicators = tuple(
        one for one in card.indicators if delivered("scorecard", one.counted) and has_plan(one)
    )
    vetoes = tuple(one for one in card.vetoes if delivered("veto", one.measure))
    measures = tuple(one for one in compared.measures if delivered("comparison", one.name))
    if not left_out:
        return policy, []
    groups = {one.group for one in indicators}
    card = replace(
        card,
        indicators=indicators,
        vetoes=vetoes,
        indicator_groups=tuple(one for one in card.indicator_groups if one.name in groups),
        points=sum(one.weight for one in indicators),
    )
    compared = replace(compared, measures=measures)
    return replace(policy, scorecard=card, comparison=compared), left_out
