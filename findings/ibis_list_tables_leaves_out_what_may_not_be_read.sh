#!/bin/sh
# Ibis 12.0.0 finds a table of PostgreSQL by name, with its columns, that its own `list_tables` does
# not list: the list comes from information_schema, which shows a user only what that user may use;
# `table` and `schema` ask pg_catalog, which shows everything. So "is it in the list" does not answer
# "is it there": a table without the right to read it passes for one that was never made, where the
# honest answer would be "permission denied". Code that takes an absent table for an optional one
# goes on without it, and its figures differ without a word. The way round: ask
# `to_regclass(name)` whether it is there, and `has_table_privilege` whether it may be read.
#
# Seen with ibis-framework 12.0.0, psycopg 3.3.9 and PostgreSQL 16.2 (pgserver 0.1.4, of which only
# the programs are used). Ibis needs `packaging` without saying so. Exits 0 while this is so, 1 once
# it has changed. Needs python3 with venv, and a package index; the server runs in a temporary
# folder, on a socket, and is stopped.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
chmod 755 "$place"
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    'ibis-framework[postgres]==12.0.0' packaging==25.0 psycopg==3.3.9 pgserver==0.1.4
cd "$place"
cat > look.py <<'PYTHON'
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

warnings.simplefilter("ignore")
import ibis
import psycopg

programs = Path(find_spec("pgserver").origin).parent / "pginstall" / "bin"
folder = Path("server").absolute()
folder.mkdir()
other = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}  # it refuses to run as root
if other:
    os.chown(folder, 65534, 65534)


def run(program, *arguments):
    command = [programs / program, "-D", folder / "data", *arguments]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **other)


run("initdb", "-U", "owner", "-A", "trust")
run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-k {folder} -c listen_addresses=", "start")
try:
    with psycopg.connect(f"host={folder} user=owner dbname=postgres", autocommit=True) as owner:
        owner.execute("CREATE TABLE ledger (branch text, balance numeric)")
        owner.execute("CREATE ROLE reader LOGIN")
        version = owner.execute("SHOW server_version").fetchone()[0]
    print("ibis", ibis.__version__, "psycopg", psycopg.__version__, "PostgreSQL", version)
    reader = ibis.postgres.connect(host=str(folder), user="reader", database="postgres")
    listed = "ledger" in reader.list_tables()
    columns = list(reader.table("ledger").columns)
    try:
        reader.table("ledger").count().execute()
        answer = "an answer"
    except psycopg.errors.InsufficientPrivilege as error:
        answer = error.diag.message_primary
    reader.disconnect()
finally:
    run("pg_ctl", "-m", "immediate", "stop")
print("in list_tables():", listed)
print("table('ledger').columns:", columns)
print("its count:", answer)
still = not listed and columns == ["branch", "balance"] and answer.startswith("permission denied")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
