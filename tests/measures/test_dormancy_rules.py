"""What a dormancy rule can say: clock, cap, products, scope; and the laws all rules keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.account_activity import last_activity
from stockcust_analysis.measures.dormancy import compare_rules, dormancy_rate, dormancy_status
from stockcust_analysis.policy import DormancyRule
from tests.frames import AS_OF, Columns, as_polars, rows_of, values_of

Make = Callable[[Columns], Any]
RULE = DormancyRule("plain", cap=500, idle_months=6)
IDLE, FRESH = date(2026, 3, 31), date(2026, 4, 1)


def one_customer(**columns: Any) -> dict[str, list[Any]]:
    """Return a customer with 20 CNY who never acted, with some columns changed or added."""
    customer = {"customer_id": "1", "last_active_on": None, "aum_period_end": 20.0} | columns
    return {name: [value] for name, value in customer.items()}


def accounts_of(*accounts: tuple[str, float, date | None]) -> dict[str, list[Any]]:
    """Return accounts of that customer: product, balance, maturity."""
    products, balances, maturities = (list(column) for column in zip(*accounts, strict=True))
    return {"customer_id": ["1"] * len(accounts), "product": products, "balance": balances,
            "matures_on": maturities}  # fmt: skip


def status_of(make: Make, rule: DormancyRule, customer: Columns, **tables: Columns) -> Any:
    """Return the status of the one customer."""
    given_ = {name: make(table) for name, table in tables.items()}
    found = rows_of(dormancy_status(make(customer), rule, as_of=AS_OF, **given_))
    assert "rule_exempt" not in found[0]
    return found[0]["status"]


@pytest.mark.parametrize(
    ("acted", "amount", "status"),
    [
        (AS_OF, 0.0, "active"),
        (AS_OF, 9.0, "active"),
        (None, 0.01, "dormant"),
        (None, 1e6, "dormant"),
        (None, 0.0, "silent"),
    ],
)
def test_without_a_cap(make: Make, acted: date | None, amount: float, status: str) -> None:
    """Any balance sleeps, none does not, and nobody who acts is small."""
    customer = one_customer(last_active_on=acted, aum_period_end=amount)
    assert status_of(make, replace(RULE, cap=None), customer) == status


@pytest.mark.parametrize(
    ("balances", "per_account", "total"),
    [((499.99, 499.99), "dormant", "silent"), ((500.0, 0.0), "silent", "silent"),
     ((200.0, 200.0), "dormant", "dormant")],
)  # fmt: skip
def test_cap_per_account_or_in_total(
    make: Make, balances: tuple[float, float], per_account: str, total: str
) -> None:
    """Two accounts of 499.99 are each small, and together not."""
    holdings = accounts_of(("demand_deposit", balances[0], None), ("fund", balances[1], None))
    customer = one_customer(aum_period_end=sum(balances))
    rule = replace(RULE, cap_per="account")
    assert status_of(make, rule, customer, holdings=holdings) == per_account
    assert status_of(make, RULE, customer, holdings=holdings) == total


def test_without_a_cap_an_empty_account_wakes_nobody(make: Make) -> None:
    """A rule per account without a cap: 20 CNY beside an empty account sleep all the same."""
    holdings = accounts_of(("demand_deposit", 20.0, None), ("demand_deposit", 0.0, None))
    rule = replace(RULE, cap=None, cap_per="account")
    assert status_of(make, rule, one_customer(), holdings=holdings) == "dormant"


def test_products_the_rule_looks_at(make: Make) -> None:
    """A rule for deposits does not see the fund, neither its balance nor its maturity."""
    rule = replace(RULE, products=("demand_deposit", "time_deposit"))
    holdings = accounts_of(("demand_deposit", 30.0, None), ("fund", 9_000.0, AS_OF))
    customer = one_customer(aum_period_end=9_030.0)
    assert status_of(make, rule, customer, holdings=holdings) == "dormant"
    assert status_of(make, RULE, customer, holdings=holdings) == "active"
    by_account = replace(rule, cap_per="account")
    assert status_of(make, by_account, customer, holdings=holdings) == "dormant"


@pytest.mark.parametrize(
    ("held", "acted", "status"),
    [
        (("wealth", 1_000_000.0, None), IDLE, "silent"),
        (("wealth", 20.0, None), IDLE, "silent"),
        (("wealth", 1_000_000.0, None), FRESH, "active"),
        (("demand_deposit", 0.0, None), IDLE, "dormant"),
        (("demand_deposit", 0.0, None), FRESH, "active_small"),
    ],
)
@pytest.mark.parametrize("cap_per", ["account", "total"])
def test_who_has_no_account_the_rule_looks_at_has_none_that_sleeps(
    make: Make, cap_per: Literal["account", "total"], held: Any, acted: date, status: str
) -> None:
    """A rule for deposits: a million in wealth and no deposit is not dormant; 0 in one is."""
    rule = replace(RULE, products=("demand_deposit", "time_deposit"), cap_per=cap_per)
    customer = one_customer(last_active_on=acted, aum_period_end=held[1])
    assert status_of(make, rule, customer, holdings=accounts_of(held)) == status


def test_overdrafts_do_not_hide_balances(make: Make) -> None:
    """An overdrawn account counts as zero, not against the other."""
    holdings = accounts_of(("demand_deposit", 600.0, None), ("demand_deposit", -400.0, None))
    rule = replace(RULE, products=("demand_deposit",))
    assert status_of(make, rule, one_customer(), holdings=holdings) == "silent"


@pytest.mark.parametrize(
    ("clock", "customer", "status"),
    [
        (("maturity",), {"last_active_on": AS_OF}, "dormant"),
        (("transaction",), {"last_active_on": AS_OF}, "active_small"),
        (("transaction",), {"relationship_since": AS_OF}, "dormant"),
        (("transaction", "opening"), {"relationship_since": FRESH}, "active_small"),
        (("transaction", "opening"), {"relationship_since": IDLE}, "dormant"),
    ],
)
def test_only_the_rule_s_clocks_run(
    make: Make, clock: tuple[str, ...], customer: dict[str, Any], status: str
) -> None:
    """Transactions and the relationship's beginning count where the rule says so."""
    assert status_of(make, replace(RULE, clock=clock), one_customer(**customer)) == status


