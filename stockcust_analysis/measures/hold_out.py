"""A random part of the customers held out of all work lists, to learn what lists bring."""

from __future__ import annotations

from hashlib import sha256

import pandas as pd

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import as_lazy, collect_rows, native_like
from stockcust_analysis.errors import UsageError


def hold_out(lists: Frame, *, share: float = 0.1, seed: int) -> Frame:
    """Return the lists with `held_out`, 1 for a random share of the customers.

    The draw is a hash of seed and customer: the same for any order, list, branch and run. Held-out
    customers stay off the sheets; comparing them with the others tells what lists bring.

    >>> import pandas as pd
    >>> lists = pd.DataFrame({"customer_id": [str(number) for number in range(1000)]})
    >>> 70 < int(hold_out(lists, share=0.1, seed=1)["held_out"].sum()) < 130
    True
    """
    if not 0 <= share < 1:
        raise UsageError(f"share must be 0 or more, and below 1; given {share}.")
    columns = collect_rows(as_lazy(lists))
    drawn = [int(_drawn(seed, customer) < share) for customer in columns["customer_id"]]
    return native_like(pd.DataFrame({**columns, "held_out": drawn}), lists)


def _drawn(seed: int, customer: object) -> float:
    """Return a number from 0 to 1, even over customers, the same for ever."""
    digest = sha256(f"{seed}:{customer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
