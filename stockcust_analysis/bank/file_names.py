"""Which file of a folder holds which table, by its name: no file is passed over in silence.

Flag files beside the data (`customers_20260930.ok`, `.flg`, `.log`, …) say how many rows it has.
Warehouses write them in many forms: a number alone; file name, bytes, rows and day on one line,
with any separator; one value a line; an export's messages; one line for each of many data files.
What is neither the name, the size, a day nor a time of the data file is its number of rows.
"""

from __future__ import annotations

import os
import re
import unicodedata
import warnings
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from stockcust_analysis.bank.contract import TABLES, named
from stockcust_analysis.bank.mapping import Mapping
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.core.files import sha256
from stockcust_analysis.errors import NOTHING, UsageError, Words, advise, joined, say
from stockcust_analysis.policy.file import read_toml

_TEXTS = (".csv", ".txt", ".tsv", ".dat", ".del")
TEXT_ENDINGS = (*_TEXTS, *(f"{ending}.gz" for ending in _TEXTS))
EXCEL_ENDINGS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".et")
ENDINGS = (*TEXT_ENDINGS, ".parquet", *EXCEL_ENDINGS)
_BESIDE = (".md", ".toml", ".md5", ".sha256", ".sql", ".ddl", ".hql", ".py", ".ipynb")
FLAG_ENDINGS = (".ok", ".flg", ".flag", ".log", ".ctl", ".verf", ".chk", ".cnt", ".done")
COMPANIONS = (*_BESIDE, *FLAG_ENDINGS)
"""Endings of what stands beside extracts and holds no table."""
SYNONYMS = read_toml(Path(__file__).with_name("synonyms.toml"))
"""Words by which banks call what the contract states."""


def words_for_tables(kind: str) -> list[tuple[str, str]]:
    """Return the words by which files of tables are called, each with its table, longest first."""
    words = [
        (word, contract.name)
        for contract in TABLES
        for word in (contract.name, contract.zh, *SYNONYMS[kind].get(contract.name, ()))
    ]
    return sorted(words, key=lambda entry: -len(entry[0]))


_NAMES = words_for_tables("file_names")
DAY_IN_NAME = re.compile(
    r"(?<!\d)(20\d\d)(?:[-_.年]?(\d\d)(?:[-_.月]?(\d\d))?|[-_年]?[Qq]([1-4]))(?!\d)"
)
_LARGEST = 1 << 20
_MOST_NUMBERS, _MOST_WORDS = 2, 2
_LABELLED = re.compile(
    r"(?i)(?:记录|行|条|笔)数\D{0,12}?(\d+)|(?:row|record|line)s?\W{0,5}(\d+)"
    r"|(?:count|cnt|(?:row|rec|record)_?num)\W{0,5}(\d+)|\b(\d+)\W{0,3}(?:rows|records|条|行|笔)"
)
_TIMES = re.compile(
    r"\d{4}[-/.年]\d\d?[-/.月]\d\d?日?([ T-]\d\d?[.:]\d\d[.:]\d\d[.\d]*)?|\d\d?:\d\d(:\d\d)?"
)
_NEGATIVE = re.compile(r"(?<![\w)-])-\d")
_FILE_NAME = re.compile(r"[\w-]+\.[A-Za-z]\w*(\.gz)?")
_DAY = re.compile(r"(19|20)\d\d[01]\d([0-3]\d)?(\d{6,9})?")
_SHOWN = 3


