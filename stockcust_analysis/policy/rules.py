"""The rules customers are measured by: tiers, dormancy, families, bases; and the whole policy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from math import inf
from typing import Any, Literal, get_args

from stockcust_analysis.core.periods import cutoff
from stockcust_analysis.errors import require_known
from stockcust_analysis.policy.file import duplicates, outside, refuse, take_one_as_list
from stockcust_analysis.policy.scorecard import ComparisonRule, DisclosureRule, Scorecard, Theme
from stockcust_analysis.policy.service import CoverageRule, WorkListRule

Amount = Literal["aum_period_end", "aum_average_month", "aum_average_quarter"]
Evidence = Literal["balance", "in_force", "used", "held"]
Landing = Literal["last", "mean", "maximum"]
Clock = Literal["transaction", "maturity", "contact", "opening"]
Cap = Literal["total", "account"]
AumOfDeposits = Literal["", "deposits_only"]
Unit = Literal["customer", "person"]
_EVIDENCE, _LANDINGS, _CLOCKS, _CAPS = map(get_args, (Evidence, Landing, Clock, Cap))


@dataclass(frozen=True)
class Tier:
    """One tier (客户分层): from `lower` CNY up to, but not including, the next tier's border."""

    name: str
    lower: float
    zh: str
    en: str


@dataclass(frozen=True)
class TierScheme:
    """Tiers in ascending order over one AUM column, half-open [lower, upper).

    Parameters
    ----------
    name : str
        What tables and messages call it.
    tiers : tuple of Tier
        Each with `name`, `lower` border in CNY (the first 0), and its names `zh` and `en`; `Tier`
        is in `stockcust_analysis.policy`.
    value : str
        Column that is judged, such as `aum_average_quarter`.
    source : str
        Where the borders come from.

    >>> from stockcust_analysis.policy import Tier
    >>> small, large = Tier("small", 0, "小", "Small"), Tier("large", 100, "大", "Large")
    >>> TierScheme("two", (small, large)).names
    ('small', 'large')
    """

    name: str
    tiers: tuple[Tier, ...]
    value: Amount = "aum_average_quarter"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a scheme in which some amount would have no tier, or two."""
        if not all(isinstance(tier, Tier) for tier in self.tiers):
            refuse({"takes_tiers": True}, "tier_scheme_rule", self.name)
        problems = {
            "begins_at_0": not self.tiers or self.tiers[0].lower != 0,
            "borders_rise": [
                f"{below.name} {below.lower:,.15g} ≥ {above.name} {above.lower:,.15g}"
                for below, above in pairwise(self.tiers)
                if below.lower >= above.lower
            ],
            "tier_name_twice": duplicates(self.names),
        }
        refuse(problems, "tier_scheme_rule", self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tiers, lowest first."""
        return tuple(tier.name for tier in self.tiers)


@dataclass(frozen=True)
class TierMonths:
    """The number of short months in a row that end one tier, where it differs from the rest."""

    tier: str
    months: int


