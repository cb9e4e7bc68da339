"""What is circulated tells nobody more than the policy allows: proved by attacking it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from stockcust_analysis import make_bank
from stockcust_analysis.disclosure import (
    Limits,
    Protected,
    Relations,
    protect,
    search,
    suppression,
    system,
)
from stockcust_analysis.disclosure.numbers import numbers_of, quantities_of
from stockcust_analysis.disclosure.search import Problem, Protection, find_complementary
from stockcust_analysis.disclosure.suppression import merge_facts, merge_members
from stockcust_analysis.disclosure.system import system_of
from stockcust_analysis.errors import ReportError
from stockcust_analysis.evaluation import review
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.relations import relations
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.evaluation.review import make_review, recode
from stockcust_analysis.policy import DisclosureRule, load_policy
from stockcust_analysis.policy.service import CustomerClass
from stockcust_analysis.show.wording import assumptions
from tests.engines.banks import in_polars
from tests.evaluation.attack import CONCENTRATION, MONEY_ROWS, SIGNED, Attack, Name
from tests.evaluation.small_banks import FACTS, random_bank

POLICY = load_policy()
RULE = DisclosureRule()


class Circulated(NamedTuple):
    """An evaluation as it is circulated, and what was done to it."""

    evaluation: Evaluation
    protected: Protected


def circulate(evaluation: Evaluation, facts: pd.DataFrame, *earlier: Evaluation) -> Circulated:
    """Return what is circulated of an evaluation with these cell facts."""
    with_facts = replace(evaluation, cells=facts)
    return Circulated(*review.circulate(with_facts, POLICY, earlier=earlier))


bank_of = cache(random_bank)
"""Random banks by seed, number of branches and of customers, each made once."""


@cache
def made_quarter(branches: int, customers: int, quarters: int, quarter: str) -> Evaluation:
    """Return the evaluation of a bank with lists, contacts, migration and growth bridge."""
    bank = make_bank(branches=branches, customers=customers, quarters=quarters, seed=11)
    return evaluate(
        in_polars(bank, Path()), quarter=quarter, first_quarter=quarters < 5, sizes=True
    )


@cache
def circulated_of(seed: int, branches: int, customers: int) -> Circulated:
    """Return what is circulated of a random bank."""
    return circulate(*bank_of(seed, branches=branches, customers=customers))


def true_numbers(evaluation: Evaluation, told: Circulated) -> pd.DataFrame:
    """Return the measures with nothing withheld, the tiers merged as in the circulated set."""
    return merge_members(recode(evaluation), told.protected.merged, relations(POLICY))["measures"]


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


def small_steps(evaluation: Evaluation, told: Circulated) -> list[tuple[dict[Name, float], float]]:
    """Return every small count of the migration and of the growth bridge."""
    tables = merge_members(recode(evaluation), told.protected.merged, relations(POLICY))
    now = str(evaluation.quarter)
    names = [
        ((now, r["branch_id"], "migration", r["from"], r["to"], "customers"), r["customers"])
        for r in tables["migration"].to_dict("records")
    ]
    names += [
        ((now, r["branch_id"], "bridge", r["component"], "customers"), r["customers"])
        for r in tables["bridge"].to_dict("records")
    ]
    return [({name: 1.0}, n) for name, n in names if 0 < n < RULE.smallest_cell]


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
        (
            {
                (
                    r["quarter"],
                    r["branch_id"],
                    r["measure"],
                    r["member"],
                    r["base"],
                    "numerator",
                ): 1.0
            },
            r["numerator"],
        )
        for r in rows.to_dict("records")
    ]


def too_close(
    attack: Attack,
    counts: list[tuple[dict[Name, float], float]],
    amounts: list[tuple[dict[Name, float], float]] = [],  # noqa: B006
) -> list[Name]:
    """Return the sensitive numbers that the attacker knows better than the policy allows."""
    found = []
    for terms, value in counts:
        low, high = attack.bounds(terms, (min(1e-4, value), max(RULE.smallest_cell, value)))
        assert low - 1e-4 <= value <= high + 1e-4, terms
        if low > 1e-4 or high < RULE.smallest_cell - 1e-4:
            found.append(next(iter(terms)))
    for terms, value in amounts:
        free = RULE.amount_protection * value
        low, high = attack.bounds(terms, (value - free, value + free))
        slack = 1e-4 * value + 0.02
        assert low - slack <= value <= high + slack, terms
        if low > value - free + slack or high < value + free - slack:
            found.append(next(iter(terms)))
    return found


BANKS = [
    (1, 2, 60),
    (2, 3, 150),
    (6, 9, 500),
    pytest.param(7, 12, 700, marks=pytest.mark.slow),
    (9, 1, 40),
    (10, 6, 2_000),
]


@pytest.mark.parametrize(("seed", "branches", "customers"), BANKS)
def test_no_attack_comes_closer_than_the_policy_allows(
    seed: int, branches: int, customers: int
) -> None:
    """On random banks no small count and no sensitive amount can be worked out from the tables."""
    evaluation, facts = bank_of(seed, branches=branches, customers=customers)
    told = circulated_of(seed, branches, customers)
    assert told.protected.exposed == 0
    counts = small_counts(evaluation, told)
    assert counts
    assert (
        too_close(Attack(told.evaluation), counts, sensitive_amounts(evaluation, told, facts)) == []
    )


@pytest.mark.parametrize(
    ("branches", "customers", "quarters", "quarter"),
    [(8, 800, 2, "2026Q2"), pytest.param(10, 1_500, 5, "2026Q3", marks=pytest.mark.slow)],
)
def test_no_attack_succeeds_on_all_that_a_bank_circulates(
    branches: int, customers: int, quarters: int, quarter: str
) -> None:
    """Of a bank with lists, contacts, migration and growth bridge: everything that is printed."""
    evaluation = made_quarter(branches, customers, quarters, quarter)
    told = circulate(evaluation, evaluation.cells)
    assert told.protected.exposed == 0
    attack, facts = Attack(told.evaluation), evaluation.cells
    facts = merge_facts(facts, told.protected.merged, relations(POLICY))
    counts = small_counts(evaluation, told) + small_steps(evaluation, told)
    assert too_close(attack, counts, sensitive_amounts(evaluation, told, facts)) == []


def test_what_is_known_of_the_best_classes_holds_as_they_are_made() -> None:
    """A manager of 100 has 33 in each of two classes of a third: 66 of the 100, and no 67."""
    shares = {"A": 1 / 3, "B": 1 / 3, "C": 0.0, "D": 0.0}
    classes = [CustomerClass(name, share, 1) for name, share in shares.items()]
    policy = replace(POLICY, coverage=replace(POLICY.coverage, classes=tuple(classes)))
    sizes, held = {"A": 33, "B": 33, "C": 34}, []
    for one in relations(policy).sums:
        if one["whole"].endswith("*class_customers[customer_class=A]"):
            terms = [re.fullmatch(r"(-?\d+)\\*.*=(\w)\]", n) for n in (one["whole"], *one["parts"])]
            numbers = [int(term[1]) * sizes[term[2]] for term in terms if term]
            held.append(numbers[0] - sum(numbers[1:]))
    assert held == [67 * 33 - 33 * (33 + 34), 34 * (33 + 33) - 66 * 34] == [0, 0]


def test_few_between_a_rules_border_and_a_tiers_do_not_follow_from_both() -> None:
    """High are from 500,000, VIPs from 600,000: the balance of one between them would be known."""
    coverage = replace(POLICY.coverage, vip_from=600_000, manage_from=60_000)
    policy = replace(POLICY, coverage=coverage)
    bank = make_bank(branches=8, customers=3_000, quarters=2, seed=11)
    quarter = {"quarter": "2026Q2", "first_quarter": True, "sizes": True}
    truth = evaluate(in_polars(bank, Path()), policy=policy, **quarter)
    told, result = review.circulate(truth, policy)
    assert (result.exposed, result.merged) == (0, {})

    def between(evaluation: Evaluation) -> pd.Series:
        rows = evaluation.measures[evaluation.measures["quarter"] == "2026Q2"]
        vips = rows[(rows["measure"] == "vip_share") & (rows["base"] == "funded")]
        tiers = rows[
            (rows["measure"] == "tier_customers") & rows["member"].isin(["high", "private"])
        ]
        number = tiers.groupby("branch_id")["numerator"].sum(min_count=2)
        return number.drop("@bank") - vips.set_index("branch_id")["numerator"]

    assert between(truth).between(1, 4).sum() > 2
    assert not between(told).between(1, 4).any()


@pytest.mark.slow
def test_every_declared_sum_is_one_of_the_tables() -> None:
    """A sum of a number that stands nowhere in the tables would protect nothing."""
    evaluation, known = made_quarter(10, 1_500, 5, "2026Q3"), relations(POLICY)
    quantities, _, _ = quantities_of(numbers_of(recode(evaluation), "2026Q3", known), known)
    for relation in known.sums:
        if "opening:" in str(relation):  # copied from the quarter before only for the proof
            continue
        alone = replace(quantities, declared=replace(known, sums=[relation]))
        assert [*system._sums(alone, alone.column)], relation


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_branch_opened_in_the_quarter_stops_no_edition(seed: int) -> None:
    """Few came to it from others: what retention counts by branch differs from the flow there."""
    bank = make_bank(branches=12, customers=4_000, quarters=2, seed=seed)
    evaluation = evaluate(bank, quarter="2026Q2", first_quarter=True, sizes=True)
    assert circulate(evaluation, evaluation.cells).protected.exposed == 0


def test_without_profiles_no_sum_is_claimed_of_them() -> None:
    """The managed are those with a target for their profile only where every tier has one."""
    bank = make_bank(branches=8, customers=800, quarters=2, seed=11)
    bank["customers"] = bank["customers"].drop(columns="profile_complete")
    evaluation = evaluate(in_polars(bank, Path()), quarter="2026Q2", first_quarter=True, sizes=True)
    assert circulate(evaluation, evaluation.cells).protected.exposed == 0


def test_a_difference_of_totals_is_not_circulated() -> None:
    """It may be one account that was set aside; that tables agree is said to the cent."""
    evaluation, facts = bank_of(2, branches=3, customers=150)
    checks = pd.DataFrame(
        [("customers_and_accounts", 9.5, 9.5, 0.0), ("ledger_and_accounts", 12.0, 9.5, 2.5)],
        columns=["check", "left", "right", "difference"],
    )
    told = circulate(replace(evaluation, reconciliation=checks), facts).evaluation.reconciliation
    assert told["check"].tolist() == checks["check"].tolist()
    assert told["difference"].isna().tolist() == [False, True]
    assert told.loc[1, ["left", "right"]].isna().all()


def test_who_are_one_person_is_not_circulated() -> None:
    """Funded numbers and persons may differ by one, and the rates beside them by one dormant."""
    evaluation, facts = bank_of(2, branches=3, customers=150)
    unit = {"several": 9, "customers": [459.0, 450.0], "funded": [300.0, 299.0]}
    unit |= {"dormancy_rate": [0.01, 2 / 299], "multi_product_share": [0.3, 0.31]}
    joined = {**evaluation.policy_facts, "unit": unit}
    told = circulate(replace(evaluation, policy_facts=joined), facts).evaluation.policy_facts
    [said, *_] = assumptions(told, "en")
    assert said == "Counted by person: the customer numbers of one person are one in every figure. "


def test_what_is_made_of_two_quarters_is_not_printed_beside_a_gap_of_either() -> None:
    """A's 3 customers before follow from what their number brings, its AUM and today's 30."""
    numbers = {"A": (3, 30), "B": (40, 41), "C": (50, 52), "D": (60, 66), "E": (70, 77)}
    numbers["@all"] = tuple(map(sum, zip(*numbers.values(), strict=True)))
    rows = []
    for unit, (before, now) in numbers.items():
        labels = {"branch_id": unit, "dimension": "", "member": "", "base": "all"}
        figures = ("2026Q2", "customers", before), ("2026Q3", "customers", now)
        for quarter, measure, value in (*figures, ("2026Q3", "brought", 100 + now * now)):
            parts = {"n": value, "numerator": value, "denominator": 1.0, "value": value}
            rows.append(labels | {"quarter": quarter, "measure": measure} | parts)
    rates = pd.DataFrame(rows)
    known = Relations("@all", {"customers": [], "brought": []}, derived={"brought": ["customers"]})
    facts = rates.head(0).assign(contributors=[], largest=[], second_largest=[])
    curve = facts[["quarter", "branch_id"]].assign(customer_share=[], value_share=[])
    tables, limits = {"measures": rates, "cells": facts, "lorenz": curve}, Limits(5, 0.85, 0.2, 100)
    told = protect(tables, known, limits, quarter="2026Q3", previous="2026Q2").tables["measures"]
    gaps = set(told.loc[told["withheld"] & (told["quarter"] == "2026Q2"), "branch_id"])
    brought = told[told["measure"] == "brought"].set_index("branch_id")
    assert "A" in gaps and len(gaps) < len(brought)
    assert set(brought.index[brought["withheld"]]) == gaps
    parts = brought[["n", "numerator", "denominator", "value"]]
    assert parts.loc[sorted(gaps)].isna().all(axis=None)
    assert parts.drop(index=[*gaps]).notna().all(axis=None)


def test_what_a_batch_cannot_protect_larger_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where batches are small for a bank, as with hundreds of branches, others help, and enough."""
    monkeypatch.setattr(search, "_LARGEST_BATCH", 2)
    for name, size in (("_LARGEST_SQUARE", 3), ("_HELPERS", 2)):
        monkeypatch.setattr(search, name, size)
    helped = []
    in_squares = search._protect_in_squares

    def noted(state: object, unsafe: np.ndarray, branches: int, *, yielding: bool) -> np.ndarray:
        helped.append(unsafe.sum())
        return in_squares(state, unsafe, branches, yielding=yielding)

    monkeypatch.setattr(search, "_protect_in_squares", noted)
    evaluation, facts = bank_of(4, branches=5, customers=400)
    told = circulate(evaluation, facts)
    assert max(helped) > 20
    assert told.protected.exposed == 0
    counts = small_counts(evaluation, told)
    assert (
        too_close(Attack(told.evaluation), counts, sensitive_amounts(evaluation, told, facts)) == []
    )


