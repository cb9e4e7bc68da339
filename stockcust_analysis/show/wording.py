"""Words and numbers as a page prints them, in Chinese and English.

```
text("silent", "en", within="status") ──> "Silent"
money_unit(column) ──> Unit ──> format_money(x, unit)        one unit per column, never mixed
```

Words stand in `labels.toml`, those of the measures in the codebook, and those of what a policy
names (tiers, families, channels, classes) in the evaluation: `policy_words`. Every formatter prints
`—` for a value that does not exist and `*` for one that is withheld.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, partial
from math import isfinite
from statistics import median
from typing import Any, Final

from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.measures.codebook import Kind, defined_measures, measure_definition
from stockcust_analysis.policy import load_policy
from stockcust_analysis.policy.file import PACKAGE, read_toml
from stockcust_analysis.show.blocks import MISSING, Language, known_language

# Member → what a page calls it, in the order in which members are shown.
Words = Mapping[str, str]
# A figure that may be missing, or withheld: then "*" stands in its place.
Figure = float | Decimal | str | None
# What a withheld value prints as; the formatters take it in place of a number.
SUPPRESSED: Final = "*"
AVERAGE: Final = "aum_average_quarter"
# The share of customers in each status, in the order of the words for them.
STATUS_RATES: Final = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
_FORMS: Final = re.compile(r"{(\w+):([^{}|]*)\|([^{}|]*)}")
_POLICY_SECTIONS: Final = {
    "tier": "tiers",
    "family": "families",
    "channel": "channels",
    "customer_class": "classes",
    "customer_group": "groups",
}


@cache
def _word_file() -> dict[str, Any]:
    """Read the word file once."""
    return read_toml(PACKAGE / "show" / "labels.toml")


@cache
def _sections() -> dict[str, dict[str, dict[str, str]]]:
    """Return section → name → language → word; the units of money are not words to look up."""
    definitions = map(measure_definition, defined_measures())
    measures = {measure.name: {"zh": measure.zh, "en": measure.en} for measure in definitions}
    sections = {name: words for name, words in _word_file().items() if name != "money"}
    return {"measure": measures, **sections}


def text(key: str, language: Language = "zh", *, within: str = "measure") -> str:
    """Return the word a page prints for a name in the data.

    Parameters
    ----------
    key
        The name as the measure frame carries it.
    language
        "zh" or "en".
    within
        What the name is: "measure", or a section of `labels.toml` such as "families_held",
        "status", "base", "comparison" or "page".

    Raises
    ------
    UsageError
        An unknown name, section or language; close matches are offered.

    >>> text("gini"), text("gini", "en")
    ('基尼系数', 'Gini coefficient')
    >>> text("silent", within="status")
    '沉默'
    """
    words = section_words(within, language)
    return words[require_known("to_label", key, words, within)]


@cache
def section_words(within: str, language: Language = "zh") -> dict[str, str]:
    """Return all words of a section, in the order pages show them."""
    entries = _sections()[require_known("label_kind", within, _sections())].items()
    return {name: words[known_language(language)] for name, words in entries}


def fill(words: str, /, **blanks: Any) -> str:
    """Return words with their blanks filled: texts as they are, numbers as counts.

    A blank may hold the two forms of the noun behind it, for one and for many, or a format.

    >>> fill("{n:branch|branches}", n=1), fill("{n:branch|branches}", n=1000)
    ('1 branch', '1,000 branches')
    """
    chosen = _FORMS.sub(lambda m: f"{{{m[1]}}} {m[2 if blanks[m[1]] in (1, '1') else 3]}", words)
    own = re.findall(r"{(\w+):", chosen)
    texts = {n: v if n in own or isinstance(v, str) else format_count(v) for n, v in blanks.items()}
    return chosen.format(**texts)


def names(within: str) -> tuple[str, ...]:
    """Return the names known within a section, in the order pages show them.

    >>> names("status")
    ('active', 'active_small', 'silent', 'dormant')
    """
    return tuple(section_words(within))


# The names, kind and direction of a measure, from the codebook.
measure_words = measure_definition


def policy_words(
    policy_facts: Mapping[str, Any], dimension: str, language: Language = "zh"
) -> dict[str, str]:
    """Return what the policy of an evaluation calls the members of a dimension, in its order.

    Parameters
    ----------
    policy_facts
        As an evaluation carries them, or `Policy.members`.
    dimension
        "tier", "family", "channel", "customer_class" or "customer_group".
    language
        "zh" or "en".

    >>> policy_words(load_policy().members, "customer_class")
    {'A': 'A类', 'B': 'B类', 'C': 'C类', 'D': 'D类'}
    """
    require_known("policy_dimension", dimension, _POLICY_SECTIONS)
    entries = policy_facts[_POLICY_SECTIONS[dimension]]
    return {entry["name"]: entry[known_language(language)] for entry in entries}


def member_words(
    dimension: str,
    language: Language = "zh",
    *,
    words: Words | None = None,
    present: Iterable[str] = (),
) -> dict[str, str]:
    """Return what a chart calls the members of a dimension, in the order in which it shows them.

    Parameters
    ----------
    dimension, language
        As for `policy_words`; "families_held" as well.
    words
        As the evaluation's policy calls them. Left out: as the shipped policy does, if it knows all
        that are present; otherwise only those present are shown.
    present
        Members the data hold. One that has no words is shown last, by its name.

    >>> list(member_words("tier"))
    ['residual', 'potential', 'effective', 'mid', 'high', 'private']
    >>> member_words("tier", "en", present=["small", "mid"])
    {'small': 'small', 'mid': 'Mid'}
    """
    present = list(dict.fromkeys(present))
    if words is None:
        words = {}
        if dimension in _POLICY_SECTIONS:
            words = policy_words(load_policy().members, dimension, language)
        elif dimension in _sections():
            words = section_words(dimension, language)
        if not set(present) <= set(words):
            return {name: words.get(name, name) for name in present}
    return {**words, **{name: name for name in present if name not in words}}


def assumptions(policy_facts: Mapping[str, Any], language: Language) -> list[str]:
    """Return a sentence for each thing that was not delivered: its substitute, or that none is.

    Read are an evaluation's `aum_from`, `families_missing`, `knows_tenure`, `no_contacts`, `unit`.

    >>> assumptions({"aum_from": {"aum_average_quarter": "holdings.balance"}}, "zh")
    ['季日均AUM未提供，以期末余额代替。']
    """
    words = section_words("assumption", language)
    origins = policy_facts.get("aum_from", {}).items()
    keys = [f"{name}.{origin.removeprefix('holdings.')}" for name, origin in origins]
    keys += [] if policy_facts.get("knows_tenure", True) else ["no_tenure"]
    keys += ["no_contacts"] if policy_facts.get("no_contacts") else []
    keys += ["averages_unlike"] if policy_facts.get("unlike") else []
    sentences = [words[key] for key in keys if key in words]
    blanks = dict(policy_facts.get("approximations", {}))
    blanks["families_unlike"] = policy_facts.get("families_unlike", [])
    for key, fact in (("no_products", "families_missing"), ("no_exemption", "exempt_missing")):
        blanks[key] = [family[language] for family in policy_facts.get(fact, [])]
    join = text("enumeration", language, within="page").join
    sentences += [words[key].format(names=join(entry)) for key, entry in blanks.items() if entry]
    if aum := policy_facts.get("aum"):
        sentences = [name_deposits(sentence, language) for sentence in sentences]
        sentences.append(words[aum])
    if "unit" in policy_facts:
        sentences.insert(0, _count_persons(policy_facts["unit"], language))
    # English needs a blank between sentences, Chinese none.
    stop = text("stop", language, within="sentence") + ("" if language == "zh" else " ")
    return [f"{sentence}{stop}" for sentence in sentences]


def _count_persons(unit: Mapping[str, Any], language: Language) -> str:
    """Return how many persons the customer numbers are, and what counting by person changes.

    Without these numbers, as where they might tell of few persons, that persons are counted.
    """
    if not unit:
        return text("persons", language, within="assumption")
    several = format_count(unit["several"])
    counts = {name: [*map(format_count, unit[name])] for name in ("customers", "funded")}
    share = partial(format_share, decimals=2)
    rates = {name: [*map(share, unit[name])] for name in ("dormancy_rate", "multi_product_share")}
    return text("unit", language, within="assumption").format(several=several, **counts, **rates)


def name_deposits(words: str, language: Language) -> str:
    """Return words that speak of deposits instead of AUM: of a bank no other assets are known.

    What says of customers that they are funded (有资产), or that these are not all, stays as it is.

    >>> name_deposits("季日均AUM", "zh"), name_deposits("AUM per customer", "en")
    ('季日均存款', 'Deposits per customer')
    >>> name_deposits("有资产客户的资产集中度", "zh"), name_deposits("Assets falling", "en")
    ('有资产客户的存款集中度', 'Deposits falling')
    >>> name_deposits("有资产的沉默客户", "zh"), name_deposits("Silent with assets", "en")
    ('有存款的沉默客户', 'Silent with deposits')
    """
    if language == "zh":
        return re.sub(r"AUM|(?<!部)资产(?!客户|标准|、)", "存款", words)
    words = re.sub(r"^(AUM|Assets\b)", "Deposits", words).replace("AUM", "deposits")
    return re.sub(r"(?<!all )\bassets\b", "deposits", words)


@dataclass(frozen=True)
class Unit:
    """A unit of money for a whole column or table, with the decimals all its cells share."""

    name: str
    divisor: int
    decimals: int
    pattern: str
    short: str


def money_scales(language: Language) -> list[dict[str, Any]]:
    """Return the units of money of a language, smallest first: name, divisor, pattern.

    >>> [scale["name"] for scale in money_scales("zh")]
    ['元', '万元', '亿元']
    """
    return list(_word_file()["money"][known_language(language)])


def money_unit(values: Iterable[Figure], language: Language = "zh") -> Unit:
    """Choose one unit for a column or table of money.

    The largest unit in which the typical (median non-zero) amount is at least 1 is taken, with
    two decimals below 100, one below 1,000 and none above.

    Parameters
    ----------
    values
        Amounts in CNY; zeros, missing and withheld ones do not count.
    language
        "zh" counts in 元, 万元, 亿元; "en" in CNY, thousand, million.

    >>> money_unit([1.26e9, 0.8e9]).name, money_unit([35_000, 480_000, 0]).name
    ('亿元', '万元')
    >>> money_unit([1.26e9], "en").name
    'CNY million'
    """
    amounts = [abs(amount) for value in values if (amount := _decimal(value))]
    typical = median(amounts) if amounts else Decimal(0)
    scales = money_scales(language)
    scale = next((s for s in reversed(scales) if typical >= s["divisor"]), scales[0])
    shown = typical / scale["divisor"]
    return Unit(**scale, decimals=2 if shown < 100 else 1 if shown < 1000 else 0)


def bridge_unit(end: Figure, amounts: Iterable[Figure], language: Language = "zh") -> Unit:
    """Choose the unit of a bridge: that of its end, or a smaller one where its steps are small."""
    return min(money_unit([end], language), money_unit(amounts, language), key=lambda u: u.divisor)


def unit_note(unit: Unit, language: Language = "zh") -> str:
    """Return the words at a table's top right.

    >>> unit_note(money_unit([35_000]))
    '单位：万元'
    """
    return text("unit", language, within="word").format(unit.name)


def format_number(value: Figure, *, decimals: int, divisor: float = 1) -> str:
    """Return a number with thousands separators, rounded half up as on paper.

    The decimal digits of the number are rounded, not its binary neighbour: 0.125 gives 0.13.
    Zero never carries a minus sign.

    >>> format_number(0.125, decimals=2), format_number(-1234.5, decimals=0)
    ('0.13', '-1,235')
    >>> format_number(-0.001, decimals=2), format_number(None, decimals=2)
    ('0.00', '—')
    """
    if isinstance(value, str):
        if value != SUPPRESSED:
            raise UsageError(say("text_for_number"))
        return value
    number = _decimal(value)
    if number is None:
        return MISSING
    step = Decimal(1).scaleb(-decimals)
    rounded = (number / Decimal(str(divisor))).quantize(step, rounding=ROUND_HALF_UP)
    return f"{rounded or abs(rounded):,}"


def format_money(value: Figure, unit: Unit) -> str:
    """Return an amount of CNY in the column's unit, without the unit's name.

    >>> format_money(1_263_000_000, money_unit([1_263_000_000]))
    '12.63'
    """
    return format_number(value, decimals=unit.decimals, divisor=unit.divisor)


def format_amount(value: Figure, unit: Unit) -> str:
    """Return an amount of CNY with its unit, for running text.

    >>> format_amount(1_250_000, money_unit([4e6]))
    '125.0万元'
    """
    return unit.pattern.format(format_money(value, unit))


def format_count(value: Figure) -> str:
    """Return a number of customers.

    >>> format_count(5230)
    '5,230'
    """
    return format_number(value, decimals=0)


def format_weight(value: Figure) -> str:
    """Return the points that an indicator may earn: 25, or 45.5 where they are not whole."""
    return format_number(value, decimals=0 if round(float(value or 0), 6).is_integer() else 1)


def format_points(value: Figure) -> str:
    """Return points of a score, or another number with one decimal.

    >>> format_points(18.65)
    '18.7'
    """
    return format_number(value, decimals=1)


def format_share(value: Figure, *, decimals: int = 1) -> str:
    """Return a share between 0 and 1 as a percentage.

    >>> format_share(0.4845), format_share(float("nan")), format_share("*")
    ('48.5%', '—', '*')
    """
    number = format_number(value, decimals=decimals, divisor=0.01)
    return number if number in (MISSING, SUPPRESSED) else f"{number}%"


def format_part(value: Figure, *, due: float = 1.0) -> str:
    """Return how much of a plan is reached, as finely as it takes not to read as more than it is.

    >>> format_part(0.99988), format_part(0.7496, due=0.75), format_part(1.0)
    ('99.99%', '74.96%', '100.0%')
    """
    gaps = [b - value for b in (due, 1.0) if isinstance(value, float) and value < b]
    fine = (n for n in range(1, 8) if all(gap * 10 ** (n + 2) > 0.51 for gap in gaps))
    return format_share(value, decimals=next(fine, 8))


def format_measure(value: Figure, measure: str, *, unit: Unit | None = None) -> str:
    """Return a measure's value as its kind asks for; money needs the unit of its column.

    >>> format_measure(0.0821, "dormancy_rate"), format_measure(0.74251, "gini")
    ('8.2%', '0.743')
    """
    definition = measure_words(measure)
    if definition.kind == "share":
        return format_share(value, decimals=definition.decimals)
    if definition.kind != "money":
        return format_number(value, decimals=definition.decimals)
    if unit is None:
        raise UsageError(say("money_without_unit", measure))
    return format_money(value, unit)


def format_with_unit(value: Figure, measure: str, unit: Unit) -> str:
    """Return a value as a cell whose neighbours have other units: money says its own.

    >>> format_with_unit(35_000, "aum_per_customer", money_unit([35_000]))
    '3.50万元'
    """
    amount = format_measure(value, measure, unit=unit)
    is_money = measure_words(measure).kind == "money" and amount not in (MISSING, SUPPRESSED)
    return unit.short.format(amount) if is_money else amount


def change_between(now: Figure, before: Figure, kind: Kind) -> Decimal | str | None:
    """Return a change: relative for money and counts, a difference for all else.

    None where either is missing, or where growth would start from nothing; "*" where withheld.

    >>> change_between(103, 100, "count"), change_between(0.25, 0.5, "share")
    (Decimal('0.03'), Decimal('-0.25'))
    """
    if SUPPRESSED in (now, before):
        return SUPPRESSED
    new, old = _decimal(now), _decimal(before)
    if new is None or old is None:
        return None
    if kind in ("money", "count"):
        return (new - old) / old if old > 0 else None
    return new - old


def format_difference(change: Figure, kind: Kind, language: Language = "zh") -> str:
    """Return the size of a change without its sign: percent, percentage points or plain.

    >>> format_difference(0.031, "money"), format_difference(-0.012, "share")
    ('3.1%', '1.2个百分点')
    >>> format_difference(-0.012, "share", "en")
    '1.2 pp'
    """
    number = _decimal(change)
    if number is None:
        return MISSING
    if kind in ("money", "count"):
        return format_share(abs(number))
    if kind == "share":
        points = format_number(abs(number), decimals=1, divisor=0.01)
        return text("percentage_points", language, within="word").format(points)
    return format_number(abs(number), decimals=3 if kind == "index" else 2)


def format_arrow(change: Figure, kind: Kind, language: Language = "zh") -> str:
    """Return a change with ▲ or ▼; one that rounds to nothing reads as unchanged.

    >>> format_arrow(0.031, "money"), format_arrow(-0.012, "share", "en")
    ('▲ 3.1%', '▼ 1.2 pp')
    >>> format_arrow(change_between(100.01, 100, "count"), "count", "en")
    'unchanged'
    """
    return SUPPRESSED if change == SUPPRESSED else _with_sign(change, kind, language, ("▲ ", "▼ "))


def format_signed_money(amount: float, unit: Unit) -> str:
    """Return a change of money with its sign and unit, for running text.

    >>> format_signed_money(-1_250_000, money_unit([4e6]))
    '-125.0万元'
    """
    sign = "+" if amount > 0 else "-" if amount < 0 else ""
    return sign + format_amount(abs(amount), unit)


def format_signed(change: Figure, kind: Kind, language: Language = "zh") -> str:
    """Return a change with + or -, for running text.

    >>> format_signed(0.031, "money"), format_signed(-0.012, "share", "en")
    ('+3.1%', '-1.2 pp')
    """
    return _with_sign(change, kind, language, ("+", "-"))


def _with_sign(change: Figure, kind: Kind, language: Language, signs: tuple[str, str]) -> str:
    """Return a change behind its sign; unchanged when nothing is left after rounding."""
    number = _decimal(change)
    if number is None:
        return MISSING
    size = format_difference(number, kind, language)
    if not any(digit in size for digit in "123456789"):
        return text("unchanged", language, within="word")
    return f"{signs[0] if number > 0 else signs[1]}{size}"


def _decimal(value: Figure) -> Decimal | None:
    """Return the number as its printed digits say; None when missing, infinite or withheld."""
    if value is None or isinstance(value, str) or not isfinite(value):
        return None
    return value if isinstance(value, Decimal) else Decimal(str(value))
