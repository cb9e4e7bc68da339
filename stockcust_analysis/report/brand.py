"""A bank's look: its colours, logo and fonts, read from a TOML file of its own.

```toml
[colours]            # each may be left out; six hexadecimal digits
brand = "#0B5D3B"    # headings, rules, the dark of charts
accent = "#B4540A"   # what to look at
lighter = "#9CC3AE"  # in charts, what the dark is compared with
logo = "logo.svg"    # beside the TOML file; SVG or PNG
[fonts]
family = "Source Han Sans SC"
files = ["SourceHanSansSC-Regular.otf", "SourceHanSansSC-Bold.otf"]
```
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fontTools.ttLib import TTFont

from stockcust_analysis.errors import UsageError
from stockcust_analysis.report.typst import literal
from stockcust_analysis.show.figures import FONT_FAMILY

COLOURS: Final = {
    "brand": "#1F4E79",
    "accent": "#C2680F",
    "ink": "#1F2933",
    "quiet": "#5B6875",
    "hairline": "#CBD2D9",
    "wash": "#F4F7FA",
    "lighter": "#9DB8D2",
}
"""The look without a bank's own: blue against orange, safe for colour-blind readers."""

# What is written must stand out from white paper (WCAG 2.2, 1.4.3: at least 4.5 to 1).
_WRITTEN: Final = {"brand": 4.5, "ink": 7.0, "quiet": 4.5, "accent": 3.0}
_BOLD_FROM: Final = 600
# Colours of the charts (stockcust.mplstyle) and the colour of the brand that takes their place.
_CHARTED: Final = {"1f4e79": "brand", "9db8d2": "lighter", "d9822b": "accent", "1f2933": "ink"}


@dataclass(frozen=True)
class Brand:
    """Colours by name, a logo, and a font family that goes before the report's own."""

    colours: dict[str, str] = field(default_factory=lambda: dict(COLOURS))
    logo: Path | None = None
    family: str = ""
    font_files: tuple[Path, ...] = ()

    @property
    def look(self) -> bytes:
        """The Typst file that the layout takes its colours, fonts and logo from."""
        lines = [f"#let {name} = rgb({literal(code)})" for name, code in self.colours.items()]
        fonts = [*([self.family] if self.family else []), FONT_FAMILY]
        logo = self._logo_name or None
        lines += [f"#let fonts = {literal(fonts)}", f"#let logo = {literal(logo)}"]
        return ("\n".join(lines) + "\n").encode()

    @property
    def files(self) -> dict[str, bytes]:
        """The files that stand beside the source: the look, and the logo if there is one."""
        logo = {self._logo_name: self.logo.read_bytes()} if self.logo else {}
        return {"look.typ": self.look, **logo}

    @property
    def font_folders(self) -> tuple[Path, ...]:
        """The folders its fonts stand in."""
        return tuple(sorted({path.parent for path in self.font_files}))

    @property
    def _logo_name(self) -> str:
        return f"logo{self.logo.suffix}" if self.logo else ""

    def painted(self, drawing: bytes) -> bytes:
        """Return a chart in the brand's colours."""
        new = {old: self.colours[name] for old, name in _CHARTED.items()}
        new = {old: code for old, code in new.items() if code != COLOURS[_CHARTED[old]]}
        if not new:
            return drawing
        pattern = re.compile("#(" + "|".join(new) + r")\b", re.IGNORECASE)
        text = pattern.sub(lambda found: new[found[1].lower()], drawing.decode())
        return text.encode()


