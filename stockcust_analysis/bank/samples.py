"""A look at files of unknown kind: their first rows, their header, and what their columns hold.

Nothing is checked here, and no value of a cell leaves this module but the codes of short lists.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

from stockcust_analysis.bank import grammar, headers
from stockcust_analysis.bank.contract import Kind
from stockcust_analysis.bank.excel import read_workbook
from stockcust_analysis.bank.file_names import EXCEL_ENDINGS, decode, is_parquet
from stockcust_analysis.bank.headers import NAMELESS, bare, distinct_headers, normalize
from stockcust_analysis.bank.text_files import sample_text
from stockcust_analysis.core.engines import literal, quiet_connection
from stockcust_analysis.errors import Words, say

ROWS = 2000
_LAST = 20
"""Rows at a sheet's end, where totals and remarks stand."""
_MOST_CODES = 20
_LONGEST, _DEFINITIONS = 80, 1 << 22
_YEAR = r"(19|20|00|99|29|30)\d\d"
_YEAR_FIRST = rf"{_YEAR}[-/.年]?(0?\d|1[0-2])[-/.月]?([0-2]?\d|3[01])日?([ T-]?00[:.]00.*)?"
_YEAR_LAST = rf"[0-3]?\d(?P<mark>[-/.])[0-3]?\d(?P=mark){_YEAR}( .*)?"
_SHAPES = {
    "identities": (r"\d{17}[\dXx]", {Kind.TEXT}),
    "year_last_days": (_YEAR_LAST, {Kind.DATE}),
    "some_days": (f"{_YEAR_FIRST}|{_YEAR_LAST}", {Kind.DATE}),
    "QUARTER": (r"\d{4}-?[Qq][1-4]|\d{4}年第?[一二三四1-4]季度?", {Kind.QUARTER}),
    "decimals": (r"[+-]?[\d,]*\.\d\d", {Kind.MONEY, Kind.NUMBER}),
    "INTEGER": (r"[+-]?\d+", {Kind.MONEY, Kind.INTEGER, Kind.NUMBER, Kind.TEXT, Kind.CODE}),
    "NUMBER": (r"[+-]?[\d,]*\.?\d+([eE]-?\d+)?", {Kind.MONEY, Kind.NUMBER}),
    "TEXT": ("(?s).*", {Kind.TEXT, Kind.CODE}),
}
_DIGITS = re.compile(r"\s*[\d.,:/+-]+\s*")
_TABLE = re.compile(r"(?i)\bcreate\s[\w\s]*?\btable\s+(?:if\s+not\s+exists\s+)?([\w.`\"]+)\s*\(")
_FIELD = re.compile(
    r"\s*[`\"]?(\w+)[`\"]?\s+(\w+)(?:\s*\(([\d, ]+)\))?((?:'[^']*'|\([^()]*\)|[^,'()])*)([,)])"
)
_COMMENT = re.compile(r"(?i)\bcomment\s+on\s+column\s+([\w.`\"]+)\s+is\s+'([^']*)'")
_NO_FIELDS = {"primary", "constraint", "unique", "key", "index", "foreign", "check"}


class Field(NamedTuple):
    """A column of a table definition in SQL; `width` is that of CHAR(n), else 0."""

    name: str
    comment: str
    width: int


class Values(NamedTuple):
    """What a column holds, in words, which kinds it may be, and how often each value is there."""

    shape: Words
    kinds: Collection[Kind]
    distinct: Counter[str]


class Footer(NamedTuple):
    """Where a line of sums or a remark begins, and by what words; `is_whole` says these are all."""

    column: int
    words: str
    is_whole: bool


