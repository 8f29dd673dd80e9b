"""A solved neighbour to start from: its prices, and who stands where in its plan."""

from __future__ import annotations

from dataclasses import dataclass

from allocator.instance import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """
    Prices and plan of a solved base, told in the terms of the instance that is to be solved now.

    Attributes
    ----------
    price_bay_group, price_at, price
        (N,) prices in 1/scale metre for a bay group of the new instance at a minute; what the base had for bay groups
        that are gone is left out.
    scale
        Parts of a metre that prices count.
    taken
        (J,) demands of the base's plan that ask again and stood at each pair of the new instance.
    gap_m
        Metres between the base's value and bound: where as little is lost now, the plan is not improved any more.
    """

    price_bay_group: Ints
    price_at: Ints
    price: Ints
    scale: int
    taken: Ints
    gap_m: int = 0
