"""Who is managed, by whom, in which class, and whether they are spoken to in time."""

import numpy as np
import pandas as pd

from tests.codebook.recompute_bank import Bank, Row, cutoff


def with_management(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add the manager in force, their role, and since when."""
    assignments = bank.table("assignments")
    begun = assignments["valid_from"].le(as_of)
    ended = assignments["valid_to"].lt(as_of)
    in_force = assignments[begun & ~ended].sort_values("valid_from")
    in_force = in_force.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    managers = bank.table("managers").set_index("manager_id")
    in_force = in_force.rename(columns={"valid_from": "assigned_on"})
    facts = ["manager_id", "assigned_on", "reason", "first_contact_on"]
    customers = customers.join(in_force[facts])
    customers["role"] = customers["manager_id"].map(managers["role"])
    customers["managed"] = customers["manager_id"].notna()
    start = cutoff(as_of, bank.policy["coverage"]["contact_months"])
    then = assignments[assignments["valid_from"].le(start) & ~assignments["valid_to"].lt(start)]
    customers["managed_whole_period"] = customers["managed"] & customers.index.isin(
        then["customer_id"]
    )
    return customers


def contacts_until(bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the contacts up to the as-of date, and which of them were effective."""
    contacts = bank.table("contacts")
    contacts = contacts[contacts["contacted_on"].le(as_of)].copy()
    contacts["effective"] = contacts["outcome"].isin(bank.policy["coverage"]["effective_outcomes"])
    contacts["sale"] = contacts["outcome"].eq("sale")
    return contacts


def with_contacts(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add the last effective contact, recent sales, and answered contacts since the last sale."""
    rule = bank.policy["coverage"]
    contacts = contacts_until(bank, as_of)
    answered = contacts[contacts["effective"]]
    sales = contacts[contacts["sale"]]
    recent = sales[sales["contacted_on"].gt(cutoff(as_of, rule["purchase_months"]))]
    last_sale = answered["customer_id"].map(sales.groupby("customer_id")["contacted_on"].max())
    begun = answered["customer_id"].map(customers["assigned_on"])
    tried = answered["contacted_on"].ge(begun) & ~answered["contacted_on"].le(last_sale)
    last = answered.groupby("customer_id")["contacted_on"].max()
    customers["spoken_on"] = last.reindex(customers.index)
    customers["sales"] = recent.groupby("customer_id").size().reindex(customers.index).fillna(0)
    customers["unsold"] = (
        answered[tried].groupby("customer_id").size().reindex(customers.index).fillna(0)
    )
    barred = customers["exclusion"].isin(rule["never_contact"])
    customers["contactable"] = ~barred & ~customers["do_not_contact"]
    return customers


def with_class(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add the class A to D of the managed, ranked within each manager's customers."""
    classes = bank.policy["coverage"]["classes"]
    managed = customers[customers["managed"]]
    known = managed[managed["profile_complete"] | managed["sales"].gt(0)]
    of_manager = known.groupby("manager_id")
    places = of_manager[["aum_average_quarter", "sales"]].rank(method="min", ascending=False)
    place = places.sum(axis=1).groupby(known["manager_id"]).rank(method="min")
    size = known["manager_id"].map(managed.groupby("manager_id").size())
    first, second = classes[0]["share"], classes[0]["share"] + classes[1]["share"]
    named = np.select(
        [place - 1 < first * size, place - 1 < second * size],
        [classes[0]["name"], classes[1]["name"]],
        classes[2]["name"],
    )
    in_class = pd.Series(named, known.index).reindex(customers.index)
    customers["customer_class"] = in_class.where(
        in_class.notna() | ~customers["managed"], classes[3]["name"]
    )
    months = {c["name"]: c["contact_months"] for c in classes}
    limit = customers["customer_class"].map({k: cutoff(as_of, m) for k, m in months.items()})
    customers["clock"] = customers[["spoken_on", "assigned_on"]].max(axis=1)
    customers["in_time"] = customers["clock"].gt(limit)
    return customers


def managed_of_base(customers: pd.DataFrame, bank: Bank) -> list[Row]:
    """Measure how much of the funded is managed, and how many reach the VIP border."""
    rule = bank.policy["coverage"]
    funded = customers[customers["funded"]]
    managed = funded["managed"]
    average = funded["aum_average_quarter"]
    large = average.ge(rule["manage_from"] * 100)
    n, aum = len(funded), average[managed].sum() / 100
    vip = average.ge(rule["vip_from"] * 100).sum()
    return [
        Row("managed_customers", "funded", n, managed.sum(), 1),
        Row("managed_aum", "funded", n, aum, 1),
        Row("managed_share", "funded", n, (large & managed).sum(), large.sum()),
        Row("managed_aum_share", "funded", n, aum, average.sum() / 100),
        Row("vip_share", "funded", n, vip, n),
    ]


def coverage(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> list[Row]:
    """Measure contacts, profiles and loads of the managed customers."""
    rule = bank.policy["coverage"]
    managed = customers[customers["managed"]]
    n = len(managed)
    ok = managed["contactable"]
    owed = ok & managed["managed_whole_period"]
    spoken = managed["spoken_on"].gt(cutoff(as_of, rule["contact_months"]))
    grown = managed["role"].eq("counter") & managed["aum_average_month"].ge(rule["vip_from"] * 100)
    lapsed = managed["clock"].le(cutoff(as_of, rule["reclaim_months"]))
    figures = {
        "contact_coverage": ((owed & spoken).sum(), owed.sum()),
        "contact_due_share": ((ok & ~managed["in_time"]).sum(), n),
        "hand_over_due_share": ((ok & grown).sum(), n),
        "reclaim_due_share": ((ok & lapsed).sum(), n),
        "set_aside_share": ((ok & managed["unsold"].ge(rule["set_aside_after"])).sum(), n),
        "customers_per_manager": _load(managed),
        "customers_per_counter_manager": _load(managed[managed["role"].eq("counter")]),
        "customers_per_vip_manager": _load(managed[managed["role"].eq("vip")]),
    }
    rows = [Row(measure, "managed", n, *figure) for measure, figure in figures.items()]
    return rows + _profiles(managed, bank) + _classes(managed, bank)


def _load(managed: pd.DataFrame) -> tuple[int, int]:
    """Return customers and managers; a manager counts in every branch with customers of theirs."""
    return len(managed), len(managed[["manager_id", "branch_id"]].drop_duplicates())


def _profiles(managed: pd.DataFrame, bank: Bank) -> list[Row]:
    """Count complete profiles of the tiers that have a target."""
    numbers = {tier["name"]: i for i, tier in enumerate(bank.policy["tiers"]["tiers"])}
    targets = [target["tier"] for target in bank.policy["coverage"]["profile_targets"]]
    n = len(managed)
    complete = managed["profile_complete"]
    delivered = "profile_complete" in bank.delivered["customers"]
    aimed = managed["tier"].isin([numbers[tier] for tier in targets]) & delivered
    rows = [Row("profile_completion", "managed", n, (aimed & complete).sum(), aimed.sum())]
    for tier in targets:
        in_tier = managed["tier"].eq(numbers[tier]) & delivered
        done = (in_tier & complete).sum()
        row = Row("tier_profile_completion", "managed", n, done, in_tier.sum(), "tier", tier)
        rows.append(row)
    return rows


def _classes(managed: pd.DataFrame, bank: Bank) -> list[Row]:
    """Count the customers of every class, their AUM, and who was spoken to in time."""
    n = len(managed)
    rows = []
    for rule in bank.policy["coverage"]["classes"]:
        members = managed[managed["customer_class"].eq(rule["name"])]
        ok = members["contactable"]
        for measure, numerator, denominator in (
            ("class_customers", len(members), 1),
            ("class_customer_share", len(members), n),
            ("class_aum", members["aum_average_quarter"].sum() / 100, 1),
            ("class_contact_coverage", (ok & members["in_time"]).sum(), ok.sum()),
        ):
            name = rule["name"]
            rows.append(Row(measure, "managed", n, numerator, denominator, "customer_class", name))
    return rows


def first_calls(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> list[Row]:
    """Count hand-overs in force, begun in the period, whose days for the first call are over."""
    rule = bank.policy["coverage"]
    managed = customers[customers["managed"]]
    begun = managed["assigned_on"]
    last_day = begun + pd.Timedelta(days=rule["first_call_days"])
    handed = managed["reason"].eq("handover") & managed["contactable"]
    handed &= begun.gt(cutoff(as_of, rule["contact_months"])) & last_day.le(as_of)
    called = managed["first_contact_on"].le(last_day)
    figure = (handed & called).sum(), handed.sum()
    return [Row("first_call_in_time", "managed", len(managed), *figure)]


def rounds(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> list[Row]:
    """Count what came of the managed customers' contacts in the period, by round."""
    managed = customers[customers["managed"]]
    contacts = contacts_until(bank, as_of)
    if "round" not in bank.delivered["contacts"]:  # the place among the customer's contacts
        contacts["round"] = contacts.groupby("customer_id")["contacted_on"].rank(method="min")
    start = cutoff(as_of, bank.policy["coverage"]["contact_months"])
    contacts = contacts[contacts["contacted_on"].gt(start)]
    contacts = contacts[contacts["customer_id"].isin(managed.index)]
    met = contacts["outcome"].isin(["appointment", "visit", "sale"])
    rows = []
    for number in range(1, 6):
        of_round = contacts["round"].clip(upper=5).eq(number)
        member = "5+" if number == 5 else str(number)
        for measure, happened in (
            ("round_answer_rate", contacts["effective"]),
            ("round_appointment_rate", met),
            ("round_sale_rate", contacts["sale"]),
        ):
            figure = (of_round & happened).sum(), of_round.sum()
            rows.append(Row(measure, "managed", len(managed), *figure, "round", member))
    return rows
