"""Work lists (名单): whom to see this month, the most money at stake first, and why.

Every list is a condition and an amount; all branches are ranked in one look. Who must not be
contacted is on no list, and is counted. The texts stand in `worklists.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import reduce
from operator import add, itemgetter
from typing import Any, Literal

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ZERO, Frame, Table, as_lazy, cents_of, day, flag
from stockcust_analysis.core.periods import Day, add_months, as_day
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import say
from stockcust_analysis.measures import service
from stockcust_analysis.measures.bases import AVERAGE, PERIOD_END, require_columns
from stockcust_analysis.measures.growth import with_attrition, with_opening_average
from stockcust_analysis.measures.holdings import join_accounts, snapshot
from stockcust_analysis.measures.registry import measure
from stockcust_analysis.measures.service import SERVICE_FLAGS, contactable, hand_over_due, serve
from stockcust_analysis.measures.tiers import tier_ahead
from stockcust_analysis.measures.two_dates import averages
from stockcust_analysis.policy import Policy, PolicyLike, as_policy
from stockcust_analysis.policy.file import PACKAGE, read_toml
from stockcust_analysis.policy.service import MODEL_LIST, Actions, load_actions

Language = Literal["zh", "en"]
# List → the column of the cents at stake.
Stakes = dict[str, str]
_WHO = ("list", "branch_id", "priority", "customer_id", "manager_id", "tier", "groups")
_WORDS = ("reason_zh", "reason_en", "action_zh", "action_en", "warning_zh", "warning_en")
COLUMNS = (*_WHO, "amount_at_stake", "due_date", *_WORDS, "channel", "last_contact_on")
# What reasons and due dates are made from, beside the facts that stand on the lists themselves.
_MOVE_FACTS = ("change", PERIOD_END)
_STAKE_FACTS = ("amount_cents", "next_tier", "offer", "maturing_on", "families", *_MOVE_FACTS)
_MODEL_FACTS = ("model_risk", "model_reason_zh", "model_reason_en")
_CALL_FACTS = ("managed_from", "customer_class", "contacts_without_sale", "first_call_missing")
_FACTS = ("contactable", "maturing_cents", "branch_id", "customer_id", "status", "tier", "families")
_SERVICE_FACTS = ("role", "first_call_missing", "contacted_lately", "refused_lately")
_MONTH_AVERAGE = "aum_average_month_cents"
# Whoever is set aside is contacted again when one of these is the case.
_RESUMING = ("hand_over", "maturing", "attrition_warning", "emptied")
_NEVER = {"zh": "从未", "en": "never"}
_TEXTS = read_toml(PACKAGE / "measures" / "worklists.toml")


def worklist_facts(
    facts: Frame,
    holdings: Frame,
    *,
    policy: PolicyLike = None,
    as_of: Day,
    assignments: Frame | None = None,
    contacts: Frame | None = None,
    managers: Frame | None = None,
    opening: Frame | None = None,
) -> Frame:
    """Return customer facts with all columns that the work lists are made from.

    Parameters
    ----------
    facts : table
        As `customer_facts` returns them.
    holdings : table
        As in the contract; those of `as_of` count.
    policy : Policy, name or path, optional
        Its coverage and work-list rules.
    as_of : date, "2026-09-30" or "2026Q3"
        Day of the lists.
    assignments, contacts, managers : table, optional
        As in the contract. Without assignments and contacts nothing is known of service, and the
        lists that depend on it are left out.
    opening : table, optional
        Customer facts of the quarter before; without them there is no attrition warning.

    Returns
    -------
    table
        Of the kind given; lazy stays lazy. Added: `maturing_cents` and `maturing_on` (balances in
        AUM that mature in the period and do not roll over, and the first day of it),
        `contactable`, and the columns of `customer_service` and of `attrition_warning`.

    Raises
    ------
    UsageError
        A column is missing, or the tables are of several engines.
    """
    rules, on, base = as_policy(policy), as_day(as_of), as_lazy(facts)
    table = _with_maturities(base, snapshot(as_lazy(holdings), on, "holdings"), rules, on)
    # Each part looks at the customers several times: it starts from the facts, not from the others.
    parts = []
    if opening is not None:
        pairs = with_opening_average(base, as_lazy(opening))
        pairs = with_attrition(pairs, rules.attrition, rules.tiers, peers="branch_id")
        before, now = averages()
        parts.append(pairs.with_columns(fall_cents=before - now).drop("closing_there", "departed"))
    if assignments is not None and contacts is not None:
        given = {"assignments": assignments, "contacts": contacts, "managers": managers}
        parts.append(serve(base, service.service_source(rules.coverage, on, **given)))
    for part in parts:
        added = sorted({*part.collect_schema().names()} - {*base.collect_schema().names()})
        table = table.join(part.select("customer_id", *added), on="customer_id", how="left")
    return frames.same_kind(
        facts, table.with_columns(contactable=contactable(table, rules.coverage))
    )


def worklists(
    facts: Frame, *, policy: PolicyLike = None, as_of: Day, actions: Actions | None = None
) -> Frame:
    """Return all work lists of all branches.

    A list holds the `longest` amounts at stake of a branch, ties at its end kept; a customer with
    nothing at stake, or who must not be contacted, is on no list. At stake is the period-end AUM;
    for `hand_over` the month's average, for `upgrade_candidates`, `unassigned`, `referral_sources`
    and `incomplete_profile` the amount tiers go by, for `maturing` what matures, for
    `attrition_warning` the fall of the quarter's average, for `emptied` (less than a funded
    customer at the period's end, and the lowest average of the warning before) the average before.
    Customers set aside are on `set_aside` alone, unless their money moves or grew enough to be
    handed over: then they are contacted again. Due is everything by the end of the policy's period
    but maturities (on their day) and first calls after a hand-over (within their days). A list
    whose columns are not delivered is left out; so are `attrition_warning` and `emptied` without
    the customers of the quarter before.

    Parameters
    ----------
    facts : table
        As `worklist_facts` returns them; every list reads them again, so materialize them first.
    policy : Policy, name or path, optional
        Its coverage and work-list rules, tiers and families.
    as_of : date, "2026-09-30" or "2026Q3"
        Day of the lists.
    actions : Actions, optional
        What to do; the shipped ones when left out.

    Returns
    -------
    table
        Of the kind given when that was eager, else pandas: `list, branch_id, priority,
        customer_id, manager_id, tier, groups, amount_at_stake` (CNY), `due_date`, reason, action
        and warning in Chinese and English, `channel`, `last_contact_on` (effective); sorted by
        list, branch, due date, priority and customer.

    Raises
    ------
    UsageError
        The facts are not those of `worklist_facts`.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.measures.population import customer_facts
    >>> from stockcust_analysis.measures.worklists import worklist_facts
    >>> rules = {"policy": "rural_commercial_bank", "as_of": "2026-09-30"}
    >>> bank = pd.DataFrame({"customer_id": ["1"], "branch_id": "A", "customer_type": "personal",
    ...     "last_active_on": pd.to_datetime(["2026-09-01"])})
    >>> funds = pd.DataFrame({"customer_id": ["1"], "product": "fund", "balance": 45_000.0})
    >>> facts = worklist_facts(customer_facts(bank, funds, **rules), funds, **rules)
    >>> worklists(facts, **rules)["list"].tolist()
    ['upgrade_candidates', 'next_product']
    """
    rules, on = as_policy(policy), as_day(as_of)
    (table, stakes), actions = _listed(as_lazy(facts), rules), actions or load_actions()
    lines = [
        line
        for name, stake in stakes.items()
        for line in sorted(
            (
                _line({**row, "list": name}, rules, on, actions)
                for row in _top_rows(table, name, stake, rules)
            ),
            key=itemgetter("branch_id", "due_date", "priority", "customer_id"),
        )
    ]
    return frames.native_like(pd.DataFrame(lines, columns=list(COLUMNS)), facts)


@measure("")
def worklist_counts(facts: Frame, *, policy: PolicyLike = None) -> Result:
    """Return how many customers of each branch every list finds, and how many are left out.

    Parameters
    ----------
    facts : table
        As `worklist_facts` returns them.
    policy : Policy, name or path, optional
        As for `worklists`.

    Returns
    -------
    table
        `list, branch_id, customers` (contactable, however long the list may be),
        `amount_at_stake` (theirs, CNY), `left_out` (must not be contacted), and of those the
        excluded by reason and `do_not_contact` (not excluded, but with that wish).

    Raises
    ------
    UsageError
        The facts are not those of `worklist_facts`.
    """
    rules = as_policy(policy)
    table, stakes = _listed(as_lazy(facts), rules)
    barred = _exclusion_reasons(table, rules)
    table = table.with_columns(**{f"barred_{why}": one for why, one in barred.items()})
    counts = ["customers", "amount_at_stake", *barred]
    columns: dict[str, nw.Expr] = {}
    for name, stake in stakes.items():
        free = nw.col(f"on_{name}") * nw.col("contactable")
        left_out = (nw.col(f"on_{name}") * nw.col(f"barred_{why}") for why in barred)
        summed = (free, free * nw.col(stake), *left_out)
        columns |= {f"{name}/{count}": one for count, one in zip(counts, summed, strict=True)}
    totals = frames.collect_sums(table, ["branch_id"], columns)
    rows = [
        {"list": name, **total, **{count: total[f"{name}/{count}"] for count in counts}}
        for name in stakes
        for total in totals.to_dict("records")
    ]
    result = pd.DataFrame(rows, columns=["list", "branch_id", *counts])
    result["amount_at_stake"] /= 100
    result.insert(4, "left_out", result[[*barred]].sum(axis=1))
    return Result(result)


def through(as_of: date, months: int) -> date:
    """Return the last day of the next so many months; a month's end leads to a month's end.

    >>> through(date(2026, 9, 30), 3)
    datetime.date(2026, 12, 31)
    """
    one_day = timedelta(days=1)
    return max(add_months(as_of, months), add_months(as_of + one_day, months) - one_day)


def _with_maturities(facts: Table, holdings: Table, policy: Policy, as_of: date) -> Table:
    """Return the facts with what matures soon, and is then free."""
    matures: nw.Expr = nw.lit(None, dtype=nw.Datetime("us"))
    if "matures_on" in holdings.collect_schema().names():
        matures = day(holdings, "matures_on")
    until = through(as_of, policy.worklists.maturing_months)
    soon = frames.after(matures, as_of) & ~frames.after(matures, until)
    free = soon & ~frames.is_true(holdings, "rolls_over")
    in_aum = nw.col("product").is_in(policy.families.aum_products)
    due = in_aum & free & (frames.cents_or_zero("balance") > 0)
    return join_accounts(
        facts,
        holdings,
        keys=["customer_id"],
        flags={},
        amounts={"maturing_cents": flag(due) * frames.cents_or_zero("balance")},
        first_days={"maturing_on": nw.when(due).then(matures)},
    )


def _listed(table: Table, policy: Policy) -> tuple[Table, Stakes]:
    """Return the facts with who is on each list of the policy (`on_`…), and what is at stake.

    Who has nothing at stake is on none. A list is left out where the bank does not deliver what it
    needs. Each is a column, so that it is made once, however often it is counted.
    """
    rule, cover, present = policy.worklists, policy.coverage, table.collect_schema().names()
    average, end, month = f"{policy.tiers.value}_cents", PERIOD_END, _MONTH_AVERAGE
    _require_facts(table, policy)
    table = table.with_columns(next_tier=_next_tier(policy), offer=_offer(policy))

    def reaches(name: str, amount: float) -> nw.Expr:
        return nw.col(name) >= cents_of(amount)

    status, families, managed = nw.col("status"), nw.col("families"), _is_flagged("in_managed")
    overdue = _is_flagged("contact_due") & ~_is_flagged("reclaim_due") & ~_is_flagged("set_aside")
    single = (families >= 1) & (families < rule.next_product_below) & (nw.col("offer") != "")
    active = status == "active"
    willing = _is_flagged("contacted_lately") & ~_is_flagged("refused_lately") & active
    with_target = nw.col("tier").is_in([target.tier for target in cover.profile_targets])
    gone = _is_flagged("at_risk") & ~reaches(end, policy.bases.funded)
    incomplete = managed & with_target & ~frames.is_true(table, "profile_complete")
    lists: dict[str, tuple[Any, ...]] = {
        "hand_over": (hand_over_due(cover) + nw.col("first_call_missing") > 0, month, "in_managed"),
        "maturing": (nw.col("maturing_cents") > 0, "maturing_cents"),
        "attrition_warning": (_is_flagged("attrition") & ~gone, "fall_cents", "attrition"),
        "emptied": (gone, f"opening_{AVERAGE}", "attrition"),
        "overdue_contact": (overdue, end, "in_managed"),
        "reclaim": (_is_flagged("reclaim_due"), end, "in_managed"),
        "unassigned": (~managed & reaches(average, cover.manage_from), average, "in_managed"),
        "upgrade_candidates": (nw.col("next_tier") != "", average),
        "silent_with_assets": ((status == "silent") & reaches(end, rule.silent_from), end),
        "next_product": (_is_flagged("in_effective") & active & single, end),
        "referral_sources": (willing & reaches(average, cover.vip_from), average, "in_managed"),
        "incomplete_profile": (incomplete, average, "in_managed", "profile_complete"),
        "dormant": (status == "dormant", end),
        "set_aside": (_is_flagged("set_aside"), end, "in_managed"),
        MODEL_LIST: (nw.col("model_risk") > 0, end, "model_risk"),
    }
    stakes = {name: lists[name][1] for name in rule.sheets if {*lists[name][2:]}.issubset(present)}
    found = {name: lists[name][0] & (nw.col(stake) > 0) for name, stake in stakes.items()}
    if "set_aside" in present:
        table, found = _paused(table, found)
    return table.with_columns(**{f"on_{name}": flag(who) for name, who in found.items()}), stakes


def _is_flagged(name: str) -> nw.Expr:
    return nw.col(name) == 1


def _paused(table: Table, lists: dict[str, nw.Expr]) -> tuple[Table, dict[str, nw.Expr]]:
    """Return the lists with whom is set aside on that list alone, unless their money moves."""
    moves = (flag(lists[name]) for name in _RESUMING if name in lists)
    table = table.with_columns(paused=_is_flagged("set_aside") & (reduce(add, moves, ZERO) == 0))
    paused = nw.col("paused")
    return table, {n: w & (paused if n == "set_aside" else ~paused) for n, w in lists.items()}


def _require_facts(table: Table, policy: Policy) -> None:
    """Raise unless all columns are there that `worklist_facts` gives, with service or without."""
    held = [f"holds_{family}" for family in policy.worklists.next_products]
    amounts = (f"{policy.tiers.value}_cents", PERIOD_END)
    served = (*_SERVICE_FACTS, *SERVICE_FLAGS, _MONTH_AVERAGE)
    is_served = "in_managed" in table.collect_schema().names()
    what = say("worklist_facts")
    require_columns(table, (*_FACTS, *amounts, *held, *(served if is_served else ())), what)


def _next_tier(policy: Policy) -> nw.Expr:
    """Return the tier whose border is near, empty for who is near none."""
    rule, scheme = policy.worklists, policy.tiers
    amount = nw.col(f"{scheme.value}_cents")
    return tier_ahead(amount, scheme, rule.near_border, rule.upgrade_from)[0]


def _offer(policy: Policy) -> nw.Expr:
    """Return the first family of the policy's order that the customer does not hold."""
    names = policy.worklists.next_products
    return frames.first_true(((nw.col(f"holds_{name}") == 0, name) for name in names), "")


