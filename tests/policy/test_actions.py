"""Actions: every list knows what to do, the most specific action counts, compliance stands by."""

from __future__ import annotations

import re

import pytest

from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.policy import LISTS, load_policy
from stockcust_analysis.policy.service import MODEL_LIST, Action, Actions, Wording, load_actions

SHIPPED = load_actions()
GROUPS = {"executives", "seniors", "merchants", "women", "farmers"}
NOTES = "practice notes"


def made(list: str = "dormant", zh: str = "", **more: str) -> Action:
    """Return an action whose words do not matter."""
    return Action(list, zh, "", "phone", NOTES, **more)


def test_every_list_has_a_default() -> None:
    """Whoever stands on a work list, of whatever tier or group, has an action."""
    assert set(SHIPPED.lists) == {*LISTS, MODEL_LIST}
    for name in (*LISTS, MODEL_LIST):
        assert SHIPPED.action(name, "unheard_of", ["unheard_of"]).en


def test_tiers_and_groups_are_those_of_the_policy() -> None:
    """No action waits for a tier or group that no customer has."""
    assert {one.tier for one in SHIPPED.actions} <= {"", *load_policy().tiers.names}
    assert {one.group for one in SHIPPED.actions} <= {"", *GROUPS}


@pytest.mark.parametrize(
    ("tier", "words"),
    [
        ("potential", "手机银行"),
        ("effective", "第二类产品"),
        ("mid", "粘性|稳健"),
        ("high", "资产结构"),
        ("private", "公私联动.*传承"),
    ],
)
def test_next_product_follows_the_strategy_of_the_tier(tier: str, words: str) -> None:
    """Digital habit, cross-selling, stickiness, structure of assets, company and succession."""
    assert re.search(words, SHIPPED.action("next_product", tier).zh)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("merchants", "收单.*零钞.*短期理财"),
        ("farmers", "春播.*农资"),
        ("seniors", "简单配置.*优先"),
        ("women", "资产计划.*教育"),
        ("executives", "结构化"),
    ],
)
def test_next_product_follows_the_strategy_of_the_group(group: str, words: str) -> None:
    """What helps a merchant, a farmer, an elder, a woman, an executive comes before the tier's."""
    action = SHIPPED.action("next_product", "mid", [group])
    assert re.search(words, action.zh)
    assert action.warning == "suitability"  # whatever family the list names


def test_effective_customers_are_invited_to_reach_50000() -> None:
    """The upgrade of an effective customer is the offer at 50,000, with the compliance warning."""
    action = SHIPPED.action("upgrade_candidates", "effective")
    assert action.zh.startswith("{border}达标邀约")
    assert action.warning == "deposit"


def test_the_most_specific_action_counts() -> None:
    """Tier and group before group, group before tier, tier before the default; then file order."""
    actions = Actions(
        (
            made(zh="default"),
            made(zh="tier", tier="mid"),
            made(zh="seniors", group="seniors"),
            made(zh="women", group="women"),
            made(zh="both", tier="mid", group="women"),
        )
    )
    assert actions.action("dormant").zh == "default"
    assert actions.action("dormant", "mid").zh == "tier"
    assert actions.action("dormant", "high", ["women"]).zh == "women"
    assert actions.action("dormant", "high", ["women", "seniors"]).zh == "seniors"
    assert actions.action("dormant", "mid", ["seniors"]).zh == "seniors"
    assert actions.action("dormant", "mid", ["seniors", "women"]).zh == "both"


def test_a_warning_stands_beside_every_offer_of_deposits() -> None:
    """Actions that touch what matures or is deposited carry the compliance warning."""
    for action in SHIPPED.actions:
        offers = action.list in ("maturing", "upgrade_candidates") or "存入" in action.zh
        assert not offers or action.warning, action.name
    assert "2018" in SHIPPED.wording("deposit").zh
    assert "不得赠送" in SHIPPED.wording("deposit").zh


def test_nothing_promises_a_return() -> None:
    """No action and no script speaks of safe, high or guaranteed returns."""
    promised = re.compile(
        r"保本|保息|保证收益|稳赚|无风险|高收益|收益率|guarantee|risk-free|high return",
        re.IGNORECASE,
    )
    for one in (*SHIPPED.actions, *SHIPPED.scripts):
        assert not promised.search(one.zh + one.en), one.name


def test_scripts_are_the_four_calls() -> None:
    """Invitation, maturity, follow-up and hand-over are short and in both languages."""
    assert {script.name for script in SHIPPED.scripts} == {
        "invitation",
        "maturity",
        "follow_up",
        "hand_over",
    }
    for script in SHIPPED.scripts:
        assert len(script.zh) < 200
        assert not re.search(r"[\u4e00-\u9fff]", script.en)


def test_every_action_has_a_source_and_fits_a_cell() -> None:
    """Each says where it comes from, in words short enough for a sheet."""
    for action in SHIPPED.actions:
        assert action.source.startswith(NOTES)
        words = action.zh
        for blank in ("{manage_from}", "{vip_from}", "{border}"):
            words = words.replace(blank, "50万元")
        assert len(words) <= 45, action.name


def test_unknown_names_offer_close_ones() -> None:
    """A misspelt list or wording is answered with those that exist."""
    with pytest.raises(UsageError, match=r"unknown work list 'dorman'\. Did you mean 'dormant'"):
        SHIPPED.action("dorman")
    with pytest.raises(UsageError, match=r"unknown wording 'handover'\. Did you mean 'hand_over'"):
        SHIPPED.wording("handover")


def test_incomplete_actions_are_refused() -> None:
    """A list without a default, a wording that is not there and anything twice are refused."""
    with pytest.raises(PolicyError, match="lists without a default: dormant"):
        Actions((made(tier="mid"),))
    with pytest.raises(PolicyError, match="there is no wording of this name: call, gift"):
        Actions((made(script="call", warning="gift"),))
    with pytest.raises(PolicyError, match="stated twice: dormant//"):
        Actions((made(), made()))
    with pytest.raises(PolicyError, match="stated twice: call"):
        Actions((made(),), (Wording("call", "", ""),), (Wording("call", "", ""),))
