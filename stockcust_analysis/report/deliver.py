"""Delivery of a quarter's files: each branch's, copied to its recipient's place, with receipts.

Nothing is mailed. What stands in `recipients.toml` decides where files go and who may read them;
all that is wrong with it, with the places or with the files is said at once, before any is written.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pandas as pd

from stockcust_analysis.core import files
from stockcust_analysis.errors import UsageError, Words, did_you_mean, either, listed, say
from stockcust_analysis.policy.file import build, duplicates, read_toml
from stockcust_analysis.report.manifest import differences, read_manifest
from stockcust_analysis.report.plan import RECEIPTS, WORKLISTS, folder_name
from stockcust_analysis.show.wording import text

_RECEIPT: Final = ("file", "sha256", "recipient", "date", "by", "status", "place", "mode")
_TITLE: Final = re.compile(rb"(<si><t[^>]*>[^<]*)(</t></si>)")
_MARGINS: Final = re.compile(rb"<pageMargins[^>]*/>(?:<pageSetup[^>]*/>)?")


@dataclass(frozen=True)
class Recipient:
    """Who is given a branch's files: their name, the folder, its files' mode and group."""

    recipient: str
    folder: str
    mode: str = "600"
    group: str = ""

    @property
    def access(self) -> files.Access:
        """The rights of the files."""
        return files.Access(files.read_mode(self.mode), self.group)


def deliver(run: Path, recipients: Path, *, on: date, by: str) -> tuple[list[str], list[str]]:
    """Copy each branch's page and work lists to its recipient, and write receipts.

    Parameters
    ----------
    run
        A quarter's folder, such as `reports/2026Q3`. Receipts are added to
        `receipts/<day>.csv` there, and `receipt.csv` lies beside what was delivered.
    recipients
        A TOML file: `[branches.B001]` with `recipient`, `folder` (relative to the file), and where
        they are others than the owner alone, `mode` (such as "640") and `group`.
    on, by
        The day, and who delivers: on the lists and in the receipts.

    Returns
    -------
    list of str, list of str
        The status of each branch that was delivered ("issued", or what is not yet issued), and the
        branches with files that nobody is named for.

    Raises
    ------
    UsageError
        Any of this cannot be done as stated; all problems at once, and nothing is written.
    """
    what = either([run])
    with files.exclusive_lock(run / ".lock", what=what, rivals=r"\.lock-.+"):
        facts = read_manifest(run)
        is_named = by.strip() and by.isprintable()
        problems: list[str] = [] if is_named else [say("nobody_delivers")]
        parties = _read(recipients, facts["branches"], problems)
        owned = {branch: _files_of(branch, facts["outputs"]) for branch in parties}
        problems += [words for own in owned.values() for words in differences(run, own)]
        if problems:
            raise UsageError(listed(say("not_delivered", what), problems))
        files.remove_unfinished(run / RECEIPTS)
        statuses, day = [], on.isoformat()
        for branch, party in parties.items():
            status = facts["branches"][branch]["status"]
            place = (recipients.parent / party.folder).resolve()
            row = {"recipient": party.recipient, "date": day, "by": by, "status": status}
            row |= {"place": str(place), "mode": party.mode}
            parts = [party.recipient, day, by]
            if status != "issued":
                parts.append(text(status, facts["parameters"]["language"], within="review_status"))
            contents = _contents(map(run.joinpath, owned[branch]), " · ".join(parts))
            _hand_over(contents, party.access, row, run / RECEIPTS / f"{day}.csv")
            statuses.append(status)
    return statuses, sorted(facts["branches"].keys() - parties)


def _read(file: Path, branches: Mapping[str, Any], problems: list[str]) -> dict[str, Recipient]:
    """Return branch → recipient, after adding what is wrong with the file and the places."""
    table, parties = read_toml(file), {}
    problems += [say("unknown_key_of", file.name, key) for key in table if key != "branches"]
    stated = table.get("branches", {})
    if not isinstance(stated, dict) or not stated:
        problems.append(say("no_recipients", file.name))
        stated = {}
    for branch, entry in stated.items():
        name = f"branches.{branch}"
        if branch not in branches:
            problems.append(say("no_finished_page", name, did_you_mean(branch, branches)))
        party = build(Recipient, entry, name, problems)
        if party is not None:
            problems += [say("of_place", name, reason) for reason in _wrong(file.parent, party)]
            parties[branch] = party
    places = [(file.parent / party.folder).resolve() for party in parties.values()]
    problems += [say("shared_folder", place) for place in duplicates(places)]
    return parties


def _wrong(beside: Path, party: Recipient) -> Iterator[Words]:
    """Yield why files cannot be handed over so; rights are tried out on a file of our own."""
    place = beside / party.folder
    if not party.recipient.strip() or not party.recipient.isprintable():
        yield say("nobody_receives")
    if not place.parent.is_dir():
        yield say("no_parent", place.parent)
    elif place.exists() and not place.is_dir():
        yield say("folder_is_file", place)
    elif not os.access(place if place.exists() else place.parent, os.W_OK | os.X_OK):
        yield say("folder_unwritable", place)
    key = "mode"
    try:
        access, key = party.access, "group"
        with files.WorkingFolder(files.SOCKET_PATH) as folder:
            access.give(folder)
    except UsageError as error:
        yield say("of_place", key, error)


def _files_of(branch: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """Return a branch's files with their hashes, as the manifest knows them."""
    start = f"branches/{folder_name(branch)}/"
    return {name: known for name, known in outputs.items() if name.startswith(start)}


