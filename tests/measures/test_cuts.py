"""Any cut, two at once, and over the quarters; expected values are counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest

from stockcust_analysis import (
    StockcustError,
    asset_retention,
    cohorts,
    compare_rules,
    concentration,
    customer_retention,
    dormancy_rate,
    growth_bridge,
    lost_customers,
    migration_matrix,
    multi_product_share,
    penetration,
)
from stockcust_analysis.measures.growth import attrition_rate, attrition_warning, aum_change
from stockcust_analysis.policy import load_policy
from tests.frames import Columns, as_pandas, rows_of, values_of

Make = Callable[[Columns], Any]
FAMILIES, CHANNELS = load_policy().families.names, load_policy().families.channel_names
CUSTOMERS = {
    "customer_id": ["1", "2", "3", "4"],
    "branch_id": ["A", "A", "B", "B"],
    "groups": ["farmers;women", "women", None, "women;farmersons"],
    "gender": ["female", "female", "male", None],
    "aum_average_quarter": [500.0, 500.0, 500.0, 500.0],
    "aum_period_end": [500.0, 100.0, 300.0, 100.0],
    **{f"holds_{name}": [0, 0, 0, 0] for name in FAMILIES},
    **{f"uses_{name}": [0, 0, 0, 0] for name in CHANNELS},
    "holds_deposit": [1, 1, 1, 0],
    "holds_fund": [1, 0, 0, 0],
}
FALLEN = CUSTOMERS | {"aum_average_quarter": [500.0, 0.0, 500.0, 0.0]}
LATER = date(2026, 9, 30)


def test_a_customer_counts_in_each_of_his_groups(make: Make) -> None:
    """Three women, one farmer, one of no group; `farmersons` is not `farmers`."""
    result = multi_product_share(make(CUSTOMERS), by="customer_group")
    assert values_of(result, "customer_group", value="n") == {
        "farmers": 1, "farmersons": 1, "none": 1, "women": 3,
    }  # fmt: skip
    assert values_of(result, "customer_group")["women"] == pytest.approx(1 / 3)
    assert "每一个中都计一次" in repr(result)


def test_two_cuts_at_once(make: Make) -> None:
    """Women of branch A: two, of whom one holds two families; an unknown gender is a group."""
    result = multi_product_share(make(CUSTOMERS), by=["customer_group", "branch"])
    assert values_of(result, "customer_group", "branch", value="n") == {
        ("farmers", "A"): 1, ("farmersons", "B"): 1, ("none", "B"): 1,
        ("women", "A"): 2, ("women", "B"): 1,
    }  # fmt: skip
    genders = multi_product_share(make(CUSTOMERS), by="gender")
    assert values_of(genders, "gender", value="n") == {"female": 2, "male": 1, "unknown": 1}


def test_families_as_a_cut(make: Make) -> None:
    """The money of those who hold deposits (500, 100, 300), funds (500), nothing (100)."""
    result = concentration(make(CUSTOMERS), by="family")
    held = {k: v for k, v in values_of(result, "family", "measure").items() if k[1] == "gini"}
    assert held == {
        ("deposit", "gini"): pytest.approx(8 / 27),
        ("fund", "gini"): 0,
        ("none", "gini"): 0,
    }
    with pytest.raises(StockcustError, match="by family already"):
        penetration(make(CUSTOMERS), by="family")


def test_groups_of_two_dates(make: Make) -> None:
    """Of three women funded before one is left; of a group's leavers the bridge says where."""
    kept = customer_retention(make(CUSTOMERS), make(FALLEN), by="customer_group")
    assert values_of(kept, "customer_group")["women"] == pytest.approx(1 / 3)
    left = CUSTOMERS | {"groups": ["farmers", "women", None, "women;farmersons"]}
    bridge = growth_bridge(make(CUSTOMERS), make(left), by="customer_group")
    amounts = values_of(bridge, "customer_group", "component", value="amount")
    assert amounts["women", "transferred_out"] == -500
    assert amounts["women", "closing"] == 200
    assert amounts["farmers", "closing"] == 500


def dated(columns: Columns, on: date) -> Columns:
    """Return the customers of a date."""
    return {**columns, "as_of": [on] * len(columns["customer_id"])}


@pytest.mark.parametrize(
    "compare",
    [
        *(asset_retention, attrition_rate, attrition_warning, aum_change, customer_retention),
        *(growth_bridge, lost_customers, migration_matrix),
    ],
)
def test_the_opening_date_is_the_earlier(make: Make, compare: Callable[..., Any]) -> None:
    """Swapped tables would call new customers closed."""
    june, september = (make(dated(FALLEN, on)) for on in (date(2026, 6, 30), LATER))
    compare(june, september)
    for earlier in (june, september):
        with pytest.raises(StockcustError, match=r"opening is as of 2026-09-30.*(Swap|Take)"):
            compare(september, earlier)


def joined(*tables: Columns) -> Columns:
    """Return tables below one another."""
    return {name: [cell for table in tables for cell in table[name]] for name in tables[0]}


