#!/bin/sh
# DuckDB 2.0.0's TRY_CAST of text to a whole number takes far more for a number than digits: 2.5
# becomes 3, 1e3 becomes 1000, 0x10 becomes 16 and 1_000 becomes 1000, without NULL or error.
# PyArrow, Polars and Python's int refuse the fractions. So the usual test of an extract, "rows
# where TRY_CAST is NULL are wrong", lets amounts pass as counts (rounded half up), and branch codes
# such as 1E3 or 0x10 as numbers of other branches. The way round: regexp_full_match(text,
# '[+-]?[0-9]+') beside the cast.
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
import sys

import duckdb
import polars as pl
import pyarrow as pa

TEXTS = ["12", "2.5", "1e3", "0x10", "1_000"]


def by_arrow(text):
    try:
        return pa.array([text]).cast(pa.int64())[0].as_py()
    except pa.ArrowInvalid:
        return None


print("duckdb", duckdb.__version__, "polars", pl.__version__, "pyarrow", pa.__version__)
query = "SELECT TRY_CAST($1 AS BIGINT)"
ducks = [duckdb.execute(query, [text]).fetchall()[0][0] for text in TEXTS]
polars = pl.Series(TEXTS).cast(pl.Int64, strict=False).to_list()
arrows = [by_arrow(text) for text in TEXTS]
for row in zip(TEXTS, ducks, polars, arrows):
    print("{}: DuckDB {}, Polars {}, PyArrow {}".format(*row))
still = ducks == [12, 3, 1000, 16, 1000] and polars == [12, None, None, None, None]
still = still and arrows[1] is None and arrows[2] is None and arrows[4] is None
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
