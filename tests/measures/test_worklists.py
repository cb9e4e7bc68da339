"""Work lists: who is on which, why, until when; who is left out; the draw of a control group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.population import customer_facts
from stockcust_analysis.measures.worklist_outcomes import draw_control_group
from stockcust_analysis.measures.worklists import (
    list_name,
    reason,
    through,
    worklist_counts,
    worklist_facts,
    worklists,
)
from stockcust_analysis.policy import LISTS, Policy, load_policy
from stockcust_analysis.policy.rules import DormancyRule
from stockcust_analysis.policy.service import CustomerClass
from tests.frames import AS_OF, Columns, as_pandas, computed, rows_of, values_of
from tests.measures.service_bank import (
    IDS,
    accounts,
    assignments,
    contacts,
    managers,
    served_customers,
)

Make = Callable[[Columns], Any]
POLICY = load_policy()


def facts_of(make: Make, policy: Policy = POLICY, served: bool = True, **tables: Columns) -> Any:
    """Return the facts of the bank, some tables replaced."""
    given = {"customers": served_customers(), "holdings": accounts(), "contacts": contacts(),
             "assignments": assignments(), "managers": managers()} | tables  # fmt: skip
    made = {name: make(columns) for name, columns in given.items() if served or name in _BARE}
    customers, holdings = made.pop("customers"), made.pop("holdings")
    facts = computed(customer_facts(customers, holdings, policy=policy, as_of=AS_OF))
    return computed(worklist_facts(facts, holdings, policy=policy, as_of=AS_OF, **made))


facts_as_made = cache(facts_of)
"""The facts of the bank as it is, made once per engine."""


_BARE = ("customers", "holdings", "opening")


def lists_of(facts: Any, policy: Policy = POLICY) -> list[dict[str, Any]]:
    """Return the lines of all lists."""
    return rows_of(worklists(facts, policy=policy, as_of=AS_OF))


@cache
def lists_as_made(make: Make) -> list[dict[str, Any]]:
    """Return the lines of all lists of the bank as it is, made once per engine."""
    return lists_of(facts_as_made(make))


def ids(rows: list[dict[str, Any]], name: str) -> list[str]:
    """Return the customers of one list, in order."""
    return [row["customer_id"] for row in rows if row["list"] == name]


def line(rows: list[dict[str, Any]], name: str, customer: str) -> dict[str, Any]:
    """Return one customer's line on a list."""
    return next(row for row in rows if (row["list"], row["customer_id"]) == (name, customer))


def ruled(**changes: Any) -> Policy:
    """Return the shipped policy with other rules for work lists."""
    return replace(POLICY, worklists=replace(POLICY.worklists, **changes))


def test_hand_counted_lists(make: Make) -> None:
    """Every list, branch A before B, what is due first and the most at stake first; 4 on none.

    9 is set aside after five contacts and on no list that asks for a sixth.
    """
    rows = lists_as_made(make)
    assert {name: ids(rows, name) for name in LISTS} == {
        "hand_over": ["1"],
        "maturing": ["5", "1"],
        "attrition_warning": [],
        "emptied": [],
        "overdue_contact": ["2", "3"],
        "reclaim": ["8"],
        "unassigned": ["5"],
        "upgrade_candidates": ["12"],
        "silent_with_assets": ["3", "8"],
        "next_product": ["1", "5", "2", "12", "11"],
        "referral_sources": ["1", "6"],
        "incomplete_profile": ["2", "11", "8"],
        "dormant": ["10"],
        "set_aside": ["9"],
    }
    order = [row["list"] for row in rows]
    assert order == sorted(order, key=LISTS.index)


def test_a_line_says_who_how_much_until_when_and_why(make: Make) -> None:
    """Amounts in CNY, the maturity's day, the reason with its figures, the action for the group."""
    rows = lists_as_made(make)
    one = line(rows, "maturing", "5")
    assert (one["branch_id"], one["priority"], one["amount_at_stake"]) == ("A", 2, 20_000)
    assert one["due_date"] == date(2026, 11, 1)
    assert one["manager_id"] is None
    assert one["reason_zh"] == "2.00万元将到期，最早2026-11-01"
    assert one["reason_en"] == "CNY 20,000 matures, the first of it on 2026-11-01"
    grown = line(rows, "hand_over", "1")
    assert (grown["manager_id"], grown["tier"], grown["groups"]) == ("M1", "high", "women;farmers")
    assert (grown["amount_at_stake"], grown["due_date"]) == (610_000, date(2026, 10, 31))
    assert grown["last_contact_on"] == date(2026, 9, 20)
    assert all(row["action_zh"] and row["action_en"] and row["channel"] for row in rows)
    assert "礼" in one["warning_zh"] or "合规" in one["warning_zh"]
    assert line(rows, "reclaim", "8")["warning_en"] == ""


