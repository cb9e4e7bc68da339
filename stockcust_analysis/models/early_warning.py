"""Early warning (流失预警模型): who may go dormant, or take the money away, by the next quarter.

with sca.open_bank("data/sample") as bank:
    warning = sca.EarlyWarning()
    print(warning.backtest(bank, "2026Q2"))        # is it any good, beside the plain rules?
    risks = warning.score_customers(bank, "2026Q3")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.periods import Day, as_quarter
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures.co_holding import proportion_interval
from stockcust_analysis.measures.growth import attrition_warning
from stockcust_analysis.models import features, inputs
from stockcust_analysis.models.features import ByName, History, Snapshot, as_table
from stockcust_analysis.models.inputs import Array
from stockcust_analysis.policy import PolicyLike, as_policy

# With fewer customers of either kind to learn from, a model fits chance: it is refused.
LEAST_EVENTS = 50
# With fewer of either kind, an interval of the AUC says nothing.
LEAST_TESTED = 20
_FOLDS = 5
_MEASURES = ("auc", "average_precision", "brier")
_TREES = {"learning_rate": 0.06, "max_leaf_nodes": 8, "early_stopping": False}


@dataclass(kw_only=True, eq=False, repr=False)
class EarlyWarning(ClassifierMixin, BaseEstimator):
    """Probability that a customer goes dormant or loses half the AUM by next quarter (流失预警).

    Gradient boosted trees or a logistic regression, calibrated by folds in which no customer
    stands twice. It learns from a bank (`backtest`, `learn`) or, as any classifier of scikit-learn,
    from a table of one's own (`fit`, `assess`).

    Parameters
    ----------
    model : "trees" or "logistic"
        Trees find borders and combinations; with few events the logistic regression is steadier.
    loss : float
        Part of the period-end AUM whose loss is an event, above 0 and up to 1.
    policy : Policy, name or path, optional
        Scope, dormancy rule and attrition rule; the shipped policy when left out.
    personal : list of "age_group", "gender", "groups"
        Facts about the person that may be features; none by default.
    language : "zh" or "en"
        Language of the reasons.
    random_state : int
        The same seed gives the same model.

    Attributes
    ----------
    classes_ : array of shape (2,)
        The labels; the second one is the event.
    encoder_ : TableEncoder
        Columns learnt from, and those left out.

    Notes
    -----
    Fewer than 50 events, or 50 others, to learn from are refused: scikit-learn would fit them
    without a word. A probability is no reason; see `docs/models/early-warning.md` for what this
    must not be used for.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange(400) % 200
    >>> table = pd.DataFrame({"days_since_active": days, "channel": ["a", "b"] * 200})
    >>> model = EarlyWarning(model="logistic").fit(table, days > 150)
    >>> model.predict_proba(table)[[0, 199], 1].round(1).tolist()
    [0.0, 1.0]
    """

    model: str = "trees"
    loss: float = 0.5
    policy: PolicyLike = None
    personal: Sequence[str] = ()
    language: str = "en"
    random_state: int = 0

    def fit(self, X: Any, y: Any, groups: Any = None, *, event: Any = None) -> Self:
        """Learn from a table of customers and whether each had the event.

        Parameters
        ----------
        X : table of shape (n, features)
            Of any engine; numbers, flags, dates and labels, with gaps. No column of it may know
            what came after the as-of date.
        y : array-like of shape (n,)
            Two kinds of labels.
        groups : array-like of shape (n,), optional
            Whose row it is, where a customer stands several times (several quarters). Events are
            counted by these owners.
        event : label, optional
            Which label is the event, such as "Attrited Customer", or its text. Left out it is the
            one that says so (True, 1, "yes", "是", "churned", "流失"); where none or both do, the
            later one in sorted order, with a warning.

        Raises
        ------
        UsageError
            One class or more than two, gaps among the labels, too few events, other lengths; no
            label such as `event`; a column of lists or of infinite numbers, two of one name, or
            none that tells.
        """
        inputs.require_parameters(self)
        table, (labels, codes) = as_table(X), inputs.as_labels(y)
        inputs.require_rows(len(table), {"labels": codes, "groups": groups})
        place = inputs.event_place(labels, event)
        self.classes_, target = labels[[1 - place, place]], (codes == place).astype(int)
        rows = features.draw_rows(len(target))
        table, target = table.iloc[rows], target[rows]
        owner = np.arange(len(rows)) if groups is None else np.asarray(groups)[rows]
        if pd.isna(owner).any() or len(np.unique(owner)) < _FOLDS:
            raise UsageError(say("owners_lack", _FOLDS))
        owners = pd.DataFrame({"owner": owner, "event": target}).drop_duplicates()
        _require_both(owners["event"].to_numpy(), LEAST_EVENTS, "too_few_to_learn")
        self.encoder_ = features.TableEncoder().fit(table, groups=owner)
        codes = self.encoder_.transform(table)
        # Owners in any order; stratified folds would take half a minute for 200,000 of them.
        chance = np.random.default_rng(self.random_state).permutation(len(rows))
        owner = chance[np.unique(owner, return_inverse=True)[1]]
        folds = list(GroupKFold(_FOLDS).split(codes, groups=owner))
        # One model of all rows, its calibration learnt from what the folds say of others' rows.
        self.model_ = CalibratedClassifierCV(self._classifier(), cv=folds, ensemble=False)
        self.model_.fit(codes, target)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of no event and of the event, an array of shape (n, 2).

        Parameters
        ----------
        X : table of shape (n, features)
            With the columns learnt from.
        """
        inputs.require_learnt(self, "model_")
        return np.asarray(self.model_.predict_proba(self.encoder_.transform(X)))

    def predict(self, X: Any) -> Array:
        """Return the more probable label of each row; for rare events rank by probability.

        Parameters
        ----------
        X : table of shape (n, features)
            With the columns learnt from.
        """
        return np.asarray(self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)])

    def assess(self, X: Any, y: Any, *, rules: ByName = None, by: Any = None) -> WarningReport:
        """Return how good the probabilities are on rows that were not learnt from.

        Parameters
        ----------
        X, y : as in `fit`
            Of a later date than those learnt from.
        rules : mapping of name to array-like of shape (n,), optional
            What a plain rule says of each row: a flag, or a number that is higher the more at
            risk (days since the last activity).
        by : table of shape (n, …), optional
            Columns by whose values errors are compared, such as age band and gender.

        Raises
        ------
        UsageError
            Fewer than 20 rows of either kind; other labels than those learnt.
        """
        inputs.require_learnt(self, "model_")
        table, (labels, codes) = as_table(X), inputs.as_labels(y)
        rules = inputs.by_name("rules", rules, "{'recency': days}")
        if {*labels} != {*self.classes_}:
            raise UsageError(say("labels_not_learnt", [*self.classes_]))
        target = (labels[codes] == self.classes_[1]).astype(int)
        inputs.require_rows(len(table), {"labels": target, "by": by, **rules})
        _require_both(target, LEAST_TESTED, "too_few_to_test")
        codes = self.encoder_.transform(table)
        probability = np.asarray(self.model_.predict_proba(codes))[:, 1]
        columns = (inputs.as_column(rule, name) for name, rule in rules.items())
        scores = {str(column.name): features.numbers_of(column) for column in columns}
        if gaps := [name for name, score in scores.items() if np.isnan(score).any()]:
            raise UsageError(say("rules_have_gaps", gaps))
        compared, gains = _compare({"model": probability} | scores, target)
        importance, deciles = self._importance(codes, target), _deciles(probability, target)
        groups = None if by is None else _errors_by(as_table(by), probability, target)
        return WarningReport(compared, gains, deciles, importance, groups)

    def learn(self, bank: Bank | History, *, until: Day) -> Self:
        """Learn from every pair of quarters of a bank that ends at `until` or before.

        Parameters
        ----------
        bank : Bank
            With at least two quarters in a row.
        until : "2026Q3"
            Nothing after this quarter is looked at.
        """
        inputs.require_parameters(self)
        table, target = History.of(bank, self).examples(self._label_events, until=until)
        table = table.loc[:, table.nunique(dropna=False) > 1]
        return self.fit(table, target, groups=table.index.to_numpy())

    def backtest(self, bank: Bank, as_of: Day) -> WarningReport:
        """Learn from what was known at `as_of`, and judge it by the quarter after.

        The rules beside it are recency (days since the last own transaction) and the policy's
        attrition warning. Errors are compared by age band and gender where they are delivered.

        Parameters
        ----------
        bank : Bank
            With at least three quarters in a row, the last one after `as_of`.
        as_of : "2026Q2"
            Quarter at whose end the prediction is made.

        Raises
        ------
        UsageError
            A quarter is missing; too few events.

        Examples
        --------
        >>> from stockcust_analysis import make_bank, open_bank
        >>> with open_bank(make_bank(7, branches=10, customers=3_000, quarters=4)) as bank:
        ...     report = EarlyWarning(model="logistic").backtest(bank, "2026Q2")
        >>> int(report.deciles["n"].sum()) > 1_000, sorted(set(report.gains["score"]))
        (True, ['attrition_warning', 'recency'])
        """
        history, quarter = History.of(bank, self), as_quarter(as_of)
        now, later = history.at(quarter), history.at(quarter.shifted(1))
        table, target = self.learn(history, until=quarter)._label_events(now, later)
        rules = {"recency": table["days_since_active"].fillna(99_999)}
        if quarter.previous in bank.quarters:
            warned = self._rule_warnings(history.at(quarter.previous), now)
            rules |= {"attrition_warning": warned[table.index]}
        by = now.attributes.loc[table.index].filter(["age_group", "gender"])
        return self.assess(table, target, rules=rules, by=None if by.empty else by)

    def score_customers(
        self, bank: Bank | History, as_of: Day, *, top: float | None = None
    ) -> pd.DataFrame:
        """Return the active funded customers of a quarter's end, those most at risk first.

        Parameters
        ----------
        bank : Bank
            The one learnt from, or one with the same columns.
        as_of : "2026Q3"
            Quarter at whose end they are scored.
        top : number, optional
            Only so many of them; below 1 that part of them.

        Returns
        -------
        DataFrame
            `customer_id`, `branch_id`, `probability`, and `reason`: the feature without whose
            value (the middle one of all instead) the probability would be lowest.
        """
        inputs.require_learnt(self, "model_")
        if top is not None:
            inputs.require_number("top", top)
        snapshot = History.of(bank, self).at(as_of)
        everybody = snapshot.attributes.loc[_at_risk(snapshot, self.policy), ["branch_id"]]
        codes = self.encoder_.transform(snapshot.features.loc[everybody.index])
        risk = features.event_probability(self.model_, codes)
        most = len(risk) if top is None else int(np.ceil(top * len(risk) if top < 1 else top))
        rows = np.argsort(-risk, kind="stable")[:most]
        table = everybody.iloc[rows].astype(str)
        middle, parts = pd.DataFrame(codes).median().to_numpy(), features.parts(rows)
        if unknown := np.array(self.encoder_.columns_)[np.isnan(middle)].tolist():
            warn(say("unknown_of_all", features.in_words(unknown)), stacklevel=2)
        reasons = np.concatenate([self._reasons(codes[part], middle) for part in parts])
        table = table.assign(probability=risk[rows], reason=reasons)
        return table.rename_axis("customer_id").reset_index()

    def _label_events(self, now: Snapshot, later: Snapshot) -> tuple[pd.DataFrame, pd.Series]:
        """Return the customers at risk, and what became of them by the later date.

        Who is no longer among the bank's customers has lost everything.
        """
        at_risk = now.attributes.loc[_at_risk(now, self.policy), ["aum_period_end"]]
        after = later.attributes[["aum_period_end", "status"]].reindex(at_risk.index)
        before, left = at_risk["aum_period_end"], after["aum_period_end"].fillna(0)
        lost = left <= before * (1 - self.loss)
        event = lost | (after["status"] == "dormant") | after["status"].isna()
        return now.features.loc[at_risk.index], event

    def _rule_warnings(self, before: Snapshot, now: Snapshot) -> pd.Series:
        """Return the policy's attrition warning of the customers of a date, 1 or 0."""
        columns = ["branch_id", "aum_average_quarter"]
        opening, closing = (side.attributes[columns].reset_index() for side in (before, now))
        warned = attrition_warning(opening, closing, policy=as_policy(self.policy))
        return pd.DataFrame(warned).set_index("customer_id")["attrition"].fillna(0)

    def _classifier(self) -> Any:
        """Return the classifier to be calibrated."""
        if self.model == "logistic":
            return self.encoder_.logistic(0.05)
        how = {"categorical_features": self.encoder_.is_label_, "random_state": self.random_state}
        return HistGradientBoostingClassifier(**_TREES, **how)

    def _importance(self, codes: Array, target: Array) -> pd.DataFrame:
        """Return by how much the AUC falls when a column is shuffled, with its interval."""
        rows = features.draw_rows(len(target), 4_000)
        how = {"scoring": "roc_auc", "n_repeats": 4, "random_state": self.random_state}
        losses = permutation_importance(self.model_, codes[rows], target[rows], **how)
        mean, spread = losses.importances_mean, 1.96 * losses.importances_std
        columns = {"feature": self.encoder_.columns_, "auc_loss": mean}
        table = pd.DataFrame(columns | {"low": mean - spread, "high": mean + spread})
        return table.sort_values("auc_loss", ascending=False, kind="stable", ignore_index=True)

    def _reasons(self, codes: Array, middle: Array) -> Array:
        """Return for each row the column that raises its probability most."""
        own = self.model_.predict_proba(codes)[:, 1]
        lowest, reason = np.full(len(codes), np.inf), np.zeros(len(codes), dtype=int)
        for column, value in enumerate(middle):
            differs, risk = codes[:, column] != value, own.copy()
            if differs.any():
                without = codes[differs]
                without[:, column] = value
                risk[differs] = self.model_.predict_proba(without)[:, 1]
            lower = risk < lowest
            lowest[lower], reason[lower] = risk[lower], column
        words = [features.feature_name(name, self.language) for name in self.encoder_.columns_]
        return np.array(words)[reason]


