"""Results of measures in words and units, as charts and as workbooks.

```
result ──> table_of(result) ──> html, the page's table, text
       ──> draw(result) ──> Axes
       ──> write_workbook(result, path)
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from stockcust_analysis.bank.file_names import SYNONYMS
from stockcust_analysis.core.files import atomic_write
from stockcust_analysis.core.results import Result, charts
from stockcust_analysis.errors import UsageError, chosen_language, in_language, say
from stockcust_analysis.measures.codebook import defined_measures
from stockcust_analysis.measures.population import AGE_GROUPS
from stockcust_analysis.measures.registry import OF_RESULT
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import MISSING, Language, Table, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS: Final = 60
# A table with one of these sets of columns is a result; others are shown as pandas shows them.
_SHAPES: Final = (
    {"measure", "value"},
    {"customer_share", "value_share"},
    {"from", "to", "customers"},
    {"component", "amount"},
    {"family_a", "family_b"},
    {"became", "fall"},
)
_SHARES: Final = (
    *("customer_share", "value_share", "fall_share", "share_of_falls"),
    *("conditional_rate", "rate_low", "rate_high"),
)
_MONEY: Final = ("opening_aum", "closing_aum", "amount", "fall")
_EXCEL: Final = {"share": "0.0%", "money": "#,##0.00", "count": "#,##0", "index": "0.000"}
# Column → the dimensions of a policy, and the sections of the words, that its entries are from.
_DIMENSIONS: Final = {
    **{name: (name,) for name in ("channel", "customer_class", "customer_group")},
    **dict.fromkeys(("tier", "from", "to"), ("tier",)),
    **dict.fromkeys(("family_a", "family_b"), ("family",)),
    "family": ("family", "channel"),
    "cohort": ("tier", "family", "channel", "customer_group"),
}
_CELL_SECTIONS: Final = {
    **{name: (name,) for name in ("base", "status", "component", "families_held", "rule")},
    **dict.fromkeys(("from", "to"), ("state",)),
    "measure": ("measure", "household_measure"),
    "became": ("became",),
    "customer_group": ("no_group",),
}
_AGES: Final = ("age_group", "age_band")
_WITHOUT: Final = "_without_"
_CODES: Final = {**SYNONYMS["codes"], "branch_type": SYNONYMS["codes"]["type"]}


def mimebundle(result: Result) -> dict[str, Any]:
    """Return a result as what Jupyter, the page and the console show; others as pandas does."""
    if not _is_shown_in_words(result):
        plain = result.to_pandas()
        html = plain.to_html(max_rows=_MOST_ROWS, show_dimensions=True)
        return {"text/html": html, "text/plain": repr(plain)}
    return table_of(result)._repr_mimebundle_()


def _is_shown_in_words(result: Result) -> bool:
    """Return whether a table still has the columns of a result, and no index that says more."""
    plain = result.index.nlevels == 1 and result.index.name is None
    columns = set(map(str, result.columns))
    return plain and result.columns.is_unique and any(shape <= columns for shape in _SHAPES)


def table_of(result: Result) -> Table:
    """Return a result as a table in words and units, its first rows if it has many."""
    language: Any = chosen_language()
    money = [name for name in _MONEY if name in result]
    unit = wording.money_unit(result[money].to_numpy(dtype=float).ravel(), language)
    rows = _in_policy_order(result).head(_MOST_ROWS)
    rows = rows.drop(columns=["numerator", "denominator"], errors="ignore")
    cells = pd.DataFrame(
        {name: _texts(result, rows, str(name), unit, language) for name in rows}, dtype="str"
    )
    left_out = len(result) - len(rows)
    notes = [*result.about.notes, *([("more_rows", {"rows": f"{left_out:,}"})] if left_out else [])]
    note = " ".join(sentence(key, facts, language) for key, facts in notes)
    labels = {n: column_word(n, language, result.about.unit) for n in map(str, cells)}
    above = wording.unit_note(unit, language) if money else ""
    return table(cells, caption="", unit=above, note=note, labels=labels)


def _in_policy_order(result: Result) -> Any:
    """Return the result with its rows, tiers, families and the like, as the policy lists them."""
    labels = result.select_dtypes(exclude="number").columns
    cuts = [*takewhile(lambda name: name in labels and name != "measure", result)]
    return result.iloc[policy_order(result[cuts], result.about.members)] if cuts else result


def sentence(key: str, facts: Mapping[str, Any], language: Any) -> str:
    """Return a note of a result in words."""
    if key == "aum_from":
        return " ".join(map(str.strip, wording.assumptions({key: facts}, language)))
    said = {name: str(in_language(fact, language)) for name, fact in facts.items()}
    words = {name: column_word(fact, language) for name, fact in said.items()}
    note = wording.fill(wording.text(key, language, within="result_note"), **words)
    colon = wording.text("colon", language, within="page")
    return f"{said['quarters']}{colon}{note}" if "quarters" in said else note


def _texts(
    result: Result, rows: pd.DataFrame, column: str, unit: wording.Unit, language: Any
) -> list[str]:
    """Return a column's cells as they are printed."""
    values = rows[column].tolist()
    if column == "value" and "measure" in rows:
        return _values(rows, language)
    if column in _MONEY:
        return [wording.format_money(value, unit) for value in values]
    if column in _SHARES:
        return [wording.format_share(value) for value in values]
    if pd.api.types.is_float_dtype(rows[column].dtype):
        return [wording.format_number(value, decimals=2) for value in values]
    if pd.api.types.is_integer_dtype(rows[column].dtype):
        return [wording.format_count(value) for value in values]
    words = cell_words(column, language, result.about.members, values)
    return [MISSING if pd.isna(v) else words.get(str(v), str(v)) for v in values]