def test_reasons_tell_what_the_list_looked_at(make: Make) -> None:
    """Class and last contact, next tier and border, the family to offer, the contacts made."""
    rows = lists_as_made(make)
    said = {(row["list"], row["customer_id"]): row["reason_en"] for row in rows}
    assert said["overdue_contact", "3"] == (
        "Class B, last effective contact: never; assets CNY 60,000"
    )
    assert said["upgrade_candidates", "12"].endswith("CNY 45,000, near Mid from CNY 50,000")
    assert said["next_product", "12"].startswith("Families held: 1; not yet held: Wealth")
    assert said["set_aside", "9"] == "Effective contacts without a sale: 5; assets CNY 65,000"
    assert said["reclaim", "8"].startswith("Managed since 2025-01-01, past the limit without")
    assert line(rows, "overdue_contact", "2")["reason_zh"] == (
        "D类客户，最近有效联络：2026-06-30，资产8.00万元"
    )


def test_a_missing_first_call_is_due_within_its_days(make: Make) -> None:
    """Handed over on the 10th and not called: due on the 12th, with a reason of its own."""
    given, calls = assignments(), contacts()
    given["first_contact_on"][6] = None
    calls = {name: values[:4] for name, values in calls.items()}
    row = line(lists_of(facts_of(make, assignments=given, contacts=calls)), "hand_over", "6")
    assert row["due_date"] == date(2026, 9, 12)
    assert row["reason_en"] == (
        "Handed over on 2026-09-10, not yet called; month's average CNY 700,000"
    )


def test_left_out_are_counted(make: Make) -> None:
    """The deceased and who asked for peace are on no list, and stand in the counts once each."""
    bank = served_customers()
    bank["do_not_contact"][7] = bank["do_not_contact"][3] = True
    facts = facts_of(make, customers=bank)
    assert {"4", "8"}.isdisjoint(row["customer_id"] for row in lists_of(facts))
    rows = rows_of(worklist_counts(facts, policy=POLICY))
    found = {(row["list"], row["branch_id"]): row for row in rows}
    silent = found["silent_with_assets", "A"]
    assert (silent["customers"], silent["amount_at_stake"]) == (1, 60_000)
    assert (silent["left_out"], silent["deceased"], silent["do_not_contact"]) == (1, 1, 0)
    reclaim = found["reclaim", "B"]
    assert (reclaim["customers"], reclaim["left_out"], reclaim["do_not_contact"]) == (0, 1, 1)
    assert found["maturing", "A"]["deceased"] == 1
    assert found["next_product", "A"]["customers"] == 4
    assert len(rows) == 2 * 12


def test_lists_and_counts_agree(make: Make) -> None:
    """Where no list is cut, the counts are those of its lines, and the amounts their sum."""
    rows = lists_as_made(make)
    for row in rows_of(worklist_counts(facts_as_made(make), policy=POLICY)):
        lines = [one for one in rows if (one["list"], one["branch_id"]) ==
                 (row["list"], row["branch_id"])]  # fmt: skip
        assert row["customers"] == len(lines)
        assert row["amount_at_stake"] == pytest.approx(sum(x["amount_at_stake"] for x in lines))


def test_lists_are_cut_per_branch_and_ties_kept(make: Make) -> None:
    """The largest of each branch stay; of two with the same amount both."""
    policy = ruled(longest=1)
    assert ids(lists_of(facts_of(make, policy), policy), "next_product") == ["1", "11"]
    bank = served_customers()
    bank["aum_period_end"] = [600_000.0, 600_000.0, *bank["aum_period_end"][2:]]
    rows = lists_of(facts_of(make, policy, customers=bank), policy)
    assert ids(rows, "next_product") == ["1", "2", "11"]
    assert {row["priority"] for row in rows} == {1}


def test_without_service_the_other_lists_remain(make: Make) -> None:
    """A bank without assignments gets the lists that customers and accounts alone can tell."""
    facts = facts_of(make, served=False)
    rows = lists_of(facts)
    assert {row["list"] for row in rows} == {
        "maturing", "upgrade_candidates", "silent_with_assets", "next_product", "dormant",
    }  # fmt: skip
    assert {row["manager_id"] for row in rows} == {None}
    assert {row["list"] for row in rows_of(worklist_counts(facts, policy=POLICY))} == {
        row["list"] for row in rows
    }


