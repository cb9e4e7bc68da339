#!/bin/sh
# Ibis 12.0.0 asks for `sqlglot>=23.4` and nothing above, so that a new environment has the newest.
# From sqlglot 30.18.0 on, `drop_table("t")` and `drop_view("v")` send DROP TABLE and DROP VIEW
# without a name, which every engine refuses: DuckDB 1.4 and 2.0 and SQLite alike. So does
# `create_table("t", frame)` of a pandas frame, because Ibis drops a view of its own in it: an error
# about a statement nobody wrote. Reading, memtables and creating from an expression work, so that
# a program passes its tests of reading and fails at the first stored step. The message blames the
# engine's parser, and the engine's version is not the cause. The way round: hold sqlglot below
# 30.18, or drop by `raw_sql`.
#
# Seen with ibis-framework 12.0.0, pandas 3.1.1, duckdb 2.0.0, sqlglot 30.17.0 (works), 30.18.0 and
# 30.30.0 (fail). Exits 0 while this is so, 1 once it has changed. Needs python3 with venv, and a
# package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    'ibis-framework[duckdb,sqlite]==12.0.0' duckdb==2.0.0 pandas==3.1.1 sqlglot==30.17.0
cd "$place"
cat > look.py <<'PYTHON'
import sys

import duckdb
import ibis
import pandas as pd
import sqlglot

print("ibis", ibis.__version__, "duckdb", duckdb.__version__, "sqlglot", sqlglot.__version__)
frame = pd.DataFrame({"balance": [1, 2]})


def told(act, *names):
    try:
        act(*names)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return "works"


answers = []
for connection in (ibis.duckdb.connect(), ibis.sqlite.connect()):
    connection.raw_sql("CREATE TABLE extract (balance INTEGER)")
    for words, act, names in [
        ("create_table of a frame", connection.create_table, ("copy", frame)),
        ("drop_table", connection.drop_table, ("extract",)),
    ]:
        answers.append(told(act, *names))
        print(f"{connection.name}, {words}: {answers[-1]}")
    total = connection.execute(ibis.memtable(frame).balance.sum())
    print(f"{connection.name}, the sum of a memtable of the same frame: {total}")
works = [answer == "works" for answer in answers]
sys.exit(0 if works == [sys.argv[1] == "works"] * 4 and total == 3 else 1)
PYTHON
"$python" look.py works
for version in 30.18.0 30.30.0; do
    "$python" -m pip install --quiet --disable-pip-version-check "sqlglot==$version"
    "$python" look.py fails
done
echo "as reported"
