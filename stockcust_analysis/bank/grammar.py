"""The grammar of cells of text: what is a number, a day, a quarter, a flag, and what is nothing.

`docs/reference/reading.md` says it in words. A cell is first read in its plain form, which most
cells of most files have; a column with cells in another form is read again by the whole grammar,
which gives a value or the reason why there is none. All of it is SQL of DuckDB.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import product

from stockcust_analysis.bank.contract import Kind
from stockcust_analysis.core.engines import literal
from stockcust_analysis.errors import Words, say

BLANKS = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What is taken off both ends of a cell, as the inside of a regular expression's brackets."""
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\ufeff"
"""Characters without width, byte order and direction marks: taken out wherever they stand."""


def gbk_characters(first: range, second: range) -> str:
    """Return the characters that pairs of bytes are in GBK, as the inside of brackets."""
    return "".join(bytes((a, b)).decode("gbk", "ignore") for a in first for b in second)


_LEADS, _TRAILS = range(0xE4, 0xEA), range(0x80, 0xC0)
# Chinese in UTF-8 is a lead byte and two others: two characters read as GBK are these three.
_GARBLED = f"[{gbk_characters(_LEADS, _TRAILS)}][{gbk_characters(_TRAILS, _LEADS)}]"
ESCAPED = (
    r"&#\w+;|&[a-z]+;|<\w+ ?/?>|\\u[0-9a-fA-F]{4}|\\[\\ntr,\"']|_x000[0-9A-F]_|^'.*'$|^\".*\"$|"
    r"(?:%[89A-F][0-9A-F]){3}|~[{].*~[}]|^[“”].*[“”]$"
)
"""Characters written as those of web pages, programs, workbooks, addresses and HZ, or in quotes."""
HIDDEN = r"^#[A-Z0-9/]+[!?]?$|^#+$|[*]{2}|^=[A-Z]+\(.*\)$"
"""What spreadsheets show in place of a value, and what masks it."""
LOST = (
    "[?]{3}|^[?]{2}$|[□■\ue000-\uf8ff]|[\u4e00-\u9fff][?]|[?][\u4e00-\u9fff]|[\u00a1-\u00ff]{4}|"
    f"{_GARBLED}.[{gbk_characters(_LEADS, _TRAILS)}]"
)
"""What characters become that an encoding lacks, characters that only one bank's fonts have, and
Chinese read as Latin-1 or from UTF-8 as GBK."""
_MARKS = "[-—*=#. <>《》【】「」〔〕()（）\\[\\]]*"
# Before a sum stands what was summed (一支行合计). One character alone may be a family name.
_SUMMED = f"{_MARKS}(?:.*[^ ] *[^ ]|[!-~本总全各行社区县市省部处所组页月日年])? *"
_SUM = "(?:[合总小共] *计|汇总)"
_SUM_WORDS = f"{_MARKS}(?:本页|本月|全行|全辖)?{_SUM}"
_BEHIND = "金额|[户笔人家]?数|[行项值额]"
_WORDS = "sum|average|平均[值数]?|trailer|eof"
_WHOLE = "全行|全辖|(?:grand )?total"
_ENGLISH = "(?:.*[^a-z])?(?:(?:sub|grand)[- ]?)?total|total of .*"
TOTALS = (
    f"{_SUMMED}(?:{_SUM}(?:[(（].*[)）]|{_BEHIND})?|求和|计数|平均[值数]?){_MARKS}(?:[:：].*)?|"
    f"{_MARKS}(?:{_WHOLE}|{_ENGLISH}){_MARKS}[:：]?|{_WORDS}|其中[:：].*|制表.*|"
    f"总?(?:记录|笔|行|条)数.*|{_SUMMED}(?:共|{_SUM}) *\\d+ *[条户笔行页家人个].*"
)
"""What stands in front of sums, in place of a name."""
_IN_UNIT = f"(?:[(（][千百万亿]*元[)）]|{_BEHIND})?"
TOTAL_WORDS = f"(?:{_SUM_WORDS}{_IN_UNIT}|{_MARKS}(?:{_WHOLE})){_MARKS}[:：]?|{_WORDS}"
"""Those of them that are known words alone, so that they may be shown."""
REMARK_LABELS = (
    f"(?:制表|审核|复核|填报|填表|经办|联系|负责)(?:人员?|单位|部门|机构|日期|时间)?|{_SUM_WORDS}|备注|"
    "说明|附?注|单位|数据来源|其中|总?(?:记录|笔|行|条)数|共"
)
"""What remarks below a table begin with; what follows may be anybody's name."""
NULL_MARKS = (
    *("\\N", "NULL", "Null", "null", "(null)", "None", "nan", "NaN", "NaT", "<NA>"),
    *("#N/A", "N/A", "n/a", "-", "--"),
)
TRUE_WORDS = ("true", "t", "1", "1.0", "y", "yes", "是")
FALSE_WORDS = ("false", "f", "0", "0.0", "n", "no", "否")
UNITS = {"元": 1, "千元": 1_000, "万元": 10_000, "百万元": 1_000_000, "亿元": 100_000_000}
_STATED_UNIT = re.compile(
    "((?:千|百?万|亿)元|美元|港币|欧元|USD|HKD|EUR)|"
    "(?:(?<![\u4e00-\u9fff\\d])|单位|人民币)(元)(?![\u4e00-\u9fff/])|"
    "单位[: ]*(千|百?万|亿)(?![元\u4e00-\u9fff])|[(\\[](千|百?万|亿)[)\\]]|"
    "(单位[: ]*[分角])(?![\u4e00-\u9fff])|"
    "[Uu]nits?[: ](?=.*?((?:10 ?|ten )?thousand|10*(?:[ ,]*000)+|(?:100 ?|hundred )?million))"
)
"""A unit or currency of amounts, as headers, titles and names of files state it."""
_IN_ENGLISH = {
    **dict.fromkeys(("1000", "thousand"), "千元"),
    **dict.fromkeys(("10000", "10thousand", "tenthousand"), "万元"),
    **dict.fromkeys(("100million", "hundredmillion"), "亿元"),
    "million": "百万元",
    "cny": "元",
}
FIRST_DAY, LAST_DAY = "1900-01-02", "2199-12-31"
SENTINELS = ("0001-01-01", "1899-12-31", "1900-01-01", "2999-12-31", "3000-12-31", "9999-12-31")
"""Days by which systems write that there is none; all lie outside the span."""

