"""What a notebook shows: tables, figures, key figures and conclusions, as data for any page.

Here live the small values a notebook cell ends with, and the charts' style. Here live no measures
(they come in finished), no page layout and no PDF (that is `report`). Matplotlib is imported only
when a figure is made.
"""

from stockcust_analysis.show.blocks import (
    Column,
    Document,
    KeyFigure,
    KeyFigures,
    Sentence,
    Sentences,
    Table,
    document,
    table,
)
from stockcust_analysis.show.figures import Drawing, figure, report_style

__all__ = [
    "Column",
    "Document",
    "Drawing",
    "KeyFigure",
    "KeyFigures",
    "Sentence",
    "Sentences",
    "Table",
    "document",
    "figure",
    "report_style",
    "table",
]
