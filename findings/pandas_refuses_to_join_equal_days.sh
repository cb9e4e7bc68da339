#!/bin/sh
# pandas 3.1.1 compares a day of its own type with the same day of Arrow's type and finds them
# equal, but refuses to join on them: `merge` of datetime64[us] with timestamp[us][pyarrow] (or with
# date32[day][pyarrow], which Parquet gives) raises ValueError, and advises `concat`, which is
# something else. Text, whole numbers and floats of the two kinds join without a word. So extracts
# read by two readers (`dtype_backend="pyarrow"` here, not there) go together on customer and branch
# and fail on the as-of date. The way round: bring both to one type first.
#
# Seen with pandas 3.1.1, pyarrow 26.0.1. Exits 0 while this is so, 1 once it has changed. Needs
# python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    pandas==3.1.1 pyarrow==26.0.1
cd "$place"
cat > look.py <<'PYTHON'
import sys
from datetime import date, datetime

import pandas as pd

PAIRS = {
    "moments": ([datetime(2026, 9, 30)], "datetime64[us]", "timestamp[us][pyarrow]"),
    "days": ([date(2026, 9, 30)], "datetime64[us]", "date32[pyarrow]"),
    "whole numbers": ([7], "int64", "int64[pyarrow]"),
    "floats": ([1.5], "float64", "double[pyarrow]"),
    "text": (["B001"], "str", "string[pyarrow]"),
}
print("pandas", pd.__version__)
results = {}
for name, (values, ours, arrows) in PAIRS.items():
    left = pd.DataFrame({"key": pd.Series(values).astype(ours)})
    right = pd.DataFrame({"key": pd.array(values, dtype=arrows)})
    try:
        results[name] = len(left.merge(right, on="key"))
    except ValueError as error:
        results[name] = "ValueError"
        print(str(error)[:120])
    print(f"{name}: {ours} with {arrows} joins: {results[name]}")
moments = (pd.Series(pd.array(PAIRS["moments"][0], dtype="datetime64[us]"))
           == pd.Series(pd.array(PAIRS["moments"][0], dtype="timestamp[us][pyarrow]")))
print("the two moments are equal:", moments.all())
still = bool(moments.all()) and list(results.values()) == ["ValueError", "ValueError", 1, 1, 1]
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
