#!/bin/sh
# XlsxWriter 3.3.1 stores 0 as the value of every formula that is written without one. Excel
# computes anew when it opens the file, so a person sees the sum; a program that reads stored values
# sees a number, zero, and no sign that nothing was ever computed: python-calamine, openpyxl
# (data_only) and pandas alike. openpyxl stores no value, and the same readers see an empty cell,
# which can be noticed. So a workbook of sums that the next step of a pipeline reads back is all
# zeros. The way round: give `write_formula(..., value=...)`, or write the number.
#
# Seen with XlsxWriter 3.3.1, openpyxl 3.1.5, python-calamine 0.9.1, pandas 3.1.1. Exits 0 while
# this is so, 1 once it has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    XlsxWriter==3.3.1 openpyxl==3.1.5 python-calamine==0.9.1 pandas==3.1.1
cd "$place"
cat > look.py <<'PYTHON'
import sys

import openpyxl
import pandas as pd
import python_calamine
import xlsxwriter

book = xlsxwriter.Workbook("by_xlsxwriter.xlsx")
sheet = book.add_worksheet()
sheet.write_row(0, 0, ["a", "b", "total"])
sheet.write_row(1, 0, [3, 4])
sheet.write_formula(1, 2, "=A2+B2")
book.close()
other = openpyxl.Workbook()
for row in (["a", "b", "total"], [3, 4, "=A2+B2"]):
    other.active.append(row)
other.save("by_openpyxl.xlsx")
print("XlsxWriter", xlsxwriter.__version__)
values = {}
for name in ("by_xlsxwriter.xlsx", "by_openpyxl.xlsx"):
    by_calamine = python_calamine.CalamineWorkbook.from_path(name).get_sheet_by_index(0)
    values[name] = (
        by_calamine.to_python()[1][2],
        openpyxl.load_workbook(name, data_only=True).active["C2"].value,
        pd.read_excel(name, engine="calamine")["total"].isna().item(),
    )
    print(name, "3 + 4 is read by calamine, openpyxl, as missing by pandas:", *values[name])
still = values == {"by_xlsxwriter.xlsx": (0.0, 0, False), "by_openpyxl.xlsx": ("", None, True)}
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
