"""The next product: ranked, judged by what was opened, no better than chance where it is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from stockcust_analysis.errors import UsageError
from stockcust_analysis.models.early_warning import EarlyWarning
from stockcust_analysis.models.next_product import NextProduct
from stockcust_analysis.models.segments import Segments
from tests.models.banks import FEW, bank_with, history_with
from tests.scripts import DOCS

pytestmark = pytest.mark.filterwarnings("ignore:too few openings:UserWarning")


def holders(rows: int = 400) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return customers of whom those with a fund open wealth, and every eighth opens a loan."""
    fund = np.arange(rows) % 2
    held = pd.DataFrame({"holds_fund": fund, "holds_wealth": 0, "holds_loan": 0})
    return held, pd.DataFrame({"wealth": fund, "loan": (np.arange(rows) % 8 == 0).astype(int)})


@pytest.mark.slow
def test_planted_openings_are_found() -> None:
    """Fund holders take up insurance, payroll holders a card: better than both baselines."""
    report = NextProduct().backtest(bank_with("planted"), "2026Q2")
    assert report.beats_baselines
    assert "higher than popularity" in "\n".join(report.sentences("en"))


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is() -> None:
    """Where openings are chance, popularity is not shown to be beaten, and so it says."""
    report = NextProduct().backtest(bank_with("none"), "2026Q2")
    assert not report.beats_baselines
    assert "not shown to be higher than popularity" in "\n".join(report.sentences("en"))
    assert "热销排序" in str(report) == "\n".join(report.sentences("zh"))


def test_hits_are_those_counted_by_hand() -> None:
    """Of 250 who opened, wealth comes first for fund holders and loan for none: counted by hand.

    Fund holders (200) open wealth, which stands first for them. Every eighth customer holds no
    fund and opens a loan (50), and loan stands first for those without a fund. All are hit.
    By popularity wealth (200 of 400) stands before loan (50 of 400): 200 of 250 are hit.
    """
    held, opened = holders()
    report = NextProduct().fit(held, opened).assess(held, opened)
    value = report.scores.set_index(["score", "measure"])["value"]
    assert report.customers_who_opened == 250
    assert value["model", "hit_rate_1"] == 1
    assert value["popularity", "hit_rate_1"] == pytest.approx(0.8)
    assert value["popularity", "recall_3"] == 1


def test_nobody_is_offered_what_is_held_or_excluded() -> None:
    """A family held, and one that is not suitable, are not ranked."""
    held, opened = holders()
    model = NextProduct().fit(held, opened)
    first = held[:2].assign(holds_wealth=[0, 1])
    ranked = model.rank(first, exclude={"loan": [True, False]})
    assert ranked[["customer", "rank", "family"]].values.tolist() == [
        [0, 1, "wealth"],
        [1, 1, "loan"],
    ]
    with pytest.raises(UsageError, match="unknown family 'pension'"):
        model.rank(first, exclude={"pension": [True, False]})


@pytest.mark.parametrize("held_as", [1000.0, 2, True, "1", np.int8(1), None])
def test_a_holding_is_one_however_it_is_written(held_as: object) -> None:
    """A balance, a count, a flag, "1": nobody who has it is offered a fund; a gap is none."""
    rows = np.arange(400)
    fund = [held_as if row % 4 == 0 else type(held_as or 1)(0) for row in rows]
    held = pd.DataFrame({"holds_fund": fund, "holds_loan": 0})
    opened = pd.DataFrame({"fund": (rows % 4 == 1) | (rows % 4 == 0), "loan": rows % 5 == 0})
    model = NextProduct().fit(held, opened.replace({True: "1", False: "0"}))
    offered = model.rank(held).query("family == 'fund'")["customer"].tolist()
    assert offered == [row for row in rows if row % 4 or held_as is None]


def test_what_is_no_flag_is_an_error() -> None:
    """Words, gaps and other lengths are refused: nobody has a family, or is spared, by mistake."""
    held, opened = holders()
    words = held.assign(holds_fund=np.where(held["holds_fund"] == 1, "是", "否"))
    with pytest.raises(UsageError, match="holds_fund: 400 rows hold something else than True"):
        NextProduct().fit(words, opened)
    with pytest.raises(UsageError, match="loan: 400 rows hold something else"):
        NextProduct().fit(held, opened.assign(loan="no"))
    model = NextProduct().fit(held, opened)
    with pytest.raises(UsageError, match="'holds_fund' holds text"):
        model.rank(words)
    with pytest.raises(UsageError, match="exclude 'wealth': 1 rows, and the table has 400"):
        model.rank(held, exclude={"wealth": [True]})
    with pytest.raises(UsageError, match="exclude 'wealth': 400 rows hold something else"):
        model.rank(held, exclude={"wealth": ["no"] * 400})
    for top in (0, 1.5):
        with pytest.raises(UsageError, match=f"top must be a whole number, 1 or more; given {top}"):
            model.rank(held, top=top)
    with pytest.raises(UsageError, match="fact about the person 'age'"):
        NextProduct(personal=["age"]).fit(held, opened)


