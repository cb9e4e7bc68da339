"""Traps of a scorecard that can be seen in its rules alone; `lints.toml` says what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Literal, NamedTuple

from stockcust_analysis.policy.file import PACKAGE, build, read_toml, require
from stockcust_analysis.policy.rules import Policy
from stockcust_analysis.policy.scorecard import Indicator

_PHRASES = {"zh": ("：", "、", "已知悉："), "en": (": ", ", ", "Overridden: ")}


@dataclass(frozen=True)
class Lint:
    """A trap: in words, and which indicators step into it; by figures where it has a limit."""

    name: str
    zh: str
    en: str
    source: str
    measures: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    limit: float | None = None

    def applies_to(self, indicator: Indicator) -> bool:
        """Return whether an indicator's name, method and target are those of the trap."""
        names = (indicator.name, indicator.measure_name)
        return (
            any(fnmatch(name, pattern) for name in names for pattern in self.measures)
            and (not self.methods or indicator.method in self.methods)
            and (not self.targets or indicator.target in self.targets)
        )


class LintWarning(NamedTuple):
    """A trap that a scorecard steps into; `reason` is the bank's for keeping it, else empty."""

    lint: str
    subject: str
    detail: str = ""
    reason: str = ""

    def text(
        self, language: Literal["zh", "en"], label: Callable[[str], str] = lambda name: name
    ) -> str:
        """Return the warning in words; `label` gives the words for an indicator or a group."""
        colon, comma, overridden = _PHRASES[language]
        subject = comma.join(map(label, self.subject.split(", ")))
        trap = subject + colon + str(getattr(lints()[self.lint], language))
        reason = self.reason and overridden + self.reason
        return " ".join(filter(None, [trap, self.detail, reason]))


@cache
def lints() -> dict[str, Lint]:
    """Return all traps by name, read once."""
    file, problems = PACKAGE / "policy" / "lints.toml", list[str]()
    traps = {
        name: build(Lint, {"name": name, **entry}, name, problems)
        for name, entry in read_toml(file).items()
    }
    return require({name: trap for name, trap in traps.items() if trap}, file.name, problems)


def lint(policy: Policy) -> list[LintWarning]:
    """Return the traps that the rules of a policy's scorecard step into.

    >>> from stockcust_analysis.policy import load_policy
    >>> lint(load_policy())
    []
    """
    warnings = [
        LintWarning(trap.name, indicator.name)
        for indicator in policy.scorecard.indicators
        for trap in lints().values()
        if trap.limit is None and trap.applies_to(indicator)
    ]
    return add_reasons(warnings, policy)


def add_reasons(warnings: Iterable[LintWarning], policy: Policy) -> list[LintWarning]:
    """Return warnings with the bank's reason for keeping what they warn of."""
    reasons = {override.name: override.reason for override in policy.scorecard.overrides}
    return [warning._replace(reason=reasons.get(warning.lint, "")) for warning in warnings]
