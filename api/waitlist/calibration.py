"""How right the dates were that households had been told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from api.waitlist.lists import Bools, Floats


@dataclass(frozen=True, slots=True)
class Told:
    """Two dates told on a day to somebody who waits."""

    on: date
    half_by: date
    most_by: date


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of the wait: reached on a day, or (`reached` none) last seen waiting on `seen_until`.

    The wait ends unreached when the household leaves, the term ends, or nothing later is known yet.
    """

    reached: date | None
    seen_until: date


@dataclass(frozen=True, slots=True)
class Calibration:
    """Dates told, how many waits were cut off before the second of them, and the shares reached by each."""

    estimates: int
    censored: int
    reached_by_p50: float | None
    reached_by_p90: float | None
    median_width_days: float | None


def calibration(told: Sequence[Told], outcomes: Sequence[Outcome], *, now: date) -> Calibration:
    """
    Measure how many were reached by their first and by their second date, waits cut off counted for what they show.

    Parameters
    ----------
    told, outcomes
        Every pair of dates ever told, and what became of that wait.
    now
        Later outcomes are not known yet.

    Notes
    -----
    Waits are measured in units of the time to the date told; the share reached by then is one less the product-limit
    estimate (Kaplan & Meier 1958) at 1. A wait cut off half-way so counts as one that had not ended half-way.
    """
    if not told:
        return Calibration(0, 0, None, None, None)
    last = [_last_day(outcome, now=now) for outcome in outcomes]
    waited = np.array([(day - t.on).days for t, day in zip(told, last, strict=True)], dtype=np.float64)
    reached = np.array([o.reached is not None and o.reached <= now for o in outcomes])
    half = np.array([(t.half_by - t.on).days for t in told], dtype=np.float64)
    most = np.array([(t.most_by - t.on).days for t in told], dtype=np.float64)
    return Calibration(
        estimates=len(told),
        censored=int((~reached & (waited < most)).sum()),
        reached_by_p50=share_reached((waited + 1.0) / (half + 1.0), reached),
        reached_by_p90=share_reached((waited + 1.0) / (most + 1.0), reached),
        median_width_days=float(np.median(most - half)),
    )


def _last_day(outcome: Outcome, *, now: date) -> date:
    if outcome.reached is not None and outcome.reached <= now:
        return outcome.reached
    return min(outcome.seen_until, now)


def share_reached(waited: Floats, reached: Bools) -> float | None:
    """
    Estimate which share is reached by 1, some waits being cut off.

    Returns
    -------
    float or None
        None when nobody was watched up to 1: nothing can be said then.
    """
    times, index = np.unique(waited, return_inverse=True)
    events = np.bincount(index, weights=reached, minlength=len(times))
    at_risk = np.cumsum(np.bincount(index, minlength=len(times))[::-1])[::-1]
    early = times <= 1.0
    if not (waited >= 1.0).any() and not reached[np.argmax(waited)]:
        return None
    return float(1.0 - np.prod(1.0 - events[early] / at_risk[early]))
