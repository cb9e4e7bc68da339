"""Age groups (年龄段): whole years by the as-of date, in bands that no policy states yet."""

from __future__ import annotations

from datetime import date

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.frames import after
from stockcust_analysis.periods import cutoff

BORDERS = (18, 25, 35, 45, 55, 65)
AGE_GROUPS = ("0-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+", "unknown")


def age_group(born: nw.Expr, as_of: date) -> nw.Expr:
    """Return the band of years a customer born on a day has reached, or `unknown`."""
    name = nw.lit(AGE_GROUPS[0])
    for border, group in zip(BORDERS, AGE_GROUPS[1:], strict=False):
        reached = ~after(born, cutoff(as_of, 12 * border))
        name = nw.when(reached).then(nw.lit(group)).otherwise(name)
    return nw.when(born.is_null()).then(nw.lit(AGE_GROUPS[-1])).otherwise(name)
