"""Notebook to Typst source, notebook to PDF: the exporters Jupyter knows as `typst`, `typstpdf`.

```
jupyter nbconvert --to typstpdf analysis.ipynb
jupyter nbconvert --to typst    analysis.ipynb     # the source and its pictures, to look at
```

Any executed notebook can be printed. One that shows a `document(…)` is a report: its code is
hidden, its headings numbered, and a figure without alternative text is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Final

from nbconvert.exporters import TemplateExporter
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode
from traitlets import Bool, Enum, List, Unicode, default
from traitlets.config import Config

from stockcust_analysis.errors import ReportError, say
from stockcust_analysis.report import typst
from stockcust_analysis.report.page import Page, document_facts, read_page

LAYOUT: Final = "report.typ"
TEMPLATES: Final = Path(__file__).with_name("templates")
_HIDDEN: Final = {"hide", "parameters", "injected-parameters"}
_OTHER_LANGUAGE: Final = {"zh": "en", "en": "zh"}


class PageReader(TagRemovePreprocessor):
    """Take out what this language does not show, and read the rest as a page.

    The page is handed to the template as `resources["page"]`.
    """

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Remove cells by their tags, then read and check what is left."""
        exporter: Any = self.parent
        facts = document_facts(notebook)
        language = exporter.language or (facts or {}).get("language") or "zh"
        self.remove_cell_tags = {*_HIDDEN, _OTHER_LANGUAGE[language]}
        self.remove_input_tags = {"hide-input"}
        self.remove_all_outputs_tags = {"hide-output"}
        super().preprocess(notebook, resources)  # type: ignore[no-untyped-call]  # nbconvert's
        hides_code = facts or notebook.metadata.get("hide_input") or exporter.exclude_input
        name = resources["metadata"]["name"]
        page = read_page(notebook, facts=facts, name=name, shows_code=not hides_code)
        page.document.update(language=language, status=exporter.status, signed=exporter.signed)
        fonts = exporter.brand_in_force().font_files
        resources["page"] = checked(page, fonts, substitutes=exporter.substitutes)
        return notebook, resources


def checked(page: Page, fonts: tuple[Path, ...] = (), *, substitutes: bool = False) -> Page:
    """Return the page with every character drawable: an error in a report, 〓 elsewhere.

    A report of many, which one name must not stop, takes `substitutes` as well.
    """
    drawings = {name: file for name, file in page.files.items() if name.endswith(".svg")}
    if page.is_report and not substitutes:
        words = (text for drawing in drawings.values() for text in typst.svg_texts(drawing))
        texts = chain(typst.texts_of(page.document), typst.texts_of(page.blocks), words)
        typst.check_glyphs(texts, fonts)
        return page
    redrawn = {
        name: typst.with_substitutes(file.decode()).encode() for name, file in drawings.items()
    }
    document, blocks = map(typst.with_substitutes, (page.document, page.blocks))
    return replace(page, document=document, blocks=blocks, files={**page.files, **redrawn})


