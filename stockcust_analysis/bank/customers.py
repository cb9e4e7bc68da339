"""A bank with its customers: one row each, on the branches of a day, as all measures take them.

The evaluation and the analyst who asks for `bank.customers` (报告客户) get them by the same code:
a public measure of them is the figure on the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank import persons
from stockcust_analysis.bank.bank import BankTables
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import PERIOD, Calendar, Frame, Table, as_lazy, collect_rows
from stockcust_analysis.core.periods import Day, Quarter, as_day, require_day
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import population, service
from stockcust_analysis.measures.bases import AUM_FROM, require_amounts
from stockcust_analysis.measures.tiers import tiers_by_period
from stockcust_analysis.policy import Policy, PolicyLike, as_policy

ISSUED_BRANCH = "issued_branch_id"
"""The branch a customer belonged to when the quarter was issued, before any later merger."""
# Not the period first: Spark sorts by the first key's first bytes, and few periods tell nothing.
QUARTERS_BACK = 4
"""How many quarters before its own an evaluation looks at."""
_BASES = ("funded", "established", "effective")
_BRANCH_CHANGES = ("branch_successors", "customer_moves")
AnyBank = TypeVar("AnyBank", bound=BankTables)
_BRANCH = {"name": "branch_name", "type": "branch_type", "region": "region"}
# Evidence of the policy's own rule, which would be taken for that of another one.
_EVIDENCE = ("exempt", "matured_lately", "seen_account", "large_account", "looked_at_cents")


def by_unit(
    bank: AnyBank, policy: Policy, structure: date, *, until: date | None = None
) -> AnyBank:
    """Return the bank with the policy's unit (统计单位) as its customers.

    Where that is the person, his numbers are joined in all tables that measures read. Customers are
    then under the branches of the structure's day, with the numbers known until that day.
    """
    if policy.unit == "customer":
        return bank
    if "person_id" not in bank.columns["customers"]:
        raise UsageError(say("no_person_id", policy.name))
    days = Calendar(tuple(d for d in sorted(bank.days("customers")) if d <= (until or structure)))
    read = {name: as_lazy(bank.table(name)) for name in bank.columns}
    numbers, holdings = _restated(bank, read["customers"], structure), read["holdings"]
    leads = persons.lead_numbers(_present(numbers, policy, days), holdings, policy.families)
    leads = materialize(bank, leads)
    numbers = _at_home(numbers.join(leads, on="customer_id", how="left"))
    joined = _present(numbers.filter(~nw.col(persons.LEAD).is_null()), policy, days)
    tables = {"customers": persons.join_customers(numbers, joined)}
    tables["holdings"] = persons.rename_accounts(holdings, leads, joined)
    if "assignments" in read:  # who managed a number that has left does not manage the person by it
        seen = joined.group_by("customer_id").agg(valid_to=nw.col("as_of").max())
        read["assignments"] = service.end_with_managers(read["assignments"], seen, "customer_id")
    for name in sorted({"assignments", "contacts"} & {*read}):
        tables[name] = persons.rename_numbers(read[name], leads)
    # Branches are those of the structure already.
    same = {name: table for name, table in read.items() if name not in _BRANCH_CHANGES}
    return bank.with_tables({name: t.to_native() for name, t in (same | tables).items()})


def _at_home(numbers: Table) -> Table:
    """Return the numbers of persons who have several in the branch that has them in all quarters.

    That a number was elsewhere is no transfer; that the branch itself was merged stays known. On
    days on which nobody is with that branch, as before it opened, they are where they were.
    """
    branch, home = nw.col("branch_id"), nw.col("_there")
    there = numbers.select("as_of", branch.alias(persons.HOME), branch.alias("_there")).unique()
    numbers = numbers.join(there, on=["as_of", persons.HOME], how="left")
    here = nw.coalesce(home, branch)
    issued = nw.when(here == branch).then(nw.col(ISSUED_BRANCH)).otherwise(home)
    numbers = numbers.with_columns(issued.alias(ISSUED_BRANCH), branch_id=here)
    return numbers.drop(persons.HOME, "_there")


def _present(customers: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return the rows in scope on the days of a calendar, with their `as_of`."""
    rows = calendar.rows(customers.with_columns(_as_of=nw.col("as_of")))
    return population.in_scope(rows, policy, calendar).rename({"_as_of": "as_of"}).drop(PERIOD)


