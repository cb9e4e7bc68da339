"""Coverage: who counts as managed and as spoken to, counted by hand, at every border."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.coverage import (
    contact_rounds,
    coverage,
    managed_share,
    profile_completion,
    service_by_class,
)
from stockcust_analysis.measures.service import customer_service
from stockcust_analysis.policy import Policy, load_policy
from tests.frames import AS_OF, Columns, as_pandas, as_polars, computed, rows_of, values_of
from tests.measures.service_bank import assignments, contacts, managers, served_customers

Make = Callable[[Columns], Any]
POLICY = load_policy()
AMOUNTS = ("aum_average_quarter", "aum_average_month")


def service(make: Make, policy: Policy = POLICY, **tables: Columns) -> Any:
    """Return the customers of the bank with their service, some tables replaced."""
    given = {"customers": served_customers(), "assignments": assignments(),
             "contacts": contacts(), "managers": managers()} | tables  # fmt: skip
    made = {name: make(columns) for name, columns in given.items()}
    customers, assigned = made.pop("customers"), made.pop("assignments")
    return computed(customer_service(customers, assigned, **made, as_of=AS_OF, policy=policy))


service_as_made = cache(service)
"""The customers of the bank as it is, made once per engine."""


def of_customer(make: Make, column: str, **tables: Columns) -> dict[str, Any]:
    """Return one column of the service by customer."""
    return values_of(service(make, **tables), "customer_id", value=column)


def test_hand_counted_coverage(make: Make) -> None:
    """Every service measure of both branches, as counted by hand."""
    found = values_of(coverage(service_as_made(make), by="branch_id"), "branch_id", "measure")
    assert {measure: value for (branch, measure), value in found.items() if branch == "A"} == {
        "contact_coverage": 1 / 2, "profile_completion": 2 / 4, "contact_due_share": 2 / 4,
        "hand_over_due_share": 1 / 4, "first_call_in_time": None, "reclaim_due_share": 0,
        "set_aside_share": 0, "customers_per_manager": 4, "customers_per_counter_manager": 4,
        "customers_per_vip_manager": None,
    }  # fmt: skip
    assert {measure: value for (branch, measure), value in found.items() if branch == "B"} == {
        "contact_coverage": 2 / 4, "profile_completion": 3 / 5, "contact_due_share": 2 / 5,
        "hand_over_due_share": 0, "first_call_in_time": 1 / 2, "reclaim_due_share": 1 / 5,
        "set_aside_share": 1 / 5, "customers_per_manager": 5 / 2,
        "customers_per_counter_manager": 2, "customers_per_vip_manager": 3,
    }  # fmt: skip


def test_the_whole_bank_is_managed_by_three(make: Make) -> None:
    """Nine managed customers, three managers; the base and its size stand in every row."""
    rows = rows_of(coverage(service_as_made(make)))
    assert {(row["base"], row["n"]) for row in rows} == {("managed", 9)}
    load = next(row for row in rows if row["measure"] == "customers_per_manager")
    assert (load["numerator"], load["denominator"]) == (9, 3)


def test_a_managers_own_coverage(make: Make) -> None:
    """Grouped by manager only the managed count, each with the manager in force."""
    found = values_of(coverage(service_as_made(make), by="manager_id"), "manager_id", "measure")
    assert [found[one, "contact_coverage"] for one in ("M1", "M2", "V1")] == [1 / 2, 0, 1]
    assert [found[one, "customers_per_manager"] for one in ("M1", "M2", "V1")] == [4, 2, 3]


@pytest.mark.parametrize(("left_on", "managed"), [(date(2026, 9, 29), 0), (AS_OF, 1), (None, 1)])
def test_whom_a_departed_manager_had_is_unassigned(
    make: Make, left_on: date | None, managed: int
) -> None:
    """From the day after M2's last one 8 and 9 have nobody; his history with 6 and 7 stays."""
    leaving = managers() | {"valid_to": [None, left_on, date(2027, 1, 1)]}
    found = {row["customer_id"]: row for row in rows_of(service(make, managers=leaving))}
    assert [found[one]["in_managed"] for one in ("8", "9")] == [managed, managed]
    assert [found[one]["in_managed"] for one in ("1", "4", "6", "7", "11")] == [1, 1, 1, 1, 1]
    assert [found[one]["managed_throughout"] for one in ("6", "7")] == [1, 1]
    assert {row["manager_id"] for row in found.values()} >= {"M1", "V1"}


