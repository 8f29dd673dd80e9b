"""
Six o'clock, for locust: a thousand residents want one of the same forty bays at the same moment.

Each asks once, over a connection of its own, and waits for the answer; time counts from when the request is sent.
"""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

from gevent.event import Event  # type: ignore[import-untyped]  # no stubs and no py.typed
from locust import FastHttpUser, events, task
from locust.env import Environment
from locust.exception import StopUser

from loadtests.answers import Answers
from loadtests.journey_plan import PLAN_VARIABLE, RushPlan

_ROUTE = "rush"


class Rush:
    """The state of one rush."""

    def __init__(self, plan: RushPlan) -> None:
        self.plan = plan
        self.answers = Answers()
        self.struck_six = Event()
        self.numbers = count()


class RushResident(FastHttpUser):
    """Waits for six, asks once, and goes."""

    rush: Rush
    network_timeout = 30.0
    connection_timeout = 30.0
    max_retries = 0

    @task
    def ask(self) -> None:
        """Ask for a bay."""
        rush, plan = self.rush, self.rush.plan
        number = next(rush.numbers)
        headers = {"Authorization": f"Bearer {plan.tokens[number]}", "Idempotency-Key": f"{plan.run}-{number}"}
        start, end = plan.night
        body = {"facility": plan.facility, "from": start, "to": end, "confirm": True}
        rush.struck_six.wait()
        begin_s = time.monotonic()
        response = self.client.post("/v1/bookings", name=_ROUTE, headers=headers, json=body)
        took_ms = (time.monotonic() - begin_s) * 1000
        rush.answers.add(step=0, route=_ROUTE, status=response.status_code, took_ms=took_ms)
        if response.status_code == 0:
            rush.answers.may_have_booked += 1
        elif response.status_code == 201:
            rush.answers.note_booking(response.json())
        elif response.status_code == 409 and not response.json().get("alternatives"):
            rush.answers.without_alternatives += 1
        if len(rush.answers.step) == len(plan.tokens) and self.environment.runner:
            self.environment.runner.quit()
        raise StopUser


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _prepare(environment: Environment, **_: object) -> None:
    RushResident.rush = Rush(RushPlan.read(Path(os.environ[PLAN_VARIABLE])))
    environment.events.spawning_complete.add_listener(_strike_six)  # type: ignore[no-untyped-call]  # as above


def _strike_six(**_: object) -> None:
    RushResident.rush.struck_six.set()


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def _keep(**_: object) -> None:
    RushResident.rush.answers.write(Path(RushResident.rush.plan.answers))
