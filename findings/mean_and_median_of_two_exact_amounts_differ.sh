#!/bin/sh
# Of two amounts the mean and the median are the same number, 1.005 of 1.00 and 1.01. Held exactly, as
# decimals with two places, they are not. DuckDB 2.0.0: `avg` is 1.005, a DOUBLE, but `median` and
# `quantile_cont(x, 0.5)` are DECIMAL(9,2) and cut off: 1.00, although quantile_cont is the continuous
# one. pandas 3.1.1 on Arrow's decimals: `median` is 1.005, but `mean` keeps the two places and
# rounds: 1.01 (grouped, too). Polars 2.1.0: both are 1.005, a float. So an average per customer or a
# median balance moves by half a fen with the engine, and in one engine with the function, while the
# same amounts as floats agree everywhere. The way round: cast to a float before the average or the
# median, or divide an exact sum by a count.
#
# Seen with duckdb 2.0.0, polars 2.1.0, pandas 3.1.1, pyarrow 26.0.1. Exits 0 while this is so, 1 once
# it has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1
cd "$place"
cat > look.py <<'PYTHON'
import sys
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

print("duckdb", duckdb.__version__, "polars", pl.__version__, "pandas", pd.__version__, "pyarrow", pa.__version__)
exact = [Decimal("1.00"), Decimal("1.01")]
arrow = pd.Series(exact, dtype=pd.ArrowDtype(pa.decimal128(9, 2)))
grouped = pd.DataFrame({"branch": ["001", "001"], "balance": arrow}).groupby("branch")["balance"]
polars = pl.Series(exact, dtype=pl.Decimal(9, 2))
connection = duckdb.connect()
connection.execute("CREATE TABLE holdings AS SELECT unnest([1.00, 1.01])::DECIMAL(9, 2) AS balance")


def query(what):
    return connection.execute(f"SELECT {what} FROM holdings").fetchone()[0]


seen = {
    "DuckDB avg": query("avg(balance)"),
    "DuckDB median": query("median(balance)"),
    "DuckDB quantile_cont": query("quantile_cont(balance, 0.5)"),
    "DuckDB median of floats": query("median(balance::DOUBLE)"),
    "pandas mean": arrow.mean(),
    "pandas median": arrow.median(),
    "pandas mean, grouped": grouped.mean().iloc[0],
    "pandas median, grouped": grouped.median().iloc[0],
    "pandas mean of floats": arrow.astype("float64").mean(),
    "Polars mean": polars.mean(),
    "Polars median": polars.median(),
}
for words, found in seen.items():
    print(f"{words}: {found!r}")
bent = {"DuckDB median": "1.00", "DuckDB quantile_cont": "1.00", "pandas mean": "1.01", "pandas mean, grouped": "1.01"}
still = all(
    str(found) == bent[words] if words in bent else abs(float(found) - 1.005) < 1e-12
    for words, found in seen.items()
)
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
