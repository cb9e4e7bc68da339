"""The circulated edition: what may leave the building, so that nobody's fortune can be worked out.

Here a quarter's evaluation becomes tables that may be circulated: recoded first, then small cells
and dominated amounts withheld, and with them the complementary cells without which the withheld
ones could be computed, found by successive linear programs. Nothing else may be circulated. The
branch's own report and headquarters' internal edition need none of this, and do not load it.
"""

from stockcust_analysis.evaluation.disclosure.withhold import Circulated, circulate

__all__ = ["Circulated", "circulate"]
