"""What a bank does not deliver is named, never taken for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

import stockcust_analysis as sca
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.peers import peer_groups
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.measures.coverage import contact_rounds, managed_share, service_by_class
from stockcust_analysis.policy import ComparisonRule
from stockcust_analysis.show import branch_tables, findings
from stockcust_analysis.show.branch_page import average_is_balance
from stockcust_analysis.show.page_data import BranchPage
from stockcust_analysis.show.wording import assumptions
from tests.conftest import SAMPLE
from tests.tiny_bank import CUSTOMERS as TINY_CUSTOMERS
from tests.tiny_bank import HOLDINGS as TINY_HOLDINGS
from tests.tiny_bank import as_frames, write_tiny_bank

BRANCHES = "branch_id,name\n001,城关支行\n002,柳树支行\n"
CUSTOMERS = """\
as_of,customer_id,branch_id,customer_type,last_active_on
2026-09-30,C1,001,personal,2026-09-01
2026-09-30,C2,001,personal,
2026-09-30,C3,002,personal,2026-05-20
"""
HOLDINGS = """as_of,account_id,customer_id,product,balance
2026-09-30,A1,C1,demand_deposit,1200.00
2026-09-30,A2,C2,fund,250.75
2026-09-30,A3,C3,time_deposit,70000.00
"""


def evaluated(folder: Path, **tables: str) -> Evaluation:
    """Evaluate a bank of the least columns the contract asks for."""
    texts = {"branches": BRANCHES, "customers": CUSTOMERS, "holdings": HOLDINGS, **tables}
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    with open_bank(as_frames(folder)) as bank:
        return evaluate(bank, quarter="2026Q3", first_quarter=True)


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Evaluate the bank that delivers nothing optional."""
    return evaluated(tmp_path_factory.mktemp("bank"))


def test_the_least_bank_is_evaluated(least: Evaluation) -> None:
    """Region, type and the day of first relationship are optional: empty, and no such figures."""
    assert least.branches["region"].tolist() == ["", ""]
    assert least.branches["type"].tolist() == ["", ""]
    assert "established" not in set(least.measures["base"])
    rows = least.measures.set_index(["branch_id", "measure", "base", "member"])["value"]
    assert rows[WHOLE_BANK, "aum_average_quarter", "funded", ""] == 71450.75


def test_a_balance_in_place_of_an_average_is_told(least: Evaluation) -> None:
    """Without averages the balance stands in their place, and a sentence says so."""
    assert average_is_balance(least.policy_facts)
    assert "季日均AUM未提供，以期末余额代替。" in assumptions(least.policy_facts, "zh")
    told = "".join(assumptions(least.policy_facts, "en"))
    assert "No figure of quarter-average AUM was delivered: the balance of the as-of date" in told
    assert "of a year or more" in told


