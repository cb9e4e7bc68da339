#!/bin/sh
# In DuckDB 2.0.0 the same cast of the same CSV column gives another answer by what else the query
# looks at. Of a column that DESCRIBE shows as DATE, `as_of::VARCHAR` is '30.09.2026' as the file has
# it, and '2026-09-30' as soon as `as_of` itself is selected beside it, is grouped or filtered by, or
# the file was loaded first: a table that is stored from the bare query holds texts that no later
# join finds. Of a DOUBLE, `balance::BIGINT` reads 0.5 and 2.5 as 1 and 3, or else as 0 and 2. A cast
# that is all a query does with a CSV column moves into the reader, which casts the file's text and
# never makes the type that was sniffed, or asked for by `columns`; and a half goes to its even
# neighbour when it is a DOUBLE, but away from zero when it is text or DECIMAL. The way round: load the
# file first, or name what is wanted, `strftime(as_of, '%Y-%m-%d')` and `floor(balance + 0.5)::BIGINT`,
# which are the same everywhere.
#
# Seen with duckdb 2.0.0, polars 2.1.0, pandas 3.1.1. Exits 0 while this is so, 1 once it has changed.
# Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0 pandas==3.1.1
cd "$place"
cat > look.py <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

print("duckdb", duckdb.__version__, "polars", pl.__version__, "pandas", pd.__version__)
halves = [0.5, 1.5, 2.5, 3.5]
rows = "".join(f"30.09.2026,{half}\n" for half in halves)
Path("extract.csv").write_text(f"as_of,balance\n{rows}")
connection = duckdb.connect()
connection.execute("CREATE TABLE loaded AS FROM 'extract.csv'")
connection.execute("CREATE TABLE kept AS SELECT as_of::VARCHAR AS as_of FROM 'extract.csv'")
connection.execute("COPY (SELECT balance::DECIMAL(9, 1) AS balance FROM loaded) TO 'extract.parquet'")
typed = "read_csv('extract.csv', columns = {'as_of': 'DATE', 'balance': 'DOUBLE'}, dateformat = '%d.%m.%Y')"


def numbers(query):
    return [row[0] for row in connection.execute(query).fetchall()]


types = {
    tuple(row[1] for row in connection.sql(f"DESCRIBE FROM {table}").fetchall())
    for table in ("'extract.csv'", typed, "loaded")
}
print("the columns' types, sniffed, asked for and once loaded:", *types)
days = {
    query: numbers(query)[0]
    for query in (
        "SELECT as_of::VARCHAR FROM 'extract.csv'",
        f"SELECT as_of::VARCHAR FROM {typed}",
        "SELECT as_of::VARCHAR, as_of FROM 'extract.csv'",
        "SELECT as_of::VARCHAR FROM loaded",
        "SELECT count(*) FROM 'extract.csv' WHERE as_of::VARCHAR = '2026-09-30'",
        "SELECT count(*) FROM kept WHERE as_of = '2026-09-30'",
        "SELECT strftime(as_of, '%Y-%m-%d') FROM 'extract.csv'",
    )
}
for words, found in days.items():
    print(found, "by", words)
seen = {
    query: numbers(query)
    for query in (
        "SELECT balance::BIGINT FROM 'extract.csv'",
        f"SELECT balance::BIGINT FROM {typed}",
        "SELECT balance::BIGINT, balance FROM 'extract.csv'",
        "SELECT balance::BIGINT FROM loaded",
        "SELECT round(balance)::BIGINT FROM loaded",
        "SELECT balance::BIGINT FROM 'extract.parquet'",
        "SELECT floor(balance + 0.5)::BIGINT FROM 'extract.csv'",
        "SELECT floor(balance + 0.5)::BIGINT FROM loaded",
    )
}
seen["Polars"] = pl.Series(halves).cast(pl.Int64).to_list()
seen["pandas"] = pd.Series(halves).astype("int64").to_list()
for words, found in seen.items():
    print(found, "by", words)
up, even, cut = [1, 2, 3, 4], [0, 2, 2, 4], [0, 1, 2, 3]
raw, iso = "30.09.2026", "2026-09-30"
still = [*days.values()] == [raw, raw, iso, iso, 4, 0, iso] and types == {("DATE", "DOUBLE")}
still = still and [*seen.values()] == [up, up, even, even, up, up, up, up, cut, cut]
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
