"""The lists lived forward to the end of the term, once for every draw of the rates."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numba
import numpy as np

from api.waitlist.lists import WEEK, Bools, Floats, Ints, Lists
from api.waitlist.rates import Rates


class _Standing(NamedTuple):
    """`Lists` as compiled code takes them, and the entries of every bay group, best rank first."""

    facility: Ints
    free: Ints
    entry_days: Ints
    list_ptr: Ints
    list_entry: Ints
    permit_group: Ints
    permit_days: Ints
    offer_group: Ints
    offer_days: Ints
    offer_listed: Bools
    offer_waited_d: Floats
    offer_left_d: Floats
    window_d: Floats
    begins_d: float
    day_part: float


class _Future(NamedTuple):
    """One draw of `Rates`."""

    plan_refused: Floats
    list_refused: Floats
    given_up: Floats
    left: float
    refused_after: Floats
    accepted_after: Floats


def reached_by_day(lists: Lists, rates: Rates, *, seed: int) -> Ints:
    """
    Count (E, D) in how many futures an entry has been reached by the end of day 0, 1, … of the rest of the term.

    In every future offers still open are taken up or refused, permits given up, and every bay that comes free goes to
    the first in rank who wants no more than what is free: as an offer, which may be refused again. Those ahead leave
    the list at their own rate. An entry that has left takes nothing, but is counted when its turn would have come: the
    question is when a household is reached *that stays*.
    """
    reached = np.zeros((lists.num_entries, len(lists.window_d)), dtype=np.int64)
    if lists.num_entries:
        _live_all(
            _standing(lists),
            rates.plan_refused,
            rates.list_refused,
            rates.given_up,
            rates.left,
            rates.refused_after,
            rates.accepted_after,
            seed,
            reached,
        )
    return np.cumsum(reached, axis=1)


def _standing(lists: Lists) -> _Standing:
    entry = np.repeat(np.arange(lists.num_entries), np.diff(lists.option_ptr))
    count = np.bincount(lists.option_group, minlength=len(lists.facility))
    return _Standing(
        facility=lists.facility,
        free=lists.free,
        entry_days=lists.entry_days,
        list_ptr=np.concatenate([[0], np.cumsum(count)]),
        list_entry=entry[np.argsort(lists.option_group, kind="stable")],
        permit_group=lists.permit_group,
        permit_days=lists.permit_days,
        offer_group=lists.offer_group,
        offer_days=lists.offer_days,
        offer_listed=lists.offer_listed,
        offer_waited_d=lists.offer_waited_d,
        offer_left_d=lists.offer_left_d,
        window_d=lists.window_d,
        begins_d=lists.begins_d,
        day_part=lists.day_part,
    )


@numba.njit(cache=True)
def _live_all(  # noqa: PLR0917  (compiled: plain arrays by position)
    standing: _Standing,
    plan_refused: Floats,
    list_refused: Floats,
    given_up: Floats,
    left: Floats,
    refused_after: Floats,
    accepted_after: Floats,
    seed: int,
    reached: Ints,
) -> None:
    np.random.seed(seed)  # noqa: NPY002  (compiled code has no other)
    for k in range(len(left)):
        future = _Future(plan_refused[k], list_refused[k], given_up[k], left[k], refused_after, accepted_after)
        _live(standing, future, reached)


@numba.njit(cache=True)
def _live(standing: _Standing, future: _Future, reached: Ints) -> None:
    """Let every bay that comes free go to the first who can use it, until the term is over."""
    end = len(standing.window_d) - standing.day_part
    free = standing.free.copy()
    done = np.zeros(len(standing.entry_days), dtype=np.bool_)
    leaves = np.full(len(standing.entry_days), -1.0)  # drawn when first asked for
    coming = _first_releases(standing, future, end)
    while len(coming) > 0:
        when, group, days = heapq.heappop(coming)
        _put(free[group], days, 1)
        today = int(standing.day_part + when)
        for k in range(standing.list_ptr[group], standing.list_ptr[group + 1]):
            entry = standing.list_entry[k]
            wanted = standing.entry_days[entry]
            if done[entry] or not _fits(free[group], wanted):
                continue
            done[entry] = True
            reached[entry, today] += 1
            if leaves[entry] < 0.0:
                leaves[entry] = np.random.exponential() / future.left  # noqa: NPY002
            if leaves[entry] < when:
                continue
            _put(free[group], wanted, -1)
            place = standing.facility[group]
            chance = future.list_refused[place]
            whole = standing.window_d[today]
            again = when + _over_after(future, chance, future.given_up[place], 0.0, whole, standing.begins_d - when)
            if again < end:
                heapq.heappush(coming, (again, group, wanted))


@numba.njit(cache=True)
def _first_releases(standing: _Standing, future: _Future, end: float) -> list[tuple[float, int, int]]:
    """Draw when what is given away now comes free: (days from now, bay group, weekdays), the first on top."""
    coming = [(0.0, standing.facility[0], standing.facility[0]) for _ in range(0)]
    for k in range(len(standing.permit_group)):
        group = standing.permit_group[k]
        when = standing.begins_d + _given_up_after(future.given_up[standing.facility[group]])
        if when < end:
            coming.append((when, group, standing.permit_days[k]))
    for k in range(len(standing.offer_group)):
        group = standing.offer_group[k]
        place = standing.facility[group]
        chance = future.list_refused[place] if standing.offer_listed[k] else future.plan_refused[place]
        waited = standing.offer_waited_d[k]
        whole = waited + standing.offer_left_d[k]
        begins = waited + standing.begins_d
        when = _over_after(future, chance, future.given_up[place], min(waited / whole, 1.0), whole, begins) - waited
        if when < end:
            coming.append((max(when, 0.0), group, standing.offer_days[k]))
    heapq.heapify(coming)
    return coming


@numba.njit(cache=True)
def _over_after(
    future: _Future, refused: float, given_up: float, waited: float, whole_d: float, begins_d: float
) -> float:
    """
    Days after an offer was made at which its bay is free again: refused, or taken up and later given up.

    `waited` is the share of its time that is over already; `begins_d` when permits come into force, as the days are.
    """
    first_refused = np.searchsorted(future.refused_after, waited, side="right") if waited > 0.0 else 0
    first_accepted = np.searchsorted(future.accepted_after, waited, side="right") if waited > 0.0 else 0
    num_refused, num_accepted = len(future.refused_after), len(future.accepted_after)
    still_refused = refused * (num_refused - first_refused) / num_refused
    still_accepted = (1.0 - refused) * (num_accepted - first_accepted) / num_accepted
    if still_refused + still_accepted <= 0.0:  # longer open than any offer was: it lapses
        return whole_d
    if np.random.random() * (still_refused + still_accepted) < still_refused:  # noqa: NPY002
        return float(whole_d * future.refused_after[np.random.randint(first_refused, num_refused)])  # noqa: NPY002
    taken = np.random.randint(first_accepted, num_accepted)  # noqa: NPY002
    held_from = max(float(whole_d * future.accepted_after[taken]), begins_d)
    return held_from + _given_up_after(given_up)


@numba.njit(cache=True)
def _given_up_after(rate: float) -> float:
    return np.random.exponential() / max(rate, 1e-12)  # noqa: NPY002


@numba.njit(cache=True)
def _fits(free: Ints, days: int) -> bool:
    """Say whether a bay is free on every one of a set of weekdays."""
    fits = True
    for day in range(WEEK):
        if days >> day & 1 and free[day] <= 0:
            fits = False
    return fits


@numba.njit(cache=True)
def _put(free: Ints, days: int, bays: int) -> None:
    for day in range(WEEK):
        if days >> day & 1:
            free[day] += bays
