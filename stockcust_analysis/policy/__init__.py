"""The rules a bank measures by: tiers, dormancy, product families and bases, read from one file.

A policy is data. It is written in TOML, versioned, printed in the report, and never computed from
the quarter's own figures: a border that moved with the data would turn into migration.

A bank's own file states its `base` and what differs; the rest is inherited:

- A table is merged key by key. A table that names a `preset` replaces the base's whole table.
- A list replaces the base's list. A list of tables that all have a `name` is merged by name: an
  entry the base knows is changed in place, a new one stands after the entry written before it (or
  last), and `{ name = "…", remove = true }` removes one.
- `name` and `version` are never inherited: other rules are another policy.
- `[rule] preset = "…"` starts from the entry of `[[rule_presets]]` with that name; changing a key
  of it requires a `name` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias, TypeGuard

from stockcust_analysis.errors import PolicyError, did_you_mean, require_known, say
from stockcust_analysis.policy import file as rule_file
from stockcust_analysis.policy.file import Table, read_toml, texts_at
from stockcust_analysis.policy.rules import (
    AttritionRule,
    Bases,
    CustomerGroup,
    DormancyRule,
    Family,
    Policy,
    ProductFamilies,
    Tier,
    TierMemory,
    TierMonths,
    TierScheme,
)
from stockcust_analysis.policy.scorecard import (
    AMONG_PEERS,
    ComparedMeasure,
    ComparisonRule,
    DisclosureRule,
    Indicator,
    IndicatorGroup,
    Override,
    PeerGroup,
    Scorecard,
    Theme,
    Veto,
)
from stockcust_analysis.policy.service import (
    LISTS,
    CoverageRule,
    CustomerClass,
    ProfileTarget,
    WorkListRule,
)

DEFAULT = "rural_commercial_bank"
PolicyLike: TypeAlias = Policy | str | Path | None
"""A policy by its name, by path, or as it is; None is the shipped default."""
Check: TypeAlias = Callable[[Table], Iterable[str]]

_FOLDER = rule_file.PACKAGE / "policies"
_NOT_INHERITED = {"name", "version", "base"}
# Two ways to state one thing: stating one drops the other.
_ALTERNATIVES = {"idle_months": "idle_days", "idle_days": "idle_months"}

_TIERS, _FAMILIES = "tiers.tiers.name", "families.families.name"
_CHANNELS, _CLASSES = "families.channels.name", "coverage.classes.name"
_POINTERS = {
    "coverage.profile_targets.tier": ("tier", [_TIERS]),
    "tier_memory.exceptions.tier": ("tier", [_TIERS]),
    "disclosure.merged_tiers": ("tier", [_TIERS]),
    "worklists.next_products": ("family", [_FAMILIES]),
    "scorecard.indicators.member": ("member", [_TIERS, _FAMILIES, _CHANNELS, _CLASSES]),
}
_PRODUCTS = (
    "families.families.products",
    "families.channels.products",
    "dormancy_presets.products",
    "dormancy_presets.exempt",
)
_PRODUCT_KEYS = ("families.aum_products", "dormancy.products", "dormancy.exempt")
# Where a customer may be instead of in a tier, and a column beside those of the tiers.
_RESERVED = ("NEW", "CLOSED", "DRAINED", "RETURNED", "TRANSFERRED", "total")


def load_policy(name_or_path: str | Path = DEFAULT, *, check: Check | None = None) -> Policy:
    """Read a policy that is shipped with the package, by name, or a bank's own, by path.

    A bank's own file states its `base` (a shipped policy, or a file beside it) and only what
    differs; everything else is inherited.

    Parameters
    ----------
    name_or_path : str or Path
        `rural_commercial_bank`, `joint_stock_bank`, or a path that ends in `.toml`.
    check : callable, optional
        Yields further problems of a bank's own file, given its rules as they are written.

    Returns
    -------
    Policy

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
    if isinstance(name_or_path, Path) or name.endswith(".toml"):
        return _read_policy(Path(name_or_path).resolve(), check)
    return _read_shipped_policy(name)


