"""
The rules of NEIGHBOURHOOD.md once more, in plain code for the checker.

Nothing here is shared with the compiler or the solver but the folder's records, the calendar of workdays and the
walks: two independent readings of the same page have to agree. Moments are minutes from 1970-01-01T00:00 on the local
wall clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from api.calendars.day_kinds import DayKinds
from api.neighbourhoods.model import Closure, Facility, Window

DAY = 24 * 60
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (local wall-clock time)
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Span = tuple[int, int]
Pattern = tuple[str, int, int, bool]
"""Days, arrive, leave (minutes of the day) and whether the stay runs through rest days."""


def minute_of(moment: datetime) -> int:
    """Minutes from the epoch, a started one included."""
    seconds = (moment - _EPOCH).total_seconds()
    return int(-(-seconds // 60))


def parse_instant(text: str) -> int:
    """Minute of an instant like 2026-12-01T02:00; ValueError for anything else."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007  (local wall-clock time)
    return minute_of(moment)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The term and its calendar."""

    kinds: DayKinds
    term_from: date
    term_to: date
    _opened: dict[object, list[Span]] = field(default_factory=dict)
    """Spans that were worked out before: most facilities of a city keep one of a few sets of hours."""

    def dates(self, first: date, last: date, days: str) -> list[date]:
        """Dates between two, inclusive, that match the word for days."""
        count = (last - first).days + 1
        return [day for offset in range(count) if self._matches(day := first + timedelta(days=offset), days)]

    def _matches(self, day: date, days: str) -> bool:
        if days == "daily":
            return True
        if days in ("workdays", "rest_days"):
            return self._is_workday(day) == (days == "workdays")
        return _NAMES[day.weekday()] in days.split()

    def _is_workday(self, day: date) -> bool:
        return self.kinds.is_workday((day - _EPOCH.date()).days)

    def stays(self, pattern: Pattern) -> list[tuple[date, int, int]]:
        """Asked days with begin and end of the stay on each."""
        days, arrive, leave, through = pattern
        result = []
        for day in self.dates(self.term_from, self.term_to, days):
            midnight = (day - _EPOCH.date()).days * DAY
            end = midnight + leave
            if through:
                end_day = _EPOCH.date() + timedelta(days=end // DAY)
                while not self._is_workday(end_day):
                    end_day += timedelta(days=1)
                    end += DAY
            result.append((day, midnight + arrive, end))
        return result

    def spans(self, window: Window, last_moment: int) -> list[Span]:
        """When a window is open, from the day before the term for as long as any stay lasts."""
        hours = window.days, window.from_min, window.to_min, window.season, last_moment
        if hours not in self._opened:
            self._opened[hours] = self._unrolled(window, last_moment)
        return self._opened[hours]

    def _unrolled(self, window: Window, last_moment: int) -> list[Span]:
        last = _EPOCH.date() + timedelta(days=last_moment // DAY)
        result = []
        for day in self.dates(self.term_from - timedelta(days=1), max(last, self.term_to), window.days):
            if window.season is None or _in_season((day.month, day.day), *window.season):
                midnight = (day - _EPOCH.date()).days * DAY
                result.append((midnight + window.from_min, midnight + window.to_min))
        return result


def _in_season(day: tuple[int, int], begin: tuple[int, int], end: tuple[int, int]) -> bool:
    return begin <= day <= end if begin <= end else day >= begin or day <= end


class Hours:
    """Capacity over time of the bay groups of one facility: at each edge of a window, bays until the next edge."""

    def __init__(self, rulebook: Rulebook, facility: Facility, last_moment: int) -> None:
        self.opened: list[list[tuple[Window, list[Span]]]] = [
            [(window, rulebook.spans(window, last_moment)) for window in group.windows] for group in facility.bay_groups
        ]
        self.edges = sorted({edge for group in self.opened for _, spans in group for span in spans for edge in span})
        self.bays = [self._offered(group) for group in self.opened]
        for moment in range(len(self.edges)):
            buffer = facility.buffer_bays
            for group in self.bays:
                kept_back = min(buffer, group[moment])
                group[moment] -= kept_back
                buffer -= kept_back

    def _offered(self, group: Sequence[tuple[Window, list[Span]]]) -> list[int]:
        at = {edge: index for index, edge in enumerate(self.edges)}
        bays = [0] * len(self.edges)
        for window, spans in group:
            for begin, end in spans:
                for index in range(at[begin], at[end]):
                    bays[index] = max(bays[index], window.bays)
        return bays

    def capacity_at(self, group: int, moment: int) -> int:
        """Bays of a group at a moment."""
        index = bisect_right(self.edges, moment) - 1
        return self.bays[group][index] if index >= 0 else 0

    def is_open(self, group: int, begin: int, end: int) -> bool:
        """Whether a group has capacity at every moment of [begin, end)."""
        index = bisect_right(self.edges, begin) - 1
        if index < 0:
            return False
        while index < len(self.edges) and self.edges[index] < end:
            if self.bays[group][index] <= 0:
                return False
            index += 1
        return True

    def admits(self, group: int, moment: int) -> bool:
        """Whether a stay may begin: some window is open then whose last entry, if it has one, has not passed."""
        for window, spans in self.opened[group]:
            index = bisect_right(spans, (moment, float("inf"))) - 1
            # Windows reach at most into the second day, so the last two that began can hold the moment.
            for begin, end in spans[max(0, index - 1) : index + 1]:
                if begin <= moment < end:
                    last = window.last_entry_min
                    if last is None or moment <= begin - window.from_min + last:
                        return True
        return False


def days_left_out(
    stays: Sequence[tuple[date, int, int]], hours: Hours, group: int, facility: Facility
) -> tuple[date, ...] | None:
    """Days that closures leave out, when the demand may stand in the group on every other asked day; None when not."""
    closures = [_closed(closure) for closure in facility.closures]
    left_out = tuple(
        day for day, begin, end in stays if any(begin < shut_end and shut < end for shut, shut_end in closures)
    )
    if not stays or 2 * len(left_out) > len(stays):
        return None
    for day, begin, end in stays:
        if day in left_out:
            continue
        if not hours.is_open(group, begin, end) or not hours.admits(group, begin):
            return None
        if _held_inside(begin, facility.no_movement) or _held_inside(end, facility.no_movement):
            return None
    return left_out


def _closed(closure: Closure) -> Span:
    return int((closure.start - _EPOCH).total_seconds() // 60), minute_of(closure.end)


def _held_inside(moment: int, no_movement: Span | None) -> bool:
    """Whether a moment lies strictly inside the no-movement hours of any day."""
    if no_movement is None:
        return False
    begin, end = no_movement
    return any(begin < moment % DAY + shift < end for shift in (0, DAY))


def kinds_suit(needs: str, kinds: Sequence[str]) -> bool:
    """Whether bays of some kinds suit a car: every need is met; a car without needs parks in ordinary bays only."""
    return all(need in kinds for need in needs.split()) if needs else "standard" in kinds or "large" in kinds
