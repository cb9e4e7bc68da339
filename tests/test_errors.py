"""What errors say: in English, and in a notebook in its language."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import stockcust_analysis as sca
from stockcust_analysis.errors import StockcustError, UsageError, templates
from stockcust_analysis.measures.two_dates import tier_move_rates
from stockcust_analysis.report.typst import brand_files

PACKAGE = Path("stockcust_analysis")
TYPED = {"over", "outcome"}
"""Parameters: they are called in every language as they are typed."""
ENGLISH = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}|^,? (and|or) $")


def names_of(kind: type) -> Iterator[str]:
    """Return the names of a class of errors and of all that are such errors."""
    yield kind.__name__
    for narrower in kind.__subclasses__():
        yield from names_of(narrower)


def assignments(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what names stand for within a function."""
    stated: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            stated.setdefault(node.targets[0].id, []).append(node.value)
    return stated


def is_english_alone(text: ast.expr, stated: Mapping[str, list[ast.expr]]) -> bool:
    """Return whether a message is a literal, or put together of one, so that it has no Chinese."""
    if isinstance(text, ast.Name):
        return any(is_english_alone(value, {}) for value in stated.get(text.id, ()))
    if isinstance(text, ast.BinOp | ast.IfExp):
        parts = [part for part in ast.iter_child_nodes(text) if isinstance(part, ast.expr)]
        return any(is_english_alone(part, stated) for part in parts)
    return isinstance(text, ast.JoinedStr) or isinstance(getattr(text, "value", None), str)


def english_in(fact: ast.expr, stated: Mapping[str, list[ast.expr]]) -> bool:
    """Return whether a fact that fills a blank is itself said in English alone."""
    if isinstance(fact, ast.Call) and ast.unparse(fact.func) in ("say", "joined"):
        return False
    if isinstance(fact, ast.Name):
        return any(english_in(value, {}) for value in stated.get(fact.id, ()))
    if isinstance(fact, ast.Constant):
        said = fact.value if isinstance(fact.value, str) else ""
        return bool(ENGLISH.search(said)) and "=" not in said  # which is code
    parts = [part for part in ast.iter_child_nodes(fact) if isinstance(part, ast.expr)]
    return any(english_in(part, stated) for part in parts)


def is_odd(call: ast.Call, stated: Mapping[str, list[ast.expr]]) -> bool:
    """Return whether a call makes an error or a warning that has no Chinese, or half of it."""
    name, first, facts = ast.unparse(call.func), call.args[0], call.args[1:]
    if name == "say":
        return any(english_in(fact, stated) for fact in facts)
    if name.endswith(".unknown") and isinstance(first, ast.Constant):
        return f"{first.value}_word" not in templates() and first.value not in TYPED
    is_ours = name.rpartition(".")[2] in {*names_of(StockcustError), "warn"}
    return is_ours and is_english_alone(first, stated)


def test_every_error_and_warning_is_said_in_both_languages() -> None:
    """None is made of English alone, nor are the facts in it, and what is unknown has a word."""
    odd = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            stated, within = assignments(function), ast.walk(function)
            calls = [node for node in within if isinstance(node, ast.Call) and node.args]
            odd += [f"{path}:{c.lineno}: {ast.unparse(c)}" for c in calls if is_odd(c, stated)]
    assert odd == []


