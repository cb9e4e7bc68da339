"""A branch's place among its peers and its scorecard, as the figures and tables of its page."""

from __future__ import annotations

import pandas as pd

from stockcust_analysis import plot
from stockcust_analysis.show.branch_page import BranchPage
from stockcust_analysis.show.branch_tables import with_unit
from stockcust_analysis.show.figures import Drawing, figure
from stockcust_analysis.show.labels import measure_words
from stockcust_analysis.show.tables import Table, table
from stockcust_analysis.show.units import format_count, format_number, format_share, money_unit

_PLACED = (
    "aum_per_customer", "customer_retention", "silent_rate", "multi_product_share",
    "contact_coverage", "profile_completion",
)  # fmt: skip
_MOST_PLACES = 5


def place_figure(page: BranchPage) -> Drawing | None:
    """Draw the branch's place among its peers, each with the places chance allows; None alone."""
    own = page.places
    if own.empty or page.is_small:
        return None
    order = {measure: place for place, measure in enumerate(_PLACED)}
    own = own[own["measure"].isin(order)]
    own = own.sort_values("measure", key=lambda names: names.map(order)).head(_MOST_PLACES)
    if own.empty:
        return None
    peers = format_count(own["rank_of"].max())
    caption = page.word("places", "caption").format(peers=peers) + _score_words(page)
    told = [
        page.word("place_words").format(
            measure=page.word(row["measure"], "measure"), rank=format_count(row["rank"]),
            low=format_count(row["rank_low"]), high=format_count(row["rank_high"]),
        )
        for row in own.to_dict("records")
    ]  # fmt: skip
    alt = page.word("list_separator").join([caption, *told])
    return figure(plot.places(own, language=page.language), caption=caption, alt=alt)


def _score_words(page: BranchPage) -> str:
    """Return the score and its rank, where the branch has one."""
    scores = page.evaluation.scores
    own = scores[scores["branch_id"] == page.branch_id] if len(scores) else scores
    if own.empty or pd.isna(own["rank"].iloc[0]):
        return ""
    row = own.iloc[0]
    return page.word("score_words").format(
        points=format_number(row["points"], decimals=1), rank=format_count(row["rank"]),
        rank_of=format_count(row["rank_of"]),
    )  # fmt: skip


def scorecard_figure(page: BranchPage) -> Drawing | None:
    """Draw the scorecard as bullet graphs; None where there is no score."""
    card = _card(page)
    if card.empty:
        return None
    caption = page.word("scorecard", "caption") + _score_words(page)
    told = [
        page.word("attained_words").format(
            measure=row["name"], attainment=format_share(row["attainment"]),
            points=format_number(row["points"], decimals=1),
        )
        for row in card.to_dict("records")
    ]  # fmt: skip
    alt = page.word("list_separator").join([caption, *told])
    return figure(plot.scorecard(card, language=page.language), caption=caption, alt=alt)


def scorecard_table(page: BranchPage) -> Table | None:
    """Return how every indicator's points are made, and what was lost to floors and caps."""
    card = _card(page)
    if card.empty:
        return None
    money = card[[measure_words(each).kind == "money" for each in card["measure"]]]
    unit = money_unit(money[["value", "target"]].to_numpy().ravel(), page.language)
    rows = [
        [
            row["name"],
            *(with_unit(row["measure"], each, unit) for each in (row["value"], row["target"])),
            page.word(row["target_source"], "target_source"),
            format_share(row["attainment"]),
            format_number(row["weight"], decimals=0),
            *(
                format_number(each, decimals=1)
                for each in (row["raw_points"], row["lost"], row["points"])
            ),
        ]
        for row in card.to_dict("records")
    ]
    total = [card[name].sum() for name in ("weight", "raw_points", "lost", "points")]
    texts = [format_number(each, decimals=place) for each, place in
             zip(total, (0, 1, 1, 1), strict=True)]  # fmt: skip
    rows.append([page.word("total"), "", "", "", "", *texts])
    columns = ["indicator", "value", "target", "target_source", "attainment", "weight",
               "raw_points", "lost", "points"]  # fmt: skip
    return table(
        pd.DataFrame(rows, columns=columns),
        caption=page.word("scorecard_table", "caption"),
        labels={name: page.word(f"score_{name}", "header") for name in columns},
        align={"indicator": "left", "target_source": "left",
               **{name: "right" for name in columns if name not in ("indicator", "target_source")}},
        note=page.word("scorecard_note"),
        emphasise=[-1],
    )  # fmt: skip


def _card(page: BranchPage) -> pd.DataFrame:
    """Return the branch's scorecard with names and all points lost, by weight."""
    card = page.evaluation.scorecard
    if card.empty or page.is_small:
        return pd.DataFrame()
    own = card[(card["branch_id"] == page.branch_id) & (card["weight"] > 0)].copy()
    if "measure" not in own:
        own["measure"] = own["indicator"]
    losses = [name for name in ("lost_to_floor", "lost_to_cap", "lost_to_group") if name in own]
    own["lost"] = own[losses].sum(axis=1)
    own["name"] = [page.word(measure, "measure") for measure in own["measure"]]
    return own.sort_values(["weight", "indicator"], ascending=[False, True], ignore_index=True)
