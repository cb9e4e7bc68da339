"""A proposed `mapping.toml` for files of unknown kind, with the reason of every line in it.

Only what a file's name, its headers and the definitions beside it say without doubt is proposed;
all else stands there as a comment with its candidates, for a person to decide. Values are looked
at to confirm, and are never shown, but for the codes of short lists.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stockcust_analysis.bank.contract import TABLES, Column, Kind, Table
from stockcust_analysis.bank.excel import is_called
from stockcust_analysis.bank.file_names import (
    COMPANIONS,
    DAY_IN_NAME,
    SYNONYMS,
    assign_files,
    day_in_name,
)
from stockcust_analysis.bank.files import UNREADABLE, unreadable
from stockcust_analysis.bank.grammar import UNITS, find_unit
from stockcust_analysis.bank.headers import normalize, words_of
from stockcust_analysis.bank.mapping import KINDS, Mapping
from stockcust_analysis.bank.problems import UnusableFileError
from stockcust_analysis.bank.samples import (
    ROWS,
    Field,
    Sample,
    Values,
    bare,
    look_at,
    read_fields,
)
from stockcust_analysis.errors import UsageError

_KINDS = {delimiter: kind for kind, delimiter in KINDS.items()}
_MOST_CODES = 24
_FREQUENT = 5
_CODE = re.compile(r"[A-Z]?\d{1,3}|[A-Z]{1,2}|\W{1,2}")
_NO_CODE = re.compile(r".*\d{6}.*|.{24}.*", re.DOTALL)
_FILE_WORDS = [
    (normalize(word), table.name)
    for table in TABLES
    for word in (table.name, table.zh, *SYNONYMS["files"].get(table.name, ()))
]
_BRANCH = ("branches", "branch_id")
_WHAT_HELPS = (
    "# No names of columns are there. Lay its CREATE TABLE (.sql, .ddl, with comments) beside it,"
    " and run `stockcust map` again, or write them into header = [...]."
)
_HEAD = """\
# Proposed by `stockcust map` from the first {rows:,} rows of each kind of file. Correct it, then
# run `stockcust check`. Lines that begin with # are in doubt: complete them, or leave them out.
# name = "本行名称"  # the bank's name on every page; without it the folder's
"""


class _Entry(NamedTuple):
    """A header, the column that it may mean or '', whether that is sure, and why."""

    header: str
    column: str
    is_sure: bool
    reason: str
    values: Values


@dataclass(frozen=True)
class _Match:
    """A sample taken for a table."""

    sample: Sample
    table: Table
    entries: list[_Entry]

    @property
    def sure(self) -> dict[str, _Entry]:
        """Column → the header that means it without doubt."""
        return {entry.column: entry for entry in self.entries if entry.is_sure}

    @property
    def lacking(self) -> list[Column]:
        """Required columns that no header and no file name gives."""
        known = {*self.sure, "as_of" if day_in_name(self.sample.path.name) else ""}
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


def propose_mapping(folder: Path) -> str:
    """Return the text of a mapping for the files of a folder; UsageError where there are none."""
    files = _groups(folder)
    if not files:
        raise UsageError(f"'{folder}' holds no files of tables. Put the bank's extracts there.")
    definitions, names = read_fields(folder), {name for t in TABLES for name in _names(t)}
    proposed: dict[str, list[tuple[str, list[Path], list[_Match]]]] = {}
    others, keys = list[str](), dict[tuple[str, str], set[str]]()
    for pattern, paths in files.items():
        tables: dict[str, list[_Match]] = {}
        for path in dict.fromkeys((paths[0], paths[-1])):
            text = normalize(path.relative_to(folder).as_posix())
            named = max((name for name in definitions if name in text), key=len, default="")
            samples, remark = _look_at(path, names, definitions.get(named, ()))
            for match in (_match(sample) for sample in samples):
                if match.is_sure:
                    tables.setdefault(match.table.name, []).append(match)
                    for name, entry in match.sure.items():
                        values = keys.setdefault((match.table.name, name), set())
                        values.update(entry.values.distinct)
                else:
                    others += _describe_other(match, pattern)
            others += [f"# {_quote(pattern)}: {remark}"] if remark else []
        for name, matches in tables.items():
            proposed.setdefault(name, []).append((pattern, paths, matches))
    plain = assign_files(folder, Mapping())[0]
    lines = [_HEAD.format(rows=ROWS)]
    for table in (table for table in TABLES if table.name in proposed):
        groups = sorted(proposed[table.name], key=lambda group: -group[2][0].points)
        pattern, paths, matches = groups[0]
        count = "1 file" if len(paths) == 1 else f"{len(paths)} files, first and last looked at"
        lines += [f"# {table.name} ({table.zh}): {count}; {matches[0].sample.form}"]
        lines += [f"[tables.{table.name}]"]
        lines += [] if plain[table.name] == paths else [f"file = {_quote(pattern)}"]
        lines += [*_reading_lines(matches), *_column_lines(matches, keys), *_code_lines(matches)]
        lines += [f"# perhaps of this table, too: {_quote(more)}" for more, _, _ in groups[1:]]
        lines.append("")
    absent = ", ".join(table.name for table in TABLES if table.name not in proposed)
    lines += [f"# No file was taken for: {absent}."] if absent else []
    return "\n".join([*lines, *others]) + "\n"


def _look_at(
    path: Path, names: Collection[str], fields: Sequence[Field]
) -> tuple[list[Sample], str]:
    """Return the samples of a file that hold rows, and why there are none."""
    try:
        samples = [sample for sample in look_at(path, names, fields) if sample.rows]
    except UnusableFileError as error:
        return [], str(error.args[0])
    except UNREADABLE:
        return [], unreadable(path)[0]
    return samples, "" if samples else "holds no rows"


def _groups(folder: Path) -> dict[str, list[Path]]:
    """Return the files that may hold tables, by their names without days and long numbers."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(folder)
        is_hidden = any(part.startswith((".", "_", "~$")) for part in shown.parts)
        if path.is_file() and not is_hidden and not path.name.lower().endswith(COMPANIONS):
            name = re.sub(r"\d{5,}", "*", DAY_IN_NAME.sub("*", path.name))
            groups.setdefault((shown.parent / name).as_posix(), []).append(path)
    return groups


