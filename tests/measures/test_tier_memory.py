"""Tiers with memory: a bank's published rule month by month, quarters, and an independent count."""

from __future__ import annotations

import calendar
import tomllib
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.measures.tiers import tiers_with_memory
from stockcust_analysis.policy import TierMemory, TierMonths, load_policy
from stockcust_analysis.policy.file import build
from tests.frames import Columns, as_pandas, as_polars, rows_of

Make = Callable[[Columns], Any]
SCHEME = load_policy().tiers
MONTH, QUARTER = "aum_average_month", "aum_average_quarter"
PRESETS = Path("stockcust_analysis/policies/tier_memory_presets.toml")
PRIVATE = (TierMonths("private", 6),)
AT_ONCE = TierMemory("own", exceptions=PRIVATE)
NEXT_MONTH = TierMemory("own", exceptions=PRIVATE, lag_months=1)


def presets() -> dict[str, TierMemory]:
    """Return the shipped presets by name."""
    problems: list[str] = []
    tables = tomllib.loads(PRESETS.read_text("utf-8"))["tier_memory_presets"]
    made = [build(TierMemory, table, "", problems) for table in tables]
    assert not problems
    return {one.name: one for one in made if one}


def month_end(number: int) -> date:
    """Return the last day of the month so many months after December 2025."""
    year, month = 2025 + (11 + number) // 12, (11 + number) % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])


def history(make: Make, amounts: Sequence[float | None], months: int = 1) -> dict[date, Any]:
    """Return snapshots of one customer (None: not there) and of another who is always residual."""
    return {
        month_end(months * number): make({
            "customer_id": ["1", "2"] if amount is not None else ["2"],
            MONTH if months == 1 else QUARTER: [amount, 0.0] if amount is not None else [0.0],
        })
        for number, amount in enumerate(amounts, start=1)
    }  # fmt: skip


def state(make: Make, amounts: Sequence[float | None], memory: TierMemory,
          months: int = 1) -> tuple[Any, ...]:  # fmt: skip
    """Return tier, short periods and known periods of the customer with these amounts."""
    rows = rows_of(tiers_with_memory(history(make, amounts, months), SCHEME, memory=memory))
    row = next(row for row in rows if row["customer_id"] == "1")
    assert row["on_watch"] == (row["short_periods"] > 0)
    assert row["by_quarter"] == (months == 3)
    return row["tier"], row["short_periods"], row["periods_known"]


def test_bohai_month_by_month(make: Make) -> None:
    """Up in the month after; on watch; in the 4th month down to the tier of the 3rd short month.

    The rule is China Bohai Bank's published standard (个人客户分级标准).
    """
    rule = presets()["cbhb"]
    amounts = [5_000.0, 60_000.0, 45_000.0, 8_000.0, 20_000.0, 20_000.0, 70_000.0]
    expected = [
        ("potential", 0), ("potential", 0), ("mid", 1), ("mid", 2), ("mid", 3),
        ("effective", 0), ("effective", 0),
    ]  # fmt: skip
    for length, (tier, short) in enumerate(expected, start=1):
        assert state(make, amounts[:length], rule) == (tier, short, length)


def test_private_customers_have_six_months(make: Make) -> None:
    """Five short months are watched, the sixth ends the tier; under the lag the seventh does."""
    amounts = [7e6, *[5e6] * 6]
    assert state(make, amounts[:6], AT_ONCE) == ("private", 5, 6)
    assert state(make, amounts, AT_ONCE) == ("high", 0, 7)
    assert state(make, amounts, NEXT_MONTH) == ("private", 6, 7)
    assert state(make, [*amounts, 5e6], NEXT_MONTH) == ("high", 0, 8)


@pytest.mark.parametrize(
    ("landing", "tier"), [("last", "potential"), ("mean", "effective"), ("maximum", "mid")]
)
def test_landings(make: Make, landing: str, tier: str) -> None:
    """After 60,000, 9,000 and 300 CNY: the last, the mean of 23,100, the highest."""
    rule = TierMemory("own", landing=landing)
    assert state(make, [600_000.0, 60_000.0, 9_000.0, 300.0], rule)[0] == tier


def test_the_mean_is_exact_at_the_border(make: Make) -> None:
    """Three months that sum to 3 × 10,000 land in the tier of 10,000, a cent less below it."""
    rule = TierMemory("own", landing="mean")
    assert state(make, [60_000.0, 9_999.99, 10_000.0, 10_000.01], rule)[0] == "effective"
    assert state(make, [60_000.0, 9_999.99, 10_000.0, 10_000.0], rule)[0] == "potential"


