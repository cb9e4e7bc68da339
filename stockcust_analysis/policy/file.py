"""From a TOML table to frozen dataclasses: every unknown key and wrong type is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import isfinite
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from stockcust_analysis.errors import PolicyError, did_you_mean

Rule = TypeVar("Rule")

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def build(cls: type[Rule], table: object, where: str, problems: list[str]) -> Rule | None:
    """Return `cls` made from `table`, or None after adding to `problems` all that is wrong."""
    if not isinstance(table, Mapping):
        problems.append(f"{where}: expected a table, found {_shown(table)}.")
        return None
    hints = get_type_hints(cls)
    found = len(problems)
    for key in table:
        if key not in hints:
            problems.append(f"{_at(where, key)}: unknown key.{did_you_mean(key, hints)}")
    given = {
        key: _value(hints[key], table[key], _at(where, key), problems)
        for key in table
        if key in hints
    }
    problems.extend(f"{_at(where, name)}: missing." for name in _required(cls) if name not in table)
    if len(problems) > found:
        return None
    try:
        return cls(**given)
    except PolicyError as error:
        problems.append(f"{where or 'policy'}: {error}")
        return None


def require(made: Rule | None, file: str, problems: list[str]) -> Rule:
    """Return what was built from a file, or raise one error that lists all problems."""
    if made is None or problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise PolicyError(f"{file} cannot be followed:\n{listed}")
    return made


def _required(cls: type) -> list[str]:
    """Return the fields that have no default."""
    return [
        field.name
        for field in fields(cls)
        if field.default is MISSING and field.default_factory is MISSING
    ]


def _value(hint: Any, value: object, where: str, problems: list[str]) -> object:
    """Return `value` in the type of the field, or None after adding a problem."""
    if get_origin(hint) is tuple:
        return _list(get_args(hint)[0], value, where, problems)
    if get_origin(hint) is Literal:
        return _choice(get_args(hint), value, where, problems)
    wanted = next(one for one in get_args(hint) or (hint,) if one is not type(None))
    if is_dataclass(wanted) and isinstance(wanted, type):
        return build(wanted, value, where, problems)
    return _plain(wanted, value, where, problems)


def _list(item: Any, value: object, where: str, problems: list[str]) -> tuple[object, ...]:
    """Return a list as a tuple, each entry checked."""
    if not isinstance(value, list):
        problems.append(f"{where}: expected a list, found {_shown(value)}.")
        return ()
    return tuple(
        _value(item, entry, f"{where}[{_entry(entry, position)}]", problems)
        for position, entry in enumerate(value, start=1)
    )


def _entry(entry: object, position: int) -> object:
    """Return how an entry of a list is called: by its name when it has one."""
    return entry.get("name", position) if isinstance(entry, Mapping) else position


def _choice(allowed: tuple[str, ...], value: object, where: str, problems: list[str]) -> object:
    """Return a text that must be one of those allowed."""
    if value in allowed:
        return value
    close = did_you_mean(str(value), allowed)
    problems.append(f"{where}: takes {', '.join(allowed)}; found {_shown(value)}.{close}")
    return None


def _plain(wanted: type, value: object, where: str, problems: list[str]) -> object:
    """Return a text, number or flag; a whole number may stand for a number, a flag may not."""
    if wanted is float and type(value) in (int, float) and isfinite(value):  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    if wanted is not float and type(value) is wanted:
        return value
    problems.append(f"{where}: expected {_WORDS[wanted]}, found {_shown(value)}.")
    return None


def _shown(value: object) -> str:
    """Return how a wrong value is quoted in a message."""
    return f"'{value}'" if isinstance(value, str) else repr(value)


def _at(where: str, key: str) -> str:
    """Return the place of a key, written as in TOML."""
    return f"{where}.{key}" if where else key
