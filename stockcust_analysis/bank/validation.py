"""Validation: what must hold in delivered tables and between them, on every engine.

A table is counted once by as-of date; keys and references take one look each. Text that is not
plain, and codes not allowed, are read again, trimmed. All problems are raised at once. A message
quotes headers, or a code like an allowed one that several customers have, never another cell.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from operator import eq, gt, lt

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import doubts
from stockcust_analysis.bank import problems as bank_problems
from stockcust_analysis.bank.contract import Column, Kind, named, table
from stockcust_analysis.bank.conversion import TEXTS
from stockcust_analysis.bank.doubts import CellTest, has_rounded, lost_digits, text_tests
from stockcust_analysis.bank.mapping import Tolerance
from stockcust_analysis.bank.problems import BRANCH, POSITION, Delivery, Problem, Rows, SetAside
from stockcust_analysis.bank.totals import repeated_day
from stockcust_analysis.core import engines
from stockcust_analysis.core.engines import DuckDBEngine, Engine, hash_of, quoted, sql_of
from stockcust_analysis.core.frames import ONE, after, collect_rows, count_rows, flag, height, sums
from stockcust_analysis.core.periods import as_day, is_month_end
from stockcust_analysis.errors import Words, advise, did_you_mean, either, is_quotable, say

_SHOWN, _FREQUENT, _LOOKED_AT, _SEVERAL = 3, 5, 50, 2
_MANY = 200_000
"""Rows from which on to see that keys come in an order costs less than to compare them all."""
EVENTS = {"contacts": "contacted_on", "transactions": "transacted_on"}
"""Tables of events, and their days: those after the newest as-of date are in no quarter."""
# column, how it must not compare with the other column, what is said of it
_COMPARISONS = (
    ("last_active_on", gt, "as_of", "later_date"),
    ("opened_on", gt, "as_of", "later_date"),
    ("relationship_since", gt, "as_of", "later_date"),
    ("birth_date", gt, "as_of", "born_later"),
    ("valid_to", lt, "valid_from", "earlier_date"),
    ("to_branch_id", eq, "from_branch_id", "same_branch"),
)


def validate(
    deliveries: Iterable[Delivery],
    problems: Sequence[Problem],
    source: str,
    tolerance: Mapping[tuple[str, str], Tolerance],
    engine: Engine,
) -> dict[str, bank_problems.TableFacts]:
    """Check tables, given in the contract's order; raise all problems at once.

    `problems` are those known before, `source` says in the error where the tables are, `tolerance`
    what may be set aside; the engine holds the keys of that.
    """
    checks: dict[str, _TableCheck] = {}
    for delivery in deliveries:
        checks[delivery.contract.name] = _TableCheck(delivery, checks, tolerance, engine)
    _count_references([r for c in checks.values() for r in c.references.values()], engine)
    problems = [*problems, *(problem for check in checks.values() for problem in check.run())]
    problems += _unmatched([r for check in checks.values() for r in check.unmatched])
    if "branch_successors" in checks:
        problems += checks["branch_successors"].judge_splits()
    for name, check in checks.items() if problems else ():
        if again := repeated_day(name, {*check.names} - check.unread, check.rows, check.days):
            problems.append(check.delivery.problem("as_of", *again))
    bank_problems.raise_if_any(problems, source)
    facts = {}
    for name, c in checks.items():
        titles = {column.name: c.delivery.header(column.name) for column in c.delivery.columns}
        kept, mark = c.rows.select(*titles).to_native(), f"|{bank_problems.ABSENT}"
        partly = (n for n in c.rows.collect_schema().names() if n.endswith(mark))
        partial = {n.removesuffix(mark): c.rows.filter(~nw.col(n)) for n in partly}
        facts[name] = bank_problems.TableFacts(
            c.total, c.days, c.trimmed, c.set_aside, c.filters, kept, titles, partial
        )
    return facts


@dataclass
class _Reference:
    """Where a column leads: the keys that must agree in both tables, of one as-of date if any.

    `lost` counts the rows that refer to something that is not there; `complete` says that every
    row refers to something that is there, so that no cell is empty.
    """

    column: Column
    table: _TableCheck
    target: _TableCheck
    ours: list[str]
    theirs: list[str]
    lost: int = 0
    complete: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the target holds plain text alone, so that whatever agrees with it is plain."""
        return self.theirs[-1] not in self.target.trimmed

    @property
    def is_consequence(self) -> bool:
        """Whether rows may be lost as the other table has no rows, or keys that cannot be read."""
        has_no_rows = self.target.contract.required and not self.target.total
        return has_no_rows or bool(self.target.unread & {*self.theirs})

    @property
    def is_unmatched(self) -> bool:
        """Whether no row at all refers to something that is there, and none may be set aside."""
        allowed = self.table.tolerance.get((self.table.contract.name, self.column.name))
        return 0 < self.lost == self.table.total and (allowed is None or allowed.rows is None)

    def lost_rows(self, rows: Rows) -> Rows:
        """Return the rows that refer to something that is not there."""
        return self.astray(rows.filter(~nw.col(self.column.name).is_null()))

    def astray(self, rows: Rows) -> Rows:
        """Return the rows whose keys are not there, or empty."""
        known = self.target.rows.select(*self.theirs)
        return rows.join(known, left_on=self.ours, right_on=self.theirs, how="anti")

    def count(self) -> None:
        """Count the rows that refer to something that is not there."""
        self.complete, self.lost = False, height(self.lost_rows(self.table.rows))


