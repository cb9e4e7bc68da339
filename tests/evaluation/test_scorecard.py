"""Scorecards worked by hand: every point earned, and every point lost, is accounted for."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.scorecard import (
    SCORECARD_COLUMNS,
    attainment,
    earned,
    place_among_peers,
    scorecard,
    with_previous,
)
from stockcust_analysis.policy import ComparisonRule, Indicator, IndicatorGroup, Policy, Veto
from tests.evaluation.small_quarters import BEFORE, NOW, named, policy_of, quarter_of

MULTI, RETAINED = ("multi_product_share", "funded"), ("customer_retention", "funded")
DORMANT, VIP = ("dormancy_rate", "all"), ("vip_share", "funded")
VALUES: dict[tuple[str, str], list[float | None]] = {
    MULTI: [0.30, 0.52, 0.16],
    RETAINED: [0.81, 0.84, 0.50],
    DORMANT: [0.12, 0.05, 0.18],
    VIP: [0.01, 0.03, 0.02],
}
PLAN = pd.DataFrame(
    {"branch_id": list("ABC"), "measure": "customer_retention", "target": [0.90, 0.80, 0.50]}
)
FOUR = policy_of(
    Indicator("multi_product_share", 40, target="fixed", fixed=0.40, floor=0.5, ceiling=1.2),
    Indicator(
        "customer_retention", 20, method="full_marks_then_bonus", points_per_percent=0.4, limit=1.5
    ),
    Indicator(
        "dormancy_rate",
        20,
        customer_base="all",
        direction="lower",
        target="previous_quarter",
        method="deduction",
        points_per_percent=0.5,
        limit=15,
    ),
    Indicator("vip_share", 20, method="percentile"),
)


def scored(
    values: dict[tuple[str, str], list[float | None]] = VALUES, policy: Policy = FOUR, **more: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scorecard of three branches; last quarter a tenth of all was dormant."""
    before = quarter_of({DORMANT: [0.10] * 3}, quarter=BEFORE)
    measures = pd.concat([quarter_of(values), before])
    given_ = {"targets": PLAN, "policy": policy, "quarter": NOW} | more
    return scorecard(measures, given_.pop("branches", named()), **given_)


