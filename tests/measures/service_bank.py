"""A bank of twelve customers, four managers' work on them, counted by hand as of 30 September 2026.

Branch A: counter manager M1 has 1 to 4; 5 and 12 have none. Branch B: VIP manager V1 has 6, 7, 11
(handed over on 10, 10 and 29 September, 6 and 7 by M2), counter manager M2 has 8 and 9; 10 has
none. 4 is deceased. The contact period begins after 30 June, the purchase period after 31 March.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.frames import AS_OF

IDS = [str(number) for number in range(1, 13)]
_AVERAGE = [600_000.0, 80_000.0, 60_000.0, 70_000.0, 90_000.0, 700_000.0, 800_000.0, 55_000.0,
            65_000.0, 300.0, 6_500_000.0, 45_000.0]  # fmt: skip
_SILENT = {"3", "4", "8", "10"}


def served_customers() -> dict[str, list[Any]]:
    """Return the customers; 1 has grown to 610,000 in the last month."""
    return {
        "as_of": [AS_OF] * 12,
        "customer_id": IDS,
        "branch_id": ["A"] * 5 + ["B"] * 6 + ["A"],
        "customer_type": ["personal"] * 12,
        "last_active_on": [date(2025, 1, 1) if i in _SILENT else date(2026, 9, 1) for i in IDS],
        "aum_period_end": _AVERAGE,
        "aum_average_month": [610_000.0, *_AVERAGE[1:]],
        "aum_average_quarter": _AVERAGE,
        "profile_complete": [True, False, True, False, None, True, True, False, True, None, False,
                             None],
        "groups": ["women;farmers", None, None, None, "", None, None, None, None, None, None, None],
        "exclusion": [None, None, None, "deceased", *[None] * 8],
        "do_not_contact": [False] * 12,
    }  # fmt: skip


def assignments() -> dict[str, list[Any]]:
    """Return who manages whom, with what went before and what is still to come."""
    rows = [
        ("1", date(2026, 1, 1), "M1", None, "initial", None),
        ("2", date(2026, 1, 1), "M1", None, "initial", None),
        ("3", date(2026, 7, 1), "M1", None, "initial", None),
        ("4", date(2025, 1, 1), "M1", None, "initial", None),
        ("5", date(2025, 1, 1), "M1", date(2026, 9, 29), "initial", None),
        ("6", date(2026, 1, 1), "M2", date(2026, 9, 9), "initial", None),
        ("6", date(2026, 9, 10), "V1", None, "handover", date(2026, 9, 12)),
        ("7", date(2026, 1, 1), "M2", date(2026, 9, 9), "initial", None),
        ("7", date(2026, 9, 10), "V1", None, "handover", date(2026, 9, 13)),
        ("8", date(2025, 1, 1), "M2", None, "initial", None),
        ("9", date(2025, 1, 1), "M2", AS_OF, "initial", None),
        ("11", date(2026, 9, 29), "V1", None, "handover", None),
        ("12", date(2026, 10, 1), "M1", None, "initial", None),
    ]
    names = ("customer_id", "valid_from", "manager_id", "valid_to", "reason", "first_contact_on")
    return _columns(names, rows)


def contacts() -> dict[str, list[Any]]:
    """Return the contacts; that of 2 is on the period's first border, the last lies ahead."""
    rows = [
        ("1", "M1", date(2026, 9, 15), "reached"),
        ("1", "M1", date(2026, 9, 20), "sale"),
        ("2", "M1", date(2026, 6, 30), "reached"),
        ("3", "M1", date(2026, 9, 1), "none"),
        ("6", "V1", date(2026, 9, 12), "reached"),
        ("7", "V1", date(2026, 9, 13), "refused"),
        *(("9", "M2", date(2026, month, 1), "reached") for month in (2, 3, 4, 5, 6)),
        ("9", "M2", date(2026, 10, 5), "sale"),
    ]
    return _columns(("customer_id", "manager_id", "contacted_on", "outcome"), rows)


def managers() -> dict[str, list[Any]]:
    """Return the three managers."""
    names = ("manager_id", "branch_id", "role")
    return _columns(names, [("M1", "A", "counter"), ("M2", "B", "counter"), ("V1", "B", "vip")])


def accounts() -> dict[str, list[Any]]:
    """Return demand deposits of all, a fund of 7, and time deposits that mature or roll over."""
    rows = [
        *((one, "demand_deposit", 100.0, None, None, None) for one in IDS),
        ("1", "time_deposit", 100_000.0, date(2026, 12, 31), False, date(2025, 1, 1)),
        ("2", "time_deposit", 50_000.0, date(2027, 1, 1), False, date(2025, 1, 1)),
        ("4", "time_deposit", 30_000.0, date(2026, 10, 10), None, date(2025, 1, 1)),
        ("5", "time_deposit", 30_000.0, date(2026, 10, 15), True, date(2025, 1, 1)),
        ("5", "time_deposit", 12_000.0, date(2026, 11, 1), None, date(2025, 1, 1)),
        ("5", "time_deposit", 8_000.0, date(2026, 12, 1), False, date(2025, 1, 1)),
        ("6", "wealth", 5_000.0, None, None, date(2025, 1, 1)),
        ("7", "fund", 5_000.0, None, None, date(2026, 3, 31)),
        ("7", "loan", 5_000.0, date(2026, 12, 1), None, date(2026, 5, 1)),
    ]
    names = ("customer_id", "product", "balance", "matures_on", "rolls_over", "opened_on")
    return {"as_of": [AS_OF] * len(rows)} | _columns(names, rows)


def _columns(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
