"""The definitions (口径) on a page say the rules of the policy that its figures follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stockcust_analysis import evaluate, open_evaluation
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.branch_page import definitions_table
from stockcust_analysis.show.branch_tables import five_things, tier_table
from stockcust_analysis.show.page_data import BranchPage, branch_page
from tests.show.measure_tables import page_of, story
from tests.show.test_branch_page import LISTS
from tests.tiny_bank import TinyBank, as_frames

BASE = 'name = "own"\nversion = "1"\nbase = "rural_commercial_bank"\n'
CIB = BASE + '[dormancy]\npreset = "cib_2025"\n'
OWN = (
    BASE.replace("own", "odd")
    + """
customer_types = ["personal"]
[bases]
funded = 99.99
[tiers]
value = "aum_period_end"
tiers = [{ name = "mid", lower = 50_000.5 }]
[dormancy]
name = "mine"
cap = 0.5
idle_months = 12
clock = ["transaction", "contact"]
exempt = []
active_kinds = ["cash", "interest", "salary", "rollover", "utility_debit", "loan_repayment"]
value = "aum_average_quarter"
[families]
aum_products = ["demand_deposit", "wealth", "fund"]
"""
)


def meanings(page: BranchPage) -> dict[str, str]:
    """Return the definitions by their terms."""
    return dict(definitions_table(page).rows)  # type: ignore[arg-type]


def pages(folder: Path, tiny_bank: TinyBank, policy: str) -> dict[Language, BranchPage]:
    """Return a branch's pages of an evaluation under a policy, saved and opened again."""
    (folder / "own.toml").write_text(policy, "utf-8")
    contacts = (
        "customer_id,manager_id,contacted_on,channel,outcome\nC2,M1,2026-09-01,phone,reached\n"
    )
    tables = as_frames(tiny_bank(contacts=contacts))
    evaluation = evaluate(
        tables, quarter="2026Q3", policy=str(folder / "own.toml"), first_quarter=True
    )
    evaluation.save(folder / "saved")
    opened = open_evaluation(folder / "saved")
    assert opened.policy_facts == evaluation.policy_facts
    return {
        "zh": branch_page(opened, branch_id="001", language="zh"),
        "en": branch_page(opened, branch_id="001", language="en"),
    }


def test_a_rule_of_accounts_is_told_as_it_judges(tmp_path: Path, tiny_bank: TinyBank) -> None:
    """Each account, the cap included, every kind but interest, other exemptions, persons alone."""
    told = pages(tmp_path, tiny_bank, CIB)
    assert meanings(told["zh"])["活跃、沉默、睡眠"] == (
        "只判定个人客户。365天内无交易或存款到期（结息不算）为不活跃；不活跃、每个账户（存款）余额"
        "不超过10元且无豁免（贷款、基金、理财、托管资产、社保卡）的为睡眠，其余不活跃客户为沉默。"
    )
    assert meanings(told["en"])["Active, silent, dormant"] == (
        "Only personal customers are judged. Not active: no transaction or maturity of deposits "
        "within 365 days (not counting interest). Dormant: not active, every account (deposits) at "
        "most CNY 10, with no exemption (loans, funds, wealth products, custody, social security "
        "cards). Silent: the others who are not active."
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_everything_a_policy_states_otherwise_is_told(tmp_path: Path, tiny_bank: TinyBank) -> None:
    """Types, products, borders in full, the amounts looked at, clocks; nothing that is not so."""
    told = pages(tmp_path, tiny_bank, OWN)
    chinese, english = meanings(told["zh"]), meanings(told["en"])
    assert chinese["客户口径"] == (
        "有资产客户：季日均AUM不低于99.99元，或有贷款、保险在存续；有效客户：季日均AUM不低于10,000元。"
        "个人客户；已销户的不计。"
    )
    assert chinese["AUM"] == "活期存款、理财与基金之和，不含贷款。"
    assert chinese["活跃、沉默、睡眠"] == (
        "12个月内无交易或有效联络（收费、养老金、补贴、转账、支付、购买产品与微信支付宝不算）为不活跃；"
        "不活跃、季日均AUM低于0.5元的为睡眠，其余不活跃客户为沉默。"
    )
    assert chinese["客户分层"].startswith("按时点AUM（元），含下限不含上限：零散 0–100；")
    assert "有效 10,000–50,000.5；中端 50,000.5–500,000；" in chinese["客户分层"]
    assert chinese["留存与升降"].endswith("升降级按时点AUM比较两季层级。")
    assert english["Base"].startswith("Funded: quarter-average AUM of at least CNY 99.99, or")
    assert english["Base"].endswith("Personal customers; closed customers are excluded.")
    assert english["AUM"] == "Demand deposits, wealth products and funds, excluding loans."
    assert english["Active, silent, dormant"] == (
        "Not active: no transaction or effective contact within 12 months (not counting fees, "
        "pensions, subsidies, transfers, payments, purchases of products and WeChat and Alipay). "
        "Dormant: not active, quarter-average AUM below CNY 0.5. Silent: the others who are not "
        "active."
    )
    assert english["Tiers"].startswith("By period-end AUM in CNY, lower limit included")
    for language, words in (("zh", "时点AUM"), ("en", "Period-end AUM")):
        shown = tier_table(told[language])  # type: ignore[index]
        assert words in [column.label for column in shown.columns]  # type: ignore[union-attr]


def with_facts(language: Language, **facts: Any) -> BranchPage:
    """Return a page whose policy has other facts."""
    lists = LISTS[LISTS["list"] == "maturing"].assign(list="upgrade_candidates")
    page = page_of(story(), language, worklists=lists)
    evaluation = page.evaluation
    changed = {**evaluation.policy_facts, **facts}
    return replace(page, evaluation=replace(evaluation, policy_facts=changed))


def test_an_evaluation_of_an_earlier_version_says_what_it_does_not_hold() -> None:
    """Without the rule in full nothing is guessed: the policy file has it."""
    rule = {"name": "cib_2025", "idle_months": None, "idle_days": 365, "cap": 10}
    told = meanings(with_facts("zh", funded=100, effective=10_000, dormancy=rule))
    assert told["活跃、沉默、睡眠"] == "评价由较早版本保存，未含睡眠规则全文：见政策文件。"
    assert told["客户口径"].endswith("10,000元。政策所列客户类型；已销户的不计。")
    assert told["AUM"].startswith("政策所列产品之和，不含贷款。")


@pytest.mark.parametrize(
    ("language", "value", "words"),
    [
        ("zh", "aum_average_quarter", "季日均AUM已接近上一层级的起点"),
        ("zh", "aum_period_end", "时点AUM已接近上一层级的起点"),
        ("en", "aum_average_month", "Month-average AUM close to the next tier's threshold"),
    ],
)
def test_a_task_names_the_amount_that_tiers_go_by(
    language: Language, value: str, words: str
) -> None:
    """Near the next tier by the policy's amount, whichever it is."""
    shown = five_things(with_facts(language, tier_value=value))
    assert shown is not None
    assert str(shown.rows[0][1]).split("\n")[1] == words


def test_what_is_said_of_tiers_in_the_codebook_names_their_amount() -> None:
    """The workbook's definitions and formulas of assets by tier, and no other measure's."""
    page = with_facts("zh", tier_value="aum_period_end")
    assert page.define("tier_aum") == "该层客户的时点AUM合计。"
    assert page.define("managed_aum") == "管户客户的季日均AUM合计。"
    formula = with_facts("en", tier_value="aum_period_end").define("tier_aum", "formula")
    assert formula == "Σ period-end AUM within [lower, upper)"
