"""Headquarters' review in words: cover, the bank's six numbers, conclusions, definitions.

Everything is read from a `Review`; which edition it is of makes no difference here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import pandas as pd

from stockcust_analysis.evaluation.comparison import exceptions
from stockcust_analysis.evaluation.results import WHOLE_BANK, policy_label
from stockcust_analysis.evaluation.review import Review
from stockcust_analysis.measures.codebook import measures_that_add_up
from stockcust_analysis.show import blocks, branch_page, findings, page_data, wording

_MOST_OF_BANK: Final = 3
_MOST_WORST: Final = 3
# Places are drawn where at least this part of the branches have a narrow interval.
_FEWEST_APART: Final = 0.25
# A branch is named that changed by so many times as much as all others together.
_TIMES_THE_REST: Final = 2.0


@dataclass(frozen=True)
class HeadquartersPage(page_data.Page):
    """A quarter's review, and the language of its page."""

    review: Review
    section = "headquarters"
    captions = "hq_caption"
    headers = "hq_header"

    @cached_property
    def bank(self) -> page_data.BranchPage:
        """The whole bank as a page of its own, with the sum of the branches' plans as its plan."""
        targets = pd.concat([self.evaluation.targets, self._bank_targets()], ignore_index=True)
        own = self.own(self.evaluation.measures)
        facts = replace(self.evaluation, measures=own, targets=targets)
        return page_data.BranchPage(facts, self.language, WHOLE_BANK)

    @cached_property
    def exceptions(self) -> pd.DataFrame:
        """The figures beyond chance, eight at most."""
        return exceptions(self.evaluation.comparison)

    @cached_property
    def names(self) -> dict[str, str]:
        """Branch → its name."""
        branches = self.evaluation.branches
        return dict(zip(branches["branch_id"], branches["name"], strict=True))

    def listed(self, words: Iterable[str]) -> str:
        """Return words as one list."""
        return self.text("enumeration").join(words)

    def naming(self, key: str, values: Mapping[str, str]) -> str:
        """Return a sentence that lists branches, each with a value behind it; "" of none."""
        named = (
            self.text("with_value", name=self.names[branch], value=value)
            for branch, value in values.items()
        )
        return self.text(key, names=self.listed(named)) if values else ""

    @cached_property
    def plans(self) -> dict[str, dict[str, page_data.Plan]]:
        """Branch → measure → its plan for the quarter."""
        current = self.evaluation.targets.query("quarter == @self.quarter")
        return {str(b): page_data.plans_of(rows) for b, rows in current.groupby("branch_id")}

    @cached_property
    def attainments(self) -> dict[str, dict[str, float]]:
        """Measure with a plan → branch → the part of its plan reached, the smallest part first."""
        measures = dict.fromkeys(measure for plans in self.plans.values() for measure in plans)
        reached = {m: [(self.attained(m, b), b) for b in self.plans] for m in measures}
        known = {m: sorted(p for p in reached[m] if isinstance(p[0], float)) for m in measures}
        return {m: {branch: part for part, branch in known[m]} for m in measures if known[m]}

    def attained(self, measure: str, branch_id: str = WHOLE_BANK) -> Any:
        """Return the part of its plan that a branch, or the bank of all plans, has reached.

        "*" where the figure is withheld, None where there is none or no plan.
        """
        plans = self.bank.targets if branch_id == WHOLE_BANK else self.plans.get(branch_id, {})
        value = self.value(measure, base=base_of(measure), branch_id=branch_id)
        plan = plans.get(measure)
        return plan.attained(value) if plan and isinstance(value, float) else plan and value

    @property
    def edition(self) -> str:
        """The word for whom the review is meant: on every page, sheet and index."""
        return self.text(self.review.edition, "edition")

    @cached_property
    def edition_line(self) -> str:
        """The edition, and what else is to be known of every figure: on every page and sheet."""
        marks = branch_page.page_marks(self.bank)
        return f"{self.edition} · {marks}" if marks else self.edition

    def gap_note(self, *keys: str, after: str = "") -> str:
        """Return a note with what is to be said of withheld figures, where there can be any."""
        return " ".join([after, *map(self.text, keys if len(self.review.report) else ())]).strip()

    def of_issue(self, key: str) -> str:
        """Return a sentence on the issue that figures are compared with; empty without one."""
        review, now = self.review, policy_label(self.evaluation.policy_facts)
        changed = self.text("policy_changed", was=review.issued_policy, now=now)
        words = review.issued and self.text(key, quarter=review.issued, issue=review.issue)
        return words + (changed if review.issued_policy and len(review.restatements) else "")

    def _bank_targets(self) -> pd.DataFrame:
        """Return the bank's plan of counts and amounts for which every branch has one of a kind."""
        rows = self.evaluation.targets.query("quarter == @self.quarter")
        planned = rows[rows["measure"].isin(measures_that_add_up()) & (rows["target"] > 0)]
        facts: dict[str, Any] = {"kind": "level", "start": 0.0, "phased_share": 1.0}
        known: dict[str, Any] = {name: planned.get(name, value) for name, value in facts.items()}
        groups = planned.assign(**known).groupby("measure")
        alike = groups[["kind", "phased_share"]].nunique().eq(1).all(axis=1)
        sums = groups[["target", "start"]].sum(min_count=1)
        whole = sums.join(groups[["kind", "phased_share"]].first())
        whole = whole[alike & (groups.size() == len(self.evaluation.branches))]
        return whole.reset_index().assign(branch_id=WHOLE_BANK, quarter=self.quarter)


