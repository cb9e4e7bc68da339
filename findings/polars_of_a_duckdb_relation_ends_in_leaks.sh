#!/bin/sh
# A relation of DuckDB 2.0.0 gives its rows as an Arrow stream, so Polars 2.1.0 takes it as it is:
# pl.DataFrame(relation) is right, and quick, and needs no PyArrow. But where pandas is installed the
# process then ends with thirty lines on stderr, "nanobind: leaked 27 instances! …", with everything
# closed and deleted, as a scheduler's log shows beside every job. Nothing leaks while it runs: asking
# whether it was given a frame of pandas, Polars keeps the class of what it was given in a cache to
# the end; DuckDB's module hangs from that class, and its bindings find themselves alive at exit. The
# relation's own .pl() is a ModuleNotFoundError without PyArrow. The way round: give Polars an object of
# a class of one's own that passes the relation's __arrow_c_stream__ on.
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
cat > passing_on.py <<'PYTHON'
class Rows:
    def __init__(self, relation):
        self.relation = relation

    def __arrow_c_stream__(self, requested_schema=None):
        return self.relation.__arrow_c_stream__(requested_schema)
PYTHON
cat > job.py <<'PYTHON'
import sys

import duckdb
import polars as pl
from passing_on import Rows

take = {"itself": pl.DataFrame, "passed on": lambda r: pl.DataFrame(Rows(r)), "its pl()": lambda r: r.pl()}


def total(how):
    with duckdb.connect() as connection:
        rows = connection.sql("SELECT range AS balance FROM range(5)")
        return take[how](rows)["balance"].sum()


print(total(sys.argv[1]))
PYTHON
cat > look.py <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

print(*(f"{name} {version(name)}" for name in ("duckdb", "polars", "pandas")))
seen = []
for how in ("itself", "passed on", "its pl()"):
    done = subprocess.run([sys.executable, "job.py", how], capture_output=True, text=True)
    leaks = "nanobind: leaked 27 instances!" in done.stderr
    seen.append((how, done.stdout.strip(), "leaks" if leaks else "", "No module named 'pyarrow'" in done.stderr))
    print(*seen[-1])
still = seen[:2] == [("itself", "10", "leaks", False), ("passed on", "10", "", False)]
sys.exit(0 if still and seen[2][1] == "" and seen[2][3] else 1)
PYTHON
"$python" look.py