def _unmatched(references: Sequence[_Reference]) -> Iterator[Problem]:
    """Yield one problem for each column none of whose values are those that others refer to."""
    targets: dict[tuple[str, str], list[_Reference]] = {}
    for entry in references:
        targets.setdefault((entry.target.contract.name, entry.theirs[-1]), []).append(entry)
    for (_, key), entries in targets.items():
        if len(entries) < _SEVERAL:
            yield from (problem for e in entries for problem in e.table.judge_lost(e))
        else:
            columns = [e.table.delivery.named(e.column.name) for e in entries]
            yield entries[0].target.delivery.problem(key, *advise("nowhere", columns))


def _count_references(references: Sequence[_Reference], engine: Engine) -> None:
    """Count the rows with dangling references; where there are any, without those with empty cells.

    DuckDB reads and hashes a target once for all that lead to it. Hashes of 64 bits stand for the
    keys there: one of a million million dangling rows could pass.
    """
    targets: dict[object, list[_Reference]] = {}
    for reference in references:
        keys = reference.target.contract.name, *reference.theirs
        targets.setdefault(keys, []).append(reference)
    for entries in targets.values():
        if isinstance(engine, DuckDBEngine):
            found = _find_by_hash(entries, engine)
        else:
            found = [entry for entry in entries if height(entry.astray(entry.table.rows).head(1))]
        for entry in found:
            entry.count()


def _find_by_hash(references: Sequence[_Reference], engine: DuckDBEngine) -> list[_Reference]:
    """Return which references to the same keys have dangling rows, or empty cells."""
    ours = (
        f"SELECT {index} AS entry, {hash_of(entry.ours)} AS key FROM ({sql_of(entry.table.rows)})"
        for index, entry in enumerate(references)
    )
    theirs, target = references[0].theirs, sql_of(references[0].target.rows)
    filled = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in theirs)
    known = f"SELECT {hash_of(theirs)} AS key FROM ({target}) WHERE {filled}"
    lost = f"FROM ({' UNION ALL '.join(ours)}) ANTI JOIN ({known}) USING (key)"
    found = engine.connection.execute(f"SELECT DISTINCT entry {lost}").fetchall()
    return [references[index] for (index,) in found]


