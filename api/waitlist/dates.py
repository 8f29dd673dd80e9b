"""Half by X, nine in ten by Y: when households on the list are reached, or why nothing sound can be said yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from api.waitlist.forward import reached_by_day
from api.waitlist.lists import Ints, Lists, Record
from api.waitlist.rates import draw_rates
from api.waitlist.recalibrating import Levels

FUTURES = 400
"""Futures that are lived through; a quantile is off by 0.5 / √400, 2.5 points, at most, and not always to one side."""
LEAST_OBSERVED_D = 7.0
LEAST_OFFERS = 30
LEAST_RELEASES = 10
WIDEST_D = 45
"""A range wider than this is nothing to plan by."""
EARLIEST = 0.1
"""Not before the day by which one in ten in this place is reached."""
HOPE = 0.5
"""Who is reached within the term in fewer futures than this is too far back; the others may see the term end first."""
LOOK_AGAIN_D = 7
SMALLEST_CHANGE_D = 3
SMALLEST_CHANGE = 0.35
"""A date is told anew when it moves by so much of the way to it, and by three days at least."""
QUIET_D = 7
"""Nobody is told another date within so many days, unless the first has passed: good news and bad wait alike."""
SURE = 0.01
"""Dates take a chance within the term that is so much above the second date's level: looking every day until the draws
happen to suffice would tell dates too early."""
STILL_LIKELY = 0.08
"""A date once told stands while its chance within the term is no more than this below what is asked of a new one."""


class Why(StrEnum):
    """Why no date is told."""

    RECORD_TOO_SHORT = "record_too_short"
    TOO_FEW_RELEASES = "too_few_releases"
    TOO_FAR_BACK = "too_far_back"
    TERM_ENDS_FIRST = "term_ends_first"
    RANGE_TOO_WIDE = "range_too_wide"
    ANY_DAY = "any_day"


@dataclass(frozen=True, slots=True)
class Dates:
    """Half of the households in such a place are reached by the first date, nine in ten by the second."""

    half_by: date
    most_by: date


@dataclass(frozen=True, slots=True)
class NotBefore:
    """
    No date, and why.

    With a record too thin it is when to look again; otherwise being reached before it is unlikely (one in ten).
    """

    not_before: date
    why: Why


Answer = Dates | NotBefore


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Chances (E, D) of being reached by the end of day 0, 1, …; levels to read dates off at; the seed of all draws."""

    chance: NDArray[np.float64]
    levels: Levels
    seed: int


def too_thin(record: Record) -> Why | None:
    """Return why a record is too thin for any date; nothing when it is not."""
    if record.observed_d < LEAST_OBSERVED_D or len(record.offer_made_d) < LEAST_OFFERS:
        return Why.RECORD_TOO_SHORT
    return Why.TOO_FEW_RELEASES if record.releases < LEAST_RELEASES else None


def look_ahead(lists: Lists, record: Record, *, levels: Levels, seed: int, futures: int = FUTURES) -> Outlook:
    """
    Work out how likely every entry is reached by each day of the term's rest.

    Parameters
    ----------
    lists, record
        As they are now.
    levels
        At which chance the two dates are read off, from what became of earlier dates.
    seed
        Equal input and seed give equal answers.
    """
    rng = np.random.default_rng(seed)
    rates = draw_rates(record, facilities=lists.num_facilities, draws=futures, rng=rng)
    counts = reached_by_day(settled(lists), rates, seed=int(rng.integers(2**31)))
    return Outlook(counts / futures, levels, seed)


def settled(lists: Lists) -> Lists:
    """Take as not free what, as far as weekdays can say, somebody who waits could have had already."""
    free = np.maximum(lists.free, 0)
    wanted = (lists.entry_days[:, None] >> np.arange(7)) & 1 == 1
    entry = np.repeat(np.arange(lists.num_entries), np.diff(lists.option_ptr))
    fits = ((free[lists.option_group] > 0) | ~wanted[entry]).all(axis=1)
    free[np.unique(lists.option_group[fits])] = 0
    return replace(lists, free=free)


