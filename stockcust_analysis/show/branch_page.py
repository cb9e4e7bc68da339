"""A branch's page in words: cover, key figures, conclusions and the definitions (口径) used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pandas as pd

from stockcust_analysis.bank.contract import title_of
from stockcust_analysis.evaluation.results import UNKNOWN, WHOLE_BANK, policy_label
from stockcust_analysis.show import blocks, findings, page_data, wording
from stockcust_analysis.show.page_data import BranchPage

_MOST_FIGURES: Final = 6

# Tables of measures: the base they are counted on, and the measures, in the order of the rows. Of
# the key figures, which a manager looks at first, the first six that there are; "bank" is the
# overview of headquarters' workbook.
_MEASURE_TABLES: Final = (
    ("key", "funded", "aum_average_quarter customers customer_retention inactive_rate"),
    ("key", "funded", "multi_product_share"),
    ("key", "managed", "contact_coverage"),
    ("key", "funded", "ten_largest_share top_20_share"),
    ("overview", "funded", "aum_average_quarter aum_period_end customers"),
    ("overview", "effective", "customers"),
    ("overview", "funded", "products_per_customer multi_product_share dormancy_rate silent_rate"),
    ("overview", "funded", "top_20_share ten_largest_share"),
    ("concentration", "funded", "gini top_1_share top_5_share top_10_share top_20_share"),
    ("concentration", "funded", "share_of_customers_holding_80 ten_largest_share herfindahl"),
    ("sensitivity", "funded", "gini gini_without_1 gini_without_10"),
    ("sensitivity", "funded", "top_20_share top_20_share_without_1 top_20_share_without_10"),
    ("retention", "funded", "customer_retention asset_retention steep_fall_rate"),
    ("retention", "funded", "steep_fall_outflow_share same_customer_growth asset_retention_net"),
    ("retention", "funded", "all_customer_growth upgrade_rate downgrade_rate"),
    ("attrition", "all", "attrition_warning_rate attrition_outflow_share"),
    ("attrition", "funded", "newly_dormant_rate reactivation_rate"),
    ("coverage", "funded", "managed_customers managed_aum managed_share vip_share"),
    ("coverage", "managed", "contact_coverage profile_completion contact_due_share"),
    ("coverage", "managed", "reclaim_due_share customers_per_manager"),
    ("bank", "funded", "aum_average_quarter customers customer_retention silent_rate"),
    ("bank", "all", "dormancy_rate"),
    ("bank", "funded", "multi_product_share"),
    ("bank", "managed", "contact_coverage"),
    ("bank", "funded", "aum_period_end aum_per_customer products_per_customer ten_largest_share"),
)
# Rules that are told only beside figures of theirs: one of these measures or lists.
_TOLD_WITH: Final[dict[str, tuple[str, ...]]] = {
    "coverage": ("contact_coverage",),
    "managing": ("managed_share", "reclaim_due_share"),
    "classes": ("class_customers",),
    "attrition": ("attrition_warning_rate",),
    "worklists": wording.names("list_rule"),
}
_SHORT_NAMES: Final = {
    "customers": "funded_customers",
    "multi_product_share": "tile_multi_product_share",
}


def measures_of(name: str) -> list[tuple[str, str]]:
    """Return the measures of a table, each with the base it is counted on.

    >>> measures_of("attrition")[-1]
    ('reactivation_rate', 'funded')
    """
    lines = [line[1:] for line in _MEASURE_TABLES if line[0] == name]
    return [(measure, base) for base, measures in lines for measure in measures.split()]


@dataclass(frozen=True)
class Heading:
    """The heading of a chapter whose words the numbers decide."""

    text: str
    mark = "## "

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/markdown": f"{self.mark}{self.text}", "text/plain": self.text}


class Remark(Heading):
    """A sentence that stands in a figure's place and is no conclusion."""

    mark = ""


def cover(page: BranchPage) -> blocks.Document:
    """State whose page this is, of which quarter, and by which rules it was made."""
    subtitle, title = page.text("subtitle"), page.evaluation.branch_name(page.branch_id)
    return cover_of(page, subtitle.replace("{title}", page.text("title")), title=title)


def cover_of(page: BranchPage, subtitle: str, *, title: str, **blanks: str) -> blocks.Document:
    """Return a cover: title, subtitle with its blanks filled, the bank, the quarter, the rules."""
    quarter = page.evaluation.quarter
    subtitle = subtitle.format(year=quarter.year, number=quarter.number, **blanks)
    return blocks.Document(
        title=title,
        subtitle=subtitle if quarter.is_whole else f"{subtitle} · {page.text('mid_quarter')}",
        organisation=page.evaluation.bank_name,
        as_of=quarter.end,
        language=page.language,
        run_facts=run_facts(page),
        edition=page_marks(page),
    )