def base_of(measure: str) -> str:
    """Return the base on which a measure is planned and shown of every branch."""
    return dict(branch_page.measures_of("key")).get(measure, "funded")


def headquarters_page(review: Review, *, language: blocks.Language) -> HeadquartersPage:
    """Return a quarter's review as a page in a language."""
    evaluation = page_data.without_unlike_quarters(review.evaluation)
    return HeadquartersPage(evaluation, language, "", replace(review, evaluation=evaluation))


def cover(page: HeadquartersPage) -> blocks.Document:
    """State which quarter is reviewed, its theme, and by which rules it was made."""
    theme = page.review.theme
    subtitle = page.text("subtitle_theme" if theme else "subtitle")
    words = {"title": page.text("title"), "theme": theme.get(page.language, "")}
    return replace(branch_page.cover_of(page.bank, subtitle, **words), edition=page.edition_line)


def key_figures(page: HeadquartersPage) -> blocks.KeyFigures:
    """Return the bank's six numbers against plan and last year."""
    return branch_page.key_figures(page.bank)


def review_conclusions(page: HeadquartersPage) -> blocks.Sentences:
    """Return what the quarter amounts to: plan, growth, exceptions, what to decide, the rest."""
    # Of a bank of a handful of customers everything is withheld.
    of_bank = [] if page.bank.cell("customers") is None else findings.conclusions(page.bank)
    # The chapters of the branch report that these would lead to are not here.
    neutral = [replace(sentence, section="") for sentence in of_bank[:_MOST_OF_BANK]]
    answers = (answer(page) for answer in _ANSWERS.values())
    return blocks.Sentences([*(sentence for sentence in answers if sentence is not None), *neutral])


def chapter_sentence(page: HeadquartersPage, section: str) -> blocks.Sentences | None:
    """Return the conclusion that leads to a chapter, to open it with; None where there is none."""
    own = _ANSWERS[section](page)
    return None if own is None else blocks.Sentences([replace(own, section="")], anchor=section)


def _plan_sentence(page: HeadquartersPage) -> blocks.Sentence | None:
    """Say how many branches miss the first plan, which most, and how many miss the others."""
    behind = {
        measure: {b: part for b, part in parts.items() if part < page.plans[b][measure].due}
        for measure, parts in page.attainments.items()
    }
    if not behind:
        return None
    measure, missed = next(iter(behind.items()))
    due, *unlike = {page.plans[branch][measure].due for branch in page.attainments[measure]}
    blanks: dict[str, Any] = {
        "measure": page.measure(measure),
        "of": len(page.attainments[measure]),
        "due": wording.format_share(due, decimals=0),
        "until": page.evaluation.quarter.end.isoformat(),
    }
    key = "plan_missed" if missed else "plan_met"
    key += "_unlike" if unlike else "" if due == 1 else "_phased"
    lead = page.text(key, count=len(missed), **blanks)
    least = list(missed.items())[:_MOST_WORST]
    worst = {b: page.format_attained(part, page.plans[b][measure]) for b, part in least}
    others = [
        page.text("plan_other", measure=page.measure(other), count=len(branches))
        for other, branches in behind.items()
        if other != measure and branches
    ]
    bank = page.attained(measure)
    parts = [
        page.naming("plan_worst", worst),
        _shortfalls(page, measure, missed),
        page.text("plan_bank", part=page.format_attained(bank)) if isinstance(bank, float) else "",
        page.text("plan_others", measures=page.listed(others)) if others else "",
    ]
    return blocks.Sentence(page.join(parts), lead=lead, section="branches")


def _shortfalls(page: HeadquartersPage, measure: str, missed: Mapping[str, float]) -> str:
    """Say which branches lack most money; nothing of a plan that is not of money."""
    if wording.measure_words(measure).kind != "money":
        return ""
    plans = {branch: page.plans[branch][measure] for branch in missed}
    lacking = {b: (plan.due - missed[b]) * (plan.level - plan.start) for b, plan in plans.items()}
    largest = sorted(lacking, key=lambda branch: -lacking[branch])[:_MOST_WORST]
    unit = page.unit([lacking[branch] for branch in largest])
    amounts = {branch: wording.format_amount(lacking[branch], unit) for branch in largest}
    return page.naming("plan_shortfall", amounts)