def _exclusion_reasons(table: Table, policy: Policy) -> dict[str, nw.Expr]:
    """Return why customers are left out, each counted once: the exclusion before the wish."""
    reasons = policy.coverage.never_contact if "exclusion" in table.collect_schema().names() else ()
    excluded = {why: flag(nw.col("exclusion") == why) for why in reasons}
    rest = 1 - nw.col("contactable") - reduce(add, excluded.values(), nw.lit(0))
    return excluded | {"do_not_contact": rest}


def _top_rows(table: Table, name: str, stake: str, policy: Policy) -> list[dict[str, Any]]:
    """Return the customers of one list as rows of plain values."""
    told = {*COLUMNS, *_STAKE_FACTS, *_CALL_FACTS, *_MODEL_FACTS} - {"amount_cents"}
    wanted = told.intersection(table.collect_schema().names())
    table = table.filter((nw.col(f"on_{name}") == 1) & (nw.col("contactable") == 1))
    table = table.select(*sorted(wanted), amount_cents=nw.col(stake))
    rank = nw.col("amount_cents").rank("min", descending=True).over("branch_id")
    table = table.with_columns(priority=rank.cast(nw.Int64))
    columns = frames.collect_rows(table.filter(nw.col("priority") <= policy.worklists.longest))
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]


