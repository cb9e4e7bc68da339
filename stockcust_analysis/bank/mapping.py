"""A bank's own words: which table is which, which header which column, which code which code.

```toml
name = "青禾农村商业银行"                   # optional; printed in the header of every page
zone = "Asia/Shanghai"                   # optional; where a moment with a time zone becomes a day
[tables.customers]
file = "客户*.csv"                       # optional; default: customers.csv, customers_*.parquet, …
table = "dm.cust_snapshot"               # in a database; default: customers
[tables.customers.columns]
"客户编号" = "customer_id"                # the bank's header = the contract's column
[tables.customers.codes.customer_type]
"01" = "personal"                        # the bank's code = the contract's code
```
The contract's own Chinese column names (客户号, 归属机构, …) are understood without a mapping.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from stockcust_analysis.bank.contract import TABLES, Table, table
from stockcust_analysis.bank.grammar import UNITS
from stockcust_analysis.errors import BankDataError, UsageError, did_you_mean

DEFAULT_ZONE = "Asia/Shanghai"


@dataclass(frozen=True)
class TableMapping:
    """How one table of the bank reads in the contract's words."""

    file: str | None = None
    table: str | None = None
    columns: Dictionary[str, str] = field(default_factory=dict)
    codes: Dictionary[str, Dictionary[str, str]] = field(default_factory=dict)
    null: Sequence[str] = ()
    unit: str = "元"

    @property
    def factor(self) -> int:
        """CNY in one unit of the bank's amounts."""
        return UNITS[self.unit]


@dataclass(frozen=True)
class Mapping:
    """The bank's name, its time zone and all tables' mappings; the contract's words by default."""

    name: str = ""
    zone: str = DEFAULT_ZONE
    tables: Dictionary[str, TableMapping] = field(default_factory=dict)

    def of(self, table_name: str) -> TableMapping:
        """Return the mapping of one table, empty when the bank states none."""
        return self.tables.get(table_name, TableMapping())


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file; every unknown table, column or key in it is reported in one error."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"mapping file '{path}' does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BankDataError(f"mapping file '{path}' is not TOML in UTF-8: {error}.") from None
    complaints: list[str] = _unknown("key", content, ("name", "zone", "tables"))
    tables = content.get("tables", {})
    complaints += _unknown("table", tables, [entry.name for entry in TABLES])
    known = {entry.name: entry for entry in TABLES}
    for name, entry in tables.items():
        if name in known:
            complaints += [f"[tables.{name}] {text}" for text in _complaints(entry, known[name])]
    zone = content.get("zone", DEFAULT_ZONE)
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, TypeError, OSError):
        complaints.append(f"unknown zone '{zone}'. Write one such as \"{DEFAULT_ZONE}\".")
    if complaints:
        listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(complaints, 1))
        raise BankDataError(f"mapping file '{path}' cannot be followed:\n{listed}", complaints)
    mapped = {name: TableMapping(**entry) for name, entry in tables.items()}
    return Mapping(str(content.get("name", "")), zone, mapped)


def contract_names(mapping: TableMapping, contract: Table) -> dict[str, str]:
    """Return header → contract column: the contract's own names, its Chinese names, the bank's."""
    names = {column.zh: column.name for column in contract.columns}
    names.update({column.name: column.name for column in contract.columns})
    names.update(mapping.columns)
    return names


def _complaints(entry: Dictionary[str, Any], contract: Table) -> list[str]:
    columns = contract.column_names
    found = _unknown("key", entry, ("file", "table", "columns", "codes"))
    found += _unknown("contract column", entry.get("columns", {}).values(), columns)
    found += _unknown("contract column", entry.get("codes", {}), columns)
    for name, codes in entry.get("codes", {}).items():
        if name in columns:
            allowed = table(contract.name).column(name).allowed
            found += _unknown(f"code of {name}", codes.values(), allowed)
    return found


def _unknown(what: str, given: Any, allowed: Any) -> list[str]:
    names = list(allowed)
    return [
        f"unknown {what} '{name}'.{did_you_mean(str(name), names)}"
        for name in given
        if name not in names
    ]
