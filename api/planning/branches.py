"""
Branches of a certificate, from the folder alone: that they leave no plan out, and what each of them proves.

`branches` is a list of nodes, the root first. A *fork* counts demands at bay groups, n = Σ weight · demands served
there, and splits all plans into those with n ≤ `at_most` (they go on at node `below`) and those with n ≥ `at_most` + 1
(at node `above`). A *leaf* proves a bound of the plans that come to it, by the certificate's prices with some replaced
and by prices of forks on its way:

    ⌊ ( Σ_d max(0, max_p (scale · value − Σ prices covered − Σ_below price · weight + Σ_above price · weight))
        + Σ prices · capacity + Σ_below price · at_most − Σ_above price · (at_most + 1) ) / scale ⌋

without the inner max(0, ·) for demands locked by a reviewer, who are served in any case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from api.planning.charges import Charges, Whole
from api.planning.numbered import Ints
from api.planning.rulebook import parse_instant
from api.planning.verdicts import FULL, Verdicts

Json = dict[str, Any]
_FITS = 2**60
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (local wall-clock time)


def branches_prove_the_plan(plan: Json, certificate: Json, verdicts: Verdicts) -> Iterator[str]:
    """Say whether the branches leave no plan out and allow no more than the plan's value."""
    if "branches" not in certificate:
        if "proven_bound_m" in plan:
            yield "branches: the plan says proven_bound_m, and the certificate has no branches"
        return
    if plan["status"] != "optimal" or plan.get("proven_bound_m") != plan["value_m"]:
        yield "branches: a plan with branches is optimal, and its proven_bound_m is its value_m"
    try:
        tree = _Tree(certificate["branches"], verdicts)
        options = _Options(certificate, verdicts)
        for number in tree.leaves:
            said, bound_m = tree.nodes[number]["bound_m"], options.bound_m(tree, number)
            if said != bound_m or isinstance(said, bool):
                yield f"branches: node {number} says {said!r}, its prices prove {bound_m}"
            if bound_m > plan["value_m"]:
                yield f"branches: node {number} allows {bound_m}, above the value {plan['value_m']}"
    except KeyError as error:
        yield f"branches: {error.args[0]} is missing"
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        yield f"branches: {error}"


@dataclass(frozen=True, slots=True, eq=False)
class _Fork:
    """A weighted count of demands (N,) at places (N,), split at a whole number."""

    demand: Ints
    place: Ints
    weight: list[int]
    at_most: int


class _Tree:
    """
    Forks and leaves by number.

    Raises
    ------
    ValueError
        When built from nodes that leave a case out, or have one twice.
    """

    def __init__(self, nodes: object, verdicts: Verdicts) -> None:
        if not isinstance(nodes, list) or not nodes:
            raise ValueError("branches is not a list of nodes")
        self.nodes: list[Json] = nodes
        self.forks: dict[int, _Fork] = {}
        self.leaves: list[int] = []
        self._above_it: dict[int, tuple[int, bool]] = {}
        for number, node in enumerate(nodes):
            if "count" in node:
                self.forks[number] = _fork_of(node, f"node {number}", verdicts)
                self._hang(number, node)
            else:
                self.leaves.append(number)
        loose = [number for number in range(1, len(nodes)) if number not in self._above_it]
        if loose:
            raise ValueError(f"node {loose[0]} is a case of no fork")

    def _hang(self, number: int, node: Json) -> None:
        for side in ("below", "above"):
            case = _whole(node[side], f"{side} of node {number}")
            if not number < case < len(self.nodes):
                raise ValueError(f"{side} of node {number} is {case}, not a node after it")
            if case in self._above_it:
                raise ValueError(f"node {case} is a case of two forks, or both cases of one")
            self._above_it[case] = number, side == "below"

    def way(self, number: int) -> dict[int, bool]:
        """Forks above a node, and whether it lies below their limit."""
        way = {}
        while number in self._above_it:
            number, below = self._above_it[number]
            way[number] = below
        return way


def _fork_of(node: Json, name: str, verdicts: Verdicts) -> _Fork:
    counted: dict[tuple[int, int], int] = {}
    for part in node["count"]:
        verdicts.group_index(part["facility"], part["bay_group"])
        place = verdicts.place_of[part["facility"], part["bay_group"]]
        weight = _whole(part["weight"], f"a weight of {name}", least=1)
        for demand in part["demands"]:
            if demand not in verdicts.demands:
                raise ValueError(f"{name} counts {demand!r}, which is not a demand of the folder")
            if (verdicts.demands[demand], place) in counted:
                raise ValueError(f"{name} counts {demand} at {part['facility']} ({part['bay_group']}) twice")
            counted[verdicts.demands[demand], place] = weight
    demands, places = np.array(sorted(counted), dtype=np.int64).reshape(-1, 2).T
    at_most = _whole(node["at_most"], f"at_most of {name}")
    return _Fork(demands, places, [counted[pair] for pair in sorted(counted)], at_most)


