"""Tiers with memory in an evaluation: three quarters of five customers, followed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from tests.tiny_bank import TinyBank, as_frames

# Quarter averages in thousand CNY; the borders of mid and private are 50 and 6,000.
AMOUNTS = {
    "falls": (60, 40, 30),
    "dips": (60, 40, 55),
    "rises": (40, 60, 60),
    "late": (None, 40, 60),
    "rich": (7000, 5000, 5000),
}
ENDS = ("2026-03-31", "2026-06-30", "2026-09-30")
STATED = 'name = "own"\nversion = "1"\nbase = "rural_commercial_bank"\n'
TWO_QUARTERS = """
[tier_memory]
name = "half_a_year"
months_to_downgrade = 6
exceptions = [{ tier = "private", months = 9 }]
"""


def evaluated(folder: Path, write: TinyBank, rule: str, *, without: str = "") -> Evaluation:
    """Evaluate the last of the three quarters under the shipped policy with a rule added."""
    header = (
        "as_of,customer_id,branch_id,customer_type,relationship_since,last_active_on,"
        "aum_period_end,aum_average_quarter\n"
    )
    rows = [
        f"{end},{name},001,personal,2020-01-05,,{amount * 1000},{amount * 1000}\n"
        for name, amounts in AMOUNTS.items()
        for end, amount in zip(ENDS, amounts, strict=True)
        if amount is not None and end != without
    ]
    held = [f"{end},A,rises,demand_deposit,1.00\n" for end in ENDS if end != without]
    path = write(
        customers=header + "".join(rows),
        holdings="as_of,account_id,customer_id,product,balance\n" + "".join(held),
    )
    policy = folder / "own.toml"
    policy.write_text(STATED + rule, "utf-8")
    with open_bank(as_frames(path)) as bank:
        return evaluate(bank, quarter="2026Q3", policy=policy, first_quarter=True)


def tiers_of(evaluation: Evaluation, quarter: str) -> dict[str, int]:
    """Return the customers of every tier that has any."""
    rows = evaluation.measures
    rows = rows[(rows["measure"] == "tier_customers") & (rows["branch_id"] == WHOLE_BANK)]
    counts = rows[rows["quarter"] == quarter].set_index("member")["value"].astype(int)
    return dict(counts[counts > 0])


def test_tiers_of_later_quarters_remember_the_earlier(tmp_path: Path, tiny_bank: TinyBank) -> None:
    """Six months are two quarters, nine are three; up is at once, and one dip is no downgrade.

    After one short quarter "falls" and "dips" are still mid, after two "falls" is not; "rich" is
    short for two of three quarters. The first quarter is by the borders.
    """
    evaluation = evaluated(tmp_path, tiny_bank, TWO_QUARTERS)
    assert tiers_of(evaluation, "2026Q1") == {"effective": 1, "mid": 2, "private": 1}
    assert tiers_of(evaluation, "2026Q2") == {"effective": 1, "mid": 3, "private": 1}
    assert tiers_of(evaluation, "2026Q3") == {"effective": 1, "mid": 3, "private": 1}
    moves = evaluation.migration
    moves = moves[(moves["branch_id"] == WHOLE_BANK) & (moves["structure"] == "today")]
    counts = moves.set_index(["from", "to"])["customers"].astype(int)
    assert dict(counts[counts > 0]) == {
        ("mid", "mid"): 2,
        ("mid", "effective"): 1,
        ("effective", "mid"): 1,
        ("private", "private"): 1,
    }
    assert evaluation.policy_facts["tier_memory"] == {"name": "half_a_year", "since": "2026Q1"}


def test_without_a_stated_memory_the_borders_decide(tmp_path: Path, tiny_bank: TinyBank) -> None:
    """The same customers under the shipped policy have the tier of each quarter's own average."""
    evaluation = evaluated(tmp_path, tiny_bank, "")
    assert tiers_of(evaluation, "2026Q2") == {"effective": 3, "mid": 1, "high": 1}
    assert tiers_of(evaluation, "2026Q3") == {"effective": 1, "mid": 3, "high": 1}
    assert evaluation.policy_facts["tier_memory"] is None


@pytest.mark.filterwarnings("ignore:customers.as_of. no 2026Q2 between:UserWarning")
@pytest.mark.parametrize(("missing", "since"), [(1, "2026Q3"), (0, "2026Q2")])
def test_history_begins_after_a_missing_quarter(
    tmp_path: Path, tiny_bank: TinyBank, missing: int, since: str
) -> None:
    """What lies before a quarter that was not delivered is not remembered: "rich" is high."""
    evaluation = evaluated(tmp_path, tiny_bank, TWO_QUARTERS, without=ENDS[missing])
    assert evaluation.policy_facts["tier_memory"]["since"] == since
    assert tiers_of(evaluation, since)["high"] == 1
