"""The sample bank written as EAST files and read back: nothing is lost, nothing made up."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from stockcust_analysis import Evaluation, evaluate, load_policy, open_bank
from stockcust_analysis.bank.sample.east5 import write_east_files
from stockcust_analysis.show import branch_figures, branch_tables
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.branch_page import growth_words, key_figures, page_conclusions
from stockcust_analysis.show.page_data import branch_page
from tests.bank.east5_files import SAMPLE_TABLES

OPENING, CLOSING = date(2026, 6, 30), date(2026, 9, 30)
BY_DEPOSITS = replace(load_policy(), aum="deposits_only")
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Frames:
    """Return the sample bank's tables."""
    return {name: duckdb.sql(f"FROM '{path}'").df() for name, path in SAMPLE_TABLES.items()}


@pytest.fixture(scope="module")
def sayable(tables: Frames) -> Iterator[Evaluation]:
    """Return the evaluation of what EAST can say of the sample bank, its averages made here."""
    with open_bank(what_east_can_say(tables)) as bank:
        yield evaluate(bank, quarter="2026Q3", policy=BY_DEPOSITS)


def read_back(
    tables: Frames, folder: Path, policy: object = BY_DEPOSITS, **form: bool
) -> Evaluation:
    """Return the evaluation of the sample bank's EAST files."""
    write_east_files(tables, folder, **form)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_bank(folder, layout="east5") as bank:
            return evaluate(bank, quarter="2026Q3", policy=policy)  # type: ignore[arg-type]


def register(connection: duckdb.DuckDBPyConnection, tables: Frames) -> None:
    """Register the tables; every second sole trader is licensed, and EAST has no 404 of his."""
    for name, frame in tables.items():
        connection.register(name, frame)
    connection.execute("""CREATE VIEW licensed AS SELECT DISTINCT customer_id FROM customers
        WHERE customer_type = 'sole_trader' AND right(customer_id, 1)::INT % 2 = 1""")


def what_east_can_say(tables: Frames) -> Frames:
    """Return the sample bank without what EAST has no source of."""
    averages = pd.DataFrame(daily_averages(tables).items(), columns=["account_id", "average"])
    with duckdb.connect() as connection:
        register(connection, tables | {"averages": averages})
        people = connection.sql(f"""
            SELECT as_of, customer_id, branch_id, customer_type, relationship_since, closed_on,
                last_active_on, CASE WHEN exclusion = 'frozen' THEN exclusion
                WHEN customer_id IN (FROM licensed) THEN NULL
                WHEN exclusion = 'staff' THEN exclusion -- of a birth no day is known
                WHEN date_trunc('month', birth_date) + INTERVAL 18 YEAR > as_of THEN 'minor' END
                AS exclusion
            FROM customers WHERE customer_type <> 'corporate' AND as_of >= '{OPENING}'""").df()
        connection.register("people", people)
        accounts = connection.sql(f"""
            SELECT as_of, account_id, customer_id, product, balance, booking_branch_id,
                CASE WHEN as_of = '{CLOSING}' THEN COALESCE(average, balance) ELSE balance END
                AS average_balance,
                CASE WHEN product NOT IN ('payroll', 'mobile_banking', 'credit_card')
                    THEN opened_on END AS opened_on,
                CASE WHEN product = 'loan' THEN matures_on END AS matures_on,
                CASE WHEN product IN ('credit_card', 'payroll') THEN used_recently END
                AS used_recently
            FROM holdings LEFT JOIN averages USING (account_id)
            SEMI JOIN people USING (as_of, customer_id)
            WHERE product IN ('demand_deposit', 'time_deposit', 'loan', 'credit_card',
                'social_security_card') OR (as_of = '{CLOSING}'
                AND customer_id NOT IN (FROM licensed)
                AND (product = 'mobile_banking' OR (product = 'payroll' AND used_recently)))
            UNION ALL -- what was closed within the quarter has its part in the average
            SELECT DATE '{CLOSING}', account_id, customer_id, product, 0, booking_branch_id,
                average, NULL, NULL, NULL FROM holdings JOIN averages USING (account_id)
            WHERE as_of = '{OPENING}' AND average > 0 AND account_id NOT IN (
                SELECT account_id FROM holdings WHERE as_of = '{CLOSING}') AND customer_id IN (
                SELECT customer_id FROM people
                WHERE as_of = '{CLOSING}' AND closed_on IS NULL)""").df()
    result = {"customers": people, "holdings": accounts}
    for name in ("assignments", "contacts"):
        frame = tables[name]
        result[name] = frame[frame["customer_id"].isin(people["customer_id"])]
    others = ("branches", "branch_successors", "managers", "targets")
    return result | {name: tables[name] for name in others}


