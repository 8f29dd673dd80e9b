"""Prices that bound every plan, found by Newton's method on the smooth relaxation while its temperature falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocator.clock import Clock
from allocator.presolve import Problem
from allocator.prices import bound_of, foot_prices
from allocator.smoothing import Blocks, Choice, Floats, Undecided, choose, covariance_times, undecided_of

HOTTEST_SHARE = 0.2
"""First temperature, as a share of the highest value: everybody still considers everything."""
FINEST_M = 0.25
"""Last temperature in metres; the bound is then within a few hundredths of a metre a demand of the relaxation's."""
COOLING = 0.4
MOST_STEPS = 8
"""Newton steps at one temperature; twice as many at the first, where prices come from elsewhere."""
NEAR = 0.03
"""Steps at a temperature end when one more would gain less than so many temperatures a row."""
TRUST = 10.0
"""Temperatures that a price moves at most by its own slope: what is not curved would move for ever."""
MOST_GRADIENTS = 150
ACCURACY = 0.1
"""Conjugate gradients of a step end at this share of the first residual: a step need not be exact to be a good one."""
_BOUNDARY = 0.95
_SUFFICIENT = 1e-4
_SHORTEST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """
    `lambda_m` (R,) metres on rows, none negative, with the `bound_m` they prove, and a fractional plan `amount` (J,).

    `steps` counts Newton steps, `sweeps` passes over the pairs, those of conjugate gradients included.
    """

    lambda_m: Floats
    bound_m: float
    amount: Floats
    steps: int
    sweeps: int


def descend_prices(
    problem: Problem,
    *,
    start: Floats | None = None,
    hottest_m: float | None = None,
    finest_m: float = FINEST_M,
    clock: Clock | None = None,
) -> Prices:
    """
    Lower the Lagrangian bound to nearly that of the linear relaxation.

    Minimises  L_μ(λ) = Σ_g count[g] · μ log(1 + Σ_j exp((value[j] − Σ_r∈rows(j) λ[r]) / μ)) + Σ_r (λ[r] capacity[r]
    − μ log λ[r]),  λ > 0,  for a falling temperature μ; without the 1 for groups that must be served. L_0 is the
    Lagrangian bound.

    Parameters
    ----------
    problem
        G groups, J pairs, R rows; values in metres.
    start
        Prices to begin from, (R,) metres. With a solved neighbour's, `hottest_m` can be low, which saves most sweeps.
    hottest_m
        First temperature in metres; a fifth of the highest value without.
    finest_m
        Last temperature in metres.
    clock
        When to stop early; never without.

    Returns
    -------
    Prices
        The best found; valid whatever they are.

    Notes
    -----
    Truncated Newton steps by conjugate gradients (Dembo & Steihaug 1983, Math. Programming 26, 190–212), conditioned
    by the covariance within each bay group. The matrix is regularised by each row's own slope, as Mishchenko (2023,
    SIAM J. Optimization 33, 1440–1462) does with its norm; slack and price of a row move as primal and dual of an
    interior-point method do. Smoothing: Nesterov (2005), Math. Programming 103, 127–152.
    """
    clock = clock or Clock()
    highest = float(problem.pair_value_m.max(initial=0))
    temperature = max(HOTTEST_SHARE * highest if hottest_m is None else hottest_m, finest_m)
    price = np.full(problem.num_rows, 0.01 * highest) if start is None else np.maximum(start, 1e-3)
    descent = _Descent(problem, price, temperature)
    best, best_bound = price, bound_of(problem, price)
    while problem.num_rows and not clock.is_over():
        descent.settle(temperature, 2 * MOST_STEPS if descent.steps == 0 else MOST_STEPS, clock)
        bound = bound_of(problem, descent.price)
        if bound <= best_bound:
            best, best_bound = descent.price, bound
        if temperature <= finest_m:
            break
        temperature = max(temperature * COOLING, finest_m)
    return Prices(best, best_bound, descent.choice.amount, descent.steps, descent.sweeps)


class _Descent:
    """Where the descent stands: prices, slacks, and the choices they lead to."""

    def __init__(self, problem: Problem, price: Floats, temperature: float) -> None:
        self._problem = problem
        self._capacity = problem.row_capacity.astype(np.float64)
        self._blocks = Blocks(problem)
        self.price = price
        self.steps = self.sweeps = 0
        self.choice = self._choose(price, temperature)
        self._slack = np.maximum(self._capacity - self.choice.load, temperature / price)

    def settle(self, temperature: float, most_steps: int, clock: Clock) -> None:
        """Take Newton steps at one temperature."""
        self.choice = self._choose(self.price, temperature)
        for _ in range(most_steps):
            slope = self._capacity - self.choice.load - temperature / self.price
            move = self._newton(slope, temperature)
            gain = -float((slope * move).sum())
            self._step(move, gain, temperature)
            self.steps += 1
            if gain < NEAR * temperature * len(slope) or clock.is_over():
                return

    def _choose(self, price: Floats, temperature: float) -> Choice:
        self.sweeps += 1
        return choose(self._problem, foot_prices(self._problem, price), temperature_m=temperature)

    def _smooth_bound(self, choice: Choice, price: Floats, temperature: float) -> float:
        return choice.worth_m + float((price * self._capacity).sum() - temperature * np.log(price).sum())

    def _newton(self, slope: Floats, temperature: float) -> Floats:
        """Solve (covariance / μ + slack / price + |slope| / (trust μ)) · move = −slope, roughly."""
        undecided = undecided_of(self._problem, self.choice.amount)
        diagonal = temperature * self._slack / self.price + np.abs(slope) / TRUST + 1e-6
        self._blocks.factorise(self._problem, undecided, diagonal)
        return self._conjugate_gradients(undecided, diagonal, -temperature * slope)

    def _conjugate_gradients(self, undecided: Undecided, diagonal: Floats, right: Floats) -> Floats:
        move, residual = np.zeros(len(right)), right.copy()
        direction = conditioned = self._blocks.solve(residual)
        size = first = float((residual * conditioned).sum())
        for _ in range(MOST_GRADIENTS):
            image = covariance_times(self._problem, undecided, direction) + diagonal * direction
            self.sweeps += 1
            curvature = float((direction * image).sum())
            if curvature <= 0:
                break
            move += size / curvature * direction
            residual -= size / curvature * image
            conditioned = self._blocks.solve(residual)
            before, size = size, float((residual * conditioned).sum())
            if size < ACCURACY**2 * first:
                break
            direction = conditioned + size / before * direction
        return move

    def _step(self, move: Floats, gain: float, temperature: float) -> None:
        """Go along a direction as far as prices stay above zero and the smooth bound falls enough."""
        falling = move < 0
        room = float((-self.price[falling] / move[falling]).min()) if falling.any() else np.inf
        length = min(1.0, _BOUNDARY * room)
        now = self._smooth_bound(self.choice, self.price, temperature)
        while True:
            price = self.price + length * move
            choice = self._choose(price, temperature)
            if self._smooth_bound(choice, price, temperature) <= now - _SUFFICIENT * length * gain:
                break
            length /= 2
            if length < _SHORTEST:
                return
        centred = temperature / self.price
        slack = self._slack + length * (centred - self._slack - self._slack / self.price * move)
        self._slack = np.clip(slack, 0.1 * centred, np.maximum(10 * centred, 2 * self._capacity))
        self.price, self.choice = price, choice
