"""The questions in DuckDB SQL, written by hand: `sql/*.sql`, with the policy's lists filled in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from string import Template

import duckdb
import pandas as pd

from benchmarks.answers import Sums
from benchmarks.asked import Asked
from benchmarks.sql_words import co_holding, words
from stockcust_analysis.bank.duckdb_connection import quiet_connection
from stockcust_analysis.periods import Quarter

_FOLDER = Path(__file__).with_name("sql")


def sums(asked: Asked, *, memory_limit: str | None = None) -> Sums:
    """Return the sums of a bank's quarter and the one before."""
    with tempfile.TemporaryDirectory() as spill, quiet_connection() as connection:
        connection.execute("SET temp_directory = ?", [spill])
        if memory_limit:
            connection.execute(f"SET memory_limit = '{memory_limit}'")
        return _Run(connection, asked).sums()


class _Run:
    """One run of the statements."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, asked: Asked) -> None:
        self.connection = connection
        self.asked = asked
        self.now, self.before = asked.quarter, asked.quarter.previous

    def sums(self) -> Sums:
        self._successors()
        levels, concentration = {}, {}
        for quarter in (self.before, self.now):
            self._execute("facts", quarter)
            if self.asked.has("assignments"):
                self._execute("served", quarter)
                self._execute("served_sums", quarter)
            levels[str(quarter)] = self._frame("levels", quarter).fillna(0)
            self._execute("concentration", quarter)
            concentration[str(quarter)] = self._frame("concentration_sums", quarter)
            if quarter == self.now:
                lorenz = self._frame("lorenz", quarter)
                held = self.connection.sql(co_holding(self.asked.policy, f"facts_{quarter}")).df()
            self._execute("compared", quarter)
        self.connection.execute("DROP TABLE ranked")
        pairs, cells = {}, {}
        for structure, branch in self._structures().items():
            self._execute("pairs", self.now, branch=branch)
            pairs[structure] = self._frame("pair_sums", self.now).fillna(0)
            cells[structure] = self._frame("cells", self.now)
            if structure == "today":
                attrition = self._frame("attrition", self.now)
        return Sums(levels, concentration, lorenz, held, attrition, pairs, cells)

    def _structures(self) -> dict[str, str]:
        """Return the column of branches by structure; as issued only where that differs."""
        moved = self.connection.sql(
            f"SELECT count(*) FROM compared_{self.before} WHERE branch_id <> issued_branch_id"
        ).fetchall()[0][0]
        return {"today": "branch_id"} | ({"issued": "issued_branch_id"} if moved else {})

    def _successors(self) -> None:
        self.connection.execute("CREATE TEMP TABLE successors (old_branch_id TEXT, new_branch_id TEXT)")  # fmt: skip  # noqa: E501
        for pair in self.asked.successors().items():
            self.connection.execute("INSERT INTO successors VALUES (?, ?)", pair)

    def _execute(self, name: str, quarter: Quarter, **more: str) -> None:
        self.connection.execute(self._filled(name, quarter, more))

    def _frame(self, name: str, quarter: Quarter) -> pd.DataFrame:
        return self.connection.sql(self._filled(name, quarter, {})).df()

    def _filled(self, name: str, quarter: Quarter, more: dict[str, str]) -> str:
        text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
        return Template(text).substitute(words(self.asked, quarter) | more)
