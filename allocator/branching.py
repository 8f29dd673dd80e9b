"""
Proof by cases where no prices reach the best plan: fork on a number of demands served until every case is closed.

How a case was closed needs no trust: its bound is evaluated in whole numbers over all pairs, and the two sides of a
fork leave no plan out. Most forks are counts that whole cars cannot exceed (cuts.py); on their other side there is
nothing, and prices say so at once. Where counts no longer bring the bound down, what is left near it is searched for a
better plan in whole cars, and then the cases divide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from allocator.cases import Count, Paid, Side, best_values, case_bound, reduced_values
from allocator.certificate import Fork, Leaf, Node
from allocator.clock import Clock
from allocator.cuts import Cut, rounded_sums
from allocator.errors import EngineFailed
from allocator.instance import Ints
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats
from allocator.relaxing import Case, Path, Relaxation
from allocator.trees import trimmed

LEAST_COLUMNS = 270_000
COLUMNS_A_PAIR = 3
"""Work limit: columns of all programmes together, so many and so many for each pair of the problem."""
MOST_CUTS = 30
"""Counts added between two programmes."""
MOST_IDLE = 3
"""Programmes in a row that a count may have slack in before it is dropped."""
STALLED_ROUNDS = 4
LEAST_FALL = 0.2
"""Counts go on as long as so many rounds of them take off this share of what lies between bound and plan."""
AGAIN = 0.5
"""A better plan is looked for when less than this share of what was left the last time lies between bound and plan."""
MOST_NODES = 4000
_MOST_PRICE = 2**48
"""In 1/SCALE metre: forks by the thousand at such prices still add up within 64 bits."""
_PENALTY = 4.0
_DUST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """
    The best plan found, and a tree of cases none of which is worth more.

    `taken` (J,) counts demands at each pair of the problem; `nodes` is None where the work limit came first. Forks
    count pairs of the problem; the prices of leaves stand in the place of those that were given.
    """

    taken: Ints
    nodes: tuple[Node, ...] | None
    programmes: int


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A case still to be closed: its node, its path, for how long each cut there had slack, and bounds on the way."""

    node: int
    path: Path
    idle: dict[int, int]
    totals: tuple[int, ...] = ()


def prove(problem: Problem, taken: Ints, price: Ints, *, clock: Clock, columns: int | None = None) -> Proof:
    """
    Prove a plan optimal by cases, or find a better one and prove that.

    Parameters
    ----------
    taken
        (J,) a plan that keeps every rule, locks included.
    price
        (R,) whole prices in 1/SCALE metre; the nearer to the best, the less work.
    columns
        Work limit: columns of all programmes together. Equal input gives equal output, unless the clock cuts in.
    """
    most = LEAST_COLUMNS + COLUMNS_A_PAIR * problem.num_pairs if columns is None else columns
    search = _Search(problem, taken, price, columns=most)
    closed = _PENALTY * SCALE * search.penalty < _MOST_PRICE and search.run(clock)
    nodes = trimmed(search.nodes) if closed else ()
    holds = closed and all(node.bound_m <= search.value for node in nodes if isinstance(node, Leaf))
    return Proof(search.taken, nodes if holds else None, search.relaxation.programmes)


