"""Conclusions: a planted story is told, an absent one is not, and noise gets no words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show.blocks import Language, Sentence
from stockcust_analysis.show.findings import (
    Section,
    conclusions,
    limits_between,
    section_conclusion,
)
from tests.show.measure_tables import NORMAL, Key, page_of, quarter_of, story

FUND: Key = ("penetration", "family", "fund")


def told(
    table: pd.DataFrame, *, language: Language = "zh", quarter: str = "2026Q3"
) -> list[Sentence]:
    """Return the conclusions on branch B01, without the chapter that each leads to."""
    found = conclusions(page_of(table, language, quarter=quarter))
    assert {each.section for each in found} <= {"", *get_args(Section)}
    return [replace(each, section="") for each in found]


def leads(table: pd.DataFrame) -> list[str]:
    """Return what the conclusions on branch B01 amount to."""
    return [sentence.lead for sentence in told(table)]


class TestGrowth:
    """The size of the business comes first, its growth beside the bank's."""

    def test_the_whole_sentence(self) -> None:
        """+8.3 % (1.3/1.2) beside the bank's +1.0 % (1.212/1.2), customers +2 % beside 0 %."""
        table = story(
            {"aum_average_quarter": 1.3e9, "customers": 5100},
            bank_now={"aum_average_quarter": 1.212e11},
        )
        assert told(table)[0] == Sentence(
            lead="AUM增长快于全行",
            text="有资产客户季日均AUM 13.00亿元，环比+8.3%（全行+1.0%）；"
            "有资产客户5,100户，环比+2.0%（全行持平）。",
        )
        assert told(table, language="en")[0] == Sentence(
            lead="AUM: growing faster than the bank",
            text="Quarter-average AUM of funded customers came to CNY 1,300 million, "
            "+8.3% QoQ (bank +1.0%); funded customers numbered 5,100, "
            "+2.0% QoQ (bank unchanged).",
        )

    @pytest.mark.parametrize(
        ("own", "bank", "lead"),
        [
            (1.05, 1.02, "AUM增长快于全行"),
            (1.05, 1.05, "AUM增长"),
            (1.02, 1.05, "AUM增长慢于全行"),
            (1.0, 1.0, "AUM基本持平"),
            (1.0, 0.95, "AUM基本持平，好于全行"),
            (1.0, 1.05, "AUM基本持平，不及全行"),
            (0.97, 0.92, "AUM下降，降幅小于全行"),
            (0.97, 0.97, "AUM下降"),
            (0.97, 1.02, "AUM下降，弱于全行"),
        ],
    )
    def test_the_lead_weighs_growth_against_the_bank(
        self, own: float, bank: float, lead: str
    ) -> None:
        """Growth is judged by its sign and by the bank's, both beyond one percent."""
        table = story(
            {"aum_average_quarter": 1.2e9 * own}, bank_now={"aum_average_quarter": 1.2e11 * bank}
        )
        assert leads(table)[0] == lead

    def test_fourth_quarter_leads_with_the_year(self) -> None:
        """Year end is a season: growth is judged on the year, said first."""
        last_year = story({"aum_average_quarter": 1.26e9}, quarters=("2025Q4", "2026Q4"))
        table = pd.concat([last_year, quarter_of("2026Q3", "B01", NORMAL)])
        assert "亿元，同比+5.0%（全行持平），环比+5.0%" in told(table, quarter="2026Q4")[0].text

    def test_attainment_is_said_where_there_is_a_target(self) -> None:
        """1.2 of 1.5 billion is 80 %."""
        targets = pd.DataFrame(
            [("B01", "2026Q3", "aum_average_quarter", 1.5e9)],
            columns=["branch_id", "quarter", "measure", "target"],
        )
        found = conclusions(page_of(story(), targets=targets))
        assert "计划完成率80.0%" in found[0].text
        assert "计划完成率" not in told(story())[0].text

    @pytest.mark.parametrize(
        ("due", "lead"), [(1.0, "未达计划：AUM"), (0.85, "落后序时进度：AUM"), (0.8, "AUM")]
    )
    def test_a_missed_plan_comes_first(self, due: float, lead: str) -> None:
        """1.2 of 1.5 billion is 80 %: behind 100 % and 85 %, and all that is due of 80 %."""
        names = ["branch_id", "quarter", "measure", "target", "phased_share"]
        plan = ("B01", "2026Q3", "aum_average_quarter", 1.5e9, due)
        found = conclusions(page_of(story(), targets=pd.DataFrame([plan], columns=names)))
        assert found[0].lead.startswith(lead)