def _values(rows: pd.DataFrame, language: Any) -> list[str]:
    """Return each value as its measure is printed, money in one unit per measure."""
    names = rows["measure"].astype(str)
    units = {n: wording.money_unit(v, language) for n, v in rows["value"].groupby(names)}
    return [*map(format_value, rows["value"].astype(float), names, names.map(units))]


def draw(result: Result, **options: Any) -> Axes:
    """Draw a result by the chart that is natural for it."""
    plot, name = charts(), result.about.chart
    if not name:
        raise UsageError(say("no_natural_chart", [*plot.__all__]))
    if "measure" not in result and "quarter" in result and result["quarter"].nunique() > 1:
        raise UsageError(say("several_quarters", result["quarter"].max()))
    options, drawn = {"language": chosen_language(), **options}, result
    if "measure" in result:
        leading = result.about.leading if result.about.leading in {*result["measure"]} else None
        if "group" not in options:
            name = _chart_of_groups(result, options.get("measure", leading)) or name
        if name in ("bars", "grid", "trend"):
            options = {"measure": leading, **options}
            drawn = _in_policy_order(result)
    axes: Axes = getattr(plot, name)(drawn, **options)
    notes = [sentence(*note, options["language"]) for note in result.about.notes]
    for line in (_caption(result, options), *notes):
        import_module("stockcust_analysis.show.canvas").add_line(axes, line)
    return axes


def _chart_of_groups(result: Result, measure: str | None) -> str:
    """Return the chart of several groups; "" where they are the members of one measure alone."""
    by = {*result.columns[: result.columns.get_loc("measure")]}
    rows = result[result["measure"] == measure] if measure else result
    several = {name for name in rows if name not in OF_RESULT and rows[name].nunique() > 1}
    if not several & by - {"quarter"}:
        return ""
    return "trend" if "quarter" in several else "grid" if len(several) == 2 else "bars"


def _caption(result: Result, options: Mapping[str, Any]) -> str:
    """Return of whom, of how many and of which day a chart is, as far as the result knows."""
    rows, language = result.to_pandas(), options["language"]
    if options.get("measure"):
        rows = rows[(rows["measure"] == options["measure"]) & rows["value"].notna()]
    facts: dict[str, dict[str, str]] = {}
    if "base" in rows and rows["base"].nunique() == 1:
        base = str(rows["base"].iloc[0])
        facts["caption_base"] = {"base": cell_words("base", language, {}).get(base, base)}
    if "n" in rows and len(rows):
        least, most = (wording.format_count(n) for n in (rows["n"].min(), rows["n"].max()))
        key = "caption_n" if least == most else "caption_groups"
        key += "_household" if result.about.unit == "household" else ""
        facts[key] = {"n": most, "least": least, "most": most}
    if result.about.as_of:
        days = {"since": result.about.since, "as_of": result.about.as_of}
        facts["caption_between" if days["since"] else "caption_as_of"] = days
    return wording.text("list_separator", language, within="page").join(
        wording.fill(wording.text(key, language, within="result_note"), **blanks)
        for key, blanks in facts.items()
    )


def write_workbook(results: Mapping[str, Result], path: Path) -> None:
    """Write results into a workbook, a sheet each: words, numbers with their formats, notes."""
    if path.suffix.lower() != ".xlsx":
        raise UsageError(say("no_xlsx", path.name))
    with new_workbook(path, created=date(2000, 1, 1), nan_inf_to_errors=True) as book:
        head = book.add_format({"bold": True, "bottom": 1})
        formats = {kind: book.add_format({"num_format": text}) for kind, text in _EXCEL.items()}
        for name, result in results.items():
            _write_sheet(book.add_worksheet(name), result, head, formats)


