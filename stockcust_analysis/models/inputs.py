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

from stockcust_analysis.errors import UsageError

Array = npt.NDArray[Any]
# Facts about the person: attributes to look at, features only where asked for.
PERSONAL = ("age_group", "gender", "groups")
_CHOICES = {"model": ("trees", "logistic"), "language": ("zh", "en")}
# What a parameter that is a number must do, and between what.
_NUMBERS: dict[str, tuple[str, pd.Interval[Any]]] = {
    "loss": ("lie above 0 and up to 1", pd.Interval(0, 1)),
    "top": ("be above 0", pd.Interval(0, np.inf, closed="neither")),
    "caliper": ("be a number from 0", pd.Interval(0, np.inf, closed="left")),
    "least_matched": ("be a number from 0 to 1", pd.Interval(0, 1, closed="both")),
    "least_stability": ("be a number from 0 to 1", pd.Interval(0, 1, closed="both")),
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
        learn = "Call learn with a bank, or fit with a table, first."
        raise NotLearntError(f"this {type(model).__name__} has learnt nothing yet. {learn}")


def require_parameters(model: BaseEstimator) -> None:
    """Raise where a parameter of a model cannot be followed, of whatever type it is."""
    for name, value in model.get_params().items():
        if name in _NUMBERS:
            require_number(name, value)
        elif name in _CHOICES:
            require_known(name, [value], _CHOICES[name])
        elif name == "personal":
            require_known("fact about the person", value, PERSONAL)
        elif name == "random_state":
            require_whole(name, value, least=0)


def require_known(what: str, values: Any, available: Sequence[str]) -> None:
    """Raise where a parameter names what there is not."""
    for value in values if hasattr(values, "__iter__") else [values]:
        if value not in available:
            raise UsageError.unknown(what, value, available)


def require_rows(rows: int, columns: Mapping[str, Any]) -> None:
    """Raise where a column has another length than the table."""
    for name, column in columns.items():
        if column is not None and len(column) != rows:
            raise UsageError(f"{name}: {len(column)} rows, and the table has {rows}.")


def by_name(what: str, given: Any, example: str) -> Mapping[str, Any]:
    """Return what is given by names, or nothing; UsageError where it has none."""
    if not isinstance(given, Mapping | None):
        raise UsageError(f"{what} must say what each is called: {what}={example}.")
    return given or {}


def customer_numbers(given: Any, name: str) -> list[str]:
    """Return customers' numbers; UsageError where they are one text, a table, or no texts."""
    if isinstance(given, str | Mapping) or getattr(given, "ndim", 1) != 1:
        raise UsageError(f"{name} must be a list of customer numbers, as a column customer_id.")
    numbers = [*given]
    if odd := sum(not isinstance(number, str) for number in numbers):
        few = f"{odd} of {len(numbers)} customer numbers are no text"
        raise UsageError(f"{name}: {few}. Read them as text (dtype=str), and leave empty ones out.")
    return numbers


def require_number(name: str, value: Any) -> None:
    """Raise where a parameter is no number, or not within its bounds."""
    words, bounds = _NUMBERS[name]
    if not (isinstance(value, Real) and value in bounds):
        raise UsageError(f"{name} must {words}; given {value!r}.")


def require_whole(name: str, value: Any, most: float = np.inf, least: int = 1) -> None:
    """Raise where a parameter is no whole number from `least` to `most`."""
    if not (isinstance(value, int | np.integer) and least <= value <= most):
        bounds = f"{least} or more" + ("" if most == np.inf else f", at most {most:,}")
        raise UsageError(f"{name} must be a whole number, {bounds}; given {value!r}.")


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
        kinds = "True, False or a number from 0" if amounts else "True, False, 1 or 0"
        raise UsageError(f"{column.name}: {odd} rows hold something else than {kinds}.")
    return np.asarray(numbers)


def as_labels(y: Any) -> tuple[Array, Array]:
    """Return the two kinds of labels in order, and for each row which of them it has."""
    labels = as_column(y)
    if pd.api.types.infer_dtype(labels).startswith("mixed"):
        raise UsageError("labels are of several types. Give True and False, or 1 and 0.")
    if gaps := int(labels.isna().sum()):
        raise UsageError(f"{gaps} labels are empty. Leave out whose outcome is not known.")
    classes, codes = np.unique(labels.to_numpy(), return_inverse=True)
    if len(classes) != 2:
        raise UsageError(f"labels must be of two kinds, event or not; there are {len(classes)}.")
    return classes, codes


def event_place(labels: Array, event: Any) -> int:
    """Return which of two labels is the event: the one named, or the one that says so itself."""
    texts = [str(label).strip().casefold() for label in labels]
    if event is not None:
        same = [place for place, label in enumerate(labels) if label == event]
        same = same or [n for n, text in enumerate(texts) if text == str(event).strip().casefold()]
        if len(same) != 1:
            raise UsageError.unknown("event among the labels", str(event), map(str, labels))
        return same[0]
    # Of 1 and 2 either may be the event; of 0 and 1 the later one is.
    known = [bool(_EVENT.match(text)) for text in texts]
    known[0] &= not re.match(r"\W*\d", texts[0])
    if known[0] == known[1]:
        first, second = labels.tolist()
        taken = f"of the labels {first!r} and {second!r} the second counts as the event"
        warn(f"{taken}: confirm it by event={second!r}, or say event={first!r}.", stacklevel=3)
    return 0 if known == [True, False] else 1
