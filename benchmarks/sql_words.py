"""The policy's lists and borders as SQL, to be filled into the statements of `sql/`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from benchmarks.asked import (
    APPOINTED,
    BANK,
    LEFT_OUT,
    OBLIGING,
    PERCENTS,
    STATUSES,
    STEPS,
    Asked,
    Days,
    cents,
    exempting,
)
from benchmarks.pair_answers import STATES
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy


def words(asked: Asked, quarter: Quarter) -> dict[str, object]:
    """Return what the statements about one date are filled in with."""
    policy, days = asked.policy, Days(quarter.end, asked.policy)
    names = ("as_of", "idle", "established", "contact", "purchase", "reclaim", "first_call")
    return {
        "bank": BANK, "quarter": quarter, "previous": asked.quarter.previous,
        **{name: getattr(days, name) for name in names},
        **{name: asked.files(name) for name in _TABLES},
        "managers": asked.files("managers", "csv"),
        "served": _SERVED.format(quarter=quarter) if asked.has("assignments") else "",
        **_borders(policy), **_accounts(policy, days), **_lists(policy),
        "rounds": _rounds(policy, days), "class": _class(policy), "class_limits": _limits(days),
        "served_sums": _served_sums(policy),
    }  # fmt: skip


_TABLES = ("customers", "holdings", "assignments", "contacts")
_SERVED = "LEFT JOIN served_sums_{quarter} USING (branch_id)"


def _borders(policy: Policy) -> dict[str, object]:
    """Return the numbers of the policy."""
    cover, attrition = policy.coverage, policy.attrition
    return {
        "cap": cents(policy.dormancy.cap or 0),
        "funded": cents(policy.bases.funded),
        "effective": cents(policy.bases.effective),
        "manage_from": cents(cover.manage_from),
        "vip_from": cents(cover.vip_from),
        "first_call_days": cover.first_call_days,
        "set_aside_after": cover.set_aside_after,
        "lowest_average": cents(attrition.lowest_average),
        "margin": attrition.margin,
        "smallest_group": attrition.smallest_group,
    }


def _accounts(policy: Policy, days: Days) -> dict[str, str]:
    """Return what is looked for among accounts."""
    families = policy.families

    def active(products: Iterable[str], evidence: Iterable[str]) -> str:
        shown = {
            "balance": "balance > 0",
            "in_force": f"matures_on > DATE '{days.as_of}'",
            "used": "used_recently",
            "held": "true",
        }
        found = " OR ".join(shown[name] for name in evidence)
        return f"(product IN ({_texts(products)}) AND ({found}))"

    flags = {f"holds_{one.name}": active(one.products, one.active_if) for one in families.families}
    uses = {f"uses_{one.name}": active(one.products, one.active_if) for one in families.channels}
    spared = [active([product], evidence) for product, evidence in exempting(policy).items()]
    spared.append("(product = 'time_deposit' AND balance > 0 "
                  f"AND (matures_on > DATE '{days.as_of}' OR matures_on IS NULL))")  # fmt: skip
    used = " OR ".join([*flags.values(), "last_active_on > opened_on"])
    counted = _texts(product for one in families.families for product in one.products)
    openings = []
    for age, (first, last) in days.came_of_age.items():
        new = (f"product IN ({counted}) AND opened_on > DATE '{first}' "
               f"AND opened_on <= DATE '{last}'")  # fmt: skip
        openings += [
            f"count(*) FILTER ({new}) AS opened_{age}",
            f"count(*) FILTER ({new} AND NOT coalesce({used}, false)) AS unused_{age}",
        ]
    return {
        "flags": _lines(f"bool_or({found}) AS {name}" for name, found in (flags | uses).items()),
        "obliging": " OR ".join(active(one.products, one.active_if) for one in OBLIGING),
        "exempting": " OR ".join(spared),
        "openings": _lines(openings),
    }


def _lists(policy: Policy) -> dict[str, str]:
    """Return what repeats itself over families, tiers, bases or percentages."""
    families, cover = policy.families, policy.coverage
    held = [f"holds_{name}" for name in families.names]
    flags = held + [f"uses_{name}" for name in families.channel_names]
    counts = [f"{what}_{age}" for age in ("90_days", "6_months") for what in ("opened", "unused")]
    return {
        "filled": _lines([*(f"coalesce({name}, false) AS {name}" for name in flags),
                          *(f"coalesce({name}, 0) AS {name}" for name in counts)]),
        "families": " + ".join(f"coalesce({name}, false)::INT" for name in held),
        "tier": " + ".join(f"(average_cents >= {cents(tier.lower)})::TINYINT"
                           for tier in policy.tiers.tiers[1:]),
        "sums": _level_sums(policy, flags, counts),
        "customer_types": _texts(policy.customer_types),
        "never_contact": _texts(cover.never_contact),
        "effective_outcomes": _texts(cover.effective_outcomes),
        "tops": _lines(f"sum(least(greatest(n * {p} - 100 * (n - i), 0), 100) * x) / 100 "
                       f"AS top_{p}_share_cents" for p in PERCENTS),
        "left_out": _lines(map(_without, LEFT_OUT)),
        "retention": _lines(map(_retention, ("funded", "effective"))),
        "bridge": _lines(f"count(*) FILTER ({_moved(state)}) AS {state}, "
                         f"sum(change) FILTER ({_moved(state)}) AS {state}_cents"
                         for state in STATES),
    }  # fmt: skip


def _level_sums(policy: Policy, flags: Iterable[str], counts: Iterable[str]) -> str:
    """Return the sums of one date, each with the customers it counts."""
    among = {"all": "true", **{base: base for base in ("funded", "established", "effective")}}
    counted = {f"customers_{base}": inside for base, inside in among.items()}
    summed: dict[str, tuple[str, str]] = {}
    for base in ("all", "funded", "effective"):
        summed |= {f"{amount}_{base}_cents": (f"{amount}_cents", among[base])
                   for amount in ("end", "average")}  # fmt: skip
    for base in ("all", "funded"):
        for status in STATUSES:
            who = f"{among[base]} AND status = '{status}'"
            counted[f"{status}_{base}"] = who
            summed[f"{status}_{base}_cents"] = "end_cents", who
    for base in ("funded", "established"):
        summed[f"families_{base}"] = "families", base
        counted |= {f"at_least_{k}_{base}": f"{base} AND families >= {k}" for k in (2, 3, 4)}
    counted |= {f"exactly_{k}": f"funded AND families = {k}" for k in range(4)}
    counted |= {name: f"funded AND {name}" for name in flags}
    for place, name in enumerate(policy.tiers.names):
        counted[f"tier_{name}"] = f"tier = {place}"
        summed[f"tier_{name}_cents"] = "average_cents", f"tier = {place}"
    manage_from, vip_from = cents(policy.coverage.manage_from), cents(policy.coverage.vip_from)
    counted["entitled"] = f"funded AND average_cents >= {manage_from}"
    counted["vip"] = f"funded AND average_cents >= {vip_from}"
    summed |= {name: (name, "true") for name in counts}
    return _lines(
        [*(f"count(*) FILTER ({who}) AS {name}" for name, who in counted.items()),
         *(f"sum({what}) FILTER ({who}) AS {name}" for name, (what, who) in summed.items())]
    )  # fmt: skip


def _rounds(policy: Policy, days: Days) -> str:
    """Return the contacts of the contact period by round and what they came to."""
    last = policy.coverage.set_aside_after
    appointed = f"outcome IN ({_texts(APPOINTED)})"
    conditions = ("true", "effective", appointed, "outcome = 'sale'")
    return _lines(
        f"count(*) FILTER (contacted_on > DATE '{days.contact}' "
        f"AND round {'>=' if number == last else '='} {number} AND {found}) "
        f"AS round_{number}_{step}"
        for number in range(1, last + 1)
        for step, found in zip(STEPS, conditions, strict=True)
    )


def _class(policy: Policy) -> str:
    """Return the class of a customer's place among those of his manager."""
    *shared, rest, unknown = policy.coverage.classes
    taken, cases = 0, [f"WHEN NOT known THEN '{unknown.name}'"]
    for one in shared:
        taken += round(one.share * 100)
        cases.append(f"WHEN (place - 1) * 100 < size * {taken} THEN '{one.name}'")
    return f"CASE {' '.join(cases)} ELSE '{rest.name}' END"


