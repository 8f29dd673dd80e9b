"""Made-up mornings on which sharers leave late, to hold buffers against."""

from __future__ import annotations

import numpy as np

from api.overstays.buffering import STEPS_MIN, Mornings, late_law, size_buffer


def made_mornings(
    generator: np.random.Generator, *, mornings: int, cars: int, share: float, correlation: float = 0.05
) -> Mornings:
    """Give each morning its own share of late cars, Beta of this mean and correlation, gone after 20 min or so."""
    precision = 1 / correlation - 1
    shares = generator.beta(share * precision, (1 - share) * precision, size=mornings)
    there = generator.binomial(cars, 0.85, size=mornings)
    late = generator.binomial(there, shares)
    still = np.zeros((mornings, len(STEPS_MIN)), dtype=np.int64)
    for k, number in enumerate(late):
        minutes = generator.exponential(20, size=number)
        still[k] = [(minutes > step).sum() if step else number for step in STEPS_MIN]
    return Mornings(there.astype(np.int64), still)


def joined(parts: list[Mornings]) -> Mornings:
    return Mornings(np.concatenate([p.cars for p in parts]), np.concatenate([p.still for p in parts]))


def share_of_mornings_held(
    seed: int, *, own_mornings: int, bays: int = 40, confidence: float = 0.95, facilities: int = 200
) -> tuple[float, float]:
    """Size buffers from a short record and a scheme of ten facilities; look at one later morning of each."""
    generator = np.random.default_rng(seed)
    held, sizes = 0.0, 0.0
    for _ in range(facilities):
        shares = generator.beta(2, 38, size=11)  # facilities differ: one in twenty late on average
        pool = joined([made_mornings(generator, mornings=60, cars=bays, share=s) for s in shares[1:]])
        own = made_mornings(generator, mornings=own_mornings, cars=bays, share=shares[0])
        law = late_law(own, pool, step=0)
        assert law is not None
        buffer = size_buffer(law, bays=bays, confidence=confidence).buffer_bays
        later = made_mornings(generator, mornings=200, cars=bays - buffer, share=shares[0])
        held += float((later.still[:, 0] <= buffer).mean()) / facilities
        sizes += buffer / facilities
    return held, sizes