def answers(lists: Lists, outlook: Outlook, *, today: date) -> list[Answer]:
    """
    Tell every entry its dates, or why not, best rank first.

    Dates are whole days, and many bays come free on the same one: no day's chance is just one half. Between the day
    that falls short and the one that overshoots a coin decides, weighted so that the chance is right on average. The
    coin is one for all who want the same in the same places, so that a better rank never gets a later date.
    """
    coin = _coins(lists, seed=outlook.seed)
    half = _days(outlook.chance, outlook.levels.half, coin)
    most = _days(outlook.chance, outlook.levels.most, coin)
    early = (outlook.chance < EARLIEST).sum(axis=1)
    return [
        _answer(outlook.chance[k], int(half[k]), int(most[k]), early=int(early[k]), levels=outlook.levels, today=today)
        for k in range(lists.num_entries)
    ]


def _answer(chance: NDArray[np.float64], half: int, most: int, *, early: int, levels: Levels, today: date) -> Answer:
    last, need = chance[-1], levels.most
    if chance[0] >= levels.half:
        return NotBefore(today, Why.ANY_DAY)
    if last >= need + SURE and most - half <= WIDEST_D:
        return Dates(today + timedelta(days=half), today + timedelta(days=max(half, most)))
    why = Why.TOO_FAR_BACK if last < HOPE else Why.RANGE_TOO_WIDE if last >= need + SURE else Why.TERM_ENDS_FIRST
    return NotBefore(today + timedelta(days=early), why)


def no_dates(why: Why, *, today: date, entries: int) -> list[Answer]:
    """Answer everybody alike while the record is too thin."""
    return [NotBefore(today + timedelta(days=LOOK_AGAIN_D), why)] * entries


def _days(chance: NDArray[np.float64], level: float, coin: NDArray[np.float64]) -> Ints:
    """(E,) day at which the chance is `level`, or by a coin the day before it; D where it is never reached."""
    day = (chance < level).sum(axis=1)
    padded = np.concatenate([np.zeros((len(chance), 1)), chance, np.ones((len(chance), 1))], axis=1)
    rows = np.arange(len(chance))
    before, after = padded[rows, day], padded[rows, day + 1]
    overshoots = coin * (after - before) > level - before
    return np.asarray(np.maximum(day - overshoots, 0), dtype=np.int64)


def _coins(lists: Lists, *, seed: int) -> NDArray[np.float64]:
    """(E,) in [0, 1): alike for all who want the same weekdays in the same bay groups, spread evenly over others."""
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    seen: dict[tuple[int, ...], int] = {}
    number = np.empty(lists.num_entries)
    for k in range(lists.num_entries):
        wanted = (int(lists.entry_days[k]), *lists.option_group[lists.option_ptr[k] : lists.option_ptr[k + 1]].tolist())
        number[k] = seen.setdefault(wanted, len(seen))
    return np.asarray(((number + seed) * golden) % 1.0)


def is_news(
    told: Answer | None, told_on: date | None, answer: Answer, *, chance: float, need: float, today: date
) -> bool:
    """
    Say whether an answer differs enough from the one told before to be told.

    Parameters
    ----------
    told, told_on
        The answer told last, and when; nothing for the first.
    chance
        Of being reached within the term.
    need
        The chance that is asked of a new date.
    """
    if told is None or told_on is None:
        return True
    if isinstance(told, Dates):
        if today > told.half_by:
            return today > told_on
        if isinstance(answer, NotBefore):
            return chance < need - STILL_LIKELY and today >= told_on + timedelta(days=QUIET_D)
        return today >= told_on + timedelta(days=QUIET_D) and _moved(told, answer, today=today)
    if isinstance(answer, Dates):
        return today > told_on
    return answer.why != told.why and today >= told_on + timedelta(days=QUIET_D)


def _moved(told: Dates, answer: Dates, *, today: date) -> bool:
    def far(before: date, after: date) -> bool:
        return abs((after - before).days) >= max(SMALLEST_CHANGE_D, SMALLEST_CHANGE * (before - today).days)

    return far(told.half_by, answer.half_by) or far(told.most_by, answer.most_by)
