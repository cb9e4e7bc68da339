"""The circulated edition of a quarter: the only form in which its figures may leave the building.

The evaluation is recoded, `disclosure` withholds cells of its tables, and what follows from a
withheld figure goes with it. What is declared about the measures stands in `relations.toml`. The
branches' own reports and headquarters' internal edition need none of this, and do not load it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis import disclosure
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.measures import codebook
from stockcust_analysis.measures.registry import Question
from stockcust_analysis.policy import AMONG_PEERS, Policy

_SOURCE = files("stockcust_analysis.evaluation") / "relations.toml"
_DECLARED: dict[str, Any] = tomllib.loads(_SOURCE.read_text("utf-8"))
_NOT_CIRCULATED = ("cells", "worklists", "outcomes", "previous_migration", "previous_bridge")
_KEYS = ["quarter", "branch_id", "measure", "member", "base"]
_POINTS = ["attainment", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group", "points"]
_OWN = ["n", "value", "compared", "expected_ratio"]
_MOVEMENT = ["movement", "movement_standard_error"]
_AMONG_ALL = ["centre", "lower_95", "upper_95", "lower_998", "upper_998", "z"]
_AMONG_ALL += ["rank", "rank_low", "rank_high", "shrunk_value"]


def circulate(
    evaluation: Evaluation, policy: Policy, *, earlier: Sequence[Evaluation] = ()
) -> tuple[Evaluation, disclosure.Protected]:
    """Return what may be circulated of an evaluation: recoded, then withheld, nothing else.

    Parameters
    ----------
    evaluation
        The quarter, every number in it. `cells` holds what stands behind its amounts; an amount of
        which too little is known is withheld.
    policy
        Its measures, tiers and limits of disclosure.
    earlier
        Evaluations already circulated: what they print is known, what they withhold stays withheld.

    Returns
    -------
    Evaluation
        The evaluation with gaps. Its tables `measures`, `migration`, `bridge`, `co_holding`,
        `scorecard`, `scores` and `comparison` have a column `withheld` besides; a number that is
        withheld is empty, and is shown as "*".
    Protected
        Which tiers were merged, how many cells are withheld and why, how many are exposed.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from stockcust_analysis import evaluate, load_policy, open_bank
    >>> with open_bank("data/sample") as bank:
    ...     quarter = evaluate(bank, quarter="2025Q3", first_quarter=True)
    >>> names = ["quarter", "branch_id", "dimension", "member", "measure", "base",
    ...          "contributors", "largest", "second_largest"]
    >>> nothing_known = replace(quarter, cells=pd.DataFrame(columns=names))
    >>> _, result = circulate(nothing_known, load_policy())
    >>> result.merged, result.exposed
    ({}, 0)
    """
    tiers, rule = list(evaluation.policy_facts["tiers"]), policy.disclosure
    bounds = (rule.smallest_cell, rule.two_largest, rule.amount_protection, rule.lorenz_customers)
    unprinted = {"cells": _amount_facts(evaluation.cells), "lorenz": evaluation.lorenz}
    result = disclosure.protect(
        recode(evaluation) | unprinted,
        relations(policy),
        disclosure.Limits(*bounds),
        quarter=str(evaluation.quarter),
        previous=str(evaluation.quarter.previous),
        earlier=[(str(issued.quarter), _tables(issued)) for issued in earlier],
    )
    aside = evaluation.set_aside
    if len(aside):
        few = aside["rows"] < rule.smallest_cell
        aside = aside.assign(rows=aside["rows"].mask(few), amount=np.nan, by_branch=False)
        aside = aside[aside["branch_id"] == WHOLE_BANK].reset_index(drop=True)
    facts = {**evaluation.policy_facts}
    if facts.get("unit", {}).get("several", rule.smallest_cell) < rule.smallest_cell:
        del facts["unit"]
    changed: dict[str, Any] = {
        "set_aside": aside,
        **result.tables,
        **dict.fromkeys(_NOT_CIRCULATED, pd.DataFrame()),
        "co_holding": result.tables["co_holding"].drop(columns=["first", "second"]),
        "policy_facts": {**facts, "tiers": _tier_words(tiers, result.merged)},
    }
    return mask_scores(replace(evaluation, **changed)), result


def relations(policy: Policy) -> disclosure.Relations:
    """Return what is known of a policy's measures: the registry's sums, and `relations.toml`.

    >>> from stockcust_analysis import load_policy
    >>> known = relations(load_policy())
    >>> known.measures["aum_per_customer"], known.same["aum_per_customer"]
    (['numerator'], 'aum_average_quarter')
    """
    declared, tiers = dict(_DECLARED), [tier.name for tier in policy.tiers.tiers]
    no_sums = {*declared["concentration"]["measures"], *declared.pop("recoded")["branch_only"]}
    top = policy.disclosure.merged_tiers
    declared["merged"] = {**declared["merged"], "members": tiers, "top": top}
    same = dict(pair for each in codebook.QUESTIONS for pair in _same_sums(each, policy))
    declared["same"] = same | declared["same"]
    parts = disclosure.PARTS
    measures = {
        measure.name: [p for p in parts if str(getattr(measure, p, "")).endswith("_cents")]
        for measure, _ in codebook.all_measures(policy)
        if measure.name not in no_sums
    }
    return disclosure.Relations(**declared, whole=WHOLE_BANK, measures=measures)


def _same_sums(question: Question, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield each number of a question that is the same sum as an earlier one, and that one."""
    # The customers of two dates are not those of the quarter.
    names = {} if question in codebook.PAIR_QUESTIONS else {("customers", "", ""): "customers"}
    for measure in question.measures(policy):
        n, name, denominator = f"{measure.name}.n", measure.name, f"{measure.name}.denominator"
        sums = {
            n: ("customers", "", ""),
            name: (measure.numerator, measure.dimension, measure.member),
            denominator: (measure.denominator or denominator, "", ""),
        }
        for label, own in sums.items():
            # Where members have denominators of their own these are as many numbers.
            is_one = label == name or not measure.dimension or own in names
            if is_one and names.setdefault(own, label) != label:
                yield label, names[own]


