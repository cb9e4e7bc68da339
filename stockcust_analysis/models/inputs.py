"""What callers give to the models: parameters, labels and flags, checked before anything is learnt.

What scikit-learn would take for something else, such as a gap for a yes, is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any
from warnings import warn

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from stockcust_analysis.errors import UsageError, require_known, say

Array = npt.NDArray[Any]
# Facts about the person: attributes to look at, features only where asked for.
PERSONAL = ("age_group", "gender", "groups")
_CHOICES = {"model": ("trees", "logistic"), "language": ("zh", "en")}
# What is said of a parameter that is no such number, and between what it must lie.
_NUMBERS: dict[str, tuple[str, pd.Interval[Any]]] = {
    "loss": ("above_0_to_1", pd.Interval(0, 1)),
    "top": ("above_0", pd.Interval(0, np.inf, closed="neither")),
    "caliper": ("number_from_0", pd.Interval(0, np.inf, closed="left")),
    "least_matched": ("number_from_0_to_1", pd.Interval(0, 1, closed="both")),
    "least_stability": ("number_from_0_to_1", pd.Interval(0, 1, closed="both")),
}
# How labels begin that say that the event came, or name it.
_EVENT = re.compile(
    r"\W*(?:(?:true|t|1|yes|y|是)\b|churn|attrit|clos|lost|left|leav|exit|dormant|inactive"
    r"|bad|default|流失|销户|睡眠|不动户|违约)"
)


class NotLearntError(UsageError, NotFittedError):
    """A model is asked before it has learnt; scikit-learn knows it, too."""


def require_learnt(model: BaseEstimator, attribute: str) -> None:
    """Raise where a model has not learnt yet what it is asked for."""
    if not hasattr(model, attribute):
        raise NotLearntError(say("learnt_nothing", type(model).__name__))


def require_parameters(model: BaseEstimator) -> None:
    """Raise where a parameter of a model cannot be followed, of whatever type it is."""
    for name, value in model.get_params().items():
        if name in _NUMBERS:
            require_number(name, value)
        elif name in _CHOICES:
            require_known(name, value, _CHOICES[name])
        elif name == "personal":
            require_all_known("person_fact", value, PERSONAL)
        elif name == "random_state":
            require_whole(name, value, least=0)


def require_all_known(what: str, values: Any, available: Sequence[str]) -> None:
    """Raise where a parameter names what there is not."""
    is_one = isinstance(values, str) or not hasattr(values, "__iter__")
    for value in [values] if is_one else values:
        require_known(what, value, available)


def require_rows(rows: int, columns: Mapping[str, Any]) -> None:
    """Raise where a column has another length than the table."""
    for name, column in columns.items():
        if column is not None and len(column) != rows:
            raise UsageError(say("rows_unlike", name, len(column), rows))


def by_name(what: str, given: Any, example: str) -> Mapping[str, Any]:
    """Return what is given by names, or nothing; UsageError where it has none."""
    if not isinstance(given, Mapping | None):
        raise UsageError(say("without_names", what, example))
    return given or {}


def customer_numbers(given: Any, name: str) -> list[str]:
    """Return customers' numbers; UsageError where they are one text, a table, or no texts."""
    if isinstance(given, str | Mapping) or getattr(given, "ndim", 1) != 1:
        raise UsageError(say("no_list_of_numbers", name))
    numbers = given.to_pylist() if hasattr(given, "to_pylist") else [*given]
    if odd := sum(not isinstance(number, str) for number in numbers):
        raise UsageError(say("numbers_no_text", name, odd, len(numbers)))
    return numbers


def require_number(name: str, value: Any) -> None:
    """Raise where a parameter is no number, or not within its bounds."""
    problem, bounds = _NUMBERS[name]
    if not (isinstance(value, Real) and value in bounds):
        raise UsageError(say(problem, name, repr(value)))


def require_whole(name: str, value: Any, most: float = np.inf, least: int = 1) -> None:
    """Raise where a parameter is no whole number from `least` to `most`."""
    if not (isinstance(value, int | np.integer) and least <= value <= most):
        bounds = [least] if most == np.inf else [least, most]
        problem = "whole_number_to" if bounds[1:] else "whole_number"
        raise UsageError(say(problem, name, *bounds, repr(value)))


def as_column(values: Any, name: str = "labels") -> pd.Series:
    """Return values for each row, of any engine, as a column numbered from 0."""
    return pd.Series(values if isinstance(values, list) else np.asarray(values).ravel(), name=name)


def flags_of(column: pd.Series, *, amounts: bool = False) -> Array:
    """Return flags (booleans, 1 and 0) as numbers; UsageError where a row holds anything else.

    With `amounts` numbers above 1 do as well, and a gap stays NaN.
    """
    plain = column if pd.api.types.is_numeric_dtype(column) else column.astype(object)
    numbers = pd.to_numeric(plain, errors="coerce").to_numpy(float, na_value=np.nan)
    right = column.isna() | (numbers >= 0) if amounts else np.isin(numbers, (0, 1))
    if odd := int((~right).sum()):
        raise UsageError(say("no_amounts" if amounts else "no_flags", column.name, odd))
    return np.asarray(numbers)


def as_labels(y: Any) -> tuple[Array, Array]:
    """Return the two kinds of labels in order, and for each row which of them it has."""
    labels = as_column(y)
    if pd.api.types.infer_dtype(labels).startswith("mixed"):
        raise UsageError(say("labels_mixed"))
    if gaps := int(labels.isna().sum()):
        raise UsageError(say("labels_empty", gaps))
    classes, codes = np.unique(labels.to_numpy(), return_inverse=True)
    if len(classes) != 2:
        raise UsageError(say("labels_not_two", len(classes)))
    return classes, codes


def event_place(labels: Array, event: Any) -> int:
    """Return which of two labels is the event: the one named, or the one that says so itself."""
    texts = [str(label).strip().casefold() for label in labels]
    if event is not None:
        same = [place for place, label in enumerate(labels) if label == event]
        same = same or [n for n, text in enumerate(texts) if text == str(event).strip().casefold()]
        if len(same) != 1:
            raise UsageError.unknown("event_label", str(event), map(str, labels))
        return same[0]
    # Of 1 and 2 either may be the event; of 0 and 1 the later one is.
    known = [bool(_EVENT.match(text)) for text in texts]
    known[0] &= not re.match(r"\W*\d", texts[0])
    if known[0] == known[1]:
        first, second = labels.tolist()
        warn(say("event_taken", first, second, second, first), stacklevel=3)
    return 0 if known == [True, False] else 1