def assign_files(
    folder: Path, mapping: Mapping
) -> tuple[dict[str, list[Path]], list[Problem], list[str]]:
    """Return the files of each table, what is wrong with them, and the names of files left out.

    Upper and lower case do not matter. A file is a table's by its name (`customers.csv`,
    `客户_2026Q3.csv`, `customers/any.csv`) or because the mapping names it. Where the mapping picks
    one of several that are called as the table, a warning names the others.
    """
    files, problems = _stated_files(folder, mapping)
    left_out, passed_over = list[str](), dict[str, list[str]]()
    parted: dict[tuple[str, Words, str, Words], list[str]] = {}
    stated = {path: name for name, paths in files.items() for path in paths}
    picked = {n for p, n in stated.items() if _mentioned(p.relative_to(folder).as_posix())[0] == n}
    for path in sorted(_listed(folder)):
        name, is_exact = _table_of(path.relative_to(folder))
        is_mapped = mapping.of(name).file is not None
        shown = path.relative_to(folder).as_posix()
        readable = path.name.lower().endswith(ENDINGS) or is_parquet(path)
        if path in stated or path.name.startswith("~$"):
            continue
        if not name or _is_hidden(path) or (readable and name in picked):
            left_out += [shown] if readable else []
        elif is_exact and not is_mapped and readable and path.is_file() and shown.count("/") < 2:
            files[name].append(path)
        elif not path.name.lower().endswith(COMPANIONS):
            reason = say("mapping_names_another" if is_mapped else _reason(path, readable))
            if "=" in shown.rpartition("/")[0].rpartition("/")[2] and readable:
                parted.setdefault((name, reason, *_pattern(path, shown)), []).append(shown)
            else:
                problems.append(Problem(name, "", *advise("looks_like", shown, reason, name)))
    for (name, reason, *how), among in parted.items():
        by = re.findall("([^/]*)=", among[0])
        facts = among[0], len(among), reason, by, *how
        problems.append(Problem(name, "", *advise("in_folders", *facts)))
    for shown in left_out:
        name, is_plain = _mentioned(shown)
        if name in picked:
            passed_over.setdefault(name, []).append(shown)
        elif name and (is_plain or not files[name]):
            problems.append(Problem(name, "", *advise("may_hold", shown, name)))
    for name, others in passed_over.items():
        names = [*others[:_SHOWN], *("…" for _ in others[_SHOWN : _SHOWN + 1])]
        facts = named(name), mapping.of(name).file, names
        warnings.warn(say("others_left_out", *facts), stacklevel=2)
    for name, paths in files.items():
        problems += _delivered_twice(name, paths)
    return files, problems, left_out


def require_no_banks_within(folder: Path) -> None:
    """Raise UsageError for a folder without tables whose folders hold all required ones each.

    And for one whose mapping has another name than the one that is looked for.
    """
    for name in sorted(path.name for path in folder.iterdir()):
        if re.match(r"(?i)mapping.*\.toml", name):
            raise UsageError(say("mapping_called_otherwise", name))
    required = {table.name for table in TABLES if table.required}

    def holds(path: Path) -> set[str]:
        return required & {_table_of(file.relative_to(path))[0] for file in _listed(path)}

    folders = [] if holds(folder) else filter(Path.is_dir, folder.iterdir())
    if banks := sorted(path.name for path in folders if holds(path) == required):
        raise UsageError(say("banks_within", folder, banks[:_SHOWN]))


