"""Sizes: how many customers stand behind an amount, and the two largest of them.

A branch's slice leaves out what is of few customers elsewhere; the largest are for the disclosure
control of a circulated edition alone. They know customers' amounts, so they are never printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core.calendar import PERIOD
from stockcust_analysis.core.frames import Table, collect_rows, flag
from stockcust_analysis.evaluation.results import BY_BRANCH, WHOLE_BANK
from stockcust_analysis.measures.growth import COMPONENTS
from stockcust_analysis.measures.registry import Spec, columns_of
from stockcust_analysis.policy import Policy

SIZE_COLUMNS = ("contributors", "largest", "second_largest")
# Amounts that are no measure's numerator.
_OWN_DENOMINATOR = ("attrition_outflow_share", "same_customer_growth")


def size_table(view: Table, specs: Sequence[Spec], policy: Policy) -> pd.DataFrame:
    """Return the sizes of all money measures of a view by period and branch, and of the bank.

    A denominator that is shown nowhere else is called `<measure>.denominator`.
    """
    labels, columns = _labelled_amounts(specs, policy), columns_of(specs, policy)
    amounts = dict.fromkeys(key for key, _ in labels)
    rows = view.select(*BY_BRANCH, **{key: columns[key] for key in amounts})
    return _sizes(rows, list(amounts), labels)


def contributor_columns(specs: Sequence[Spec], policy: Policy) -> dict[str, nw.Expr]:
    """Return what is summed to count the customers behind each amount."""
    columns = columns_of(specs, policy)
    keys = dict.fromkeys(key for key, _ in _labelled_amounts(specs, policy))
    return {f"contributors|{key}": flag(columns[key] != 0) for key in keys}


def contributor_table(totals: pd.DataFrame, specs: Sequence[Spec], policy: Policy) -> pd.DataFrame:
    """Return the contributors alone of all money measures, from the sums of their columns."""
    tables = [
        totals[BY_BRANCH].assign(contributors=totals[f"contributors|{key}"], **label)
        for key, label in _labelled_amounts(specs, policy)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _labelled_amounts(specs: Sequence[Spec], policy: Policy) -> list[tuple[str, dict[str, str]]]:
    """Return the summed column and the labels of every amount."""
    labels = []
    for spec in specs:
        for measure in spec.question.measures(policy):
            if not measure.is_money:
                continue
            columns = {measure.name: measure.numerator}
            if measure.name in _OWN_DENOMINATOR:
                columns[f"{measure.name}.denominator"] = str(measure.denominator)
            where = {"dimension": measure.dimension, "member": measure.member}
            labels += [
                (f"{spec.key}|{column}", {"measure": name, "base": spec.base, **where})
                for name, column in columns.items()
            ]
    return labels


def bridge_sizes(components: Table) -> pd.DataFrame:
    """Return the sizes of the growth bridge's components by branch, and of the bank."""
    steps = [name for name in COMPONENTS if name not in ("opening", "closing")]
    amounts = [f"{name}_cents" for name in steps]
    labels: list[tuple[str, dict[str, str]]] = [
        (
            f"{step}_cents",
            {"measure": "bridge", "base": "all", "dimension": "bridge", "member": step},
        )
        for step in steps
    ]
    view = components.with_columns(nw.lit(0, dtype=nw.Int64).alias(PERIOD))
    return _sizes(view.select(*BY_BRANCH, *amounts), amounts, labels)


def _sizes(
    rows: Table, amounts: Sequence[str], labels: Sequence[tuple[str, Mapping[str, str]]]
) -> pd.DataFrame:
    """Return `SIZE_COLUMNS` in CNY of each labelled amount."""
    wide = pd.DataFrame(collect_rows(_largest_two(rows, amounts))).set_index(BY_BRANCH).sort_index()
    if wide.empty:
        return pd.DataFrame(columns=[*BY_BRANCH, *SIZE_COLUMNS])
    wide = pd.concat([wide, _of_bank(wide, amounts)])
    tables = []
    for key, label in labels:
        table = wide[[f"{name}|{key}" for name in SIZE_COLUMNS]].set_axis([*SIZE_COLUMNS], axis=1)
        table[["largest", "second_largest"]] /= 100
        tables.append(table.assign(**label))
    return pd.concat(tables).reset_index()


def _largest_two(rows: Table, amounts: Sequence[str]) -> Table:
    """Return contributors, the largest and the second largest of each amount, signs apart.

    The second largest equals the largest where two customers have it.
    """
    sized = rows.with_columns(nw.col(name).abs().alias(f"size|{name}") for name in amounts)
    tops = sized.group_by(*BY_BRANCH).agg(
        nw.col(f"size|{name}").max().alias(f"largest|{name}") for name in amounts
    )
    sized = sized.join(tops, on=BY_BRANCH, how="left")
    columns: dict[str, nw.Expr] = {}
    for name in amounts:
        size, top = nw.col(f"size|{name}"), nw.col(f"largest|{name}")
        columns[f"contributors|{name}"] = flag(size > 0)
        columns[f"times|{name}"] = flag(size == top)
        columns[f"below|{name}"] = size * flag(size < top)
    counted = [name for name in columns if not name.startswith("below|")]
    facts = sized.select(*BY_BRANCH, *(f"largest|{name}" for name in amounts), **columns)
    facts = facts.group_by(*BY_BRANCH).agg(
        *(nw.col(name).sum() for name in counted),
        *(nw.col(f"{kind}|{name}").max() for kind in ("below", "largest") for name in amounts),
    )
    second = {
        f"second_largest|{name}": nw.when(nw.col(f"times|{name}") > 1)
        .then(nw.col(f"largest|{name}"))
        .otherwise(nw.col(f"below|{name}"))
        for name in amounts
    }
    kept = [f"{kind}|{name}" for kind in ("contributors", "largest") for name in amounts]
    return facts.select(*BY_BRANCH, *(nw.col(name).cast(nw.Int64) for name in kept), **second)


def _of_bank(wide: pd.DataFrame, amounts: Sequence[str]) -> pd.DataFrame:
    """Return the whole bank's sizes by period: each customer is in one branch."""
    rows = []
    for period, branches in wide.groupby(level=PERIOD):
        bank = branches.sum()
        for name in amounts:
            both = np.sort(branches[[f"largest|{name}", f"second_largest|{name}"]], axis=None)
            bank[f"largest|{name}"], bank[f"second_largest|{name}"] = both[-1], both[-2]
        rows.append(bank.to_frame((period, WHOLE_BANK)).T)
    return pd.concat(rows).rename_axis(BY_BRANCH)