STORIES: list[tuple[str, Mapping[Key, float], str, str]] = [
    (
        "dormancy",
        {"dormancy_rate": 0.15},
        "睡眠客户占比高于全行且上升",
        "有资产客户中睡眠客户占15.0%（750户），比全行（10.0%）高5.0个百分点，"
        "环比+5.0个百分点（全行持平）。",
    ),
    (
        "silent assets",
        {"silent_aum_share": 0.31},
        "沉默客户的AUM占比高于全行且上升",
        "有资产客户AUM的31.0%由沉默客户持有，比全行（25.0%）高6.0个百分点，"
        "环比+6.0个百分点（全行持平）。",
    ),
    (
        "cross-sell",
        {"multi_product_share": 0.45},
        "多产品客户占比高于全行且上升",
        "有资产客户中持有两类及以上产品的占45.0%（2,250户），比全行（40.0%）高5.0个百分点，"
        "环比+5.0个百分点（全行持平）。",
    ),
    (
        "funds",
        {FUND: 0.06},
        "基金覆盖率低于全行且下降",
        "有资产客户的基金覆盖率为6.0%，比全行（12.0%）低6.0个百分点，"
        "环比-6.0个百分点（全行持平）。",
    ),
    (
        "concentration",
        {"top_20_share": 0.84},
        "前20%客户的AUM占比上升",
        "前20%的有资产客户持有AUM的84.0%，环比+4.0个百分点。",
    ),
    (
        "ten largest",
        {"ten_largest_share": 0.09},
        "最大十户占比上升",
        "有资产客户AUM的9.0%集中在最大十户，环比+4.0个百分点。",
    ),
]


class TestStories:
    """Each story is told when it is true and only then."""

    @pytest.mark.parametrize(
        ("now", "lead", "text"), [entry[1:] for entry in STORIES], ids=[each[0] for each in STORIES]
    )
    def test_a_planted_story_comes_right_after_growth(
        self, now: Mapping[Key, float], lead: str, text: str
    ) -> None:
        """The one thing that changed is told before what held steady, with base and bank."""
        assert told(story(now))[1] == Sentence(lead=lead, text=text)

    @pytest.mark.parametrize("lead", [entry[2] for entry in STORIES])
    def test_a_story_that_is_not_true_is_not_told(self, lead: str) -> None:
        """A quarter without news has none of these leads."""
        assert lead not in leads(story())

    def test_a_fall_reads_as_a_fall(self) -> None:
        """Dormancy from 15 to 12 % where the bank has 10 %: still above, but falling."""
        table = story({"dormancy_rate": 0.12}, before={"dormancy_rate": 0.15})
        assert leads(table)[1] == "睡眠客户占比高于全行但回落"

    def test_bad_news_comes_before_good_news_of_the_same_size(self) -> None:
        """Five points of dormancy lead five points of cross-sell."""
        both = story({"dormancy_rate": 0.15, "multi_product_share": 0.45})
        less_noise = leads(both)
        assert less_noise.index("睡眠客户占比高于全行且上升") < less_noise.index(
            "多产品客户占比高于全行且上升"
        )

    def test_a_change_the_bank_shares_shows_the_banks(self) -> None:
        """The reader sees that dormancy rose everywhere."""
        table = story({"dormancy_rate": 0.13}, bank_now={"dormancy_rate": 0.13})
        (found,) = [each for each in told(table) if "睡眠" in each.lead]
        assert found.lead == "睡眠客户占比上升"
        assert "与全行（13.0%）相当，环比+3.0个百分点（全行+3.0个百分点）" in found.text

    def test_the_family_furthest_from_the_bank_is_named(self) -> None:
        """Of two families behind, the one further behind makes the sentence."""
        wealth: Key = ("penetration", "family", "wealth")
        table = story({FUND: 0.08, wealth: 0.20}, before={FUND: 0.08, wealth: 0.20})
        assert "理财覆盖率低于全行" in leads(table)
        assert "基金覆盖率低于全行" not in leads(table)


def test_the_growth_of_the_same_customers_stands_beside_the_banks_with_its_sign() -> None:
    """103.4 % kept beside the bank's 101.4 %: changed by +3.4 %, the bank's +1.4 %."""
    own: Mapping[Key, float] = {"asset_retention_net": 1.034}
    table = story(own, before=own, bank_now={"asset_retention_net": 1.014})
    words = section_conclusion(page_of(table), "customers").text
    assert "+3.4%" in words and "比全行（+1.4%）高2.0个百分点" in words


