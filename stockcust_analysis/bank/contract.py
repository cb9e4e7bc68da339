"""The contract: which tables and columns a bank delivers, of which type and in which unit.

One place states it. The readers cast by it, the checks complain by it, the sample bank writes it
and the data dictionary (`docs/reference/data-dictionary.md`) is printed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a column holds. The value is the word that error messages and the dictionary use."""

    TEXT = "text"
    CODE = "code"
    DATE = "date"
    MONEY = "money"
    INTEGER = "whole number"
    FLAG = "true/false"
    QUARTER = "quarter"
    NUMBER = "number"


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    `allowed` lists the codes of a CODE column; `references` names the table and column that a
    value must be found in; `minimum` is the lowest value a number may take.
    """

    name: str
    kind: Kind
    zh: str
    meaning: str
    required: bool = True
    allowed: tuple[str, ...] = ()
    references: tuple[str, str] | None = None
    minimum: int | None = None
    nullable: bool = False

    @property
    def unit(self) -> str:
        """Unit printed in the data dictionary."""
        units = {Kind.MONEY: "CNY, two decimals", Kind.DATE: "YYYY-MM-DD", Kind.QUARTER: "2026Q3"}
        return units.get(self.kind, "")


@dataclass(frozen=True)
class Table:
    """One table of the contract with its key; an optional table may be absent."""

    name: str
    zh: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    required: bool = True

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError when the contract has none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in the order they are written."""
        return tuple(column.name for column in self.columns)


def _optional(name: str, kind: Kind, zh: str, meaning: str, **more: object) -> Column:
    """Build a column that a bank may leave out; its cells may be empty unless stated otherwise."""
    return Column(name, kind, zh, meaning, **{"required": False, "nullable": True, **more})  # type: ignore[arg-type]


_BRANCH = ("branches", "branch_id")
_CUSTOMER = ("customers", "customer_id")
_MANAGER = ("managers", "manager_id")

PRODUCTS = (
    "demand_deposit",
    "time_deposit",
    "wealth",
    "fund",
    "insurance",
    "bond",
    "metal",
    "custody",
    "loan",
    "credit_card",
    "merchant_acquiring",
    "payroll",
    "mobile_banking",
    "sms",
    "etc",
    "social_security_card",
)
CUSTOMER_TYPES = ("personal", "sole_trader", "corporate")
TRANSACTION_KINDS = (
    "cash",
    "transfer",
    "payment",
    "purchase",
    "wechat_alipay",
    "interest",
    "fee",
    "salary",
    "pension",
    "subsidy",
    "utility_debit",
    "rollover",
    "loan_repayment",
)

BRANCHES = Table(
    "branches", "机构", "The branches that own customers.", ("branch_id",),
    (
        Column("branch_id", Kind.TEXT, "机构号", "Branch number."),
        Column("name", Kind.TEXT, "机构名称", "Name printed on the page."),
        _optional("region", Kind.TEXT, "区域", "Region the branch belongs to; empty: none is printed."),
        _optional("type", Kind.CODE, "机构类型", "Kind of place; those without one are peers of one another.", allowed=("urban", "county", "township")),
        _optional("opened_on", Kind.DATE, "开业日期", "First day of business."),
        _optional("closed_on", Kind.DATE, "撤并日期", "Last day of business."),
    ),
)  # fmt: skip

BRANCH_SUCCESSORS = Table(
    "branch_successors", "机构沿革", "Which branch took over which, and from when.",
    ("old_branch_id",),
    (
        Column("old_branch_id", Kind.TEXT, "原机构号", "Branch that was merged away.", references=_BRANCH),
        Column("new_branch_id", Kind.TEXT, "承接机构号", "Branch that took over.", references=_BRANCH),
        Column("effective_on", Kind.DATE, "生效日期", "First day under the new branch."),
    ),
    required=False,
)  # fmt: skip