def test_the_policy_says_what_roles_count_as(make: Make) -> None:
    """A credit manager counts as counter, and hands 1 over; an assistant manages nobody."""
    roles = managers() | {"role": ["credit", "grid", "vip"]}
    rule = replace(
        POLICY.coverage, counter_roles=("counter", "credit"), assistant_roles=("grid", "other")
    )
    policy = replace(POLICY, coverage=rule)
    found = values_of(
        coverage(service(make, policy, managers=roles), by="branch_id", policy=policy),
        "branch_id",
        "measure",
    )
    assert found["A", "customers_per_counter_manager"] == 4
    assert found["A", "hand_over_due_share"] == 1 / 4
    assert found["B", "customers_per_manager"] == found["B", "customers_per_vip_manager"] == 3
    assert found["B", "customers_per_counter_manager"] is None


def test_managed_share(make: Make) -> None:
    """Of five customers of A from 50,000 four are managed; one of its six funded is VIP."""
    found = values_of(managed_share(service_as_made(make), by="branch_id"), "branch_id", "measure")
    assert found["A", "managed_share"] == 4 / 5
    assert found["A", "managed_customers"] == 4
    assert found["A", "managed_aum"] == 810_000
    assert found["A", "managed_aum_share"] == pytest.approx(810_000 / 945_000)
    assert found["A", "vip_share"] == pytest.approx(1 / 6)
    assert found["B", "managed_share"] == 1
    assert found["B", "vip_share"] == 1 / 2


def test_profiles_by_tier(make: Make) -> None:
    """B: one of two mid, both high, not the private one; the deceased's counts as any other."""
    found = values_of(
        profile_completion(service_as_made(make), by="branch_id"), "branch_id", "tier"
    )
    assert [found["B", tier] for tier in ("mid", "high", "private")] == [1 / 2, 1, 0]
    assert [found["A", tier] for tier in ("mid", "high", "private")] == [1 / 3, 1, None]


def test_profiles_not_delivered_are_unknown(make: Make) -> None:
    """Without the column nothing is known of profiles: empty, never 0 %."""
    bank = {k: v for k, v in served_customers().items() if k != "profile_complete"}
    found = values_of(coverage(service(make, customers=bank)), "measure")
    assert found["profile_completion"] is None


def test_hand_counted_classes(make: Make) -> None:
    """M1 of four: 1 A, 3 B, the two unknown D. V1 of three: 7 A, 6 B. M2 of two: 9 A, 8 D."""
    assert values_of(service_as_made(make), "customer_id", value="customer_class") == {
        "1": "A", "2": "D", "3": "B", "4": "D", "5": "", "6": "B", "7": "A", "8": "D", "9": "A",
        "10": "", "11": "D", "12": "",
    }  # fmt: skip
    classes = service_by_class(service_as_made(make), by="branch_id")
    found = values_of(classes, "branch_id", "measure", "customer_class")
    assert [found["A", "class_customers", name] for name in "ABCD"] == [1, 1, 0, 2]
    assert [found["B", "class_customer_share", name] for name in "ABCD"] == [2 / 5, 1 / 5, 0, 2 / 5]
    assert [found["A", "class_aum", name] for name in "ABCD"] == [600_000, 60_000, 0, 150_000]
    # 1 was spoken to this month; 3 and 2 are late; 4 must not be called; 9 is late, 7 was not.
    assert [found["A", "class_contact_coverage", name] for name in "ABCD"] == [1, 0, None, 0]
    assert [found["B", "class_contact_coverage", name] for name in "ABCD"] == [0.5, 1, None, 0.5]


def test_ten_known_customers_give_two_three_five() -> None:
    """Of ten customers of one manager 20 % are A, 30 % B, the rest C; equals stay together."""
    bank = served_of([100_000.0 - 1_000 * place for place in range(10)])
    assert classes_of(bank) == "AABBBCCCCC"
    assert classes_of(served_of([70_000.0] * 10)) == "A" * 10


