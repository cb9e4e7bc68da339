"""The definitions (口径) on a page say the rules of the policy that its figures follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis import evaluate, open_evaluation
from stockcust_analysis.bank.contract import table as bank_table
from stockcust_analysis.evaluation.provided import service_facts
from stockcust_analysis.policy import Policy, load_policy
from stockcust_analysis.show import wording
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


SERVICE = """
[coverage]
manage_from = 20_000.5
vip_from = 300_000
contact_months = 2
effective_outcomes = ["sale"]
first_call_days = 5
reclaim_months = 4
set_aside_after = 3
purchase_months = 9
classes = [
    { name = "A", share = 0.145, contact_months = 4 },
    { name = "B", share = 0.07, contact_months = 5 },
    { name = "C", contact_months = 7, share = 0.0 },
    { name = "D", contact_months = 8, share = 0.0 },
]
profile_targets = [{ tier = "mid", share = 0.625 }, { tier = "private", share = 0.9 }]
[attrition]
margin = 0.05
smallest_group = 25
lowest_average = 2_000
[worklists]
near_border = 0.55
upgrade_from = 5_000
silent_from = 100
maturing_months = 1
next_product_below = 4
"""
# Of the policy above: every one of its numbers, and the only outcome that counts.
TOLD: dict[Language, dict[str, str]] = {
    "zh": {
        "有效联络": "结果为成交的联络；覆盖率：可联络、管户满2个月的，其间有过的占比。",
        "管户与贵宾": "季日均AUM达20,000.5元应管户，达300,000元为贵宾；首联限5天；4个月未联络回收；"
        "3次未成交暂停。",
        "客户类别": "各经理的客户按资产与近9个月成交排名：A类 14.5%、B类 7%、C类其余，"
        "D类资产与意向未明；联络周期依次为4、5、7与8个月。建档率目标：中端 62.5%、私行 90%。",
        "流失预警": "上季日均AUM达2,000元，本季下降，变动率比网点同层级（<25户用全行）中位数低逾"
        "5个百分点。",
        "名单": "到期1个月内；临界提升5,000元起、达上一层55%；沉默待访100元起；下一产品少于4类。",
    },
    "en": {
        "Effective contact": "A contact that ended in a sale. Coverage: of contactable customers "
        "managed throughout the 2-month period, those with one in it.",
        "Managed and VIP": "Managed from CNY 20,000.5, VIP from CNY 300,000 of quarter-average "
        "AUM; a 5-day limit for first calls, 4-month for reclaims; set aside at effective contact "
        "3 without a sale.",
        "Classes": "Customers of a manager ranked by assets and 9-month sales: A 14.5%, B 7%, C "
        "the rest; D assets and intent unknown. Months between contacts: 4, 5, 7 and 8. "
        "Targets for complete profiles: Mid 62.5%, Private 90%.",
        "Attrition warning": "Quarter-average AUM of at least CNY 2,000 last quarter that fell, by "
        "over 5 percentage points more than the median of the tier in the branch (in the bank, "
        "below 25 customers).",
        "Work lists": "Maturing: 1-month horizon; Upgrade candidates: from CNY 5,000 and 55% of "
        "the next threshold; Silent with assets: from CNY 100; Next product: below 4 families.",
    },
}
SERVED = {"contact_coverage": 0.5, "managed_share": 0.8, "attrition_warning_rate": 0.1}


def served_page(policy: Policy, language: Language, **facts: Any) -> BranchPage:
    """Return a page with figures of contacts, managers, classes, warnings and all lists."""
    names = ("maturing", "upgrade_candidates", "silent_with_assets", "next_product")
    lists = pd.concat([LISTS[LISTS["list"] == "maturing"].assign(list=name) for name in names])
    planted: dict[Any, float] = {**SERVED, ("class_customers", "customer_class", "A"): 9}
    page = page_of(story(planted), language, worklists=lists)
    known = {"funded": 100, "effective": 10_000, "dormancy": {"cap": 10}, **policy.members}
    told = {**known, "service": service_facts(policy), **facts}
    return replace(page, evaluation=replace(page.evaluation, policy_facts=told))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_rules_of_service_are_told_in_full(tmp_path: Path, language: Language) -> None:
    """What counts as contact, borders, periods, classes, warning and lists: as the policy says."""
    (tmp_path / "own.toml").write_text(BASE + SERVICE, "utf-8")
    told = meanings(served_page(load_policy(str(tmp_path / "own.toml")), language))
    assert {term: told[term] for term in TOLD[language]} == TOLD[language]
    shipped = meanings(served_page(load_policy(), language))
    assert not TOLD[language].items() & shipped.items()


def test_the_shipped_rules_of_service_name_every_answer() -> None:
    """Whoever answered was reached, whatever the answer; every outcome of the table has a word."""
    told = meanings(served_page(load_policy(), "zh"))
    assert told["有效联络"].startswith("结果为接通、预约、面访、成交或拒绝的联络；")
    english = meanings(served_page(load_policy(), "en"))["Effective contact"]
    assert "in an answer, an appointment, a visit, a sale or a refusal. " in english
    outcomes = bank_table("contacts").column("outcome").allowed
    assert set(wording.names("contact_outcome")) == set(outcomes)


@pytest.mark.parametrize(
    ("line", "number"),
    [
        line.split(" = ")
        for line in SERVICE.splitlines()
        if line.count(" = ") == 1 and "classes" not in line and not line.startswith(" ")
    ],
)
def test_each_number_of_the_rules_of_service_is_told(
    tmp_path: Path, line: str, number: str
) -> None:
    """Whichever of them alone is another, the definitions are others."""
    section = next(part for part in SERVICE.split("\n[") if f"{line} = " in part).partition("]")[0]
    (tmp_path / "own.toml").write_text(f"{BASE}[{section}]\n{line} = {number}\n", "utf-8")
    own = load_policy(str(tmp_path / "own.toml"))
    for language in ("zh", "en"):
        told, shipped = (meanings(served_page(rules, language)) for rules in (own, load_policy()))
        assert told != shipped


def test_rules_of_service_stand_only_beside_their_figures(
    tmp_path: Path, tiny_bank: TinyBank
) -> None:
    """Without contacts, managers and lists nothing is said of them; an evaluation carries them."""
    bare = with_facts("zh", funded=100, effective=10_000, dormancy={"cap": 10})
    evaluation = replace(bare.evaluation, worklists=pd.DataFrame())
    assert not TOLD["zh"].keys() & meanings(replace(bare, evaluation=evaluation)).keys()
    told = pages(tmp_path, tiny_bank, BASE + SERVICE)["zh"]
    assert told.evaluation.policy_facts["service"]["manage_from"] == 20_000.5
    assert told.evaluation.policy_facts["service"]["classes"][0]["share"] == 0.145


def test_where_only_deposits_are_known_lists_speak_of_deposits() -> None:
    """Nothing is called assets of which only deposits are known."""
    told = meanings(served_page(load_policy(), "zh", aum="deposits_only"))
    assert "沉默待访10,000元起" in told["名单"]
    assert told["管户与贵宾"].startswith("季日均存款达50,000元")


def test_rules_of_service_that_an_earlier_version_did_not_save_are_the_policys() -> None:
    """One row says so, the others are left out."""
    page = served_page(load_policy(), "zh")
    earlier = {k: v for k, v in page.evaluation.policy_facts.items() if k != "service"}
    told = meanings(replace(page, evaluation=replace(page.evaluation, policy_facts=earlier)))
    assert told["有效联络"] == (
        "评价由较早版本保存，未含管户、类别、预警与名单的规则：见政策文件。"
    )
    assert not {"管户与贵宾", "客户类别", "流失预警", "名单"} & set(told)


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
