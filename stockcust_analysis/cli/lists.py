"""Work lists out to the branches, and filled-in lists back: `worklists`, `contacts import`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import click

from stockcust_analysis.atomic import Access, access, write_text
from stockcust_analysis.cli import options


@click.command()
@options.DATA
@click.option(
    "--as-of", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Day of a snapshot."
)
@click.option("--branch", "branches", multiple=True, metavar="ID", help="Only this; repeatable.")
@options.LANGUAGE
@options.POLICY
@options.MAPPING
@options.MEMORY
@options.OUT
@options.access
def worklists(
    data: str,
    as_of: datetime,
    branches: tuple[str, ...],
    language: Literal["zh", "en"],
    policy: str,
    mapping: Path | None,
    memory_limit: str,
    out: Path,
    file_mode: int,
    group: str,
) -> None:
    """Write every branch's work lists alone, for the monthly rhythm."""
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.policy import load_policy
    from stockcust_analysis.report.worklist_batch import make_worklists

    day = as_of.date()
    folder = out / "worklists" / day.isoformat()
    with (
        access(Access(file_mode, group)),
        open_bank(data, mapping=mapping, memory_limit=memory_limit) as bank,
    ):
        files = make_worklists(
            bank,
            as_of=day,
            policy=load_policy(policy),
            out=folder,
            branches=branches,
            language=language,
        )
    click.echo(f"{len(files)} branches' work lists in {folder}.")


@click.group()
def contacts() -> None:
    """Bring what managers filled in back to the bank's tables."""


@contacts.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("contacts_imported.csv"),
    show_default=True,
    help="File to write; beside a bank's contacts it is read as part of them.",
)
def import_files(files: tuple[Path, ...], out: Path) -> None:
    """Read filled-in work lists FILES as rows of the contacts table."""
    from stockcust_analysis.bank.contacts_import import import_contacts

    rows = import_contacts(files)
    write_text(out, rows.to_csv(index=False, lineterminator="\n"))
    click.echo(f"{len(rows)} contacts written to {out}.")
