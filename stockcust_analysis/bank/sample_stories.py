"""The stories planted in the sample bank, and the codebook that lists them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from stockcust_analysis.bank.contract import TABLES, Table
from stockcust_analysis.bank.sample_people import (
    CONCENTRATED,
    MERGED,
    NEW_MONEY,
    OPENED,
    SINGLE_PRODUCT,
    SLEEPING,
    TINY,
)

AS_CSV = ("branches", "branch_successors", "managers", "ledger", "targets")
"""Tables small enough to be read in an editor; the others are written as Parquet."""


@dataclass(frozen=True)
class Story:
    """Something planted in the sample bank: where it is, and the figure that should show it."""

    key: str
    branch: int | None
    zh: str
    shown_by: str


STORIES = (
    Story("ten_customers", CONCENTRATED, "过度依赖十户",
          "the ten largest customers hold more than 60 % of the branch's AUM in every quarter"),
    Story("sleeping_money", SLEEPING, "资金沉睡",
          "silent AUM (no own transaction for six months, AUM ≥ 500): "
          "more than twice the share of any other branch"),
    Story("single_product", SINGLE_PRODUCT, "交叉销售薄弱",
          "by far the lowest share of funded customers with two product families or more"),
    Story("new_money", NEW_MONEY, "只靠新客增长",
          "2026Q3 against 2026Q2: the AUM of existing customers falls, the branch's total rises"),
    Story("tiny", TINY, "微型网点", "fewer than 30 customers: most rates say nothing"),
    Story("opened", OPENED, "新开网点", "opened in 2026Q3; no row before"),
    Story("merged", MERGED, "网点合并",
          "two branches became one on 2026-04-01 (branch_successors); "
          "the old ones have no row after 2026Q1"),
    Story("elders", None, "老年定期户",
          "aged 66 or more, unmatured time deposit, no own transaction for a year: "
          "silent, not dormant"),
    Story("two_numbers", None, "一人多户号", "one person_id, two customer numbers"),
)  # fmt: skip


def sample_readme(tables: dict[str, pd.DataFrame]) -> str:
    """Return the codebook of a sample bank: its files, stories and columns, as Markdown."""
    ids = tables["branches"]["branch_id"]
    names = tables["branches"]["name"]
    stories = [
        f"| {story.zh} | {_where(story, ids, names)} | {story.shown_by} |" for story in STORIES
    ]
    files = [
        f"| {entry.name}.{'csv' if entry.name in AS_CSV else 'parquet'} | {entry.zh} "
        f"| {len(tables[entry.name]):,} | {entry.meaning} |"
        for entry in TABLES
    ]
    return _README.format(
        stories="\n".join(stories),
        files="\n".join(files),
        columns="\n\n".join(_columns(entry) for entry in TABLES),
        pair=" and ".join(_two_numbers(tables["customers"])),
    )


def _where(story: Story, ids: pd.Series, names: pd.Series) -> str:
    """Return the branch of a story as it is printed; 'all' when it is spread over the bank."""
    return "all" if story.branch is None else f"{ids.iloc[story.branch]} {names.iloc[story.branch]}"


def _two_numbers(customers: pd.DataFrame) -> list[str]:
    """Return the customer numbers of the first person who has two."""
    numbers = customers.dropna(subset="person_id").drop_duplicates("customer_id")
    twice = numbers[numbers["person_id"].duplicated(keep=False)].sort_values("person_id")
    return twice["customer_id"].head(2).to_list()


def _columns(entry: Table) -> str:
    """Return one table of the contract as the codebook prints it."""
    rows = [
        f"| {column.name} | {column.zh} | {column.unit or column.kind.value} | {column.meaning} |"
        for column in entry.columns
    ]
    title = [f"### {entry.name} {entry.zh}", "", "| column | 中文 | unit or kind | meaning |"]
    return "\n".join([*title, "|---|---|---|---|", *rows])


_README = """# The sample bank 样例银行

A fictitious rural commercial bank (农商行): every person, name, place and amount is invented.
Five quarters, 2025Q3 to 2026Q3. Written by `stockcust sample`; do not edit, make it again.

## Planted stories

| story | branch | the figure that shows it |
|---|---|---|
{stories}

The first person with two numbers is {pair}. With another seed or size the stories
stay, their margins change.

## Files

| file | 中文 | rows | what it holds |
|---|---|---|---|
{files}

## How it was made

- Assets are heavy-tailed: empty accounts, a lognormal body and a Pareto tail. About a third of all
  customers hold less than 100 CNY or sleep.
- Balances change on one day a quarter, the day of the customer's last own transaction; averages
  are exact daily averages of that path. Nothing moves on a sleeping account but its interest.
- A customer who leaves is shown once more, with `closed_on` and no money; the average of that
  quarter still counts the days before.
- Loans and credit cards show the amount owed and are no part of AUM.
- Transactions cover 2026Q3 only. They agree with `last_active_on` and `active_transactions`, and
  their interest with the balances of accounts at rest; other amounts do not explain balances.
- The ledger is the sum of holdings by booking branch, so it reconciles to the cent.
- The plan of 2026 starts from the end of 2025 and asks for 5 to 8 % more.

## Columns

{columns}
"""
