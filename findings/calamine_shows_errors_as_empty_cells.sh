#!/bin/sh
# python-calamine 0.9.1 gives an empty text for a cell with an error of Excel (#REF!, #DIV/0!,
# #N/A), the same as for a cell with nothing in it. openpyxl gives the error's text. A balance that
# broke in the branch's workbook is so a missing balance, and a sum over the column is too small
# without any sign. By `to_python()` the rows above and the columns left of the first value are left
# out as well, so that a row's place in the list is not its number in the sheet;
# `skip_empty_area=False` keeps them. The way round for errors: look for cells of type `t="e"` in
# the sheet's XML.
#
# Seen with python-calamine 0.9.1, openpyxl 3.1.5. Exits 0 while this is so, 1 once it has changed.
# Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    python-calamine==0.9.1 openpyxl==3.1.5
cd "$place"
cat > look.py <<'PYTHON'
import sys

import openpyxl
import python_calamine

book = openpyxl.Workbook()
sheet = book.active
rows = {4: ("account", "balance"), 5: ("001", 10), 6: ("002", "#REF!"), 7: ("003", "#DIV/0!"), 8: ("004", None)}
for number, (account, balance) in rows.items():
    sheet.cell(number, 2, account)
    sheet.cell(number, 3, balance)
book.save("book.xlsx")
kinds = [openpyxl.load_workbook("book.xlsx").active.cell(n, 3).data_type for n in (6, 7)]
read = python_calamine.CalamineWorkbook.from_path("book.xlsx").get_sheet_by_index(0)
short, full = read.to_python(), read.to_python(skip_empty_area=False)
print("python-calamine 0.9.1; the cells' types in the file:", kinds)
print("by default:", short)
print("the row of account 002 in the sheet: 6, in the list:", [row[0] for row in short].index("002") + 1)
print("all of the area:", full[5])
still = kinds == ["e", "e"] and short == [
    ["account", "balance"], ["001", 10.0], ["002", ""], ["003", ""], ["004", ""],
] and full[5] == ["", "002", ""]
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