@pytest.mark.parametrize("others", [1, 2, 40])
def test_a_customer_two_branches_share_is_known_to_the_other_alone(others: int) -> None:
    """One of branch 0 came from branch 1: no gap hides him there, but it does from all others.

    The cells: what branch 0 has of the two, what branch 1 has, their sum, and a count of each
    branch that adds up to the bank's.
    """
    branches = others + 1
    values = np.array([1.0, 6.0, 7.0, *[6.0] * branches, 6.0 * branches])
    equations = np.zeros((2, len(values)))
    equations[0, :3] = 1, 1, -1
    equations[1, 3:] = [*[1.0] * branches, -1]
    sensitive = np.arange(len(values)) == 0
    no = np.zeros(len(values), bool)
    problem = Problem(
        values,
        csr_array(equations),
        np.array([0, 1, -1, *range(branches), -1]),
        np.ones(len(values)),
        np.where(sensitive, [[4.0], [1.0]], 0.0),
        signed=no,
        fixed=np.arange(len(values)) == 2,
        gone=no,
    )
    found = find_complementary(problem, branches)
    assert np.flatnonzero(found.known_to_one).tolist() == [0]
    assert not found.exposed.any()
    assert np.flatnonzero(found.withheld).tolist() == [0, 1]
    known = replace(problem, fixed=np.isin(np.arange(len(values)), [1, 2]))
    assert np.flatnonzero(find_complementary(known, branches).exposed).tolist() == [0]


