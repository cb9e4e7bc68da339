"""From an executed notebook to a finished page: nothing here computes a measure.

Here live the exporters Jupyter knows as `typst` and `typstpdf`, the page's template and layout,
the font gate, and the running of many notebooks. What a page says is decided before, in `show`.
"""

import sys

# jsonschema, which nbformat imports, compiles with it a grammar of addresses that nobody checks
# here: that would take most of a second at every start.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # makes its import fail
