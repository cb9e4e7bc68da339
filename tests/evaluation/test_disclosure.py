"""What is circulated tells nobody more than the policy allows: proved by attacking it."""

from __future__ import annotations

import pandas as pd
import pytest

from stockcust_analysis.evaluation.disclosure import Circulated, circulated
from stockcust_analysis.evaluation.disclosure.recode import recoded, with_merged_tiers
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.policy import DisclosureRule
from tests.evaluation.attack import CONCENTRATION, MONEY_ROWS, SIGNED, Attack, Name
from tests.evaluation.small_banks import FACTS, random_bank

RULE = DisclosureRule()


def true_numbers(evaluation: Evaluation, told: Circulated) -> pd.DataFrame:
    """Return the measures with nothing withheld, the tiers merged as in the circulated set."""
    return with_merged_tiers(recoded(evaluation), told.merged)["measures"]


def small_counts(evaluation: Evaluation, told: Circulated) -> list[tuple[dict[Name, float], float]]:
    """Return every small count, printed or implied by a rate, as the attacker would name it."""
    found = []
    for row in true_numbers(evaluation, told).to_dict("records"):
        if row["measure"].startswith((*CONCENTRATION, "customers_per")) or row["measure"] in SIGNED:
            continue
        if any(word in row["measure"] for word in MONEY_ROWS):
            continue
        name = (row["quarter"], row["branch_id"], row["measure"], row["member"], row["base"])
        whole, part = (*name, "denominator"), (*name, "numerator")
        if 0 < row["numerator"] < RULE.smallest_cell:
            found.append(({part: 1.0}, row["numerator"]))
        rest = row["denominator"] - row["numerator"]
        if row["denominator"] != 1 and 0 < rest < RULE.smallest_cell:
            found.append(({whole: 1.0, part: -1.0}, rest))
    return found


def sensitive_amounts(
    evaluation: Evaluation, told: Circulated, facts: pd.DataFrame
) -> list[tuple[dict[Name, float], float]]:
    """Return every amount of few customers, or of which two hold nearly all."""
    keys = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
    rows = true_numbers(evaluation, told).merge(facts[FACTS], on=keys)
    two = rows["largest"] + rows["second_largest"].fillna(0)
    few = rows["contributors"].between(1, RULE.smallest_cell - 1)
    rows = rows[few | (two > RULE.two_largest * rows["numerator"] + 0.005)]
    rows = rows[(rows["numerator"] != 0) & ~rows["measure"].isin(SIGNED)]
    return [
        ({(r["quarter"], r["branch_id"], r["measure"], r["member"], r["base"], "numerator"): 1.0},
         r["numerator"])
        for r in rows.to_dict("records")
    ]  # fmt: skip


def too_close(
    attack: Attack,
    counts: list[tuple[dict[Name, float], float]],
    amounts: list[tuple[dict[Name, float], float]] = [],  # noqa: B006
) -> list[Name]:
    """Return the sensitive numbers that the attacker knows better than the policy allows."""
    found = []
    for terms, value in counts:
        low, high = attack.bounds(terms)
        assert low - 1e-4 <= value <= high + 1e-4, terms
        if low > 1e-4 or high < RULE.smallest_cell - 1e-4:
            found.append(next(iter(terms)))
    for terms, value in amounts:
        low, high = attack.bounds(terms)
        slack = 1e-4 * value + 0.02
        assert low - slack <= value <= high + slack, terms
        free = RULE.amount_protection * value
        if low > value - free + slack or high < value + free - slack:
            found.append(next(iter(terms)))
    return found


BANKS = [(1, 2, 60), (2, 3, 150), (3, 4, 90), (4, 5, 400), (5, 7, 300), (6, 9, 500), (7, 12, 700),
         (8, 17, 900), (9, 1, 40), (10, 6, 2_000)]  # fmt: skip


@pytest.mark.parametrize(("seed", "branches", "customers"), BANKS)
def test_no_attack_comes_closer_than_the_policy_allows(
    seed: int, branches: int, customers: int
) -> None:
    """On random banks no small count and no sensitive amount can be worked out from the tables."""
    evaluation, facts = random_bank(seed, branches=branches, customers=customers)
    told = circulated(evaluation, facts, RULE)
    assert told.exposed == 0
    counts = small_counts(evaluation, told)
    amounts = sensitive_amounts(evaluation, told, facts)
    assert counts
    assert too_close(Attack(told), counts, amounts) == []
