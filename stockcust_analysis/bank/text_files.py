"""Text files as they come: which encoding, which separator, where the header stands.

A file is read through once in Python; only one that DuckDB cannot read as it stands (another
encoding, line ends of several kinds, lines above the header) is copied for it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from stockcust_analysis.bank.grammar import gbk_characters, other_units, unit_remedy
from stockcust_analysis.bank.headers import LOOKED_THROUGH, distinct_headers, has_rows, header_row
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.problems import UnusableFileError
from stockcust_analysis.errors import Words, advise, say

_UTF8 = "utf-8-sig"
_BLOCK = 1 << 20
_START = 1 << 16
_MOST_NULS = 8
"""One character in so many is NUL where programs, or UTF-16 without its mark, are read as text."""
_SEPARATORS = ("|@|", "|+|", "|!|", "\x01", ",", ";", "\t", "|", "#", "~", "^")
_QUOTED_SEPARATORS = (",", ";", "\t", "|")
_OTHER_LINE_END = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_NO_TEXT = (b"PK\3\4", b"\x1f\x8b", b"%PDF", b"PAR1", b"\xd0\xcf\x11\xe0", b"7z\xbc\xaf", b"Rar!")
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COLUMN_END = b"\x1f"
_DOS_END = "\x1a"
# What is left where GBK bytes were decoded as UTF-8 with replacement, and encoded once more.
DAMAGE = ("\ufffd", "锟斤拷")
# Characters that Python's table of GB18030 still has in the private area; the standard of 2022 and
# the one of 2005 gave them places of their own.
_PRIVATE = "\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7\ue816\ue817\ue818"
_PRIVATE += "\ue81e\ue826\ue82b\ue82c\ue831\ue832\ue83b\ue843\ue854\ue855\ue864"
_PUBLIC = "︐︒︑︓︔︕︖︗︘︙ḿ𠂇𠂉𠃌龴龵龶龷𡗗龸𢦏龹龺𤇾龻"
_MOVED = dict(zip(_PRIVATE, _PUBLIC, strict=True))
_MOVED_PATTERN = re.compile(f"[{_PRIVATE}]")


_COMMON = re.compile(f"[{gbk_characters(range(0xB0, 0xF8), range(0xA1, 0xFF))}]")
_WIDE = re.compile("[\u2e80-\u2fff\u3040-\uf8ff\ufe10-\ufe4f\U00020000-\U0003ffff]")
"""Chinese characters of everyday use, and characters of East Asia but for punctuation."""


@dataclass(frozen=True)
class TextFile:
    """A text file that DuckDB can read at `readable`, the file itself or a copy in UTF-8.

    `skip` lines stand above the first row there, which is row `first_row` of the file itself.
    Cells of the last column are empty where it `is_spare`. Files are equal that one scan reads.
    """

    path: Path = field(compare=False)
    readable: Path = field(compare=False)
    header: tuple[str, ...]
    delimiter: str
    is_spare: bool
    skip: int
    first_row: int
    notes: tuple[str, ...] = field(compare=False)

    @property
    def quote(self) -> str:
        """The quotation mark, empty where there is none."""
        return '"' if self.delimiter in _QUOTED_SEPARATORS else ""


def inspect(path: Path, copy: Path, names: Mapping[str, str], mapping: TableMapping) -> TextFile:
    """Return how a text file is read, copied where DuckDB cannot read it as it stands.

    `names` are the headers that are understood, normalized, and what they mean. UnusableFileError
    when it cannot be used.
    """
    encoding, start, line_ends = _decode(path.name, partial(open_file, path), mapping)
    if mapping.widths:
        return _split_columns(path, copy, mapping, encoding)
    text = _find_header(path, encoding, start, names, mapping)
    as_it_stands = encoding in (_UTF8, "utf-8") and line_ends in (None, "\n", "\r\n")
    if as_it_stands and text.skip <= 1:
        return text
    with copy.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_blocks(path, encoding, text.skip))
    return replace(text, readable=copy, skip=0)


def _decode(
    name: str, opened: Callable[[], BinaryIO], mapping: TableMapping
) -> tuple[str, str, object]:
    """Return a file's encoding, its start and its line ends; UnusableFileError if it is no text."""
    encoding = mapping.encoding
    if not encoding:
        with opened() as raw:
            mark = raw.read(512)
        if mark.startswith(_NO_TEXT) or mark[257:262] == b"ustar":
            raise UnusableFileError(*advise("packed", name))
        if b"\0\0" in mark[:4]:
            raise UnusableFileError(*advise("in_encoding", name, "UTF-32"))
        encoding = "utf-16" if mark[:2] in _WIDE_MARKS else _UTF8
    try:
        start, line_ends = _read_through(name, opened, encoding)
    except UnicodeError:
        if encoding != _UTF8 or mapping.encoding:
            raise UnusableFileError(*advise("not_in_encoding", name, encoding.upper())) from None
        encoding = _encoding_by_row(name, opened)
        start, line_ends = _read_through(name, opened, encoding)
    if not re.match("utf|gb", codecs.lookup(encoding).name) and _is_gbk(start, encoding):
        raise UnusableFileError(*advise("is_gbk", name, encoding.upper()))
    other_end = _OTHER_LINE_END.search(start.replace(mapping.delimiter or "\n", ""))
    if other_end and "\n" not in start.rstrip("\n"):
        raise UnusableFileError(*advise("line_ends", name, ord(other_end[0])))
    if re.match(r"\s*(\[\s*)?\{\s*\"", start):
        raise UnusableFileError(*advise("is_json", name))
    if _MOST_NULS * start.count("\0") > len(start):
        raise UnusableFileError(*advise("no_text_file", name))
    return encoding, start, line_ends