def test_money_that_leaves_is_warned_of(make: Make) -> None:
    """6 had 1,000,000 the quarter before, all others what they have: 30 % less, told as such."""
    averages = [int(amount * 100) for amount in served_customers()["aum_average_quarter"]]
    averages[5] = 100_000_000
    opening = {"customer_id": IDS, "aum_average_quarter_cents": averages}
    rows = lists_of(facts_of(make, served=False, opening=opening))
    assert ids(rows, "attrition_warning") == ["6"]
    assert line(rows, "attrition_warning", "6")["reason_en"] == (
        "Quarter's average down by CNY 300,000 (-30%), more than the branch's same tier; "
        "CNY 700,000 left"
    )
    assert line(rows, "attrition_warning", "6")["amount_at_stake"] == 300_000


def test_who_took_everything_has_a_list(make: Make) -> None:
    """6 and 10 hold 99 CNY of 1,000,000 and 9,999 before: 6 is to be won back, 10 had too little.

    6 had a million on the average, 700,000 this quarter: at stake is the million, not the fall.
    """
    bank = served_customers()
    averages = [int(amount * 100) for amount in bank["aum_average_quarter"]]
    averages[5], averages[9] = 100_000_000, 999_900
    bank["aum_period_end"] = [*bank["aum_period_end"]]
    bank["aum_period_end"][5] = bank["aum_period_end"][9] = 99.0
    opening = {"customer_id": IDS, "aum_average_quarter_cents": averages}
    rows = lists_of(facts_of(make, served=False, customers=bank, opening=opening))
    assert (ids(rows, "emptied"), ids(rows, "attrition_warning")) == (["6"], [])
    one = line(rows, "emptied", "6")
    assert one["amount_at_stake"] == 1_000_000
    assert one["reason_zh"] == "上季日均100.00万元，已基本转空，现有99.00元"


def test_who_is_set_aside_comes_back_when_money_moves(make: Make) -> None:
    """9's deposit matures on 20 October: on the list of maturities, and no longer set aside."""
    held = accounts()
    for name, value in {"as_of": AS_OF, "customer_id": "9", "product": "time_deposit",
                        "balance": 60_000.0, "matures_on": date(2026, 10, 20),
                        "rolls_over": False, "opened_on": date(2025, 1, 1)}.items():  # fmt: skip
        held[name].append(value)
    rows = lists_of(facts_of(make, holdings=held))
    assert [row["list"] for row in rows if row["customer_id"] == "9"] == [
        "maturing", "next_product",
    ]  # fmt: skip
    without = ruled(lists=("next_product", "set_aside"))
    rows = lists_of(facts_of(make, without, holdings=held), without)
    assert [row["list"] for row in rows if row["customer_id"] == "9"] == ["set_aside"]


def test_the_policy_chooses_lists_and_amounts(make: Make) -> None:
    """Only the lists named, in their order; borders, offers and periods as the rule says."""
    policy = ruled(lists=("dormant", "upgrade_candidates", "next_product", "maturing"),
                   near_border=0.95, next_products=("fund",), next_product_below=3,
                   maturing_months=1)  # fmt: skip
    rows = lists_of(facts_of(make, policy), policy)
    assert list(dict.fromkeys(row["list"] for row in rows)) == ["dormant", "next_product"]
    assert "7" not in ids(rows, "next_product")
    assert "not yet held: Funds" in line(rows, "next_product", "6")["reason_en"]
    assert (
        ids(lists_of(facts_as_made(make), ruled(upgrade_from=45_000.01)), "upgrade_candidates")
        == []
    )


def test_nothing_at_stake_is_on_no_list(make: Make) -> None:
    """A dormant customer without a cent stays off; so does, as a source, who fell silent."""
    bank = served_customers()
    bank["aum_period_end"] = [*bank["aum_period_end"][:9], 0.0, 6_500_000.0, 45_000.0]
    bank["last_active_on"][5] = date(2025, 1, 1)
    facts = facts_of(make, customers=bank)
    rows = lists_of(facts)
    assert ids(rows, "dormant") == []
    assert ids(rows, "referral_sources") == ["1"]
    counts = values_of(worklist_counts(facts, policy=POLICY), "list", "branch_id",
                       value="customers")  # fmt: skip
    assert counts["dormant", "B"] == 0


@pytest.mark.parametrize(
    ("average", "listed"), [(39_999.99, 0), (40_000.0, 1), (49_999.99, 1), (50_000.0, 0)]
)
def test_near_the_border(average: float, listed: int) -> None:
    """From 80 % of 50,000 up to, and without, the border."""
    bank = served_customers()
    bank["aum_average_quarter"] = [*bank["aum_average_quarter"][:11], average]
    rows = lists_of(facts_of(as_pandas, served=False, customers=bank))
    assert len(ids(rows, "upgrade_candidates")) == listed


