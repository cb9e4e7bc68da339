#!/bin/sh
# Narwhals 2.29.0's `str.strip_chars()` takes off other blanks on DuckDB than on pandas and Polars.
# These take off U+3000, the full-width blank by which core systems pad Chinese names, and U+00A0
# from web pages; on DuckDB both stay, as its `trim` was given a list of ASCII blanks. A join of
# names or codes that was tested on a data frame loses rows when the same code runs on a folder of
# files. The way round: state the characters, `strip_chars(" \t\u3000\u00a0")`: that is the same
# everywhere.
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
    narwhals==2.29.0 duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1
cd "$place"
cat > look.py <<'PYTHON'
import sys

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl

NAME = "\u3000张三\u00a0\t "
TABLE = {"name": [NAME]}
frames = {
    "pandas": pd.DataFrame(TABLE),
    "Polars": pl.DataFrame(TABLE),
    "DuckDB": duckdb.from_arrow(pl.DataFrame(TABLE).to_arrow()),
}


def stripped(frame, *characters):
    name = nw.col("name").str.strip_chars(*characters)
    return nw.from_native(frame).lazy().select(name).collect("polars")["name"][0]


print("narwhals 2.29.0", "duckdb", duckdb.__version__, "polars", pl.__version__)
plain = {name: stripped(frame) for name, frame in frames.items()}
stated = {name: stripped(frame, " \t\u3000\u00a0") for name, frame in frames.items()}
print("strip_chars():", {name: ascii(text) for name, text in plain.items()})
print("characters stated:", {name: ascii(text) for name, text in stated.items()})
still = plain == {"pandas": "张三", "Polars": "张三", "DuckDB": "\u3000张三\u00a0"}
still = still and set(stated.values()) == {"张三"}
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