def population_of(
    bank: BankTables, policy: Policy, calendar: Calendar, *, structure: date
) -> Table:
    """Return the customers in scope on some dates, under the branches of the structure's day."""
    contacts = as_lazy(bank.table("contacts")) if "contacts" in bank.columns else None
    customers, holdings = (as_lazy(bank.table(name)) for name in ("customers", "holdings"))
    customers = _restated(bank, customers, structure)
    table = population.population(
        customers, holdings, policy=policy, calendar=calendar, contacts=contacts
    )
    return _with_memory(table, policy, calendar)


def customers_on(bank: BankTables, policy: Policy, as_of: date, *, structure: date) -> Table:
    """Return the customers in scope on one day, with the tiers that the quarters before give."""
    for name in ("customers", "holdings"):
        require_day(as_of, bank.days(name), bank.named(name))
    calendar = Calendar((*quarters_remembered(bank, policy, as_of, structure), as_of))
    table = population_of(bank, policy, calendar, structure=structure)
    latest = table.filter(nw.col(PERIOD) == calendar.period_of(as_of))
    return latest.with_columns(frames.ZERO.alias(PERIOD))


def quarters_remembered(
    bank: BankTables, policy: Policy, as_of: date, structure: date
) -> list[date]:
    """Return the quarter ends before a day that its tiers remember, oldest first.

    They reach back to the first that is missing, within the evaluation of the structure's quarter.
    """
    quarter, today = Quarter.to_date(as_of), Quarter.to_date(structure)
    if policy.tier_memory is None or quarter is None or today is None:
        return []
    ends: list[date] = []
    before, first = quarter.previous, today.shifted(-QUARTERS_BACK)
    while before >= first and before in bank.quarters:
        ends.insert(0, before.end)
        before = before.previous
    return ends


def families_missing(bank: BankTables, policy: Policy, calendar: Calendar) -> list[list[str]]:
    """Return, by date, the families and channels of which the bank delivers no product."""
    holdings = calendar.rows(as_lazy(bank.table("holdings")))
    pairs = collect_rows(holdings.group_by(PERIOD, "product").agg(nw.len()))
    delivered = set(zip(pairs[PERIOD], pairs["product"], strict=True))
    every = policy.families.families + policy.families.channels
    return [
        [each.name for each in every if delivered.isdisjoint((period, p) for p in each.products)]
        for period in range(len(calendar.days))
    ]


def reporting_branches(bank: BankTables, policy: Policy, quarter: Quarter) -> dict[str, str]:
    """Return branch → name of those that have customers in scope at a quarter's end, in order."""
    calendar = Calendar((quarter.end,))
    bank = by_unit(bank, policy, quarter.end)
    customers = _restated(bank, as_lazy(bank.table("customers")), quarter.end)
    customers = population.in_scope(calendar.rows(customers), policy, calendar)
    branches = as_lazy(bank.table("branches")).select("branch_id", "name")
    present = branches.join(customers.select("branch_id").unique(), on="branch_id", how="semi")
    rows = collect_rows(present)
    return dict(sorted(zip(rows["branch_id"], rows["name"], strict=True)))


def merged_branches(bank: BankTables, as_of: date) -> Mapping[str, str]:
    """Return old branch → the one that has its customers on a day."""
    has_successors = "branch_successors" in bank.columns
    return population.successor_of(bank.table("branch_successors"), as_of) if has_successors else {}


def require_branches(
    bank: BankTables, branches: Iterable[str], available: Iterable[str], as_of: date, *what: Any
) -> None:
    """Raise UsageError for a branch that has no customers on a day, and say who took it over.

    One that there never was is unknown, as `UsageError.unknown` says it of `what` with its facts.
    """
    for branch in branches:
        if branch not in available:
            known = collect_rows(as_lazy(bank.table("branches")).select("branch_id"))
            if new := merged_branches(bank, as_of).get(branch):
                raise UsageError(say("branch_merged", branch, new, as_of))
            if branch in known["branch_id"]:
                raise UsageError(say("branch_empty", branch, as_of))
            raise UsageError.unknown(what[0], branch, available, *what[1:])


def source_of(bank: BankTables, policy: Policy, calendar: Calendar) -> service.ServiceSource | None:
    """Return what says who serves whom; None where the bank does not deliver it."""
    names = {"assignments", "contacts", "managers"} & {*bank.columns}
    if "assignments" not in names:
        return None
    tables = {name: as_lazy(bank.table(name)) for name in names}
    return service.ServiceSource(**tables, rule=policy.coverage, calendar=calendar)


