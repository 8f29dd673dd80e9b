"""
Proof by cases where no prices reach the best plan: fork on a number of demands served until every case is closed.

How a case was closed needs no trust: its bound is evaluated in whole numbers over all pairs, and the two sides of a
fork leave no plan out. Most forks are counts that whole cars cannot exceed (parity.py); on their other side there is
nothing, and prices say so at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from allocator.cases import Count, Paid, Side, case_bound, case_programme, reduced_values
from allocator.certificate import Fork, Leaf, Node
from allocator.clock import Clock
from allocator.core import losses_of
from allocator.engines import solve_linear
from allocator.errors import EngineFailed
from allocator.instance import Instance, Ints
from allocator.parity import Cut, odd_cuts
from allocator.presolve import Problem
from allocator.prices import SCALE, Floats

FIRST_LOSS_M = 50.0
FIRST_PAIRS = 5000
"""Pairs of the first programme: those that lose no more at the given prices, so many at least; more come by price."""
LEAST_COLUMNS = 40_000
COLUMNS_A_PAIR = 3
"""Work limit: columns of all programmes together, so many and so many for each pair of the problem."""
MOST_CUTS = 30
"""Counts added between two programmes."""
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
class _Case:
    """Prices of rows (R,) and, by node, of forks, the bound they prove, all in 1/SCALE metre; and amounts (J,)."""

    price: Ints
    fork_price: dict[int, int]
    total: int
    amount: Floats


_Path = dict[int, Side]
"""Forks above a case, by node."""


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
        Work limit: columns of all linear programmes together. Equal input gives equal output, unless the clock cuts in.
    """
    most = LEAST_COLUMNS + COLUMNS_A_PAIR * problem.num_pairs if columns is None else columns
    search = _Search(problem, taken, price)
    closed = _PENALTY * SCALE * search.penalty < _MOST_PRICE and search.run(clock, most)
    nodes = trimmed(search.nodes) if closed else ()
    holds = closed and all(node.bound_m <= search.value for node in nodes if isinstance(node, Leaf))
    return Proof(search.taken, nodes if holds else None, search.programmes)


class _Search:
    """Depth first: the nodes so far, the cases still open, and the best plan known."""

    def __init__(self, problem: Problem, taken: Ints, price: Ints) -> None:
        self.problem = problem
        self.taken = taken
        self.value = problem.value_of(taken)
        self.price = price
        self.root = case_bound(problem, price, ())
        self.nodes: list[Node | None] = [None]
        self.open: list[tuple[int, _Path]] = [(0, {})]
        self.programmes = 0
        self.columns = 0
        loss, _ = losses_of(problem, price / SCALE)
        gap = self.root / SCALE - self.value  # what loses more is in no better plan
        self.inside = (loss <= min(_first_loss(loss), gap)) | (taken > 0)
        self.penalty = _PENALTY * (gap + int(problem.pair_value_m.max(initial=1)))

    def run(self, clock: Clock, columns: int) -> bool:
        """Close every case; False when the work limit or the time came first."""
        if self._closes(self.root):
            self.nodes[0] = self._leaf(_Case(self.price, {}, self.root, np.zeros(0)))
            return True
        while self.open:
            node, path = self.open.pop()
            try:
                case = self._relax(path, clock, columns)
            except EngineFailed:
                return False
            if case is None or len(self.nodes) > MOST_NODES:
                return False
            if self._closes(case.total):
                self.nodes[node] = self._leaf(case)
            elif not self._cut(node, path, case) and not self._branch(node, path, case):
                return False
        return True

    def _closes(self, total: int) -> bool:
        """Whether a bound leaves no room for a better plan."""
        return total // SCALE <= self.value

    def _leaf(self, case: _Case) -> Leaf:
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

    def _relax(self, path: _Path, clock: Clock, columns: int) -> _Case | None:
        """Prices of a case from its linear programme; pairs are priced in as long as that may close it."""
        while True:
            pairs = np.flatnonzero(self.inside)
            self.columns += len(pairs)
            if self.columns > columns or clock.is_over():
                return None
            programme, part = case_programme(self.problem, pairs, list(path.values()), penalty=self.penalty)
            answer = solve_linear(programme, limit_s=clock.left_s())
            self.programmes += 1
            assert answer.duals is not None  # noqa: S101  (a linear programme's answer has them)
            duals = np.clip(np.rint(answer.duals * SCALE), 0.0, _MOST_PRICE).astype(np.int64)
            group_dual, row_dual, side_dual = np.split(duals, np.cumsum((len(part.groups), len(part.rows))))
            price = np.zeros(self.problem.num_rows, dtype=np.int64)
            price[part.rows] = row_dual
            paid = list(zip(path.values(), side_dual.tolist(), strict=True))
            amount = np.zeros(self.problem.num_pairs)
            amount[pairs] = answer.x[: len(pairs)]
            self._improve(amount)
            total = case_bound(self.problem, price, paid)
            case = _Case(price, dict(zip(path, side_dual.tolist(), strict=True)), total, amount)
            if self._closes(total) or answer.bound >= self.value + 1:
                return case
            best = np.zeros(self.problem.num_groups, dtype=np.int64)
            best[part.groups] = group_dual
            better = reduced_values(self.problem, price, paid) > best[self.problem.pair_group()]
            if not (better & ~self.inside).any():
                return case
            self.inside |= better

    def _improve(self, amount: Floats) -> None:
        """Make a programme's answer the plan where it is in whole cars, keeps the rules and is worth more."""
        whole = np.rint(amount).astype(np.int64)
        value = self.problem.value_of(whole)
        if value <= self.value or np.abs(amount - whole).max(initial=0.0) > _DUST:
            return
        served = np.bincount(self.problem.pair_group(), weights=whole, minlength=self.problem.num_groups)
        left_out = self.problem.group_count - served
        if left_out.min(initial=0) < 0 or left_out[self.problem.must_serve].any():
            return
        if (self.problem.load_of(whole) <= self.problem.row_capacity).all():
            self.taken, self.value = whole, value

    def _fork(self, node: int, count: Count) -> tuple[int, int]:
        below, above = len(self.nodes), len(self.nodes) + 1
        self.nodes += [None, None]
        self.nodes[node] = Fork(count.pair, count.weight, count.at_most, below, above)
        return below, above

    def _cut(self, node: int, path: _Path, case: _Case) -> bool:
        """Fork on counts that the case's fractional plan exceeds and no plan does; False when none is found."""
        kept = {at: side for at, side in path.items() if side.below}
        cuts = odd_cuts(self.problem, case.amount, [side.count for side in kept.values()], most=MOST_CUTS)
        way = path
        for cut in cuts:
            below, above = self._fork(node, cut.count)
            self.nodes[above] = self._leaf(self._empty(node, cut, kept))
            way = {**way, node: Side(cut.count, below=True)}
            node = below
        if cuts:
            self.open.append((node, way))
        return bool(cuts)

    def _empty(self, node: int, cut: Cut, kept: _Path) -> _Case:
        """
        Price the side of a cut on which no plan is.

        There each of the rows that the count is half of costs p more, and the count earns 2p: no pair gains but by p a
        demand in the groups of the cut. Rows and groups add p · (2 · at_most + 1) at most, the count takes off
        2p · (at_most + 1): the bound of the given prices falls by p or more.
        """
        extra = max(0, self.root - (self.value + 1) * SCALE + 1)
        price = self.price.copy()
        price[cut.rows] += extra
        forks = list(kept)
        charged = {forks[index]: extra for index in cut.limits.tolist()}
        paid: Paid = [*((kept[at], extra) for at in charged), (Side(cut.count, below=False), 2 * extra)]
        return _Case(price, {**charged, node: 2 * extra}, case_bound(self.problem, price, paid), np.zeros(0))

    def _branch(self, node: int, path: _Path, case: _Case) -> bool:
        """Fork on the number served that is nearest to a half; False when all are whole."""
        count = _split_count(self.problem, case.amount)
        if count is None:
            return False
        below, above = self._fork(node, count)
        self.open.append((above, {**path, node: Side(count, below=False)}))
        self.open.append((below, {**path, node: Side(count, below=True)}))
        return True


