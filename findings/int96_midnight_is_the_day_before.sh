#!/bin/sh
# Parquet's INT96, which Hive and Spark still write for moments, holds no time zone: a midnight of
# Shanghai (every as-of date of a Chinese bank) is stored as 16:00 UTC of the day before. DuckDB
# 2.0.0, Polars 2.1.0 and PyArrow 26.0.1 all read it as a moment without a zone, so that a plain
# cast to a date gives 29 September for 30 September: a whole quarter's extract lies a day early,
# and no reader warns. The same moment as INT64 keeps its mark of UTC and is read with a zone.
# Impala writes local time into the same INT96, so that no rule fits both: whoever reads must know
# who wrote. The way round: a moment that is no midnight in a column of days is one of UTC.
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
    duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1 pytz tzdata
cd "$place"
cat > look.py <<'PYTHON'
import sys
from datetime import date, datetime
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

midnight = datetime(2026, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
table = pa.table({"as_of": pa.array([midnight], pa.timestamp("us", "Asia/Shanghai"))})
plain = {"store_schema": False}  # as a writer that is not Arrow
pq.write_table(table, "int96.parquet", use_deprecated_int96_timestamps=True, **plain)
pq.write_table(table, "int64.parquet", **plain)
print("duckdb", duckdb.__version__, "polars", pl.__version__, "pyarrow", pa.__version__)
duckdb.sql("SET TimeZone = 'Asia/Shanghai'")
query = "SELECT typeof(as_of), CAST(as_of AS DATE) FROM '{}.parquet'"
kinds, days = {}, {}
for name in ("int96", "int64"):
    kinds[name], days[name] = duckdb.sql(query.format(name)).fetchall()[0]
    zones = pq.read_table(f"{name}.parquet")["as_of"].type.tz, pl.read_parquet(f"{name}.parquet").schema
    print(name, "DuckDB:", kinds[name], days[name], "- PyArrow's zone:", zones[0], "- Polars:", zones[1])
    if name == "int96":
        none = zones[0] is None and zones[1]["as_of"].time_zone is None
still = none and days == {"int96": date(2026, 9, 29), "int64": date(2026, 9, 30)}
still = still and kinds == {"int96": "TIMESTAMP", "int64": "TIMESTAMP WITH TIME ZONE"}
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
