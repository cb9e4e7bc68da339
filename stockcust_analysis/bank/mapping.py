"""A bank's own words: which table is which, which header which column, which code which code.

```toml
name = "青禾农村商业银行"                   # optional; printed in the header of every page
zone = "Asia/Shanghai"                   # optional; where a moment with a time zone becomes a day
[tolerance.holdings]                     # optional; what may be set aside: see `Tolerance`
customer_id = { rows = 20, amount = 100_000 }
[suspicions]                             # optional; which warnings are errors: see `suspicions`
as_errors = ["unit", "renumbered"]
[tables.customers]
file = "客户*.csv"                       # optional; default: customers.csv, customers_*.parquet, …
table = "dm.cust_snapshot"               # in a database; default: customers
unit = "万元"                             # of all amounts; default: 元
date_order = "dmy"                       # of days such as 31/12/2026; "mdy": 12/31/2026
null = ["无"]                             # further texts that stand for an empty cell
ignore = ["备注"]                         # headers that mean nothing here, and are not named
kind = "db2"                             # or "hive": files without a header, read by `header`
delimiter = "|@|"                        # of files, as the next eight; default: found by looking
encoding = "gb18030"
skip_rows = 1                            # lines above the header, of workbooks, too
header = ["统计时点", "客户号"]             # of files that have none
widths = [8, 20]                         # of their columns, in bytes: files of fixed width
as_of = "file name"                      # customers_20260930.csv, …_202609.csv, …_2026Q3.csv
constants = { customer_type = "personal" }
drop_rows_where = { "客户号" = ["合计"] }
sheet = "明细"                            # of workbooks, or "客户*"; default: all of the table
[tables.customers.columns]
"客户编号" = "customer_id"                # the bank's header = the contract's column
[tables.customers.codes.customer_type]
"01" = "personal"                        # the bank's code = the contract's code, or "" for none
```
The contract's own Chinese column names (客户号, 归属机构, …) are understood without a mapping.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from stockcust_analysis import errors
from stockcust_analysis.bank.contract import TABLES, Table, table
from stockcust_analysis.bank.grammar import DATE_ORDERS, UNITS, days_of, unit_named
from stockcust_analysis.core.frames import DEFAULT_ZONE
from stockcust_analysis.errors import BankDataError, UsageError, Words, counted, did_you_mean, say

SUSPICIONS = (
    *("unit", "delivered_again", "branch_vanished", "renumbered", "product_renamed", "rows_gone"),
    *("successor_cycle", "two_managers", "split_without_moves", "moves_not_followed"),
    *("part_of_aum", "column_empty", "closed_with_aum", "codes_swapped", "days_reversed"),
    *("negative_balance", "nothing_of_quarter", "averages_alike", "one_value", "shuffled"),
    "family_unused",
)
"""What is looked for in extracts that meet the contract."""


@dataclass(frozen=True)
class TableMapping:
    """How one table of the bank reads in the contract's words."""

    file: str | None = None
    table: str | None = None
    columns: Dictionary[str, str] = field(default_factory=dict)
    codes: Dictionary[str, Dictionary[str, str]] = field(default_factory=dict)
    null: Sequence[str] = ()
    ignore: Sequence[str] = ()
    unit: str = "元"
    date_order: str = ""
    kind: str = ""
    delimiter: str = ""
    encoding: str = ""
    skip_rows: int = 0
    header: Sequence[str] = ()
    widths: Sequence[int] = ()
    as_of: str = ""
    constants: Dictionary[str, Any] = field(default_factory=dict)
    drop_rows_where: Dictionary[str, Sequence[str]] = field(default_factory=dict)
    sheet: str = ""

    def __post_init__(self) -> None:
        """Keep the unit by its Chinese name, as headers are compared with it."""
        object.__setattr__(self, "unit", unit_named(self.unit))

    @property
    def factor(self) -> int:
        """CNY in one unit of the bank's amounts."""
        return UNITS[self.unit]

    @property
    def null_days(self) -> list[datetime]:
        """Days that stand for an empty cell."""
        return days_of(self.null, self.date_order)

    @property
    def is_of_text(self) -> bool:
        """Whether it says what only text files have."""
        return bool(self.delimiter or self.encoding or self.header)


@dataclass(frozen=True)
class Tolerance:
    """How many rows, and how much CNY where the table holds money, may be set aside.

    Stated for a reference. Within it the rows that lead nowhere are left out of every figure, and
    counted on every page; beyond it nothing runs. Without `rows` any number may be but all: a
    layout's customers are not all that the bank's own files know.
    """

    rows: int | None
    amount: float | None = None

    @property
    def size(self) -> Words:
        """How much that is, in words."""
        if self.rows is None:
            return say("any")
        rows = counted("row", self.rows)
        return rows if self.amount is None else say("rows_and_amount", rows, self.amount)