class TestNoise:
    """What may be chance is not called a difference."""

    def test_a_small_difference_of_many_customers(self) -> None:
        """0.9 points are under the one-point limit even for millions of customers."""
        table = story({"dormancy_rate": 0.109, "customers": 4_000_000})
        (found,) = [each for each in told(table) if "睡眠" in each.lead]
        assert found.lead == "睡眠客户占比平稳"
        assert "环比" not in found.text
        assert "相当" in found.text

    @pytest.mark.parametrize(
        ("customers", "lead"), [(400, "差异未超出偶然"), (2500, "高于全行且上升")]
    )
    def test_few_customers_need_a_larger_difference(self, customers: int, lead: str) -> None:
        """Two standard errors of 10 % are 3.0 points for 400 customers, 1.2 for 2,500."""
        table = story(
            {"dormancy_rate": 0.125, "customers": customers}, before={"customers": customers}
        )
        (found,) = [each for each in told(table) if "睡眠" in each.lead]
        assert found.lead == f"睡眠客户占比{lead}"

    def test_a_share_of_few_of_the_customers_is_judged_by_those_few(self) -> None:
        """2,500 customers, of whom the share is of 400: two standard errors are 3.0 points."""
        table = story({"dormancy_rate": 0.125, "customers": 2500}, before={"customers": 2500})
        few = table["measure"].eq("dormancy_rate") & table["denominator"].eq(2500)
        assert few.any()
        table.loc[few, ["numerator", "denominator"]] *= 400 / 2500
        (found,) = [each for each in told(table) if "睡眠" in each.lead]
        assert found.lead == "睡眠客户占比差异未超出偶然"

    def test_a_large_difference_of_few_is_printed_and_not_called_steady(self) -> None:
        """11 points of 40 customers lie within two standard errors of 21.0 points."""
        few: Mapping[Key, float] = {"customers": 40, "multi_product_share": 0.31}
        before: Mapping[Key, float] = {"customers": 40, "multi_product_share": 0.42}
        (found,) = [each for each in told(story(few, before=before)) if "多产品" in each.lead]
        assert found.lead == "多产品客户占比差异未超出偶然"
        assert "环比-11.0个百分点（全行+0.0个百分点）" not in found.text
        assert re.search(r"环比-11\.0个百分点.*（户数少，两者均未超出偶然）", found.text)
        assert found.text.count("户数少") == 1  # of both, the distance from the bank too
        assert "平稳" not in found.lead + found.text
        assert "相当" not in found.text

    @pytest.mark.parametrize("before", [0.0, 1.0])
    def test_one_customer_makes_no_rise_from_nothing(self, before: float) -> None:
        """One of 40 is 2.5 points, two standard errors 8.1: nobody before has an error, too."""
        now = abs(before - 1 / 40)
        table = story(
            {"customers": 40, "multi_product_share": now},
            before={"customers": 40, "multi_product_share": before},
            bank_now={"multi_product_share": now},
        )
        (found,) = [each for each in told(table) if "多产品" in each.lead]
        assert found.lead == "多产品客户占比差异未超出偶然"

    @pytest.mark.parametrize(("customers", "beyond"), [(1, False), (2, False), (4, True)])
    def test_all_against_none_of_a_few(self, customers: int, beyond: bool) -> None:
        """0 % became 100 %: Fisher's exact test has p = 1 of one, 1/3 of two, 2/70 of four."""
        assert (fisher_exact([[customers, 0], [0, customers]])[1] < 0.05) == beyond
        assert (limits_between(1, 0, customers, customers) >= 1) == beyond

    @pytest.mark.parametrize("customers", [1, 2, 3, 4, 5, 10, 20, 40])
    def test_chance_alone_seldom_looks_like_a_change(self, customers: int) -> None:
        """Of two samples of one share, every outcome counted: at most 7.5 % are beyond chance."""
        counts = np.arange(customers + 1)
        beyond = [
            [
                abs(limits_between(a / customers, b / customers, customers, customers)) >= 1
                for b in counts
            ]
            for a in counts
        ]
        for share in np.linspace(0.02, 0.98, 25):
            chance = binom.pmf(counts, customers, share)
            assert chance @ np.array(beyond) @ chance < 0.075

    def test_a_calm_quarter_says_what_held(self) -> None:
        """Three sentences, none of which claims a difference or a change."""
        found = told(story())
        assert len(found) == 3
        for sentence in found:
            assert not re.search(
                r"高于|低于|快于|慢于|上升|下降|[+-]\d", sentence.lead + sentence.text
            )