def run_facts(page: BranchPage) -> dict[str, str]:
    """Return what a page prints of its origin: policy, date of the data, reconciliation."""
    policy = page.evaluation.policy_facts
    return {
        page.text("policy"): policy_label(policy),
        page.text("data_date"): page.evaluation.quarter.end.isoformat(),
        **checks_passed(page),
        **set_aside_words(page),
    }


def set_aside_words(page: BranchPage) -> dict[str, str]:
    """Return what of the extracts is in no figure: column → rows and amount, in words."""
    table, words = page.evaluation.set_aside, {}
    for row in page_data.rows_of(table[table["branch_id"] == WHOLE_BANK] if len(table) else table):
        own = page.own(table, column=row.column, table=row.table)
        fewer = page.text("fewer", least=page.evaluation.policy_facts["smallest_cell"])
        rows = fewer if pd.isna(row.rows) else wording.format_count(row.rows)
        key, amount, number = "set_aside_bank", row.amount, 0
        if row.by_branch and page.branch_id != WHOLE_BANK:
            key, amount, number = "set_aside_own", own["amount"].sum(), int(own["rows"].sum())
        unit = page.unit([amount])
        money = f" {wording.format_amount(amount, unit)}" if amount > 0 else ""
        column = f"{row.table}.{row.column}"
        reference = title_of(column) if page.language == "zh" else column
        text = page.text(key, bank=rows, own=number, amount=money)
        words[page.text("set_aside", reference=reference)] = text
    return words


def page_marks(page: BranchPage) -> str:
    """Return what every page bears: that the quarter is not over, and what is set aside."""
    marks = [] if page.evaluation.quarter.is_whole else [page.text("mid_quarter")]
    marks += [f"{column} {size}" for column, size in set_aside_words(page).items()]
    return page.text("list_separator").join(marks)


def checks_passed(page: page_data.Page) -> dict[str, str]:
    """Return how the bank's tables agree with one another: check → difference, in words."""
    checks, words = page.evaluation.reconciliation[["check", "difference"]].to_numpy(), {}
    # A layout's ledger is of the whole bank, its holdings of persons and sole traders.
    is_wider = "lists_left_out" in page.evaluation.policy_facts
    for check, size in checks:
        size = wording.SUPPRESSED if pd.isna(size) else size
        text = page.text("difference", "page").format(wording.format_number(size, decimals=2))
        if check == "ledger_and_accounts" and size and is_wider:
            text += page.text("ledger_is_wider", "page")
        words[page.text(check, "reconciliation")] = text
    return words


def key_figures(page: BranchPage) -> blocks.KeyFigures:
    """Return the six numbers of the first page with what they are compared with."""
    figures = (_key_figure(page, measure, base) for measure, base in measures_of("key"))
    return blocks.KeyFigures([figure for figure in figures if figure is not None][:_MOST_FIGURES])


def _key_figure(page: BranchPage, measure: str, base: str) -> blocks.KeyFigure | None:
    """Return one number with its comparisons; None where the branch has no such value."""
    value = partial(page.value, measure, base=base)
    now, kind = value(), wording.measure_words(measure).kind
    if not isinstance(now, float):
        return None
    is_judged = kind != "share" or not page.is_small
    unit = page.unit([now]) if kind == "money" else None
    pairs = []
    for name, quarter in page_data.compared_quarters(page.quarter).items() if is_judged else ():
        if isinstance(before := value(quarter=quarter), float):
            change = page.change(measure, now, before)
            pairs.append((page.text(name, "comparison_short"), change.replace(" ", "", 1)))
    attained = page.attained(measure, now) if base == "funded" and is_judged else None
    if attained is not None:
        pairs.append((page.text("target", "comparison_short"), page.format_attained(attained)))
    of_bank = page.bank_value(measure, base)
    if of_bank is not None and kind not in ("money", "count"):
        pairs.append((page.text("bank", "word"), wording.format_measure(of_bank, measure)))
    ahead, behind = unit.pattern.split("{}") if unit else ("", "")
    return blocks.KeyFigure(
        label=_figure_name(page, measure),
        value=ahead + wording.format_measure(now, measure, unit=unit),
        unit=behind.strip(),
        comparisons=tuple(pairs),
    )


def average_is_balance(policy_facts: Mapping[str, Any]) -> bool:
    """Return whether what is called the quarter's average is the balance of the as-of date."""
    return bool(policy_facts.get("aum_from", {}).get(wording.AVERAGE) == "holdings.balance")


def _figure_name(page: BranchPage, measure: str) -> str:
    """Return what a key figure is called; where the average is the balance, its name says so."""
    if measure in _SHORT_NAMES:
        return page.text(_SHORT_NAMES[measure])
    name, facts = page.text(measure, "measure"), page.evaluation.policy_facts
    if measure == wording.AVERAGE and average_is_balance(facts):
        return page.text("from_balance").format(name)
    from_month_ends = facts.get("approximations", {}).get("month_ends", [])
    if measure == wording.AVERAGE and page.quarter in from_month_ends:
        return page.text("from_month_ends").format(name)
    return name


