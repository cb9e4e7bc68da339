"""One person with several customer numbers counts as one, on every engine and in every measure.

What must come out is counted by hand: plain Python joins the numbers of each person in the extracts
themselves, and that bank is evaluated by customer number.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import stockcust_analysis as sca
from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.frames import to_pandas
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.worklists import make_lists, worklist_tables
from stockcust_analysis.policy import load_policy
from tests.engines.banks import QUARTER, Tables, assert_same, in_duckdb, in_pandas, in_polars

# A person's numbers may well be managed by different people.
pytestmark = pytest.mark.filterwarnings("ignore:.*two_managers")
POLICY = load_policy()
BY_PERSON = replace(POLICY, unit="person")
NEWEST = "2026-09-30"
SUMMED = [
    "aum_period_end", "aum_average_month", "aum_average_quarter", "loan_balance",
    "active_transactions",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Return a small bank in which 120 persons have two or three numbers, in any branches."""
    tables = make_bank(4, branches=8, customers=800, quarters=2)
    customers = tables["customers"].copy()
    numbers = np.random.default_rng(5).permutation(customers["customer_id"].unique())[:280]
    persons = {number: f"Q{place % 120}" for place, number in enumerate(numbers)}
    known = customers["customer_id"].map(persons)
    customers["person_id"] = known.fillna(customers["person_id"])
    return tables | {"customers": customers}


def counts(row: dict[str, Any]) -> bool:
    """Return whether a customer's row counts: of a type in scope, and not closed by its day."""
    closed = row["closed_on"]
    return row["customer_type"] != "corporate" and (pd.isna(closed) or closed > row["as_of"])


