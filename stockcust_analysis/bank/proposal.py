"""A proposed `mapping.toml` for files of unknown kind, with the reason of every line in it.

Only what a file's name, its headers and the definitions beside it say without doubt is proposed;
all else stands there as a comment with its candidates, for a person to decide. Values are looked
at to confirm, and are never shown, but for the codes of short lists.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from os.path import commonprefix
from pathlib import Path
from typing import NamedTuple, TypeAlias

from stockcust_analysis.bank import file_names, samples
from stockcust_analysis.bank.contract import TABLES, Column, Kind, Table
from stockcust_analysis.bank.excel import is_called
from stockcust_analysis.bank.file_names import COMPANIONS, DAY_IN_NAME, SYNONYMS, assign_files
from stockcust_analysis.bank.files import UNREADABLE, unreadable
from stockcust_analysis.bank.grammar import DATE_ORDERS, UNITS, YEAR_LAST, find_units
from stockcust_analysis.bank.headers import bare, normalize, words_of
from stockcust_analysis.bank.mapping import KINDS, Mapping
from stockcust_analysis.bank.problems import UnusableFileError
from stockcust_analysis.bank.samples import ROWS, Field, Sample, Values, look_at
from stockcust_analysis.errors import NOTHING, UsageError, Words, joined, say

_KINDS = {delimiter: kind for kind, delimiter in KINDS.items()}
_MOST_CODES = 24
_FREQUENT = 5
_CODE = re.compile(r"[A-Z]?\d{1,3}|[A-Z]{1,2}|\W{1,2}")
_NO_CODE = re.compile(r".*\d{6}.*|.{24}.*", re.DOTALL)
_FILE_WORDS = [(normalize(word), name) for word, name in file_names.words_for_tables("files")]
_BRANCH = ("branches", "branch_id")


class _Entry(NamedTuple):
    """A header, the column that it may mean or '', whether that is sure, and why."""

    header: str
    column: str
    is_sure: bool
    reason: Words
    values: Values


@dataclass(frozen=True)
class _Match:
    """A sample taken for a table."""

    sample: Sample
    table: Table
    entries: list[_Entry]
    folders: int

    @property
    def sure(self) -> dict[str, _Entry]:
        """Column → the header that means it without doubt."""
        return {entry.column: entry for entry in self.entries if entry.is_sure}

    @property
    def lacking(self) -> list[Column]:
        """Required columns that no header and no file name gives."""
        is_dated = file_names.nearest_day(self.sample.path, self.folders)
        known = {*self.sure, "as_of" if is_dated else ""}
        return [c for c in self.table.columns if c.required and c.name not in known]

    @property
    def points(self) -> float:
        """How well the table fits: shares of its columns and of the headers, and the names."""
        required = len(self.table.required_names)
        share = len(self.sure) / len(self.entries) + _table_by_name(self.sample, self.table)
        return (required - len(self.lacking)) / required + share

    @property
    def is_sure(self) -> bool:
        """Whether at least half of the required columns are there, or the name must do."""
        if not self.sample.has_names:  # a cover beside other sheets is none
            return len(self.sample.sheets) < 2 and bool(_table_by_name(self.sample, self.table))
        return bool(self.sure) and 2 * len(self.lacking) <= len(self.table.required_names)


_Group: TypeAlias = tuple[str, list[Path], list[_Match]]
"""A pattern, the files that it names, and what the first and the last of them were taken for."""


def propose_mapping(folder: Path) -> Words:
    """Return the text of a mapping for the files of a folder; UsageError where there are none."""
    files = _groups(folder)
    if not files:
        raise UsageError(say("no_files_of_tables", folder))
    definitions = samples.read_fields(folder)
    names = {word: column for t in TABLES for word, (column, _) in _names(t).items()}
    proposed: dict[str, list[_Group]] = {}
    others, keys = list[Words](), defaultdict[tuple[str, str], set[str]](set)
    for pattern, paths in files.items():
        tables: dict[str, list[_Match]] = {}
        for path in dict.fromkeys((paths[0], paths[-1])):
            text = normalize(path.relative_to(folder).as_posix())
            named = max((name for name in definitions if name in text), key=len, default="")
            seen, remark = _look_at(path, names, definitions.get(named, ()))
            folders = sum("=" in part for part in path.relative_to(folder).parent.parts)
            for match in (_match(one, folders) for one in seen):
                if match.is_sure:
                    tables.setdefault(match.table.name, []).append(match)
                    for name, entry in match.sure.items():
                        keys[match.table.name, name].update(entry.values.distinct)
                else:
                    others += _describe_other(match, pattern)
            others += [say("map_remark", _quote(pattern), remark)] if remark else []
        for name, matches in tables.items():
            proposed.setdefault(name, []).append((pattern, paths, matches))
    plain = assign_files(folder, Mapping())[0]
    lines: list[str] = [say("map_head", ROWS)]
    for table in (table for table in TABLES if table.name in proposed):
        groups = sorted(proposed[table.name], key=lambda group: -group[2][0].points)
        (pattern, paths, matches), *rest = _with_pieces(folder, groups, plain[table.name])
        count = say("one_file" if len(paths) == 1 else "many_files", len(paths))
        lines += [say("map_table", table.name, table.zh, count, matches[0].sample.form)]
        lines += [f"[tables.{table.name}]"]
        lines += [] if plain[table.name] == paths else [f"file = {_quote(pattern)}"]
        lines += [*_reading_lines(matches), *_date_order_line(matches)]
        lines += [*_column_lines(matches, keys), *_code_lines(matches)]
        lines += [*(say("perhaps_too", _quote(more)) for more, _, _ in rest), ""]
    absent = [table.name for table in TABLES if table.name not in proposed]
    lines += [say("taken_for_none", absent)] if absent else []
    return joined([*lines, *others, ""])


def _look_at(
    path: Path, names: dict[str, str], fields: Sequence[Field]
) -> tuple[list[Sample], Words]:
    """Return the samples of a file that hold rows, and why there are none."""
    try:
        seen = [sample for sample in look_at(path, names, fields) if sample.rows]
    except UnusableFileError as error:
        return [], error.args[0]
    except UNREADABLE:
        return [], unreadable(path)[0]
    return seen, NOTHING if seen else say("no_rows_there")


def _groups(folder: Path) -> dict[str, list[Path]]:
    """Return the files that may hold tables, by their names without days and long numbers."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(folder)
        is_hidden = any(part.startswith((".", "_", "~$")) for part in shown.parts)
        if path.is_file() and not is_hidden and not path.name.lower().endswith(COMPANIONS):
            name = re.sub(r"\d{5,}", "*", DAY_IN_NAME.sub("*", path.name))
            within = re.sub("=[^/]*", "=*", shown.parent.as_posix())
            groups.setdefault((Path(within) / name).as_posix(), []).append(path)
    return groups