def test_counts_and_amounts_never_meet_in_an_equation() -> None:
    """They are protected apart from each other, so no equation may hold both."""
    evaluation, _ = bank_of(6, branches=9, customers=500)
    numbers = numbers_of(recode(evaluation), "2026Q3", relations(POLICY))
    quantities, _, _ = quantities_of(numbers, relations(POLICY))
    system = system_of(quantities, "2026Q3", "2026Q2")
    there = abs(system.equations).sign()
    amounts = there @ system.money.astype(float)
    assert amounts.any()
    np.testing.assert_array_equal(amounts, np.where(amounts, there.sum(axis=1), 0))


def test_only_the_circulated_edition_loads_disclosure_control() -> None:
    """An internal edition is made, and every module of a run loaded, without any of it."""
    code = (
        "import sys\n"
        "from tests.report.small_review import small_review\n"
        "import stockcust_analysis.cli, stockcust_analysis.report.quarter\n"
        "import stockcust_analysis.report.workbook, stockcust_analysis.report.index_html\n"
        "import stockcust_analysis.show.pages\n"
        "assert small_review().edition == 'internal'\n"
        "print(*{'stockcust_analysis.disclosure'} & {*sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


def test_a_set_that_gives_something_away_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure that stays exposed stops the review with one error, unless an issued set told it."""
    evaluation, _ = bank_of(2, branches=3, customers=150)
    told = circulated_of(2, 3, 150)
    exposed = told._replace(protected=replace(told.protected, exposed=3))
    issued = (review.Review(told.evaluation, "circulated"),)
    monkeypatch.setattr(review, "circulate", lambda *_, **__: exposed)
    for known in ((), issued):  # of what needs no issued set, none is to blame
        with pytest.raises(ReportError, match=r"3 figures of 2026Q3 .* was not written"):
            make_review(evaluation, policy=load_policy(), edition="circulated", issued=known)
    by_issued = {True: exposed, False: told}
    monkeypatch.setattr(review, "circulate", lambda *_, earlier=(): by_issued[bool(earlier)])
    made = make_review(evaluation, policy=load_policy(), edition="circulated", issued=issued)
    assert made.exposed == 3


def test_the_attack_finds_what_is_not_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without complementary suppression the same attack works small counts and amounts out."""

    def primary_alone(problem: Problem, branches: int) -> Protection:
        del branches
        none = np.zeros(len(problem.values), bool)
        return Protection((problem.need[0] > 0) & (problem.printed > 0), none, none)

    monkeypatch.setattr(suppression, "find_complementary", primary_alone)
    evaluation, facts = bank_of(6, branches=9, customers=500)
    told = circulate(evaluation, facts)
    attack = Attack(told.evaluation)
    assert len(too_close(attack, small_counts(evaluation, told))) > 10
    assert len(too_close(attack, [], sensitive_amounts(evaluation, told, facts))) > 3


@pytest.mark.parametrize(
    ("seed", "branches", "customers"),
    [
        (2, 3, 150),
        pytest.param(3, 4, 90, marks=pytest.mark.slow),
        pytest.param(6, 9, 500, marks=pytest.mark.slow),
    ],
)
def test_who_knows_one_branch_learns_nothing_of_another(
    seed: int, branches: int, customers: int
) -> None:
    """A branch manager, who knows every number of his branch, finds the others protected."""
    evaluation, _ = bank_of(seed, branches=branches, customers=customers)
    told = circulated_of(seed, branches, customers)
    truth = true_numbers(evaluation, told)
    counts = small_counts(evaluation, told)
    for insider in evaluation.branches["branch_id"].iloc[:4]:
        own = truth[truth["branch_id"] == insider]
        knows = [
            ((r["quarter"], insider, r["measure"], r["member"], r["base"], part), r[part])
            for r in own.to_dict("records")
            for part in ("n", "numerator", "denominator")
        ]
        others = [c for c in counts if next(iter(c[0]))[1] not in (insider, WHOLE_BANK)]
        assert too_close(Attack(told.evaluation, knows), others) == []


@pytest.mark.slow
def test_the_sample_bank_gives_nothing_away(sample_evaluation: Evaluation) -> None:
    """The attack finds no small count and no sensitive amount of the sample's quarter.

    Fewer rows of counts are withheld than by the rule of thumb that a measure with a small cell
    goes for all branches.
    """
    facts = sample_evaluation.cells
    told = circulate(sample_evaluation, facts)
    assert told.protected.exposed == 0
    now = str(sample_evaluation.quarter)
    every = small_counts(sample_evaluation, told)
    counts = [c for c in every if next(iter(c[0]))[0] == now]
    amounts = sensitive_amounts(sample_evaluation, told, facts)
    assert amounts
    assert too_close(Attack(told.evaluation), counts, amounts) == []
    names = {
        (quarter, measure, member, base)
        for terms, _ in every
        for quarter, _, measure, member, base, _ in [next(iter(terms))]
    }
    rows = told.evaluation.measures
    labels = rows[["quarter", "measure", "member", "base"]].itertuples(index=False, name=None)
    counts = ~rows["measure"].str.contains("|".join((*CONCENTRATION, *MONEY_ROWS)))
    thumb = sum(label in names for label in labels)
    assert (rows["withheld"] & counts).sum() < 0.8 * thumb


def test_the_order_and_the_names_of_branches_do_not_matter() -> None:
    """Rows in another order, and branches under other numbers, have the same cells withheld."""
    evaluation, facts = bank_of(6, branches=9, customers=500)
    names = evaluation.branches["branch_id"].tolist()
    other = dict(zip(names, reversed(names), strict=True)) | {WHOLE_BANK: WHOLE_BANK}

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        mixed = table.sample(frac=1, random_state=1).reset_index(drop=True)
        return mixed.assign(branch_id=mixed["branch_id"].map(other))

    mixed = replace(
        evaluation, measures=renamed(evaluation.measures), bridge=renamed(evaluation.bridge)
    )
    first, second = circulated_of(6, 9, 500), circulate(mixed, renamed(facts))
    back = {new: old for old, new in other.items()}
    keys = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
    tables = [
        told.assign(branch_id=told["branch_id"].map(back) if swapped else told["branch_id"])
        .set_index(keys)
        .sort_index()
        for told, swapped in (
            (first.evaluation.measures, False),
            (second.evaluation.measures, True),
        )
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])


