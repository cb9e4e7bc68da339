#!/bin/sh
# papermill 2.7.0's `execute_notebook(parameters=...)` writes a tuple into the notebook as one text:
# the branches ("B001", "B002") arrive as "('B001', 'B002')", without a word, and a loop over them
# goes through 16 characters. The parameters that papermill records in the notebook's own metadata
# show a list, so that a look there says that all is well. Lists are translated. The way round: hand
# on lists alone.
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
import sys

import nbformat
import papermill

GIVEN = {"as_tuple": ("B001", "B002"), "as_list": ["B001", "B002"]}
cells = [
    nbformat.v4.new_code_cell("as_tuple = as_list = None", metadata={"tags": ["parameters"]}),
    nbformat.v4.new_code_cell("print([repr(as_tuple), repr(as_list), len(as_tuple)])"),
]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
nbformat.write(book, "in.ipynb")
done = papermill.execute_notebook("in.ipynb", "out.ipynb", parameters=GIVEN, progress_bar=False)
seen = eval("".join(done.cells[-1].outputs[0]["text"]))
recorded = nbformat.read("out.ipynb", as_version=4).metadata.papermill.parameters.as_tuple
print("papermill", papermill.__version__)
print(f"{GIVEN['as_tuple']!r} arrives as {seen[0]}, of length {seen[2]}; recorded as {recorded}")
print(f"{GIVEN['as_list']!r} arrives as {seen[1]}")
still = seen == ['"(\'B001\', \'B002\')"', "['B001', 'B002']", 16]
still = still and recorded == ["B001", "B002"]
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