def _growth_sentence(page: HeadquartersPage) -> blocks.Sentence | None:
    """Say where the bank's growth came from, with and without branches opened this year."""
    own = page.own(page.evaluation.bridge)
    if own.empty or own["withheld"].any():
        return None
    sentence = findings.growth_sentence(page.bank, own)
    if sentence is None:
        return None
    steps = growth_steps(page.evaluation.bridge)
    sentence = replace(sentence, text=page.join([sentence.text, _mover(page, steps)]))
    opened = [branch for branch, (event, _) in page.new_branches.items() if event == "opened"]
    others = steps[~steps["branch_id"].isin([*opened, WHOLE_BANK])].drop(columns="branch_id")
    if not opened or others.empty or others.isna().any(axis=None):
        return sentence
    unit = page.unit(own.loc[own["component"] == "closing", "amount"])
    names = page.listed([page.names[branch] for branch in opened])
    blanks = findings.growth_blanks(page.bank, others.sum().to_dict(), unit)
    text = page.join([sentence.text, page.text("growth_without_opened", names=names, **blanks)])
    return replace(sentence, text=text)


def _mover(page: HeadquartersPage, steps: pd.DataFrame) -> str:
    """Name the branch that makes most of what existing customers changed by; "" where none does."""
    existing = steps.set_index("branch_id")["existing"]
    branches = existing.drop(WHOLE_BANK)
    if branches.empty or branches.isna().any():
        return ""
    name = str(branches.abs().idxmax())
    amounts = (branches[name], existing[WHOLE_BANK] - branches[name])
    if not 0 < _TIMES_THE_REST * abs(amounts[1]) < abs(amounts[0]):
        return ""
    unit = page.unit(amounts)
    own, rest = (wording.format_signed_money(amount, unit) for amount in amounts)
    return page.text("growth_mover", name=page.names[name], amount=own, rest=rest)


def growth_steps(bridge: pd.DataFrame) -> pd.DataFrame:
    """Return each branch's opening assets, and how they changed, the whole bank's last."""
    branches = [*sorted(set(bridge["branch_id"]) - {WHOLE_BANK}), WHOLE_BANK]
    return pd.DataFrame([{"branch_id": b, **findings.split_growth(bridge, b)} for b in branches])