@pytest.mark.parametrize(("seed", "branches", "customers"), [(6, 9, 500), (10, 6, 2_000)])
def test_what_was_printed_is_known_and_what_was_withheld_stays_so(
    seed: int, branches: int, customers: int
) -> None:
    """An earlier set's gaps stay gaps, and what it printed is not taken back; merged or not."""
    evaluation, facts = bank_of(seed, branches=branches, customers=customers)
    earlier = replace(
        evaluation,
        quarter=evaluation.quarter.previous,
        measures=evaluation.measures[evaluation.measures["quarter"] == "2026Q2"],
        bridge=evaluation.bridge.iloc[:0],
    )
    issued = circulate(earlier, facts).evaluation
    told = circulate(evaluation, facts, issued)
    keys = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
    both = issued.measures.merge(told.evaluation.measures, on=keys, suffixes=("_then", "_now"))
    assert len(both) > 100
    assert (both["withheld_then"] == both["withheld_now"]).all()
    assert told.protected.exposed == 0


def test_a_value_is_printed_only_with_its_numerator_and_denominator() -> None:
    """Where one of the two is withheld no ratio stands beside it."""
    rows = circulated_of(6, 9, 500).evaluation.measures
    gaps = rows["numerator"].isna() | rows["denominator"].isna()
    assert gaps.any()
    assert rows.loc[gaps, "value"].isna().all()
    assert rows.loc[gaps & rows["denominator"].notna(), "withheld"].all()


