"""What one more bay adds and one bay fewer costs, group by group, by solving again from the plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from allocator.base import Base
from allocator.instance import Ints
from api.calendars.unroll import GroupHours, inside_one, unroll_facility
from api.errors import Fault, FolderFaults, NoPlan
from api.neighbourhoods.model import Facility, Neighbourhood
from api.planning.base_plan import BasePlan
from api.planning.basing import base_of
from api.planning.compiling import Compiled, compile_neighbourhood
from api.planning.re_solving import Span, best_m_found, best_m_of, re_solve
from geo.pairs import WalkPairs

Json = dict[str, Any]
Progress = Callable[[str, str], None]
Place = tuple[str, str]
"""(facility, bay group)."""

NO_BAY = "no bay to lose"
LOCKED = "the reviewer's locks could not all be kept"


@dataclass(frozen=True, slots=True, eq=False)
class BayGain:
    """What a bay group's bays are worth: the price, and the exact change for one bay more and one fewer."""

    place: Place
    price_m: int
    """Upper estimate of what one more bay, open in all the group's windows, would add."""
    one_more: Span
    one_fewer: Span | None
    """None where a bay fewer cannot be; `why` says so then."""
    why: str | None = None

    def as_json(self) -> Json:
        """Tell it as the command line does."""
        return {
            "facility": self.place[0],
            "bay_group": self.place[1],
            "value_m": self.price_m,
            "one_more": self.one_more.as_json(),
            "one_fewer": None if self.one_fewer is None else self.one_fewer.as_json(),
            "why": self.why,
        }


def chosen_places(plan: Mapping[str, Any], *, facility: str | None, bay_group: str | None) -> dict[Place, int]:
    """
    Price in metres of each bay group of a plan that is asked for, all without a choice.

    Raises
    ------
    FolderFaults
        When no bay group of the plan is of that name.
    """
    found = {
        (row["facility"], row["bay_group"]): int(row["value_m"])
        for row in plan["bay_values"]
        if facility in (None, row["facility"]) and bay_group in (None, row["bay_group"])
    }
    if not found and (facility is not None or bay_group is not None):
        asked = " ".join(filter(None, (facility, bay_group and f"({bay_group})")))
        raise FolderFaults([Fault("facilities.geojson", 1, "bay_groups", f"no bay group is {asked}")])
    return found


def exact_gains(
    neighbourhood: Neighbourhood,
    *,
    walks: WalkPairs,
    base: BasePlan,
    plan: Mapping[str, Any],
    places: Mapping[Place, int],
    time_limit_s: float | None = None,
    progress: Progress = lambda _stage, _words: None,
) -> list[BayGain]:
    """
    Solve with one bay more and with one fewer in each of some bay groups, in all of its windows.

    With V the best value now and V' the best after the edit, value and bound enclose each of the two, so V' − V lies
    between (value' − bound) and (bound' − value); the bound is the value itself where a solve is proven optimal, and
    with both proven that is one number. At an optimum that many plans share, one bay more can be worth nothing and one
    fewer a lot.

    Parameters
    ----------
    walks
        Of the neighbourhood.
    base, plan
        A plan of exactly this neighbourhood that its checker accepts, as a base and as JSON.
    places
        Price in metres of each bay group to look at.
    time_limit_s
        For each solve.
    """
    now = _Now(compile_neighbourhood(neighbourhood, walks), walks, base, plan, time_limit_s)
    gains = []
    for number, (place, price_m) in enumerate(places.items()):
        progress("bays", f"{number + 1} of {len(places)}: {place[0]} ({place[1]})")
        more = now.gain_of_one_more(place, price_m)
        fewer, why = now.loss_of_one_fewer(place)
        gains.append(BayGain(place, price_m, more, fewer, why))
    return gains