def recode(evaluation: Evaluation) -> disclosure.Tables:
    """Return the tables that may be circulated, with the detail they are circulated in.

    The matrices of migration and co-holding, in which most cells of a branch are small, and the
    rounds of contacts are circulated of the whole bank; earlier quarters of a branch without their
    dimensions, and without what changed in them, which stand in the editions circulated then.
    """
    measures, recoded = evaluation.measures, _DECLARED["recoded"]
    whole_bank = measures["branch_id"] == WHOLE_BANK
    now = measures["quarter"] == str(evaluation.quarter)
    detail = measures["dimension"].isin(recoded["bank_only_dimensions"])
    of_branch = (measures["dimension"] == "") | (now & ~detail)
    hidden = measures["measure"].isin(recoded["branch_only"])
    hidden |= ~now & measures["measure"].isin(codebook.measures_of_changes())
    tables = _tables(evaluation) | {disclosure.RATES: measures[~hidden & (whole_bank | of_branch)]}
    for name in ("migration", "bridge"):
        tables[name] = tables[name][tables[name]["structure"] == "today"]
    for name in ("migration", "co_holding"):
        tables[name] = tables[name][tables[name]["branch_id"] == WHOLE_BANK]
    return {name: table.reset_index(drop=True) for name, table in tables.items()}


def _tables(evaluation: Evaluation) -> disclosure.Tables:
    """Return the tables of numbers; the pairs of families, which stand twice, in one order."""
    tables: disclosure.Tables = {
        name: getattr(evaluation, name).drop(columns="withheld", errors="ignore")
        for name in (disclosure.RATES, *_DECLARED["shapes"])
    }
    pairs, families = tables["co_holding"], tables["co_holding"][["family_a", "family_b"]]
    pairs = pairs.assign(first=families.min(axis=1), second=families.max(axis=1))
    return tables | {"co_holding": pairs}


def _amount_facts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the facts of amounts, those of the bridge under the names of its steps."""
    of_bridge = cells["dimension"] == "bridge"
    steps = "bridge:" + cells["member"].astype(str) + ".amount"
    labels = cells[["dimension", "member"]].mask(of_bridge, "")
    return cells.assign(**labels, measure=cells["measure"].mask(of_bridge, steps))


def _tier_words(
    tiers: list[Mapping[str, Any]], merged: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return the tiers as a page prints them, the merged ones as one."""
    words = [tier for tier in tiers if tier["name"] not in merged]
    lowest = next((tier for tier in tiers if tier["name"] in merged), None)
    if lowest is None:
        return words
    names = {"zh": f"{lowest['zh']}及以上", "en": f"{lowest['en']} and above"}
    return [*words, {**lowest, "name": merged[lowest["name"]], **names}]