def load_brand(path: str | Path) -> Brand:
    r"""Read a bank's look from a TOML file, and check that it can be read and printed.

    Raises
    ------
    UsageError
        All that is wrong: unknown names, colours that are none or too pale to be read, a missing
        logo or font file, a family without a bold weight.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "brand.toml")
    ...     _ = file.write_text('[colours]\nbrand = "#0B5D3B"')
    ...     load_brand(file).colours["brand"]
    '#0B5D3B'
    """
    file = Path(path)
    try:
        given: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"the brand file '{file}' cannot be read: {error}.") from error
    if wrong := _wrong_kinds(given):
        raise UsageError(f"the brand file '{file}': {'; '.join(wrong)}.")
    colours = dict(given.get("colours", {}))
    logo = given.get("logo") or colours.pop("logo", None)
    fonts = given.get("fonts", {})
    brand = Brand(
        colours={**COLOURS, **colours},
        logo=file.parent / logo if logo else None,
        family=fonts.get("family", ""),
        font_files=tuple(file.parent / name for name in fonts.get("files", [])),
    )
    unknown = sorted({*given} - {"colours", "logo", "fonts"} | {*fonts} - {"family", "files"})
    problems = [f"'{name}' is no part of a brand" for name in unknown]
    problems += _colour_problems(brand.colours) + _file_problems(brand)
    if problems:
        raise UsageError(f"the brand file '{file}': {'; '.join(problems)}.")
    return brand


def brand_files(path: str) -> tuple[Path, ...]:
    """Return all files a bank's look is made of, found good: brand file, logo, fonts, or layout.

    `path` is a brand (.toml), or a layout (.typ) in place of the shipped one; "" is neither.
    """
    if not path:
        return ()
    if path.endswith(".toml"):
        brand = load_brand(path)
        return (Path(path), *([brand.logo] if brand.logo else []), *brand.font_files)
    if not path.endswith(".typ") or not Path(path).is_file():
        raise UsageError(f"'{path}' is no brand: name a .toml file, or a .typ layout that exists.")
    return (Path(path),)


def _wrong_kinds(given: dict[str, Any]) -> list[str]:
    """Return which parts of a brand file are of another kind than they should be."""
    kinds = {"colours": dict, "fonts": dict, "logo": str, "family": str, "files": list}
    fonts = given.get("fonts")
    parts = {**given, **(fonts if isinstance(fonts, dict) else {})}
    wrong = [name for name, kind in kinds.items() if not isinstance(parts.get(name, kind()), kind)]
    files = parts.get("files", [])
    if "files" not in wrong and not all(isinstance(name, str) for name in files):
        wrong.append("files")
    words = {dict: "a table such as [colours]", str: "text in quotes", list: "a list of names"}
    return [f"'{name}' is not {words[kinds[name]]}" for name in wrong]


def _colour_problems(colours: dict[str, Any]) -> list[str]:
    """Return what is wrong with the colours."""
    problems = [f"there is no colour '{name}'" for name in colours if name not in COLOURS]
    for name, code in colours.items():
        if not re.fullmatch(r"#[0-9A-Fa-f]{6}", str(code)):
            problems.append(f"the colour {name} must look like '#1F4E79'")
        elif (contrast := contrast_with_white(code)) < _WRITTEN.get(name, 0):
            problems.append(
                f"the colour {name} is too pale to be read on paper (contrast {contrast:.1f}, "
                f"at least {_WRITTEN[name]})"
            )
    return problems


def contrast_with_white(code: str) -> float:
    """Return how a colour stands out from white, 1 to 21, by WCAG's formula.

    >>> contrast_with_white("#000000"), contrast_with_white("#FFFFFF")
    (21.0, 1.0)
    """
    parts = [int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    light = sum(
        weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
    return 1.05 / (light + 0.05)


def _file_problems(brand: Brand) -> list[str]:
    """Return which files are missing, and whether the family lacks its bold."""
    files = [*([brand.logo] if brand.logo else []), *brand.font_files]
    missing = [f"there is no file '{path.name}' beside it" for path in files if not path.is_file()]
    if missing or not brand.family:
        return missing
    weights = []
    for path in brand.font_files:
        with TTFont(path, lazy=True) as font:
            weights.append(font["OS/2"].usWeightClass)
    if not any(weight >= _BOLD_FROM for weight in weights):
        return [f"the family '{brand.family}' has no bold among its files; headings need it"]
    return []
