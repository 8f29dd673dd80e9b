"""How much load: a quick look, and the real thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """
    Sizes of a load test.

    Attributes
    ----------
    ceiling_s, nearest_s
        Seconds for each ceiling, and for bookings of the nearest free bay.
    connections
        Over which those bookings are asked for.
    bookers
        Households that wait to book the nearest free bay, once each; more than can be served in the time.
    travellers
        Households whose members take journeys.
    small_rates, large_rates
        Arrivals a second, step by step, at the small place and at the large one.
    step_s, steady_s
        Seconds of a step, and of the steady stretch after the last.
    """

    ceiling_s: int
    nearest_s: int
    connections: int
    bookers: int
    travellers: int
    small_rates: tuple[float, ...]
    large_rates: tuple[float, ...]
    step_s: float
    steady_s: float


STEADY_SHARE = 0.6
QUICK = Effort(
    ceiling_s=4,
    nearest_s=8,
    connections=32,
    bookers=20_000,
    travellers=4_000,
    small_rates=(20, 40),
    large_rates=(20, 40, 80, 160, 320, 640),
    step_s=3,
    steady_s=5,
)
FULL = Effort(
    ceiling_s=15,
    nearest_s=30,
    connections=32,
    bookers=100_000,
    travellers=20_000,
    small_rates=(20, 40, 80),
    large_rates=(20, *(round(40 * 1.3**step) for step in range(14))),
    step_s=30,
    steady_s=60,
)