def _limits(days: Days) -> str:
    return " ".join(f"WHEN '{name}' THEN DATE '{day}'" for name, day in days.classes.items())


def _served_sums(policy: Policy) -> str:
    """Return the sums by tier, class and round of the managed."""
    tiers = {target.tier: policy.tiers.names.index(target.tier)
             for target in policy.coverage.profile_targets}  # fmt: skip
    wanted = {f"_{name}": f"tier = {place}" for name, place in tiers.items()}
    wanted[""] = f"tier IN ({', '.join(map(str, tiers.values()))})"
    sums = [
        f"count(*) FILTER ({who}) AS to_profile{name}, "
        f"count(*) FILTER ({who} AND profiled) AS profiled{name}"
        for name, who in wanted.items()
    ]
    for name in (one.name for one in policy.coverage.classes):
        inside = f"class = '{name}'"
        sums += [
            f"count(*) FILTER ({inside}) AS class_{name}",
            f"sum(average_cents) FILTER ({inside}) AS class_{name}_cents",
            f"count(*) FILTER ({inside} AND contactable) AS contactable_{name}",
            f"count(*) FILTER ({inside} AND contactable AND NOT contact_due) AS in_time_{name}",
        ]
    return _lines([*sums, "sum(COLUMNS('round_.*'))"])


