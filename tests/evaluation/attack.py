"""An attacker with nothing but the circulated tables, a pencil and a linear program.

Written from what the tables mean, without the package's own relations: every printed number is
taken as known, every withheld one as anything from 0 up, and each sum a reader could think of is
written down. The attacker then asks between which bounds a withheld number must lie.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import Evaluation

Name = tuple[str, ...]
STATUS = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
OF_CUSTOMERS = (
    *STATUS,
    "inactive_rate",
    "multi_product_share",
    "multi_product_share_3",
    "multi_product_share_4",
    "product_count_share",
    "penetration",
    "channel_penetration",
    "tier_customer_share",
    "vip_share",
    "products_per_customer",
    "aum_per_customer",
    "class_customer_share",
    "contact_due_share",
    "reclaim_due_share",
    "set_aside_share",
    "hand_over_due_share",
)
SIGNED = (
    "net_upgrade_rate",
    "aum_change",
    "aum_change_by_number",
    "aum_change_by_size",
    "same_customer_growth",
    "all_customer_growth",
    "returned_aum",
)
TIERS = ("residual", "potential", "effective", "mid", "high", "private")
FAMILIES = 9
"""Of the shipped policy; its borders 100, 10,000, 50,000 and 500,000 are those of rules, too."""
CONCENTRATION = ("gini", "top_", "ten_largest", "share_of_customers_holding", "herfindahl")
MONEY_ROWS = ("aum", "asset_", "growth", "outflow")


class Attack:
    """What the attacker wrote down: known numbers, unknown ones, and sums between them."""

    def __init__(self, told: Evaluation, knows: Iterable[tuple[Name, float]] = ()) -> None:
        self.known: dict[Name, float] = {}
        self.unknown: dict[Name, int] = {}
        self.sums: list[tuple[dict[Name, float], float]] = []
        self.slack = 0
        self.free: set[Name] = set()
        self._read(told)
        for name, value in knows:
            self.unknown.pop(name, None)
            self.known[name] = value
        self.unknown = {name: place for place, name in enumerate(self.unknown)}
        self._write_sums(str(told.quarter), str(told.quarter.previous))
        self._solve_parts()

    def _see(self, name: Name, value: float) -> None:
        if np.isnan(value):
            if name not in self.known:
                self.unknown[name] = 0
        else:
            self.known[name] = value
            self.unknown.pop(name, None)

    def _read(self, told: Evaluation) -> None:
        """Note every number; of a rate also how many customers it stands for."""
        rows = told.measures
        total = rows["denominator"].eq(1).groupby(rows["measure"]).transform("all")
        for row, is_total in zip(rows.to_dict("records"), total, strict=True):
            if row["measure"].startswith(CONCENTRATION):
                continue
            where = (row["quarter"], row["branch_id"])
            label = (row["measure"], row["member"], row["base"])
            self._see((*where, *label, "numerator"), row["numerator"])
            self._see((*where, *label, "n"), row["n"])
            if not is_total:
                self._see((*where, *label, "denominator"), row["denominator"])
            if row["measure"] in SIGNED:
                self.free.add((*where, *label, "numerator"))
        now = str(told.quarter)
        for row in told.bridge.to_dict("records"):
            for part in ("customers", "amount"):
                sign = (
                    -1
                    if part == "amount"
                    and row["component"] in ("shrunk", "drained", "closed", "transferred_out")
                    else 1
                )
                name = (now, row["branch_id"], "bridge", row["component"], part)
                self._see(name, sign * row[part])
        for row in told.migration.to_dict("records"):
            for part in ("customers", "opening_aum", "closing_aum"):
                name = (now, row["branch_id"], "migration", row["from"], row["to"], part)
                self._see(name, row[part])

    def _there(self, name: Name) -> bool:
        return name in self.known or name in self.unknown

    def _equal(self, whole: Name, *parts: Name, minus: tuple[Name, ...] = ()) -> None:
        """Write down that a whole is the sum of its parts, if all of them are in the tables."""
        if all(map(self._there, (whole, *parts, *minus))):
            terms: dict[Name, float] = defaultdict(float)
            terms[whole] += 1
            for sign, names in ((-1, parts), (1, minus)):
                for name in names:
                    terms[name] += sign
            self._sum(terms)

    def _within(self, whole: Name, *parts: Name) -> None:
        """Write down that parts are no more than a whole."""
        self._not_negative({whole: 1.0, **dict.fromkeys(parts, -1.0)})

    def _not_negative(self, terms: dict[Name, float]) -> None:
        """Write down that a weighted sum of numbers is 0 or more, if they are in the tables."""
        if all(map(self._there, terms)):
            self.slack += 1
            rest = ("slack", str(self.slack))
            self.unknown[rest] = len(self.unknown)
            self._sum({**terms, rest: -1.0})

    def _sum(self, terms: dict[Name, float], right: float = 0.0) -> None:
        unknown = {n: c for n, c in terms.items() if n in self.unknown and c}
        right -= sum(c * self.known[n] for n, c in terms.items() if n in self.known)
        if unknown:
            self.sums.append((unknown, right))

    def _write_sums(self, now: str, before: str) -> None:
        names = [*self.known, *self.unknown]
        blocks = sorted({name[:2] for name in names})
        members: dict[Name, set[str]] = defaultdict(set)
        for name in names:
            if len(name) == 6 and name[2] != "migration" and name[3]:
                members[(*name[:3], name[4], name[5])].add(name[3])
        for block in blocks:
            self._in_block(block, members)
            if block[0] == now:
                self._across_quarters(block, (before, block[1]))
        self._branches_and_bank(names)

    def _in_block(self, block: Name, members: dict[Name, set[str]]) -> None:
        def cell(measure: str, base: str, member: str = "", part: str = "numerator") -> Name:
            return (*block, measure, member, base, part)

        bases = sorted({n[4] for n in self._of(block)})
        for base in bases:
            customers = cell("customers", base)
            if base == "managed":  # counted beside their rates alone
                customers = cell("contact_due_share", base, part="denominator")
            for name in self._of(block):
                if name[4] != base:
                    continue
                measure, member, part = name[2], name[3], name[5]
                if part == "n" and measure not in _OTHER_N:
                    self._equal(customers, name)
                if part == "denominator" and measure in OF_CUSTOMERS:
                    self._equal(customers, name)
                if part == "denominator" and measure not in SIGNED and _is_share(measure):
                    self._within(name, cell(measure, base, member))
            self._equal(customers, *(cell(status, base) for status in STATUS))
            self._equal(cell("inactive_rate", base), *(cell(idle, base) for idle in STATUS[2:]))
            two, three, four = (f"multi_product_share{k}" for k in ("", "_3", "_4"))
            exactly = [cell("product_count_share", base, k) for k in ("2", "3", "4+")]
            self._equal(cell(two, base), *exactly)
            self._equal(cell(three, base), *exactly[1:])
            self._equal(cell(four, base), exactly[2])
            self._within(cell(two, base), cell(three, base))
            self._within(cell(three, base), cell(four, base))
            for measure, whole in _TOTALS.items():
                for part in ("numerator", "denominator"):
                    told = members.get((*block, measure, base, part))
                    if told and (whole_part := whole.get(part)):
                        parts = [cell(measure, base, m, part) for m in sorted(told)]
                        self._equal(cell(whole_part[0], base, part=whole_part[1]), *parts)
            self._equal(
                cell("upgrade_rate", base),
                cell("net_upgrade_rate", base),
                cell("downgrade_rate", base),
            )
            flow = [cell(f"dormant_{x}", base) for x in ("closing", "opening", "arrived")]
            gone = (
                cell("reactivated", base),
                cell("dormant_moved", base),
                cell("dormant_left", base),
            )
            self._equal(flow[0], flow[1], flow[2], cell("newly_dormant", base), minus=gone)
            self._within(flow[1], *gone)
            self._equal(cell("reactivated", base), cell("reactivation_rate", base))
            self._equal(flow[1], cell("reactivation_rate", base, part="denominator"))
            self._equal(cell("newly_dormant", base), cell("newly_dormant_rate", base))
            for money in ("silent_aum_share", "dormant_aum_share"):
                self._equal(cell("aum_period_end", base), cell(money, base, part="denominator"))
            self._equal(
                cell("aum_period_end", base),
                cell("aum_change", base),
                cell("aum_change", base, part="denominator"),
            )
            self._equal(
                cell("aum_average_quarter", base),
                cell("all_customer_growth", base),
                cell("all_customer_growth", base, part="denominator"),
            )
            self._equal(cell("aum_average_quarter", base), cell("aum_per_customer", base))
            for tier in sorted(members.get((*block, "tier_customers", base, "numerator"), ())):
                for count, share in (
                    ("tier_customers", "tier_customer_share"),
                    ("tier_aum", "tier_aum_share"),
                ):
                    self._equal(cell(count, base, tier), cell(share, base, tier))
            self._families(base, cell)
        self._tiers(cell, members[(*block, "tier_customers", "all", "numerator")])
        self._classes(cell, members[(*block, "class_customers", "managed", "numerator")])
        self._two_dates(block, cell)
        self._migration(block, cell)
        for narrow, wide in (("effective", "funded"), ("established", "funded"), ("funded", "all")):
            for name in self._of(block):
                if name[4] == narrow and name[2] not in SIGNED:
                    self._within((*name[:4], wide, name[5]), name)
        self._bridge(block)

    def _families(self, base: str, cell: Callable[..., Name]) -> None:
        """Write down how many families customers with one, two, three and more of them hold."""
        held = cell("products_per_customer", base)
        one, two, three, more = (
            cell("product_count_share", base, k) for k in ("1", "2", "3", "4+")
        )
        self._not_negative({held: 1, one: -1, two: -2, three: -3, more: -4})
        self._not_negative({held: -1, one: 1, two: 2, three: 3, more: float(FAMILIES)})
        two, three, four = (cell(f"multi_product_share{k}", base) for k in ("", "_3", "_4"))
        customers = cell("products_per_customer", base, part="denominator")
        self._not_negative({held: 1, two: -2, three: -1, four: -1})
        self._not_negative({held: -1, customers: 1, two: 1, three: 1, four: FAMILIES - 3})

    def _tiers(self, cell: Callable[..., Name], told: set[str]) -> None:
        """Write down who the tiers from a border upwards are, where it is a rule's, too."""
        merged = [name for name in told if name not in TIERS]
        lowest = TIERS.index(merged[0].removesuffix("_and_above")) if merged else len(TIERS)
        tiers = [*TIERS[:lowest], *merged]
        for measure, wholes in (
            (
                "tier_customers",
                {
                    1: cell("customers", "funded"),
                    2: cell("customers", "effective"),
                    3: cell("managed_share", "funded", part="denominator"),
                    4: cell("vip_share", "funded"),
                },
            ),
            (
                "tier_aum",
                {
                    1: cell("aum_average_quarter", "funded"),
                    2: cell("aum_average_quarter", "effective"),
                },
            ),
        ):
            for border, whole in wholes.items():
                # Who has a loan is funded whatever the tier.
                write = self._within if border == 1 else self._equal
                if told and border <= lowest:
                    write(whole, *(cell(measure, "all", t) for t in tiers[border:]))
        for tier in tiers:
            profiles = cell("tier_profile_completion", "managed", tier, "denominator")
            self._within(cell("tier_customers", "all", tier), profiles)

    def _classes(self, cell: Callable[..., Name], told: set[str]) -> None:
        """Write down who of the managed is to be contacted, and who was not in time."""
        ranked = [cell("class_customers", "managed", name) for name in "ABC"]
        for shares in ((80, -20, -20), (50, 50, -50)):  # of A, and of A and B
            self._not_negative(dict(zip(ranked, shares, strict=True)))
        # Whose profile is complete is ranked.
        profiles = cell("profile_completion", "managed")
        self._not_negative({**dict.fromkeys(ranked, 1.0), profiles: -1.0})
        kinds: dict[str, list[Name]] = {"numerator": [], "denominator": []}
        for name in sorted(told):
            for part, cells in kinds.items():
                cells.append(cell("class_contact_coverage", "managed", name, part))
            self._within(cell("class_customers", "managed", name), kinds["denominator"][-1])
            self._within(kinds["denominator"][-1], kinds["numerator"][-1])
        due = cell("contact_due_share", "managed")
        if told and all(map(self._there, (*kinds["numerator"], *kinds["denominator"]))):
            self._equal(due, *kinds["denominator"], minus=tuple(kinds["numerator"]))
        self._within(due, cell("reclaim_due_share", "managed"))
        covered = [
            cell("contact_coverage", "managed", part=p) for p in ("denominator", "numerator")
        ]
        self._within(*covered, cell("reclaim_due_share", "managed"))
        managed = [cell("managed_customers", "funded"), cell("managed_share", "funded")]
        self._within(cell("customers_per_manager", "managed"), managed[0])
        self._within(*managed)
        self._equal(
            cell("managed_share", "funded"),
            cell("profile_completion", "managed", part="denominator"),
        )

    def _two_dates(self, block: Name, cell: Callable[..., Name]) -> None:
        """Write down what of two dates is the same but for who changed branch."""
        kept, opening = (
            cell("customer_retention", "funded", part=part) for part in ("numerator", "denominator")
        )
        in_tiers = cell("upgrade_rate", "funded", part="denominator")
        self._within(kept, in_tiers)
        if block[1] != "@bank" and not self._nobody_moved(block):
            return
        self._equal(kept, in_tiers)
        awake = cell("newly_dormant_rate", "funded", part="denominator")
        self._equal(opening, cell("dormant_opening", "funded"), awake)
        for whole, part in (
            ("customer_retention", "attrition_warning_rate"),
            ("asset_retention", "attrition_outflow_share"),
        ):
            at_risk = cell(part, "all", part="denominator")
            self._within(cell(whole, "effective", part="denominator"), at_risk)
        self._within(
            cell("attrition_warning_rate", "all", part="denominator"),
            cell("customer_retention", "effective"),
        )
        for base in ("funded", "effective"):
            self._within(cell("customers", base), cell("customer_retention", base))
        self._within(cell("aum_average_quarter", "all"), cell("asset_retention_net", "funded"))

    def _migration(self, block: Name, cell: Callable[..., Name]) -> None:
        """Write down the margins of the migration: tiers, up and down, gone and new."""
        steps = [n for n in (*self.known, *self.unknown) if n[:3] == (*block, "migration")]
        if not steps:
            return

        def cells(part: str, wanted: Callable[[str, str], bool]) -> tuple[Name, ...]:
            return tuple(n for n in steps if n[5] == part and wanted(n[3], n[4]))

        def rank(tier: str) -> int:
            return TIERS.index(t) if (t := tier.removesuffix("_and_above")) in TIERS else -1

        if not any(t.endswith("_and_above") for n in steps for t in n[3:5]):
            self._equal(
                cell("upgrade_rate", "funded"),
                *cells("customers", lambda a, b: 0 <= rank(a) < rank(b)),
            )
            self._equal(
                cell("downgrade_rate", "funded"),
                *cells("customers", lambda a, b: rank(a) > rank(b) >= 0),
            )
        gone, new = ((*block, "bridge", step, "customers") for step in ("closed", "new"))
        self._equal(gone, *cells("customers", lambda a, b: b == "CLOSED"))
        self._equal(new, *cells("customers", lambda a, b: a == "NEW"))
        for tier in {t for n in steps for t in n[3:5] if rank(t) >= 0}:
            out = {tier, "DRAINED"} if tier == TIERS[0] else {tier}
            back = {tier, "RETURNED"} if tier == TIERS[0] else {tier}
            for measure, closing, opening in (
                ("tier_customers", "customers", "customers"),
                ("tier_aum", "closing_aum", "opening_aum"),
            ):
                own = (measure, tier, "all", "numerator")
                into = cells(closing, lambda a, b, out=out: b in out)  # type: ignore[misc]
                outof = cells(opening, lambda a, b, back=back: a in back)  # type: ignore[misc]
                self._equal((*block, *own), *into)
                self._equal((str(Quarter.parse(block[0]).previous), block[1], *own), *outof)

    def _bridge(self, block: Name) -> None:
        def step(name: str, part: str) -> Name:
            return (*block, "bridge", name, part)

        arrive, leave = (
            ("new", "returned", "grown", "transferred_in"),
            ("shrunk", "drained", "closed", "transferred_out"),
        )
        self._equal(
            step("closing", "amount"),
            step("opening", "amount"),
            *(step(x, "amount") for x in arrive),
            minus=tuple(step(x, "amount") for x in leave),
        )
        self._equal(
            step("closing", "customers"),
            step("opening", "customers"),
            step("new", "customers"),
            step("transferred_in", "customers"),
            minus=tuple(step(x, "customers") for x in leave[2:]),
        )
        self._within(
            step("closing", "customers"),
            *(step(x, "customers") for x in ("new", "returned", "grown", "shrunk", "drained")),
        )

    def _across_quarters(self, now: Name, before: Name) -> None:
        """Write down that this quarter's opening is the closing of the quarter before."""
        for part, measure in (("customers", "customers"), ("amount", "aum_period_end")):
            self._equal((*now, "bridge", "closing", part), (*now, measure, "", "all", "numerator"))
            self._equal(
                (*now, "bridge", "opening", part), (*before, measure, "", "all", "numerator")
            )
        for base in ("funded", "effective"):
            opening = {
                "customer_retention": "customers",
                "asset_retention": "aum_average_quarter",
                "asset_retention_net": "aum_average_quarter",
                "all_customer_growth": "aum_average_quarter",
                "aum_change": "aum_period_end",
            }
            for measure, closing in opening.items():
                self._equal(
                    (*now, measure, "", base, "denominator"),
                    (*before, closing, "", base, "numerator"),
                )
            if self._nobody_moved(now):  # who changed branch counts as dormant where he went
                self._equal(
                    (*now, "dormant_opening", "", base, "numerator"),
                    (*before, "dormancy_rate", "", base, "numerator"),
                )
                self._equal(
                    (*now, "dormant_opening_aum", "", base, "numerator"),
                    (*before, "dormant_aum_share", "", base, "numerator"),
                )
            self._equal(
                (*now, "dormant_closing", "", base, "numerator"),
                (*now, "dormancy_rate", "", base, "numerator"),
            )

    def _nobody_moved(self, block: Name) -> bool:
        """Return whether the bridge says that nobody came from another branch or went to one."""
        ways = [(*block, "bridge", f"transferred_{way}", "customers") for way in ("in", "out")]
        return all(self.known.get(name) == 0 for name in ways if self._there(name))

    def _branches_and_bank(self, names: list[Name]) -> None:
        """Write down that branches add up to the bank, but for customers who changed branch."""
        moves = (
            "retention",
            "upgrade",
            "downgrade",
            "growth",
            "attrition",
            "arrived",
            "moved",
            "dormant_left",
            "newly",
            "reactivat",
            "transferred",
            "returned",
        )
        by_label: dict[Name, list[Name]] = defaultdict(list)
        for name in names:
            by_label[(name[0], *name[2:])].append(name)
        for label, cells in by_label.items():
            bank = [name for name in cells if name[1] == "@bank"]
            parts = [name for name in cells if name[1] != "@bank"]
            if bank and parts and not any(word in part for part in label[1:3] for word in moves):
                self._equal(bank[0], *parts)

    def _of(self, block: Name) -> list[Name]:
        if not hasattr(self, "_by_block"):
            self._by_block: dict[Name, list[Name]] = defaultdict(list)
            for name in [*self.known, *self.unknown]:
                if len(name) == 6 and name[2] != "migration":
                    self._by_block[name[:2]].append(name)
        return self._by_block[block]

    def _solve_parts(self) -> None:
        """Put the sums into matrices, one per connected part."""
        names = list(self.unknown)
        self.place = {name: place for place, name in enumerate(names)}
        entries = [
            (row, self.place[n], c)
            for row, (terms, _) in enumerate(self.sums)
            for n, c in terms.items()
        ]
        rows, columns, signs = (np.array(x) for x in zip(*entries, strict=True))
        shape = (len(self.sums), len(names))
        self.matrix = coo_array((signs.astype(float), (rows, columns)), shape=shape).tocsr()
        self.right = np.array([right for _, right in self.sums])
        graph = coo_array(
            (np.ones(len(rows)), (rows, columns + len(self.sums))), shape=(sum(shape), sum(shape))
        )
        _, group = connected_components(graph, directed=False)
        self.group = group[len(self.sums) :]
        self.row_group = group[: len(self.sums)]
        self.lower = np.array([-np.inf if name in self.free else 0.0 for name in names])
        self.possible: dict[Name, list[np.ndarray]] = {}

    def bounds(
        self, terms: dict[Name, float], enough: tuple[float, float] = (-np.inf, np.inf)
    ) -> tuple[float, float]:
        """Return between which bounds a sum of numbers must lie; bounds as far out are `enough`.

        What was found possible before is possible: where that goes as far, nothing is solved.
        """
        sure = sum(c * self.known[n] for n, c in terms.items() if n in self.known)
        open_ = {self.place[n]: c for n, c in terms.items() if n in self.place}
        if not open_:
            return sure, sure
        parts = np.unique(self.group[list(open_)])
        cells = np.flatnonzero(np.isin(self.group, parts))
        cost = np.zeros(len(self.group))
        cost[list(open_)] = list(open_.values())
        points = self.possible.setdefault(tuple(parts), [])
        seen = [sure + cost[cells] @ point for point in points]
        low, high = min(seen, default=np.inf), max(seen, default=-np.inf)
        if low > enough[0]:
            low = sure + self._least(cost, cells, parts)
        if high < enough[1]:
            high = sure - self._least(-cost, cells, parts)
        return low, high

    def _least(self, cost: np.ndarray, cells: np.ndarray, parts: np.ndarray) -> float:
        """Return the least that a sum of numbers of some parts may be."""
        rows = np.flatnonzero(np.isin(self.row_group, parts))
        scale = max(1.0, float(np.abs(self.right[rows]).max(initial=1.0)) / 1e4)
        made = linprog(
            cost[cells],
            A_eq=self.matrix[rows][:, cells] if len(rows) else None,
            b_eq=self.right[rows] / scale if len(rows) else None,
            bounds=np.column_stack([self.lower[cells], np.full(len(cells), np.inf)]),
            method="highs",
        )
        assert made.status in (0, 3), made.message
        if made.status == 3:
            return -np.inf
        self.possible[tuple(parts)].append(made.x * scale)
        return float(made.fun) * scale


_OTHER_N = (
    "upgrade_rate",
    "downgrade_rate",
    "net_upgrade_rate",
    "customer_retention",
    "asset_retention",
    "asset_retention_net",
    "all_customer_growth",
    "same_customer_growth",
    "steep_fall_rate",
    "steep_fall_outflow_share",
)
_TOTALS = {
    "tier_customers": {"numerator": ("customers", "numerator")},
    "tier_aum": {"numerator": ("aum_average_quarter", "numerator")},
    "penetration": {"numerator": ("products_per_customer", "numerator")},
    "product_count_share": {"numerator": ("customers", "numerator")},
    "class_customers": {"numerator": ("contact_due_share", "denominator")},
    "tier_profile_completion": {
        "numerator": ("profile_completion", "numerator"),
        "denominator": ("profile_completion", "denominator"),
    },
}


def _is_share(measure: str) -> bool:
    """Return whether a measure's numerator is a part of its denominator."""
    return measure not in (
        "products_per_customer",
        "aum_per_customer",
        "asset_retention_net",
        "customers_per_manager",
        "customers_per_counter_manager",
        "customers_per_vip_manager",
        "outcome_aum_change",
    )