def test_near_several_borders_the_next_one_counts() -> None:
    """With half a percent 45,000 is near the borders of all higher tiers: the next is Mid's."""
    rows = lists_of(facts_as_made(as_pandas), ruled(near_border=0.005))
    reason = line(rows, "upgrade_candidates", "12")["reason_en"]
    assert reason.endswith("near Mid from CNY 50,000")


def test_a_class_on_a_list_is_that_of_the_report() -> None:
    """By sales in contacts, as the codebook says: an account opened lately changes no class."""
    opened = accounts() | {"opened_on": [date(2026, 9, 1)] * len(accounts()["product"])}
    classes = [
        values_of(facts_of(as_pandas, holdings=holdings), "customer_id", value="customer_class")
        for holdings in (accounts(), opened)
    ]
    assert classes[0] == classes[1]
    assert {"A", "D"} <= {*classes[0].values()}


def test_accounts_without_dates_mature_and_open_never(make: Make) -> None:
    """A bank that delivers no maturities and openings has an empty list, not a wrong one."""
    holdings = {name: accounts()[name] for name in ("as_of", "customer_id", "product", "balance")}
    facts = facts_of(make, holdings=holdings)
    assert ids(lists_of(facts), "maturing") == []
    holdings = {k: v for k, v in accounts().items() if k != "rolls_over"}
    assert line(lists_of(facts_of(make, holdings=holdings)), "maturing", "5")["due_date"] == date(
        2026, 10, 15
    )


def test_without_profiles_nobody_is_to_complete_one(make: Make) -> None:
    """The list needs the column; so do the counts of exclusions by reason."""
    bank = {k: v for k, v in served_customers().items() if k not in ("profile_complete",
                                                                     "exclusion")}  # fmt: skip
    facts = facts_of(make, customers=bank)
    assert ids(lists_of(facts), "incomplete_profile") == []
    assert "deceased" not in rows_of(worklist_counts(facts, policy=POLICY))[0]


def test_the_table_keeps_its_kind(make: Make) -> None:
    """Eager in, the same kind out; lazy in, pandas out."""
    facts = facts_as_made(make)
    found = worklists(facts, policy=POLICY, as_of=AS_OF)
    lazy = type(facts).__name__ in ("LazyFrame", "DuckDBPyRelation")
    assert type(found) is (type(as_pandas({})) if lazy else type(facts))


def test_other_tables_are_refused() -> None:
    """Customers that never went through `worklist_facts` are named by the missing column."""
    with pytest.raises(UsageError, match=r"unknown column of facts .*'contactable'"):
        worklists(as_pandas(served_customers()), policy=POLICY, as_of=AS_OF)
    with pytest.raises(UsageError, match=r"unknown column of facts .*'contactable'"):
        worklist_counts(as_pandas(served_customers()), policy=POLICY)
    for column in ("status", "holds_fund", "reclaim_due"):
        with pytest.raises(UsageError, match=rf"unknown column of facts .*'{column}'.*Available:"):
            worklist_counts(facts_of(as_pandas).drop(columns=column), policy=POLICY)


@pytest.mark.parametrize(
    ("as_of", "months", "last"),
    [
        (date(2026, 8, 31), 1, date(2026, 9, 30)),
        (date(2026, 8, 30), 1, date(2026, 9, 30)),
        (date(2026, 8, 29), 1, date(2026, 9, 29)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2026, 12, 31), 3, date(2027, 3, 31)),
    ],
)
def test_the_last_day_of_the_next_months(as_of: date, months: int, last: date) -> None:
    """A month's end leads to a month's end, also into February."""
    assert through(as_of, months) == last


def test_every_list_has_a_name_in_both_languages() -> None:
    """Names are short enough for a sheet, and no two lists share one."""
    names = [list_name(name, language) for name in LISTS for language in ("zh", "en")]  # type: ignore[arg-type]
    assert len(set(names)) == 2 * len(LISTS)
    assert max(map(len, names)) <= 31


def test_the_control_group_is_the_same_for_ever() -> None:
    """By `sha256sum` "7:C1" begins with 299d… (0.16 of the range), "7:C2" with 977f… (0.59)."""
    lists = as_pandas({"customer_id": ["C1", "C2"]})
    assert draw_control_group(lists, share=0.5, seed=7)["held_out"].tolist() == [1, 0]
    assert draw_control_group(lists, share=0.16, seed=7)["held_out"].tolist() == [0, 0]


