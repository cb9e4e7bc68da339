"""Every sentence of the sample's 24 branch pages: its words hold to the numbers beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.show import branch_page as words
from stockcust_analysis.show.page_data import branch_page

SECTIONS = ("customers", "concentration", "dormancy", "cross_sell", "service")
# What may be called level: at most one point of a share, one per cent of an amount, as printed.
LEVEL = 1.0
NUMBER = r"([+-]?\d+(?:\.\d+)?)"
RISES, FALLS = ("增长", "上升"), ("下降", "回落")
TOP = "前20%客户的AUM占比平稳"


@pytest.fixture(scope="module")
def sentences(sample_evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return branch, heading and text of every sentence."""
    return [*_sentences(sample_evaluation)]


def _sentences(evaluation: Evaluation) -> Iterator[tuple[str, str, str]]:
    for branch in evaluation.branches["branch_id"]:
        page = branch_page(evaluation, branch_id=branch, language="zh")
        told = [words.page_conclusions(page), words.growth_words(page)]
        told += [words.section_sentence(page, section) for section in SECTIONS]
        for each in filter(None, told):
            yield from ((branch, sentence.lead, sentence.text) for sentence in each.sentences)


def _changes(text: str, of: str = "环比") -> list[float]:
    """Return the changes that stand behind a word, in points or per cent."""
    return [float(number) for number in re.findall(of + NUMBER, text)]


def test_all_branches_are_read(sentences: list[tuple[str, str, str]]) -> None:
    """There are 24 branches, and a page of more than a few customers says four things at least."""
    numbers = [[branch for branch, _, _ in sentences].count(f"B{i:03}") for i in range(1, 25)]
    assert len(numbers) - numbers.count(0) == 24
    assert sum(number >= 4 for number in numbers) >= 20


def test_alike_is_said_of_what_is_alike(sentences: list[tuple[str, str, str]]) -> None:
    """「与全行（…）相当」 stands behind a share less than a point from the bank's."""
    pattern = NUMBER + r"%[^，。%]*，与全行（" + NUMBER + "%）相当"
    found = [
        (b, float(own), float(bank))
        for b, _, text in sentences
        for own, bank in re.findall(pattern, text)
    ]
    assert len(found) >= 10
    assert sum(text.count("相当") for _, _, text in sentences) == len(found)
    assert [one for one in found if round(abs(one[1] - one[2]), 1) > LEVEL] == []


def test_level_is_said_of_what_hardly_moved(
    sentences: list[tuple[str, str, str]], sample_evaluation: Evaluation
) -> None:
    """A heading that says 平稳 or 持平 stands over a change of less than a point or per cent."""
    level = [(b, lead, text) for b, lead, text in sentences if re.search("平稳|持平", lead)]
    assert len(level) >= 20
    table = sample_evaluation.measures
    top = table[(table["measure"] == "top_20_share") & (table["base"] == "funded")]
    shares = top.set_index(["quarter", "branch_id"])["value"] * 100
    for branch, lead, text in level:
        moved = _changes(text)[:1] or _changes(text, "较上季末[^（]*（")[:1]
        if lead == TOP:
            moved = [shares["2026Q3", branch] - shares["2026Q2", branch]]
        assert all(round(abs(change), 1) <= LEVEL or "原有客户持平" in lead for change in moved), (
            branch,
            lead,
        )


def test_no_heading_goes_another_way_than_its_number(
    sentences: list[tuple[str, str, str]],
) -> None:
    """Rising stands over a plus, falling over a minus, above and below over such a difference."""
    seen = 0
    for branch, lead, text in sentences:
        first = (_changes(text) or _changes(text, "较上季末[^（]*（"))[:1]
        ways = [w in lead for w in RISES], [w in lead for w in FALLS]
        if first and any(ways[0]) != any(ways[1]):
            seen += 1
            assert (first[0] > 0) == any(ways[0]), (branch, lead, text)
        for way, other in (("高", "低"), ("低", "高")):
            if f"{way}于全行" in lead:
                difference = re.search(f"比全行（[^）]*）({way}|{other}){NUMBER}", text)
                assert difference is not None and difference[1] == way, (branch, lead, text)
                seen += 1
    assert seen >= 100
