"""The border between Python and Typst: values go over as literals, a finished PDF comes back.

```
value ── literal ──> ("title": "…", "rows": (…),) ── template ──> source ── compile_pdf ──> PDF
```

`literal` is the only way data reach the typesetter. Inside a string literal nothing is markup, so
a branch named `#read("/etc/passwd")` prints as that text.

The typesetter says nothing about a character its fonts cannot draw. So every text of a page is
held against the fonts' own character maps first, and a missing character is an error that names
the text it stands in: no page leaves with an empty box.
"""

from __future__ import annotations

import logging
import math
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final
from xml.etree import ElementTree

import typst
from fontTools.ttLib import TTFont

from stockcust_analysis import errors
from stockcust_analysis.errors import ReportError, TypesettingError, UsageError, Words, joined, say
from stockcust_analysis.policy.file import build, read_toml
from stockcust_analysis.show.blocks import FONT_FAMILY, font_files, font_folder

logger = logging.getLogger(__name__)

PDF_STANDARDS: Final = ("ua-1", "a-2a")
"""Every PDF is accessible (PDF/UA-1) and fit for the archive (PDF/A-2a)."""

_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\u{0}"}
)


def literal(value: object) -> str:
    r"""Write a Python value as a Typst literal: text, numbers, yes and no, none, lists, mappings.

    >>> print(literal({"branch": '#read("/etc/passwd")', "rows": [["1"], []], "note": None}))
    ("branch": "#read(\"/etc/passwd\")", "rows": (("1",), (),), "note": none,)
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, int) and abs(value) < 2**63:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = "".join(f"{literal(str(key))}: {literal(item)}, " for key, item in value.items())
        return f"({pairs.removesuffix(' ')})" if value else "(:)"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return f"({''.join(f'{literal(item)}, ' for item in value).removesuffix(' ')})"
    raise TypesettingError(say("not_for_typst", value))


@cache
def _fonts(folders: tuple[Path, ...] = ()) -> typst.Fonts:
    """Load the pinned fonts once per process; Typst's own monospaced font is for code only."""
    paths = [*folders, font_folder()]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=paths)


