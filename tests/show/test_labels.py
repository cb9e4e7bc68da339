"""Labels: every name a page can meet has its words, in both languages."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.codebook import defined_measures, measure_definition
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import wording as labels
from stockcust_analysis.show.wording import (
    fill,
    measure_words,
    member_words,
    money_scales,
    names,
    policy_words,
    text,
)

MEMBERS = {
    "families_held": "0 1 2 3 4+",
    "status": "active active_small silent dormant",
    "base": "all funded effective established managed",
    "dimension": "tier family families_held customer_class round",
}
WORDS = tomllib.loads(Path(labels.__file__).with_name("labels.toml").read_text(encoding="utf-8"))
PAIRS = [
    (f"{section}.{key}", entry)
    for section, entries in WORDS.items()
    if section != "money"
    for key, entry in entries.items()
]


def test_measures_are_named_by_the_codebook() -> None:
    """Measures have the codebook's names, and the word file does not say them again."""
    assert text("gini", "en") == measure_definition("gini").en
    assert measure_words("gini") is measure_definition("gini")
    assert list(names("measure")) == list(defined_measures())
    assert "measure" not in WORDS


@pytest.mark.parametrize(("section", "expected"), MEMBERS.items())
def test_members_have_words_in_page_order(section: str, expected: str) -> None:
    """Every member of a dimension has its word, and stands in the order pages show."""
    assert list(names(section)) == expected.split()
    assert all(text(name, "en", within=section) for name in names(section))


def test_both_languages_take_the_same_values() -> None:
    """A blank filled in one language may be left out in the other, never invented."""
    for name, entry in PAIRS:
        chinese, english = (set(re.findall(r"{(\w*)", entry[each])) for each in ("zh", "en"))
        assert chinese == english, name


# Never of one, by what they count: rows that are cut off, and groups or bounds of several.
OF_SEVERAL = "caption_groups caption_groups_household ties largest most_customers printed_rows "
OF_SEVERAL += "outcomes_note places_alike attrition unit next_product attained_words"
NOUNS = "branches|customers|households|rows|differences|comparisons|warnings|months|days|ranks"
NOUNS += "|decisions|peers|reports|families|groups|quarters|points|persons|lists"


def test_a_noun_behind_a_number_has_both_forms() -> None:
    """No English sentence says "1 branches": a counted noun has its form for one."""
    plural = re.compile(rf"{{\w*(\[\d\])?}} ([\w-]+ ){{0,2}}?({NOUNS})\b")
    alone = {name.partition(".")[2] for name, entry in PAIRS if plural.search(entry["en"])}
    assert alone == set(OF_SEVERAL.split())
    found = text("exceptions_bad", "en", within="headquarters")
    assert fill(found, count=1, branches=1).endswith(": 1 difference at 1 branch")
    assert fill(found, count=1200, branches=2).endswith(": 1,200 differences at 2 branches")
    words = "{share:.1%} of {n:branch|branches} on {day:%d %B}"
    on = date(2026, 9, 30)
    assert fill(words, share=0.125, n=1, day=on) == "12.5% of 1 branch on 30 September"


def test_english_has_no_chinese() -> None:
    """An English page shows no Chinese word or punctuation."""
    beyond_latin = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
    assert [name for name, entry in PAIRS if beyond_latin.search(entry["en"])] == []


def test_names_within_a_section_are_told_apart() -> None:
    """Two members of one dimension never share a word."""
    for section in MEMBERS:
        for language in ("zh", "en"):
            found = [text(name, language, within=section) for name in names(section)]
            assert len(set(found)) == len(found)


def test_same_name_means_different_things() -> None:
    """'effective' is a tier and a base: the section tells which."""
    assert member_words("tier")["effective"] == "有效"
    assert text("effective", within="base") == "有效客户"


def test_units_of_money_grow() -> None:
    """Both languages begin at one CNY and list their units in rising order."""
    for language in ("zh", "en"):
        divisors = [scale["divisor"] for scale in money_scales(language)]
        assert divisors == sorted(divisors)
        assert divisors[0] == 1


def test_unknown_names_offer_the_close_ones() -> None:
    """A slip of the pen is answered with what was meant."""
    with pytest.raises(
        UsageError, match=r"unknown measure to label 'dormancy_rat'.* 'dormancy_rate'"
    ):
        text("dormancy_rat")
    with pytest.raises(
        UsageError, match=r"unknown status to label 'silnt'.* Did you mean 'silent'"
    ):
        text("silnt", within="status")
    with pytest.raises(UsageError, match=r"unknown kind of label 'statuses'.* 'status'"):
        text("silent", within="statuses")
    with pytest.raises(UsageError, match="unknown language 'cn'"):
        text("gini", "cn")  # type: ignore[arg-type]


def test_members_are_the_policys(tmp_path: Path) -> None:
    """What a policy names has its words there, in its order, and in the word file no more."""
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\nversion = "1"\nbase = "rural_commercial_bank"\n[coverage]\n'
        'classes = [{ name = "A", zh = "甲", en = "First" }, '
        '{ name = "E", share = 0.1, contact_months = 6 }]\n',
        "utf-8",
    )
    facts = load_policy(path).members
    assert policy_words(facts, "customer_class", "en") == {
        "A": "First",
        "E": "E",
        "B": "B",
        "C": "C",
        "D": "D",
    }
    assert list(policy_words(facts, "tier").values())[-2:] == ["高端", "私行"]
    assert not {"tier", "family", "channel", "customer_class"} & set(WORDS)
    with pytest.raises(UsageError, match="unknown dimension of a policy 'teir'"):
        policy_words(facts, "teir")


def test_rates_by_person_say_of_whom_they_are() -> None:
    """Both rates are of the funded, where all pages else tell the dormancy of all customers."""
    pairs = {"customers": [12, 11], "funded": [10, 9]}
    unit = pairs | {"several": 1, "dormancy_rate": [0.1, 0.0], "multi_product_share": [0.5, 0.4]}
    (chinese,) = labels.assumptions({"unit": unit}, "zh")
    assert "有资产客户的睡眠率由10.00%变为0.00%，有资产客户中持有两类及以上产品的占比由" in chinese
    (english,) = labels.assumptions({"unit": unit}, "en")
    assert "funded customers change from 10 to 9, their dormancy rate from 10.00% to" in english
    assert "the share of them with two product families or more from 50.00% to 40.00%" in english


def test_the_task_of_hand_overs_names_both_of_its_kinds() -> None:
    """Who was handed over and is not called yet is on the list, however little he has today."""
    zh, en = (text("hand_over", language, within="task_why") for language in ("zh", "en"))
    assert ("贵宾标准" in zh, "尚未首次联络" in zh) == (True, True)
    assert ("VIP level" in en, "not yet called" in en) == (True, True)