@contextmanager
def new_workbook(
    path: Path, *, created: date, properties: Mapping[str, Any] | None = None, **more: bool
) -> Iterator[Any]:
    """Yield a workbook that appears whole or not at all, and whose bytes tell no time."""
    from xlsxwriter import Workbook

    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with atomic_write(path) as beside:
        book = Workbook(str(beside), options | more)
        book.set_properties({**(properties or {}), "created": datetime.combine(created, time())})
        yield book
        book.close()


def _write_sheet(sheet: Any, result: Result, head: Any, formats: Mapping[str, Any]) -> None:
    """Write a result onto a sheet."""
    language: Any = chosen_language()
    rows = _in_policy_order(result)
    for number, name in enumerate(map(str, result.columns)):
        sheet.write_string(0, number, column_word(name, language, result.about.unit), head)
        words = cell_words(name, language, result.about.members, rows[name])
        for row, value in enumerate(rows[name], start=1):
            if pd.isna(value):
                continue
            entry = words.get(str(value), value) if isinstance(value, str | bool) else value
            sheet.write(row, number, entry, formats.get(_kind(rows, name, row - 1)))
    for row, (key, facts) in enumerate(result.about.notes, start=len(result) + 2):
        sheet.write_string(row, 0, sentence(key, facts, language))


def _kind(result: Result, column: str, row: int) -> str:
    """Return the kind of a cell: share, money, count or another."""
    if column == "value" and "measure" in result:
        return kind_of(str(result["measure"].iloc[row]))
    return "share" if column in _SHARES else "money" if column in _MONEY else ""


def column_word(name: str, language: Language, unit: str = "") -> str:
    """Return what a column is called, by the unit that is counted; one's own by its name."""
    known = wording.section_words("column", language)
    return known.get(f"{name}_{unit}", known.get(name, name))


def cell_words(
    column: str, language: Language, policy_facts: Mapping[str, Any], entries: Iterable[object] = ()
) -> dict[str, str]:
    """Return what the entries of a result's column are called, by a policy or the shipped one.

    >>> cell_words("became", "en", {})["drained"], cell_words("tier", "zh", {})["mid"]
    ('Drained', '中端')
    """
    words = member_words(column, language, policy_facts)
    # A contract's code is called as banks call it most, which stands first.
    for code, names in _CODES.get(column, {}).items():
        words[code] = names[0] if language == "zh" else code.replace("_", " ")
    for section in ("cut_member", *_CELL_SECTIONS.get(column, ())):
        words |= wording.section_words(section, language)
    for entry in {*entries} - {*words} if column == "measure" else ():
        name, _, customers = str(entry).partition(_WITHOUT)
        if customers and name in words:
            pattern = wording.text("without", language, within="word")
            words[str(entry)] = pattern.format(words[name], customers)
    return words


def member_words(
    column: str, language: Language, policy_facts: Mapping[str, Any]
) -> dict[str, str]:
    """Return the words for what a policy lists: tiers, families and the like, in its order."""
    members = policy_facts or load_policy().members
    words = dict(zip(AGE_GROUPS, AGE_GROUPS, strict=True)) if column in _AGES else {}
    for dimension in _DIMENSIONS.get(column, ()):
        words |= wording.policy_words(members, dimension, language)
    return words


def policy_order(labels: pd.DataFrame, members: Mapping[str, Any]) -> list[int]:
    """Return the positions of rows in the policy's order of their labels; others stand behind.

    Numbers rise, other labels keep the order of the rows.
    """
    ranks = []
    for name in map(str, labels):
        column = labels[name]
        others = column.sort_values() if pd.api.types.is_numeric_dtype(column) else column
        order = dict.fromkeys([*member_words(name, "zh", members), *map(str, others)])
        ranks.append(column.astype(str).map({label: rank for rank, label in enumerate(order)}))
    return sorted(range(len(labels)), key=[*zip(*ranks, strict=True)].__getitem__)


def _defined(measure: str) -> str:
    """Return the measure of the codebook that a variant is like; "" of an unknown one."""
    name = measure.removeprefix("household_").replace("per_household", "per_customer")
    names = (name for name in (name, name.partition(_WITHOUT)[0]) if name in defined_measures())
    return next(names, "")


def kind_of(measure: str) -> str:
    """Return what kind of value a measure has; "" of an unknown one."""
    name = _defined(measure)
    return wording.measure_words(name).kind if name else ""


def format_value(value: wording.Figure, measure: str, unit: wording.Unit) -> str:
    """Return a value as its measure is printed; of an unknown measure with three decimals."""
    if name := _defined(measure):
        return wording.format_with_unit(value, name, unit)
    return wording.format_number(value, decimals=3)
