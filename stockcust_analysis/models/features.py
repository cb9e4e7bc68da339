"""What is known of each customer at an as-of date, and tables of any kind as numbers for a model.

Only columns named here become features: what the extract of the as-of date says, and how it differs
from the quarter before. Age, gender and the customer groups made of them are no features unless
asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.frames import as_lazy, to_pandas
from stockcust_analysis.core.periods import Day, Quarter, as_quarter, require_day
from stockcust_analysis.core.results import Result, charts, presentation
from stockcust_analysis.errors import UsageError, Words, chosen_language, require_known, say
from stockcust_analysis.measures.service import contactable
from stockcust_analysis.models import inputs
from stockcust_analysis.models.inputs import Array
from stockcust_analysis.policy import PolicyLike, as_policy
from stockcust_analysis.policy.file import PACKAGE, read_toml

ByName = Mapping[str, Any] | None
_SMALL = ("obliged", "managed", "refused_lately", "contacted_lately")
_COUNTS = ("active_transactions", "families", "tenure", "sales", "contacts_without_sale")
_OPENINGS = ("opened_90_days", "unused_90_days", "opened_6_months", "unused_6_months")
_AMOUNTS = ("aum_period_end", "aum_average_month", "aum_average_quarter", "loan_balance")
_LABELS = ("customer_type", "acquisition_channel", "branch_type", "status")
_FEATURES = {*_SMALL, *_COUNTS, *_OPENINGS, *_AMOUNTS, *_LABELS, "profile_complete"}
_DAYS = {"days_since_active": "last_active_on", "days_since_contact": "last_contact_on"}
HELD = "holds_"
# Of columns that are 1 where a family is held or a channel used.
PREFIXES = (HELD, "uses_")
_ATTRIBUTES = {"customer_id", "branch_id", "tier", "funded", *inputs.PERSONAL}
# Rows a model learns from at most; of more, so many are drawn: more teach it hardly anything.
MOST_ROWS = 200_000
# Bootstrap samples of an interval.
RESAMPLES = 300
# Labels of a column that become categories of their own; rarer ones are grouped together.
MOST_CATEGORIES = 50
_WORDS: dict[str, dict[str, dict[str, str]]] = read_toml(PACKAGE / "models" / "words.toml")
_NUMBER = re.compile(r"(?:\b|_)(?:id|no|num|key)$|Id$|ID$|(?i:number$|num$|code$|编?号$)")


@dataclass(frozen=True)
class Snapshot:
    """The customers of one quarter's end, by `customer_id`: features, and attributes to look at."""

    features: pd.DataFrame
    attributes: pd.DataFrame