def daily_averages(tables: Frames) -> dict[str, Decimal]:
    """Return each deposit's average over the quarter, day by day, but of licensed sole traders.

    Transactions move a customer's first demand deposit; on the last day every account has its
    closing balance. A salary of 3,000 is paid in on 15 September, 10 are paid by telephone on 18.
    """
    with duckdb.connect() as connection:
        register(connection, tables)
        rows = connection.sql(f"""
            SELECT account_id, customer_id, any_value(product),
                COALESCE(sum(balance::DECIMAL(18, 2)) FILTER (as_of = '{OPENING}'), 0),
                COALESCE(sum(balance::DECIMAL(18, 2)) FILTER (as_of = '{CLOSING}'), 0)
            FROM holdings SEMI JOIN (SELECT customer_id FROM customers
                WHERE customer_type <> 'corporate' AND customer_id NOT IN (FROM licensed))
                USING (customer_id)
            WHERE as_of >= '{OPENING}' AND product IN ('demand_deposit', 'time_deposit')
            GROUP BY ALL ORDER BY ALL""").fetchall()
        paid = connection.sql(f"""
            SELECT customer_id, transacted_on::DATE, amount::DECIMAL(18, 2) FROM transactions
            UNION ALL SELECT customer_id, DATE '2026-09-15', 3000 FROM holdings
            WHERE as_of = '{CLOSING}' AND product = 'payroll' AND used_recently
            UNION ALL SELECT customer_id, DATE '2026-09-18', -10 FROM holdings
            WHERE as_of = '{CLOSING}' AND product = 'mobile_banking'""").fetchall()
    moves: dict[str, list[tuple[date, Decimal]]] = {}
    for owner, day, amount in paid:
        moves.setdefault(owner, []).append((day, amount))
    averages = {}
    for account, owner, product, opening, closing in rows:
        level, day, total = Decimal(opening), date(2026, 7, 1), Decimal(0)
        is_first = product == "demand_deposit" and owner in moves
        for moved_on, amount in sorted(moves.pop(owner)) if is_first else ():
            total += level * (moved_on - day).days
            level, day = level + amount, moved_on
        total += level * (CLOSING - day).days + Decimal(closing)
        averages[account] = (total / 92).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return averages


KEYS = ["quarter", "branch_id", "measure", "dimension", "member", "base"]


