"""The codebook: every measure is defined once, and nothing is defined that is not measured."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import stockcust_analysis.evaluation
import stockcust_analysis.measures
from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.measures import codebook as codebook_module
from stockcust_analysis.measures.codebook import defined_measures, measure_definition
from stockcust_analysis.measures.registry import Measure, Question
from stockcust_analysis.policy import load_policy
from tests.scripts import script_of_docs

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "codebook.md"


def declared_measures() -> set[str]:
    """Return the measures that modules declare at their top, and those their questions list."""
    names = set()
    for package in (stockcust_analysis.measures, stockcust_analysis.evaluation):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(found.name)).values():
                names |= {measure.name for measure in measures_in(value)}
    return names


def measures_in(value: object) -> list[Measure]:
    """Return the measures a module's name stands for: one, several, or those of a question."""
    if isinstance(value, Question):
        return list(value.measures(load_policy()))
    inside = value if isinstance(value, tuple | list) else (value,)
    return [one for one in inside if isinstance(one, Measure)]


@pytest.fixture(scope="module")
def measured(sample_evaluation: Evaluation) -> set[str]:
    """Return the measures that the sample bank's evaluation holds, and those modules declare."""
    return set(sample_evaluation.measures["measure"]) | declared_measures()


def test_every_measure_is_defined(measured: set[str]) -> None:
    """What the code measures stands in the codebook: add the missing ones to codebook.toml."""
    assert sorted(measured - set(defined_measures())) == []


def test_every_definition_is_measured(measured: set[str]) -> None:
    """What the codebook defines is measured: take the others out of codebook.toml."""
    assert sorted(set(defined_measures()) - measured) == []


def test_the_page_is_printed_from_the_codebook() -> None:
    """docs/reference/codebook.md equals what the codebook says: print it anew."""
    assert PAGE.read_text(encoding="utf-8") == script_of_docs("make_reference").codebook()


@pytest.mark.parametrize("name", defined_measures())
def test_a_definition_is_complete_and_bilingual(name: str) -> None:
    """Nothing is left empty, the English holds no Chinese, and no cell breaks the page's table."""
    one = measure_definition(name)
    texts = (
        one.zh,
        one.en,
        one.definition_zh,
        one.definition_en,
        one.formula,
        one.range,
        one.edge_cases,
        one.source,
    )
    assert all(texts)
    english = " ".join((one.en, one.definition_en, one.formula, one.range, one.edge_cases))
    assert not re.search(r"[\u3000-\u9fff\uff00-\uffef|]", english)
    assert one.definition_zh.endswith("。")
    assert one.definition_en.endswith(".")


def test_measures_are_told_apart() -> None:
    """No two measures share a name in either language."""
    definitions = [measure_definition(name) for name in defined_measures()]
    assert len({one.zh for one in definitions}) == len(definitions)
    assert len({one.en for one in definitions}) == len(definitions)


@pytest.mark.parametrize(
    ("name", "direction"),
    [("gini", "neutral"), ("dormancy_rate", "no"), ("products_per_customer", "yes")],
)
def test_directions_follow_the_business(name: str, direction: str) -> None:
    """More products are good, more dormancy is bad, concentration is neither."""
    assert measure_definition(name).higher_is_better == direction


def test_shares_lie_between_0_and_1() -> None:
    """The range of a share begins at 0 or above it; an amount and a count have no end."""
    for name in defined_measures():
        one = measure_definition(name)
        if one.kind in ("money", "count"):
            assert "and up" in one.range, name
        if one.kind == "share":
            assert not re.search(r"(?<![\d.])[2-9]", one.range), name


def test_unknown_measure_offers_close_names() -> None:
    """A misspelt measure is answered with what was meant."""
    with pytest.raises(UsageError, match=r"unknown measure 'dormancy_rat'.* 'dormancy_rate'"):
        measure_definition("dormancy_rat")


def test_a_mistake_in_the_codebook_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown kind and a missing text are named with section and measure."""
    (tmp_path / "codebook.toml").write_text(
        '[one]\nzh = "一"\nen = "One"\n[one.gini]\nkind = "shares"\n', "utf-8"
    )
    monkeypatch.setattr(codebook_module, "files", lambda _: tmp_path)
    defined_measures.cache_clear()
    try:
        with pytest.raises(PolicyError) as caught:
            defined_measures()
    finally:
        defined_measures.cache_clear()
    assert "one.gini.kind: takes money, count, share, ratio, index; found 'shares'." in str(
        caught.value
    )
    assert "one.gini.formula: missing." in str(caught.value)