class History:
    """A bank's customers quarter by quarter; every quarter is computed once, by the bank's engine.

    Parameters
    ----------
    bank : Bank
        As `open_bank` gives it.
    policy : Policy, name or path, optional
        Scope, tiers, dormancy rule and families; the shipped policy when left out.
    personal : list of "age_group", "gender", "groups"
        Facts about the person that may be features, too.
    """

    def __init__(self, bank: Bank, policy: PolicyLike = None, personal: Sequence[str] = ()):
        inputs.require_all_known("person_fact", personal, inputs.PERSONAL)
        self._personal = {personal} if isinstance(personal, str) else {*personal}
        self._bank, self._policy = bank, policy
        self._tables: dict[Quarter, pd.DataFrame] = {}

    @classmethod
    def of(cls, bank: Bank | History, model: Any) -> History:
        """Return a bank's history by a model's policy; one that is there stays."""
        personal = getattr(model, "personal", ())
        return bank if isinstance(bank, History) else cls(bank, model.policy, personal)

    def at(self, as_of: Day) -> Snapshot:
        """Return the customers of a quarter's end; UsageError where the bank has no such quarter.

        The quarter before is looked at where the bank has it; where not, changes are empty.
        """
        quarter = as_quarter(as_of)
        return Snapshot(self._features(quarter), self._table(quarter))

    def examples(self, label: Callable[[Snapshot, Snapshot], Any], *, until: Day) -> list[Any]:
        """Return what was known at each quarter, and what came of it, to learn from.

        `label` makes both of a quarter and the one after it, the last of which ends at `until`. Of
        a large bank rows are drawn from each pair before they stand together.
        """
        last = as_quarter(until)
        self._table(last)  # or an error
        known = [quarter for quarter in self._bank.quarters if quarter <= last]
        pairs = [quarter for quarter in known if quarter.shifted(1) in known]
        if not pairs:
            raise UsageError(say("no_two_quarters", last))
        parts = []
        for quarter in pairs:
            sides = label(self.at(quarter), self.at(quarter.shifted(1)))
            parts.append([s.iloc[draw_rows(len(s), MOST_ROWS // len(pairs))] for s in sides])
        return [pd.concat(sides) for sides in zip(*parts, strict=True)]

    def _features(self, quarter: Quarter) -> pd.DataFrame:
        """Return the features of a quarter's end."""
        table = self._table(quarter)
        wanted = _FEATURES | self._personal
        names = [name for name in names_of(table) if name in wanted or name.startswith(PREFIXES)]
        features, average = table[names].copy(), table["aum_average_quarter"]
        for name, column in _DAYS.items():
            if column in table:
                features[name] = (pd.Timestamp(quarter.end) - table[column]).dt.days
        features["end_to_average"] = _ratio(table["aum_period_end"], average)
        features["month_to_average"] = _ratio(table["aum_average_month"], average)
        has_before = quarter.previous in self._bank.quarters
        before = self._table(quarter.previous) if has_before else table[:0]
        before = before[["aum_average_quarter", "families"]].reindex(table.index)
        features["aum_change"] = _ratio(average, before["aum_average_quarter"]) - 1
        features["families_change"] = table["families"] - before["families"]
        return features

    def _table(self, quarter: Quarter) -> pd.DataFrame:
        """Return what is used of the customers of a quarter's end, in pandas, by `customer_id`."""
        require_day(quarter.end, [known.end for known in self._bank.quarters], "customers")
        if quarter not in self._tables:
            # A person must keep one number through all quarters.
            by_person = as_policy(self._policy).unit == "person"
            newest = self._bank.quarters[-1] if by_person else None
            frame = self._bank.customers_frame(quarter, policy=self._policy, structure=newest)
            try:
                table = to_pandas(self._select_features(frame))
            finally:
                self._bank.release(frame)
            table = table.set_index("customer_id").sort_index()
            # A third of the memory: a million customers have a dozen tiers, and no large counts.
            types = dict.fromkeys(table.select_dtypes("int64"), "int32")
            types |= {name: "category" for name in names_of(table) if _is_text(table[name])}
            self._tables[quarter] = table.astype(types)
        return self._tables[quarter]

    def _select_features(self, frame: Any) -> Any:
        """Return the columns that are used."""
        table, rule = as_lazy(frame), as_policy(self._policy).coverage
        table = table.with_columns(contactable=contactable(table, rule))
        used = _FEATURES | _ATTRIBUTES | {*_DAYS.values(), "contactable"}
        kept = [n for n in table.collect_schema().names() if n in used or n.startswith(PREFIXES)]
        return table.select(*kept).to_native()


def _ratio(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    """Return a ratio; empty where there is nothing below the line."""
    return numerator / denominator.where(denominator > 0)


def as_table(X: Any) -> pd.DataFrame:
    """Return a table of any engine, or an array, as pandas with columns named by text."""
    if isinstance(X, np.ndarray) and X.ndim == 2:
        X = pd.DataFrame(X).add_prefix("x")
    X = X.to_frame() if isinstance(X, pd.Series) else X
    table = X if isinstance(X, pd.DataFrame) else to_pandas(as_lazy(X).to_native())
    table = table.set_axis(names_of(table), axis=1)
    if twice := sorted({*table.columns[table.columns.duplicated()]}):
        raise UsageError(say("names_twice", twice))
    return table.assign(**{str(name): _as_plain(column) for name, column in table.items()})


def _as_plain(column: pd.Series) -> pd.Series:
    """Return Python's dates, decimals and numbers as pandas holds such; spans of time as days."""
    if column.dtype.kind == "m":
        return pd.Series(column.dt.total_seconds() / 86_400)
    if not (column.dtype == object or isinstance(column.dtype, pd.ArrowDtype)):
        return column
    kind = pd.api.types.infer_dtype(column)
    if kind in ("date", "datetime"):
        return column.astype("datetime64[us]")
    if kind in ("decimal", "integer", "floating", "mixed-integer-float"):
        return pd.to_numeric(column).astype(float)
    if kind == "mixed" and not column.map(pd.api.types.is_hashable).all():
        raise UsageError(say("holds_lists", column.name))
    return column


def names_of(table: pd.DataFrame) -> list[str]:
    """Return the names of a table's columns as text."""
    return [str(name) for name in table.columns]


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turn a table into numbers: dates into days, labels into codes, what is empty into NaN.

    Columns with one value only are left out with a warning, and so is what names somebody and is
    nothing to learn from: text, and a column called a number (`CustomerId`, `RowNumber`, 客户号),
    of which half of the rows or more have a value of their own. Rows of one owner count once, and
    whole numbers that stand for the owners are names, whatever they are called.
    A label that was not met in learning counts as empty, with a warning.

    Parameters
    ----------
    quiet : bool
        Leave columns out without a warning.

    Attributes
    ----------
    columns_ : list of str
        Columns used, numbers first.
    is_label_ : array of bool
        Which of them are labels.
    left_out_ : list of str
        Columns not used.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Self:
        """Learn the columns and their labels; `groups` says whose row each is."""
        table = as_table(X)
        values = table.nunique(dropna=False)
        text = {name for name in names_of(table) if _is_text(table[name])}
        alone = _names_in(table, text, np.arange(len(table)) if groups is None else groups)
        self.left_out_ = [n for n in names_of(table) if values[n] < 2 or n in alone]
        if not (kept := [name for name in names_of(table) if name not in self.left_out_]):
            raise UsageError(say("nothing_tells"))
        if self.left_out_ and not self.quiet:
            words = say("columns_left_out", self.left_out_)
            written = [n for n in self.left_out_ if n in alone & text and _holds_amounts(table[n])]
            if written:
                words += say("amounts_as_text", written)
            warn(words, stacklevel=3)
        self.columns_ = sorted(kept, key=lambda name: name in text)
        self.is_label_ = np.array([name in text for name in self.columns_])
        how = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
        self.codes_ = OrdinalEncoder(max_categories=MOST_CATEGORIES, **how).fit(self._labels(table))
        return self

    def transform(self, X: Any) -> Array:
        """Return an array of numbers, one column for each of `columns_`."""
        table = as_table(X)
        if missing := [name for name in self.columns_ if name not in table]:
            raise UsageError(say("lacks_learnt", len(missing), missing[:12]))
        labels = self._labels(table)
        known = zip(labels, self.codes_.categories_, strict=True)
        if unseen := [str(n) for n, values in known if set(labels[n].dropna()) - {*values}]:
            warn(say("unseen_labels", in_words(unseen)), stacklevel=3)
        numbers = [numbers_of(table[name]) for name in np.array(self.columns_)[~self.is_label_]]
        return np.column_stack([*numbers, self.codes_.transform(labels)])

    def _labels(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the labels as text and gaps as NaN, whatever type pandas holds them in."""
        labels = table[[*np.array(self.columns_)[self.is_label_]]].astype(object)
        return labels.where(labels.notna(), np.nan).map(str, na_action="ignore").astype(object)

    def logistic(self, strength: float) -> Pipeline:
        """Return a logistic regression of the numbers; `strength` is scikit-learn's C."""
        return make_pipeline(self.scaled(), LogisticRegression(C=strength, max_iter=5_000))

    def scaled(self) -> ColumnTransformer:
        """Return what makes the numbers fit for models of distances and sums.

        Amounts on a logarithmic scale, all of mean 0 and variance 1 and within 3 standard
        deviations, gaps filled by the median and marked; a column for each label.
        """
        same = {"feature_names_out": "one-to-one"}
        numbers = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            FunctionTransformer(_signed_log, **same),
            StandardScaler(),
            # Nobody is to be a segment alone, or to bend a line.
            FunctionTransformer(np.clip, kw_args={"a_min": -3, "a_max": 3}, **same),
        )
        labels = make_pipeline(
            SimpleImputer(strategy="constant", fill_value=-1),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        )
        parts = [("numbers", numbers, ~self.is_label_), ("labels", labels, self.is_label_)]
        used = [part for part in parts if part[2].any()]
        return ColumnTransformer(used, verbose_feature_names_out=False)


def _names_in(table: pd.DataFrame, text: set[str], owner: Array) -> set[str]:
    """Return the columns that name the owners of rows."""
    once = table[~pd.Series(owner).duplicated().to_numpy()]
    values, whole = once.nunique(dropna=False), {*names_of(table.select_dtypes("integer"))}
    named = {n for n in names_of(table) if n in text or _NUMBER.search(n)}
    alone = {n for n in named if values[n] > MOST_CATEGORIES and values[n] >= len(once) / 2}
    if len(once) == len(table):
        return alone
    unlike = {name for name in whole if values[name] == len(once)} - alone
    return alone | {name for name in unlike if table[name].groupby(owner).nunique().max() == 1}


def _holds_amounts(column: pd.Series) -> bool:
    """Return whether most cells of a column of text are numbers with decimals."""
    return bool(column.astype(str).str.fullmatch(r"\s*-?[\d,]+\.\d+\s*").mean() > 0.5)


def _is_text(column: pd.Series) -> bool:
    """Return whether a column holds labels: no numbers, flags or dates."""
    kinds = pd.api.types
    return not (kinds.is_numeric_dtype(column) or kinds.is_datetime64_any_dtype(column))


def numbers_of(column: pd.Series) -> Array:
    """Return a column of numbers, flags or dates (days since 1970) as floats; gaps are NaN."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = (column.dt.tz_localize(None) - pd.Timestamp(0)) / pd.Timedelta(days=1)
    try:
        numbers: Array = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise UsageError(say("text_where_numbers", column.name)) from None
    if infinite := int(np.isinf(numbers).sum()):
        raise UsageError(say("infinite_numbers", column.name, infinite))
    return numbers


def _signed_log(numbers: Array) -> Array:
    """Return numbers on a scale on which amounts of money are nearly symmetric."""
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)))


def draw_rows(size: int, most: int = MOST_ROWS) -> Array:
    """Return the positions of at most `most` rows, drawn at random and in order."""
    return np.sort(np.random.default_rng(0).choice(size, min(size, most), replace=False))


def parts(rows: Array) -> list[Array]:
    """Return rows in parts: of a million at once pipelines would fill the memory with copies."""
    return np.array_split(rows, 1 + len(rows) // 100_000)


def event_probability(model: Any, codes: Array) -> Array:
    """Return the probability of the event for each row of numbers."""
    return np.concatenate([model.predict_proba(part)[:, 1] for part in parts(codes)])


def compare_scores(
    measure: Callable[[Array], Array], rows: int, scores: Sequence[str], measures: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return measures of each score, and the gains of the first score over the others.

    `measure` gives an array of shape (scores, measures) for weights of the rows. Intervals are
    percentiles of 95 % of a Poisson bootstrap; all scores are judged on the same samples, so that
    gains are compared in pairs.
    """
    random, values = np.random.default_rng(0), measure(np.ones(rows))
    draws = np.array([measure(random.poisson(1, rows)) for _ in range(RESAMPLES)])
    gains = values[:1] - values[1:], draws[:, :1] - draws[:, 1:]
    return _long(scores, measures, values, draws), _long(scores[1:], measures, *gains)


def _long(names: Sequence[str], measures: Sequence[str], value: Array, draws: Array) -> Any:
    """Return arrays of shape (names, measures) as a long table, without what has no value."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    keys = {"score": np.repeat(names, len(measures)), "measure": [*measures] * len(names)}
    ends = {"value": value.ravel(), "low": low.ravel(), "high": high.ravel()}
    return pd.DataFrame(keys | ends).dropna(ignore_index=True)


class Report:
    """A result that says in words what it means, draws itself and fills a workbook."""

    def sentences(self, language: str | None = None) -> list[str]:
        """Return what there is to say, in `zh` or `en`, or in the language of `set_language`."""
        return self.describe(language or chosen_language())

    def describe(self, language: str) -> list[str]:
        """Return what there is to say in a language."""
        raise NotImplementedError

    def chart_rows(self, language: str) -> pd.DataFrame:
        """Return what `plot` draws: `name`, `value`, `low`, `high`, and `predicted` if known."""
        raise NotImplementedError

    def plot(self, *, language: str | None = None, **options: Any) -> Any:
        """Draw what was found with its 95 % intervals; `.save("slide.png")` writes the axes.

        Of `options` it takes `ax=` and `figsize=` (inches), as all charts.
        """
        chosen = language or chosen_language()
        options = {"title": sentence(f"title_{type(self).__name__}", chosen), **options}
        return charts().intervals(self.chart_rows(chosen), language=chosen, **options)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the report's tables by name."""
        return {name: part for name, part in vars(self).items() if isinstance(part, pd.DataFrame)}

    def to_pandas(self) -> pd.DataFrame:
        """Return what `plot` draws as a plain pandas table."""
        return self.chart_rows(chosen_language())

    def to_excel(self, path: str | Path) -> None:
        """Write what the report says, and its tables, into a workbook, a sheet each."""
        said = pd.DataFrame({"report": self.sentences()})
        sheets = {name: Result(table) for name, table in {"report": said, **self.tables()}.items()}
        presentation().write_workbook(sheets, Path(path))

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    def _repr_html_(self) -> str:
        return "<ul>" + "".join(f"<li>{text}</li>" for text in self.sentences()) + "</ul>"


def sentence(key: str, language: str, **values: Any) -> str:
    """Return a sentence of a report in a language (`zh` or `en`), filled in."""
    texts = _WORDS["sentences"][key]
    return texts[require_known("language", language, texts)].format(**values)


def feature_name(name: str, language: str) -> str:
    """Return a feature in words; a column of one's own under its own name."""
    prefix = next((p for p in PREFIXES if name.startswith(p)), "")
    words = _WORDS["features"].get(prefix or name, {})
    return words.get(language, name).format(_member_name(name.removeprefix(prefix), language))


def _member_name(name: str, language: str) -> str:
    """Return a family or channel in words."""
    members = as_policy(None).members
    names = {part["name"]: part[language] for part in members["families"] + members["channels"]}
    return str(names.get(name, name))


def in_words(names: Iterable[str]) -> list[Words]:
    """Return features and families in words."""
    pairs = ((_member_name(feature_name(n, of), of) for of in ("en", "zh")) for n in names)
    return [Words(*pair) for pair in pairs]