def _is_gbk(text: str, encoding: str) -> bool:
    """Whether a text that was read in another encoding holds common Chinese in GBK."""
    with suppress(UnicodeError):
        text = text.encode(encoding).decode("gb18030")
        return 2 * len(_COMMON.findall(text)) > len(_WIDE.findall(text))
    return False


def _split_columns(path: Path, copy: Path, mapping: TableMapping, encoding: str) -> TextFile:
    """Return a copy of a file of fixed width, whose columns are parted by a separator."""
    record = struct.Struct("".join(f"{width}s" for width in mapping.widths))
    dropped = {value for values in mapping.drop_rows_where.values() for value in values}
    other, cut = list[int](), list[int]()
    with open_file(path) as raw, copy.open("w", encoding="utf-8", newline="\n") as file:
        for row, line in enumerate(raw, start=1):
            cells = line.removeprefix(codecs.BOM_UTF8 if row == 1 else b"").rstrip(b"\r\n\x1a")
            if row <= mapping.skip_rows:
                continue
            if len(cells) == record.size:
                columns = [cell.strip(b" ") for cell in record.unpack(cells)]
            elif not cells.strip():
                columns = [b""] * len(mapping.widths)
            else:
                start = cells[: mapping.widths[0]].decode(encoding, errors="ignore").strip()
                other += [] if start in dropped else [row]
                continue
            try:
                text = _COLUMN_END.join(columns).decode(encoding)
            except UnicodeDecodeError:
                cut.append(row)
            else:
                file.write(f"{_moved(text, encoding)}\n")
    if other:
        raise UnusableFileError(*advise("not_as_wide", path.name, record.size), len(other), other)
    if cut:
        said = advise("character_cut", path.name, encoding.upper())
        raise UnusableFileError(*said, len(cut), cut)
    notes = (encoding.removesuffix("-sig").upper(), say("fixed_width", record.size))
    header, first_row = tuple(distinct_headers(mapping.header)), mapping.skip_rows + 1
    return TextFile(path, copy, header, _COLUMN_END.decode(), False, 0, first_row, notes)