def two_hold_nine_tenths() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rates and facts of A to E, 150 customers each: two of A's hold 0.9 of its million."""
    rows, facts = [], []
    for unit, n, amount, largest, second in [
        ("A", 150.0, 1e6, 6e5, 3e5),
        *((unit, 150.0, 1e6 + ord(unit), 2e4, 1e4) for unit in "BCDE"),
        ("@all", 750.0, 5e6 + sum(map(ord, "BCDE")), 6e5, 3e5),
    ]:
        labels = {"quarter": "2026Q3", "branch_id": unit, "dimension": "", "member": ""}
        labels |= {"base": "funded", "measure": "aum_period_end"}
        row = labels | {"n": n, "numerator": amount, "denominator": 1.0, "value": amount}
        gini = {"measure": "gini", "numerator": amount / 2, "denominator": amount, "value": 0.5}
        rows += [row, row | gini]
        facts.append(labels | {"contributors": n, "largest": largest, "second_largest": second})
    return pd.DataFrame(rows), pd.DataFrame(facts)


def test_a_concentration_measure_does_not_repeat_a_withheld_amount() -> None:
    """The Gini coefficient's denominator is the branch's AUM: withheld there, it is gone here."""
    rates, facts = two_hold_nine_tenths()
    known = Relations(
        "@all",
        {"aum_period_end": ["numerator"]},
        concentration={
            "amount": "aum_period_end",
            "base": "funded",
            "measures": {"gini": ["gini"]},
        },
    )
    curve = facts[["quarter", "branch_id"]].head(0).assign(customer_share=[], value_share=[])
    tables = {"measures": rates, "cells": facts, "lorenz": curve}
    limits = Limits(5, 0.85, 0.1, 100)
    told = protect(tables, known, limits, quarter="2026Q3", previous="2026Q2").tables["measures"]
    amount, gini = (told[told["measure"] == name] for name in ("aum_period_end", "gini"))
    hidden = set(amount.loc[amount["numerator"].isna(), "branch_id"])
    assert "A" in hidden and "@all" not in hidden
    gone = gini[["n", "numerator", "denominator", "value"]].isna()
    assert gone.any(axis=1).tolist() == gone.all(axis=1).tolist()
    assert set(gini.loc[gone.all(axis=1), "branch_id"]) == hidden