class TypstExporter(TemplateExporter):
    """Write a notebook as Typst source, its pictures and the layout beside it."""

    export_from_notebook = "Typst"
    output_mimetype = "text/vnd.typst"

    language = Enum(
        ("", "zh", "en"), default_value="", help="Language; by default the document's, else zh."
    ).tag(config=True)
    status = Enum(
        ("", "draft", "reviewed", "issued"), default_value="", help="Review status, on every page."
    ).tag(config=True)

    signed = Unicode("", help="Who prepared, reviewed and issued it, on the last page.").tag(
        config=True
    )
    brand = Unicode(
        "", help="A bank's look: a TOML file (colours, logo, fonts), or a .typ layout of its own."
    ).tag(config=True)

    substitutes = Bool(
        False,
        help="Print 〓 for characters no font can draw, in reports too, where they are an error.",
    ).tag(config=True)

    # Notebooks are run before their tags are read: `--execute` works. The others stay as usual.
    default_preprocessors = List(
        [
            "nbconvert.preprocessors.ClearOutputPreprocessor",
            "nbconvert.preprocessors.ExecutePreprocessor",
            "nbconvert.preprocessors.RegexRemovePreprocessor",
            "nbconvert.preprocessors.CoalesceStreamsPreprocessor",
            "nbconvert.preprocessors.TagRemovePreprocessor",
            PageReader,
        ]
    ).tag(config=True)

    @property
    def default_config(self) -> Config:
        """Switch on the reading of pages, and check the notebook's form once, not at every step."""
        config = Config(
            PageReader={"enabled": True},
            Exporter={"optimistic_validation": True, "file_extension": ".typ"},
            TemplateExporter={"template_name": "typst", "template_extension": ".typ.j2"},
        )
        config.merge(super().default_config)
        return config

    @default("extra_template_basedirs")
    def _default_extra_template_basedirs(self) -> list[str]:
        return [str(TEMPLATES), *super()._default_extra_template_basedirs()]

    def default_filters(self) -> Iterator[tuple[str, Any]]:
        """Give templates the one function by which data become Typst."""
        yield from super().default_filters()  # type: ignore[no-untyped-call]  # nbconvert's
        yield ("typst", typst.literal)

    def from_notebook_node(  # type: ignore[override]  # text here, a notebook in the base class
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Convert a notebook; pictures and layout are in `resources["outputs"]`."""
        resources = {} if resources is None else resources
        beside = resources.get("output_files_dir")
        # The source lies in the folder that holds this one, wherever `--output` leads.
        resources["folder"] = f"{Path(beside).name}/" if beside else ""
        source, resources = super().from_notebook_node(nb, resources, **kw)
        page, brand = resources["page"], self.brand_in_force()
        drawn = {
            name: brand.paint(file) if name.endswith(".svg") else file
            for name, file in page.files.items()
        }
        files = {**drawn, **brand.files, LAYOUT: self._layout()}
        resources["outputs"] = {str(PurePath(beside or "", name)): files[name] for name in files}
        return source, resources

    def brand_in_force(self) -> typst.Brand:
        """Return the bank's look, the shipped one when none is named or a layout is."""
        return typst.load_brand(self.brand) if self.brand.endswith(".toml") else typst.Brand()

    def _layout(self) -> bytes:
        """Return the layout: the bank's own if one is named, else that of the template in use."""
        if self.brand and not self.brand.endswith(".toml"):
            return typst.brand_files(self.brand)[0].read_bytes()
        for folder in (*self.template_paths, str(TEMPLATES / "typst")):
            path = Path(folder, LAYOUT)
            if path.is_file():
                return path.read_bytes()
        raise ReportError(say("no_template", LAYOUT))


class TypstPDFExporter(TypstExporter):
    """Print a notebook as PDF, by way of Typst: no TeX, no browser, no network."""

    export_from_notebook = "PDF via Typst"
    output_mimetype = "application/pdf"

    def from_notebook_node(  # type: ignore[override]  # bytes here, text in the base class
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[bytes, dict[str, Any]]:
        """Convert a notebook to the bytes of a PDF."""
        resources = {**(resources or {}), "output_files_dir": ""}  # nothing lies beside a PDF
        source, resources = super().from_notebook_node(nb, resources, **kw)
        as_of = resources["page"].document["as_of"]
        pdf = typst.compile_pdf(
            source,
            files=resources.pop("outputs"),
            as_of=date.fromisoformat(as_of) if as_of else None,
            font_folders=self.brand_in_force().font_folders,
        )
        resources["output_extension"] = ".pdf"
        return pdf, resources


def export_pdf(path: str | Path, **options: Any) -> bytes:
    """Print an executed notebook: the PDF's bytes, as `jupyter nbconvert --to typstpdf` writes it.

    The options are the exporter's: `language` is by default the document's own; `status` is "",
    "draft", "reviewed" or "issued", `signed` who gave it, in words; `brand` a bank's look: its TOML
    file, or its own layout (.typ). With `substitutes` a character that no font can draw is printed
    as 〓, without it is an error of a report.
    """
    exporter: Any = TypstPDFExporter
    pdf, _ = exporter(**options).from_filename(str(path))
    return bytes(pdf)