@dataclass(frozen=True)
class TierMemory:
    """How a tier is kept (升降级规则): up after one month, down after a row of short months.

    `months_to_downgrade` short months in a row end a tier (`exceptions`: other tiers, other
    months); until then the customer is on watch (关注). `landing` says which amount decides the
    tier after that: that of the `last` short month, their `mean`, or their `maximum`. `lag_months`
    is 1 where a tier is in force from the month after the one that earned or lost it.

    >>> memory = TierMemory("own", exceptions=(TierMonths("private", 6),))
    >>> memory.months_of("mid"), memory.months_of("private")
    (3, 6)
    >>> memory.periods_of("private", months_apart=3)
    2
    """

    name: str
    months_to_downgrade: int = 3
    exceptions: tuple[TierMonths, ...] = ()
    lag_months: int = 0
    landing: Landing = "last"
    value: Amount = "aum_average_month"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse no months, another lag than 0 or 1, unknown landings, a tier named twice."""
        months = [self.months_to_downgrade, *(entry.months for entry in self.exceptions)]
        problems = {
            "month_before_downgrade": min(months) < 1,
            "lag_0_or_1": self.lag_months not in (0, 1),
            "takes_landing": self.landing not in _LANDINGS and [*_LANDINGS],
            "two_exceptions": duplicates(entry.tier for entry in self.exceptions),
        }
        refuse(problems, "tier_memory_rule", self.name)

    def months_of(self, tier: str) -> int:
        """Return the number of short months in a row that end a tier."""
        months = {entry.tier: entry.months for entry in self.exceptions}
        return months.get(tier, self.months_to_downgrade)

    def periods_of(self, tier: str, *, months_apart: int) -> int:
        """Return the same in snapshots, by calendar: 3 months are 1 quarter, 4 to 6 are 2."""
        return -(-self.months_of(tier) // months_apart)


@dataclass(frozen=True)
class DormancyRule:
    """When a customer counts as dormant (睡眠): idle for the period, below the cap, not exempt.

    Exactly one of `idle_months` (counted day to day, 对年对月对日) and `idle_days` is stated. The
    `clock` names what restarts the period: the last customer-initiated `transaction` (of
    `active_kinds`; any, if empty), the last `maturity`, an answered `contact`, the `opening` of
    the relationship. `cap` is CNY; an amount equal to it is small only when `cap_inclusive`, and
    without a cap every balance above zero is. It is compared with the column `value`, or with the
    balance of `products` where the rule names them; with `cap_per` account, with each account (of
    `products`, or of all that are AUM). `exempt` names products a dormant customer cannot hold, or
    `unmatured_time_deposit`; `scope` the customer types the rule applies to (all, if empty).

    >>> from datetime import date
    >>> DormancyRule("half_year", cap=500, idle_months=6).cutoff(date(2026, 9, 30))
    datetime.date(2026, 3, 31)
    """

    name: str
    cap: float | None = None
    idle_months: int | None = None
    idle_days: int | None = None
    cap_inclusive: bool = False
    cap_per: Cap = "total"
    value: Amount = "aum_period_end"
    scope: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    clock: tuple[Clock, ...] = ("transaction", "maturity")
    exempt: tuple[str, ...] = ()
    active_kinds: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule that cannot be followed; everything wrong with it is named at once."""
        take_one_as_list(self)
        periods = [length for length in (self.idle_months, self.idle_days) if length is not None]
        unknown_clocks = not self.clock or not set(self.clock) <= set(_CLOCKS)
        problems = {
            "one_idle_period": len(periods) != 1 or periods[0] < 1,
            "no_negative_cap": self.cap is not None and self.cap < 0,
            "takes_cap_per": self.cap_per not in _CAPS and ([*_CAPS], self.cap_per),
            "takes_clock": unknown_clocks and ([*_CLOCKS], [*self.clock]),
        }
        refuse(problems, "dormancy_rule", self.name)

    @property
    def looks_at_accounts(self) -> bool:
        """Whether the cap is compared with balances of accounts, not with the customer's AUM."""
        return bool(self.products) or self.cap_per == "account"

    def cutoff(self, as_of: date) -> date:
        """Return the latest day of last activity with which a customer is idle by `as_of`."""
        if self.idle_months is not None:
            return cutoff(as_of, self.idle_months)
        return as_of - timedelta(days=self.idle_days or 0)

    def without_exemptions(self) -> list[DormancyRule]:
        """Return the rule, and it without each of its exemptions (豁免) and without any of them.

        For `compare_rules`, which then shows how many each exemption keeps from being dormant.

        >>> rule = DormancyRule("half", cap=500, idle_months=6, exempt=("loan", "payroll"))
        >>> {fewer.name: fewer.exempt for fewer in rule.without_exemptions()[1:]}
        {'half-loan': ('payroll',), 'half-payroll': ('loan',), 'half-all': ()}
        """
        left = {code: tuple(c for c in self.exempt if c != code) for code in self.exempt}
        left |= {"all": ()} if len(left) > 1 else {}
        fewer = (replace(self, name=f"{self.name}-{code}", exempt=left[code]) for code in left)
        return [self, *fewer]


