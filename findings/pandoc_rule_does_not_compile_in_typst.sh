#!/bin/sh
# pandoc 3.9 writes the thematic break of Markdown, `---`, as `#horizontalrule` in Typst: a name
# that only the template of a standalone document defines. A notebook's cell converted by itself, as
# every page maker does that puts cells into its own layout, compiles until somebody draws a line
# between two paragraphs; then Typst stops with "unknown variable: horizontalrule". All else of
# common Markdown (tables, lists of definitions, strikeout, formulas) compiles. The way round:
# define it in the layout, `#let horizontalrule = line(length: 100%)`.
#
# Seen with pypandoc_binary 1.17 (pandoc 3.9), typst 0.15.2. Exits 0 while this is so, 1 once it has
# changed. Needs python3 with venv, and a package index.
set -eu
PYTHON=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet --disable-pip-version-check \
    pypandoc_binary==1.17 typst==0.15.2
cd "$place"
cat > look.py <<'PYTHON'
import sys

import pypandoc
import typst

MARKDOWN = "One.\n\n{}\n\n~~Two~~, $x^2$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nTerm\n:   meaning\n"


def outcome(rule, before=""):
    text = pypandoc.convert_text(MARKDOWN.format(rule), "typst", format="markdown")
    with open("page.typ", "w") as page:
        page.write(before + text)
    try:
        typst.compile("page.typ", format="pdf")
    except typst.TypstError as error:
        return str(error)
    return "compiles"


print("pandoc", pypandoc.get_pandoc_version(), "typst 0.15.2")
without, broken = outcome(""), outcome("---")
mended = outcome("---", "#let horizontalrule = line(length: 100%)\n")
print("without a rule:", without, "- with `---`:", broken, "- defined before:", mended)
still = (without, mended) == ("compiles", "compiles") and "horizontalrule" in broken
print("as reported" if still else "CHANGED")
sys.exit(0 if still else 1)
PYTHON
"$python" look.py