def _without(largest: int) -> str:
    """Return the sums of concentration without the largest customers."""
    rest, who = f"(n - {largest})", f"i <= n - {largest}"
    clipped = f"least(greatest({rest} * 20 - 100 * ({rest} - i), 0), 100)"
    name = f"without_{largest}"
    return (
        f"count(*) FILTER ({who}) AS customers_{name}, "
        f"sum(x) FILTER ({who}) AS total_{name}_cents, "
        f"sum((2 * i - {rest} - 1) * x) FILTER ({who}) / any_value(nullif({rest}, 0)) "
        f"AS gini_{name}_cents, "
        f"sum({clipped} * x) FILTER ({who}) / 100 AS top_20_share_{name}_cents"
    )


def _retention(base: str) -> str:
    return (
        f"count(*) FILTER (o_{base}) AS opens_{base}, "
        f"count(*) FILTER (o_{base} AND c_{base}) AS retained_{base}, "
        f"sum(o_average) FILTER (o_{base}) AS opening_{base}_cents, "
        f"sum(c_average) FILTER (o_{base}) AS closing_{base}_cents, "
        f"sum(least(o_average, c_average)) FILTER (o_{base}) AS kept_{base}_cents"
    )


def _moved(state: str) -> str:
    """Return who is in a state of the bridge."""
    return {"grown": "other AND change > 0", "shrunk": "other AND change < 0"}.get(state, state)


def co_holding(policy: Policy, facts: str) -> str:
    """Return the statement that counts how families are held together."""
    names = policy.families.names
    counts = {"n": "funded"} | {f"holds_{name}": f"funded AND holds_{name}" for name in names}
    for a, b in combinations(names, 2):
        counts[f"{a}|{b}"] = f"funded AND holds_{a} AND holds_{b}"
    sums = _lines(f'count(*) FILTER ({who}) AS "{name}"' for name, who in counts.items())
    return f"SELECT branch_id, {sums} FROM {facts} GROUP BY branch_id"


def _texts(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _lines(parts: Iterable[str]) -> str:
    return ",\n        ".join(parts)
