"""Policies: what is shipped, what is refused, and how a mistake is told."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import date
from pathlib import Path

import pytest

from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.policy import (
    DormancyRule,
    Family,
    Policy,
    ProductFamilies,
    Tier,
    TierScheme,
    load_policy,
)

SHIPPED = Path("stockcust_analysis/policies/rural_commercial_bank.toml")


def written(folder: Path, change: tuple[str, str] = ("", "")) -> Path:
    """Write the shipped policy with one text replaced, and return its path."""
    text = SHIPPED.read_text("utf-8")
    assert change[0] in text
    path = folder / "own.toml"
    path.write_text(text.replace(*change, 1) if change[0] else text, "utf-8")
    return path


def test_shipped_tiers_are_the_practice_notes_borders() -> None:
    """The six tiers begin at 0, 100, 10,000, 50,000, 500,000 and 6,000,000 CNY."""
    tiers = load_policy("rural_commercial_bank").tiers.tiers
    assert [(tier.zh, tier.lower) for tier in tiers] == [
        ("零散", 0), ("潜力", 100), ("有效", 10_000), ("中端", 50_000), ("高端", 500_000),
        ("私行", 6_000_000),
    ]  # fmt: skip


def test_shipped_dormancy_rule() -> None:
    """The rule in force is six months below 500 CNY, and presets are found by name."""
    policy = load_policy()
    rule = policy.dormancy
    assert (rule.name, rule.idle_months, rule.cap, rule.cap_inclusive) == (
        "rural_6m_500", 6, 500, False,
    )  # fmt: skip
    assert policy.dormancy_rule("rural_6m_500") is rule
    assert policy.dormancy_rule("cib_2025").idle_days == 365


def test_shipped_families_are_nine_and_channels_are_apart() -> None:
    """Demand and time deposits are one family; mobile banking is a channel, not a product."""
    families = load_policy().families
    assert len(families.names) == 9
    assert families.families[0].products == ("demand_deposit", "time_deposit")
    assert "mobile_banking" in families.channel_names
    assert "loan" not in families.aum_products


def test_unknown_dormancy_rule_offers_close_names() -> None:
    """A misspelt rule is answered with the names that exist."""
    with pytest.raises(UsageError, match=r"unknown dormancy rule 'cib_2024'\. Did you mean 'cib_2"):
        load_policy().dormancy_rule("cib_2024")


def test_unknown_policy_offers_close_names() -> None:
    """A misspelt policy is answered with the shipped ones."""
    with pytest.raises(UsageError, match="Did you mean 'rural_commercial_bank'"):
        load_policy("rural_comercial_bank")


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file says which file."""
    with pytest.raises(UsageError, match=r"no policy file mine\.toml"):
        load_policy(tmp_path / "mine.toml")


def test_own_file_equals_the_shipped_one(tmp_path: Path) -> None:
    """The same rules give the same digest, wherever the file lies and however it begins."""
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_policy(str(path)).digest == load_policy().digest


