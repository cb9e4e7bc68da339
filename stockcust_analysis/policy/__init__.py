"""The rules a bank measures by: tiers, dormancy, product families and bases, read from one file.

A policy is data. It is written in TOML, versioned, printed in the report, and never computed from
the quarter's own figures: a border that moved with the data would turn into migration.
"""

from stockcust_analysis.policy.load import DEFAULT, PolicyLike, as_policy, load_policy
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
