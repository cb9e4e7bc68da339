"""A policy in words: every rule is told once, in both languages, and so is every difference."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.policy import Bases, Policy, load_policy
from stockcust_analysis.policy.describe import (
    Difference,
    RuleInForce,
    describe,
    differences,
    text_table,
)

WORDS = tomllib.loads(Path("stockcust_analysis/policy/words.toml").read_text("utf-8"))
UNTOLD = {"source", "zh", "en"}


def keys_of(cls: Any) -> set[str]:
    """Return every key that a policy file may hold for a rule and for those inside it."""
    keys: set[str] = set()
    for field in fields(cls):
        if field.name in UNTOLD or field.name.endswith("_presets"):
            continue
        hint = get_type_hints(cls)[field.name]
        inner = [one for one in (hint, *get_args(hint)) if is_dataclass(one)]
        keys |= {field.name}.union(*(keys_of(one) for one in inner))
    return keys


def test_every_key_has_words() -> None:
    """Whatever a policy file may state has a Chinese and an English word in words.toml."""
    told = {key for key, words in WORDS.items() if words.get("zh") and words.get("en")}
    assert keys_of(Policy) - told == set()


def test_no_words_for_keys_that_are_not_there() -> None:
    """Nothing in words.toml has outlived its rule."""
    assert sorted(set(WORDS) - keys_of(Policy) - {"true", "false", "separator", "header"}) == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_rule_is_told_once(language: Any) -> None:
    """No two rows carry the same rule, and each has something to say."""
    rows = describe(load_policy(), language)
    assert len({row.rule for row in rows}) == len(rows)
    assert all(row.value for row in rows)


def test_rules_read_like_the_file() -> None:
    """Borders, flags and lists are told as people write them, with their source."""
    told = {row.rule: row for row in describe(load_policy(), "zh")}
    assert told["客户分层 · 中端 · 下限"].value == "50,000"
    assert told["客户分层 · 中端 · 下限"].source.startswith("practice notes")
    assert told["睡眠规则 · 含上限"].value == "否"
    assert told["客户类型"].value == "personal、sole_trader"
    assert told["产品大类 · 存款 · 产品"].value == "demand_deposit、time_deposit"
    english = {row.rule: row.value for row in describe(load_policy(), "en")}
    assert english["Product families · Channels · SMS · Products"] == "sms"
    assert english["Dormancy · Idle months"] == "6"
    assert not re.search(r"[\u3000-\u9fff]", "".join((*english, *english.values())))


def test_presets_are_not_in_force() -> None:
    """Only the dormancy rule in force is told, not the presets on offer."""
    assert not any("nfra_2023" in row.rule for row in describe(load_policy()))


def test_an_entry_is_called_by_its_word_alone() -> None:
    """A tier's name is in the label of its rows and has no row of its own."""
    assert not any("中端 · 名称" in row.rule for row in describe(load_policy(), "zh"))


def test_a_policy_does_not_differ_from_itself() -> None:
    """Equal rules make no rows."""
    assert differences(load_policy(), load_policy()) == []


def test_differences_name_both_values() -> None:
    """The joint-stock bank differs by its name, its base, three borders and the scheme's name."""
    found = differences(load_policy("joint_stock_bank"), load_policy(), "zh")
    assert {row.rule: (row.base, row.value) for row in found} == {
        "名称": ("rural_commercial_bank", "joint_stock_bank"),
        "客户分层 · 名称": ("six_tiers", "six_tiers_joint_stock"),
        "客户分层 · 潜力 · 下限": ("100", "1,000"),
        "客户分层 · 有效 · 下限": ("10,000", "20,000"),
        "沿用的政策": ("—", "rural_commercial_bank"),
        "客户口径 · 有效客户起点": ("10,000", "20,000"),
    }


def test_differences_turn_around() -> None:
    """From the other side every row has its two values exchanged."""
    one = load_policy()
    other = replace(one, bases=Bases(1, 2), tiers=replace(one.tiers, tiers=one.tiers.tiers[:-1]))
    there, back = differences(one, other), differences(other, one)
    assert {(row.rule, row.base, row.value) for row in there} == {
        (row.rule, row.value, row.base) for row in back
    }
    dropped = next(row for row in back if row.rule == "客户分层 · 私行 · 下限")
    assert (dropped.base, dropped.value, dropped.source) == ("6,000,000", "—", one.tiers.source)


