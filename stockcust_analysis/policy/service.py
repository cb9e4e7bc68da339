"""Rules of service: who is managed and called, who comes on a work list, and what to do then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Literal

from stockcust_analysis.errors import require_known
from stockcust_analysis.policy.file import (
    PACKAGE,
    build,
    duplicates,
    outside,
    read_toml,
    refuse,
    require,
    take_one_as_list,
)

Channel = Literal["phone", "message", "wechat", "visit", "branch"]
_TO_ANSWER = ("hand_over", "maturing", "attrition_warning", "emptied", "overdue_contact", "reclaim")
_TO_WIN = ("unassigned", "upgrade_candidates", "silent_with_assets", "next_product")
_TO_KEEP = ("referral_sources", "incomplete_profile", "dormant", "set_aside")
LISTS = (*_TO_ANSWER, *_TO_WIN, *_TO_KEEP)
"""All work lists there are, the most pressing first: the order of the sheets."""
MODEL_LIST = "model_warning"
"""The list of whom a model finds at risk; only where a policy has a `ModelRule`."""


@dataclass(frozen=True)
class CustomerClass:
    """A class of managed customers (A to D): its part of the managed, and how often to call.

    `share` is the part of the managed customers that the class takes, best first; the last class
    but one takes the rest, the last one those whose assets and intent are unknown. Without words
    of its own a class is printed by its name.
    """

    name: str
    share: float
    contact_months: int
    zh: str = ""
    en: str = ""


@dataclass(frozen=True)
class ProfileTarget:
    """The share of a tier's managed customers whose profile is to be complete (建档率)."""

    tier: str
    share: float


@dataclass(frozen=True)
class CoverageRule:
    """Who is to be managed, how often called, when handed over (管户与联络). Money in CNY.

    >>> [(group.name, group.contact_months) for group in CoverageRule().classes]
    [('A', 1), ('B', 2), ('C', 3), ('D', 3)]
    """

    manage_from: float = 50_000
    vip_from: float = 500_000
    contact_months: int = 3
    effective_outcomes: tuple[str, ...] = ("reached", "appointment", "visit", "sale", "refused")
    first_call_days: int = 2
    reclaim_months: int = 6
    set_aside_after: int = 5
    purchase_months: int = 6
    never_contact: tuple[str, ...] = ("deceased", "frozen", "staff", "minor")
    counter_roles: tuple[str, ...] = ("counter",)
    vip_roles: tuple[str, ...] = ("vip",)
    assistant_roles: tuple[str, ...] = ()
    classes: tuple[CustomerClass, ...] = (
        CustomerClass("A", 0.20, 1, "A类", "A"),
        CustomerClass("B", 0.30, 2, "B类", "B"),
        CustomerClass("C", 0.00, 3, "C类", "C"),
        CustomerClass("D", 0.00, 3, "D类", "D"),
    )
    profile_targets: tuple[ProfileTarget, ...] = (
        ProfileTarget("mid", 0.70),
        ProfileTarget("high", 1.00),
        ProfileTarget("private", 1.00),
    )
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse periods below one, borders out of order, and classes that leave no rest."""
        take_one_as_list(self)
        shares = [group.share for group in self.classes]
        roles = [*self.counter_roles, *self.vip_roles, *self.assistant_roles]
        periods = ("contact_months", "first_call_days", "reclaim_months", "set_aside_after")
        problems = {
            "at_least_one": outside(self, 1, inf, *periods, "purchase_months"),
            "manage_below_vip": not 0 < self.manage_from < self.vip_from,
            "reclaim_too_short": self.reclaim_months < self.contact_months,
            "two_classes": len(shares) < 2 or any(c.contact_months < 1 for c in self.classes),
            "class_shares": sum(shares) > 1 or min(shares, default=0) < 0,
            "profile_targets_are_shares": not all(0 <= t.share <= 1 for t in self.profile_targets),
            "roles_missing": not (self.counter_roles and self.vip_roles),
            "roles_twice": sorted(duplicates(roles)),
        }
        refuse(problems, "coverage_rule")


@dataclass(frozen=True)
class ModelRule:
    """A model whose results become a work list, and the impact assessment that allows it.

    On the list are the `top_share` of the bank's active funded customers who are most at risk. Only
    with `personal` may facts about the person ("age_group", "gender", "groups") be features.

    >>> ModelRule("early_warning", "PIA-2026-014, 2026-05-20").top_share
    0.05
    """

    model: Literal["early_warning"]
    impact_assessment: str
    top_share: float = 0.05
    personal: tuple[Literal["age_group", "gender", "groups"], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a model without an impact assessment, and a share that is none."""
        problems = {
            "names_assessment": not self.impact_assessment.strip(),
            "top_share_is_share": not 0 < self.top_share <= 1,
            "not_negative": outside(self, 0, inf, "seed"),
        }
        refuse(problems, "model_rule")


