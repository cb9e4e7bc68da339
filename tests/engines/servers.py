"""A PostgreSQL server of the tests' own, a wire that counts what passes it, and a Spark session."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from stockcust_analysis.bank.contract import TABLES, Kind, table
from stockcust_analysis.bank.conversion import SQL_TYPES

USER, PASSWORD, DATABASE = "analyst", "Geheim:Wort%", "harvest"
_POSTGRES_TYPES = {Kind.MONEY: "NUMERIC(18,2)", Kind.FLAG: "BOOLEAN", Kind.NUMBER: "FLOAT8"}
_IN_URL = "Geheim%3AWort%25"


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL server, on a port of this machine only."""

    folder: Path
    port: int

    def url(self, port: int | None = None) -> str:
        """Return the URL of the bank's database, password included."""
        return f"postgresql://{USER}:{_IN_URL}@127.0.0.1:{port or self.port}/{DATABASE}"

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGQUIT)

    def load(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write a bank's tables as a database holds them: NUMERIC money, real dates."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            for contract in TABLES:
                connection.execute(f"DROP TABLE IF EXISTS {contract.name}")
            for name, frame in tables.items():
                columns = ", ".join(f"{c} {_postgres_type(name, c)}" for c in frame.columns)
                connection.execute(f"CREATE TABLE {name} ({columns})")
                with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                    for row in typed(name, frame).fetchall():
                        copy.write_row(row)
            connection.execute("ANALYZE")

    def run(self, *statements: str) -> None:
        """Run statements one after another, each done for good."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@contextmanager
def postgres() -> Iterator[Server]:
    """Start a server in a folder of its own, not as root, and stop it in the end."""
    programs = _postgres_programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres")
        owner = {"user": "postgres", "group": "postgres"}
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    server = Server(folder, free_port())

    def run(program: str, *arguments: str) -> None:
        command = [programs / program, "--pgdata", folder / "data", *arguments]
        with (folder / "out").open("a") as out:
            subprocess.run(command, check=True, stdout=out, stderr=out, cwd=folder, **owner)

    (folder / "out").touch(mode=0o666)
    run("initdb", f"--username={USER}", f"--pwfile={folder / 'password'}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8")  # fmt: skip
    settings = (
        f"-c listen_addresses=127.0.0.1 -p {server.port} -k {folder} "
        "-c fsync=off -c shared_preload_libraries=pg_stat_statements"
    )
    run("pg_ctl", "--options", settings, "--log", f"{folder / 'log'}", "--wait", "start")
    try:
        import psycopg

        with psycopg.connect(
            server.url().replace(DATABASE, "postgres"), autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):
            run("pg_ctl", "--mode=immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class CountingWire:
    """A wire between client and server that counts the bytes the server sends."""

    target: int
    port: int = 0
    received: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> CountingWire:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._open.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self._open += [client, server]
                for ends in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                self.received += len(block) * counted
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def spark_session() -> Iterator[Any]:
    """Start Spark on two cores of this machine, with as little around it as it allows."""
    sql = pytest.importorskip("pyspark.sql", reason="the extra [spark] is not installed")
    pytest.importorskip("pyarrow", reason="the extra [spark] is not installed")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
        # The driver keeps the text of every plan it ran, shown or not: with its usual gigabyte
        # it stood still after the third bank.
        "spark.driver.memory": "3g",
        "spark.sql.ui.retainedExecutions": "1",
        "spark.sql.maxPlanStringLength": "2000",
    }
    builder = sql.SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def typed(name: str, frame: pd.DataFrame) -> duckdb.DuckDBPyRelation:
    """Return a bank's table with the types that the contract states."""
    kinds = {column: table(name).column(column).kind for column in frame.columns}
    cells = ", ".join(f"{c}::{SQL_TYPES[kind]} AS {c}" for c, kind in kinds.items())
    return duckdb.from_df(frame).project(cells)


def _postgres_type(name: str, column: str) -> str:
    kind = table(name).column(column).kind
    return _POSTGRES_TYPES.get(kind, SQL_TYPES[kind])


def _postgres_programs() -> Path:
    """Return the folder of the server's programs; skip the test where there are none."""
    pytest.importorskip("ibis.backends.postgres", reason="the extra [postgres] is not installed")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server is installed")
    return found[-1].parent if found else Path(str(on_path)).parent