def _stated_files(folder: Path, mapping: Mapping) -> tuple[dict[str, list[Path]], list[Problem]]:
    """Return the files of each table that the mapping names, and the names that match no file."""
    files: dict[str, list[Path]] = {contract.name: [] for contract in TABLES}
    problems = []
    for name in files:
        pattern, table = mapping.of(name).file, mapping.of(name).table
        if pattern:
            files[name] = matching(folder, pattern)
            if not files[name]:
                problems.append(Problem(name, "", *advise("mapped_file_gone", pattern)))
        elif table:
            problems.append(Problem(name, "", *advise("mapped_table_of_folder", table)))
    return files, problems


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return the files that a mapping names; `*` and `?` stand for any characters but '/'."""
    exact = folder / pattern
    if exact.is_file():
        return [exact]
    wildcards = {r"\*\*/": "(.*/)?", r"\*": "[^/]*", r"\?": "[^/]"}
    form = re.escape(pattern)
    for mark, expression in wildcards.items():
        form = form.replace(mark, expression)
    # An ending that the pattern states is meant, whatever it is.
    endings = [Path(pattern).suffix.lower()] if Path(pattern).suffix else []
    candidates = folder.rglob("*") if "/" in pattern else folder.iterdir()
    return sorted(
        path
        for path in candidates
        if re.fullmatch(form, path.relative_to(folder).as_posix(), re.IGNORECASE)
        and (path.name.lower().endswith((*ENDINGS, *endings)) or not path.suffix)
        and path.is_file()
        and not _is_hidden(path)
    )


def _listed(folder: Path) -> Iterable[Path]:
    """Yield the files of a folder and of folders called as tables, and tables of its folders."""
    for path in folder.iterdir():
        if not path.is_dir():
            yield path
        elif _table_of(path.relative_to(folder) / "file")[0]:
            within = (below for below in path.rglob("*") if not below.is_dir())
            yield from [below for below in within if not _is_hidden(below)] or [path]
        else:
            yield from (below for below in path.iterdir() if _table_of(Path(below.name))[1])


def _is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "~$", "_"))


def _table_of(path: Path) -> tuple[str, bool]:
    """Return the table whose name a file bears or resembles, and whether it bears it exactly."""
    stem, *endings = unicodedata.normalize("NFKC", path.parts[0]).lower().split(".")
    for word, name in _NAMES:
        is_one_of_several = stem.startswith(f"{word}_")
        # Spark writes folders that are called as files; other folders may be anything.
        if stem == word or (is_one_of_several and (len(path.parts) == 1 or endings)):
            return name, True
    if len(path.parts) > 1:
        return "", False
    names = dict(_NAMES)
    start = re.split(r"[^\w]|_?\d", stem)[0]
    close = [start] if start in names else get_close_matches(start, names, n=1, cutoff=0.85)
    return (names[close[0]] if close else ""), False


def _mentioned(shown: str) -> tuple[str, bool]:
    """Return the table that a file left out may hold, and whether the whole name is a word of it.

    It has the table's name (2026Q3_customers.csv), begins with the Chinese one (客户明细.csv), or
    is called as the table in a folder of another name (2026Q3/customers.csv).
    """
    folder, _, name = shown.rpartition("/")
    for word in re.findall(r"[a-z]+|[^\W\d_a-z]+", unicodedata.normalize("NFKC", name).lower()):
        for known, table in _NAMES:
            if word == known or (word.startswith(known) and not known.isascii()):
                is_whole = word == known and not folder and name[0] not in "._"
                return table, is_whole
    return "", False


def _pattern(path: Path, shown: str) -> tuple[str, Words]:
    """Return how the mapping names files in folders that hold one value of a column each."""
    top, *folders, _ = shown.split("/")
    pattern = "/".join([top, *("*" for _ in folders), f"*{path.suffix}"])
    # Of Parquet the engine reads the folder's column, too.
    return pattern, NOTHING if is_parquet(path) and "/as_of=" in shown else say("day_in_folder")


def _reason(path: Path, readable: bool) -> str:
    if path.is_symlink() and not path.exists():
        return "link_nowhere"
    if path.is_dir():
        return "folder_empty"
    return "name_differs" if readable else "kind_unknown"


def _delivered_twice(table_name: str, paths: list[Path]) -> Iterator[Problem]:
    """Yield the files of a table that are the same, byte by byte, and hold rows."""
    sizes = [path.stat().st_size for path in paths]
    first: dict[str, Path] = {}
    shown = distinct_names(paths)
    for path, size in zip(paths, sizes, strict=True):
        if sizes.count(size) == 1 or (size < 4096 and len(path.read_bytes().split()) < 2):
            continue
        same = first.setdefault(sha256(path), path)
        if same is not path:
            yield Problem(table_name, "", *advise("same_file", shown[path], shown[same]))


def distinct_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the names of a table's files, behind those of folders where any are called alike.

    >>> [*distinct_names([Path("a/dt=1/part-0"), Path("a/dt=2/part-0")]).values()]
    ['dt=1/part-0', 'dt=2/part-0']
    """
    if len({path.name for path in paths}) == len(paths):
        return {path: path.name for path in paths}
    # Not commonpath: on Windows two drives have none.
    top = len(os.path.commonprefix([p.parent.absolute().parts for p in paths]))  # noqa: RUF071
    return {path: Path(*path.absolute().parts[top:]).as_posix() for path in paths}


def renamed(path: Path, shown: str, said: Words) -> Words:
    """Return what is said of a file with the name by which it is told from others.

    >>> renamed(Path("dt=1/part-0"), "dt=1/part-0", Words("part-0 is empty"))
    'dt=1/part-0 is empty'
    """
    if path.name in said:
        return Words(said.replace(path.name, shown, 1), said.zh.replace(path.name, shown, 1))
    return say("of_place", shown, said)


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet, by its ending or, as Hive's 000000_0, by how it begins."""
    if path.name.lower().endswith(ENDINGS) or not path.is_file():
        return path.suffix.lower() == ".parquet"
    with suppress(OSError), path.open("rb") as file:
        return file.read(4) == b"PAR1"
    return False


def nearest_day(path: Path, folders: int) -> date | None:
    """Return the one day in a file's name, or in the nearest of so many folders that has any."""
    return day_in_name(next(filter(DAY_IN_NAME.search, path.parts[: -folders - 2 : -1]), ""))