def test_digest_ignores_comments_and_sees_rules(tmp_path: Path) -> None:
    """Comments and number style leave the digest as it is; one changed border does not."""
    shipped = load_policy().digest
    assert load_policy(written(tmp_path, ("cap = 500\n", "cap = 500.0 # CNY\n"))).digest == shipped
    assert load_policy(written(tmp_path, ("lower = 50_000,", "lower = 60_000,"))).digest != shipped


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Unknown keys with close matches, wrong types and missing keys come in one error."""
    path = tmp_path / "broken.toml"
    path.write_text(
        'name = "broken"\nversions = "1"\ncustomer_types = "personal"\n'
        '[tiers]\nname = 3\ntiers = [{ name = "all", lower = "0", zh = "全", en = "All" }]\n'
        '[dormancy]\nname = "d"\ncap = true\nidle_month = 6\n[families]\nfamilies = []\n'
        "[bases]\nfunded = inf\n",
        "utf-8",
    )
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    told = str(caught.value)
    for line in (
        "broken.toml cannot be followed",
        "versions: unknown key. Did you mean 'version'?",
        "version: missing.",
        "customer_types: expected a list, found 'personal'.",
        "tiers.name: expected text, found 3.",
        "tiers.tiers[1].lower: expected a number, found '0'.",
        "dormancy.cap: expected a number, found True.",
        "dormancy.idle_month: unknown key. Did you mean 'idle_months'",
        "bases.funded: expected a number, found inf.",
    ):
        assert line in told


def test_impossible_rule_is_told_with_its_place(tmp_path: Path) -> None:
    """A rule that breaks itself is told together with where it stands."""
    path = written(tmp_path, ("lower = 10_000,", "lower = 60_000,"))
    with pytest.raises(PolicyError, match=r"tiers: tier scheme 'six_tiers': borders must rise"):
        load_policy(path)


@pytest.mark.parametrize("content", [b"name = ", "name = '行'".encode("gb18030")])
def test_unreadable_file_is_a_policy_error(tmp_path: Path, content: bytes) -> None:
    """Broken TOML and a file that is not UTF-8 are refused by name."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(PolicyError, match=r"broken\.toml is not"):
        load_policy(path)


@pytest.mark.parametrize(
    ("borders", "message"),
    [
        ([], "must begin at 0"),
        ([1, 2], "must begin at 0"),
        ([0, 5, 5], "must rise"),
        ([0, 5, 4], "must rise"),
    ],
)
def test_tier_scheme_covers_every_amount_once(borders: list[float], message: str) -> None:
    """Borders that would leave an amount without a tier, or with two, are refused."""
    tiers = tuple(Tier(f"t{place}", lower, "", "") for place, lower in enumerate(borders))
    with pytest.raises(PolicyError, match=message):
        TierScheme("own", tiers)


def test_tier_names_are_unique() -> None:
    """Two tiers of one name are refused."""
    with pytest.raises(PolicyError, match="name twice"):
        TierScheme("own", (Tier("a", 0, "", ""), Tier("a", 5, "", "")))


@pytest.mark.parametrize("period", [{}, {"idle_months": 6, "idle_days": 180}, {"idle_days": 0}])
def test_dormancy_rule_has_one_idle_period(period: dict[str, int]) -> None:
    """A rule has months or days, not both, not neither, and at least one of them."""
    with pytest.raises(PolicyError, match="either idle_months or idle_days"):
        DormancyRule("own", cap=500, **period)  # type: ignore[arg-type]


def test_dormancy_cap_is_not_negative() -> None:
    """A cap below zero is refused."""
    with pytest.raises(PolicyError, match="cap cannot be negative"):
        DormancyRule("own", cap=-1, idle_months=6)


def test_idle_days_are_counted_one_by_one() -> None:
    """365 days before 1 March 2025 is 1 March 2024: the leap day lies before."""
    assert DormancyRule("d", cap=1, idle_days=365).cutoff(date(2025, 3, 1)) == date(2024, 3, 1)
    assert DormancyRule("d", cap=1, idle_days=365).cutoff(date(2024, 3, 1)) == date(2023, 3, 2)


def test_a_product_has_one_family() -> None:
    """A product in two families, or unknown evidence of use, is refused."""
    fund = Family("fund", "", "", ("fund",))
    with pytest.raises(PolicyError, match="more than one family: fund"):
        ProductFamilies((fund, replace(fund, name="other")))
    with pytest.raises(PolicyError, match="active_if takes balance, in_force, used, held"):
        Family("fund", "", "", ("fund",), ("owned",))


def test_policies_cannot_be_changed_in_place() -> None:
    """A loaded policy is frozen, so that every branch is measured by the same rules."""
    policy: Policy = load_policy()
    with pytest.raises(FrozenInstanceError):
        policy.version = "other"  # type: ignore[misc]
