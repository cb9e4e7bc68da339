"""A bank's own look: colours, logo, fonts, or a layout of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

from stockcust_analysis import show
from stockcust_analysis.cli import main
from stockcust_analysis.errors import (
    MissingGlyphError,
    PolicyError,
    StockcustError,
    TypesettingError,
    UsageError,
)
from stockcust_analysis.report.exporter import TypstPDFExporter
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.typst import (
    Brand,
    Colours,
    brand_files,
    contrast_with_white,
    load_brand,
)
from stockcust_analysis.show.blocks import font_files
from tests.report.printed import COVER, SQUARE, Printed, notebook, shown

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><text y="9">L</text></svg>'


def write(folder: Path, text: str) -> Path:
    """Write a brand file."""
    path = folder / "brand.toml"
    path.write_text(text, encoding="utf-8")
    return path


def in_brand(path: Path) -> Printed:
    """Print a cover and a chart in a brand."""
    picture = show.Drawing(SQUARE.format("x"), alt="蓝色方块", caption="方块")
    pdf, _ = TypstPDFExporter(brand=str(path)).from_notebook_node(
        notebook(shown(COVER), shown(picture))
    )
    return Printed(pdf)


def test_colours_and_logo_reach_the_page(tmp_path: Path) -> None:
    """Headings and charts take the brand's green, and the logo is described for the blind."""
    (tmp_path / "logo.svg").write_text(LOGO, encoding="utf-8")
    path = write(tmp_path, 'logo = "logo.svg"\n[colours]\nbrand = "#0B5D3B"')
    result = in_brand(path)
    drawn = b"".join(page.get_contents().get_data() for page in result.reader.pages)
    green = " ".join(f"{int(part, 16) / 255:.3f}"[:4] for part in ("0B", "5D", "3B"))
    found = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) (?:rg|scn|sc)", drawn)
    assert green in {" ".join(part.decode()[:4].ljust(4, "0") for part in one) for one in found}
    assert "示例农村商业银行" in [each["/Alt"] for each in result.structure() if "/Alt" in each]
    assert load_brand(path).paint(b'<rect style="fill: #1f4e79"/>') == (
        b'<rect style="fill: #0B5D3B"/>'
    )


def test_all_mistakes_in_one_message(tmp_path: Path) -> None:
    """Unknown names, a colour that is none, a pale one, a missing logo: all in one error."""
    path = write(
        tmp_path,
        'logo = "no.svg"\nmotto = "x"\n'
        '[colours]\nbrand = "#FFD700"\nink = "black"\nsky = "#000000"',
    )
    with pytest.raises(UsageError) as raised:
        load_brand(path)
    unknown = ("motto: unknown key", "colours.sky: unknown key")
    for part in (*unknown, "ink must look like", "brand is too pale", "'no.svg'"):
        assert part in str(raised.value)


def test_the_example_is_a_brand() -> None:
    """The brand file that the documentation points to is accepted, with its logo."""
    example = Path(__file__).resolve().parents[2] / "examples" / "brand" / "brand.toml"
    assert [path.name for path in brand_files(str(example))] == ["brand.toml", "logo.svg"]
    assert "示例农村商业银行" in [
        each["/Alt"] for each in in_brand(example).structure() if "/Alt" in each
    ]


