"""A bank small enough to read: two branches, four customers, two quarters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl

BRANCHES = """branch_id,name,region,type
001,城关支行,东区,urban
002,柳树支行,西区,township
"""
IN_LATIN = """branch_id,name,region,type
001,Chengguan,East,urban
002,Liushu,West,township
"""
"""The same under names that need no closer look, which is a sixth of opening so small a bank."""
CUSTOMERS = """\
as_of,customer_id,branch_id,customer_type,relationship_since,last_active_on,\
aum_period_end,aum_average_quarter
2026-06-30,C1,001,personal,2020-01-05,2026-06-01,1000.00,900.00
2026-06-30,C2,001,personal,2019-03-01,,250.50,250.50
2026-06-30,C3,002,personal,2021-07-09,2026-05-20,70000.00,69000.00
2026-09-30,C1,001,personal,2020-01-05,2026-09-01,1200.00,1100.00
2026-09-30,C2,001,personal,2019-03-01,,250.75,250.60
2026-09-30,C3,002,personal,2021-07-09,2026-05-20,70000.00,70000.00
2026-09-30,C4,002,sole_trader,2026-08-01,2026-09-29,0.00,12.34
"""
HOLDINGS = """as_of,account_id,customer_id,product,balance
2026-06-30,A1,C1,demand_deposit,1000.00
2026-06-30,A2,C2,demand_deposit,250.50
2026-06-30,A3,C3,time_deposit,70000.00
2026-09-30,A1,C1,demand_deposit,1200.00
2026-09-30,A2,C2,demand_deposit,250.75
2026-09-30,A3,C3,time_deposit,70000.00
2026-09-30,A4,C4,loan,5000.00
"""

TinyBank = Callable[..., Path]
"""Writes the tiny bank as CSV; `tiny_bank(customers=text)` replaces or adds a table."""


def write_tiny_bank(folder: Path, **tables: str | bytes) -> Path:
    """Write the tiny bank into a folder, some tables replaced or added."""
    contents = {"branches": IN_LATIN, "customers": CUSTOMERS, "holdings": HOLDINGS, **tables}
    for name, content in contents.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / f"{name}.csv").write_bytes(raw)
    return folder


def together(
    cases: Mapping[str, Iterable[str]], alone: Callable[[str], bool] = lambda case: False
) -> list[list[str]]:
    """Return cases, given with the files they are of, by banks in which no table is of two."""
    banks: list[tuple[set[str], list[str]]] = []
    for case, files in cases.items():
        names = (re.search(r"[a-z][a-z_]+", name) for name in files)
        tables = {name[0].strip("_").rstrip("s") for name in names if name}
        free = (bank for bank in banks if tables and bank[0].isdisjoint(tables | {""}))
        own, bank = (set[str](), list[str]()) if alone(case) else next(free, (set(), []))
        if not bank:
            banks.append((own, bank))
        own |= tables | ({""} if alone(case) else set())
        bank.append(case)
    return [bank for _, bank in banks]


def as_frames(folder: Path) -> dict[str, pl.DataFrame]:
    """Return a folder's CSV files as Polars frames, of which a bank is evaluated quickest."""
    tables = {}
    for path in folder.glob("*.csv"):
        header = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
        days = [name for name in header if name.endswith(("_on", "_since", "as_of"))]
        texts = [name for name in header if name.endswith("_id")]
        kinds = dict.fromkeys(days, pl.Date) | dict.fromkeys(texts, pl.String)
        tables[path.stem] = pl.read_csv(path, schema_overrides=kinds)
    return tables
