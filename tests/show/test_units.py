"""Units and number format: as printed in a bank's annual report, rounded as on paper."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show.wording import (
    MISSING,
    Unit,
    change_between,
    format_arrow,
    format_count,
    format_difference,
    format_measure,
    format_money,
    format_number,
    format_share,
    format_signed,
    money_unit,
    unit_note,
)


class TestMoneyUnit:
    """One unit for a column."""

    @pytest.mark.parametrize(
        ("typical", "zh", "en"),
        [
            (532, "元", "CNY"),
            (9_999, "元", "CNY thousand"),
            (10_000, "万元", "CNY thousand"),
            (99_999_999, "万元", "CNY million"),
            (100_000_000, "亿元", "CNY million"),
        ],
    )
    def test_borders(self, typical: float, zh: str, en: str) -> None:
        """A unit begins where the typical amount is one of it: 1万 = 10⁴, 1亿 = 10⁸, 1k, 1m."""
        assert money_unit([typical]).name == zh
        assert money_unit([typical], "en").name == en

    def test_typical_amount_decides_not_the_largest(self) -> None:
        """One huge customer does not push the column into 0.00 亿元."""
        assert money_unit([3e9, 5e5, 4e5]).name == "万元"

    def test_holes_do_not_count(self) -> None:
        """Zeros, missing and suppressed cells say nothing of the size."""
        assert money_unit([0, 0, 0, None, float("nan"), "*", 2e8]).name == "亿元"

    def test_debts_count_by_their_size(self) -> None:
        """A column of falls has the unit of its amounts."""
        assert money_unit([-2e8]).name == "亿元"

    def test_nothing_to_go_by(self) -> None:
        """A column without amounts is printed in the smallest unit."""
        assert money_unit([]).name == "元"

    def test_same_decimals_in_a_column(self) -> None:
        """Small and large amounts of a column share unit and decimals."""
        column = [1.263e9, 0.08e9, 25e9]
        unit = money_unit(column)
        assert [format_money(amount, unit) for amount in column] == ["12.63", "0.80", "250.00"]

    @pytest.mark.parametrize(
        ("amount", "text"), [(5.321e8, "5.32"), (532.14e8, "532.1"), (5321.4e8, "5,321")]
    )
    def test_fewer_decimals_for_larger_numbers(self, amount: float, text: str) -> None:
        """Two decimals below 100, one below 1,000, none above."""
        assert format_money(amount, money_unit([amount])) == text

    def test_unit_note(self) -> None:
        """The table's corner names the unit in the page's language."""
        assert unit_note(Unit("万元", 10_000, 2, "{}万元", "{}")) == "单位：万元"
        assert unit_note(money_unit([5e6], "en"), "en") == "CNY million"


class TestNumbers:
    """Rounding, separators, zero, holes."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0.125, "0.13"), (0.135, "0.14"), (2.675, "2.68"), (1.005, "1.01"), (-0.125, "-0.13")],
    )
    def test_half_goes_up_as_on_paper(self, value: float, text: str) -> None:
        """The binary neighbours of 2.675 and 1.005 lie below them; paper rounds both up."""
        assert format_number(value, decimals=2) == text

    @pytest.mark.parametrize("value", [-0.0, 0, -0.004, -1e-12])
    def test_zero_has_no_sign(self, value: float) -> None:
        """-0 is never printed."""
        assert format_number(value, decimals=2) == "0.00"

    @pytest.mark.parametrize("value", [None, float("nan"), float("inf"), np.nan])
    def test_a_hole_is_a_dash(self, value: float | None) -> None:
        """Every formatter prints the same dash for a value that does not exist."""
        formatted = [format_number(value, decimals=1), format_share(value), format_count(value)]
        assert formatted == [MISSING] * 3

    def test_suppressed_stays_suppressed(self) -> None:
        """A suppressed value passes every formatter as a star."""
        unit = money_unit([1])
        assert {format_share("*"), format_count("*"), format_money("*", unit)} == {"*"}
        assert format_arrow(change_between("*", 0.5, "share"), "share") == "*"

    def test_other_texts_are_refused(self) -> None:
        """A text in a number's place is an error that does not repeat the text."""
        with pytest.raises(UsageError, match="only '\\*'") as refused:
            format_share("C1002")
        assert "C1002" not in str(refused.value)

    def test_thousands(self) -> None:
        """Thousands are separated by commas."""
        assert format_count(1234567) == "1,234,567"

    def test_numpy_numbers(self) -> None:
        """Cells of a frame print like plain numbers."""
        assert format_share(np.float64(0.4845)) == "48.5%"
        assert format_count(np.float64(5230)) == "5,230"

    @given(st.integers(-(10**12), 10**12), st.integers(0, 4))
    def test_agrees_with_whole_number_arithmetic(self, thousandths: int, decimals: int) -> None:
        """Rounding thousandths half away from zero, done with whole numbers alone."""
        text = format_number(Decimal(thousandths) / 1000, decimals=decimals)
        step = 10 ** max(3 - decimals, 0)
        expected = (abs(thousandths) + step // 2) // step * step
        shown = Decimal(text.replace(",", ""))
        assert shown * 1000 == (expected if thousandths >= 0 else -expected)
        assert text.lstrip("-").replace(",", "")[::-1].find(".") == (decimals or -1)


class TestMeasures:
    """A measure prints as its kind asks."""

    @pytest.mark.parametrize(
        ("measure", "value", "text"),
        [
            ("customers", 5230.0, "5,230"),
            ("dormancy_rate", 0.0825, "8.3%"),
            ("products_per_customer", 2.125, "2.13"),
            ("gini", 0.7425, "0.743"),
            ("herfindahl", 0.00215, "0.0022"),
        ],
    )
    def test_kinds(self, measure: str, value: float, text: str) -> None:
        """Counts without decimals, shares in percent, ratios and indices with their own."""
        assert format_measure(value, measure) == text

    def test_money_needs_the_columns_unit(self) -> None:
        """A single cell cannot choose its unit: units would mix within a column."""
        with pytest.raises(UsageError, match="money_unit"):
            format_measure(1e6, "aum_period_end")
        assert format_measure(1e6, "aum_period_end", unit=money_unit([1e6])) == "100.0"


class TestChanges:
    """Changes: percent for amounts, percentage points for shares."""

    @pytest.mark.parametrize(
        ("now", "before", "kind", "zh", "en"),
        [
            (103.1, 100, "money", "▲ 3.1%", "▲ 3.1%"),
            (95, 100, "count", "▼ 5.0%", "▼ 5.0%"),
            (0.497, 0.485, "share", "▲ 1.2个百分点", "▲ 1.2 pp"),
            (0.485, 0.497, "share", "▼ 1.2个百分点", "▼ 1.2 pp"),
            (2.13, 2.01, "ratio", "▲ 0.12", "▲ 0.12"),
            (0.745, 0.742, "index", "▲ 0.003", "▲ 0.003"),
            (100.04, 100, "money", "持平", "unchanged"),
            (0.5, 0.5, "share", "持平", "unchanged"),
            (5, 0, "count", "—", "—"),
            (5, None, "count", "—", "—"),
            (5, -5, "money", "—", "—"),
        ],
    )
    def test_words(self, now: float, before: float | None, kind: str, zh: str, en: str) -> None:
        """Half of 8 % to 4 % is 4 points, not 50 percent; growth from nothing has no percent."""
        change = change_between(now, before, kind)  # type: ignore[arg-type]
        assert format_arrow(change, kind) == zh  # type: ignore[arg-type]
        assert format_arrow(change, kind, "en") == en  # type: ignore[arg-type]

    def test_running_text_has_signs(self) -> None:
        """In sentences a change carries + or -."""
        assert format_signed(Decimal("-0.012"), "share") == "-1.2个百分点"
        assert format_signed(0.058, "money") == "+5.8%"
        assert format_signed(None, "money") == MISSING

    def test_difference_has_no_sign(self) -> None:
        """A distance is said with above or below, so it has no sign."""
        assert format_difference(-0.061, "share", "en") == "6.1 pp"

    def test_no_binary_tails(self) -> None:
        """0.3 - 0.1 is 0.2 exactly, so that rounding sees the digits people see."""
        assert change_between(0.3, 0.1, "share") == Decimal("0.2")