def test_a_bad_brand_stops_the_command_before_it_opens_the_bank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--brand` with a pale colour is one line on the terminal and exit code 2, nothing written."""
    path = write(tmp_path, '[colours]\nbrand = "#FFD700"')
    out = tmp_path / "out"
    given = ["report", "no/such/bank", "--quarter", "2026Q3", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["stockcust", *given, "--brand", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "颜色brand过浅，印在纸上难以辨认" in said
    assert "no/such/bank" not in said
    assert not out.exists()


def test_the_look_is_one_hash_of_all_its_files(tmp_path: Path) -> None:
    """Another logo behind the same file name is another look; no brand is no look."""
    (tmp_path / "logo.svg").write_text(LOGO, encoding="utf-8")
    path = write(tmp_path, 'logo = "logo.svg"')
    options = ReportOptions(quarter="2026Q3", brand=str(path))
    before = options.look
    assert len(before) == 64
    (tmp_path / "logo.svg").write_text(LOGO.replace("L<", "M<"), encoding="utf-8")
    assert options.look != before
    assert ReportOptions(quarter="2026Q3").look == ""


def test_contrast_is_wcags() -> None:
    """The worked value of WCAG for #777777 on white is 4.48 to 1."""
    assert contrast_with_white("#777777") == pytest.approx(4.48, abs=0.005)


def test_the_shipped_colours_pass_their_own_test() -> None:
    """The look without a brand is legible by the same rule."""
    assert contrast_with_white(Colours().quiet) >= 4.5
    assert contrast_with_white(Colours().brand) >= 4.5
    assert Brand().paint(b"#1f4e79") == b"#1f4e79"


@pytest.fixture(scope="module")
def own_fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a family 'Own' of few characters, regular and bold."""
    folder = tmp_path_factory.mktemp("fonts")
    for name, source in zip(("regular", "bold"), font_files(), strict=True):
        options = subset.Options(name_IDs=["*"], notdef_outline=True)
        font = subset.load_font(str(source), options)
        chosen = subset.Subsetter(options)
        chosen.populate(text="存量客户季度评价报告")
        chosen.subset(font)
        for record in font["name"].names:
            if record.nameID in (1, 4, 16):
                record.string = "Own"
        top = font["CFF "].cff.topDictIndex[0]
        top.FullName = top.FamilyName = "Own"
        font.save(folder / f"{name}.otf")
        font.close()
    return folder


def test_own_fonts_with_fallback(own_fonts: Path) -> None:
    """What the bank's fonts lack is drawn by the shipped ones; what both lack is an error."""
    path = write(own_fonts, '[fonts]\nfamily = "Own"\nfiles = ["regular.otf", "bold.otf"]')
    assert "城关支行" in in_brand(path).text()
    exporter = TypstPDFExporter(brand=str(path))
    with pytest.raises(MissingGlyphError, match="U\\+E000"):
        exporter.from_notebook_node(notebook(shown(show.document(title="\ue000"))))


@pytest.mark.parametrize("name", ["brand.toml", "./brand.toml"])
def test_a_brand_may_be_in_the_working_folder(
    own_fonts: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fonts are beside it, however the file is named: as in the how-to."""
    write(own_fonts, '[fonts]\nfamily = "Own"\nfiles = ["regular.otf", "bold.otf"]')
    monkeypatch.chdir(own_fonts)
    assert load_brand(Path(name)).fonts.family == "Own"


def test_a_family_without_bold_is_refused(own_fonts: Path, tmp_path: Path) -> None:
    """Headings would silently be set in regular."""
    with TTFont(own_fonts / "regular.otf") as font:
        font.save(tmp_path / "regular.otf")
    path = write(tmp_path, '[fonts]\nfamily = "Own"\nfiles = ["regular.otf"]')
    with pytest.raises(UsageError, match="'Own' has no bold"):
        load_brand(path)


def test_a_layout_of_its_own(tmp_path: Path) -> None:
    """A bank's .typ takes the layout's place; another kind of file is refused."""
    layout = tmp_path / "own.typ"
    layout.write_text(
        "#let report(facts, body) = { set document(title: facts.title); [Own: #facts.title] }\n"
        "#let show-block(it) = none\n",
        encoding="utf-8",
    )
    assert in_brand(layout).text() == "Own:存量客户季度评价报告"
    with pytest.raises(UsageError, match="no brand"):
        in_brand(tmp_path / "own.docx")


def test_a_broken_layout_says_so(tmp_path: Path) -> None:
    """The typesetter's complaint about a bank's layout is an error with its words."""
    layout = tmp_path / "own.typ"
    layout.write_text("#let report(facts, body) = nothing\n", encoding="utf-8")
    with pytest.raises(TypesettingError, match="the typesetter says"):
        in_brand(layout)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("colours = 3", "colours: expected a table"),
        ("colours = { ink = 3 }", "colours.ink: expected text"),
        ("fonts = []", "fonts: expected a table"),
        ("logo = 3", "logo: expected text"),
        ("fonts = { family = 3 }", "fonts.family: expected text"),
        ('fonts = { files = "a.ttf" }', "fonts.files: expected a list"),
        ("fonts = { files = [3] }", r"fonts.files\[1\]: expected text"),
        ("a = " + "[" * 3000 + "]" * 3000, "is not valid TOML"),
    ],
)
def test_a_brand_of_wrong_kinds_is_one_error(tmp_path: Path, text: str, expected: str) -> None:
    """Whatever stands in the file, the error names the part."""
    with pytest.raises(StockcustError, match=expected):
        load_brand(write(tmp_path, text))


def test_a_brand_in_gbk_says_what_to_do(tmp_path: Path) -> None:
    """As mapping and policy do: the file is to be saved as UTF-8."""
    path = tmp_path / "brand.toml"
    path.write_bytes('[fonts]\nfamily = "宋体"\n'.encode("gbk"))
    with pytest.raises(PolicyError, match=r"is not UTF-8\. Save it as UTF-8\."):
        load_brand(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("logo.jpg", b"x"), ("logo.svg", b"<svg><broken"), ("logo.png", b"none"), ("logo.bmp", b"BM")],
)
def test_a_logo_that_cannot_be_drawn_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """Found page by page, it had every finished page of the quarter removed as a failed one."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"{name}: the typesetter says"):
        brand_files(str(write(tmp_path, f'logo = "{name}"')))


def test_a_layout_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Before anything is made, as a brand file is."""
    layout = tmp_path / "own.typ"
    layout.write_text("#let report(facts, body) = [\n", encoding="utf-8")
    with pytest.raises(TypesettingError, match="the typesetter says"):
        brand_files(str(layout))


def test_font_files_are_held_against_the_family(own_fonts: Path, tmp_path: Path) -> None:
    """A misspelt family would be set in the shipped font without a word; a file may be no font."""
    files = 'files = ["regular.otf", "bold.otf"]'
    with pytest.raises(UsageError, match="no family 'Owm': they hold Own"):
        load_brand(write(own_fonts, f'[fonts]\nfamily = "Owm"\n{files}'))
    (tmp_path / "no.otf").write_bytes(b"no font")
    with pytest.raises(UsageError, match="no family 'Own'"):
        load_brand(write(tmp_path, '[fonts]\nfamily = "Own"\nfiles = ["no.otf"]'))


def test_fonts_may_be_a_collection(own_fonts: Path, tmp_path: Path) -> None:
    """Chinese families come as .ttc; of one weight each."""
    for weight in ("regular", "bold"):
        collection = TTCollection()
        collection.fonts = [TTFont(own_fonts / f"{weight}.otf")]
        collection.save(tmp_path / f"{weight}.ttc")
        collection.fonts[0].close()
    path = write(tmp_path, '[fonts]\nfamily = "Own"\nfiles = ["regular.ttc", "bold.ttc"]')
    assert "城关支行" in in_brand(path).text()
