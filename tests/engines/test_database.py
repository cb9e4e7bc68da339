"""A bank in a PostgreSQL database: the same answers, nothing carried away, a clear end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.bank.suspicions import SuspicionWarning, suspicions_of
from stockcust_analysis.bank.totals import totals_of
from stockcust_analysis.cli import main
from stockcust_analysis.core.engines import DatabaseEngine, Frame
from stockcust_analysis.errors import BankDataError, EngineError, UsageError, in_language
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.show.profile import profile
from tests.conftest import SAMPLE
from tests.engines.banks import assert_same, evaluated, moved_by_hand, population, with_moves
from tests.engines.servers import DATABASE, PASSWORD, CountingWire, Server, postgres
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS

pytestmark = [
    pytest.mark.slow,
    # Ibis asks pandas for an option that pandas 4 will no longer have.
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:DeprecationWarning"),
]


def tiny() -> dict[str, pd.DataFrame]:
    """Return the tiny bank as frames."""
    texts = {"branches": BRANCHES, "customers": CUSTOMERS, "holdings": HOLDINGS}
    return {name: pd.read_csv(StringIO(text), dtype="str") for name, text in texts.items()}


@pytest.fixture(scope="module")
def wired(server: Server) -> tuple[Evaluation, int, list[int]]:
    """Evaluate the sample in the database; return also bytes sent and rows of each answer."""
    import psycopg

    server.load(make_bank())
    answers = (
        "SELECT rows / calls FROM pg_stat_statements WHERE query ILIKE '%select%' "
        "AND query NOT ILIKE 'create%' AND query NOT ILIKE 'insert%'"
    )
    with (
        psycopg.connect(server.url(), autocommit=True) as watcher,
        CountingWire(server.port) as wire,
    ):
        watcher.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        watcher.execute("SELECT pg_stat_statements_reset()")
        evaluation = evaluated(server.url(wire.port))
        rows = [int(row) for (row,) in watcher.execute(answers).fetchall()]
    return evaluation, wire.received, rows


def test_the_sample_is_the_same_in_postgresql(
    wired: tuple[Evaluation, int, list[int]], sample_evaluation: Evaluation
) -> None:
    """PostgreSQL gives what the folder of files gives."""
    assert_same(wired[0], sample_evaluation)


def test_no_customer_row_leaves_the_database(wired: tuple[Evaluation, int, list[int]]) -> None:
    """No answer has as many rows as a branch's curve for each branch, and all are small together.

    The longest answer is the Lorenz curves': at most 101 points for each of 26 branches, where a
    quarter has 12,000 customers and five quarters 61,488. A customer's number, branch and one
    amount take some 20 bytes: 1.2 MB in all.
    """
    _, received, rows = wired
    assert len(rows) > 50
    assert max(rows) <= 101 * 26
    assert received < 61_488 * 20


def test_the_population_is_the_same_in_postgresql(server: Server) -> None:
    """The report's customers are computed in the database, row by row, those moved too."""
    tables = with_moves(make_bank())
    server.load(tables)
    expected = moved_by_hand(population(SAMPLE), tables)
    found = population(server.url()).drop(columns="managers")
    pd.testing.assert_frame_equal(found, expected)


def test_what_check_shows_is_the_same_in_postgresql(server: Server) -> None:
    """Sums of all quarters, the profile and what looks wrong are those of the frames."""
    tables = with_moves(make_bank(branches=8, customers=800))
    tables["customer_moves"]["to_branch_id"] = tables["branches"]["branch_id"].iloc[2]
    server.load(tables)
    shown = []
    for source in (server.url(), tables):
        with (
            pytest.warns(SuspicionWarning, match=r"of 30 customers handed over .* 30 are not"),
            open_bank(source) as bank,
        ):
            totals = totals_of(bank, bank.quarters)
            texts = [t._repr_mimebundle_()["text/plain"] for t in profile(bank, totals, "en")]
            shown.append((totals, suspicions_of(bank, totals), texts))
    assert shown[0] == shown[1]


