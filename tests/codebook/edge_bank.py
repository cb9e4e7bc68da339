"""A small random bank (seeded) that is all edges: ties, borders, empty branches, who left."""

import numpy as np
import pandas as pd

QUARTERS = {"2026Q2": "2026-06-30", "2026Q3": "2026-09-30"}
BORDERS = [0, 99.99, 100, 499.99, 500, 9_999.99, 10_000, 12_000, 49_999.99, 50_000]
BORDERS += [60_000, 499_999.99, 500_000, 5_999_999.99, 6_000_000]
PRODUCTS = ["demand_deposit", "time_deposit", "wealth", "fund", "insurance", "bond", "metal"]
PRODUCTS += ["custody", "loan", "credit_card", "merchant_acquiring", "payroll"]
PRODUCTS += ["mobile_banking", "sms", "etc", "social_security_card"]


def days_around(*days: str) -> list[pd.Timestamp]:
    """Return the days, and the ones before and after each."""
    return [pd.Timestamp(day) + pd.Timedelta(days=d) for day in days for d in (-1, 0, 1)]


def make_edge_bank(seed: int, customers: int = 600) -> dict[str, pd.DataFrame]:
    """Make the tables; the same seed makes the same bank."""
    rng = np.random.default_rng(seed)
    people = _customers(rng, [f"C{i:04}" for i in range(customers)])
    ids = sorted(people["customer_id"].unique())
    return {
        "branches": _branches(),
        "branch_successors": pd.DataFrame(
            {
                "old_branch_id": ["OLD1", "OLD2", "OLD3"],
                "new_branch_id": ["OLD2", "B1", "B2"],
                "effective_on": pd.to_datetime(["2026-07-01", "2026-09-30", "2026-10-01"]),
            }
        ),
        "customers": people,
        "customer_moves": _moves(people),
        "holdings": _holdings(rng, ids).merge(people[["as_of", "customer_id"]]),
        "managers": pd.DataFrame(
            {
                "manager_id": ["M1", "M2", "M3", "M4", "M5"],
                "branch_id": ["B1", "B1", "B2", "B2", "B3"],
                "role": ["counter", "vip", "counter", "vip", "counter"],
            }
        ),
        "assignments": _assignments(rng, ids),
        "contacts": _contacts(rng, ids),
    }


def _truths(rng: np.random.Generator, n: int, chance: float) -> pd.array:
    """Return truths, a fifth of them not known."""
    truths = pd.array(rng.random(n) < chance, dtype="boolean")
    truths[rng.random(n) < 0.2] = pd.NA
    return truths


def _branches() -> pd.DataFrame:
    """Return branches: one without customers, one with one, one all hold nothing in."""
    ids = ["B1", "B2", "B3", "B4", "EMPTY", "ONE", "POOR", "OLD1", "OLD2", "OLD3"]
    opened = pd.to_datetime(["2001-01-01"] * len(ids))
    return pd.DataFrame(
        {"branch_id": ids, "name": ids, "region": "-", "type": "urban", "opened_on": opened}
    )


def _customers(rng: np.random.Generator, ids: list[str]) -> pd.DataFrame:
    """Return customers who come, go, move, fall and rise between two quarters."""
    n = len(ids)
    home = rng.choice(["B1", "B2", "B3", "B4", "OLD1", "OLD2", "OLD3"], n)
    home[0], home[1:8] = "ONE", "POOR"
    types = rng.choice(["personal", "sole_trader", "corporate"], n, p=[0.85, 0.1, 0.05])
    since = rng.choice(days_around("2025-06-30", "2025-09-30", "2010-01-01"), n)
    average = rng.choice(BORDERS, n)
    tables = []
    for day in QUARTERS.values():
        as_of = pd.Timestamp(day)
        if day == "2026-09-30":
            moved = rng.random(n) < 0.1
            home = np.where(moved, rng.choice(["B1", "B2", "B3"], n), home)
            factor = rng.choice([0, 0.5, 0.79, 0.8, 0.9, 1, 1, 1, 1.1, 2], n)
            again = rng.random(n) < 0.2
            average = np.where(again, rng.choice(BORDERS, n), np.round(average * factor, 2))
        closed = rng.choice([pd.NaT] * 17 + days_around(day), n)
        acted = days_around("2025-12-30", "2025-12-31", "2026-03-30", "2026-03-31", "2026-06-30")
        acted = [x for x in acted if x <= as_of] + [pd.NaT]
        poor = home == "POOR"
        table = pd.DataFrame(
            {
                "as_of": as_of,
                "customer_id": ids,
                "branch_id": home,
                "customer_type": types,
                "relationship_since": pd.to_datetime(since),
                "closed_on": pd.to_datetime(closed),
                "last_active_on": pd.to_datetime(rng.choice(acted, n)),
                "active_transactions": 0,
                "aum_period_end": np.where(poor, 0, rng.choice(BORDERS, n)),
                "aum_average_month": np.where(poor, 0, rng.choice(BORDERS, n)),
                "aum_average_quarter": np.where(poor, 0, average),
                "loan_balance": rng.choice([0, 0, 0, 0, 0.01, 1000], n),
                "profile_complete": _truths(rng, n, 0.5),
                "exclusion": rng.choice([None] * 12 + ["deceased", "staff"], n),
                "do_not_contact": _truths(rng, n, 0.1),
            }
        )
        tables.append(table[rng.random(n) < 0.95])
    return pd.concat(tables, ignore_index=True)