@pytest.mark.slow
def test_who_is_no_longer_funded_is_judged_all_the_same() -> None:
    """Offers go to who is funded now: the later quarter end says of none that they do not count.

    As the model's card has it, in the bank's own tables: 18 of 1,094 are not funded any more.
    """
    bank = bank_with("planted", FEW)
    now, later = (bank.customers(q).set_index("customer_id") for q in ("2026Q2", "2026Q3"))
    funded = now.index[now["funded"] == 1]
    customers_at_both = funded.intersection(later.index)
    assert (later.loc[customers_at_both, "funded"] == 0).sum() == 18
    report = NextProduct().backtest(bank, "2026Q2")
    assert report.customers == len(customers_at_both)
    card = (DOCS / "models" / "next-product.md").read_text(encoding="utf-8")
    assert (
        "customers funded at the earlier quarter end who are still customers at the later" in card
    )


@pytest.mark.slow
def test_those_never_to_be_contacted_are_not_ranked() -> None:
    """Of a bank, only funded customers who may be contacted get an offer."""
    model = NextProduct().learn(bank_with("planted"), until="2026Q3")
    ranked = model.rank_customers(bank_with("planted"), "2026Q3", top=2)
    customers = bank_with("planted").customers("2026Q3").set_index("customer_id")
    offered = customers.loc[ranked["customer_id"].unique()]
    assert not offered["do_not_contact"].any()
    assert offered["exclusion"].isna().all()
    assert (offered["funded"] == 1).all()
    assert ranked["rank"].max() == 2


def test_offers_come_with_the_customers_branch() -> None:
    """As the customers of the quarter have it, so that a branch sees its own."""
    bank = bank_with("planted", FEW)
    model = NextProduct().learn(history_with("planted", FEW), until="2026Q3")
    offers = model.rank_customers(bank, "2026Q3", top=1)
    assert list(offers) == ["customer_id", "branch_id", "rank", "family", "probability"]
    branches = bank.customers("2026Q3").set_index("customer_id")["branch_id"]
    assert offers["branch_id"].tolist() == branches[offers["customer_id"]].tolist()


def test_what_cannot_be_learnt_is_refused_or_said() -> None:
    """No openings, a family without its column and a rare family: errors, and a warning."""
    held, opened = holders()
    with pytest.raises(UsageError, match="nobody opened any family"):
        NextProduct().fit(held, opened * 0)
    with pytest.raises(UsageError, match="lacks holds_metal"):
        NextProduct().fit(held, opened.assign(metal=1))
    with pytest.raises(UsageError, match="Y: 399 rows, and the table has 400"):
        NextProduct().fit(held, opened[1:])
    rare = opened.assign(loan=(np.arange(len(opened)) < 5).astype(int))
    with pytest.warns(UserWarning, match="ranked by popularity: Loans"):
        model = NextProduct().fit(held, rare)
    assert model.predict_proba(held)["loan"].unique().tolist() == [5 / 400]
    with pytest.raises(UsageError, match="0 customers opened a family, too few"):
        model.assess(held, opened * 0)


def test_gaps_in_what_was_opened_are_an_error() -> None:
    """Whether a family was opened must be known: a gap counts neither as opened nor as not."""
    held, opened = holders()
    gaps = opened.assign(wealth=opened["wealth"].where(opened.index > 0))
    with pytest.raises(ValueError, match="Y contains NaN"):
        NextProduct().fit(held, gaps)
    with pytest.raises(ValueError, match="Y contains NaN"):
        NextProduct().fit(held, opened).assess(held, gaps)


def test_a_list_of_whom_not_to_offer_is_never_passed_over() -> None:
    """One number for a list, a table, numbers read as amounts: refused, for nobody was spared."""
    bank = history_with("planted", FEW)
    model = NextProduct().learn(bank, until="2026Q3")
    offers = model.rank_customers(bank, "2026Q3", top=9)
    family, someone = offers["family"][0], offers["customer_id"][0]

    def spared(exclude: object) -> int:
        return len(offers) - len(model.rank_customers(bank, "2026Q3", top=9, exclude=exclude))

    assert spared({family: [someone]}) == spared({family: offers["customer_id"][:1]}) == 1
    for wrong in (someone, offers[["customer_id"]], {someone: True}):
        with pytest.raises(UsageError, match=f"exclude '{family}' must be a list of customer num"):
            spared({family: wrong})
    with pytest.raises(UsageError, match=f"exclude '{family}': 2 of 3 customer numbers are no te"):
        spared({family: [someone, 12, None]})
    with pytest.raises(UsageError, match="exclude must say what each is called"):
        spared([someone])
    with pytest.warns(UserWarning, match="1 of 2 customer numbers are not among the customers of"):
        assert spared({family: [someone, "12.0"]}) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda bank: NextProduct().rank_customers(bank, "2026Q3"),
        lambda bank: EarlyWarning().score_customers(bank, "2026Q3"),
        lambda bank: Segments().predict(pd.DataFrame({"a": [1]})),
        lambda bank: Segments().match(Segments()),
    ],
)
def test_a_model_that_learnt_nothing_says_so(ask: Callable[[object], object]) -> None:
    """It is our own error, and names what to call with a bank; scikit-learn knows it, too."""
    with pytest.raises(UsageError, match="has learnt nothing yet") as caught:
        ask(history_with("planted", FEW))
    assert isinstance(caught.value, NotFittedError)