NOT_FINITE, NOT_MIDNIGHT, OUT_OF_SPAN = "not_finite", "not_midnight", "out_of_span"
"""Names of what is said of cells."""

_DIGITS = "０１２３４５６７８９．，＋－", "0123456789.,+-"
QUARTER = r"\d{4}Q[1-4]"
_NUMBER = (
    r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d*)?|[+-]?\.\d+|[+-]?\d+(\.\d+)?[eE]-?\d+",
    {
        NOT_FINITE: r"(?i)[+-]?(nan|inf|infinity)|#(num!|div/0!)",
        "scientific": r"[+-]?\d+(\.\d+)?[eE]\+\d+",
        "decimal_comma": r"[+-]?[\d.]*,[\d.,]*",
        "sign_behind": r"\(.*\)|（.*）|[\d.,]+[+-]",
        "unit_in_cell": ".*[百千万亿].*",
    },
)
_YEAR = "(19|20|21)\\d\\d"
_DAY = r"{0}-\d\d?-\d\d?|{0}/\d\d?/\d\d?|{0}\.\d\d?\.\d\d?|{0}年\d\d?月\d\d?日|{0}\d\d\d\d"
_TIME = r"( ?| ?T|-)\d\d?[:.]\d\d([:.]\d\d([.,]\d+)?)?"
_ANY_DAY = f"({_DAY.format('[0-9]{4}')})"
_NUMBERS = {"d": r"([0-2]?\d|3[01])", "m": r"(0?\d|1[0-2])"}
DATE_ORDERS = ("dmy", "mdy")
"""Which number of days whose year is last is the day, and which is the month."""
_FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
YEAR_LAST = re.compile(r"(\d\d?)[-/.](\d\d?)[-/.]\d{4}")
_DATE_FAULTS = {
    "year_last": rf"{YEAR_LAST.pattern}(\D.*)?",
    "excel_serial": r"[1-9]\d{4}(\.\d+)?|1\d{9}(\d{3})?",
    "in_zone": f"{_ANY_DAY}({_TIME}) ?(Z|UTC|GMT|[+-]\\d\\d(:?\\d\\d)?)",
    NOT_MIDNIGHT: f"{_ANY_DAY}({_TIME})",
    OUT_OF_SPAN: f"{_ANY_DAY.replace('[0-9]{4}', '(0|1[0-8]|2[2-9]|[3-9])[0-9]+')}|.*BC.*",
}


def null_marks(kind: Kind, more: Iterable[str], codes: Collection[str] = ()) -> list[str]:
    """Return the texts that say nothing in a column, `more` being the bank's own.

    A code of the bank's says something, and an amount that is no number is wrong.
    """
    marks = [mark for mark in ("", *NULL_MARKS, *more) if mark not in codes]
    return [mark for mark in marks if not (kind.is_numeric and mark.lower() == "nan")]