def _contents(owned: Iterable[Path], mark: str) -> dict[str, bytes]:
    """Return what a branch is given: file → content, the lists with their mark."""
    return {p.name: _marked(p, mark) if p.name == WORKLISTS else p.read_bytes() for p in owned}


def _hand_over(
    contents: Mapping[str, bytes], access: files.Access, facts: Mapping[str, str], receipts: Path
) -> None:
    """Write a branch's files into its place, each with its receipts there and in the run.

    All three are first written beside their places, so that a full disk stops them together; the
    file takes its place before the receipts that say so.
    """
    place = Path(facts["place"])
    for name in (*contents, "receipt.csv"):
        files.remove_unfinished(place, f".{Path(name).stem}.*")
    for name, content in contents.items():
        row = {"file": name, "sha256": hashlib.sha256(content).hexdigest(), **facts}
        with (
            _receipt_of(row, receipts),
            files.access(access),
            _receipt_of(row, place / "receipt.csv"),
            files.atomic_write(place / name) as file,
        ):
            file.write_bytes(content)


def _marked(path: Path, mark: str) -> bytes:
    """Return a workbook with a mark behind its title, and below every sheet that is printed."""
    behind, marked = f" · {escape(mark)}".encode(), io.BytesIO()
    below = escape(mark.replace("&", "&&"))
    footer = f"<headerFooter><oddFooter>&amp;L{below}</oddFooter></headerFooter>".encode()
    with ZipFile(path) as book, ZipFile(marked, "w") as copy:
        for entry in book.infolist():
            content = book.read(entry)
            if entry.filename == "xl/sharedStrings.xml":  # the first is the title
                content = _TITLE.sub(lambda found: found[1] + behind + found[2], content, 1)
            elif entry.filename.startswith("xl/worksheets/sheet"):
                content = _MARGINS.sub(lambda found: found[0] + footer, content, 1)
            copy.writestr(entry, content)
    return marked.getvalue()


@contextmanager
def _receipt_of(row: Mapping[str, str], path: Path) -> Iterator[None]:
    """Add to the receipts of earlier deliveries, none twice, what the block delivers."""
    receipts = pd.DataFrame([row], columns=[*_RECEIPT])
    if path.exists():
        earlier = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        receipts = pd.concat([earlier, receipts])
    receipts = receipts.drop_duplicates().sort_values([*_RECEIPT])
    lines = "\ufeff" + receipts.to_csv(index=False, lineterminator="\n")  # lets Excel read Chinese
    with files.atomic_write(path) as file:
        file.write_bytes(lines.encode())
        yield
