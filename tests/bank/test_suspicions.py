"""What meets the contract and is implausible is said, with figures; the sample bank is true."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis.bank.mapping import SUSPICIONS
from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.bank.suspicions import SuspicionWarning, suspicions_of
from stockcust_analysis.bank.totals import totals_of
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.policy import load_policy
from tests.conftest import SAMPLE
from tests.engines.banks import in_polars
from tests.tiny_bank import TinyBank, as_frames

NOW, BEFORE = pd.Timestamp("2026-09-30"), pd.Timestamp("2026-06-30")
Tables = dict[str, pd.DataFrame]
Change = Callable[[Tables], None]


@pytest.fixture(scope="module")
def made() -> Tables:
    """Make a small bank with two quarters."""
    return make_bank(branches=10, customers=1_000, quarters=2)


Delivered = tuple[Tables, dict[str, Any]]


@pytest.fixture(scope="module")
def delivered(made: Tables) -> Delivered:
    """Return the bank as it is, in pandas and in Polars, into which most tables go unchanged."""
    tables = without_unknown_customers(dict(made))
    return tables, in_polars(tables, Path())


def without_unknown_customers(tables: Tables) -> Tables:
    """Return the tables without rows of customers who are not there: those would be problems."""
    known = set(tables["customers"]["customer_id"])
    there = {*zip(tables["customers"]["as_of"], tables["customers"]["customer_id"], strict=True)}
    for name in ("assignments", "contacts", "transactions"):
        tables[name] = tables[name][tables[name]["customer_id"].isin(known)]
    keys = zip(tables["holdings"]["as_of"], tables["holdings"]["customer_id"], strict=True)
    tables["holdings"] = tables["holdings"][[key in there for key in keys]]
    return tables


def found_in(tables: Tables, delivered: Delivered) -> list[str]:
    """Open the tables and return what looks wrong, as the warnings tell it."""
    tables, (before, frames) = without_unknown_customers(tables), delivered
    same = {name for name in before.keys() & tables if tables[name].equals(before[name])}
    changed = in_polars({name: tables[name] for name in tables if name not in same}, Path())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank({name: frames[name] for name in same} | changed).close()
    return [str(w.message) for w in caught if w.category is SuspicionWarning]


def divide(
    tables: Tables,
    name: str,
    columns: list[str],
    as_of: pd.Timestamp | None = None,
    by: float = 10_000,
) -> None:
    """Write amounts in another unit, 万元 by default."""
    rows = slice(None) if as_of is None else tables[name]["as_of"] == as_of
    tables[name][columns] = tables[name][columns].astype(float)
    tables[name].loc[rows, columns] /= by


AUM = ["aum_period_end", "aum_average_month", "aum_average_quarter"]


def table_in_ten_thousands(tables: Tables) -> None:
    """All amounts of a table."""
    divide(tables, "holdings", ["balance", "average_balance"])


def column_in_ten_thousands(tables: Tables) -> None:
    """One column."""
    divide(tables, "customers", ["aum_average_quarter"])


def quarter_in_ten_thousands(tables: Tables) -> None:
    """One quarter, of all tables."""
    divide(tables, "customers", [*AUM, "loan_balance"], NOW)
    divide(tables, "holdings", ["balance", "average_balance"], NOW)
    divide(tables, "ledger", ["balance"], NOW)


def all_in_ten_thousands(tables: Tables) -> None:
    """Everything: nothing disagrees but what a customer owns."""
    divide(tables, "customers", [*AUM, "loan_balance"])
    divide(tables, "holdings", ["balance", "average_balance"])
    divide(tables, "ledger", ["balance"])


def quarter_in_hundredths(tables: Tables) -> None:
    """One quarter in 分."""
    divide(tables, "holdings", ["balance", "average_balance"], NOW, by=0.01)


def all_in_hundredths(tables: Tables) -> None:
    """Everything in 分: nothing disagrees but what a customer owns."""
    divide(tables, "customers", [*AUM, "loan_balance"], by=0.01)
    divide(tables, "holdings", ["balance", "average_balance"], by=0.01)
    divide(tables, "ledger", ["balance"], by=0.01)


def delivered_again(tables: Tables) -> None:
    """The customers of the quarter before under the new date."""
    customers = tables["customers"]
    before = customers[customers["as_of"] == BEFORE]
    tables["customers"] = pd.concat([before, before.assign(as_of=NOW)])


def a_branch_vanishes(tables: Tables) -> None:
    """A branch's customers are not in the new quarter's files."""
    gone = (tables["customers"]["as_of"] == NOW) & (tables["customers"]["branch_id"] == "B005")
    tables["customers"] = tables["customers"][~gone]


def renumbered(tables: Tables) -> None:
    """Every customer has a new number in the new quarter."""
    for name in ("customers", "holdings"):
        now = tables[name]["as_of"] == NOW
        tables[name].loc[now, "customer_id"] = "N" + tables[name].loc[now, "customer_id"]


def a_product_renamed(tables: Tables) -> None:
    """Time deposits come as bonds: a code was mapped otherwise."""
    rows = (tables["holdings"]["as_of"] == NOW) & (tables["holdings"]["product"] == "time_deposit")
    tables["holdings"].loc[rows, "product"] = "custody"


def half_gone(tables: Tables) -> None:
    """One of two files of holdings was not unloaded."""
    holdings = tables["holdings"]
    now = holdings["as_of"] == NOW
    tables["holdings"] = pd.concat([holdings[~now], holdings[now].iloc[::2]])


def a_circle(tables: Tables) -> None:
    """Two branches took each other over."""
    tables["branch_successors"] = pd.DataFrame(
        {
            "old_branch_id": ["B001", "B002"],
            "new_branch_id": ["B002", "B001"],
            "effective_on": [NOW, NOW],
        }
    )


def two_managers(tables: Tables) -> None:
    """An assignment was handed over, and the old one not ended."""
    first = tables["assignments"].iloc[[0]]
    more = first.assign(valid_from=pd.to_datetime(first["valid_from"]) + pd.Timedelta(days=1))
    twice = pd.concat([first, more]).assign(valid_to=pd.NaT)
    tables["assignments"] = pd.concat([tables["assignments"].iloc[1:], twice])


def split(tables: Tables, left: int) -> None:
    """B005 is split into B001 and B002; some customers have no move, one went elsewhere."""
    customers = tables["customers"]
    ours = customers["branch_id"] == "B005"
    ids = sorted(customers.loc[ours & (customers["as_of"] == BEFORE), "customer_id"])
    there = customers["customer_id"].isin(ids[left:]) & (customers["as_of"] == NOW)
    customers.loc[there, "branch_id"] = "B001"
    gone = ours & (customers["as_of"] == NOW) & ~there
    tables["customers"] = customers[~gone]
    tables["customers"].loc[there & (customers["customer_id"] == ids[-1]), "branch_id"] = "B003"
    day = pd.Timestamp("2026-07-01")
    tables["branch_successors"] = pd.DataFrame(
        {"old_branch_id": "B005", "new_branch_id": ["B001", "B002"], "effective_on": day}
    )
    tables["customer_moves"] = pd.DataFrame(
        {
            "customer_id": ids[left:],
            "from_branch_id": "B005",
            "to_branch_id": "B001",
            "effective_on": day,
        }
    )


def split_without_moves(tables: Tables) -> None:
    """Three customers of a branch that is split have no move."""
    split(tables, 3)


def moves_not_followed(tables: Tables) -> None:
    """One customer is not where it was handed over to."""
    split(tables, 0)


def branch_in_ten_thousands(tables: Tables) -> None:
    """One branch's file of customers, in every quarter."""
    ours = tables["customers"]["branch_id"] == "B003"
    tables["customers"].loc[ours, AUM] = tables["customers"].loc[ours, AUM].astype(float) / 10_000


