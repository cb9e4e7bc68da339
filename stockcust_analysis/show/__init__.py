"""What a notebook shows: tables, figures, key figures and conclusions, as data for any page.

Here live the small values a notebook cell ends with, and the charts' style. Here live no measures
(they come in finished), no page layout and no PDF (that is `report`). Matplotlib is imported only
when a figure is made.
"""

from stockcust_analysis.show.blocks import Column as Column
from stockcust_analysis.show.blocks import Document as Document
from stockcust_analysis.show.blocks import Drawing as Drawing
from stockcust_analysis.show.blocks import KeyFigure as KeyFigure
from stockcust_analysis.show.blocks import KeyFigures as KeyFigures
from stockcust_analysis.show.blocks import Sentence as Sentence
from stockcust_analysis.show.blocks import Sentences as Sentences
from stockcust_analysis.show.blocks import Table as Table
from stockcust_analysis.show.blocks import document as document
from stockcust_analysis.show.blocks import figure as figure
from stockcust_analysis.show.blocks import report_style as report_style
from stockcust_analysis.show.blocks import table as table