class TestCaution:
    """Where nothing can be judged, that is what is said."""

    def test_a_tiny_branch_is_not_compared(self) -> None:
        """With 12 customers one is 8.3 points: no comparison is made of anything."""
        table = story({"customers": 12, "dormancy_rate": 0.5})
        (only,) = told(table)
        assert (
            only.text == "有资产客户仅12户，一户进出即可使占比变动8.3个百分点，"
            "因此本报告只列数、不作判断，略去集中度、产品、评价与联络各节。"
        )

    @pytest.mark.parametrize(("customers", "sentences"), [(29, 1), (30, 3)])
    def test_tiny_means_under_thirty(self, customers: int, sentences: int) -> None:
        """Thirty customers are enough to be compared."""
        assert len(told(story({"customers": customers}))) == sentences

    def test_a_new_branch_has_levels_only(self) -> None:
        """Without an earlier quarter nothing rises, falls or holds; the bank is the measure."""
        table = story({"dormancy_rate": 0.15})
        table = table[(table["branch_id"] == "@bank") | (table["quarter"] == "2026Q3")]
        first, *others = told(table)
        assert first.text.startswith("没有2026Q2及更早的可比数据")
        assert others[1].lead == "睡眠客户占比高于全行"
        assert not any(re.search("环比|上升|平稳|持平", each.lead + each.text) for each in others)

    def test_nobody_can_be_silent_in_a_branch_of_a_quarter(self) -> None:
        """Who opened in July has no customers idle for six months: that is no better than others.

        A branch of a bank that delivers its first quarter may be old, and is compared.
        """
        table = story({"dormancy_rate": 0.0, "silent_aum_share": 0.0})
        table = table[(table["branch_id"] == "@bank") | (table["quarter"] == "2026Q3")]
        opened = {"branch_id": ["B01"], "name": ["城关支行"], "opened_on": ["2026-07-01"]}
        young = section_conclusion(page_of(table, branches=pd.DataFrame(opened)), "dormancy")
        assert "全行" not in young.lead + young.text
        assert "全行" in section_conclusion(page_of(table), "dormancy").text

    def test_a_calm_new_branch_is_like_the_bank_not_steady(self) -> None:
        """One quarter cannot hold steady: its level is in line with the bank's."""
        table = story()
        table = table[(table["branch_id"] == "@bank") | (table["quarter"] == "2026Q3")]
        assert leads(table)[2] == "睡眠客户占比与全行相当"

    def test_another_base_is_no_history(self) -> None:
        """Dormancy of all customers last quarter says nothing of funded ones' change."""
        table = story({"dormancy_rate": 0.15})
        earlier = (table["quarter"] == "2026Q2") & (table["measure"] == "dormancy_rate")
        table.loc[earlier, "base"] = "all"
        (found,) = [each for each in told(table) if "睡眠" in each.lead]
        assert found.lead == "睡眠客户占比高于全行"
        assert "环比" not in found.text

    def test_the_bank_is_not_compared_with_itself(self) -> None:
        """The bank's own page has its changes and no 全行 beside them."""
        table = story(bank_now={"dormancy_rate": 0.13})
        found = conclusions(page_of(table, branch_id="@bank"))
        assert found[1].lead == "睡眠客户占比上升"
        assert not any("全行" in sentence.lead + sentence.text for sentence in found)

    def test_a_branch_without_a_bank_beside_it(self) -> None:
        """A table of one branch alone still gives its changes."""
        table = story({"dormancy_rate": 0.15})
        found = told(table[table["branch_id"] == "B01"])
        assert found[1].text == "有资产客户中睡眠客户占15.0%（750户），环比+5.0个百分点。"

    def test_a_quarter_without_figures_says_so(self) -> None:
        """All values undefined: one sentence, no error."""
        (only,) = told(story().assign(value=float("nan")))
        assert only.text == "2026Q3没有可用于判断的指标。"

    def test_unknown_branch_and_quarter_are_errors(self) -> None:
        """A misspelt branch is not a branch without news."""
        with pytest.raises(UsageError, match="unknown branch in 2026Q3 'B1'"):
            conclusions(page_of(story(), branch_id="B1"))
        with pytest.raises(UsageError, match="not a quarter"):
            conclusions(page_of(story(), quarter="2026-09"))


