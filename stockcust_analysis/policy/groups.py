"""Customer groups (横向分群): who they are called; a customer may belong to several."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CustomerGroup:
    """One group, under the code that the column `groups` of the customers holds."""

    name: str
    zh: str
    en: str
