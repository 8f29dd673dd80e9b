"""How many cars stand in each bay group at each moment, and where that is more than there are bays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from api.planning.numbered import Ints
from api.planning.verdicts import Judged, Verdicts


class Stays(NamedTuple):
    """Cars that were given a place: where, the time they stand there, and what that is worth; (A,) each."""

    place: Ints
    cover: Ints
    value_m: Ints


def stays_at(judged: Judged, options: Ints) -> Stays:
    """Stays at some options."""
    return Stays(judged.place[options], judged.cover[options], judged.value_m[options])


def crowded_places(verdicts: Verdicts, stays: Sequence[Stays]) -> Iterator[tuple[int, int, int]]:
    """
    Places that hold more cars than bays, with cars and bays at the first such moment.

    Nothing changes but where a stay begins or ends or the hours of a facility have an edge, so only these moments are
    looked at; at each, whoever leaves has left and whoever comes has come.
    """
    if not stays:
        return
    place, cover = (np.concatenate([some[column] for some in stays]) for column in (0, 1))
    width = 1 + len(verdicts.covers)
    pairs, cars = np.unique(place * width + cover, return_counts=True)
    place, cover = np.divmod(pairs, width)
    held, begins = np.unique(place, return_index=True)
    moments = _moments(verdicts, np.unique(cover), held)
    comes = {number: _where(moments, verdicts.covers[number].begins) for number in np.unique(cover).tolist()}
    goes = {number: _where(moments, verdicts.covers[number].ends) for number in comes}
    ends = np.append(begins, len(pairs))[1:]
    for at, begin, end in zip(held.tolist(), begins.tolist(), ends.tolist(), strict=True):
        change = np.zeros(len(moments), dtype=np.int64)
        for number, count in zip(cover[begin:end].tolist(), cars[begin:end].tolist(), strict=True):
            change[comes[number]] += count
            change[goes[number]] -= count
        standing = np.cumsum(change)
        bays = _capacity(verdicts, at, moments)
        crowded = standing > bays
        if crowded.any():
            first = int(np.argmax(crowded))
            yield at, int(standing[first]), int(bays[first])


def _moments(verdicts: Verdicts, covers: Ints, places: Ints) -> Ints:
    """Moments at which the number of cars or of bays can change anywhere."""
    parts = [np.zeros(0, dtype=np.int64)]
    parts += [edges for number in covers.tolist() for edges in verdicts.covers[number][1:3]]
    facilities = dict.fromkeys(verdicts.places.names[place][0] for place in places.tolist())
    edges = {tuple(verdicts.hours(facility).edges) for facility in facilities}
    return np.unique(np.concatenate([*parts, *(np.array(some, dtype=np.int64) for some in edges)]))


def _where(moments: Ints, wanted: Ints) -> Ints:
    return np.searchsorted(moments, wanted)


def _capacity(verdicts: Verdicts, place: int, moments: Ints) -> Ints:
    """Bays of a bay group at moments."""
    facility, _ = verdicts.places.names[place]
    hours = verdicts.hours(facility)
    bays = np.array([*hours.bays[int(verdicts.places.position[place])], 0], dtype=np.int64)
    return bays[np.searchsorted(np.array(hours.edges, dtype=np.int64), moments, side="right") - 1]
