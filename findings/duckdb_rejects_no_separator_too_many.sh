#!/bin/sh
# DuckDB 2.0.0's `store_rejects`, by which a load of an extract is said to list every bad row, does
# not list a row with one separator too many at its end: `c|d|` in a file of two columns is taken as
# c, d, so that a field lost in the middle and one gained at the end cancel out unseen. `c|d|x` is
# listed. And a file whose line ends are of two kinds (the parts of a table unloaded on two machines,
# joined) is not read by rows at all: the whole query ends in InvalidInputException, rejects or not,
# while Polars and PyArrow read it. The way round: count the separators of each line first, and bring
# line ends to one kind.
#
# Seen with duckdb 2.0.0, polars 2.1.0, pyarrow 26.0.1. Exits 0 while this is so, 1 once it has
# changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1
cd "$place"
cat > look.py <<'PYTHON'
import io
import sys

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

print("duckdb", duckdb.__version__, "polars", pl.__version__, "pyarrow", pa.__version__)


def rows_and_rejects(content):
    with open("extract.txt", "wb") as file:
        file.write(content)
    connection = duckdb.connect()
    reading = (
        "SELECT * FROM read_csv('extract.txt', auto_detect=false, header=false, delim='|', quote='',"
        " escape='', columns={'a': 'VARCHAR', 'b': 'VARCHAR'}, store_rejects=true)"
    )
    try:
        rows = connection.sql(reading).fetchall()
    except duckdb.InvalidInputException as error:
        return str(error).splitlines()[0], None
    return rows, connection.sql("SELECT count(*) FROM reject_errors").fetchall()[0][0]


trailing = rows_and_rejects(b"a|b\nc|d|\ne|f\n")
longer = rows_and_rejects(b"a|b\nc|d|x\ne|f\n")
mixed = rows_and_rejects(b"a|b\nc|d\r\ne|f\n")
print("one separator too many at the end:", trailing)
print("one field too many:", longer)
print("two kinds of line ends:", mixed)
content = b"a|b\nc|d\r\ne|f\n"
polars = pl.read_csv(io.BytesIO(content), separator="|", has_header=False).rows()
arrow = pc.read_csv(
    io.BytesIO(content), pc.ReadOptions(column_names=["a", "b"]), pc.ParseOptions(delimiter="|")
).num_rows
print("two kinds of line ends, Polars:", polars, "PyArrow:", arrow, "rows")
whole = [("a", "b"), ("c", "d"), ("e", "f")]
still = (
    trailing == (whole, 0)
    and longer[1] == 1
    and isinstance(mixed[0], str)
    and len(polars) == arrow == 3
)
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
