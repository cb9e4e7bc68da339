#!/bin/sh
# DuckDB 2.0.0 in a Jupyter kernel without ipywidgets refuses every setting of its progress bar,
# even `SET enable_progress_bar = false`, with InvalidInputException ("required package
# 'ipywidgets' is missing"), although it shows no bar there: current_setting says False. On a
# terminal the same statement is fine. A library that turns the bar off cannot be used in the kernel.
# The way round: ask current_setting('enable_progress_bar') first, and turn off only what is on.
#
# Seen with duckdb 2.0.0, ipykernel 7.4.0, nbclient 0.11.0. Exits 0 while this is so, 1 once it has
# changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    duckdb==2.0.0 ipykernel==7.4.0 nbclient==0.11.0 nbformat==5.10.4
cd "$place"
cat > look.py <<'PYTHON'
import sys

import duckdb
import nbformat
from nbclient import NotebookClient

SETTINGS = (
    "SET enable_progress_bar = false",
    "SET enable_progress_bar = true",
    "SET progress_bar_time = 100000",
    "PRAGMA disable_progress_bar",
    "RESET enable_progress_bar",
)
CELL = f"""
import duckdb
connection = duckdb.connect()
shown = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]
print("the bar is on:", shown)
for statement in {SETTINGS!r}:
    try:
        connection.execute(statement)
        print(statement, "-> accepted")
    except duckdb.InvalidInputException as error:
        print(statement, "-> refused:", error)
"""
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
NotebookClient(book, timeout=120, kernel_name="python3").execute()
told = "".join(output.get("text", "") for output in book.cells[0].outputs
               if output.get("name") == "stdout")
print("duckdb", duckdb.__version__, "in a kernel without ipywidgets:")
print(told)
print("outside a kernel:", end=" ")
duckdb.connect().execute(SETTINGS[0])
print(SETTINGS[0], "-> accepted")
still = "the bar is on: False" in told and told.count("-> refused:") == len(SETTINGS)
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py 2>/dev/null