def test_the_largest_balance_does_not_follow_from_how_unequal_balances_are() -> None:
    """Less the least that cuts leave to all others the Herfindahl index is the largest's square.

    One holds 80 thousand, nine 20 thousand each, 190 from 3,000 down to 1,000: by the index and the
    ten largest he holds 86 thousand at most.
    """
    balances = np.concatenate([[8e4], np.full(9, 2e4), np.linspace(3e3, 1e3, 190)])
    total, ten = balances.sum(), balances[:10].sum()
    squares = (balances**2).sum()
    most = np.roots([1 + 1 / 9, -2 * ten / 9, ten**2 / 9 + (total - ten) ** 2 / 190 - squares])
    assert balances[0] < most.max() < 1.2 * balances[0] < np.sqrt(squares)
    labels = {"quarter": "2026Q3", "branch_id": "A", "dimension": "", "member": ""}
    labels |= {"base": "funded", "n": 200.0}
    shown = {"aum_period_end": total, "ten_largest_share": ten, "herfindahl": squares / total}
    rates = pd.DataFrame(
        [
            labels | {"measure": name, "numerator": x, "denominator": total, "value": x / total}
            for name, x in shown.items()
        ]
    )
    facts = rates.assign(contributors=200.0, largest=8e4, second_largest=2e4)
    largest = suppression.largest_amounts(rates.assign(withheld=False), facts, relations(POLICY))
    told = suppression.withheld_concentration(
        rates, largest, relations(POLICY), Limits(5, 0.85, 0.2, 100)
    )
    assert told.tolist() == [False, False, True]


