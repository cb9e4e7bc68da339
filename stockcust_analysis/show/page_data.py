"""A page: whose it is, its figures, looked up in an index that is made once, and its words.

The rules that definitions (口径) speak of stand in `Evaluation.policy_facts`; what an evaluation
saved by an earlier version does not hold is named as the policy's, never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.provided import comparable_measures
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation, new_branches
from stockcust_analysis.measures.worklists import list_name
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Drawing, Language, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# With fewer funded customers than this a page compares and draws no shares.
FEWEST_CUSTOMERS: Final = 30
# An interval of more than this part of all places says nothing.
WIDE_INTERVAL: Final = 0.6
_OF_SIZE: Final = ("gini", "herfindahl", "share_of_customers", "ten_largest", "top_")
_BASE_ORDER: Final = ("funded", "effective", "managed", "all", "established")
_DEPOSITS: Final = ("demand_deposit", "time_deposit")
# Transactions that others than the customer make: where one counts, not only his own do.
_BY_OTHERS: Final = {"interest", "fee", "salary", "pension", "subsidy", "utility_debit", "rollover"}


class Cell(NamedTuple):
    """One row of the measure table: its value with what it was counted on."""

    base: str
    value: float
    numerator: float
    denominator: float
    n: float
    withheld: bool = False


def _figure(number: float, withheld: bool) -> Any:
    return (wording.SUPPRESSED if withheld else None) if isnan(number) else float(number)


class Plan(NamedTuple):
    """A level to reach, the figure it is from (0, or that of the year's start), the part due.

    From NaN where the measure's sources are delivered in part: nothing is held against it.
    """

    level: float
    start: float = 0.0
    due: float = 1.0

    def attained(self, value: float) -> float | None:
        """Return the part of the way from the start to the level; below 0 where it fell.

        >>> Plan(31e8, start=30e8).attained(30.5e8), Plan(31e8).attained(31e8)
        (0.5, 1.0)
        """
        way = self.level - self.start
        return (value - self.start) / way if way > 0 else None


def plans_of(targets: pd.DataFrame) -> dict[str, Plan]:
    """Return one branch's plans above zero: measure → plan."""
    rows = targets[targets["target"] > 0].drop_duplicates("measure")
    # An evaluation that an earlier release wrote has levels alone.
    known = {"start": 0.0, "phased_share": 1.0} | dict(rows)
    facts = pd.DataFrame({name: known[name] for name in ("target", "start", "phased_share")})
    facts = facts.astype(float).fillna({"phased_share": 1.0})
    plans = (Plan(*row) for row in facts.itertuples(index=False))
    return dict(zip(rows["measure"], plans, strict=True))


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


_INDEXED: Final = "quarter branch_id measure member base value numerator denominator n"
# (quarter, branch_id) → (measure, member) → base → cell.
Cells = dict[tuple[str, str], dict[tuple[str, str], dict[str, Cell]]]


@dataclass(frozen=True)
class Page:
    """What every page has: an evaluation, a language, the words of the one in the other.

    Its figures are those of a branch; headquarters' page, of no single one, has the whole bank's.
    """

    evaluation: Evaluation
    language: Language
    branch_id: str
    # The sections of `labels.toml` where its words, captions and headers stand.
    section: ClassVar[str] = "page"
    captions: ClassVar[str] = "caption"
    headers: ClassVar[str] = "header"

    @cached_property
    def quarter(self) -> str:
        """The quarter of the page, such as 2026Q3."""
        return str(self.evaluation.quarter)

    @cached_property
    def deposits(self) -> str:
        """How far deposits stand for AUM; "" where AUM is known."""
        return str(self.evaluation.policy_facts.get("aum", ""))

    @cached_property
    def tier_amount(self) -> str:
        """What the amount is called that the policy's tiers go by."""
        return RuleWords(self.evaluation.policy_facts, self.language).tier_amount

    @cached_property
    def new_branches(self) -> dict[str, tuple[str, str]]:
        """Branch that opened or took over others this year → "opened" or "merged", and the day."""
        return new_branches(self.evaluation.branches, self.evaluation.quarter)

    @cached_property
    def cells(self) -> Cells:
        """The measure table as an index, so that no figure is searched for twice."""
        measures, cells = self.evaluation.measures, Cells()
        hidden = measures["withheld"] if "withheld" in measures else [False] * len(measures)
        columns = [measures[name].tolist() for name in _INDEXED.split()]
        for quarter, branch, measure, member, base, *figures in zip(*columns, hidden, strict=True):
            group = cells.setdefault((quarter, branch), {})
            group.setdefault((measure, member), {})[base] = Cell(base, *figures)
        return cells

    def cell(
        self, measure: str, member: str = "", base: str = "", quarter: str = "", branch_id: str = ""
    ) -> Cell | None:
        """Return a row of the measure table, of this branch and quarter unless others are named.

        Without a base the first that has a value is taken: funded customers, then effective,
        managed and all; those of a year or more only where there is nothing else. On the page of
        the whole bank none is found of the bank by its name: it does not stand beside itself.
        """
        if branch_id == WHOLE_BANK == self.branch_id:
            return None
        whose = (quarter or self.quarter, branch_id or self.branch_id or WHOLE_BANK)
        bases = self.cells.get(whose, {}).get((measure, member), {})
        with_value = (bases[b] for b in _BASE_ORDER if b in bases and not isnan(bases[b].value))
        return bases.get(base) if base else next(with_value, None)

    def value(self, measure: str, member: str = "", **which: str) -> Any:
        """Return the value of a cell; "*" where withheld, None of nothing."""
        cell = self.cell(measure, member, **which)
        return None if cell is None else _figure(cell.value, cell.withheld)

    def own(self, table: pd.DataFrame, /, **equal: str) -> pd.DataFrame:
        """Return the page's rows of a table; of these the ones whose columns are equal."""
        if table.empty:
            return table
        for name, value in {"branch_id": self.branch_id or WHOLE_BANK, **equal}.items():
            table = table[table[name] == value]
        return table

    def text(self, key: str, within: str = "", **blanks: Any) -> str:
        """Return a word of the page in its language, its blanks filled: numbers as counts."""
        words = self.say(wording.text(key, self.language, within=within or self.section))
        return wording.fill(words, **blanks) if blanks else words

    def join(self, sentences: Iterable[str]) -> str:
        """Return sentences one after another."""
        return self.text("between", "sentence").join(filter(None, sentences))

    def explain(self, measures: Iterable[str]) -> str:
        """Return what measures are by the codebook, one after another."""
        colon = self.text("colon", "page")
        meanings = [self.text(name, "measure") + colon + self.define(name) for name in measures]
        return self.join(meanings)

    def define(self, measure: str, part: str = "") -> str:
        """Return what a measure is by the codebook, or another `part` of its entry."""
        words = getattr(wording.measure_words(measure), part or f"definition_{self.language}")
        if measure.startswith("tier_"):
            average = wording.text(wording.AVERAGE, self.language, within="amount")
            words = words.replace(average, self.tier_amount)
        return words if part else self.say(words)

    def say(self, words: str) -> str:
        """Return words that speak of deposits where nothing else is known of AUM.

        A quarter that is not over ends on the data date so far.
        """
        if not self.evaluation.quarter.is_whole:
            known = wording.section_words("word", self.language)
            words = words.replace(known["quarter_end"], known["data_date"])
        return wording.name_deposits(words, self.language) if self.deposits else words

    def figure(self, drawn: Axes, *, alt: str, caption: str) -> Drawing:
        """Finish a chart for the page, in the page's words."""
        if self.deposits:
            texts: list[Any] = drawn.figure.findobj(lambda artist: hasattr(artist, "set_text"))
            for text in texts:
                text.set_text(self.say(text.get_text()))
            # Names of rows would come back when they are drawn.
            for axis in (axis for axes in drawn.figure.axes for axis in (axes.xaxis, axes.yaxis)):
                labels = [label.get_text() for label in axis.get_ticklabels()]
                if (words := [self.say(label) for label in labels]) != labels:
                    axis.set_ticklabels(words)
        return figure(drawn, alt=self.say(alt), caption=caption)

    def label(self, name: str, within: str = "measure") -> str:
        """Return the word for a name in the data; one that has none stays as it is."""
        return self.text(name, within) if name in wording.names(within) else name

    def unit(self, values: Iterable[wording.Figure], *, told: Iterable[float] = ()) -> wording.Unit:
        """Return one unit of money for a column or table; none `told` stands there as 0."""
        unit = wording.money_unit(values, self.language)
        lost = [amount for amount in told if 0 < 2 * amount * 10**unit.decimals < unit.divisor]
        return wording.money_unit([200 * min(lost)], self.language) if lost else unit

    def change(self, measure: str, now: wording.Figure, before: wording.Figure) -> str:
        """Return a change of a measure, as a table prints it."""
        kind = wording.measure_words(measure).kind
        return wording.format_arrow(wording.change_between(now, before, kind), kind, self.language)

    def format_attained(self, part: wording.Figure, plan: Plan | None = None) -> str:
        """Return a part of a plan as text: that it fell, or that the plan cannot be compared."""
        if plan is not None and isnan(plan.start):
            return self.text("not_provided", "page")
        is_fall, due = isinstance(part, float) and part < 0, plan.due if plan else 1.0
        return self.text("fell", "word") if is_fall else wording.format_part(part, due=due)

    def members(self, dimension: str) -> dict[str, str]:
        """Return what the policy calls its tiers, families, channels or classes, in its order."""
        return wording.policy_words(self.evaluation.policy_facts, dimension, self.language)

    @cached_property
    def member_words(self) -> dict[str, str]:
        """What the policy calls its classes, channels, families and tiers."""
        dimensions = map(self.members, ("customer_class", "channel", "family", "tier"))
        return {code: word for dimension in dimensions for code, word in dimension.items()}

    def measure(self, name: str, base: str = "", member: str = "") -> str:
        """Return a measure's name, with its member and its base where they are named."""
        words = [self.text(name, "measure")]
        words += [self.member_words.get(member, member)] if member else []
        words += [self.text(base, "base")] if base else []
        return " · ".join(words)


@dataclass(frozen=True)
class BranchPage(Page):
    """One branch's slice of the evaluation, and the language of its page."""

    @property
    def is_small(self) -> bool:
        """Whether too few customers are funded to say anything of shares."""
        customers = self.value("customers", base="funded")
        return not isinstance(customers, float) or customers < FEWEST_CUSTOMERS

    def bank_value(self, measure: str, base: str) -> Any:
        """Return the bank's value; None of concentration, which goes by a branch's size."""
        is_news = not measure.startswith(_OF_SIZE)
        return self.value(measure, base=base, branch_id=WHOLE_BANK) if is_news else None

    def count(self, measure: str, member: str = "", **which: str) -> wording.Figure:
        """Return how many customers a share stands for; "*" where withheld, None of nothing."""
        cell = self.cell(measure, member, **which)
        return None if cell is None else _figure(cell.numerator, cell.withheld)

    @cached_property
    def targets(self) -> dict[str, Plan]:
        """What the branch is to reach this quarter: measure → its plan, above zero."""
        return plans_of(self.own(self.evaluation.targets, quarter=self.quarter))

    @cached_property
    def on_one_base(self) -> pd.DataFrame:
        """Each measure on one base: tiers count all customers, the rest funded ones."""
        measures = self.evaluation.measures
        base = measures["dimension"].map({"tier": "all"}).fillna("funded")
        return measures[measures["base"] == base]

    def attained(self, measure: str, value: float | None) -> float | None:
        """Return the part of its plan that a value reaches; None where there is no plan."""
        plan = self.targets.get(measure)
        return None if plan is None or value is None else plan.attained(value)


def beside(amount: wording.Figure, before: float | None) -> dict[str, Any]:
    """Return last quarter's amount, and by how much this one is larger, as columns of a row."""
    change = None if before is None or not isinstance(amount, float) else amount - before
    return {"amount_before": before, "amount_change": change}


def mark_withheld(
    table: pd.DataFrame, gone: Any, columns: Iterable[str] | None = None
) -> pd.DataFrame:
    """Return a table with "*" for the missing numbers of the rows in which they are withheld."""
    numbers = table.select_dtypes("number") if columns is None else table[list(columns)]
    cells = {str(name): column.astype(object) for name, column in numbers.items()}
    marked = {n: c.mask(c.isna() & gone, wording.SUPPRESSED) for n, c in cells.items()}
    return table.assign(**marked)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield a frame's rows, each with its cells as attributes."""
    return frame.itertuples(index=False)


def without_unlike_quarters(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation without what compares averages of two definitions."""
    made = evaluation.policy_facts.get("approximations", {})
    measures = comparable_measures(evaluation.measures, made, evaluation.quarter)
    return replace(evaluation, measures=measures)


def lists_not_provided(left_out: Mapping[str, Sequence[str]], language: Language) -> str:
    """Return a sentence that names the work lists that were left out, with the reasons.

    >>> lists_not_provided({"no_maturities": ["maturing"]}, "zh")
    '未提供的名单：到期（没有存款到期日）。'
    """
    words, marks = (wording.section_words(name, language) for name in ("list_left_out", "page"))
    lists = {why: [list_name(name, language) for name in names] for why, names in left_out.items()}
    groups = [words[why].format(lists=marks["enumeration"].join(n)) for why, n in lists.items()]
    said = words["lists"].format(groups=marks["list_separator"].join(groups)) if groups else ""
    return wording.name_deposits(said, language) if "no_positions" in left_out else said


def branch_page(evaluation: Evaluation, *, branch_id: str, language: Language) -> BranchPage:
    """Return one branch's page; UsageError when the branch does not report."""
    return BranchPage(without_unlike_quarters(evaluation.of_branch(branch_id)), language, branch_id)


def compared_quarters(quarter: str) -> dict[str, str]:
    """Return the earlier quarters a quarter is compared with (环比, 同比, 较年初).

    The first and the fourth quarter lead with year-on-year, because of the season. Versus year
    start is left out where it is the same comparison as another one.

    >>> compared_quarters("2026Q3")
    {'previous_quarter': '2026Q2', 'year_ago': '2025Q3', 'year_start': '2025Q4'}
    >>> compared_quarters("2026Q4")
    {'year_ago': '2025Q4', 'previous_quarter': '2026Q3'}
    """
    this = Quarter.parse(quarter)
    known = earlier_quarters(this)
    names = ("year_ago", "previous_quarter") if this.number in (1, 4) else known
    return {name: known[name] for name in names}


def earlier_quarters(this: Quarter) -> dict[str, str]:
    """Return the quarter before, the one a year ago and the last of the year before, by name."""
    names = ("previous_quarter", "year_ago", "year_start")
    return {name: str(getattr(this, name.removesuffix("_quarter"))) for name in names}
