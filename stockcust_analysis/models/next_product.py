"""Next product (下一产品): which product family a customer is likely to open by the next quarter.

with sca.open_bank("data/sample") as bank:
    model = sca.NextProduct()
    print(model.backtest(bank, "2026Q2"))       # beside popularity and co-holding
    offers = model.rank_customers(bank, "2026Q3")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.periods import Day, as_quarter
from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.models import features, inputs
from stockcust_analysis.models.features import HELD, ByName, History, Snapshot, as_table
from stockcust_analysis.models.inputs import Array
from stockcust_analysis.policy import PolicyLike, as_policy

# A family that fewer opened is ranked by how many did, for everybody alike.
LEAST_OPENINGS = 30
PLACES = (1, 3)
_KEYS = ("measure", "score")
_MEASURES = ("hit_rate_1", "hit_rate_3", "recall_1", "recall_3")


@dataclass(kw_only=True, eq=False, repr=False)
class NextProduct(BaseEstimator):
    """Families a customer does not hold, ranked by how likely each is opened by next quarter.

    One logistic regression a family, learnt from those who did not hold it. What is likely is not
    what is suitable: `exclude` says whom a family must not be offered, and from a bank nobody is
    ranked whom the policy never contacts.

    Parameters
    ----------
    policy : Policy, name or path, optional
        Families and whom never to contact; the shipped policy when left out.
    personal : list of "age_group", "gender", "groups"
        Facts about the person that may be features; none by default.

    Attributes
    ----------
    families_ : list of str
        Families that somebody opened.
    popularity_ : Series
        Share of those without the family who opened it.
    lift_ : DataFrame
        Co-holding lift of the families at the start: row held, column to open.

    Examples
    --------
    >>> import numpy as np
    >>> fund = np.arange(400) % 2
    >>> held = pd.DataFrame({"holds_fund": fund, "holds_wealth": 0, "holds_loan": 0})
    >>> opened = pd.DataFrame({"wealth": fund, "loan": np.arange(400) % 8 == 0})
    >>> model = NextProduct().fit(held, opened)
    >>> model.rank(held.iloc[[1]], top=1)["family"].tolist()
    ['wealth']
    """

    policy: PolicyLike = None
    personal: Sequence[str] = ()

    def fit(self, X: Any, Y: Any) -> Self:
        """Learn from what customers held and what they opened by the next quarter.

        Parameters
        ----------
        X : table of shape (n, features)
            Of any engine, known at the as-of date; `holds_<family>` for every family: 1 or 0, True
            or False, a balance or a count, of which any above 0 is a holding; a gap is none.
        Y : table of shape (n, families)
            1 where the family was opened by the next quarter, in a column named as the family.

        Raises
        ------
        UsageError
            A family without its column `holds_<family>`; other lengths; nobody opened anything;
            text such as "Y" or "是" where 1 and 0 are needed, gaps in `Y`.
        """
        inputs.require_parameters(self)
        table, opened = as_table(X), as_table(Y)
        inputs.require_rows(len(table), {"Y": opened})
        rows = features.draw_rows(len(table))
        table, opened = table.iloc[rows], opened.iloc[rows]
        free = ~_holds_families(table, features.names_of(opened))
        new = _opened_families(opened) & free
        count = pd.Series(new.sum(axis=0), features.names_of(opened))
        self.families_ = [str(name) for name in count.index[count > 0]]
        if not self.families_:
            raise UsageError(say("nobody_opened"))
        self.popularity_ = (count / free.sum(axis=0))[self.families_]
        self.lift_ = _lift(table, self.families_)
        few = [name for name in self.families_ if count[name] < LEAST_OPENINGS]
        if few:
            warn(say("few_openings", features.in_words(few)), stacklevel=2)
        self.encoder_ = features.TableEncoder(quiet=True).fit(table)
        codes, self.models_ = self.encoder_.transform(table), {}
        for place, name in enumerate(features.names_of(opened)):
            rows = free[:, place]
            if LEAST_OPENINGS <= count[name] < rows.sum():
                self.models_[name] = self.encoder_.logistic(0.05).fit(codes[rows], new[rows, place])
        return self

    def predict_proba(self, X: Any) -> pd.DataFrame:
        """Return how likely each family is opened, a column a family; 0 where it is held.

        Parameters
        ----------
        X : table of shape (n, features)
            With the columns learnt from.
        """
        inputs.require_learnt(self, "models_")
        table = as_table(X)
        codes = self.encoder_.transform(table)
        learnt = {n: features.event_probability(m, codes) for n, m in self.models_.items()}
        probability = pd.DataFrame(dict(self.popularity_) | learnt, table.index)
        return probability.mask(_holds_families(table, self.families_), 0.0)

    def rank(self, X: Any, *, top: int = 3, exclude: ByName = None) -> pd.DataFrame:
        """Return the likeliest families of each customer, best first.

        Parameters
        ----------
        X : table of shape (n, features)
            As in `fit`.
        top : int
            Families a customer.
        exclude : mapping of family to array-like of shape (n,), optional
            Where True or 1 the family is not suitable and is not offered.

        Returns
        -------
        DataFrame
            `customer` (the index of X), `rank` from 1, `family`, `probability`.
        """
        inputs.require_whole("top", top)
        probability = self.predict_proba(X)
        for name, unsuitable in inputs.by_name("exclude", exclude, "{'fund': rows}").items():
            require_known("family", name, probability)
            inputs.require_rows(len(probability), {f"exclude '{name}'": unsuitable})
            unsuitable = inputs.as_column(unsuitable, f"exclude '{name}'")
            probability.loc[inputs.flags_of(unsuitable) == 1, name] = 0
        order = np.argsort(-probability.to_numpy(), axis=1, kind="stable")[:, :top]
        columns = {
            "customer": np.repeat(probability.index, order.shape[1]),
            "rank": np.tile(np.arange(order.shape[1]) + 1, len(order)),
            "family": np.array(self.families_)[order.ravel()],
            "probability": np.take_along_axis(probability.to_numpy(), order, axis=1).ravel(),
        }
        return pd.DataFrame(columns).query("probability > 0").reset_index(drop=True)

    def assess(self, X: Any, Y: Any) -> NextProductReport:
        """Return how often what was opened stood among the first families, beside baselines.

        Only customers who opened a family count. Popularity ranks families by how many opened
        them; co-holding multiplies that by the mean lift over the families held.

        Parameters
        ----------
        X, Y : as in `fit`
            Of a later date than those learnt from.
        """
        table, opened = as_table(X), as_table(Y)
        inputs.require_rows(len(table), {"Y": opened})
        # What nobody opened before is never ranked: it stands last, and is missed by all.
        order = self.families_ + [n for n in features.names_of(opened) if n not in self.families_]
        new = _opened_families(opened[order]) & ~_holds_families(table, order)
        who = np.asarray(new.any(axis=1))
        if who.sum() < LEAST_OPENINGS:
            raise UsageError(say("few_opened", int(who.sum()), LEAST_OPENINGS))
        table, new = table.loc[who], new[who]
        free, popularity = ~_holds_families(table, self.families_), self.popularity_.to_numpy()
        scores = {
            "model": self.predict_proba(table).to_numpy(),
            "popularity": popularity * free,
            "co_holding": popularity * self._mean_lift(table) * free,
        }
        hits = np.stack([_hits(score, new) for score in scores.values()])

        def measure(weights: Array) -> Array:
            return np.asarray(np.einsum("scm,c->sm", hits, weights) / weights.sum())

        tables = features.compare_scores(measure, len(table), [*scores], _MEASURES)
        return NextProductReport(len(who), len(table), *tables)

    def backtest(self, bank: Bank, as_of: Day) -> NextProductReport:
        """Learn from what was known at `as_of`, and judge it by what was opened afterwards."""
        history, quarter = History.of(bank, self), as_quarter(as_of)
        later = history.at(quarter.shifted(1))
        self.learn(history, until=quarter)
        return self.assess(*self._openings(history.at(quarter), later))

    def learn(self, bank: Bank | History, *, until: Day) -> Self:
        """Learn from every pair of quarters of a bank that ends at `until` or before.

        Parameters
        ----------
        bank : Bank
            With at least two quarters in a row.
        until : "2026Q3"
            Nothing after this quarter is looked at.
        """
        return self.fit(*History.of(bank, self).examples(self._openings, until=until))

    def rank_customers(
        self, bank: Bank, as_of: Day, *, top: int = 3, exclude: ByName = None
    ) -> pd.DataFrame:
        """Return the likeliest families of a bank's funded customers who may be contacted.

        As `rank`, with `customer_id` and `branch_id`; `exclude` gives, by family, the customer
        numbers to whom it is not suitable.

        Parameters
        ----------
        bank : Bank
            Whose customers are ranked.
        as_of : "2026Q3"
            Quarter at whose end they are looked at.
        top : int
            Families a customer.
        exclude : mapping of family to customer numbers, optional
            Who is not offered the family.
        """
        lists = inputs.by_name("exclude", exclude, "{'fund': numbers}").items()
        spared = {n: inputs.customer_numbers(given, f"exclude '{n}'") for n, given in lists}
        snapshot = History.of(bank, self).at(as_of)
        facts = snapshot.attributes
        table = snapshot.features[(facts["funded"] == 1) & (facts["contactable"] == 1)]
        masks = {name: table.index.isin(numbers) for name, numbers in spared.items()}
        for name, numbers in spared.items():
            if odd := int((~pd.Index(numbers).isin(facts.index)).sum()):
                warn(say("strange_numbers", f"exclude '{name}'", odd, len(numbers)), stacklevel=2)
        offers = self.rank(table, top=top, exclude=masks)
        offers = offers.rename(columns={"customer": "customer_id"})
        offers.insert(1, "branch_id", offers["customer_id"].map(facts["branch_id"].astype(str)))
        return offers

    def _openings(self, now: Snapshot, later: Snapshot) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the funded of a date who are customers later, and which families they opened."""
        funded = now.attributes.index[now.attributes["funded"] == 1]
        rows = funded.intersection(later.attributes.index)
        names = [*as_policy(self.policy).families.names]
        held = [HELD + name for name in names]
        before, after = (side.attributes[held].loc[rows].to_numpy() for side in (now, later))
        return now.features.loc[rows], pd.DataFrame((after == 1) & (before == 0), rows, names)

    def _mean_lift(self, table: pd.DataFrame) -> Array:
        """Return each customer's mean lift of every family over the families held; 1 for none."""
        held = _holds_families(table, [str(name) for name in self.lift_.index]).astype(float)
        number = held.sum(axis=1, keepdims=True)
        return np.where(number > 0, held @ self.lift_.to_numpy() / np.maximum(number, 1), 1.0)


