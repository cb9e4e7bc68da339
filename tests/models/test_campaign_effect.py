"""The campaign's effect: found where planted, not where none is, refused without overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.models.campaign_effect import CampaignEffect
from tests.models.banks import FEW, bank_with, history_with, visited


def measured(effects: str) -> object:
    """Return the report of the campaign in a bank with effects or none."""
    periods = {"before": "2026Q2", "after": "2026Q3", "outcome": "aum_period_end"}
    listed = [*visited(effects), "nobody", "nobody"]
    return CampaignEffect().measure(bank_with(effects), listed, **periods)


@pytest.mark.slow
def test_a_planted_effect_is_found() -> None:
    """A quarter more money, log 1.25 = 0.22 at most, is within reach of the interval."""
    report = measured("planted")
    assert 0 < report.low < 0.22 < report.high + 0.1
    assert report.trustworthy
    customers = bank_with("planted").customers("2026Q2").query("funded == 1")
    assert report.left_out == len({*visited("planted")} - {*customers["customer_id"]}) + 1
    assert len(report.placebos) == 3
    assert report.balance["after"].abs().max() < 0.2 < report.balance["before"].abs().max()


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is() -> None:
    """Without an effect the interval holds 0, and the report says so in both languages."""
    report = measured("none")
    assert report.low < 0 < report.high
    assert "no effect is shown" in "\n".join(report.sentences("en"))
    assert "未显示效果" in "".join(report.sentences("zh"))


def test_matching_takes_out_what_differed_before() -> None:
    """Rich customers are contacted more and grow more; within pairs only the effect is left."""
    rng = np.random.default_rng(0)
    wealth = rng.normal(size=3000)
    contacted = rng.random(3000) < 1 / (1 + np.exp(1.5 - wealth))
    change = wealth + 0.5 * contacted + 0.1 * rng.normal(size=3000)
    model = CampaignEffect().fit(pd.DataFrame({"wealth": wealth}), contacted, change)
    naive = change[contacted].mean() - change[~contacted].mean()
    assert naive > 1
    assert model.effect_ == pytest.approx(0.5, abs=0.06)
    assert not set(model.pairs_["contacted"]) & set(model.pairs_["other"])
    assert model.pairs_["other"].is_unique
    difference = model.pairs_["difference"]
    assert model.effect_ == pytest.approx(difference.mean())
    error = difference.std() / len(difference) ** 0.5
    assert model.high_ - model.low_ == pytest.approx(3.92 * error)


def test_poor_overlap_is_refused() -> None:
    """Where all the rich and none of the others were contacted there is nothing to compare."""
    wealth = pd.DataFrame({"wealth": np.r_[np.linspace(0, 1, 300), np.linspace(50, 60, 100)]})
    contacted = wealth["wealth"] > 10
    with pytest.raises(UsageError, match="contacted customers are like anybody who was not"):
        CampaignEffect().fit(wealth, contacted, np.zeros(400))


@pytest.mark.parametrize(
    ("mark", "rows"),
    [
        ([1.0, 0.0, np.nan, 1.0], 50),
        (["yes", "no"] * 2, 200),
        ([1, 2] * 2, 100),
        (pd.array([True, False, pd.NA, True], dtype="boolean"), 50),
        ([True, None, False, True], 50),
    ],
)
def test_who_was_contacted_is_never_guessed(mark: object, rows: int) -> None:
    """A gap is no contact and no lack of one; words and other numbers are no flags: how many."""
    contacted = pd.concat([pd.Series(mark)] * 50)
    words = f"contacted: {rows} rows hold something else than True, False, 1 or 0"
    with pytest.raises(UsageError, match=words):
        CampaignEffect().fit(pd.DataFrame({"aum": np.arange(200) % 20}), contacted, np.zeros(200))


@pytest.mark.parametrize("kind", ["boolean", "Int64", "float64", "bool", object])
def test_flags_of_any_type_are_the_same(kind: object) -> None:
    """Nullable, numbers, booleans, objects: the same pairs."""
    aum = np.arange(400) % 20
    contacted = pd.Series(np.arange(400) // 20 % 2, dtype="int64")
    flags = contacted.astype(bool).astype(kind)
    model = CampaignEffect().fit(pd.DataFrame({"aum": aum}), flags, aum + contacted)
    assert (model.effect_, len(model.pairs_)) == (pytest.approx(1), 200)


def test_what_cannot_be_compared_is_an_error() -> None:
    """Too few, gaps, quarters the wrong way round and unknown columns are refused."""
    table = pd.DataFrame({"a": np.arange(100.0)})
    with pytest.raises(UsageError, match="5 customers were contacted and 95 were not"):
        CampaignEffect().fit(table, np.arange(100) < 5, np.zeros(100))
    with pytest.raises(UsageError, match="contacted: 99 rows, and the table has 100"):
        CampaignEffect().fit(table, np.zeros(99), np.zeros(100))
    with pytest.raises(UsageError, match="change contains NaN in 100 rows"):
        CampaignEffect().fit(table, np.arange(100) % 2, np.full(100, np.nan))
    with pytest.raises(UsageError, match="'change' holds text"):
        CampaignEffect().fit(table, np.arange(100) % 2, ["more"] * 100)
    with pytest.raises(UsageError, match="fact about the person 'age'"):
        CampaignEffect(personal=["age"]).fit(table, np.arange(100) % 2, np.zeros(100))
    bank, names = history_with("planted", FEW), visited("planted", FEW)
    with pytest.raises(UsageError, match="must lie before"):
        CampaignEffect().measure(bank, names, before="2026Q3", after="2026Q2")
    with pytest.raises(UsageError, match="unknown outcome 'tier'"):
        CampaignEffect().measure(bank, names, before="2026Q2", after="2026Q3", outcome="tier")
    with pytest.raises(UsageError, match="0 customers were contacted"):
        CampaignEffect().measure(bank, ["nobody"], before="2026Q2", after="2026Q3")
    for wrong in ("C0001", pd.DataFrame({"customer_id": names})):
        with pytest.raises(UsageError, match="contacted must be a list of customer numbers, as"):
            CampaignEffect().measure(bank, wrong, before="2026Q2", after="2026Q3")
    with pytest.raises(UsageError, match="contacted: 2 of 3 customer numbers are no text"):
        CampaignEffect().measure(bank, [*names[:1], 7, None], before="2026Q2", after="2026Q3")