def _line(row: Mapping[str, Any], policy: Policy, as_of: date, actions: Actions) -> dict[str, Any]:
    """Return one line of a list in the words and units it is read in."""
    groups = [name for name in map(str.strip, (row.get("groups") or "").split(";")) if name]
    action = actions.action(row["list"], row["tier"], groups)
    line = {name: row.get(name) for name in COLUMNS} | {
        "groups": ";".join(groups),
        "amount_at_stake": row["amount_cents"] / 100,
        "due_date": _due(row, policy, as_of),
        "channel": action.channel,
    }
    warning = actions.wording(action.warning) if action.warning else None
    for language in ("zh", "en"):
        line[f"reason_{language}"] = reason(row, policy, language)
        line[f"action_{language}"] = _with_borders(getattr(action, language), row, policy, language)
        line[f"warning_{language}"] = getattr(warning, language, "")
    return line


def _with_borders(words: str, row: Mapping[str, Any], policy: Policy, language: Language) -> str:
    """Return what is to be done, with the policy's borders of management and of the tier ahead."""
    rule, tiers = policy.coverage, policy.tiers.tiers
    ahead = next((tier.lower for tier in tiers if tier.name == row.get("next_tier")), 0)
    borders = {"manage_from": rule.manage_from, "vip_from": rule.vip_from, "border": ahead}
    for name, amount in borders.items():
        words = words.replace(f"{{{name}}}", border(amount, language))
    return words