@dataclass(frozen=True)
class NextProductReport(features.Report):
    """How often what customers opened was ranked first, beside popularity and co-holding.

    Attributes
    ----------
    customers, customers_who_opened : int
        Customers looked at, and those who opened a family: the base of every rate.
    scores : DataFrame
        `score` (model, popularity, co_holding), `measure` (`hit_rate_1` and `hit_rate_3`, the share
        of customers with an opened family among the first 1 or 3; `recall_1` and `recall_3`, the
        mean share of what each opened), `value`, `low`, `high` (95 % bootstrap interval).
    gains : DataFrame
        The same of the model less each baseline, compared on the same customers.
    """

    customers: int
    customers_who_opened: int
    scores: pd.DataFrame
    gains: pd.DataFrame

    @property
    def beats_baselines(self) -> bool:
        """Whether the first place hits more often than that of both baselines, beyond chance."""
        return bool((self.gains[self.gains["measure"] == "hit_rate_1"]["low"] > 0).all())

    def describe(self, language: str) -> list[str]:
        """Return what there is to say."""
        said, own = [], self.scores.head(len(_MEASURES)).set_index("measure")["value"]
        for gain in self.gains[self.gains["measure"].isin(_MEASURES[:2])].to_dict("records"):
            key = "next_beats" if gain["low"] > 0 else "next_does_not_beat"
            gain |= {"rate": own[gain["measure"]], "k": gain["measure"][-1]}
            gain["score"] = features.feature_name(gain["score"], language)
            said.append(features.sentence(key, language, **{str(k): gain[k] for k in gain}))
        return said

    def chart_rows(self, language: str) -> pd.DataFrame:
        """Return the hit rates and recalls of the model and of the baselines."""
        words = ([features.feature_name(n, language) for n in self.scores[name]] for name in _KEYS)
        names = [" · ".join(pair) for pair in zip(*words, strict=True)]
        rows = self.scores.assign(name=names).sort_values("measure", kind="stable")
        return rows[["name", "value", "low", "high"]]


