"""Several customer numbers of one person (一人多户号) joined to one, before anything is measured.

The leading number stands for the person: of the numbers on the newest day the one with the most AUM
on its accounts, in the branch where the person's accounts hold most (ties: the smaller number). It
leads in all quarters, so that money moved between two numbers is neither migration nor growth.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import ONE, Table, cents_or_zero, day, is_true
from stockcust_analysis.measures.bases import NUMBERS, OWN_NUMBER
from stockcust_analysis.measures.holdings import aum_amounts, join_accounts, with_balance
from stockcust_analysis.policy import ProductFamilies

LEAD = "_lead"
"""Column of the leading number; empty for who has but one."""
HOME = "_home"
"""Column of the leading number's branch, in which the person counts in all quarters."""
ROW = ("as_of", "customer_id")
_PERSON = ("as_of", LEAD)
_AMOUNTS = ("aum_period_end", "aum_average_month", "aum_average_quarter", "aum_average_year")
_SUMMED = (*_AMOUNTS, "loan_balance", "active_transactions")
_NEWEST, _OLDEST = ("last_active_on",), ("relationship_since", "exclusion")
_TRUE_OF_ONE = ("profile_complete", "do_not_contact")
_OF_FIRST = ("birth_date", "gender", "acquisition_channel")


def lead_numbers(present: Table, holdings: Table, families: ProductFamilies) -> Table:
    """Return `customer_id`, `LEAD` and `HOME` of the numbers whose person has several.

    `present` are the customers in scope of all days up to the evaluation's; whose a number is, its
    newest row says.
    """
    known = present.filter(~nw.col("person_id").is_null())
    known = _largest(known, "as_of", "customer_id").select(*ROW, "person_id", "branch_id", _one=ONE)
    known = known.with_columns(nw.col("_one").sum().over("person_id")).filter(nw.col("_one") > 1)
    accounts = with_balance(holdings)
    held = {"_held": aum_amounts(accounts, families)["held_cents"]}
    known = join_accounts(known, accounts, keys=ROW, flags={}, amounts=held)
    in_branch = nw.col("_held").sum().over("as_of", "person_id", "branch_id")
    first = known.with_columns(_in_branch=in_branch)
    for name in ("as_of", "_in_branch", "_held"):
        first = _largest(first, name, "person_id")
    first = first.with_columns(nw.col("customer_id").min().over("person_id").alias(LEAD))
    first = first.filter(nw.col("customer_id") == nw.col(LEAD))
    leads = first.select("person_id", LEAD, nw.col("branch_id").alias(HOME))
    return known.join(leads, on="person_id", how="inner").select("customer_id", LEAD, HOME)


def join_customers(customers: Table, joined: Table) -> Table:
    """Return the customers with one row for each day and person, under the leading number.

    Amounts and transactions are summed; the last activity is the newest, the relationship the
    oldest; a complete profile, an exclusion and a wish not to be contacted are so where they are of
    one number. Birth, gender and channel are those of the number opened first; all else is the
    leading number's (before it was opened: the smallest's).

    Parameters
    ----------
    customers
        All rows, with `LEAD`.
    joined
        Those in scope of persons with several numbers.
    """
    present = customers.collect_schema().names()
    summed, newest, oldest, true_of_one, of_first = (
        [name for name in names if name in present]
        for names in (_SUMMED, _NEWEST, _OLDEST, _TRUE_OF_ONE, _OF_FIRST)
    )
    joined = _leading_first(joined).with_columns(
        **{f"_{name}": cents_or_zero(name) for name in summed},
        **{f"_{name}": is_true(joined, name) for name in true_of_one},
        **{f"_{name}": _of_first(joined, name) for name in of_first},
    )
    persons = joined.group_by(*_PERSON).agg(
        nw.len().alias(NUMBERS),
        nw.col("_order").min(),
        *(nw.col(f"_{name}").sum() for name in summed),
        *(nw.col(f"_{name}").any() for name in true_of_one),
        *(nw.col(f"_{name}").min() for name in of_first),
        *(nw.col(name).max().alias(f"_{name}") for name in newest),
        *(nw.col(name).min().alias(f"_{name}") for name in oldest),
    )
    table = customers.join(persons, on=[*_PERSON], how="left")
    known = {name: nw.col(f"_{name}") for name in (*newest, *oldest, *of_first)}
    known |= {name: nw.col(f"_{name}").cast(nw.Float64) / 100 for name in summed}
    flags = {n: nw.col(f"_{n}").fill_null(False) | is_true(table, n) for n in true_of_one}
    stands = nw.when(nw.col("_order") == "").then(nw.col(LEAD)).otherwise(nw.col("_order"))
    table = table.filter(nw.col(LEAD).is_null() | (nw.col("customer_id") == stands))
    return table.with_columns(
        nw.col(NUMBERS).fill_null(1).cast(nw.Int64),
        customer_id=nw.coalesce(LEAD, "customer_id"),
        **{name: nw.coalesce(value, nw.col(name)) for name, value in known.items()},
        **flags,
    ).select(*(name for name in present if name != LEAD), NUMBERS)


def rename_numbers(table: Table, leads: Table, keys: Sequence[str] = ("customer_id",)) -> Table:
    """Return a table whose rows of joined numbers stand under the leading one.

    Their own number stays beside it.
    """
    named = table.join(leads.select(*keys, LEAD), on=[*keys], how="left")
    ids = {OWN_NUMBER: nw.col("customer_id"), "customer_id": nw.coalesce(LEAD, "customer_id")}
    return named.with_columns(**ids).drop(LEAD)


def rename_accounts(holdings: Table, leads: Table, joined: Table) -> Table:
    """Return the accounts under the leading numbers, those of `joined` days and numbers.

    What the leading number held on a day on which it does not count is not the person's.
    """
    ours = leads.filter(nw.col("customer_id") == nw.col(LEAD)).select("customer_id")
    counted = joined.filter(nw.col("customer_id") == nw.col(LEAD)).select(*ROW)
    gone = holdings.join(ours, on="customer_id", how="semi").join(counted, on=[*ROW], how="anti")
    counting = holdings.join(gone.select(*ROW).unique(), on=[*ROW], how="anti")
    return rename_numbers(counting, joined, ROW)


def _largest(table: Table, name: str, by: str) -> Table:
    """Return the rows with the largest value of their group."""
    table = table.with_columns(_largest=nw.col(name).max().over(by))
    return table.filter(nw.col(name) == nw.col("_largest")).drop("_largest")


def _leading_first(numbers: Table) -> Table:
    """Return the numbers with `_order`, by which the leading one of a person comes first."""
    leads = (nw.col("customer_id") == nw.col(LEAD)).fill_null(False)
    order = nw.when(leads).then(nw.lit("")).otherwise(nw.col("customer_id"))
    return numbers.with_columns(_order=order)


def _of_first(numbers: Table, name: str) -> nw.Expr:
    """Return a column where the number is the person's first, else nothing."""
    if "relationship_since" not in numbers.collect_schema().names():
        return nw.col(name)
    since = day(numbers, "relationship_since")
    return nw.when((since == since.min().over(*_PERSON)).fill_null(False)).then(nw.col(name))
