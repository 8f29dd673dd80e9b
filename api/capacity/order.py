"""The number that a coming day will not pass: order statistics of days like it, without any assumed distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WEEKDAY, DAY_KIND, NOT_ENOUGH = "weekday", "day_kind", "not_enough_days"
_RECENT_WEEKS = 8
_FEWEST_RECENT = 3


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Days that are over: `peaks` (n, S) cars; `day`, `weekday` (Monday is 0) and `kind` (any number), (n,) each."""

    peaks: NDArray[np.int64]
    day: NDArray[np.int64]
    weekday: NDArray[np.int64]
    kind: NDArray[np.int64]

    def chosen(self, flags: NDArray[np.bool_]) -> Past:
        """Keep some of the days."""
        return Past(self.peaks[flags], self.day[flags], self.weekday[flags], self.kind[flags])


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """The most cars to reckon with, (S,), infinite where too few; from what days, how many, and their weight."""

    cars: Floats
    basis: str
    days: int
    weighed: float


def bound_for(past: Past, *, weekday: int, kind: int, before: int, confidence: float, half_life_weeks: float) -> Bound:
    """
    Bound the peaks of one coming day of a weekday and kind.

    From days of the same weekday and kind where they are enough; else from all days of the kind, and then no lower
    than any of the few days of the same weekday; else not at all. Where the last eight weeks were fuller than what the
    bound rests on, it is raised by as much.

    Parameters
    ----------
    before
        Day number; the ages of days count from it.
    """
    same_kind = past.kind == kind
    own = same_kind & (past.weekday == weekday)
    weights = 0.5 ** ((before - past.day) / (7 * half_life_weeks))
    rise = _rise(past.chosen(same_kind), weights[same_kind], before=before)
    bound = upper_order_statistic(past.peaks[own], weights[own], confidence=confidence)
    if np.isfinite(bound).all():
        return Bound(bound + rise, WEEKDAY, int(own.sum()), float(weights[own].sum()))
    bound = upper_order_statistic(past.peaks[same_kind], weights[same_kind], confidence=confidence) + rise
    basis = DAY_KIND if np.isfinite(bound).all() else NOT_ENOUGH
    if own.any():
        bound = np.maximum(bound, past.peaks[own].max(axis=0))
    return Bound(bound, basis, int(same_kind.sum()), float(weights[same_kind].sum()))


def _rise(past: Past, weights: Floats, *, before: int) -> Floats:
    """By how many whole cars the days of the last eight weeks were fuller on average than all weighted days, (S,)."""
    recent = past.day >= before - 7 * _RECENT_WEEKS
    if recent.sum() < _FEWEST_RECENT:
        return np.zeros(past.peaks.shape[1])
    usual = np.average(past.peaks, axis=0, weights=weights)
    rise: Floats = np.maximum(np.rint(past.peaks[recent].mean(axis=0) - usual), 0.0)
    return rise


def upper_order_statistic(values: NDArray[np.int64], weights: Floats, *, confidence: float) -> Floats:
    """
    Return the smallest value that the next one does not pass with a confidence.

    q = min {v : Σ_i w_i·[value_i ≤ v] ≥ confidence·(1 + Σ_i w_i)},   ∞ where there is none.

    Parameters
    ----------
    values
        Past days, (n, S); each column is looked at by itself.
    weights
        (n,), one for a day as good as the next one. With equal weights this is the ⌈(n + 1)·confidence⌉-th smallest,
        which is right for any exchangeable days; smaller weights for older days bound what a drift can spoil.

    Notes
    -----
    Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World; the weights as in Barber, Candès, Ramdas &
    Tibshirani (2023), Annals of Statistics 51, 816–845.
    """
    width = values.shape[1]
    needed = confidence * (1 + weights.sum()) - 1e-9
    if not len(values) or weights.sum() < needed:
        return np.full(width, np.inf)
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0) >= needed
    at = np.argmax(reached, axis=0)
    result: Floats = np.take_along_axis(values, order, axis=0)[at, np.arange(width)].astype(np.float64)
    return result
