"""Reading a policy: the file, the files it builds on, the presets; every problem in one error."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.policy.file import build, require
from stockcust_analysis.policy.inheritance import Table, inherited, with_presets
from stockcust_analysis.policy.references import contradictions
from stockcust_analysis.policy.rules import Policy

DEFAULT = "rural_commercial_bank"
_FOLDER = files("stockcust_analysis") / "policies"


def load_policy(name_or_path: str | Path = DEFAULT) -> Policy:
    """Read a policy that is shipped with the package, by name, or a bank's own, by path.

    A bank's own file states its `base` (a shipped policy, or a file beside it) and only what
    differs; `policy.inheritance` says how the two are laid over each other.

    Parameters
    ----------
    name_or_path : str or Path
        `rural_commercial_bank`, or a path that ends in `.toml`.

    Raises
    ------
    UsageError
        No such policy.
    PolicyError
        The file cannot be followed; the message lists every unknown key, wrong type, impossible
        rule and name of a tier, family or column that is not there, at once.

    Examples
    --------
    >>> policy = load_policy("rural_commercial_bank")
    >>> policy.tiers.names
    ('residual', 'potential', 'effective', 'mid', 'high', 'private')
    >>> policy.dormancy.name, policy.dormancy.cap
    ('rural_6m_500', 500.0)
    """
    name = str(name_or_path)
    own = isinstance(name_or_path, Path) or name.endswith(".toml")
    return _policy(Path(name_or_path).resolve()) if own else _shipped(name)


PolicyLike: TypeAlias = Policy | str | Path | None
"""A policy by its name, by path, or as it is; None is the shipped default."""


def as_policy(policy: PolicyLike) -> Policy:
    """Return the policy given by name, by path or as it is; the shipped one where none is.

    >>> as_policy(None) == as_policy("rural_commercial_bank") == as_policy(load_policy())
    True
    """
    return policy if isinstance(policy, Policy) else load_policy(policy or DEFAULT)


def shipped_policies() -> tuple[str, ...]:
    """Return the names of the policies in the package: the files there that state a version.

    >>> shipped_policies()
    ('joint_stock_bank', 'rural_commercial_bank')
    """
    names = sorted(entry.name for entry in _FOLDER.iterdir())
    return tuple(name.removesuffix(".toml") for name in names if "version" in shipped_table(name))


def shipped_table(name: str) -> Table:
    """Return a rule file of the package as it is written."""
    return parsed((_FOLDER / name).read_text("utf-8"), name)


def own_table(path: Path) -> Table:
    """Return a bank's own rule file; a byte order mark, as Windows editors write, is fine."""
    try:
        return parsed(path.read_text("utf-8-sig"), path.name)
    except FileNotFoundError:
        raise UsageError(f"there is no policy file {path.name} at the path given.") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path.name} is not UTF-8. Save it as UTF-8.") from None


def parsed(text: str, file: str) -> Table:
    """Return the text of a rule file as a table."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file} is not valid TOML: {error}.") from error


@cache
def _shipped(name: str) -> Policy:
    """Read a policy of the package, once per process: it is frozen and cannot change."""
    return _policy(name)


def _policy(source: str | Path) -> Policy:
    """Build the policy, or raise one error that lists all problems."""
    problems: list[str] = []
    table = inherited(_presets(), _whole(source, problems), problems)
    table = with_presets(table, problems)
    policy = build(Policy, table, "", problems)
    problems.extend(contradictions(table))
    return require(policy, _file(source), problems)


def _presets() -> Table:
    """Return the presets of the package, which are on offer in every policy."""
    names = [entry.name for entry in _FOLDER.iterdir() if entry.name.endswith("_presets.toml")]
    return {key: value for name in names for key, value in shipped_table(name).items()}


def _whole(source: str | Path, problems: list[str], over: tuple[str | Path, ...] = ()) -> Table:
    """Return the rules of a file together with those of its base, and of the base's base."""
    if isinstance(source, str) and source not in shipped_policies():
        raise UsageError.unknown("policy", source, shipped_policies())
    table = own_table(source) if isinstance(source, Path) else shipped_table(_file(source))
    base = table.get("base")
    if not isinstance(base, str):
        return table
    chain = (*over, source)
    below: str | Path = base
    if isinstance(source, Path) and base.endswith(".toml"):
        below = (source.parent / base).resolve()
    if below in chain:
        told = " → ".join(map(_file, (*chain, below)))
        raise PolicyError(f"policies build on each other: {told}.")
    return inherited(_whole(below, problems, chain), table, problems)


def _file(source: str | Path) -> str:
    """Return the name of a policy's file, for messages."""
    return source.name if isinstance(source, Path) else f"{source}.toml"
