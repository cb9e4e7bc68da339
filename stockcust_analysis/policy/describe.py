"""A policy in words: the rules in force, how they differ from another's, and a scorecard's traps.

`words.toml` names the keys of a policy file, `lints.toml` says what the traps are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from fnmatch import fnmatch
from functools import cache
from itertools import pairwise, product
from typing import Any, Literal, NamedTuple
from unicodedata import east_asian_width

from stockcust_analysis.errors import require_known
from stockcust_analysis.policy.file import OWN, PACKAGE, Table, build, read_toml, require
from stockcust_analysis.policy.rules import Policy
from stockcust_analysis.policy.scorecard import Indicator

Language = Literal["zh", "en"]
_NO_RULES = {"source", "zh", "en"}  # the words of an entry are its label
_NOT_STATED = "—"
_WIDEST = 44


class RuleInForce(NamedTuple):
    """One rule of a policy: what it is about, its key in the file, what it says, where it is from.

    The key of an entry of a list, as in `tiers.tiers[mid].lower`, has the entry's name in brackets.
    """

    rule: str
    key: str
    value: str
    source: str


class Difference(NamedTuple):
    """One rule that two policies state differently; — where one of them does not state it."""

    rule: str
    key: str
    base: str
    value: str
    source: str


def describe(policy: Policy, language: Language = "zh") -> list[RuleInForce]:
    """Return every rule in force, in the order of the policy file.

    Parameters
    ----------
    policy : Policy
    language : {"zh", "en"}

    Returns
    -------
    list of RuleInForce

    Raises
    ------
    UsageError
        Another language.

    Examples
    --------
    >>> from stockcust_analysis.policy import load_policy
    >>> rules = describe(load_policy(), "en")
    >>> [(row.rule, row.value) for row in rules if row.rule.endswith("Mid · From")]
    [('Tiers · Mid · From', '50,000')]
    """
    require_known("language", language, ("zh", "en"))
    return list(_rule_rows(policy, language, (), "", ""))


def differences(policy: Policy, base: Policy, language: Language = "zh") -> list[Difference]:
    """Return the rules that `policy` states differently from `base`, those it drops last.

    >>> from stockcust_analysis.policy import load_policy
    >>> rows = differences(load_policy("joint_stock_bank"), load_policy(), "en")
    >>> [(row.base, row.value) for row in rows if row.rule == "Tiers · Effective · From"]
    [('10,000', '20,000')]
    """
    before = {row.key: row for row in describe(base, language)}
    after = {row.key: row for row in describe(policy, language)}
    none = RuleInForce("", "", _NOT_STATED, "")
    return [
        Difference(new.rule or old.rule, key, old.value, new.value, new.source or old.source)
        for key in {**after, **before}
        if (old := before.get(key, none)).value != (new := after.get(key, none)).value
    ]


def text_table(rows: Sequence[RuleInForce] | Sequence[Difference], language: Language) -> str:
    """Return rows as a table of plain text, aligned also where Chinese takes two columns.

    A source that is the same as in the row above is not repeated.

    >>> print(text_table([RuleInForce("Bases · Funded from", "bases.funded", "100", "")], "en"))
    Rule                 Key           Value  Source
    Bases · Funded from  bases.funded  100
    """
    columns = (rows[0] if rows else RuleInForce)._fields
    lines = [[_texts()["header"][name][language] for name in columns]]
    sources = ["", *(row.source for row in rows)]
    for row, (above, source) in zip(rows, pairwise(sources), strict=True):
        lines.append([*row[:-1], "" if source == above else source])
    return "\n".join(align_columns(lines))


def align_columns(lines: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return lines of cells with their columns below one another; those in `right` end there.

    >>> align_columns([["支行", "户数"], ["B1", "9"]], right=[1])
    ['支行  户数', 'B1       9']
    """
    widths = [min(max(map(text_width, column)), _WIDEST) for column in zip(*lines, strict=True)]

    def cell(position: int, text: str) -> str:
        blanks = " " * (widths[position] - text_width(text))
        return blanks + text if position in right else text + blanks

    return ["  ".join(cell(*entry) for entry in enumerate(line)).rstrip() for line in lines]


def _rule_rows(
    rule: Any, language: Language, path: tuple[str, ...], start: str, source: str, label: str = ""
) -> Iterator[RuleInForce]:
    """Yield the rules of a dataclass and of those inside it, but for the field that labels it."""
    source = getattr(rule, "source", "") or source
    source = _texts()["header"][OWN][language] if source == OWN else source
    for field in fields(rule):
        value = getattr(rule, field.name)
        on_offer = field.name.endswith("_presets")
        if on_offer or field.name in (label, *_NO_RULES) or value in (None, "", ()):
            continue
        word = _text(field.name, language)
        below = path if path[-1:] == (word,) else (*path, word)
        name = start + field.name
        if is_dataclass(value):
            yield from _rule_rows(value, language, below, f"{name}.", source)
        elif isinstance(value, tuple) and is_dataclass(value[0]):
            for entry in value:
                key = fields(entry)[0].name
                called = getattr(entry, key)
                words = (*below, str(getattr(entry, language, called)))
                yield from _rule_rows(entry, language, words, f"{name}[{called}].", source, key)
        else:
            yield RuleInForce(" · ".join(below), name, _format_value(value, language), source)


def _format_value(value: Any, language: Language) -> str:
    """Return a value as people write it."""
    if isinstance(value, bool):
        return _text(str(value).lower(), language)
    if isinstance(value, tuple):
        return _text("separator", language).join(map(str, value))
    return f"{value:,.15g}" if isinstance(value, int | float) else str(value)


@cache
def _texts() -> Table:
    """Return the words for the keys of a policy file."""
    return read_toml(PACKAGE / "policy" / "words.toml")


def _text(key: str, language: Language) -> str:
    """Return the word for a key; a key without words stands for itself."""
    return str(_texts().get(key, {}).get(language, key))


def text_width(text: str) -> int:
    """Return how wide a text is, in Latin letters; a Chinese character counts as two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


_BASES = {"funded": "有资产", "effective": "有效"}
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
    trap = lints()["borders_in_ten_thousands"]
    if max(tier.lower for tier in policy.tiers.tiers) < (trap.limit or 0):
        return add_reasons([*warnings, LintWarning(trap.name, "tiers")], policy)
    for tier, name in product(policy.tiers.tiers, _BASES):
        base = getattr(policy.bases, name)
        if (tier.name == name or tier.zh == _BASES[name]) and tier.lower != base:
            detail = f"{tier.lower:,.15g} / {base:,.15g}"
            warnings.append(LintWarning("tier_is_not_its_base", "tiers", detail))
    return add_reasons(warnings, policy)


def add_reasons(warnings: Iterable[LintWarning], policy: Policy) -> list[LintWarning]:
    """Return warnings with the bank's reason for keeping what they warn of."""
    reasons = {override.name: override.reason for override in policy.scorecard.overrides}
    return [warning._replace(reason=reasons.get(warning.lint, "")) for warning in warnings]
