"""`stockcust lab`: the exploring notebooks beside one's own data, in JupyterLab."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path

import click

from stockcust_analysis.cli import options
from stockcust_analysis.core.files import write_text
from stockcust_analysis.errors import UsageError

START = "start_here.ipynb"
_SAMPLE = '"data/sample"'
# Neither news nor versions nor extensions are asked for in the network.
_OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def _split(
    context: click.Context, parameter: click.Parameter, arguments: tuple[str, ...]
) -> tuple[Path, tuple[str, ...]]:
    """Return the folder, which may be left out, and what is JupyterLab's."""
    has_folder = bool(arguments) and not arguments[0].startswith("-")
    folder = arguments[0] if has_folder else "."
    return Path(_FOLDER.convert(folder, parameter, context)), arguments[has_folder:]


@click.command()
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    callback=_split,
    metavar="[FOLDER] [-- JUPYTER_OPTIONS]",
)
@click.option("--out", type=options.FOLDER, help="For the notebooks. Default: FOLDER/notebooks.")
@click.option("--no-browser", is_flag=True, help="Print JupyterLab's address, open no browser.")
@click.option("--copy-only", is_flag=True, help="Copy the notebooks, and start nothing.")
def lab(
    arguments: tuple[Path, tuple[str, ...]], out: Path | None, no_browser: bool, copy_only: bool
) -> None:
    """Copy the notebooks beside the extracts in FOLDER, and open them in JupyterLab.

    A notebook that is there already and differs is left as it is. What follows `--` goes to
    JupyterLab: stockcust lab FOLDER -- --port=9999
    """
    folder, jupyter_options = arguments
    out = (out or folder / "notebooks").resolve()
    for line in copy_notebooks(folder.resolve(), out):
        click.echo(line)
    if copy_only:
        return
    try:
        jupyterlab = import_module("jupyterlab.labapp")
    except ImportError:
        raise UsageError(
            f"JupyterLab is not installed. Run: pip install jupyterlab; then open {out / START}."
        ) from None
    start = f"/lab/tree/{out.name}/{START}"
    browser = ["--no-browser"] if no_browser else []
    where = [f"--ServerApp.root_dir={out.parent}", f"--LabApp.default_url={start}"]
    jupyterlab.LabApp.launch_instance([*_OFFLINE, *where, *browser, *jupyter_options])


def copy_notebooks(data: Path, out: Path) -> list[str]:
    """Copy the exploring notebooks that open the bank in `data`; return what was done.

    Those that are there and differ stay: somebody may have changed them.
    """
    from stockcust_analysis.report.plan import notebook_path

    source = notebook_path(Path(START).stem).parent
    if out.exists() and out.samefile(source):
        return []
    bank = json.dumps(Path(os.path.relpath(data, out)).as_posix(), ensure_ascii=False)
    # A notebook is JSON that holds Python: what is quoted there is quoted once more.
    sample, own_folder = (json.dumps(text, ensure_ascii=False)[1:-1] for text in (_SAMPLE, bank))
    copied, kept = 0, []
    for path in sorted(source.glob("*.ipynb")):
        text, target = path.read_text(encoding="utf-8"), out / path.name
        if sample not in text:  # a page's notebook, which opens an evaluation
            continue
        text = text.replace(sample, own_folder)
        if not target.exists():
            write_text(target, text)
            copied += 1
        elif target.read_text(encoding="utf-8") != text:
            kept.append(path.name)
    lines = [f"{copied} notebooks copied to {out}."] if copied else []
    if kept:
        names = ", ".join(kept)
        lines.append(
            f"{names}: differs from the shipped one and is kept; move it away to renew it."
        )
    return lines
