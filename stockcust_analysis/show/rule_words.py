"""The rules of an evaluation's policy in words: what its definitions (口径) say of its rules.

All of it stands in `Evaluation.policy_facts`; what an evaluation saved by an earlier version does
not hold is named as the policy's, never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from stockcust_analysis.measures.worklists import list_name
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Language

_DEPOSITS: Final = ("demand_deposit", "time_deposit")
# Transactions that others than the customer make: where one counts, not only his own do.
_BY_OTHERS: Final = {"interest", "fee", "salary", "pension", "subsidy", "utility_debit", "rollover"}


@dataclass(frozen=True)
class RuleWords:
    """The rules among the facts of a policy, in the words of a language.

    >>> from stockcust_analysis.policy import load_policy
    >>> rules = RuleWords(load_policy().members | {"tier_value": "aum_period_end"}, "zh")
    >>> rules.tier_amount
    '时点AUM'
    """

    facts: Mapping[str, Any]
    language: Language

    @property
    def tier_amount(self) -> str:
        """What the amount is called that tiers go by."""
        return self._amount(self.facts.get("tier_value", wording.AVERAGE))

    def definitions(self) -> dict[str, str]:
        """Return what fills the blanks of definitions; no `clock` where the rule is not known."""
        tiers, rule = self.facts["tiers"], self.facts["dormancy"]
        borders = [format_border(tier["lower"]) for tier in tiers]
        ranges = [f"{low}–{high}" for low, high in pairwise(borders)] + [f"≥{borders[-1]}"]
        named = [f"{t[self.language]} {span}" for t, span in zip(tiers, ranges, strict=True)]
        types = self._named("customer_type", self.facts.get("customer_types", ["all"]))
        words = {
            "funded": format_border(self.facts["funded"]),
            "effective": format_border(self.facts["effective"]),
            "types": begin(types),
            "products": begin(self._products(self.facts.get("aum_products", ["all"]))),
            "amount": self.tier_amount,
            "tiers": wording.text("list_separator", self.language, within="page").join(named),
        }
        return words | (self._dormancy(rule) if "clock" in rule else {})

    def service(self, lists: Collection[str] = ()) -> dict[str, str]:
        """Return what fills the blanks of the rules of service and of these lists, if known."""
        rules = self.facts.get("service")
        if rules is None:
            return {}
        words = {name: format_border(n) for name, n in rules.items() if isinstance(n, int | float)}
        words |= {name: format_border(100 * rules[name]) for name in ("margin", "near_border")}
        *names, rest, unknown = [group[self.language] for group in self.facts["classes"]]
        shares = [format_border(100 * group["share"]) for group in rules["classes"]]
        ranked = [f"{name} {share}%" for name, share in zip(names, shares, strict=False)]
        borders = wording.section_words("list_rule", self.language).items()
        listed = [
            self._part("list", name=list_name(name, self.language), border=border.format(**words))
            for name, border in borders
            if name in lists
        ]
        separator = wording.text("list_separator", self.language, within="page")
        tiers = {tier["name"]: tier[self.language] for tier in self.facts["tiers"]}
        goals = {goal["tier"]: goal["share"] for goal in rules.get("profile_targets", ())}
        shown = [f"{tiers[t]} {format_border(100 * goals[t])}%" for t in tiers if t in goals]
        targets = self._join(shown, "comma")
        return words | {
            "profiles": self._part("profiles", targets=targets) if targets else "",
            "outcomes": self._named("contact_outcome", rules["effective_outcomes"], "or"),
            "shares": self._join([*ranked, self._part("rest", name=rest)], "comma"),
            "unknown": unknown,
            "months": self._join([str(group["contact_months"]) for group in rules["classes"]]),
            "borders": self._known(separator.join(listed)),
        }

    def _dormancy(self, rule: Mapping[str, Any]) -> dict[str, str]:
        """Return what fills the blanks of the dormancy rule."""
        period = "idle_months" if rule["idle_months"] else "idle_days"
        looked_at, active = self._products(rule["products"]), rule["active_kinds"]
        is_own = active and not _BY_OTHERS.intersection(active)
        clock = {"transaction": self._part("own_transaction" if is_own else "transaction")}
        clock["maturity"] = self._part("maturity", of=looked_at or self._products(["any"]))
        restarts = [clock.get(kind) or self._part(kind) for kind in rule["clock"]]
        kinds = [kind for kind in wording.names("transaction_kind") if kind not in active]
        idle_kinds = self._named("transaction_kind", kinds if active else ())
        amount = self._part("total", of=looked_at) if looked_at else self._amount(rule["value"])
        if rule["cap_per"] == "account" and rule["cap"] is not None:
            amount = self._part("every_account", of=looked_at or self._products(["of_aum"]))
        size = "at_most" if rule["cap_inclusive"] else "below"
        cap = "" if rule["cap"] is None else format_border(rule["cap"])
        exempt = self._products(rule["exempt"], "comma")
        scope = self._named("customer_type", rule["scope"])
        is_of_all = not scope or {*self.facts["customer_types"]} <= {*rule["scope"]}
        has_kinds = idle_kinds and "transaction" in rule["clock"]
        return {
            "idle": self._part(period, number=str(rule[period])),
            "clock": self._join(restarts, "or"),
            "kinds": self._part("kinds", kinds=idle_kinds) if has_kinds else "",
            "cap": self._part(size if cap else "any_balance", amount=amount, cap=cap),
            "exempt": self._part("exempt", products=exempt) if exempt else "",
            "scope": "" if is_of_all else self._part("scope", types=scope),
        }

    def _part(self, key: str, **blanks: str) -> str:
        return wording.fill(wording.text(key, self.language, within="rule_part"), **blanks)

    def _amount(self, column: str) -> str:
        return self._known(wording.text(column, self.language, within="amount"))

    def _known(self, words: str) -> str:
        """Return words of assets, which are called deposits where nothing else is known."""
        return wording.name_deposits(words, self.language) if self.facts.get("aum") else words

    def _named(self, within: str, codes: Sequence[str], last: str = "and") -> str:
        """Return codes in the words of a section; "" of none."""
        words = wording.section_words(within, self.language)
        return self._join([words.get(code, code) for code in codes], last)

    def _products(self, products: Sequence[str], last: str = "and") -> str:
        """Return products in words; both kinds of deposits are deposits."""
        if set(_DEPOSITS) <= set(products):
            products = ["deposits", *(name for name in products if name not in _DEPOSITS)]
        return self._named("product", products, last)

    def _join(self, words: list[str], last: str = "and") -> str:
        """Return words as an enumeration, `last` before the last one."""
        most = self._part("comma").join(words[:-1])
        return self._part(last).join(filter(None, [most, *words[-1:]]))


def begin(words: str) -> str:
    """Return words with a capital, as a sentence begins."""
    return words[:1].upper() + words[1:]


def format_border(value: float) -> str:
    """Return a border of the policy, in full: what decides about a customer is not rounded.

    >>> format_border(10_000), format_border(10.5), format_border(99.99)
    ('10,000', '10.5', '99.99')
    """
    return f"{value:,.15g}"