@pytest.mark.slow
def test_without_facts_every_amount_is_withheld_and_none_is_exposed(
    sample_evaluation: Evaluation,
) -> None:
    """Where nothing is known of any amount, hiding all of them leaves none to be worked out."""
    assert circulate(sample_evaluation, pd.DataFrame(columns=FACTS)).protected.exposed == 0


def test_an_amount_of_which_nothing_is_known_is_withheld() -> None:
    """Without cell facts no branch's assets are circulated, whatever the number of customers."""
    evaluation, _ = bank_of(4, branches=5, customers=400)
    rows = circulate(evaluation, pd.DataFrame(columns=FACTS)).evaluation.measures
    assert rows.loc[rows["measure"] == "aum_period_end", "withheld"].all()


def test_small_top_tiers_are_told_with_the_tier_below() -> None:
    """Private customers of whom a branch has one to four stand with the high ones, everywhere."""
    evaluation, _ = bank_of(10, branches=6, customers=2_000)
    told = circulated_of(10, 6, 2_000)
    whole = evaluation.measures.query("measure == 'tier_customers' and branch_id == '@bank'")
    merged = told.evaluation.measures.query("measure == 'tier_customers' and branch_id == '@bank'")
    top = whole[whole["member"].isin(["high", "private"])].groupby("quarter")["numerator"].sum()
    now = merged[merged["member"] == "high_and_above"].set_index("quarter")["numerator"]
    assert told.protected.merged == {"private": "high_and_above", "high": "high_and_above"}
    pd.testing.assert_series_equal(top, now)
    assert [tier["name"] for tier in told.evaluation.policy_facts["tiers"]][-1] == "high_and_above"


