#!/bin/sh
# Hive and Spark write a table by branch into folders such as `branch_id=001`. What was the text 001
# when it was written is the number 1 when PyArrow 26.0.1, pandas 3.1.1 (by PyArrow) or Polars 2.1.0
# read the folder, and joins with a table of branches find nothing, or another branch. DuckDB 2.0.0
# keeps the zeros, but takes the folder's value even if the file has a column of that name: the
# file's own 001 is then silently replaced by the folder's 1, although the reader was asked for text
# (`all_varchar`). The way round: hive_partitioning=False and the branch from the file itself, or a
# schema for the partition (`ds.partitioning(pa.schema(...), flavor="hive")`, `hive_schema=`).
#
# Seen with pyarrow 26.0.1, pandas 3.1.1, polars 2.1.0, duckdb 2.0.0. Exits 0 while this is so, 1
# once it has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 duckdb==2.0.0
cd "$place"
cat > look.py <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

print("pyarrow", pa.__version__, "pandas", pd.__version__, "polars", pl.__version__, "duckdb", duckdb.__version__)
table = pa.table({"branch_id": ["001", "0012"], "customers": [500, 20]})
pq.write_to_dataset(table, "branches", partition_cols=["branch_id"])
read = {
    "pyarrow": ds.dataset("branches", partitioning="hive").to_table()["branch_id"].to_pylist(),
    "pandas": pd.read_parquet("branches")["branch_id"].tolist(),
    "polars": pl.read_parquet("branches")["branch_id"].to_list(),
    "duckdb": [row[0] for row in duckdb.sql("SELECT branch_id FROM 'branches/*/*.parquet'").fetchall()],
}
for name, values in read.items():
    print(name, sorted(values))

folder = Path("extract/branch_id=1")
folder.mkdir(parents=True)
(folder / "customers.csv").write_text("branch_id,customers\n001,500\n")
own = duckdb.sql("SELECT branch_id FROM read_csv('extract/*/*.csv', all_varchar=true)").fetchall()[0][0]
print("duckdb, a file whose own branch_id is 001, in the folder branch_id=1:", repr(own))
numbers = all(sorted(read[name]) == [1, 12] for name in ("pyarrow", "pandas", "polars"))
still = numbers and sorted(read["duckdb"]) == ["001", "0012"] and own == 1
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