@dataclass(frozen=True)
class AttritionRule:
    """When money is leaving (流失预警): a fall of the quarter's average beyond that of the peers.

    A customer is on the warning whose average of the previous quarter was `lowest_average` CNY or
    more and fell by `margin` more than the median change of the branch's customers in the same
    tier (0.2: twenty percentage points more; with 0 nearly half of all are below their median).
    Where the branch has fewer than `smallest_group` of them, the whole bank's median is used.

    >>> AttritionRule().lowest_average
    10000
    """

    lowest_average: float = 10_000
    margin: float = 0.2
    smallest_group: int = 10
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule under which no fall could be recognised."""
        broken = self.lowest_average <= 0 or self.smallest_group < 1
        problems = {"attrition_limits": broken, "are_shares": outside(self, 0, 1, "margin")}
        refuse(problems, "attrition_rule")


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
    active_if: tuple[Evidence, ...] = ("balance",)

    def __post_init__(self) -> None:
        """Refuse unknown evidence."""
        take_one_as_list(self)
        unknown = [evidence for evidence in self.active_if if evidence not in _EVIDENCE]
        refuse({"takes_evidence": unknown and ([*_EVIDENCE], unknown)}, "family_rule", self.name)


@dataclass(frozen=True)
class ProductFamilies:
    """Families count towards cross-sell; channels are shown only; AUM products add up to AUM."""

    families: tuple[Family, ...]
    channels: tuple[Family, ...] = ()
    aum_products: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a product that would be counted in two families."""
        take_one_as_list(self)
        every = self.families + self.channels
        twice = sorted(duplicates(product for family in every for product in family.products))
        refuse({"product_in_two_families": twice}, "families_rule")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the families, in the policy's order."""
        return tuple(family.name for family in self.families)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in the policy's order."""
        return tuple(channel.name for channel in self.channels)


@dataclass(frozen=True)
class CustomerGroup:
    """A customer group (横向分群), under its code in the customers' column `groups`.

    A customer may belong to several.
    """

    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class Bases:
    """Lowest quarter-average AUM, in CNY, of a funded (有资产) and an effective (有效) customer."""

    funded: float = 100
    effective: float = 10_000

    def __post_init__(self) -> None:
        """Refuse amounts below zero, and effective customers who would not be funded."""
        problems = {
            "not_negative": outside(self, 0, inf, "funded", "effective"),
            "funded_to_effective": self.funded > self.effective,
        }
        refuse(problems, "bases_rule")


def label_of(rule: Any) -> str:
    """Return a rule's name, if it has one, and a digest of what it says; the source is no part.

    >>> rules = (DormancyRule("own", cap=cap, idle_months=6) for cap in (500.0, 500, 5_000))
    >>> first, same, other = map(label_of, rules)
    >>> first == same, first == other, first.startswith("own#")
    (True, False, True)
    """
    content = asdict(rule)
    name, _ = content.pop("name", ""), content.pop("source", "")
    same_numbers = json.loads(json.dumps(content), parse_int=float)  # 500 and 500.0 are one cap
    return f"{name}#{_digest(same_numbers)[:6]}"


