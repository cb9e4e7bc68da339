"""What a bank delivered, as a person reads it in a minute: sizes, gaps, amounts, codes, quarters.

Nothing here is one person's: amounts are percentiles of a hundred rows or more, stated with two
digits, codes those of closed lists, and few rows are stated as few.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import accumulate
from typing import Any, Final

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.contract import Column, Kind, title_of
from stockcust_analysis.bank.contract import table as contract_of
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.suspicions import too_few
from stockcust_analysis.bank.totals import LEAST_ROWS, Totals
from stockcust_analysis.core.frames import as_lazy, cents_or_zero, count_each, count_rows
from stockcust_analysis.errors import say
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import MISSING, Language, Table, table

_PERCENTILES: Final = (5, 25, 50, 75, 95)
_STEPS: Final = 50
"""Steps between powers of ten into which amounts are sorted: two digits of them."""
_FEW: Final = 5


def profile(bank: Bank, totals: list[Totals], language: Language) -> list[Table]:
    """Return the profile's tables: quarters, sizes with gaps, amounts and codes of the newest day.

    Parameters
    ----------
    bank : Bank
        An open bank, on any engine; each table is looked at a few times.
    totals : list of Totals
        Sums of its quarters, oldest first.
    language : "zh" or "en"
        Language of captions and headers.
    """
    percentiles = [f"p{percent}" for percent in _PERCENTILES]
    balances = (quarter.figures.get("holdings.balance", 0) / 100 for quarter in totals)
    unit = wording.money_unit(balances, language)
    frames = {
        "quarters": pd.DataFrame(_quarters(totals, unit)),
        "gaps": pd.DataFrame(_gaps(bank), columns=["column", "n", "empty"]),
        "amounts": pd.DataFrame(_amounts(bank), columns=["column", *percentiles]),
        "codes": pd.DataFrame(_codes(bank), columns=["column", "code", "n", "share"]),
    }
    for name in ("gaps", "amounts", "codes") if language == "zh" else ():
        frames[name]["column"] = [title_of(path) for path in frames[name]["column"]]
    words = wording.section_words("profile", language)
    return [
        table(
            frame,
            caption=words[name],
            labels={column: words[column] for column in frame if column in words},
            unit=wording.unit_note(unit, language) if name == "quarters" else "",
        )
        for name, frame in frames.items()
        if len(frame)
    ]


def input_lines(bank: Bank, totals: list[Totals], language: Language) -> list[str]:
    """Return what each file was read as, which were left out, and what could not be looked at.

    Parameters
    ----------
    bank : Bank
        An open bank.
    totals : list of Totals
        Sums of its quarters.
    language : "zh" or "en"
        Language of the lines.
    """
    said = [say("read_as", entry.name, entry.notes) for entry in bank.inputs if entry.notes]
    said += [say("unread", *entry) for entry in bank.unread.items()]
    said += [say("left_out", name) for name in bank.left_out]
    if few := too_few(totals):
        said.append(say("too_few", few, LEAST_ROWS))
    return [words.text(language) for words in said]


def _quarters(totals: list[Totals], unit: wording.Unit) -> Iterator[dict[str, str]]:
    """Yield each quarter: branches, customers and holdings with their change; the three totals."""
    aum = {*load_policy().families.aum_products}
    before: dict[str, int] = {}
    for entry in totals:
        figures = entry.figures
        now = {"branches": len(entry.customers)}
        now |= {name: figures.get(f"{name}.rows", 0) for name in ("customers", "holdings")}
        now["aum"] = figures.get("customers.aum_period_end", 0)
        for name, groups in (("accounts", entry.holdings), ("ledger", entry.ledger)):
            now[name] = sum(sizes["balance"] for code, sizes in groups.items() if code in aum)
        if now["customers"] < _FEW:  # the sum of few is what one of them has
            now |= dict.fromkeys(("aum", "accounts", "ledger"), 0)
        row = {"quarter": str(entry.quarter)}
        for name, size in now.items():
            shown = wording.format_money(size / 100, unit) if size else MISSING
            if name in ("branches", "customers", "holdings"):
                shown = f"{size:,}"
            change = f" ({size / before[name] - 1:+.1%})" if before.get(name) and size else ""
            row[name] = shown + change
        before = now
        yield row


def _newest(bank: Bank, name: str) -> nw.LazyFrame[Any]:
    """Return a table's rows of its newest day, or all where it has none."""
    days = bank.days(name)
    return as_lazy(bank.snapshot(name, as_of=max(days)) if days else bank.table(name))


def _columns(bank: Bank, kind: Kind) -> Iterator[tuple[str, Column]]:
    """Yield the delivered columns of a kind with their tables."""
    for name, columns in bank.columns.items():
        for column in contract_of(name).columns:
            if column.kind is kind and column.name in columns:
                yield name, column


def _gaps(bank: Bank) -> Iterator[tuple[str, int, str]]:
    """Yield every table, and its columns with empty cells: rows and the share that is empty."""
    for name, columns in bank.columns.items():
        rows = bank.rows(name)
        yield name, rows, ""
        empty = {column: nw.col(column).is_null() for column in columns}
        for column, count in count_rows(as_lazy(bank.table(name)), empty).items():
            if share := count / max(rows, 1):
                yield f"{name}.{column}", rows, wording.format_share(share)


def _amounts(bank: Bank) -> Iterator[tuple[str, ...]]:
    """Yield percentiles of what lies above zero, of amounts with a hundred rows of it."""
    for name, column in _columns(bank, Kind.MONEY):
        size = cents_or_zero(column.name)
        steps = (size.cast(nw.Float64).log(10) * _STEPS).floor().cast(nw.Int64)
        rows = _newest(bank, name).filter(size > 0).select(step=steps)
        groups = sorted((int(step), n) for step, n in count_each(rows, "step").items())
        counts = [*accumulate(count for _, count in groups)]
        if counts and counts[-1] >= LEAST_ROWS:
            borders = (percent / 100 * counts[-1] for percent in _PERCENTILES)
            positions = (next(i for i, n in enumerate(counts) if n >= b) for b in borders)
            values = (10 ** ((groups[i][0] + 0.5) / _STEPS) / 100 for i in positions)
            yield f"{name}.{column.name}", *(f"{float(f'{value:.2g}'):,.0f}" for value in values)


def _codes(bank: Bank) -> Iterator[tuple[str, str, str, str]]:
    """Yield how often each code of a closed list occurs; few are stated as few."""
    for name, column in _columns(bank, Kind.CODE):
        rows = _newest(bank, name).select(code=nw.col(column.name))
        counts = {code: n for code, n in count_each(rows, "code").items() if code in column.allowed}
        for code in (code for code in column.allowed if code in counts):
            count, share = counts[code], wording.format_share(counts[code] / sum(counts.values()))
            shown = (f"<{_FEW}", MISSING) if count < _FEW else (f"{count:,}", share)
            yield f"{name}.{column.name}", code, *shown


def page(title: str, tables: list[Table], notes: list[str], language: Language) -> str:
    """Return the profile as one page of HTML that needs neither network nor script."""
    blocks = "".join(f"<section>{t._repr_mimebundle_()['text/html']}</section>" for t in tables)
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><ul>{listed}</ul>{blocks}"
        "</body></html>\n"
    )


_STYLE: Final = (
    'body{margin:2rem auto;max-width:70rem;color:#1f2933;font:15px/1.5 "Noto Sans CJK SC",'
    '"Source Han Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif}'
    "h1{color:#1b4f72;border-bottom:2px solid #1b4f72}section{margin:1.5rem 0;overflow-x:auto}"
    "table{font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem}"
)