def told(table: pd.DataFrame, indicator: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of one indicator's rows, to nine decimals, branch by branch."""
    rows = table[table["indicator"] == indicator]
    return [tuple(row) for row in rows[list(columns)].round(9).itertuples(index=False)]


def test_four_indicators_of_three_branches() -> None:
    """Each step of each row is that of the hand calculation, to the last digit.

    multi_product_share, target 0.40, weight 40: 0.30 → 75 % → 30; 0.52 → 130 % → 52, capped at
    120 % = 48; 0.16 → 40 % → 16, below the floor of 50 % → 0.
    customer_retention, plan: 0.81/0.90 = 90 % → 18; 0.84/0.80 = 105 % → 20 + 5·0.4 = 22, the bonus
    limited to 1.5; 0.50/0.50 → 20.
    dormancy_rate, low is good, from 0.10: 0.12 → 2 − 1.2 = 80 % → 20 − 20·0.5 = 10; 0.05 → 150 % →
    20; 0.18 → 20 % → 20 − 80·0.5 = −20, but no more than 15 are deducted → 5.
    vip_share by percentile: lowest 0, highest 1, middle 0.5 of 20.
    """
    table, scores = scored()
    steps = ("attainment", "raw_points", "lost_to_floor", "lost_to_cap", "points", "note")
    assert told(table, "multi_product_share", *steps) == [
        (0.75, 30.0, 0.0, 0.0, 30.0, ""),
        (1.3, 52.0, 0.0, 4.0, 48.0, "capped"),
        (0.4, 16.0, 16.0, 0.0, 0.0, "below_floor"),
    ]
    assert told(table, "customer_retention", *steps) == [
        (0.9, 18.0, 0.0, 0.0, 18.0, ""),
        (1.05, 22.0, 0.0, 0.5, 21.5, "capped"),
        (1.0, 20.0, 0.0, 0.0, 20.0, ""),
    ]
    assert told(table, "dormancy_rate", *steps) == [
        (0.8, 10.0, 0.0, 0.0, 10.0, ""),
        (1.5, 20.0, 0.0, 0.0, 20.0, ""),
        (0.2, -20.0, -25.0, 0.0, 5.0, "limited"),
    ]
    assert told(table, "vip_share", *steps) == [
        (0.0, 0.0, 0.0, 0.0, 0.0, ""),
        (1.0, 20.0, 0.0, 0.0, 20.0, ""),
        (0.5, 10.0, 0.0, 0.0, 10.0, ""),
    ]
    assert scores[["branch_id", "points", "rank", "rank_of", "vetoed"]].values.tolist() == [
        ["A", 58.0, 2.0, 3.0, False],
        ["B", 109.5, 1.0, 3.0, False],
        ["C", 35.0, 3.0, 3.0, False],
    ]
    assert tuple(table.columns) == SCORECARD_COLUMNS


def test_targets_and_their_sources() -> None:
    """Each row says what it was held against, and where that came from; peers have no target."""
    table, _ = scored()
    assert told(table, "multi_product_share", "target", "target_source") == [(0.4, "fixed")] * 3
    assert told(table, "customer_retention", "target", "target_source") == [
        (0.9, "plan"),
        (0.8, "plan"),
        (0.5, "plan"),
    ]
    assert (
        told(table, "dormancy_rate", "target", "target_source") == [(0.1, "previous_quarter")] * 3
    )
    assert table.loc[table["indicator"] == "vip_share", "target"].isna().all()
    assert set(table.loc[table["indicator"] == "vip_share", "target_source"]) == {"peers"}


def test_the_quarter_before_stands_beside_where_it_is_made_of_the_same() -> None:
    """Branch A came from 80 to 90 points; B had no figure then, so its points are of other things.

    A: 0.20 of 0.40 earns 20 of 40, with 60 of 60 in the other indicator makes 80; now 0.30 is 30.
    """
    rules = policy_of(
        Indicator("multi_product_share", 40, target="fixed", fixed=0.4),
        Indicator("customer_retention", 60, target="fixed", fixed=0.9),
    )
    then = quarter_of({MULTI: [0.2, None, 0.4], RETAINED: [0.9] * 3}, quarter=BEFORE)
    measures = pd.concat([then, quarter_of({MULTI: [0.3, 0.4, 0.2], RETAINED: [0.9] * 3})])
    before, now = (
        scorecard(measures, named(), targets=pd.DataFrame(), policy=rules, quarter=quarter)
        for quarter in (BEFORE, NOW)
    )
    card, scores = with_previous(*now, before=before)
    assert scores["points"].tolist() == [90.0, 100.0, 80.0]
    assert scores["points_before"].fillna(-1).tolist() == [80.0, -1.0, 100.0]
    own = card[card["branch_id"] == "A"].set_index("indicator")["points_before"]
    assert own.to_dict() == {"multi_product_share": 20.0, "customer_retention": 60.0}
    assert card.loc[card["branch_id"] == "B", "points_before"].isna().all()


def test_a_change_moves_only_what_it_should() -> None:
    """One branch's number moves its own row and score; a number among peers, that indicator."""
    table, scores = scored()
    other, changed = scored(VALUES | {MULTI: [0.36, 0.52, 0.16]})
    moved = table.compare(other, keep_shape=True).notna().any(axis=1)
    rows = table[moved][["branch_id", "indicator"]].values.tolist()
    assert rows == [["A", "multi_product_share"]]
    assert changed["points"].tolist() == [64.0, 109.5, 35.0]
    assert changed["rank"].tolist() == scores["rank"].tolist()
    other, _ = scored(VALUES | {VIP: [0.04, 0.03, 0.02]})
    moved = table.compare(other, keep_shape=True).notna().any(axis=1)
    assert set(table[moved]["indicator"]) == {"vip_share"}


def test_order_of_branches_does_not_matter() -> None:
    """Rows and branches in another order give the same tables."""
    table, scores = scored()
    branches = named("CAB")
    shuffled = pd.concat([quarter_of(VALUES), quarter_of({DORMANT: [0.10] * 3}, quarter=BEFORE)])
    shuffled = shuffled.sample(frac=1, random_state=1)
    again = scorecard(shuffled, branches, targets=PLAN[::-1], policy=FOUR, quarter=NOW)
    pd.testing.assert_frame_equal(again[0], table)
    pd.testing.assert_frame_equal(again[1], scores)


def test_equal_scores_share_a_rank() -> None:
    """Two on 75 share rank 1, the next is third; 0.1 + 0.2 does not come before 0.3."""
    rules = policy_of(
        Indicator("multi_product_share", 50, target="fixed", fixed=1.0),
        Indicator("vip_share", 50, target="fixed", fixed=1.0),
    )
    _, scores = scored({MULTI: [0.1, 0.3, 0.1], VIP: [0.2, 0.0, 0.1]}, rules)
    assert scores["rank"].tolist() == [1.0, 1.0, 3.0]


def test_ranks_stay_within_the_peer_group() -> None:
    """Urban branches are ranked and compared among themselves."""
    rules = policy_of(
        Indicator("vip_share", 100, target="peer_median", ceiling=9.0),
        comparison=ComparisonRule(peers="type"),
    )
    values = {VIP: [0.01, 0.03, 0.02, 0.06]}
    measures = quarter_of(values, branches="ABCD")
    branches = named("ABCD", ["urban", "urban", "county", "urban"])
    table, scores = scorecard(measures, branches, targets=pd.DataFrame(), policy=rules, quarter=NOW)
    assert table["target"].tolist() == [0.03, 0.03, 0.02, 0.03]
    assert scores[["peer_group", "rank", "rank_of"]].values.tolist() == [
        ["urban", 3.0, 3.0],
        ["urban", 2.0, 3.0],
        ["county", 1.0, 1.0],
        ["urban", 1.0, 3.0],
    ]


def test_a_group_is_capped_pro_rata() -> None:
    """30 and 20 points of a group that may earn 40 lose a fifth each; others lose nothing."""
    rules = policy_of(
        Indicator("multi_product_share", 30, target="fixed", fixed=0.3, group="cross"),
        Indicator("vip_share", 20, target="fixed", fixed=0.01, group="cross"),
        Indicator("customer_retention", 50, target="fixed", fixed=0.81),
        indicator_groups=(IndicatorGroup("cross", 40),),
    )
    table, scores = scored(
        {MULTI: [0.3, 0.15, 0.3], VIP: [0.01, 0.01, 0.0], RETAINED: [0.81] * 3}, rules
    )
    assert told(table, "multi_product_share", "lost_to_group", "points", "note") == [
        (6.0, 24.0, "group_capped"),
        (0.0, 15.0, ""),
        (0.0, 30.0, ""),
    ]
    assert told(table, "vip_share", "lost_to_group", "points") == [
        (4.0, 16.0),
        (0.0, 20.0),
        (0.0, 0.0),
    ]
    assert scores["points"].tolist() == [90.0, 85.0, 80.0]


def test_a_veto_limits_the_score() -> None:
    """Above the border no more than 60 points, on it and without a value none is taken."""
    rules = policy_of(
        Indicator("multi_product_share", 100, target="fixed", fixed=0.3),
        vetoes=(Veto("sleepers", "dormancy_rate", "all", above=0.15, most_points=60),),
    )
    values: dict[tuple[str, str], list[float | None]] = {MULTI: [0.3] * 3}
    _, scores = scored(values | {DORMANT: [0.15, None, 0.151]}, rules)
    assert scores[["points", "vetoed", "note"]].values.tolist() == [
        [100.0, False, ""],
        [100.0, False, "veto_unknown:sleepers"],
        [60.0, True, "sleepers"],
    ]
    below = policy_of(
        Indicator("multi_product_share", 100, target="fixed", fixed=0.3),
        vetoes=(Veto("few", "dormancy_rate", "all", below=0.15),),
    )
    _, scores = scored(values | {DORMANT: [0.15, 0.16, 0.1]}, below)
    assert scores["points"].tolist() == [100.0, 100.0, 0.0]


@pytest.mark.parametrize(
    ("missing", "points", "rank", "note"),
    [
        ("left_out", 75.0, 1.0, ""),
        ("no_points", 45.0, 2.0, ""),
        ("not_scored", None, None, "not_scored:indicator_missing"),
    ],
)
def test_missing_data(missing: Any, points: float, rank: float, note: str) -> None:
    """Without VIPs told, A's 45 of 60 weigh as 75 of 100, stay 45, or are no score at all."""
    rules = policy_of(
        Indicator("multi_product_share", 60, target="fixed", fixed=0.4),
        Indicator("vip_share", 40, target="fixed", fixed=0.02, missing=missing),
    )
    table, scores = scored({MULTI: [0.3, 0.4, 0.0], VIP: [None, 0.0, 0.02]}, rules)
    first = scores.iloc[0]
    assert first["note"] == note
    assert [None if pd.isna(first[x]) else first[x] for x in ("points", "rank")] == [points, rank]
    row = table[(table["branch_id"] == "A") & (table["indicator"] == "vip_share")].iloc[0]
    assert row["note"] == f"no_value {missing}"
    assert pd.isna(row["points"]) if missing == "not_scored" else row["points"] == 0
    assert row["weight"] == (0.0 if missing == "left_out" else 40.0)
    other = table[(table["branch_id"] == "A") & (table["indicator"] == "multi_product_share")]
    assert other["weight"].item() == (100.0 if missing == "left_out" else 60.0)


def test_too_little_data_is_no_score() -> None:
    """With more than half of the weights missing there is no score, and nobody is ranked below."""
    rules = policy_of(
        Indicator("multi_product_share", 49, target="fixed", fixed=0.4),
        Indicator("vip_share", 51, target="fixed", fixed=0.02),
    )
    table, scores = scored({MULTI: [0.4] * 3, VIP: [None, 0.02, 0.01]}, rules)
    assert scores["note"].tolist() == ["not_scored:too_little_data", "", ""]
    assert scores["points"].isna().tolist() == [True, False, False]
    made = table.set_index("branch_id")[["raw_points", "lost_to_floor", "lost_to_cap", "points"]]
    assert made.loc["A"].isna().all(axis=None)  # or their sum would be the score it has not
    assert made.loc[["B", "C"]].notna().all(axis=None)
    assert scores["rank_of"].tolist()[1:] == [2.0, 2.0]


def test_targets_that_cannot_be_used_are_named() -> None:
    """No plan for a branch, and a last quarter of zero, leave the indicator out with the reason."""
    rules = policy_of(
        Indicator("customer_retention", 50), Indicator("vip_share", 50, target="previous_quarter")
    )
    before = quarter_of({VIP: [0.0, 0.02, 0.02]}, quarter=BEFORE)
    measures = pd.concat([quarter_of({RETAINED: [0.9, 0.8, 0.5], VIP: [0.02] * 3}), before])
    table, scores = scorecard(measures, named(), targets=PLAN[1:], policy=rules, quarter=NOW)
    assert table["note"].tolist()[:2] == ["no_target left_out", "target_not_above_zero left_out"]
    assert pd.isna(scores["points"][0])
    assert scores["points"].tolist()[1:] == [100.0, 100.0]


def test_one_member_of_a_measure_counts() -> None:
    """Penetration of wealth is scored apart from that of funds."""
    wealth = quarter_of({("penetration", "funded"): [0.1, 0.2, 0.3]}).assign(member="wealth")
    fund = quarter_of({("penetration", "funded"): [0.5, 0.5, 0.5]}).assign(member="fund")
    rules = policy_of(
        Indicator("wealth", 50, "penetration", "wealth", target="fixed", fixed=0.2),
        Indicator("fund", 50, "penetration", "fund", target="fixed", fixed=0.5),
    )
    table, _ = scorecard(
        pd.concat([wealth, fund]), named(), targets=pd.DataFrame(), policy=rules, quarter=NOW
    )
    assert told(table, "wealth", "points", "measure", "member")[0] == (
        25.0,
        "penetration",
        "wealth",
    )
    assert told(table, "fund", "points")[0] == (50.0,)


def test_a_measure_nobody_computed_is_missing_data() -> None:
    """Without a single value an indicator is left out; an unknown name is an error."""
    rules = policy_of(
        Indicator("vip_share", 30, customer_base="managed", method="z"),
        Indicator("multi_product_share", 70, target="fixed", fixed=0.4),
    )
    table, scores = scored({MULTI: [0.4, 0.2, 0.0]}, rules)
    assert told(table, "vip_share", "note") == [("no_value left_out",)] * 3
    assert scores["points"].tolist() == [100.0, 50.0, 0.0]
    with pytest.raises(UsageError, match="unknown measure 'vip_shar'"):
        scored(VALUES, policy_of(Indicator("vip_shar", 100, method="z")))


def test_places_among_peers_by_hand() -> None:
    """Values 2, 4, 4, 10: by range, by share left behind (ties by halves), by T score.

    Mean 5, population standard deviation √(36/4) = 3: z = −1, −1/3, −1/3, 5/3.
    """
    values = [2.0, 4.0, 4.0, 10.0]
    assert place_among_peers(values, "min_max", "higher").tolist() == [0, 0.25, 0.25, 1]
    assert place_among_peers(values, "min_max", "lower").tolist() == [1, 0.75, 0.75, 0]
    assert place_among_peers(values, "percentile", "higher").tolist() == [0, 0.5, 0.5, 1]
    assert place_among_peers(values, "z", "higher") == pytest.approx(
        [0.4, 0.5 - 0.1 / 3, 0.5 - 0.1 / 3, 0.5 + 0.5 / 3]
    )
    for method in ("min_max", "percentile", "z"):
        assert place_among_peers([7.0, 7.0], method, "lower").tolist() == [0.5, 0.5]
        assert pd.isna(place_among_peers([7.0], method, "higher")).all()


@given(
    reached=st.floats(-3, 5),
    weight=st.floats(1, 100),
    method=st.sampled_from(["proportional", "full_marks_then_bonus", "deduction"]),
    limit=st.floats(0.01, 1),
)
def test_points_stay_within_their_bounds(
    reached: float, weight: float, method: Any, limit: float
) -> None:
    """Whatever is reached, points lie between nothing and the most the method allows."""
    by_step = {} if method == "proportional" else {"points_per_percent": 0.3, "limit": limit}
    one = Indicator("gini", weight, method=method, **by_step)  # type: ignore[arg-type]
    points = earned(one, [reached])
    kept = float((points.raw - points.lost_to_floor - points.lost_to_cap)[0])
    most = {"proportional": 1.2 * weight, "full_marks_then_bonus": weight + limit}
    least = weight - limit if method == "deduction" else 0.0
    assert least - 1e-9 <= kept <= most.get(method, weight) + 1e-9


def test_a_bonus_ends_at_the_ceiling_or_at_its_limit() -> None:
    """Beyond 120 % no more bonus: 20 points of 0.4 are 8, and 3 where the limit comes first."""
    for limit, bonus in ((10.0, 8.0), (3.0, 3.0)):
        one = Indicator(
            "gini", 20, method="full_marks_then_bonus", points_per_percent=0.4, limit=limit
        )
        points = earned(one, [1.5])
        assert points.raw[0] == pytest.approx(40)
        assert points.raw[0] - points.lost_to_cap[0] == pytest.approx(20 + bonus)


def test_attainment_where_low_is_good() -> None:
    """8 % against 10 % is 120 %, the double is nothing, the triple less than nothing."""
    reached = attainment([0.08, 0.2, 0.3], [0.1] * 3, "lower")
    assert reached == pytest.approx([1.2, 0.0, -1.0])
