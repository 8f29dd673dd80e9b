"""
Residents, owners and gates on their ways through the service, for locust: `locust -f loadtests/booking_journeys.py`.

Arrivals are open: they come by chance at the rate of the plan's steps, whether or not the service keeps up, and wait
for one of a fixed number of visitors to take their way; times count from the arrival. Steps rise until the slowest
hundredth waits longer than a second for a whole step; then comes a steady stretch at a share of that rate.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]  # no stubs and no py.typed
from gevent.queue import Queue  # type: ignore[import-untyped]  # as above
from locust import FastHttpUser, LoadTestShape, events, task
from locust.env import Environment

from loadtests.answers import Answers
from loadtests.journey_plan import PLAN_VARIABLE, JourneyPlan

VISITORS = 250
_SATURATED_MS = 1000.0
_DRAIN_S = 15.0
_WAYS = {
    "browse": 56,
    "book at once": 12,
    "hold and confirm": 12,
    "hold and cancel": 4,
    "book and cancel": 4,
    "owner": 6,
    "gate": 6,
}
"""Of a hundred arrivals."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who wants something from a moment on, seconds of the monotonic clock; `night` and who it is."""

    at_s: float
    step: int
    number: int
    way: str


class Generator:
    """Makes arrivals and keeps what they were answered: the state of one run."""

    def __init__(self, plan: JourneyPlan) -> None:
        self.plan = plan
        self.answers = Answers()
        self.waiting: Queue[Arrival] = Queue()
        self.under_way = 0
        self.started = self.finished = False
        self._numbers = count()
        self._random = random.Random(plan.seed)

    def run(self) -> None:
        """Make arrivals step by step until one saturates the service, then steadily, then let everybody finish."""
        rate = self.plan.steps[0][0]
        for step, (rate, seconds) in enumerate(self.plan.steps):
            self._arrive(step, rate, seconds)
            if self.answers.of_steps([step]).percentile_ms(99) > _SATURATED_MS or self._overdue():
                break
        self._drain()
        self._arrive(len(self.plan.steps), rate * self.plan.steady_share, self.plan.steady_s)
        self._drain()
        self.finished = True

    def _arrive(self, step: int, rate: float, seconds: float) -> None:
        at_s = time.monotonic()
        end_s = at_s + seconds
        while (at_s := at_s + self._random.expovariate(rate)) < end_s:
            if (wait_s := at_s - time.monotonic()) > 0:
                gevent.sleep(wait_s)
            number = next(self._numbers)
            if number >= self.plan.most_arrivals:
                return
            [way] = self._random.choices(list(_WAYS), list(_WAYS.values()))
            self.waiting.put(Arrival(at_s, step, number, way))

    def _overdue(self) -> bool:
        """Tell whether the next in the queue has waited longer than a saturated service lets anybody wait."""
        return bool(self.waiting.qsize()) and time.monotonic() - self.waiting.peek().at_s > _SATURATED_MS / 1000

    def _drain(self) -> None:
        """Let everybody who has come finish; who is still waiting then goes home without having asked."""
        deadline = time.monotonic() + _DRAIN_S
        while (self.waiting.qsize() or self.under_way) and time.monotonic() < deadline:
            gevent.sleep(0.05)
        while self.waiting.qsize():
            self.waiting.get()


class Visitor(FastHttpUser):
    """Takes one arrival's way after the other."""

    generator: Generator
    network_timeout = 20.0
    connection_timeout = 20.0
    max_retries = 0

    @task
    def visit(self) -> None:
        """Wait for an arrival, and take its way to the end."""
        arrival = self.generator.waiting.get()
        self.generator.under_way += 1
        try:
            Journey(self, arrival).take()
        finally:
            self.generator.under_way -= 1