def leading(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return the measures compared that have limits: those of the quarter's theme first."""
    table = page.evaluation.comparison
    printed = table[table["lower_95"].notna() & ~table["withheld"]]
    pairs = list(dict.fromkeys(zip(printed["measure"], printed["base"], strict=True)))
    judged = set(printed.loc[printed["verdict"] != "", "measure"])
    theme, beyond = page.review.theme.get("measures", []), set(page.exceptions["measure"])
    return sorted(
        pairs, key=lambda pair: [pair[0] not in known for known in (judged, theme, beyond)]
    )


def peer_name(page: HeadquartersPage, group: str) -> str:
    """Return a peer group's name: the bank, a type with its size class, or its own name."""
    if group == "all":
        return page.text("bank", "word")
    kind, _, size = group.partition("_")
    if group in page.names or kind not in wording.names("branch_type"):
        return page.names.get(group, group)
    return page.label(kind, "branch_type") + f" {size}".rstrip()


def peers_compared(page: HeadquartersPage, measure: str, base: str, known: str) -> pd.DataFrame:
    """Return one comparison with the branches' names, like with like: the largest peer group.

    Only branches count of which a column is `known`.
    """
    rows = page.evaluation.comparison
    rows = rows[(rows["measure"] == measure) & (rows["base"] == base) & ~rows["withheld"]]
    sizes = rows.loc[rows[known].notna(), "peer_group"].value_counts()
    rows = rows[rows["peer_group"].isin(sizes.index[:1])]
    return rows.assign(name=rows["branch_id"].map(page.names))


def has_distinct_ranks(page: HeadquartersPage, measure: str, base: str) -> bool:
    """Return whether enough branches can be told apart by their ranks for these to be drawn."""
    ranked = peers_compared(page, measure, base, "rank").dropna(subset=["rank"])
    return len(distinct_ranks(ranked)) >= max(_FEWEST_APART * len(ranked), 1)


def distinct_ranks(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the branches whose ranks span clearly fewer than all places."""
    return ranked[ranked["rank_high"] - ranked["rank_low"] < page_data.WIDE_INTERVAL * len(ranked)]


def _exceptions_sentence(page: HeadquartersPage) -> blocks.Sentence:
    """Say how many comparisons exceed chance, and of which branches the unfavourable ones are."""
    beyond, table = page.exceptions, page.evaluation.comparison
    tests = int(((table["verdict"] != "") & table["z"].notna()).sum())
    unfavourable = beyond[beyond["favourable"] == "no"]
    blanks: dict[str, Any] = {"tests": tests, "count": len(beyond), "bad": len(unfavourable)}
    blanks["branches"] = beyond["branch_id"].nunique()
    if not tests:
        lead = page.text("untested_lead")
        return blocks.Sentence(page.text("untested_text"), lead=lead, section="exceptions")
    key = "exceptions_found" if len(beyond) else "exceptions_none"
    first = unfavourable.drop_duplicates("branch_id").head(_MOST_WORST)
    named = dict(zip(first["branch_id"], map(page.measure, first["measure"]), strict=True))
    words = page.join([page.text(key, **blanks), page.naming("exceptions_named", named)])
    key = "exceptions_bad" if len(beyond) == len(unfavourable) > 0 else "exceptions_lead"
    return blocks.Sentence(words, lead=page.text(key, **blanks), section="exceptions")


def _decisions_sentence(page: HeadquartersPage) -> blocks.Sentence | None:
    """Say what headquarters has to decide: nothing that the figures do not show."""
    scores = page.evaluation.scores
    warnings = page.review.warnings.reindex(columns=["reason", "subject"])
    beyond = page.exceptions
    unfavourable = beyond.loc[beyond["favourable"] == "no", "branch_id"].unique()
    unscored = scores.loc[scores["note"].str.contains("not_scored"), "branch_id"]
    warned = warnings.loc[warnings["reason"] == "", "subject"]
    subjects = dict.fromkeys(name for subject in warned for name in subject.split(", "))
    listed = (
        ("decide_exceptions", unfavourable, unfavourable),
        ("decide_unscored", unscored, unscored),
        ("decide_warnings", warned, subjects),
    )
    items = [
        page.text(key, count=len(found), names=_name_first(page, named))
        for key, found, named in listed
        if len(found)
    ]
    if not items:
        return None
    lead = page.text("decide_lead", count=len(items))
    return blocks.Sentence(page.text("decide", items=page.listed(items)), lead=lead)


def _name_first(page: HeadquartersPage, found: Iterable[str]) -> str:
    """Return the first branches, or measures, as a list that says whether there are more."""
    names = [peer_name(page, page.label(name)) for name in found]
    listed = page.listed(names[:_MOST_WORST])
    return page.text("and_more", names=listed) if len(names) > _MOST_WORST else listed


def _quality_sentence(page: HeadquartersPage) -> blocks.Sentence | None:
    states = page.review.pages["state"].tolist()
    failed, missing = map(states.count, ("failed", "missing"))
    if not failed + missing:
        return None
    words = page.text("quality_found", of=len(states), failed=failed, missing=missing)
    return blocks.Sentence(words, lead=page.text("quality_lead"), section="quality")


def _restated_sentence(page: HeadquartersPage) -> blocks.Sentence | None:
    """Say how many issued figures read otherwise today, and in how many branches; None if none."""
    restated = page.review.restatements
    if restated.empty:
        return None
    branches = restated.loc[restated["branch_id"] != WHOLE_BANK, "branch_id"].nunique()
    lead = page.text("restated", count=len(restated), branches=branches)
    return blocks.Sentence(page.of_issue("compared_issue"), lead=lead, section="restatements")


# What headquarters asks, in this order; all but the decisions lead to a chapter of that name.
_ANSWERS: Final[dict[str, Callable[[HeadquartersPage], blocks.Sentence | None]]] = {
    "branches": _plan_sentence,
    "growth": _growth_sentence,
    "exceptions": _exceptions_sentence,
    "decisions": _decisions_sentence,
    "quality": _quality_sentence,
    "restatements": _restated_sentence,
}


def definitions_table(page: HeadquartersPage) -> blocks.Table:
    """Return the definitions of the quarter, with the rule by which any are withheld."""
    shown = branch_page.definitions_table(page.bank)
    if not page.gap_note("disclosure_term"):
        return shown
    tiers = page.members("tier")
    merged = sorted({tiers[tier] for tier in page.review.merged.values()})
    listed = page.text("list_separator", "page").join(merged) or page.text("no_merge")
    words = page.text("disclosure_text", merged=listed)
    return replace(shown, rows=(*shown.rows, (page.text("disclosure_term"), words)))


def restatement_words(page: HeadquartersPage) -> blocks.Sentences | None:
    """Say that nothing was restated; None where the table tells what was."""
    if len(page.review.restatements):
        return None
    return blocks.Sentences([page.of_issue("no_restatements") or page.text("no_issued")])