def test_purchases_lift_a_customer() -> None:
    """The smallest of four buys, place 4 + 1; the second and third, 2 + 2 and 3 + 2, stay close."""
    bank = served_of([90_000.0, 80_000.0, 70_000.0, 60_000.0])
    assert classes_of(bank) == "ABCC"
    # scores 1+2, 2+2, 3+2, 4+1: the last two share the third place
    assert classes_of(bank | {"purchases": [0, 0, 0, 3]}) == "ABCC"
    # scores 1+3, 2+3, 3+2, 4+1: the last three share the second place, within half of four
    assert classes_of(bank | {"purchases": [0, 0, 1, 3]}) == "ABBB"
    # without profiles only the buyer is known
    assert classes_of(bank | {"purchases": [0, 0, 0, 1], "profile_complete": [False] * 4}) == "DDDA"


def served_of(amounts: list[float]) -> dict[str, list[Any]]:
    """Return customers with complete profiles, all of one manager."""
    ids = [f"c{number}" for number in range(len(amounts))]
    return {"customer_id": ids, "branch_id": ["A"] * len(ids), "aum_average_quarter": amounts,
            "aum_average_month": amounts, "profile_complete": [True] * len(ids)}  # fmt: skip


def given_to(bank: Columns, since: date = date(2026, 1, 1)) -> dict[str, list[Any]]:
    """Return assignments of all customers to one manager."""
    size = len(bank["customer_id"])
    return {"customer_id": list(bank["customer_id"]), "valid_from": [since] * size,
            "manager_id": ["M"] * size, "valid_to": [None] * size, "reason": ["initial"] * size,
            "first_contact_on": [None] * size}  # fmt: skip


def classes_of(bank: Columns) -> str:
    """Return the classes of the customers, in their order."""
    found = customer_service(as_pandas(bank), as_pandas(given_to(bank)),
                             contacts=as_pandas(contacts()), as_of=AS_OF)  # fmt: skip
    return "".join(found["customer_class"])


def of_each(make: Make, column: str, since: Sequence[date], until: Sequence[date | None],
            calls: Sequence[tuple[int, date, str]]) -> list[Any]:  # fmt: skip
    """Return a column for customers of one manager, from and to each one's days, and calls."""
    bank = served_of([60_000.0] * len(since))
    assigned = given_to(bank) | {"valid_from": list(since), "valid_to": list(until)}
    told = {"customer_id": [f"c{number}" for number, _, _ in calls],
            "contacted_on": [on for _, on, _ in calls],
            "outcome": [outcome for *_, outcome in calls]}  # fmt: skip
    found = customer_service(make(bank), make(assigned), contacts=make(told), as_of=AS_OF)
    values = values_of(found, "customer_id", value=column)
    return [values[one] for one in bank["customer_id"]]


LONG_AGO = date(2025, 1, 1)


def test_what_is_an_effective_contact(make: Make) -> None:
    """An answer inside the three months, of whatever kind; three full months ago is outside."""
    expected = {
        ("reached", date(2026, 7, 1)): 1,
        ("reached", date(2026, 6, 30)): 0,
        ("reached", AS_OF): 1,
        ("reached", date(2026, 10, 1)): 0,
        ("none", date(2026, 9, 1)): 0,
        ("refused", date(2026, 9, 1)): 1,
        ("appointment", date(2026, 9, 1)): 1,
        ("visit", date(2026, 9, 1)): 1,
        ("sale", date(2026, 9, 1)): 1,
    }
    size = len(expected)
    calls = [(number, on, outcome) for number, (outcome, on) in enumerate(expected)]
    found = of_each(make, "covered", [LONG_AGO] * size, [None] * size, calls)
    assert dict(zip(expected, found, strict=True)) == expected