@dataclass(frozen=True)
class Sample:
    """The first rows of a file, or of one of a workbook's sheets.

    `fields` are those of its definition in SQL; `header` and they are empty where there is none.
    """

    path: Path
    form: str
    rows: list[list[str]]
    header: tuple[str, ...] = ()
    fields: Sequence[Field] = ()
    title: str = ""
    sheet: str = ""
    sheets: Sequence[str] = ()
    delimiter: str = ""
    skip_rows: int = 0
    widths: Sequence[int] = ()
    footers: Collection[Footer] = ()

    @property
    def headers(self) -> Sequence[str]:
        """Names of the columns, numbered where neither header nor definition says them."""
        width = Counter(map(len, self.rows)).most_common(1)[0][0]
        numbered = [f"column_{number}" for number in range(1, width + 1)]
        return self.header or [entry.name for entry in self.fields] or numbered

    @property
    def has_names(self) -> bool:
        """Whether a header or a definition names the columns."""
        return bool(self.header or self.fields)

    def values(self, index: int) -> Values:
        """Return what a column holds."""
        cells = (row[index].strip()[:_LONGEST] for row in self.rows if index < len(row))
        texts = [text for text in cells if text and text not in grammar.NULL_MARKS]
        distinct = Counter(texts)
        if not texts:
            return Values(say("empty_here"), {*Kind}, distinct)
        shape, kinds = next(
            (say(shape), kinds)
            for shape, (pattern, kinds) in _SHAPES.items()
            if 20 * sum(bool(re.fullmatch(pattern, text)) for text in texts) >= 19 * len(texts)
        )
        if {text.lower() for text in distinct} <= {*grammar.TRUE_WORDS, *grammar.FALSE_WORDS}:
            kinds = {*kinds, Kind.FLAG}
        if len(distinct) <= _MOST_CODES and len(texts) >= 5 * len(distinct):
            shape += say("different", len(distinct))
        return Values(shape, kinds, distinct)


def look_at(path: Path, names: Mapping[str, str], fields: Sequence[Field]) -> list[Sample]:
    """Return samples of a file, one for each visible sheet of a workbook.

    `names` are the headers that are understood, and what they mean; `fields` those of the file's
    definition, if any.
    """
    if is_parquet(path):
        with quiet_connection() as connection:
            scan = f"read_parquet({literal(str(path))}) LIMIT {ROWS}"
            rows = connection.sql(f"SELECT COLUMNS(*)::VARCHAR FROM {scan}")
            cells = [[cell or "" for cell in row] for row in rows.fetchall()]
            return [Sample(path, "Parquet", cells, tuple(rows.columns))]
    if path.name.lower().endswith(EXCEL_ENDINGS):
        sheets = [sheet for sheet in read_workbook(path) if sheet.is_visible]
        names_of_sheets = [sheet.name for sheet in sheets]
        samples = []
        for sheet in sheets:
            texts = sheet.texts[:ROWS] + sheet.texts[ROWS:][-_LAST:]
            whole = Sample(path, "Excel", texts, sheet=sheet.name, sheets=names_of_sheets)
            samples.append(_with_header(whole, names))
        return samples
    encoding, delimiter, lines = sample_text(path, names, ROWS)
    form = say("text_in", encoding.removesuffix("-sig").upper())
    if delimiter != "\n":
        form += say("separated_by", repr(delimiter))
        return [_with_header(Sample(path, form, lines, fields=fields, delimiter=delimiter), names)]
    records = [line[0].encode(encoding.removesuffix("-sig")) for line in lines if line[0].strip()]
    size, count = Counter(map(len, records)).most_common(1)[0] if records else (0, 0)
    if min(size, count) < 2 or 10 * count < 9 * len(records):
        return [_with_header(Sample(path, form, lines), names)]
    records = [record for record in records if len(record) == size]
    widths = [entry.width for entry in fields]
    if not all(widths) or sum(widths) != size:
        widths, fields = _guess_widths(records), ()
    spans = [*pairwise(accumulate(widths, initial=0))]
    cells = [[record[a:b].decode(encoding, "replace") for a, b in spans] for record in records]
    form += say("of_width", size)
    return [Sample(path, form, cells, fields=fields, widths=widths)]


def read_fields(folder: Path) -> dict[str, list[Field]]:
    """Return the columns that CREATE TABLE in the folder's .sql and .ddl files states, by table.

    Comments stand behind the columns, or in COMMENT ON COLUMN.
    """
    tables: dict[str, list[Field]] = {}
    comments: dict[tuple[str, ...], str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".sql", ".ddl", ".hql") or not path.is_file():
            continue
        with path.open("rb") as file:
            text = decode(file.read(_DEFINITIONS))
        for column, comment in _COMMENT.findall(text):
            comments[_name_parts(column)[-2:]] = comment
        for start in _TABLE.finditer(text):
            name = _name_parts(start[1])[-1]
            position, fields = start.end(), list[Field]()
            while found := _FIELD.match(text, position):
                column, kind, size, rest, end = found.groups()
                comment = re.search(r"(?i)comment\s+'([^']*)'", rest)
                width = int(size) if size and size.isdigit() and "char" in kind.lower() else 0
                if column.lower() not in _NO_FIELDS:
                    fields.append(Field(column, comment[1] if comment else "", width))
                position = found.end() if end == "," else len(text)
            tables[name] = fields
    for name, fields in tables.items():
        said = [comments.get((name, normalize(field.name)), field.comment) for field in fields]
        tables[name] = [f._replace(comment=text) for f, text in zip(fields, said, strict=True)]
    return tables


