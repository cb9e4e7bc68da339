"""Code and notebooks run in an ordinary Jupyter kernel, as JupyterLab starts it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from traitlets.config import Config

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
# It is locked, but a bank may leave it out: nothing needs it.
PLAIN = "import sys\nsys.modules['ipywidgets'] = None"


def run_cells(*cells: str, folder: Path) -> list[str]:
    """Run code in a kernel without ipywidgets; return what each cell printed or showed."""
    book = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=KERNEL)
    return ["".join(map(_text, cell.outputs)) for cell in run(book, folder=folder).cells]


def run(book: NotebookNode, *, folder: Path) -> NotebookNode:
    """Run a notebook in a kernel without ipywidgets that works in a folder; an error is raised."""
    book.cells.insert(0, new_code_cell(PLAIN))
    with tempfile.TemporaryDirectory() as place:  # sockets need a short path, ports are guessed
        config = Config()
        config.KernelManager.transport = "ipc"
        config.KernelManager.connection_file = str(Path(place) / "k.json")
        NotebookClient(
            book, config=config, timeout=300, resources={"metadata": {"path": str(folder)}}
        ).execute()
    del book.cells[0]
    return book


def run_notebook(path: Path) -> NotebookNode:
    """Run a notebook from its own folder, as JupyterLab does."""
    return run(nbformat.read(path, as_version=4), folder=path.parent)


def _text(output: NotebookNode) -> str:
    return str(output.text if output.output_type == "stream" else output.data["text/plain"])
