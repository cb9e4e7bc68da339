"""The page machine from end to end: notebook in, PDF out, read back with another program."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_output

from stockcust_analysis import show
from stockcust_analysis.errors import MissingAltTextError, MissingGlyphError
from stockcust_analysis.report.exporter import TypstExporter, TypstPDFExporter, export_pdf
from tests.report.printed import COVER, SQUARE, Printed, displayed, notebook, printed, shown, words

HOSTILE = '#read("/etc/passwd")$x$*/*//"\\`@a<b>[c]{{d}}_e_~f'
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhf"
    "DwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def _table(*names: str, **more: str) -> show.Table:
    frame = pd.DataFrame({"支行": list(names), "户数": range(len(names))})
    return show.table(frame, **{"caption": "各支行户数", **more})


class TestHostileText:
    """Nothing a notebook holds is ever taken for markup."""

    @pytest.mark.parametrize(
        "cell",
        [
            shown(show.document(title=HOSTILE)),
            shown(show.document(title="t", branch=HOSTILE)),
            shown(show.document(title="t", run_facts={"名": HOSTILE})),
            shown(_table(HOSTILE)),
            shown(_table("甲", caption=HOSTILE)),
            shown(_table("甲", unit=HOSTILE)),
            shown(_table("甲", note=HOSTILE)),
            shown(show.KeyFigures([show.KeyFigure("a", "1", comparisons=(HOSTILE,))])),
            shown(show.Sentences([show.Sentence("一句", lead=HOSTILE)])),
            shown(show.Drawing(SQUARE.format("x"), alt=HOSTILE, caption=HOSTILE)),
            displayed({"text/plain": HOSTILE}),
        ],
    )
    def test_prints_as_that_text(self, cell: nbformat.NotebookNode) -> None:
        """A name made of Typst, TeX, HTML and Jinja signs prints as exactly that name."""
        assert HOSTILE in printed(cell).text().replace("“", '"')

    def test_markdown_code_is_text(self) -> None:
        """Typst commands, raw HTML and raw Typst blocks in markdown print as text."""
        text = printed(
            words('# #read("a")'),
            words('#read("/etc/passwd") <b>raw</b> `#eval("1+1")`\n\n```{=typst}\n#panic()\n```'),
        ).text()
        for expected in (
            '#read("a")',
            '#read("/etc/passwd")<b>raw</b>',
            '#eval("1+1")',
            "#panic()",
        ):
            assert expected in text

    def test_raw_cells_are_left_out(self) -> None:
        """A raw cell cannot bring Typst into the page."""
        assert "panic" not in printed(nbformat.v4.new_raw_cell("#panic()"), words("文")).text()


class TestReport:
    """What a notebook with a cover prints."""

    def test_cover_header_footer(self) -> None:
        """Title, branch and date stand on page 1; header, date, status, page x of y on the next."""
        long = _table(*(f"第{n}支行" for n in range(60)))
        first, *_, last = pages = printed(shown(COVER), shown(long), status="draft").pages()
        assert {"存量客户季度评价报告" in first, "城关支行" in first, "2026-09-30" in first} == {
            True
        }
        assert last.startswith("示例农村商业银行·存量客户季度评价报告城关支行")
        for number, page in enumerate(pages, start=1):
            assert f"统计时点2026-09-30草稿第{number}页/共{len(pages)}页" in page

    @pytest.mark.parametrize(
        ("status", "zh", "en"),
        [
            ("draft", "草稿", "Draft"),
            ("reviewed", "复核", "Reviewed"),
            ("issued", "签发", "Issued"),
        ],
    )
    def test_status_in_both_languages(self, status: str, zh: str, en: str) -> None:
        """The review status is printed in the report's language."""
        assert zh in printed(shown(COVER), status=status).text()
        assert en in printed(shown(COVER), status=status, language="en").text()

    def test_english(self) -> None:
        """An English report counts its pages and tables in English."""
        text = printed(shown(COVER), words("# One"), shown(_table("A")), language="en").text()
        assert "Page1of1" in text
        assert "Table1" in text
        assert "第1页" not in text

    def test_run_facts_keep_their_order_on_disk(self, tmp_path: Path) -> None:
        """Run facts are printed in the order given, also after the notebook was stored."""
        path = tmp_path / "report.ipynb"
        nbformat.write(notebook(shown(COVER)), path)
        text = Printed(export_pdf(path)).text()
        assert text.index("运行编号2026Q3-BR003") < text.index("口径第2版")

    def test_code_is_hidden(self) -> None:
        """A report shows no code; an ordinary notebook does, unless its metadata say otherwise."""
        table = shown(_table("甲"))
        assert "shown_by_code" not in printed(shown(COVER), table).text()
        assert "shown_by_code" in printed(table).text()
        assert "shown_by_code" not in printed(table, hide_input=True).text()

    def test_headings(self) -> None:
        """Headings are numbered in Chinese, listed in the contents and in the bookmarks."""
        result = printed(
            shown(COVER), words("## 规模\n\n### 户数\n\n文\n\n### 留存\n\n文"),
            words("## 集中度\n\n文"), words("## 联络\n\n文"),
        )  # fmt: skip
        assert "目录一、规模1" in result.text()
        assert "（一）户数文（二）留存" in result.text()
        titles = [each["/Title"] for each in result.reader.outline if not isinstance(each, list)]
        assert [title[-2:] for title in titles] == ["规模", "中度", "联络"]

    def test_a_long_title_takes_two_lines_of_the_contents(self) -> None:
        """The entry below it begins lower than its second line, in columns that are full."""
        long = "The whole bank: concentration, dormancy, products"
        titles = ["One", "Two", "Three", "Four", "Five", "Six", long, "Eight", "Nine", "Ten"]
        cells = [words(f"## {title}\n\ntext") for title in titles]
        page = printed(shown(COVER), *cells, language="en").reader.pages[0]
        heights: set[float] = set()

        def visit(text: str, matrix: Any, *_: object) -> None:
            if text.strip() and 215 < matrix[4] < 300:  # the second column's beginning
                heights.add(round(matrix[5], 1))

        page.extract_text(visitor_text=visit)
        assert len(heights) == 4  # Five, Six, and two lines of the long one
        ordered = sorted(heights, reverse=True)
        assert all(above - below > 10 for above, below in pairwise(ordered))

    def test_a_heading_without_anything_below_is_left_out(self) -> None:
        """A chapter this branch has nothing for leaves no title, number or bookmark behind."""
        text = printed(
            shown(COVER), words("## 空章"), words("## 规模\n\n### 空节\n\n### 留存\n\n文")
        ).text()
        assert "空" not in text
        assert "一、规模留存" in text  # and an only section has no number: there is no second

    def test_first_page_headings_have_no_number(self) -> None:
        """What stands before the conclusions is the first page; the conclusions are chapter one."""
        tiles = show.KeyFigures([show.KeyFigure("户数", "5", comparisons=(("环比", "▲ 1.0%"),))])
        conclusion = show.Sentences([show.Sentence("甲。"), show.Sentence("乙。")])
        text = printed(
            shown(COVER), words("## 六个数"), shown(tiles), words("## 结论"), shown(conclusion)
        ).text()
        assert "六个数户数5环比▲1.0%一、结论1甲。" in text

    def test_conclusions_lead_to_their_chapters(self) -> None:
        """A conclusion says on which page its figures stand, and is a link to them."""
        told = [show.Sentence("甲。", section="dormancy"), show.Sentence("乙。", section="nowhere")]
        opening = show.Sentences(["睡眠。"], anchor="dormancy")
        result = printed(shown(COVER), shown(show.Sentences(told)), words("## 章"), shown(opening))
        assert "甲。第1页2乙。" in result.text()
        links = [each for page in result.reader.pages for each in page.get("/Annots", [])]
        assert len(links) == 1

    def test_halves_stand_side_by_side(self) -> None:
        """Two narrow figures in a row share a line and keep their order for a reader aloud."""
        halves = [
            shown(show.Drawing(SQUARE.format(word), alt=word, caption=f"标题{word}", half=True))
            for word in "甲乙丙"
        ]
        result = printed(shown(COVER), *halves)
        text = result.text()
        assert text.index("标题甲") < text.index("标题乙") < text.index("标题丙")
        lines = result.reader.pages[0].extract_text(extraction_mode="layout").splitlines()
        found = ["".join(line.split()) for line in lines if "标题" in line]
        assert found == ["图1标题甲图2标题乙", "图3标题丙"]

    def test_headings_numbered_by_hand(self) -> None:
        """An author's own heading numbers are not numbered again."""
        assert "一、一、" not in printed(shown(COVER), words("## 一、规模")).text()

    def test_words_of_every_block(self) -> None:
        """Key figures, sentences and table texts can be read back as Chinese text."""
        text = printed(
            shown(COVER),
            shown(show.KeyFigures([show.KeyFigure("留存率", "94.6", "%", ("环比 ▲ 0.3",))])),
            shown(show.Sentences([show.Sentence("前10户占38%。", lead="集中度")])),
            shown(_table("𬭎山支行", unit="单位:户", note="来源:月末表")),
        ).text()
        for expected in (
            "留存率94.6%环比▲0.3",
            "集中度前10户占38%。",
            "𬭎山支行",
            "单位:户",
            "来源:月末表",
        ):
            assert expected in text

    def test_long_headers_break_before_names_do(self) -> None:
        """In a table too wide for its page headers take more lines, and a name stays whole."""
        long = "Customers with two or more product families of number"
        frame = pd.DataFrame(
            {"branch": ["松湾镇人民路支行"], **{f"{long} {n}": ["1"] for n in range(5)}}
        )
        result = printed(shown(COVER), shown(show.table(frame, caption="表")))
        lines = result.reader.pages[0].extract_text(extraction_mode="layout").splitlines()
        assert any("松湾镇人民路支行" in "".join(line.split()) for line in lines)

    @pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
    def test_read_by_another_program(self, tmp_path: Path) -> None:
        """Chart and table text can be searched in an ordinary PDF viewer."""
        path = tmp_path / "report.pdf"
        drawing = show.Drawing(SQUARE.format("图中文字"), alt="方块", caption="方块图")
        path.write_bytes(printed(shown(COVER), shown(drawing), shown(_table("城关支行"))).content)
        text = subprocess.run(
            ["pdftotext", str(path), "-"], check=True, capture_output=True
        ).stdout.decode()
        assert "图中文字" in text
        assert "城关支行" in text

    def test_missing_alt(self) -> None:
        """A picture without alternative text stops a report."""
        picture = displayed({"image/png": PIXEL})
        with pytest.raises(MissingAltTextError, match="cell 2 shows a picture without alternative"):
            printed(shown(COVER), picture)

    @pytest.mark.parametrize(
        "cell",
        [
            shown(_table("支\ue000行")),
            words("支\ue000行"),
            shown(show.Drawing(SQUARE.format("支\ue000行"), alt="a", caption="c")),
            shown(show.Sentences([show.Sentence("好", lead="支\ue000行")])),
        ],
    )
    def test_missing_glyph(self, cell: nbformat.NotebookNode) -> None:
        """A character no font can draw stops a report, wherever it stands, and names its text."""
        with pytest.raises(MissingGlyphError, match=r"'支\ue000行' needs U\+E000"):
            printed(shown(COVER), cell)

    def test_missing_glyph_on_the_cover(self) -> None:
        """A branch name that cannot be drawn stops the report too."""
        with pytest.raises(MissingGlyphError, match=r"U\+E000"):
            printed(shown(show.document(title="t", branch="\ue000支行")))


