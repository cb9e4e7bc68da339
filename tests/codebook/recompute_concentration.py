"""How unequally the period-end AUM of the funded customers is spread."""

import numpy as np
import pandas as pd

from tests.codebook.recompute_bank import Row

NAN = float("nan")


def concentration(customers: pd.DataFrame) -> list[Row]:
    """Measure concentration of the whole base, then without the largest customers."""
    amounts = customers.loc[customers["funded"], "aum_period_end"].to_numpy(float) / 100
    largest_first = np.sort(amounts)[::-1]
    n, total = len(amounts), amounts.sum()
    rows = [
        _row("gini", n, _gini(largest_first), total),
        _row("ten_largest_share", n, largest_first[:10].sum(), total),
        _row("herfindahl", n, (amounts**2).sum() / total if total else 0, total),
        _row("share_of_customers_holding_80", n, _holders(largest_first, 0.8), n),
    ]
    for percent in (1, 5, 10, 20):
        rows.append(_row(f"top_{percent}_share", n, _top(largest_first, percent / 100), total))
    for k in (1, 10):
        rest = largest_first[k:]
        rows += [
            _row(f"gini_without_{k}", len(rest), _gini(rest), rest.sum()),
            _row(f"top_20_share_without_{k}", len(rest), _top(rest, 0.2), rest.sum()),
        ]
    return rows


def _row(measure: str, n: int, numerator: float, denominator: float) -> Row:
    """Return a row of the funded."""
    return Row(measure, "funded", n, numerator, denominator)


def _gini(largest_first: np.ndarray) -> float:
    """Return Σ (2i − n − 1)·xᵢ / n with x ascending: the Gini coefficient times Σx."""
    n = len(largest_first)
    place = np.arange(1, n + 1)
    return float(((2 * place - n - 1) * largest_first[::-1]).sum() / n) if n else 0.0


def _top(largest_first: np.ndarray, fraction: float) -> float:
    """Return what the largest fraction of the customers hold, cutting through one of them."""
    place = np.arange(1, len(largest_first) + 1)
    counted = np.clip(fraction * len(largest_first) - (place - 1), 0, 1)
    return float((counted * largest_first).sum())


def _holders(largest_first: np.ndarray, share: float) -> float:
    """Return how many of the largest customers hold the share, cutting through one of them."""
    wanted = share * largest_first.sum()
    if not wanted:
        return NAN
    held = np.cumsum(largest_first)
    whole = int(np.searchsorted(held, wanted))
    before = held[whole - 1] if whole else 0.0
    return float(whole + (wanted - before) / largest_first[whole])
