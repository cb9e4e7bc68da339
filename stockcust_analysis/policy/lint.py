"""Traps of a scorecard that can be seen in its rules alone; `lints.toml` says what they are."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from stockcust_analysis.policy.file import build, require
from stockcust_analysis.policy.rules import Policy
from stockcust_analysis.policy.scorecard import Indicator

_FILE = "lints.toml"


@dataclass(frozen=True)
class Lint:
    """One trap: in words, and which indicators step into it; by figures where it has a limit."""

    name: str
    zh: str
    en: str
    source: str
    measures: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    limit: float | None = None

    def meets(self, one: Indicator) -> bool:
        """Tell whether an indicator's name, method and target are those of the trap."""
        named = any(fnmatch(name, each) for name in (one.name, one.counted)
                    for each in self.measures)  # fmt: skip
        by_method = not self.methods or one.method in self.methods
        return named and by_method and (not self.targets or one.target in self.targets)


class LintWarning(NamedTuple):
    """A trap that a scorecard steps into; `reason` is the bank's for keeping it, else empty."""

    lint: str
    subject: str
    detail: str = ""
    reason: str = ""

    def told(
        self, language: Literal["zh", "en"], named: Callable[[str], str] = lambda name: name
    ) -> str:
        """Return the warning in words; `named` gives an indicator's or a group's own words."""
        known = lints()[self.lint]
        colon, comma, kept = {"zh": ("：", "、", "已知悉："), "en": (": ", ", ", "Overridden: ")}[
            language
        ]
        subject = comma.join(map(named, self.subject.split(", ")))
        trap = subject + colon + str(getattr(known, language))
        return " ".join(filter(None, [trap, self.detail, self.reason and kept + self.reason]))


@cache
def lints() -> dict[str, Lint]:
    """Read the traps, once."""
    place = files("stockcust_analysis") / "policy" / _FILE
    problems: list[str] = []
    made = {
        name: build(Lint, {"name": name, **entry}, name, problems)
        for name, entry in tomllib.loads(place.read_text("utf-8")).items()
    }
    return require({name: one for name, one in made.items() if one}, _FILE, problems)


def lint(policy: Policy) -> list[LintWarning]:
    """Return the traps that the rules of a policy's scorecard step into.

    >>> from stockcust_analysis.policy import load_policy
    >>> lint(load_policy())
    []
    """
    found = [
        LintWarning(each.name, one.name)
        for one in policy.scorecard.indicators
        for each in lints().values()
        if each.limit is None and each.meets(one)
    ]
    return with_reasons(found, policy)


def with_reasons(found: Sequence[LintWarning], policy: Policy) -> list[LintWarning]:
    """Return warnings with the bank's reason for keeping what they warn of."""
    reasons = {one.name: one.reason for one in policy.scorecard.overrides}
    return [each._replace(reason=reasons.get(each.lint, "")) for each in found]