def branch_in_hundredths(tables: Tables) -> None:
    """One branch's file of customers, in every quarter."""
    ours = tables["customers"]["branch_id"] == "B003"
    amounts = tables["customers"].loc[ours, AUM].astype(float)
    tables["customers"].loc[ours, AUM] = (amounts * 100).round()


def branch_in_thousands_now(tables: Tables) -> None:
    """One branch's file of customers, in 千元 in the new quarter."""
    ours = (tables["customers"]["branch_id"] == "B003") & (tables["customers"]["as_of"] == NOW)
    tables["customers"].loc[ours, AUM] = tables["customers"].loc[ours, AUM].astype(float) / 1_000


def branch_in_thousands(tables: Tables) -> None:
    """One branch's file of customers, in 千元 in every quarter."""
    ours = tables["customers"]["branch_id"] == "B003"
    tables["customers"].loc[ours, AUM] = tables["customers"].loc[ours, AUM].astype(float) / 1_000


def branch_holdings_in_ten_thousands(tables: Tables) -> None:
    """One branch's file of holdings, in every quarter."""
    ours = tables["customers"].loc[tables["customers"]["branch_id"] == "B003", "customer_id"]
    rows = tables["holdings"]["customer_id"].isin(ours)
    balances = tables["holdings"].loc[rows, "balance"].astype(float)
    tables["holdings"]["balance"] = tables["holdings"]["balance"].astype(float)
    tables["holdings"].loc[rows, "balance"] = balances / 10_000


def branch_without_file(tables: Tables) -> None:
    """The customers of a branch are in no quarter's files."""
    customers = tables["customers"]
    tables["customers"] = customers[customers["branch_id"] != "B005"]


def branch_of_zeros(tables: Tables) -> None:
    """One branch's AUM of the new quarter was not joined."""
    ours = (tables["customers"]["branch_id"] == "B003") & (tables["customers"]["as_of"] == NOW)
    tables["customers"].loc[ours, "aum_average_month"] = 0.0


def branch_without_days(tables: Tables) -> None:
    """One branch's file has no days of activity."""
    ours = tables["customers"]["branch_id"] == "B003"
    tables["customers"].loc[ours, "last_active_on"] = pd.NaT


def branch_delivered_again(tables: Tables) -> None:
    """One branch's file of the quarter before came under the new date."""
    customers = tables["customers"]
    ours = customers["branch_id"] == "B003"
    before = customers[ours & (customers["as_of"] == BEFORE)]
    others = customers[~(ours & (customers["as_of"] == NOW))]
    tables["customers"] = pd.concat([others, before.assign(as_of=NOW)])


def not_computed_anew(tables: Tables, column: str) -> None:
    """A column of the new quarter is that of the quarter before, of all who were there."""
    customers = tables["customers"]
    was = customers[customers["as_of"] == BEFORE].set_index("customer_id")[column]
    now = customers["as_of"] == NOW
    old = customers.loc[now, "customer_id"].map(was)
    customers.loc[now, column] = old.where(old.notna(), customers.loc[now, column])


def days_not_computed_anew(tables: Tables) -> None:
    """The days of activity."""
    not_computed_anew(tables, "last_active_on")


def averages_not_computed_anew(tables: Tables) -> None:
    """The averages of the month."""
    not_computed_anew(tables, "aum_average_month")


def deposits_negative(tables: Tables) -> None:
    """What a bank owes is negative in its books."""
    rows = tables["holdings"]["product"] == "demand_deposit"
    tables["holdings"].loc[rows, "balance"] *= -1


