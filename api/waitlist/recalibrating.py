"""The levels that dates are read off at, moved by what became of the dates told before."""

from __future__ import annotations

from dataclasses import dataclass

from api.waitlist.lists import Floats

HALF, MOST = 0.5, 0.9
LOW_HALF, HIGH_HALF = 0.3, 0.7
LOW_MOST, HIGH_MOST = 0.8, 0.97
STEP = 0.005


@dataclass(frozen=True, slots=True)
class Levels:
    """Chances at which the two dates are read off."""

    half: float = HALF
    most: float = MOST


def levels_from(half_hits: Floats, most_hits: Floats, *, step: float = STEP) -> Levels:
    """
    Move each level by what earlier dates fell short or overshot, in the order in which that became known.

    Parameters
    ----------
    half_hits, most_hits
        1 for a wait that ended by its first (second) date, 0 for one that did not; waits cut off before are left out.

    Notes
    -----
    Gibbs & Candès (2021), Adaptive conformal inference under distribution shift: with the level moved by
    step · (target − hit) after every outcome the long-run share of hits is the target whatever makes the outcomes.
    """
    return Levels(
        _walk(half_hits, HALF, low=LOW_HALF, high=HIGH_HALF, step=step),
        _walk(most_hits, MOST, low=LOW_MOST, high=HIGH_MOST, step=step / 2),
    )


def _walk(hits: Floats, target: float, *, low: float, high: float, step: float) -> float:
    level = target
    for hit in hits:
        level = min(max(level + step * (target - float(hit)), low), high)
    return level