def test_a_month_at_the_border_ends_the_watch(make: Make) -> None:
    """Two short months, one at exactly 50,000, two short again: still mid."""
    amounts = [60_000.0, 49_999.99, 1.0, 50_000.0, 1.0, 1.0]
    assert state(make, amounts, AT_ONCE) == ("mid", 2, 6)


def test_going_up_in_the_middle_of_a_watch(make: Make) -> None:
    """A jump above the tier lifts at once and forgets the short months."""
    assert state(make, [60_000.0, 1.0, 1.0, 600_000.0, 1.0], AT_ONCE) == ("high", 1, 5)


@pytest.mark.parametrize("memory", [AT_ONCE, NEXT_MONTH])
def test_history_begins_where_the_customer_does(make: Make, memory: TierMemory) -> None:
    """A new customer has the threshold tier; one who was away begins anew."""
    assert state(make, [None, 60_000.0], memory) == ("mid", 0, 1)
    assert state(make, [600_000.0, None, 60_000.0], memory) == ("mid", 0, 1)
    assert state(make, [600_000.0, None, 60_000.0, 1.0], memory) == ("mid", 1, 2)


def test_one_snapshot_is_the_threshold_tier(make: Make) -> None:
    """Without history the quarter's average decides, and the one period known says so."""
    assert state(make, [60_000.0], NEXT_MONTH, months=3) == ("mid", 0, 1)


def test_quarters_convert_by_calendar(make: Make) -> None:
    """Three months are one quarter, six are two, and the month's lag lies inside the quarter."""
    for memory in (AT_ONCE, NEXT_MONTH):
        assert state(make, [60_000.0, 40_000.0], memory, months=3) == ("effective", 0, 2)
        assert state(make, [7e6, 5e6], memory, months=3) == ("private", 1, 2)
        assert state(make, [7e6, 5e6, 5e6], memory, months=3) == ("high", 0, 3)
        assert state(make, [5_000.0, 60_000.0], memory, months=3) == ("mid", 0, 2)


def test_the_newest_table_comes_back(make: Make) -> None:
    """Its kind, rows and columns stay; an old tier is replaced; those who left are gone."""
    march = {"customer_id": ["1", "2"], QUARTER: [60_000.0, 1.0], "closed_on": [None, None]}
    june = march | {
        "tier": ["old", "old"], "closed_on": [None, date(2026, 5, 1)],
        "as_of": [date(2026, 6, 30)] * 2,
    }  # fmt: skip
    given_ = make(june)
    found = tiers_with_memory(
        {date(2026, 6, 30): given_, date(2026, 3, 31): make(march)}, SCHEME, memory=AT_ONCE
    )
    assert type(found) is type(given_)
    (row,) = rows_of(found)
    assert list(row) == [
        "customer_id", QUARTER, "closed_on", "as_of", "tier", "on_watch", "short_periods",
        "periods_known", "by_quarter",
    ]  # fmt: skip
    assert row["tier"] == "mid"


@pytest.mark.parametrize(
    "days",
    [
        [date(2026, 3, 31), date(2026, 5, 31)],
        [date(2026, 3, 31), date(2026, 6, 30), date(2026, 7, 31)],
        [date(2026, 1, 31), date(2026, 4, 30)],
        [date(2026, 3, 30), date(2026, 4, 30)],
        [date(2026, 3, 30)],
    ],
)
def test_gaps_between_snapshots_are_refused(days: list[date]) -> None:
    """A missing month would shorten a customer's watch; months and quarters do not mix."""
    bank = as_pandas({"customer_id": ["1"], MONTH: [1.0], QUARTER: [1.0]})
    with pytest.raises(UsageError, match=r"neither consecutive month ends nor.*Add the missing"):
        tiers_with_memory(dict.fromkeys(days, bank), SCHEME, memory=AT_ONCE)


def test_no_snapshots_are_refused() -> None:
    """Of nothing there is no newest."""
    with pytest.raises(UsageError, match="there are no snapshots"):
        tiers_with_memory({}, SCHEME, memory=AT_ONCE)


def test_the_wrong_snapshot_is_named_by_its_date(make: Make) -> None:
    """The message says which of the many tables to look at."""
    snapshots = history(make, [1.0, -1.0])
    with pytest.raises(UsageError, match="2026-02-28: customers: 'aum_average_month' is negative"):
        tiers_with_memory(snapshots, SCHEME, memory=AT_ONCE)