def test_families_nobody_delivered_have_no_share(least: Evaluation) -> None:
    """Of deposits and funds there are shares; of wealth, which no row holds, there is none."""
    shares = least.measures[least.measures["measure"] == "penetration"]
    assert set(shares["member"]) == {"deposit", "fund"}
    assert set(least.co_holding["family_a"]) == {"deposit", "fund"}
    assert "wealth" in [each["name"] for each in least.policy_facts["families_missing"]]
    (told,) = (text for text in assumptions(least.policy_facts, "zh") if "未提供产品数据" in text)
    assert "理财、保险" in told
    assert "存款" not in told


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_an_analyst_is_shown_the_members_of_the_page(tmp_path: Path, engine: str) -> None:
    """Deposits, loans and mobile banking are delivered: nothing else has a share, of 0 or more."""
    holdings = f"{TINY_HOLDINGS}2026-09-30,M1,C1,mobile_banking,0.00\n"
    tables: dict[str, Any] = as_frames(write_tiny_bank(tmp_path, holdings=holdings))
    if engine == "duckdb":
        own = duckdb.connect()
        pytest.importorskip("pyarrow")
        tables = {name: own.from_arrow(table.to_arrow()) for name, table in tables.items()}
    with open_bank(tables) as bank:
        found, customers = evaluate(bank, quarter="2026Q3"), bank.customers("2026Q3")
        frame = bank.customers_frame("2026Q3")
        several = bank.customers("2026Q3", quarters=2)
        lazily = [sca.penetration(frame), sca.co_holding(frame), sca.products_per_customer(frame)]
    assert customers[["holds_deposit", "holds_loan", "uses_mobile_banking"]].notna().all(axis=None)
    assert customers[["holds_fund", "holds_bond_metal", "uses_sms"]].isna().all(axis=None)
    shares = sca.penetration(customers)
    assert shares["family"].tolist() == ["deposit", "loan", "mobile_banking"]
    page = found.measures[
        found.measures[["quarter", "branch_id"]].eq(["2026Q3", WHOLE_BANK]).all(axis=1)
    ]
    drawn = page[page["measure"].isin(shares["measure"]) & (page["base"] == "funded")]
    assert drawn.set_index("member")["value"].to_dict() == dict(
        zip(shares["family"], shares["value"], strict=True)
    )
    pairs = sca.co_holding(customers)
    own = found.co_holding[found.co_holding["branch_id"] == WHOLE_BANK]
    assert pairs["family_a"].tolist() == own["family_a"].tolist() == ["deposit", "loan"]
    for measure in ("products_per_customer", "multi_product_share"):
        (on_page,) = page[(page["measure"] == measure) & (page["base"] == "funded")]["value"]
        assert getattr(sca, measure)(customers)["value"].tolist() == [on_page]
    wanted = [shares, pairs, sca.products_per_customer(customers)]
    for lazy, eager in zip(lazily, wanted, strict=True):
        assert_frame_equal(lazy.to_pandas(), eager.to_pandas())
    assert "未提供，故不列出、不计入：理财" in repr(shares)
    assert "贷款" not in repr(pairs).partition("未提供")[2]
    series = sca.penetration(several, over="quarter").groupby("quarter")["family"].agg(list)
    assert series.to_dict() == {"2026Q2": ["deposit"], "2026Q3": shares["family"].tolist()}


ASSIGNMENTS = """customer_id,valid_from,manager_id,valid_to,reason,first_contact_on
C1,2026-01-01,M1,,initial,
C2,2026-01-01,M1,,initial,
C3,2026-01-01,M2,,initial,
"""
MANAGERS = "manager_id,branch_id,name,role\nM1,001,甲,counter\nM2,002,乙,vip\n"
OF_CONTACTS = ("contact_coverage", "contact_due_share", "first_call_in_time", "reclaim_due_share")


def served_frames(folder: Path) -> dict[str, pl.DataFrame]:
    """Return a bank's files as frames, the days of its assignments as days."""
    tables = as_frames(folder)
    days = (pl.col(name).cast(pl.String).str.to_date() for name in ("valid_from", "valid_to"))
    return tables | {"assignments": tables["assignments"].with_columns(*days)}


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_assignments_alone_say_who_manages_whom(tmp_path: Path, engine: str) -> None:
    """Three of four customers, by two managers: 1.5 each. Whom they spoke to is unknown, not 0."""
    service = {"assignments": ASSIGNMENTS, "managers": MANAGERS}
    folder = write_tiny_bank(tmp_path, **service)
    with open_bank(served_frames(folder) if engine == "polars" else folder) as bank:
        found, customers = evaluate(bank, quarter="2026Q3"), bank.customers("2026Q3")
        frame = bank.customers_frame("2026Q3")
        lazily = sca.coverage(frame)
    assert customers.set_index("customer_id")["manager_id"].dropna().tolist() == ["M1", "M1", "M2"]
    assert {"covered", "customer_class", "round_1_contacts", "sales"}.isdisjoint(customers)
    rows = sca.coverage(customers).set_index("measure")["value"].dropna().to_dict()
    load = {"customers_per_counter_manager": 2.0, "customers_per_vip_manager": 1.0}
    assert rows == {"hand_over_due_share": 0.0, "customers_per_manager": 1.5, **load}
    assert_frame_equal(lazily.to_pandas(), sca.coverage(customers).to_pandas())
    assert "未提供联络，故不列出" in repr(sca.coverage(customers))
    # Of those from 50,000 CNY, who is C3 alone, all are managed.
    managed = managed_share(customers).set_index("measure")["value"]
    assert managed[["managed_customers", "managed_share"]].tolist() == [3.0, 1.0]
    for of_contacts in (service_by_class, contact_rounds):
        with pytest.raises(UsageError, match="known where the bank delivers contacts"):
            of_contacts(customers)
    whole = found.measures.query("branch_id == '@bank' and quarter == '2026Q3'")
    values = whole.drop_duplicates("measure").set_index("measure")["value"]
    assert values["customers_per_manager"] == 1.5 and values["managed_share"] == 1.0
    unknown = whole["measure"].str.startswith(("class_", "round_", *OF_CONTACTS))
    assert not unknown.any()
    assert any("联络未提供" in sentence for sentence in assumptions(found.policy_facts, "zh"))


