"""The policy as one object: all rules in force for one evaluation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from stockcust_analysis.errors import UsageError
from stockcust_analysis.policy.comparison import ComparisonRule
from stockcust_analysis.policy.coverage import CoverageRule
from stockcust_analysis.policy.disclosure import DisclosureRule
from stockcust_analysis.policy.dormancy import AttritionRule, DormancyRule
from stockcust_analysis.policy.families import ProductFamilies
from stockcust_analysis.policy.groups import CustomerGroup
from stockcust_analysis.policy.scorecard import Scorecard
from stockcust_analysis.policy.themes import Theme
from stockcust_analysis.policy.tiers import TierMemory, TierScheme
from stockcust_analysis.policy.worklists import WorkListRule


@dataclass(frozen=True)
class Bases:
    """Lowest quarter-average AUM, in CNY, of a funded (有资产) and an effective (有效) customer."""

    funded: float = 100
    effective: float = 10_000


@dataclass(frozen=True)
class Policy:
    """All rules in force for one evaluation: one field per table of the policy file."""

    name: str
    version: str
    tiers: TierScheme
    dormancy: DormancyRule
    families: ProductFamilies
    tier_memory: TierMemory | None = None
    base: str = ""
    bases: Bases = Bases()
    customer_types: tuple[str, ...] = ("personal", "sole_trader")
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

    @property
    def digest(self) -> str:
        """SHA-256 of the rules themselves: comments, layout and inheritance do not change it."""
        rules = asdict(self) | {"base": ""}
        content = json.dumps(rules, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def members(self) -> dict[str, list[dict[str, Any]]]:
        """Tiers, families, channels and classes in the policy's order, each with its words.

        >>> from stockcust_analysis.policy import load_policy
        >>> load_policy().members["tiers"][3]
        {'name': 'mid', 'zh': '中端', 'en': 'Mid', 'lower': 50000.0}
        """
        families = self.families
        return {
            "tiers": [_words(tier) | {"lower": tier.lower} for tier in self.tiers.tiers],
            "families": [
                _words(one) | {"products": list(one.products)} for one in families.families
            ],
            "channels": [_words(channel) for channel in families.channels],
            "classes": [_words(group) for group in self.coverage.classes],
        }

    def dormancy_rule(self, name: str | DormancyRule | None) -> DormancyRule:
        """Return a rule given as it is, the preset called `name`, or for None the one in force."""
        if name is None:
            return self.dormancy
        if isinstance(name, DormancyRule):
            return name
        rules = {rule.name: rule for rule in (*self.dormancy_presets, self.dormancy)}
        if name not in rules:
            raise UsageError.unknown("dormancy rule", name, rules)
        return rules[name]

    def theme(self, quarter: int) -> Theme | None:
        """Return what the first, …, fourth quarter of the year is about, where the policy says."""
        return next((theme for theme in self.themes if theme.quarter == quarter), None)


def _words(entry: Any) -> dict[str, Any]:
    """Return an entry's name, and its words in both languages: the name itself without any."""
    return {
        "name": entry.name,
        "zh": entry.zh or entry.name,
        "en": entry.en or entry.name,
    }
