"""How many bays to keep back, so that an owner's people find one although some sharers leave late: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
STEPS_MIN = (0, 5, 10, 15, 20, 30, 45, 60, 90, 120)
"""Minutes after the leave-by time at which cars are counted."""
PRIOR_CARS = 60
"""The scheme's record counts as much as so many cars of the facility's own: one busy week."""
_PRIOR_MORNINGS = 30
_FEWEST_CARS = 30
"""With fewer cars seen leaving, in the whole scheme, nothing is said."""
_MOST_CORRELATION = 0.5
_DRAWS = 4000
Basis = Literal["own_cars_seen", "every_bay_wanted"]


@dataclass(frozen=True, slots=True, eq=False)
class Mornings:
    """Mornings that are over: `cars` (M,) whose stays ended, `still` (M, T) of them there at each of `STEPS_MIN`."""

    cars: Counts
    still: Counts

    @property
    def num_cars(self) -> int:
        """Cars of all mornings."""
        return int(self.cars.sum())


@dataclass(frozen=True, slots=True, eq=False)
class LateLaw:
    """
    What share of a morning's cars will be late: Beta(alpha, beta) at the first step, then `stays` (T,) of those.

    `pool_weight` says how much of the share comes from the scheme's record instead of the facility's own.
    """

    alpha: float
    beta: float
    stays: Floats
    pool_weight: float

    @property
    def share(self) -> float:
        """Expected share of cars that are late."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True, slots=True)
class Sizing:
    """A buffer and how sure it is: `chance` that it is enough on a coming morning."""

    buffer_bays: int
    chance: float
    basis: Basis


def late_law(own: Mornings, pool: Mornings, *, step: int) -> LateLaw | None:
    """
    Estimate lateness at a step of `STEPS_MIN`, a thin record of one's own drawn towards the scheme's.

    With k of n own cars late, p₀ the scheme's share and s = `PRIOR_CARS`, the expected share is m = (k + s·p₀)/(n + s).
    Cars of one morning are late together (rain, a broken gate): their correlation ρ is estimated by moments, drawn
    towards the scheme's too. The variance of a coming morning's share is m(1 − m)(ρ + (1 − ρ)ν), where
    ν = 1/(n′ + s + 1), n′ = n/(1 + (n̄ − 1)ρ), is for not knowing m well. Returned is a Beta of this mean and variance.

    Returns
    -------
    LateLaw or None
        None where hardly any car was seen to leave.
    """
    if own.num_cars + pool.num_cars < _FEWEST_CARS:
        return None
    strength = PRIOR_CARS if pool.num_cars >= _FEWEST_CARS else 1
    base = (pool.still.sum(axis=0) + 0.5) / (pool.num_cars + 1)
    expected = (own.still.sum(axis=0) + strength * base) / (own.num_cars + strength)
    mean = float(np.clip(expected[step], 1e-6, 1 - 1e-6))
    rho = _correlation(own, pool, step=step)
    per_morning = own.num_cars / max(len(own.cars), 1)
    effective = own.num_cars / (1 + max(per_morning - 1, 0) * rho)
    spread = rho + (1 - rho) / (effective + strength + 1)
    precision = 1 / spread - 1
    after = np.clip(expected / mean, 0, 1)
    after[: step + 1] = 1
    return LateLaw(mean * precision, (1 - mean) * precision, after, strength / (own.num_cars + strength))


def _correlation(own: Mornings, pool: Mornings, *, step: int) -> float:
    found, mornings = _moments(own, step=step)
    common, _ = _moments(pool, step=step)
    return float(min((mornings * found + _PRIOR_MORNINGS * common) / (mornings + _PRIOR_MORNINGS), _MOST_CORRELATION))


def _moments(seen: Mornings, *, step: int) -> tuple[float, int]:
    """Correlation of two cars of one morning, and from how many mornings with more than one car."""
    many = seen.cars > 1
    cars, late = seen.cars[many].astype(np.float64), seen.still[many, step].astype(np.float64)
    if not len(cars):
        return 0.0, 0
    share = (late.sum() + 0.5) / (cars.sum() + 1)
    excess = ((late - cars * share) ** 2).sum() - (cars * share * (1 - share)).sum()
    return max(0.0, float(excess / (share * (1 - share) * (cars * (cars - 1)).sum()))), len(cars)


def size_buffer(
    law: LateLaw, *, bays: int, confidence: float, own_cars: Counts | None = None, places: int | None = None
) -> Sizing:
    """
    Find the smallest buffer that is enough with a confidence.

    Parameters
    ----------
    bays
        All bays that could be shared. What is not kept back is taken to be full of sharers.
    own_cars
        The owner's own cars inside at each of `STEPS_MIN` on past mornings, (D, T), of `places` in all: enough is then
        that nobody is ever without a place, own + late ≤ places at every step. Without, the owner's people may want
        every bay at once, and enough is late ≤ buffer.
    """
    if own_cars is None or not len(own_cars) or places is None:
        return _cover_all(law, bays=bays, confidence=confidence)
    room = places - own_cars
    chances = ((buffer, _chance_of_room(law, room, sharers=bays - buffer)) for buffer in range(bays + 1))
    buffer, chance = next(found for found in chances if found[1] >= confidence or found[0] == bays)
    return Sizing(buffer, chance, "own_cars_seen")


def _cover_all(law: LateLaw, *, bays: int, confidence: float) -> Sizing:
    buffers = np.arange(bays + 1)
    from scipy.stats import betabinom  # noqa: PLC0415 -- takes a second and much memory to load: for jobs only

    chances = np.asarray(betabinom.cdf(buffers, bays - buffers, law.alpha, law.beta), dtype=np.float64)
    buffer = int(np.argmax(chances >= confidence))
    return Sizing(buffer, float(chances[buffer]), "every_bay_wanted")


def _chance_of_room(law: LateLaw, room: Counts, *, sharers: int) -> float:
    """Share of made-up mornings, the same ones each time, on which late cars fit beside the owner's own."""
    generator = np.random.default_rng(0)
    late = generator.binomial(sharers, generator.beta(law.alpha, law.beta, size=_DRAWS))
    days = room[generator.integers(len(room), size=_DRAWS)]
    fits = np.ones(_DRAWS, dtype=np.bool_)
    before = 1.0
    for step, stays in enumerate(law.stays):
        late = generator.binomial(late, 0.0 if before <= 0 else min(stays / before, 1.0))
        before = float(stays)
        fits &= late <= np.maximum(days[:, step], 0)
    return float(fits.mean())