class _Search:
    """Depth first: the nodes so far, the cases still open, and the best plan known."""

    def __init__(self, problem: Problem, taken: Ints, price: Ints, *, columns: int) -> None:
        self.problem = problem
        self.taken = taken
        self.value = problem.value_of(taken)
        self.price = price
        self.root = case_bound(problem, price, ())
        self.nodes: list[Node | None] = [None]
        self.open = [_Open(0, {}, {})]
        gap_m = self.root / SCALE - self.value
        self.penalty = _PENALTY * (gap_m + int(problem.pair_value_m.max(initial=1)))
        self.relaxation = Relaxation(problem, price, gap_m=gap_m, penalty=self.penalty, columns=columns)
        self.looked_m = np.inf

    def run(self, clock: Clock) -> bool:
        """Close every case; False when the work limit or the time came first."""
        given = Case(self.price, {}, self.root, np.zeros(0), proven=True)
        if self._closes(given):
            self.nodes[0] = self._leaf(given)
            return True
        while self.open:
            here = self.open.pop()
            try:
                case = self.relaxation.case_of(here.path, clock=clock, value_m=self.value)
                while case is not None and self._improve(case.amount):  # a better plan may close it
                    case = self.relaxation.case_of(here.path, clock=clock, value_m=self.value)
            except EngineFailed:
                return False
            if case is None or len(self.nodes) > MOST_NODES:
                return False
            here = replace(here, totals=(*here.totals, case.total))
            if self._closes(case):
                self.nodes[here.node] = self._leaf(case)
            elif (self._stalls(here.totals) or not self._cut(here, case)) and not self._divide(here, case, clock):
                return False
        return True

    def _closes(self, case: Case) -> bool:
        """Whether a case's bound leaves no room for a better plan."""
        return case.proven and case.total // SCALE <= self.value

    def _stalls(self, totals: tuple[int, ...]) -> bool:
        """Whether the last rounds of counts took off too little to go on."""
        if len(totals) <= STALLED_ROUNDS:
            return False
        before, now = totals[-1 - STALLED_ROUNDS], totals[-1]
        return before - now < LEAST_FALL * (now - SCALE * self.value)

    def _leaf(self, case: Case) -> Leaf:
        """Name the prices that differ from those given."""
        rows = np.flatnonzero(case.price != self.price)
        forks = sorted(fork for fork, price in case.fork_price.items() if price)
        return Leaf(
            bound_m=case.total // SCALE,
            fork=np.array(forks, dtype=np.int64),
            fork_price=np.array([case.fork_price[fork] for fork in forks], dtype=np.int64),
            price_bay_group=self.problem.row_bay_group[rows],
            price_at=self.problem.row_at[rows],
            price=case.price[rows],
        )

    def _improve(self, amount: Floats) -> bool:
        """Make a programme's answer the plan where it is in whole cars, keeps the rules and is worth more."""
        whole = np.rint(amount).astype(np.int64)
        value = self.problem.value_of(whole)
        if value <= self.value or np.abs(amount - whole).max(initial=0.0) > _DUST:
            return False
        served = np.bincount(self.problem.pair_group(), weights=whole, minlength=self.problem.num_groups)
        left_out = self.problem.group_count - served
        if left_out.min(initial=0) < 0 or left_out[self.problem.must_serve].any():
            return False
        if (self.problem.load_of(whole) > self.problem.row_capacity).any():
            return False
        self.taken, self.value = whole, value
        return True

    def _fork(self, node: int, count: Count) -> tuple[int, int]:
        below, above = len(self.nodes), len(self.nodes) + 1
        self.nodes += [None, None]
        self.nodes[node] = Fork(count.pair, count.weight, count.at_most, below, above)
        return below, above

    def _cut(self, here: _Open, case: Case) -> bool:
        """Fork on counts that the case's fractional plan exceeds and no plan does; False when none is found."""
        problem = self.problem
        kept = {at: side for at, side in here.path.items() if side.below}
        best = best_values(problem, reduced_values(problem, case.price, case.paid(here.path)))
        charged = np.array([case.fork_price[at] for at in kept], dtype=np.int64)
        priced = np.concatenate((case.price, best, charged)) > 0
        cuts = rounded_sums(problem, case.amount, [side.count for side in kept.values()], priced, most=MOST_CUTS)
        if not cuts:
            return False
        node = here.node
        path, idle = self._in_use(here, case)
        for cut in cuts:
            below, above = self._fork(node, cut.count)
            self.nodes[above] = self._leaf(self._empty(node, cut, kept))
            path[node], idle[node] = Side(cut.count, below=True), 0
            node = below
        self.open.append(_Open(node, path, idle, here.totals))
        return True

    def _in_use(self, here: _Open, case: Case) -> tuple[Path, dict[int, int]]:
        """Leave out cuts that had slack for long: no leaf below will price them."""
        idle = {}
        for at, rounds in here.idle.items():
            count = here.path[at].count
            idle[at] = rounds + 1 if count.of(case.amount) < count.at_most - _DUST else 0
        path = {at: side for at, side in here.path.items() if idle.get(at, 0) < MOST_IDLE}
        return path, {at: rounds for at, rounds in idle.items() if at in path}

    def _empty(self, node: int, cut: Cut, kept: Path) -> Case:
        """
        Price the side of a cut on which no plan is.

        There each row that the count sums up costs p times its multiplier more, and the count earns p · shares: no pair
        gains but by p times its group's multiplier. Rows, groups and limits add p times the sum that is rounded down,
        the count takes off p · shares · (at_most + 1), which is more: the bound of the given prices falls by p at
        least.
        """
        extra = max(0, self.root - (self.value + 1) * SCALE + 1)
        price = self.price + extra * cut.row
        forks = list(kept)
        charged = {forks[index]: extra * multiplier for index, multiplier in cut.limit.items()}
        earned = extra * cut.shares
        paid: Paid = [*((kept[at], number) for at, number in charged.items()), (Side(cut.count, below=False), earned)]
        return Case(price, {**charged, node: earned}, case_bound(self.problem, price, paid), np.zeros(0), proven=True)

    def _divide(self, here: _Open, rough: Case, clock: Clock) -> bool:
        """Look for a better plan, go on with counts if it has been long, or else branch; False when nothing is left."""
        if rough.total / SCALE - self.value >= AGAIN * self.looked_m:
            return self._branch(here, rough)
        case = self.relaxation.case_of(here.path, clock=clock)
        if case is None:
            return False
        self._improve(case.amount)
        whole = self.relaxation.plan_near(here.path, case, gap_m=case.total / SCALE - self.value, clock=clock)
        if whole is not None:
            self._improve(whole)
        self.looked_m = case.total / SCALE - self.value
        if self._closes(case):
            self.nodes[here.node] = self._leaf(case)
            return True
        return self._cut(replace(here, totals=()), case) or self._branch(here, case)

    def _branch(self, here: _Open, case: Case) -> bool:
        """Fork on the number served that is nearest to a half; False when all are whole."""
        count = _split_count(self.problem, case.amount)
        if count is None:
            return False
        path, idle = self._in_use(here, case)
        below, above = self._fork(here.node, count)
        for node, is_below in ((above, False), (below, True)):
            self.open.append(_Open(node, {**path, here.node: Side(count, below=is_below)}, idle, here.totals[-1:]))
        return True


def _split_count(problem: Problem, amount: Floats) -> Count | None:
    """Find the number served that is nearest to a half: of a footprint, else of a single pair."""
    for key in (problem.pair_footprint, np.arange(problem.num_pairs)):
        total = np.bincount(key, weights=amount)
        part = np.abs(total - np.rint(total))
        if part.max(initial=0.0) > _DUST:
            chosen = int(np.argmax(part))
            pair = np.flatnonzero(key == chosen)
            return Count(pair, np.ones(len(pair), dtype=np.int64), int(np.floor(total[chosen])))
    return None