class _Options:
    """All eligible (demand, place), by demand and then by place, and what they are worth at a leaf's prices."""

    def __init__(self, certificate: Json, verdicts: Verdicts) -> None:
        self._verdicts = verdicts
        self._scale: int = certificate["scale"]
        self._prices: dict[_At, int] = defaultdict(int)
        for row in certificate["prices"]:
            self._prices[_at(row)] += row["price"]
        eligible = [(judged, judged.why == FULL) for judged in verdicts.blocks()]
        self._demand = _joined([judged.demand[these] for judged, these in eligible])
        self._place = _joined([judged.place[these] for judged, these in eligible])
        self._cover = _joined([judged.cover[these] for judged, these in eligible])
        self._value_m = _joined([judged.value_m[these] for judged, these in eligible])
        self._begins = np.flatnonzero(np.diff(self._demand, prepend=-1))
        decisions = verdicts.asks.decisions.items()
        locked = [demand for demand, said in decisions if any(word == "lock" for _, word in said)]
        self._locked = np.isin(self._demand[self._begins], np.array(locked, dtype=np.int64))

    def bound_m(self, tree: _Tree, number: int) -> int:
        """Metres that no plan that comes to a leaf exceeds."""
        leaf, way = tree.nodes[number], tree.way(number)
        charges = self._charges(leaf["prices"], f"node {number}")
        total, paid = charges.rents(), []
        for fork, price in _fork_prices(leaf["forks"], f"node {number}").items():
            if fork not in way:
                raise ValueError(f"node {number} prices fork {fork}, which is not on its way")
            at_most = tree.forks[fork].at_most
            total += price * at_most if way[fork] else -price * (at_most + 1)
            paid.append((tree.forks[fork], price if way[fork] else -price))
        return (total + self._gains(charges, paid)) // self._scale

    def _charges(self, replaced: list[Json], name: str) -> Charges:
        """Prices of the certificate, some replaced."""
        own: dict[_At, int] = {}
        for row in replaced:
            if _at(row) in own:
                raise ValueError(f"{name} has two prices at {row['at']} for {row['facility']} ({row['bay_group']})")
            own[_at(row)] = _whole(row["price"], f"a price of {name}")
        rows = [
            {"facility": facility, "bay_group": group, "at": moment, "price": price}
            for (facility, group, moment), price in {**self._prices, **own}.items()
        ]
        return Charges({"scale": self._scale, "prices": rows}, self._verdicts)

    def _gains(self, charges: Charges, paid: list[tuple[_Fork, int]]) -> int:
        """Σ over demands of the best of their options, or of nothing where they are not locked."""
        if not len(self._demand):
            return 0
        gain: Whole = charges.scale * self._value_m.astype(charges.price.dtype)
        gain = gain - charges.paid(self._place, self._cover)
        if sum(abs(price) * max(fork.weight, default=0) for fork, price in paid) >= _FITS:
            gain = gain.astype(object)
        for fork, price in paid:
            option = self._find(fork)
            there = np.flatnonzero(option >= 0)
            gain[option[there]] -= np.array([price * fork.weight[at] for at in there.tolist()], dtype=gain.dtype)
        best = np.maximum.reduceat(gain, self._begins)
        gains: list[int] = np.where(self._locked, best, np.maximum(best, 0)).tolist()
        return sum(gains)

    def _find(self, fork: _Fork) -> Ints:
        """Option of each (demand, place) that a fork counts, −1 where it is not eligible."""
        width = len(self._verdicts.places.names)
        known, counted = self._demand * width + self._place, fork.demand * width + fork.place
        at = np.minimum(np.searchsorted(known, counted), len(known) - 1)
        return np.where(known[at] == counted, at, -1)


_At = tuple[str, str, str]
"""Facility, bay group and instant."""


def _at(row: Json) -> _At:
    """Where and when a price is paid, equal instants written alike."""
    moment = _EPOCH + timedelta(minutes=parse_instant(row["at"]))
    return row["facility"], row["bay_group"], moment.strftime("%Y-%m-%dT%H:%M")


def _fork_prices(rows: list[Json], name: str) -> dict[int, int]:
    """Prices of forks by number, zeros left out."""
    prices: dict[int, int] = {}
    for row in rows:
        fork, price = _whole(row["fork"], f"a fork of {name}"), _whole(row["price"], f"a fork's price of {name}")
        if fork in prices:
            raise ValueError(f"{name} prices fork {fork} twice")
        prices[fork] = price
    return {fork: price for fork, price in prices.items() if price}


def _whole(value: object, name: str, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}, must be a whole number of at least {least}")
    return value


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)