def funds_not_delivered(tables: Tables) -> None:
    """A product of the ledger was unloaded in no quarter."""
    tables["holdings"] = tables["holdings"][tables["holdings"]["product"] != "fund"]


def aum_swapped(tables: Tables) -> None:
    """AUM at the period's end and its average are read from one another's columns."""
    names = {"aum_period_end": "aum_average_quarter", "aum_average_quarter": "aum_period_end"}
    tables["customers"] = tables["customers"].rename(columns=names)


def balances_swapped(tables: Tables) -> None:
    """Balances and their averages are read from one another's columns."""
    names = {"balance": "average_balance", "average_balance": "balance"}
    tables["holdings"] = tables["holdings"].rename(columns=names)


def holdings_cut_off(tables: Tables) -> None:
    """The last quarter of the file was not written, at a line's end."""
    tables["holdings"] = (
        tables["holdings"].sort_values("as_of").iloc[: -len(tables["holdings"]) // 8]
    )


def months_of_zeros(tables: Tables) -> None:
    """The averages of the month were not computed."""
    tables["customers"]["aum_average_month"] = 0.0


def nobody_active(tables: Tables) -> None:
    """The days of the new quarter were not joined."""
    now = tables["customers"]["as_of"] == NOW
    tables["customers"].loc[now, "last_active_on"] = pd.NaT


def closed_with_aum(tables: Tables) -> None:
    """Two customers have left on the last day, with all their money in the bank."""
    rich = (
        tables["customers"].loc[tables["customers"]["as_of"] == NOW, "aum_period_end"].nlargest(2)
    )
    tables["customers"].loc[rich.index, "closed_on"] = NOW


def matured_before_opened(tables: Tables) -> None:
    """The two days of deposits are swapped."""
    days = ["opened_on", "matures_on"]
    terms = tables["holdings"]["matures_on"].notna()
    tables["holdings"].loc[terms, days] = tables["holdings"].loc[terms, days[::-1]].to_numpy()
    opened = tables["holdings"]["opened_on"]
    tables["holdings"]["opened_on"] = opened.where(opened <= BEFORE, BEFORE)


def born_after_they_came(tables: Tables) -> None:
    """The days of birth and of the first account are swapped."""
    days = {"birth_date": "relationship_since", "relationship_since": "birth_date"}
    tables["customers"] = tables["customers"].rename(columns=days)


def contacts_without_rows(tables: Tables) -> None:
    """Only the header was unloaded."""
    tables["contacts"] = tables["contacts"].head(0)


def contacts_of_next_year(tables: Tables) -> None:
    """Every contact has the wrong year."""
    tables["contacts"]["contacted_on"] = pd.Timestamp("2027-03-01")


def contacts_of_last_quarter(tables: Tables) -> None:
    """The file of the quarter before was delivered again."""
    contacts = tables["contacts"]
    tables["contacts"] = contacts[pd.to_datetime(contacts["contacted_on"]) <= BEFORE]


def plans_of_last_year(tables: Tables) -> None:
    """Plans have the year before."""
    targets = tables["targets"]
    tables["targets"] = targets[targets["quarter"] == "2026Q3"].assign(quarter="2025Q3")


def plans_over_no_year_start(tables: Tables) -> None:
    """Plans of branches are increases, and the year before was not unloaded."""
    rows = tables["targets"]["quarter"] == "2026Q3"
    tables["targets"] = tables["targets"][rows].assign(kind="increase")


def plans_in_ten_thousands(tables: Tables) -> None:
    """Plans of AUM in 万元, beside amounts in CNY."""
    rows = tables["targets"]["measure"] == "aum_average_quarter"
    tables["targets"].loc[rows, "target"] /= 10_000


def merged(tables: Tables, on: str, into: str) -> None:
    """B005's customers are with B001, and the file of successors says when and who took over."""
    rows = (tables["customers"]["branch_id"] == "B005") & (tables["customers"]["as_of"] == NOW)
    tables["customers"].loc[rows, "branch_id"] = "B001"
    tables["branch_successors"] = pd.DataFrame(
        {"old_branch_id": ["B005"], "new_branch_id": [into], "effective_on": [pd.Timestamp(on)]}
    )


def merged_next_year(tables: Tables) -> None:
    """The day of a merger is wrong."""
    merged(tables, "2027-01-01", "B001")


def merged_into_another(tables: Tables) -> None:
    """The successor is wrong."""
    merged(tables, "2026-08-01", "B002")


def ledger_doubled(tables: Tables) -> None:
    """The ledger's rows were summed over two files."""
    tables["ledger"]["balance"] = tables["ledger"]["balance"].astype(float) * 2


def ledger_negative(tables: Tables) -> None:
    """What a bank owes is negative in its ledger, and its loans are, too."""
    tables["ledger"]["balance"] = tables["ledger"]["balance"].astype(float) * -1


def branch_doubled_in_ledger(tables: Tables) -> None:
    """One branch's amounts of the ledger."""
    ours = tables["ledger"]["branch_id"] == "B003"
    tables["ledger"]["balance"] = tables["ledger"]["balance"].astype(float)
    tables["ledger"].loc[ours, "balance"] *= 2


def again(tables: Tables, name: str, ours: pd.Series[bool]) -> None:
    """Deliver some rows of the quarter before under the new date."""
    rows = tables[name]
    before = rows[ours & (rows["as_of"] == BEFORE)]
    tables[name] = pd.concat([rows[~(ours & (rows["as_of"] == NOW))], before.assign(as_of=NOW)])


def ledger_of_branch_again(tables: Tables) -> None:
    """One branch's ledger."""
    again(tables, "ledger", tables["ledger"]["branch_id"] == "B003")


def holdings_of_branch_again(tables: Tables) -> None:
    """The accounts that one branch has opened."""
    again(tables, "holdings", tables["holdings"]["booking_branch_id"] == "B003")


def holdings_of_owners_again(tables: Tables) -> None:
    """The accounts of one branch's customers, while nothing says where they were opened."""
    customers = tables["customers"]
    ours = customers.loc[customers["branch_id"] == "B003", "customer_id"]
    again(tables, "holdings", tables["holdings"]["customer_id"].isin(ours))
    tables["holdings"] = tables["holdings"].drop(columns="booking_branch_id")


def month_without_transactions(tables: Tables) -> None:
    """One of three files of the quarter was not unloaded."""
    days = pd.to_datetime(tables["transactions"]["transacted_on"])
    tables["transactions"] = tables["transactions"][days.dt.month != 8]


def transactions_of_few(tables: Tables) -> None:
    """Two of five files."""
    tables["transactions"] = tables["transactions"].iloc[::3]


def contacts_of_one_day(tables: Tables) -> None:
    """The day of unloading stands for that of the contact."""
    tables["contacts"]["contacted_on"] = NOW


def averages_swapped(tables: Tables) -> None:
    """The averages of month and quarter are read from one another's columns."""
    names = {"aum_average_month": "aum_average_quarter", "aum_average_quarter": "aum_average_month"}
    tables["customers"] = tables["customers"].rename(columns=names)


def average_of_month_twice(tables: Tables) -> None:
    """One average stands in both columns."""
    tables["customers"]["aum_average_quarter"] = tables["customers"]["aum_average_month"]


def births_by_default(tables: Tables) -> None:
    """Nearly everybody was born on one day."""
    rows = tables["customers"].index % 100 > 0
    tables["customers"].loc[rows, "birth_date"] = pd.Timestamp("1900-12-31")


def one_person(tables: Tables) -> None:
    """Everybody is one person."""
    tables["customers"]["person_id"] = "P7"


def shuffled(tables: Tables, name: str, columns: list[str]) -> None:
    """Give each row of the new quarter the values of another; sums stay as they are."""
    now = tables[name]["as_of"] == NOW
    mixed = tables[name].loc[now, columns].sample(frac=1, random_state=1).to_numpy()
    tables[name].loc[now, columns] = mixed


def amounts_of_others(tables: Tables) -> None:
    """AUM was joined to customers by another order."""
    shuffled(tables, "customers", AUM)


def accounts_of_others(tables: Tables) -> None:
    """Accounts were joined to customers by another order."""
    shuffled(tables, "holdings", ["customer_id"])


def move_from_another_branch(tables: Tables) -> None:
    """A customer of B003 moved from B005, and stays."""
    ours = tables["customers"]["branch_id"] == "B003"
    there = tables["customers"]["as_of"].isin([BEFORE, NOW])
    customer = tables["customers"].loc[ours & there, "customer_id"].mode()[0]
    tables["customer_moves"] = pd.DataFrame(
        {
            "customer_id": [customer],
            "from_branch_id": ["B005"],
            "to_branch_id": ["B001"],
            "effective_on": [pd.Timestamp("2026-08-01")],
        }
    )


def branch_average_in_ten_thousands(tables: Tables) -> None:
    """The average that tiers are made of, in one branch and quarter."""
    customers = tables["customers"]
    rows = (customers["as_of"] == NOW) & (customers["branch_id"] == "B003")
    customers["aum_average_quarter"] = customers["aum_average_quarter"].astype(float)
    customers.loc[rows, "aum_average_quarter"] /= 10_000


def product_in_hundredths(tables: Tables) -> None:
    """One product in every quarter, while the ledger has it right."""
    rows = tables["holdings"]["product"] == "fund"
    tables["holdings"]["balance"] = tables["holdings"]["balance"].astype(float)
    tables["holdings"].loc[rows, "balance"] *= 100


def product_in_ten_thousands_now(tables: Tables) -> None:
    """One product in the newest quarter, without a ledger."""
    del tables["ledger"]
    rows = (tables["holdings"]["as_of"] == NOW) & (tables["holdings"]["product"] == "wealth")
    tables["holdings"]["balance"] = tables["holdings"]["balance"].astype(float)
    tables["holdings"].loc[rows, "balance"] /= 10_000


def types_swapped(tables: Tables) -> None:
    """Persons are companies, and companies persons."""
    codes = {"personal": "corporate", "corporate": "personal", "sole_trader": "sole_trader"}
    types = tables["customers"]["customer_type"].astype(str)
    tables["customers"]["customer_type"] = types.map(codes)


def ledger_again(tables: Tables) -> None:
    """The ledger of the quarter before under the new date."""
    before = tables["ledger"][tables["ledger"]["as_of"] == BEFORE]
    tables["ledger"] = pd.concat([before, before.assign(as_of=NOW)])


def ledger_ends_before(tables: Tables) -> None:
    """The ledger of the newest quarter is not there."""
    tables["ledger"] = tables["ledger"][tables["ledger"]["as_of"] == BEFORE]


def balances_not_anew(tables: Tables) -> None:
    """Accounts of the quarter before with their old averages, and new balances."""
    holdings = tables["holdings"]
    before = holdings[holdings["as_of"] == BEFORE]
    now = before.assign(as_of=NOW, balance=before["balance"].astype(float) * 1.01)
    tables["holdings"] = pd.concat([before, now.round({"balance": 2})])


def branch_without_holdings(tables: Tables) -> None:
    """The file of a branch's holdings is in no quarter's delivery."""
    customers = tables["customers"]
    theirs = customers.loc[customers["branch_id"] == "B005", "customer_id"]
    tables["holdings"] = tables["holdings"][~tables["holdings"]["customer_id"].isin(theirs)]


def closed_branches(tables: Tables) -> None:
    """A day of closing stands in a branch that is in business."""
    branches = tables["branches"]
    day = pd.Timestamp("2026-01-31")
    branches["closed_on"] = branches.get("closed_on", pd.Series(pd.NaT, branches.index))
    branches.loc[branches["branch_id"] == "B003", "closed_on"] = day


ANOTHER_ORDER = (
    r"customers.aum_period_end of 2026Q3 differs by orders of magnitude in 1 of \d+ branches "
    r"\(B003\)"
)
CASES: dict[Change, tuple[str, str]] = {
    branch_in_ten_thousands: ("unit", f"^{ANOTHER_ORDER} from that in the other branches: "),
    branch_in_hundredths: ("unit", f"^{ANOTHER_ORDER} from that in the other branches: "),
    branch_in_thousands_now: ("unit", f"^{ANOTHER_ORDER} from that in 2026Q2: "),
    branch_in_thousands: (
        "part_of_aum",
        rf"^{ANOTHER_ORDER} from what their customers hold: ",
    ),
    branch_holdings_in_ten_thousands: (
        "part_of_aum",
        rf"^{ANOTHER_ORDER} from what their customers hold: ",
    ),
    branch_average_in_ten_thousands: (
        "unit",
        r"^customers.aum_average_quarter of 2026Q3 differs by orders of magnitude from "
        r"customers.aum_period_end in 1 of \d+ branches \(B003\): ",
    ),
    product_in_hundredths: (
        "unit",
        "^holdings of fund in 2026Q3 are 100 times those of the ledger",
    ),
    product_in_ten_thousands_now: (
        "unit",
        "^holdings of wealth in 2026Q3 are 1/[89],\\d00 of those of 2026Q2",
    ),
    ledger_doubled: ("part_of_aum", r"^holdings are 50% of the ledger in 2026Q3: deliver the same"),
    ledger_negative: (
        "negative_balance",
        r"^ledger.balance is negative in (\d+) of \1 rows of loan in 2026Q3",
    ),
    branch_doubled_in_ledger: (
        "part_of_aum",
        r"^holdings of 2026Q3 are another part of the ledger in 1 of \d+ branches \(B003\) than in",
    ),
    ledger_of_branch_again: (
        "delivered_again",
        r"^ledger of 2026Q3 have the rows and amounts of 2026Q2 in 1 of \d+ branches \(B003\)",
    ),
    holdings_of_branch_again: (
        "delivered_again",
        r"^holdings of 2026Q3 have the rows and amounts of 2026Q2 in 1 of \d+ branches \(B003\)",
    ),
    holdings_of_owners_again: (
        "part_of_aum",
        r"^customers.aum_period_end of 2026Q3 is what customers hold in most branches, and not in "
        r"1 of \d+ branches \(B003\)",
    ),
    month_without_transactions: (
        "nothing_of_quarter",
        r"^transactions hold no row of the 31 days after 2026-07-31, and [\d,]+ of as many days",
    ),
    transactions_of_few: (
        "nothing_of_quarter",
        r"^transactions of 2026Q3 are [\d,]+, and customers.active_transactions add up to [\d,]+: ",
    ),
    contacts_of_one_day: (
        "nothing_of_quarter",
        r"^contacts.contacted_on is the same in ([\d,]+) of \1 rows that have one",
    ),
    averages_swapped: (
        "averages_alike",
        r"^customers.aum_average_month of 2026Q3 is farther from customers.aum_period_end than",
    ),
    average_of_month_twice: (
        "averages_alike",
        r"^customers.aum_average_quarter of 2026Q3 is customers.aum_average_month for [\d,]+ cust",
    ),
    births_by_default: (
        "one_value",
        r"^customers.birth_date of 2026Q3 is the same in [\d,]+ of [\d,]+ rows that have one",
    ),
    one_person: (
        "one_value",
        r"^customers.person_id of 2026Q3 is the same in ([\d,]+) of \1 rows that have one",
    ),
    amounts_of_others: (
        "shuffled",
        r"^customers.aum_average_quarter of 2026Q3 is three times that of 2026Q2, or a third, for",
    ),
    accounts_of_others: (
        "shuffled",
        r"^customers.aum_period_end of 2026Q3 is three times what customers hold, or a third, for",
    ),
    types_swapped: (
        "codes_swapped",
        r"^more than half of the customers are corporate in (\d+) of \1 branches",
    ),
    ledger_again: ("delivered_again", "^ledger of 2026Q3 have the rows and amounts of 2026Q2"),
    ledger_ends_before: ("nothing_of_quarter", "^ledger holds nothing of 2026-09-30: "),
    balances_not_anew: (
        "delivered_again",
        "^holdings.average_balance of 2026Q3 adds up to that of 2026Q2 in every product: ",
    ),
    branch_without_holdings: (
        "part_of_aum",
        r"^customers of 2026Q3 with AUM hold nothing in 1 of \d+ branches \(B005\): ",
    ),
    closed_branches: (
        "closed_with_aum",
        r"^1 of \d+ branches \(B003\) have closed by 2026-09-30 and still have customers",
    ),
    branch_without_file: (
        "branch_vanished",
        r"^1 of \d+ branches \(B005\) have no customers in 2026Q2 and 2026Q3, no successor",
    ),
    branch_of_zeros: (
        "column_empty",
        r"^customers.aum_average_month holds nothing but 0 in 1 of \d+ branches \(B003\) of 2026Q3",
    ),
    branch_without_days: (
        "column_empty",
        r"^customers.last_active_on holds no value in 1 of \d+ branches \(B003\) of 2026Q3",
    ),
    branch_delivered_again: (
        "delivered_again",
        r"^customers of 2026Q3 have the rows and amounts of 2026Q2 in 1 of \d+ branches \(B003\)",
    ),
    days_not_computed_anew: (
        "delivered_again",
        r"^customers.last_active_on of 2026Q3 is that of 2026Q2 for ([\d,]+) of \1 customers",
    ),
    averages_not_computed_anew: (
        "delivered_again",
        r"^customers.aum_average_month of 2026Q3 is that of 2026Q2 for ([\d,]+) of \1 customers",
    ),
    deposits_negative: (
        "negative_balance",
        r"^holdings.balance is negative in [\d,]+ of [\d,]+ rows of demand_deposit in 2026Q3",
    ),
    funds_not_delivered: (
        "part_of_aum",
        "^holdings of 2026Q3 hold nothing of fund, and the ledger does",
    ),
    plans_in_ten_thousands: (
        "unit",
        r"^targets of aum_average_quarter in 2026Q3 are 1/[\d,]+ of what the branches have",
    ),
    aum_swapped: (
        "part_of_aum",
        r"^holdings of 2026Q3 are what customers.aum_average_quarter says of [\d,]+ customers, and "
        "customers.aum_period_end of 0: are two columns swapped",
    ),
    balances_swapped: (
        "part_of_aum",
        r"^holdings of 2026Q3 are what customers.aum_average_quarter says of [\d,]+ customers, ",
    ),
    holdings_cut_off: (
        "part_of_aum",
        r"^holdings are \d\d% of AUM in 2026Q3, and 100% in 2026Q2, by \d of \d+ branches \(B",
    ),
    months_of_zeros: (
        "column_empty",
        r"^customers.aum_average_month holds nothing but 0 in all [\d,]+ rows of 2026Q3: ",
    ),
    nobody_active: (
        "column_empty",
        r"^customers.last_active_on holds no value in all [\d,]+ rows of 2026Q3: ",
    ),
    closed_with_aum: (
        "closed_with_aum",
        "^customers.closed_on is not later than as_of in 2 rows of customers with AUM in 2026Q3",
    ),
    matured_before_opened: (
        "days_reversed",
        r"^holdings.opened_on is later than holdings.matures_on in [\d,]+ rows of 2026Q3",
    ),
    born_after_they_came: (
        "days_reversed",
        r"^customers.birth_date is later than customers.relationship_since in [\d,]+ rows of 202",
    ),
    contacts_without_rows: ("nothing_of_quarter", "^contacts hold no row up to 2026-09-30: "),
    contacts_of_next_year: ("nothing_of_quarter", "^contacts hold no row up to 2026-09-30: "),
    contacts_of_last_quarter: (
        "nothing_of_quarter",
        r"^contacts end on 2026-0\d-\d\d, before 2026Q3 began: ",
    ),
    plans_over_no_year_start: (
        "nothing_of_quarter",
        r"^\d+ plans of 2026Q3: increases over 2025Q4, of which there are no extracts",
    ),
    plans_of_last_year: ("nothing_of_quarter", "^targets are of 2025Q3, none of 2026Q3"),
    merged_next_year: (
        "branch_vanished",
        r"^branch B005, .* no successor and no branches.closed_on by 2026",
    ),
    merged_into_another: (
        "moves_not_followed",
        r"^of (\d+) customers of branch B005, which was taken over in 2026Q3, \d+ are not with",
    ),
    move_from_another_branch: (
        "moves_not_followed",
        "^of 1 customers handed over in 2026Q3, 1 are not where",
    ),
    table_in_ten_thousands: (
        "unit",
        r"customers.aum_period_end of 2026Q3 is \S+ times that of holdings",
    ),
    column_in_ten_thousands: (
        "unit",
        "customers.aum_average_quarter of 2026Q3 is .*aum_period_end",
    ),
    quarter_in_ten_thousands: ("unit", "holdings.balance of 2026Q3 is 1/9,\\d00 of that of 2026Q2"),
    all_in_ten_thousands: (
        "unit",
        "customers.aum_period_end of 2026Q3 is CNY [\\d.,]+ per customer",
    ),
    quarter_in_hundredths: ("unit", r"holdings.balance of 2026Q3 is \S+ times that of 2026Q2"),
    all_in_hundredths: ("unit", "customers.aum_period_end of 2026Q3 is CNY [\\d.,]+ per customer"),
    delivered_again: ("delivered_again", "customers of 2026Q3 have the rows and amounts of 2026Q2"),
    a_branch_vanishes: ("branch_vanished", r"branch B005, with \d+ customers in 2026Q2, has none"),
    renumbered: ("renumbered", r"of [\d,]+ customers of 2026Q2 0 are found again in 2026Q3"),
    a_product_renamed: ("product_renamed", r"product time_deposit \(\d+ .* and custody \(\d+ in"),
    half_gone: ("rows_gone", r"holdings have [\d,]+ rows in 2026Q3, and [\d,]+ in 2026Q2"),
    a_circle: ("successor_cycle", "in a circle: B001 → B002 → B001"),
    split_without_moves: ("split_without_moves", "^3 customers of branch B005, which several took"),
    moves_not_followed: (
        "moves_not_followed",
        r"of \d+ customers handed over in 2026Q3, 1 are not where",
    ),
    two_managers: ("two_managers", "1 customers have several managers on 2026-09-30"),
}


# Where several go wrong, each is said of its own change: without it nothing says so.
BANKS: list[list[Change]] = [
    [branch_in_ten_thousands, product_in_hundredths, ledger_negative, ledger_of_branch_again,
     holdings_of_branch_again, month_without_transactions],
    [branch_in_hundredths, branch_average_in_ten_thousands, product_in_ten_thousands_now,
     transactions_of_few, contacts_of_one_day, births_by_default],
    [branch_in_thousands_now, ledger_doubled, branch_doubled_in_ledger, averages_swapped,
     one_person, accounts_of_others],
    [branch_in_thousands, average_of_month_twice, types_swapped, ledger_again, balances_not_anew,
     closed_branches],
    [branch_holdings_in_ten_thousands, amounts_of_others, ledger_ends_before,
     branch_without_holdings, branch_of_zeros, branch_without_days],
    [holdings_of_owners_again, branch_without_file, days_not_computed_anew,
     averages_not_computed_anew, funds_not_delivered, plans_in_ten_thousands],
    [branch_delivered_again, deposits_negative, holdings_cut_off, months_of_zeros, nobody_active,
     closed_with_aum],
    [aum_swapped, matured_before_opened, born_after_they_came, contacts_without_rows,
     plans_of_last_year, merged_next_year],
    [balances_swapped, contacts_of_next_year, merged_into_another, move_from_another_branch,
     quarter_in_ten_thousands, a_product_renamed],
    [contacts_of_last_quarter, table_in_ten_thousands, column_in_ten_thousands,
     all_in_ten_thousands, delivered_again, a_branch_vanishes],
    [quarter_in_hundredths, all_in_hundredths, renumbered, half_gone, a_circle, two_managers],
    [split_without_moves, plans_over_no_year_start],
    [moves_not_followed],
]  # fmt: skip


@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: bank[0].__name__)
def test_what_is_hardly_true_is_said(
    made: Tables, delivered: Delivered, bank: list[Change]
) -> None:
    """Each thing that goes wrong between systems is one warning of its name, with figures."""
    tables = {name: frame.copy() for name, frame in made.items()}
    for change in bank:
        change(tables)
    found = found_in(tables, delivered)
    for change in bank:
        name, words = CASES[change]
        told = any(re.search(f"{words}.*\\({name}\\)", text) for text in found)
        assert told, (change.__name__, found)