def _first_loss(loss: Floats) -> float:
    """Metres that the pairs of the first programme lose at most."""
    if len(loss) <= FIRST_PAIRS:
        return float("inf")
    return max(FIRST_LOSS_M, float(np.partition(loss, FIRST_PAIRS)[FIRST_PAIRS]))


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


def trimmed(nodes: list[Node | None]) -> tuple[Node, ...]:
    """Leave out forks whose count no leaf of one side prices: that side alone proves as much."""
    priced: dict[int, set[int]] = {}
    stands_for = list(range(len(nodes)))
    for index in range(len(nodes) - 1, -1, -1):  # cases stand after their fork
        node = nodes[index]
        if isinstance(node, Leaf):
            priced[index] = set(node.fork.tolist())
        elif isinstance(node, Fork):
            free = next((side for side in (node.below, node.above) if index not in priced[side]), None)
            priced[index] = priced[node.below] | priced[node.above] if free is None else priced[free]
            stands_for[index] = index if free is None else stands_for[free]
    return _renumbered(nodes, stands_for)


def _renumbered(nodes: list[Node | None], stands_for: list[int]) -> tuple[Node, ...]:
    """Return the nodes that are left, from the root down, every fork before its cases."""
    order = [stands_for[0]]
    for index in order:
        node = nodes[index]
        if isinstance(node, Fork):
            order += [stands_for[node.below], stands_for[node.above]]
    number = {index: place for place, index in enumerate(order)}
    result: list[Node] = []
    for index in order:
        node = nodes[index]
        if isinstance(node, Fork):
            result.append(replace(node, below=number[stands_for[node.below]], above=number[stands_for[node.above]]))
        elif isinstance(node, Leaf):
            result.append(replace(node, fork=np.array([number[fork] for fork in node.fork.tolist()], dtype=np.int64)))
    return tuple(result)


def on_instance(instance: Instance, problem: Problem, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the same nodes with forks that count pairs of the instance instead of its presolved problem."""
    group = instance.pair_group()
    merged = problem.pair_ptr[problem.group_of[group]] + np.arange(instance.num_pairs) - instance.pair_ptr[group]
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Fork):
            weight = np.zeros(problem.num_pairs, dtype=np.int64)
            weight[node.pair] = node.weight
            pair = np.flatnonzero(weight[merged])
            result.append(replace(node, pair=pair, weight=weight[merged][pair]))
        else:
            result.append(node)
    return tuple(result)
