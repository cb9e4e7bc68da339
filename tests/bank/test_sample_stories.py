"""The sample bank looks like a bank and tells its planted stories, each found by counting."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.bank.sample import make_bank, write_bank
from tests.bank.sample_counts import AS_OF, BEFORE, NOW, SIX_MONTHS_AGO, Bank, at, sample_bank

CHANNELS = ["mobile_banking", "sms", "etc", "social_security_card"]
SAME_FAMILY = {"time_deposit": "demand_deposit", "metal": "bond", "custody": "wealth"}


@pytest.fixture
def bank() -> Bank:
    """Return the sample bank as it is delivered."""
    return sample_bank()


def share_by_branch(part: pd.DataFrame, whole: pd.DataFrame) -> pd.Series:
    """Return the share of each branch's AUM that lies with some of its customers."""
    part_sum = part.groupby("branch_id")["aum_period_end"].sum()
    whole_sum = whole.groupby("branch_id")["aum_period_end"].sum()
    return (part_sum / whole_sum).fillna(0)


def large(customers: pd.DataFrame) -> pd.Index:
    """Return the branches with a hundred customers or more: below, every share is an accident."""
    count = customers["branch_id"].value_counts()
    return count[count >= 100].index


class TestShape:
    """The bank looks like one."""

    def test_size(self, bank: Bank) -> None:
        """24 branches in business and about 12,000 customers in every quarter."""
        count = bank["customers"].groupby("as_of").size()
        assert list(count.index) == list(AS_OF)
        assert count.between(11_500, 13_000).all()
        assert bank["branches"]["closed_on"].isna().sum() == 24

    def test_a_fifth_of_the_customers_hold_about_four_fifths(self, bank: Bank) -> None:
        """The top 20 % of customers hold 78 to 86 % of AUM."""
        money = at(bank["customers"], NOW)["aum_period_end"].sort_values(ascending=False)
        assert 0.78 < money.head(len(money) // 5).sum() / money.sum() < 0.86

    def test_a_third_is_empty_or_asleep(self, bank: Bank) -> None:
        """About a third of the customers hold less than 100 CNY or sleep."""
        now = at(bank["customers"], NOW)
        asleep = ~(now["last_active_on"] > SIX_MONTHS_AGO)
        assert 0.28 < ((now["aum_period_end"] < 100) | asleep).mean() < 0.40

    def test_year_end_and_opening_campaign_lift_the_bank(self, bank: Bank) -> None:
        """Total AUM rises into 2026Q1 and falls after it."""
        total = bank["customers"].groupby("as_of")["aum_period_end"].sum()
        assert total[AS_OF[0]] < total[AS_OF[1]] < total[AS_OF[2]] > total[AS_OF[3]]

    def test_most_large_customers_are_managed(self, bank: Bank) -> None:
        """Most customers from 50,000 CNY have a manager; some from 500,000 still the counter's."""
        in_force = bank["assignments"][bank["assignments"]["valid_to"].isna()]
        assert not in_force["customer_id"].duplicated().any()
        now = at(bank["customers"], NOW)
        rich = now[now["aum_average_month"] >= 50_000]
        assert 0.75 < rich["customer_id"].isin(in_force["customer_id"]).mean() < 0.95
        role = in_force["manager_id"].map(bank["managers"].set_index("manager_id")["role"])
        counter = in_force.loc[role == "counter", "customer_id"]
        long_vip = [
            set(there.loc[there["aum_average_month"] >= 500_000, "customer_id"])
            for there in (at(bank["customers"], BEFORE), now)
        ]
        assert len(set.intersection(*long_vip, counter)) >= 3

    def test_contacts_lie_within_an_assignment(self, bank: Bank) -> None:
        """The manager of that day makes a contact, and never with those who asked for none."""
        pairs = (
            bank["contacts"]
            .reset_index()
            .merge(bank["assignments"], on=["customer_id", "manager_id"])
        )
        day, until = pairs["contacted_on"], pairs["valid_to"]
        within = (day >= pairs["valid_from"]) & ~(day > until)
        assert set(pairs.loc[within, "index"]) == set(bank["contacts"].index)
        unwilling = bank["customers"].loc[bank["customers"]["do_not_contact"], "customer_id"]
        assert not bank["contacts"]["customer_id"].isin(unwilling).any()

    def test_every_branch_in_business_has_its_targets(self, bank: Bank) -> None:
        """Three targets a quarter from a branch's first to its last quarter of 2026."""
        quarters = bank["targets"].groupby(["branch_id", "measure"])["quarter"].apply("".join)
        counted = quarters.unstack()
        assert list(counted.columns) == ["aum_average_quarter", "customers", "multi_product_share"]
        assert set(counted.loc["B001"]) == {"2026Q12026Q22026Q32026Q4"}
        assert set(counted.loc["B007"]) == {"2026Q32026Q4"}
        assert set(counted.loc["B008"]) == {"2026Q22026Q32026Q4"}
        assert set(counted.loc["B025"]) == {"2026Q1"}


class TestStories:
    """Each planted story can be found by counting."""

    @pytest.mark.parametrize("as_of", AS_OF)
    def test_one_branch_depends_on_ten_customers(self, bank: Bank, as_of: pd.Timestamp) -> None:
        """B002's ten largest hold more than 60 % of its AUM, and no other branch's of its size."""
        there = at(bank["customers"], as_of)
        rank = there.groupby("branch_id")["aum_period_end"].rank("first", ascending=False)
        ten = share_by_branch(there[rank <= 10], there)[large(there)]
        assert list(ten[ten > 0.6].index) == ["B002"]

    def test_one_branch_holds_sleeping_money(self, bank: Bank) -> None:
        """B003's silent share of AUM is more than twice any other branch's."""
        now = at(bank["customers"], NOW)
        idle = ~(now["last_active_on"] > SIX_MONTHS_AGO)
        silent = share_by_branch(now[idle & (now["aum_period_end"] >= 500)], now)
        assert silent["B003"] > 0.35
        assert silent["B003"] > 2 * silent.drop("B003").max()

    def test_one_branch_is_weak_in_cross_sell(self, bank: Bank) -> None:
        """In B004 under a tenth of funded customers hold two families; elsewhere over a quarter."""
        now, held = at(bank["customers"], NOW), at(bank["holdings"], NOW)
        in_use = (held["balance"] > 0) | held["used_recently"].fillna(False)
        family = held["product"].replace(SAME_FAMILY)[in_use & ~held["product"].isin(CHANNELS)]
        count = family.groupby(held["customer_id"]).nunique()
        insured = held.loc[held["product"] == "insurance", "customer_id"]
        funded = now[
            (now["aum_average_quarter"] >= 100)
            | (now["loan_balance"] > 0)
            | now["customer_id"].isin(insured)
        ]
        several = funded["customer_id"].map(count).fillna(0) >= 2
        share = several.groupby(funded["branch_id"]).mean()
        assert share["B004"] < 0.10
        assert share.drop("B004")[share.index.isin(large(now))[share.index != "B004"]].min() > 0.25

    def test_one_branch_grows_by_new_customers_alone(self, bank: Bank) -> None:
        """B005 alone: existing AUM falls by over 5 %, while the total rises by as much."""
        before, now = at(bank["customers"], BEFORE), at(bank["customers"], NOW)
        existing = now[now["customer_id"].isin(before["customer_id"])]
        opening = before.groupby("branch_id")["aum_period_end"].sum()
        same = existing.groupby("branch_id")["aum_period_end"].sum() / opening - 1
        total = now.groupby("branch_id")["aum_period_end"].sum() / opening - 1
        assert list(same[(same < -0.05) & (total > 0.05)].index) == ["B005"]

    def test_one_branch_is_tiny(self, bank: Bank) -> None:
        """B006 has fewer than 30 customers, every other branch in business over 100."""
        count = at(bank["customers"], NOW)["branch_id"].value_counts()
        assert list(count[count < 100].index) == ["B006"]
        assert 10 < count["B006"] < 30

    def test_one_branch_has_just_opened(self, bank: Bank) -> None:
        """B007 opened in 2026Q3 and has no row before; some customers came from other branches."""
        here = bank["customers"][bank["customers"]["branch_id"] == "B007"]
        branch = bank["branches"].set_index("branch_id").loc["B007"]
        assert branch["opened_on"] == pd.Timestamp("2026-07-01")
        assert set(here["as_of"]) == {NOW}
        assert (here["relationship_since"] < branch["opened_on"]).sum() > 5
        assert (here["relationship_since"] >= branch["opened_on"]).sum() > 50

    def test_two_branches_were_merged(self, bank: Bank) -> None:
        """B025 and B026 end on 2026-03-31; all who stay are B008's from 2026Q2."""
        successors = bank["branch_successors"]
        assert list(successors["old_branch_id"]) == ["B025", "B026"]
        assert set(successors["new_branch_id"]) == {"B008"}
        customers = bank["customers"]
        seen = customers.groupby("branch_id")["as_of"].agg(["min", "max"])
        assert set(seen.loc[["B025", "B026"], "max"]) == {AS_OF[2]}
        assert seen.loc["B008", "min"] == AS_OF[3]
        old = at(customers, AS_OF[2]).query("branch_id in ['B025', 'B026'] and closed_on.isna()")
        after = at(customers, AS_OF[3]).set_index("customer_id")["branch_id"]
        assert set(old["customer_id"].map(after)) == {"B008"}
        assert list(bank["branches"].set_index("branch_id")["closed_on"].dropna().index) == [
            "B025",
            "B026",
        ]

    def test_elders_with_time_deposits_are_silent_not_dormant(self, bank: Bank) -> None:
        """At least fifty elders have not acted for a year, and hold an unmatured time deposit."""
        now, held = at(bank["customers"], NOW), at(bank["holdings"], NOW)
        deposits = held[(held["product"] == "time_deposit") & (held["matures_on"] > NOW)]
        elders = now[
            (now["birth_date"] <= pd.Timestamp("1960-09-30"))
            & (now["last_active_on"] <= pd.Timestamp("2025-09-30"))
            & now["customer_id"].isin(deposits["customer_id"])
        ]
        assert len(elders) >= 50
        assert (elders["aum_period_end"] >= 500).all()

    def test_some_persons_have_two_customer_numbers(self, bank: Bank) -> None:
        """A few persons have two numbers, alike in birth date and gender."""
        now = at(bank["customers"], NOW).dropna(subset="person_id")
        twice = now[now["person_id"].duplicated(keep=False)].groupby("person_id")
        assert 5 <= len(twice) <= 30
        assert (twice["customer_id"].nunique() == 2).all()
        assert (twice["birth_date"].nunique() == 1).all()
        assert (twice["gender"].nunique() == 1).all()

    def test_the_readme_names_every_story_and_the_dictionary(self, tmp_path: Path) -> None:
        """The README beside the files lists the seven story branches and where columns are told."""
        write_bank(make_bank(branches=8, customers=800), tmp_path)
        text = (tmp_path / "README.md").read_text(encoding="utf-8")
        for branch in ("B002", "B003", "B004", "B005", "B006", "B007", "B008"):
            assert f"| {branch} " in text
        assert "`docs/reference/data-dictionary.md`" in text