def test_maturity_counts_where_the_rule_says_so(make: Make) -> None:
    """A deposit that fell due in the period restarts the clock of maturities only."""
    holdings = accounts_of(("time_deposit", 20.0, FRESH))
    assert status_of(make, RULE, one_customer(), holdings=holdings) == "active_small"
    rule = replace(RULE, clock=("transaction",))
    assert status_of(make, rule, one_customer(), holdings=holdings) == "dormant"


def test_holdings_that_do_not_tell_maturities(make: Make) -> None:
    """Nothing is seen to mature, and a time deposit with a balance counts as unmatured."""
    bare = {name: values for name, values in accounts_of(("time_deposit", 20.0, None)).items()
            if name != "matures_on"}  # fmt: skip
    assert status_of(make, RULE, one_customer(), holdings=bare) == "dormant"
    rule = replace(RULE, exempt=("unmatured_time_deposit",))
    assert status_of(make, rule, one_customer(), holdings=bare) == "silent"


@pytest.mark.parametrize(
    ("day", "outcome", "status"),
    [(FRESH, "reached", "active_small"), (FRESH, "refused", "active_small"),
     (FRESH, "none", "dormant"), (FRESH, None, "dormant"), (IDLE, "sale", "dormant"),
     (AS_OF + timedelta(days=1), "sale", "dormant")],
)  # fmt: skip
def test_an_answered_contact_counts(
    make: Make, day: date, outcome: str | None, status: str
) -> None:
    """Only a contact with an answer, inside the period, and only under a rule that counts it."""
    contacts = {"customer_id": ["1", "2"], "contacted_on": [day, FRESH],
                "outcome": [outcome, "sale"]}  # fmt: skip
    rule = replace(RULE, clock=("transaction", "contact"))
    assert status_of(make, rule, one_customer(), contacts=contacts) == status
    assert status_of(make, RULE, one_customer(), contacts=contacts) == "dormant"


def test_each_exemption_is_shown_with_and_without(make: Make) -> None:
    """Of four idle customers one has a loan, one a card, one both: counted by hand.

    Dormant by the rule is the one without either; without the loan's exemption also who has a loan
    alone, without the card's who has a card alone, without any all four.
    """
    exempt = ("loan", "social_security_card")
    rule = DormancyRule("half", cap=500, idle_months=6, exempt=exempt)
    ids = ["1", "2", "3", "4"]
    money = {"last_active_on": [IDLE] * 4, "aum_period_end": [20.0] * 4}
    held = {"customer_id": ["1", "2", "3", "3"], "balance": [9.0, 0.0, 9.0, 0.0]}
    held["product"] = ["loan", "social_security_card"] * 2
    customers, holdings = make({"customer_id": ids, **money}), make(held)
    rules = rule.without_exemptions()
    rates = compare_rules(customers, rules, as_of=AS_OF, base="all", holdings=holdings)
    dormant = rates.query("measure == 'dormancy_rate'").set_index("rule")["numerator"]
    card = "half-social_security_card"
    assert dormant.to_dict() == {"half": 1, "half-loan": 2, card: 2, "half-all": 4}
    assert replace(rule, exempt=()).without_exemptions() == [replace(rule, exempt=())]


