"""A neighbourhood compiled to the allocator's arrays, keeping where every demand could go and why it could not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from allocator.instance import Instance
from api.calendars.clock import DAY_MIN, day_number
from api.calendars.day_kinds import DayKinds, day_kinds
from api.errors import NoPlan
from api.neighbourhoods.model import Neighbourhood
from api.planning.bays import Bays, bays_of, distinct_timetables, offers_of
from api.planning.classes import Columns, classes_of, columns_of
from api.planning.eligibility import Pattern, cover_of, pattern_of
from api.planning.options import Covers, Judge, Options, Why
from geo.pairs import WalkPairs

__all__ = ["Compiled", "Ints", "Why", "compile_neighbourhood"]

Ints = NDArray[np.int64]
_CALENDAR_MARGIN_DAYS = 60
"""Stays that run through rest days end on a workday after the term; no country rests for two months by itself."""
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """
    An `Instance` and the way back from it.

    D demands fall into K classes that no rule can tell apart; those with an eligible option are the instance's G
    groups.
    """

    neighbourhood: Neighbourhood
    instance: Instance
    kinds: DayKinds
    bays: Bays
    class_of: Ints
    """(D,) class of each demand."""
    representative: Ints
    """(K,) the demand of each class with the smallest id."""
    group_of_class: Ints
    """(K,) group in the instance, −1 for classes without an eligible option."""
    class_of_group: Ints
    """(G,)"""
    options: Options
    pair_option: NDArray[np.int32]
    """(J,) option of each pair of the instance."""
    cover_days: tuple[tuple[int, NDArray[np.bool_]], ...]
    """By cover: its pattern and which of the pattern's days are left out, (N,)."""
    patterns: tuple[Pattern, ...]
    pattern_of_class: Ints
    """(K,)"""
    home_reaches: NDArray[np.bool_]
    """(K,)"""
    has_days: NDArray[np.bool_]
    """(K,)"""


def compile_neighbourhood(neighbourhood: Neighbourhood, walks: WalkPairs) -> Compiled:
    """
    Unroll the term, find every eligible pair and group the demands that no rule can tell apart.

    Raises
    ------
    NoPlan
        When a reviewer's lock names a facility that the demand may not have.
    """
    first, last = day_number(neighbourhood.term_from), day_number(neighbourhood.term_to)
    margin = timedelta(days=_CALENDAR_MARGIN_DAYS + len(neighbourhood.calendar_overrides))
    kinds = day_kinds(
        neighbourhood.country,
        first=neighbourhood.term_from - timedelta(days=1),
        last=neighbourhood.term_to + margin,
        overrides=neighbourhood.calendar_overrides,
    )
    columns = columns_of(neighbourhood)
    patterns = tuple(
        pattern_of(*key[:3], kinds, first=first, last=last, through=key[3]) for key in columns.pattern_keys
    )
    ends = [int(pattern.ends.max()) for pattern in patterns if len(pattern.ends)]
    horizon = max([last, *((end - 1) // DAY_MIN for end in ends)])
    bays = bays_of(neighbourhood.facilities, kinds, first=first - 1, last=horizon)
    timetables, timetable_of_bay = distinct_timetables(neighbourhood.facilities, bays)
    class_of, representative = classes_of(columns, neighbourhood.demands["id"])
    has_days = np.array([len(pattern.days) > 0 for pattern in patterns], dtype=np.bool_)
    covers = Covers(patterns, timetables)
    judge = Judge(
        columns=columns,
        representative=representative,
        walks=walks,
        bays=bays,
        offers=offers_of(neighbourhood.facilities, bays),
        timetable_of_bay=timetable_of_bay,
        has_days=has_days,
        keep_value_m=neighbourhood.policy.keep_value_m,
        covers=covers,
    )
    options = judge.options()
    _require_locks_possible(neighbourhood, columns, representative, class_of, options, bays)
    pair_option = np.flatnonzero(options.why == Why.eligible).astype(np.int32)
    instance, group_of_class, class_of_group = _instance(
        options,
        pair_option=pair_option,
        class_of=class_of,
        locked=columns.locked[representative] >= 0,
        bays=bays,
        covers=[cover_of(patterns[number], left_out) for number, left_out in covers.found],
    )
    return Compiled(
        neighbourhood=neighbourhood,
        instance=instance,
        kinds=kinds,
        bays=bays,
        class_of=class_of,
        representative=representative,
        group_of_class=group_of_class,
        class_of_group=class_of_group,
        options=options,
        pair_option=pair_option,
        cover_days=tuple(covers.found),
        patterns=patterns,
        pattern_of_class=columns.pattern[representative],
        home_reaches=walks.home_reaches[columns.home[representative]],
        has_days=has_days[columns.pattern[representative]],
    )


def _require_locks_possible(
    neighbourhood: Neighbourhood, columns: Columns, representative: Ints, class_of: Ints, options: Options, bays: Bays
) -> None:
    """Refuse locks on facilities that the demand may not have."""
    locked = np.flatnonzero(columns.locked >= 0)
    if not len(locked):
        return
    eligible = np.zeros(len(representative), dtype=np.bool_)
    eligible[options.cls[options.why == Why.eligible]] = True
    ids = neighbourhood.demands["id"]
    words = []
    for demand in locked[~eligible[class_of[locked]]].tolist():
        cls = int(class_of[demand])
        mine = slice(options.ptr[cls], options.ptr[cls + 1])
        there = bays.facility[options.bay_group[mine]] == columns.locked[demand]
        whys = options.why[mine][there]
        why = Why(int(whys.max())).name if len(whys) else Why.too_far.name
        words.append(
            f"{ids[demand]} is locked to {neighbourhood.facilities[int(columns.locked[demand])].id}, "
            f"which it may not have: {why}"
        )
    if words:
        more = f"; and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
        raise NoPlan("no plan keeps every lock: " + "; ".join(words[:_MOST_NAMED]) + more)


def _instance(
    options: Options,
    *,
    pair_option: NDArray[np.int32],
    class_of: Ints,
    locked: NDArray[np.bool_],
    bays: Bays,
    covers: list[tuple[Ints, Ints]],
) -> tuple[Instance, Ints, Ints]:
    """Instance of the eligible options, with the group of each class and the class of each group."""
    pairs = np.bincount(options.cls[pair_option], minlength=len(locked))
    class_of_group = np.flatnonzero(pairs)
    group_of_class = np.full(len(locked), -1, dtype=np.int64)
    group_of_class[class_of_group] = np.arange(len(class_of_group))
    steps = [hours.capacity for hours in bays.hours]
    instance = Instance(
        group_count=np.bincount(class_of, minlength=len(locked))[class_of_group],
        must_serve=locked[class_of_group],
        pair_ptr=_pointers(pairs[class_of_group]),
        pair_bay_group=options.bay_group[pair_option].astype(np.int64),
        pair_cover=options.cover[pair_option].astype(np.int64),
        pair_value_m=options.value_m[pair_option],
        cover_ptr=_pointers(np.array([len(starts) for starts, _ in covers], dtype=np.int64)),
        cover_start=_concatenated([starts for starts, _ in covers]),
        cover_end=_concatenated([ends for _, ends in covers]),
        capacity_ptr=_pointers(np.array([len(step.at) for step in steps], dtype=np.int64)),
        capacity_at=_concatenated([step.at for step in steps]),
        capacity_bays=_concatenated([step.bays for step in steps]),
    )
    return instance, group_of_class, class_of_group


def _pointers(lengths: Ints) -> Ints:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))


def _concatenated(parts: list[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)