@dataclass(frozen=True)
class WorkListRule:
    """Which work lists (名单) a branch gets and who comes on them. Money in CNY.

    `longest` is the number of customers on one list of one branch (ties at its end are kept);
    `near_border` the part of the next tier's border from which a customer is a candidate;
    `next_products` the families to offer, first the one to offer first; `model` the model whose
    results are a list as well, the last one.

    >>> WorkListRule(longest=10).due_months
    1
    """

    lists: tuple[str, ...] = LISTS
    longest: int = 30
    due_months: int = 1
    near_border: float = 0.8
    upgrade_from: float = 10_000
    silent_from: float = 10_000
    maturing_months: int = 3
    next_product_below: int = 2
    next_products: tuple[str, ...] = ("deposit", "wealth", "insurance", "fund")
    hold_out_share: float = 0.0
    hold_out_seed: int = 0
    model: ModelRule | None = None
    source: str = ""

    @property
    def sheets(self) -> tuple[str, ...]:
        """Names of all lists, that of the model last."""
        return (*self.lists, *([MODEL_LIST] if self.model else []))

    def __post_init__(self) -> None:
        """Refuse unknown lists, and lengths, periods and shares out of range."""
        take_one_as_list(self)
        periods = ("longest", "due_months", "maturing_months", "next_product_below")
        problems = {
            "list_unknown": [name for name in self.lists if name not in LISTS],
            "at_least_one": outside(self, 1, inf, *periods),
            "not_negative": outside(self, 0, inf, "upgrade_from", "silent_from"),
            "near_border_is_share": not 0 < self.near_border < 1,
            "hold_out_is_share": not 0 <= self.hold_out_share < 1,
        }
        refuse(problems, "worklists_rule")


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
        return f"{self.list}/{self.tier}/{self.group}"


@dataclass(frozen=True)
class Wording:
    """A call script (话术) or a warning, in both languages."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class Actions:
    """All actions, with the scripts and warnings they point to.

    Actions are data (`policies/actions.toml`), drawn from what a bank does for each tier and group
    of customers. Every offer of deposits carries a compliance warning.
    """

    actions: tuple[Action, ...] = ()
    scripts: tuple[Wording, ...] = ()
    warnings: tuple[Wording, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is stated twice, a list without a default, and a wording that is missing."""
        names = [action.name for action in self.actions]
        names += [wording.name for wording in (*self.scripts, *self.warnings)]
        twice, bare = sorted(duplicates(names)), [n for n in self.lists if f"{n}//" not in names]
        used = {name for action in self.actions for name in (action.script, action.warning)}
        unknown = sorted(used - {"", *self._wordings})
        problems = {"action_twice": twice, "list_without_default": bare, "no_wording": unknown}
        refuse(problems, "actions_rule")

    @property
    def lists(self) -> tuple[str, ...]:
        """Names of the work lists, in the file's order."""
        return tuple(dict.fromkeys(action.list for action in self.actions))

    @property
    def _wordings(self) -> dict[str, Wording]:
        return {wording.name: wording for wording in (*self.scripts, *self.warnings)}

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
        require_known("work_list", list, self.lists)
        matches = [
            action
            for action in self.actions
            if action.list == list and action.tier in ("", tier) and action.group in ("", *groups)
        ]
        return max(matches, key=lambda action: (action.group != "", action.tier != ""))

    def wording(self, name: str) -> Wording:
        """Return the call script or the warning of that name.

        >>> load_actions().wording("hand_over").en.split(":")[0]
        'Hand-over'
        """
        return self._wordings[require_known("wording", name, self._wordings)]


@cache
def load_actions() -> Actions:
    """Return the shipped actions, read once per process.

    >>> load_actions().action("hand_over").channel
    'phone'
    """
    problems: list[str] = []
    file = PACKAGE / "policies" / "actions.toml"
    return require(build(Actions, read_toml(file), "", problems), file.name, problems)