JUNE = pd.DataFrame(
    {"as_of": pd.Timestamp("2026-06-30"), "customer_id": ["1", "2"], "aum_average_quarter": 600.0}
)
SEPTEMBER = JUNE.assign(as_of=pd.Timestamp("2026-09-30"))
BROKEN = pd.DataFrame(
    {
        "branch_id": ["A", None, "B", "B"],
        "aum_period_end": [1.0, 2, -3, np.nan],
    }
)
RATES = pd.DataFrame({"measure": "dormancy_rate", "branch_id": ["A"], "value": ["x"]})
SAID: Mapping[str, tuple[Callable[[], object], str]] = {
    "negative values": (
        lambda: sca.gini([1, -2, 3]),
        "3个values中有1个为负数，而集中度要求不小于0。请去掉透支和贷款，或记为0。",
    ),
    "several faults of a table": (
        lambda: sca.concentration(BROKEN, by="branch_id", base="all"),
        "customers：“branch_id”有1行为空；“aum_period_end”有1行缺失或为无穷大；"
        "“aum_period_end”有1行为负数。请补齐，或去掉这些行。",
    ),
    "a column that is not there": (
        lambda: sca.concentration(BROKEN, value="aum_period", base="all"),
        "没有customers的列“aum_period”（unknown column of customers）。"
        "是否应为“aum_period_end”？可用的有：aum_period_end、branch_id。",
    ),
    "dates the wrong way round": (
        lambda: tier_move_rates(SEPTEMBER, JUNE),
        "opening的统计时点是2026-09-30，closing的是2026-06-30：opening须较早。请交换两张表。",
    ),
    "an argument out of range": (
        lambda: sca.lost_customers(JUNE, SEPTEMBER, top=0),
        "top至少为1户，所给为0。",
    ),
    "a base that cannot be told": (
        lambda: sca.concentration(BROKEN, base="managed"),
        "客户表看不出谁在口径“managed”内：缺少“managed”或“in_managed”。"
        "客户请取自bank.customers(quarter)，但本行须提供管户关系表；"
        "或取自customer_service。",
    ),
    "a cut that is not there": (
        lambda: sca.concentration(BROKEN, by="county", base="all"),
        "客户表没有“county”列。常用的分组列：branch；也可按其他任何列分组。",
    ),
    "no table": (lambda: sca.concentration(3), "应为表，所给为int。"),
    "no bank": (
        lambda: sca.open_bank(3),  # type: ignore[arg-type]
        "不能从int打开数据。请给文件夹、数据库的URL、DuckDB连接、Spark会话，或按表名给出各表。",
    ),
    "labels of three kinds": (
        lambda: sca.EarlyWarning().fit(pd.DataFrame({"x": range(3)}), ["a", "b", "c"]),
        "标签须为发生与未发生两种，现有3种。",
    ),
    "a parameter of a model": (
        lambda: sca.CampaignEffect(caliper=-1).fit(pd.DataFrame({"x": [1]}), [True], [1.0]),
        "caliper须为不小于0的数字，所给为-1。",
    ),
    "a chart of text": (lambda: sca.plot.bars(RATES), "画图须用数字，而value列中有文本。"),
    "a chart without its columns": (
        lambda: sca.plot.bars(RATES.drop(columns="value").rename(columns={"measure": "measures"})),
        "该图须有measure、value列，表中缺少measure、value。是否应为“measures”？"
        "请用concentration(customers, by=…)取数。",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_a_notebook_shows_the_error_in_chinese(case: str) -> None:
    """What is wrong and what to do stand there in Chinese; names stay as they are typed."""
    call, said = SAID[case]
    with pytest.raises(StockcustError) as caught:
        call()
    assert caught.value._render_traceback_()[-1] == f"UsageError: {said}"


def test_what_is_wrong_with_a_brand_is_listed_in_chinese(tmp_path: Path) -> None:
    """Each fault of the file is in Chinese, as its heading is."""
    brand = tmp_path / "brand.toml"
    brand.write_text(
        'logo = "logo.svg"\n[colours]\nink = "green"\nbrand = "#FFFF00"', encoding="utf-8"
    )
    with pytest.raises(StockcustError) as caught:
        brand_files(str(brand))
    assert caught.value._render_traceback_()[-1].splitlines() == [
        f"UsageError: 版式文件“{brand}”有误：",
        "  - 颜色brand过浅，印在纸上难以辨认（对比度1.1，至少须4.5）。",
        "  - 颜色ink须写成“#1F4E79”的形式。",
        "  - 同一文件夹中没有“logo.svg”。",
    ]


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("2026-08-31", "'2026-06-30' or '2026-09-30'"),
        ("2025-01-31", "'2026-03-31'"),
        ("2027-03-31", "'2026-09-30'"),
    ],
)
def test_a_day_is_answered_by_those_around_it(name: str, close: str) -> None:
    """A day's neighbours in time are meant, not the days that are spelt alike."""
    days = [date(2026, 9, 30), date(2026, 3, 31), date(2026, 6, 30)]
    assert f" Did you mean {close}? " in str(UsageError.unknown("as_of", name, days))


def test_a_quarter_is_answered_by_those_around_it() -> None:
    """As days are: the last one before it, and the first one after it."""
    told = str(UsageError.unknown("quarter", "2025Q3", ["2026Q1", "2025Q2", "2024Q3"]))
    assert " Did you mean '2025Q2' or '2026Q1'? " in told
