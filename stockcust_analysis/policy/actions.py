"""What to do with a customer on a work list: the action, its channel, and the words to say.

Actions are data (`policies/actions.toml`), drawn from what a bank does for each tier and group of
customers. Beside an offer of deposits stands a compliance warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.policy.file import build, require
from stockcust_analysis.policy.load import own_table, shipped_table

Channel = Literal["phone", "message", "wechat", "visit", "branch"]
Entry = TypeVar("Entry", "Action", "Wording")


@dataclass(frozen=True)
class Action:
    """What to do with the customers of a list, or with those of one tier or group among them.

    `channel` is as in the contacts table; `script` and `warning` name a `Wording`, or nothing.
    """

    list: str
    zh: str
    en: str
    channel: Channel
    source: str
    tier: str = ""
    group: str = ""
    script: str = ""
    warning: str = ""

    @property
    def name(self) -> str:
        """List, tier and group, which no two actions share."""
        return "/".join((self.list, self.tier, self.group))


@dataclass(frozen=True)
class Wording:
    """A call script (话术) or a warning, in both languages."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class _ActionFile:
    """The content of one file of actions, complete or not."""

    actions: tuple[Action, ...] = ()
    scripts: tuple[Wording, ...] = ()
    warnings: tuple[Wording, ...] = ()

    def __post_init__(self) -> None:
        """Refuse anything that is stated twice."""
        names = [one.name for part in self.__dict__.values() for one in part]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PolicyError(f"stated twice: {', '.join(twice)}.")


@dataclass(frozen=True)
class Actions(_ActionFile):
    """All actions, with the scripts and warnings they point to."""

    def __post_init__(self) -> None:
        """Refuse a list without a default, and a wording that is not there."""
        super().__post_init__()
        known = {"", *(wording.name for wording in (*self.scripts, *self.warnings))}
        asked = {name for one in self.actions for name in (one.script, one.warning)}
        defaults = {one.list for one in self.actions if one.name == f"{one.list}//"}
        problems = [f"list '{name}' has no default" for name in self.lists if name not in defaults]
        problems += [f"there is no wording '{name}'" for name in sorted(asked - known)]
        if problems:
            raise PolicyError(f"actions: {'; '.join(problems)}.")

    @property
    def lists(self) -> tuple[str, ...]:
        """Names of the work lists, in the file's order."""
        return tuple(dict.fromkeys(one.list for one in self.actions))

    def action(self, list: str, tier: str = "", groups: Sequence[str] = ()) -> Action:
        """Return the most specific action for a customer on a list.

        One for the tier and a group of the customer comes before one for a group, that before one
        for the tier, and that before the list's default. Of several groups the one that stands
        first in the file decides.

        Raises
        ------
        UsageError
            An unknown list.

        Examples
        --------
        >>> actions = load_actions()
        >>> actions.action("next_product", "mid", ["women", "seniors"]).group
        'seniors'
        >>> actions.action("next_product", "mid").tier
        'mid'
        """
        if list not in self.lists:
            raise UsageError.unknown("work list", list, self.lists)
        fitting = [
            one
            for one in self.actions
            if one.list == list and one.tier in ("", tier) and one.group in ("", *groups)
        ]
        return max(fitting, key=lambda one: (one.group != "", one.tier != ""))

    def wording(self, name: str) -> Wording:
        """Return the call script or the warning of that name.

        >>> load_actions().wording("hand_over").en.split(":")[0]
        'Hand-over'
        """
        known = {wording.name: wording for wording in (*self.scripts, *self.warnings)}
        if name not in known:
            raise UsageError.unknown("wording", name, known)
        return known[name]


def load_actions(path: str | Path | None = None) -> Actions:
    """Return the shipped actions, with those of a bank's own file in their place.

    Parameters
    ----------
    path : str or Path, optional
        TOML file with `[[actions]]`, `[[scripts]]` and `[[warnings]]`. An action for the same
        list, tier and group, or a wording of the same name, replaces the shipped one.

    Raises
    ------
    UsageError
        No such file.
    PolicyError
        The file cannot be followed; every problem is listed.

    Examples
    --------
    >>> load_actions().action("hand_over").channel
    'phone'
    """
    if path is None:
        return _shipped()
    own, problems = Path(path), list[str]()
    content = require(build(_ActionFile, own_table(own), "", problems), own.name, problems)
    shipped = _shipped()
    return Actions(
        actions=_over(shipped.actions, content.actions),
        scripts=_over(shipped.scripts, content.scripts),
        warnings=_over(shipped.warnings, content.warnings),
    )


@cache
def _shipped() -> Actions:
    """Read the actions of the package, once per process."""
    file, problems = "actions.toml", list[str]()
    return require(build(Actions, shipped_table(file), "", problems), file, problems)


def _over(shipped: tuple[Entry, ...], own: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the shipped entries with the own ones in place of those of the same name."""
    named = {one.name: one for one in shipped + own}
    return tuple(named.values())
