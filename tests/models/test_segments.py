"""Segments: as many as come back, named, matched from quarter to quarter, none where none are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from stockcust_analysis.errors import UsageError
from stockcust_analysis.models.segments import Segments
from tests.models.banks import FEW, history_with


def three_groups(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:  # type: ignore[type-arg]
    """Return customers of three plain groups, with the group of each."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], [300, 200, 100])
    middle = np.array([[2, 2], [30, 2], [30, 60]])[group]
    table = pd.DataFrame(middle + rng.normal(size=(600, 2)), columns=["visits", "tenure"])
    return table, group


def test_plain_groups_are_found_and_named() -> None:
    """Three groups are three segments, the largest first, named after what sets them apart."""
    table, group = three_groups()
    segments = Segments(most=5, resamples=4).fit(table)
    assert adjusted_rand_score(segments.labels_, group) == 1
    assert segments.profile_["n"].tolist() == [300, 200, 100]
    assert segments.profile_["name"][0].startswith("low visits")
    assert "high years with the bank" in segments.profile_["name"][2]
    np.testing.assert_array_equal(segments.predict(table), segments.labels_)
    assert "3 segments" in str(segments)


def test_no_two_segments_bear_one_name() -> None:
    """Those set apart by the same columns have numbers."""
    rng = np.random.default_rng(0)
    middle = np.repeat([-40.0, -10.0, 10.0, 40.0], 100)
    table = pd.DataFrame({"a": middle + rng.normal(size=400)})
    names = Segments(n_segments=4).fit(table).profile_["name"]
    assert sorted(names) == ["high a", "high a (2)", "low a", "low a (2)"]


def test_one_cloud_is_one_segment() -> None:
    """Where customers form one cloud, however stretched, there are no segments, and it warns."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(800, 1))
    table = pd.DataFrame(base + 0.5 * rng.normal(size=(800, 3)), columns=["a", "b", "c"])
    with pytest.warns(UserWarning, match="no stable segments"):
        segments = Segments(most=4, resamples=6).fit(table)
    assert len(segments.profile_) == 1
    assert "no stable segments" in str(segments)


def test_segments_keep_number_and_name_from_quarter_to_quarter() -> None:
    """Most customers stay in the segment of the same number, whatever order it was made in."""
    history = history_with("planted", FEW)
    before = Segments(n_segments=4).learn(history, "2026Q2")
    now = Segments(n_segments=4, random_state=9).learn(history, "2026Q3")
    now.match(before).match(before)  # as when a cell is run again
    assert sorted(now.profile_["number"]) == [0, 1, 2, 3]
    assert set(now.profile_["name"]) == set(before.profile_["name"])
    earlier = pd.Series(before.labels_, before.customers_.index)
    number = now.profile_["number"].to_numpy()[now.labels_]
    both = pd.concat([earlier, pd.Series(number, now.customers_.index)], axis=1, join="inner")
    assert (both[0] == both[1]).mean() > 0.6


def test_comparison_with_other_divisions() -> None:
    """Shares by segment add up; the same division agrees fully, one of chance not at all."""
    table, group = three_groups()
    segments = Segments(n_segments=3).fit(table)
    same = segments.compare(np.array(["x", "y", "z"])[group])
    assert same.attrs["adjusted_rand"] == 1
    assert np.diag(same).tolist() == [1, 1, 1]
    several = segments.compare(["farmers;women"] * 600)
    assert several["women"].tolist() == [1, 1, 1]
    assert several.attrs["adjusted_rand"] == 0


def test_too_few_customers_are_refused() -> None:
    """Below 200 customers halves tell nothing; other customers cannot be matched."""
    with pytest.raises(UsageError, match="10 customers are too few: 200 are needed"):
        Segments().fit(pd.DataFrame({"a": range(10)}))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_segments": 0}, "n_segments must be a whole number, 1 or more, at most 600; given 0"),
        ({"n_segments": 900}, "at most 600; given 900"),
        ({"most": 301}, "most must be a whole number, 1 or more, at most 300; given 301"),
        ({"resamples": 0}, "resamples must be a whole number, 1 or more; given 0"),
        ({"language": "fr", "n_segments": 3}, "unknown language 'fr'"),
    ],
)
def test_parameters_are_checked_before_anything_is_learnt(
    parameters: dict[str, object], words: str
) -> None:
    """None is left to scikit-learn, or to the day a name is asked for."""
    with pytest.raises(UsageError, match=words):
        Segments(**parameters).fit(three_groups()[0])


def test_segments_of_a_table_cannot_be_matched() -> None:
    """Only a bank says whose they are, and that is said, not that nothing is fitted."""
    segments = Segments(n_segments=3).fit(three_groups()[0])
    with pytest.raises(UsageError, match="matched after `learn`"):
        segments.match(segments)
