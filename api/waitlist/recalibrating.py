"""The levels that dates are read off at, moved by what became of the dates told before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from api.waitlist.calibration import Outcome, Told
from api.waitlist.lists import Bools, Floats, Ints

HALF, MOST = 0.48, 0.92
"""What the levels are steered to, for one half and nine tenths, chosen on simulated seasons, see docs/measurements."""
FIRST_MOST = 0.94
"""The second level before there is a record of dates, for the same reason."""
HALF_RANGE, MOST_RANGE = (0.3, 0.7), (0.8, 0.98)
"""However wrong dates were, they are not read off beyond these: a run of bad luck is no proof."""
HALF_STEP, MOST_STEP = 0.1, 0.08
"""How far a level moves after a day on which all dates that came due were missed."""
_CROWD = 6.0
"""Dates that come due on one day share their luck: so many count half as much as infinitely many."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Chances at which the two dates are read off."""

    half: float = HALF
    most: float = FIRST_MOST


def learn_levels(told: Sequence[Told], outcomes: Sequence[Outcome], *, today: date) -> Levels:
    """
    Move each level by what earlier dates fell short or overshot, in the order in which that became known.

    Parameters
    ----------
    told, outcomes
        Every pair of dates told, and what became of that wait. Waits cut off before their date say nothing.
    today
        Dates of today and later are not due yet.

    Notes
    -----
    Gibbs & Candès (2021), Adaptive conformal inference under distribution shift: with the level moved by
    step · (target − share of hits) after every outcome the long-run share is the target, whatever makes the outcomes.
    """
    now = today.toordinal()
    reached = np.array([o.reached.toordinal() if o.reached else now for o in outcomes], dtype=np.int64)
    seen = np.array([o.seen_until.toordinal() for o in outcomes], dtype=np.int64)
    half = np.array([t.half_by.toordinal() for t in told], dtype=np.int64)
    most = np.array([t.most_by.toordinal() for t in told], dtype=np.int64)
    return Levels(
        _walk(*_due(half, reached, seen, now=now), first=HALF, target=HALF, step=HALF_STEP, within=HALF_RANGE),
        _walk(*_due(most, reached, seen, now=now), first=FIRST_MOST, target=MOST, step=MOST_STEP, within=MOST_RANGE),
    )


def _due(by: Ints, reached: Ints, seen: Ints, *, now: int) -> tuple[Ints, Bools]:
    """Return the days on which dates came due that are over, and whether they were hit."""
    due = by < now
    hit = reached <= by
    known = due & (hit | (reached < now) | (seen > by))
    return by[known], hit[known]


def _walk(day: Ints, hit: Bools, *, first: float, target: float, step: float, within: tuple[float, float]) -> float:
    days, index = np.unique(day, return_inverse=True)
    count = np.bincount(index, minlength=len(days))
    hits = np.bincount(index, weights=hit, minlength=len(days))
    moves: Floats = step * (target - hits / np.maximum(count, 1)) * count / (count + _CROWD)
    level = first
    for move in moves.tolist():
        level = min(max(level + move, within[0]), within[1])
    return level
