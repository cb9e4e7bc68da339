"""What makes a function of customers a public measure: its table comes back as a result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from stockcust_analysis.core.results import About, Result
from stockcust_analysis.policy import as_policy

P = ParamSpec("P")


def measure(chart: str = "") -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Return a decorator of functions whose result knows its chart and the policy's words."""

    def decorate(compute: Callable[P, Result]) -> Callable[P, Result]:
        signature = inspect.signature(compute)

        @wraps(compute)
        def compute_result(*args: P.args, **kwargs: P.kwargs) -> Result:
            stated = signature.bind(*args, **kwargs).arguments
            result = compute(*args, **kwargs)
            result.about = About(chart, members=as_policy(stated.get("policy")).members)
            return result

        return compute_result

    return decorate
