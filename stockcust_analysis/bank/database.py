"""A database that Ibis speaks to: its tables stay there, and the work is done there."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from stockcust_analysis.bank.bank import Bank
from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.mapping import Mapping
from stockcust_analysis.bank.tables import bank_of
from stockcust_analysis.core.engines import DatabaseEngine, Frame, class_names
from stockcust_analysis.errors import UsageError

_POSTGRES = ("postgres", "postgresql")
# Names of the classes by which drivers (PEP 249), Ibis and the system say that it cannot be.
_NO_CONNECTION = {"Error", "DatabaseError", "IbisError", "OSError", "ValueError"}


def open_database(url: str, words: Mapping, *, tables: Dictionary[str, str]) -> Bank:
    """Open the tables of a database; those named in `tables` must be there."""
    backend = _connected(url)
    engine = DatabaseEngine(backend, owned=True)
    try:
        there = set(backend.list_tables())
        found = {
            contract.name: _table(backend, tables.get(contract.name, contract.name))
            for contract in TABLES
            if contract.name in tables or contract.name in there
        }
        place = without_secrets(url)
        name = urlsplit(url).path.strip("/").split("/")[0] or urlsplit(url).scheme
        return bank_of(found, words, engine, place=place, name=name)
    except BaseException:
        engine.close()
        raise


def without_secrets(url: str) -> str:
    """Return a database's URL without user, password and options, fit for messages.

    >>> without_secrets("postgresql://ana:secret@db:5432/bank?password=x")
    'postgresql://db:5432/bank'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _connected(url: str) -> Any:
    """Return a connection; UsageError when there is none, with the driver's reason."""
    scheme = urlsplit(url).scheme
    extra = "stockcust_analysis[postgres]" if scheme in _POSTGRES else f"ibis-framework[{scheme}]"
    try:
        import ibis

        return ibis.connect(url)
    except ImportError:
        raise UsageError(
            f'{scheme} needs packages that are not installed: pip install "{extra}"'
        ) from None
    except Exception as error:
        if not class_names(error) & _NO_CONNECTION:
            raise
        told = _redacted(str(error).strip(), url)
        raise UsageError(f"cannot connect to {without_secrets(url)}: {told}") from None


def _redacted(text: str, url: str) -> str:
    """Return a driver's words without the password or any option of the URL."""
    parts = urlsplit(url)
    secrets = {url, parts.query, *(value for _, value in parse_qsl(parts.query))}
    if parts.password:
        secrets |= {parts.password, unquote(parts.password), unquote_plus(parts.password)}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _table(backend: Any, place: str) -> Frame:
    """Return a table by its name, with its schema in front where it has one."""
    *schema, name = place.rsplit(".", 1)
    try:
        return backend.table(name, database=schema[0] if schema else None)
    except Exception as error:
        if "TableNotFound" not in class_names(error):
            raise
        raise UsageError(f"the database has no table '{place}'.") from None
