#!/bin/sh
# Typst 0.15 treats the end of an inline `box` as the end of a line: a full-width Chinese mark that
# stands last in it loses half its width, as at a margin, though text goes on behind the box. Who
# boxes a figure with its unit and mark, so that no line begins with 元 or a comma
# (`#box[486.6万元，]环比`), moves all that follows by half a character to the left, against the mark.
# The width of the box says so too. The way round: leave the mark outside, tied by a word joiner:
# `#box[486.6万元]#sym.wj，环比`.
#
# Seen with typst 0.15.2 and Noto Sans CJK SC of mpl-font 1.1.0. Exits 0 while this is so, 1 once it
# has changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps typst==0.15.2 mpl-font==1.1.0
cd "$place"
cat > look.py <<'PYTHON'
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import typst

PAGE = """
#set text(lang: "zh", font: "Noto Sans CJK SC", size: 10pt, fallback: false)
#context [#metadata((
  plain: measure[元，环].width.pt(),
  boxed: measure[#box[元，]环].width.pt(),
  tied: measure[#box[元]#sym.wj，环].width.pt(),
)) <widths>]
"""
wheel = Path(find_spec("mpl_font").submodule_search_locations[0])
fonts = [str(path.parent) for path in wheel.rglob("NotoSansCJKsc-Regular.otf")]
Path("page.typ").write_text(PAGE, encoding="utf-8")
found = typst.query("page.typ", "<widths>", field="value", one=True, font_paths=fonts)
widths = json.loads(found) if isinstance(found, (str, bytes)) else found
print("typst 0.15.2, three characters of 10 pt:", widths)
still = (widths["plain"], widths["boxed"], widths["tied"]) == (30, 25, 30)
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
