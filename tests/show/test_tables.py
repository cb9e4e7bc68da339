"""Tables as data."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from stockcust_analysis.errors import ReportError, UsageError
from stockcust_analysis.show import Column, Table, table
from stockcust_analysis.show.blocks import TABLE_MIME


def _frame() -> pd.DataFrame:
    return pd.DataFrame({"branch": ["城关", "合计"], "aum": [1.25, None], "customers": [1200, 3]})


class TestTable:
    """`table`: a frame's columns as finished text."""

    def test_cells(self) -> None:
        """Formats are applied, whole numbers get separators, missing values a dash."""
        shown = table(_frame(), caption="表", formats={"aum": "{:.1f}".format})
        assert shown.rows == (("城关", "1.2", "1,200"), ("合计", "—", "3"))

    def test_columns(self) -> None:
        """Labels replace names; numbers stand right, words left, unless said otherwise."""
        shown = table(
            _frame(),
            caption="表",
            labels={"branch": "支行"},
            formats={"aum": "{:.1f}".format},
            align={"customers": "center"},
        )
        assert shown.columns == (
            Column("支行", "left"),
            Column("aum", "right"),
            Column("customers", "center"),
        )

    @pytest.mark.parametrize(
        ("cell", "side"),
        [
            ("1,234.5", "right"),
            ("▲ 3.1%", "right"),
            ("*", "right"),
            ("−2", "right"),
            ("3户", "left"),
        ],
    )
    def test_formatted_numbers(self, cell: str, side: str) -> None:
        """Numbers that come as text are still aligned as numbers."""
        assert table(pd.DataFrame({"a": [cell]}), caption="表").columns[0].align == side

    def test_decimals_need_a_format(self) -> None:
        """How many decimals to print is never guessed."""
        with pytest.raises(ReportError, match=r"column 'aum' holds decimal numbers and no format"):
            table(_frame(), caption="表")

    @pytest.mark.parametrize("option", ["labels", "formats", "align"])
    def test_unknown_column(self, option: str) -> None:
        """An option for a column that is not there is an error with close matches."""
        with pytest.raises(UsageError, match=r"unknown column 'branc'\. Did you mean 'branch'"):
            table(_frame(), caption="表", **{option: {"branc": str}})

    def test_emphasise(self) -> None:
        """Rows are counted from the end when negative."""
        assert table(_frame()[["branch"]], caption="表", emphasise=[-1]).emphasised == (1,)

    def test_empty(self) -> None:
        """A frame without rows is a table without rows."""
        assert table(_frame().head(0), caption="表").rows == ()


class TestDisplay:
    """A table displays itself as data, as HTML and as text."""

    hostile = Table("<b>", (Column("<i>"),), (("<script>alert(1)</script>",),), "u", "n")

    def test_json(self) -> None:
        """The data are plain values that survive JSON."""
        payload = self.hostile._repr_mimebundle_()[TABLE_MIME]
        assert json.loads(json.dumps(payload)) == payload
        assert payload["rows"] == [["<script>alert(1)</script>"]]
        assert set(payload) == {
            "caption",
            "unit",
            "note",
            "columns",
            "rows",
            "emphasised",
            "look",
            "half",
        }

    def test_html(self) -> None:
        """HTML is escaped everywhere."""
        html = self.hostile._repr_mimebundle_()["text/html"]
        assert "&lt;script&gt;" in html
        assert "<script" not in html
        assert "<b><b>" not in html
        assert "<i>" not in html

    def test_plain(self) -> None:
        """The text form holds caption, unit, header, rows and note."""
        shown = table(_frame()[["branch", "customers"]], caption="表", unit="单位:户", note="来源")
        lines = shown._repr_mimebundle_()["text/plain"].splitlines()
        assert lines == [
            "表  单位:户",
            "branch  customers",
            "城关        1,200",
            "合计            3",
            "来源",
        ]