CUSTOMERS = Table(
    "customers", "客户", "Every customer at every as-of date (统计时点, a month's last day).",
    ("as_of", "customer_id"),
    (
        Column("as_of", Kind.DATE, "统计时点", "As-of date."),
        Column("customer_id", Kind.TEXT, "客户号", "Customer number."),
        Column("branch_id", Kind.TEXT, "归属机构", "Owning branch.", references=_BRANCH),
        Column("customer_type", Kind.CODE, "客户类型", "Personal, sole trader or corporate.", allowed=CUSTOMER_TYPES),
        _optional("relationship_since", Kind.DATE, "建立关系日期", "First day as a customer of the bank; empty: counted with those of less than a year."),
        _optional("closed_on", Kind.DATE, "销户日期", "Day the relationship ended."),
        Column("last_active_on", Kind.DATE, "最近主动交易日", "Last customer-initiated transaction; empty: never.", nullable=True),
        _optional("active_transactions", Kind.INTEGER, "主动交易笔数", "Customer-initiated transactions in the quarter.", minimum=0),
        _optional("aum_period_end", Kind.MONEY, "时点AUM", "Assets under management on the as-of date; an overdraft counts as 0.", minimum=0, nullable=False),
        _optional("aum_average_month", Kind.MONEY, "月日均AUM", "Daily average over the month.", minimum=0, nullable=False),
        _optional("aum_average_quarter", Kind.MONEY, "季日均AUM", "Daily average over the quarter; positive also for who left within it.", minimum=0, nullable=False),
        _optional("loan_balance", Kind.MONEY, "贷款余额", "Loans outstanding; never part of AUM.", minimum=0),
        _optional("birth_date", Kind.DATE, "出生日期", "Date of birth."),
        _optional("gender", Kind.CODE, "性别", "Gender.", allowed=("female", "male")),
        _optional("groups", Kind.TEXT, "客群", "Customer groups, separated by ';'."),
        _optional("profile_complete", Kind.FLAG, "已建档", "Profile is complete."),
        _optional("acquisition_channel", Kind.CODE, "获客渠道", "How the customer came.",
                  allowed=("lobby", "outreach", "payroll", "referral", "online", "unknown")),
        _optional("household_id", Kind.TEXT, "家庭号", "Household."),
        _optional("person_id", Kind.TEXT, "自然人号", "One person with several customer numbers (一人多户号)."),
        _optional("exclusion", Kind.CODE, "剔除原因", "Why the customer is left out of lists.",
                  allowed=("deceased", "frozen", "staff", "minor")),
        _optional("do_not_contact", Kind.FLAG, "免打扰", "Asked not to be contacted."),
    ),
)  # fmt: skip

HOLDINGS = Table(
    "holdings", "持有", "Every account or product held at every as-of date.",
    ("as_of", "account_id"),
    (
        Column("as_of", Kind.DATE, "统计时点", "As-of date."),
        Column("account_id", Kind.TEXT, "账号", "Account number."),
        Column("customer_id", Kind.TEXT, "客户号", "The one owner.", references=_CUSTOMER),
        Column("product", Kind.CODE, "产品", "Product; the policy puts products into families.", allowed=PRODUCTS),
        Column("balance", Kind.MONEY, "余额", "Balance on the as-of date; a loan or a card shows the amount owed."),
        _optional("booking_branch_id", Kind.TEXT, "开户机构", "Branch where the account is booked.", references=_BRANCH),
        _optional("average_balance", Kind.MONEY, "季日均余额", "Daily average over the quarter."),
        _optional("opened_on", Kind.DATE, "开户日期", "Day the account was opened."),
        _optional("matures_on", Kind.DATE, "到期日", "Day the holding matures."),
        _optional("rolls_over", Kind.FLAG, "自动转存", "Renewed by itself at maturity."),
        _optional("last_active_on", Kind.DATE, "最近主动交易日", "Last customer-initiated transaction on the account."),
        _optional("used_recently", Kind.FLAG, "近期使用", "Used in the quarter (cards, payroll, acquiring)."),
    ),
)  # fmt: skip

