"""A synthetic bank of millions, written in pieces by several processes and never held as a whole.

    python -m benchmarks.bank OUT --customers 10000000 --branches 500 --quarters 2 --workers 2

Every branch's people lie in one piece, so each planted story is told within it; a piece draws from
its own seed and has its own range of numbers, so the bank is the same for any number of workers.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample import (
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
    make_branches,
    make_people,
    odds_of_arrival,
)
from stockcust_analysis.bank.sample.tables import join_pieces, make_piece
from stockcust_analysis.errors import UsageError

LARGEST_MEAN = 50_000
"""Customers per branch: with more on average, a large branch outgrows a worker's memory."""
_CUSTOMERS_PER_MANAGER = 20
"""No piece has so many managers that their numbers reach into the next piece's."""
# A fifth larger than the sample bank's files, in half the time.
_COMPRESSION = "COMPRESSION zstd, COMPRESSION_LEVEL 1"
Progress = Callable[[int, int], None]
_Rest = tuple[dict[str, pd.DataFrame], dict[str, int], list[str]]


@dataclass(frozen=True)
class _Piece:
    """What a process needs to make a piece: who arrives where and when, and free numbers."""

    number: int
    seed: np.random.SeedSequence
    network: pd.DataFrame
    arrivals: Array
    before: int
    digits: int
    quarters: int
    folder: Path


def stream_bank(
    folder: str | Path,
    seed: int = SEED,
    *,
    branches: int,
    customers: int,
    quarters: int = LAST,
    workers: int | None = None,
    piece: int = 150_000,
    progress: Progress = lambda done, total: None,
) -> dict[str, int]:
    """Write a bank like that of `make_bank`, of any size; return the row count of each table.

    The new or empty folder appears whole or not at all. There are `workers` processes at once, of
    up to 1 GB each, by default one for each core; a piece holds about `piece` customers, and
    another size makes another bank. `progress` gets the number of pieces written and of all.
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
    odds, ordinary, planted = odds_of_arrival(rng, network, customers)
    arrivals = rng.multinomial(ordinary, odds) + planted
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        scratch = Path(beside) / target.name
        scratch.mkdir()
        whole = _Piece(0, np.random.SeedSequence(seed), network, arrivals, 0, 7, quarters, scratch)
        rows = _write_rest(whole, _write_pieces(_split(whole, piece), workers, progress))
        if target.exists():
            target.rmdir()
        scratch.replace(target)
    return rows


def _split(whole: _Piece, size: int) -> list[_Piece]:
    """Split a bank between branches into pieces of about the same size."""
    people = whole.arrivals.sum(axis=0)
    total = people.sum()
    position = (people.cumsum() - people / 2) * max(1, round(total / size)) // total
    names, piece_of = np.unique(position, return_inverse=True)
    digits = max(whole.digits, len(str(total)))
    pieces, before = [], 0
    for index, seed in enumerate(whole.seed.spawn(len(names))):
        arrivals = np.where(piece_of == index, whole.arrivals, 0)
        numbers = {"number": index + 1, "before": before, "digits": digits}
        pieces.append(replace(whole, seed=seed, arrivals=arrivals, **numbers))
        before += int(arrivals.sum())
    return pieces


def _write_pieces(pieces: list[_Piece], workers: int | None, progress: Progress) -> list[_Rest]:
    """Write all pieces and return what is left of them in their order."""
    progress(0, len(pieces))
    # Ctrl-C is the parent's to handle.
    ignoring = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with ProcessPoolExecutor(workers, get_context("spawn"), **ignoring) as pool:
        futures = [pool.submit(_write_piece, piece) for piece in pieces]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress(done, len(pieces))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _write_piece(piece: _Piece) -> _Rest:
    """Make a piece, write its large tables and return the rest."""
    rng = np.random.default_rng(piece.seed)
    time, home = np.nonzero(piece.arrivals)
    count = piece.arrivals[time, home]
    arrivals = pd.DataFrame({"home": home.repeat(count), "arrived": time.repeat(count)})
    arrivals = arrivals.sample(frac=1, random_state=rng)
    arrivals = arrivals.sort_values("arrived", kind="stable", ignore_index=True)
    people = make_people(rng, piece.network, arrivals, before=piece.before, digits=piece.digits)
    numbers = {
        "quarters": piece.quarters,
        "managers_before": piece.before // _CUSTOMERS_PER_MANAGER,
    }
    tables = make_piece(rng, piece.network, people, **numbers)
    pair, rows = first_pair(tables["customers"]), {}
    for name in LARGE:
        frame = tables.pop(name)
        path = piece.folder / file_name(name, f"_{piece.number:04d}")
        write_table(name, frame, path, parquet=_COMPRESSION)
        rows[name] = len(frame)
    return tables, rows, pair


def _write_rest(whole: _Piece, rests: list[_Rest]) -> dict[str, int]:
    """Write the small tables and the page about the bank; return all row counts."""
    tables, counts, pairs = zip(*rests, strict=True)
    small = join_pieces(whole.network, tables)
    for name, frame in small.items():
        write_table(name, frame, whole.folder / file_name(name))
    rows = {name: sum(count[name] for count in counts) for name in LARGE}
    rows |= {name: len(frame) for name, frame in small.items()}
    about = {"branches": whole.network, "quarters": whole.quarters, "pair": pairs[0]}
    write_texts(whole.folder, rows=rows, part="_*", **about)
    return rows


def main() -> None:
    """Read the command line and write the bank."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bank")
    parser.add_argument("out", type=Path, metavar="OUT", help="new or empty folder")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--branches", type=int, default=500)
    parser.add_argument("--quarters", type=int, default=2, help="2 to 5, the last being 2026Q3")
    parser.add_argument("--workers", type=int, help="processes of up to 1 GB each")
    parser.add_argument("--seed", type=int, default=SEED)
    options = vars(parser.parse_args())
    log = partial(print, "pieces written, of all:", file=sys.stderr)
    try:
        rows = stream_bank(options.pop("out"), progress=log, **options)
    except UsageError as error:
        raise SystemExit(str(error)) from None
    print("\n".join(f"  {name:<18} {count:>13,} rows" for name, count in rows.items()))


if __name__ == "__main__":
    main()
