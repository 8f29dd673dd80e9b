"""A neighbourhood compiled to the allocator's arrays, keeping where every demand could go and why it could not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from allocator.instance import Instance
from api.calendars.clock import DAY_MIN, day_number
from api.calendars.day_kinds import DayKinds, day_kinds
from api.calendars.unroll import GroupHours, unroll_facility
from api.errors import NoPlan
from api.neighbourhoods.model import Facility, Neighbourhood
from api.planning.eligibility import Pattern, Timetable, cover_of, days_left_out, pattern_of, timetable_of
from geo.pairs import NO_FACILITY, WalkPairs

Ints = NDArray[np.int64]
_CALENDAR_MARGIN_DAYS = 60
"""Stays that run through rest days end on a workday after the term; no country rests for two months by itself."""
_MOST_NAMED = 20


class Why(IntEnum):
    """Why an option failed, the nearer to success the higher; the words are NEIGHBOURHOOD.md's."""

    eligible = 0
    no_home_access = 1
    too_far = 2
    no_day = 3
    no_window = 4
    no_suitable_bay = 5
    rejected = 6
    no_value = 7
    full = 8


@dataclass(frozen=True, slots=True, eq=False)
class Bays:
    """P bay groups, by facility id and then in the facility's order; `facility` (P,) indexes the neighbourhood's."""

    facility: Ints
    facility_id: tuple[str, ...]
    group_id: tuple[str, ...]
    hours: tuple[GroupHours, ...]
    first_day: int
    """Day numbers of the first and the last day whose windows are unrolled, both inclusive."""
    last_day: int


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """O options of demand classes, by class and bay group: all bay groups of the facilities a class knows a walk to."""

    cls: Ints
    bay_group: Ints
    walk_m: Ints
    value_m: Ints
    why: NDArray[np.int8]
    cover: Ints
    """Index of a cover, −1 where not eligible."""
    would_do: NDArray[np.bool_]
    """Whether hours are the only thing that can keep the option from being eligible."""
    ptr: Ints
    """(K + 1,) options of class k are `ptr[k]` to `ptr[k + 1]`."""


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
    pair_option: Ints
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
    columns = _columns(neighbourhood)
    patterns = tuple(
        pattern_of(*key[:3], kinds, first=first, last=last, through=key[3]) for key in columns.pattern_keys
    )
    ends = [int(pattern.ends.max()) for pattern in patterns if len(pattern.ends)]
    horizon = max([last, *((end - 1) // DAY_MIN for end in ends)])
    bays = _bays(neighbourhood.facilities, kinds, first=first - 1, last=horizon)
    timetables, timetable_of_bay = _distinct_timetables(neighbourhood.facilities, bays)
    class_of, representative = _classes(columns, neighbourhood.demands["id"])
    options, cover_days = _options(
        neighbourhood,
        columns=columns,
        representative=representative,
        walks=walks,
        bays=bays,
        patterns=patterns,
        timetables=timetables,
        timetable_of_bay=timetable_of_bay,
    )
    _require_locks_possible(neighbourhood, columns, representative, class_of, options, bays)
    has_days = np.array([len(pattern.days) > 0 for pattern in patterns], dtype=np.bool_)[
        columns.pattern[representative]
    ]
    pair_option = np.flatnonzero(options.why == Why.eligible)
    instance, group_of_class, class_of_group = _instance(
        options,
        pair_option=pair_option,
        class_of=class_of,
        num_classes=len(representative),
        locked=columns.locked[representative] >= 0,
        bays=bays,
        cover_days=cover_days,
        patterns=patterns,
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
        cover_days=cover_days,
        patterns=patterns,
        pattern_of_class=columns.pattern[representative],
        home_reaches=walks.home_reaches[columns.home[representative]],
        has_days=has_days,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Demands as numbers, each column (D,)."""

    pattern_keys: list[tuple[str, int, int, bool]]
    pattern: Ints
    home: Ints
    needs: Ints
    """Bit 0 accessible, bit 1 ev."""
    height_m: NDArray[np.float64]
    """−1 where unknown."""
    limit_m: NDArray[np.float64]
    base_value_m: Ints
    """What tier and rounds waited are worth."""
    tier: Ints
    rounds_waited: Ints
    holds: Ints
    """Facility index or −1."""
    decision: Ints
    """0, or 1 + index of a distinct set of decisions."""
    locked: Ints
    """Facility index or −1."""
    rejected: tuple[frozenset[int] | None, ...]
    """By decision set: facilities rejected, None for every one; the first entry is of demands without decisions."""


def _columns(neighbourhood: Neighbourhood) -> _Columns:
    demands, policy = neighbourhood.demands, neighbourhood.policy
    facility_index = {facility.id: index for index, facility in enumerate(neighbourhood.facilities)}
    keys = demands.select("days", "arrive_min", "leave_min", "stay_through")
    distinct = keys.unique(maintain_order=True).with_row_index("pattern")
    pattern = keys.join(distinct, on=keys.columns, how="left", maintain_order="left")["pattern"]
    homes = pl.DataFrame({"home": neighbourhood.homes["id"]}).with_row_index("index")
    home = demands.select("home").join(homes, on="home", how="left", maintain_order="left")["index"]
    needs = demands["needs"].str.contains("accessible").cast(pl.Int64) + 2 * demands["needs"].str.contains("ev").cast(
        pl.Int64
    )
    tier = demands["tier"].to_numpy().astype(np.int64)
    rounds = demands["rounds_waited"].to_numpy().astype(np.int64)
    decision, locked, rejected = _decisions(neighbourhood, facility_index)
    return _Columns(
        pattern_keys=distinct.select(keys.columns).rows(),
        pattern=pattern.to_numpy().astype(np.int64),
        home=home.to_numpy().astype(np.int64),
        needs=needs.to_numpy().astype(np.int64),
        height_m=demands["height_m"].fill_null(-1.0).to_numpy(),
        limit_m=demands["max_walk_m"].fill_null(policy.max_walk_m).to_numpy(),
        base_value_m=np.array(policy.tier_value_m, dtype=np.int64)[tier - 1] + policy.waiting_value_m * rounds,
        tier=tier,
        rounds_waited=rounds,
        holds=demands["holds"]
        .replace_strict(list(facility_index), list(facility_index.values()), default=-1, return_dtype=pl.Int64())
        .fill_null(-1)
        .to_numpy(),
        decision=decision,
        locked=locked,
        rejected=rejected,
    )


def _decisions(
    neighbourhood: Neighbourhood, facility_index: dict[str, int]
) -> tuple[Ints, Ints, tuple[frozenset[int] | None, ...]]:
    """Decision set and locked facility of each demand, and the facilities each set rejects."""
    count = len(neighbourhood.demands)
    decision, locked = np.zeros(count, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    rejected: list[frozenset[int] | None] = [frozenset()]
    if not len(neighbourhood.decisions):
        return decision, locked, tuple(rejected)
    words: dict[str, list[tuple[str | None, str]]] = {}
    for demand, facility, word in neighbourhood.decisions.rows():
        words.setdefault(demand, []).append((facility, word))
    row_of = {demand: row for row, demand in enumerate(neighbourhood.demands["id"].to_list()) if demand in words}
    everything = frozenset(facility_index.values())
    known: dict[tuple[frozenset[int] | None, int], int] = {}
    for demand, said in words.items():
        lock = next((facility_index[facility] for facility, word in said if word == "lock" and facility), -1)
        refused = {facility for facility, word in said if word == "reject"}
        away = None if None in refused else frozenset(facility_index[facility] for facility in refused if facility)
        if lock >= 0:
            away = everything - {lock}
        if (away, lock) not in known:
            rejected.append(away)
            known[away, lock] = len(rejected) - 1
        decision[row_of[demand]], locked[row_of[demand]] = known[away, lock], lock
    return decision, locked, tuple(rejected)


def _bays(facilities: tuple[Facility, ...], kinds: DayKinds, *, first: int, last: int) -> Bays:
    order = sorted(range(len(facilities)), key=lambda index: facilities[index].id)
    facility, facility_id, group_id, hours = [], [], [], []
    for index in order:
        unrolled = unroll_facility(facilities[index], kinds, first=first, last=last)
        for group, group_hours in zip(facilities[index].bay_groups, unrolled, strict=True):
            facility.append(index)
            facility_id.append(facilities[index].id)
            group_id.append(group.id)
            hours.append(group_hours)
    return Bays(np.array(facility, dtype=np.int64), tuple(facility_id), tuple(group_id), tuple(hours), first, last)


def _distinct_timetables(facilities: tuple[Facility, ...], bays: Bays) -> tuple[list[Timetable], Ints]:
    known: dict[object, int] = {}
    timetables: list[Timetable] = []
    numbers = np.zeros(len(bays.hours), dtype=np.int64)
    for index, hours in enumerate(bays.hours):
        timetable = timetable_of(facilities[int(bays.facility[index])], hours)
        numbers[index] = known.setdefault(timetable.key(), len(known))
        if numbers[index] == len(timetables):
            timetables.append(timetable)
    return timetables, numbers


def _classes(columns: _Columns, ids: pl.Series) -> tuple[Ints, Ints]:
    """Class of each demand and the representative of each class, classes in order of their smallest id."""
    heights = np.unique(columns.height_m, return_inverse=True)[1]
    limits = np.unique(columns.limit_m, return_inverse=True)[1]
    key = np.zeros(len(ids), dtype=np.int64)
    parts = (columns.home, columns.pattern, columns.needs, heights, limits, columns.tier, columns.rounds_waited)
    for part in (*parts, columns.holds + 1, columns.decision):
        if not len(part):
            continue
        width = int(part.max()) + 1
        if int(key.max()) + 1 > np.iinfo(np.int64).max // width:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
        key = key * width + part
    rank = np.empty(len(ids), dtype=np.int64)
    rank[ids.arg_sort().to_numpy()] = np.arange(len(ids))
    order = np.lexsort((rank, key))
    fresh = np.ones(len(ids), dtype=np.bool_)
    fresh[1:] = key[order][1:] != key[order][:-1]
    smallest = order[fresh]
    label = np.empty(len(ids), dtype=np.int64)
    label[order] = np.cumsum(fresh) - 1
    canonical = np.argsort(rank[smallest])
    position = np.empty(len(smallest), dtype=np.int64)
    position[canonical] = np.arange(len(smallest))
    return position[label], smallest[canonical]


def _options(
    neighbourhood: Neighbourhood,
    *,
    columns: _Columns,
    representative: Ints,
    walks: WalkPairs,
    bays: Bays,
    patterns: tuple[Pattern, ...],
    timetables: list[Timetable],
    timetable_of_bay: Ints,
) -> tuple[Options, tuple[tuple[int, NDArray[np.bool_]], ...]]:
    """Every bay group of every facility that a class knows a walk to, with the first rule it fails."""
    cls, facility, walk_m = _reachable(columns.home[representative], walks)
    cls, bay_group, walk_m = _by_bay_group(cls, facility, walk_m, bays, len(neighbourhood.facilities))
    who = representative[cls]
    facility = bays.facility[bay_group]
    keeps = (columns.holds[who] == facility).astype(np.int64)
    value_m = columns.base_value_m[who] + neighbourhood.policy.keep_value_m * keeps - walk_m
    cover, cover_days = _covers(
        columns.pattern[who], timetable_of_bay[bay_group], patterns, timetables, len(timetables)
    )
    why = np.full(len(cls), Why.eligible, dtype=np.int8)
    # From the nearest to success to the farthest, so that the first rule that fails is the one that stays.
    why[value_m <= 0] = Why.no_value
    why[_rejected(columns, who, facility)] = Why.rejected
    why[~_suitable(neighbourhood.facilities, bays, columns, who, bay_group)] = Why.no_suitable_bay
    near = walk_m <= columns.limit_m[who]
    would_do = (why == Why.eligible) & near
    why[cover < 0] = Why.no_window
    why[~near] = Why.too_far
    days = np.array([len(pattern.days) for pattern in patterns], dtype=np.int64)
    why[days[columns.pattern[who]] == 0] = Why.no_day
    cover = np.where(why == Why.eligible, cover, -1)
    ptr = np.searchsorted(cls, np.arange(len(representative) + 1))
    return Options(cls, bay_group, walk_m, value_m, why, cover, would_do, ptr), cover_days


def _reachable(home: Ints, walks: WalkPairs) -> tuple[Ints, Ints, Ints]:
    """Class, facility and metres for all facilities each class knows a walk to; the nearest where none is in reach."""
    begins = np.searchsorted(walks.home, home, side="left")
    counts = np.searchsorted(walks.home, home, side="right") - begins
    cls = np.repeat(np.arange(len(home)), counts)
    index = np.repeat(begins - np.concatenate(([0], np.cumsum(counts)[:-1])), counts) + np.arange(int(counts.sum()))
    alone = np.flatnonzero((counts == 0) & (walks.nearest_facility[home] != NO_FACILITY))
    cls = np.concatenate((cls, alone))
    facility = np.concatenate((walks.facility[index], walks.nearest_facility[home[alone]])).astype(np.int64)
    walk_m = np.concatenate((walks.walk_m[index], walks.nearest_m[home[alone]])).astype(np.int64)
    return cls, facility, walk_m


def _by_bay_group(cls: Ints, facility: Ints, walk_m: Ints, bays: Bays, num_facilities: int) -> tuple[Ints, Ints, Ints]:
    """Options by facility spread over the facility's bay groups, in order of class and bay group."""
    counts = np.bincount(bays.facility, minlength=num_facilities)
    first = np.zeros(num_facilities, dtype=np.int64)
    seen, at = np.unique(bays.facility, return_index=True)
    first[seen] = at
    repeat = counts[facility]
    offset = np.arange(int(repeat.sum())) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    bay_group = np.repeat(first[facility], repeat) + offset
    cls, walk_m = np.repeat(cls, repeat), np.repeat(walk_m, repeat)
    order = np.lexsort((bay_group, cls))
    return cls[order], bay_group[order], walk_m[order]


def _covers(
    pattern: Ints, timetable: Ints, patterns: tuple[Pattern, ...], timetables: list[Timetable], width: int
) -> tuple[Ints, tuple[tuple[int, NDArray[np.bool_]], ...]]:
    """Cover of each option, −1 where the hours do not fit; and what each cover is."""
    distinct, which = np.unique(pattern * max(1, width) + timetable, return_inverse=True)
    known: dict[tuple[int, bytes], int] = {}
    covers: list[tuple[int, NDArray[np.bool_]]] = []
    found = np.full(len(distinct), -1, dtype=np.int64)
    for index, key in enumerate(distinct.tolist()):
        number, table = divmod(key, max(1, width))
        left_out = days_left_out(patterns[number], timetables[table])
        if left_out is not None:
            found[index] = known.setdefault((number, left_out.tobytes()), len(known))
            if found[index] == len(covers):
                covers.append((number, left_out))
    return found[which.reshape(-1)], tuple(covers)


def _rejected(columns: _Columns, who: Ints, facility: Ints) -> NDArray[np.bool_]:
    flags = np.zeros(len(who), dtype=np.bool_)
    for number, away in enumerate(columns.rejected):
        if away is None or away:
            here = columns.decision[who] == number
            flags |= here if away is None else here & np.isin(facility, list(away))
    return flags


def _suitable(
    facilities: tuple[Facility, ...], bays: Bays, columns: _Columns, who: Ints, bay_group: Ints
) -> NDArray[np.bool_]:
    """Kinds and height: needs are met by all their kinds, a car without needs parks in standard or large bays only."""
    offered = np.zeros(len(bays.hours), dtype=np.int64)
    plain = np.zeros(len(bays.hours), dtype=np.bool_)
    height = np.full(len(bays.hours), np.inf)
    position: dict[int, int] = {}
    for index, facility_index in enumerate(bays.facility.tolist()):
        number = position.get(facility_index, 0)
        position[facility_index] = number + 1
        kinds = facilities[facility_index].bay_groups[number].kinds
        offered[index] = ("accessible" in kinds) + 2 * ("ev" in kinds)
        plain[index] = "standard" in kinds or "large" in kinds
        limit = facilities[facility_index].max_height_m
        height[index] = np.inf if limit is None else limit
    needs = columns.needs[who]
    kind_fits = np.where(needs > 0, (needs & ~offered[bay_group]) == 0, plain[bay_group])
    return kind_fits & (columns.height_m[who] <= height[bay_group])


def _require_locks_possible(
    neighbourhood: Neighbourhood, columns: _Columns, representative: Ints, class_of: Ints, options: Options, bays: Bays
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
    pair_option: Ints,
    class_of: Ints,
    num_classes: int,
    locked: NDArray[np.bool_],
    bays: Bays,
    cover_days: tuple[tuple[int, NDArray[np.bool_]], ...],
    patterns: tuple[Pattern, ...],
) -> tuple[Instance, Ints, Ints]:
    cls = options.cls[pair_option]
    class_of_group, pair_group = np.unique(cls, return_inverse=True)
    group_of_class = np.full(num_classes, -1, dtype=np.int64)
    group_of_class[class_of_group] = np.arange(len(class_of_group))
    covers = [cover_of(patterns[number], left_out) for number, left_out in cover_days]
    steps = [hours.capacity for hours in bays.hours]
    size = np.bincount(class_of, minlength=num_classes)
    instance = Instance(
        group_count=size[class_of_group].astype(np.int64),
        must_serve=locked[class_of_group],
        pair_ptr=np.searchsorted(pair_group, np.arange(len(class_of_group) + 1)).astype(np.int64),
        pair_bay_group=options.bay_group[pair_option],
        pair_cover=options.cover[pair_option],
        pair_value_m=options.value_m[pair_option],
        cover_ptr=_pointers([len(starts) for starts, _ in covers]),
        cover_start=_concatenated([starts for starts, _ in covers]),
        cover_end=_concatenated([ends for _, ends in covers]),
        capacity_ptr=_pointers([len(step.at) for step in steps]),
        capacity_at=_concatenated([step.at for step in steps]),
        capacity_bays=_concatenated([step.bays for step in steps]),
    )
    return instance, group_of_class, class_of_group


def _pointers(lengths: list[int]) -> Ints:
    return np.concatenate(([0], np.cumsum(np.array(lengths, dtype=np.int64)))).astype(np.int64)


def _concatenated(parts: list[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)