def test_a_database_in_its_own_words(server: Server, tmp_path: Path) -> None:
    """Tables of another schema, house headers and house codes are translated by the mapping."""
    server.load(tiny())
    server.run(
        "DROP SCHEMA IF EXISTS dm CASCADE",
        "CREATE SCHEMA dm",
        "ALTER TABLE customers SET SCHEMA dm",
        "ALTER TABLE dm.customers RENAME TO cust",
        'ALTER TABLE dm.cust RENAME customer_id TO "客户编号"',
        "UPDATE dm.cust SET customer_type = '01 ' WHERE customer_type = 'personal'",
    )
    mapping = tmp_path / "house.toml"
    mapping.write_text(
        'name = "青禾银行"\n[tables.customers]\ntable = "dm.cust"\n'
        '[tables.customers.columns]\n"客户编号" = "customer_id"\n'
        '[tables.customers.codes.customer_type]\n"01" = "personal"\n',
        encoding="utf-8",
    )
    as_sqlalchemy = server.url().replace("postgresql:", "postgresql+psycopg2:")
    with open_bank(as_sqlalchemy, mapping=mapping) as bank:
        assert bank.name == "青禾银行"
        assert set(bank.columns) == {"branches", "customers", "holdings"}
        kinds = bank.table("customers").customer_type.to_pandas().unique().tolist()
        inputs = {one.name: one.fingerprint for one in bank.inputs}
    assert sorted(kinds) == ["personal", "sole_trader"]
    assert inputs["customers"] == f"postgresql://127.0.0.1:{server.port}/harvest: 7 rows"


def test_what_is_wrong_there_comes_in_one_error(server: Server) -> None:
    """The contract's checks are made in the database, and the password is in no message."""
    tables = tiny()
    tables["customers"].loc[0, "customer_type"] = "robot"
    tables["holdings"].loc[1, "customer_id"] = "C9"
    tables["holdings"].loc[2, "account_id"] = "A1"
    tables["holdings"].loc[2, "as_of"] = "2026-06-30"
    server.load(tables)
    with pytest.raises(BankDataError) as caught:
        open_bank(server.url())
    message = str(caught.value)
    assert "customers.customer_type: 1 row: unknown customer_type" in message
    assert "holdings.customer_id: 1 row: not in customers.customer_id at the same as_of" in message
    assert "holdings: 1 row: the key (as_of, account_id) occurs twice" in message
    assert message.startswith("3 problems in 2 tables of postgresql://127.0.0.1:")
    assert PASSWORD not in message


def test_a_database_that_may_only_be_read(server: Server) -> None:
    """Where no temporary table may be made the figures are the same, and a warning says why."""
    server.load(tiny())
    url = server.url() + "?options=-cdefault_transaction_read_only%3Don"
    reason = r"no temporary tables.*This session may only read"  # no right would help
    with open_bank(url) as bank, pytest.warns(UserWarning, match=reason):
        same = bank.materialize(bank.table("holdings"))
        assert same.count().execute() == 7


def test_tables_that_may_not_be_read_are_named(server: Server, tmp_path: Path) -> None:
    """What a user may not read is in no list of tables: it was taken for not delivered."""
    server.load(tiny())
    url = server.url() + "?options=-crole%3Dreader"
    server.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader", "CREATE TABLE ledger (x int)")
    server.run("GRANT SELECT ON branches, customers, holdings TO reader")
    unread = r"opened without ledger, which this user .* GRANT SELECT ON ledger TO this user"
    with pytest.warns(UserWarning, match=unread) as told, open_bank(url) as bank:
        assert set(bank.columns) == {"branches", "customers", "holdings"}
    without = next(w.message for w in told if "ledger" in str(w.message))
    assert "数据库中有ledger，但本用户无权读取" in str(in_language(without, "zh"))
    for name in ("ledger", "public.ledger"):
        with pytest.raises(UsageError, match=f"holds {name} and lets this user read none of it"):
            open_bank(url, tables={"ledger": name})
    (tmp_path / "own.toml").write_text('[tables.ledger.columns]\nx = "balance"\n')
    with pytest.raises(UsageError, match="holds ledger and lets this user read none of it"):
        open_bank(url, mapping=tmp_path / "own.toml")
    server.run("DROP TABLE ledger; REVOKE SELECT ON holdings FROM reader")
    with pytest.raises(UsageError, match="holds holdings and lets this user read none of it"):
        open_bank(url)
    server.run("GRANT SELECT ON holdings TO reader")
    with pytest.warns(UserWarning, match="Ask for the right to make them"):
        server.run(f"REVOKE TEMPORARY ON DATABASE {DATABASE} FROM public")
        with open_bank(url) as bank:
            bank.materialize(bank.table("holdings"))
    server.run("CREATE SCHEMA shut")
    with pytest.raises(EngineError, match="permission denied for schema shut"):
        open_bank(url, tables={"ledger": "shut.ledger"})
    server.run(f"GRANT TEMPORARY ON DATABASE {DATABASE} TO public")
    server.run("DROP SCHEMA shut; DROP OWNED BY reader; DROP ROLE reader")


