"""Campaign effect (营销效果): how contacted customers changed, beside others who were like them.

with sca.open_bank("data/sample") as bank:
    effect = sca.CampaignEffect().measure(bank, contacted, before="2026Q2", after="2026Q3")
    print(effect)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.periods import Day, as_quarter
from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.models import features, inputs
from stockcust_analysis.models.features import History, as_table, feature_name, sentence
from stockcust_analysis.models.inputs import Array
from stockcust_analysis.policy import PolicyLike

# With fewer pairs the interval of their mean does not hold.
LEAST_PAIRS = 30
_AUM = "aum_average_quarter"
# Standardised difference of a feature between matched groups above which they are not alike.
MOST_DIFFERENCE = 0.2


@dataclass(kw_only=True, eq=False, repr=False)
class CampaignEffect(BaseEstimator):
    """Difference in differences between contacted customers and matched others (匹配双重差分).

    Each contacted customer is paired with one who was not contacted and as likely to be (a logistic
    regression on what was known before); no one stands in two pairs, and those hardest to match
    choose first. The effect is the mean difference of their changes. What is not in the features
    (a manager's hunch) is not matched: only a random hold-out shows a cause beyond doubt.

    Parameters
    ----------
    caliper : float
        Largest distance within a pair, in standard deviations of the log-odds.
    least_matched : float
        Share of contacted customers who must find a pair; with less the comparison is refused.
    policy : Policy, name or path, optional
        Scope and families; the shipped policy when left out.
    personal : list of "age_group", "gender", "groups"
        Facts about the person to be matched, too.

    Attributes
    ----------
    effect_ : float
        Mean difference of changes, `low_` and `high_` its 95 % interval.
    pairs_ : DataFrame
        Positions of `contacted` and `other` in the table, and the `difference` of their changes.
    balance_ : DataFrame
        Standardised difference of each feature between the groups, `before` and `after` matching.

    Examples
    --------
    >>> aum = np.arange(400.0) % 20
    >>> contacted = np.arange(400) // 20 % 2 == 0
    >>> change = aum / 100 + 0.1 * contacted
    >>> model = CampaignEffect().fit(pd.DataFrame({"aum": aum}), contacted, change)
    >>> round(model.effect_, 3), len(model.pairs_)
    (0.1, 200)
    """

    caliper: float = 0.2
    least_matched: float = 0.8
    policy: PolicyLike = None
    personal: Sequence[str] = ()

    def fit(self, X: Any, contacted: Any, change: Any) -> Self:
        """Match contacted customers and compare what changed.

        Parameters
        ----------
        X : table of shape (n, features)
            What was known before the campaign, of any engine.
        contacted : array-like of bool, shape (n,)
            Who was contacted: True and False, or 1 and 0, without gaps.
        change : array-like of shape (n,)
            After less before, such as that of log AUM.

        Raises
        ------
        UsageError
            Poor overlap: too few contacted customers have anybody like them, or matched groups
            still differ. Fewer than 30 pairs. Gaps, other lengths, other marks than 1 and 0.
        """
        inputs.require_parameters(self)
        table = as_table(X)
        treated = inputs.flags_of(inputs.as_column(contacted, "contacted")) == 1
        moved = features.numbers_of(inputs.as_column(change, "change"))
        inputs.require_rows(len(table), {"contacted": treated, "change": moved})
        if gaps := int(np.isnan(moved).sum()):
            raise UsageError(say("change_has_gaps", gaps))
        counts = treated.sum(), (~treated).sum()
        if min(counts) < LEAST_PAIRS:
            raise UsageError(say("too_few_contacted", *counts, LEAST_PAIRS))
        self.encoder_ = features.TableEncoder(quiet=True).fit(table)
        codes = self.encoder_.transform(table)
        self.propensity_ = self.encoder_.logistic(1.0).fit(codes, treated)
        log_odds = self.propensity_.decision_function(codes)
        pairs = _match(log_odds, treated, self.caliper * log_odds.std())
        self.balance_ = self._balance(codes, treated, pairs)
        self._require_overlap(len(pairs), int(treated.sum()))
        difference = moved[pairs[:, 0]] - moved[pairs[:, 1]]
        sides = pd.DataFrame(pairs, columns=["contacted", "other"])
        self.pairs_ = sides.assign(difference=difference)
        self.effect_, self.low_, self.high_ = _mean(difference)
        return self

    def measure(
        self, bank: Bank, contacted: Sequence[str], *, before: Day, after: Day, outcome: str = _AUM
    ) -> CampaignReport:
        """Return the effect on the AUM of a bank's customers, with placebo tests.

        The outcome is the change of log(1 + CNY), winsorised at its 1 and 99 percentiles, so that
        0.1 is about 10 % more and no single fortune decides. A placebo test compares the same pairs
        over earlier quarters, when there was no campaign: nothing should be found.

        Parameters
        ----------
        bank : Bank
            As `open_bank` gives it.
        contacted : list of str
            Customer numbers; those not of funded customers at `before` are left out, and counted.
        before, after : "2026Q2", "2026Q3"
            Quarter ends before the first contact and after the last.
        outcome : str
            An AUM column.

        Raises
        ------
        UsageError
            A quarter is missing, nobody of the list is among the customers, poor overlap.
        """
        first, last = as_quarter(before), as_quarter(after)
        if first >= last:
            raise UsageError(say("before_after", first, last))
        contacted = inputs.customer_numbers(contacted, "contacted")
        history = History.of(bank, self)
        facts = history.at(first)
        known = [name for name in features.names_of(facts.attributes) if name.startswith("aum_")]
        require_known("outcome", outcome, known)
        change = _log_change(history, first, last, outcome)
        treated, table = change.index.isin(contacted), facts.features.loc[change.index]
        self.fit(table, treated, change)
        sides = [table.index.to_numpy()[self.pairs_[side]] for side in ("contacted", "other")]
        placebos, earlier = [], first.previous
        while earlier in bank.quarters:
            then = _log_change(history, earlier, earlier.shifted(1), outcome)
            difference = then.reindex(sides[0]).to_numpy() - then.reindex(sides[1]).to_numpy()
            difference = difference[np.isfinite(difference)]
            if len(difference) >= LEAST_PAIRS:
                placebos.append((str(earlier.shifted(1)), *_mean(difference)))
            earlier = earlier.previous
        naive = float(change[treated].mean() - change[~treated].mean())
        tests = pd.DataFrame(placebos, columns=["quarter", "value", "low", "high"])
        measured = len(self.pairs_), self.effect_, self.low_, self.high_, naive
        left_out = len(set(contacted)) - int(treated.sum())
        return CampaignReport(*measured, self.balance_, tests, left_out)

    def _balance(self, codes: Array, treated: Array, pairs: Array) -> pd.DataFrame:
        """Return the standardised differences of all numbers before and after matching."""
        numbers = self.propensity_[0].transform(codes)
        spread = numbers.std(axis=0)
        spread = np.where(spread > 0, spread, 1)
        raw = numbers[treated].mean(axis=0) - numbers[~treated].mean(axis=0)
        matched = (numbers[pairs[:, 0]] - numbers[pairs[:, 1]]).sum(axis=0) / max(len(pairs), 1)
        names = self.propensity_[0].get_feature_names_out(self.encoder_.columns_)
        return pd.DataFrame({"feature": names, "before": raw / spread, "after": matched / spread})

    def _require_overlap(self, pairs: int, contacted: int) -> None:
        """Raise where the two groups are not alike."""
        worst = self.balance_.iloc[int(self.balance_["after"].abs().to_numpy().argmax())]
        if pairs < max(LEAST_PAIRS, self.least_matched * contacted):
            raise UsageError(say("nobody_alike", pairs, contacted))
        if abs(worst["after"]) > MOST_DIFFERENCE:
            raise UsageError(say("groups_unlike", *worst[["feature", "after"]], MOST_DIFFERENCE))


@dataclass(frozen=True)
class CampaignReport(features.Report):
    """What a campaign changed, and whether the comparison can be trusted.

    Attributes
    ----------
    pairs : int
        Matched pairs.
    effect, low, high : float
        Mean difference of the changes of log AUM within pairs, with its 95 % interval.
    naive : float
        The same without matching, to be seen beside it.
    balance : DataFrame
        `feature` and its standardised difference `before` and `after` matching.
    placebos : DataFrame
        `quarter`, `value`, `low`, `high` of the same customers before the campaign.
    left_out : int
        Numbers on the list that are not those of funded customers at the first date.
    """

    pairs: int
    effect: float
    low: float
    high: float
    naive: float
    balance: pd.DataFrame
    placebos: pd.DataFrame
    left_out: int = 0

    @property
    def trustworthy(self) -> bool:
        """Whether there was a placebo test and none found anything."""
        return len(self.placebos) > 0 and not bool(self._failures.any())

    @property
    def _failures(self) -> pd.Series:
        """Which placebo tests found something: 2.5 standard errors, as several are made."""
        value, width = self.placebos["value"], self.placebos["high"] - self.placebos["value"]
        return pd.Series(value.abs() > width * 2.5 / 1.96)

    def describe(self, language: str) -> list[str]:
        """Return what there is to say."""
        said = [sentence("effect", language, **vars(self))]
        remarks = {"left_out": self.left_out, "no_effect": self.low <= 0 <= self.high}
        remarks["no_placebo"] = self.placebos.empty
        said += [sentence(key, language, count=self.left_out) for key, so in remarks.items() if so]
        for test, failed in zip(self.placebos.to_dict("records"), self._failures, strict=True):
            key = "placebo_fails" if failed else "placebo_holds"
            said.append(sentence(key, language, **{str(name): test[name] for name in test}))
        return said

    def chart_rows(self, language: str) -> pd.DataFrame:
        """Return the effect and the placebo tests before it, the last quarter first."""
        names = [sentence("placebo", language, quarter=q) for q in self.placebos["quarter"]]
        tests = self.placebos.assign(name=names)
        effect = {"name": feature_name("effect", language), "value": self.effect}
        own = pd.DataFrame([effect | {"low": self.low, "high": self.high}])
        return pd.concat([own, tests[[*own]]], ignore_index=True)


def _log_change(history: History, before: Day, after: Day, outcome: str) -> pd.Series:
    """Return the winsorised change of log(1 + CNY) of the funded of a date; who left has 0."""
    attributes = history.at(before).attributes
    opening = attributes.loc[attributes["funded"] == 1, outcome]
    closing = history.at(after).attributes[outcome].reindex(opening.index).fillna(0)
    change: pd.Series = np.log1p(closing) - np.log1p(opening)
    return change.clip(*change.quantile([0.01, 0.99]))


def _mean(difference: Array) -> tuple[float, float, float]:
    """Return the mean of pairs' differences with its 95 % interval."""
    mean, width = difference.mean(), 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    return float(mean), float(mean - width), float(mean + width)


def _match(log_odds: Array, treated: Array, caliper: float) -> Array:
    """Return pairs of positions, an array of shape (pairs, 2): each treated and the nearest other.

    Greedy, the likeliest first, and without replacement.
    """
    others = np.flatnonzero(~treated)
    others = others[np.argsort(log_odds[others], kind="stable")]
    free, values = others.tolist(), log_odds[others].tolist()
    pairs, persons = [], np.flatnonzero(treated)
    for person in persons[np.argsort(-log_odds[persons], kind="stable")]:
        above = bisect_left(values, log_odds[person])
        nearest = [place for place in (above - 1, above) if 0 <= place < len(values)]
        distances = [(abs(values[place] - log_odds[person]), place) for place in nearest]
        distance, best = min(distances, default=(np.inf, 0))
        if distance <= caliper:
            pairs.append((person, free.pop(best)))
            values.pop(best)
    return np.array(pairs, dtype=int).reshape(-1, 2)