class TestLanguageAndTags:
    """Which cells are printed."""

    cells = (
        words("中文段落", "zh"),
        words("English words", "en"),
        words("shared"),
        words("secret", "hide"),
    )

    def test_language_of_the_document(self) -> None:
        """A cell of the other language is left out; the exporter's overrules the cover's."""
        chinese = printed(shown(COVER), *self.cells).text()
        english = printed(shown(COVER), *self.cells, language="en").text()
        assert ("中文段落" in chinese, "Englishwords" in chinese) == (True, False)
        assert ("中文段落" in english, "Englishwords" in english) == (False, True)
        assert "shared" in chinese
        assert "shared" in english
        assert "secret" not in chinese + english

    def test_one_exporter_for_both_languages(self) -> None:
        """An exporter that printed Chinese prints English next: nothing is remembered."""
        exporter = TypstPDFExporter()
        english_cover = show.document(title="Review", language="en")
        exporter.from_notebook_node(notebook(shown(COVER), *self.cells))
        pdf, _ = exporter.from_notebook_node(notebook(shown(english_cover), *self.cells))
        assert "Englishwords" in Printed(pdf).text()

    @pytest.mark.parametrize("tag", ["parameters", "injected-parameters", "hide"])
    def test_hidden_cells(self, tag: str) -> None:
        """Parameters are not printed, neither code nor output."""
        text = printed(displayed({"text/plain": "42"}, tag), words("文")).text()
        assert "42" not in text
        assert "shown_by_code" not in text

    def test_half_hidden_cells(self) -> None:
        """`hide-input` leaves the output, `hide-output` leaves the code."""
        no_input = printed(displayed({"text/plain": "42"}, "hide-input")).text()
        no_output = printed(displayed({"text/plain": "42"}, "hide-output")).text()
        assert ("42" in no_input, "shown_by_code" in no_input) == (True, False)
        assert ("42" in no_output, "shown_by_code" in no_output) == (False, True)