class TestReport:
    """What holds for every page."""

    everything: Mapping[Key, float] = {
        key: value for _, now, _, _ in STORIES for key, value in now.items()
    }

    @pytest.mark.parametrize("language", ["zh", "en"])
    def test_five_sentences_at_most(self, language: Language) -> None:
        """When all has changed, the five heaviest are told."""
        assert len(told(story(self.everything), language=language)) == 5

    def test_funded_customers_are_preferred(self) -> None:
        """Where the table has several bases, the page speaks of funded customers."""
        table = story()
        both = pd.concat([table, table.assign(base="all", value=table["value"] / 2)])
        assert told(both) == told(table)
        assert told(both.iloc[::-1]) == told(table)

    @pytest.mark.parametrize("language", ["zh", "en"])
    def test_every_sentence_is_whole(self, language: Language) -> None:
        """No blank is left unfilled, and each sentence names its base and ends in a full stop."""
        base, stop = ("有资产客户", "。") if language == "zh" else ("funded customers", ".")
        for sentence in told(story(self.everything), language=language):
            assert not re.search(r"[{}]|nan|None|--|，，", sentence.lead + sentence.text)
            assert base in sentence.text
            assert sentence.text.endswith(stop)


class TestSections:
    """Each chapter opens with its own sentence."""

    @pytest.mark.parametrize(
        ("section", "subject"),
        [
            ("customers", "季日均AUM"),
            ("concentration", "前20%"),
            ("dormancy", "睡眠客户"),
            ("cross_sell", "两类及以上产品"),
        ],
    )
    def test_a_calm_chapter_has_its_main_measure(self, section: Section, subject: str) -> None:
        """Without news the chapter's main measure is stated once."""
        found = section_conclusion(page_of(story()), section)
        assert subject in found.text
        assert found.text.count("。") == 1

    def test_news_of_the_chapter_comes_first(self) -> None:
        """A fall in funds leads the chapter, the steady main measure follows."""
        found = section_conclusion(page_of(story({FUND: 0.06})), "cross_sell")
        assert found.lead == "基金覆盖率低于全行且下降"
        assert found.text.index("基金") < found.text.index("两类及以上产品")

    def test_an_empty_chapter(self) -> None:
        """A chapter without figures gets a sentence that says so."""
        only_size = quarter_of("2026Q3", "B01", {"customers": 500})
        found = section_conclusion(page_of(only_size), "dormancy")
        assert found.text == "2026Q3没有可用于判断的指标。"

    def test_unknown_section(self) -> None:
        """A chapter that does not exist is an error with the names of those that do."""
        with pytest.raises(UsageError, match=r"unknown section 'dormant'.*'dormancy'"):
            section_conclusion(page_of(story()), "dormant")  # type: ignore[arg-type]


class TestTenLargest:
    """A branch that lives on ten customers is told so, even when nothing has changed."""

    def test_a_high_share_is_told_without_a_change(self) -> None:
        """70 % in the hands of ten of 5,000 customers, this quarter and the one before."""
        table = story({"ten_largest_share": 0.7}, before={"ten_largest_share": 0.7})
        assert "最大十户占比达半数以上" in leads(table)

    def test_below_the_alarm_a_steady_share_is_no_news(self) -> None:
        """49 % is below the alarm of 50 %."""
        table = story({"ten_largest_share": 0.49}, before={"ten_largest_share": 0.49})
        assert "最大十户占比达半数以上" not in leads(table)

    def test_in_a_small_branch_ten_customers_hold_much_by_nature(self) -> None:
        """Ten of 150 customers with 70 % raise no alarm."""
        few: Mapping[Key, float] = {"customers": 150, "ten_largest_share": 0.7}
        assert "最大十户占比达半数以上" not in leads(story(few, before=few))


class TestBases:
    """Where a measure stands on several bases, funded customers are spoken of."""

    @pytest.mark.parametrize("other", ["all", "effective", "managed", "established"])
    def test_funded_customers_come_first(self, other: str) -> None:
        """The same measure on another base does not change a word."""
        table = story({"multi_product_share": 0.2})
        further = quarter_of("2026Q3", "B01", {"multi_product_share": 0.9}, base=other)
        assert told(pd.concat([table, further])) == told(table)
        assert told(pd.concat([further, table])) == told(table)