@dataclass(frozen=True)
class WarningReport(features.Report):
    """How good an early warning is, on customers it did not learn from, beside plain rules.

    Attributes
    ----------
    scores : DataFrame
        `score` (the model, then the rules), `measure` (auc, average_precision, brier of the
        model), `value`, `low`, `high` (95 % bootstrap interval).
    gains : DataFrame
        `score` (a rule), `measure` and by how much the model is higher: `value`, `low`, `high`.
    deciles : DataFrame
        Ten groups, the most at risk first: `n`, `events`, mean `predicted`, `observed` rate with
        `low` and `high` (Wilson) for the calibration curve; `lift` over the average with
        `lift_low` and `lift_high`; `captured`, the share of all events up to here.
    importance : DataFrame
        `feature` and `auc_loss` when it is shuffled, with `low` and `high`. Features that say the
        same share it.
    groups : DataFrame or None
        Errors by attribute: `column`, `group`, `n`, `events`, mean `predicted`, `observed` with
        `low` and `high`, `auc`, and `missed`, the events that were not in the top tenth.
    """

    scores: pd.DataFrame
    gains: pd.DataFrame
    deciles: pd.DataFrame
    importance: pd.DataFrame
    groups: pd.DataFrame | None

    @property
    def beats_rules(self) -> bool:
        """Whether the AUC is above that of every rule, beyond chance; False without a rule."""
        low = self.gains.loc[self.gains["measure"] == "auc", "low"]
        return len(low) > 0 and bool((low > 0).all())

    def describe(self, language: str) -> list[str]:
        """Return what there is to say."""
        auc, top = self.scores.iloc[0], self.deciles.iloc[0]
        seen = self.importance[self.importance["low"] > 0]["feature"]
        comma, most = "、" if language == "zh" else ", ", 5 if auc["low"] > 0.5 else 0
        names = comma.join(features.feature_name(name, language) for name in seen[:most])
        n, events = self.deciles[["n", "events"]].sum()
        facts = {"n": n, "events": events, "rate": events / n, "names": names}
        facts |= {"predicted": self.deciles["predicted"] @ self.deciles["n"]}
        said: list[tuple[str, Any]] = [("base", facts), ("auc", auc)]
        if auc["low"] <= 0.5:
            said.append(("worse_than_chance" if auc["high"] < 0.5 else "no_better_than_chance", {}))
        for gain in self.gains[self.gains["measure"] == "auc"].to_dict("records"):
            gain["score"] = features.feature_name(gain["score"], language)
            said.append(("beats" if gain["low"] > 0 else "does_not_beat", gain))
        said += [("no_rule", {})] if self.gains.empty else []
        said += [("calibration", facts), ("lift", top)]
        said.append(("importance" if names else "no_importance", facts))
        return [features.sentence(key, language, **dict(values)) for key, values in said]

    def chart_rows(self, language: str) -> pd.DataFrame:
        """Return the ten groups by risk: rate observed, with its interval, and predicted."""
        names = [features.sentence("decile", language, number=n) for n in self.deciles["decile"]]
        rows = self.deciles.assign(name=names, value=self.deciles["observed"])
        return rows[["name", "value", "low", "high", "predicted"]]