def _with_pieces(folder: Path, groups: list[_Group], plain: list[Path]) -> list[_Group]:
    """Put the first group and those with the same headers into one, as files of one branch each.

    Only where their names, or a pattern that names no other file, say so.
    """
    sample = groups[0][2][0].sample
    alike = [g for g in groups if {*g[2][0].sample.headers} == {*sample.headers}]
    if len(alike) < 2 or not sample.has_names:
        return groups
    names, paths = [group[0] for group in alike], sorted(chain(*(group[1] for group in alike)))
    begin = commonprefix(names)  # noqa: RUF071 - parts of names are meant
    end = commonprefix([name[::-1] for name in names])[::-1]  # noqa: RUF071 - as above
    stem = re.sub("[0-9A-Za-z]*$", "", begin.partition("*")[0])
    for pattern in (f"{stem}*{sample.path.suffix}", f"{stem}*{end}", f"{begin}*{end}"):
        if paths in (plain, file_names.matching(folder, pattern)):
            matches = [match for group in alike for match in group[2]]
            return [(pattern, paths, matches), *(g for g in groups if g not in alike)]
    return groups


def _names(table: Table) -> dict[str, tuple[str, bool]]:
    """Return header → column and whether that is sure; the contract's words come first."""
    names: dict[str, tuple[str, bool]] = {}
    for word, name, is_sure in words_of(table):
        header = normalize(word)
        if header not in names or (is_sure and not names[header][1]):
            names[header] = (name, is_sure)
    return names


