"""The profile tells sizes, gaps, amounts and codes, and nothing of one person."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.bank.totals import totals_of
from stockcust_analysis.cli import cli
from stockcust_analysis.show.profile import page, profile
from tests.conftest import SAMPLE
from tests.engines.banks import in_pandas, in_polars
from tests.tiny_bank import CUSTOMERS, TinyBank, as_frames


def rows_of(source: object) -> dict[str, list[tuple[str, ...]]]:
    """Return the rows of each table of a bank's profile, by its English caption's first word."""
    with open_bank(source) as bank:
        tables = profile(bank, totals_of(bank, bank.quarters), "en")
    return {shown.caption.split()[0]: list(shown.rows) for shown in tables}


def test_a_tiny_bank_is_counted_by_hand(tiny_bank: TinyBank) -> None:
    """Four customers, one never active at either date; few of a code are told as few."""
    found = rows_of(tiny_bank())
    assert found["Quarters:"] == [
        ("2026Q2", "2", "3", "3", "—", "—", "—"),
        ("2026Q3", "2 (+0.0%)", "4 (+33.3%)", "4 (+33.3%)", "—", "—", "—"),
    ]
    assert found["Rows"] == [
        ("branches", "2", ""),
        ("customers", "7", ""),
        ("customers.last_active_on", "7", "28.6%"),
        ("holdings", "7", ""),
    ]
    assert ("customers.customer_type", "personal", "<5", "—") in found["Codes"]
    # Percentiles of four customers would be their balances.
    assert "Percentiles" not in found


def test_columns_have_chinese_names_on_a_chinese_profile(tiny_bank: TinyBank) -> None:
    """As the data dictionary calls them; codes stay those that a mapping must give."""
    with open_bank(tiny_bank()) as bank:
        _, gaps, codes = profile(bank, totals_of(bank, bank.quarters), "zh")
    assert [row[0] for row in gaps.rows] == ["机构", "客户", "客户·最近主动交易日", "持有"]
    assert ("客户·客户类型", "personal", "<5", "—") in codes.rows


def test_sums_are_of_five_customers_and_more(tiny_bank: TinyBank) -> None:
    """What three own may be what one of them owns; of five it is told, and how it has changed."""
    more = "".join(
        f"{day},N{n},001,personal,2020-01-05,2026-06-01,0,0\n"
        for day in ("2026-06-30", "2026-09-30")
        for n in range(2)
    )
    found = rows_of(tiny_bank(customers=CUSTOMERS + more))
    assert [row[4:] for row in found["Quarters:"]] == [
        ("71.25", "71.25", "—"),
        ("71.45 (+0.3%)", "71.45 (+0.3%)", "—"),
    ]


def test_percentiles_are_those_of_the_amounts_told_roughly() -> None:
    """Each is within a tenth of what pandas computes, and has two digits at most."""
    found = {row[0]: row[1:] for row in rows_of(SAMPLE)["Percentiles"]}
    customers = duckdb.read_parquet(str(SAMPLE / "customers.parquet")).df()
    amounts = customers.loc[customers["as_of"].astype("str") == "2026-09-30", "aum_period_end"]
    amounts = amounts.astype(float)[lambda values: values > 0]
    for told, share in zip(
        found["customers.aum_period_end"], (0.05, 0.25, 0.5, 0.75, 0.95), strict=True
    ):
        digits = told.replace(",", "")
        assert float(digits) == pytest.approx(amounts.quantile(share), rel=0.1)
        assert len(digits.strip("0")) <= 2


def test_shares_of_codes_are_of_those_that_have_one(tiny_bank: TinyBank) -> None:
    """Empty cells are in no share on any engine: five of nine who have a gender are all of them."""
    head, *rows = CUSTOMERS.splitlines()
    more = [f"2026-09-30,N{n},001,personal,2020-01-05,2026-06-01,0,0,female" for n in range(5)]
    text = "\n".join([f"{head},gender", *(f"{row}," for row in rows), *more])
    folder = tiny_bank(customers=f"{text}\n")
    for source in (folder, as_frames(folder)):
        assert ("customers.gender", "female", "5", "100.0%") in rows_of(source)["Codes"]


@pytest.mark.parametrize("place", [in_pandas, in_polars])
def test_engines_tell_the_same(place: object, tiny_bank: TinyBank, tmp_path: Path) -> None:
    """Frames have the profile of the files they were read from."""
    from tests.engines.test_frames import tiny

    assert rows_of(place(tiny(), tmp_path)) == rows_of(tiny_bank())  # type: ignore[operator]


def test_the_page_stands_alone(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """One file of HTML: no script, no address, no customer's number, in the language asked for."""
    path = tmp_path / "profile.html"
    cli.main(
        ["check", str(tiny_bank()), "--html", str(path), "--language", "zh"], standalone_mode=False
    )
    html = path.read_text(encoding="utf-8")
    assert "各表行数与空值占比" in html
    assert 'lang="zh"' in html
    assert not re.search(r"<script|https?://|\bC[1-4]\b|\bA[1-4]\b", html)
    assert "&lt;b&gt;" in page("<b>", [], [], "en")
