"""The sample banks for models hold the effects that their page states, or none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from stockcust_analysis.cli import cli
from tests.models.banks import tables_with, visited


def drained(effects: str) -> pd.Series:
    """Return whether each customer's money fell to a tenth between two quarters, by channel."""
    customers = tables_with(effects)["customers"].sort_values(["customer_id", "as_of"])
    before = customers.groupby("customer_id")["aum_period_end"].shift()
    fell = (
        (before > 1000)
        & (customers["aum_period_end"] < before / 10)
        & customers["closed_on"].isna()
    )
    online = customers["acquisition_channel"].eq("online").rename("online")
    return fell.groupby([customers["customer_id"], online]).any().groupby("online").mean()


def test_online_customers_drain_where_that_is_planted() -> None:
    """About seven times as often with planted effects, as often as others with none."""
    planted, none = drained("planted"), drained("none")
    assert planted[True] > 4 * planted[False]
    assert none[True] == pytest.approx(none[False], abs=0.015)


def test_the_wealthy_are_visited_more() -> None:
    """A third of the wealthy are visited, so that a comparison must match."""
    for effects in ("planted", "none"):
        customers = tables_with(effects)["customers"]
        before = customers[customers["as_of"] == "2026-06-30"]
        rich = before[before["aum_average_quarter"] > 40_000]["customer_id"]
        assert rich.isin(visited(effects)).mean() == pytest.approx(0.35, abs=0.06)


def test_the_page_states_the_effects(tmp_path: Path) -> None:
    """`stockcust sample --effects` writes a bank whose page says what is in it."""
    size = ["--branches", "10", "--customers", "1000", "--quarters", "2"]
    for effects, words in {"planted": "Planted effects", "none": "No effects"}.items():
        folder = tmp_path / effects
        result = CliRunner().invoke(
            cli, ["sample", "--out", str(folder), "--effects", effects, *size]
        )
        assert result.exit_code == 0, result.output
        assert f"## {words}" in (folder / "README.md").read_text(encoding="utf-8")
