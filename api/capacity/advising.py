"""The owner's question put together: bays safe to share by hour and by night, and how that would have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN, LAST_MIN, date_of
from api.calendars.day_kinds import DayKinds, day_kinds, why_unknown
from api.capacity.occupancy import Peaks, peaks_of
from api.capacity.order import NOT_ENOUGH, Bound, Past, bound_for
from api.capacity.testing import Score, back_test
from api.capacity.visits import UnusableRecords, Visits

HALF_LIFE_WEEKS = 26.0
"""A day half a year ago counts half as much as yesterday: enough days of a weekday stay for 95 %."""
WEEKENDS_ONLY = "weekends"
"""Instead of a country: Saturday and Sunday are rest days, the others workdays."""
NIGHT_KINDS = ("rest→rest", "rest→work", "work→rest", "work→work")
DAY_KINDS = ("rest day", "workday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What an owner asks; checked when built.

    Raises
    ------
    UnusableRecords
        Naming the value that cannot be.
    """

    bays: int
    confidence: float = 0.95
    window: tuple[int, int] = (18 * 60, 32 * 60)
    country: str = WEEKENDS_ONLY
    half_life_weeks: float = HALF_LIFE_WEEKS
    overrides: Mapping[date, str] | None = None

    def __post_init__(self) -> None:
        """Refuse what has no answer."""
        start, end = self.window
        if not 1 <= self.bays <= 100_000:
            raise UnusableRecords(f"bays is {self.bays}, expected 1 to 100,000")
        if not 0.5 <= self.confidence < 1:
            raise UnusableRecords(f"confidence is {self.confidence}, expected 0.5 to below 1, as 0.95")
        if not (0 <= start < DAY_MIN and start < end <= min(LAST_MIN, start + DAY_MIN)):
            raise UnusableRecords(
                "window must begin before 24:00 and end within a day of that; 18:00-32:00 ends at 08:00"
            )
        unknown = None if self.country == WEEKENDS_ONLY else why_unknown(self.country)
        if unknown:
            raise UnusableRecords(f"{unknown}; or {WEEKENDS_ONLY}")
        if not self.half_life_weeks > 0:
            raise UnusableRecords(f"half_life_weeks is {self.half_life_weeks}, expected more than 0")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """
    Bays safe to share on one weekday of one kind: (S,) numbers, or None where the record has not enough days.

    `weighed` is how many days of full weight the `days` count for.
    """

    weekday: int
    kind: int
    safe: tuple[int, ...] | None
    basis: str
    days: int
    weighed: float


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """
    The answer.

    `hours` has a line a weekday with 24 numbers, each for its hour by itself. `nights` has a line a weekday with one
    number, which holds all through the share window. `daily` is what holds on any night, None where some kind of night
    is not known. The last four are the back-tests: order statistics beside mean − 2σ.
    """

    question: Question
    visits: Visits
    peaks: Peaks
    hours: tuple[Line, ...]
    nights: tuple[Line, ...]
    daily: int | None
    hours_test: tuple[Score, Score] | None
    nights_test: tuple[Score, Score] | None
    warnings: tuple[str, ...]


def advise(visits: Visits, question: Question) -> Advice:
    """
    Say how many bays are safe to share.

    Raises
    ------
    UnusableRecords
        When the record shows no whole day.
    """
    peaks = peaks_of(visits, window=question.window)
    kinds = _kinds(peaks, question)
    hours, nights = _past_hours(peaks, kinds), _past_nights(peaks, kinds, question)
    lines = _lines(hours, question, kinds=[int(weekday < 5) for weekday in range(7)])
    night_lines = _lines(nights, question, kinds=_usual_night_kinds(question))
    tests = [
        back_test(past, bays=question.bays, confidence=question.confidence, half_life_weeks=question.half_life_weeks)
        for past in (hours, nights)
    ]
    every_night = [line.safe[0] if line.safe else None for line in night_lines]
    known = [number for number in every_night if number is not None]
    return Advice(
        question=question,
        visits=visits,
        peaks=peaks,
        hours=lines,
        nights=night_lines,
        daily=min(known) if len(known) == len(every_night) else None,
        hours_test=tests[0],
        nights_test=tests[1],
        warnings=tuple(_warnings(visits, peaks, question, kinds, tests[1])),
    )


def _kinds(peaks: Peaks, question: Question) -> DayKinds:
    first, last = int(peaks.days[0]), int(peaks.days[-1]) + 1
    country = "" if question.country == WEEKENDS_ONLY else question.country
    return day_kinds(country, first=date_of(first), last=date_of(last), overrides=question.overrides)


def _past_hours(peaks: Peaks, kinds: DayKinds) -> Past:
    past = Past(peaks.hourly, peaks.days, _weekday(peaks.days), kinds.workday[:-1].astype(np.int64))
    return past.chosen(peaks.whole_day)


def _past_nights(peaks: Peaks, kinds: DayKinds, question: Question) -> Past:
    """Nights are of one kind when both their evening and, where the window reaches it, their morning are."""
    work = kinds.workday.astype(np.int64)
    kind = 2 * work[:-1] + (work[1:] if question.window[1] > DAY_MIN else work[:-1])
    return Past(peaks.nightly, peaks.days, _weekday(peaks.days), kind).chosen(peaks.whole_night)


def _weekday(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Monday is 0; 1970-01-01 was a Thursday."""
    return (days + 3) % 7


def _usual_night_kinds(question: Question) -> list[int]:
    """Kind of the night of each weekday in a week without holidays."""
    reaches_morning = question.window[1] > DAY_MIN
    work = [int(weekday < 5) for weekday in range(7)]
    return [2 * work[k] + work[(k + 1) % 7 if reaches_morning else k] for k in range(7)]


def _lines(past: Past, question: Question, *, kinds: list[int]) -> tuple[Line, ...]:
    before = int(past.day.max()) + 1 if len(past.day) else 0
    return tuple(
        _line(
            weekday,
            kind,
            bound_for(
                past,
                weekday=weekday,
                kind=kind,
                before=before,
                confidence=question.confidence,
                half_life_weeks=question.half_life_weeks,
            ),
            bays=question.bays,
        )
        for weekday, kind in enumerate(kinds)
    )


def _line(weekday: int, kind: int, bound: Bound, *, bays: int) -> Line:
    safe = None
    if bound.basis != NOT_ENOUGH:
        safe = tuple(int(number) for number in np.maximum(bays - bound.cars, 0))
    return Line(weekday, kind, safe, bound.basis, bound.days, bound.weighed)


def _warnings(
    visits: Visits, peaks: Peaks, question: Question, kinds: DayKinds, test: tuple[Score, Score] | None
) -> list[str]:
    found = []
    if peaks.most > question.bays:
        found.append(
            f"up to {peaks.most} cars were inside at once, but {question.bays} bays are said: exits were missed, "
            "or there are more bays"
        )
    if test and test[0].drifting:
        found.append("the last eight weeks were fuller than what came before: share fewer bays than it says here")
    if question.country != WEEKENDS_ONLY and kinds.provisional[:-1][peaks.whole_day].any():
        found.append("the calendar of some of these days is provisional: holidays may be taken for workdays")
    lost = sum(visits.faults.get(name, 0) for name in ("unreadable", "no_times", "exit_before_entry", "far_date"))
    if lost > visits.rows / 100:
        found.append(
            f"{lost:,} of {visits.rows:,} rows could not be used: cars may have been inside that are not counted"
        )
    return found