@settings(max_examples=12)
@given(st.lists(st.text("ABC123", min_size=1, max_size=4), min_size=1, max_size=40),
       st.integers(0, 9), st.randoms())  # fmt: skip
def test_laws_of_the_control_group(customers: list[str], seed: int, order: Any) -> None:
    """The order changes nothing, a customer is held out of all lists or none, more holds more."""
    drawn = dict(zip(customers, held(customers, 0.3, seed), strict=True))
    shuffled = list(customers)
    order.shuffle(shuffled)
    assert held(shuffled, 0.3, seed) == [drawn[one] for one in shuffled]
    few, more = held(customers, 0.3, seed), held(customers, 0.6, seed)
    assert all(low <= high for low, high in zip(few, more, strict=True))
    assert sum(held(customers, 0.0, seed)) == 0


def held(customers: list[str], share: float, seed: int) -> list[int]:
    """Return who is held out."""
    lists = as_pandas({"customer_id": customers})
    return draw_control_group(lists, share=share, seed=seed)["held_out"].tolist()


def test_the_control_group_keeps_the_kind_and_refuses_odd_shares(make: Make) -> None:
    """Lists of any engine; a share of one would leave no list."""
    lists = make({"list": ["dormant"], "customer_id": ["C1"]})
    assert rows_of(draw_control_group(lists, share=0.0, seed=1))[0]["held_out"] == 0
    with pytest.raises(UsageError, match="share must be 0 or more, and below 1; given 1"):
        draw_control_group(lists, share=1, seed=1)


OWN = replace(
    POLICY,
    tiers=replace(POLICY.tiers, value="aum_period_end"),
    coverage=replace(
        POLICY.coverage,
        manage_from=12_345.5,
        vip_from=1_000_000,
        classes=(
            CustomerClass("core", 0.3, 1, "核心", "Core"),
            CustomerClass("rest", 0.0, 3, "一般", "Rest"),
            CustomerClass("unknown", 0.0, 3, "待识别", "Unknown"),
        ),
    ),
)


@pytest.mark.parametrize(
    ("facts", "zh", "en"),
    [
        (
            {"list": "unassigned", "amount_cents": 4_690_000},
            "时点AUM4.69万元，无管户经理",
            "Period-end AUM CNY 46,900, no manager",
        ),
        (
            {"list": "incomplete_profile", "amount_cents": 4_690_000},
            "管户客户档案不全，时点AUM4.69万元",
            "Managed, profile incomplete; period-end AUM CNY 46,900",
        ),
        (
            {"list": "dormant", "amount_cents": 100},
            "6个月以上无主动交易，余额1.00元",
            "No transaction of their own for 6 months or more; balance CNY 1",
        ),
        (
            {"list": "overdue_contact", "amount_cents": 100, "customer_class": "core"},
            "核心客户，最近有效联络：从未，资产1.00元",
            "Class Core, last effective contact: never; assets CNY 1",
        ),
    ],
)
def test_reasons_speak_the_policys_words(facts: dict[str, Any], zh: str, en: str) -> None:
    """The amount that tiers go by is called by its name, a class by the policy's word."""
    assert (reason(facts, OWN, "zh"), reason(facts, OWN, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("period", "zh", "en"),
    [
        ({"idle_months": 1}, "1个月以上", "1 month or more"),
        ({"idle_days": 1}, "1天以上", "1 day or more"),
        ({"idle_days": 365}, "365天以上", "365 days or more"),
    ],
)
def test_a_reason_tells_the_policys_idle_period(period: dict[str, int], zh: str, en: str) -> None:
    """One month is no "1 months"."""
    own = replace(OWN, dormancy=DormancyRule("own", cap=500, **period))  # type: ignore[arg-type]
    facts = {"list": "silent_with_assets", "amount_cents": 100}
    assert reason(facts, own, "zh") == f"{zh}无主动交易，资产1.00元"
    assert reason(facts, own, "en") == f"No transaction of their own for {en}; assets CNY 1"


def test_actions_name_the_policys_borders(make: Make) -> None:
    """Who goes to which manager, and the tier ahead, are by the policy's borders, in full."""
    found = {row["list"]: row for row in lists_of(facts_of(make, OWN, served=True), OWN)}
    assert found["unassigned"]["action_zh"] == (
        "按资产分配管户：1.23455万元至100万元归低柜理财经理，100万元及以上归贵宾理财经理。"
    )
    assert found["unassigned"]["action_en"] == (
        "Assign by assets: CNY 12,345.5 to CNY 1,000,000 to a counter manager, from CNY 1,000,000 "
        "to a VIP manager."
    )