def materialize(bank: BankTables, table: Table) -> Table:
    """Compute a shared step once and hold its result until it is released."""
    return as_lazy(bank.materialize(table.to_native()))


def release(bank: BankTables, *tables: Table) -> None:
    """Free the memory of materialised steps."""
    for table in tables:
        bank.release(table.to_native())


def _restated(bank: BankTables, customers: Table, structure: date) -> Table:
    """Return customers under the branches of a day, and the one they were issued under."""
    if ISSUED_BRANCH in customers.collect_schema().names():  # joined under this structure
        return customers
    issued = customers.with_columns(nw.col("branch_id").alias(ISSUED_BRANCH))
    return as_lazy(bank.restate_branches(issued.to_native(), as_of=structure))


def _with_memory(customers: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return the customers of some quarters with the tiers their history gives (升降级).

    By quarter, months become quarters by calendar (按季近似). The first quarter evaluated has no
    history: its tiers are those of the borders. A quarter that is missing ends the history: the
    next one begins anew.
    """
    if policy.tier_memory is None:
        return customers
    table = customers
    value = f"{policy.tiers.value}_cents"
    for run in _consecutive(calendar):
        facts = customers.select("customer_id", value, PERIOD)
        periods = [facts.filter(nw.col(PERIOD) == period).drop(PERIOD) for period in run]
        tiers = tiers_by_period(periods, policy.tiers, policy.tier_memory, value=value)
        remembered = tiers.with_columns(nw.col(PERIOD) + run[0])
        table = table.join(remembered, on=frames.KEYS, how="left")
        table = table.with_columns(tier=nw.coalesce("remembered", "tier")).drop("remembered")
    return table


def _consecutive(calendar: Calendar) -> list[list[int]]:
    """Return the periods in runs of two quarters or more that follow one another."""
    runs = list[list[int]]([[]])
    quarters = [Quarter.to_date(day) for day in calendar.days]
    for period, quarter in enumerate(quarters):
        if not runs[-1] or quarter is None or quarter.previous != quarters[runs[-1][-1]]:
            runs.append([])
        runs[-1] += [] if quarter is None else [period]
    return [run for run in runs if len(run) > 1]


def _with_labels(bank: BankTables, facts: Table, policy: Policy, as_of: date) -> Table:
    """Return the facts under the names an analyst meets, with their day and their rule."""
    names = facts.collect_schema().names()
    bases = {base: nw.col(f"in_{base}") for base in _BASES if f"in_{base}" in names}
    # pandas has no dates, only the first moment of a day.
    hours = facts.implementation.is_pandas_like()
    moment = datetime(as_of.year, as_of.month, as_of.day) if hours else as_of
    labels = {"as_of": nw.lit(moment)} | {n: nw.lit(rule) for n, rule in policy.labels.items()}
    origins = population.aum_origins(bank.columns["customers"], bank.columns["holdings"]).items()
    made = [f"{name}={origin}" for name, origin in origins if origin.startswith("holdings")]
    labels |= {AUM_FROM: nw.lit(";".join(made))} if made else {}
    if "birth_date" in names:
        birth = frames.day(facts, "birth_date")
        labels["age_group"] = population.age_group(birth, Calendar((as_of,)))
    dropped = {*_EVIDENCE, "closed_on", "in_all", ISSUED_BRANCH, PERIOD}
    dropped |= {f"in_{base}" for base in bases}
    facts_shown = [name for name in names if name not in dropped | {*bases}]
    return _with_maturities(bank, facts.select(*facts_shown, **labels, **bases), as_of)


def _with_maturities(bank: BankTables, customers: Table, as_of: date) -> Table:
    """Return the customers with the day on which the last of their holdings fell due."""
    holdings = as_lazy(bank.snapshot("holdings", as_of=as_of))
    if "matures_on" not in holdings.collect_schema().names():
        return customers
    due = frames.day(holdings, "matures_on")
    fallen = holdings.filter(~frames.after(due, as_of)).select("customer_id", last_matured_on=due)
    last = fallen.group_by("customer_id").agg(nw.col("last_matured_on").max())
    return customers.join(last, on="customer_id", how="left")


def _in_cny(table: Table) -> Table:
    """Return the table with money in CNY instead of cents, and no branch of an earlier day."""
    names = [name for name in table.collect_schema().names() if name.endswith("_cents")]
    amounts = {name.removesuffix("_cents"): nw.col(name) / 100 for name in names}
    return table.with_columns(**amounts).drop(*names)


def _with_names(bank: BankTables, table: Table) -> Table:
    """Return the customers with their branch's name, type and region, where delivered."""
    branches = as_lazy(bank.table("branches"))
    present = branches.collect_schema().names()
    names = {new: nw.col(old) for old, new in _BRANCH.items() if old in present}
    return table.join(branches.select("branch_id", **names), on="branch_id", how="left")


def _with_service(bank: BankTables, table: Table, source: service.ServiceSource) -> Table:
    """Return the customers, kept, with who manages them and what was done for them.

    Customers who are not managed have no service: their flags are 0.
    """
    ours = service.assignments_in_force(source).select("customer_id", managed=frames.ONE)
    table = table.join(ours, on="customer_id", how="left").with_columns(
        managed=frames.flag(nw.col("managed").fill_null(0) == 1),
        contactable=service.contactable(table, source.rule),
    )
    everybody = materialize(bank, table)
    known = {*everybody.collect_schema().names(), "in_managed"}
    managed = everybody.filter(nw.col("managed") == 1).with_columns(
        frames.cents(name).alias(f"{name}_cents")
        for name in ("aum_average_quarter", "aum_average_month")
    )
    facts = service.serve(managed, source)
    types = facts.collect_schema()
    added = [name for name in types if name not in known and not name.endswith("_cents")]
    counts = [name for name in added if types[name].is_integer()]
    classes = (nw.col(name).fill_null("") for name in added if name == "customer_class")
    result = everybody.join(facts.select("customer_id", *added), on="customer_id", how="left")
    result = result.with_columns(nw.col(*counts).fill_null(0).cast(nw.Int64), *classes)
    result = materialize(bank, result)
    release(bank, everybody)
    return result


class Bank(BankTables):
    """A bank's tables, checked against the contract; `open_bank` makes it.

    Money is in CNY with two decimals, dates are dates; columns that the bank does not deliver are
    absent. Use it in a `with` block, or call `close` when done.

    Attributes
    ----------
    name : str
        Name of the folder, database or catalogue the tables were read from.
    columns : dict of str to tuple of str
        Columns of each table of the contract that the bank delivers.
    quarters : tuple of Quarter
        Quarters whose last day is an as-of date of both customers and holdings.
    inputs : tuple
        Files or tables that were read, each with what identifies it (`fingerprint`).
    left_out : tuple of str
        Files and sheets that were not read, with the reason.
    unread : dict of str to list of str
        Files or tables that were read → their columns that mean none of the contract's.
    layout : str
        What the files were, where not the contract's.
    approximations : dict of str to list of str
        What a layout makes from something else → the quarters of which it does.

    Examples
    --------
    >>> from stockcust_analysis import open_bank
    >>> with open_bank("data/sample") as bank:
    ...     bank.rows("branches"), [str(quarter) for quarter in bank.quarters][-2:]
    (26, ['2026Q2', '2026Q3'])
    """

    def customers(
        self,
        as_of: Day,
        *,
        policy: PolicyLike = None,
        structure: Day | None = None,
        quarters: int = 1,
    ) -> pd.DataFrame:
        """Return the customers the report speaks of (报告客户), one row each, in pandas.

        Customers of the policy's types who had not left by the as-of date. Every public measure
        takes them and gives, with its defaults, the figure of the page.

        Parameters
        ----------
        as_of : date, "2026-09-30" or "2026Q3"
            A day of which customers and holdings have rows.
        policy : Policy, name or path, optional
            Scope, tiers, dormancy rule, families and bases; the shipped policy when left out. Give
            measures the same one.
        structure : date, "2026-09-30" or "2026Q3", optional
            Day whose branches the customers are restated to (可比口径); default: `as_of`. For the
            opening side of two dates give the closing one, so that a merger is no migration.
        quarters : int
            How many quarters up to `as_of`, one below the other and told apart by `as_of`, under
            the branches of the last: for `over="quarter"` and `cohorts`.

        Returns
        -------
        DataFrame
            Sorted by `as_of` and `customer_id`; what the bank delivers of its customers, on the
            branch of today, with `branch_name`, `branch_type` and `region`. Added: AUM that is not
            delivered, from holdings (CNY; a month's or quarter's average then from the accounts'
            quarterly averages or, without those, their balances of the day: `aum_from` says which,
            and results have a note of it); `tier`; dormancy
            `status`; `families` (number), `holds_<family>`, `uses_<channel>` (empty where the bank
            delivers no account of it that day: unknown, not 0), `obliged` (a loan or policy in
            force); 0/1 columns `funded`, `effective`, `established`, `managed`; `tenure` (years its
            band begins with) and `age_group` (years, such as "35-44"); `last_matured_on`; accounts
            `opened_<age>` and `unused_<age>`; of managed customers `customer_class`, `manager_id`,
            `role` and the columns of `customer_service`. Columns that need a table or column which
            the bank does not deliver are absent. Where the policy counts persons (`unit`),
            `numbers` says how many customer numbers were joined to one: give both sides of two
            dates one `structure`, so that a person keeps one number. `dormancy_rule`, `tier_rule`,
            `base_rule` and `family_rule` say by which rules (name and digest) the columns were
            made: measures that are given others do without them.

        Raises
        ------
        UsageError
            No such day or policy; no customer in scope; fewer quarters than asked for.

        Examples
        --------
        >>> from stockcust_analysis import open_bank
        >>> with open_bank("data/sample") as bank:
        ...     customers = bank.customers("2026Q3")
        >>> int(customers["funded"].sum()), int(customers["managed"].sum())
        (9072, 2016)
        """
        days = [as_day(as_of)]
        if quarters != 1:
            days = [quarter.end for quarter in self.quarters if quarter.end <= days[0]][-quarters:]
            if not 1 <= quarters == len(days):
                facts = quarters, as_of, len(days), [*self.quarters]
                raise UsageError(say("too_many_quarters", *facts))
        parts = []
        for day in days:
            frame = self.customers_frame(day, policy=policy, structure=structure or days[-1])
            try:
                parts.append(frames.to_pandas(frame).sort_values("customer_id", ignore_index=True))
            finally:
                self.release(frame)
        return pd.concat(parts, ignore_index=True) if quarters > 1 else parts[0]

    def snapshot(
        self, name: str, *, as_of: Day, policy: PolicyLike = None, structure: Day | None = None
    ) -> Frame:
        """Return a table's rows of one as-of date, lazily; UsageError where there are none.

        The day is a date, "2026-09-30", or "2026Q3" for the quarter's last day. With a policy that
        counts persons the rows stand under the persons of `customers`, given the same `policy` and
        `structure`; those of other tables keep their own number in `customer_number`.

        Parameters
        ----------
        name : str
            A table that has as-of dates, such as "holdings".
        as_of : date, "2026-09-30" or "2026Q3"
            The day of the rows.
        policy : Policy, name or path, optional
            Whether customers or persons are counted; the shipped policy when left out.
        structure : date, optional
            Whose structure of branches persons are under; the day itself when left out.
        """
        on = as_day(as_of)
        under = on if structure is None else as_day(structure)
        bank = by_unit(self, as_policy(policy), under, until=max(on, under))
        return super(Bank, bank).snapshot(name, as_of=on)

    def customers_frame(
        self, as_of: Day, *, policy: PolicyLike = None, structure: Day | None = None
    ) -> Frame:
        """Return the customers the report speaks of as a lazy frame of the bank's own engine.

        Parameters, columns and errors are those of `customers`. The rows are computed once and
        held in the engine (a table of DuckDB or of the database's session, a persisted Spark
        frame) until `release`, or the bank is closed.

        Parameters
        ----------
        as_of : date, "2026-09-30" or "2026Q3"
            The day of the snapshot.
        policy : Policy, name or path, optional
            Tiers, dormancy rule, families and bases; the shipped policy when left out.
        structure : date, optional
            The day whose branches customers are under; the snapshot's own when left out.
        """
        rules, on = as_policy(policy), as_day(as_of)
        under = on if structure is None else as_day(structure)
        bank = by_unit(self, rules, under, until=max(on, under))
        facts = customers_on(bank, rules, on, structure=under)
        (missing,) = families_missing(self, rules, Calendar((on,)))
        gone = {f"{verb}_{n}" for verb in ("holds", "uses") for n in missing} & {*facts.columns}
        facts = facts.with_columns(nw.when(nw.col(n) < 0).then(nw.col(n)).alias(n) for n in gone)
        table = _with_names(bank, _in_cny(_with_labels(bank, facts, rules, on)))
        source = source_of(bank, rules, Calendar((on,)))
        result = materialize(bank, table) if source is None else _with_service(bank, table, source)
        population.require_customers(result, on)
        require_amounts(result, population.AUM, "customers")
        return result.to_native()