class _Now:
    """The situation that every edit is compared with."""

    def __init__(
        self,
        compiled: Compiled,
        walks: WalkPairs,
        base: BasePlan,
        plan: Mapping[str, Any],
        time_limit_s: float | None,
    ) -> None:
        self.compiled = compiled
        self.walks = walks
        self.base_plan = base
        self.base = base_of(compiled, base)
        self.best = best_m_of(plan)
        self.gap_m = int(plan["bound_m"]) - int(plan["value_m"])
        """What prices alone leave open."""
        self.time_limit_s = time_limit_s

    def gain_of_one_more(self, place: Place, price_m: int) -> Span:
        """Find what one more bay adds; at most its price and what prices leave open, whatever else is known."""
        most = price_m + self.gap_m
        if most == 0:
            return Span(0, 0)
        compiled, base = self._edited(place, 1)
        after = best_m_found(re_solve(compiled, base, time_limit_s=self.time_limit_s))
        return Span(max(0, after.low_m - self.best.high_m), min(most, after.high_m - self.best.low_m))

    def loss_of_one_fewer(self, place: Place) -> tuple[Span | None, str | None]:
        """Find what one bay fewer costs, or why there is no such thing."""
        facility, group = _found(self.compiled, place)
        if not any(window.bays for window in facility.bay_groups[group].windows):
            return None, NO_BAY
        compiled, base = self._edited(place, -1)
        if _still_holds(compiled, base.taken, bay_groups=_bay_groups_of(compiled, place[0])):
            return Span(0, self.best.high_m - self.best.low_m), None
        try:
            after = best_m_found(re_solve(compiled, base, time_limit_s=self.time_limit_s))
        except NoPlan:
            return None, LOCKED
        return Span(max(0, self.best.low_m - after.high_m), self.best.high_m - after.low_m), None

    def _edited(self, place: Place, change: int) -> tuple[Compiled, Base]:
        """Compile with a change of bays; nothing but capacities is new unless hours open that were closed."""
        facility, group = _found(self.compiled, place)
        edited = with_bays(facility, group, change=change)
        bays = self.compiled.bays
        hours = unroll_facility(edited, self.compiled.kinds, first=bays.first_day, last=bays.last_day)
        here = _bay_groups_of(self.compiled, place[0])
        if any(_opens_more(bays.hours[index], new) for index, new in zip(here, hours, strict=True)):
            compiled = compile_neighbourhood(_with_facility(self.compiled.neighbourhood, edited), self.walks)
            return compiled, base_of(compiled, self.base_plan)
        return _with_hours(self.compiled, dict(zip(here, hours, strict=True))), self.base


def with_bays(facility: Facility, group: int, *, change: int) -> Facility:
    """Facility with so many bays more, or fewer, in every window of one bay group; never below zero."""
    groups = list(facility.bay_groups)
    windows = tuple(replace(window, bays=max(0, window.bays + change)) for window in groups[group].windows)
    groups[group] = replace(groups[group], windows=windows)
    return replace(facility, bay_groups=tuple(groups))


def _with_facility(neighbourhood: Neighbourhood, facility: Facility) -> Neighbourhood:
    facilities = tuple(facility if other.id == facility.id else other for other in neighbourhood.facilities)
    return replace(neighbourhood, facilities=facilities)


def _found(compiled: Compiled, place: Place) -> tuple[Facility, int]:
    """Facility of a place and the position of its bay group there."""
    facility = next(facility for facility in compiled.neighbourhood.facilities if facility.id == place[0])
    return facility, [group.id for group in facility.bay_groups].index(place[1])


def _bay_groups_of(compiled: Compiled, facility: str) -> list[int]:
    """Find the indices of a facility's bay groups, in its order."""
    return [index for index, name in enumerate(compiled.bays.facility_id) if name == facility]


def _opens_more(before: GroupHours, after: GroupHours) -> bool:
    """Whether a bay group is open at a moment when it was not."""
    return not inside_one(*after.capacity.open_intervals(), *before.capacity.open_intervals()).all()


def _with_hours(compiled: Compiled, changed: Mapping[int, GroupHours]) -> Compiled:
    """Put other capacities in the place of some bay groups'; pairs at hours that close find no bay there."""
    hours = tuple(changed.get(index, old) for index, old in enumerate(compiled.bays.hours))
    steps = [group.capacity for group in hours]
    instance = replace(
        compiled.instance,
        capacity_ptr=np.cumsum([0, *(len(step.at) for step in steps)], dtype=np.int64),
        capacity_at=np.concatenate([step.at for step in steps]).astype(np.int64),
        capacity_bays=np.concatenate([step.bays for step in steps]).astype(np.int64),
    )
    return replace(compiled, bays=replace(compiled.bays, hours=hours), instance=instance)


def _still_holds(compiled: Compiled, taken: Ints, *, bay_groups: Collection[int]) -> bool:
    """Whether a plan fits into some bay groups as they are."""
    return all(
        _fits(compiled, index, np.flatnonzero((compiled.instance.pair_bay_group == index) & (taken > 0)), taken)
        for index in bay_groups
    )


def _fits(compiled: Compiled, bay_group: int, pairs: Ints, taken: Ints) -> bool:
    """Whether no more cars stand in a bay group than it has bays, at any moment."""
    instance, steps = compiled.instance, compiled.bays.hours[bay_group].capacity
    at, change = [steps.at], [-np.diff(steps.bays, prepend=0)]
    for pair in pairs.tolist():
        mine = slice(instance.cover_ptr[instance.pair_cover[pair]], instance.cover_ptr[instance.pair_cover[pair] + 1])
        for moments, sign in ((instance.cover_start[mine], 1), (instance.cover_end[mine], -1)):
            at.append(moments)
            change.append(np.full(len(moments), sign * taken[pair]))
    moments, which = np.unique(np.concatenate(at), return_inverse=True)
    return bool((np.cumsum(np.bincount(which, weights=np.concatenate(change), minlength=len(moments))) <= 0).all())
