"""Cross-sell: how many product families customers hold, and which.

The unit is the customer (or the household), the count is of families and never of accounts, and an
account that is empty or unused does not count (the policy says what shows use). Customers who hold
nothing stay in the denominator. The base `established` leaves out newcomers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import Frame, Groups, Table, as_lazy, collect_rows, flag
from stockcust_analysis.core.results import About, Result
from stockcust_analysis.errors import UsageError, Words, joined, require_known, say
from stockcust_analysis.measures import holdings as held
from stockcust_analysis.measures.bases import Request, require_columns, with_base
from stockcust_analysis.measures.registry import Measure, Question, answer, measure
from stockcust_analysis.policy import Policy, PolicyLike, ProductFamilies

UNITS = ("customer", "household")
_MOST_COUNTED = 4


@measure()
def products_per_customer(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Result:
    """Return how many product families a customer holds on average (户均产品数).

    From 0 to the number of families; high is good. Accounts of one family count once; an account
    that is empty or unused does not count.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the base; those of
        `bank.customers` know what they hold (`holds_<family>`, `uses_<channel>`).
    holdings : table, optional
        For customers who do not: accounts of that date, `customer_id, product, balance`, and,
        where the bank has them, `as_of`, `matures_on`, `used_recently`.
    by : str, list of str or None
        Columns of customers to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Families and thresholds, as given to `bank.customers`; the shipped policy when left out.
    unit : str
        `customer`, or `household`: members of one `household_id` within a group count as one, in
        the base if any of them is, and hold what any of them holds. The measure is then
        called `products_per_household`.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; empty for an empty base.

    Raises
    ------
    UsageError
        An unknown column, base or unit, or tables of more than one as-of date.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "1"],
    ...     "product": ["demand_deposit", "time_deposit", "fund"],
    ...     "balance": [5.0, 5.0, 5.0],
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> products_per_customer(bank, holdings=accounts, base="all")["value"].tolist()
    [1.0]
    """
    question = Question("mean", lambda _, within: _counts(within), lambda _: [_PER_CUSTOMER])
    return _answer(Request.of(customers, by, base, policy), holdings, question, unit)


@measure()
def multi_product_share(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    at_least: int = 2,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Result:
    """Return the share of customers who hold `at_least` product families.

    From 0 to 1; high is good. The measure is called `multi_product_share` for two
    (持有两类及以上产品的客户占比), and `multi_product_share_3`, … beyond.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the base; those of
        `bank.customers` know what they hold (`holds_<family>`, `uses_<channel>`).
    holdings : table, optional
        For customers who do not: accounts of that date, `customer_id, product, balance`, and,
        where the bank has them, `as_of`, `matures_on`, `used_recently`.
    at_least : int
        1 to the number of families.
    by : str, list of str or None
        Columns of customers to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Families and thresholds, as given to `bank.customers`; the shipped policy when left out.
    unit : str
        `customer`, or `household`: members of one `household_id` within a group count as one, in
        the base if any of them is, and hold what any of them holds. Measures are then
        called `household_…`.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; empty for an empty base.

    Raises
    ------
    UsageError
        An unknown column, base or unit, or tables of more than one as-of date;
        `at_least` out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "2"],
    ...     "product": ["demand_deposit", "fund", "fund"],
    ...     "balance": [5.0, 5.0, 5.0],
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> multi_product_share(bank, holdings=accounts, base="all")["value"].tolist()
    [0.5]
    """
    request = Request.of(customers, by, base, policy)
    most = len(request.policy.families.names)
    if not 1 <= at_least <= most:
        raise UsageError(say("at_least_of_families", most, at_least))
    question = replace(
        PRODUCT_COUNTS,
        columns=lambda _, within: _counts(within, at_least=[at_least]),
        measures=lambda _: [_multi_product(at_least)],
    )
    return _answer(request, holdings, question, unit)


@measure("product_count")
def product_count_distribution(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Result:
    """Return the share of customers with 0, 1, 2, 3 and 4 or more product families.

    Measure `product_count_share`, with the number in the extra column `families_held`: "0" to
    "3", and "4+"; they add up to 1.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the base; those of
        `bank.customers` know what they hold (`holds_<family>`, `uses_<channel>`).
    holdings : table, optional
        For customers who do not: accounts of that date, `customer_id, product, balance`, and,
        where the bank has them, `as_of`, `matures_on`, `used_recently`.
    by : str, list of str or None
        Columns of customers to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Families and thresholds, as given to `bank.customers`; the shipped policy when left out.
    unit : str
        `customer`, or `household`: members of one `household_id` within a group count as one, in
        the base if any of them is, and hold what any of them holds. Measures are then
        called `household_…`.

    Returns
    -------
    measure frame
        `[*by], measure, families_held, base, n, numerator, denominator, value`; the rate of an
        empty group is empty.

    Raises
    ------
    UsageError
        An unknown column, base or unit, or tables of more than one as-of date.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [5.0]})
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> product_count_distribution(bank, holdings=accounts, base="all")["value"].tolist()
    [0.5, 0.5, 0.0, 0.0, 0.0]
    """
    return _answer(Request.of(customers, by, base, policy), holdings, PRODUCT_DISTRIBUTION, unit)


@measure("penetration", "penetration")
def penetration(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    over: str | None = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Result:
    """Return the share of customers who hold each product family (覆盖率), or use each channel.

    Measures `penetration` (families) and `channel_penetration` (channels: shown, never counted as
    products), with the name in the extra column `family`. From 0 to 1; high is good.
    Of what the bank did not deliver (an empty column of `bank.customers`) there is no row.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the base; those of
        `bank.customers` know what they hold (`holds_<family>`, `uses_<channel>`).
    holdings : table, optional
        For customers who do not: accounts of that date, `customer_id, product, balance`, and,
        where the bank has them, `as_of`, `matures_on`, `used_recently`.
    by : str, list of str or None
        Columns of customers to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Families and thresholds, as given to `bank.customers`; the shipped policy when left out.
    unit : str
        `customer`, or `household`: members of one `household_id` within a group count as one, in
        the base if any of them is, and hold what any of them holds. Measures are then
        called `household_…`.

    Returns
    -------
    measure frame
        `[*by], measure, family, base, n, numerator, denominator, value`; empty for an empty base.

    Raises
    ------
    UsageError
        An unknown column, base or unit, or tables of more than one as-of date.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [5.0]})
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"]})
    >>> penetration(bank, holdings=accounts, base="all").query("family == 'fund'")["value"].tolist()
    [0.5]
    """
    return _answer(Request.of(customers, by, base, policy), holdings, PENETRATION, unit)


def _answer(request: Request, holdings: Frame | None, question: Question, unit: str) -> Result:
    """Return the measures of one question, of customers or of households."""
    view, request, about = view_of(request, holdings, unit)
    if unit == "household":
        measures = [_of_households(measure) for measure in question.measures(request.policy)]
        question = replace(question, measures=lambda _: measures)
    result = answer(view, question, request)
    result.about = about
    return result


def _of_households(measure: Measure) -> Measure:
    """Return a measure under the name it has when households are counted.

    >>> _of_households(Measure("products_per_customer", "families_held")).name
    'products_per_household'
    >>> _of_households(Measure("penetration", "holds_fund")).name
    'household_penetration'
    """
    name = measure.name.replace("per_customer", "per_household")
    return replace(measure, name=f"household_{name}" if name == measure.name else name)


def view_of(request: Request, holdings: Frame | None, unit: str) -> tuple[Table, Request, About]:
    """Return customers or households with the base's column, `holds_…`, `uses_…`, `families`.

    Also the request, without families and channels not delivered, and what says which those are.
    """
    require_known("unit", unit, UNITS)
    table, about = as_lazy(request.frame), About()
    if holdings is None:
        request, about = _as_delivered(table, request)
    else:
        table = _with_families(table, as_lazy(holdings), request.policy.families)
    table = with_base(table, request)
    if unit == "household":
        table = _households(table, request)
    return table.with_columns(families=families_held(request.policy.families)), request, about


def _with_families(customers: Table, holdings: Table, families: ProductFamilies) -> Table:
    """Return customers with what their accounts show of families, channels and obligations."""
    calendar, accounts = held.own_calendar(holdings), held.with_balance(holdings)
    held.warn_of_unknown_products(accounts, families)
    flags = held.family_flags(accounts, families, calendar)
    flags["obliged"] = held.is_obligation(accounts, calendar)
    require_columns(customers, ["customer_id"], "customers")
    table = customers.drop(*flags, strict=False)
    return held.join_accounts(table, accounts, keys=["customer_id"], flags=flags)


def _as_delivered(customers: Table, request: Request) -> tuple[Request, About]:
    """Return the request without the families and channels of which the customers' column is empty.

    Raises unless the customers know what else they hold.
    """
    rule, present = request.policy.families, customers.collect_schema().names()
    names = _held_names(rule)
    missing = [name for name in names if name not in present]
    if missing:
        raise UsageError(say("held_unknown", len(missing), len(names), missing[0]))
    counts = collect_rows(customers.select(nw.col(*names).count(), _rows=nw.len()))
    empty = {name.partition("_")[2] for name in names if counts[name] == [0] != counts["_rows"]}
    kinds = rule.families, rule.channels
    families, channels = (tuple(m for m in kind if m.name not in empty) for kind in kinds)
    if not families:
        raise UsageError(say("held_unknown", len(empty), len(names), names[0]))
    gone = [member for kind in kinds for member in kind if member.name in empty]
    words = joined((Words(member.en, member.zh) for member in gone), ", ", "、")
    about = About(notes=(("families_missing", {"names": words}),) if gone else ())
    return request.under(families=replace(rule, families=families, channels=channels)), about


def _households(customers: Table, request: Request) -> Table:
    """Return one row per household and group: it has a flag that any of its members there has.

    A customer without `household_id` is a household alone. A household with members in two
    branches counts in both, with what its members there hold; in the whole bank it counts once.
    """
    require_columns(customers, ["customer_id", "household_id"], "customers")
    household = nw.col("household_id").cast(nw.String).fill_null("")
    alone = nw.when(household == "").then(nw.col("customer_id").cast(nw.String))
    flags, by = [f"in_{request.base}", *_held_names(request.policy.families)], request.by
    members = customers.select(*by, *flags, household=household, alone=alone.otherwise(nw.lit("")))
    return members.group_by(*by, "household", "alone").agg(nw.col(*flags).max())


def _held_names(families: ProductFamilies) -> list[str]:
    """Return the 0/1 columns of what customers hold and use."""
    kinds = (("holds", families.names), ("uses", families.channel_names))
    return [f"{verb}_{name}" for verb, names in kinds for name in names]


def families_held(families: ProductFamilies) -> nw.Expr:
    """Return the number of families of each customer, from its 0/1 columns."""
    return nw.sum_horizontal(*(nw.col(f"holds_{name}") for name in families.names))


def _counts(
    base: str, *, exactly: Iterable[int] = (), at_least: Iterable[int] = ()
) -> dict[str, nw.Expr]:
    """Return what is summed: customers, families held, customers by number of families."""
    counts, own = nw.col(f"in_{base}"), nw.col("families")
    columns = {"customers": counts, "families_held": counts * own}
    columns |= {f"exactly_{number}": counts * flag(own == number) for number in exactly}
    return columns | {f"at_least_{number}": counts * flag(own >= number) for number in at_least}


def _multi_product(at_least: int) -> Measure:
    """Return the share of customers with at least so many families, as a measure."""
    suffix = "" if at_least == 2 else f"_{at_least}"
    return Measure(f"multi_product_share{suffix}", f"at_least_{at_least}")


_SEVERAL = range(2, _MOST_COUNTED + 1)
_PER_CUSTOMER = Measure("products_per_customer", "families_held")
_COUNTS = (_PER_CUSTOMER, *map(_multi_product, _SEVERAL))
PRODUCT_COUNTS = Question(
    "product_counts", lambda _, base: _counts(base, at_least=_SEVERAL), lambda _: _COUNTS
)
PRODUCT_COUNTS_ESTABLISHED = replace(
    PRODUCT_COUNTS, bases=("established",), needs=("in_established",)
)

_MEMBERS = {f"{number}": f"exactly_{number}" for number in range(_MOST_COUNTED)}
_MEMBERS[f"{_MOST_COUNTED}+"] = f"at_least_{_MOST_COUNTED}"
_DISTRIBUTION = tuple(
    Measure("product_count_share", numerator, "customers", "families_held", member)
    for member, numerator in _MEMBERS.items()
)
PRODUCT_DISTRIBUTION = Question(
    "product_distribution",
    lambda _, base: _counts(base, exactly=range(_MOST_COUNTED), at_least=[_MOST_COUNTED]),
    lambda _: _DISTRIBUTION,
)


def _held_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers, and the holders of every family and channel."""
    counts, names = nw.col(f"in_{base}"), _held_names(policy.families)
    return {"customers": counts} | {name: counts * nw.col(name) for name in names}


def _penetration(policy: Policy) -> list[Measure]:
    """Return the share of customers with each family, and of users of each channel."""
    kinds = {"holds": "penetration", "uses": "channel_penetration"}
    return [
        Measure(kinds[verb], f"{verb}_{name}", "customers", "family", name)
        for verb, _, name in (column.partition("_") for column in _held_names(policy.families))
    ]


PENETRATION = Question("penetration", _held_columns, _penetration)
CROSS_SELL = (PRODUCT_COUNTS, PRODUCT_DISTRIBUTION, PENETRATION, PRODUCT_COUNTS_ESTABLISHED)
"""The questions that an evaluation answers."""