def compile_pdf(
    source: str,
    *,
    files: Mapping[str, bytes] | None = None,
    as_of: date | None = None,
    font_folders: tuple[Path, ...] = (),
) -> bytes:
    """Typeset a Typst source into a PDF; the same source, files and date give the same bytes.

    `files` (figures, the layout) are all the source can read: it is set in a folder that holds
    nothing else. `font_folders` hold fonts besides the pinned ones. The PDF's creation date is
    `as_of`, never the clock.
    """
    try:
        encoded = source.encode()
    except UnicodeEncodeError as error:
        raise TypesettingError(say("half_character", ord(source[error.start]))) from error
    with tempfile.TemporaryDirectory(prefix="stockcust-") as root:
        for name, content in (files or {}).items():
            path = Path(root, PurePosixPath(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        fonts = _fonts(font_folders)
        compiler = typst.Compiler(root=root, font_paths=fonts, ignore_system_fonts=True)
        try:
            pdf, warnings = compiler.compile_with_warnings(
                input=encoded,
                format="pdf",
                timestamp=datetime.combine(as_of or date(1970, 1, 1), time(), tzinfo=UTC),
                pdf_standards=list(PDF_STANDARDS),
            )
        except typst.TypstError as error:
            hints = "".join(f" Hint: {hint}" for hint in error.hints)
            raise TypesettingError(say("typst_says", error.message, hints)) from error
    for warning in warnings:
        logger.warning("typesetter: %s", warning.message)
    if not isinstance(pdf, bytes):
        raise TypesettingError(say("no_pdf"))
    return pdf


SUBSTITUTE: Final = "〓"
"""The printers' mark for a character that is not in the case."""

# Line ends, spaces, joiners and variation selectors draw nothing.
_DRAW_NOTHING: Final = {"Zs", "Zl", "Zp", "Cf"}
_VARIATION_SELECTORS: Final = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}


@cache
def drawable(others: tuple[Path, ...] = ()) -> frozenset[int]:
    """Return the code points that both the regular and the bold font can draw.

    A bank's own font files go before the shipped ones, which draw what those lack.
    """
    shipped = drawable() if others else frozenset()
    maps = []
    for path in others or font_files():
        with TTFont(path, lazy=True, fontNumber=0) as font:  # of a collection the first
            # Glyphs by their numbers: the names of all would be read from the outlines.
            font.setGlyphOrder(list(map(str, range(font["maxp"].numGlyphs))))
            maps.append(frozenset(font.getBestCmap()))
    return shipped | frozenset.intersection(*maps)


def missing_characters(text: str, others: tuple[Path, ...] = ()) -> list[str]:
    """Return the characters of a text that cannot be drawn, each once, in code point order.

    >>> missing_characters("城关支行 ▲ 3.1%")
    []
    """
    known = drawable(others)
    return sorted(c for c in set(text) if ord(c) not in known and _draws(c))


def _draws(character: str) -> bool:
    return (
        unicodedata.category(character) not in _DRAW_NOTHING
        and character not in "\n\r\t"
        and ord(character) not in _VARIATION_SELECTORS
    )


def check_glyphs(texts: Iterable[str], others: tuple[Path, ...] = ()) -> None:
    """Raise an error naming every text that holds a character the fonts cannot draw."""
    every_text = list(texts)
    if not missing_characters("".join(every_text), others):
        return
    problems = []
    for text in dict.fromkeys(every_text):
        if missing := missing_characters(text, others):
            codes = [f"U+{ord(character):04X}" for character in missing]
            problems.append(say("needs_characters", _shorten(text, missing[0]), codes))
    raise errors.MissingGlyphError(
        say("glyphs_lacking", len(problems), joined(problems[:10], "; ", "；"))
    )


def _shorten(text: str, around: str, width: int = 30) -> str:
    """Return the part of a long text that surrounds a character."""
    start = max(text.index(around) - width, 0)
    part = text[start : start + 2 * width]
    return f"{'…' if start else ''}{part}{'…' if start + len(part) < len(text) else ''}"


def with_substitutes(value: Any) -> Any:
    """Return plain values with every character that cannot be drawn replaced by 〓."""
    if isinstance(value, str):
        missing = missing_characters(value)
        return value.translate({ord(character): SUBSTITUTE for character in missing})
    if isinstance(value, dict):
        return {key: with_substitutes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_substitutes(item) for item in value]
    return value


def texts_of(value: object) -> Iterator[str]:
    """Yield every text inside plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_of(item)


def svg_texts(svg: bytes) -> Iterator[str]:
    """Yield the words of a drawing."""
    if re.search(rb"<!ENTITY", svg):
        raise ReportError(say("svg_entities"))
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ReportError(say("svg_invalid", error)) from error
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        yield "".join(element.itertext())


# What is written must stand out from white paper (WCAG 2.2, 1.4.3: at least 4.5 to 1).
_WRITTEN: Final = {"brand": 4.5, "ink": 7.0, "quiet": 4.5, "accent": 3.0}
_BOLD_FROM: Final = 600
_LOGO_ALONE: Final = '#set document(title: "-")\n#import "look.typ": logo\n#image(logo, alt: "-")'
_LAYOUT_ALONE: Final = '#set document(title: "-")\n#import "report.typ": report, show-block'
# Colours of the charts (stockcust.mplstyle) and the colour of the brand that takes their place.
_CHARTED: Final = {"1f4e79": "brand", "9db8d2": "lighter", "d9822b": "accent", "1f2933": "ink"}


@dataclass(frozen=True)
class Colours:
    """The look without a bank's own: blue against orange, safe for colour-blind readers."""

    brand: str = "#1F4E79"
    accent: str = "#C2680F"
    ink: str = "#1F2933"
    quiet: str = "#5B6875"
    hairline: str = "#CBD2D9"
    wash: str = "#F4F7FA"
    lighter: str = "#9DB8D2"


@dataclass(frozen=True)
class Fonts:
    """A font family that goes before the report's own, and the paths of its files."""

    family: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Brand:
    """What may stand in a brand file: colours, the path of a logo, fonts."""

    colours: Colours = Colours()
    logo: str = ""
    fonts: Fonts = Fonts()

    @property
    def font_files(self) -> tuple[Path, ...]:
        """The files of its fonts."""
        return tuple(map(Path, self.fonts.files))

    @property
    def look(self) -> bytes:
        """The Typst file that the layout takes its colours, fonts and logo from."""
        lines = [f"#let {name} = rgb({literal(code)})" for name, code in vars(self.colours).items()]
        fonts = [*filter(None, [self.fonts.family]), FONT_FAMILY]
        logo = self._logo_name or None
        lines += [f"#let fonts = {literal(fonts)}", f"#let logo = {literal(logo)}"]
        return ("\n".join(lines) + "\n").encode()

    @property
    def files(self) -> dict[str, bytes]:
        """The files that stand beside the source: the look, and the logo if there is one."""
        logo = {self._logo_name: Path(self.logo).read_bytes()} if self.logo else {}
        return {"look.typ": self.look, **logo}

    @property
    def font_folders(self) -> tuple[Path, ...]:
        """The folders its fonts stand in."""
        return tuple(sorted({path.parent for path in self.font_files}))

    @property
    def _logo_name(self) -> str:
        return f"logo{Path(self.logo).suffix}" if self.logo else ""

    def paint(self, drawing: bytes) -> bytes:
        """Return a chart in the brand's colours."""
        own, shipped = vars(self.colours), vars(Colours())
        new = {old: own[name] for old, name in _CHARTED.items() if own[name] != shipped[name]}
        if not new:
            return drawing
        pattern = re.compile("#(" + "|".join(new) + r")\b", re.IGNORECASE)
        return pattern.sub(lambda found: new[found[1].lower()], drawing.decode()).encode()


def load_brand(path: str | Path) -> Brand:
    r"""Read a bank's look from a TOML file, and check that it can be read and printed.

    Raises
    ------
    UsageError
        All that is wrong: unknown names, colours that are none or too pale to be read, a missing
        logo or font file, a family without a bold weight. PolicyError where it is no TOML.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "brand.toml")
    ...     _ = file.write_text('[colours]\nbrand = "#0B5D3B"')
    ...     load_brand(file).colours.brand
    '#0B5D3B'
    """
    file, problems = Path(path), list[str]()
    table = read_toml(file)
    colours = table.get("colours")
    if isinstance(colours, dict) and "logo" in colours:  # written below that heading
        table.setdefault("logo", colours.pop("logo"))
    if (brand := build(Brand, table, "", problems)) is not None:
        beside = tuple(str(file.parent / name) for name in brand.fonts.files)
        logo = brand.logo and str(file.parent / brand.logo)
        brand = Brand(brand.colours, logo, Fonts(brand.fonts.family, beside))
        problems += _colour_problems(brand.colours) + _file_problems(brand)
    if brand is None or problems:
        raise UsageError(errors.bulleted(say("brand_wrong", file), problems))
    return brand


def brand_files(path: str) -> tuple[Path, ...]:
    """Return all files a bank's look is made of, found good: brand file, logo, fonts, or layout.

    `path` is a brand (.toml), or a layout (.typ) in place of the shipped one; "" is neither.
    """
    if not path:
        return ()
    if path.endswith(".toml"):
        brand = load_brand(path)
        return (Path(path), *map(Path, filter(None, [brand.logo, *brand.fonts.files])))
    if not path.endswith(".typ") or not Path(path).is_file():
        raise UsageError(say("no_brand", path))
    files = {"look.typ": Brand().look, "report.typ": Path(path).read_bytes()}
    compile_pdf(_LAYOUT_ALONE, files=files)
    return (Path(path),)


def _colour_problems(colours: Colours) -> list[Words]:
    """Return what is wrong with the colours."""
    problems = []
    for name, code in vars(colours).items():
        if not re.fullmatch(r"#[0-9A-Fa-f]{6}", code):
            problems.append(say("colour_form", name))
        elif (contrast := contrast_with_white(code)) < _WRITTEN.get(name, 0):
            problems.append(say("colour_too_pale", name, contrast, _WRITTEN[name]))
    return problems


def contrast_with_white(code: str) -> float:
    """Return how a colour stands out from white, 1 to 21, by WCAG's formula.

    >>> contrast_with_white("#000000"), contrast_with_white("#FFFFFF")
    (21.0, 1.0)
    """
    parts = [int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _file_problems(brand: Brand) -> list[Words]:
    """Return which files are missing or cannot be set, and whether the family lacks its bold."""
    files = map(Path, filter(None, [brand.logo, *brand.fonts.files]))
    missing = [say("no_file_beside", path.name) for path in files if not path.is_file()]
    if missing:
        return missing
    problems, family = list[Words](), brand.fonts.family
    if family:
        own, known = {path.resolve() for path in brand.font_files}, _fonts(brand.font_folders)
        fonts = [font for font in known.fonts() if Path(font.path or "").resolve() in own]
        weights = [font.weight for font in fonts if font.family.lower() == family.lower()]
        if not weights:
            families = sorted({font.family for font in fonts}) or say("none")
            problems.append(say("no_family", family, families))
        elif max(weights) < _BOLD_FROM:
            problems.append(say("no_bold", family))
    if brand.logo:
        try:
            compile_pdf(_LOGO_ALONE, files=brand.files)
        except TypesettingError as error:
            problems.append(say("of_place", Path(brand.logo).name, error.args[0]))
    return problems