def test_a_page_without_contacts_says_so(tmp_path: Path) -> None:
    """The chapter judges and has what assignments tell, and its note names what is missing."""
    people = "".join(
        f"2026-09-30,D{n},001,personal,2020-01-01,2026-09-01,9e4,9e4\n" for n in range(40)
    )
    held = "".join(f"2026-09-30,E{n},D{n},demand_deposit,90000.00\n" for n in range(40))
    given = "".join(f"D{n},2026-01-01,M1,,initial,\n" for n in range(40))
    tables = {"customers": TINY_CUSTOMERS + people, "holdings": TINY_HOLDINGS + held}
    service = {"assignments": ASSIGNMENTS + given, "managers": MANAGERS}
    with open_bank(served_frames(write_tiny_bank(tmp_path, **tables, **service))) as bank:
        page = BranchPage(evaluate(bank, quarter="2026Q3"), "zh", "001")
    said = findings.section_conclusion(page, "service")
    assert said.lead == "管户率与全行相当"
    assert said.text.startswith("达到管户标准的客户中，已有管户经理的占")
    table = branch_tables.measure_table(page, "coverage")
    assert table is not None
    assert {"管户率", "人均管户数"} <= {row[0] for row in table.rows}
    assert "待联络客户占比" not in {row[0] for row in table.rows}
    assert "联络未提供，不列示" in table.note and "待回收客户占比：" not in table.note
    assert branch_tables.class_table(page) is None


def test_an_average_made_from_balances_is_told_with_the_result(tmp_path: Path) -> None:
    """The tiny bank delivers the quarter's average and no month's: only the latter has a note."""
    with open_bank(as_frames(write_tiny_bank(tmp_path))) as bank:
        customers, frame = bank.customers("2026Q3"), bank.customers_frame("2026Q3")
        both = bank.customers("2026Q3", quarters=2)
        lazily = sca.concentration(frame, value="aum_average_month").about.notes
    said = sca.concentration(customers, value="aum_average_month")
    assert "月日均AUM未提供，以期末余额代替。" in repr(said)
    assert lazily == said.about.notes
    assert "未提供" not in repr(sca.concentration(customers, value="aum_average_quarter"))
    series = sca.asset_retention(both, both, over="quarter", value="aum_average_month")
    assert "月日均AUM未提供" in repr(series)


def test_a_series_says_of_which_quarters_what_was_not_delivered(tmp_path: Path) -> None:
    """Loans are there in 2026Q3 alone; funds in neither quarter, which is said once of both."""
    with open_bank(as_frames(write_tiny_bank(tmp_path))) as bank:
        both = bank.customers("2026Q3", quarters=2)
    said = repr(sca.penetration(both, over="quarter")).splitlines()[-1]
    before, now = said.split("2026Q3：")
    assert before.startswith("2026Q2：未提供，故不列出、不计入：") and "贷款" in before
    assert "贷款" not in now and "基金" in now
    alike = both.assign(as_of=pd.to_datetime(both["as_of"]), holds_loan=1.0)
    assert repr(sca.penetration(alike, over="quarter")).count("未提供，故不列出") == 1
    now = alike.query("as_of > '2026-07'")
    assert "未提供，故不列出" in repr(sca.products_per_customer(now, by="family"))


