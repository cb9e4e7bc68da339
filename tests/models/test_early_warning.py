"""The early warning knows only the past, finds what is there, and says so where nothing is."""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

import stockcust_analysis as sca
from stockcust_analysis.errors import UsageError
from stockcust_analysis.models import features
from stockcust_analysis.models.campaign_effect import CampaignEffect
from stockcust_analysis.models.early_warning import EarlyWarning
from stockcust_analysis.models.features import History, TableEncoder
from stockcust_analysis.models.inputs import as_labels, event_place
from stockcust_analysis.models.next_product import NextProduct
from stockcust_analysis.models.segments import Segments
from tests.engines.banks import in_polars
from tests.models.banks import FEW, bank_with, history_with, tables_with

DAYS = ("as_of", "contacted_on", "transacted_on", "effective_on", "valid_from")


def foreign_table(rows: int = 1200, seed: int = 1) -> tuple[pd.DataFrame, pd.Series]:
    """Return a table of another bank: own columns, gaps, labels; two of the columns matter."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "Balance": rng.lognormal(10, 1, rows),
            "Geography": rng.choice(["Spain", "France", "Germany"], rows),
            "IsActiveMember": rng.random(rows) < 0.5,
            "Joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "Age": rng.integers(18, 80, rows).astype(float),
        }
    )
    table.loc[rng.random(rows) < 0.1, ["Balance", "Geography"]] = np.nan
    odds = -2 + 1.5 * ~table["IsActiveMember"] + 1.2 * (table["Geography"] == "Germany")
    return table, pd.Series(np.where(rng.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no"))


class TestLeakage:
    """Features come from the as-of date and before."""

    def test_the_future_changes_no_feature(self) -> None:
        """Amounts doubled and rows dropped after the as-of date leave every feature as it is."""
        tables = {name: frame.copy() for name, frame in tables_with("planted", FEW).items()}
        last = pd.Timestamp("2026-06-30")
        for name in ("customers", "holdings", "contacts", "transactions", "assignments"):
            day = next(column for column in DAYS if column in tables[name])
            later = tables[name][day] > last
            assert later.any(), name
            keep = ~later | (np.arange(len(later)) % 3 > 0)
            for column in tables[name].select_dtypes("float"):
                tables[name].loc[later, column] *= 2
            if name in ("contacts", "transactions", "assignments"):
                tables[name] = tables[name][keep].reset_index(drop=True)
        del tables["ledger"]
        with sca.open_bank(in_polars(tables, Path())) as changed:
            after = History(changed).at("2026Q2").features
        before = history_with("planted", FEW).at("2026Q2").features
        pd.testing.assert_frame_equal(after, before)

    def test_age_and_gender_are_no_features_unless_asked_for(self) -> None:
        """Nothing about the person is a feature by default; asked for, it is."""
        personal = {"age_group", "gender", "groups", "birth_date"}
        bank = bank_with("planted", FEW)
        assert not personal & set(history_with("planted", FEW).at("2026Q2").features)
        assert "gender" in History(bank, personal=["gender"]).at("2026Q2").features
        with pytest.raises(UsageError, match="fact about the person 'birthday'"):
            History(bank, personal=["birthday"])

    def test_a_shuffled_target_cannot_be_predicted(self) -> None:
        """With labels dealt out at random the interval of the AUC holds 0.5."""
        table, label = foreign_table()
        dealt = label.sample(frac=1, random_state=3).to_numpy()
        model = EarlyWarning(model="logistic").fit(table[:800], dealt[:800])
        auc = model.assess(table[800:], dealt[800:]).scores.iloc[0]
        assert auc["low"] < 0.5 < auc["high"]


class TestBank:
    """What is planted is found, what is not is not."""

    @pytest.mark.slow
    def test_planted_effects_are_found(self) -> None:
        """The warning transactions stand first among the features, and both rules are beaten."""
        report = EarlyWarning(model="logistic").backtest(bank_with("planted"), "2026Q2")
        assert report.scores.iloc[0]["low"] > 0.55
        assert report.importance["feature"][0] == "active_transactions"
        assert report.beats_rules
        assert report.deciles["lift"][0] > 2
        assert set(report.groups["column"]) == {"age_group", "gender"}
        assert report.groups.query("column == 'gender'")["n"].sum() <= report.deciles["n"].sum()

    @pytest.mark.slow
    def test_nothing_is_found_where_nothing_is(self) -> None:
        """In a bank without effects the interval holds chance, and no rule is beaten."""
        report = EarlyWarning(model="logistic").backtest(bank_with("none"), "2026Q2")
        auc = report.scores.iloc[0]
        assert auc["low"] < 0.5 < auc["high"]
        assert not report.beats_rules
        assert "Do not use it" in "\n".join(report.sentences("en"))
        assert "不要使用" in "".join(report.sentences("zh"))
        assert report._repr_html_().count("<li>") == len(report.sentences())

    @pytest.mark.slow
    def test_events_are_counted_as_by_hand(self) -> None:
        """Tested are active funded customers, and events who slept, left or lost half by then."""
        report = EarlyWarning(model="logistic").backtest(bank_with("planted"), "2026Q2")
        bank = bank_with("planted")
        now, later = (bank.customers(day).set_index("customer_id") for day in ("2026Q2", "2026Q3"))
        active = now["status"].str.startswith("active") & (now["funded"] == 1)
        now = now[active & (now["aum_period_end"] >= 100)]
        events = 0
        for customer, money in now["aum_period_end"].items():
            if customer not in later.index:
                events += 1
                continue
            row = later.loc[customer]
            events += row["status"] == "dormant" or row["aum_period_end"] <= money / 2
        assert report.deciles[["n", "events"]].sum().tolist() == [len(now), events]

    @pytest.mark.slow
    def test_scored_customers_come_with_probability_and_reason(self) -> None:
        """The riskiest come first, each with a feature in words."""
        model = EarlyWarning(model="logistic").learn(bank_with("planted"), until="2026Q2")
        scored = model.score_customers(bank_with("planted"), "2026Q3", top=20)
        assert list(scored) == ["customer_id", "branch_id", "probability", "reason"]
        assert len(scored) == 20
        assert scored["probability"].is_monotonic_decreasing
        assert "own transactions of the quarter" in set(scored["reason"])
        model.set_params(language="zh")
        chinese = model.score_customers(bank_with("planted"), "2026Q3", top=20)["reason"]
        assert "本季主动交易笔数" in set(chinese)

    def test_what_nobody_has_in_the_first_quarter_is_said(self) -> None:
        """Before it there is no quarter to change from: a sentence, not NumPy's."""
        history = history_with("planted", FEW)
        model = EarlyWarning(model="logistic").learn(history, until="2026Q2")
        first = bank_with("planted", FEW).quarters[0]
        with pytest.warns(UserWarning) as caught:
            scored = model.score_customers(history, first)
        (said,) = (str(warning.message) for warning in caught)
        assert said.startswith("At this date these are unknown of everybody")
        assert features.feature_name("aum_change", "en") in said
        assert scored["probability"].between(0, 1).all()

    def test_one_fact_about_the_person_is_no_list_of_letters(self) -> None:
        """A text stands for a list of one, as `by` does; a misspelt one is named whole."""
        bank = bank_with("planted", FEW)
        table = features.History(bank, personal="gender").at("2026Q3").features
        assert "gender" in table and "age_group" not in table
        with pytest.raises(UsageError, match=r"'gendr'\. Did you mean 'gender'"):
            EarlyWarning(personal="gendr").learn(bank, until="2026Q2")

    def test_a_missing_quarter_is_an_error(self) -> None:
        """Without the quarter to judge by, or two to learn from, the days there are are named."""
        with pytest.raises(UsageError, match="no rows as of 2026-12-31"):
            EarlyWarning().backtest(history_with("planted", FEW), "2026Q3")
        with pytest.raises(UsageError, match="no two quarters in a row"):
            EarlyWarning().learn(history_with("planted", FEW), until="2025Q3")