def day_in_name(name: str) -> date | None:
    """Return the one day in a file's name: 20260930, 2026-09-30, 202609 or 2026Q3."""
    days = set[date]()
    for match in DAY_IN_NAME.finditer(name):
        year, month, day, quarter = (int(part or 0) for part in match.groups())
        month = month or 3 * quarter
        with suppress(ValueError):
            last = monthrange(year, month)[1] if 1 <= month <= 12 else 0
            days.add(date(year, month, day or last))
    return days.pop() if len(days) == 1 else None


@dataclass(frozen=True)
class RowCount:
    """What a flag file says of a data file: numbers that may be its rows; none: not understood."""

    flag_file: str
    numbers: frozenset[int]

    def note(self, rows: Collection[int]) -> Words:
        """Return what `check` says of it; `rows` are those of the file, with and without totals."""
        if not self.numbers:
            return say("no_rows_said", self.flag_file)
        return say("rows_said", self.flag_file, max(self.numbers & {*rows}))

    def contradicts(self, rows: Collection[int]) -> Words:
        """Return what it says where that is not the rows of the file; empty if it is."""
        if not self.numbers or self.numbers & {*rows}:
            return NOTHING
        return joined((f"{number:,}" for number in sorted(self.numbers)), " or ", "或")


def read_row_counts(files: Collection[Path]) -> tuple[dict[Path, list[RowCount]], list[Path]]:
    """Return what flag files say of data files, and those that belong to none of them."""
    names: dict[tuple[Path, str], Path] = {}
    for path in sorted(files):
        for name in (path.name, path.name.removesuffix(".gz"), path.name.split(".")[0]):
            names.setdefault((path.parent, name.casefold()), path)
    counts: dict[Path, list[RowCount]] = {}
    alone = []
    flags = (path for folder in {path.parent for path in files} for path in folder.iterdir())
    for flag in sorted(path for path in flags if path.suffix.lower() in FLAG_ENDINGS):
        if not flag.is_file() or flag.name.startswith("."):
            continue
        text = decode(flag.read_bytes()) if flag.stat().st_size <= _LARGEST else ""
        parts = [*_parts(flag, text, names)]
        for path, part in parts:
            numbers = _possible_rows(path, flag, part)
            counts.setdefault(path, []).append(RowCount(flag.name, numbers))
        alone += [] if parts else [flag]
    return counts, alone


def decode(raw: bytes) -> str:
    """Return the text of a file in UTF-8 or GB18030."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace")


def _parts(
    flag: Path, text: str, names: dict[tuple[Path, str], Path]
) -> Iterator[tuple[Path, str]]:
    """Yield the data files that a flag file speaks of, each with what it says of it."""
    path = names.get((flag.parent, flag.stem.casefold()))
    path = path or names.get((flag.parent, flag.name.split(".")[0].casefold()))
    said, is_named = list[str](), False
    for line in text.splitlines():
        words = re.findall(r"[^\s/\\|,;:=\x01\x80\ufffd\"]+", line)
        keys = [(flag.parent, word.casefold()) for word in words]
        named = next((names[key] for key in keys if key in names), None)
        if named or (is_named and any(map(_FILE_NAME.fullmatch, words))):
            if is_named and path:
                yield path, "\n".join(said)
            path, said, is_named = named, [] if is_named else said, True
        said.append(line)
    if path:
        yield path, "\n".join(said)


def _possible_rows(path: Path, flag: Path, text: str) -> frozenset[int]:
    """Return the numbers of a text that may be a file's rows, none where it is not understood."""
    # A control file of SQL*Loader, whose ROWS is no count, or a number that is none.
    if "load data" in text.lower() or _NEGATIVE.search(text):
        return frozenset()
    labelled = [number for match in _LABELLED.findall(text) for number in match if number]
    if labelled:
        return frozenset(map(int, labelled))
    own = {path.name.casefold(), path.name.split(".")[0].casefold(), flag.stem.casefold()}
    tokens = re.findall(r"[\w.-]+", _TIMES.sub(" ", text))
    tokens = [token for token in tokens if token.casefold() not in own]
    words = [token for token in tokens if not token.isdecimal() and len(token) > 1]
    said = {int(token) for token in tokens if token.isdecimal() and not _DAY.fullmatch(token)}
    # A file of no bytes has as many rows.
    numbers = said - {path.stat().st_size} or said & {0}
    understood = len(words) <= _MOST_WORDS and 1 <= len(numbers) <= _MOST_NUMBERS
    return frozenset(numbers if understood else ())