def test_every_name_is_looked_for() -> None:
    """What the mapping may call an error is what is looked for, but for the policy's families."""
    assert {name for name, _ in CASES.values()} | {"family_unused"} == {*SUSPICIONS}
    assert sorted(map(str, chain(*BANKS))) == sorted(map(str, CASES))


def test_a_true_bank_raises_none(delivered: Delivered) -> None:
    """The sample bank, with its merger, has nothing to say of any of its quarters."""
    assert found_in(dict(delivered[0]), delivered) == []
    with open_bank(SAMPLE) as bank:
        assert suspicions_of(bank, totals_of(bank, bank.quarters)) == []


@pytest.mark.parametrize("change", [aum_swapped, balances_swapped], ids=lambda c: c.__name__)
def test_a_part_of_many_customers_shows_what_all_would(
    made: Tables, change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many customers a part says whether to look at all; what is said counts all of them."""
    tables = {name: frame.copy() for name, frame in made.items()}
    change(tables)
    for name, frame in in_polars(without_unknown_customers(tables), Path()).items():
        frame.collect().write_parquet(tmp_path / f"{name}.parquet")
    found = []
    for many in (1_000_000, 0):
        monkeypatch.setattr("stockcust_analysis.bank.suspicions._MANY", many)
        with pytest.warns(SuspicionWarning), open_bank(tmp_path) as bank:
            found.append(bank.suspicions)
    assert found[0] == found[1]
    assert "part_of_aum" in dict(found[0])


def test_who_cannot_take_a_part_looks_at_all_customers_at_once(
    made: Tables, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such engines hold all customers to the borders of all: ten who hold anything are too few."""
    tables = {name: frame.copy() for name, frame in made.items()}
    customers, holdings = tables["customers"], tables["holdings"]
    theirs = customers.loc[customers["branch_id"] == "B005", "customer_id"].unique()
    tables["holdings"] = holdings[~holdings["customer_id"].isin(theirs[10:])]
    found = []
    for many in (1_000_000, 0):
        monkeypatch.setattr("stockcust_analysis.bank.suspicions._MANY", many)
        found.append(found_in(tables, delivered))
    assert found[0] == found[1]
    assert any(re.search(r"hold nothing in 1 of \d+ branches \(B005\)", text) for text in found[0])


def test_a_file_delivered_again_is_said_beside_what_it_causes(made: Tables) -> None:
    """Customers who are gone are problems of old holdings; the reason stands beside them."""
    tables = {name: frame.copy() for name, frame in made.items()}
    again(tables, "holdings", pd.Series(True, index=tables["holdings"].index))
    rows = tables["holdings"]["as_of"] == NOW
    tables["holdings"].loc[rows.idxmax(), "customer_id"] = "gone"
    with pytest.raises(
        BankDataError,
        match=r"(?s)holdings.customer_id: .*holdings.as_of: 2026-09-30 has the rows and amounts of "
        r"2026-06-30 in every product\. Was the file delivered again",
    ):
        open_bank(in_polars(tables, Path()))


def test_the_mapping_makes_them_errors(tmp_path: Path, made: Tables) -> None:
    """Those it names stop the run, all in one error; an unknown name is the mapping's problem."""
    tables = {name: frame.copy() for name, frame in made.items()}
    renumbered(tables)
    a_circle(tables)
    tables = in_polars(without_unknown_customers(tables), tmp_path)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[suspicions]\nas_errors = ["renumbered", "successor_cycle"]\n')
    with pytest.raises(BankDataError, match=r"found again.*\n.*in a circle"):
        open_bank(tables, mapping=mapping)
    mapping.write_text('[suspicions]\nas_errors = ["renumberd"]\n')
    with pytest.raises(BankDataError, match=r"unknown suspicion 'renumberd'.*renumbered"):
        open_bank(tables, mapping=mapping)


@pytest.mark.filterwarnings("ignore:.*which other files of")
def test_a_column_that_a_file_lacks_is_said_once(tmp_path: Path, made: Tables) -> None:
    """A warning names the file; zeros are there, and what is an error, are said as ever."""
    tables = {name: frame.copy() for name, frame in made.items()}
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "customers.csv").unlink()
    customers = tables["customers"].assign(loan_balance=1.0)
    for day, rows in customers.groupby("as_of"):
        own = rows.drop(columns="loan_balance") if str(day)[:10] == "2026-09-30" else rows
        own.to_csv(tmp_path / f"customers_{str(day)[:10]}.csv", index=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank(tmp_path).close()
    said = [str(warning.message) for warning in caught if "loan_balance" in str(warning.message)]
    assert len(said) == 1
    assert said[0].startswith("customers_2026-09-30.csv: no loan_balance, which other files of")
    (tmp_path / "mapping.toml").write_text('[suspicions]\nas_errors = ["column_empty"]\n')
    with pytest.raises(BankDataError, match=r"loan_balance holds nothing but 0 in all"):
        open_bank(tmp_path)
    last = customers[customers["as_of"] == customers["as_of"].max()].assign(loan_balance=0.0)
    last.to_csv(tmp_path / "customers_2026-09-30.csv", index=False)
    (tmp_path / "mapping.toml").unlink()
    with pytest.warns(SuspicionWarning, match=r"loan_balance holds nothing but 0 in all"):
        open_bank(tmp_path)


def test_a_family_that_no_holding_is_of_is_said(tiny_bank: TinyBank) -> None:
    """A bank's own family whose products it does not deliver is a warning when it is evaluated."""
    tables = as_frames(tiny_bank())
    assert not {"bond", "metal"} & {*tables["holdings"]["product"]}
    rules = load_policy()
    named = tuple(
        replace(family, name="gold_bars") if family.name == "bond_metal" else family
        for family in rules.families.families
    )
    own = replace(rules, families=replace(rules.families, families=named))
    with open_bank(tables) as bank:
        with pytest.warns(SuspicionWarning, match=r"family 'gold_bars' of .*family_unused"):
            evaluate(bank, quarter="2026Q3", policy=own)
        # A family as shipped is one that this bank may well not have.
        evaluate(bank, quarter="2026Q3", policy=rules)


def with_own_headers(tables: Tables, headers: dict[str, dict[str, str]], folder: Path) -> list[str]:
    """Open a bank under its own headers, and return in Chinese what looks wrong."""
    frames, lines = in_polars(tables, folder), []
    for name, titles in headers.items():
        own = {column: title for title, column in titles.items()}
        frames[name] = frames[name].rename(own, strict=False)
        lines += [f"[tables.{name}.columns]", *(f'"{t}" = "{c}"' for t, c in titles.items())]
    (folder / "mapping.toml").write_text("\n".join(lines), encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank(frames, mapping=folder / "mapping.toml").close()
    return [w.message.args[0].text("zh") for w in caught]  # type: ignore[union-attr]


OWN_HEADERS = {
    "branches": {"停业日": "closed_on"},
    "customers": {
        "期末余额": "aum_period_end",
        "季均余额": "aum_average_quarter",
        "月均余额": "aum_average_month",
        "客户类别": "customer_type",
        "销户日": "closed_on",
        "末次动账日": "last_active_on",
    },
    "holdings": {"账面余额": "balance"},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            column_in_ten_thousands,
            "2026Q3的“季均余额”（customers.aum_average_quarter）是“期末余额”"
            "（customers.aum_period_end）的1/",
        ),
        (
            quarter_in_hundredths,
            "2026Q3的“账面余额”（holdings.balance）是2026Q2的",
        ),
        (
            a_branch_vanishes,
            "截至2026-09-30也没有承接机构和“停业日”（branches.closed_on）（branch_vanished）。",
        ),
    ],
)
def test_what_looks_wrong_is_told_under_the_banks_own_headers(
    change: Change, said: str, made: Tables, tmp_path: Path
) -> None:
    """Columns have the headers of the bank's files, as in what `check` refuses."""
    tables = without_unknown_customers({name: frame.copy() for name, frame in made.items()})
    change(tables)
    told = with_own_headers(without_unknown_customers(tables), OWN_HEADERS, tmp_path)
    assert [text for text in told if said in text], told


def test_sizes_are_written_as_bankers_read_them(delivered: Delivered, made: Tables) -> None:
    """No power of ten: 10,000 times, 1/10,000, and CNY to two digits."""
    tables = {name: frame.copy() for name, frame in made.items()}
    divide(tables, "customers", [*AUM, "loan_balance"], by=0.0001)
    found = " ".join(found_in(tables, delivered))
    assert re.search(r"aum_period_end of 2026Q3 is (9,\d|10,0)00 times that of holdings.bal", found)
    assert not re.search(r"\d[eE][+-]\d", found)
    tables = {name: frame.copy() for name, frame in made.items()}
    divide(tables, "customers", ["aum_average_quarter"])
    found = " ".join(found_in(tables, delivered))
    assert re.search(r"average_quarter of 2026Q3 is 1/(9,\d|1\d,0)00 of that of cust", found)
