"""The table that a measure returns, whatever engine its customers came from.

It is a pandas table, so that all of pandas works on it, and shows itself in words and units. Words
and charts are no matter of this layer: it asks the `core.presentation` in force for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from stockcust_analysis import core
from stockcust_analysis.core.frames import Groups, group_names, native_like
from stockcust_analysis.errors import UsageError, choose_language, require_known, say

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

_SHEET_NAME = re.compile(r"(?!')[^][:*?/\\]{1,31}(?<!')")


def set_language(language: str) -> None:
    """Choose the language in which results, charts and a notebook's errors show themselves.

    Parameters
    ----------
    language : str
        "zh" (Chinese, the default) or "en" (English).

    Raises
    ------
    UsageError
        Another language.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis import concentration
    >>> bank = pd.DataFrame({"aum_period_end": [6.0, 1, 1, 1, 1]})
    >>> gini = concentration(bank, base="all").query("measure == 'gini'")
    >>> gini
    指标      口径      客户数  数值
    基尼系数  全部客户       5  0.400
    >>> set_language("en")
    >>> gini
    Measure           Base           Customers  Value
    Gini coefficient  all customers          5  0.400
    >>> set_language("zh")
    """
    choose_language(require_known("language", language, ("zh", "en")))


@dataclass(frozen=True)
class About:
    """What a result knows of itself beyond its cells.

    `chart` draws it, the measure `leading` if none is named; `notes` are sentences of the word file
    with what fills their gaps; `members` are the policy's words for tiers, families, channels,
    classes and groups; `as_of` is the day, where one was given, `since` the earlier of two;
    `unit` is what was counted, if not customers.
    """

    chart: str = ""
    leading: str = ""
    notes: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    members: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    as_of: str = ""
    since: str = ""
    unit: str = ""


class Result(pd.DataFrame):
    """What a measure returns: a small table that shows itself in words and units.

    In Jupyter and on the console cells are printed with their units (%, 万元 or 亿元), names in the
    language of `set_language`; the cells themselves stay plain numbers: CNY, shares from 0 to 1.
    Everything that pandas does works on it: `result["value"]`, `result.query(…)`, `len(result)`;
    `plot` and `pivot` are its own, those of pandas are at `result.to_pandas()`.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis import concentration
    >>> bank = pd.DataFrame({"branch_id": ["A", "A", "B"], "aum_period_end": [3.0, 1, 5]})
    >>> result = concentration(bank, by="branch_id", base="all")
    >>> result.query("measure == 'gini'")["value"].tolist()
    [0.25, 0.0]
    >>> result.pivot("branch_id").loc["A", ["gini", "top_20_share"]].round(2).tolist()
    [0.25, 0.3]
    """

    _metadata: ClassVar[list[str]] = ["about"]
    about: About = About()

    @property
    def _constructor(self) -> type[Result]:
        return Result

    def to_pandas(self) -> pd.DataFrame:
        """Return the cells as a plain pandas table."""
        return pd.DataFrame(self)

    def to_polars(self) -> pl.DataFrame:
        """Return the cells as a Polars table."""
        import polars as pl

        table: pl.DataFrame = native_like(self.to_pandas(), pl.DataFrame())
        return table

    def pivot(  # type: ignore[override]
        self, index: Groups, columns: Groups = "measure", values: str = "value"
    ) -> pd.DataFrame:
        """Return a cross table of plain numbers.

        Parameters
        ----------
        index : str or list of str
            Columns that become its rows.
        columns : str or list of str
            Columns that become its columns, the measures if left out.
        values : str
            Column of the cells.

        Returns
        -------
        DataFrame
            Tiers, families and the like in the policy's order, other labels in that of the result;
            empty where the result has no row.

        Raises
        ------
        UsageError
            An unknown column; several rows for one cell, which says what tells them apart.
        """
        keys = [*group_names(index), *group_names(columns)]
        if {"measure", "value"} & {*keys, values} - {*self.columns}:
            raise UsageError(say("cannot_pivot", [*self.columns]))
        for name in (*keys, values):
            require_known("column", name, self.columns)
        if self.duplicated(keys).any():
            twice = self[self.duplicated(keys, keep=False)]
            labels = [str(n) for n in twice.select_dtypes(exclude="number") if n not in keys]
            several = [name for name in labels if twice[name].nunique() > 1]
            cell = " × ".join(keys)
            raise UsageError(say("several_rows_of_cell", cell, several or say("numbers_only")))
        cells = self.to_pandas().set_index(keys)[values]
        table: Any = cells.unstack(group_names(columns), sort=False)
        order, members = presentation().policy_order, self.about.members
        down, across = (order(axis.to_frame(index=False), members) for axis in table.axes)
        ordered: pd.DataFrame = table.iloc[down, across]
        return ordered

    def plot(self, **options: Any) -> Axes:  # type: ignore[override]
        """Draw the result, and return the axes; `.save("slide.png")` writes them to a file.

        Base, customers and day stand below the chart, as far as the result knows them.

        Parameters
        ----------
        **options
            What the chart takes: `group=` where the result has several groups, `measure=`, `ax=`,
            `figsize=` (inches), `language=`. Which chart it is, and all there are: see `sca.plot`.

        Raises
        ------
        UsageError
            No chart is natural for such a table, one of its columns is missing, or the chart takes
            no such option.
        """
        axes: Axes = presentation().draw(self, **options)
        return axes

    def to_excel(  # type: ignore[override,misc]
        self, path: Any, *, sheet_name: str = "Sheet1", index: bool = False, **options: Any
    ) -> None:
        """Write the result into a workbook, headers in words, cells as numbers with their units.

        Parameters
        ----------
        path : str or Path
            The file, such as "dormancy.xlsx"; one that is there is replaced.
        sheet_name : str
            What the sheet is called, up to 31 characters.
        index, **options
            As pandas' own `to_excel` takes them. With any but `index=False`, or a `pd.ExcelWriter`
            for `path`, pandas writes the plain cells.

        Raises
        ------
        UsageError
            A sheet cannot be called so, or the file's name does not end in .xlsx.
        """
        if not _SHEET_NAME.fullmatch(sheet_name):
            raise UsageError(say("no_sheet_name", sheet_name, len(sheet_name)))
        if index or options or not isinstance(path, (str, Path)):
            options |= {"sheet_name": sheet_name, "index": index}
            self.to_pandas().to_excel(path, **options)
        else:
            presentation().write_workbook({sheet_name: self}, Path(path))

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        bundle: dict[str, Any] = presentation().mimebundle(self)
        return bundle

    def _repr_html_(self) -> str:
        return str(self._repr_mimebundle_()["text/html"])

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])


def presentation() -> Any:
    """Return the module that knows words and workbooks, loaded when it is needed."""
    return import_module(core.presentation)


def charts() -> Any:
    """Return the module of all charts, loaded when one is drawn."""
    return import_module(core.charts)