def days_of(marks: Iterable[str], order: str) -> list[datetime]:
    """Return the null marks that are days, in any form in which cells are.

    >>> days_of(["无", "31/12/2998"], "dmy"), days_of(["31/12/2998"], "")
    ([datetime.datetime(2998, 12, 31, 0, 0)], [])
    """
    forms = [*_FORMS, *(f"%{order[0]}{mark}%{order[1]}{mark}%Y" for mark in "-/." if order)]
    days = list[datetime]()
    for mark, form in product(marks, forms):
        with suppress(ValueError):
            days.append(datetime.strptime(mark, form))
    return days


def clean(cell: str, marks: Iterable[str]) -> str:
    """Return the SQL of a cell's text without what surrounds it; NULL where it says nothing."""
    text = f"regexp_replace({cell}, '[{INVISIBLE}]', '', 'g')"
    text = f"regexp_replace({text}, '^[{BLANKS}]+|[{BLANKS}]+$', '', 'g')"
    text = f"regexp_replace({text}, '^=\"(.*)\"$', '\\1')"
    text = f"regexp_replace({text}, '^''(\\d[^'']*)$', '\\1')"
    return f"(CASE WHEN NOT {is_one_of(text, marks)} THEN {text} END)"


def plain_value(kind: Kind, cell: str, factor: int) -> str:
    """Return the SQL that reads a cell in the plain form of its kind; NULL in any other form."""
    if kind is Kind.FLAG:
        return _flag(cell)
    if kind is Kind.QUARTER:
        return f"(CASE WHEN {_matches(cell, QUARTER)} THEN {cell} END)"
    if kind is Kind.DATE:
        is_day = f"{_matches(cell, f'{_YEAR}-..-..')} AND {cell} >= '{FIRST_DAY}'"
        is_digits = f"{_matches(cell, f'{_YEAR}[01][0-9][0-3][0-9]')} AND {cell} >= '19000102'"
        digits = f"TRY_CAST(try_strptime({cell}, '%Y%m%d') AS DATE)"
        return (
            f"(CASE WHEN {is_day} THEN TRY_CAST({cell} AS DATE) WHEN {is_digits} THEN {digits} END)"
        )
    plain = r"[+-]?\d+" if kind is Kind.INTEGER else r"[+-]?\d+(\.\d+)?"
    return f"(CASE WHEN {_matches(cell, plain)} THEN {_cast(kind, cell, factor)} END)"


def whole_value(
    kind: Kind, names: Sequence[str], factor: int, date_order: str, absent: Iterable[date]
) -> tuple[list[str], list[str]]:
    """Return the SQL of the steps that read a clean text, and the names of what may be wrong.

    `names` are those of the clean text and of what each step gives: what of the text should have a
    value, the value, and what is wrong where it has none. Each step builds on those before it.
    `absent` are the bank's own days that say nothing.
    """
    text, given, value, _ = names
    patterns: Mapping[str, str] = {}
    if kind is Kind.FLAG:
        steps = [text, _flag(given)]
    elif kind is Kind.QUARTER:
        digits = f"translate({given}, '一二三四', '1234')"
        form = r"^(\d{4})(?:[- ]?[Qq]|年第?)([1-4])(?:季度?)?$"
        quarter = f"regexp_replace({digits}, '{form}', '\\1Q\\2')"
        steps = [text, f"(CASE WHEN {_matches(quarter, QUARTER)} THEN {quarter} END)"]
    elif kind is Kind.DATE:
        steps, patterns = _date(text, given, date_order, absent), _DATE_FAULTS
    else:
        form, patterns = _NUMBER
        signs = f"translate({text}, {literal(_DIGITS[0])}, {literal(_DIGITS[1])})"
        bare = f"regexp_replace({signs}, '^(CNY|RMB|¥|￥) ?| ?元$', '', 'g')"
        number = _cast(kind, f"replace({given}, ',', '')", factor)
        steps = [bare, f"(CASE WHEN {_matches(given, form)} THEN {number} END)"]
    cases = " ".join(f"WHEN {_matches(given, form)} THEN '{w}'" for w, form in patterns.items())
    has_value = f"{given} IS NULL OR {value} IS NOT NULL"
    wrong = f"(CASE WHEN {has_value} THEN NULL {cases} ELSE '{kind.unreadable}' END)"
    return [*steps, wrong], [*patterns, kind.unreadable]


def find_units(text: str) -> list[str]:
    """Return the units and currencies of amounts that a text states.

    >>> find_units("时点AUM（万）"), find_units("Unit: thousand"), find_units("AUM（万元）、元")
    (['万元'], ['千元'], ['万元', '元'])
    """
    found = list[str]()
    for match in _STATED_UNIT.finditer(unicodedata.normalize("NFKC", text)):
        word = match[match.lastindex or 0]
        short = f"{word}元" if f"{word}元" in UNITS else word
        found.append(_IN_ENGLISH.get(re.sub("[ ,]", "", word), short))
    return [*dict.fromkeys(found)]


