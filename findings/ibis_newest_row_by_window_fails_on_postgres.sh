#!/bin/sh
# Ibis 12.0.0 turns "the rows of each customer's newest day", `t.filter(t.d == t.d.max().over(w))`,
# into SQL for PostgreSQL whose WHERE names the inner table "t0" outside of the subquery that alone
# knows it: the server refuses the statement ("missing FROM-clause entry"). The same expression is
# right in DuckDB's dialect, which has QUALIFY, so that it passes tests on DuckDB and fails on the
# server. The way round: make the newest day a column by `mutate`, and filter by that column.
#
# No server is needed to see it: DuckDB runs the statement written for PostgreSQL and refuses it too.
#
# Seen with ibis-framework 12.0.0, sqlglot 30.30.0, duckdb 2.0.0. Exits 0 while this is so, 1 once it
# has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    'ibis-framework[duckdb]==12.0.0' sqlglot==30.30.0 duckdb==2.0.0
cd "$place"
cat > look.py <<'PYTHON'
import sys

import duckdb
import ibis

print("ibis", ibis.__version__, "duckdb", duckdb.__version__)
connection = duckdb.connect()
connection.execute("create table t (p varchar, d date)")
connection.execute("insert into t values ('A', '2026-06-30'), ('A', '2026-09-30')")
t = ibis.table({"p": "string", "d": "date"}, name="t")
newest = t.d.max().over(ibis.window(group_by="p"))
asked = {
    "a window in the filter": t.filter(t.d == newest),
    "a column first": t.mutate(newest=newest).filter(lambda x: x.d == x.newest).drop("newest"),
}


def answer(expression, dialect):
    try:
        rows = connection.execute(ibis.to_sql(expression, dialect=dialect)).fetchall()
    except duckdb.BinderException:
        return "refused"
    return f"{len(rows)} row"


seen = {}
for words, expression in asked.items():
    for dialect in ("duckdb", "postgres"):
        seen[words, dialect] = answer(expression, dialect)
        print(f"{words}, written for {dialect}: {seen[words, dialect]}")
where = str(ibis.to_sql(asked["a window in the filter"], dialect="postgres")).split("WHERE")[1]
print("for postgres the statement ends: WHERE", " ".join(where.split()))
still = list(seen.values()) == ["1 row", "refused", "1 row", "1 row"] and '"t0"' in where
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