def as_policy(policy: PolicyLike) -> Policy:
    """Return a policy stated by name, by path or as it is; for None the shipped default.

    >>> as_policy(None) == as_policy("rural_commercial_bank") == as_policy(load_policy())
    True
    """
    return policy if isinstance(policy, Policy) else load_policy(policy or DEFAULT)


@cache
def shipped_policies() -> tuple[str, ...]:
    """Return the names of the policies in the package: the files there that state a version.

    >>> shipped_policies()
    ('joint_stock_bank', 'rural_commercial_bank')
    """
    tables = {file.name: read_toml(file) for file in _FOLDER.iterdir()}
    names = sorted(name for name, table in tables.items() if "version" in table)
    return tuple(name.removesuffix(".toml") for name in names)


@cache
def _read_shipped_policy(name: str) -> Policy:
    """Read a policy of the package, once per process: it is frozen and cannot change."""
    return _read_policy(_shipped_file(name))


def _read_policy(file: Path | Traversable, check: Check | None = None) -> Policy:
    """Build the policy of a file, or raise one error that lists all problems."""
    problems: list[str] = []
    presets = [read_toml(path) for path in _FOLDER.iterdir() if path.name.endswith("_presets.toml")]
    table = {key: value for preset in presets for key, value in preset.items()}
    table = _merge_tables(table, _read_with_bases(file, problems), "", problems)
    table = _expand_presets(table, problems)
    policy = rule_file.build(Policy, table, "", problems)
    if "base" not in table and {"tiers", "dormancy", "families"} - table.keys():
        problems.append(say("needs_base", DEFAULT))
    problems += [*_contradictions(table), *(check(table) if check else ())]
    return rule_file.require(policy, file.name, problems)


def _shipped_file(name: str) -> Traversable:
    """Return the file of a policy of the package."""
    require_known("policy", name, shipped_policies())
    return _FOLDER / f"{name}.toml"


def _read_with_bases(
    file: Path | Traversable, problems: list[str], above: tuple[Path | Traversable, ...] = ()
) -> Table:
    """Return the rules of a file together with those of its base, and of the base's base."""
    table, chain = read_toml(file), (*above, file)
    base = table.get("base")
    if not isinstance(base, str):
        return table
    if isinstance(file, Path) and base.endswith(".toml"):
        below: Path | Traversable = (file.parent / base).resolve()
    else:
        below = _shipped_file(base)
    if below in chain:
        circle = " → ".join(link.name for link in (*chain, below))
        raise PolicyError(say("policies_in_circle", circle))
    rules = _read_with_bases(below, problems, chain)
    inherited = {key: value for key, value in rules.items() if key not in _NOT_INHERITED}
    return _merge_tables(inherited, table, "", problems)


def _merge_tables(base: Table, own: Table, path: str, problems: list[str]) -> Table:
    """Return `base` with every key of `own` merged into it.

    >>> base = {"bases": {"funded": 100, "effective": 10_000}}
    >>> _merge_tables(base, {"bases": {"effective": 20_000}}, "", [])
    {'bases': {'funded': 100, 'effective': 20000}}
    """
    result = dict(base)
    for key, value in own.items():
        below, position = base.get(key), f"{path}.{key}".lstrip(".")
        if isinstance(below, dict) and isinstance(value, dict) and "preset" not in value:
            result[key] = _merge_tables(below, value, position, problems)
        elif _is_named(below) and _is_named(value):
            result[key] = _merge_by_name(below, value, position, problems)
        else:
            result[key] = value
    if "source" in base and "source" not in own and result != base:
        result["source"] = rule_file.OWN
    return result


def _merge_by_name(
    base: list[Table], own: list[Table], path: str, problems: list[str]
) -> list[Table]:
    """Return a list of named tables with the own entries changed, added and removed."""
    entries = {entry["name"]: entry for entry in base}
    order, position = list(entries), len(entries)
    for index, entry in enumerate(own):
        name = entry["name"]
        if any(name == earlier["name"] for earlier in own[:index]):
            problems.append(say("entry_twice", path, name))
        if "remove" not in entry:
            if name not in order:
                order.insert(position, name)
            position = order.index(name) + 1
            entries[name] = _merge_tables(entries.get(name, {}), entry, f"{path}[{name}]", problems)
        elif entry["remove"] is True and len(entry) == 2 and name in order:
            position = order.index(name)
            order.remove(name)
        else:
            hint = say("only_remove") if name in order else did_you_mean(name, order)
            problems.append(say("cannot_remove", path, name, hint))
    return [entries[name] for name in order]