def _moves(people: pd.DataFrame) -> pd.DataFrame:
    """Return every other one of those who left B1 or OLD1 as handed over; OLD1 ended that day."""
    june, now = (people[people["as_of"].eq(day)] for day in QUARTERS.values())
    pairs = june.merge(now, on="customer_id", suffixes=("", "_now"))
    left = pairs["branch_id"].isin(["B1", "OLD1"]) & pairs["branch_id_now"].isin(["B2", "B3"])
    names = {"branch_id": "from_branch_id", "branch_id_now": "to_branch_id"}
    moves = pairs[left].iloc[::2][["customer_id", *names]].rename(columns=names)
    return moves.assign(effective_on=pd.Timestamp("2026-07-01"))


def _holdings(rng: np.random.Generator, ids: list[str]) -> pd.DataFrame:
    """Return holdings with every mix of balance, maturity, use and age."""
    n = 3 * len(ids)
    opened = ["2025-12-28", "2025-12-30", "2025-12-31", "2026-03-31", "2026-04-01", "2026-07-02"]
    table = pd.DataFrame(
        {
            "account_id": [f"A{i:05}" for i in range(n)],
            "customer_id": rng.choice(ids, n),
            "product": rng.choice(PRODUCTS, n),
            "opened_on": pd.to_datetime(rng.choice(days_around("2015-01-01", *opened), n)),
        }
    )
    tables = []
    for day in QUARTERS.values():
        at = table[table["opened_on"].le(day)].copy()
        size = len(at)
        at["as_of"] = pd.Timestamp(day)
        at["balance"] = rng.choice([0, 0, 0.01, 500, 70_000], size)
        matures = [pd.NaT, *days_around(day, "2026-03-31", "2030-01-01")]
        at["matures_on"] = pd.to_datetime(rng.choice(matures, size))
        at["rolls_over"] = _truths(rng, size, 0.5)
        at["used_recently"] = _truths(rng, size, 0.5)
        since_opened = pd.to_timedelta(rng.choice([0, 0, 1, -1, 400], size), unit="D")
        acted = (at["opened_on"] + since_opened).where(rng.random(size) < 0.3)
        at["last_active_on"] = acted.where(acted.le(day))
        tables.append(at)
    return pd.concat(tables, ignore_index=True)


def _assignments(rng: np.random.Generator, ids: list[str]) -> pd.DataFrame:
    """Return chains of assignments, with gaps, ends and beginnings around the borders."""
    begins = days_around("2026-03-31", "2026-06-30", "2026-09-28", "2026-09-30")
    begins = [day for day in begins if day <= pd.Timestamp("2026-09-30")]
    rows = []
    for customer in ids:
        chance = rng.random()
        if chance < 0.25:
            continue
        first = pd.Timestamp("2025-01-01")
        manager = str(rng.choice(["M1", "M2", "M3", "M4", "M5"]))
        second = rng.choice(begins)
        if chance < 0.4:
            rows.append((customer, first, manager, pd.NaT, "initial", pd.NaT))
        elif chance < 0.6:
            rows.append((customer, second, manager, pd.NaT, "initial", pd.NaT))
        else:
            gap = int(rng.choice([1, 1, 1, 2, 40]))
            end = rng.choice([pd.NaT, *days_around("2026-06-30", "2026-09-30")])
            end = end if end is not pd.NaT and end > second else pd.NaT
            successor = str(rng.choice(["M1", "M2", "M3", "M4", "M5"]))
            reason = str(rng.choice(["handover", "handover", "reclaim", "manager_left"]))
            wait = pd.Timedelta(days=int(rng.integers(0, 5)))
            called = second + wait if rng.random() < 0.8 else pd.NaT
            ended = second - pd.Timedelta(days=gap)
            rows.append((customer, first, manager, ended, "initial", pd.NaT))
            rows.append((customer, second, successor, end, reason, called))
    columns = ["customer_id", "valid_from", "manager_id", "valid_to", "reason", "first_contact_on"]
    return pd.DataFrame(rows, columns=columns)


def _contacts(rng: np.random.Generator, ids: list[str]) -> pd.DataFrame:
    """Return contacts around every limit, some after the as-of date, by any manager."""
    n = 8 * len(ids)
    limits = ["2026-03-31", "2026-06-30", "2026-07-31", "2026-08-31", "2026-09-30"]
    contacted = rng.choice(days_around("2025-12-31", *limits), n)
    outcomes = ["none", "none", "reached", "appointment", "visit", "sale", "refused"]
    return pd.DataFrame(
        {
            "customer_id": rng.choice(ids[: 3 * len(ids) // 4], n),
            "manager_id": rng.choice(["M1", "M2", "M3", "M4", "M5"], n),
            "contacted_on": pd.to_datetime(contacted),
            "channel": rng.choice(["phone", "message"], n),
            "outcome": rng.choice(outcomes, n, p=[0.2, 0.3, 0.2, 0.1, 0.05, 0.05, 0.1]),
            "round": pd.array(rng.choice([None, 1, 2, 3, 4, 5, 6, 7], n), dtype="Int64"),
        }
    )