def test_nothing_is_said_of_customers_who_know_all_families() -> None:
    """The sample bank delivers them all."""
    with open_bank(SAMPLE) as bank:
        customers = bank.customers("2026Q3")
    assert sca.penetration(customers).about.notes == ()
    assert customers.filter(regex="^(holds|uses)_").notna().all(axis=None)


# Beside deposits C3 has a loan then, and C1 something new now.
BEGINNING = f"{TINY_HOLDINGS}2026-06-30,L1,C3,loan,100.00\n2026-09-30,N1,C1,{{}},0.01\n"


@pytest.mark.parametrize(("product", "then"), [("etc", [4 / 3]), ("fund", [])])
def test_only_a_family_that_begins_changes_what_can_be_counted(
    tmp_path: Path, product: str, then: list[float]
) -> None:
    """Three customers held 4 families; a channel is none; of funds it is unknown who held them."""
    with open_bank(
        as_frames(write_tiny_bank(tmp_path, holdings=BEGINNING.format(product)))
    ) as bank:
        found = evaluate(bank, quarter="2026Q3")
    rows = found.measures.query("measure == 'products_per_customer' and base == 'funded'")
    values = rows[rows["branch_id"] == WHOLE_BANK].set_index("quarter")["value"]
    assert values.drop("2026Q3").tolist() == pytest.approx(then)
    told = [text for text in assumptions(found.policy_facts, "zh") if "不列示其户均" in text]
    assert [text[:6] for text in told] == ["2026Q2"] * (not then)


def test_a_bank_that_delivers_averages_assumes_nothing_of_them(tmp_path: Path) -> None:
    """Delivered averages are taken, and nothing is said."""
    head, *rows = CUSTOMERS.splitlines()
    lines = [f"{head},aum_period_end,aum_average_month,aum_average_quarter,relationship_since"]
    lines += [f"{row},1000,1000,1000,2020-01-01" for row in rows]
    found = evaluated(tmp_path, customers="\n".join(lines))
    assert not average_is_balance(found.policy_facts)
    assert [text for text in assumptions(found.policy_facts, "zh") if "AUM" in text] == []
    assert not [text for text in assumptions(found.policy_facts, "zh") if "建立关系日期" in text]


def test_an_empty_first_day_is_no_problem(tmp_path: Path) -> None:
    """Some cells may be empty: their customers are left out of those of a year or more."""
    head, *rows = CUSTOMERS.splitlines()
    days = ("2020-01-01", "", "2020-01-01")
    lines = [f"{row},{day}" for row, day in zip(rows, days, strict=True)]
    found = evaluated(tmp_path, customers="\n".join([f"{head},relationship_since", *lines]))
    rows_of = found.measures[found.measures["base"] == "established"]
    assert set(rows_of.loc[rows_of["branch_id"] == WHOLE_BANK, "n"]) == {2}


def test_branches_without_a_type_are_peers_of_one_another() -> None:
    """Two urban branches, two of which nothing is known: two groups of two."""
    branches = pd.DataFrame({"branch_id": list("ABCD"), "type": ["urban", "", "urban", ""]})
    none = pd.DataFrame(columns=["quarter", "measure", "base", "member", "branch_id"])
    groups = peer_groups(branches, none, rule=ComparisonRule(peers="type"), quarter="2026Q3")
    assert groups.members[groups.group_of["B"]] == ("B", "D")
    assert groups.group_of["B"] == "untyped"


@pytest.mark.parametrize("cut", ["manager_id", "manager"])
def test_a_cut_by_manager_names_the_tables_it_needs(tmp_path: Path, cut: str) -> None:
    """The tiny bank delivers neither who manages whom nor contacts."""
    with open_bank(as_frames(write_tiny_bank(tmp_path))) as bank:
        customers = bank.customers("2026Q3")
    with pytest.raises(UsageError, match=rf"no '{cut}': .* delivers assignments\."):
        sca.penetration(customers, by=cut)
