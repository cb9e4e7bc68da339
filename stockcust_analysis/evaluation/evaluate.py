"""The evaluation of a quarter: all measures of all branches, with up to four quarters before it.

Quarters are measured together, in one pass over each view, grouped by quarter and branch. Only a
bank too large for that is measured quarter by quarter: one pass then saves nothing. Beside the
measures an evaluation holds branches, targets, what reconciles or is set aside, and the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank import customers as reported
from stockcust_analysis.bank.customers import QUARTERS_BACK, by_unit, merged_branches, release
from stockcust_analysis.bank.problems import Part
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.bank.suspicions import Suspicions, tell
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import Calendar, Table, as_lazy, cents, collect_rows
from stockcust_analysis.core.periods import Day, Quarter, as_quarter, require_day
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.evaluation import measuring, provided, results
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.measuring import NO_CHANGES, Measured
from stockcust_analysis.evaluation.policy_check import check_policy_against, read_policy
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.evaluation.scorecard import level_targets, scorecard, with_previous
from stockcust_analysis.evaluation.worklists import Lists, make_lists, worklist_tables
from stockcust_analysis.measures.co_holding import CO_HOLDING, co_holding_table
from stockcust_analysis.measures.codebook import measures_by_aum
from stockcust_analysis.measures.registry import specs_for
from stockcust_analysis.policy import DEFAULT, Policy, load_policy

_ROWS_AT_ONCE = 2_000_000
"""Customer-quarters measured in one pass; above that one pass only costs memory."""
Steps = Callable[[int, int], None]
"""Called with the number of steps done, and of all steps."""


def evaluate(
    bank: Bank | str | Path | Any,
    *,
    quarter: Day,
    policy: Policy | str | Path = DEFAULT,
    first_quarter: bool = False,
    sizes: bool = False,
    progress: Steps | None = None,
) -> Evaluation:
    """Compute every measure of every branch for a quarter and the four before it.

    Earlier quarters are restated on today's structure (可比口径): a branch that was merged away
    counts with the branch that took over. Corporate customers and those who have left are out of
    scope unless the policy says otherwise.

    Parameters
    ----------
    bank
        As opened by `open_bank`; or what that takes (a folder, a URL, …), opened and closed.
    quarter
        Such as "2026Q3"; its last day is the as-of date. "2026Q3-08" is the quarter to August.
    policy
        Name of a shipped policy, a TOML file, or a policy.
    first_quarter
        State that the bank has no earlier quarter. Without it a missing previous quarter is an
        error, because every comparison would silently be empty.
    sizes
        Also compute the two largest customers behind each amount: what a circulated edition needs
        to decide what must be suppressed.
    progress
        Called with the number of steps done, and of all steps.

    Returns
    -------
    Evaluation
        Small pandas tables.

    Raises
    ------
    UsageError
        No such quarter, or none before it.
    PolicyError
        The policy cannot be followed.

    Examples
    --------
    >>> evaluation = evaluate("data/sample", quarter="2025Q3", first_quarter=True)
    >>> len(evaluation.branches)
    24
    """
    if not isinstance(bank, Bank):
        options: dict[str, Any] = {"policy": policy, "first_quarter": first_quarter}
        with open_bank(bank) as opened:
            return evaluate(opened, quarter=quarter, sizes=sizes, progress=progress, **options)
    progress = progress or (lambda done, total: None)
    bank, target, rules = bank.in_polars(), as_quarter(quarter), read_policy(policy)
    quarters = _quarters(bank, target, first_quarter)
    branches, targets = provided.branches_of(bank), targets_of(bank, target)
    customers = as_lazy(bank.snapshot("customers", as_of=target.end)).group_by("branch_id")
    present = branches["branch_id"].isin(collect_rows(customers.agg(nw.len()))["branch_id"])
    check_policy_against(rules, branches=branches[present], targets=targets)
    chunks, aum = _chunks(bank, rules, quarters), provided.aum_of_deposits(bank, rules, target.end)
    steps = len(chunks) + 2
    parts, tables = _measure(bank, rules, chunks, target, sizes, progress)
    progress(len(chunks), steps)
    if len(tables["bridge"]):
        volumes = pd.concat([part.volume for part in parts])
        before, now = (volumes[volumes["quarter"] == str(q)] for q in (target.previous, target))
        parts.append(Measured(measuring.aum_change(before, now, target, rules), pd.DataFrame()))
    progress(len(chunks) + 1, steps)
    gone = reported.families_missing(bank, rules, Calendar(tuple(each.end for each in quarters)))
    missing = dict(zip(map(str, quarters), gone, strict=True))
    merged, plans = merged_branches(bank, target.end), dict[Quarter, pd.DataFrame]()
    for each in (target.previous, target):
        today = provided.targets_today(targets_of(bank, each), merged)
        plans[each] = provided.mark_incomplete(today, bank, rules, missing.get(str(each), []), aum)
    tell(_unused_families(rules, target, missing[str(target)]), bank.as_errors, bank.name)
    tables["co_holding"] = provided.without_families(tables["co_holding"], missing)
    tables["set_aside"] = set_aside_of(bank, quarters)
    tables |= _standing(bank, rules, parts, branches, plans, missing=missing, aum=aum)
    progress(steps, steps)
    return Evaluation(
        quarter=target,
        bank_name=bank.name,
        policy_facts=provided.policy_facts(rules, bank, target, missing[str(target)], aum)
        | provided.unlike_families(rules, missing, target)
        | provided.unit_facts(bank, rules, target, tables["measures"]),
        reconciliation=reconciliation(bank, rules, target),
        **tables,
    )


def _unused_families(policy: Policy, target: Quarter, missing: Sequence[str]) -> Suspicions:
    """Return the suspicion of families that a policy adds to those shipped, and no row bears."""
    added = {*policy.families.names} - {*load_policy().families.names}
    return [
        ("family_unused", say("family_unused", target, name, policy.name))
        for name in missing
        if name in added
    ]


def _measure(
    bank: Bank,
    policy: Policy,
    chunks: Sequence[Calendar],
    target: Quarter,
    sizes: bool,
    progress: Steps,
) -> tuple[list[Measured], dict[str, pd.DataFrame]]:
    """Return the measures of each chunk and of what changed, and the target's own tables."""
    bank, followed = by_unit(bank, policy, target.end), _followed(bank, target)
    parts, compared, tables = list[Measured](), dict[Quarter, Table](), dict(NO_CHANGES)
    both, several = [target.previous, target], len(chunks) > 1
    for done, chunk in enumerate(chunks):
        progress(done, len(chunks) + 2)
        views = measuring.views_of(bank, policy, chunk, structure=target)
        measured = measuring.measure_views(bank, views, measuring.Scope(policy, chunk, both, sizes))
        parts.append(measured)
        for quarter in (each for each in followed if each.end in chunk.days):
            customers = views.customers_of(quarter)
            compared[quarter] = measuring.comparable_columns(bank, customers, policy, hold=several)
        if target.end in chunk.days:
            co_holding = _co_holding(views.customers_of(target), policy, target)
        if several:  # the views of one chunk go before those of the next are made
            release(bank, *views.tables)
        if len(compared) > 1:
            scope = measuring.Scope(policy, chunk, [target], sizes)
            changes, changed = measuring.measure_changes(bank, compared, scope, measured.volume)
            parts.append(changes)
            tables |= changed
            # The newest is what the next chunk is compared with.
            release(bank, *[compared.pop(quarter) for quarter in [*compared][:-1] if several])
    release(bank, *(compared.values() if several else views.tables))
    columns = ["quarter", "branch_id", "customer_share", "value_share"]
    lorenz = measured.lorenz.assign(quarter=str(target))[columns]
    lorenz = lorenz.sort_values("branch_id", kind="stable", ignore_index=True)
    return parts, tables | {"co_holding": co_holding, "lorenz": lorenz}


