"""The evaluation of a quarter as small tables, their folder, and each branch's slice of them.

A branch's page prints the bank's shares and averages beside its own. Sums from which the amount of
one customer of another branch follows (a total less the total without the largest, a tier of one)
are in no slice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stockcust_analysis.core.files import make_folder, write_json, write_text
from stockcust_analysis.core.frames import PERIOD
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.concentration import CONCENTRATION
from stockcust_analysis.policy import as_policy

WHOLE_BANK = "@bank"
"""The branch_id under which the whole bank stands; the sign keeps it from meeting a branch."""
UNKNOWN = "not_provided"
"""What a page says of AUM where deposits are all that is known of it."""
BY_BRANCH = [PERIOD, "branch_id"]
"""What the views of a bank are grouped by."""
_LABELS = ("quarter", "as_of", "branch_id", "dimension", "member", "measure", "base")
MEASURE_COLUMNS = (*_LABELS, "n", "numerator", "denominator", "value")
WORKING_FOLDERS = (Path(), Path(".."))
"""Where a notebook's relative paths are looked for."""
_FACTS = "facts.json"  # written last: a folder without it holds no evaluation
_BRANCHES = ("name", "region", "type", "opened_on", "merged_on", "check")
_MOVES = ("structure", "from", "to", "component", "family_a", "family_b")
_LISTS = ("list", "due_on", "evidence")
_SCORES = ("group", "indicator", "method", "direction", "target_source", "note")
_PEERS = ("peer_group", "kind", "verdict")
_ASIDE = ("table", "column")
_REVIEWED = ("lint", "subject", "detail", "reason", "state", "error")
_TEXT = {*_LABELS, *_BRANCHES, *_MOVES, *_LISTS, *_SCORES, *_PEERS, *_ASIDE, *_REVIEWED}
"""Columns of text in all tables, however much they look like numbers."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of a quarter: small pandas frames that every page is made from.

    `evaluate` makes it, `save` and `open_evaluation` keep it. Money is in CNY, shares are between
    0 and 1, and the whole bank has the branch_id "@bank".

    Attributes
    ----------
    quarter : Quarter
        The quarter reported; `measures` and `cells` also hold those it is compared with.
    bank_name : str
        Name of the bank's folder or database.
    policy_facts : dict
        Name, version and rules of the policy, as pages print them.
    branches : DataFrame
        One row per branch that reports: name, region, type, opened_on.
    measures : DataFrame
        One row per quarter, branch, dimension member, measure and base: n, numerator, denominator,
        value.
    lorenz, co_holding : DataFrame
        The Lorenz curve and the pairs of product families held together, per branch.
    migration, bridge : DataFrame
        Against the previous quarter, under today's branches (`structure` "today") and as issued.
    previous_migration, previous_bridge : DataFrame
        The same of the previous quarter against the one before, under today's branches alone;
        without rows where that quarter is not delivered, or the reported one is not over.
    targets : DataFrame
        What branches are to reach this quarter, as the bank delivers it.
    reconciliation : DataFrame
        How customers, holdings and ledger agree, with their differences.
    scorecard, scores, comparison : DataFrame
        Points per indicator, points and rank per branch, and each branch among its peers.
    cells : DataFrame
        Contributors and spread behind each amount, for comparison and disclosure; never printed.
    worklists, outcomes : DataFrame
        Counts of the work lists and what became of earlier ones; empty from `evaluate`.
    set_aside : DataFrame
        Rows of the extracts in no figure, where the mapping's `[tolerance]` allows any.

    See `open_evaluation` for an example.
    """

    quarter: Quarter
    bank_name: str
    policy_facts: Mapping[str, Any]
    branches: pd.DataFrame
    measures: pd.DataFrame
    lorenz: pd.DataFrame
    co_holding: pd.DataFrame
    migration: pd.DataFrame
    bridge: pd.DataFrame
    targets: pd.DataFrame
    reconciliation: pd.DataFrame
    worklists: pd.DataFrame = field(default_factory=pd.DataFrame)
    outcomes: pd.DataFrame = field(default_factory=pd.DataFrame)
    scorecard: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    comparison: pd.DataFrame = field(default_factory=pd.DataFrame)
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    set_aside: pd.DataFrame = field(default_factory=pd.DataFrame)
    previous_migration: pd.DataFrame = field(default_factory=pd.DataFrame)
    previous_bridge: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def has_sizes(self) -> bool:
        """Whether the two largest customers of each amount are known, as to circulate it."""
        return "largest" in self.cells and bool(self.cells["largest"].notna().any())

    def __repr__(self) -> str:
        """Return what is held, and how to go on."""
        first = self.branches["branch_id"].iloc[0] if len(self.branches) else "B001"
        tables = ", ".join(f"{name} {len(table):,}" for name, table in tables_of(self).items())
        return (
            f"<Evaluation {self.quarter} of {self.bank_name!r}: {len(self.branches)} branches; "
            f"rows: {tables}>\n"
            f"Go on: ev.measures, ev.scores, ev.of_branch({first!r}), ev.save(folder)"
        )

    def _repr_html_(self) -> str:
        return f"<pre style='white-space:pre-wrap'>{escape(repr(self))}</pre>"

    def branch_name(self, branch_id: str) -> str:
        """Return a branch's name.

        Parameters
        ----------
        branch_id : str
            UsageError with close matches when it does not report.
        """
        return self._names[require_known("branch_in", branch_id, self._names, self.quarter)]

    def of_branch(self, branch_id: str) -> Evaluation:
        """Return the slice that one branch's page needs: its own rows and the whole bank's.

        No amount of another branch's customer follows from it (see `without_others`). Cell facts
        are no page's: they know the amounts of the largest customers.

        Parameters
        ----------
        branch_id : str
            UsageError with close matches when it does not report.
        """
        self.branch_name(branch_id)
        tables = {}
        for name, rows in self.rows_by_branch.items():
            positions = [rows.get(key, []) for key in (branch_id, WHOLE_BANK)]
            order = np.sort(np.concatenate(positions)).astype("int64")
            tables[name] = getattr(self, name).take(order).reset_index(drop=True)
        least = int(self.policy_facts.get("smallest_cell", 5))
        cells = tables.pop("cells", self.cells)
        changed: dict[str, Any] = without_others(tables, cells, branch_id=branch_id, least=least)
        return replace(self, **changed, cells=self.cells.head(0))

    @cached_property
    def rows_by_branch(self) -> dict[str, dict[Any, Any]]:
        """Table → branch → positions of its rows, of the tables that have branches."""
        return {
            name: frame.groupby("branch_id", sort=False).indices
            for name, frame in tables_of(self).items()
            if "branch_id" in frame
        }

    @cached_property
    def _names(self) -> dict[str, str]:
        return dict(zip(self.branches["branch_id"], self.branches["name"], strict=True))

    def save(self, folder: str | Path) -> None:
        """Write the tables as CSV, readable as `core.files.Access` says: by their owner alone.

        Parameters
        ----------
        folder : str or Path
            Made where it is missing; `open_evaluation` reads it.
        """
        write_evaluation(self, Path(folder) / _FACTS)


