"""From an executed notebook to a finished page: nothing here computes a measure.

Here live the exporters Jupyter knows as `typst` and `typstpdf`, the page's template and layout,
the font gate, and the running of many notebooks. What a page says is decided before, in `show`.
"""