class Journey:
    """One arrival's way: a few requests, each after the answer to the one before."""

    def __init__(self, visitor: Visitor, arrival: Arrival) -> None:
        plan = visitor.generator.plan
        self._visitor, self._arrival, self._plan = visitor, arrival, plan
        self._wanted_at_s: float | None = arrival.at_s
        # Everybody books a night of their own: a household that has one already would be refused for that alone.
        round_, resident = divmod(arrival.number, len(plan.residents))
        self._token, self._home = plan.residents[resident]
        self._night = plan.nights[round_ % len(plan.nights)]

    def take(self) -> None:
        """Take the way of the arrival."""
        match self._arrival.way:
            case "browse":
                self._browse()
            case "owner":
                self._look_after_facility()
            case "gate":
                self._read_at_gate()
            case "book at once" | "book and cancel":
                self._nearby()
                booking = self._book(confirm=True)
                if booking and self._arrival.way == "book and cancel":
                    self._change(booking, "cancel")
            case _:
                self._nearby()
                if booking := self._book(confirm=False):
                    self._change(booking, "confirm" if self._arrival.way == "hold and confirm" else "cancel")

    def _browse(self) -> None:
        if found := self._nearby().get("features"):
            facility = random.choice(found)["properties"]["id"]
            self._ask("GET", f"/v1/facilities/{facility}", name="facility", token=self._token)

    def _nearby(self) -> Mapping[str, Any]:
        start, end = (_quoted(moment) for moment in self._night)
        url = f"/v1/neighbourhoods/{self._plan.neighbourhood}/free-bays?home={self._home}&from={start}&to={end}"
        return self._ask("GET", url, name="nearby", token=self._token)

    def _look_after_facility(self) -> None:
        token, facility = random.choice(self._plan.owners)
        self._ask("GET", f"/v1/facilities/{facility}", name="owner's facility", token=token)
        self._ask("GET", f"/v1/facilities/{facility}/gate-devices", name="owner's gates", token=token)

    def _read_at_gate(self) -> None:
        key, facility = random.choice(self._plan.gates)
        self._ask("GET", "/v1/gate", name="gate", token=key)
        start, end = (_quoted(moment) for moment in self._night)
        url = f"/v1/facilities/{facility}/availability?from={start}&to={end}"
        self._ask("GET", url, name="availability", token=key)

    def _book(self, *, confirm: bool) -> int | None:
        """Ask for the nearest bay; its booking's id, None on a refusal."""
        start, end = self._night
        key = f"{self._plan.run}-{self._arrival.number}"
        body = {"from": start, "to": end, "confirm": confirm}
        name = "book at once" if confirm else "hold"
        answer = self._ask("POST", "/v1/bookings", name=name, token=self._token, body=body, key=key)
        return answer.get("id")

    def _change(self, booking: int, how: str) -> None:
        answer = self._ask("POST", f"/v1/bookings/{booking}/{how}", name=how, token=self._token, body={})
        if how == "cancel" and not answer:
            self._visitor.generator.answers.unsure.append(booking)

    def _ask(
        self, method: str, url: str, *, name: str, token: str, body: Mapping[str, Any] | None = None, key: str = ""
    ) -> Mapping[str, Any]:
        """Send a request, keep a sample, and return a good answer's content; nothing of any other."""
        begin_s = self._wanted_at_s if self._wanted_at_s is not None else time.monotonic()
        self._wanted_at_s = None
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        response = self._visitor.client.request(method, url, name=name, headers=headers, json=body)
        took_ms = (time.monotonic() - begin_s) * 1000
        answers = self._visitor.generator.answers
        answers.add(step=self._arrival.step, route=name, status=response.status_code, took_ms=took_ms)
        if response.status_code == 0 and method == "POST":
            answers.may_have_booked += 1
        if response.status_code not in (200, 201):
            return {}
        content: Mapping[str, Any] = response.json()
        if method == "POST":
            answers.note_booking(content)
        return content


def _quoted(moment: str) -> str:
    return moment.replace("+", "%2B")


class UntilFinished(LoadTestShape):
    """All visitors at once, until the generator has finished."""

    def tick(self) -> tuple[int, float] | None:
        """Say how many visitors there should be; None ends the test."""
        return None if Visitor.generator.finished else (VISITORS, VISITORS)


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _prepare(environment: Environment, **_: object) -> None:
    Visitor.generator = Generator(JourneyPlan.read(Path(os.environ[PLAN_VARIABLE])))

    def start_once(**_: object) -> None:
        if not Visitor.generator.started:
            Visitor.generator.started = True
            gevent.spawn(Visitor.generator.run).link_exception(die)

    def die(_greenlet: object) -> None:
        environment.process_exit_code = 1
        Visitor.generator.finished = True

    environment.events.spawning_complete.add_listener(start_once)  # type: ignore[no-untyped-call]  # as above


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def _keep(**_: object) -> None:
    Visitor.generator.answers.write(Path(Visitor.generator.plan.answers))