def _followed(bank: Bank, target: Quarter) -> list[Quarter]:
    """Return the quarters whose customers are compared with the next one's, the target last.

    Besides the previous quarter that is the one before it, for what changed by then: not where the
    target is not over, whose changes are not a whole quarter's, nor where averages are made in
    another way. None where there is no previous quarter.
    """
    before, unlike = target.previous, provided.unlike_quarters(bank.approximations, target)
    if before not in bank.quarters:
        return []
    earlier = before.previous
    is_like = target.is_whole and not {str(before), str(earlier)} & {*unlike}
    return [*([earlier] if is_like and earlier in bank.quarters else []), before, target]


def _quarters(bank: Bank, target: Quarter, first_quarter: bool) -> list[Quarter]:
    """Return the quarters to measure, oldest first."""
    delivered = bank.quarters
    days = bank.days("customers") & bank.days("holdings")
    if target.is_whole and target not in delivered:
        raise UsageError.unknown("quarter", target, delivered)
    require_day(target.end, days, say("customers_and_holdings"))
    if target.previous not in delivered and not first_quarter:
        raise UsageError(say("no_previous_quarter", target, target.previous, [*delivered]))
    quarters = (target.shifted(-back) for back in range(QUARTERS_BACK, -1, -1))
    return [quarter for quarter in quarters if quarter.end in days]