def _at_risk(snapshot: Snapshot, policy: PolicyLike) -> pd.Series:
    """Return who is an active funded customer, with money to lose at the period's end."""
    facts, least = snapshot.attributes, as_policy(policy).bases.funded
    active = facts["status"].isin(["active", "active_small"]) & (facts["funded"] == 1)
    return active & (facts["aum_period_end"] >= least)


def _require_both(target: Array, least: int, problem: str) -> None:
    """Raise where there are too few events or too few others."""
    events, others = int(target.sum()), int((1 - target).sum())
    if min(events, others) < least:
        raise UsageError(say(problem, events, others, least))


def _ranks(score: Array) -> tuple[Array, Array]:
    """Return the order of falling scores, and where in it each distinct score begins."""
    order = np.argsort(-score, kind="stable")
    return order, np.flatnonzero(np.diff(score[order], prepend=np.inf))


def _ranking_scores(target: Array, weights: Array, starts: Array) -> tuple[float, float]:
    """Return AUC and average precision of rows in order of falling scores."""
    events = np.add.reduceat(weights * target, starts)
    everybody = np.add.reduceat(weights, starts)
    hits, seen = events.cumsum(), everybody.cumsum()
    others = everybody - events
    below = others.sum() - others.cumsum() + others / 2
    precision = hits / np.maximum(seen, 1e-12)
    total = hits[-1]
    return float(events @ below / (total * others.sum())), float(events @ precision / total)