def _match(sample: Sample, folders: int) -> _Match:
    """Return the table that fits a sample, in so many folders of one value each, best."""
    values = [sample.values(index) for index in range(len(sample.headers))]
    matches = [_Match(sample, t, [*_entries(sample, t, values)], folders) for t in TABLES]
    return max(matches, key=lambda match: match.points)


def _entries(sample: Sample, table: Table, columns: Sequence[Values]) -> Iterator[_Entry]:
    """Yield what each header of a sample means in a table, by its name and its comment in SQL."""
    names, sure = _names(table), set[str]()
    comments = [entry.comment for entry in sample.fields] or sample.headers
    for header, comment, values in zip(sample.headers, comments, columns, strict=True):
        name, is_sure = names.get(bare(header), names.get(bare(comment), ("", False)))
        reason = say("by_name" if is_sure else "perhaps_by_name", values.shape)
        if name == "last_active_on" and not re.search("主动|act", header, re.IGNORECASE):
            reason += say("with_interest")
        if name and table.column(name).kind not in values.kinds:
            is_sure, reason = False, say("belied", values.shape)
        elif name in sure:
            is_sure, reason = False, say("second_header")
        sure |= {name} if is_sure else set()
        yield _Entry(header, name, is_sure, reason, values)


def _table_by_name(sample: Sample, table: Table) -> float:
    """Return how much the name of a sheet, file or folder speaks for a table: longest word wins."""
    path = sample.path
    folder = path.parent.name if re.match(r"part|\d", path.name) else ""
    for text in map(normalize, (sample.sheet, path.name, folder)):
        if found := [(len(word), name) for word, name in _FILE_WORDS if word in text]:
            return 0.5 if (max(found)[0], table.name) in found else 0
    return 0


def _sheet_pattern(sheets: Collection[str], among: Collection[str]) -> str:
    """Return the line that names some sheets among those of a workbook; a comment if none does."""
    name = min(sheets)
    parts = [part for n in range(len(name), 0, -1) for part in (f"{name[:n]}*", f"*{name[-n:]}")]
    for pattern in (name, *parts):
        if {sheet for sheet in among if is_called(sheet, pattern)} == {*sheets}:
            return f"sheet = {_quote(pattern)}"
    return '# sheet = "?"'


def _reading_lines(matches: Sequence[_Match]) -> Iterator[str]:
    """Yield how the files of a table are read."""
    sample, table = matches[0].sample, matches[0].table
    if sample.form.startswith("text") and not sample.header:
        if sample.delimiter in _KINDS:
            yield f"kind = {_quote(_KINDS[sample.delimiter])}"
        elif sample.delimiter:
            yield f"delimiter = {_quote(sample.delimiter)}"
        if not sample.fields:
            yield say("what_helps")
        doubt = "" if sample.fields or not sample.widths else "# "
        source = say("by_definition" if sample.fields else "no_header_there")
        yield say("commented", f"{doubt}header = {_list(sample.headers)}", source)
        if sample.widths:
            source = say("by_blanks" if doubt else "by_char")
            yield say("commented", f"{doubt}widths = {[*sample.widths]}", source)
    columns = {column.name for column in matches[0].lacking} | {*matches[0].sure}
    if "as_of" in table.column_names and "as_of" not in columns:
        doubt = "" if sample.header or sample.fields else "# "
        yield say("commented", f'{doubt}as_of = "file name"', say("no_column_has_it"))
    sheets = {match.sample.sheet for match in matches}
    if len(sheets) < len(sample.sheets):
        yield say("commented", _sheet_pattern(sheets, sample.sheets), say("other_sheets"))
    yield from _lines_left_out(matches)
    money = [name for name in matches[0].sure if table.column(name).kind is Kind.MONEY]
    headers, units = [matches[0].sure[name].header for name in money], set[str]()
    for place, texts in (
        ("by_title", [sample.title]),
        ("by_headers", headers),
        ("by_file", [f"{sample.path.name} {sample.sheet}"]),
    ):
        stated = [find_units(text) for text in texts]
        units.update(*stated)
        if len(units) == 1 and units <= {*UNITS} - {"元"} and all(stated):
            yield say("commented", f"unit = {_quote(*units)}", say(place))
            return
        if any(stated) and units != {"元"}:
            unit, *others = map(_quote, sorted(units))
            also = say("unit_beside", others) if others else NOTHING
            yield say("unit_in_doubt", unit, also, say(place))