def differences(found: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Return the measures that are not the same, or stand on one side alone."""
    both = found.merge(expected, on=KEYS, how="outer", suffixes=("", "_e"), indicator=True)
    same = both["_merge"] == "both"
    for name in ("n", "numerator", "denominator"):
        same &= (both[name] - both[f"{name}_e"]).abs().fillna(0) < 0.005
    return both[~same]


@pytest.mark.parametrize("form", ["whole", "masked"])
def test_there_and_back_every_measure_is_the_samples(
    tables: Frames, sayable: Evaluation, tmp_path: Path, form: str
) -> None:
    """Counts are equal exactly and money to the cent, of every branch and quarter."""
    back = read_back(tables, tmp_path, masked=form == "masked")
    assert len(sayable.measures) > 5_000
    assert differences(back.measures, sayable.measures).empty


def test_averages_of_month_ends_say_that_they_are_approximate(
    tables: Frames, tmp_path: Path
) -> None:
    """Without whole transactions the averages fall back, and every page says on what."""
    back = read_back(tables, tmp_path, cut=True)
    assert back.policy_facts["approximations"] == {
        "cut": ["2026Q2", "2026Q3"],
        "last_moved": ["2026Q2", "2026Q3"],
        "no_maturities": ["2026Q2", "2026Q3"],
    }
    assert back.policy_facts["aum_from"]["aum_average_quarter"] == "holdings.balance"


def test_from_cut_transactions_payroll_is_not_provided(tables: Frames, tmp_path: Path) -> None:
    """Who is paid is unknown, not unpaid: no penetration, and an exemption by it is named."""
    rules = load_policy()
    exempting = replace(rules, dormancy=replace(rules.dormancy, name="own", exempt=("payroll",)))
    back = read_back(tables, tmp_path, policy=exempting, cut=True)
    measures = back.measures
    assert "payroll" not in set(measures.loc[measures["measure"] == "penetration", "member"])
    assert [family["name"] for family in back.policy_facts["exempt_missing"]] == ["payroll"]


def test_without_positions_of_wealth_aum_is_not_provided(tables: Frames, tmp_path: Path) -> None:
    """No tiers, and no scores and places by amounts, unless the policy has them by deposits."""
    back = read_back(tables, tmp_path, policy=load_policy())
    measures, indicators = set(back.measures["measure"]), back.scorecard.set_index("measure")
    assert back.policy_facts["aum"] == "not_provided"
    assert back.migration.empty
    assert not {"tier_aum", "upgrade_rate", "vip_share", "profile_completion"} & measures
    assert {"aum_average_quarter", "gini", "multi_product_share"} <= measures
    assert indicators.loc["aum_average_quarter", "value"].isna().all()
    assert indicators.loc["multi_product_share", "value"].notna().any()
    compared = set(back.comparison["measure"])
    assert "aum_per_customer" not in compared
    assert "multi_product_share" in compared


def test_files_of_branches_overlap_and_count_once(tables: Frames, tmp_path: Path) -> None:
    """Two licences' files give the same customers and balances; no average is rebuilt."""
    whole = read_back(tables, tmp_path / "whole")
    split = read_back(tables, tmp_path / "split", split=True)
    for measure in ("customers", "aum_period_end", "active_rate"):
        found, expected = (
            e.measures[(e.measures["measure"] == measure) & (e.measures["base"] == "all")]
            for e in (split, whole)
        )
        pd.testing.assert_frame_equal(found, expected)
    assert "rebuilt" not in split.policy_facts["approximations"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_say_deposits_and_what_is_not_provided(
    tables: Frames, tmp_path: Path, language: Language
) -> None:
    """No table, sentence or chart calls deposits AUM; tiers are not provided, never 0."""
    page = branch_page(
        read_back(tables, tmp_path, policy=load_policy()), branch_id="B001", language=language
    )
    shown = [
        key_figures(page),
        page_conclusions(page),
        growth_words(page),
        branch_tables.overview_table(page),
        branch_tables.tier_table(page),
        branch_tables.measure_table(page, "concentration"),
        branch_tables.dormancy_table(page),
        branch_tables.bridge_table(page),
        branch_figures.scorecard_table(page),
        branch_figures.scorecard_figure(page),
        branch_figures.aum_figure(page),
        branch_figures.lorenz_figure(page),
        branch_figures.bridge_figure(page),
    ]
    words = [repr(block._repr_mimebundle_()) for block in shown if block is not None]
    unknown = page.text("not_provided")
    assert len(words) == len(shown)
    # Notes alone say AUM: that deposits are not.
    for note in ("不是AUM", "deposits are not AUM"):
        words = [word.replace(note, "") for word in words]
    assert [word for word in words if "AUM" in word] == []
    assert all(cell == unknown for row in branch_tables.tier_table(page).rows for cell in row[1:])
    assert unknown in repr(branch_figures.scorecard_table(page).rows)
    assert branch_figures.tier_figure(page) is None
    assert branch_figures.migration_figure(page) is None
