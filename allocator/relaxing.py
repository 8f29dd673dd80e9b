"""The linear programme of a case, on the pairs that can matter in it, and a search in whole numbers close to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allocator.cases import Paid, Side, best_values, case_bound, case_programme, reduced_values
from allocator.clock import Clock
from allocator.core import losses_of, undecided
from allocator.engines import Answer, solve_linear, solve_whole
from allocator.errors import EngineFailed
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats
from allocator.programmes import Part

FIRST_LOSS_M = 20.0
FIRST_PAIRS = 5000
"""Pairs of the first programme: those that lose no more at the given prices, so many at least; more come by price."""
WHOLE_LOSSES_M = (30, 10, 2)
MOST_WHOLE_COLUMNS = 5000
"""A plan in whole cars is looked for among pairs that lose so little, the most that so many columns hold."""
WHOLE_NODES = 50
COLUMN_COST = 10
"""Nodes of that search, and what a column of it counts."""
_MOST_PRICE = 2**48
"""In 1/SCALE metre: forks by the thousand at such prices still add up within 64 bits."""
_DUST = 1e-6
_Flags = NDArray[np.bool_]

Path = dict[int, Side]
"""Forks above a case that its programme keeps, by node."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """
    What the programme of a case says: a fractional plan, and prices that prove a bound.

    Prices of rows (R,) and, by node, of forks, and `total`, all in 1/SCALE metre; amounts (J,). Unless it is `proven`,
    the total is only what the programme so far is worth.
    """

    price: Ints
    fork_price: dict[int, int]
    total: int
    amount: Floats
    proven: bool

    def paid(self, path: Path) -> Paid:
        """Sides of the forks on the way with their prices."""
        return [(side, self.fork_price[node]) for node, side in path.items()]


class Relaxation:
    """
    Programmes over a growing number of pairs; groups with a single sensible choice stand there and are only priced.

    `columns` are left of the work limit, `programmes` were solved.
    """

    def __init__(self, problem: Problem, price: Ints, *, gap_m: float, penalty: float, columns: int) -> None:
        self.columns = columns
        self.programmes = 0
        self._problem = problem
        self._penalty = penalty
        self._group = problem.pair_group()
        self._locked = problem.must_serve[self._group]
        loss, best = losses_of(problem, price / SCALE)
        most_loss = min(_first_loss(loss), gap_m)  # what loses more than the gap is in no better plan
        self._inside: _Flags = (loss <= most_loss) | self._locked
        self._wavering: _Flags = (best <= most_loss) & ~problem.must_serve

    def case_of(self, path: Path, *, clock: Clock, value_m: int | None = None) -> Case | None:
        """
        Solve a case; None when the work limit or the time came first.

        Pairs are priced in until none is missed. With the value of a plan, only for as long as the programme so far
        leaves no room for a better one: a larger programme leaves more.

        Raises
        ------
        EngineFailed
            When the engine breaks down.
        """
        problem = self._problem
        while True:
            pairs, sure = self._columns(self._inside, self._wavering)
            self.columns -= len(pairs)
            if self.columns < 0 or clock.is_over():
                return None
            programme, part = case_programme(problem, pairs, sure, list(path.values()), penalty=self._penalty)
            self.programmes += 1
            try:
                answer = solve_linear(programme, limit_s=clock.left_s())
            except EngineFailed:
                if not sure.any():
                    raise
                self._wavering[:] = True  # a lock needs the place of a group that seemed sure
                continue
            price, group_price, side_price = self._prices(answer, part)
            amount = sure.astype(np.float64)
            amount[pairs] = answer.x[: len(pairs)]
            worth = round(SCALE * (answer.bound + problem.value_of(sure)))
            case = Case(price, dict(zip(path, side_price, strict=True)), worth, amount, proven=False)
            if value_m is not None and worth >= SCALE * (value_m + 1) + SCALE // 2:
                return case
            reduced = reduced_values(problem, price, case.paid(path))
            group_price[self._group[sure > 0]] = reduced[sure > 0]
            better = (reduced > group_price[self._group]) & ~self._inside
            doubted = better | ((sure > 0) & (reduced < 0) & ~self._locked)
            total = case_bound(problem, price, case.paid(path))
            if not doubted.any() or (value_m is not None and total // SCALE <= value_m):
                return replace(case, total=total, proven=True)
            self._inside |= better
            self._wavering[self._group[doubted]] = True

    def plan_near(self, path: Path, case: Case, *, gap_m: float, clock: Clock) -> Floats | None:
        """
        Solve in whole numbers what loses little at a case's prices; the amounts (J,), None without an answer.

        What loses more than `gap_m` is in no better plan.
        """
        problem = self._problem
        reduced = reduced_values(problem, case.price, case.paid(path))
        best = best_values(problem, reduced)
        loss = best[self._group] - reduced
        for most_loss_m in WHOLE_LOSSES_M:
            most_loss = int(SCALE * min(most_loss_m, gap_m))
            near = (loss <= most_loss) | (case.amount > _DUST) | self._locked
            pairs, sure = self._columns(near, (best <= most_loss) & ~problem.must_serve)
            if len(pairs) <= min(MOST_WHOLE_COLUMNS, self.columns // COLUMN_COST):
                break
        else:
            return None
        programme, _ = case_programme(problem, pairs, sure, list(path.values()), penalty=self._penalty)
        high = np.where(np.arange(len(programme.high)) < len(pairs), programme.high, 0.0)  # no side is missed
        self.programmes += 1
        self.columns -= COLUMN_COST * len(pairs)
        try:
            answer = solve_whole(replace(programme, high=high), nodes=WHOLE_NODES, limit_s=clock.left_s())
        except EngineFailed:  # the proof goes on without a better plan
            return None
        if answer is None:
            return None
        amount = sure.astype(np.float64)
        amount[pairs] = np.rint(answer.x[: len(pairs)])
        return amount

    def _columns(self, inside: _Flags, wavering: _Flags) -> tuple[Ints, Ints]:
        """Pairs to decide on, and demands (J,) that are sure; a programme has columns."""
        pairs, sure = undecided(self._problem, inside, wavering)
        return (pairs, sure) if len(pairs) else (np.flatnonzero(inside), np.zeros_like(sure))

    def _prices(self, answer: Answer, part: Part) -> tuple[Ints, Ints, list[int]]:
        """Whole prices of rows (R,), of groups (G,) and of sides from a programme's duals."""
        assert answer.duals is not None  # noqa: S101  (a linear programme's answer has them)
        duals = np.clip(np.rint(answer.duals * SCALE), 0.0, _MOST_PRICE).astype(np.int64)
        of_groups, of_rows, of_sides = np.split(duals, np.cumsum((len(part.groups), len(part.rows))))
        price = np.zeros(self._problem.num_rows, dtype=np.int64)
        price[part.rows] = of_rows
        group_price = np.zeros(self._problem.num_groups, dtype=np.int64)
        group_price[part.groups] = of_groups
        return price, group_price, of_sides.tolist()


def _first_loss(loss: Floats) -> float:
    """Metres that the pairs of the first programme lose at most."""
    if len(loss) <= FIRST_PAIRS:
        return float("inf")
    return max(FIRST_LOSS_M, float(np.partition(loss, FIRST_PAIRS)[FIRST_PAIRS]))
