"""Rule files: TOML tables become frozen dataclasses, and every problem is reported at once."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from functools import reduce
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from stockcust_analysis.errors import PolicyError, UsageError, bulleted, did_you_mean, say

Table: TypeAlias = dict[str, Any]
Rule = TypeVar("Rule")
Key = TypeVar("Key", bound=Hashable)

OWN = "own"
"""Source of a rule that a policy changes without stating another one."""
PACKAGE = files("stockcust_analysis")


def read_toml(file: Path | Traversable) -> Table:
    """Return a rule file as a table; a byte order mark, as Windows editors write, is accepted."""
    try:
        return tomllib.loads(file.read_text("utf-8").removeprefix("\ufeff"))
    except FileNotFoundError:
        raise UsageError(say("no_file_there", file.name)) from None
    except OSError as error:
        raise UsageError(say("file_unread", file.name, error)) from None
    except UnicodeDecodeError:
        raise PolicyError(say("not_utf8_file", file.name)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(say("no_toml", file.name, error)) from error


def build(cls: type[Rule], table: object, path: str, problems: list[str]) -> Rule | None:
    """Return a dataclass made from a table, or None after adding all problems to the list.

    Parameters
    ----------
    cls : type
        A frozen dataclass. Its fields may be text, numbers, flags, `Literal`, other dataclasses,
        tuples of any of these, or None.
    table : object
        The value read from the file.
    path : str
        Where the table stands, as in `tiers.tiers[mid]`; empty for the whole file.
    problems : list of str
        Receives unknown keys (with close matches), wrong types, missing keys, and what the
        dataclass itself refuses.
    """
    if not isinstance(table, dict):
        problems.append(say("expected", path, say("a_table"), _shown(table)))
        return None
    hints, stated, start = get_type_hints(cls), set(table), f"{path}." if path else ""
    for key in [key for key in table if key not in hints]:
        problems.append(say("key_unknown", f"{start}{key}", did_you_mean(key, hints)))
        # Taken for what it was meant to be: what follows from a misspelt key is no second problem.
        for meant in get_close_matches(key, hints, n=1):
            table.setdefault(meant, table[key])
    values = {
        key: _convert(hints[key], value, start + key, problems)
        for key, value in table.items()
        if key in hints
    }
    missing = [
        field.name
        for field in fields(cls)  # type: ignore[arg-type]
        if field.default is field.default_factory is MISSING and field.name not in stated
    ]
    problems.extend(say("key_missing", f"{start}{name}") for name in missing)
    parts = chain.from_iterable(v if isinstance(v, tuple) else (v,) for v in values.values())
    if missing or None in parts:
        return None
    try:
        return cls(**values)
    except PolicyError as error:
        problems.extend(
            say("sentence", say("of_place", path or "policy", p)) for p in error.problems
        )
        rule = object.__new__(cls)  # so that what it is part of can be checked as well
        vars(rule).update(values)
        return rule


def require(rule: Rule | None, file: str, problems: list[str]) -> Rule:
    """Return what was built from a file, or raise one error that lists all problems."""
    if rule is None or problems:
        raise PolicyError(bulleted(say("rules_wrong", file), problems))
    return rule


def refuse(problems: Mapping[str, object], subject: str, *name: str) -> None:
    """Raise one error that says all problems which hold; do nothing where none does.

    Problems and the subject are names of words; what shows a problem, instead of True, fills its
    blank (a tuple: its blanks).

    >>> refuse({"theme_quarter": 3 not in (1, 2, 3, 4)}, "theme_rule", "spring")
    """
    reasons = [
        say(problem, *(shown if isinstance(shown, tuple) else (shown,)))
        for problem, shown in problems.items()
        if shown
    ]
    if reasons:
        every = reduce(lambda said, reason: say("and_also", said, reason), reasons)
        raise PolicyError(say("sentence", say("of_place", say(subject, *name), every)), reasons)


def outside(rule: object, low: float, high: float, *names: str) -> list[str]:
    """Return which of these numbers of a rule are below `low` or above `high`.

    >>> from stockcust_analysis.policy import Bases
    >>> outside(Bases(), 0, 200, "funded", "effective")
    ['effective']
    """
    return [name for name in names if not low <= getattr(rule, name) <= high]


def duplicates(names: Iterable[Key]) -> list[Key]:
    """Return the names that occur more than once, in order."""
    return [name for name, number in Counter(names).items() if number > 1]


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a path through tables and lists; wrong types are reported elsewhere.

    >>> list(values_at({"tiers": [{"name": "mid"}, {"name": "high"}]}, "tiers.name"))
    ['mid', 'high']
    """
    key, _, rest = path.partition(".")
    if isinstance(value, list | tuple):
        for entry in value:
            yield from values_at(entry, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and key in value:
        yield from values_at(value[key], rest)


def texts_at(value: Any, path: str) -> list[str]:
    """Return the texts at a path, as `values_at` finds them."""
    return [text for text in values_at(value, path) if isinstance(text, str)]


def _convert(hint: Any, value: object, path: str, problems: list[str]) -> object:
    """Return a value in the type of its field, or None after adding a problem."""
    options = get_args(hint)
    if get_origin(hint) is Literal:
        if value in options:
            return value
        close = did_you_mean(str(value), options)
        problems.append(say("takes", path, options, _shown(value), close))
        return None
    if get_origin(hint) is tuple:
        if isinstance(value, list):
            labels = [
                entry.get("name", position) if isinstance(entry, Mapping) else position
                for position, entry in enumerate(value, start=1)
            ]
            return tuple(
                _convert(options[0], entry, f"{path}[{label}]", problems)
                for label, entry in zip(labels, value, strict=True)
            )
        expected = "list_of_tables" if is_dataclass(options[0]) else "type_list"
    else:
        kind = next(option for option in options or (hint,) if option is not type(None))
        if is_dataclass(kind):
            return build(kind, value, path, problems)  # type: ignore[arg-type]
        # A whole number may stand for a number; a flag, which Python counts as one, may not.
        if kind is float and type(value) in (int, float) and isfinite(value):  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        if kind is not float and type(value) is kind:
            return value
        expected = "FLAG" if kind is bool else f"type_{kind.__name__}"
    problems.append(say("expected", path, say(expected, path), _shown(value)))
    return None


def _shown(value: object) -> object:
    """Return a value as a message shows it; of a table or a list only that it is one."""
    if isinstance(value, dict):
        return say("a_table")
    return say("type_list") if isinstance(value, list) else repr(value)


def take_one_as_list(rule: Any) -> None:
    """Let a text stand for a list of one where a rule made by hand has lists: no letters."""
    for part in fields(rule):
        value = getattr(rule, part.name)
        if isinstance(value, str) and str(part.type).startswith("tuple"):
            object.__setattr__(rule, part.name, (value,))