def _names(table: Table) -> dict[str, tuple[str, bool]]:
    """Return header → column and whether that is sure; the contract's words come first."""
    names: dict[str, tuple[str, bool]] = {}
    for word, name, is_sure in words_of(table):
        header = normalize(word)
        if header not in names or (is_sure and not names[header][1]):
            names[header] = (name, is_sure)
    return names


def _match(sample: Sample) -> _Match:
    """Return the table that fits a sample best."""
    values = [sample.values(index) for index in range(len(sample.headers))]
    matches = [_Match(sample, table, [*_entries(sample, table, values)]) for table in TABLES]
    return max(matches, key=lambda match: match.points)


def _entries(sample: Sample, table: Table, columns: Sequence[Values]) -> Iterator[_Entry]:
    """Yield what each header of a sample means in a table, by its name and its comment in SQL."""
    names, sure = _names(table), set[str]()
    comments = [entry.comment for entry in sample.fields] or sample.headers
    for header, comment, values in zip(sample.headers, comments, columns, strict=True):
        name, is_sure = names.get(bare(header), names.get(bare(comment), ("", False)))
        reason = f"{'by' if is_sure else 'perhaps, by'} its name; {values.shape}"
        if name == "last_active_on" and not re.search("主动|act", header, re.IGNORECASE):
            reason += "; does it leave out interest, fees and the bank's other entries"
        if name and table.column(name).kind not in values.kinds:
            is_sure, reason = False, f"its name says so, but it holds {values.shape}"
        elif name in sure:
            is_sure, reason = False, "another header means this column, too"
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
        if sample.skip_rows:
            yield f"skip_rows = {sample.skip_rows}"
        if not sample.fields:
            yield _WHAT_HELPS
        doubt = "" if sample.fields or not sample.widths else "# "
        source = "by the definition in SQL beside it" if sample.fields else "no header is there"
        yield f"{doubt}header = {_list(sample.headers)}  # {source}"
        if sample.widths:
            yield f"{doubt}widths = {[*sample.widths]}  # by {'blanks' if doubt else 'CHAR(n)'}"
    columns = {column.name for column in matches[0].lacking} | {*matches[0].sure}
    if "as_of" in table.column_names and "as_of" not in columns:
        doubt = "" if sample.header or sample.fields else "# "
        yield f'{doubt}as_of = "file name"  # no column has it'
    sheets = {match.sample.sheet for match in matches}
    if len(sheets) < len(sample.sheets):
        yield f"{_sheet_pattern(sheets, sample.sheets)}  # the other sheets hold something else"
    yield from _footer_lines(sample)
    money = [name for name in matches[0].sure if table.column(name).kind is Kind.MONEY]
    headers = [matches[0].sure[name].header for name in money]
    for source, texts in (
        ("a line above the header", [sample.title]),
        ("headers", headers),
        ("the name of file or sheet", [f"{sample.path.name} {sample.sheet}"]),
    ):
        stated = [*filter(None, map(find_unit, texts))]
        units = {*stated}
        if len(units) == 1 and units <= {*UNITS} and len(stated) == len(texts):
            yield f"unit = {_quote(*units)}  # by {source}"
            return
        if units:
            unit, *others = map(_quote, sorted(units))
            also = f", beside {', '.join(others)}" if others else ""
            yield f"# unit = {unit}{also}  # by {source}, not of all or not of CNY"


