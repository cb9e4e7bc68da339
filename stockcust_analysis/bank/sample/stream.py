"""A bank of any size, written in pieces by several processes and never held as a whole.

Every branch's people lie in one piece, so each planted story is told within it; a piece draws from
its own seed and has its own range of numbers, so the bank is the same for any number of processes.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.sample.bank import (
    FASTEST,
    LARGE,
    SEED,
    check_size,
    file_name,
    first_pair,
    write_table,
    write_texts,
)
from stockcust_analysis.bank.sample.people import (
    LAST,
    Array,
    count_arrivals,
    make_branches,
    make_people,
)
from stockcust_analysis.bank.sample.tables import join_pieces, make_piece
from stockcust_analysis.errors import UsageError

HELD_AS_A_WHOLE = 200_000
"""Up to so many customers `make_bank` is quick and small enough."""
PIECE = 150_000
LARGEST_MEAN = 50_000
"""Customers per branch: with more on average, a large branch outgrows a worker's memory."""
_CUSTOMERS_PER_MANAGER = 20
"""No piece has so many managers that their numbers reach into the next piece's."""


@dataclass(frozen=True)
class _Piece:
    """What a process needs to make one piece: who arrives where and when, and free numbers."""

    number: int
    seed: np.random.SeedSequence
    network: pd.DataFrame
    arrivals: Array
    before: int
    digits: int
    quarters: int
    folder: Path


@dataclass(frozen=True)
class _Made:
    """What is left of a piece once it is written."""

    tables: dict[str, pd.DataFrame]
    rows: dict[str, int]
    pair: list[str]


def stream_bank(
    folder: str | Path,
    seed: int = SEED,
    *,
    branches: int,
    customers: int,
    quarters: int = LAST,
    workers: int | None = None,
    piece: int = PIECE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Make a bank like `make_bank`'s of any size, written in pieces; return tables' row counts.

    Parameters
    ----------
    folder
        New or empty folder. It appears whole or not at all.
    seed, branches, customers, quarters
        As for `make_bank`; the same seed makes the same bank, though not the one of `make_bank`.
    workers
        Processes at once, of up to 1 GB each; default one for each core.
    piece
        About how many customers a piece holds; another size makes another bank.
    progress
        Called with the number of pieces written and of all.
    """
    check_size(branches, customers, quarters)
    if customers > branches * LARGEST_MEAN:
        raise UsageError(
            f"branches={branches} is too few for {customers} customers: "
            f"ask for {-(-customers // LARGEST_MEAN)} or more."
        )
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"'{target}' is not empty. Give a new folder for a bank of this size.")
    target.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    network = make_branches(rng, branches)
    arrivals = count_arrivals(rng, network, customers)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        scratch = Path(beside) / target.name
        scratch.mkdir()
        whole = _Piece(0, np.random.SeedSequence(seed), network, arrivals, 0, 7, quarters, scratch)
        made = _make(_split(whole, piece), workers, progress)
        rows = _join(made, whole)
        if target.exists():
            target.rmdir()
        scratch.replace(target)
    return rows


def _split(whole: _Piece, size: int) -> list[_Piece]:
    """Split a bank between branches into pieces of about the same size."""
    people = whole.arrivals.sum(axis=0)
    total = people.sum()
    place = (people.cumsum() - people / 2) * max(1, round(total / size)) // total
    names, piece_of = np.unique(place, return_inverse=True)
    seeds = whole.seed.spawn(len(names))
    digits = max(whole.digits, len(str(total)))
    pieces, before = [], 0
    for position, seed in enumerate(seeds):
        arrivals = np.where(piece_of == position, whole.arrivals, 0)
        numbers = replace(whole, number=position + 1, before=before, digits=digits)
        pieces.append(replace(numbers, seed=seed, arrivals=arrivals))
        before += int(arrivals.sum())
    return pieces


def _make(
    pieces: list[_Piece], workers: int | None, progress: Callable[[int, int], None]
) -> list[_Made]:
    """Make all pieces and return what is left of them in their order."""
    progress(0, len(pieces))
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_leave_interrupts_to_parent
    ) as pool:
        futures = [pool.submit(_make_piece, piece) for piece in pieces]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress(done, len(pieces))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _make_piece(piece: _Piece) -> _Made:
    """Make one piece, write its large tables and return the rest."""
    rng = np.random.default_rng(piece.seed)
    time, home = np.nonzero(piece.arrivals)
    count = piece.arrivals[time, home]
    arrivals = pd.DataFrame({"home": home.repeat(count), "arrived": time.repeat(count)})
    arrivals = arrivals.sample(frac=1, random_state=rng)
    arrivals = arrivals.sort_values("arrived", kind="stable", ignore_index=True)
    people = make_people(rng, piece.network, arrivals, before=piece.before, digits=piece.digits)
    managers = piece.before // _CUSTOMERS_PER_MANAGER
    tables = make_piece(
        rng, piece.network, people, quarters=piece.quarters, managers_before=managers
    )
    pair = first_pair(tables["customers"])
    rows = {}
    for name in LARGE:
        frame = tables.pop(name)
        write_table(
            name, frame, piece.folder / file_name(name, f"_{piece.number:04d}"), parquet=FASTEST
        )
        rows[name] = len(frame)
    return _Made(tables, rows, pair)


def _join(made: list[_Made], whole: _Piece) -> dict[str, int]:
    """Write the small tables and the page about the bank; return all row counts."""
    small = join_pieces(whole.network, [piece.tables for piece in made])
    for name, frame in small.items():
        write_table(name, frame, whole.folder / file_name(name))
    rows = {name: sum(piece.rows[name] for piece in made) for name in LARGE}
    rows |= {name: len(frame) for name, frame in small.items()}
    rows = {entry.name: rows[entry.name] for entry in TABLES}
    write_texts(
        whole.folder,
        branches=whole.network,
        rows=rows,
        quarters=whole.quarters,
        pair=made[0].pair,
        part="_*",
    )
    return rows
