"""Disclosure control of published tables: nobody's numbers can be worked out from what is printed.

Small cells and dominated amounts are withheld, and with them the complementary cells without which
the withheld ones could be computed, found by successive linear programs. Here live tables, their
numbers and equations, and nothing else: what the numbers count, which are the same and which add up
is declared by the caller (`Relations`). It is loaded only where something is to be published.
"""

from stockcust_analysis.disclosure.numbers import PARTS, RATES, Limits, Relations, Tables
from stockcust_analysis.disclosure.suppression import Protected, protect

__all__ = ["PARTS", "RATES", "Limits", "Protected", "Relations", "Tables", "protect"]
