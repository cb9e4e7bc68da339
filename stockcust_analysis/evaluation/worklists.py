"""The work lists in figures: what is to be done now, and what came of the lists a quarter ago.

The customers themselves stay on the lists; these tables hold counts and sums only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple
from warnings import warn

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.customers import by_unit, customers_on
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.frames import PERIOD, Frame, as_lazy, same_kind, to_pandas
from stockcust_analysis.core.periods import Quarter, cutoff
from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.evaluation.provided import aum_of_deposits, with_lists_provided
from stockcust_analysis.evaluation.results import UNKNOWN, WHOLE_BANK
from stockcust_analysis.measures.worklist_outcomes import (
    draw_control_group,
    without_control_group,
    worklist_outcomes,
)
from stockcust_analysis.measures.worklists import (
    through,
    worklist_counts,
    worklist_facts,
    worklists,
)
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.service import MODEL_LIST, WorkListRule

_FIGURES = ("measure", "base", "n", "numerator", "denominator", "value")
OUTCOME_COLUMNS = ("branch_id", "list", "evidence", "group", *_FIGURES)
_OUTCOME_FACTS = ("customer_id", "status", "aum_period_end_cents", "contacted_on", "outcome")
_ON_SHEETS = ("listed", "due_in_month")
_MONTHS_BEFORE = 3
_AT_ONCE = 5_000
"""Customers named in one query: databases refuse queries of any length."""
_NOTABLE = 0.001
_OF_DEPOSITS = {"reason_zh": {"资产|AUM": "存款"}, "reason_en": {"assets|AUM": "deposits"}}
"""What reasons say of assets where deposits are all that is known of them."""


class Lists(NamedTuple):
    """All branches' work lists of a day: customers, how many each list finds, the facts behind."""

    rows: pd.DataFrame
    counts: pd.DataFrame
    facts: Frame


