"""Analyse and report on a bank's existing customers (存量客户).

Three questions come first: how concentrated are the assets, who has gone dormant, how many
product families does a customer hold.

    bank ──> measures ──> evaluation ──> show ──> report

Array kernels (`gini`, `top_share`, …) take numbers and return a float. Frame functions
(`concentration`, `dormancy_rate`, …) take a pandas, Polars or DuckDB frame and return the measure
frame: `[*by], measure, base, n, numerator, denominator, value`, a `Result` that shows itself in
words and units. Names are loaded when first used.
"""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.resources import files

__version__ = "0.1.0"

_STUB = ast.parse(files(__name__).joinpath("__init__.pyi").read_text("utf-8"))
_HOME_OF = {
    name.name: str(line.module)
    for line in _STUB.body
    if isinstance(line, ast.ImportFrom)
    for name in line.names
}
__all__ = sorted(["__version__", *_HOME_OF])


def __getattr__(name: str) -> object:
    """Load a public name from its home, which `__init__.pyi` tells, when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME_OF[name]
    return (
        import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    )


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
