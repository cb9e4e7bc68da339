"""Numbers as a Chinese bank prints them: 万元 and 亿元, half-up decimals, ▲▼ changes.

```
money_unit(column) ──> Unit ──> format_money(x, unit)        one unit per column, never mixed
```

Every formatter prints `—` for a value that does not exist and `*` for one that was suppressed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from statistics import median
from typing import Final

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import Kind, label, measure_words, money_scales

MISSING: Final = "—"
"""What a value that does not exist prints as."""
SUPPRESSED: Final = "*"
"""What a value that may not be shown prints as; the formatters take it in place of a number."""

Cell = float | Decimal | str | None


@dataclass(frozen=True)
class Unit:
    """A unit of money for a whole column or table, with the decimals all its cells share."""

    name: str
    divisor: int
    decimals: int
    pattern: str
    short: str


def money_unit(values: Iterable[Cell], language: Language = "zh") -> Unit:
    """Choose one unit for a column or table of money.

    The largest unit in which the typical (median non-zero) amount is at least 1 is taken, with
    two decimals below 100, one below 1,000 and none above.

    Parameters
    ----------
    values
        Amounts in CNY; zeros, missing and suppressed ones do not count.
    language
        "zh" counts in 元, 万元, 亿元; "en" in CNY, thousand, million.

    >>> money_unit([1.26e9, 0.8e9]).name, money_unit([35_000, 480_000, 0]).name
    ('亿元', '万元')
    >>> money_unit([1.26e9], "en").name
    'CNY million'
    """
    amounts = [abs(amount) for value in values if (amount := _decimal(value))]
    typical = median(amounts) if amounts else Decimal(0)
    scales = money_scales(language)
    scale = next((each for each in reversed(scales) if typical >= each["divisor"]), scales[0])
    shown = typical / scale["divisor"]
    return Unit(**scale, decimals=2 if shown < 100 else 1 if shown < 1000 else 0)


def unit_note(unit: Unit, language: Language = "zh") -> str:
    """Return the words at a table's top right.

    >>> unit_note(money_unit([35_000]))
    '单位：万元'
    """
    return label("unit", language, within="word").format(unit.name)


def format_number(value: Cell, *, decimals: int, divisor: float = 1) -> str:
    """Return a number with thousands separators, rounded half up as on paper.

    The decimal digits of the number are rounded, not its binary neighbour: 0.125 gives 0.13.
    Zero never carries a minus sign.

    >>> format_number(0.125, decimals=2), format_number(-1234.5, decimals=0)
    ('0.13', '-1,235')
    >>> format_number(-0.001, decimals=2), format_number(None, decimals=2)
    ('0.00', '—')
    """
    if isinstance(value, str):
        return _passed_through(value)
    number = _decimal(value)
    return MISSING if number is None else f"{_half_up(number / _exact(divisor), decimals):,}"


def format_money(value: Cell, unit: Unit) -> str:
    """Return an amount of CNY in the column's unit, without the unit's name.

    >>> format_money(1_263_000_000, money_unit([1_263_000_000]))
    '12.63'
    """
    return format_number(value, decimals=unit.decimals, divisor=unit.divisor)


def format_count(value: Cell) -> str:
    """Return a number of customers.

    >>> format_count(5230)
    '5,230'
    """
    return format_number(value, decimals=0)


def format_share(value: Cell, *, decimals: int = 1) -> str:
    """Return a share between 0 and 1 as a percentage.

    >>> format_share(0.4845), format_share(float("nan")), format_share("*")
    ('48.5%', '—', '*')
    """
    text = format_number(value, decimals=decimals, divisor=0.01)
    return text if text in (MISSING, SUPPRESSED) else f"{text}%"


def format_measure(value: Cell, measure: str, *, unit: Unit | None = None) -> str:
    """Return a measure's value as its kind asks for; money needs the unit of its column.

    >>> format_measure(0.0821, "dormancy_rate"), format_measure(0.74251, "gini")
    ('8.2%', '0.743')
    """
    words = measure_words(measure)
    if words.kind == "money":
        if unit is None:
            raise UsageError(
                f"'{measure}' is money: choose one unit for the column with money_unit(values) "
                "and pass it as unit=…."
            )
        return format_money(value, unit)
    if words.kind == "share":
        return format_share(value, decimals=words.decimals)
    return format_number(value, decimals=words.decimals)


def change_between(now: Cell, before: Cell, kind: Kind) -> Decimal | None:
    """Return a change: relative for money and counts, a difference for all else.

    None where either is missing or suppressed, or where growth would start from nothing.

    >>> change_between(103, 100, "count"), change_between(0.25, 0.5, "share")
    (Decimal('0.03'), Decimal('-0.25'))
    """
    new, old = _decimal(now), _decimal(before)
    if new is None or old is None:
        return None
    if kind in ("money", "count"):
        return (new - old) / old if old > 0 else None
    return new - old


def format_difference(change: Cell, kind: Kind, language: Language = "zh") -> str:
    """Return the size of a change without its sign: percent, percentage points or plain.

    >>> format_difference(0.031, "money"), format_difference(-0.012, "share")
    ('3.1%', '1.2个百分点')
    >>> format_difference(-0.012, "share", "en")
    '1.2 pp'
    """
    number = _decimal(change)
    if number is None:
        return MISSING
    if kind in ("money", "count"):
        return format_share(abs(number))
    if kind == "share":
        points = format_number(abs(number), decimals=1, divisor=0.01)
        return label("percentage_points", language, within="word").format(points)
    return format_number(abs(number), decimals=3 if kind == "index" else 2)


def format_change(now: Cell, before: Cell, *, kind: Kind, language: Language = "zh") -> str:
    """Return a change with ▲ or ▼; one that rounds to nothing reads as unchanged.

    >>> format_change(103.1, 100, kind="money"), format_change(0.47, 0.482, kind="share")
    ('▲ 3.1%', '▼ 1.2个百分点')
    >>> format_change(100.01, 100, kind="count", language="en")
    'unchanged'
    """
    if SUPPRESSED in (now, before):
        return SUPPRESSED
    change = change_between(now, before, kind)
    return _marked(change, kind, language, rise="▲ ", fall="▼ ")


def format_signed(change: Cell, kind: Kind, language: Language = "zh") -> str:
    """Return a change with + or -, for running text.

    >>> format_signed(0.031, "money"), format_signed(-0.012, "share", "en")
    ('+3.1%', '-1.2 pp')
    """
    return _marked(change, kind, language, rise="+", fall="-")


def _marked(change: Cell, kind: Kind, language: Language, *, rise: str, fall: str) -> str:
    """Return a change behind its mark; unchanged when nothing is left after rounding."""
    number = _decimal(change)
    if number is None:
        return MISSING
    size = format_difference(number, kind, language)
    if not any(digit in size for digit in "123456789"):
        return label("unchanged", language, within="word")
    return f"{rise if number > 0 else fall}{size}"


def _passed_through(text: str) -> str:
    """Return the suppression mark; any other text in place of a number is a mistake."""
    if text != SUPPRESSED:
        raise UsageError("a text stands where a number is formatted; only '*' (suppressed) may.")
    return text


def _decimal(value: Cell) -> Decimal | None:
    """Return the number as its printed digits say; None when missing, infinite or suppressed."""
    if value is None or isinstance(value, str) or not isfinite(value):
        return None
    return _exact(value)


def _exact(value: float | Decimal) -> Decimal:
    """Return the shortest decimal that is this number, free of binary tails."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _half_up(number: Decimal, decimals: int) -> Decimal:
    """Round half away from zero, and drop the sign of zero."""
    rounded = number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return abs(rounded) if rounded == 0 else rounded