def counted_heading(
    page: BranchPage, name: str, block: blocks.Table | blocks.KeyFigures | None
) -> Heading | None:
    """Return a heading that says how many things stand below it; None above nothing."""
    counted = getattr(block, "rows", None) or getattr(block, "figures", ())
    words = page.text(str(len(counted)), f"{name}_heading") if counted else ""
    return Heading(words + (score_words(page) if name == "figures" else "")) if words else None


def chapter_heading(page: BranchPage, name: str) -> Heading:
    """Return a chapter's heading, in the page's words."""
    return Heading(page.text(f"{name}_heading"))


def score_words(page: BranchPage, *, before: bool = True) -> str:
    """Return score and rank, now and `before`, to stand behind a heading; nothing if unscored."""
    score = next(page_data.rows_of(page.own(page.evaluation.scores)), None)
    if score is None or pd.isna(score.points):
        return ""
    points = wording.format_points(score.points)
    if page.branch_id in page.new_branches:
        return page.text("score_unranked", points=points)
    if pd.isna(score.rank):
        return ""
    blanks = {"points": points, "rank": score.rank, "rank_of": score.rank_of, "before": ""}
    if before and pd.notna(getattr(score, "rank_before", None)):
        then = {"points": wording.format_points(score.points_before), "rank": score.rank_before}
        blanks["before"] = page.text("score_before", **then, rank_of=score.rank_of_before)
    return page.text("score_words", **blanks)


def page_conclusions(page: BranchPage) -> blocks.Sentences:
    """Return the report's three to five conclusions."""
    return blocks.Sentences(findings.conclusions(page))


def section_sentence(page: BranchPage, section: findings.Section) -> blocks.Sentences | None:
    """Return the sentence that a chapter opens with; None where the branch is too small for one."""
    if page.is_small:
        return None
    return blocks.Sentences([findings.section_conclusion(page, section)], anchor=section)


def growth_words(page: BranchPage) -> blocks.Sentences | None:
    """Return where growth came from; None for a bank's first quarter or a small branch."""
    bridge = page.evaluation.bridge
    sentence = findings.growth_sentence(page, bridge[bridge["structure"] == "today"])
    if sentence is None or page.is_small:
        return None
    return blocks.Sentences([sentence], anchor="growth")


def definitions_table(page: BranchPage) -> blocks.Table:
    """Return the definitions that the page's numbers follow (口径), with the policy's borders."""
    policy = page.evaluation.policy_facts
    blanks = {"as_of": page.evaluation.quarter.end.isoformat()}
    figures, rules = _measures_and_lists(page), page_data.RuleWords(policy, page.language)
    service = rules.service(figures)
    blanks |= rules.definitions() | service
    is_whole = page.evaluation.quarter.is_whole
    variants = {"aum": page.deposits, "as_of": not is_whole}
    variants |= dict.fromkeys(("retention", "managing"), page.deposits == UNKNOWN)
    variants |= {"dormancy": "clock" not in blanks, "coverage": not service}
    # Where nothing is known of the rules of service, one of them says so.
    told = {key for key in _TOLD_WITH if not figures.isdisjoint(_TOLD_WITH[key])}
    told = told if service else told & {"coverage"}
    meanings = {
        key: page.text(key, "definition_variant" if variants.get(key) else "definition", **blanks)
        for key in wording.names("definition")
        if key not in _TOLD_WITH or key in told
    }
    meanings["tiers"] += page.text("between", "sentence") + memory_note(page)
    if page.deposits == UNKNOWN:
        del meanings["tiers"]
    if policy.get("moves"):
        moves = page.text("moves", "definition_variant")
        meanings["structure"] = page.join([meanings["structure"], moves])
    terms = {key: page.text(key, "definition_term") for key in wording.names("definition_term")}
    rows = [(term, meanings[key].rstrip()) for key, term in terms.items() if key in meanings]
    if not is_whole:
        rows.insert(0, (page.text("mid_quarter"), page.text("mid_quarter_meaning")))
    return blocks.table(
        pd.DataFrame(rows, columns=[page.text("term"), page.text("meaning")]),
        caption=page.text("definitions"),
        note="".join([*wording.assumptions(policy, page.language), page.text("definitions_note")]),
    )


def _measures_and_lists(page: BranchPage) -> set[str]:
    """Return the names of the measures and of the work lists of which there are figures."""
    cells = page.cells.get((page.quarter, page.branch_id), {})
    lists = page.own(page.evaluation.worklists).get("list", ())
    return {*(measure for measure, _ in cells), *lists}


def memory_note(page: BranchPage) -> str:
    """Return that tiers carry memory, by quarter (按季近似); nothing where they do not."""
    memory = page.evaluation.policy_facts.get("tier_memory")
    return page.text("memory_note", **memory) if memory else ""