def _footer_lines(sample: Sample) -> Iterator[str]:
    """Yield which rows are sums; of remarks only what they begin with, for they may hold names."""
    headers = dict(enumerate(sample.headers))
    whole: dict[str, list[str]] = {}
    for column, words, is_whole in sorted(sample.footers):
        if is_whole and column in headers:
            whole.setdefault(headers[column], []).append(words)
    if whole:
        entries = ", ".join(f"{_quote(header)} = {_list(whole[header])}" for header in whole)
        yield f"drop_rows_where = {{ {entries} }}  # total lines"
    for column, words, is_whole in sorted(sample.footers):
        if not is_whole:
            begins = f"that begins with {_quote(words)}" if words else "alone in its row"
            where = f" under {_quote(headers[column])}" if column in headers else ""
            yield f"# a remark{where} {begins}: add its whole cell to drop_rows_where"


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
        values, there = (
            entry.values.distinct,
            [table.column(entry.column)] if entry.column else free,
        )
        shared = [values.keys() & keys.get(c.references or ("", ""), set()) for c in there]
        of_key = [c for c, both in zip(there, shared, strict=True) if 2 * len(both) > len(values)]
        is_branch = entry.is_sure and table.column(entry.column).references == _BRANCH
        if is_branch and values and keys.get(_BRANCH) and not of_key:
            yield f"# {_assign(entry)}; but few of its values are numbers of branches"
        elif entry.column:
            yield f"{'' if entry.is_sure else '# '}{_assign(entry)}"
        else:
            fitting = of_key or [column for column in free if _may_be(column, entry.values)]
            names = ", ".join(column.name for column in fitting)
            names = f"; perhaps {names}" if names else "; not taken"
            names += f", by values of {'.'.join(of_key[0].references or ())}" if of_key else ""
            yield f"# {_assign(entry)}{names}"
    for column in matches[0].lacking:
        yield f"# lacking: {column.name} ({column.zh}), {column.kind.value}. {column.meaning}"


def _assign(entry: _Entry) -> str:
    reason = entry.reason if entry.column else entry.values.shape
    return f"{_quote(entry.header)} = {_quote(entry.column or '?')}  # {reason}"


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
        yield f"[tables.{table.name}.codes.{column.name}]"
        allowed = ", ".join(column.allowed)
        if len(codes) > _MOST_CODES or any(map(_NO_CODE.fullmatch, codes)):
            yield f"# {len(codes)} different texts, and each must be one of {allowed}"
            continue
        doubts: dict[str, None] = {}
        for code in codes:
            if word := words.get(normalize(code)):
                yield f"{_quote(code)} = {_quote(word)}"
                continue
            # Under a shifted header stand names of persons: each is there once or twice.
            is_code = _CODE.fullmatch(code) or counts[code] >= _FREQUENT
            shown = _quote(code) if is_code else "a rare text, which is not shown,"
            doubts[f'# {shown} = "?"  # not understood: one of {allowed}'] = None
        yield from doubts


def _describe_other(match: _Match, pattern: str) -> Iterator[str]:
    """Yield the comment on a file or sheet that was taken for no table."""
    sample = match.sample
    sheet = f", sheet {_quote(sample.sheet)}" if sample.sheet else ""
    lacking = ", ".join(column.name for column in match.lacking)
    yield f"# {_quote(pattern)}{sheet}: taken for no table; {sample.form}"
    yield f"#   nearest: {match.table.name}, of which it lacks {lacking}"
    if sample.form.startswith("text") and not sample.has_names:
        yield _WHAT_HELPS
    for entry in match.entries:
        meaning = f"; perhaps {entry.column}" if entry.column else ""
        yield f"#   {_quote(entry.header)}: {entry.values.shape}{meaning}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quote, texts))}]"
