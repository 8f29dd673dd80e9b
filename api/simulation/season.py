"""The season itself: what is to happen when, and in whose name."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, Engine

from api.accounts.keys import Keys
from api.accounts.opening import open_as
from api.accounts.principal import ANONYMOUS, Principal
from api.simulation.clock import SimulatedClock

Act = Callable[["Season"], None]


@dataclass(slots=True)
class Season:
    """
    A simulation under way.

    Attributes
    ----------
    engine
        The simulation's own database, whose transactions see the clock.
    rng
        Where all chance comes from: the same seed lives the same season.
    tally
        What happened, by name and number.
    planner
        Who makes the rounds, and stands in for the owners of facilities that a sample has none for.
    gates
        The device at each facility.
    """

    engine: Engine
    keys: Keys
    clock: SimulatedClock
    zone: ZoneInfo
    neighbourhood: str
    rng: np.random.Generator
    tally: Counter[str] = field(default_factory=Counter)
    planner: Principal = ANONYMOUS
    gates: dict[int, int] = field(default_factory=dict)
    _agenda: list[tuple[datetime, int, Act]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def now(self) -> datetime:
        """The time it is."""
        return self.clock.now

    def at(self, moment: datetime, act: Act) -> None:
        """Let something happen at a moment; at once where that has passed."""
        heapq.heappush(self._agenda, (max(moment, self.now), next(self._numbers), act))

    def live_until(self, end: datetime) -> None:
        """Let happen what is due before a moment, in order; equal moments in the order they were asked for."""
        while self._agenda and self._agenda[0][0] < end:
            moment, _, act = heapq.heappop(self._agenda)
            self.clock.move_to(moment)
            act(self)
        self.clock.move_to(end)

    @contextmanager
    def acting(self, principal: Principal) -> Iterator[Connection]:
        """Open a transaction in somebody's name, as a request does."""
        with self.engine.begin() as connection:
            open_as(connection, principal)
            yield connection

    def as_household(self, household_id: int) -> Principal:
        """Act for a household."""
        return Principal(household_id, household_id, frozenset(), frozenset(), "bearer_token")
