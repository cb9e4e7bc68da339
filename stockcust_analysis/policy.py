"""The rules a bank measures by: tiers, dormancy, product families and bases, read from one file.

A policy is data. It is written in TOML, versioned, printed in the report, and never computed from
the quarter's own figures: a border that moved with the data would turn into migration.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy_file import build

EVIDENCE = ("balance", "in_force", "used", "held")
DEFAULT = "rural_commercial_bank"


@dataclass(frozen=True)
class Tier:
    """One tier (客户分层): from `lower` CNY up to the next tier's border, which is not in it."""

    name: str
    lower: float
    zh: str
    en: str


@dataclass(frozen=True)
class TierScheme:
    """Tiers in ascending order over one AUM column, half-open [lower, upper).

    >>> small, large = Tier("small", 0, "小", "Small"), Tier("large", 100, "大", "Large")
    >>> TierScheme("two", (small, large)).names
    ('small', 'large')
    """

    name: str
    tiers: tuple[Tier, ...]
    value: str = "aum_average_quarter"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a scheme in which some amount would have no tier, or two."""
        borders = [tier.lower for tier in self.tiers]
        if not borders or borders[0] != 0:
            raise PolicyError(f"tier scheme '{self.name}' must begin at 0 CNY.")
        if any(low >= high for low, high in pairwise(borders)):
            raise PolicyError(f"tier scheme '{self.name}': borders must rise from tier to tier.")
        if len(set(self.names)) < len(self.names):
            raise PolicyError(f"tier scheme '{self.name}' uses a tier's name twice.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tiers, lowest first."""
        return tuple(tier.name for tier in self.tiers)


@dataclass(frozen=True)
class DormancyRule:
    """When a customer counts as dormant (睡眠): idle for the period, below the cap, not exempt.

    Exactly one of `idle_months` (counted day to day, 对年对月对日) and `idle_days` is given. `cap`
    is CNY of the column `value`; an amount equal to it is small only when `cap_inclusive`.
    `exempt` names products a dormant customer cannot hold, or `unmatured_time_deposit`.

    >>> DormancyRule("half_year", cap=500, idle_months=6).cutoff(date(2026, 9, 30))
    datetime.date(2026, 3, 31)
    """

    name: str
    cap: float
    idle_months: int | None = None
    idle_days: int | None = None
    cap_inclusive: bool = False
    value: str = "aum_period_end"
    exempt: tuple[str, ...] = ()
    active_kinds: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule without exactly one positive idle period, or with a negative cap."""
        periods = [given for given in (self.idle_months, self.idle_days) if given is not None]
        if len(periods) != 1 or periods[0] < 1:
            raise PolicyError(
                f"dormancy rule '{self.name}' needs either idle_months or idle_days, at least 1."
            )
        if self.cap < 0:
            raise PolicyError(f"dormancy rule '{self.name}': the cap cannot be negative.")

    def cutoff(self, as_of: date) -> date:
        """Return the latest day of last activity on which a customer is idle by `as_of`."""
        if self.idle_months is not None:
            return cutoff(as_of, self.idle_months)
        return as_of - timedelta(days=self.idle_days or 0)


@dataclass(frozen=True)
class Family:
    """A product family (产品大类) or a channel: its products, and what shows that it is in use.

    `active_if` lists the evidence of which one suffices: `balance` above zero, a policy `in_force`
    (not matured), `used` recently, or merely `held`.
    """

    name: str
    zh: str
    en: str
    products: tuple[str, ...]
    active_if: tuple[str, ...] = ("balance",)

    def __post_init__(self) -> None:
        """Refuse evidence that nothing can look for."""
        unknown = [evidence for evidence in self.active_if if evidence not in EVIDENCE]
        if unknown:
            raise PolicyError(f"{self.name}: active_if takes {', '.join(EVIDENCE)}; not {unknown}.")


@dataclass(frozen=True)
class ProductFamilies:
    """Families count towards cross-sell; channels are shown only; AUM products add up to AUM."""

    families: tuple[Family, ...]
    channels: tuple[Family, ...] = ()
    aum_products: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a product that would be counted in two families."""
        products = [name for family in self.families + self.channels for name in family.products]
        twice = sorted({name for name in products if products.count(name) > 1})
        if twice:
            raise PolicyError(f"products in more than one family: {', '.join(twice)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the families, in the policy's order."""
        return tuple(family.name for family in self.families)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in the policy's order."""
        return tuple(channel.name for channel in self.channels)


@dataclass(frozen=True)
class Bases:
    """Lowest quarter-average AUM, in CNY, of a funded (有资产) and an effective (有效) customer."""

    funded: float = 100
    effective: float = 10_000


@dataclass(frozen=True)
class Policy:
    """All rules in force for one evaluation."""

    name: str
    version: str
    tiers: TierScheme
    dormancy: DormancyRule
    families: ProductFamilies
    bases: Bases = Bases()
    customer_types: tuple[str, ...] = ("personal", "sole_trader")
    dormancy_presets: tuple[DormancyRule, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the rules themselves: comments and layout of the file do not change it."""
        content = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def dormancy_rule(self, name: str) -> DormancyRule:
        """Return the rule in force or the preset called `name`."""
        rules = {rule.name: rule for rule in (*self.dormancy_presets, self.dormancy)}
        if name not in rules:
            raise UsageError.unknown("dormancy rule", name, rules)
        return rules[name]


def load_policy(name_or_path: str | Path = DEFAULT) -> Policy:
    """Read a policy that is shipped with the package, by name, or a bank's own, by path.

    Parameters
    ----------
    name_or_path : str or Path
        `rural_commercial_bank`, or a path that ends in `.toml`.

    Raises
    ------
    UsageError
        No such policy.
    PolicyError
        The file cannot be followed; the message lists every unknown key, wrong type and
        impossible rule at once.

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
        return _parse(_read(Path(name_or_path)), Path(name_or_path).name)
    return _shipped(name)


@cache
def _shipped(name: str) -> Policy:
    """Read a policy of the package, once per process: it is frozen and cannot change."""
    folder = files("stockcust_analysis") / "policies"
    names = [entry.name.removesuffix(".toml") for entry in folder.iterdir()]
    if name not in names:
        raise UsageError.unknown("policy", name, names)
    return _parse((folder / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


def _read(path: Path) -> str:
    """Return the text of a policy file; a byte order mark, as Windows editors write, is fine."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no policy file {path.name} at the path given.") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path.name} is not UTF-8. Save it as UTF-8.") from None


def _parse(text: str, file: str) -> Policy:
    """Build the policy, or raise one error that lists all problems."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file} is not valid TOML: {error}.") from error
    problems: list[str] = []
    policy = build(Policy, table, "", problems)
    if policy is None or problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise PolicyError(f"{file} cannot be followed:\n{listed}")
    return policy