class TestSize:
    """What makes a million customers fit into memory and minutes changes no answer."""

    def test_folds_hold_owners_together_and_events_apart(self) -> None:
        """No owner stands in two folds, and events of every fifth owner lie in each of them."""
        table, _ = foreign_table(2000)
        owner = np.arange(2000) % 1000
        event = owner % 5 == 0
        model = EarlyWarning(model="logistic").fit(table, event, groups=owner)
        for learnt, tested in model.model_.cv:
            assert not set(owner[learnt]) & set(owner[tested])
            assert 50 < event[tested].sum() < 110  # 80 of 400 on the average

    def test_of_many_rows_as_many_are_drawn_from_each_quarter(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With 600 rows at most two pairs of quarters give 300 each."""
        monkeypatch.setattr(features, "MOST_ROWS", 600)
        history, model = history_with("planted", FEW), EarlyWarning()
        known = [str(quarter) for quarter in bank_with("planted", FEW).quarters]
        table, target = history.examples(model._label_events, until=known[2])
        assert len(table) == len(target) == 600
        first = history.at(known[0]).features
        drawn = table[:300]
        pd.testing.assert_frame_equal(drawn, first.loc[drawn.index])

    def test_the_reason_is_the_column_whose_middle_value_lowers_the_risk_most(self) -> None:
        """Asked column by column of all rows, the model gives the same reasons."""
        model = EarlyWarning(model="logistic")
        history = history_with("planted", FEW)
        scored = model.learn(history, until="2026Q2").score_customers(history, "2026Q3")
        table = history.at("2026Q3").features
        codes = model.encoder_.transform(table.loc[scored["customer_id"]])
        risks = []
        for column, middle in enumerate(np.nanmedian(codes, axis=0)):
            without = codes.copy()
            without[:, column] = middle
            risks.append(model.model_.predict_proba(without)[:, 1])
        names = [features.feature_name(name, "en") for name in model.encoder_.columns_]
        assert [names[column] for column in np.argmin(risks, axis=0)] == scored["reason"].tolist()


class TestForeignTable:
    """A labelled table of one's own goes through the same door."""

    def test_a_foreign_table_is_learnt_from(self) -> None:
        """Own columns, gaps and text labels: beats the plain rule and is calibrated."""
        table, label = foreign_table(3000)
        model = sca.EarlyWarning().fit(table[:2000], label[:2000])
        test = table[2000:]
        report = model.assess(
            test,
            label[2000:],
            rules={"inactive": ~test["IsActiveMember"]},
            by=test[["Geography"]],
        )
        assert report.scores.iloc[0]["value"] > 0.65
        assert set(report.importance["feature"][:2]) == {"IsActiveMember", "Geography"}
        assert "unknown" in set(report.groups["group"])
        predicted = report.deciles["predicted"] @ report.deciles["n"]
        assert predicted == pytest.approx(report.deciles["events"].sum(), rel=0.15)

    def test_polars_and_pandas_give_the_same(self) -> None:
        """The engine of the table changes no probability."""
        table, label = foreign_table()
        model = EarlyWarning(model="logistic").fit(table, label)
        cells = table.astype(object).where(table.notna(), None)  # pl.from_pandas asks for pyarrow
        frame = pl.DataFrame({name: cells[name].tolist() for name in cells})
        same = EarlyWarning(model="logistic").fit(frame, label)
        np.testing.assert_allclose(same.predict_proba(frame), model.predict_proba(table))
        assert set(model.predict(table)) <= {"yes", "no"}

    def test_types_of_python_are_those_of_pandas(self) -> None:
        """Dates, decimals, numbers and spans of time held as Python's objects are no names."""
        table, _ = foreign_table()
        spans = table["Joined"] - pd.Timestamp("2020-01-01")
        plain = table.assign(Span=spans.dt.days.astype(float), Balance=table["Balance"].round(2))
        odd = plain.assign(
            Joined=plain["Joined"].dt.date,
            Span=spans,
            Balance=[None if np.isnan(b) else Decimal(str(b)) for b in plain["Balance"]],
            Age=plain["Age"].astype(object),
        )
        expected, found = (TableEncoder().fit(one) for one in (plain, odd))
        assert found.columns_ == expected.columns_
        codes = expected.transform(plain)
        np.testing.assert_allclose(found.transform(odd), codes)
        lone = TableEncoder().fit_transform(odd["Joined"])[:, 0]
        np.testing.assert_array_equal(lone, codes[:, expected.columns_.index("Joined")])

    def test_it_clones_and_repeats(self) -> None:
        """A clone has the parameters and, fitted again, the same probabilities."""
        table, label = foreign_table()
        model = EarlyWarning(random_state=5)
        again = clone(model)
        assert again.get_params() == model.get_params()
        np.testing.assert_array_equal(
            model.fit(table, label).predict_proba(table),
            again.fit(table, label).predict_proba(table),
        )

    def test_metrics_agree_with_scikit_learn(self) -> None:
        """AUC, average precision and Brier are scikit-learn's, ties included."""
        table, label = foreign_table()
        model = EarlyWarning(model="logistic").fit(table[:800], label[:800])
        rule = table["Age"][800:].round(-1)
        report = model.assess(table[800:], label[800:], rules={"age": rule})
        event = label[800:] == "yes"
        probability = model.predict_proba(table[800:])[:, 1]
        expected = [
            roc_auc_score(event, probability),
            average_precision_score(event, probability),
            brier_score_loss(event, probability),
            roc_auc_score(event, rule),
            average_precision_score(event, rule),
        ]
        np.testing.assert_allclose(report.scores["value"], expected)
        inside = report.scores["value"].between(report.scores["low"], report.scores["high"])
        assert inside.all()
        assert report.scores["low"][0] > 0.5
        assert "wrong way round" not in "\n".join(report.sentences("en"))
        turned = model.assess(table[800:], pd.Series(event).map({True: "no", False: "yes"}))
        assert turned.scores["high"][0] < 0.5
        assert "The interval lies below 0.5" in "\n".join(turned.sentences("en"))
        assert "区间低于0.5" in "".join(turned.sentences("zh"))
        assert "holds 0.5" not in "\n".join(turned.sentences("en"))
        gain = report.gains.set_index("measure").loc["auc"]
        assert gain["value"] == pytest.approx(expected[0] - expected[3])
        assert report.deciles["captured"].iloc[-1] == 1


class TestRefusals:
    """What cannot be learnt from is refused, with its numbers."""

    def test_too_few_events_are_refused(self) -> None:
        """Forty-nine events are too few, whatever scikit-learn would fit."""
        table, _ = foreign_table()
        with pytest.raises(UsageError, match="49 events and 1151 others are too few to learn from"):
            EarlyWarning().fit(table, np.arange(len(table)) < 49)

    def test_one_class_and_gaps_are_refused(self) -> None:
        """One kind of label, three kinds, and empty labels are errors."""
        table, label = foreign_table()
        with pytest.raises(UsageError, match="there are 1"):
            EarlyWarning().fit(table, np.zeros(len(table)))
        with pytest.raises(UsageError, match="there are 3"):
            EarlyWarning().fit(table, np.arange(len(table)) % 3)
        with pytest.raises(UsageError, match="1 labels are empty"):
            EarlyWarning().fit(table, label.where(label.index > 0))

    def test_events_are_counted_by_owner(self) -> None:
        """Ten customers with the event in ten quarters each are ten events, not a hundred."""
        table, _ = foreign_table()
        owner = np.where(np.arange(1200) < 100, np.arange(1200) % 10, np.arange(1200))
        with pytest.raises(UsageError, match="10 events and 1100 others are too few"):
            EarlyWarning().fit(table, np.arange(1200) < 100, groups=owner)

    def test_which_label_is_the_event_is_said(self) -> None:
        """Named, either label is the event: the same probabilities as with True, and no warning."""
        table, label = foreign_table()
        words = np.where(label == "yes", "Attrited Customer", "Existing Customer")
        plain = EarlyWarning(model="logistic").fit(table, label == "yes")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = EarlyWarning(model="logistic").fit(table, words, event="Attrited Customer")
        assert [*model.classes_] == ["Existing Customer", "Attrited Customer"]
        expected = plain.predict_proba(table)
        np.testing.assert_array_equal(model.predict_proba(table), expected)
        assert (model.predict(table) == "Attrited Customer").tolist() == (
            plain.predict(table).tolist()
        )
        for name in ("scores", "deciles"):
            reports = (m.assess(table, y) for m, y in ((model, words), (plain, label == "yes")))
            pd.testing.assert_frame_equal(*(getattr(report, name) for report in reports))
        with pytest.raises(UsageError, match="event among the labels 'Churned'"):
            model.fit(table, words, event="Churned")

    @pytest.mark.parametrize(
        ("event", "other"),
        [
            ("churn", "stay"),
            ("bad", "good"),
            ("closed", "open"),
            ("Attrited Customer", "Existing Customer"),
            (" YES", "No "),
            ("Churn", "No churn"),
            ("流失", "正常"),
            ("是", "否"),
            ("1", "0"),
            (1, -1),
            (True, False),
        ],
    )
    def test_a_label_that_says_so_is_the_event(self, event: object, other: object) -> None:
        """Whichever comes first in the alphabet, and without a warning."""
        labels, _ = as_labels([event, other, event])
        assert labels[event_place(labels, None)] == event

    @pytest.mark.parametrize(
        ("first", "second"), [(1, 2), ("A", "B"), ("休眠", "正常"), ("closed", "exited")]
    )
    def test_where_no_label_says_so_both_are_named(self, first: object, second: object) -> None:
        """The later one is taken, and what the warning proposes is accepted, as is its text."""
        labels, _ = as_labels([first, second])
        words = f"labels {first!r} and {second!r} the second counts as the event: confirm it by "
        with pytest.warns(UserWarning, match=f"{words}event={second!r}, or say event={first!r}"):
            assert event_place(labels, None) == 1
        for place, label in enumerate((first, second)):
            assert [event_place(labels, name) for name in (label, f" {label}")] == [place, place]

    def test_parameters_are_checked_before_anything_is_learnt(self) -> None:
        """A table of one's own, of which not all are needed, is no reason to pass over them."""
        table, label = foreign_table(10)
        refused = {
            r"loss must lie above 0 and up to 1; given 2": {"loss": 2},
            "unknown language 'fr'": {"language": "fr"},
            "fact about the person 'age'": {"personal": ["age"]},
        }
        for words, parameters in refused.items():
            with pytest.raises(UsageError, match=words):
                EarlyWarning(**parameters).fit(table, label)

    @pytest.mark.parametrize("odd", ["3", None, [1], float("nan")])
    @pytest.mark.parametrize("model", [EarlyWarning, Segments, NextProduct, CampaignEffect])
    def test_a_parameter_of_an_odd_type_is_named(self, model: type[Any], odd: object) -> None:
        """Text, nothing, a list, no number: one error that names the parameter."""
        free = {"policy"} | ({"n_segments"} if odd is None else set())
        data: tuple[Any, ...] = (pd.DataFrame({"a": np.arange(400.0)}), np.arange(400) % 2)
        for name in {*model().get_params()} - free:
            words = "fact about the person" if name == "personal" else name
            with pytest.raises(UsageError, match=words):
                model(**{name: odd}).fit(*data, *data[1:] * (model is CampaignEffect))

    def test_owners_are_named_by_no_feature(self) -> None:
        """In four rows each customers have one number and one name, and neither is learnt from."""
        table, label = foreign_table()
        owner = np.arange(1200) % 300
        names = {"customer_id": owner, "cif": owner * 7, "name": [f"N{who}" for who in owner]}
        panel = table.assign(**names, income=owner / 2.0, note=[f"on {row}" for row in range(1200)])
        panel["cust_no"] = [None if row == 7 else row % 300 for row in range(1200)]
        with pytest.warns(UserWarning, match="names: customer_id, cif, name, note, cust_no"):
            model = EarlyWarning(model="logistic").fit(panel, label, groups=owner)
        assert {*model.encoder_.columns_} == {*table, "income"}

    @pytest.mark.parametrize("twice", [3, 1200])
    def test_rows_that_stand_twice_hide_no_names(self, twice: int) -> None:
        """Without groups a number and a text are names, though some rows or all stand twice."""
        table, _ = foreign_table()
        named = table.assign(**{"cust id": range(1200)}, note=[f"n{row}" for row in range(1200)])
        with pytest.warns(UserWarning, match="names: cust id, note"):
            TableEncoder().fit(pd.concat([named, named[:twice]]))

    def test_numbers_of_customers_are_left_out_aloud(self) -> None:
        """A whole number of its own in every row, called a number, is no feature; amounts are."""
        table, label = foreign_table()
        rows = np.arange(len(table))
        numbers = table.assign(
            CLIENTNUM=rows, RowNumber=rows, CustomerId=rows, Paid=rows, 客户号=rows
        )
        with pytest.warns(UserWarning, match="names: CLIENTNUM, RowNumber, CustomerId, 客户号"):
            model = EarlyWarning(model="logistic").fit(numbers, label)
        assert "Paid" in model.encoder_.columns_
        written = table.assign(Charges=[f"{1_000 + row / 8:,.3f}" for row in rows])
        written.loc[:3, "Charges"] = " "
        with pytest.warns(UserWarning, match=r"names: Charges\. Amounts .* text: Charges\. Give"):
            model.fit(written, label)

    def test_constant_columns_and_names_are_left_out_aloud(self) -> None:
        """A column with one value and one with a value of its own in each row are warned of."""
        table, label = foreign_table()
        table["Currency"], table["Surname"] = "CNY", [f"N{row}" for row in range(len(table))]
        with pytest.warns(UserWarning, match="constant or names: Currency, Surname"):
            model = EarlyWarning(model="logistic").fit(table, label)
        assert model.encoder_.left_out_ == ["Currency", "Surname"]
        with pytest.raises(UsageError, match="no column tells customers apart"):
            TableEncoder().fit(table[["Currency"]])

    def test_an_unseen_label_counts_as_empty_aloud(self) -> None:
        """A label that was not there in learning is warned of and taken for a gap."""
        table, label = foreign_table()
        model = EarlyWarning(model="logistic").fit(table, label)
        row = table[:1].assign(Geography="Portugal")
        with pytest.warns(UserWarning, match="count as empty, in: Geography"):
            strange = model.predict_proba(row)
        np.testing.assert_array_equal(strange, model.predict_proba(row.assign(Geography=None)))

    def test_missing_columns_and_infinite_numbers_are_errors(self) -> None:
        """A table without a column learnt from, and one with infinite numbers, are refused."""
        table, label = foreign_table()
        model = EarlyWarning(model="logistic").fit(table, label)
        with pytest.raises(UsageError, match="lacks 1 columns learnt from: Age"):
            model.predict_proba(table.drop(columns="Age"))
        with pytest.raises(UsageError, match="'Age' holds 1200 infinite numbers"):
            model.predict_proba(table.assign(Age=np.inf))
        with pytest.raises(UsageError, match="unknown model 'forest'"):
            EarlyWarning(model="forest").fit(table, label)
        with pytest.raises(UsageError, match=r"loss must lie above 0 and up to 1; given 2"):
            EarlyWarning(loss=2).learn(history_with("planted", FEW), until="2026Q2")

    def test_odd_tables_and_labels_are_said_in_words(self) -> None:
        """What scikit-learn would take for something else, or stumble over, is an error of ours."""
        table, label = foreign_table()
        model, event = EarlyWarning(model="logistic"), label == "yes"
        refused = {
            "columns of one name: Age": (pd.concat([table, table[["Age"]]], axis=1), event),
            "column 'Tags' holds lists": (table.assign(Tags=[[1]] * len(table)), event),
            "labels are of several types": (table, [True, "no"] * 600),
            "labels: 1199 rows, and the table has 1200": (table, event[1:]),
        }
        for words, (odd, labels) in refused.items():
            with pytest.raises(UsageError, match=words):
                model.fit(odd, labels)
        for groups in (["one"] * 1200, [None] * 1200):
            with pytest.raises(UsageError, match="5 owners or more"):
                model.fit(table, event, groups=groups)
        with pytest.raises(UsageError, match="groups: 3 rows"):
            model.fit(table, event, groups=[1, 2, 3])
        assert [*model.fit(table, np.where(event, "left", "stayed")).classes_] == ["stayed", "left"]
        with pytest.raises(UsageError, match="labels are not those learnt, stayed, left"):
            model.assess(table, event)
        model.fit(table, event)
        with pytest.raises(UsageError, match="'Age' holds text where numbers are needed"):
            model.predict_proba(table.assign(Age="old"))
        for rules, words in (
            ({"country": table["Geography"].fillna("?")}, "'country' holds text"),
            ({"age": table["Age"].where(table["Age"] > 30)}, "say nothing of some rows: age"),
            ({"age": [1, 2]}, "age: 2 rows"),
            (table["Age"], "what each is called"),
        ):
            with pytest.raises(UsageError, match=words):
                model.assess(table, event, rules=rules)