def test_a_tier_the_scheme_lacks_is_refused(make: Make) -> None:
    """An exception for a tier that does not exist would silently never apply."""
    memory = TierMemory("own", exceptions=(TierMonths("gold", 6),))
    with pytest.raises(PolicyError, match=r"'own' excepts gold, but tier scheme 'six_tiers' has"):
        tiers_with_memory(history(make, [1.0]), SCHEME, memory=memory)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"months_to_downgrade": 0}, "needs at least 1 month"),
        ({"exceptions": (TierMonths("mid", 0),)}, "needs at least 1 month"),
        ({"exceptions": (TierMonths("mid", 1),) * 2}, "has two exceptions for one tier"),
        ({"lag_months": 2}, "takes lag_months 0 or 1"),
        ({"landing": "median"}, "takes landing last, mean, maximum"),
        ({"lag_months": -1, "landing": ""}, "takes lag_months 0 or 1; takes landing"),
    ],
)
def test_impossible_rules_are_refused(rule: dict[str, Any], message: str) -> None:
    """A rule says at once all that is wrong with it."""
    with pytest.raises(PolicyError, match=f"tier memory 'own': {message}"):
        TierMemory("own", **rule)


def test_presets_are_the_published_shapes() -> None:
    """Bohai: 3 and 6 months, the month after; Construction Bank: at once, 6 and 12 months."""
    told = {
        name: (rule.lag_months, [rule.months_of(tier) for tier in ("mid", "high", "private")])
        for name, rule in presets().items()
    }
    assert told == {
        "three_months": (0, [3, 3, 6]), "cbhb": (1, [3, 3, 6]), "ccb_stars": (0, [3, 6, 12]),
    }  # fmt: skip
    assert all(rule.source and rule.landing == "last" for rule in presets().values())


BORDERS = [tier.lower * 100 for tier in SCHEME.tiers]


def remembered(cents: Sequence[int | None], memory: TierMemory) -> tuple[str, int]:
    """Return tier and short months in force after a history, by looking back from each month."""
    start = max((n for n, each in enumerate(cents) if each is None), default=-1) + 1
    place, since, states = -1, start, []
    for month in range(start, len(cents)):
        amounts = [each for each in cents[start : month + 1] if each is not None]
        reached = sum(amounts[-1] >= border for border in BORDERS) - 1
        if reached >= place:
            place, since = reached, month + 1
        run = amounts[since - start :]
        watched = len(run)
        if run and len(run) >= memory.months_of(SCHEME.names[place]):
            amount = {"last": run[-1], "maximum": max(run), "mean": sum(run) / len(run)}
            place = sum(amount[memory.landing] >= border for border in BORDERS) - 1
            since = month + 1
        states.append((place, len(cents[since : month + 1]), watched))
    if memory.lag_months and len(states) > 1:
        return SCHEME.names[states[-2][0]], states[-1][2]
    return SCHEME.names[states[-1][0]], states[-1][1]


AMOUNTS = st.sampled_from([0, 50_00, 5_000_00, 20_000_00, 60_000_00, 700_000_00, 7_000_000_00])
HISTORIES = st.lists(
    st.lists(st.none() | AMOUNTS, min_size=8, max_size=8).filter(lambda one: one[-1] is not None),
    min_size=1, max_size=8,
)  # fmt: skip
MEMORIES = st.builds(
    TierMemory, st.just("own"), months_to_downgrade=st.integers(1, 4),
    exceptions=st.sampled_from([(), PRIVATE, (TierMonths("mid", 1),)]),
    lag_months=st.integers(0, 1), landing=st.sampled_from(["last", "mean", "maximum"]),
)  # fmt: skip


@settings(max_examples=12)
@given(HISTORIES, MEMORIES)
def test_an_independent_count_agrees(histories: list[list[int | None]], memory: TierMemory) -> None:
    """Customer by customer, looking back over lists, comes to the same tiers and watches."""
    snapshots = {}
    for number in range(8):
        there = [(str(n), one[number]) for n, one in enumerate(histories)]
        rows = [(name, cents) for name, cents in there if cents is not None]
        snapshots[month_end(number + 1)] = as_polars({
            "customer_id": [*(name for name, _ in rows), "always"],
            MONTH: [*(cents / 100 for _, cents in rows), 0.0],
        })  # fmt: skip
    found = {
        row["customer_id"]: (row["tier"], row["short_periods"])
        for row in rows_of(tiers_with_memory(snapshots, SCHEME, memory=memory))
    }
    expected = {str(n): remembered(one, memory) for n, one in enumerate(histories)}
    assert found == expected | {"always": ("residual", 0)}
