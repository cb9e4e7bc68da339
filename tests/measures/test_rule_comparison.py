"""Several dormancy rules side by side: the same as one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.dormancy import compare_rules, dormancy_rate
from stockcust_analysis.policy import DormancyRule, load_policy
from tests.frames import AS_OF, Columns, rows_of, two_branches

Make = Callable[[Columns], Any]
POLICY = load_policy()
CONTACTS = {"customer_id": ["3", "5"], "contacted_on": [AS_OF, AS_OF], "outcome": ["sale", "none"]}


def bank(make: Make) -> tuple[Any, Any, Any]:
    """Return customers, holdings and contacts of the two hand-counted branches."""
    customers, holdings = two_branches()
    customers["relationship_since"] = [AS_OF.replace(year=2001)] * 8
    return make(customers), make(holdings), make(CONTACTS)


def test_every_rule_as_if_alone(make: Make) -> None:
    """All presets in one call: the same figures as one call for each."""
    customers, holdings, contacts = bank(make)
    tables = {"holdings": holdings, "contacts": contacts, "base": "all", "as_of": AS_OF}
    tables |= {"by": "branch_id"}
    rules = POLICY.dormancy_presets
    found = rows_of(compare_rules(customers, rules, **tables))
    for rule in rules:
        alone = rows_of(dormancy_rate(customers, rule, **tables))
        theirs = [row for row in found if row["rule"] == rule.name]
        assert [{k: v for k, v in row.items() if k != "rule"} for row in theirs] == alone
    assert list(found[0])[:3] == ["branch_id", "rule", "measure"]
    assert len(found) == len(rules) * 7 * 2


def test_without_holdings_a_column_exempts(make: Make) -> None:
    """The column `exempt` serves every rule where no holdings are given."""
    customers = {"last_active_on": [None, None], "aum_period_end": [1.0, 1.0],
                 "exempt": [True, False]}  # fmt: skip
    rule = DormancyRule("loans", cap=500, idle_months=6, exempt=("loan",))
    rules = [rule, replace(rule, name="half a cent", cap=0.005)]
    rows = rows_of(compare_rules(make(customers), rules, as_of=AS_OF, base="all"))
    rates = {row["rule"]: row["value"] for row in rows if row["measure"] == "dormancy_rate"}
    assert rates == {"loans": 0.5, "half a cent": 0}


@pytest.mark.parametrize("rule", ["crm_6m", POLICY.dormancy_rule("crm_6m")])
def test_one_rule_needs_no_list(make: Make, rule: str | DormancyRule) -> None:
    """A rule by itself is compared with none; a name is not taken for a list of letters."""
    customers, holdings, _ = bank(make)
    tables = {"holdings": holdings, "base": "all", "as_of": AS_OF}
    found = rows_of(compare_rules(customers, rule, **tables))
    assert found == rows_of(compare_rules(customers, [rule], **tables))


@pytest.mark.parametrize("rules", [[], [POLICY.dormancy, POLICY.dormancy]])
def test_rules_need_names_of_their_own(make: Make, rules: list[DormancyRule]) -> None:
    """Nothing to compare, or two rules under one name, is refused."""
    with pytest.raises(UsageError, match="one rule or more, each under a name of its own"):
        compare_rules(bank(make)[0], rules, as_of=AS_OF)
