"""Advice tested on the past: given from the weeks before, held against the week after, beside a rule of thumb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, betaincinv

from api.capacity.order import Floats, Past, bound_for

FIRST_WEEKS = 4
_RECENT_WEEKS = 8
_SURPRISING = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """
    How a rule did: share of day hours (or nights) in which at least as many bays were free as it said.

    `low` and `high` enclose the coverage with 95 % (Clopper–Pearson, over whole days, for hours of one day are not
    independent). `unused` is the mean number of free bays that it did not offer, `offered` those that it did.
    """

    days: int
    coverage: float
    low: float
    high: float
    offered: float
    unused: float
    worst: float
    drifting: bool


def back_test(past: Past, *, bays: int, confidence: float, half_life_weeks: float) -> tuple[Score, Score] | None:
    """
    Walk through the record week by week: advise from the days before, look at the seven after.

    Returns
    -------
    tuple or None
        Scores of the order statistics and of mean − 2σ on the same days; None where no day could be advised on.
    """

    def ours(known: Past, day: int, weekday: int, kind: int) -> Floats:
        found = bound_for(
            known, weekday=weekday, kind=kind, before=day, confidence=confidence, half_life_weeks=half_life_weeks
        )
        return found.cars

    said = _walk(past, ours)
    naive = _walk(past, _rule_of_thumb)
    both: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(np.hstack((said, naive))), axis=1)
    if not both.any():
        return None
    days = past.chosen(both)
    return (
        _score(days, said[both], bays=bays, confidence=confidence),
        _score(days, naive[both], bays=bays, confidence=confidence),
    )


def _walk(past: Past, rule: Callable[[Past, int, int, int], Floats]) -> Floats:
    """Bound every day from the days before its week, (n, S); infinite where the rule could not say."""
    bounds = np.full(past.peaks.shape, np.inf)
    if not len(past.day):
        return bounds
    for begin in range(int(past.day.min()) + 7 * FIRST_WEEKS, int(past.day.max()) + 1, 7):
        known = past.chosen(past.day < begin)
        for k in np.flatnonzero((past.day >= begin) & (past.day < begin + 7)):
            bounds[k] = rule(known, begin, int(past.weekday[k]), int(past.kind[k]))
    return bounds


def _rule_of_thumb(known: Past, _day: int, weekday: int, kind: int) -> Floats:
    """Mean + 2σ of the cars on days of the same weekday and kind, of the kind where these are fewer than two."""
    own = (known.weekday == weekday) & (known.kind == kind)
    flags: NDArray[np.bool_] = own if own.sum() >= 2 else known.kind == kind
    if flags.sum() < 2:
        return np.full(known.peaks.shape[1], np.inf)
    chosen = known.peaks[flags]
    bound: Floats = np.ceil(chosen.mean(axis=0) + 2 * chosen.std(axis=0, ddof=1))
    return bound


def _score(days: Past, bounds: Floats, *, bays: int, confidence: float) -> Score:
    offered = np.maximum(bays - bounds, 0)
    free = np.maximum(bays - days.peaks, 0)
    kept = offered <= free
    by_day: Floats = kept.mean(axis=1)
    low, high = _interval(float(by_day.sum()), len(by_day))
    recent = by_day[days.day > days.day.max() - 7 * _RECENT_WEEKS]
    missed = float((1 - recent).sum())
    return Score(
        days=len(by_day),
        coverage=float(kept.mean()),
        low=low,
        high=high,
        offered=float(offered.mean()),
        unused=float(np.maximum(free - offered, 0).mean()),
        worst=float(kept.mean(axis=0).min()),
        drifting=bool(bdtrc(np.ceil(missed) - 1, len(recent), 1 - confidence) < _SURPRISING),
    )


def _interval(kept: float, days: int) -> tuple[float, float]:
    low = float(betaincinv(kept, days - kept + 1, 0.025)) if kept > 0 else 0.0
    high = float(betaincinv(kept + 1, days - kept, 0.975)) if kept < days else 1.0
    return low, high