def is_total(cells: Sequence[str], width: int) -> bool:
    """Return whether the filled cells of a row begin as a sum; one alone is that, or a remark.

    `width` is the number of the row's columns. `FileReader` says the same in SQL.
    """
    return bool(re.fullmatch(TOTALS, cells[0].strip().lower())) or len(cells) == 1 < 3 < width


def leave_totals_out(header: str, cells: Iterable[str]) -> Words:
    """Return what to do about total lines that begin with these cells; what may be a name is "…".

    >>> leave_totals_out("机构", ["小计", "一支行小计", "小计", "合计"])[-37:]
    'such as { "机构" = ["小计", "…", "合计"] }.'
    """
    words = dict.fromkeys(c if re.fullmatch(TOTAL_WORDS, c.lower()) else "…" for c in cells)
    shown = ", ".join(f'"{word}"' for word in words)
    return say("leave_names_out" if [*words] == ["…"] else "leave_totals_out", header, shown)


def unit_named(word: str) -> str:
    """Return a unit of CNY that a mapping names in Chinese or English; '' for another word.

    >>> unit_named("万元"), unit_named("Ten thousand"), unit_named("dozen")
    ('万元', '万元', '')
    """
    return word if word in UNITS else _IN_ENGLISH.get(word.lower().replace(" ", ""), "")


def other_units(text: str, unit: str) -> list[str]:
    """Return the units that a text states, none where it states just this one."""
    stated = find_units(text)
    return stated if {*stated} - {unit} else []


def unit_remedy(stated: Sequence[str]) -> Words:
    """Return what to do about amounts in another unit than the mapping's, or in several."""
    if len(stated) > 1:
        return say("units_stated")
    return say("unit_stated", *stated) if {*stated} <= {*UNITS} else say("unit_not_cny")


def is_one_of(text: str, words: Iterable[str]) -> str:
    """Return the SQL of whether a text is one of those.

    DuckDB makes a join of IN and of `list_contains`, which costs even where nothing asks for it.
    """
    return _matches(text, "|".join(map(re.escape, words)))


def _matches(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _flag(text: str) -> str:
    lower = f"lower({text})"
    true, false = is_one_of(lower, TRUE_WORDS), is_one_of(lower, FALSE_WORDS)
    return f"(CASE WHEN {true} THEN true WHEN {false} THEN false END)"


def _cast(kind: Kind, number: str, factor: int) -> str:
    """Return the SQL of a number written with digits, sign, point and exponent alone."""
    double = f"TRY_CAST({number} AS DOUBLE)"
    if kind is Kind.MONEY and factor != 1:
        number = f"TRY_CAST({number} AS DECIMAL(28,10)) * {factor}::DECIMAL(9,0)"
    if kind is Kind.MONEY:
        return f"TRY_CAST({number} AS DECIMAL(18,2))"
    if kind is Kind.INTEGER:
        return f"(CASE WHEN {double} = floor({double}) THEN TRY_CAST({number} AS BIGINT) END)"
    return f"(CASE WHEN isfinite({double}) THEN {double} END)"


def _date(text: str, given: str, order: str, absent: Iterable[date]) -> list[str]:
    """Return the SQL of a day's text, year first, where it says a day, and of that day."""
    midnight = "(?:[ T]|-)0?0[:.]00(?:[:.]00(?:[.,]0+)?)?$"
    day = f"regexp_replace({text}, {literal(midnight)}, '')"
    if order:
        first, second = (_NUMBERS[letter] for letter in order[:2])
        ordered = r"\3-\2-\1\4" if order == "dmy" else r"\3-\1-\2\4"
        for mark in "-/.":
            form = f"^{first}[{mark}]{second}[{mark}](\\d{{4}})(\\D.*)?$"
            day = f"regexp_replace({day}, '{form}', '{ordered}')"
    none = [_written(on) for on in (*map(date.fromisoformat, SENTINELS), *absent)]
    none += ["0000[-/.年]?00[-/.月]?00日?", "-?infinity"]
    told = f"(CASE WHEN NOT {_matches(f'lower({day})', '|'.join(none))} THEN {day} END)"
    parsed = f"TRY_CAST(try_strptime({given}, {[*_FORMS]}) AS DATE)"
    return [told, f"(CASE WHEN {_matches(given, _DAY.format(_YEAR))} THEN {parsed} END)"]


def _written(day: date) -> str:
    """Return the pattern of the texts that are a day, year first."""
    year, month, number = f"{day.year:04}", day.month, day.day
    return f"{year}[-/.年]0?{month}[-/.月]0?{number}日?|{year}{month:02}{number:02}"