def _date_order_line(matches: Sequence[_Match]) -> Iterator[Words]:
    """Yield the order of days whose year is last, if a number above 12 says which is the day.

    Columns that have no such number are named: theirs may be another.
    """
    shown = defaultdict[str, set[str]](set)
    for entry in chain.from_iterable(match.entries for match in matches):
        texts = entry.values.distinct if {*entry.values.kinds} == {Kind.DATE} else ()
        for day in filter(None, map(YEAR_LAST.match, texts)):
            numbers = zip(DATE_ORDERS, map(int, day.groups()), strict=True)
            shown[entry.header].update(order for order, number in numbers if number > 12)
    if len(orders := set[str]().union(*shown.values())) == 1:
        others = [_quote(header) for header in shown if not shown[header]]
        also = say("not_shown_by", others) if others else NOTHING
        yield say("commented", f"date_order = {_quote(*orders)}", say("by_day_number", also))
    elif shown:
        yield say("date_order_in_doubt")


def _lines_left_out(matches: Sequence[_Match]) -> Iterator[str]:
    """Yield how many rows stand above the header, and which are sums, or of closed accounts.

    Rows that may be data are a comment; of remarks there is only what they begin with, for they may
    hold names.
    """
    sample = matches[0].sample
    if sample.skip_rows:
        doubt = "# " if sample.header and re.search(r"\d", sample.title) else ""
        yield f"{doubt}skip_rows = {sample.skip_rows}"
    headers = dict(enumerate(sample.headers))
    whole: dict[str, list[str]] = {}
    for entry in chain.from_iterable(match.entries for match in matches):
        closed = {*entry.values.distinct} & {*SYNONYMS["rows"].get(matches[0].table.name, ())}
        if closed and not entry.column and len(entry.values.distinct) <= _MOST_CODES:
            whole[entry.header] = sorted(closed)
    for column, words, is_whole in sorted(sample.footers):
        if is_whole and column in headers:
            whole.setdefault(headers[column], []).append(words)
    if whole:
        entries = ", ".join(f"{_quote(header)} = {_list(whole[header])}" for header in whole)
        yield say("commented", f"drop_rows_where = {{ {entries} }}", say("map_totals"))
    for column, words, is_whole in sorted(sample.footers):
        if not is_whole:
            begins = say("begins_with", _quote(words)) if words else say("alone_in_row")
            where = say("under", _quote(headers[column])) if column in headers else NOTHING
            yield say("remark_line", where, begins)


