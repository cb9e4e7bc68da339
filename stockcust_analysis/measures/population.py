"""The population: one row per customer and as-of date, with everything the measures sum.

In scope are the policy's customer types who had not left by the as-of date, under the branch that
has them on today's structure (可比口径). Every measure is then one look at this table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby, pairwise
from operator import itemgetter

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import Calendar, Frame, Table, as_lazy, collect_rows, day
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import holdings as held
from stockcust_analysis.measures.bases import base_flag, require_amounts, require_columns
from stockcust_analysis.measures.cross_sell import families_held
from stockcust_analysis.measures.tiers import label_reached, tier_name
from stockcust_analysis.policy import Policy, PolicyLike, as_policy

_COLUMNS = ("old_branch_id", "new_branch_id", "effective_on")
_MOVES = ("customer_id", "from_branch_id", "to_branch_id", "effective_on")
Structures = Sequence[tuple[date, Mapping[str, str]]]


def restate_branches(
    customers: Frame,
    successors: Frame | None,
    *,
    as_of: Day,
    branch: str = "branch_id",
    moves: Frame | None = None,
) -> Frame:
    """Return the table with each branch replaced by the one that has its customers on a date.

    With `as_of` the closing date, an earlier table is shown on today's structure and a merger is no
    migration; left as it is, or with `as_of` its own date, it is shown as issued.

    Parameters
    ----------
    customers : table
        With the column `branch`; customers, holdings or any other.
    successors : table or None
        `old_branch_id, new_branch_id, effective_on`, of any engine; mergers follow one another in
        the order they took effect, those after `as_of` do not count. The customers of a branch that
        several took over (a split) follow their `moves`; those without one stay with it.
    as_of : date, "2026-09-30" or "2026Q3"
        Day of the structure.
    branch : str
        Column of branch numbers.
    moves : table, optional
        `customer_id, from_branch_id, to_branch_id, effective_on`, of the engine of `customers`, a
        row per customer and day: who was handed over by the bank. Rows of `customers` earlier than
        that day (by their `as_of`) and with that branch count with the new one, move after move.

    Returns
    -------
    table
        Of the kind given; a branch without successor keeps its number.

    Raises
    ------
    UsageError
        A column is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> mergers = pd.DataFrame({"old_branch_id": ["A"], "new_branch_id": ["B"],
    ...                         "effective_on": [date(2026, 4, 1)]})
    >>> bank = pd.DataFrame({"branch_id": ["A", "B"]})
    >>> restate_branches(bank, mergers, as_of=date(2026, 6, 30))["branch_id"].tolist()
    ['B', 'B']
    >>> restate_branches(bank, mergers, as_of=date(2026, 3, 31))["branch_id"].tolist()
    ['A', 'B']
    """
    table = as_lazy(customers)
    require_columns(table, [branch], "customers")
    structures = [] if successors is None else _structures(successors, as_day(as_of))
    if not structures and moves is None:
        return customers
    if moves is not None:
        table = _move_customers(table, branch, as_lazy(moves), structures, as_day(as_of))
    return frames.same_kind(customers, _replace_branches(table, branch, structures))


def _replace_branches(table: Table, column: str, structures: Structures) -> Table:
    """Return the table with the branches of a column that were merged replaced."""
    if not structures:
        return table
    merged = structures[-1][1].items()
    now = (nw.when(nw.col(column) == old).then(nw.lit(new)) for old, new in merged)
    return table.with_columns(nw.coalesce(*now, nw.col(column)).alias(column))


def _move_customers(
    table: Table, branch: str, moves: Table, structures: Structures, as_of: date
) -> Table:
    """Return the table, whose branches are those of its own days, after each customer's moves.

    A move is from a branch as it stood until the day before: with those merged into it by then, and
    not yet with those of the day itself.
    """
    require_columns(moves, _MOVES, "customer_moves")
    require_columns(table, ["as_of", "customer_id"], "customers")

    def until_the_move(column: str) -> nw.Expr:
        by_then = [
            nw.when((nw.col(column) == old) & frames.after(nw.col("_on"), when)).then(nw.lit(new))
            for when, merged in reversed(structures)
            for old, new in merged.items()
        ]
        return nw.coalesce(*by_then, nw.col(column))

    moves = moves.with_columns(_on=day(moves, "effective_on"))
    moves = moves.filter(~frames.after(nw.col("_on"), as_of)).select(
        "customer_id",
        "_on",
        _from=until_the_move("from_branch_id"),
        _to="to_branch_id",
        _step=nw.col("_on").rank("ordinal").over("customer_id").cast(nw.Int64),
    )
    for step in sorted(collect_rows(moves.select("_step").unique())["_step"]):
        move = moves.filter(nw.col("_step") == step).drop("_step")
        table = table.join(move, on="customer_id", how="left")
        moved = (day(table, "as_of") < nw.col("_on")) & (until_the_move(branch) == nw.col("_from"))
        now = nw.when(moved.fill_null(False)).then(nw.col("_to")).otherwise(nw.col(branch))
        table = table.with_columns(now.alias(branch)).drop("_on", "_from", "_to")
    return table


def successor_of(successors: Frame, as_of: date) -> Mapping[str, str]:
    """Return old branch → the branch that has its customers on the date, over all mergers.

    A branch with several successors has none here: customers follow their moves.
    """
    structures = _structures(successors, as_of)
    latest = structures[-1][1] if structures else {}
    return {old: branch for old, branch in latest.items() if old != branch}


def _structures(successors: Frame, as_of: date) -> Structures:
    """Return the days of mergers up to a date, and old branch → the one it belongs to from then.

    A branch that comes back is its own.
    """
    table = as_lazy(successors)
    require_columns(table, _COLUMNS, "branch_successors")
    table = table.filter(~frames.after(day(table, "effective_on"), as_of))
    rows = collect_rows(table.select(_COLUMNS))
    olds, news = rows["old_branch_id"], rows["new_branch_id"]
    split = split_branches(olds, news)
    events = sorted(zip(map(as_day, rows["effective_on"]), olds, news, strict=True))
    structures, now = list[tuple[date, dict[str, str]]](), dict[str, str]()
    for when, merged in groupby((e for e in events if e[1] not in split), key=itemgetter(0)):
        direct = {old: new for _, old, new in merged}
        now = now | {old: old for old in direct}
        for _ in direct:  # mergers of one day may follow one another
            now = {old: direct.get(branch, branch) for old, branch in now.items()}
        structures.append((when, now))
    return structures


def split_branches(olds: Sequence[str], news: Sequence[str]) -> set[str]:
    """Return the old branches that several new ones took over.

    >>> split_branches(["A", "A", "B"], ["X", "Y", "X"])
    {'A'}
    """
    times = Counter(old for old, _ in {*zip(olds, news, strict=True)})
    return {old for old, count in times.items() if count > 1}


AUM = ("aum_period_end", "aum_average_month", "aum_average_quarter")
TENURE_YEARS = (1, 3, 5, 10)
AGE_GROUPS = ("0-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+", "unknown")
_AGES = (18, 25, 35, 45, 55, 65)
_NEEDED = ("customer_id", "branch_id", "customer_type", "last_active_on")


def population(
    customers: Table, holdings: Table, *, policy: Policy, calendar: Calendar, contacts: Table | None
) -> Table:
    """Return the customers in scope on the calendar's dates, with all that measures look at.

    Columns: `period`, those of customers with money as Int64 cents, 0/1 columns
    `holds_<family>`, `uses_<channel>`, `obliged` (a loan or policy in force), `in_<base>`, the
    number of `families`, `tier`, `status`, `tenure` (years its band begins with), new accounts and
    the unused among them. AUM that the bank does not deliver is made from holdings.
    """
    families, rule = policy.families, policy.dormancy
    table = in_scope(calendar.rows(customers), policy, calendar)
    held.require_evidence(table, rule, holdings=True, contacts=contacts is not None)
    accounts = held.with_balance(calendar.rows(holdings))
    flags = held.family_flags(accounts, families, calendar)
    flags |= held.account_evidence(accounts, rule, families, calendar)
    flags["obliged"] = held.is_obligation(accounts, calendar)
    amounts = held.aum_amounts(accounts, families)
    amounts |= held.opening_amounts(accounts, families, calendar)
    amounts["looked_at_cents"] = held.looked_at_cents(rule, families)
    table = held.join_accounts(table, accounts, keys=frames.KEYS, flags=flags, amounts=amounts)
    table = _in_cents(table)
    if contacts is not None and "contact" in rule.clock:
        table = _with_contacts(table, contacts, policy, calendar)
    tenure = tenure_columns(table, calendar) if "relationship_since" in table.columns else {}
    table = table.with_columns(families=families_held(families), **tenure)
    bases = ["all", "funded", "effective"]
    bases += ["established"] if "established" in table.columns else []
    amount = nw.col(f"{rule.value}_cents")
    return table.with_columns(
        tier=tier_name(nw.col(f"{policy.tiers.value}_cents"), policy.tiers),
        status=held.status_name(table, rule, calendar, amount=amount),
        **{f"in_{base}": base_flag(table, base, policy.bases) for base in bases},
    )


def customer_facts(
    customers: Frame,
    holdings: Frame,
    *,
    policy: PolicyLike = None,
    as_of: Day,
    contacts: Frame | None = None,
) -> Frame:
    """Return one row per customer of the as-of date, with all that the measures look at.

    Parameters
    ----------
    customers, holdings : table
        As in the contract, of any number of as-of dates, and of the same engine.
    policy : Policy, name or path, optional
        Customer types in scope, tiers, dormancy rule, families and bases.
    as_of : date, "2026-09-30" or "2026Q3"
        The snapshot; also the day idle periods end on.
    contacts : table, optional
        For a policy whose dormancy rule counts contacts as activity.

    Returns
    -------
    table
        Of the kind given; lazy stays lazy. Customers of the policy's types who had not left by
        `as_of`. Columns: those of customers, with money as Int64 cents (`aum_period_end_cents`,
        `aum_average_month_cents`, `aum_average_quarter_cents`, `loan_balance_cents`); 0/1 columns
        `holds_<family>` and `uses_<channel>` (an empty, unused or matured account does not
        count), `obliged` (a loan or policy in force), `exempt`, `matured_lately`,
        `seen_account` and `large_account` (dormancy rule), `in_all`, `in_funded`,
        `in_established`, `in_effective`; the number of `families`; `tier`; `status`; `tenure` and
        `established` where there is a `relationship_since`; new accounts and the unused among them
        (see `opening_amounts`).
        An AUM column that the bank does not deliver is made from holdings (see `aum_origins`).
        `in_managed` needs assignments and is added by who has them.

    Raises
    ------
    UsageError
        A column or the snapshot is not there; AUM is missing or negative; somebody was last
        active after `as_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> bank = pd.DataFrame({
    ...     "customer_id": ["1"], "branch_id": ["A"], "customer_type": ["personal"],
    ...     "last_active_on": pd.to_datetime(["2026-09-01"]),
    ... })
    >>> accounts = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [60_000.0]})
    >>> facts = customer_facts(bank, accounts, policy=load_policy(), as_of=date(2026, 9, 30))
    >>> facts[["holds_fund", "families", "tier", "status"]].values.tolist()
    [[1, 1, 'mid', 'active']]
    """
    table, rules, on = as_lazy(customers), as_policy(policy), as_day(as_of)
    require_columns(table, _NEEDED, "customers")
    present = in_scope(held.snapshot(table, on), rules, Calendar((on,)))
    require_customers(present, on)
    delivered = present.collect_schema().names()
    require_amounts(present, [name for name in AUM if name in delivered], "customers")
    held.require_past_activity(present, on)
    facts = population(
        held.snapshot(table, on),
        held.snapshot(as_lazy(holdings), on, "holdings"),
        policy=rules,
        calendar=Calendar((on,)),
        contacts=None if contacts is None else as_lazy(contacts),
    )
    return frames.same_kind(customers, facts.drop(frames.PERIOD))


def age_group(born: nw.Expr, calendar: Calendar) -> nw.Expr:
    """Return the band of years a customer born on a day has reached, or `unknown`."""
    reached = (~calendar.after(born, frames.months_before(12 * years)) for years in _AGES)
    name = label_reached(AGE_GROUPS[:-1], reached)
    return nw.when(born.is_null()).then(nw.lit(AGE_GROUPS[-1])).otherwise(name)


def require_customers(customers: Table, as_of: date) -> None:
    """Raise when no customer is in scope."""
    if frames.collect_rows(customers.select(nw.len().alias("rows")))["rows"] == [0]:
        raise UsageError(say("none_in_scope", as_of))


def aum_origins(customer_columns: Iterable[str], holding_columns: Iterable[str]) -> dict[str, str]:
    """Return where each AUM column comes from, to be printed with the figures.

    The quarter's and the month's average fall back on the quarter's average balance of the
    accounts, and where there is none on the balance of the as-of date.

    >>> aum_origins(["customer_id", "aum_period_end"], ["balance"])["aum_average_quarter"]
    'holdings.balance'
    """
    delivered = set(customer_columns)
    average = "average_balance" if "average_balance" in set(holding_columns) else "balance"
    computed = dict.fromkeys(AUM, f"holdings.{average}") | {"aum_period_end": "holdings.balance"}
    return {name: f"customers.{name}" if name in delivered else computed[name] for name in AUM}


def tenure_columns(table: Table, calendar: Calendar) -> dict[str, nw.Expr]:
    """Return `tenure`, the years a customer's band begins with, and `established` (12 months).

    Years are counted day to day: a customer of exactly three years is in the band that begins with
    three. Customers of an unknown day count as new. Cross-sell of newcomers has had no time yet.
    """
    since = day(table, "relationship_since")
    borders = {years: frames.months_before(12 * years) for years in TENURE_YEARS}
    reached = {
        years: frames.flag(~since.is_null() & ~calendar.after(since, border))
        for years, border in borders.items()
    }
    steps = [reached[upper] * (upper - lower) for lower, upper in pairwise([0, *TENURE_YEARS])]
    return {"tenure": nw.sum_horizontal(*steps), "established": reached[1]}


def in_scope(customers: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return customers of the policy's types who had not left by the as-of date."""
    of_types = customers.filter(nw.col("customer_type").is_in(policy.customer_types))
    if "closed_on" not in of_types.collect_schema().names():
        return of_types
    closed = day(of_types, "closed_on")
    return of_types.filter(closed.is_null() | calendar.after_as_of(closed))


def _in_cents(table: Table) -> Table:
    """Replace money in CNY by cents, and make the AUM that was not delivered from holdings."""
    money = [name for name in (*AUM, "loan_balance") if name in table.collect_schema().names()]
    amounts = {f"{name}_cents": nw.col("held_average_cents") for name in AUM}
    amounts["aum_period_end_cents"] = nw.col("held_cents")
    for name in money:
        amounts[f"{name}_cents"] = frames.cents(name) if name in AUM else frames.cents_or_zero(name)
    return table.with_columns(**amounts).drop(*money, "held_cents", "held_average_cents")


def _with_contacts(table: Table, contacts: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return the customers with `contacted_lately`: an answered contact in the idle period."""
    dated = calendar.on_every_day(contacts)
    outcomes = policy.coverage.effective_outcomes
    answered = held.was_contacted_lately(dated, policy.dormancy, outcomes, calendar)
    return held.join_accounts(table, dated, keys=frames.KEYS, flags={"contacted_lately": answered})