def policy_label(facts: Mapping[str, Any]) -> str:
    """Return what a page calls the policy of an evaluation: name, version, start of its digest."""
    return f"{facts['name']} {facts['version']} ({facts.get('digest', '')[:12]})"


def new_branches(branches: pd.DataFrame, quarter: Quarter) -> dict[str, tuple[str, str]]:
    """Return the branches that opened or merged in the quarter's year: which of both, and when.

    They are ranked by no quarter in which they ramp up, and count among nobody's peers.
    """
    end, found = quarter.end.isoformat(), {}
    for event in ("opened", "merged"):
        days = branches.get(f"{event}_on", pd.Series("", index=branches.index)).fillna("")
        for branch, day in zip(branches["branch_id"], days.astype(str).str[:10], strict=True):
            if end[:4] < day <= end:
                found[branch] = (event, day)
    return found


def tables_of(holder: object) -> dict[str, pd.DataFrame]:
    """Return the tables that an object holds and that have columns, by name."""
    tables = {name: v for name, v in vars(holder).items() if isinstance(v, pd.DataFrame)}
    return {name: table for name, table in tables.items() if len(table.columns)}


def write_evaluation(evaluation: Evaluation, file: Path, *others: object, **more: Any) -> None:
    """Write its tables, and those that `others` hold, as CSV, then its facts and `more` beside."""
    make_folder(file.parent)
    for holder in (evaluation, *others):
        for name, table in tables_of(holder).items():
            text = table.to_csv(index=False, lineterminator="\n")
            write_text(file.with_name(f"{name}.csv"), text)
    facts = {"quarter": str(evaluation.quarter), "bank_name": evaluation.bank_name}
    write_json(file, facts | {"policy": dict(evaluation.policy_facts)} | more)


