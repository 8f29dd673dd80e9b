"""The prices of a certificate, what stays pay at them, and the bound they prove: NEIGHBOURHOOD.md's formula."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.planning.numbered import Ints
from api.planning.rulebook import parse_instant
from api.planning.verdicts import FULL, Cover, Judged, Place, Verdicts

Json = dict[str, Any]
Whole = NDArray[Any]
"""Whole numbers: of 64 bits where everything added up fits into them, Python's own where it does not."""
_FITS = 2**62
_MOST_KEPT = 50_000_000
"""Sums that are kept at a time, one a cover and bay group: 400 MB."""


class Charges:
    """
    Prices at instants, in 1/scale metre.

    Raises
    ------
    ValueError
        When built from a price that is not a whole number of at least 0, at no instant or at no bay group.
    """

    def __init__(self, certificate: Json, verdicts: Verdicts) -> None:
        self.scale = _whole_number("scale", certificate["scale"], least=1)
        self.place = np.array([_place(row, verdicts) for row in certificate["prices"]], dtype=np.int64)
        self.moment = np.array([parse_instant(row["at"]) for row in certificate["prices"]], dtype=np.int64)
        prices = [_whole_number("price", row["price"], least=0) for row in certificate["prices"]]
        most_m = int(np.abs(verdicts.asks.worth_m).max(initial=0)) + verdicts.policy.keep_value_m + 2**31
        fits = self.scale * most_m * len(verdicts.ids) + sum(prices) < _FITS
        self.price: Whole = np.array(prices, dtype=np.int64 if fits else object)
        self._verdicts = verdicts
        self._of_cover: dict[int, Whole] = {}

    def paid(self, place: Ints, cover: Ints) -> Whole:
        """Sum of the prices at the instants that each of some stays covers."""
        paid = np.zeros(len(place), dtype=self.price.dtype)
        order = np.argsort(cover, kind="stable")
        covers, begins = np.unique(cover[order], return_index=True)
        for number, mine in zip(covers.tolist(), np.split(order, begins)[1:], strict=True):
            paid[mine] = self._paid_everywhere(number)[place[mine]]
        return paid

    def _paid_everywhere(self, number: int) -> Whole:
        """Sum of the prices that one cover pays at each bay group, (P,)."""
        if number not in self._of_cover:
            if len(self._of_cover) * len(self._verdicts.places.names) >= _MOST_KEPT:
                self._of_cover.clear()
            self._of_cover[number] = self._sums(_stands(self._verdicts.covers[number], self.moment))
        return self._of_cover[number]

    def _sums(self, chosen: NDArray[np.bool_]) -> Whole:
        sums = np.zeros(len(self._verdicts.places.names), dtype=self.price.dtype)
        np.add.at(sums, self.place[chosen], self.price[chosen])
        return sums

    def short_m(self, judged: Judged, options: Ints) -> Whole:
        """Metres of value that some eligible options fall short of what they would pay, rounded up, none below 0."""
        paid = self.paid(judged.place[options], judged.cover[options])
        missing = paid - self.scale * judged.value_m[options].astype(self.price.dtype)
        short: Whole = np.maximum(0, -(-missing // self.scale))
        return short

    def gains(self, judged: Judged) -> int:
        """Σ over demands of max(0, max over eligible places of scale · value − what the stay pays there)."""
        options = np.flatnonzero(judged.why == FULL)
        paid = self.paid(judged.place[options], judged.cover[options])
        gain = self.scale * judged.value_m[options].astype(self.price.dtype) - paid
        best = np.zeros(len(judged.reason), dtype=self.price.dtype)
        np.maximum.at(best, judged.demand[options] - judged.first, gain)
        return int(best.sum())

    def rent_m(self) -> dict[Place, int]:
        """Sum of the prices of each bay group that has any, in whole metres, rounded up."""
        names, sums = self._verdicts.places.names, self._sums(np.ones(len(self.place), dtype=np.bool_))
        return {names[place]: -(-int(sums[place]) // self.scale) for place in np.unique(self.place).tolist()}

    def rents(self) -> int:
        """Σ price · capacity of the bay group at the instant."""
        rows = zip(self.place.tolist(), self.moment.tolist(), self.price.tolist(), strict=True)
        return sum(price * self._verdicts.capacity_at(place, moment) for place, moment, price in rows)


def bound_m(charges: Charges, gains: Iterable[int]) -> int:
    """Return the value in metres that no plan exceeds."""
    return (sum(gains) + charges.rents()) // charges.scale


def _stands(cover: Cover, moments: Ints) -> NDArray[np.bool_]:
    """Whether a car stands there at moments."""
    at = np.searchsorted(cover.begins, moments, side="right") - 1
    return (at >= 0) & (moments < np.append(cover.ends, 0)[at])


def _place(row: Json, verdicts: Verdicts) -> int:
    verdicts.group_index(row["facility"], row["bay_group"])
    return verdicts.place_of[row["facility"], row["bay_group"]]


def _whole_number(name: str, value: object, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} {value!r} is not a whole number of at least {least}")
    return value
