"""Points and scores of the branches, from their measures, plans and a policy's scorecard."""

from collections.abc import Callable
from math import nan
from statistics import fmean, median, pstdev
from typing import Any, NamedTuple

Figures = dict[tuple[str, str, str], float]  # (measure, base, branch_id) → value; no gaps
Rule = dict[str, Any]
AMONG_PEERS = ("min_max", "percentile", "z")


class Plan(NamedTuple):
    """The level a branch is to reach in a measure, and from where."""

    level: float
    start: float


class Line(NamedTuple):
    """What one branch earns with one indicator; NaN attainment without data."""

    attainment: float
    points: float
    weight: float


def plans(targets: list[Rule], year_start: Figures, indicators: list[Rule]) -> dict[Any, Plan]:
    """Return (measure, branch_id) → plan, for levels and increases."""
    bases = {
        one.get("measure", one["name"]): one.get("customer_base", "funded")
        for one in indicators
        if one.get("target", "plan") == "plan"
    }
    found = {}
    for row in targets:
        measure, branch = row["measure"], row["branch_id"]
        start = 0.0
        if row.get("kind") == "increase":
            start = year_start.get((measure, bases.get(measure, "funded"), branch), 0.0)
        found[measure, branch] = Plan(start + row["target"], start)
    return found


def attainments(
    rule: Rule, now: Figures, before: Figures, plan: dict[Any, Plan], branches: list[str]
) -> dict[str, float]:
    """Return each branch's attainment of one indicator; all branches are peers."""
    measure, base = rule.get("measure", rule["name"]), rule.get("customer_base", "funded")
    values = {b: now[measure, base, b] for b in branches if (measure, base, b) in now}
    low_is_good = rule.get("direction", "higher") == "lower"
    if rule.get("method") in AMONG_PEERS:
        places = among_peers([-v if low_is_good else v for v in values.values()], rule["method"])
        return dict.fromkeys(branches, nan) | dict(zip(values, places, strict=True))
    target_of: dict[str, Callable[[str], tuple[float, float]]] = {
        "plan": lambda b: plan.get((measure, b), Plan(nan, 0.0)),
        "fixed": lambda b: (rule["fixed"], 0.0),
        "previous_quarter": lambda b: (before.get((measure, base, b), nan), 0.0),
        "peer_median": lambda b: (median(values.values()), 0.0),
    }
    reached = {}
    for branch in branches:
        level, start = target_of[rule.get("target", "plan")](branch)
        ratio = (values.get(branch, nan) - start) / (level - start) if level > start else nan
        reached[branch] = 2 - ratio if low_is_good else ratio
    return reached


def among_peers(values: list[float], method: str) -> list[float]:
    """Return where each value stands among all of them."""
    if len(values) < 2:
        return [nan for _ in values]
    if len(set(values)) == 1:
        return [0.5 for _ in values]
    if method == "min_max":
        return [(v - min(values)) / (max(values) - min(values)) for v in values]
    if method == "z":
        return [0.5 + (v - fmean(values)) / pstdev(values) / 10 for v in values]
    below = [sum(other < v for other in values) for v in values]
    alike = [sum(other == v for other in values) for v in values]
    return [(b + (a - 1) / 2) / (len(values) - 1) for b, a in zip(below, alike, strict=True)]


def earned(rule: Rule, a: float) -> float:
    """Return the points that an attainment earns."""
    weight, floor, ceiling = rule["weight"], rule.get("floor", 0), rule.get("ceiling", 1.2)
    step = rule.get("points_per_percent")
    if rule.get("method") == "deduction":
        return weight - min(max(0, (1 - a) * 100) * step, rule.get("limit", weight))
    if a < floor:
        return 0.0
    if rule.get("method") == "full_marks_then_bonus":
        bonus = max(0, (min(a, ceiling) - 1) * 100) * step
        return weight * min(a, 1) + min(bonus, rule["limit"])
    return weight * min(a, ceiling)


def score(
    scorecard: Rule, reached: dict[str, float], customers: float, least: int, vetoed: list[float]
) -> tuple[dict[str, Line], float]:
    """Return one branch's lines by indicator, and its score; `vetoed`: most points of vetoes."""
    rules = {rule["name"]: rule for rule in scorecard["indicators"]}
    missing = {name: rules[name].get("missing", "left_out") for name in rules}
    known = {name: a for name, a in reached.items() if a == a}
    left = [n for n in rules if n in known or missing[n] != "left_out"]
    weight_left = sum(rules[name]["weight"] for name in left)
    factor = scorecard.get("points", 100) / weight_left if weight_left else 0.0
    points = {n: earned(rules[n], known[n]) * factor if n in known else 0.0 for n in rules}
    for group in scorecard.get("indicator_groups", ()):
        inside = [name for name in rules if rules[name].get("group") == group["name"]]
        total, most = sum(points[name] for name in inside), group["most_points"] * factor
        if total > most:
            points |= {name: points[name] * most / total for name in inside}
    lines = {
        n: Line(reached[n], points[n], rules[n]["weight"] * factor if n in left else 0.0)
        for n in rules
    }
    refused = any(missing[name] == "not_scored" for name in rules if name not in known)
    weight_known = sum(rules[name]["weight"] for name in known)
    thin = weight_known < scorecard.get("least_weight", 0.5) * scorecard.get("points", 100)
    if customers < least or refused or thin:
        return lines, nan
    return lines, round(min([sum(points.values()), *vetoed]), 6)