def _digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of rules."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Policy:
    """All rules in force for one evaluation; `load_policy` reads it from a policy file.

    Attributes
    ----------
    name, version, base : str
        Which policy it is, and which one it builds on.
    tiers, tier_memory : TierScheme, TierMemory or None
        Borders of the tiers in CNY, and how long a customer keeps a tier.
    dormancy, dormancy_presets : DormancyRule, tuple of DormancyRule
        The rule in force, and those available by name.
    families : ProductFamilies
        Which products are one family, which are AUM, which are channels.
    bases, customer_types, groups
        Whom rates are of, who is in scope, and the customer groups (横向分群).
    unit : str
        What counts as one (统计单位): the "customer" number, or the "person", whose several numbers
        (一人多户号, the same `person_id`) are then one in every measure.
    aum : str
        "deposits_only": a bank whose source holds no positions but deposits is tiered, scored and
        ranked by these.
    attrition, coverage, worklists, scorecard, comparison, disclosure, themes
        Rules of the attrition warning, of service, of work lists, of points, of fair comparison,
        of what may be circulated, and the quarters' themes.

    Examples
    --------
    >>> from stockcust_analysis import load_policy
    >>> policy = load_policy("rural_commercial_bank")
    >>> policy.dormancy.name, policy.tiers.names[-1]
    ('rural_6m_500', 'private')
    """

    name: str
    version: str
    tiers: TierScheme
    dormancy: DormancyRule
    families: ProductFamilies
    tier_memory: TierMemory | None = None
    base: str = ""
    bases: Bases = Bases()
    customer_types: tuple[str, ...] = ("personal", "sole_trader")
    unit: Unit = "customer"
    aum: AumOfDeposits = ""
    attrition: AttritionRule = field(default_factory=AttritionRule)
    coverage: CoverageRule = field(default_factory=CoverageRule)
    worklists: WorkListRule = field(default_factory=WorkListRule)
    groups: tuple[CustomerGroup, ...] = ()
    scorecard: Scorecard = field(default_factory=lambda: Scorecard("none", (), points=0))
    comparison: ComparisonRule = field(default_factory=ComparisonRule)
    themes: tuple[Theme, ...] = ()
    disclosure: DisclosureRule = field(default_factory=DisclosureRule)
    dormancy_presets: tuple[DormancyRule, ...] = ()
    tier_memory_presets: tuple[TierMemory, ...] = ()

    def __post_init__(self) -> None:
        """Take one name where names are listed for a list of one."""
        take_one_as_list(self)

    def __repr__(self) -> str:
        """Return which rules these are, and how to read them: in full they fill a screen."""
        tiers = ", ".join(self.tiers.names)
        return (
            f"<Policy {self.name!r} {self.version}: tiers {tiers}; "
            f"dormancy {self.dormancy.name}; scorecard {self.scorecard.name}>\n"
            "Go on: policy.tiers, policy.dormancy; all in words: stockcust policy show NAME_OR_FILE"
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the rules themselves: comments, layout and inheritance do not change it."""
        # A rule that is not stated changes nothing.
        silent = [("aum", ""), ("unit", "customer")]
        rules = {key: rule for key, rule in asdict(self).items() if (key, rule) not in silent}
        rules["base"] = ""
        if self.worklists.model is None:
            del rules["worklists"]["model"]
        return _digest(rules)

    @property
    def labels(self) -> dict[str, str]:
        """Return what tells apart the rules by which `bank.customers` makes columns.

        >>> from stockcust_analysis.policy import load_policy
        >>> sorted(load_policy().labels)
        ['base_rule', 'dormancy_rule', 'family_rule', 'tier_rule']
        """
        rules = {"dormancy": self.dormancy, "tier": self.tiers, "base": self.bases}
        rules |= {"family": self.families}
        return {f"{kind}_rule": label_of(rule) for kind, rule in rules.items()}

    @property
    def members(self) -> dict[str, list[dict[str, Any]]]:
        """Tiers, families, channels, classes and groups in the policy's order, with their words.

        >>> from stockcust_analysis.policy import load_policy
        >>> load_policy().members["tiers"][3]
        {'name': 'mid', 'zh': '中端', 'en': 'Mid', 'lower': 50000.0}
        """

        def words(entry: Any) -> dict[str, Any]:
            return {key: getattr(entry, key) or entry.name for key in ("name", "zh", "en")}

        return {
            "tiers": [words(tier) | {"lower": tier.lower} for tier in self.tiers.tiers],
            "families": [
                words(family) | {"products": list(family.products)}
                for family in self.families.families
            ],
            "channels": [words(channel) for channel in self.families.channels],
            "classes": [words(group) for group in self.coverage.classes],
            "groups": [words(group) for group in self.groups],
        }

    def dormancy_rule(self, name: str | DormancyRule | None) -> DormancyRule:
        """Return the preset of a name; a rule is returned as it is, for None the one in force.

        Parameters
        ----------
        name : str, DormancyRule or None
            Such as "crm_6m". UsageError with close matches for one that the policy does not know.
        """
        if name is None or isinstance(name, DormancyRule):
            return name or self.dormancy
        rules = {rule.name: rule for rule in (*self.dormancy_presets, self.dormancy)}
        return rules[require_known("dormancy_rule", name, rules)]

    def theme(self, quarter: int) -> Theme | None:
        """Return the theme of a quarter of the year, where there is one.

        Parameters
        ----------
        quarter : int
            1 to 4.
        """
        return next((theme for theme in self.themes if theme.quarter == quarter), None)