MANAGERS = Table(
    "managers", "理财经理", "Counter and VIP managers.", ("manager_id",),
    (
        Column("manager_id", Kind.TEXT, "经理工号", "Manager."),
        Column("branch_id", Kind.TEXT, "机构号", "Branch.", references=_BRANCH),
        Column("role", Kind.CODE, "岗位", "Counter (低柜) or VIP (贵宾).", allowed=("counter", "vip")),
    ),
    required=False,
)  # fmt: skip

ASSIGNMENTS = Table(
    "assignments", "管户关系", "Who manages whom, from when to when.", ("customer_id", "valid_from"),
    (
        Column("customer_id", Kind.TEXT, "客户号", "Customer.", references=_CUSTOMER),
        Column("valid_from", Kind.DATE, "起始日", "First day."),
        Column("manager_id", Kind.TEXT, "经理工号", "Manager.", references=_MANAGER),
        Column("valid_to", Kind.DATE, "终止日", "Last day; empty while in force.", nullable=True),
        Column("reason", Kind.CODE, "原因", "Why it was made.",
               allowed=("initial", "handover", "reclaim", "manager_left"), nullable=True),
        Column("first_contact_on", Kind.DATE, "首次联络日", "First contact under this assignment.", nullable=True),
    ),
    required=False,
)  # fmt: skip

CONTACTS = Table(
    "contacts", "联络", "Every contact made or tried.", (),
    (
        Column("customer_id", Kind.TEXT, "客户号", "Customer.", references=_CUSTOMER),
        Column("manager_id", Kind.TEXT, "经理工号", "Manager.", references=_MANAGER),
        Column("contacted_on", Kind.DATE, "联络日", "Day of the contact."),
        Column("channel", Kind.CODE, "方式", "How.", allowed=("phone", "message", "wechat", "visit", "branch")),
        Column("outcome", Kind.CODE, "结果", "What came of it.",
               allowed=("none", "reached", "appointment", "visit", "sale", "refused")),
        _optional("round", Kind.INTEGER, "轮次", "Contact round.", minimum=1),
    ),
    required=False,
)  # fmt: skip

TRANSACTIONS = Table(
    "transactions", "交易", "Transactions; which kinds count as activity is the policy's to say.", (),
    (
        Column("customer_id", Kind.TEXT, "客户号", "Customer.", references=_CUSTOMER),
        Column("transacted_on", Kind.DATE, "交易日", "Day."),
        Column("amount", Kind.MONEY, "金额", "Amount; money out is negative."),
        Column("kind", Kind.CODE, "种类", "Kind of transaction.", allowed=TRANSACTION_KINDS),
    ),
    required=False,
)  # fmt: skip

LEDGER = Table(
    "ledger", "总账", "Control totals by booking branch.", ("branch_id", "as_of", "product"),
    (
        Column("branch_id", Kind.TEXT, "机构号", "Booking branch.", references=_BRANCH),
        Column("as_of", Kind.DATE, "统计时点", "As-of date."),
        Column("product", Kind.CODE, "产品", "Product.", allowed=PRODUCTS),
        Column("balance", Kind.MONEY, "余额", "Total in the general ledger."),
    ),
    required=False,
)  # fmt: skip

TARGETS = Table(
    "targets", "计划", "What a branch is to reach.", ("branch_id", "quarter", "measure"),
    (
        Column("branch_id", Kind.TEXT, "机构号", "Branch.", references=_BRANCH),
        Column("quarter", Kind.QUARTER, "季度", "Quarter."),
        Column("measure", Kind.TEXT, "指标", "Name of the measure."),
        Column("target", Kind.NUMBER, "目标值", "Value to reach, in the measure's unit."),
    ),
    required=False,
)  # fmt: skip

TABLES = (
    BRANCHES,
    BRANCH_SUCCESSORS,
    CUSTOMERS,
    HOLDINGS,
    MANAGERS,
    ASSIGNMENTS,
    CONTACTS,
    TRANSACTIONS,
    LEDGER,
    TARGETS,
)


def table(name: str) -> Table:
    """Return the contract of the table called `name`; KeyError when there is none."""
    return {entry.name: entry for entry in TABLES}[name]