def _column_lines(
    matches: Sequence[_Match], keys: dict[tuple[str, str], set[str]]
) -> Iterator[str]:
    """Yield header = column, with reasons; in doubt as comments."""
    table = matches[0].table
    yield f"[tables.{table.name}.columns]"
    entries = {entry.header: entry for match in matches[::-1] for entry in match.entries}
    taken = {name for match in matches for name in match.sure}
    for entry in entries.values():
        free = [column for column in table.columns if column.name not in taken]
        values = entry.values.distinct
        there = [table.column(entry.column)] if entry.column else free
        shared = [values.keys() & keys.get(c.references or ("", ""), set()) for c in there]
        of_key = [c for c, both in zip(there, shared, strict=True) if 2 * len(both) > len(values)]
        is_branch = entry.is_sure and table.column(entry.column).references == _BRANCH
        if is_branch and values and keys.get(_BRANCH) and not of_key:
            yield _assign(entry, "# ") + say("few_of_branches")
        elif entry.column:
            yield _assign(entry, "" if entry.is_sure else "# ")
        else:
            fitting = of_key or [column for column in free if _may_be(column, entry.values)]
            candidates = [column.name for column in fitting]
            names = say("perhaps_columns", candidates) if candidates else say("not_taken")
            key = ".".join(of_key[0].references or ()) if of_key else ""
            yield _assign(entry, "# ") + names + (say("by_values_of", key) if key else NOTHING)
    for column in matches[0].lacking:
        kind = Words(column.kind.value, say(column.kind.name).zh)
        zh, meaning = Words("", column.zh), Words(f" {column.meaning}", "")
        yield say("lacking", column.name, zh, kind, meaning)


def _assign(entry: _Entry, doubt: str) -> Words:
    reason = entry.reason if entry.column else entry.values.shape
    assigned = f"{doubt}{_quote(entry.header)} = {_quote(entry.column or '?')}"
    return say("commented", assigned, reason)


def _may_be(column: Column, values: Values) -> bool:
    """Whether a column may be the one that holds these values, by their form alone."""
    is_listed = column.kind is not Kind.CODE or len(values.distinct) <= len(column.allowed) + 2
    is_telling = column.required or column.kind is not Kind.TEXT
    return bool(values.distinct) and column.kind in values.kinds and is_listed and is_telling


def _code_lines(matches: Sequence[_Match]) -> Iterator[str]:
    """Yield code = word for columns of codes, and the codes that are not understood."""
    table = matches[0].table
    for column in (column for column in table.columns if column.kind is Kind.CODE):
        entries = [match.sure[column.name] for match in matches if column.name in match.sure]
        counts = sum((entry.values.distinct for entry in entries), Counter[str]())
        codes = sorted({*counts} - {*column.allowed})
        if not codes:
            continue
        synonyms = SYNONYMS["codes"].get(column.name, {})
        words = {normalize(word): name for name in synonyms for word in synonyms[name]}
        words |= {normalize(word): word for word in column.allowed}
        standard = SYNONYMS["standards"].get(column.name, {})
        yield f"[tables.{table.name}.codes.{column.name}]"
        if {*filter(standard.get, standard)} <= {*codes} <= {*standard}:
            words = standard
            yield say("by_standard")
        if len(codes) > _MOST_CODES or any(map(_NO_CODE.fullmatch, codes)):
            yield say("many_texts", len(codes), column.allowed)
            continue
        doubts: dict[Words, None] = {}
        for code in codes:
            if (word := words.get(normalize(code))) is not None:
                yield f"{_quote(code)} = {_quote(word)}"
                continue
            # Under a shifted header stand names of persons: each is there once or twice.
            is_code = _CODE.fullmatch(code) or counts[code] >= _FREQUENT
            shown = _quote(code) if is_code else say("rare_text")
            doubts[say("code_in_doubt", shown, column.allowed)] = None
        yield from doubts


def _describe_other(match: _Match, pattern: str) -> Iterator[Words]:
    """Yield the comment on a file or sheet that was taken for no table."""
    sample = match.sample
    sheet = say("of_sheet", _quote(sample.sheet)) if sample.sheet else NOTHING
    yield say("no_table_taken", _quote(pattern), sheet, sample.form)
    yield say("nearest", match.table.name, [column.name for column in match.lacking])
    if sample.form.startswith("text") and not sample.has_names:
        yield say("what_helps")
    for entry in match.entries:
        meaning = say("perhaps_columns", [entry.column]) if entry.column else NOTHING
        yield say("column_line", _quote(entry.header), entry.values.shape, meaning)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quote, texts))}]"