def worklist_tables(
    bank: Bank, lists: Lists, *, quarter: Quarter, policy: Policy
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what every list asks of every branch now, and what last quarter's lists brought.

    `lists` are those of the quarter's last day.

    Returns
    -------
    worklists
        `branch_id, list, customers, amount` (CNY at stake), `left_out, listed` (on the sheet),
        `due_on` (the first day something is due), `due_in_month` (listed and due in the month of
        that day); the whole bank as "@bank".
    outcomes
        The measures of `worklist_outcomes` by branch, on today's structure; empty where the bank
        delivers no contacts, or no customers of the quarter before.
    """
    table = _with_totals(lists.rows, lists.counts)
    if "contacts" not in bank.columns or quarter.previous not in bank.quarters:
        return table, pd.DataFrame(columns=OUTCOME_COLUMNS)
    return table, _outcomes(bank, lists.facts, quarter, policy)


def make_lists(bank: Bank, *, as_of: date, policy: Policy) -> Lists:
    """Return all branches' lists of a day, as branches are on that day."""
    bank, policy = bank.in_polars(), with_lists_provided(bank, policy, as_of)
    facts, rows = _facts_and_rows(bank, as_of=as_of, policy=policy, structure=as_of)
    lists = Lists(rows, pd.DataFrame(worklist_counts(facts, policy=policy)), facts)
    if policy.worklists.model:
        lists = _with_model_list(bank, lists, as_of, policy)
    if aum_of_deposits(bank, policy, as_of):
        lists = lists._replace(rows=lists.rows.replace(_OF_DEPOSITS, regex=True))
    return lists._replace(rows=_with_control_group(lists.rows, policy.worklists))


def _facts_and_rows(
    bank: Bank, *, as_of: date, policy: Policy, structure: date
) -> tuple[Frame, pd.DataFrame]:
    """Return the facts behind the lists of a day, and the lists, by the branches of another.

    Where the bank has customers of three months before, money that is leaving shows. No tier
    stands on them where AUM is not provided.
    """
    is_tiered = aum_of_deposits(bank, policy, as_of) != UNKNOWN
    bank = by_unit(bank, policy, structure)
    days = bank.days("customers") & bank.days("holdings")
    require_known("as_of", as_of, days)
    snapshots = {}
    for day in sorted(days & {as_of, cutoff(as_of, _MONTHS_BEFORE)}):
        customers = customers_on(bank, policy, day, structure=structure)
        snapshots[day] = bank.materialize(customers.drop(PERIOD).to_native())
    delivered = {"assignments", "contacts", "managers"} & set(bank.columns)
    tables = {name: bank.table(name) for name in delivered}
    facts, holdings = snapshots.pop(as_of), bank.snapshot("holdings", as_of=as_of)
    opening = next(iter(snapshots.values()), None)
    facts = worklist_facts(facts, holdings, policy=policy, as_of=as_of, opening=opening, **tables)
    if not is_tiered:
        facts = same_kind(facts, as_lazy(facts).with_columns(tier=nw.lit(None, dtype=nw.String)))
    facts = bank.materialize(facts)
    rows: pd.DataFrame = worklists(facts, policy=policy, as_of=as_of)
    return facts, rows


def _with_control_group(lists: pd.DataFrame, rule: WorkListRule) -> pd.DataFrame:
    """Return the lists with a control group, if the rule asks for one."""
    if not rule.hold_out_share:
        return lists
    drawn = draw_control_group(lists, share=rule.hold_out_share, seed=rule.hold_out_seed)
    return pd.DataFrame(drawn)


def _with_model_list(bank: Bank, lists: Lists, as_of: date, policy: Policy) -> Lists:
    """Return the lists with that of the policy's model, where there is one."""
    scores, (rows, counts, facts) = _model_scores(bank, as_of, policy), lists
    if scores.empty:
        return lists
    rule = replace(policy, worklists=replace(policy.worklists, lists=()))
    known = _rows_of(facts, sorted(scores["customer_id"]), as_lazy(facts).collect_schema().names())
    known = known.merge(scores, on="customer_id", validate="1:1")
    found = pd.DataFrame(worklist_counts(known, policy=rule)).set_index("branch_id")
    found = found.drop(columns="list").reindex(counts["branch_id"].unique(), fill_value=0)
    found = found.reset_index().assign(list=MODEL_LIST)
    rows = pd.concat([rows, worklists(known, policy=rule, as_of=as_of)], ignore_index=True)
    return Lists(rows, pd.concat([counts, found], ignore_index=True), facts)


def _model_scores(bank: Bank, as_of: date, policy: Policy) -> pd.DataFrame:
    """Return whom the policy's model finds most at risk, with probability and reason.

    It learns from quarters up to the day alone. Nobody is returned, and a warning says why, where
    it cannot be made or a backtest does not show it to be better than the plain rules.
    """
    from stockcust_analysis.models.early_warning import EarlyWarning
    from stockcust_analysis.models.features import History

    rule, quarter = policy.worklists.model, Quarter.ending_on(as_of)
    assert rule is not None
    model = EarlyWarning(policy=policy, personal=rule.personal, random_state=rule.seed)
    try:
        if quarter is None:
            raise UsageError(say("only_at_quarter_ends", as_of))
        if not model.backtest(bank, quarter.previous).beats_rules:
            raise UsageError(say("backtest_no_better"))
        history = History.of(bank, model)
        model.learn(history, until=quarter)
        options = {"as_of": quarter, "top": rule.top_share}
        zh, en = (
            model.set_params(language=name).score_customers(history, **options)
            for name in ("zh", "en")
        )
    except UsageError as error:
        warn(say("list_not_made", MODEL_LIST, error), stacklevel=4)
        return pd.DataFrame()
    reasons = {"model_reason_zh": zh["reason"], "model_reason_en": en["reason"]}
    return pd.DataFrame(
        {"customer_id": zh["customer_id"], "model_risk": zh["probability"]} | reasons
    )


def _with_totals(lists: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Return the counts with what is on the sheets, for every branch and for the whole bank."""
    keys, totals = ["branch_id", "list"], ["customers", "amount", "left_out", *_ON_SHEETS]
    shown = without_control_group(lists)
    months = shown["due_date"].map(lambda day: f"{day:%Y-%m}")
    first = months == months.groupby([shown[key] for key in keys]).transform("min")
    by_sheet = shown.assign(first=first.astype("int64")).groupby(keys, as_index=False)
    sheets = by_sheet.agg(
        listed=("customer_id", "size"), due_on=("due_date", "min"), due_in_month=("first", "sum")
    )
    table = counts.rename(columns={"amount_at_stake": "amount"})
    table = table.merge(sheets, how="left", on=keys, validate="1:1")
    table = table.fillna(dict.fromkeys(_ON_SHEETS, 0)).astype(dict.fromkeys(_ON_SHEETS, "int64"))
    table["due_on"] = ["" if pd.isna(day) else str(day)[:10] for day in table["due_on"]]
    whole = table.groupby("list", as_index=False, sort=False)[totals].sum()
    table = pd.concat([table, whole.assign(branch_id=WHOLE_BANK, due_on="")])
    # The counts stand in the order of the lists, which a stable sort keeps within a branch.
    table = table.sort_values("branch_id", kind="stable", ignore_index=True)
    return table[[*keys, *totals, "due_on"]]


def _outcomes(bank: Bank, closing: Frame, quarter: Quarter, policy: Policy) -> pd.DataFrame:
    """Return what became of the customers of the lists of the previous quarter's end."""
    then = quarter.previous.end
    policy = with_lists_provided(bank, policy, then)
    # Without a model's list: what was listed then was learnt by another model than today's.
    opening, lists = _facts_and_rows(bank, as_of=then, policy=policy, structure=quarter.end)
    lists = _with_control_group(lists, policy.worklists)
    ids = sorted(set(lists["customer_id"]))
    table = by_unit(bank, policy, quarter.end).table("contacts")
    contacts, before, after = (_rows_of(table, ids) for table in (table, opening, closing))
    days = {"listed_on": then, "as_of": quarter.end}
    parts = [
        worklist_outcomes(part, contacts, opening=before, closing=after, by="branch_id", **days)
        for part in (lists, lists.assign(branch_id=WHOLE_BANK))
    ]
    return pd.DataFrame(pd.concat(parts, ignore_index=True))


def _rows_of(
    table: Frame, customers: Sequence[str], names: Sequence[str] = _OUTCOME_FACTS
) -> pd.DataFrame:
    """Return some columns of these customers alone: no other row leaves the bank."""
    rows = as_lazy(table)
    present = rows.collect_schema().names()
    rows = rows.select(name for name in names if name in present)
    parts = [
        to_pandas(rows.filter(nw.col("customer_id").is_in(customers[at : at + _AT_ONCE])))
        for at in range(0, len(customers) or 1, _AT_ONCE)
    ]
    return pd.concat(parts, ignore_index=True)


def most_pressing(
    table: pd.DataFrame, measures: pd.DataFrame, *, branch_id: str, most: int = 5
) -> pd.DataFrame:
    """Return what a branch is to do first in the month after the quarter, at most five things.

    What falls due before the end of the period comes first, by its day. Then come the lists on
    which the branch has more money at stake than a branch of its size has on average, by how much
    more (a thousandth of its assets and above); then the rest by the money at stake.

    Parameters
    ----------
    table
        `worklists` of `worklist_tables`, with the whole bank.
    measures
        Measure table with `aum_period_end` of all customers, of the branch and of the bank.
    branch_id, most
        Whose, and how many.

    Returns
    -------
    table
        The rows of the branch, in the order in which to do them; empty where there are no lists.
    """
    if table.empty:
        return table
    of_branch, of_bank = (table[table["branch_id"] == name] for name in (branch_id, WHOLE_BANK))
    month_end = through(Quarter.parse(measures["quarter"].max()).end, 1).isoformat()
    own = of_branch[(of_branch["customers"] > 0) & (of_branch["list"] != "set_aside")]
    own = own[own["due_on"] <= month_end]
    if own.empty:
        return own
    assets = measures[(measures["measure"] == "aum_period_end") & (measures["base"] == "all")]
    assets = assets.sort_values("quarter").drop_duplicates("branch_id", keep="last")
    by_branch = assets.set_index("branch_id")["value"]
    assets_here = float(by_branch.get(branch_id, 0))
    part = assets_here / (float(by_branch.get(WHOLE_BANK, 0)) or 1.0)
    usual = own["list"].map(of_bank.set_index("list")["amount"]).fillna(0) * part
    more = own["amount"] - usual
    order = own.assign(
        early=own["due_on"].where(own["due_on"] < own["due_on"].max(), "9999"),
        more=more.where(more >= _NOTABLE * assets_here, 0),
    )
    ascending = {"early": True, "more": False, "amount": False}
    order = order.sort_values([*ascending], ascending=[*ascending.values()], kind="stable")
    return order.head(most)[list(table.columns)]
