"""What may leave the building: the circulated set, from which nobody's fortune can be worked out.

Here a quarter's evaluation becomes tables that may be circulated: recoded first, then small cells
and dominated amounts withheld, and with them the complementary cells without which the withheld
ones could be computed, found by successive linear programs. Nothing else may be circulated; the
branch's own report is not withheld from the branch.
"""

from stockcust_analysis.evaluation.disclosure.withhold import Circulated, circulated

__all__ = ["Circulated", "circulated"]
