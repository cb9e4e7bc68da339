"""Rounds of contacts (联络轮次): how many are answered, lead to an appointment, end in a sale."""

from __future__ import annotations

from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.frames import Ratio, after, day, flag
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy import CoverageRule

_STEPS = ("contacts", "answers", "appointments", "sales")
_APPOINTED = ("appointment", "visit", "sale")


def with_rounds(
    customers: nw.LazyFrame[Any], contacts: nw.LazyFrame[Any], rule: CoverageRule, as_of: date
) -> nw.LazyFrame[Any]:
    """Return the customers with `round_<number>_<step>`: contacts of the contact period.

    Rounds beyond `rule.set_aside_after` count with it. Without a column `round` a customer's
    contacts are numbered by date.
    """
    on = day(contacts, "contacted_on")
    made = contacts.with_columns(_on=on).filter(~after(nw.col("_on"), as_of))
    if "round" not in contacts.collect_schema().names():
        made = made.with_columns(round=nw.col("_on").rank("min").over("customer_id"))
    made = made.filter(after(nw.col("_on"), cutoff(as_of, rule.contact_months)))
    outcome = nw.col("outcome")
    steps = (
        nw.lit(1),
        flag(outcome.is_in(rule.effective_outcomes)),
        flag(outcome.is_in(_APPOINTED)),
        flag(outcome == "sale"),
    )
    columns = {
        f"round_{number}_{step}": _in_round(number, rule) * counts
        for number in range(1, rule.set_aside_after + 1)
        for step, counts in zip(_STEPS, steps, strict=True)
    }
    made = made.select("customer_id", **columns)
    per_customer = made.group_by("customer_id").agg(nw.col(*columns).sum())
    return customers.join(per_customer, on="customer_id", how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in columns
    )


def round_ratios(rule: CoverageRule) -> list[Ratio]:
    """Return the three rates of every round; the last round is named with a plus."""
    last = rule.set_aside_after
    return [
        Ratio(measure, f"round_{number}_{step}", f"round_{number}_contacts",
              (("round", f"{number}+" if number == last else str(number)),))
        for number in range(1, last + 1)
        for measure, step in (
            ("round_answer_rate", "answers"),
            ("round_appointment_rate", "appointments"),
            ("round_sale_rate", "sales"),
        )
    ]  # fmt: skip


def round_columns(rule: CoverageRule, *, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: contacts per round and step, of the customers in the base."""
    counts = nw.col(f"in_{base}")
    names = [
        f"round_{number}_{step}" for number in range(1, rule.set_aside_after + 1) for step in _STEPS
    ]
    return {"customers": counts} | {name: counts * nw.col(name) for name in names}


def _in_round(number: int, rule: CoverageRule) -> nw.Expr:
    """Return 1 for contacts of a round; the last one takes those beyond."""
    if number == rule.set_aside_after:
        return flag(nw.col("round") >= number)
    return flag(nw.col("round") == number)
