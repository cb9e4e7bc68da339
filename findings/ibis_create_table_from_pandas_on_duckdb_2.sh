#!/bin/sh
# Ibis 12.0.0 with DuckDB 2.0.0, both allowed by each other's metadata, cannot make a table from a
# pandas frame: `connection.create_table("t", frame)` raises a ParserException about the statement
# that Ibis generates. Reading files, tables and `ibis.memtable` queries of the same frame work, so
# that a program passes its tests of reading and fails at the first stored step. The way round:
# register the frame by the raw connection, `connection.con.register(...)`, or stay below DuckDB 2.
#
# Seen with ibis-framework 12.0.0, duckdb 2.0.0, pandas 3.1.1. Exits 0 while this is so, 1 once it
# has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    'ibis-framework[duckdb]==12.0.0' duckdb==2.0.0 pandas==3.1.1
cd "$place"
cat > look.py <<'PYTHON'
import sys

import duckdb
import ibis
import pandas as pd

print("ibis", ibis.__version__, "duckdb", duckdb.__version__)
frame = pd.DataFrame({"balance": [1, 2]})
connection = ibis.duckdb.connect()
try:
    connection.create_table("extract", frame)
    result = "made"
except duckdb.ParserException as error:
    result = "ParserException"
    print(str(error)[:200])
print("create_table:", result)
total = connection.execute(ibis.memtable(frame).balance.sum())
print("the sum of a memtable of the same frame:", total)
still = result == "ParserException" and total == 3
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
