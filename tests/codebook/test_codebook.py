"""The package's figures are those that the codebook's text describes."""

import ast
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import stockcust_analysis as sca
from tests.codebook.edge_bank import QUARTERS, make_edge_bank
from tests.codebook.recompute import BANK, as_table, customers_at, of_pair, of_quarter
from tests.codebook.recompute_bank import Bank, make_bank, read_folder
from tests.codebook.recompute_worklists import outcomes
from tests.engines.banks import in_polars

SAMPLE = {
    "2025Q3": "2025-09-30",
    "2025Q4": "2025-12-31",
    "2026Q1": "2026-03-31",
    "2026Q2": "2026-06-30",
    "2026Q3": "2026-09-30",
}
LEFT_OUT = {
    "customers": ["profile_complete", "closed_on", "loan_balance", "exclusion", "do_not_contact"],
    "holdings": ["used_recently", "opened_on", "last_active_on", "rolls_over"],
    "contacts": ["round"],
}
KEY = ["branch_id", "dimension", "member", "measure", "base"]
FIGURES = ["n", "numerator", "denominator", "value"]
CENT = 0.005
# Drawn at random, with columns left out and branches of one customer, the banks are odd on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:contacts. .* rows are the same as another:UserWarning"),
    pytest.mark.filterwarnings("ignore::stockcust_analysis.bank.suspicions.SuspicionWarning"),
]


@pytest.fixture(scope="module")
def golden() -> pd.DataFrame:
    """Return the accepted figures of the sample bank."""
    return pd.read_csv("tests/golden/2026Q3_measures.csv")


@pytest.fixture(scope="module")
def sample() -> Bank:
    """Return the sample bank under the shipped policy."""
    return make_bank(read_folder(Path("data/sample")), SAMPLE["2026Q3"])


@pytest.fixture(scope="module")
def recomputed(sample: Bank) -> pd.DataFrame:
    """Return the sample bank's figures, from the codebook's text."""
    opening, closing = (customers_at(sample, pd.Timestamp(SAMPLE[q])) for q in ("2026Q2", "2026Q3"))
    now = as_table(of_quarter(sample, closing, sample.today))
    return pd.concat([now, as_table(of_pair(sample, opening, closing))], ignore_index=True)


def recompute(bank: Bank, quarters: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Return the figures of each quarter, those of two dates with the newest two."""
    opening = None
    figures = {}
    for quarter, day in quarters.items():
        as_of = pd.Timestamp(day)
        closing = customers_at(bank, as_of)
        figures[quarter] = as_table(of_quarter(bank, closing, as_of))
        if opening is not None and day in [*quarters.values()][-2:]:
            changed = as_table(of_pair(bank, opening, closing))
            if as_of != bank.today:  # how much of the change is number, how much size: of today's
                changed = changed[~changed["measure"].str.startswith("aum_change")]
            figures[quarter] = pd.concat([figures[quarter], changed], ignore_index=True)
        opening = closing
    return figures


def differences(expected: pd.DataFrame, recomputed: pd.DataFrame) -> pd.DataFrame:
    """Return figures that only one side has, or that differ: counts at all, money by a cent."""
    expected = expected.fillna({"dimension": "", "member": ""})
    both = expected.merge(recomputed, on=KEY, how="outer", suffixes=("", "_again"), indicator=True)
    kind = both["measure"].map(kinds())
    allowed = (
        pd.Series(1e-9, index=both.index).mask(kind.eq("count"), 0).mask(kind.eq("money"), CENT)
    )
    wrong = both["_merge"].ne("both")
    for figure, limit in zip(FIGURES, (0, CENT, CENT, allowed), strict=True):
        one, other = both[figure], both[f"{figure}_again"]
        wrong |= ~((one - other).abs().le(limit) | (one.isna() & other.isna()))
    return both[wrong].drop(columns="as_of", errors="ignore")


def kinds() -> dict[str, str]:
    """Return what each measure is: money, count, share, ratio or index."""
    chapters = tomllib.loads(Path("stockcust_analysis/codebook.toml").read_text("utf-8")).values()
    entries = [(name, entry) for chapter in chapters for name, entry in chapter.items()]
    return {name: entry["kind"] for name, entry in entries if isinstance(entry, dict)}


def test_every_measure_is_recomputed(golden: pd.DataFrame, recomputed: pd.DataFrame) -> None:
    """Every measure, dimension and base of the accepted figures is recomputed, and no other."""
    asked = golden.fillna({"dimension": ""})
    asked = set(asked[["measure", "dimension", "base"]].itertuples(index=False, name=None))
    answered = recomputed[["measure", "dimension", "base"]].itertuples(index=False, name=None)
    assert asked == set(answered)


def test_every_measure_of_the_codebook_is_recomputed(recomputed: pd.DataFrame) -> None:
    """The codebook has no measure that nobody recomputes; outcomes are recomputed below."""
    rest = {name for name in kinds() if not name.startswith("outcome_")}
    assert rest == set(recomputed["measure"])


@pytest.mark.parametrize("branch", [BANK, "B001", "B002", "B008"])
def test_figures_of_the_sample(golden: pd.DataFrame, recomputed: pd.DataFrame, branch: str) -> None:
    """The accepted figures of the bank, a branch, one of whales and a merged one are the text's."""
    expected = golden[golden["branch_id"].eq(branch)]
    found = differences(expected, recomputed[recomputed["branch_id"].eq(branch)])
    assert len(expected) == 173
    assert found.empty, found.to_string()


def test_figures_of_all_branches(golden: pd.DataFrame, recomputed: pd.DataFrame) -> None:
    """The accepted figures of every branch, also of a tiny and a new one, are the text's."""
    found = differences(golden, recomputed)
    assert found.empty, found.to_string()


@pytest.mark.slow
def test_figures_of_earlier_quarters(sample: Bank) -> None:
    """The four quarters before, on today's structure, are the text's as well."""
    with sca.open_bank("data/sample") as bank:
        measures = sca.evaluate(bank, quarter="2026Q3").measures
    for quarter, again in recompute(sample, SAMPLE).items():
        found = differences(measures[measures["quarter"].eq(quarter)], again)
        assert found.empty, found.to_string()


@pytest.mark.parametrize(
    "seed", [24, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 5, 31))]
)
def test_figures_of_a_bank_of_edges(seed: int) -> None:
    """Ties, borders, gaps, merged and empty branches, unknown truths: the text decides them."""
    assert_recomputed(make_edge_bank(seed))