def test_over_the_quarters(make: Make) -> None:
    """Four funded customers in June, two in September; half of June's are still funded."""
    both = make(joined(dated(CUSTOMERS, date(2026, 6, 30)), dated(FALLEN, LATER)))
    series = multi_product_share(both, by="branch", over="quarter")
    assert values_of(series, "quarter", "branch", value="n") == {
        ("2026Q2", "A"): 2, ("2026Q2", "B"): 2, ("2026Q3", "A"): 1, ("2026Q3", "B"): 1,
    }  # fmt: skip
    kept = customer_retention(both, both, over="quarter")
    assert values_of(kept, "quarter") == {"2026Q3": 0.5}
    with pytest.raises(StockcustError, match="several as-of dates; there are 1"):
        customer_retention(make(dated(FALLEN, LATER)), make(dated(FALLEN, LATER)), over="quarter")


def test_a_series_ends_with_its_day(make: Make) -> None:
    """`as_of` is the last quarter of the series, and each is judged on its own day."""
    acted = {"last_active_on": [date(2026, 6, 1)] * 4}
    both = make(joined(dated(CUSTOMERS | acted, date(2026, 6, 30)), dated(FALLEN | acted, LATER)))
    rates = compare_rules(both, "crm_6m", as_of="2026Q2", over="quarter", base="all")
    assert {row["quarter"] for row in rows_of(rates)} == {"2026Q2"}
    statuses = dormancy_rate(both, "crm_6m", as_of="2026Q3", over="quarter", base="all")
    assert statuses.about.chart == "trend"  # that of two quarters' statuses would leave some out


def test_a_day_may_have_an_hour() -> None:
    """A snapshot taken at six in the evening is that day's, in a series and among cohorts."""
    columns = CUSTOMERS | {"as_of": [datetime(2026, 9, 30, 18)] * 4}
    bank = as_pandas(columns)
    held = multi_product_share(bank, over="quarter", base="all")
    assert values_of(held, "quarter", value="n") == {"2026Q3": 4}
    retained = cohorts(bank, "gender", base="all").query("measure == 'customer_retention'")
    assert retained["value"].tolist() == [1.0] * 3


def test_what_is_no_cut(make: Make) -> None:
    """The error says what there is; a series needs dates."""
    with pytest.raises(StockcustError, match=r"'famly'.*Did you mean 'family'.*gender, branch"):
        concentration(make(CUSTOMERS), by="famly")
    for begun, meant in {"age": "'age_band' or 'age_group'", "Reg": "'region'"}.items():
        columns = CUSTOMERS | {"age_group": ["a"] * 4, "region": ["r"] * 4, "manages": ["m"] * 4}
        with pytest.raises(StockcustError, match=rf"'{begun}'\. Did you mean {meant}\?"):
            concentration(make(columns), by=begun)
    with pytest.raises(StockcustError, match="needs 'as_of'"):
        concentration(make(CUSTOMERS), over="quarter")
    for by in (7, ["tier", None], ["branch", "branch"], ["family", "family"]):
        with pytest.raises(StockcustError, match=r"by=.*: give the name of a column, or a list"):
            multi_product_share(make(CUSTOMERS), by=by)
    with pytest.raises(StockcustError, match="over 'year'"):
        concentration(make(CUSTOMERS), over="year")
    with pytest.raises(StockcustError, match="is not the last day of a quarter"):
        concentration(make(dated(CUSTOMERS, date(2026, 8, 31))), over="quarter")


@pytest.mark.parametrize("by", ["family", "customer_group", "measure", "value"])
def test_a_cut_is_not_called_as_a_column_of_the_result(make: Make, by: str) -> None:
    """Penetration is by family already; a column of one's own has a name that is free."""
    own = make(CUSTOMERS | {"measure": ["a"] * 4, "value": ["b"] * 4})
    cuts = ["family", by] if by == "customer_group" else [by]
    with pytest.raises(StockcustError, match=r"is by (family|measure|value) already: leave it"):
        penetration(own, by=cuts)
    with pytest.raises(StockcustError, match="is by family already: leave it"):
        penetration(make(CUSTOMERS | {"family": ["a"] * 4}), by=["family", "branch"])


def test_customers_of_no_group(make: Make) -> None:
    """Four customers in no group are one group, `none`; nobody is in no group at all."""
    nobody = make(CUSTOMERS | {"groups": ["", "", "", ""]})
    result = multi_product_share(nobody, by=["customer_group", "branch"])
    assert values_of(result, "customer_group", "branch", value="n") == {
        ("none", "A"): 2, ("none", "B"): 2,
    }  # fmt: skip
    empty = as_pandas(CUSTOMERS).iloc[:0]
    assert multi_product_share(empty, by="customer_group").empty


@pytest.mark.parametrize("nobody", [None, ""])
def test_who_is_outside_the_base_needs_no_label(make: Make, nobody: str | None) -> None:
    """Unmanaged customers have no role and make no group; a managed one without it is an error."""
    columns = CUSTOMERS | {"managed": [1, 1, 0, 0], "role": ["vip", "counter", nobody, nobody]}
    shares = multi_product_share(make(columns), by="role", base="managed")
    assert values_of(shares, "role") == {"counter": 0, "vip": 1}
    with pytest.raises(StockcustError, match="'role' is empty in 1 rows"):
        multi_product_share(
            make(columns | {"role": ["vip", None, "x", "x"]}), by="role", base="managed"
        )


@pytest.mark.parametrize("base", ["funded", "effective"])
def test_a_column_may_say_who_is_in_a_base(make: Make, base: str) -> None:
    """What the bank's customers state stands before their average."""
    shares = multi_product_share(make(CUSTOMERS | {base: [1, 0, 0, 0]}), base=base)
    assert {row["n"] for row in rows_of(shares)} == {1}
