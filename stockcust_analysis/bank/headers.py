"""Headers: which tables are delivered, and which column of the contract each header means."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice

from stockcust_analysis.bank.contract import TABLES, Kind, Table, named
from stockcust_analysis.bank.file_names import SYNONYMS
from stockcust_analysis.bank.grammar import INVISIBLE, other_units, unit_remedy
from stockcust_analysis.bank.mapping import TableMapping, contract_names
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.errors import NOTHING, Words, advise, did_you_mean, either, is_quotable, say

NAMELESS = "without a header"
_CURRENCY = re.compile(
    "(币种|币别|货币)(代码|名称|类型|号)?|(currency|curr?|crcy|ccy)(code|cd|type|typ|name|no)?"
)
_FLAGS = re.compile(
    "(是否)?(员工|死亡|身故|冻结)(标志|标识)?|(is)?(staff|death|dead|deceased|frozen)(flag|flg)?"
)
LOOKED_THROUGH = 30
"""Rows among which a header is looked for."""
_FORM = r"(日期|时间|日|标志|标识|date|dt|day|flag|flg)$"


@lru_cache(1 << 14)  # the contract's words are asked for at every table
def normalize(header: str) -> str:
    """Return a header without regard to case, width, blanks, line breaks and byte order marks."""
    return re.sub(f"[{INVISIBLE}\\s_]", "", unicodedata.normalize("NFKC", header).casefold())


@lru_cache(1 << 14)
def _stem(word: str) -> str:
    """Return a header without brackets and the words of form around it, which banks choose freely.

    >>> _stem("销户时间") == _stem("销户日期"), _stem("CLOSE_DATE") == _stem("close_dt")
    (True, True)
    """
    whole = normalize(word)
    text = re.sub(r"[(\[【].*?[)\]】]|^是否", "", whole)
    return re.sub(_FORM, "", text) or whole


def bare(header: str) -> str:
    """Return a header without what stands in brackets, and without a table's name in front.

    >>> bare("余额（万元）"), bare("t1.CUST_NO")
    ('余额', 'custno')
    """
    text = re.sub(r"[(（\[【].*?[)）\]】]", "", header)
    return normalize(re.sub(r"^[A-Za-z]\w*\.", "", text))


def header_row(rows: Sequence[Sequence[str]], known: Mapping[str, str]) -> tuple[int, int, int]:
    """Return of the row most like a header how many columns it means, its length and position.

    It means most of those known, by headers as `normalize` gives them, and is the shortest, then
    the first, of the first rows that are filled. Length and position have a minus in front.

    >>> header_row([["客户"], ["", ""], ["客户号", "机构"], ["1", "2"]], {"客户号": "customer_id"})
    (1, -2, -2)
    """
    filled = (index for index, cells in enumerate(rows) if any(map(str.strip, cells)))
    fits = list[tuple[int, int, int]]()
    for index in islice(filled, LOOKED_THROUGH):
        meant = len({known.get(normalize(cell), "") for cell in rows[index]} - {""})
        fits.append((meant, -len(rows[index]) if meant else 0, -index))
    return max(fits, default=(0, 0, 0))


def has_rows(above: Iterable[Sequence[str]], width: int) -> bool:
    """Return whether lines above a header of so many columns look like rows, not like a title."""
    counts = (sum(bool(cell.strip()) for cell in cells) for cells in above)
    return max(counts, default=0) > max(1, width // 2)


def words_of(contract: Table) -> Iterator[tuple[str, str, bool]]:
    """Yield the contract's and banks' words for columns: word, column, whether it is sure."""
    for column in contract.columns:
        yield from ((word, column.name, True) for word in (column.name, column.zh))
        for words in (SYNONYMS["tables"].get(contract.name, {}), SYNONYMS["columns"]):
            for word in words.get(column.name, ()):  # with `?` it may mean something else
                yield word.removesuffix("?"), column.name, not word.endswith("?")


def distinct_headers(header: Iterable[str]) -> Iterator[str]:
    """Yield headers without line breaks; one that stands twice, whatever its case, gets a blank."""
    seen = set[str]()
    for cell in header:
        name = " ".join(cell.replace("\ufeff", "").split()) or NAMELESS
        while name.casefold() in seen:
            name += " "
        seen.add(name.casefold())
        yield name


def missing_tables(
    delivered: Collection[str], names: Iterable[str], *, holder: str = "table"
) -> list[Problem]:
    """Return the required tables that no file or table holds; `names` are those that exist."""
    problems = []
    for contract in TABLES:
        if contract.required and contract.name not in delivered:
            what, remedy = advise(f"no_{holder}", contract.name)
            remedy += did_you_mean(contract.name, names)
            problems.append(Problem(contract.name, "", what, remedy))
    return problems


def warn_of_absent(described: Mapping[str, TableMapping], delivered: Collection[str]) -> None:
    """Warn of tables that a mapping describes, and says nothing of where they are."""
    for name, entry in described.items():
        if not (name in delivered or entry.file or entry.table):
            warnings.warn(say("described_not_there", named(name)), stacklevel=4)


def match_headers(
    contract: Table,
    headers: Sequence[Collection[str]],
    mapping: TableMapping,
    files: Sequence[str] = (),
    *,
    is_part: bool = False,
) -> tuple[list[Problem], list[dict[str, str]], list[list[str]]]:
    """Return what is wrong with the headers of a table's files, and for each column → header.

    And those of each that mean no column, as far as they may be shown. `files` are those that have
    the headers, named where there are several. Where the headers are those of a part of the files,
    nothing is said of headers that none of these has.
    """
    problems: dict[Problem, None] = {}
    matches, unread = list[dict[str, str]](), list[list[str]]()
    names, skipped = contract_names(mapping, contract), {*map(normalize, mapping.ignore)}
    used = {*map(normalize, mapping.drop_rows_where)}
    known = {normalize(h): name for h, name in names.items() if normalize(h) not in skipped}
    stated: dict[str, list[str]] = {}  # by the mapping, not by the contract
    for header, column in names.items():
        if normalize(header) not in {normalize(column), normalize(contract.column(column).zh)}:
            stated.setdefault(column, []).append(header)
    for index, file in enumerate(headers):
        matched, found = dict[str, str](), list[Problem]()
        for header in file:
            name = known.get(normalize(header))
            if name is not None and name in matched:
                said = advise("both_mean", matched[name], header)
                found.append(Problem(contract.name, name, *said))
            elif name is not None:
                matched[name] = header
        spare = {h: at for at, h in enumerate(file, 1) if normalize(h) not in {*known, *skipped}}
        found += _absent_columns(contract, matched, spare, stated)
        found += _stated_units(contract, matched, mapping.unit)
        _warn_of_spare(contract, matched, spare)
        where = say("in_file", files[index]) if len(files) > 1 else NOTHING
        problems |= {replace(problem, what=problem.what + where): None for problem in found}
        matches.append(matched)
        shown = (h for h in spare if not h.startswith(NAMELESS) and normalize(h) not in used)
        unread.append([header.strip() if is_quotable(header) else "…" for header in shown])
    delivered = {name for matched in matches for name in matched}
    lacking = {*stated} - delivered - {*contract.required_names}
    for column, header in ((c, h) for c in stated if c in lacking for h in stated[c]):
        said = advise("mapped_not_there", header)
        problems |= {} if is_part else {Problem(contract.name, column, *said): None}
    return list(problems), matches, unread


def _warn_of_spare(contract: Table, matched: Collection[str], spare: Iterable[str]) -> None:
    """Warn of headers that mean no column and yet change whom or what figures should count."""
    excludes = "exclusion" in contract.column_names and "exclusion" not in matched
    for header in spare:
        is_currency = _CURRENCY.fullmatch(normalize(header))
        if is_currency or (excludes and _FLAGS.fullmatch(normalize(header))):
            name = "currency_unread" if is_currency else "flag_unread"
            warnings.warn(say(name, named(contract.name), header), stacklevel=3)


def _stated_units(contract: Table, matched: Mapping[str, str], unit: str) -> Iterator[Problem]:
    """Yield the columns of amounts whose headers state another unit than the mapping does."""
    for name, header in matched.items():
        stated = other_units(header, unit)
        if contract.column(name).kind is Kind.MONEY and stated:
            what, remedy = say("header_unit", stated, unit), unit_remedy(stated) + say("one_unit")
            yield Problem(contract.name, name, what, remedy, header=header)


def _absent_columns(
    contract: Table,
    matched: Mapping[str, str],
    spare: Mapping[str, int],
    stated: Mapping[str, Sequence[str]],
) -> Iterator[Problem]:
    """Yield required columns that are absent, and optional ones that are perhaps misspelt.

    `spare` are the headers that are not understood, with the columns that they stand in; `stated`
    are those that the mapping names for a column.
    """
    absent = [column for column in contract.columns if column.name not in matched]
    words = {word: column.name for column in absent for word in (column.zh, column.name)}
    also = {_stem(word): name for word, name, _ in words_of(contract) if name not in matched}
    close = {h: _resembled(h, words) for h in spare if _stem(h) not in also}
    meant = {words[matches[0]]: header for header, matches in close.items() if matches}
    meant |= {also[_stem(header)]: header for header in spare if _stem(header) in also}
    holds_numbers = any(re.fullmatch(r"[\d.,:/+-]+", header) for header in spare)
    if not matched and (holds_numbers or not meant):
        required = [Words(c.name, f"{c.zh}（{c.name}）") for c in contract.columns if c.required]
        yield Problem(contract.name, "", *advise("no_header", contract.name, required))
        return
    for column in absent:
        header = meant.get(column.name, "")
        # What stands behind the whole name of a column may be a cell.
        names, start = (normalize(column.zh), normalize(column.name)), header.rpartition(" ")[0]
        is_quoted = is_quotable(header) and not normalize(start).startswith(names)
        quote = either([header]) if is_quoted else say("header_of_column", spare.get(header))
        hint = say("did_you_mean", quote) if header else NOTHING
        if not (column.required or hint):
            continue
        mapped = either(stated.get(column.name, ()))
        name = "column_missing_mapped" if mapped else "column_missing"
        name = name if column.required else "column_doubtful"
        what, remedy = advise(name, mapped or Words(column.name, column.zh))
        yield Problem(contract.name, column.name, what, remedy + hint)


def _resembled(header: str, words: Iterable[str]) -> list[str]:
    """Return the word that a header begins with (客群标签), or the one most like it."""
    begun = [word for word in words if normalize(header).startswith(normalize(word))]
    return begun or get_close_matches(header, words, n=1, cutoff=0.7)