def _due(row: Mapping[str, Any], policy: Policy, as_of: date) -> date:
    """Return the day by which a line is to be done."""
    if row["list"] == "maturing":
        return row["maturing_on"]  # type: ignore[no-any-return]
    if _is_first_call(row):
        days: date = row["managed_from"] + timedelta(days=policy.coverage.first_call_days)
        return days
    return through(as_of, policy.worklists.due_months)


def _is_first_call(row: Mapping[str, Any]) -> bool:
    """Return whether a customer is to be handed over or already was, and was not yet called."""
    return row["list"] == "hand_over" and row.get("first_call_missing") == 1


def _plain(value: Any) -> Any:
    """Return a cell as plain Python: no time stamps, None for what is missing."""
    if value is None or value != value:
        return None
    return value.date() if isinstance(value, datetime) else value


def list_name(name: str, language: Language) -> str:
    """Return the name of a list as it is printed.

    >>> list_name("maturing", "zh"), list_name("maturing", "en")
    ('到期', 'Maturing')
    """
    return str(_TEXTS[name][language])


def reason(row: Mapping[str, Any], policy: Policy, language: Language) -> str:
    """Return the sentence beside a customer, from the facts of his row; money in cents.

    >>> from stockcust_analysis.policy import load_policy
    >>> reason({"list": "unassigned", "amount_cents": 6_000_000}, load_policy(), "zh")
    '季日均6.00万元，无管户经理'
    """
    tiers = {tier.name: tier for tier in policy.tiers.tiers}
    families = {family.name: getattr(family, language) for family in policy.families.families}
    classes = {group.name: getattr(group, language) for group in policy.coverage.classes}
    ahead, never = tiers.get(row.get("next_tier") or ""), _NEVER[language]
    measured, name = _TEXTS["measured"][policy.tiers.value][language], row.get("customer_class")
    months, days = policy.dormancy.idle_months, policy.dormancy.idle_days
    idle = _TEXTS["idle"][("month" if months else "day") + "s" * ((months or days) != 1)]
    text = _TEXTS["first_call" if _is_first_call(row) else row["list"]][f"reason_{language}"]
    return str(text).format(
        amount=money(row["amount_cents"], language),
        tier=getattr(ahead, language, ""),
        border=border(ahead.lower, language) if ahead else "",
        matures=row.get("maturing_on") or never,
        offer=families.get(row.get("offer") or "", ""),
        left=money(row.get(PERIOD_END, 0), language),
        last=row.get("last_contact_on") or never,
        managed=row.get("managed_from") or never,
        count=row.get("contacts_without_sale"),
        families=row.get("families"),
        idle=idle[language].format(months or days),
        change=f"{row.get('change') or 0:+.0%}",
        risk=f"{row.get('model_risk') or 0:.0%}",
        why=row.get(f"model_reason_{language}"),
        measured=measured,
        Measured=measured[:1].upper() + measured[1:],
        **{"class": classes.get(name or "") or name},
    )


def money(cents: int, language: Language) -> str:
    """Return an amount as it is written in a reason.

    >>> money(1_234_567, "zh"), money(99_950, "zh"), money(1_234_567, "en")
    ('1.23万元', '999.50元', 'CNY 12,346')
    """
    if language == "en":
        return f"CNY {(cents + 50) // 100:,}"
    return f"{cents / 1e6:,.2f}万元" if cents >= 1_000_000 else f"{cents / 100:,.2f}元"


def border(amount: float, language: Language) -> str:
    """Return a border of the policy in full, for it is no figure to be rounded.

    >>> border(500_000, "zh"), border(12_345.5, "zh"), border(99.5, "zh"), border(50_000, "en")
    ('50万元', '1.23455万元', '99.5元', 'CNY 50,000')
    """
    if language == "en":
        return f"CNY {amount:,.15g}"
    return f"{amount / 1e4:,.15g}万元" if amount >= 1e4 else f"{amount:,.15g}元"