def sample_text(
    path: Path, names: Mapping[str, str], most: int
) -> tuple[str, str, list[list[str]]]:
    """Return the encoding and separator that a file appears to have, and its first rows and last.

    `names` are as for `inspect`. Where they tell nothing the separator is one that gives most rows
    one length; rows are whole lines where none does.
    """
    with open_file(path) as file:
        raw = end = file.read(_BLOCK)
        if raw[:2] in _WIDE_MARKS:
            raw += file.read()
        elif len(raw) == _BLOCK:
            if not path.name.lower().endswith(".gz"):
                file.seek(max(0, path.stat().st_size - _START))
            while block := file.read(_BLOCK):
                end = (end + block)[-_START:]
            raw = b"".join(raw.splitlines(keepends=True)[:-1] + end.splitlines(keepends=True)[1:])
    encoding, *_ = _decode(path.name, lambda: io.BytesIO(raw), TableMapping())
    text = re.sub("\r\n?", "\n", raw.decode(encoding)).removesuffix(_DOS_END)

    def width(delimiter: str) -> int:
        rows = [cells for cells, _ in records(text, delimiter) if any(map(str.strip, cells))]
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
        is_regular = width > 1 and 10 * count >= 8 * len(rows)
        return (width if len(delimiter) == 1 else 1 << 20) if is_regular else 0

    (known, *_), delimiter, _ = _part(text, names, TableMapping())
    delimiter = delimiter if known > 1 else max("\n", *_SEPARATORS, key=width)
    rows = [cells for cells, _ in records(text, delimiter, 1 << 20)]
    return encoding, delimiter, rows[:most] + rows[most:][-LOOKED_THROUGH:]