def _holds_families(table: pd.DataFrame, families: Sequence[str]) -> Array:
    """Return which families each customer holds."""
    columns = [HELD + name for name in families]
    if missing := [name for name in columns if name not in table]:
        raise UsageError(say("lacks_held", missing))
    return np.column_stack([inputs.flags_of(table[name], amounts=True) > 0 for name in columns])


def _opened_families(opened: pd.DataFrame) -> Array:
    """Return which families each customer opened; a gap counts neither as opened nor as not."""
    new = [inputs.flags_of(column, amounts=True) for _, column in opened.items()]
    if gaps := int(np.isnan(new).sum()):
        raise UsageError(say("openings_have_gaps", gaps))
    return np.column_stack(new) > 0


def _lift(table: pd.DataFrame, families: list[str]) -> pd.DataFrame:
    """Return how much more often each family is held with each other one than by chance."""
    names = [name.removeprefix(HELD) for name in features.names_of(table) if name.startswith(HELD)]
    held, aims = (_holds_families(table, group).astype(float) for group in (names, families))
    expected = np.outer(held.sum(axis=0), aims.sum(axis=0)) / len(table)
    lift = np.where(expected > 0, held.T @ aims / np.maximum(expected, 1e-12), 1.0)
    return pd.DataFrame(lift, names, families)


def _hits(score: Array, new: Array) -> Array:
    """Return each customer's hits and recalls, an array of shape (n, measures)."""
    order = np.argsort(-score, axis=1, kind="stable")
    ranked = np.take_along_axis(new, order, axis=1) & (np.take_along_axis(score, order, 1) > 0)
    found = [ranked[:, :k].sum(axis=1) for k in PLACES]
    return np.column_stack([*(hit > 0 for hit in found), *(hit / new.sum(axis=1) for hit in found)])
