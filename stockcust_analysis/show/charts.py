"""The report's charts: one function per figure, frame in, axes out, nothing computed.

```
how branches compare   funnel_chart, league_chart, place_chart                   charts_comparison
what counts            bullet_chart                                            charts_scorecard
where the money sits   lorenz_chart, whale_chart, tier_pyramid                 charts_concentration
how it moved           bridge_chart, dormancy_flow, slope_chart, small_multiples charts_growth
who rose, who fell     migration_heatmap, migration_flow                       charts_migration
who still moves it    aum_trend, dormancy_bars                                  charts_activity
what customers hold   product_count_bars, penetration_dots, co_holding_heatmap  charts_cross_sell
```

Every one is called the same way, `chart(frame, language="zh", ax=None)`; axes that are given keep
their own style. Actual is dark, what it is compared with is lighter or outlined, orange is the one
thing to look at. A frame without anything to draw gives a figure that says so.
"""

from stockcust_analysis.show.charts_activity import aum_trend, dormancy_bars
from stockcust_analysis.show.charts_comparison import funnel_chart, league_chart, place_chart
from stockcust_analysis.show.charts_concentration import lorenz_chart, tier_pyramid, whale_chart
from stockcust_analysis.show.charts_cross_sell import (
    co_holding_heatmap,
    penetration_dots,
    product_count_bars,
)
from stockcust_analysis.show.charts_growth import (
    bridge_chart,
    dormancy_flow,
    slope_chart,
    small_multiples,
)
from stockcust_analysis.show.charts_migration import migration_flow, migration_heatmap
from stockcust_analysis.show.charts_scorecard import bullet_chart

__all__ = [
    "aum_trend",
    "bridge_chart",
    "bullet_chart",
    "co_holding_heatmap",
    "dormancy_bars",
    "dormancy_flow",
    "funnel_chart",
    "league_chart",
    "lorenz_chart",
    "migration_flow",
    "migration_heatmap",
    "penetration_dots",
    "place_chart",
    "product_count_bars",
    "slope_chart",
    "small_multiples",
    "tier_pyramid",
    "whale_chart",
]