@pytest.mark.parametrize(
    ("of_first", "of_second", "lowest"),
    [
        ({}, {}, None),
        ({"private": 3}, {}, "high"),
        ({"high": 7, "private": 0, "top": 6}, {"private": 2}, "high"),
        ({"private": 4, "top": 1}, {"private": 6}, "private"),
        ({"private": 1, "top": 1}, {"private": 9, "top": 9}, "high"),
        ({"high": 2, "private": 7, "top": 6}, {}, None),
        ({"private": 0, "top": 5}, {"private": 5}, None),
    ],
    ids=["none", "one", "below a large one", "two are enough", "two", "not to be merged", "large"],
)
def test_a_small_tier_is_merged_with_all_above_it(
    of_first: dict[str, int], of_second: dict[str, int], lowest: str | None
) -> None:
    """A tier of one to four customers stands with the one below, however many stand above it."""
    cells = [("B1", *cell) for cell in of_first.items()]
    cells += [("B2", *cell) for cell in of_second.items()]
    rates = pd.DataFrame(cells, columns=["branch_id", "member", "numerator"])
    rates = rates.assign(quarter="2026Q3", measure="tier_customers")
    tiers = ["residual", "mid", "high", "private", "top"]
    merged = {"members": tiers, "top": ["private", "top"], "counts": "tier_customers"}
    told = suppression.members_to_merge(
        rates, replace(relations(POLICY), merged=merged), Limits(5, 0.85, 0.2, 100)
    )
    names = tiers[tiers.index(lowest) :] if lowest else []
    assert told == dict.fromkeys(names, f"{lowest}_and_above")


def test_what_is_merged_is_small_or_not_with_all_that_it_holds() -> None:
    """Private (2 in B2) goes with top into high: of the three B1 has 23, of high and private 3."""
    cells = [("B1", "high", 3), ("B1", "top", 20), ("B2", "private", 2), ("B2", "top", 6)]
    rates = pd.DataFrame(cells, columns=["branch_id", "member", "numerator"])
    rates = rates.assign(quarter="2026Q3", measure="tier_customers")
    tiers = ["residual", "mid", "high", "private", "top"]
    merged = {"members": tiers, "top": tiers[2:], "counts": "tier_customers"}
    declared = replace(relations(POLICY), merged=merged)
    told = suppression.members_to_merge(rates, declared, Limits(5, 0.85, 0.2, 100))
    assert told == dict.fromkeys(["high", "private", "top"], "high_and_above")


def test_an_opening_is_withheld_with_the_closing_that_it_was() -> None:
    """What the dormant had at the start stands a quarter earlier as what they had at its end."""
    evaluation = made_quarter(14, 1500, 5, "2026Q3")
    told = circulate(evaluation, evaluation.cells).evaluation.measures
    pair = {"dormant_opening_aum": "2026Q3", "dormant_aum_share": "2026Q2"}
    opening, closing = (
        told[(told["measure"] == name) & (told["quarter"] == quarter)]
        .set_index(["branch_id", "base"])["numerator"]
        .isna()
        for name, quarter in pair.items()
    )
    assert opening.any()
    both = opening[opening.index.isin(closing.index)]  # a branch that has just opened had no end
    assert both.to_dict() == closing[both.index].to_dict()