def test_managed_for_the_whole_period(make: Make) -> None:
    """Who was assigned on 30 June has had three months; the last day of an assignment counts."""
    expected = {
        (date(2026, 6, 30), None): 1,
        (date(2026, 7, 1), None): 0,
        (date(2026, 1, 1), AS_OF): 1,
        (date(2026, 1, 1), date(2026, 9, 29)): 0,
    }
    since, until = zip(*expected, strict=True)
    found = of_each(make, "coverable", since, until, [(0, AS_OF, "none")])
    assert dict(zip(expected, found, strict=True)) == expected


def test_a_hand_over_does_not_restart_the_period(make: Make) -> None:
    """6 and 7 changed managers in September and were managed throughout; 3 and 11 were not."""
    found = values_of(service_as_made(make), "customer_id", value="managed_throughout")
    assert [found[one] for one in ("6", "7", "3", "11")] == [1, 1, 0, 0]


def test_of_two_assignments_the_later_counts(make: Make) -> None:
    """Where a bank did not end the earlier one, the customer is counted once."""
    given = assignments()
    given["valid_to"][5] = None
    found = service(make, assignments=given)
    assert len(rows_of(found)) == 12
    assert values_of(found, "customer_id", value="manager_id")["6"] == "V1"


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (AS_OF, {date(2026, 9, 12): (1, 1, 0), date(2026, 9, 13): (1, 0, 0), None: (1, 0, 1)}),
        (date(2026, 9, 11), {None: (0, 0, 0)}),
        (date(2026, 9, 12), {None: (1, 0, 1), date(2026, 9, 13): (1, 0, 1)}),
        (date(2026, 12, 10), {date(2026, 9, 12): (0, 0, 0)}),
    ],
)
def test_first_call_within_two_days(
    make: Make, as_of: date, expected: dict[date | None, tuple[int, int, int]]
) -> None:
    """Called by 12 September is in time; before that day is over nobody is judged."""
    ids = [f"c{number}" for number in range(len(expected))]
    given = {name: values[6:7] * len(ids) for name, values in assignments().items()}
    given |= {"customer_id": ids, "first_contact_on": [*expected]}
    bank = {name: values[5:6] * len(ids) for name, values in served_customers().items()}
    bank = {"customer_id": ids} | {name: bank[name] for name in ("branch_id", *AMOUNTS)}
    calls = {"customer_id": ["x"], "contacted_on": [AS_OF], "outcome": ["none"]}
    found = customer_service(make(bank), make(given), contacts=make(calls), as_of=as_of)
    rows = {row["customer_id"]: row for row in rows_of(found)}
    told = ("handed_over", "called_in_time", "first_call_missing")
    assert {
        first: tuple(rows[one][name] for name in told)
        for one, first in zip(ids, expected, strict=True)
    } == expected


def test_a_contact_makes_up_for_a_first_call_not_noted(make: Make) -> None:
    """Spoken to since the hand-over, the customer is not on the list of missing first calls."""
    given = assignments()
    given["first_contact_on"][6] = None
    assert of_customer(make, "first_call_missing", assignments=given)["6"] == 0


def test_contacts_without_a_sale(make: Make) -> None:
    """They are counted from the last sale on, and from the manager's first day, that day too."""
    since = [LONG_AGO, LONG_AGO, date(2026, 3, 1), LONG_AGO]
    days = [date(2026, month, 1) for month in (2, 3, 4, 5, 6)]
    calls = [(number, on, "reached") for number in (0, 1, 2) for on in days]
    calls += [(1, date(2026, 4, 1), "sale"), *((n, date(2026, 9, 1), "none") for n in range(4))]
    counts = of_each(make, "contacts_without_sale", since, [None] * 4, calls)
    assert counts == [5, 2, 4, 0]
    assert of_each(make, "set_aside", since, [None] * 4, calls) == [1, 0, 0, 0]


def test_reclaim_at_its_border(make: Make) -> None:
    """Six months from 30 September lead to 31 March: managed and unanswered since then."""
    expected = {
        (date(2026, 3, 31), None): 1,
        (date(2026, 4, 1), None): 0,
        (LONG_AGO, date(2026, 3, 31)): 1,
        (LONG_AGO, date(2026, 4, 1)): 0,
    }
    calls = [
        (number, spoken or AS_OF, "reached" if spoken else "none")
        for number, (_, spoken) in enumerate(expected)
    ]
    found = of_each(make, "reclaim_due", [since for since, _ in expected], [None] * 4, calls)
    assert dict(zip(expected, found, strict=True)) == expected