def open_file(path: Path) -> BinaryIO:
    """Open a file, unpacked where gzip packed it."""
    return cast(BinaryIO, gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _blocks(path: Path, encoding: str, above: int) -> Iterator[str]:
    """Yield a file's text in blocks, with line feeds alone as line ends, below its first lines."""
    with open_file(path) as raw, io.TextIOWrapper(raw, encoding) as text:
        for _ in range(above):
            text.readline()
        while block := text.read(_BLOCK):
            yield _moved(block, encoding).removesuffix(_DOS_END)


def _moved(text: str, encoding: str) -> str:
    """Return a text with the characters that GB18030 has moved at their places of today."""
    if encoding != "gb18030":
        return text
    return _MOVED_PATTERN.sub(lambda match: _MOVED[match[0]], text)


def _read_through(name: str, opened: Callable[[], BinaryIO], encoding: str) -> tuple[str, object]:
    """Return the start of a file and its line ends, or what ends files of DOS where that does.

    UnusableFileError where text was lost.
    """
    start, last, ended, damaged = "", "", 0, list[int]()
    with opened() as raw, io.TextIOWrapper(raw, encoding) as text:
        while block := text.read(_BLOCK):
            start = start or block[:_START]
            if any(mark in block for mark in DAMAGE):
                lines = enumerate(block.split("\n"), start=ended + 1)
                damaged += [row for row, line in lines if any(mark in line for mark in DAMAGE)]
            ended += block.count("\n")
            last = block
        line_ends = _DOS_END if last.endswith(_DOS_END) else text.newlines
    if damaged:
        raise UnusableFileError(*advise("damaged_gbk"), len(damaged), damaged)
    if encoding == _UTF8 and (other := _encoding_in_ascii(start)):
        raise UnusableFileError(*advise("in_encoding", name, other))
    return start, line_ends


def _encoding_in_ascii(text: str) -> str:
    """Return the encoding in which the ASCII lines of a text hold Chinese, empty where in none."""
    for encoding in ("UTF-7", "HZ"):
        with suppress(UnicodeError):
            lines = text.rpartition("\n")[0].encode("ascii")
            if re.search("[\u4e00-\u9fff]{2}", lines.decode(encoding)):
                return encoding
    return ""


def _encoding_by_row(name: str, opened: Callable[[], BinaryIO]) -> str:
    """Return the encoding of a file that is not UTF-8; UnusableFileError where rows differ."""
    rows: dict[str, list[int]] = {"utf-8": [], "gb18030": [], "": []}
    start = b""
    with opened() as raw:
        for row, line in enumerate(raw, start=1):
            if not line.isascii():
                rows[_encoding_of(line)].append(row)
                start += line if len(start) < _START else b""
    unicode, other, neither = rows.values()
    if neither:
        said = advise("neither_encoding", name)
        raise UnusableFileError(*said, len(neither), neither)
    if unicode:
        few, many = sorted((other, unicode), key=len)
        said = advise("mostly_utf8" if many is unicode else "mostly_gb18030", name)
        raise UnusableFileError(*said, len(few), few)
    text = start.decode("gb18030")
    if 2 * len(_COMMON.findall(text)) < len(_WIDE.findall(text)):
        raise UnusableFileError(*advise("rare_characters", name))
    return "gb18030"


def _encoding_of(line: bytes) -> str:
    """Return the encoding of a line that is not ASCII, empty where it is neither.

    Text in GBK is by chance valid UTF-8 now and then, but then it reads in GBK as common
    characters; text in UTF-8 does not.
    """
    fits = dict[str, str]()
    for encoding in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            fits[encoding] = line.decode(encoding)
    if len(fits) == 2:
        with suppress(UnicodeEncodeError):
            fits["gb18030"].encode("gb2312")
            return "gb18030"
    return next(iter(fits), "")


def records(
    text: str, delimiter: str, most: int = 2 * LOOKED_THROUGH
) -> Iterator[tuple[list[str], int]]:
    """Yield the first rows of a text as cells, each with the number of its last line."""
    if delimiter not in _QUOTED_SEPARATORS:
        for number, line in enumerate(text.split("\n")[:most], start=1):
            yield line.split(delimiter), number
        return
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    with suppress(csv.Error):
        yield from ((cells, reader.line_num) for cells in islice(reader, most))


def _part(
    text: str, names: Mapping[str, str], mapping: TableMapping
) -> tuple[tuple[int, int, int], str, list[tuple[list[str], int]]]:
    """Return the `header_row` that means most, the separator that gives it, and the first rows.

    By default it is the separator that splits that row most. A header that the mapping states
    stands above the first row.
    """
    options = []
    for delimiter in [mapping.delimiter] if mapping.delimiter else _SEPARATORS:
        rows = [*records(text, delimiter)] or [([""], 1)]
        if mapping.header:
            fit, width = (-abs(len(rows[0][0]) - len(mapping.header)), 0, 1), 0
        else:
            fit = header_row([cells for cells, _ in rows], names)
            width = len(rows[-fit[-1]][0])
        options.append((fit, width, delimiter, rows))
    fit, _, delimiter, rows = max(options, key=lambda option: option[:2])
    return fit, delimiter, rows


def _find_header(
    path: Path, encoding: str, start: str, names: Mapping[str, str], mapping: TableMapping
) -> TextFile:
    """Return a file by its header."""
    body = "".join(start.split("\n", mapping.skip_rows)[mapping.skip_rows :])
    if not body.strip():
        raise UnusableFileError(*advise("empty_file", path.name))
    (*_, row), delimiter, rows = _part(body, names, mapping)
    index = -row
    above = rows[: max(index, 0)]
    header, lines = (mapping.header, 0) if mapping.header else rows[index]
    filled_above = _require_title(path, above, len(header), mapping)
    header, is_spare = _fit(header, [cells for cells, _ in rows[index + 1 :]])
    notes = [Words(encoding.removesuffix("-sig").upper()), say("separator", repr(delimiter))]
    if filled_above:
        notes.append(say("lines_above", filled_above))
    lines += mapping.skip_rows
    fields = tuple(distinct_headers(header))
    return TextFile(path, path, fields, delimiter, is_spare, lines, lines + 1, tuple(notes))


def _require_title(
    path: Path, above: Sequence[tuple[list[str], int]], width: int, mapping: TableMapping
) -> int:
    """Return how many lines above the header hold a title; UnusableFileError where one is a row."""
    title = " ".join(cell for cells, _ in above for cell in cells)
    if stated := other_units(title, mapping.unit):
        raise UnusableFileError(say("unit_in_title", path.name, stated), unit_remedy(stated))
    if wide := [line for cells, line in above if has_rows([cells], width)]:
        raise UnusableFileError(*advise("rows_above"), len(above), [mapping.skip_rows + wide[0]])
    return sum(any(map(str.strip, cells)) for cells, _ in above)


def _fit(header: Sequence[str], rows: Sequence[list[str]]) -> tuple[Sequence[str], bool]:
    """Return a header that fits the first row, and whether separators end the lines."""
    filled = max((n for n, cell in enumerate(header, start=1) if cell.strip()), default=0)
    first = next(filter(any, rows), header)
    if len(first) == len(header) + 1 and not first[-1]:
        return [*header, ""], True
    return header[: len(first)] if filled <= len(first) else header, False
