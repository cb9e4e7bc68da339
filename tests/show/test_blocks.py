"""Cover, key figures and conclusions."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show import KeyFigure, KeyFigures, Sentence, Sentences, document
from stockcust_analysis.show.blocks import DOCUMENT_MIME, KEY_FIGURES_MIME, SENTENCES_MIME

HOSTILE = "<script>"


@pytest.mark.parametrize(
    ("value", "mime"),
    [
        (document(title=HOSTILE, subtitle=HOSTILE, branch=HOSTILE), DOCUMENT_MIME),
        (KeyFigures([KeyFigure(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,))]), KEY_FIGURES_MIME),
        (Sentences([Sentence(HOSTILE, lead=HOSTILE)]), SENTENCES_MIME),
    ],
)
def test_display(value: Any, mime: str) -> None:
    """Each displays itself as plain data, as escaped HTML and as text."""
    bundle = value._repr_mimebundle_()
    assert json.loads(json.dumps(bundle[mime])) == bundle[mime]
    assert HOSTILE not in bundle["text/html"]
    assert "&lt;script&gt;" in bundle["text/html"]
    assert HOSTILE in bundle["text/plain"]


class TestDocument:
    """`document`: what the page is about."""

    def test_facts(self) -> None:
        """Dates travel as ISO text, run facts as pairs in their order."""
        facts = document(
            title="评价", as_of=date(2026, 9, 30), run_facts={"乙": "2", "甲": "1"}
        ).payload()
        assert facts["as_of"] == "2026-09-30"
        assert facts["run_facts"] == [["乙", "2"], ["甲", "1"]]
        assert facts["language"] == "zh"

    def test_moment(self) -> None:
        """A moment is taken as its day."""
        assert (
            document(title="t", as_of=datetime(2026, 9, 30, 23)).payload()["as_of"] == "2026-09-30"
        )

    def test_unknown_language(self) -> None:
        """Only the two languages of the report are accepted."""
        with pytest.raises(UsageError, match="unknown language 'fr'"):
            document(title="t", language="fr")  # type: ignore[arg-type]


def test_key_figures() -> None:
    """A key figure carries label, value, unit and its comparisons, in order."""
    payload = KeyFigures(
        [KeyFigure("AUM", "12.6", "亿元", ("环比 ▲ 3.1%", "同比 ▼ 1.0%"))]
    ).payload()
    assert payload == {
        "figures": [
            {
                "label": "AUM",
                "value": "12.6",
                "unit": "亿元",
                "comparisons": ["环比 ▲ 3.1%", "同比 ▼ 1.0%"],
            }
        ]
    }


def test_sentences() -> None:
    """Plain strings are sentences without a lead; the order is kept and numbered in text."""
    sentences = Sentences(["甲。", Sentence("乙。", lead="集中度")])
    assert sentences.payload() == {
        "sentences": [
            {"text": "甲。", "lead": "", "section": ""},
            {"text": "乙。", "lead": "集中度", "section": ""},
        ],
        "anchor": "",
    }
    assert sentences._repr_mimebundle_()["text/plain"] == "1. 甲。\n2. 集中度 乙。"
