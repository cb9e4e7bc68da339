"""The sample bank written as EAST files and read back: nothing is lost, nothing made up."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from stockcust_analysis import Bank, Evaluation, evaluate, load_policy, open_bank
from stockcust_analysis.bank.sample import ORDERS, make_bank, write_east_files
from stockcust_analysis.cli import cli
from stockcust_analysis.evaluation.review import make_review
from stockcust_analysis.evaluation.worklists import make_lists
from stockcust_analysis.show import branch_figures, branch_tables
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.branch_page import (
    Remark,
    chapter_heading,
    definitions_table,
    growth_words,
    key_figures,
    page_conclusions,
)
from stockcust_analysis.show.headquarters_page import headquarters_page, review_conclusions
from stockcust_analysis.show.headquarters_tables import (
    branch_rows,
    peers_table,
    plan_table,
    score_table,
    tier_table,
)
from stockcust_analysis.show.page_data import branch_page
from stockcust_analysis.show.wording import assumptions
from tests.engines.banks import in_polars

OPENING, CLOSING = date(2026, 6, 30), date(2026, 9, 30)
BY_DEPOSITS = replace(load_policy(), aum="deposits_only")
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Frames:
    """Return the tables of a sample bank large enough for its stories."""
    return make_bank(branches=10, customers=3_000, quarters=2)


@pytest.fixture(scope="module")
def sayable(tables: Frames) -> Iterator[Evaluation]:
    """Return the evaluation of what EAST can say of the sample bank, its averages made here."""
    with open_bank(in_polars(what_east_can_say(tables), Path())) as bank:
        yield evaluate(bank, quarter="2026Q3", policy=BY_DEPOSITS)


def test_reasons_speak_of_deposits_by_whatever_amount_tiers_go(delivered: Bank) -> None:
    """Where tiers go by the period's end it is 时点存款 beside a customer, not 时点AUM."""
    by_end = replace(BY_DEPOSITS, tiers=replace(BY_DEPOSITS.tiers, value="aum_period_end"))
    lists, _, _ = make_lists(delivered, as_of=date(2026, 9, 30), policy=by_end)
    for language, said, others in (
        ("zh", "时点存款", "AUM|资产"),
        ("en", "eriod-end deposits", "AUM|assets"),
    ):
        reasons = lists[f"reason_{language}"]
        assert reasons.str.contains(said).any()
        assert not reasons.str.contains(others).any()


@contextmanager
def read_back(tables: Frames, folder: Path, **form: bool) -> Iterator[Bank]:
    """Open the sample bank's EAST files."""
    write_east_files(tables, folder, **form)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_bank(folder, layout="east5") as bank:
            yield bank


