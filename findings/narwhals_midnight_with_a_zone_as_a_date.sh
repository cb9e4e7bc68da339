#!/bin/sh
# Narwhals 2.29.0: `cast(nw.Date)` of a moment with a time zone is another day on another engine.
# Midnight of 30 September in Shanghai is 29 September on Polars, and on a pandas column of numpy's
# type (both take the day in UTC), and 30 September on PyArrow, on a pandas column of Arrow's type,
# and on DuckDB if its session stands in Shanghai. Every as-of date of a Chinese bank is such a
# midnight, so one and the same line moves a whole extract into the month before. The way round:
# `dt.replace_time_zone(None)` before the cast, where the column has the right zone.
#
# Seen with narwhals 2.29.0, duckdb 2.0.0, polars 2.1.0, pandas 3.1.1, pyarrow 26.0.1. Exits 0 while
# this is so, 1 once it has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    narwhals==2.29.0 duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1 pytz tzdata
cd "$place"
cat > look.py <<'PYTHON'
import sys
from datetime import date, datetime
from zoneinfo import ZoneInfo

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa

midnight = datetime(2026, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
table = pa.table({"as_of": pa.array([midnight], pa.timestamp("us", "Asia/Shanghai"))})
duckdb.sql("SET TimeZone = 'Asia/Shanghai'")
numpy_typed = pd.DataFrame({"as_of": [pd.Timestamp(midnight)]})
frames = {
    "pandas": numpy_typed,
    "pandas, Arrow's type": numpy_typed.convert_dtypes(dtype_backend="pyarrow"),
    "Polars": pl.from_arrow(table),
    "PyArrow": table,
    "DuckDB": duckdb.from_arrow(table),
}
print("narwhals 2.29.0", "duckdb", duckdb.__version__, "polars", pl.__version__)
days = {}
for name, frame in frames.items():
    cast = nw.from_native(frame).lazy().select(nw.col("as_of").cast(nw.Date)).collect("pyarrow")
    days[name] = cast["as_of"].to_list()[0]
    print(f"{midnight} as a date on {name}: {days[name]}")
before, same = date(2026, 9, 29), date(2026, 9, 30)
still = list(days.values()) == [before, same, before, same, same]
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
