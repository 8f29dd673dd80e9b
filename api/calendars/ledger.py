"""The ledger of permits' nights under another calendar: given back, filled anew, taken again where there is room."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from sqlalchemy import Connection

from api.calendars.clock import DAY_MIN, date_of, day_number
from api.calendars.ledger_queries import ledger_facilities, save_nights
from api.calendars.turning import Held, Turn
from api.calendars.unroll import unroll_stays
from api.openings.permit_nights import LONGEST_STAY_DAYS, Permit
from api.permits.ledger import LedgerShort, fill_ledger, release_nights, take_nights
from api.permits.ledger_queries import free_nights
from api.permits.nights import NIGHT_MIN, ledger_nights_of

_Nights = dict[int, dict[date, int]]


@dataclass(frozen=True, slots=True)
class Turned:
    """A permit as it was and as it is."""

    old: Held
    new: Held


def turn_ledger(connection: Connection, turned: Sequence[Turned], turn: Turn) -> list[Turned]:
    """
    Write what permits take of the ledger under another calendar, and how many bays there are.

    Nights that are kept go before nights that come, and among each the tier decides, then the rounds waited, then who
    was first. A night for which there is no bay any more is left out with the whole stay it belongs to.

    Returns
    -------
    list
        The permits, with the days that are left out for want of a bay.
    """
    now = {each.old.right.id: replace(each, new=_with_nights(each.new, turn)) for each in turned}
    counted = {key: each for key, each in now.items() if each.old.nights is not None}
    release_nights(connection, _count((e.old, _of(e.old) - _of(e.new)) for e in counted.values()))
    _fill(connection, counted, turn)
    _come(connection, counted, turn)
    done = list((now | counted).values())
    save_nights(connection, [each.new for each in done if each.new != each.old])
    return done


def _fill(connection: Connection, counted: dict[int, Turned], turn: Turn) -> None:
    """Say how many bays there are around the changed days; whoever loses one there gives its night back first."""
    for first, last in _runs(turn):
        facilities = ledger_facilities(connection, turn.neighbourhood_id, first=first, last=last)
        while facilities:
            try:
                fill_ledger(connection, facilities, first=first, last=last)
                break
            except LedgerShort as short:
                for group, night, bays, taken in short.nights:
                    _lose(connection, counted, turn, group=group, night=night, most=taken - bays)


def _lose(
    connection: Connection, counted: dict[int, Turned], turn: Turn, *, group: int, night: date, most: int
) -> None:
    """Take a night from so many of those who have it, the last first."""
    having = [
        each
        for each in counted.values()
        if each.old.right.bay_group_id == group and night in _of(each.old) & _of(each.new)
    ]
    for each in sorted(having, key=lambda each: each.old.rank, reverse=True)[:most]:
        less = _without(each.new, night, turn)
        release_nights(connection, _count([(each.old, (_of(each.new) - _of(less)) & _of(each.old))]))
        counted[each.old.right.id] = replace(each, new=less)


def _come(connection: Connection, counted: dict[int, Turned], turn: Turn) -> None:
    """Take the nights that come where there is room, in order of rank."""
    coming = sorted(
        (each for each in counted.values() if _of(each.new) - _of(each.old)), key=lambda each: each.old.rank
    )
    groups = sorted({each.old.right.bay_group_id for each in coming})
    free = free_nights(connection, groups, first=date_of(turn.today)) if groups else {}
    taken: list[tuple[Held, frozenset[date]]] = []
    for each in coming:
        room, new = free[each.old.right.bay_group_id], each.new
        while full := [night for night in sorted(_of(new) - _of(each.old)) if room.get(night, 0) < 1]:
            less = _without(new, full[0], turn)
            release_nights(connection, _count([(each.old, (_of(new) - _of(less)) & _of(each.old))]))
            new = less
        for night in _of(new) - _of(each.old):
            room[night] -= 1
        counted[each.old.right.id] = replace(each, new=new)
        taken.append((each.old, _of(new) - _of(each.old)))
    take_nights(connection, _count(taken))


def _with_nights(held: Held, turn: Turn) -> Held:
    """Work out anew what a permit takes of its own bay group, from today on."""
    if held.nights is None:
        return held
    own = held.right.days_left_out | held.elsewhere
    common = replace(
        held.right, id=0, household_id=0, bay_group_id=0, absences=(), offered=False, detours=(), days_left_out=own
    )
    today = date_of(turn.today)
    return replace(held, nights=_ahead(common, turn).union(night for night in held.nights if night < today))


@lru_cache(maxsize=256)
def _ahead(right: Permit, turn: Turn) -> frozenset[date]:
    """Return the nights that a permit takes from today on; most permits have theirs in common with many."""
    today = date_of(turn.today)
    nights = ledger_nights_of(
        days=right.days,
        arrive_min=right.arrive_min,
        leave_min=right.leave_min,
        stay_through=right.stay_through,
        first=max(right.first, date_of(turn.today - LONGEST_STAY_DAYS)),
        last=right.last,
        kinds=turn.after,
        days_left_out=right.days_left_out,
    )
    return frozenset(night for night in nights if night >= today)


def _without(held: Held, night: date, turn: Turn) -> Held:
    """Leave the stays out that stand on a night."""
    right, moment = held.right, day_number(night) * DAY_MIN + NIGHT_MIN
    days, starts, ends = unroll_stays(
        right.days,
        right.arrive_min,
        right.leave_min,
        turn.after,
        first=max(day_number(right.first), day_number(night) - LONGEST_STAY_DAYS),
        last=min(day_number(right.last), day_number(night) + 1),
        stay_through=right.stay_through,
    )
    standing = days[(starts <= moment) & (moment < ends)].tolist()
    here = set(map(date_of, standing)) - held.elsewhere
    return _with_nights(held.leaving_out(right.days_left_out | here), turn)


def _runs(turn: Turn) -> list[tuple[date, date]]:
    """Return first and last night of the runs of nights on which another kind of a day may open or shut bays."""
    near = sorted({day + shift for day in turn.changed for shift in (-1, 0, 1) if day + shift >= turn.today})
    runs: list[list[date]] = []
    for night in map(date_of, near):
        if runs and runs[-1][1] + timedelta(days=1) == night:
            runs[-1][1] = night
        else:
            runs.append([night, night])
    return [(first, last) for first, last in runs]


def _of(held: Held) -> frozenset[date]:
    return held.nights or frozenset()


def _count(nights: Iterable[tuple[Held, Iterable[date]]]) -> Mapping[int, Mapping[date, int]]:
    """Count nights by bay group."""
    found: defaultdict[int, Counter[date]] = defaultdict(Counter)
    for held, each in nights:
        found[held.right.bay_group_id].update(each)
    return {group: counted for group, counted in found.items() if counted}