@pytest.mark.parametrize(("average", "due"), [(499_999.99, 0), (500_000.0, 1)])
def test_hand_over_from_the_border_on(make: Make, average: float, due: int) -> None:
    """The month's average of 500,000 itself is the VIP manager's; the quarter's does not count."""
    bank = served_customers()
    bank["aum_average_month"] = [average, *bank["aum_average_month"][1:]]
    found = values_of(coverage(service(make, customers=bank)), "measure", value="numerator")
    assert found["hand_over_due_share"] == due


def test_purchases_and_refusals_have_their_periods(make: Make) -> None:
    """A sale counts for six months, 31 March is outside; a refusal for three, 30 June is."""
    days = [date(2026, 3, 31), date(2026, 4, 1), date(2026, 6, 30), date(2026, 7, 1)]
    calls = {"customer_id": ["1", "2", "6", "7"], "contacted_on": days,
             "outcome": ["sale", "sale", "refused", "refused"]}  # fmt: skip
    found = {row["customer_id"]: row for row in rows_of(service(make, contacts=calls))}
    assert [found[one]["sales"] for one in ("1", "2")] == [0, 1]
    assert [found[one]["refused_lately"] for one in ("6", "7")] == [0, 1]


def test_a_manager_counts_in_every_branch(make: Make) -> None:
    """M1, given 10 of branch B too, is one of three managers there, for six customers."""
    given = assignments()
    given["customer_id"][4], given["valid_to"][4] = "10", None
    found = values_of(coverage(service(make, assignments=given), by="branch_id"), "branch_id",
                      "measure", value="denominator")  # fmt: skip
    assert found["B", "customers_per_manager"] == 3
    assert found["A", "customers_per_manager"] == 1


def test_rounds_are_numbered_by_date(make: Make) -> None:
    """Four first contacts, three answered; the second one of 1 is a sale. June does not count."""
    found = values_of(contact_rounds(service_as_made(make)), "measure", "round")
    assert found["round_answer_rate", "1"] == 3 / 4
    assert found["round_appointment_rate", "1"] == 0
    assert found["round_sale_rate", "2"] == found["round_appointment_rate", "2"] == 1
    assert found["round_answer_rate", "3"] is None


def test_delivered_rounds_count_and_the_last_is_open(make: Make) -> None:
    """Rounds 5 and 7 are told together; an appointment and a visit are appointments, no sales."""
    outcomes = ["appointment", "none", "visit", "reached"]
    calls = {"customer_id": ["1", "1", "2", "6"], "contacted_on": [date(2026, 7, 1)] * 4,
             "outcome": outcomes, "round": [5, 7, 7, 4]}  # fmt: skip
    found = values_of(contact_rounds(service(make, contacts=calls)), "measure", "round")
    assert found["round_appointment_rate", "5+"] == pytest.approx(2 / 3)
    assert found["round_sale_rate", "5+"] == 0
    assert found["round_answer_rate", "4"] == 1


def test_without_managers_no_role_is_known(make: Make) -> None:
    """Nothing is due for hand-over, and the load is told in all only."""
    bank, given, calls = make(served_customers()), make(assignments()), make(contacts())
    found = customer_service(bank, given, contacts=calls, as_of=AS_OF)
    values = values_of(coverage(found), "measure")
    assert values["hand_over_due_share"] == 0
    assert values["customers_per_manager"] == 3
    assert values["customers_per_counter_manager"] is None


def test_who_asked_for_peace_is_owed_no_call(make: Make) -> None:
    """Not contactable: neither coverable nor due; still managed."""
    bank = served_customers()
    bank["do_not_contact"][1] = True
    served = service(make, customers=bank)
    found = values_of(coverage(served, by="branch_id"), "branch_id", "measure")
    assert found["A", "contact_coverage"] == 1
    assert found["A", "contact_due_share"] == 1 / 4
    assert values_of(served, "customer_id", value="coverable")["2"] == 0