def mask_scores(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation whose scores and comparison show nothing that its measures withhold.

    What is left is the evaluation's own or nothing: no score, rank or limit is made of the printed
    figures alone. The measures have their gaps already; scorecard, scores and comparison get the
    column `withheld`: of a branch's points, of its score, of its figure in the comparison.
    """
    quarter, measures = evaluation.quarter, evaluation.measures
    targets = _without_known_starts(evaluation.targets, measures, quarter.year_start)
    card = _mask_scorecard(evaluation.scorecard, measures, quarter, targets)
    scores = _mask_scores(evaluation.scores, card)
    comparison = _mask_comparison(evaluation.comparison, measures, quarter)
    return replace(
        evaluation, scorecard=card, scores=scores, comparison=comparison, targets=targets
    )


def _without_known_starts(
    targets: pd.DataFrame, measures: pd.DataFrame, year_start: Quarter
) -> pd.DataFrame:
    """Return the plans without those from which a withheld figure of the year's start follows."""
    if targets.empty or "start" not in targets:
        return targets
    hidden = measures[measures["value"].isna() & measures["quarter"].eq(str(year_start))]
    keys = ["branch_id", "measure"]
    rows, gone = (pd.MultiIndex.from_frame(table[keys]) for table in (targets, hidden))
    return targets[~(rows.isin(gone) & targets["start"].ne(0).to_numpy())].reset_index(drop=True)


def _is_withheld(table: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter) -> pd.Series:
    """Return for each row whether its figure of a quarter is not printed."""
    printed = pd.MultiIndex.from_frame(measures.loc[measures["value"].notna(), _KEYS])
    rows = pd.MultiIndex.from_frame(table.assign(quarter=str(quarter))[_KEYS])
    return pd.Series(~rows.isin(printed), index=table.index)


def _mask_scorecard(
    card: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter, targets: pd.DataFrame
) -> pd.DataFrame:
    """Return the scorecard without withheld figures, and the points that follow from them."""
    if card.empty:
        return card.assign(withheld=False)
    value_gone = card["value"].notna() & _is_withheld(card, measures, quarter)
    from_before = card["target_source"].eq("previous_quarter") & card["target"].notna()
    target_gone = from_before & _is_withheld(card, measures, quarter.previous)
    own = ["branch_id", "measure"]
    rows, known = (pd.MultiIndex.from_frame(table[own]) for table in (card, targets))
    target_gone |= card["target_source"].eq("plan") & card["target"].notna() & ~rows.isin(known)
    # A median, a rank, lowest and highest: made of all figures, the withheld ones among them.
    of_all = card["target_source"].isin(["peer_median", "peers"]) | card["method"].isin(AMONG_PEERS)
    target_gone |= of_all & value_gone.groupby(card["indicator"]).transform("any")
    gone = value_gone | target_gone
    # The cut of a group shows what its indicators earned together.
    keys = [card["branch_id"], card["group"].astype(str)]
    gone |= gone.groupby(keys).transform("any") & card["lost_to_group"].fillna(0).ne(0)
    value, target = card["value"].mask(value_gone), card["target"].mask(target_gone)
    masked = card.assign(withheld=gone, value=value, target=target)
    masked.loc[gone, _POINTS] = np.nan
    return masked


def _mask_scores(scores: pd.DataFrame, card: pd.DataFrame) -> pd.DataFrame:
    """Return the scores without those of branches with withheld points, and then without ranks."""
    if scores.empty:
        return scores.assign(withheld=False)
    partly = card.loc[card["withheld"], "branch_id"]
    gone = scores["branch_id"].isin(partly) & scores["points"].notna()
    rank = scores["rank"].mask(pd.Series(gone.any(), index=scores.index))
    return scores.assign(withheld=gone, points=scores["points"].mask(gone), rank=rank)


def _mask_comparison(table: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Return the comparison without withheld figures, and the limits and ranks of their measure."""
    if table.empty:
        return table.assign(withheld=False)
    plain = table.assign(member="")
    gone, before_gone = (_is_withheld(plain, measures, q) for q in (quarter, quarter.previous))
    some_gone = gone.groupby([table["measure"], table["base"]]).transform("any")
    masked = table.assign(withheld=gone, verdict=table["verdict"].mask(some_gone, ""))
    for columns, rows in ((_OWN, gone), (_MOVEMENT, gone | before_gone), (_AMONG_ALL, some_gone)):
        masked.loc[rows, columns] = np.nan
    return masked