def _name_parts(name: str) -> tuple[str, ...]:
    """Return schema, table and column of a name in SQL, without quotation marks."""
    return tuple(normalize(part) for part in re.split(r"[.`\"]+", name) if part)


def _words_of(row: Sequence[str], names: Collection[str]) -> list[str]:
    """Return a row's cells as headers, none where it is data, which must not be shown.

    A row with a number or a day in it is, if names are no more than half of it.
    """
    words = [*map(bare, row)]
    is_known = 2 * sum(word in names for word in words) > len(words)
    return words if is_known or not any(map(_DIGITS.fullmatch, row)) else []


def _with_header(whole: Sample, names: Mapping[str, str]) -> Sample:
    """Return a sample parted at its header, if it has one, and without total lines."""
    rows = [row for row in whole.rows if any(map(str.strip, row))]
    if not rows:
        return replace(whole, rows=[])
    width = Counter(map(len, rows)).most_common(1)[0][0]
    words = [_words_of(row, names) for row in rows[: headers.LOOKED_THROUGH]]
    known, _, row = headers.header_row(words, names)
    has_header, above = known >= min(2, width), -row
    if not has_header:
        above = next(index for index, row in enumerate(rows) if len(row) == width)
        has_header = _looks_like_header(rows[above:])
    header = [*distinct_headers(rows[above])] if has_header else []
    while header and header[-1].startswith(NAMELESS):
        header.pop()
    is_title = has_header and not headers.has_rows(rows[:above], width)
    body = rows[above + has_header :]
    footers = [_footer(row, width) for row in body]
    body = [row for row, footer in zip(body, footers, strict=True) if footer is None]
    fits = not header and len(whole.fields) in (width, width - (not body[0][-1] if body else 0))
    return replace(
        whole,
        rows=body,
        header=tuple(header),
        fields=whole.fields if fits else (),
        title=" ".join(cell for row in rows[:above] for cell in row),
        skip_rows=0 if is_title else whole.rows.index(rows[above]),
        footers={footer for footer in footers if footer},
    )


def _footer(row: Sequence[str], width: int) -> Footer | None:
    """Return what a line of sums or a remark begins with, without values; None for other rows."""
    filled = [cell.strip() for cell in row if cell.strip()]
    column, first = [*map(str.strip, row)].index(filled[0]), filled[0]
    labelled = re.match(f"({grammar.REMARK_LABELS}) *[:：]", first)
    if not (labelled or grammar.is_total(filled, width)):
        return None
    if re.fullmatch(grammar.TOTAL_WORDS, first.lower()):
        return Footer(column, first, is_whole=True)
    label = re.match(grammar.REMARK_LABELS, first)
    return Footer(column, label[0] if label else "", is_whole=False)


def _looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: all cells filled, no number, while some hold them."""
    if len(rows) < 2 or len(rows[0]) < 2 or len({*rows[0]}) < len(rows[0]):
        return False
    if not all(cell.strip() and not re.match(r"[\d.+-]", cell) for cell in rows[0]):
        return False
    below = zip(*(row for row in rows[1:] if len(row) == len(rows[0])), strict=True)
    return any(all(re.match(r"[\d.+-]", cell) for cell in column) for column in below)


def _guess_widths(lines: Sequence[bytes]) -> list[int]:
    """Return widths of columns that begin behind a byte which is blank in all lines."""
    blank = [all(line[index] == 32 for line in lines) for index in range(len(lines[0]))]
    starts = [i for i in range(1, len(blank)) if blank[i - 1] and not blank[i]]
    return [after - before for before, after in pairwise([0, *starts, len(blank)])]
