"""Product families (产品大类) and channels, and what shows that one of them is in use."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.errors import PolicyError

EVIDENCE = ("balance", "in_force", "used", "held")


@dataclass(frozen=True)
class Family:
    """A product family (产品大类) or a channel: its products, and what shows that it is in use.

    `active_if` lists the evidence of which one suffices: `balance` above zero, a policy `in_force`
    (not matured), `used` recently, or merely `held`.
    """

    name: str
    zh: str
    en: str
    products: tuple[str, ...]
    active_if: tuple[str, ...] = ("balance",)

    def __post_init__(self) -> None:
        """Refuse evidence that nothing can look for."""
        unknown = [evidence for evidence in self.active_if if evidence not in EVIDENCE]
        if unknown:
            raise PolicyError(f"{self.name}: active_if takes {', '.join(EVIDENCE)}; not {unknown}.")


@dataclass(frozen=True)
class ProductFamilies:
    """Families count towards cross-sell; channels are shown only; AUM products add up to AUM."""

    families: tuple[Family, ...]
    channels: tuple[Family, ...] = ()
    aum_products: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a product that would be counted in two families."""
        products = [name for family in self.families + self.channels for name in family.products]
        twice = sorted({name for name in products if products.count(name) > 1})
        if twice:
            raise PolicyError(f"products in more than one family: {', '.join(twice)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the families, in the policy's order."""
        return tuple(family.name for family in self.families)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in the policy's order."""
        return tuple(channel.name for channel in self.channels)