@dataclass(frozen=True)
class Mapping:
    """The bank's name, its time zone and all tables' mappings; the contract's words by default.

    `tolerance` says for references, by table and column, what may be set aside; `layout` what the
    tables of a layout leave open (orders of fields, kinds of accounts and transactions, subjects);
    `as_errors` names the suspicions that stop a run.
    """

    name: str = ""
    zone: str = DEFAULT_ZONE
    tables: Dictionary[str, TableMapping] = field(default_factory=dict)
    tolerance: Dictionary[tuple[str, str], Tolerance] = field(default_factory=dict)
    as_errors: Sequence[str] = ()
    layout: Dictionary[str, Dictionary[str, Any]] = field(default_factory=dict)

    def of(self, table_name: str) -> TableMapping:
        """Return the mapping of one table, empty when the bank states none."""
        return self.tables.get(table_name, TableMapping())


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file; every unknown table, column or key in it is reported in one error."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(say("no_mapping", path)) from None
    except OSError as error:
        raise UsageError(say("mapping_unread", path, error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        why = say("save_as_utf8") if isinstance(error, UnicodeDecodeError) else error
        raise BankDataError(say("mapping_no_toml", path, why)) from None
    keys = ("name", "zone", "tables", "tolerance", "suspicions", "layout")
    complaints = _unknown("key_word", content, keys)
    name, tables = content.get("name", ""), content.get("tables", {})
    if not isinstance(name, str):
        complaints.append(say("name_is_text"))
    if not isinstance(tables, dict):
        complaints, tables = [*complaints, say("is_table", "tables", "tables.customers")], {}
    complaints += _unknown("table_word", tables, [entry.name for entry in TABLES])
    for contract in TABLES:
        complaints += [
            say("in_section", f"tables.{contract.name}", text)
            for text in _complaints(tables.get(contract.name, {}), contract)
        ]
    suspicions = content.get("suspicions", {})
    complaints += _suspicion_complaints(suspicions)
    stated, layout = content.get("tolerance", {}), content.get("layout", {})
    complaints += [*_tolerance_complaints(stated), *_layout_complaints(layout)]
    zone = content.get("zone", DEFAULT_ZONE)
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, TypeError, OSError):
        complaints.append(say("unknown_zone", zone, DEFAULT_ZONE))
    if complaints:
        raise BankDataError(errors.listed(say("mapping_wrong", path), complaints), complaints)
    mapped = {
        name: TableMapping(**{"delimiter": KINDS.get(entry.get("kind", ""), ""), **entry})
        for name, entry in tables.items()
    }
    allowed = {(t, c): Tolerance(**limits) for t in stated for c, limits in stated[t].items()}
    return Mapping(name, zone, mapped, allowed, suspicions.get("as_errors", ()), layout)


def _suspicion_complaints(entry: Any) -> list[Words]:
    """Return what cannot be followed in a mapping's `[suspicions]`."""
    names = entry.get("as_errors", []) if isinstance(entry, dict) else None
    if not isinstance(names, list) or {*entry} - {"as_errors"}:
        return [say("as_errors_alone")]
    return _unknown("suspicion_word", names, SUSPICIONS)


def _tolerance_complaints(content: Any) -> Iterator[Words]:
    """Yield what cannot be followed in a mapping's `[tolerance]`."""
    references = {t.name: [c.name for c in t.columns if c.references] for t in TABLES}
    for name, columns in (content if isinstance(content, dict) else {"": content}).items():
        if not isinstance(columns, dict) or name not in references:
            yield say("tolerance_table", name)
            continue
        contract, kinds = table(name), {"rows": (int,), "amount": (int, float)}
        shape = "{ rows = 20, amount = 100_000 }"
        if contract.money_column(contract.column_names) is None:
            shape = "{ rows = 20 }"
            del kinds["amount"]
        for column, limits in columns.items():
            if column not in references[name]:
                yield say("tolerance_column", name, column, references[name] or say("none"))
            elif not isinstance(limits, dict) or {*limits} != {*kinds}:
                yield say("tolerance_limits", name, column, shape)
            elif not all(type(n) in kinds[key] and 0 <= n < inf for key, n in limits.items()):
                yield say("tolerance_numbers", name, column, shape)


def _layout_complaints(given: Any) -> list[Words]:
    """Return what cannot be followed in what the mapping says of a layout's tables."""
    if not isinstance(given, dict):
        return [say("is_table", "layout", "layout.orders")]
    complaints = _unknown("key_of_layout", given, _LAYOUT_OPTIONS)
    for name, fits in _LAYOUT_OPTIONS.items():
        if not _table_of(fits)(given.get(name, {})):
            complaints.append(say("is_not", f"layout.{name}", say(f"as_{name}")))
    return complaints


def require_no_file_options(mapping: Mapping) -> None:
    """Raise UsageError where a mapping of frames or a database says how files are read."""
    for name, entry in mapping.tables.items():
        stated = [option for option in _FILE_OPTIONS if getattr(entry, option)]
        if stated:
            raise UsageError(say("options_of_files", stated, name))


def contract_names(mapping: TableMapping, contract: Table) -> dict[str, str]:
    """Return header → contract column: the contract's own names, its Chinese names, the bank's."""
    names = {column.zh: column.name for column in contract.columns}
    return {**names, **{name: name for name in contract.column_names}, **mapping.columns}


def _complaints(entry: Any, contract: Table) -> list[Words]:
    """Return what cannot be followed in the mapping of a table."""
    if not isinstance(entry, dict):
        return [say("no_section")]
    columns = contract.column_names
    complaints = _unknown("key_word", entry, _OPTIONS)
    for name, fits in _OPTIONS.items():
        if name in entry and not fits(entry[name]):
            complaints.append(say("is_not", name, say(f"as_{name}", [*UNITS], [*KINDS])))
    if complaints:
        return complaints
    for name in ("codes", "constants"):
        complaints += _unknown("contract_column", entry.get(name, {}), columns)
    complaints += _unknown("contract_column", entry.get("columns", {}).values(), columns)
    for name, codes in entry.get("codes", {}).items():
        allowed = contract.column(name).allowed if name in columns else ()
        if allowed:
            complaints += _unknown("code_of", filter(None, codes.values()), allowed, name)
    if "kind" in entry and "header" not in entry:
        complaints.append(say("kind_needs_header"))
    if "widths" in entry and len(entry["widths"]) != len(entry.get("header", ())):
        complaints.append(say("widths_need_header"))
    if "as_of" in entry and "as_of" not in columns:
        complaints.append(say("no_as_of"))
    return complaints


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _table_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return whether a value is a table all of whose values fit."""
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _is_encoding(value: Any) -> bool:
    try:
        return isinstance("".encode(value), bytes)
    except (LookupError, TypeError, ValueError):
        return False


def _is_delimiter(value: Any) -> bool:
    return _is_text(value) and len(value.encode()) <= 4 and not _NO_DELIMITER.search(value)


_NO_DELIMITER = re.compile('[A-Za-z0-9"\r\n\0]')
KINDS = {"db2": ",", "hive": "\x01"}
"""Kinds of files without a header, and what parts their cells."""
_Fits: TypeAlias = Callable[[Any], bool]
_OPTIONS: Dictionary[str, _Fits] = {
    "file": lambda value: _is_text(value) and not {"..", Path(value).anchor} & {*Path(value).parts},
    "table": _is_text,
    "columns": _table_of(_is_text),
    "codes": _table_of(_table_of(lambda word: isinstance(word, str))),
    "null": _is_list,
    "ignore": _is_list,
    "unit": lambda value: _is_text(value) and bool(unit_named(value)),
    "date_order": lambda value: _is_text(value) and value in DATE_ORDERS,
    "kind": lambda value: _is_text(value) and value in KINDS,
    "delimiter": _is_delimiter,
    "encoding": _is_encoding,
    "skip_rows": lambda value: type(value) is int and 0 <= value < 1 << 31,
    "header": _is_list,
    "widths": (
        lambda value: isinstance(value, list) and all(type(n) is int and n > 0 for n in value)
    ),
    "as_of": lambda value: value == "file name",
    "constants": _table_of(lambda value: not isinstance(value, (dict, list))),
    "drop_rows_where": _table_of(_is_list),
    "sheet": _is_text,
}
_LAYOUT_OPTIONS: Dictionary[str, _Fits] = {
    "orders": _is_list,
    **dict.fromkeys(("products", "states", "kinds", "subjects", "branch_types"), _is_text),
}
_FILE_OPTIONS = list(_OPTIONS)[8:]


def _unknown(what: str, given: Any, allowed: Any, *facts: str) -> list[Words]:
    """Return what is said of each name given that is none of those allowed."""
    names = list(allowed)
    return [
        say("unknown", say(what, *facts), name) + did_you_mean(str(name), names)
        for name in given
        if name not in names
    ]
