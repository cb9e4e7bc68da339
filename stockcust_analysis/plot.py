"""Charts: `sca.plot.lorenz(sca.lorenz_curve(customers))`; one function per chart, axes come back.

```
where the money sits   lorenz, whale, tier_pyramid
who still moves it     dormancy, dormancy_flow
what customers hold    product_count, penetration, co_holding
what moved             bridge, falls, migration, migration_flow
over the quarters      aum_trend, slope, small_multiples
how branches stand     funnel, league, places, scorecard
any measure            bars, grid, trend
what a model says      intervals
```

Every chart takes what its measure returns, of any engine, or a frame of one's own with the columns
its docstring names; it computes nothing. A frame of several groups is drawn one group at a time:
`group=` names it. Words are Chinese unless `language="en"`. Fonts and colours are the report's
inside the call only: `rcParams` stay as they are. With `ax=` a chart is drawn into a figure of
one's own; `plt.subplots(…, layout="constrained")` makes room there for long names at the left.
Without it the figure is the chart's own, of `figsize=` (inches) where that is given, and can be
saved for a slide: `.save("pareto.png")`, .svg or .pdf, 16:9, the same bytes each time.

For charts of one's own, of pandas, Matplotlib or seaborn, `with sca.plot.report_style():` gives the
report's fonts, which have Chinese characters, and its colours until the block ends.

Actual is dark, what it is compared with is lighter or outlined, orange is the one thing to look at.
A frame without anything to draw gives a figure that says so.
"""

from stockcust_analysis.show.blocks import report_style as report_style
from stockcust_analysis.show.charts_branches import funnel, league, places, scorecard
from stockcust_analysis.show.charts_customers import (
    co_holding,
    lorenz,
    penetration,
    product_count,
    tier_pyramid,
    whale,
)
from stockcust_analysis.show.charts_measures import bars, falls, grid, intervals, trend
from stockcust_analysis.show.charts_movement import bridge, dormancy_flow, migration, migration_flow
from stockcust_analysis.show.charts_quarters import aum_trend, dormancy, slope, small_multiples

__all__ = [
    "aum_trend",
    "bars",
    "bridge",
    "co_holding",
    "dormancy",
    "dormancy_flow",
    "falls",
    "funnel",
    "grid",
    "intervals",
    "league",
    "lorenz",
    "migration",
    "migration_flow",
    "penetration",
    "places",
    "product_count",
    "scorecard",
    "slope",
    "small_multiples",
    "tier_pyramid",
    "trend",
    "whale",
]


def __dir__() -> list[str]:
    """List the charts, and the style for charts of one's own."""
    return [*__all__, "report_style"]