def joined_by_hand(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return the bank with one number for each person."""
    rows = tables["customers"].to_dict("records")
    by_number: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(filter(counts, rows), key=lambda row: row["as_of"]):
        by_number.setdefault(row["customer_id"], []).append(row)
    persons: dict[str, list[str]] = {}
    for number, own in by_number.items():
        if not pd.isna(own[-1]["person_id"]):
            persons.setdefault(own[-1]["person_id"], []).append(number)
    held = tables["holdings"][tables["holdings"]["product"].isin(POLICY.families.aum_products)]
    held = held.assign(balance=held["balance"].clip(0)).groupby(["as_of", "customer_id"])
    balances = held["balance"].sum().to_dict()
    leads = {
        number: leading(numbers, by_number, balances, tables)
        for numbers in persons.values()
        if len(numbers) > 1
        for number in numbers
    }
    there = {(row["as_of"], today(row["branch_id"], tables)) for row in rows}
    people, in_scope = [row for row in rows if row["customer_id"] not in leads], set()
    for lead in {*leads.values()}:
        theirs = [
            row for number, own in by_number.items() if leads.get(number) == lead for row in own
        ]
        in_scope |= {(row["as_of"], row["customer_id"]) for row in theirs}
        home = today(by_number[lead][-1]["branch_id"], tables)
        for day in {row["as_of"] for row in theirs}:
            one = as_one(lead, [row for row in theirs if row["as_of"] == day])
            stays = today(one["branch_id"], tables) == home or (day, home) not in there
            people.append(one if stays else one | {"branch_id": home})
    return dict(tables) | {
        "customers": pd.DataFrame(people).astype(tables["customers"].dtypes),
        "holdings": renamed(tables["holdings"], leads, in_scope),
        **{name: renamed(tables[name], leads) for name in ("contacts", "transactions")},
        "assignments": first_of_a_day(tables["assignments"], leads),
    }


def today(branch: str, tables: Tables) -> str:
    """Return the branch that has a branch's customers today."""
    mergers = tables["branch_successors"].set_index("old_branch_id")["new_branch_id"]
    return str(mergers.get(branch, branch))


def leading(
    numbers: list[str], by_number: dict[str, Any], held: dict[Any, float], tables: Tables
) -> str:
    """Return the number that leads: the largest of the branch with most of the AUM."""
    newest = max(by_number[number][-1]["as_of"] for number in numbers)
    there = [number for number in numbers if by_number[number][-1]["as_of"] == newest]
    cents = {number: round(held.get((newest, number), 0.0) * 100) for number in there}
    branch = {n: today(by_number[n][-1]["branch_id"], tables) for n in there}
    of_branch = {n: sum(cents[m] for m in there if branch[m] == branch[n]) for n in there}
    return min(there, key=lambda number: (-of_branch[number], -cents[number], number))


def as_one(lead: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of one person and day as one row."""
    stands = min(rows, key=lambda row: (row["customer_id"] != lead, row["customer_id"]))
    days = [row["last_active_on"] for row in rows if not pd.isna(row["last_active_on"])]
    first = min(row["relationship_since"] for row in rows)
    oldest = [row for row in rows if row["relationship_since"] == first]
    facts = {
        name: min((row[name] for row in oldest if not pd.isna(row[name])), default=stands[name])
        for name in ("birth_date", "gender", "acquisition_channel")
    }
    barred = sorted(row["exclusion"] for row in rows if not pd.isna(row["exclusion"]))
    return (
        stands
        | facts
        | {
            "customer_id": lead,
            **{name: round(sum(row[name] for row in rows), 2) for name in SUMMED},
            "last_active_on": max(days, default=pd.NaT),
            "relationship_since": first,
            "exclusion": barred[0] if barred else None,
            **{
                name: any(row[name] is True or row[name] is np.True_ for row in rows)
                for name in ("profile_complete", "do_not_contact")
            },
        }
    )


def renamed(table: pd.DataFrame, leads: dict[str, str], of: Any = None) -> pd.DataFrame:
    """Return a table under the leading numbers; of those days and numbers alone, if given."""
    keys = zip(table["as_of"], table["customer_id"], strict=True) if of is not None else ()
    own = np.array([key in of for key in keys]) if of is not None else True
    lead = table["customer_id"].map(leads)
    return table.assign(customer_id=lead.where(own & lead.notna(), table["customer_id"]))


def first_of_a_day(table: pd.DataFrame, leads: dict[str, str]) -> pd.DataFrame:
    """Return the assignments of each person, of those begun on one day the leading number's."""
    rows: dict[Any, dict[str, Any]] = {}
    for row in table.to_dict("records"):
        number = row["customer_id"]
        lead = leads.get(number, number)
        order = (number != lead, number)
        key = lead, row["valid_from"]
        if key not in rows or order < rows[key]["order"]:
            rows[key] = row | {"customer_id": lead, "order": order}
    return pd.DataFrame([*rows.values()]).drop(columns="order").astype(table.dtypes)


@pytest.fixture(scope="module")
def by_hand(tables: Tables) -> Any:
    """Return the bank with one number for each person, evaluated by number, with its lists."""
    with open_bank(in_polars(joined_by_hand(tables), Path())) as bank:
        evaluation = sca.evaluate(bank, quarter=QUARTER)
        lists = make_lists(bank, as_of=evaluation.quarter.end, policy=POLICY)
        return evaluation, worklist_tables(bank, lists, quarter=evaluation.quarter, policy=POLICY)


SLOW = (pytest.param(engine, marks=pytest.mark.slow) for engine in (in_pandas, in_duckdb))


@pytest.mark.parametrize("engine", [in_polars, *SLOW])
def test_numbers_of_a_person_count_as_one(
    engine: Any, tables: Tables, by_hand: Any, tmp_path: Path
) -> None:
    """Every measure, comparison and list is that of the bank in which each has one number."""
    expected, lists = by_hand
    with open_bank(engine(tables, tmp_path)) as bank:
        evaluation = sca.evaluate(bank, quarter=QUARTER, policy=BY_PERSON)
        made = make_lists(bank, as_of=evaluation.quarter.end, policy=BY_PERSON)
        own = worklist_tables(bank, made, quarter=evaluation.quarter, policy=BY_PERSON)
        customers = bank.customers(QUARTER, policy=BY_PERSON)
    assert_same(evaluation, expected)
    for ours, theirs in zip(own, lists, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    now = tables["customers"][tables["customers"]["as_of"] == NEWEST]
    several = now[[counts(row) for row in now.to_dict("records")]].groupby("person_id").size()
    assert (several > 1).sum() > 80
    assert (customers["numbers"] > 1).sum() == (several > 1).sum()
    assert customers["numbers"].sum() == several.sum()
    check_facts(evaluation.policy_facts["unit"], tables, customers)


def check_facts(unit: dict[str, Any], tables: Tables, persons: pd.DataFrame) -> None:
    """Compare what the page says of joining with the customers, by number and by person."""
    with open_bank(in_polars(tables, Path())) as bank:
        sides = [bank.customers(QUARTER), persons]
        check_accounts(bank, *sides)
    for measure in (sca.dormancy_rate, sca.multi_product_share):
        name = measure.__name__
        rows = (pd.DataFrame(measure(side, base="funded")) for side in sides)
        values = [float(row.loc[row["measure"] == name, "value"].iloc[0]) for row in rows]
        assert unit[name] == pytest.approx(values)
        assert values[0] != values[1]
    assert unit["several"] == (persons["numbers"] > 1).sum()
    assert unit["customers"] == [len(side) for side in sides]
    assert unit["funded"] == [side["funded"].sum() for side in sides]


def check_accounts(bank: Any, numbers: pd.DataFrame, persons: pd.DataFrame) -> None:
    """Accounts by number are none of persons'; those by person hold what the customers say."""
    own = to_pandas(bank.snapshot("holdings", as_of=QUARTER))
    joined = to_pandas(bank.snapshot("holdings", as_of=QUARTER, policy=BY_PERSON))
    assert len(own) == len(joined)
    assert sorted(joined["customer_number"]) == sorted(own["customer_id"])
    for measure in (sca.multi_product_share, sca.products_per_customer, sca.penetration):
        expected = measure(persons, policy=BY_PERSON)
        pd.testing.assert_frame_equal(
            measure(persons, holdings=joined, policy=BY_PERSON), expected, check_like=True
        )
        with pytest.raises(
            UsageError, match="customers are by person, holdings by customer number"
        ):
            measure(persons, holdings=own, policy=BY_PERSON)
    rates = sca.dormancy_rate(persons, policy=BY_PERSON).set_index("measure")["value"]
    rule = {"rules": [POLICY.dormancy], "as_of": QUARTER, "policy": BY_PERSON}
    compared = sca.compare_rules(persons, holdings=joined, **rule).set_index("measure")["value"]
    pd.testing.assert_series_equal(compared, rates)
    with pytest.raises(UsageError, match=r"snapshot\('holdings', as_of=…, policy=…\)"):
        sca.compare_rules(persons, holdings=own, **rule)
    with pytest.raises(UsageError, match="customers are by person, contacts by customer number"):
        sca.dormancy_rate(persons, as_of=QUARTER, contacts=bank.table("contacts"))
    for compare in (sca.growth_bridge, sca.customer_retention, sca.lost_customers):
        with pytest.raises(UsageError, match="closing are by person, opening by customer number"):
            compare(numbers, persons)
        with pytest.raises(UsageError, match="opening are by person, closing by customer number"):
            compare(persons, numbers)


@pytest.mark.slow
# Ibis asks pandas for an option that pandas 4 will no longer have; PySpark does not yet know it.
@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.parametrize("place", ["server", "spark"])
def test_numbers_are_joined_where_the_tables_are(
    place: str, tables: Tables, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """PostgreSQL and Spark join the same numbers to the same persons."""
    source, options = request.getfixturevalue(place), dict[str, Any]()
    if place == "server":
        source.load(tables)
        source = source.url()
    else:
        in_duckdb(tables, tmp_path)
        options = {"tables": {name: str(tmp_path / f"{name}.parquet") for name in tables}}
    with open_bank(in_polars(tables, tmp_path)) as reference, open_bank(source, **options) as bank:
        expected, found = (one.customers(QUARTER, policy=BY_PERSON) for one in (reference, bank))
    pd.testing.assert_frame_equal(found, expected)


def test_persons_need_their_column(tables: Tables) -> None:
    """A policy that counts persons of a bank that knows none is an error that says what to do."""
    people = tables["customers"].drop(columns="person_id")
    with (
        open_bank(in_polars(dict(tables) | {"customers": people}, Path())) as bank,
        pytest.raises(UsageError, match="no column 'person_id'"),
    ):
        bank.customers(date(2026, 9, 30), policy=BY_PERSON)


ENGINES = [in_pandas, in_polars, in_duckdb]
ASSIGNMENT = ["customer_id", "valid_from", "manager_id", "valid_to"]


def two_numbers(rows: list[list[Any]], **more: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a bank of customers: day, number, branch, AUM, person."""
    names = ["as_of", "customer_id", "branch_id", "aum_period_end", "person_id"]
    customers = pd.DataFrame(rows, columns=names).astype({"as_of": "datetime64[us]"})
    held = customers["aum_period_end"]
    since, active = (pd.Timestamp(day).as_unit("us") for day in ("2020-01-01", "2026-06-01"))
    customers = customers.assign(
        customer_type="personal", relationship_since=since, last_active_on=active,
        aum_average_month=held, aum_average_quarter=held,
    )  # fmt: skip
    holdings = customers[["as_of", "customer_id"]].assign(
        account_id="a" + customers["customer_id"], product="demand_deposit", balance=held
    )
    places = sorted({*customers["branch_id"]} | {"A"})
    branches = pd.DataFrame({"branch_id": places, "name": places})
    return {"branches": branches, "customers": customers, "holdings": holdings, **more}


# By person, and by the branch that is his alone: who manages his first number, and who his second,
# each since and until when; and who manages the person.
MANAGED = [
    # What is in force is looked at first: neither an end ahead nor one behind decides.
    ("m1 2026-01-01 2026-05-31", "m2 2026-01-01 2099-12-31", "m2"),
    ("m1 2026-01-01 2026-12-31", "m2 2026-01-01 ", "m1"),
    ("m1 2026-01-01 ", "m2 2026-01-01 2026-12-31", "m1"),
    ("m1 2026-01-01 ", "m2 2026-02-01 ", "m2"),
    ("m1 2026-01-01 ", "m2 2026-02-01 2026-03-31", "m1"),
    # Nor does who does not manage: an assistant, or a manager who left in May.
    ("helper 2026-01-01 ", "m2 2026-01-01 ", "m2"),
    ("m1 2026-01-01 ", "helper 2026-02-01 ", "m1"),
    ("gone 2026-01-01 ", "m2 2026-01-01 ", "m2"),
    ("gone 2026-01-01 ", "helper 2026-01-01 ", None),
]


COUNTED = {str(place): manager for place, (*_, manager) in enumerate(MANAGED)}


def managed_bank() -> dict[str, pd.DataFrame]:
    """Return a bank in which each person has two numbers, with 90,000 and 60,000."""
    places = [str(place) for place in range(len(MANAGED))]
    people = [
        [number + place, place, amount, f"P{place}"]
        for place in places
        for number, amount in (("1", 90_000.0), ("2", 60_000.0))
    ]
    assigned = pd.DataFrame(
        [
            [number + place, *text.split(" ")]
            for place, (*texts, _) in zip(places, MANAGED, strict=True)
            for number, text in zip("12", texts, strict=True)
        ],
        columns=["customer_id", "manager_id", "valid_from", "valid_to"],
    )[ASSIGNMENT].assign(reason=None, first_contact_on=None)
    ends = {"valid_from": "datetime64[us]", "valid_to": "datetime64[us]"}
    assigned = assigned.replace({"valid_to": {"": None}}).astype(ends)
    assigned["first_contact_on"] = pd.Series(pd.NaT, index=assigned.index, dtype="datetime64[us]")
    managers = pd.DataFrame(
        {
            "manager_id": ["m1", "m2", "helper", "gone"],
            "branch_id": "A",
            "role": ["counter", "vip", "other", "vip"],
            "valid_to": pd.to_datetime([None, None, None, "2026-05-01"]).astype("datetime64[us]"),
        }
    )
    contacts = pd.DataFrame(
        {
            "customer_id": ["3"],
            "manager_id": "m1",
            "contacted_on": pd.Series(["2026-08-01"], dtype="datetime64[us]"),
            "channel": "phone",
            "outcome": "reached",
        }
    )
    return two_numbers(
        [[NEWEST, *row] for row in (*people, ["3", "A", 1_000.0, "Q"])],
        managers=managers, assignments=assigned, contacts=contacts,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_a_person_is_managed_by_whom_one_number_has(engine: Any, tmp_path: Path) -> None:
    """Of 90,000 and 60,000 with a manager each, all 150,000 are with the one who counts."""
    coverage = replace(POLICY.coverage, assistant_roles=("other",))
    with open_bank(engine(managed_bank(), tmp_path)) as bank:
        customers = bank.customers(QUARTER, policy=replace(BY_PERSON, coverage=coverage))
    managed = customers[customers["managed"] == 1].set_index("branch_id")["manager_id"]
    assert dict(managed.sort_index()) == {p: name for p, name in COUNTED.items() if name}
    held = customers[customers["managed"] == 1]["aum_period_end"]
    assert held.tolist() == [150_000] * 8


@pytest.mark.parametrize("engine", [in_polars, in_duckdb])
def test_measures_count_a_person_with_whom_one_number_has(engine: Any, tmp_path: Path) -> None:
    """Managed customers, their AUM and their share are those of the persons."""
    coverage = replace(POLICY.coverage, assistant_roles=("other",))
    with open_bank(engine(managed_bank(), tmp_path)) as bank:
        policy = replace(BY_PERSON, coverage=coverage)
        measures = sca.evaluate(bank, quarter=QUARTER, policy=policy, first_quarter=True).measures
    values = measures.set_index(["branch_id", "measure"])["numerator"]
    names = ["managed_customers", "managed_aum", "managed_share"]
    for place, manager in COUNTED.items():
        expected = [0, 0, 0] if manager is None else [1, 150_000, 1]
        assert values[place][names].tolist() == expected, MANAGED[int(place)]
    assert values["@bank"][names].tolist() == [8, 8 * 150_000, 8]


@pytest.mark.parametrize("engine", ENGINES)
def test_who_managed_a_number_that_has_left_manages_nobody(engine: Any, tmp_path: Path) -> None:
    """Number 2 has closed (P), is not there any more (Q), or goes on (R): R alone is managed.

    In June all three were; R's manager by the number that is there.
    """
    june = [["2026-06-30", n + p, p, 60_000.0, p] for p in "PQR" for n in "12"]
    now = [[NEWEST, *row[1:]] for row in june if row[1] != "2Q"]
    now = [[*row[:3], 0.0 if row[1] == "2P" else row[3], row[4]] for row in now]
    assigned = managed_bank()["assignments"].head(3)
    assigned = assigned.assign(customer_id=["2P", "2Q", "2R"], manager_id="m1", valid_to=pd.NaT)
    assigned["valid_to"] = assigned["valid_to"].astype("datetime64[us]")
    tables = managed_bank() | two_numbers(june + now, assignments=assigned)
    tables["contacts"] = tables["contacts"].assign(customer_id="1P")
    people, closed = tables["customers"], pd.Timestamp("2026-09-10").as_unit("us")
    left = (people["customer_id"] == "2P") & (people["as_of"] == NEWEST)
    closed_on = pd.Series(pd.NaT, people.index, "datetime64[us]").mask(left, closed)
    tables["customers"] = people.assign(closed_on=closed_on)
    with open_bank(engine(tables, tmp_path)) as bank:
        sides = [
            bank.customers(quarter, policy=BY_PERSON, structure=QUARTER).set_index("branch_id")
            for quarter in ("2026Q2", QUARTER)
        ]
    before, after = (side["managed"].to_dict() for side in sides)
    assert before == {"P": 1, "Q": 1, "R": 1}
    assert after == {"P": 0, "Q": 0, "R": 1}


def joined_or_moved() -> dict[str, pd.DataFrame]:
    """Return a bank whose persons' number 2 is new (A and B) or has moved (C and D)."""
    june, now = list[list[Any]](), list[list[Any]]()
    for a, b in ("AB", "CD"):
        first = [f"1{b}", a, 60_000.0, f"P{b}"]
        others = [[f"8{b}", b, 10.0, None], [f"9{b}", a, 20.0, None]]
        before = [[f"2{b}", a, 90_000.0, f"P{b}"]] if b == "D" else []
        june += [["2026-06-30", *row] for row in (first, *before, *others)]
        now += [[NEWEST, *row] for row in (first, [f"2{b}", b, 90_000.0, f"P{b}"], *others)]
    return two_numbers(june + now)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_person_is_in_one_branch_in_all_quarters(engine: Any, tmp_path: Path) -> None:
    """60,000 in A and 90,000 in B: all of the person is in B in June, too."""
    with open_bank(engine(joined_or_moved(), tmp_path)) as bank:
        people = bank.customers("2026Q2", policy=BY_PERSON, structure=QUARTER)
    assert people[["customer_id", "branch_id"]].values.tolist() == [
        ["2B", "B"], ["2D", "D"], ["8B", "B"], ["8D", "D"], ["9B", "A"], ["9D", "C"],
    ]  # fmt: skip


def test_nothing_has_moved_of_a_person_of_two_branches() -> None:
    """The growth bridge has all of him where he is today, in both quarters."""
    with open_bank(in_polars(joined_or_moved(), Path())) as bank:
        bridge = sca.evaluate(bank, quarter=QUARTER, policy=BY_PERSON).bridge
    assert bridge["structure"].unique().tolist() == ["today"]
    parts = bridge.set_index(["branch_id", "component"])["amount"]
    for opening, a, b in ((60_010.0, *"AB"), (150_010.0, *"CD")):
        assert (parts[b, "opening"], parts[b, "closing"]) == (opening, 150_010.0)
        assert (parts[a, "opening"], parts[a, "closing"]) == (20.0, 20.0)
    assert not parts[parts.index.get_level_values(1).str.startswith("transferred")].any()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_branch_has_nobody_before_it_opened(engine: Any, tmp_path: Path) -> None:
    """Branch N is new: its person, whose 60,000 were in A in June, is in A then, and moves."""
    tables = two_numbers([
        ["2026-06-30", "1", "A", 60_000.0, "P"], ["2026-06-30", "9", "A", 20.0, None],
        [NEWEST, "1", "A", 60_000.0, "P"], [NEWEST, "2", "N", 90_000.0, "P"],
        [NEWEST, "9", "A", 20.0, None],
    ])  # fmt: skip
    with open_bank(engine(tables, tmp_path)) as bank:
        june, now = (
            bank.customers(quarter, policy=BY_PERSON, structure=QUARTER)
            for quarter in ("2026Q2", QUARTER)
        )
        bridge = sca.evaluate(bank, quarter=QUARTER, policy=BY_PERSON).bridge
    held = ["customer_id", "branch_id", "aum_period_end"]
    assert june[held].values.tolist() == [["2", "A", 60_000], ["9", "A", 20]]
    assert now[held].values.tolist() == [["2", "N", 150_000], ["9", "A", 20]]
    steps = bridge.set_index(["branch_id", "component"])["amount"]
    assert steps[steps != 0].to_dict() == {
        ("A", "opening"): 60_020, ("A", "transferred_out"): -60_000, ("A", "closing"): 20,
        ("N", "transferred_in"): 60_000, ("N", "grown"): 90_000, ("N", "closing"): 150_000,
        ("@bank", "opening"): 60_020, ("@bank", "grown"): 90_000, ("@bank", "closing"): 150_020,
    }  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_number_holds_out_of_scope_is_not_the_persons(engine: Any, tmp_path: Path) -> None:
    """Number 2 leads, and was a company's in June: of its deposit then nothing is the person's."""
    rows = [
        [day, number, "A", amount, "P"]
        for day in ("2026-06-30", NEWEST)
        for number, amount in (("1", 60_000.0), ("2", 90_000.0))
    ]
    tables = two_numbers(rows)
    company = (tables["customers"]["as_of"] < NEWEST) & (tables["customers"]["customer_id"] == "2")
    kind = tables["customers"]["customer_type"].mask(company, "corporate")
    tables["customers"] = tables["customers"].assign(customer_type=kind)
    held = tables["holdings"]
    tables["holdings"] = held.assign(product=held["product"].mask(company, "fund"))
    with open_bank(engine(tables, tmp_path)) as bank:
        one = bank.customers("2026Q2", policy=BY_PERSON, structure=QUARTER).iloc[0]
        accounts = to_pandas(
            bank.snapshot("holdings", as_of="2026Q2", policy=BY_PERSON, structure=QUARTER)
        )
    assert (one["customer_id"], one["numbers"], one["aum_period_end"]) == ("2", 1, 60_000)
    assert (one["families"], one["holds_fund"]) == (1, 0)
    assert accounts[["customer_id", "customer_number"]].values.tolist() == [["2", "1"]]
