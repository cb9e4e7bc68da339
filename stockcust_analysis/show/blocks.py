"""What a page says beside its tables and figures: cover, key figures, conclusions.

Each is a small frozen value that displays itself three ways: as data for the printed page, as
escaped HTML for JupyterLab, as text for a log. None of them holds markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from html import escape
from typing import Any, Final, Literal, get_args

from stockcust_analysis.errors import UsageError

DOCUMENT_MIME: Final = "application/vnd.stockcust.document+json"
KEY_FIGURES_MIME: Final = "application/vnd.stockcust.keyfigures+json"
SENTENCES_MIME: Final = "application/vnd.stockcust.sentences+json"

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Document:
    """The facts of the cover, of every page's header and footer, and of the PDF's properties."""

    title: str
    subtitle: str = ""
    organisation: str = ""
    branch: str = ""
    as_of: date | None = None
    language: Language = "zh"
    run_facts: Mapping[str, str] = field(default_factory=dict)
    edition: str = ""

    def payload(self) -> dict[str, Any]:
        """Return the facts as plain values, ready for JSON."""
        return {
            **asdict(self),
            "as_of": self.as_of.isoformat()[:10] if self.as_of else "",
            # Pairs, because notebooks are stored with the names of a mapping sorted.
            "run_facts": [[str(name), str(fact)] for name, fact in self.run_facts.items()],
        }

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        facts = self.payload()
        names = ("organisation", "branch", "as_of", "edition")
        below = [self.subtitle, " · ".join(facts[name] for name in names if facts[name])]
        small = "".join(f"<div>{escape(line)}</div>" for line in below if line)
        return {
            DOCUMENT_MIME: facts,
            "text/html": f'<div style="font-size:1.6em"><b>{escape(self.title)}</b></div>{small}',
            "text/plain": "\n".join(line for line in (self.title, *below) if line),
        }


def document(
    *,
    title: str,
    subtitle: str = "",
    organisation: str = "",
    branch: str = "",
    as_of: date | None = None,
    language: Language = "zh",
    run_facts: Mapping[str, str] | None = None,
) -> Document:
    """State what the page is about: the first output of a printed notebook.

    `run_facts` (policy version, run id, reconciliation, …) are printed at the end, in order.

    >>> document(title="季度评价", branch="城关支行", as_of=date(2026, 9, 30)).payload()["as_of"]
    '2026-09-30'
    """
    if language not in get_args(Language):
        raise UsageError.unknown("language", language, get_args(Language))
    return Document(title, subtitle, organisation, branch, as_of, language, run_facts or {})


@dataclass(frozen=True)
class Heading:
    """The heading of a chapter whose words the numbers decide."""

    text: str

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/markdown": f"## {self.text}", "text/plain": self.text}


@dataclass(frozen=True)
class KeyFigure:
    """One number of the first page: label, value, unit, and what it is compared with.

    A comparison is a text, or its name and its value, which then stand below one another.
    """

    label: str
    value: str
    unit: str = ""
    comparisons: tuple[str | tuple[str, str], ...] = ()


@dataclass(frozen=True, init=False)
class KeyFigures:
    """The numbers a manager looks at first, as tiles three abreast.

    >>> tiles = KeyFigures([KeyFigure("季日均AUM", "12.6", "亿元", ("环比 ▲ 3.1%",))])
    >>> tiles.payload()["figures"][0]["comparisons"]
    ['环比 ▲ 3.1%']
    """

    figures: tuple[KeyFigure, ...]

    def __init__(self, figures: Iterable[KeyFigure]) -> None:
        object.__setattr__(self, "figures", tuple(figures))

    def payload(self) -> dict[str, Any]:
        """Return the figures as plain values, ready for JSON."""
        return {
            "figures": [
                {**asdict(figure), "comparisons": list(figure.comparisons)}
                for figure in self.figures
            ]
        }

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        tiles = "".join(
            f"<td><small>{escape(figure.label)}</small><br><b>{escape(figure.value)}</b> "
            f"{escape(figure.unit)}<br><small>{escape(' '.join(_flat(figure)))}</small></td>"
            for figure in self.figures
        )
        lines = (
            " ".join((figure.label, figure.value, figure.unit, *_flat(figure)))
            for figure in self.figures
        )
        return {
            KEY_FIGURES_MIME: self.payload(),
            "text/html": f"<table><tr>{tiles}</tr></table>",
            "text/plain": "\n".join(lines),
        }


def _flat(figure: KeyFigure) -> list[str]:
    """Return the comparisons as texts."""
    return [each if isinstance(each, str) else " ".join(each) for each in figure.comparisons]


@dataclass(frozen=True)
class Sentence:
    """One conclusion; `lead` names its subject and is printed in bold.

    `section` is the anchor of the chapter that shows its figures; the page links to it.
    """

    text: str
    lead: str = ""
    section: str = ""


@dataclass(frozen=True, init=False)
class Sentences:
    """Conclusions, most important first; plain strings are sentences without a lead.

    With an `anchor` they open the chapter to which other sentences lead.

    >>> Sentences(["客户数持平。", Sentence("前10户占比 38%。", lead="集中度")]).sentences[0]
    Sentence(text='客户数持平。', lead='', section='')
    """

    sentences: tuple[Sentence, ...]
    anchor: str = ""

    def __init__(self, sentences: Iterable[Sentence | str], anchor: str = "") -> None:
        finished = (Sentence(each) if isinstance(each, str) else each for each in sentences)
        object.__setattr__(self, "sentences", tuple(finished))
        object.__setattr__(self, "anchor", anchor)

    def payload(self) -> dict[str, Any]:
        """Return the sentences as plain values, ready for JSON."""
        sentences = [asdict(sentence) for sentence in self.sentences]
        return {"sentences": sentences, "anchor": self.anchor}

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        items = "".join(
            f"<li><b>{escape(sentence.lead)}</b> {escape(sentence.text)}</li>"
            for sentence in self.sentences
        )
        lines = (f"{each.lead} {each.text}".strip() for each in self.sentences)
        return {
            SENTENCES_MIME: self.payload(),
            "text/html": f"<ol>{items}</ol>",
            "text/plain": "\n".join(f"{n}. {line}" for n, line in enumerate(lines, start=1)),
        }