def _is_named(value: object) -> TypeGuard[list[Table]]:
    """Return whether a value is a list of tables that all have a name."""
    return (
        isinstance(value, list)
        and value != []
        and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in value)
    )


def _expand_presets(table: Table, problems: list[str]) -> Table:
    """Return the table with every rule that names a preset written out in full."""
    result = dict(table)
    for key, rule in table.items():
        if not isinstance(rule, dict) or f"{key}_presets" not in table:
            continue
        for misspelt in get_close_matches("preset", rule.keys() - {"preset"}, n=1, cutoff=0.8):
            hint = did_you_mean(misspelt, ["preset"])
            problems.append(say("key_unknown", f"{key}.{misspelt}", hint))
            rule = {k: v for k, v in rule.items() if k != misspelt} | {"preset": rule[misspelt]}
            result[key] = rule
        if "preset" not in rule:
            continue
        presets = table.get(f"{key}_presets")
        known = {preset["name"]: preset for preset in presets} if _is_named(presets) else {}
        name, own = str(rule["preset"]), {k: v for k, v in rule.items() if k != "preset"}
        if name not in known:
            problems.append(say("preset_unknown", key, name, did_you_mean(name, known), [*known]))
        # One that is not known is one problem, not also all that it would have stated.
        preset = known.get(name) or next(iter(known.values()), {})
        # A number in quotation marks is another problem, not also a change.
        unlike = {k for k, v in own.items() if v != preset.get(k) and str(v) != str(preset.get(k))}
        changed = unlike - {"name"}
        if name in known and changed and own.get("name", name) == name:
            problems.append(say("differs_from_preset", key, name))
        result[key] = {k: v for k, v in preset.items() if _ALTERNATIVES.get(k) not in own}
        result[key] |= ({"source": rule_file.OWN} if changed else {}) | own
    return result


def _contradictions(table: Table) -> Iterator[str]:
    """Yield what a policy names and does not have; `table` is its file with base and presets.

    The table is looked at as it is written, so that these problems are listed together with wrong
    types and missing keys. What only a default names (a profile target of a tier that a bank's own
    scheme does not have) is no fault of the file and applies to no customer.

    >>> tiers = {"tiers": [{"name": "small"}, {"name": "large"}]}
    >>> for problem in _contradictions({"tiers": tiers, "disclosure": {"merged_tiers": ["larg"]}}):
    ...     print(problem)
    disclosure.merged_tiers: there is no tier 'larg'. Did you mean 'large'?
    """
    for path, (kind, homes) in _POINTERS.items():
        known = [name for home in homes for name in texts_at(table, home)]
        for name in texts_at(table, path):
            # Rounds and numbers of families are members that no policy names.
            if known and name not in ("", *known) and not name[:1].isdigit():
                close = did_you_mean(name, known)
                yield say("names_nothing", path, say(f"{kind}_word"), name, close)
    # A family that stands where a product is wanted would match no account.
    products = {name for path in _PRODUCTS for name in texts_at(table, path)}
    for path in _PRODUCT_KEYS:
        for name in texts_at(table, path):
            if name in texts_at(table, _FAMILIES) and name not in products:
                yield say("is_family", path, name)
    yield from _tier_contradictions(table)


def _tier_contradictions(table: Table) -> Iterator[str]:
    """Yield tiers with a reserved name, and merged tiers that are not the highest."""
    tiers = list(texts_at(table, _TIERS))
    yield from (say("name_taken", name) for name in tiers if name in _RESERVED)
    stated = any(True for _ in rule_file.values_at(table, "disclosure.merged_tiers"))
    merged = texts_at(table, "disclosure.merged_tiers") if stated else DisclosureRule.merged_tiers
    top = [name for name in tiers if name in merged]
    if top and (top != tiers[-len(top) :] or len(top) == len(tiers)):
        # Where the lowest is among them all would be one: the highest alone is a start.
        yield say("merged_not_highest", top, tiers, str(tiers[tiers.index(top[0]) or -1 :]))
