"""The font gate."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fontTools import subset

from stockcust_analysis.errors import MissingGlyphError, ReportError
from stockcust_analysis.report import typst as gate
from stockcust_analysis.report.typst import (
    check_glyphs,
    missing_characters,
    svg_texts,
    texts_of,
    with_substitutes,
)
from stockcust_analysis.show import blocks as fonts


class TestMissingCharacters:
    """`missing_characters`: what the fonts cannot draw."""

    @pytest.mark.parametrize("name", ["𬭎", "䶮", "㛃", "𠮷", "㐂", "龘", "镕", "堃", "喆"])
    def test_rare_characters(self, name: str) -> None:
        """Rare characters of Chinese names can be drawn, regular and bold."""
        assert missing_characters(name) == []

    def test_gb2312(self) -> None:
        """Every character of GB 2312 can be drawn."""
        rows = (bytes([high, low]) for high in range(0xA1, 0xF8) for low in range(0xA1, 0xFF))
        characters = "".join(row.decode("gb2312", errors="ignore") for row in rows)
        assert len(characters) > 7000
        assert missing_characters(characters) == []

    @pytest.mark.parametrize("character", ["\ue000", "\U0010fffd", "🎉", "ก", "\ufffe"])
    def test_missing(self, character: str) -> None:
        """Private-use characters, emoji and other scripts cannot."""
        assert missing_characters(f"支行{character}") == [character]

    def test_invisible(self) -> None:
        """Line ends, spaces, joiners and variation selectors need no glyph."""
        assert missing_characters("a\n\r\t\u00a0\u200b\u3000\ufe0f\U000e0100") == []


class TestCheck:
    """`check_glyphs`: an error that names the text."""

    def test_names_text_and_character(self) -> None:
        """Each text is named once, with the code points it lacks."""
        with pytest.raises(MissingGlyphError, match=r"^1 text\(s\).*'甲\ue001' needs U\+E001"):
            check_glyphs(["好", "甲\ue001", "甲\ue001"])

    def test_long_text(self) -> None:
        """Of a long text only the part around the character is quoted."""
        with pytest.raises(MissingGlyphError) as raised:
            check_glyphs(["好" * 500 + "\ue001" + "好" * 500])
        assert len(str(raised.value)) < 300

    def test_bold_counts(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A character that one of the two fonts lacks cannot be drawn."""
        regular, bold = fonts.font_files()
        smaller = tmp_path / "smaller.otf"
        subset.main([str(bold), "--text=甲", f"--output-file={smaller}"])
        monkeypatch.setattr(gate, "font_files", lambda: (regular, smaller))
        assert gate.drawable.__wrapped__() == {ord("甲")}

    def test_quick(self) -> None:
        """Once the fonts are read, a whole report is checked in well under 50 ms."""
        texts = [f"第{n}支行 12.3%" for n in range(5000)]
        check_glyphs(texts)
        started = time.perf_counter()
        check_glyphs(texts)
        assert time.perf_counter() - started < 0.05


def test_substitutes() -> None:
    """In an ordinary notebook a character that cannot be drawn becomes 〓."""
    assert with_substitutes({"a": ["好🎉", 1], "b": None}) == {"a": ["好〓", 1], "b": None}


def test_texts_of() -> None:
    """Every text inside plain values is found."""
    assert list(texts_of({"a": "甲", "b": [["乙"], {"c": "丙"}, 1, None]})) == ["甲", "乙", "丙"]


class TestSvgTexts:
    """`svg_texts`: the words of a drawing."""

    def test_words(self) -> None:
        """Words are found inside nested elements too."""
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg"><g><text>甲<tspan>乙</tspan></text></g></svg>'
        )
        assert list(svg_texts(svg.encode())) == ["甲乙"]

    def test_broken(self) -> None:
        """A drawing that is not XML is an error."""
        with pytest.raises(ReportError, match="not valid XML"):
            list(svg_texts(b"<svg>"))

    def test_entities(self) -> None:
        """A drawing that declares entities, as in an entity bomb, is refused."""
        with pytest.raises(ReportError, match="entities"):
            list(svg_texts(b'<!DOCTYPE a [<!ENTITY b "c">]><svg/>'))


class TestFontFiles:
    """The pinned font files."""

    def test_found(self) -> None:
        """Regular and bold are found, and are the pinned files."""
        assert [path.name for path in fonts.font_files()] == list(fonts.FONT_HASHES)

    def test_other_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another version of a font is an error that says what to install."""
        monkeypatch.setitem(fonts.FONT_HASHES, "NotoSansCJKsc-Bold.otf", "0" * 64)
        with pytest.raises(ReportError, match=r"NotoSansCJKsc-Bold\.otf is not the pinned one"):
            fonts.font_folder.__wrapped__()

    def test_missing_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A missing font is an error, not another font."""
        monkeypatch.setitem(fonts.FONT_HASHES, "Other.otf", "0" * 64)
        with pytest.raises(ReportError, match=r"Other\.otf is missing"):
            fonts.font_folder.__wrapped__()
