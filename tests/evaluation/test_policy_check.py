"""A policy against a bank: all that does not fit is told at once, before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.evaluation.policy_check import check_policy_against, read_policy
from stockcust_analysis.policy import (
    ComparedMeasure,
    ComparisonRule,
    Indicator,
    Override,
    PeerGroup,
    Policy,
    Theme,
    Veto,
    load_policy,
    shipped_policies,
)
from tests.evaluation.small_quarters import named, policy_of

NO_TARGETS = pd.DataFrame(columns=["branch_id", "measure", "target"])


def problems(policy: Policy, targets: pd.DataFrame = NO_TARGETS) -> list[str]:
    """Return what the check says of a policy for branches A, B and C."""
    try:
        check_policy_against(policy, branches=named(), targets=targets)
    except PolicyError as error:
        return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    return []


def fixed(name: str, **more: object) -> Indicator:
    """Return an indicator of 100 with a fixed target."""
    return Indicator(name, 100, target="fixed", fixed=1.0, **more)  # type: ignore[arg-type]


def test_everything_is_told_at_once() -> None:
    """Misspelt measure, wrong base, unknown member, empty peer group, a plan of zero: one error."""
    policy = policy_of(
        Indicator("multi_product_shar", 20, target="fixed", fixed=1.0),
        Indicator("vip_share", 20, customer_base="managed", target="fixed", fixed=1.0),
        Indicator("crypto", 20, "penetration", "crypto", target="fixed", fixed=1.0),
        Indicator("aum_average_quarter", 20),
        Indicator("profile_completion", 20, customer_base="managed"),
        vetoes=(Veto("v", "silent_ratte", above=0.5),),
        overrides=(Override("period_end_balances", "none"),),
        comparison=ComparisonRule(
            peers="given",
            peer_groups=(PeerGroup("north", ("A", "B")), PeerGroup("south", ("Z",))),
            measures=(ComparedMeasure("customers"), ComparedMeasure("asset_retention")),
        ),
    )
    plan = pd.DataFrame({"branch_id": list("ABC"), "measure": "aum_average_quarter"})
    told = problems(
        replace(policy, themes=(Theme("t", 1, "题", "t", ("ginni",)),)),
        plan.assign(target=[1.0, 0.0, -1.0]),
    )
    assert told == [
        "indicator 'multi_product_shar': unknown measure 'multi_product_shar'. "
        "Did you mean 'multi_product_share' or 'multi_product_share_4'?",
        "indicator 'vip_share': 'vip_share' is defined for funded, not 'managed'.",
        "indicator 'crypto': 'penetration' has no member 'crypto'; its members: bond_metal, "
        "credit_card, deposit, fund, insurance, loan, merchant_acquiring, payroll, wealth.",
        "veto 'v': unknown measure 'silent_ratte'. "
        "Did you mean 'silent_rate' or 'silent_aum_share'?",
        "comparison: 'customers' is a total. Compare a mean or a share.",
        "theme 't': unknown measure 'ginni'. Did you mean 'gini'?",
        "overrides: unknown warning 'period_end_balances'. Did you mean 'period_end_balance'?",
        "comparison: peer group 'south' is empty: none of its branches reports.",
        "comparison: 1 branch (C) in no peer group.",
        "indicator 'aum_average_quarter': the target is not above 0 for 2 branches (B, C).",
        "indicator 'profile_completion': targets hold no plan of 'profile_completion' this "
        "quarter.",
    ]


def test_codes_that_no_extract_may_hold_are_told() -> None:
    """A misspelt product, customer type, kind or outcome would count nobody, in silence."""
    policy = policy_of(fixed("vip_share"))
    families = replace(policy.families, aum_products=("demand_deposit", "welth"))
    rule = replace(
        policy.dormancy,
        scope=("person",),
        active_kinds=("cash", "wire"),
        exempt=("unmatured_time_deposit", "lone"),
    )
    served = replace(policy.coverage, effective_outcomes=("reach",))
    policy = replace(
        policy,
        families=families,
        dormancy=rule,
        coverage=served,
        customer_types=("personal", "corporat"),
    )
    assert problems(policy) == [
        "customer_types: customers.customer_type has no code 'corporat'. Did you mean 'corporate'?",
        "families: holdings.product has no code 'welth'. Did you mean 'wealth'?",
        "dormancy.scope: customers.customer_type has no code 'person'. Did you mean 'personal'?",
        "dormancy.exempt: holdings.product has no code 'lone'. Did you mean 'loan'?",
        "dormancy.active_kinds: transactions.kind has no code 'wire'.",
        "coverage.effective_outcomes: contacts.outcome has no code 'reach'. "
        "Did you mean 'reached'?",
    ]


def test_a_direction_against_the_codebook_is_refused() -> None:
    """Dormancy that counts as good, and vice versa; a neutral measure may be either."""
    assert problems(policy_of(fixed("dormancy_rate"))) == [
        "indicator 'dormancy_rate': by the codebook lower is better; state direction = 'lower'."
    ]
    assert problems(policy_of(fixed("dormancy_rate", direction="lower"))) == []
    assert problems(policy_of(fixed("gini", direction="lower"))) == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (ComparisonRule(peers="type"), "no branch has a 'type'"),
        (ComparisonRule(peers="nearest", nearest=3), "nearest = 3, but only 3 branches report"),
    ],
)
def test_peers_that_cannot_be_found(rule: ComparisonRule, message: str) -> None:
    """Peers of a type need types, and the three nearest of three branches are everybody."""
    (told,) = problems(policy_of(fixed("vip_share"), comparison=rule))
    assert message in told


def test_the_shipped_policies_can_be_followed() -> None:
    """What they name is there, whatever a bank delivers of it."""
    for name in shipped_policies():
        assert problems(load_policy(name)) == []


def test_names_in_a_file_are_refused_when_it_is_read(tmp_path: Path) -> None:
    """Measures, bases and codes that are not there come in the one error of the file."""
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n'
        '[attrition]\nmargin = -1\n[dormancy]\nname = "own"\nexempt = ["lone"]\n'
        "[scorecard]\nindicators = [\n"
        '  { name = "vip_share", customer_base = "manged" },\n'
        '  { name = "more", weight = 5, measure = "giny" },\n]\n'
        'vetoes = [{ name = "v", measure = "silent_rate", customer_base = "alll", above = 0.5 }]\n'
        'overrides = [{ name = "weight", reason = "seen" }]\n'
        '[comparison]\nmeasures = [{ name = "customers" }]\n'
        '[[themes]]\nname = "t"\nquarter = 9\nzh = "题"\nen = "t"\nmeasures = ["ginni"]\n',
        encoding="utf-8",
    )
    with pytest.raises(PolicyError) as caught:
        read_policy(own)
    assert [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] == [
        "attrition: margin must lie between 0 and 1: 20% is 0.2.",
        "scorecard: the weights add up to 105, not 100.",
        "themes[t]: the quarter is 1, 2, 3 or 4.",
        "dormancy.exempt: holdings.product has no code 'lone'. Did you mean 'loan'?",
        "indicator 'vip_share': 'vip_share' is defined for funded, not 'manged'.",
        "indicator 'more': unknown measure 'giny'. Did you mean 'gini'?",
        "veto 'v': 'silent_rate' is defined for all, funded, not 'alll'. Did you mean 'all'?",
        "comparison: 'customers' is a total. Compare a mean or a share.",
        "theme 't': unknown measure 'ginni'. Did you mean 'gini'?",
        "overrides: unknown warning 'weight'.",
    ]


def test_what_a_file_alone_tells_is_refused_when_read(tmp_path: Path) -> None:
    """Weights, floor above cap, zero target, empty peer group: one error for the whole file."""
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n'
        "[scorecard]\nindicators = [\n"
        '  { name = "vip_share", floor = 2.0 },\n'
        '  { name = "managed_aum", target = "fixed", fixed = 0.0 },\n]\n'
        '[comparison]\npeers = "given"\npeer_groups = [{ name = "north", branches = [] }]\n',
        encoding="utf-8",
    )
    with pytest.raises(PolicyError) as caught:
        load_policy(own)
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()[1:]] == [
        "the floor must lie below the ceiling, from 0 to 1: 80% is 0.8.",
        "the target must be above 0.",
        "peers are given, but no peer_groups.",
        "peer groups without a branch: north.",
    ]


def test_plans_that_no_figure_can_be_held_against_are_named() -> None:
    """A share in percent; names and parts that are none are refused where the plans are read."""
    targets = pd.DataFrame(
        [("A", "multi_product_share", 35.0)], columns=["branch_id", "measure", "target"]
    )
    assert problems(load_policy(), targets)[-1:] == [
        "targets: 1 plans of 'multi_product_share' above 1: a share of 35% is 0.35.",
    ]