def find_folder(folder: str | Path, holding: str = _FACTS) -> Path | None:
    """Return a folder that holds a file, looked for here and in the folder above; None without.

    Notebooks run in their own folder from JupyterLab, in the project's from papermill.
    """
    paths = (parent / folder for parent in WORKING_FOLDERS)
    return next((path for path in paths if (path / holding).exists()), None)


def open_evaluation(folder: str | Path) -> Evaluation:
    """Read an evaluation that was saved, without computing anything anew.

    Parameters
    ----------
    folder : str or Path
        What `Evaluation.save` wrote, or a quarter's folder of reports such as "reports/2026Q3".

    Returns
    -------
    Evaluation
        Equal to what was saved, bit by bit.

    Raises
    ------
    UsageError
        The folder holds no evaluation.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from stockcust_analysis import evaluate
    >>> with TemporaryDirectory() as folder:
    ...     evaluate("data/sample", quarter="2025Q3", first_quarter=True).save(Path(folder))
    ...     evaluation = open_evaluation(folder)
    >>> str(evaluation.quarter), evaluation.branch_name("B001")
    ('2025Q3', '总行营业部')
    """
    path = Path(folder)
    files = (path / _FACTS, path / "evaluation" / _FACTS)
    file = next((file for file in files if file.exists()), None)
    if file is None:
        raise UsageError(say("no_evaluation", path))
    return read_evaluation(file)[0]


def read_evaluation(file: Path) -> tuple[Evaluation, dict[str, Any]]:
    """Return the evaluation beside a file of facts, and all of these."""
    facts = json.loads(file.read_text(encoding="utf-8"))
    tables: dict[str, Any] = read_tables(file.parent, Evaluation)
    quarter = Quarter.parse(facts["quarter"])
    return Evaluation(quarter, facts["bank_name"], facts["policy"], **tables), facts


def read_tables(folder: Path, holder: Any) -> dict[str, pd.DataFrame]:
    """Read the tables of a class exactly as they were: texts that look like numbers stay texts.

    A branch may be called "NA"; only numbers can be missing.
    """
    tables = {}
    for path in (folder / f"{part.name}.csv" for part in fields(holder)):
        if path.exists():
            header = path.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
            gaps = {name: [""] for name in header if name not in _TEXT}
            options: dict[str, Any] = {"keep_default_na": False, "na_values": gaps}
            types = dict.fromkeys(_TEXT.intersection(header), "str")
            tables[path.stem] = pd.read_csv(path, dtype=types, encoding="utf-8", **options)
    return tables


_KEY: Final = ["quarter", "measure", "base", "dimension", "member"]
_OWN_ALONE: Final = ("migration", "co_holding", "previous_migration", "previous_bridge")
# Of the bank's bridge a page needs the change alone.
_ENDS: Final = ("opening", "closing")
# Exact, for its change over time is printed, and it is of a fifth of all customers.
_EXACT: Final = "top_20_share"
# Of its tiers the bank's shares alone are printed, and they add up to one.
_AMOUNT, _SHARE = "tier_aum", "tier_aum_share"