def test_a_type_of_that_database_alone_is_named(server: Server) -> None:
    """PostgreSQL's money, which Ibis takes for a decimal, ended in the driver's own error."""
    server.load(tiny())
    server.run("ALTER TABLE holdings ALTER balance TYPE money", "ANALYZE")
    with pytest.raises(EngineError, match=r"cannot cast type money to .*\. Convert it in a view"):
        open_bank(server.url())


def test_tables_without_statistics_are_named(server: Server) -> None:
    """Who never analysed a table is warned once, at opening, with the command that does it."""
    server.load(tiny())
    rename = "ALTER TABLE holdings RENAME TO old"
    server.run(rename, "CREATE TABLE holdings AS SELECT * FROM old")
    with pytest.warns(UserWarning, match=r"never analysed.*: holdings.*Run ANALYZE holdings once"):
        open_bank(server.url()).close()


def test_tables_of_an_open_connection(server: Server) -> None:
    """Tables of the analyst's own Ibis connection do as well; what was kept is dropped again."""
    import ibis

    server.load(tiny())
    backend = ibis.connect(server.url())
    kept = "SELECT count(*) FROM pg_class WHERE relname LIKE 'stockcust_step%'"
    with open_bank({name: backend.table(name) for name in tiny()}) as bank:
        frame = bank.materialize(bank.snapshot("holdings", as_of=date(2026, 9, 30)))
        assert frame.count().execute() == 4
        assert backend.con.execute(kept).fetchone() == (1,)
        bank.release(frame)
        assert backend.con.execute(kept).fetchone() == (0,)
        bank.materialize(bank.snapshot("customers", as_of=date(2026, 9, 30)))
    assert backend.con.execute(kept).fetchone() == (0,)
    assert len(backend.table("holdings").execute()) == 7
    backend.disconnect()


def test_a_wrong_password_is_not_repeated(server: Server) -> None:
    """Who cannot connect is told why, without the password that was tried."""
    wrong = server.url().replace("Geheim", "Gehaim")
    with pytest.raises(UsageError, match="password authentication failed") as caught:
        open_bank(wrong)
    assert "Gehaim" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.fixture
def doomed() -> Iterator[Server]:
    """Start a server that a test may kill."""
    with postgres() as started:
        started.load(tiny())
        yield started


def test_a_database_that_goes_away_ends_in_one_error(
    doomed: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A server killed in mid-run: one message, exit code 2, no output, no password anywhere."""
    materialize, steps = DatabaseEngine.materialize, []

    def dying(engine: DatabaseEngine, frame: Frame) -> Frame:
        steps.append(frame)
        if len(steps) == 2:
            doomed.kill()
        return materialize(engine, frame)

    monkeypatch.setattr(DatabaseEngine, "materialize", dying)
    out = tmp_path / "reports"
    command = ["stockcust", "evaluate", doomed.url(), "--quarter", "2026Q3", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert not out.exists()
    assert "停止响应" in told.err
    assert len(told.err.splitlines()) == 1
    assert PASSWORD not in told.out + told.err


def test_moments_with_a_zone_are_days_of_the_bank(server: Server) -> None:
    """Midnights of Shanghai are its days, whatever the session's zone; those of UTC are refused."""
    server.load(tiny())
    change = "ALTER TABLE customers ALTER COLUMN last_active_on TYPE "
    local = change + "timestamptz USING last_active_on::timestamp AT TIME ZONE '{}'"
    server.run(local.format("Asia/Shanghai") + "; ANALYZE customers")
    with open_bank(server.url()) as bank:
        days = bank.table("customers").last_active_on.execute().dropna()
    found = sorted({str(day)[:10] for day in days})
    assert found == ["2026-05-20", "2026-06-01", "2026-09-01", "2026-09-29"]
    back = "date USING (last_active_on AT TIME ZONE 'Asia/Shanghai')::date"
    server.run(change + back)
    server.run(local.format("UTC") + "; ANALYZE customers")
    with pytest.raises(BankDataError, match="a moment within a day where a day belongs"):
        open_bank(server.url())