def _chunks(bank: Bank, policy: Policy, quarters: Sequence[Quarter]) -> list[Calendar]:
    """Return the quarters in chunks that are measured in one pass."""
    days = len(bank.days("customers"))
    at_once = max(1, _ROWS_AT_ONCE * days // max(bank.rows("customers"), 1))
    # The tiers of a quarter remember those before; Spark takes seconds to plan and compile a query.
    is_spark = as_lazy(bank.table("customers")).implementation.is_spark_like()
    if policy.tier_memory is not None or is_spark:
        at_once = len(quarters)
    ends = [quarter.end for quarter in quarters]
    # The newest quarters stand together: they are compared.
    starts = range(len(ends) % at_once or at_once, len(ends) + 1, at_once)
    return [Calendar(tuple(ends[max(0, stop - at_once) : stop])) for stop in starts]


def _co_holding(customers: Table, policy: Policy, quarter: Quarter) -> pd.DataFrame:
    """Return which families are held together, for every branch and the whole bank."""
    (spec,) = specs_for(customers, [CO_HOLDING])
    totals = frames.collect_sums(customers, ["branch_id"], spec.columns(policy))
    sums = pd.concat([totals[["branch_id"]], spec.own(totals)], axis=1)
    bank = sums.drop(columns="branch_id").sum().to_frame().T.assign(branch_id=WHOLE_BANK)
    sums = pd.concat([sums, bank], ignore_index=True).sort_values("branch_id", ignore_index=True)
    table = co_holding_table(sums, policy.families, ["branch_id"], spec.base)
    table.insert(0, "quarter", str(quarter))
    return table


def _standing(
    bank: Bank,
    policy: Policy,
    parts: Sequence[Measured],
    branches: pd.DataFrame,
    plans: Mapping[Quarter, pd.DataFrame],
    *,
    missing: Mapping[str, Sequence[str]],
    aum: str,
) -> dict[str, pd.DataFrame]:
    """Return all measures, and how the branches stand by scorecard and comparison."""
    previous, target = plans
    quarter = str(target)
    measures = pd.concat([part.measures for part in parts], ignore_index=True)
    # Members stay in the policy's order.
    order = ["quarter", "branch_id", "dimension", "measure", "base"]
    measures = measures.sort_values(order, kind="stable", ignore_index=True)
    measures = provided.without_families(measures[list(results.MEASURE_COLUMNS)], missing)
    measures = provided.comparable_numbers(measures, policy, missing, target)
    cells = pd.concat([part.cells for part in parts if len(part.cells)], ignore_index=True)
    reporting = measures.loc[measures["quarter"] == quarter, "branch_id"].unique()
    branches = branches[branches["branch_id"].isin(reporting)].reset_index(drop=True)
    levels = {q: level_targets(plans[q], measures, policy=policy, quarter=q) for q in plans}
    judged = provided.comparable_measures(measures, bank.approximations, target)
    if aum == results.UNKNOWN:
        by_tier = measures["measure"].isin(measures_by_aum(policy, tiers=True))
        measures = measures[~by_tier].reset_index(drop=True)
        judged = judged[~judged["measure"].isin(measures_by_aum(policy))]
        cells = cells[~cells["measure"].isin(measures_by_aum(policy))]
    before, now = (
        scorecard(judged, branches, targets=levels[q], policy=policy, quarter=str(q))
        for q in (previous, target)
    )
    card, scores = with_previous(*now, before=before)
    compared = comparison(judged, branches, cells=cells, policy=policy, quarter=quarter)
    tables = {"measures": measures, "cells": cells, "branches": branches}
    tables["targets"] = levels[target].dropna(subset=["target"]).reset_index(drop=True)
    tables |= {n: t for n, t in NO_CHANGES.items() if aum == results.UNKNOWN and "migration" in n}
    return tables | {"scorecard": card, "scores": scores, "comparison": compared}


def evaluate_with_lists(
    bank: Bank, *, quarter: str, policy: str = DEFAULT, **options: Any
) -> tuple[Evaluation, Lists]:
    """Return all that a quarter's pages show, and the work lists that it counts."""
    bank, rules = bank.in_polars(), read_policy(policy)
    evaluation = evaluate(bank, quarter=quarter, policy=rules, **options)
    lists = make_lists(bank, as_of=evaluation.quarter.end, policy=rules)
    table, outcomes = worklist_tables(bank, lists, quarter=evaluation.quarter, policy=rules)
    return replace(evaluation, worklists=table, outcomes=outcomes), lists


def make_missing_evaluation(
    folder: str | Path, *, data: str | Path, progress: Steps | None = None
) -> Evaluation:
    """Make the evaluation that a notebook asks for from a bank beside it, and keep it for the next.

    Parameters
    ----------
    folder
        Such as "reports/2026Q3/evaluation"; the folder around it names the quarter. A relative
        path lies in the working folder or in the one above, whichever holds the bank.
    data
        The bank's folder, relative to the same place.
    progress
        Called with the number of steps done, and of all steps.

    Raises
    ------
    UsageError
        None can be made: the folder's name states no quarter, there is no such bank, or the folder
        lies elsewhere.
    """
    root = next((path for path in results.WORKING_FOLDERS if (path / data).is_dir()), None)
    # Nowhere else: a mistyped path must not fill with the figures of another bank.
    if root is None or not (root / folder).resolve().is_relative_to(root.resolve()):
        return results.open_evaluation(folder)
    with open_bank(root / data) as bank:
        try:
            quarter = str(Quarter.parse(Path(folder).parent.name))
        except UsageError:
            raise UsageError(say("no_evaluation_made", folder)) from None
        evaluation, _ = evaluate_with_lists(bank, quarter=quarter, progress=progress)
    evaluation.save(root / folder)
    return results.open_evaluation(root / folder)


def targets_of(bank: Bank, quarter: Quarter) -> pd.DataFrame:
    """Return what the branches are to reach by the quarter's end; empty without targets."""
    names, more = ["branch_id", "quarter", "measure", "target"], {"kind": "", "phased_share": 1.0}
    if "targets" not in bank.columns:
        return pd.DataFrame(columns=[*names, *more]).astype({"target": float})
    known = [name for name in more if name in bank.columns["targets"]]
    whole = str(replace(quarter, months=3))
    table = as_lazy(bank.table("targets")).filter(nw.col("quarter") == whole)
    frame = pd.DataFrame(collect_rows(table.select(*names, *known)), columns=[*names, *more])
    frame["quarter"] = str(quarter)
    frame["kind"] = frame["kind"].astype(object).fillna("level").replace("", "level")
    frame["phased_share"] = frame["phased_share"].astype(float).fillna(1.0)
    return frame.sort_values(["branch_id", "measure"], ignore_index=True)


def reconciliation(bank: Bank, policy: Policy, quarter: Quarter) -> pd.DataFrame:
    """Return totals that must agree: assets by customer, by account and in the ledger, in CNY."""
    aum = nw.col("product").is_in(policy.families.aum_products)
    holdings = as_lazy(bank.snapshot("holdings", as_of=quarter.end))
    by_account = _total(holdings.filter(aum), "balance")
    above_zero = _total(holdings.filter(aum, nw.col("balance") > 0), "balance")
    rows = []
    if "aum_period_end" in bank.columns["customers"]:
        customers = as_lazy(bank.snapshot("customers", as_of=quarter.end))
        # Of a customer's assets an overdraft counts as 0.
        rows.append(("customers_and_accounts", _total(customers, "aum_period_end"), above_zero))
    if "ledger" in bank.columns and (quarter.is_whole or quarter.end in bank.days("ledger")):
        ledger = Calendar((quarter.end,)).rows(as_lazy(bank.table("ledger")))
        rows.append(("ledger_and_accounts", _total(ledger.filter(aum), "balance"), by_account))
    table = pd.DataFrame(rows, columns=["check", "left", "right"])
    return table.assign(difference=(table["left"] - table["right"]).round(2))


def set_aside_of(bank: Bank, quarters: Sequence[Quarter]) -> pd.DataFrame:
    """Return what the bank's tolerance left out of these quarters, by branch and of the bank.

    Branches are those of the newest quarter. Of references `by_branch` every row has its branch.
    """
    ends, tables = [None, *(quarter.end for quarter in quarters)], []
    now = merged_branches(bank, quarters[-1].end) if bank.set_aside else {}
    for entry in bank.set_aside:
        known = [part for part in entry.parts if part.as_of in ends]
        if entry.allowed is None or not known:
            continue
        parts = pd.DataFrame(known, columns=Part._fields)
        by_branch = bool(parts["branch_id"].notna().all())
        own = parts.assign(branch_id=parts["branch_id"].replace(now)) if by_branch else parts[:0]
        both = pd.concat([own, parts.assign(branch_id=WHOLE_BANK)])
        sizes = both.groupby("branch_id", as_index=False)[["rows", "cents"]].sum()
        amount = sizes.pop("cents") / 100
        sizes["amount"] = amount if entry.has_amount else float("nan")
        tables.append(sizes.assign(table=entry.table, column=entry.column, by_branch=by_branch))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _total(table: Table, name: str) -> float:
    """Return the sum of a CNY column, exact to the cent."""
    total = collect_rows(table.select(total=cents(name)).select(nw.col("total").sum()))["total"][0]
    return int(total or 0) / 100