class TestOrdinaryNotebook:
    """Any executed notebook can be printed."""

    def test_command_line(self, tmp_path: Path) -> None:
        """`jupyter nbconvert --to typstpdf` prints any notebook."""
        path = tmp_path / "analysis.ipynb"
        nbformat.write(
            notebook(words("# 分析\n\n文 *重* $a_1$ 🎉"), displayed({"image/png": PIXEL})), path
        )
        command = [sys.executable, "-m", "nbconvert", "--to", "typstpdf", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        result = Printed(path.with_suffix(".pdf").read_bytes())
        assert result.reader.metadata is not None
        assert result.reader.metadata.title == "分析"
        assert "文重a_1〓" in result.text()

    @pytest.mark.parametrize(
        ("cells", "metadata", "title"),
        [
            ((words("# 标题"),), {"title": "元数据"}, "元数据"),
            ((words("文\n\n## 标题"),), {}, "标题"),
            ((words("文"),), {}, "Notebook"),
        ],
    )
    def test_title(self, cells: tuple, metadata: dict, title: str) -> None:
        """The title is the metadata's, else the first heading, else the file's name."""
        assert printed(*cells, **metadata).reader.metadata.title == title

    def test_every_output(self, caplog: pytest.LogCaptureFixture) -> None:
        """Streams, errors, HTML tables and pictures are printed; stderr is not, and said so."""
        outputs = [
            new_output("stream", name="stdout", text="printed\x1b[31mred\x1b[0m"),
            new_output("stream", name="stderr", text="warned"),
            new_output("error", ename="ZeroDivisionError", evalue="zero", traceback=[]),
            new_output(
                "display_data", data={"text/html": pd.DataFrame({"列": [17]})._repr_html_()}
            ),
            new_output("display_data", data={"text/markdown": "**粗**"}),
            new_output("display_data", data={"application/x-unknown": "?"}),
            new_output("display_data", data={"image/svg+xml": SQUARE.format("方")}),
        ]
        text = printed(new_code_cell("x = 1", outputs=outputs)).text()
        for expected in ("x=1", "printedred", "ZeroDivisionError:zero", "列017", "粗", "方"):
            assert expected in text
        assert "warned" not in text
        assert "vertical-align" not in text
        assert "cell 1 wrote to stderr" in caplog.text
        assert "application/x-unknown" in caplog.text

    def test_attached_picture(self) -> None:
        """A picture attached to a markdown cell is printed; any other leaves its description."""
        cell = words("![方块](attachment:a.png) ![别处](http://x.com/b.png) ![](c,d.png)")
        cell["attachments"] = {"a.png": {"image/png": PIXEL}}
        result = printed(cell)
        assert "[别处][c,d.png]" in result.text()
        assert [each["/Alt"] for each in result.structure() if "/Alt" in each] == ["方块"]

    def test_a_picture_in_the_text_itself_is_named_by_its_kind(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What a library draws in place is no page of letters, nor a long warning."""
        text = printed(words(f"![](data:image/svg+xml;base64,{'QUJD' * 500})")).text()
        assert "data:image/svg+xml;base64" in text
        assert "QUJD" not in text + caplog.text

    def test_unclosed_code_fence(self) -> None:
        """A code fence left open in one cell does not swallow the next."""
        result = printed(words("文\n\n```\ncode"), words("# 甲"), words("# 乙"))
        assert [each["/Title"] for each in result.reader.outline] == ["甲", "乙"]

    def test_source_export(self, tmp_path: Path) -> None:
        """`--to typst` gives a source with its layout and pictures beside it."""
        resources = {"output_files_dir": "report_files", "metadata": {"name": "report"}}
        picture = shown(show.Drawing(SQUARE.format("x"), alt="a", caption="c"))
        source, resources = TypstExporter().from_notebook_node(notebook(picture), resources)
        assert source.startswith('#import "report_files/report.typ"')
        assert "picture-1.svg" in source
        assert set(resources["outputs"]) == {
            "report_files/report.typ",
            "report_files/look.typ",
            "report_files/picture-1.svg",
        }

    @pytest.mark.parametrize(
        "folder", ["out/report_files", "/srv/out/report_files", "../report_files"]
    )
    def test_output_elsewhere(self, folder: str) -> None:
        """`--output` may lead anywhere: the source finds its files, and the PDF is made."""
        resources = {"output_files_dir": folder, "metadata": {"name": "report"}}
        book = notebook(shown(show.Drawing(SQUARE.format("x"), alt="a", caption="c")))
        source, made = TypstExporter().from_notebook_node(book, dict(resources))
        assert source.startswith('#import "report_files/report.typ"')
        assert f"{folder}/picture-1.svg" in made["outputs"]
        pdf, made = TypstPDFExporter().from_notebook_node(book, dict(resources))
        plain = {"metadata": {"name": "report"}}
        assert pdf == TypstPDFExporter().from_notebook_node(book, plain)[0]
        assert "outputs" not in made


class TestPDF:
    """Properties of the file."""

    def test_same_bytes(self) -> None:
        """The same notebook gives the same bytes."""
        cells = (
            shown(COVER),
            words("## 规模\n\n**粗** 与 [链接](https://example.com)"),
            shown(_table("甲")),
        )
        assert printed(*cells).content == printed(*cells).content

    def test_standards(self) -> None:
        """The file declares PDF/UA-1 and PDF/A-2a, and has what a validator asks of both.

        It is tagged, has language and title, order of tabs, profile of colours and all fonts, and
        is neither encrypted nor does it act.
        """
        result = printed(shown(COVER))
        root = result.reader.trailer["/Root"]
        metadata = root["/Metadata"].get_object().get_data().decode()
        assert re.search(r"pdfuaid:part>1<", metadata)
        assert re.search(r"pdfaid:part>2<", metadata)
        assert re.search(r"pdfaid:conformance>A<", metadata)
        assert root["/MarkInfo"]["/Marked"]
        assert str(root["/Lang"]).startswith("zh")
        assert result.reader.metadata.creation_date.date() == COVER.as_of
        assert root["/ViewerPreferences"]["/DisplayDocTitle"]
        (intent,) = root["/OutputIntents"]
        assert intent.get_object()["/S"] == "/GTS_PDFA1"
        assert intent.get_object()["/DestOutputProfile"].get_object()["/N"] == 3
        assert "/Encrypt" not in result.reader.trailer
        assert not {"/OpenAction", "/AA", "/AcroForm"} & set(root)
        for page in result.reader.pages:
            assert page["/Tabs"] == "/S"
            for font in page["/Resources"]["/Font"].values():
                (of,) = font.get_object()["/DescendantFonts"]
                assert {"/FontFile2", "/FontFile3"} & set(of.get_object()["/FontDescriptor"])

    def test_bold_is_a_bold_font(self) -> None:
        """Bold and emphasised words are set in the real bold font, the others are not."""
        total = show.table(pd.DataFrame({"a": ["总", "常"]}), caption="c", emphasise=[0])
        sentence = show.Sentences([show.Sentence("句", lead="领")])
        result = printed(shown(COVER), words("文 **重** *强*"), shown(total), shown(sentence))
        bold, regular = "NotoSansCJKsc-Bold", "NotoSansCJKsc-Regular"
        for word, font in zip("重强总领文常句", [bold] * 4 + [regular] * 3, strict=True):
            assert result.fonts_of(word) == {f"{font}-Identity-H"}

    def test_header_repeats(self) -> None:
        """A table over several pages repeats its header; its rows are all there, once."""
        names = [f"第{n:03d}支行" for n in range(160)]
        result = printed(shown(COVER), shown(_table(*names)))
        pages, text = result.pages(), result.text()
        assert len(pages) >= 3
        assert all("支行户数第" in page for page in pages)
        assert [text.count(name) for name in names] == [1] * 160

    @pytest.mark.parametrize(("paragraphs", "sentence"), [(24, 60), (26, 60), (24, 900)])
    def test_the_run_is_never_alone_on_the_last_page(self, paragraphs: int, sentence: int) -> None:
        """The last table goes along to the next page whole; one that fills a page breaks."""
        rows = [f"词{n}" for n in range(8)]
        terms = pd.DataFrame({"术语": rows, "口径": "义" * sentence})
        above = [words(f"第{n}段") for n in range(paragraphs)]
        result = printed(shown(COVER), *above, shown(show.table(terms, caption="口径表")))
        last = result.pages()[-1]
        assert "运行信息" in last
        assert "词7" in last
        assert ("口径表" in last) == (sentence == 60)
        assert result.text().count("义") == 8 * sentence

    def test_tags(self) -> None:
        """Tables have header cells, figures their alternative text, headings their level."""
        drawing = show.Drawing(SQUARE.format("x"), alt="蓝色方块", caption="方块")
        result = printed(shown(COVER), words("## 规模"), shown(_table("甲")), shown(drawing))
        elements = list(result.structure())
        kinds = [str(element.get("/S")) for element in elements]
        assert kinds.count("/TH") == 2
        assert "/H1" in kinds
        assert "蓝色方块" in [element["/Alt"] for element in elements if "/Alt" in element]

    def test_heading_stays_with_its_table(self) -> None:
        """A heading is never the last thing on a page, its table on the next."""
        filler = _table(*(f"第{n}支行" for n in range(14)), caption="前表")
        for lines in range(1, 18, 4):
            cells = [
                words("文。\n\n" * lines),
                words("## 标志"),
                shown(_table(*"甲乙丙丁戊己庚辛")),
            ]
            pages = printed(shown(COVER), shown(filler), *cells).pages()
            assert [page for page in pages if "标志" in page] == [
                page for page in pages if "甲0乙1" in page
            ]

    def test_opening_words_stay_with_what_they_open(self) -> None:
        """A heading and its first words never stay alone at the end of a page."""
        filler = _table(*(f"第{n}支行" for n in range(14)), caption="前表")
        for lines in range(1, 18):
            cells = [
                words("文。\n\n" * lines),
                words("## 标志\n\n开头的话。"),
                shown(_table(*"甲乙丙丁戊己庚辛")),
            ]
            pages = printed(shown(COVER), shown(filler), *cells).pages()
            assert [page for page in pages if "开头的话" in page] == [
                page for page in pages if "甲0乙1" in page
            ]

    def test_a_figure_stays_with_its_table(self) -> None:
        """The figure above a table is on the page of the table's first row."""
        filler = _table(*(f"第{n}支行" for n in range(14)), caption="前表")
        drawing = show.Drawing(SQUARE.format("x"), alt="方块", caption="标志图")
        for lines in range(8, 18, 3):
            cells = [words("文。\n\n" * lines), shown(drawing), shown(_table(*"甲乙丙丁戊己庚辛"))]
            pages = printed(shown(COVER), shown(filler), *cells).pages()
            assert [page for page in pages if "标志图" in page] == [
                page for page in pages if "甲0乙1" in page
            ]

    def test_an_amount_stays_in_one_piece(self) -> None:
        """However long what stands before, no line begins with a unit; a search finds it."""
        texts = [
            "字" * n + "较上季末+0.29亿元，季日均486.6万元，占12.3个百分点；" * 6 for n in range(9)
        ]
        result = printed(shown(COVER), shown(show.Sentences([show.Sentence(t) for t in texts])))
        lines = [
            line.strip()
            for page in result.reader.pages
            for line in page.extract_text().splitlines()
        ]
        assert not [line for line in lines if re.match("[万亿]?元|个?百?分点|[，；]", line)]
        assert sum(line.count("486.6万元") for line in lines) == 54