def without_others(
    tables: Mapping[str, pd.DataFrame], cells: pd.DataFrame, *, branch_id: str, least: int
) -> dict[str, pd.DataFrame]:
    """Return a branch's tables without what reveals the amount of another branch's customer.

    Parameters
    ----------
    tables
        The branch's rows and the whole bank's, by the names of an evaluation's tables.
    cells
        Cell facts of the same rows; where there are none, those of amounts are taken as checked.
    branch_id
        Whose they are.
    least
        Fewest customers of other branches of whom an amount may stand there.

    Returns
    -------
    dict
        The tables. The bank's measures carry no numerator and denominator; an amount of fewer than
        `least` customers elsewhere is left out; measures of concentration and shares of tiers are
        rounded as they are printed, and left out where there are so few elsewhere. The bank's
        Lorenz curve rises in steps of at least so many customers. Migration and co-holding are the
        branch's alone, and of the bank's bridge there are both ends.
    """
    result, measures = dict(tables), tables["measures"]
    funded = (measures["measure"] == "customers") & (measures["base"] == "funded")
    newest = measures[funded & (measures["quarter"] == measures.loc[funded, "quarter"].max())]
    customers = dict(zip(newest["branch_id"], newest["value"], strict=True))
    number = customers.get(WHOLE_BANK, 0)
    few = WHOLE_BANK in customers and number - customers.get(branch_id, 0) < least
    result["measures"] = _without_few_elsewhere(measures, _few_elsewhere(cells, least), few=few)
    if "customer_share" in tables.get("lorenz", ()):
        step = least / number if number and not few else float(few)
        result["lorenz"] = _in_steps(tables["lorenz"], step)
    if "amount" in result.get("set_aside", ()):
        aside = result["set_aside"]
        of_bank = aside["branch_id"] == WHOLE_BANK
        result["set_aside"] = aside.assign(amount=aside["amount"].mask(of_bank))
    for name in (*_OWN_ALONE, "bridge"):
        if name in tables:
            own = tables[name]["branch_id"] != WHOLE_BANK
            if name == "bridge" and not few:
                own |= tables[name]["component"].isin(_ENDS)
            result[name] = tables[name][own].reset_index(drop=True)
    return result


def _few_elsewhere(cells: pd.DataFrame, least: int) -> list[Any]:
    """Return the amounts behind which fewer than `least` customers of other branches stand."""
    if cells.empty:
        return []
    sign = np.where(cells["branch_id"] == WHOLE_BANK, 1, -1)
    numbers = cells.assign(theirs=sign * cells["contributors"])
    others = numbers.dropna(subset=["theirs"]).groupby(_KEY)["theirs"].sum()
    return others.index[others < least].tolist()


def _without_few_elsewhere(
    measures: pd.DataFrame, amounts: list[Any], *, few: bool
) -> pd.DataFrame:
    """Return the measures, the bank's as its branches may know them."""
    theirs = measures["branch_id"] == WHOLE_BANK
    rounded = _decimals()
    hidden = pd.MultiIndex.from_frame(measures[_KEY]).isin(amounts)
    hidden &= ~measures["measure"].isin(rounded)
    hidden |= (measures["measure"] == _AMOUNT) | (few & measures["measure"].isin(rounded))
    shown = measures[~(theirs & hidden)].reset_index(drop=True)
    theirs = shown["branch_id"] == WHOLE_BANK
    shown.loc[theirs, ["numerator", "denominator"]] = np.nan
    decimals = shown["measure"].map(rounded).where(theirs)
    for number in decimals.dropna().unique():
        rows = decimals == number
        shown.loc[rows, "value"] = shown.loc[rows, "value"].astype(float).round(int(number))
    return shown


def _decimals() -> dict[str, int]:
    """Return the decimals of measures that are rounded as printed; shares are parts of one."""
    questions, policy = CONCENTRATION.values(), as_policy(None)
    concentration = {m.name for question in questions for m in question.measures(policy)}
    rounded = map(measure_definition, concentration - {_EXACT} | {_SHARE})
    return {d.name: d.decimals + (2 if d.kind == "share" else 0) for d in rounded}


def _in_steps(lorenz: pd.DataFrame, step: float) -> pd.DataFrame:
    """Return the curves, the bank's in steps of at least that share of its customers."""
    of_bank = lorenz["branch_id"] == WHOLE_BANK
    theirs = lorenz[of_bank].sort_values("customer_share")
    rows, last = list(lorenz.index[~of_bank]), -step
    for row, share in theirs["customer_share"].items() if step < 1 else ():
        # The last step ends with everybody: what lies too close before it is left out.
        if share in (0, 1) or min(share - last, 1 - share) >= step - 1e-12:
            rows.append(row)
            last = share
    return lorenz.loc[sorted(rows)].reset_index(drop=True)