@pytest.fixture(scope="module")
def delivered(tables: Frames, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Open whole files."""
    with read_back(tables, tmp_path_factory.mktemp("whole")) as bank:
        yield bank


@pytest.fixture(scope="module")
def whole(delivered: Bank) -> list[Evaluation]:
    """Return the evaluations of whole files: by deposits, and where deposits are not AUM."""
    policies = (BY_DEPOSITS, load_policy())
    return [evaluate(delivered, quarter="2026Q3", policy=policy) for policy in policies]


@pytest.fixture(scope="module")
def cut(tables: Frames, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Return the evaluation of files as they are delivered, by a rule that exempts who is paid."""
    rules = load_policy()
    own = replace(rules.dormancy, name="own", exempt=("payroll",))
    with read_back(tables, tmp_path_factory.mktemp("cut"), cut=True) as bank:
        return evaluate(bank, quarter="2026Q3", policy=replace(rules, dormancy=own))


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


def test_there_and_back_every_measure_is_the_samples(
    sayable: Evaluation, whole: list[Evaluation]
) -> None:
    """Counts are equal exactly and money to the cent, of every branch and quarter."""
    assert len(sayable.measures) > 2_500
    assert differences(whole[0].measures, sayable.measures).empty


@pytest.mark.slow
def test_masked_files_say_the_same(tables: Frames, sayable: Evaluation, tmp_path: Path) -> None:
    """Names and identity numbers are no part of any figure."""
    with read_back(tables, tmp_path, masked=True) as bank:
        back = evaluate(bank, quarter="2026Q3", policy=BY_DEPOSITS)
    assert differences(back.measures, sayable.measures).empty


def test_averages_of_month_ends_say_that_they_are_approximate(
    whole: list[Evaluation], cut: Evaluation
) -> None:
    """Every page says how averages are made; without whole transactions they fall back."""
    quarters = ["2026Q2", "2026Q3"]
    always = {"last_moved": quarters, "no_maturities": quarters}
    assert whole[0].policy_facts["approximations"] == {
        "cut": ["2026Q2"],
        "rebuilt": ["2026Q3"],
        "period_ends": ["2026Q2"],
        **always,
    }
    assert cut.policy_facts["approximations"] == {"cut": quarters, **always}
    assert cut.policy_facts["aum_from"]["aum_average_quarter"] == "holdings.balance"


def test_from_cut_transactions_payroll_is_not_provided(cut: Evaluation) -> None:
    """Who is paid is unknown, not unpaid: no penetration, and an exemption by it is named."""
    measures = cut.measures
    assert "payroll" not in set(measures.loc[measures["measure"] == "penetration", "member"])
    assert [family["name"] for family in cut.policy_facts["exempt_missing"]] == ["payroll"]
    told = "".join(assumptions(cut.policy_facts, "zh"))
    assert "睡眠客户的豁免条件中，代发工资未提供，未予豁免" in told


def test_numbers_of_families_compare_where_the_same_are_known(whole: list[Evaluation]) -> None:
    """Payroll is known of the third quarter alone: more products than in the second are no rise."""
    measures = whole[0].measures
    quarters = measures.loc[measures["measure"] == "multi_product_share", "quarter"]
    assert {*quarters} == {"2026Q3"}


def test_without_positions_of_wealth_aum_is_not_provided(whole: list[Evaluation]) -> None:
    """No tiers, and no scores and places by amounts, unless the policy has them by deposits."""
    back = whole[1]
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


def test_pages_without_tiers_say_neither_their_borders_nor_assets(
    whole: list[Evaluation],
) -> None:
    """What is called 存款 in one place is not 资产 in another; by deposits there are borders."""
    by_deposits, page = (branch_page(e, branch_id="B001", language="zh") for e in whole)
    told, known = (dict(definitions_table(p).rows) for p in (page, by_deposits))
    assert [term for term in known if term not in told] == ["客户分层", "客户类别"]
    assert told["管户与贵宾"] == "首联限2天；6个月未联络回收；5次未成交暂停。"
    assert "存款达50,000元应管户" in known["管户与贵宾"]
    captions = [page.text(key, "caption") for key in ("concentration", "lorenz", "tiers")]
    verdicts = [page.text(key, "bridge_verdict") for key in ("steady", "offset", "falling")]
    assert not [text for text in captions + verdicts if "资产" in text.replace("有资产", "")]


def test_an_indicator_has_one_value_on_a_page(whole: list[Evaluation]) -> None:
    """The same deposits are no 2,783 in one table and 未提供 in the next; no plan of AUM is met."""
    page = branch_page(whole[1], branch_id="B001", language="zh")
    table, overview = branch_figures.scorecard_table(page), branch_tables.overview_table(page)
    assert table is not None
    assert overview is not None
    rows = {row[0]: row for row in table.rows}
    (deposits,) = (row[2] for row in overview.rows if row[0] == "季日均存款")
    assert rows["季日均存款"][1] == f"{deposits}万元"
    assert rows["季日均存款"][4] == "—"
    assert rows["贵宾客户占比"][1] == rows["建档率"][1] == "未提供"


def test_plans_are_not_compared_with_what_is_delivered_in_part(whole: list[Evaluation]) -> None:
    """Deposits say nothing of a plan of AUM, nor two families of one of all: 未提供 everywhere."""
    by_policy, back = (branch_page(e, branch_id="B001", language="zh") for e in whole)
    planned_in_part = {"aum_average_quarter", "multi_product_share"}
    # Whose funds and insurance are not known may be funded by them.
    in_part = {*planned_in_part, "customers"}
    assert by_policy.attained("customers", 1.0) is not None
    assert {name for name in back.targets if back.attained(name, 1.0) is None} == in_part
    assert by_policy.attained("aum_average_quarter", 1.0) is not None
    assert by_policy.attained("multi_product_share", 1.0) is None
    card = back.evaluation.scorecard.set_index("measure")
    planned = card[card["target_source"] == "plan"]
    assert {*planned.index} == planned_in_part
    assert planned["target"].notna().all()
    assert planned["attainment"].isna().all()
    assert {*planned["note"]} == {"no_value left_out", "not_comparable left_out"}
    table = branch_tables.overview_table(back)
    assert table is not None
    assert [row[-2] for row in table.rows].count("未提供") == len(in_part)
    review = headquarters_page(make_review(back.evaluation, policy=load_policy()), language="zh")
    assert not review.attainments
    plans = plan_table(review)
    assert plans is not None
    printed = {row[0]: (row[4], row[-1]) for row in plans.rows}
    assert [parts for parts in printed.values() if "未提供" in parts] == [("未提供", "未提供")] * 3
    assert not [s.text for s in review_conclusions(review).sentences if "计划" in s.text]


def test_averages_of_two_definitions_are_not_compared(whole: list[Evaluation]) -> None:
    """June's are balances, September's rebuilt: no change of them, nor of whom they make funded."""
    page = branch_page(whole[1], branch_id="B001", language="zh")
    table = branch_tables.overview_table(page)
    assert table is not None
    assert not any("▲" in cell or "▼" in cell for row in table.rows for cell in row)
    assert "口径不同的季度" in table.note
    assert page.value("customers", base="all", quarter="2026Q2")
    assert "环比" not in repr(page_conclusions(page))
    review = headquarters_page(make_review(whole[1], policy=load_policy()), language="zh")
    *_, total = branch_rows(review)
    assert total["previous_quarter"] is None
    assert total["retention"] is None
    assert "customer_retention" not in set(review.evaluation.comparison["measure"])
    by_average = [
        s.text for s in review_conclusions(review).sentences if "有资产客户季日均" in s.text
    ]
    assert by_average
    assert "环比" not in by_average[0]
    alike = branch_page(made_alike(whole[1]), branch_id="B001", language="zh")
    assert alike.value("customers", base="funded", quarter="2026Q2")
    assert alike.value("customer_retention") is not None


def made_alike(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation as one whose averages are rebuilt in both quarters."""
    facts = evaluation.policy_facts | {"approximations": {"rebuilt": ["2026Q2", "2026Q3"]}}
    return replace(evaluation, policy_facts=facts)


@pytest.mark.slow
def test_files_of_branches_overlap_and_count_once(
    tables: Frames, whole: list[Evaluation], tmp_path: Path
) -> None:
    """Two licences' files give the same customers and balances; no average is rebuilt."""
    with read_back(tables, tmp_path, split=True) as bank:
        split = evaluate(bank, quarter="2026Q3", policy=BY_DEPOSITS)
    for measure in ("customers", "aum_period_end", "active_rate"):
        found, expected = (
            e.measures[(e.measures["measure"] == measure) & (e.measures["base"] == "all")]
            for e in (split, whole[0])
        )
        pd.testing.assert_frame_equal(found, expected)
    assert "rebuilt" not in split.policy_facts["approximations"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_say_deposits_and_what_is_not_provided(
    whole: list[Evaluation], language: Language
) -> None:
    """No heading, table, sentence or chart calls deposits AUM; of tiers a sentence says why not."""
    page = branch_page(made_alike(whole[1]), branch_id="B001", language=language)
    shown = [
        key_figures(page),
        page_conclusions(page),
        growth_words(page),
        branch_tables.overview_table(page),
        chapter_heading(page, "concentration"),
        branch_tables.tier_table(page),
        branch_tables.measure_table(page, "concentration"),
        branch_tables.dormancy_table(page),
        branch_tables.bridge_table(page),
        branch_figures.scorecard_table(page),
        branch_figures.scorecard_figure(page),
        branch_figures.aum_figure(page),
        branch_figures.lorenz_figure(page),
        branch_figures.dormancy_figure(page),
        branch_figures.bridge_figure(page),
    ]
    shown.append(Remark(page.text("silent_with_assets", "task")))
    words = [repr(block._repr_mimebundle_()) for block in shown if block is not None]
    unknown = page.text("not_provided")
    assert len(words) == len(shown)
    # Notes alone say AUM: that deposits are not.
    for note in ("不是AUM", "deposits are not AUM"):
        words = [word.replace(note, "") for word in words]
    assert [word for word in words if "AUM" in word] == []
    headings = {
        "zh": ("存款集中度", "有存款的沉默客户"),
        "en": ("of deposits", "customers with deposits"),
    }
    assert all(name in repr(words) for name in headings[language])
    assert not re.search("有资产的|资产集中度|with assets|ion of assets", repr(words))
    tiers = branch_tables.tier_table(page)
    assert isinstance(tiers, Remark)
    assert unknown in tiers.text
    review = headquarters_page(make_review(whole[1], policy=load_policy()), language=language)
    for of_bank, own in (
        (tier_table(review), tiers),
        (score_table(review), branch_figures.scorecard_figure(page)),
    ):
        assert isinstance(of_bank, Remark)
        assert of_bank == own
    assert peers_table(review) is None
    assert unknown in repr(branch_figures.scorecard_table(page).rows)
    assert branch_figures.tier_figure(page) is None
    assert branch_figures.migration_figure(page) is None


def test_the_command_writes_east_files_as_they_are_delivered(tmp_path: Path) -> None:
    """Cut: no record below 1,000; masked: no name, no identity number; split: two licences."""
    size = ["--customers", "1000", "--branches", "10", "--quarters", "2"]
    forms = ["--form", "cut", "--form", "masked", "--form", "split"]
    command = ["sample", "--out", str(tmp_path), "--layout", "east5", *size, *forms]
    ran = CliRunner().invoke(cli, [*command, "--language", "en"])
    assert ran.exit_code == 0
    number = len([*tmp_path.glob("*.txt")])
    assert ran.output.startswith(f"{number} files of EAST 5.0 written to {tmp_path}, ")
    assert ran.output.endswith(f"Next: stockcust check {tmp_path} --layout east5\n")
    cells = {
        table: [
            dict(zip(ORDERS[table], line.split("\x01"), strict=True))
            for path in tmp_path.glob(f"*-{table}-*.txt")
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        for table in ("GRCKFHZMX", "GRJCXXB")
    }
    assert min(float(row["JYJE"]) for row in cells["GRCKFHZMX"]) >= 1000
    assert {len(row["ZJHM"]) for row in cells["GRJCXXB"]} == {70}
    assert {len(row["KHXM"]) for row in cells["GRJCXXB"]} == {1}
    assert len({path.name.split("-")[0] for path in tmp_path.glob("*.txt")}) == 2
