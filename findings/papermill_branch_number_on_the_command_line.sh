#!/bin/sh
# papermill 2.7.0 guesses the type of every `-p NAME VALUE`: a branch numbered 0012 arrives as the
# number 12, 330102E01 as 3301020.0, 1_000 as 1000, and a customer group called `nan` as a float.
# The notebook's own annotation `branch_id: str = "0001"` in the cell of parameters, which papermill
# reads for --help-notebook, changes nothing. The notebook then runs to its end for a branch that is
# not there, or for another one. The way round: `-r NAME VALUE`, which hands on the text as it is.
#
# Seen with papermill 2.7.0, nbformat 5.10.4, ipykernel 7.4.0. Exits 0 while this is so, 1 once it
# has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    papermill==2.7.0 nbformat==5.10.4 ipykernel==7.4.0
cd "$place"
cat > look.py <<'PYTHON'
import json
import subprocess
import sys

import nbformat
import papermill

SOURCE = 'branch_id: str = "0001"  # which branch'
cells = [
    nbformat.v4.new_code_cell(SOURCE, metadata={"tags": ["parameters"]}),
    nbformat.v4.new_code_cell("print(repr(branch_id))"),
]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
nbformat.write(book, "in.ipynb")


def seen(option, value):
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-k", "python3"]
    subprocess.run([*command, option, "branch_id", value], check=True, capture_output=True)
    last = json.load(open("out.ipynb"))["cells"][-1]
    return "".join(last["outputs"][0]["text"]).strip()


print("papermill", papermill.__version__)
bent = {}
for value in ("0012", "330102E01", "1_000"):
    bent[value] = seen("-p", value)
    print(f"-p branch_id {value} -> {bent[value]}")
plain = seen("-r", "0012")
print("-r branch_id 0012 ->", plain)
expected = {"0012": "12", "330102E01": "3301020.0", "1_000": "1000"}
still = bent == expected and plain == "'0012'"
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