def test_text_table_is_aligned_where_chinese_is_wide() -> None:
    """Each column starts at the same place, counting a Chinese character as two."""
    rows = [
        Difference("客户口径", "a", "1", "22", "notes"),
        Difference("name", "b", "333", "4", "notes"),
    ]
    assert text_table(rows, "zh").splitlines() == [
        "规则      键  原规则  取值  来源",
        "客户口径  a   1       22    notes",
        "name      b   333     4",
    ]


def test_text_table_of_nothing_is_its_header() -> None:
    """Without rows the header stands alone."""
    assert text_table([], "en") == "Rule  Key  Value  Source"


def test_a_long_value_does_not_push_the_others_away() -> None:
    """A value beyond the widest column runs on; the rows around it stay narrow."""
    rows = [RuleInForce("a", "k", "x" * 80, "long"), RuleInForce("b", "k", "1", "short")]
    _, long, short = text_table(rows, "en").splitlines()
    assert long == f"a     k    {'x' * 80}  long"
    assert len(short) == len("Rule  Key  ") + 44 + len("  short")


def test_every_rule_has_its_key_in_the_file() -> None:
    """A path of keys of the policy file, with the name of an entry in brackets; no two alike."""
    policy = load_policy()
    keys = {row.key: row.value for row in describe(policy)}
    assert len(keys) == len(describe(policy))
    assert keys["dormancy.idle_months"] == "6"
    assert keys["tiers.tiers[mid].lower"] == "50,000"
    assert keys["coverage.profile_targets[mid].share"] == "0.7"
    assert keys["themes[acquisition].quarter"] == "2"


def own_policy(folder: Path, differs: str) -> Policy:
    """Return a bank's own policy that builds on the shipped one."""
    path = folder / "own.toml"
    stated = 'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n'
    path.write_text(stated + differs, "utf-8")
    return load_policy(path)


def test_an_entry_with_other_words_is_the_same_entry(tmp_path: Path) -> None:
    """A tier that is called otherwise is paired by its name: neither removed nor added."""
    words = 'tiers = [{ name = "mid", zh = "财富", en = "Affluent", lower = 60_000 }]\n'
    policy = own_policy(tmp_path, f"[tiers]\n{words}")
    rows = [row for row in differences(policy, load_policy(), "en") if "tiers" in row.key]
    assert rows == [
        Difference(
            "Tiers · Affluent · From", "tiers.tiers[mid].lower", "50,000", "60,000", "own policy"
        )
    ]


@pytest.mark.parametrize(
    ("differs", "table", "source"),
    [
        ('[dormancy]\nname = "mine"\ncap = 300\n', "dormancy", "本行自定"),
        ('[dormancy]\nname = "mine"\ncap = 300\nsource = "notice 7"\n', "dormancy", "notice 7"),
        ('[dormancy]\npreset = "cib_2025"\ncap = 9\nname = "m"\n', "dormancy", "本行自定"),
        ('[dormancy]\nname = "mine"\n', "dormancy", "[W] a rural bank's notice"),
        ("[coverage]\nvip_from = 600_000\n", "coverage", "本行自定"),
        ("[coverage]\nvip_from = 500_000\n", "coverage", "practice notes"),
        ('[tiers]\ntiers = [{ name = "mid", lower = 60_000 }]\n', "tiers", "本行自定"),
        ("[coverage]\nvip_from = 600_000\n", "tiers", "practice notes"),
    ],
)
def test_a_changed_rule_has_not_the_source_of_another(
    tmp_path: Path, differs: str, table: str, source: str
) -> None:
    """What a bank changes without stating a source is its own policy; other tables keep theirs."""
    rows = describe(own_policy(tmp_path, differs))
    assert {row.source for row in rows if row.key.startswith(f"{table}.")} == {
        next(row.source for row in rows if row.source.startswith(source))
    }


def test_unknown_language() -> None:
    """A policy is told in Chinese or English."""
    with pytest.raises(UsageError, match="unknown language 'cn'"):
        describe(load_policy(), "cn")  # type: ignore[arg-type]