def _compare(scores: Mapping[str, Array], target: Array) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return AUC and average precision of each score and the Brier score of the first."""
    ranks = [_ranks(score) for score in scores.values()]
    squared = (scores["model"] - target) ** 2

    def measure(weights: Array) -> Array:
        brier = [weights @ squared / weights.sum()] + [np.nan] * (len(ranks) - 1)
        ranked = [_ranking_scores(target[o], weights[o], starts) for o, starts in ranks]
        return np.column_stack([ranked, brier])

    return features.compare_scores(measure, len(target), [*scores], _MEASURES)


def _rate_row(probability: Array, target: Array) -> dict[str, Any]:
    """Return predicted and observed rate of some customers, with the Wilson interval."""
    n, events = len(target), int(target.sum())
    low, high = proportion_interval(events, n)
    rates = {"predicted": probability.mean(), "observed": events / n, "low": low, "high": high}
    return {"n": n, "events": events} | rates


def _deciles(probability: Array, target: Array) -> pd.DataFrame:
    """Return ten groups of falling probability: calibration curve and lift."""
    parts = np.array_split(np.argsort(-probability, kind="stable"), 10)
    table = pd.DataFrame([_rate_row(probability[part], target[part]) for part in parts])
    table.insert(0, "decile", range(1, 11))
    for lift, rate in {"lift": "observed", "lift_low": "low", "lift_high": "high"}.items():
        table[lift] = table[rate] / target.mean()
    table["captured"] = table["events"].cumsum() / target.sum()
    return table


def _errors_by(by: pd.DataFrame, probability: Array, target: Array) -> pd.DataFrame:
    """Return how errors differ between the values of some columns."""
    top = probability >= np.quantile(probability, 0.9)
    rows = []
    for column in features.names_of(by):
        names = by[column].astype(object).where(by[column].notna(), "unknown").astype(str)
        for name in sorted(names.unique()):
            chosen = (names == name).to_numpy()
            risk, event = probability[chosen], target[chosen]
            auc = roc_auc_score(event, risk) if 0 < event.sum() < len(event) else np.nan
            missed = (event * ~top[chosen]).sum() / event.sum() if event.any() else np.nan
            row = {"column": column, "group": name, **_rate_row(risk, event)}
            rows.append(row | {"auc": auc, "missed": missed})
    return pd.DataFrame(rows)
