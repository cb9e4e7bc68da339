"""What an attacker knows of the numbers that are circulated: which are one, and which add up.

What the registry of measures states (what is divided by what, and what is money) is taken from
there; what else the definitions say is declared in `relations.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures import codebook
from stockcust_analysis.measures.registry import Question
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.file import PACKAGE, read_toml

if TYPE_CHECKING:
    from stockcust_analysis.disclosure import Relations

DECLARED = read_toml(PACKAGE / "evaluation" / "relations.toml")


def relations(policy: Policy) -> Relations:
    """Return what is known of a policy's measures: the registry's sums, and `relations.toml`.

    >>> from stockcust_analysis import load_policy
    >>> known = relations(load_policy())
    >>> known.measures["aum_per_customer"], known.same["aum_per_customer"]
    (['numerator'], 'aum_average_quarter')
    """
    from stockcust_analysis import disclosure

    declared, tiers = dict(DECLARED), [tier.name for tier in policy.tiers.tiers]
    no_sums = {*declared["concentration"]["measures"], *declared.pop("recoded")["branch_only"]}
    top = policy.disclosure.merged_tiers
    declared["merged"] = {**declared["merged"], "members": tiers, "top": top}
    same = dict(pair for each in codebook.QUESTIONS for pair in _same_sums(each, policy))
    declared["same"] = same | declared["same"]
    declared["sums"] = [*declared["sums"], *_border_sums(policy), *_class_sums(policy)]
    del declared["border_sums"]
    parts = disclosure.PARTS
    measures = {
        measure.name: [p for p in parts if str(getattr(measure, p, "")).endswith("_cents")]
        for measure, _ in codebook.all_measures(policy)
        if measure.name not in no_sums
    }
    return disclosure.Relations(**declared, whole=WHOLE_BANK, measures=measures)


def _border_sums(policy: Policy) -> Iterator[dict[str, Any]]:
    """Yield the sums that hold where a rule's border is that of a tier, or of another rule.

    Where it lies between two tiers' borders, who is from the higher one up is among those whom the
    rule means, and these are among the customers from the lower one up.
    """
    by_amount = policy.tier_memory is None and policy.tiers.value == "aum_average_quarter"
    tiers, families = policy.tiers.tiers if by_amount else (), len(policy.families.families)
    for entry in DECLARED["border_sums"]:
        borders = [attrgetter(rule)(policy) for rule in entry["borders"]]
        here = next((place for place, tier in enumerate(tiers) if tier.lower in borders[:1]), 0)
        names = {"{families}": str(families), "{beyond_3}": str(families - 3)}
        names |= {"{tier}": tiers[here].name} if here else {}
        names |= {"{lowest}": tiers[0].name} if here == 1 else {}
        if borders and not here:
            under = sum(tier.lower < borders[0] for tier in tiers)
            around = (tier.name for tier in tiers[under - 1 : under + 1])
            names |= dict(zip(("{within}", "{above}"), around, strict=False))
        terms = [entry["whole"], *entry["parts"]]
        for blank, name in names.items():
            terms = [term.replace(blank, name) for term in terms]
        if len({*borders}) <= 1 and not any("{" in term for term in terms):
            yield {**entry, "whole": terms[0], "parts": terms[1:]}


def _class_sums(policy: Policy) -> Iterator[dict[str, Any]]:
    """Yield that the best classes are their share at least of those who are ranked.

    Every manager's are, and all classes are ranked but the last. Where a manager has customers in
    several branches this may not hold; it is not claimed there. Whose profile is complete is
    ranked.
    """
    *ranked, _ = policy.coverage.classes
    names = [f"class_customers[customer_class={one.name}]" for one in ranked]
    parts = [*(f"-{name}" for name in names), "?"]
    yield {"for": "contact_due_share", "whole": "-profile_completion", "parts": parts}
    for best in range(1, len(ranked)):
        share = sum(round(100 * one.share) for one in ranked[:best])
        terms = [f"{share - 100 * (place < best)}*{name}" for place, name in enumerate(names)]
        parts = [*terms[1:], "?"]
        yield {"for": "contact_due_share", "whole": terms[0].lstrip("-"), "parts": parts}


def _same_sums(question: Question, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield each number of a question that is the same sum as an earlier one, and that one."""
    # The customers of two dates are not those of the quarter.
    names = {} if question in codebook.PAIR_QUESTIONS else {("customers", "", ""): "customers"}
    for measure in question.measures(policy):
        n, name, denominator = f"{measure.name}.n", measure.name, f"{measure.name}.denominator"
        sums = {
            n: ("customers", "", ""),
            name: (measure.numerator, measure.dimension, measure.member),
            denominator: (measure.denominator or denominator, "", ""),
        }
        for label, own in sums.items():
            # Where members have denominators of their own these are as many numbers.
            is_one = label == name or not measure.dimension or own in names
            if is_one and names.setdefault(own, label) != label:
                yield label, names[own]
