"""Segments (客户分群): groups of customers who behave alike, as many as come back again.

with sca.open_bank("data/sample") as bank:
    segments = sca.Segments().learn(bank, "2026Q3")
print(segments)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Self
from warnings import warn

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_score

from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.periods import Day
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.models import features, inputs
from stockcust_analysis.models.features import PREFIXES, History, as_table, sentence
from stockcust_analysis.models.inputs import Array
from stockcust_analysis.policy import PolicyLike

# With fewer, halves of them are too small to tell whether segments come back.
LEAST_CUSTOMERS = 200
_BEHAVIOUR = (
    "aum_average_quarter",
    "loan_balance",
    "families",
    "active_transactions",
    "days_since_active",
    "tenure",
)


@dataclass(kw_only=True, eq=False, repr=False)
class Segments(ClusterMixin, BaseEstimator):
    """Groups of customers who behave alike, their number chosen by stability under resampling.

    k-means on standardised features. For each number of segments halves of the customers are drawn
    again and again; two halves that lead to the same division of everybody (adjusted Rand index
    near 1) speak for it. The same is done where there is nothing to find: with one cloud
    (normal) of the same correlations. Of the numbers that reach `least_stability` and lie above
    the cloud beyond chance the most stable is taken, of ties the largest; where there is none
    there is one segment, with a warning.

    Parameters
    ----------
    n_segments : int, optional
        A fixed number instead.
    most : int
        Largest number tried; up to 4,000 customers are used to choose it.
    least_stability : float
        Mean adjusted Rand index a number must reach, between 0 and 1.
    resamples : int
        Pairs of halves drawn for each number.
    policy : Policy, name or path, optional
        Scope, tiers and families of a bank; the shipped policy when left out.
    language : "zh" or "en"
        Language of the names.
    random_state : int
        The same seed gives the same segments.

    Attributes
    ----------
    labels_ : array of shape (n,)
        Segment of each row learnt from, from 0, the largest first.
    stability_ : DataFrame
        By `segments`: mean adjusted Rand index `stability` and its standard deviation `spread`,
        that where there is nothing to find (`chance`, `chance_spread`), and the `silhouette`.
    profile_ : DataFrame
        By segment: `name`, `n`, `share`, and by how many standard deviations the mean of each
        feature differs from everybody's.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> middle = np.repeat([0.0, 8.0, 16.0], 200)[:, None]
    >>> table = pd.DataFrame(middle + rng.normal(size=(600, 2)), columns=["visits", "calls"])
    >>> Segments(resamples=5).fit(table).profile_["n"].tolist()
    [200, 200, 200]
    """

    n_segments: int | None = None
    most: int = 8
    least_stability: float = 0.8
    resamples: int = 10
    policy: PolicyLike = None
    language: str = "en"
    random_state: int = 0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose the number of segments, make them and name them.

        Parameters
        ----------
        X : table of shape (n, features)
            Of any engine, with gaps; 200 rows or more.
        y : ignored

        Raises
        ------
        UsageError
            Too few rows; nothing but constant columns; a parameter that cannot be followed.
        """
        inputs.require_parameters(self)
        table = as_table(X)
        if len(table) < LEAST_CUSTOMERS:
            raise UsageError(say("too_few_to_segment", len(table), LEAST_CUSTOMERS))
        # The number is chosen by halves of at most 4,000 customers.
        half = min(len(table), 4_000) // 2
        for name, limit in (("n_segments", len(table)), ("most", half), ("resamples", np.inf)):
            if name != "n_segments" or self.n_segments is not None:
                inputs.require_whole(name, getattr(self, name), limit)
        self.encoder_ = features.TableEncoder().fit(table)
        codes = self.encoder_.transform(table)
        self.scaler_ = self.encoder_.scaled().fit(codes)
        points = self.scaler_.transform(codes)
        chosen = self.n_segments
        if chosen is None:
            self.stability_ = self._stability(points[features.draw_rows(len(points), 4_000)])
            chosen = _choose(self.stability_, self.least_stability, self.resamples)
            if chosen == 1:
                warn(sentence("one_segment", self.language), stacklevel=2)
        model = self._kmeans(chosen, self.random_state).fit(points)
        order = np.argsort(-np.bincount(model.labels_, minlength=chosen), kind="stable")
        self.centers_ = model.cluster_centers_[order]
        self.labels_ = self._nearest(points)
        spread = points.std(axis=0)
        differs = (self.centers_ - points.mean(axis=0)) / np.where(spread > 0, spread, 1)
        columns = self.scaler_.get_feature_names_out(self.encoder_.columns_)
        self.profile_ = pd.DataFrame(differs, columns=columns)
        self.profile_.insert(0, "name", self._names(differs))
        self.profile_.insert(1, "n", np.bincount(self.labels_, minlength=chosen))
        self.profile_.insert(2, "share", self.profile_["n"] / len(points))
        return self

    def predict(self, X: Any) -> Array:
        """Return the segment of each customer.

        Parameters
        ----------
        X : table of shape (n, features)
            With the columns learnt from.
        """
        inputs.require_learnt(self, "centers_")
        return self._nearest(self.scaler_.transform(self.encoder_.transform(X)))

    def learn(self, bank: Bank | History, as_of: Day) -> Self:
        """Make segments of the funded customers of a quarter's end; `labels_` in their order.

        The customers, sorted by number, are in `customers_`.

        Parameters
        ----------
        bank : Bank
            Whose customers are told apart.
        as_of : "2026Q3"
            The quarter.
        """
        snapshot = History.of(bank, self).at(as_of)
        names = features.names_of(snapshot.features)
        used = [name for name in names if name in _BEHAVIOUR or name.startswith(features.HELD)]
        table = snapshot.features.loc[snapshot.attributes["funded"] == 1, used]
        self.customers_ = snapshot.attributes.loc[table.index]
        return self.fit(table.loc[:, table.nunique() > 1])

    def match(self, earlier: Segments) -> Self:
        """Give segments the numbers and names of the earlier ones who share most customers.

        Both are made by `learn`. A segment that none of the earlier fits gets a new number.

        Parameters
        ----------
        earlier : Segments
            Those whose numbers and names are kept.
        """
        for side in (self, earlier):
            inputs.require_learnt(side, "labels_")
            if not hasattr(side, "customers_"):
                raise UsageError(say("match_after_learn"))
        before = pd.Series(earlier.labels_, earlier.customers_.index, name="before")
        now = pd.Series(self.labels_, self.customers_.index, name="now")
        both = pd.concat([now, before], axis=1, join="inner")
        if both.empty:
            raise UsageError(say("nobody_in_both"))
        every = range(max(len(earlier.profile_), len(self.profile_)))
        shared = pd.crosstab(both["now"], both["before"])
        shared = shared.reindex(index=every, columns=every, fill_value=0)
        number = linear_sum_assignment(-shared.to_numpy())[1][: len(self.profile_)]
        name = earlier.profile_["name"].reindex(number).set_axis(self.profile_.index)
        self.profile_ = self.profile_.drop(columns="number", errors="ignore")
        new = name.isna()
        name[new] = _distinct(self.profile_["name"][new], name[~new])
        self.profile_["name"] = name
        self.profile_.insert(0, "number", number)
        return self

    def compare(self, labels: Any) -> pd.DataFrame:
        """Return how segments and another division of the same customers agree.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Tier, group, branch … of the rows learnt from; several labels of one customer in one
            text, between `;`, count once each.

        Returns
        -------
        DataFrame
            By segment the share of its customers with each label. `attrs` holds the adjusted Rand
            index and the adjusted mutual information of the two divisions: 0 is chance, 1 the same.
        """
        text = pd.Series(np.asarray(labels)).fillna("none").astype(str)
        inputs.require_rows(len(self.labels_), {"labels": text})
        shares = text.str.get_dummies(";").groupby(self.labels_).mean()
        shares = shares.set_axis(self.profile_["name"])
        shares.attrs["adjusted_rand"] = float(adjusted_rand_score(text, self.labels_))
        information = adjusted_mutual_info_score(text, self.labels_)
        shares.attrs["adjusted_mutual_information"] = float(information)
        return shares

    def __str__(self) -> str:
        lines = [f"{row['name']}: {row['n']:,}" for row in self.profile_.to_dict("records")]
        if self.n_segments is None:
            k = len(self.centers_)
            found = {str(n): x for n, x in self.stability_.loc[k].items()} if k > 1 else {}
            key = "segments" if k > 1 else "one_segment"
            lines.insert(0, sentence(key, self.language, k=k, **found))
        return "\n".join(lines)

    def _kmeans(self, number: int, seed: int) -> KMeans:
        return KMeans(number, n_init=3, random_state=seed)

    def _nearest(self, points: Array) -> Array:
        """Return the segment whose centre is nearest, without holding all distances at once."""
        squares = (self.centers_**2).sum(axis=1)
        return np.asarray((squares - 2 * points @ self.centers_.T).argmin(axis=1))

    def _stability(self, points: Array) -> pd.DataFrame:
        """Return how well each number of segments comes back, beside a single cloud."""
        random = np.random.default_rng(self.random_state)
        middle, spread = points.mean(axis=0), np.atleast_2d(np.cov(points, rowvar=False))
        cloud = random.multivariate_normal(middle, spread, len(points))
        rows = {}
        for number in range(2, self.most + 1):
            own, chance = self._agreement(points, number), self._agreement(cloud, number)
            labels = self._kmeans(number, self.random_state).fit_predict(points)
            silhouette = silhouette_score(points, labels, sample_size=1_000, random_state=0)
            rows[number] = (own.mean(), own.std(), chance.mean(), chance.std(), silhouette)
        columns = ["stability", "spread", "chance", "chance_spread", "silhouette"]
        return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("segments")

    def _agreement(self, points: Array, number: int) -> Array:
        """Return the adjusted Rand index of divisions learnt from pairs of halves."""
        random = np.random.default_rng(self.random_state)
        result = []
        for seed in range(self.resamples):
            halves = np.array_split(random.permutation(len(points)), 2)
            models = [self._kmeans(number, seed).fit(points[half]) for half in halves]
            result.append(adjusted_rand_score(*(model.predict(points) for model in models)))
        return np.array(result)

    def _names(self, differs: Array) -> list[str]:
        """Return names made of the two features that set each segment most apart."""
        numbers = np.array(self.encoder_.columns_)[~self.encoder_.is_label_]
        names = []
        for row in differs[:, : len(numbers)]:
            most = [place for place in np.argsort(-np.abs(row))[:2] if abs(row[place]) > 0.3]
            words = [self._words(numbers[place], row[place] > 0) for place in most]
            joined = ("、" if self.language == "zh" else ", ").join(words)
            names.append(joined or sentence("ordinary", self.language))
        return _distinct(names)

    def _words(self, feature: str, above: bool) -> str:
        """Return a feature above or below everybody's in words."""
        keys = ("has", "lacks") if feature.startswith(PREFIXES) else ("high", "low")
        name = features.feature_name(feature, self.language)
        return sentence(keys[0] if above else keys[1], self.language, name=name)


def _distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return names, with a number where one is taken, or stands before.

    >>> _distinct(["low b", "high a", "low b"])
    ['low b', 'high a', 'low b (2)']
    """
    found = dict.fromkeys(taken)
    for name in names:
        numbered = (f"{name} ({number})" for number in count(2))
        found[next(one for one in chain([name], numbered) if one not in found)] = None
    return [*found][len({*taken}) :]


def _choose(stability: pd.DataFrame, least: float, resamples: int) -> int:
    """Return the number that comes back best, of those that do so where a single cloud does not."""
    error = np.hypot(stability["spread"], stability["chance_spread"]) / np.sqrt(resamples)
    better = stability["stability"] > stability["chance"] + np.maximum(3 * error, 0.05)
    fit = stability["stability"].round(2)[(stability["stability"] >= least) & better]
    return int(fit.index[fit == fit.max()].max()) if len(fit) else 1
