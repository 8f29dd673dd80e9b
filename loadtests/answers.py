"""What was asked and answered, one sample a request, kept by whoever generates load and handed on as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.invariants import Told

NOT_HEARD = 0
"""Status of a request whose answer never came."""


@dataclass(slots=True)
class Answers:
    """
    Samples by column, and what they said about bookings.

    Attributes
    ----------
    step, route, status, took_ms
        One entry a request. Time counts from the moment somebody wanted to ask: a generator that is late, or has nobody
        free to ask, makes no answer look faster than it was.
    confirmed, cancelled
        Ids of bookings by what an answer called them.
    unsure
        Bookings that somebody asked to cancel, without hearing whether they are.
    may_have_booked
        Requests without an answer that may have changed a booking.
    without_alternatives
        Refusals for want of a bay that named nothing else.
    """

    step: list[int] = field(default_factory=list)
    route: list[str] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)
    may_have_booked: int = 0
    without_alternatives: int = 0

    def add(self, *, step: int, route: str, status: int, took_ms: float) -> None:
        """Keep a sample."""
        self.step.append(step)
        self.route.append(route)
        self.status.append(status)
        self.took_ms.append(took_ms)

    def note_booking(self, content: Mapping[str, Any]) -> None:
        """Keep what an answer says about its booking."""
        if content["state"] == "confirmed":
            self.confirmed.append(content["id"])
        elif content["state"] in ("cancelled", "given_back"):
            self.cancelled.append(content["id"])

    def told(self) -> Told:
        """Return what was heard about bookings."""
        ids = (frozenset(self.confirmed), frozenset(self.cancelled), frozenset(self.unsure))
        return Told(*ids, unanswered=self.may_have_booked)

    def of_steps(self, steps: Iterable[int]) -> Answers:
        """Return the samples of some steps, without what they said about bookings."""
        wanted = set(steps)
        rows = [number for number, step in enumerate(self.step) if step in wanted]
        return Answers(
            [self.step[row] for row in rows],
            [self.route[row] for row in rows],
            [self.status[row] for row in rows],
            [self.took_ms[row] for row in rows],
        )

    def routes(self) -> list[str]:
        """List the routes asked, in the order of the first request."""
        return list(dict.fromkeys(self.route))

    def percentile_ms(self, percent: float, *, route: str | None = None) -> float:
        """Return a percentile of the times, of one route or of all; not a number without any sample."""
        times = [took for took, of in zip(self.took_ms, self.route, strict=True) if route is None or of == route]
        return float(np.percentile(times, percent)) if times else float("nan")

    def num(self, *, route: str | None = None, low: int = 0, high: int = 999) -> int:
        """Count answers by route and status, both ends included."""
        pairs = zip(self.route, self.status, strict=True)
        return sum(low <= status <= high and route in (None, of) for of, status in pairs)

    def num_refused(self, *, route: str | None = None) -> int:
        """Count refusals: no bay, or a rule of bookings."""
        return self.num(route=route, low=409, high=409)

    def num_failed(self, *, route: str | None = None) -> int:
        """Count answers that are the server's fault, and requests without an answer."""
        return self.num(route=route, low=500) + self.num(route=route, high=NOT_HEARD)

    def num_unexpected(self, *, route: str | None = None) -> int:
        """Count answers that are neither what was asked for nor an honest refusal."""
        good = self.num(route=route, low=200, high=299)
        return self.num(route=route) - good - self.num_refused(route=route)

    def write(self, file: Path) -> None:
        """Write as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Answers:
        """Read what `write` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))