def test_the_deceased_are_not_called_in_time(make: Make) -> None:
    """4, given to M1 this month, is not due; only 2, who is, counts in class D."""
    given = assignments()
    given["valid_from"][3] = date(2026, 9, 1)
    rows = rows_of(service_by_class(service(make, assignments=given), by="branch_id"))
    found = {(r["branch_id"], r["customer_class"], r["measure"]): r for r in rows}
    row = found["A", "D", "class_contact_coverage"]
    assert (row["numerator"], row["denominator"]) == (0, 1)


def test_without_columns_of_exclusion_everybody_may_be_called(make: Make) -> None:
    """A bank that delivers neither column has no wishes to respect."""
    bank = {k: v for k, v in served_customers().items() if k not in ("exclusion", "do_not_contact")}
    assert set(of_customer(make, "contactable", customers=bank).values()) == {1}


def test_the_table_keeps_its_kind_and_its_columns(make: Make) -> None:
    """The customers come back with columns added, nothing else changed."""
    bank = make(served_customers())
    found = service_as_made(make)
    assert type(found) is type(bank)
    assert list(rows_of(found)[0])[:12] == list(served_customers())


def test_refusals(make: Make) -> None:
    """Missing columns, amounts and unknown bases are told by name; engines must agree."""
    bank = served_customers()
    with pytest.raises(UsageError, match="unknown column of assignments 'valid_from'"):
        service(make, assignments={"customer_id": ["1"], "manager_id": ["M"]})
    with pytest.raises(UsageError, match="unknown column of customers 'aum_average_month'"):
        service(make, customers={k: v for k, v in bank.items() if k != "aum_average_month"})
    with pytest.raises(UsageError, match="unknown base 'manged'"):
        coverage(service_as_made(make), base="manged")
    bank["aum_average_quarter"] = [*bank["aum_average_quarter"][:11], float("nan")]
    with pytest.raises(UsageError, match="'aum_average_quarter' is missing or infinite in 1 rows"):
        service(make, customers=bank)


CALLS = st.lists(
    st.tuples(st.sampled_from(["c0", "c1", "c2"]), st.integers(-200, 20),
              st.sampled_from(["none", "reached", "sale", "refused"])),
    max_size=25,
)  # fmt: skip


@settings(max_examples=12)
@given(CALLS, st.booleans())
def test_laws_of_coverage(calls: list[tuple[str, int, str]], turned: bool) -> None:
    """An independent count agrees; an answered call adds its customer; order is harmless."""
    bank = served_of([60_000.0] * 6)
    made = [(one, AS_OF + timedelta(days=days), outcome) for one, days, outcome in calls]
    before = covered_of(bank, made[::-1] if turned else made)
    wanted = {
        one for one, on, outcome in made
        if outcome != "none" and date(2026, 6, 30) < on <= AS_OF
    }  # fmt: skip
    assert before == len(wanted)
    assert covered_of(bank, [*made, ("c5", AS_OF, "reached")]) == before + 1


def covered_of(bank: Columns, calls: list[tuple[str, date, str]]) -> int:
    """Return how many customers are covered, of those managed throughout."""
    kinds = {"customer_id": pl.String, "contacted_on": pl.Date, "outcome": pl.String}
    table = pl.DataFrame(calls, schema=kinds, orient="row")
    assigned = as_polars(given_to(bank))
    found = customer_service(as_polars(bank), assigned, contacts=table, as_of=AS_OF)
    rate = next(row for row in rows_of(coverage(found)) if row["measure"] == "contact_coverage")
    assert rate["denominator"] == 6
    return int(rate["numerator"])


def test_a_longer_period_covers_more() -> None:
    """The policy's period is followed: in six months 2 was spoken to, in three it was not."""
    rule = replace(POLICY, coverage=replace(POLICY.coverage, contact_months=6))
    found = customer_service(
        as_pandas(served_customers()), as_pandas(assignments()), contacts=as_pandas(contacts()),
        as_of=AS_OF, policy=rule,
    )  # fmt: skip
    assert found.set_index("customer_id")["contacted_lately"]["2"] == 1
