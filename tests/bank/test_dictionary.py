"""The data dictionary in the docs is the contract, word for word."""

from stockcust_analysis.bank.contract import TABLES
from tests.scripts import script_of_docs

SCRIPT = script_of_docs("make_reference")
PAGE = SCRIPT.REFERENCE / "data-dictionary.md"


def test_the_page_is_printed_from_the_contract() -> None:
    """docs/reference/data-dictionary.md equals what the contract says today."""
    assert PAGE.read_text(encoding="utf-8") == SCRIPT.data_dictionary()


def test_every_column_has_its_row() -> None:
    """Each table has a section and each column a row with its Chinese name."""
    page = PAGE.read_text(encoding="utf-8")
    for table in TABLES:
        assert f"\n## {table.name}" in page
        for column in table.columns:
            assert f"| `{column.name}`" in page
            assert column.zh in page