class _TableCheck:
    """The checks of one table, beside the tables before it in the contract."""

    def __init__(
        self,
        delivery: Delivery,
        others: Mapping[str, _TableCheck],
        tolerance: Mapping[tuple[str, str], Tolerance],
        engine: Engine,
    ) -> None:
        self.delivery, self.contract = delivery, delivery.contract
        self.others, self.tolerance, self.engine = others, tolerance, engine
        self.set_aside: list[SetAside] = []
        self.unmatched: list[_Reference] = []
        self.filters: list[Callable[[Rows], Rows]] = []
        self.names = [column.name for column in delivery.columns]
        self.trimmed, self.unread, self.ordered = set[str](), set[str](), set[str]()
        self.rows = delivery.read()
        self.total, self.days = 0, dict[date, int]()
        self.references = {
            column.name: reference
            for column in delivery.columns
            if (reference := self._reference(column, others))
        }

    def _reference(self, column: Column, others: Mapping[str, _TableCheck]) -> _Reference | None:
        """Return where a column leads; None when it leads nowhere, or to what is not delivered."""
        name, key = column.references or ("", "")
        if name not in others:
            return None
        both_dated = "as_of" in self.contract.column_names and "as_of" in table(name).column_names
        shared = ["as_of"] if both_dated else []
        ours, theirs = [*shared, column.name], [*shared, key]
        if not ({*ours} <= {*self.names} and {*theirs} <= {*others[name].names}):
            return None
        return _Reference(column, self, others[name], ours, theirs)

    def run(self) -> list[Problem]:
        """Return everything that is wrong in the table; what may be set aside is."""
        for reference in self.references.values():
            if reference.target.filters:
                reference.count()
        tests = [*self._cell_tests(self.delivery.columns)]
        self.ordered = self._ordered_keys(tests)
        counts = self._count(tests + self._date_tests())
        doubtful = {name for name, reference in self.references.items() if reference.lost}
        doubtful |= {
            test.column.name
            for test, n in counts
            if n and (test.column.kind in TEXTS or not test.what)
        }
        if doubtful:
            self.trimmed, self.rows = doubtful, self.delivery.read(doubtful)
            again = [column for column in self.delivery.columns if column.name in doubtful]
            counts = [(t, n) for t, n in counts[: len(tests)] if t.column not in again]
            counts += self._count([*self._cell_tests(again), *self._date_tests()])
            for reference in self.references.values():
                if reference.column in again:
                    reference.count()
        self._warn_of_emptied()
        failed = [(test, count) for test, count in counts if count]
        self.unread = {test.column.name for test, _ in failed if not test.has_value}
        problems = [self._cell_problem(*entry) for entry in failed if not entry[0].is_late]
        problems += self._table_problems()
        lost = [r for r in self.references.values() if r.lost and not r.is_consequence]
        self.unmatched = [r for r in lost if r.is_unmatched]
        problems += [p for entry in lost if not entry.is_unmatched for p in self.judge_lost(entry)]
        for late in (test for test, _ in failed if test.is_late):
            self._leave_out(late)
        return problems

    def _warn_of_emptied(self) -> None:
        """Warn of amounts, numbers and flags that only the mapping's null marks empty."""
        null = self.delivery.mapping.null
        numbers = [mark for mark in null if re.fullmatch(r"\d+(\.\d+)?", mark)]
        columns = [c for c in self.delivery.columns if c.kind.is_numeric or c.kind is Kind.FLAG]
        filled = {c.name: ~nw.col(c.name).is_null() for c in columns if numbers and c.nullable}
        if filled:
            mapping = replace(self.delivery.mapping, null=[m for m in null if m not in numbers])
            counts = count_rows(self.rows, filled)
            given = count_rows(replace(self.delivery, mapping=mapping).read(self.trimmed), filled)
            said = advise("emptied", either(numbers), self.contract.name)
            for name in (name for name in filled if given[name] > counts[name]):
                emptied = self.delivery.problem(name, *said, given[name] - counts[name])
                warnings.warn(emptied.words, stacklevel=2)

    def judge_splits(self) -> Iterator[Problem]:
        """Yield the problem of branches that were split while no move says who went where."""
        customers, moves = (self.others.get(name) for name in ("customers", "customer_moves"))
        if not (customers and customers.days):
            return
        tables = self.rows, customers.rows, moves.rows if moves else None
        if split := doubts.unexplained_splits(*tables, max(customers.days)):
            wrong, said = nw.col("old_branch_id").is_in(split), advise("split_not_told")
            count = height(self.rows.filter(wrong))
            yield self._problem("old_branch_id", *said, count, lambda r: r.filter(wrong))

    def _cell_tests(self, columns: Iterable[Column]) -> Iterator[CellTest]:
        """Yield what may be wrong in the cells of columns; empty cells are wrong only once."""
        names = self.rows.collect_schema().names()
        for column in columns:
            cell, empty = nw.col(column.name), nw.col(column.name).is_null()
            for name in names:
                owner, _, what = name.partition("|")
                if owner == column.name and what:
                    fault = nw.col(name).fill_null(False)
                    empty &= ~fault
                    if what != bank_problems.ABSENT:
                        yield CellTest(column, fault, *advise(what), has_value=False)
            # Where every row leads somewhere no cell is empty, and text is as plain as there.
            reference = self.references.get(column.name)
            leads = reference and reference.complete
            if not (column.nullable or leads):
                marks = self.delivery.mapping.null
                said = advise("empty_cell_null" if marks else "empty_cell", repr([*marks]))
                yield CellTest(column, empty, *said, has_value=False)
            yield from doubts.value_tests(column, cell)
            if column.kind is Kind.TEXT and column.name in self.trimmed:
                has_nul = not self.rows.implementation.is_ibis()
                yield from text_tests(column, cell, has_nul=has_nul)
            elif column.allowed:
                continue  # an odd cell is none of the codes
            elif f"{column.name}|" in names and not (reference and leads and reference.is_plain):
                yield CellTest(column, nw.col(f"{column.name}|"))

    def _date_tests(self) -> list[CellTest]:
        """Return the tests that compare two dates, or one with the newest as-of date."""
        late, name = [], EVENTS.get(self.contract.name, "")
        if name in self.names and self.others.get("customers", self).days:
            newest = max(self.others["customers"].days)
            what, wrong = say("later_than_all", newest), after(nw.col(name), newest)
            late = [CellTest(self.contract.column(name), wrong, what, is_late=True)]
        return late + [
            CellTest(
                self.contract.column(name),
                fails(nw.col(name), nw.col(other)),
                *advise(said, self.delivery.called(other)),
            )
            for name, fails, other, said in _COMPARISONS
            if {name, other} <= {*self.names}
        ]

    def _count(self, tests: Sequence[CellTest]) -> list[tuple[CellTest, int]]:
        """Return in how many rows each test fails, and note the rows of each as-of date.

        Mostly all is well: then one condition shows it for less than many would cost.
        """
        tested, passed = {f"test {i}": t for i, t in enumerate(tests)}, self.ordered - self.trimmed
        asked = {n: t for n, t in tested.items() if t.column.name not in passed}
        together = {n: t.wrong for n, t in asked.items() if not self._is_alone(t.column)}
        by = ["as_of"] if "as_of" in self.names else []
        wrong = flag(_any_of(together.values()))
        groups = collect_rows(sums(self.rows, by, {"rows": ONE, "wrong": wrong}))
        self.total = sum(groups["rows"])
        if by:
            days = zip(groups["as_of"], groups["rows"], strict=True)
            self.days = {as_day(day): count for day, count in days if day == day and day}
        counts = count_rows(self.rows, together) if any(groups["wrong"]) else {}
        alone = {*asked} - {*together}
        counts |= {name: height(self.rows.filter(asked[name].wrong)) for name in alone}
        return [(test, counts.get(name, 0)) for name, test in tested.items()]

    def _ordered_keys(self, tests: Sequence[CellTest]) -> set[str]:
        """Return the key's columns of text where a large table is in its order, and they pass all.

        One look shows both, where each alone would read every name.
        """
        key = [*self.contract.key]
        columns = [self.contract.column(name) for name in key if name in self.names]
        names = {column.name for column in columns if not self._is_alone(column)}
        if not (self.delivery.is_columnar and names and len(columns) == len(key)):
            return set()
        wrong = _any_of(test.wrong for test in tests if test.column.name in names)
        rows = self.rows.select(*key, wrong=wrong)
        return names if engines.keys_ascend(rows.to_native(), key, quoted("wrong")) else set()

    def _is_alone(self, column: Column) -> bool:
        """Return whether a column is asked alone: one whose values are few, or in an order."""
        is_name = column.kind is Kind.TEXT and not column.separated
        return self.delivery.is_columnar and not is_name and column.name not in self.trimmed

    @cached_property
    def _numbered(self) -> Rows | None:
        """The rows with their positions, read once for all problems."""
        return self.delivery.numbered(self.trimmed)

    def _cell_problem(self, test: CellTest, count: int) -> Problem:
        """Return the problem of cells that fail a test, with codes that may have been meant."""
        remedy, cell = test.remedy, test.column.name
        if test.codes:
            wrong = self.rows.filter(test.wrong, ~nw.col(cell).is_null())
            if "customer_id" in self.names:  # one customer's cell returns at each as-of date
                wrong = wrong.select(cell, "customer_id").unique()
            wrong = wrong.group_by(cell).agg(count=nw.len()).sort(cell).head(_LOOKED_AT)
            codes, hints = collect_rows(wrong), dict[Words, None]()
            for code, times in zip(codes[cell], codes["count"], strict=True):
                # A code that is rare, or resembles no allowed one, may be anything: not quoted.
                shown = [code] if times >= _FREQUENT and is_quotable(code) else []
                hints |= {did_you_mean(code, test.codes, *shown): None}
            for hint in [hint for hint in hints if hint][:_SHOWN]:
                remedy += hint
        return self._problem(cell, test.what, remedy, count, lambda rows: rows.filter(test.wrong))

    def judge_lost(self, reference: _Reference) -> list[Problem]:
        """Set aside rows that refer to something that is not there, or return their problem."""
        target, key = reference.target.contract.name, reference.theirs[-1]
        facts = reference.target.delivery.named(key), named(target)
        what, remedy = advise("not_there_then" if reference.ours[1:] else "not_there", *facts)
        name, lost = reference.column.name, reference.lost
        remedy = lost_digits(self.rows, name, reference.target.rows, key) or remedy
        allowed = self.tolerance.get((self.contract.name, name))
        if allowed is not None and not reference.is_unmatched:
            rows = reference.lost_rows(self.rows)
            found = self._found(rows, name, what, allowed)
            if not found.rows:  # they lead nowhere twice, and are gone already
                return []
            if found.is_allowed:
                keys = self.engine.materialize(rows.select(*reference.ours).unique().to_native())
                lost_keys = nw.from_native(keys).lazy()
                self._drop(found, lambda rows: rows.join(lost_keys, on=reference.ours, how="anti"))
                return []
            what += say("beyond_tolerance", allowed.size, found.size)
        return [self._problem(name, what, remedy, lost, reference.lost_rows)]

    def _leave_out(self, test: CellTest) -> None:
        """Set aside what happened after the newest as-of date."""
        found = self._found(self.rows.filter(test.wrong), test.column.name, test.what)
        self._drop(found, lambda rows: rows.filter(~test.wrong))

    def _found(
        self, rows: Rows, column: str, what: Words, allowed: Tolerance | None = None
    ) -> SetAside:
        """Return rows to set aside by their as-of dates and branches, and why."""
        parts = bank_problems.parts_of(self._with_branch(rows, column), self.contract)
        header = self.delivery.header(column)
        return SetAside(self.contract.name, column, what, *parts, allowed, header)

    def _drop(self, found: SetAside, keep: Callable[[Rows], Rows]) -> None:
        """Go on without the rows found."""
        self.set_aside.append(found)
        self.filters.append(keep)
        self.rows, self.total = keep(self.rows), self.total - found.rows
        for part in found.parts:
            if part.as_of is not None:
                self.days[part.as_of] -= part.rows

    def _with_branch(self, rows: Rows, column: str) -> Rows:
        """Return rows with the branch that they belong to, as far as others than `column` tell."""
        for name in {"branch_id", "booking_branch_id"} & {*self.names} - {column}:
            return rows.with_columns(nw.col(name).alias(BRANCH))
        for name, other in self.references.items():
            if name != column and "branch_id" in other.target.names:
                target = other.target.rows
                if "as_of" in other.target.names and "as_of" not in other.ours:
                    day_before = max(other.target.days) - timedelta(days=1)
                    target = target.filter(after(nw.col("as_of"), day_before))
                known = target.select(*other.theirs, nw.col("branch_id").alias(BRANCH))
                return rows.join(known, left_on=other.ours, right_on=other.theirs, how="left")
        return rows.with_columns(nw.lit(None, dtype=nw.String).alias(BRANCH))

    def _table_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the rows as such: none, keys twice, days within a month."""
        if not self.total and self.contract.required:
            yield self.delivery.problem("", *advise("no_rows"))
        key = list(self.contract.key)
        if key and {*key} <= {*self.names} and (twice := self._count_duplicates(key)):
            what, remedy = advise("key_twice", [*map(self.delivery.called, key)])
            remedy = say("rounded_keys") if has_rounded(self.rows, key) else remedy
            yield self._problem("", what, remedy, twice, _last_of_each(key))
        odd = [day for day in self.days if not is_month_end(day)]
        if odd:
            count, wrong = sum(self.days[day] for day in odd), nw.col("as_of").is_in(odd)
            said = advise("not_month_end")
            yield self._problem("as_of", *said, count, lambda r: r.filter(wrong))

    def _count_duplicates(self, key: list[str]) -> int:
        """Return how many rows have the key of another row before them, where it can be read."""
        if self.rows.implementation.is_duckdb() and not self.unread & {*key}:
            relation = self.rows.to_native()
            ordered = self.ordered or (self.total > _MANY and engines.keys_ascend(relation, key))
            # If all hashes differ all keys do, for half the memory of comparing these.
            if ordered or engines.count_different(relation, hash_of(key)) == self.total:
                return 0
        known = self.rows.select(*key).drop_nulls().group_by(*key).agg(n=nw.len())
        return sum(collect_rows(sums(known, [], {"again": nw.col("n") - 1}))["again"])

    def _problem(
        self, column: str, what: str, remedy: str, count: int, select: Callable[[Rows], Rows]
    ) -> Problem:
        """Return a problem with the first rows it shows in, where rows have numbers."""
        first: tuple[str, ...] = ()
        if self._numbered is not None:
            rows = collect_rows(select(self._numbered).select(POSITION).sort(POSITION).head(_SHOWN))
            first = self.delivery.name_rows(rows[POSITION])
        return self.delivery.problem(column, what, remedy, count, first)


def _any_of(conditions: Iterable[nw.Expr]) -> nw.Expr:
    """Return whether any condition holds; what is unknown does not."""
    return nw.any_horizontal(nw.lit(False), *conditions, ignore_nulls=True)


def _last_of_each(key: list[str]) -> Callable[[Rows], Rows]:
    """Return the step from numbered rows to the last row of each key that occurs twice."""
    number, last = nw.len().alias("n"), nw.col(POSITION).max()
    return lambda r: r.drop_nulls(key).group_by(*key).agg(number, last).filter(nw.col("n") > 1)