@pytest.mark.slow
def test_figures_without_optional_columns() -> None:
    """Where profiles, use, rounds or openings are not delivered, the text says what holds."""
    tables = make_edge_bank(7)
    for table, columns in LEFT_OUT.items():
        tables[table] = tables[table].drop(columns=columns)
    assert_recomputed(tables)


def assert_recomputed(tables: dict[str, pd.DataFrame]) -> None:
    """Evaluate a bank and compare every quarter with the recomputation."""
    with sca.open_bank(in_polars(tables, Path())) as bank:
        measures = sca.evaluate(bank, quarter="2026Q3").measures
    again = recompute(make_bank(tables, QUARTERS["2026Q3"]), QUARTERS)
    for quarter in QUARTERS:
        found = differences(measures[measures["quarter"].eq(quarter)], again[quarter])
        assert found.empty, found.to_string()


def test_outcomes_of_an_earlier_list() -> None:
    """What became of the listed, contacted and not, is what the codebook's text says."""
    tables = make_edge_bank(30)
    contacts = tables["contacts"][["customer_id", "contacted_on", "outcome"]].iloc[::12]
    bank = make_bank(tables, QUARTERS["2026Q3"])
    listed_on, as_of = (pd.Timestamp(day) for day in QUARTERS.values())
    opening, closing = customers_at(bank, listed_on), customers_at(bank, as_of)
    measured = sca.worklist_outcomes(
        pd.DataFrame({"list": "dormant", "customer_id": opening.index[:200]}),
        contacts,
        opening=in_yuan(opening),
        closing=in_yuan(closing),
        listed_on=listed_on.date(),
        as_of=as_of.date(),
    ).assign(branch_id=BANK, dimension="group", member=lambda table: table["group"])
    rows = outcomes(opening.index[:200], contacts, opening, closing, listed_on, as_of)
    found = differences(measured, as_table({BANK: rows}))
    assert found.empty, found.to_string()


def in_yuan(customers: pd.DataFrame) -> pd.DataFrame:
    """Return who is in what state with how much, as an analyst would have it."""
    table = customers[["status", "aum_period_end"]].reset_index()
    return table.assign(aum_period_end=table["aum_period_end"] / 100)


def test_the_recomputation_stands_alone() -> None:
    """No module that recomputes imports the package, its other tests or its benchmarks."""
    for file in Path(__file__).parent.glob("*.py"):
        if file.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                assert not module.startswith(("stockcust_analysis", "benchmarks")), file.name
                assert not module.startswith("tests") or module.startswith("tests.codebook")