def test_customers_outside_the_scope_have_no_status(make: Make) -> None:
    """A rule for companies judges companies, and its rates are of companies."""
    bank = make({
        "customer_type": ["personal", "corporate", "corporate"],
        "last_active_on": [None, None, AS_OF],
        "aum_period_end": [20.0, 30.0, 70.0],
    })  # fmt: skip
    rule = replace(RULE, scope=("corporate",))
    statuses = [row["status"] for row in rows_of(dormancy_status(bank, rule, as_of=AS_OF))]
    assert statuses == [None, "dormant", "active_small"]
    rows = rows_of(dormancy_rate(bank, rule, as_of=AS_OF, base="all"))
    told = {row["measure"]: (row["n"], row["denominator"], row["value"]) for row in rows}
    assert told["dormancy_rate"] == (2, 2, 0.5)
    assert told["dormant_aum_share"] == (2, 100, pytest.approx(0.3))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (replace(RULE, cap_per="account"), "'plain' looks at balances of accounts: give holdings"),
        (replace(RULE, clock=("contact",)), "'plain' counts contacts as activity: give contacts"),
        (replace(RULE, scope=("personal",)), "unknown column of customers 'customer_type'"),
        (replace(RULE, clock=("opening",)), "unknown column of customers 'relationship_since'"),
        (replace(RULE, value="aum"), "unknown column of customers 'aum'"),
    ],
)
def test_what_the_rule_asks_for_must_be_given(make: Make, rule: DormancyRule, message: str) -> None:
    """Holdings, contacts and columns that the rule needs are asked for by name."""
    for ask in (dormancy_status, dormancy_rate):
        with pytest.raises(UsageError, match=message):
            ask(make(one_customer()), rule, as_of=AS_OF)


def test_last_activity_by_hand(make: Make) -> None:
    """Interest is no activity, tomorrow's transfer not yet, and the latest day counts."""
    rule = replace(RULE, active_kinds=("transfer", "cash"))
    moves = make({
        "customer_id": ["1", "1", "1", "2", "3"],
        "kind": ["transfer", "cash", "interest", "interest", "transfer"],
        "transacted_on": [date(2026, 1, 1), date(2026, 5, 1), AS_OF, AS_OF, date(2026, 10, 1)],
    })  # fmt: skip
    found = last_activity(moves, rule, as_of=AS_OF)
    assert values_of(found, "customer_id", value="last_active_on") == {"1": date(2026, 5, 1)}
    assert type(found) is type(moves)
    any_kind = last_activity(moves, RULE, as_of=AS_OF)
    assert values_of(any_kind, "customer_id", value="last_active_on") == {"1": AS_OF, "2": AS_OF}


def test_transactions_must_cover_the_idle_period(make: Make) -> None:
    """Extracts that begin inside the period would make everybody before them sleep."""
    moves = {"customer_id": ["1"], "kind": ["transfer"], "transacted_on": [FRESH]}
    with pytest.raises(
        UsageError, match="begin after 2026-03-31, inside the idle period of 'plain"
    ):
        last_activity(make(moves), RULE, as_of=AS_OF)
    assert rows_of(last_activity(make(moves | {"transacted_on": [IDLE]}), RULE, as_of=AS_OF))


DAYS = st.one_of(st.none(), st.dates(date(2024, 1, 1), AS_OF))
BANKS = st.lists(st.tuples(DAYS, st.integers(0, 200_000)), min_size=1, max_size=12)


def dormant_in(bank: list[tuple[date | None, int]], rule: DormancyRule) -> set[int]:
    """Return which customers of a bank are dormant, by their place."""
    days, cents = zip(*bank, strict=True)
    table = as_polars({"last_active_on": days, "aum_period_end": [c / 100 for c in cents]})
    found = rows_of(dormancy_status(table, rule, as_of=AS_OF))
    return {place for place, row in enumerate(found) if row["status"] == "dormant"}


@settings(max_examples=12)
@given(BANKS, st.integers(1, 24), st.integers(0, 12), st.integers(0, 1500), st.integers(0, 500))
def test_a_stricter_rule_never_finds_more(
    bank: list[tuple[date | None, int]], months: int, longer: int, cap: int, lower: int
) -> None:
    """A longer period or a lower cap leaves only customers the laxer rule also found."""
    lax = DormancyRule("lax", cap=cap, idle_months=months, cap_inclusive=True)
    strict = replace(lax, cap=max(cap - lower, 0), idle_months=months + longer)
    assert dormant_in(bank, strict) <= dormant_in(bank, lax)
    assert dormant_in(bank, replace(strict, cap_inclusive=False)) <= dormant_in(bank, strict)
    assert dormant_in(bank, replace(strict, clock=("transaction",))) == dormant_in(bank, strict)


@settings(max_examples=12)
@given(BANKS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_rate(bank: list[tuple[date | None, int]], random: Any) -> None:
    """The same customers in another order give the same rates, which add up to 1."""
    shuffled = random.sample(bank, len(bank))

    def rates(customers: list[tuple[date | None, int]]) -> Any:
        days, cents = zip(*customers, strict=True)
        table = {"last_active_on": days, "aum_period_end": [c / 100 for c in cents]}
        return values_of(dormancy_rate(as_polars(table), RULE, as_of=AS_OF, base="all"), "measure")

    found = rates(bank)
    assert found == rates(shuffled)
    names = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
    assert sum(found[name] for name in names) == pytest.approx(1)
